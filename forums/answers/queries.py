"""What is asked of the answers: an agent's work, what was published on a question or a commitment.

Whose work it is stands in the WHERE: a draft never leaves its institution but for organisers. Each page
asks a number of statements that does not grow with what it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    Answer,
    Commitment,
    Forum,
    Institution,
    Minutes,
    MinutesEntry,
    MinutesEntryQuestion,
    Question,
    QuestionInstitution,
    Season,
)
from forums.models.forum import PARIS

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


async def assignments(
    session: AsyncSession,
    *,
    institutions: Sequence[Institution] | None,
    question: Question | None = None,
    stage: Stage | None = None,
    offset: int = 0,
    limit: int = 100,
    now: datetime,
) -> tuple[list[Assignment], int]:
    """A page of the work of these institutions (None: of all), the oldest and nearest forum first, and how much there is in all.

    By `stage`: what was put off to a day that has passed, what has no answer yet, what is prepared, what is published.
    """
    query = _assignments(institutions)
    if question is not None:
        query = query.where(Question.id == question.id)
    if stage is not None:
        query = query.where(*_at(stage, now))
    total = (await session.exec(select(func.count()).select_from(query.with_only_columns(Question.id).subquery()))).one()
    if stage == "published":
        query = query.order_by(col(Answer.published_at).desc())
    query = query.order_by(col(Forum.day).nulls_last(), col(Question.created_at), col(Institution.name), col(Question.code))
    query = query.offset(offset).limit(limit)
    return [Assignment(*found) for found in (await session.exec(query)).all()], total


async def awaited(session: AsyncSession, institutions: Sequence[Institution], *, now: datetime) -> list[tuple[Forum | None, int]]:
    """How many questions wait for an answer of these institutions, by forum, the oldest and nearest first."""
    ids = _assignments(institutions).where(*_at("to_answer", now)).with_only_columns(Question.id, Question.forum_id).distinct().subquery()
    query: Any = select(Forum, func.count()).select_from(ids).outerjoin(Forum, col(Forum.id) == ids.c.forum_id)
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


def _at(stage: Stage, now: datetime) -> list[Any]:
    if stage == "late":
        today = now.astimezone(PARIS).date()
        return [
            col(Answer.published_at).is_not(None),
            Answer.outcome == "deferred",
            col(Answer.deferred_to) < today,
        ]
    if stage == "to_answer":
        # What the minutes say in full needs no answer in writing; what another institution wrote answers for itself alone.
        said = (
            select(MinutesEntryQuestion.question_id)
            .join(MinutesEntry, col(MinutesEntry.id) == col(MinutesEntryQuestion.entry_id))
            .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
            .where(col(Minutes.published_at).is_not(None), col(MinutesEntryQuestion.outcome).in_(("answered", "refused")))
        )
        return [col(Answer.id).is_(None), col(Question.id).not_in(said)]
    return [
        col(Answer.id).is_not(None),
        col(Answer.published_at).is_not(None) if stage == "published" else col(Answer.published_at).is_(None),
    ]


# -- What was published -----------------------------------------------------------------------------------


async def given(session: AsyncSession, question: Question) -> list[Given]:
    """The published answers to a question, the oldest first."""
    query = _given().where(Answer.question_id == question.id).order_by(col(Answer.published_at))
    return [Given(*found) for found in (await session.exec(query)).all()]


async def about(session: AsyncSession, commitment: Commitment, limit: int = 50) -> list[Given]:
    """The published answers to the questions on a commitment, the newest first."""
    query = _given().where(Question.commitment_id == commitment.id).order_by(col(Answer.published_at).desc()).limit(limit)
    return [Given(*found) for found in (await session.exec(query)).all()]


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
