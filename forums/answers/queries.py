"""What is asked of the answers: an agent's work, what was published on a question or a commitment.

Whose work it is stands in the WHERE: a draft never leaves its institution but for organisers. Each page
asks a number of statements that does not grow with what it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import select as plain_select
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    Answer,
    Commitment,
    Forum,
    Institution,
    MinutesEntry,
    MinutesEntryQuestion,
    Question,
    QuestionInstitution,
    Season,
)
from forums.models.forum import PARIS
from forums.standing_tables import ANSWERED, STANDING, WORK

Stage = Literal["late", "to_answer", "prepared", "published"]


@dataclass(frozen=True)
class Assignment:
    """A question and an institution it is routed to, with its answer so far, and the forum it was asked for."""

    question: Question
    institution: Institution
    answer: Answer | None
    forum: Forum | None
    season: Season | None


@dataclass(frozen=True)
class Given:
    """A published answer, by whom, to what."""

    answer: Answer
    institution: Institution
    question: Question


async def assignment(session: AsyncSession, code: str, slug: str, *, institutions: Sequence[Institution] | None) -> Assignment | None:
    """The work of an institution on a question; None when it is not one of `institutions`, which say whose work may be seen (None: all)."""
    query = _assignments(institutions).where(Question.code == code, Institution.slug == slug)
    found = (await session.exec(query)).first()
    return Assignment(*found) if found else None


async def of_question(session: AsyncSession, question: Question, *, institutions: Sequence[Institution] | None) -> list[Assignment]:
    """The work of these institutions (None: of all) on a question, by name."""
    query = _assignments(institutions).where(Question.id == question.id).order_by(col(Institution.name))
    return [Assignment(*found) for found in (await session.exec(query)).all()]


async def assignments(
    session: AsyncSession,
    *,
    institutions: Sequence[Institution] | None,
    stage: Stage,
    offset: int = 0,
    limit: int = 100,
    now: datetime,
) -> tuple[list[Assignment], int]:
    """A page of the work of these institutions (None: of all), and how much there is in all.

    By `stage`: what was put off to a day that has passed, the first of these days first; what has no answer yet and what is
    prepared, the oldest and nearest forum first; what is published, the newest first.
    """
    theirs = _work(institutions, stage, now)
    total = (await session.exec(theirs.with_only_columns(func.count(), maintain_column_froms=True))).scalar_one()
    found = theirs.order_by(*_in_turn(stage, WORK.c)).offset(offset).limit(limit).subquery()
    query = _assignments(None).join(found, _is_of(found.c)).order_by(*_in_turn(stage, found.c))
    return [Assignment(*each) for each in (await session.exec(query)).all()], total


async def awaited(session: AsyncSession, institutions: Sequence[Institution], *, now: datetime) -> list[tuple[Forum | None, int]]:
    """How many questions wait for an answer of these institutions, by forum, the oldest and nearest first."""
    work = _work(institutions, "to_answer", now).subquery()
    query: Any = cast(Any, select)(Forum, func.count(work.c.question_id.distinct())).select_from(work)
    query = query.join(Question, col(Question.id) == work.c.question_id).outerjoin(Forum, col(Forum.id) == col(Question.forum_id))
    return list((await session.exec(query.group_by(col(Forum.id)).order_by(col(Forum.day).nulls_last()))).all())


def _assignments(institutions: Sequence[Institution] | None) -> Any:
    query: Any = (
        cast(Any, select)(Question, Institution, Answer, Forum, Season)
        .select_from(QuestionInstitution)
        .join(Question, col(Question.id) == col(QuestionInstitution.question_id))
        .join(Institution, col(Institution.id) == col(QuestionInstitution.institution_id))
        .outerjoin(Answer, (col(Answer.question_id) == col(Question.id)) & (col(Answer.institution_id) == col(Institution.id)))
        .outerjoin(Forum, col(Forum.id) == col(Question.forum_id))
        .outerjoin(Season, col(Season.id) == col(Forum.season_id))
        .where(col(Question.status).in_(("pending", "published")))
    )
    return query if institutions is None else query.where(col(Institution.id).in_([each.id for each in institutions]))


def _work(institutions: Sequence[Institution] | None, stage: Stage, now: datetime) -> Any:
    """What the database keeps of it; what is put off is published too."""
    at_it = WORK.c.deferred_to < now.astimezone(PARIS).date() if stage == "late" else WORK.c.stage == stage
    query = plain_select(WORK).where(at_it)
    return query if institutions is None else query.where(WORK.c.institution_id.in_([each.id for each in institutions]))


def _in_turn(stage: Stage, of: Any) -> list[Any]:
    """The order of the index it is read from; the identifiers settle ties."""
    if stage == "late":
        return [of.deferred_to, of.question_id, of.institution_id]
    turn = [of.day, of.since, of.question_id, of.institution_id]
    return [each.desc() for each in turn] if stage == "published" else turn


def _is_of(work: Any) -> Any:
    return (col(QuestionInstitution.question_id) == work.question_id) & (col(QuestionInstitution.institution_id) == work.institution_id)


# -- What was published -----------------------------------------------------------------------------------


async def given(session: AsyncSession, question: Question) -> list[Given]:
    """The published answers to a question, the oldest first."""
    query = _given().where(Answer.question_id == question.id).order_by(col(Answer.published_at))
    return [Given(*found) for found in (await session.exec(query)).all()]


async def about(session: AsyncSession, commitment: Commitment, limit: int = 50) -> list[Given]:
    """The published answers to the questions on a commitment, the newest first."""
    query = _given().where(Question.commitment_id == commitment.id).order_by(col(Answer.published_at).desc()).limit(limit)
    return [Given(*found) for found in (await session.exec(query)).all()]


async def how_many_about(session: AsyncSession, commitment: Commitment) -> int:
    """How many published answers there are to the questions on a commitment."""
    asked = select(STANDING.c.question_id).where(STANDING.c.status == "published", STANDING.c.commitment_id == commitment.id)
    query = select(func.count()).select_from(ANSWERED).where(ANSWERED.c.question_id.in_(asked), ANSWERED.c.corrected == 0)
    return (await session.exec(query)).one()


def _given() -> Any:
    query: Any = (
        select(Answer, Institution, Question)
        .join(Institution, col(Institution.id) == col(Answer.institution_id))
        .join(Question, col(Question.id) == col(Answer.question_id))
        .where(col(Answer.published_at).is_not(None), Question.status == "published")
    )
    return query


async def outcomes_of(session: AsyncSession, question: Question, entries: Sequence[MinutesEntry]) -> dict[UUID, MinutesEntryQuestion]:
    """What came of a question in each of these passages."""
    query = select(MinutesEntryQuestion).where(
        MinutesEntryQuestion.question_id == question.id, col(MinutesEntryQuestion.entry_id).in_([each.id for each in entries])
    )
    return {link.entry_id: link for link in (await session.exec(query)).all()}
