"""What is asked of the questions: those published, what became of each, those that wait for a moderator.

Where a question stands is derived from what was published, and typed nowhere.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, union
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import answers
from forums.answers import Standing
from forums.models import (
    ActionPlan,
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
)
from forums.standing_tables import ELSEWHERE, NONE, STANDING, TALLY

# What the public may read at a question's own address; of those declined or withdrawn, the reason alone.
PUBLIC = ("published", "merged", "declined", "unpublished")


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

    `now` tells what is overdue, `without` what they are not tied to. Which they are is read from what is kept of each.
    """
    kept = STANDING.c
    found: list[ColumnElement[bool]] = [kept.status == "published"]
    if forum is not None:
        found.append(kept.forum_id == forum.id)
    if commitment is not None:
        found.append(kept.commitment_id == commitment.id)
    if institution is not None:
        found.append(_put_to(institution))
    if plan is not None:
        found.append(are_of(plan))
    if season is not None:
        found.append(kept.season_id == season.id)
    found += [{"forum": kept.forum_id, "commitment": kept.commitment_id}[absent].is_(None) for absent in without]
    if state in ("en-attente", answers.ON_THE_AGENDA, *answers.STATES):
        found += answers.standing_in(str(state), now=now)
    if institution is not None and not any((forum, commitment, state, plan, season, without)):
        total = await _how_many_put_to(session, institution)
    else:
        total = (await session.exec(select(func.count()).select_from(STANDING).where(*found))).one()
    # The id settles ties: without it a question could be on two pages, or on none.
    keys: list[Any] = [kept.since, kept.question_id]
    if by_support:
        keys.insert(0, kept.supports)
    page = cast(Any, select)(*keys).where(*found).order_by(*_all(keys, oldest_first)).offset(offset).limit(limit).subquery()
    query = select(Question).join(page, page.c.question_id == col(Question.id)).order_by(*_all(page.c, oldest_first))
    return (await session.exec(query)).all(), total


def _all(keys: Iterable[Any], upwards: bool) -> list[Any]:
    """One direction for all of them: an index is read from either end."""
    return [key if upwards else key.desc() for key in keys]


def _put_to(institution: Institution) -> ColumnElement[bool]:
    """The questions on a commitment it leads, and those routed to it beside."""
    beside = cast(Any, select)(ELSEWHERE.c.question_id).where(ELSEWHERE.c.institution_id == institution.id)
    return STANDING.c.commitment_id.in_(_led_by(institution)) | STANDING.c.question_id.in_(beside)


async def _how_many_put_to(session: AsyncSession, institution: Institution) -> int:
    """The same, from what the database counts by itself."""
    tally = TALLY.c
    led = (tally.institution_id == NONE) & tally.commitment_id.in_(_led_by(institution))
    query = cast(Any, select)(func.coalesce(func.sum(tally.number), 0))
    return int((await session.exec(query.where(led | (tally.institution_id == institution.id)))).one())


def _led_by(institution: Institution) -> Any:
    return select(CommitmentInstitution.commitment_id).where(
        CommitmentInstitution.institution_id == institution.id, CommitmentInstitution.role == "lead"
    )


def are_of(plan: ActionPlan, kept: Table = STANDING) -> ColumnElement[bool]:
    """On its commitments; on none, for its forums, or for none when it is the current plan."""
    theirs: ColumnElement[bool] = kept.c.plan_id == plan.id
    return theirs | kept.c.plan_id.is_(None) if plan.current else theirs


async def states_of(session: AsyncSession, questions: Sequence[Question]) -> dict[UUID, Standing]:
    """Where each question stands, derived from facts: what was answered, on a published agenda, waiting."""
    return await answers.standings(session, [question.id for question in questions])


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
