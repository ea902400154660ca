"""What is asked of the questions: those published, what became of each, those that wait for a moderator.

Where a question stands is derived from what was published, and typed nowhere.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, union
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import answers
from forums.answers import Standing
from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemQuestion,
    Commitment,
    CommitmentInstitution,
    Forum,
    ForumCommitment,
    Institution,
    Minutes,
    MinutesEntry,
    MinutesEntryQuestion,
    Question,
    QuestionInstitution,
    Season,
    Support,
)

# What the public may read at a question's own address; of those declined or withdrawn, the reason alone.
PUBLIC = ("published", "merged", "declined", "unpublished")

# Of those that wait, the ones a published agenda takes up, as the address of a list calls them.
ON_THE_AGENDA = "a-l-ordre-du-jour"


def are_open(forum: Forum, *, now: datetime) -> bool:
    """Whether questions may be asked for a forum."""
    return forum.status == "announced" and forum.questions_close_at is not None and now < forum.questions_close_at


async def published_question(session: AsyncSession, code: str) -> Question | None:
    return (await session.exec(select(Question).where(Question.code == code, Question.status == "published"))).first()


async def public_question(session: AsyncSession, code: str) -> Question | None:
    """A question whose address answers to everybody: published, or decided otherwise with a public reason."""
    return (await session.exec(select(Question).where(Question.code == code, col(Question.status).in_(PUBLIC)))).first()


async def merged_into(session: AsyncSession, question: Question) -> Sequence[Question]:
    """The questions merged into this one, the oldest first."""
    query = select(Question).where(Question.merged_into_id == question.id, Question.status == "merged")
    return (await session.exec(query.order_by(col(Question.created_at)))).all()


async def published(
    session: AsyncSession,
    *,
    forum: Forum | None = None,
    commitment: Commitment | None = None,
    institution: Institution | None = None,
    state: str | None = None,
    plan: ActionPlan | None = None,
    season: Season | None = None,
    without: Sequence[Literal["forum", "commitment"]] = (),
    by_support: bool = False,
    oldest_first: bool = False,
    now: datetime | None = None,
    offset: int = 0,
    limit: int = 20,
) -> tuple[Sequence[Question], int]:
    """A page of published questions, the newest first unless told otherwise, and how many there are in all.

    `now` tells what is overdue, `without` what they are not tied to.
    """
    query = select(Question).where(Question.status == "published")
    if forum is not None:
        query = query.where(Question.forum_id == forum.id)
    if commitment is not None:
        query = query.where(Question.commitment_id == commitment.id)
    if institution is not None:
        put = put_to_institutions()
        query = query.where(col(Question.id).in_(cast(Any, select)(put.c.question_id).where(put.c.institution_id == institution.id)))
    if plan is not None:
        known = plan_of_each()
        query = query.where(col(Question.id).in_(cast(Any, select)(known.c.question_id).where(known.c.plan_id == plan.id)))
    if season is not None:
        query = query.where(col(Question.forum_id).in_(select(Forum.id).where(Forum.season_id == season.id)))
    for absent in without:
        query = query.where({"forum": col(Question.forum_id), "commitment": col(Question.commitment_id)}[absent].is_(None))
    if state in ("en-attente", ON_THE_AGENDA, *answers.STATES):
        query = query.where(answers.standing_in(str(state), now=now))
    if state == ON_THE_AGENDA:
        query = query.where(col(Question.id).in_(on_agenda()))
    total = (await session.exec(select(func.count()).select_from(query.subquery()))).one()
    if by_support:
        supported = select(func.count()).where(Support.question_id == Question.id, col(Support.confirmed_at).is_not(None))
        query = query.order_by(supported.scalar_subquery().desc())
    asked = public_since()
    page = query.order_by(asked if oldest_first else asked.desc(), col(Question.code)).offset(offset).limit(limit)
    return (await session.exec(page)).all(), total


# -- What lists and figures share ---------------------------------------------------------------------------


def public_since() -> ColumnElement[datetime]:
    """Since when the public reads a question: it waits from then on."""
    return func.coalesce(col(Question.decided_at), col(Question.created_at))


def put_to_institutions() -> Any:
    """Every question with each institution it concerns: those it is routed to, and those that lead its commitment."""
    routed: Select[Any] = cast(Any, select)(col(QuestionInstitution.question_id), col(QuestionInstitution.institution_id))
    carried: Select[Any] = cast(Any, select)(col(Question.id).label("question_id"), col(CommitmentInstitution.institution_id))
    carried = carried.join(CommitmentInstitution, col(CommitmentInstitution.commitment_id) == col(Question.commitment_id))
    return routed.union(carried.where(col(CommitmentInstitution.role) == "lead")).subquery()


def plan_of_each() -> Any:
    """The plan of every question: its commitment's; without one, that of its forum's season; without one, the current plan."""
    current = select(ActionPlan.id).where(col(ActionPlan.current)).scalar_subquery()
    plan = func.coalesce(col(Commitment.plan_id), col(Season.plan_id), current).label("plan_id")
    return (
        cast(Any, select)(col(Question.id).label("question_id"), plan)
        .select_from(Question)
        .outerjoin(Commitment, col(Commitment.id) == col(Question.commitment_id))
        .outerjoin(Forum, col(Forum.id) == col(Question.forum_id))
        .outerjoin(Season, col(Season.id) == col(Forum.season_id))
        .subquery()
    )


def on_agenda() -> Any:
    """The questions a published agenda takes up."""
    return (
        select(AgendaItemQuestion.question_id)
        .join(AgendaItem, col(AgendaItem.id) == col(AgendaItemQuestion.agenda_item_id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        .where(AgendaItem.version == Forum.agenda_version, Forum.agenda_version > 0)
    )


async def states_of(session: AsyncSession, questions: Sequence[Question]) -> dict[UUID, Standing]:
    """Where each question stands, derived from facts: what was answered, on a published agenda, waiting."""
    ids = [question.id for question in questions]
    taken_up = on_agenda().where(col(AgendaItemQuestion.question_id).in_(ids))
    states = dict.fromkeys(ids, answers.WAITING) | dict.fromkeys((await session.exec(taken_up)).all(), answers.ON_AGENDA)
    return states | await answers.standings(session, ids)


async def passages_answering(session: AsyncSession, question: Question) -> Sequence[tuple[MinutesEntry, Forum]]:
    """The published passages that answer a question, the newest forum first."""
    query = (
        select(MinutesEntry, Forum)
        .join(MinutesEntryQuestion, col(MinutesEntryQuestion.entry_id) == col(MinutesEntry.id))
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .join(Forum, col(Forum.id) == col(Minutes.forum_id))
        .where(MinutesEntryQuestion.question_id == question.id, col(Minutes.published_at).is_not(None))
        .order_by(col(Forum.day).desc(), col(MinutesEntry.number))
    )
    return (await session.exec(query)).all()


async def to_moderate(
    session: AsyncSession, *, institutions: Sequence[Institution] | None = None, limit: int | None = None, offset: int = 0
) -> Sequence[Question]:
    """Confirmed questions that wait for a moderator, the oldest first; an agent sees those of their institutions."""
    # The code settles ties: without it a question could be on two pages, or on none.
    query = select(Question).where(*_waits(institutions)).order_by(col(Question.confirmed_at), col(Question.code))
    return (await session.exec(query.offset(offset).limit(limit))).all()


async def how_many_to_moderate(session: AsyncSession, *, institutions: Sequence[Institution] | None = None) -> int:
    return (await session.exec(select(func.count()).select_from(Question).where(*_waits(institutions)))).one()


def _waits(institutions: Sequence[Institution] | None) -> list[ColumnElement[bool]]:
    pending = col(Question.status) == "pending"
    if institutions is None:
        return [pending]
    theirs = [each.id for each in institutions]
    carried = select(CommitmentInstitution.commitment_id).where(col(CommitmentInstitution.institution_id).in_(theirs))
    routed = select(QuestionInstitution.question_id).where(col(QuestionInstitution.institution_id).in_(theirs))
    return [pending, col(Question.commitment_id).in_(carried) | col(Question.id).in_(routed)]


async def concerns(session: AsyncSession, question: Question, institutions: Sequence[Institution]) -> bool:
    """Whether a question is routed to one of these institutions, or on a commitment it carries or takes part in."""
    if await answers.routed_to(session, question, institutions):
        return True
    theirs = [each.id for each in institutions]
    query = select(CommitmentInstitution).where(
        col(CommitmentInstitution.institution_id).in_(theirs), CommitmentInstitution.commitment_id == question.commitment_id
    )
    return (await session.exec(query)).first() is not None


async def how_many_published(session: AsyncSession, forum: Forum) -> int:
    """How many published questions were asked for a forum."""
    query = select(func.count()).select_from(Question)
    return (await session.exec(query.where(Question.status == "published", Question.forum_id == forum.id))).one()


async def question_by_code(session: AsyncSession, code: str) -> Question | None:
    return (await session.exec(select(Question).where(Question.code == code))).first()


async def published_by_codes(session: AsyncSession, codes: Sequence[str]) -> Sequence[Question]:
    return (await session.exec(select(Question).where(col(Question.code).in_(codes), Question.status == "published"))).all()


async def for_forum(session: AsyncSession, forum: Forum, *, but: Sequence[str] = (), limit: int | None = None) -> Sequence[Question]:
    """The published questions an organiser is offered for a forum: its own, and those on its commitments, the oldest first."""
    about = (await session.exec(select(ForumCommitment.commitment_id).where(ForumCommitment.forum_id == forum.id))).all()
    free: Any = select(Question.id).where(Question.status == "published", col(Question.code).not_in(but))
    oldest = col(Question.created_at), col(Question.code)
    # So many of each, which an index holds in this order, rather than all of them put in order.
    each = [col(Question.forum_id) == forum.id, *(col(Question.commitment_id) == commitment for commitment in about)]
    first = [free.where(those).order_by(*oldest).limit(limit).subquery() for those in each]
    found = union(*(cast(Any, select)(those.c.id) for those in first))
    return (await session.exec(select(Question).where(col(Question.id).in_(found)).order_by(*oldest).limit(limit))).all()
