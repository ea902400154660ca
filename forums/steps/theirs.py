"""What moderators and agents have to do, and by when: only what is theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import schedule
from forums.models import (
    Answer,
    FollowUp,
    Forum,
    Institution,
    Minutes,
    MinutesEntry,
    MinutesEntryQuestion,
    Question,
    QuestionInstitution,
    Season,
)
from forums.steps.line import State, state_of


@dataclass(frozen=True)
class Task:
    """One thing to do: `about` is what it bears on, in its author's words; `number` counts what it gathers."""

    kind: str
    due: date | None
    state: State
    where: str
    about: str = ""
    number: int = 1
    forum: Forum | None = None


async def of_moderators(session: AsyncSession, *, now: datetime) -> list[Task]:
    """The questions to read, forum by forum: before its agenda is due, or at once when they are for no forum."""
    query = select(Question.forum_id, func.count()).where(Question.status == "pending").group_by(col(Question.forum_id))
    tasks = []
    for forum_id, number in (await session.exec(query)).all():
        forum = await schedule.forum_by_id(session, forum_id) if forum_id else None
        due = await _agenda_due(session, forum) if forum else None
        state = state_of(due, False, now) if due else "due"
        tasks.append(Task("moderate", due, state, "/organisation/questions", number=number, forum=forum))
    return in_order(tasks)


async def _agenda_due(session: AsyncSession, forum: Forum) -> date | None:
    season: Season = await schedule.season_of(session, forum)
    return (await schedule.own_dates(session, forum)).get("agenda") or schedule.default_day(season, forum, "agenda")


async def of_agents(session: AsyncSession, institutions: Sequence[Institution], *, now: datetime) -> list[Task]:
    """The questions put to their institutions, to be answered by the evening, and the promises these made."""
    theirs = [institution.id for institution in institutions]
    return in_order([*await _to_answer(session, theirs, now), *await _promised(session, theirs, now)])


async def _to_answer(session: AsyncSession, theirs: Sequence[UUID], now: datetime) -> list[Task]:
    answered = select(Answer.id).where(
        Answer.question_id == Question.id,
        Answer.institution_id == QuestionInstitution.institution_id,
        col(Answer.published_at).is_not(None),
    )
    said = (
        select(MinutesEntryQuestion.question_id)
        .join(MinutesEntry, col(MinutesEntry.id) == col(MinutesEntryQuestion.entry_id))
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .where(MinutesEntryQuestion.question_id == Question.id, col(Minutes.published_at).is_not(None))
    )
    query = (
        select(Question, Forum)
        .join(QuestionInstitution, col(QuestionInstitution.question_id) == col(Question.id))
        .join(Forum, col(Forum.id) == col(Question.forum_id))
        .where(col(QuestionInstitution.institution_id).in_(theirs), Question.status == "published", Forum.status == "announced")
        .where(~answered.exists(), ~said.exists())
    )
    found = {question.id: (question, forum) for question, forum in (await session.exec(query)).all()}  # once for two institutions
    return [
        Task("answer", forum.day, state_of(forum.day, False, now), f"/questions/{question.code}", question.text, forum=forum)
        for question, forum in found.values()
    ]


async def _promised(session: AsyncSession, theirs: Sequence[UUID], now: datetime) -> list[Task]:
    query = select(FollowUp).where(col(FollowUp.institution_id).in_(theirs), FollowUp.status == "open")
    return [
        Task("promise", promise.due_on, state_of(promise.due_on, False, now), f"/suites/{promise.code}", promise.text)
        for promise in (await session.exec(query)).all()
    ]


def in_order(tasks: Sequence[Task]) -> list[Task]:
    """First things first: late, due, later; each by its day."""
    return sorted(tasks, key=lambda task: (("late", "due", "later").index(task.state), task.due or date.max))
