"""Routing: which institutions a question is put to, and telling their agents once.

The institutions that lead its commitment are proposed, or those of its forum's commitments when it has none;
moderators decide. One whose answer is published stays: what it said does not lose its author.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox
from forums.database import insert_into
from forums.forms import Form, line
from forums.language import N_
from forums.models import (
    ActionPlan,
    Answer,
    Commitment,
    CommitmentInstitution,
    Forum,
    ForumCommitment,
    Institution,
    Member,
    MemberInstitution,
    Question,
    QuestionInstitution,
)
from forums.refusals import Refusal, RoutingChanged


class RoutingForm(Form):
    institutions: tuple[Annotated[str, line(100)], ...] = ()
    seen: tuple[Annotated[str, line(100)], ...] = ()
    """Those the choice was made from."""


async def institutions_of(session: AsyncSession, question: Question) -> Sequence[Institution]:
    """Those a question is routed to, by name."""
    query = select(Institution).join(QuestionInstitution, col(QuestionInstitution.institution_id) == col(Institution.id))
    return (await session.exec(query.where(QuestionInstitution.question_id == question.id).order_by(col(Institution.name)))).all()


async def proposed(session: AsyncSession, question: Question) -> Sequence[Institution]:
    """Those that lead its commitment; without one, those that lead its forum's commitments."""
    query = select(Institution).join(CommitmentInstitution, col(CommitmentInstitution.institution_id) == col(Institution.id))
    query = query.where(CommitmentInstitution.role == "lead").order_by(col(Institution.name)).distinct()
    if question.commitment_id is not None:
        return (await session.exec(query.where(CommitmentInstitution.commitment_id == question.commitment_id))).all()
    of_the_forum = select(ForumCommitment.commitment_id).where(ForumCommitment.forum_id == question.forum_id)
    return (await session.exec(query.where(col(CommitmentInstitution.commitment_id).in_(of_the_forum)))).all()


async def concerning(session: AsyncSession) -> Sequence[Institution]:
    """Those a question may be put to: all that take part in the current plan, and those that have agents here."""
    in_the_plan = (
        select(CommitmentInstitution.institution_id)
        .join(Commitment, col(Commitment.id) == col(CommitmentInstitution.commitment_id))
        .join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))
        .where(col(ActionPlan.current))
    )
    theirs = col(Institution.id).in_(in_the_plan) | col(Institution.id).in_(select(MemberInstitution.institution_id))
    return (await session.exec(select(Institution).where(theirs).order_by(func.lower(Institution.name)))).all()


async def institutions_called(session: AsyncSession, slugs: Sequence[str]) -> Sequence[Institution]:
    return (await session.exec(select(Institution).where(col(Institution.slug).in_(slugs)).order_by(col(Institution.name)))).all()


async def routed_to(session: AsyncSession, question: Question, institutions: Sequence[Institution]) -> bool:
    """Whether a question is routed to one of these institutions."""
    query = select(QuestionInstitution).where(QuestionInstitution.question_id == question.id)
    return (
        await session.exec(query.where(col(QuestionInstitution.institution_id).in_([each.id for each in institutions])))
    ).first() is not None


# -- Route -------------------------------------------------------------------------------------------------


async def route(session: AsyncSession, question: Question, *, now: datetime) -> None:
    """Put a question to those proposed, unless somebody already decided."""
    if not await institutions_of(session, question):
        await _add(session, question, await proposed(session, question), now)


async def route_and_tell(session: AsyncSession, question: Question, *, now: datetime) -> None:
    """The same once the question is published, and tell the agents who will answer it."""
    await route(session, question, now=now)
    await _tell(session, question, now)


async def assign(
    session: AsyncSession, question: Question, institutions: Sequence[Institution], *, seen: Sequence[str], now: datetime
) -> bool:
    """Put a question to these institutions and no others. Says whether that changed anything.

    `seen` are the slugs the choice was made from. Raises `RoutingChanged` when they are no longer those of
    the question, and `Refusal` when an institution that has answered would be left out.
    """
    await session.exec(select(Question.id).where(Question.id == question.id).with_for_update())
    before = await institutions_of(session, question)
    if {each.id for each in before} == {each.id for each in institutions}:
        return False
    if sorted(seen) != sorted(each.slug for each in before):
        raise RoutingChanged
    gone = [each for each in before if each not in institutions]
    if answered := await _answered(session, question, gone):
        raise Refusal(N_("{name} a publié sa réponse : cette administration reste dans la liste."), name=answered.name)
    await session.exec(
        delete(QuestionInstitution).where(
            col(QuestionInstitution.question_id) == question.id, col(QuestionInstitution.institution_id).in_([each.id for each in gone])
        )
    )
    await _add(session, question, institutions, now)
    if question.status == "published":
        await _tell(session, question, now)
    return True


async def _answered(session: AsyncSession, question: Question, institutions: Sequence[Institution]) -> Institution | None:
    query = select(Institution).join(Answer, col(Answer.institution_id) == col(Institution.id))
    query = query.where(Answer.question_id == question.id, col(Answer.published_at).is_not(None))
    return (await session.exec(query.where(col(Institution.id).in_([each.id for each in institutions])))).first()


async def _add(session: AsyncSession, question: Question, institutions: Sequence[Institution], now: datetime) -> None:
    if institutions:
        rows = [{"question_id": question.id, "institution_id": each.id, "assigned_at": now} for each in institutions]
        await (await session.connection()).execute(insert_into(session, QuestionInstitution).on_conflict_do_nothing(), rows)


async def _tell(session: AsyncSession, question: Question, now: datetime) -> None:
    """Each agent once per question, even one who speaks for two of its institutions."""
    query = (
        select(Member)
        .join(MemberInstitution, col(MemberInstitution.member_id) == col(Member.id))
        .join(QuestionInstitution, col(QuestionInstitution.institution_id) == col(MemberInstitution.institution_id))
        .where(QuestionInstitution.question_id == question.id, Member.role == "agent")
        .distinct()
    )
    agents = (await session.exec(query)).all()
    forum = await session.get(Forum, question.forum_id) if question.forum_id else None
    coming = forum if forum and forum.status == "announced" and not forum.is_past(now) else None
    await outbox.enqueue_once(session, [emails.question_assigned(each, question, coming) for each in agents], now=now)
