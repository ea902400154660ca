"""The forums on the organisers' table, and the line of one of them: the facts are asked for here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import literal, union_all
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import schedule
from forums.models import FollowUp, FollowUpForum, Forum, ForumStep, Minutes, Question, Season
from forums.models.forum import StepKind
from forums.steps.line import Facts, Step, draw

# What the public waits for; the rest is the organisers' own affair.
_PUBLIC: tuple[StepKind, ...] = ("theme", "place", "agenda", "minutes", "follow_ups")


@dataclass(frozen=True)
class Desk:
    """A forum on the organisers' table."""

    forum: Forum
    season: Season
    steps: Sequence[Step]
    pending_questions: int

    @property
    def next_step(self) -> Step | None:
        """The first thing somebody has to do; what the site does by itself is none."""
        return next((step for step in self.steps if step.state == "late" or (step.state != "done" and not step.by_itself)), None)


async def line_of(session: AsyncSession, forum: Forum, *, now: datetime) -> list[Step]:
    """The steps of one forum, with their days and states."""
    season = await schedule.season_of(session, forum)
    out = await session.exec(select(Minutes.id).where(Minutes.forum_id == forum.id, col(Minutes.published_at).is_not(None)))
    own, minutes_out = await schedule.own_dates(session, forum), out.first() is not None
    return draw(forum, Facts(season, own, minutes_out, (await _loose_promises(session, forum)).get(forum.id, 0)), now=now)


def late_in_public(line: Sequence[Step]) -> list[Step]:
    """What the public of a forum was to have by now and has not."""
    return [step for step in line if step.state == "late" and step.kind in _PUBLIC]


async def desks(session: AsyncSession, *, now: datetime) -> list[Desk]:
    """Every forum that still needs something, what is late first, then by day."""
    forums = (await session.exec(select(Forum, Season).join(Season, col(Season.id) == col(Forum.season_id)))).all()
    out = set((await session.exec(select(Minutes.forum_id).where(col(Minutes.published_at).is_not(None)))).all())
    own: dict[UUID, dict[StepKind, date]] = {}
    for step in (await session.exec(select(ForumStep))).all():
        own.setdefault(step.forum_id, {})[step.kind] = step.due_on
    pending = select(Question.forum_id, func.count()).where(Question.status == "pending").group_by(col(Question.forum_id))
    waiting = {forum_id: number for forum_id, number in (await session.exec(pending)).all()}
    loose = await _loose_promises(session)
    table = []
    for forum, season in forums:
        facts = Facts(season, own.get(forum.id, {}), forum.id in out, loose.get(forum.id, 0))
        if forum.day:
            table.append(Desk(forum, season, draw(forum, facts, now=now), waiting.get(forum.id, 0)))
    open_ones = [desk for desk in table if desk.next_step]
    return sorted(open_ones, key=lambda desk: (all(step.state != "late" for step in desk.steps), desk.forum.day or date.max))


async def _loose_promises(session: AsyncSession, forum: Forum | None = None) -> Mapping[UUID, int]:
    """How many open promises each forum holds, or one forum: made there or carried there, and carried to no later forum since."""
    made: Any = select(col(FollowUp.id).label("promise"), col(FollowUp.forum_id).label("forum_id"), literal(0).label("carried"))
    carried: Any = (
        select(col(FollowUpForum.follow_up_id), col(FollowUpForum.forum_id), literal(1))
        .join(FollowUp, col(FollowUp.id) == col(FollowUpForum.follow_up_id))
        .join(Forum, col(Forum.id) == col(FollowUpForum.forum_id))
        .where(Forum.status != "cancelled")
    )
    open_ones = [col(FollowUp.status) == "open"]
    if forum is not None:
        taken_up = select(FollowUpForum.follow_up_id).where(FollowUpForum.forum_id == forum.id)
        open_ones.append((col(FollowUp.forum_id) == forum.id) | col(FollowUp.id).in_(taken_up))
    held = union_all(made.where(*open_ones), carried.where(*open_ones)).subquery()
    latest = func.row_number().over(partition_by=held.c.promise, order_by=[col(Forum.day).desc().nulls_last(), held.c.carried])
    where: Any = select(held.c.forum_id, latest.label("place")).join(Forum, col(Forum.id) == held.c.forum_id)
    last = where.subquery()
    query: Any = select(last.c.forum_id, func.count()).where(last.c.place == 1).group_by(last.c.forum_id)
    return dict((await session.exec(query)).all())
