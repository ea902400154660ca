"""Questions and promises counted by the database, by whatever key: a commitment, an institution, a season.

Where a question stands is taken from `answers` and `questions` as it is, never said a second time here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Null, case, null
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import answers, follow_ups, questions
from forums.models import ActionPlan, Commitment, CommitmentInstitution, FollowUp, Forum, Question, QuestionInstitution, Season
from forums.models.forum import PARIS


@dataclass(frozen=True)
class Asked:
    """Published questions and ideas by where they stand. `on_agenda` are some of those waiting, `overdue` of those deferred."""

    waiting: int = 0
    on_agenda: int = 0
    answered: int = 0
    partly: int = 0
    deferred: int = 0
    overdue: int = 0
    refused: int = 0
    days: int | None = None
    """For how many days the one that waits longest has been public."""
    forums: int | None = None
    """How many forums were held since."""

    @property
    def total(self) -> int:
        return self.waiting + self.answered + self.partly + self.deferred + self.refused


@dataclass(frozen=True)
class Promised:
    """Public promises; `late` are some of those open."""

    open: int = 0
    late: int = 0
    kept: int = 0
    dropped: int = 0

    @property
    def total(self) -> int:
        return self.open + self.kept + self.dropped


# -- Questions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Questions that stand at the same place: how many, and since when the oldest of them is public."""

    state: str
    number: int
    taken_up: int
    overdue: int
    oldest: datetime


@dataclass(frozen=True)
class Counted:
    """A group of questions of one commitment and one season. Those of an institution are those put to it that it does not lead."""

    plan_id: UUID | None
    commitment_id: UUID | None
    season_id: UUID | None
    institution_id: UUID | None
    group: Group


async def counted(session: AsyncSession, *, now: datetime) -> list[Counted]:
    """Every published question, in one statement: where each stands is looked up once, then counted for all keys.

    What is put to an institution because it leads the commitment is that commitment's own: only the rest is counted apart.
    """
    standing = _standing(now)
    put_to = standing.join(QuestionInstitution, col(QuestionInstitution.question_id) == standing.c.id)
    leads = select(CommitmentInstitution).where(
        CommitmentInstitution.commitment_id == standing.c.commitment_id,
        CommitmentInstitution.institution_id == QuestionInstitution.institution_id,
        CommitmentInstitution.role == "lead",
    )
    to_others = _numbers(standing, col(QuestionInstitution.institution_id)).select_from(put_to).where(~leads.exists())
    every = to_others.union_all(_numbers(standing, null())).subquery()
    # The plan of a question follows from the other keys: it is looked up for the groups, not for the questions.
    current = select(ActionPlan.id).where(col(ActionPlan.current)).scalar_subquery()
    query = (
        cast(Any, select)(func.coalesce(col(Commitment.plan_id), col(Season.plan_id), current), every)
        .outerjoin(Commitment, col(Commitment.id) == every.c.commitment_id)
        .outerjoin(Season, col(Season.id) == every.c.season_id)
    )
    found = (await session.exec(query)).all()
    return [Counted(plan, commitment, season, who, Group(*numbers)) for plan, who, commitment, season, *numbers in found]


def _standing(now: datetime) -> Any:
    """Each published question in the very terms its own page uses."""
    newest, agenda = answers.latest(), questions.on_agenda().distinct().subquery()
    waits = newest.c.outcome.is_(None)
    overdue = (newest.c.outcome == "deferred") & (newest.c.deferred_to < now.astimezone(PARIS).date())
    return (
        cast(Any, select)(
            col(Question.id),
            col(Question.commitment_id),
            col(Forum.season_id),
            func.coalesce(newest.c.outcome, "waiting").label("state"),
            case((waits & agenda.c.question_id.is_not(None), 1), else_=0).label("taken_up"),
            case((overdue, 1), else_=0).label("overdue"),
            questions.public_since().label("since"),
        )
        .select_from(Question)
        .outerjoin(Forum, col(Forum.id) == col(Question.forum_id))
        .outerjoin(newest, newest.c.question_id == col(Question.id))
        .outerjoin(agenda, agenda.c.question_id == col(Question.id))
        .where(col(Question.status) == "published")
        .cte("standing")
    )


def _numbers(standing: Any, institution: Any) -> Any:
    each = standing.c
    keys = (institution.label("institution_id"), each.commitment_id, each.season_id, each.state)
    numbers = (func.count().label("number"), func.sum(each.taken_up).label("taken_up"), func.sum(each.overdue).label("overdue"))
    grouped = (each.commitment_id, each.season_id, each.state)
    found = cast(Any, select)(*keys, *numbers, func.min(each.since).label("oldest"))
    return found.group_by(*grouped) if isinstance(institution, Null) else found.group_by(institution, *grouped)


def asked_of(groups: Sequence[Group], held: Sequence[date] = (), now: datetime | None = None) -> Asked:
    """The groups together; with `now` and the days forums were held, how long the oldest has waited."""

    def number(state: str) -> int:
        return sum(each.number for each in groups if each.state == state)

    oldest = min((each.oldest for each in groups if each.state == "waiting"), default=None)
    since = oldest.astimezone(PARIS).date() if oldest and now else None
    return Asked(
        waiting=number("waiting"),
        on_agenda=sum(each.taken_up for each in groups),
        answered=number("answered"),
        partly=number("partly"),
        deferred=number("deferred"),
        overdue=sum(each.overdue for each in groups),
        refused=number("refused"),
        days=(now.astimezone(PARIS).date() - since).days if since and now else None,
        forums=sum(day > since for day in held) if since else None,
    )


# -- Promises -----------------------------------------------------------------------------------------------


def promises_by(*keys: Any, now: datetime) -> Any:
    """Public promises counted by `keys` and by status."""
    late = func.sum(case((follow_ups.is_late(now), 1), else_=0))
    query = cast(Any, select)(*keys, col(FollowUp.status), func.count(), late).select_from(FollowUp)
    return query.join(Forum, col(Forum.id) == col(FollowUp.forum_id)).where(follow_ups.is_public()).group_by(*keys, col(FollowUp.status))


async def promised(session: AsyncSession, query: Any) -> dict[tuple[Any, ...], Promised]:
    """What `promises_by` counts, by its keys."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for *keys, status, number, late in (await session.exec(query)).all():
        counts = found.setdefault(tuple(keys), {"late": 0})
        counts[status] = number
        counts["late"] += int(late)
    return {keys: Promised(**counts) for keys, counts in found.items()}
