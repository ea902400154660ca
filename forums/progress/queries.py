"""What is asked of the progress of commitments: which ones a member may follow and what is due first, the reports of one.

Whose commitments an agent may see stands in the WHERE; each list costs a constant number of statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import indicators
from forums.models import ActionPlan, Commitment, Institution, Milestone, ProgressReport
from forums.models.forum import PARIS
from forums.progress.milestones import is_late


@dataclass(frozen=True)
class Reported:
    """A progress report and who made it."""

    report: ProgressReport
    institution: Institution


@dataclass(frozen=True)
class Followable:
    """A commitment a member may follow: what is late, what is next, what waits for organisers."""

    commitment: Commitment
    plan: ActionPlan
    due: date | None
    late: int
    stale: int
    unsaid: int
    waiting: int
    reported_until: date | None


async def commitment_to_follow(
    session: AsyncSession, plan_slug: str, number: int, *, institutions: Sequence[Institution] | None
) -> tuple[Commitment, ActionPlan] | None:
    """A commitment by its plan and number; of given institutions, only one they carry."""
    found = (await session.exec(_commitments(institutions).where(ActionPlan.slug == plan_slug, Commitment.number == number))).first()
    return tuple(found) if found else None


def _commitments(institutions: Sequence[Institution] | None) -> Any:
    query: Any = select(Commitment, ActionPlan).join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))
    return query if institutions is None else query.where(col(Commitment.id).in_(indicators.carried_by(institutions)))


async def to_follow(session: AsyncSession, *, institutions: Sequence[Institution] | None, now: datetime) -> list[Followable]:
    """The commitments of followed plans these institutions carry (None: all), what is due first: four statements."""
    query = _commitments(institutions).where(col(ActionPlan.draft).is_(False))
    found = (await session.exec(query.order_by(col(ActionPlan.current).desc(), col(ActionPlan.slug).desc(), col(Commitment.number)))).all()
    ids = [commitment.id for commitment, _ in found]
    to_measure = _grouped(await indicators.to_measure(session, institutions=institutions, now=now), lambda each: each.commitment.id)
    milestones = (await session.exec(select(Milestone).where(col(Milestone.commitment_id).in_(ids)))).all()
    reports = (await session.exec(select(ProgressReport).where(col(ProgressReport.commitment_id).in_(ids)))).all()
    steps, told = _grouped(milestones, lambda each: each.commitment_id), _grouped(reports, lambda each: each.commitment_id)
    followed = [
        _followable(commitment, plan, to_measure.get(commitment.id, []), steps.get(commitment.id, []), told.get(commitment.id, []), now)
        for commitment, plan in found
    ]
    # Stable: what has no date keeps the order of the plans and of their numbers.
    return sorted(followed, key=lambda each: (not each.waiting, each.due or date.max))


def _grouped(found: Sequence[Any], key: Any) -> dict[UUID, list[Any]]:
    groups: dict[UUID, list[Any]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return groups


def _followable(
    commitment: Commitment,
    plan: ActionPlan,
    measured: Sequence[Any],
    steps: Sequence[Milestone],
    told: Sequence[ProgressReport],
    now: datetime,
) -> Followable:
    open_steps = [each for each in steps if each.state in (None, "not_started", "under_way")]
    today = now.astimezone(PARIS).date()
    dates = [each.fresh.due_on for each in measured if each.fresh.due_on]
    dates += [each.due_on for each in open_steps if each.due_on]
    return Followable(
        commitment,
        plan,
        due=min(dates, default=None),
        late=sum(is_late(each, now) for each in steps),
        stale=sum(each.fresh.state == "stale" for each in measured),
        unsaid=sum(each.state is None and each.due_on is not None and each.due_on < today for each in open_steps),
        waiting=sum(each.proposed for each in measured) + sum(each.status == "proposed" for each in told),
        reported_until=max((each.period_end for each in told if each.status == "published"), default=None),
    )


async def reports_of(session: AsyncSession, commitment: Commitment, *, drafts: bool = False) -> list[Reported]:
    """The reports of a commitment, the latest period first; with `drafts`, those proposed too."""
    query = select(ProgressReport, Institution).join(Institution, col(Institution.id) == col(ProgressReport.institution_id))
    query = query.where(ProgressReport.commitment_id == commitment.id)
    if not drafts:
        query = query.where(ProgressReport.status == "published")
    query = query.order_by(col(ProgressReport.period_end).desc(), col(ProgressReport.written_at).desc())
    return [Reported(*found) for found in (await session.exec(query)).all()]


async def report_by_code(session: AsyncSession, commitment: Commitment, code: str) -> Reported | None:
    return next((each for each in await reports_of(session, commitment, drafts=True) if each.report.code == code), None)


async def milestone_by_id(session: AsyncSession, commitment: Commitment, milestone_id: UUID) -> Milestone | None:
    query = select(Milestone).where(Milestone.commitment_id == commitment.id, Milestone.id == milestone_id)
    return (await session.exec(query)).first()
