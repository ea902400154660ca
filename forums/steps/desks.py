"""The forums on the organisers' table, and the line of one of them: the facts are asked for here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

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
    return draw(forum, Facts(season, own, minutes_out, (await _loose_promises(session)).get(forum.id, 0)), now=now)


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


async def _loose_promises(session: AsyncSession) -> Mapping[UUID, int]:
    """How many open promises each forum holds: made there or carried there, and carried to no later forum since."""
    made = select(FollowUp.id, Forum).join(Forum, col(Forum.id) == col(FollowUp.forum_id)).where(FollowUp.status == "open")
    carried = (
        select(FollowUp.id, Forum)
        .join(FollowUpForum, col(FollowUpForum.follow_up_id) == col(FollowUp.id))
        .join(Forum, col(Forum.id) == col(FollowUpForum.forum_id))
        .where(FollowUp.status == "open", Forum.status != "cancelled")
    )
    last: dict[UUID, Forum] = {}
    for promise, forum in [*(await session.exec(made)).all(), *(await session.exec(carried)).all()]:
        last[promise] = max(last.get(promise, forum), forum, key=lambda each: each.day or date.min)
    return Counter(forum.id for forum in last.values())
