"""Where a question stands, derived from what was published: passages of the minutes and answers, the latest first.

The database derives it as `standing_index` says, whenever a fact it hangs on is written. What was deferred is overdue
the day after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import Question
from forums.models.forum import PARIS, Outcome
from forums.standing_index import STANDING

State = Literal["waiting", "on_agenda", "answered", "partly", "deferred", "refused"]

# What the address of a list calls each outcome (`/questions?etat=reportee`); those deferred whose day has passed are a part of them.
STATES: dict[str, Outcome] = {
    "repondue": "answered",
    "en-partie": "partly",
    "reportee": "deferred",
    "en-retard": "deferred",
    "refusee": "refused",
}


@dataclass(frozen=True)
class Standing:
    """Where a question stands; `until` is the day an answer was put off to."""

    state: State
    until: date | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether the day it was put off to has gone by, in Paris."""
        return self.until is not None and self.until < now.astimezone(PARIS).date()


WAITING, ON_AGENDA = Standing("waiting"), Standing("on_agenda")


async def standings(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Standing]:
    """What came of each of these questions; one of which nothing was published is absent."""
    kept = STANDING.c
    query = cast(Any, select)(kept.question_id, kept.state, kept.deferred_to).where(kept.question_id.in_(ids), kept.state != "waiting")
    return {question_id: Standing(state, until) for question_id, state, until in (await session.exec(query)).all()}


def standing_in(state: str, *, now: datetime | None) -> ColumnElement[bool]:
    """The questions in a state named as in `STATES`, or of which nothing was published (`en-attente`)."""
    kept = STANDING.c
    found = cast(Any, select)(kept.question_id).where(kept.state == STATES.get(state, "waiting"))
    if state == "en-retard" and now is not None:
        found = found.where(kept.deferred_to < now.astimezone(PARIS).date())
    return col(Question.id).in_(found)
