"""What each forum needs next, with dates: announce, theme, place, agenda, the evening, minutes.

Derived from facts, never ticked by hand. A step is done, late, due within its week, or later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.language import N_
from forums.models import Forum, Minutes, Question, Season
from forums.models.forum import PARIS

State = Literal["late", "due", "later", "done"]


@dataclass(frozen=True)
class Step:
    """One thing to do: a sentence, the day it is due by, where to do it (below the forum's own page)."""

    sentence: str
    due: date | None
    state: State
    where: str


@dataclass(frozen=True)
class Desk:
    """A forum on the organisers' table."""

    forum: Forum
    season: Season
    steps: Sequence[Step]
    pending_questions: int

    @property
    def next_step(self) -> Step | None:
        return next((step for step in self.steps if step.state != "done"), None)


async def desks(session: AsyncSession, *, now: datetime) -> list[Desk]:
    """Every forum that still needs something, what is late first, then by day."""
    forums = (await session.exec(select(Forum, Season).join(Season, col(Season.id) == col(Forum.season_id)))).all()
    minutes = {each.forum_id: each for each in (await session.exec(select(Minutes))).all()}
    pending = select(Question.forum_id, func.count()).where(Question.status == "pending").group_by(col(Question.forum_id))
    waiting = {forum_id: number for forum_id, number in (await session.exec(pending)).all()}
    table = [
        Desk(forum, season, steps_of(forum, minutes.get(forum.id), now=now), waiting.get(forum.id, 0))
        for forum, season in forums
        # The minutes of forums held before this site are kept elsewhere, or lost.
        if forum.status != "cancelled" and not (forum.is_past(now) and (forum.sources or forum.minutes_elsewhere)) and forum.day
    ]
    open_ones = [desk for desk in table if desk.next_step]
    return sorted(open_ones, key=lambda desk: (all(step.state != "late" for step in desk.steps), desk.forum.day or date.max))


def steps_of(forum: Forum, minutes: Minutes | None, *, now: datetime) -> list[Step]:
    """The life of a forum in order. Days are counted from the evening: J-30, J-7, J+10."""
    today = now.astimezone(PARIS).date()
    past = forum.is_past(now)

    def step(sentence: str, days: int, done: bool, where: str) -> Step:
        due = forum.day + timedelta(days=days) if forum.day else None
        if done:
            return Step(sentence, due, "done", where)
        state: State = "late" if due and due < today else "due" if due and due <= today + timedelta(days=7) else "later"
        return Step(sentence, due, state, where)

    if past and forum.announced_at is None:
        return []
    before = [
        step(N_("Annoncer le forum"), -60, forum.announced_at is not None, ""),
        step(N_("Définir le thème"), -30, bool(forum.theme), "/modifier"),
        step(N_("Fixer le lieu et la jauge"), -30, bool(forum.place) and forum.capacity + forum.remote_capacity > 0, "/modifier"),
        step(N_("Publier l'ordre du jour"), -7, forum.agenda_published_at is not None, "/ordre-du-jour"),
    ]
    after = step(N_("Publier le compte rendu"), 10, minutes is not None and minutes.published_at is not None, "/compte-rendu")
    return [*(each for each in before if not past or each.state == "done"), after]
