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
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models.forum import PARIS, Outcome
from forums.standing_tables import STANDING

State = Literal["waiting", "on_agenda", "answered", "partly", "deferred", "refused"]

# What the address of a list calls each outcome (`/questions?etat=reportee`); those deferred whose day has passed are a part of them.
STATES: dict[str, Outcome] = {
    "repondue": "answered",
    "en-partie": "partly",
    "reportee": "deferred",
    "en-retard": "deferred",
    "refusee": "refused",
}

# Of those that wait, the ones a published agenda takes up.
ON_THE_AGENDA = "a-l-ordre-du-jour"


@dataclass(frozen=True)
class Standing:
    """Where a question stands; `until` is the day an answer was put off to."""

    state: State
    until: date | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether the day it was put off to has gone by, in Paris."""
        return self.until is not None and self.until < now.astimezone(PARIS).date()


async def standings(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Standing]:
    """Where each of these questions stands: what came of it, on a published agenda, waiting."""
    kept = STANDING.c
    query = cast(Any, select)(kept.question_id, kept.state, kept.taken_up, kept.deferred_to).where(kept.question_id.in_(ids))
    found = (await session.exec(query)).all()
    return {question_id: Standing("on_agenda" if taken_up else state, until) for question_id, state, taken_up, until in found}


def standing_in(state: str, *, now: datetime | None) -> list[ColumnElement[bool]]:
    """What `STANDING` says of a state named as in `STATES`, `en-attente` (nothing was published) or `ON_THE_AGENDA`."""
    kept = STANDING.c
    found: list[ColumnElement[bool]] = [kept.state == STATES.get(state, "waiting")]
    if state == ON_THE_AGENDA:
        found.append(kept.taken_up == 1)
    if state == "en-retard" and now is not None:
        found.append(kept.deferred_to < now.astimezone(PARIS).date())
    return found
