"""The dates that are not forums, for calendars: the last day for questions, minutes due, milestones due.

All are derived from facts. What a calendar compares to see a change, SEQUENCE and DTSTAMP, is derived too:
a forum's own, and what the journal says was settled of its dates, which can both only rise.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.calendar_feed import Due
from forums.models import ActionPlan, AuditEvent, Commitment, Forum, ForumCommitment, ForumStep, Milestone, Minutes, Season
from forums.models.forum import PARIS


class _Dated(NamedTuple):
    """What is asked of a forum and its season; columns of theirs."""

    id: UUID
    uid: str
    slug: str
    number: int
    status: str
    theme: str | None
    day: date
    questions_close_at: datetime | None
    sequence: int
    changed_at: datetime
    created_at: datetime
    ends_at: datetime | None
    minutes_elsewhere: str | None
    invented: bool
    season: str
    minutes_days: int
    minutes_at: datetime | None


_OF_FORUM = [getattr(Forum, name) for name in _Dated._fields[:-3]]


async def due_dates(session: AsyncSession, slug: str | None = None, commitment_ids: Sequence[UUID] | None = None) -> list[Due]:
    """Those of every announced forum and of the current plan; or of one forum; or of these commitments."""
    found = await _of_forums(session, slug, commitment_ids)
    if slug is None:
        found += await _milestones(session, commitment_ids)
    return sorted(found, key=lambda due: (due.day, due.uid))


async def _of_forums(session: AsyncSession, slug: str | None, commitment_ids: Sequence[UUID] | None) -> list[Due]:
    columns: list[Any] = [*_OF_FORUM, Season.slug, Season.minutes_days, Minutes.published_at]
    query: Any = select(*columns)
    query = query.join(Season, col(Season.id) == col(Forum.season_id)).join(Minutes, col(Minutes.forum_id) == col(Forum.id), isouter=True)
    query = query.where(col(Forum.announced_at).is_not(None), col(Forum.day).is_not(None))
    if slug is not None:
        query = query.where(Forum.slug == slug)
    if commitment_ids is not None:
        about = select(ForumCommitment.forum_id).where(col(ForumCommitment.commitment_id).in_(commitment_ids))
        query = query.where(col(Forum.id).in_(about))
    forums = [_Dated(*row) for row in (await session.exec(query)).all()]
    minutes_on = select(ForumStep).where(ForumStep.kind == "minutes")
    own = {step.forum_id: step.due_on for step in (await session.exec(minutes_on)).all()}
    settled = await _settled(session)
    return [due for forum in forums if not _history(forum) for due in _of_forum(forum, own.get(forum.id), settled)]


def _history(forum: _Dated) -> bool:
    """Over before it was written down here: nothing was ever due."""
    return forum.ends_at is None or forum.minutes_elsewhere is not None or forum.ends_at <= forum.created_at


async def _settled(session: AsyncSession) -> dict[str, tuple[int, datetime]]:
    """How often the dates of each forum and season were settled, and when last."""
    query = select(AuditEvent.subject, func.count(), func.max(AuditEvent.at))
    query = query.where(text("verb IN ('settle_dates', 'settle_season')"))  # as the index says it: a bound value does not find it
    return {subject: (times, at) for subject, times, at in (await session.exec(query.group_by(AuditEvent.subject))).all()}


def _of_forum(forum: _Dated, minutes_on: date | None, settled: dict[str, tuple[int, datetime]]) -> list[Due]:
    changes = [settled[each] for each in (f"forum {forum.slug}", f"season {forum.season}") if each in settled]
    named = f"forum n° {forum.number}" + (f", {forum.theme}" if forum.theme else "")
    page = f"/forums/{forum.slug}"
    whole = Due(
        uid=forum.uid,
        day=forum.day,
        title=named,
        page=page,
        cancelled=forum.status == "cancelled",
        sequence=forum.sequence + sum(times for times, _ in changes),
        changed_at=max([forum.changed_at, *(at for _, at in changes)]),
        invented=forum.invented,
    )
    day = minutes_on or forum.day + timedelta(days=forum.minutes_days)
    minutes = whole._replace(uid=f"{forum.uid}-compte-rendu", day=day, title=f"Compte rendu attendu : {named}")
    if forum.minutes_at:  # one change more
        minutes = minutes._replace(title=f"Compte rendu publié : {named}", page=f"{page}/compte-rendu")
        minutes = minutes._replace(sequence=whole.sequence + 1, changed_at=max(whole.changed_at, forum.minutes_at))
    if forum.questions_close_at is None:
        return [minutes]
    last_day = forum.questions_close_at.astimezone(PARIS).date()
    title = f"Dernier jour pour poser une question : {named}"
    return [whole._replace(uid=f"{forum.uid}-questions", day=last_day, title=title, page=f"{page}/questions"), minutes]


async def _milestones(session: AsyncSession, commitment_ids: Sequence[UUID] | None) -> list[Due]:
    query = (
        select(Milestone, Commitment, ActionPlan)
        .join(Commitment, col(Commitment.id) == col(Milestone.commitment_id))
        .join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))
        .where(col(Milestone.due_on).is_not(None), col(ActionPlan.draft).is_(False))
    )
    if commitment_ids is None:
        query = query.where(col(ActionPlan.current))
    else:
        query = query.where(col(Milestone.commitment_id).in_(commitment_ids))
    return [_milestone(*row) for row in (await session.exec(query)).all()]


_STATES = {"done": "Jalon atteint", "abandoned": "Jalon abandonné"}


def _milestone(milestone: Milestone, commitment: Commitment, plan: ActionPlan) -> Due:
    assert milestone.due_on is not None
    page = f"/engagements/{commitment.number}" if plan.current else f"/plans/{plan.slug}/engagements/{commitment.number}"
    title = f"{_STATES.get(milestone.state or '', 'Jalon attendu')}, engagement {commitment.number} : {milestone.text}"
    # As old as its plan until somebody said something of it: never the moment of the request.
    changed_at = milestone.state_changed_at or datetime.combine(plan.presented_on or date(2018, 1, 1), time(), tzinfo=UTC)
    return Due(f"jalon-{milestone.id}", milestone.due_on, title, f"{page}#jalons", False, milestone.edition, changed_at, plan.invented)
