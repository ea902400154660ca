"""Questions and promises counted by the database, by whatever key: a commitment, an institution, a season.

Where a question stands is taken from `answers` and `questions` as it is, never said a second time here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import case
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import answers, follow_ups, questions
from forums.models import FollowUp, Forum, Question
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


def standing_by(*keys: Any, now: datetime) -> Any:
    """Published questions counted by `keys` and by where they stand, in the very terms a question's own page uses."""
    newest, agenda = answers.latest(), questions.on_agenda().distinct().subquery()
    state = func.coalesce(newest.c.outcome, "waiting").label("state")
    overdue = (newest.c.outcome == "deferred") & (newest.c.deferred_to < now.astimezone(PARIS).date())
    counts = (
        func.count(),
        func.sum(case((newest.c.outcome.is_(None) & agenda.c.question_id.is_not(None), 1), else_=0)),
        func.sum(case((overdue, 1), else_=0)),
        func.min(questions.public_since()),
    )
    return (
        cast(Any, select)(*keys, state, *counts)
        .select_from(Question)
        .outerjoin(newest, newest.c.question_id == col(Question.id))
        .outerjoin(agenda, agenda.c.question_id == col(Question.id))
        .where(col(Question.status) == "published")
        .group_by(*keys, state)
    )


async def grouped(session: AsyncSession, query: Any) -> dict[tuple[Any, ...], list[Group]]:
    """What `standing_by` counts, by its keys."""
    found: dict[tuple[Any, ...], list[Group]] = {}
    for *keys, state, number, taken_up, overdue, oldest in (await session.exec(query)).all():
        found.setdefault(tuple(keys), []).append(Group(state, number, taken_up, overdue, oldest))
    return found


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
