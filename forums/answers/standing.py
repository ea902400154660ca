"""Where a question stands, derived from what was published: passages of the minutes and answers, the latest first.

A passage is dated from the publication of its minutes, corrections included: they tell what was said on the
evening; of two passages of the same evening, the one with the higher number is the later. An answer lives on, and is
dated from its last change. What was deferred is overdue the day after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, union_all
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import Answer, Minutes, MinutesEntry, MinutesEntryQuestion, Question
from forums.models.forum import PARIS, Outcome

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
    facts = _published_facts()
    query = cast(Any, select)(facts.c.question_id, facts.c.outcome, facts.c.deferred_to).where(facts.c.question_id.in_(ids))
    found = (await session.exec(query.order_by(facts.c.at, facts.c.by_answer, facts.c.number, facts.c.fact))).all()
    return {question_id: Standing(outcome, until if outcome == "deferred" else None) for question_id, outcome, until in found}


def standing_in(state: str, *, now: datetime | None) -> ColumnElement[bool]:
    """The questions in a state named as in `STATES`, or of which nothing was published (`en-attente`)."""
    if state not in STATES:
        facts = _published_facts()
        return col(Question.id).not_in(cast(Any, select)(facts.c.question_id))
    newest = latest()
    found = cast(Any, select)(newest.c.question_id).where(newest.c.outcome == STATES[state])
    if state == "en-retard" and now is not None:
        found = found.where(newest.c.deferred_to < now.astimezone(PARIS).date())
    return col(Question.id).in_(found)


def latest() -> Any:
    """What came of each question of which something was published, to be joined and counted: the same that `standings` reads."""
    facts = _published_facts()
    newest_first = (facts.c.at.desc(), facts.c.by_answer.desc(), facts.c.number.desc(), facts.c.fact.desc())
    rank = func.row_number().over(partition_by=facts.c.question_id, order_by=newest_first).label("rank")
    ranked = cast(Any, select)(facts, rank).subquery()
    return cast(Any, select)(ranked.c.question_id, ranked.c.outcome, ranked.c.deferred_to).where(ranked.c.rank == 1).subquery()


def _published_facts() -> Any:
    """Every published passage and answer: which question, what came of it, since when."""
    passages: Select[Any] = cast(Any, select)(
        col(MinutesEntryQuestion.question_id),
        col(MinutesEntryQuestion.outcome),
        col(MinutesEntryQuestion.deferred_to),
        col(Minutes.published_at).label("at"),
        literal(0).label("by_answer"),
        col(MinutesEntry.number),
        col(MinutesEntry.id).label("fact"),
    )
    passages = passages.join(MinutesEntry, col(MinutesEntry.id) == col(MinutesEntryQuestion.entry_id))
    passages = passages.join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id)).where(col(Minutes.published_at).is_not(None))
    answers: Select[Any] = cast(Any, select)(
        col(Answer.question_id),
        col(Answer.outcome),
        col(Answer.deferred_to),
        func.coalesce(col(Answer.amended_at), col(Answer.published_at)).label("at"),
        literal(1).label("by_answer"),
        literal(0).label("number"),
        col(Answer.id).label("fact"),
    )
    return union_all(passages, answers.where(col(Answer.published_at).is_not(None))).subquery()
