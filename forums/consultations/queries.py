"""What is asked of the calls: which plan has one, what was published, what waits for whom."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, cast
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    ActionPlan,
    Comment,
    Commitment,
    CommitmentAmendment,
    CommitmentInstitution,
    Consultation,
    Institution,
)

# What the public may read at a comment's own address; of those declined, the reason alone.
PUBLIC = ("published", "declined")


class Said(NamedTuple):
    """A comment with what it is about, who replied, and the amendment it led to."""

    comment: Comment
    commitment: Commitment | None
    institution: Institution | None
    amendment: CommitmentAmendment | None


class Waiting(NamedTuple):
    """How many comments on a plan wait for a moderator, and how many published ones for a reply."""

    plan: ActionPlan
    pending: int
    without_reply: int


async def call_on(session: AsyncSession, plan: ActionPlan) -> Consultation | None:
    """As it is now, whatever was read before."""
    query = select(Consultation).where(Consultation.plan_id == plan.id)
    return (await session.exec(query.execution_options(populate_existing=True))).first()


async def by_plan(session: AsyncSession) -> dict[UUID, Consultation]:
    return {each.plan_id: each for each in (await session.exec(select(Consultation))).all()}


async def counts(session: AsyncSession, consultation: Consultation) -> dict[UUID | None, int]:
    """How many published comments each commitment has; None stands for the plan as a whole."""
    query = (
        select(Comment.commitment_id, func.count())
        .where(Comment.consultation_id == consultation.id, Comment.status == "published")
        .group_by(col(Comment.commitment_id))
    )
    return {commitment_id: found for commitment_id, found in (await session.exec(query)).all()}


async def published(
    session: AsyncSession,
    consultation: Consultation,
    commitment: Commitment | None = None,
    *,
    everything: bool = False,
    offset: int = 0,
    limit: int = 20,
) -> tuple[list[Said], int]:
    """A page of published comments on a commitment, or on the plan as a whole, the oldest first; and how many there are."""
    wanted: list[ColumnElement[bool]] = [col(Comment.consultation_id) == consultation.id, col(Comment.status) == "published"]
    if not everything:
        wanted.append(col(Comment.commitment_id) == (commitment.id if commitment else None))
    total = (await session.exec(select(func.count()).select_from(Comment).where(*wanted))).one()
    return await _said(session, wanted, offset=offset, limit=limit), total


async def _said(session: AsyncSession, wanted: Sequence[ColumnElement[bool]], *, offset: int = 0, limit: int | None = None) -> list[Said]:
    query = (
        select(Comment, Commitment, Institution, CommitmentAmendment)
        .outerjoin(Commitment, col(Commitment.id) == col(Comment.commitment_id))
        .outerjoin(Institution, col(Institution.id) == col(Comment.reply_institution_id))
        .outerjoin(CommitmentAmendment, col(CommitmentAmendment.id) == col(Comment.amendment_id))
        .where(*wanted)
        .order_by(col(Commitment.number).nulls_first(), col(Comment.decided_at), col(Comment.code))
    )
    return [Said(*each) for each in (await session.exec(query.offset(offset).limit(limit))).all()]


async def comment_by_code(session: AsyncSession, code: str) -> tuple[Said, ActionPlan] | None:
    """A comment its author has confirmed, whatever was decided of it, and its plan."""
    said = await _said(session, [col(Comment.code) == code, col(Comment.status) != "unconfirmed"], limit=1)
    if not said:
        return None
    query = select(ActionPlan).join(Consultation, col(Consultation.plan_id) == col(ActionPlan.id))
    plan = (await session.exec(query.where(Consultation.id == said[0].comment.consultation_id))).one()
    return said[0], plan


async def of_amendments(session: AsyncSession, amendments: Sequence[CommitmentAmendment]) -> dict[UUID, list[Comment]]:
    """The published comments that led to each amendment."""
    ids = [each.id for each in amendments]
    query = select(Comment).where(col(Comment.amendment_id).in_(ids), Comment.status == "published").order_by(col(Comment.decided_at))
    found: dict[UUID, list[Comment]] = {}
    for comment in (await session.exec(query)).all():
        if comment.amendment_id:
            found.setdefault(comment.amendment_id, []).append(comment)
    return found


async def for_members(
    session: AsyncSession,
    consultation: Consultation,
    *,
    institutions: Sequence[Institution] | None = None,
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[Said], int]:
    """Comments for the members' desk, those that wait for a decision first; an agent sees those on what its institutions lead."""
    wanted = [col(Comment.consultation_id) == consultation.id, col(Comment.status).in_(["pending", "published"])]
    if institutions is not None:
        wanted.append(_led_by(institutions))
    total = (await session.exec(select(func.count()).select_from(Comment).where(*wanted))).one()
    query = (
        select(Comment, Commitment, Institution, CommitmentAmendment)
        .outerjoin(Commitment, col(Commitment.id) == col(Comment.commitment_id))
        .outerjoin(Institution, col(Institution.id) == col(Comment.reply_institution_id))
        .outerjoin(CommitmentAmendment, col(CommitmentAmendment.id) == col(Comment.amendment_id))
        .where(*wanted)
        .order_by(col(Comment.status), col(Comment.replied_at).is_not(None), col(Comment.confirmed_at), col(Comment.code))
    )
    return [Said(*each) for each in (await session.exec(query.offset(offset).limit(limit))).all()], total


def _led_by(institutions: Sequence[Institution]) -> ColumnElement[bool]:
    led = select(CommitmentInstitution.commitment_id).where(
        col(CommitmentInstitution.institution_id).in_([each.id for each in institutions]), CommitmentInstitution.role == "lead"
    )
    return col(Comment.commitment_id).in_(led)


async def concerns(session: AsyncSession, comment: Comment, institutions: Sequence[Institution]) -> bool:
    """Whether a comment is on a commitment that one of these institutions leads."""
    query = select(Comment.id).where(Comment.id == comment.id, _led_by(institutions))
    return (await session.exec(query)).first() is not None


async def waiting(session: AsyncSession, *, institutions: Sequence[Institution] | None = None) -> list[Waiting]:
    """What members have to do about comments, by plan; only where there is something."""
    pending = func.sum(cast(col(Comment.status) == "pending", Integer))
    silent = func.sum(cast((col(Comment.status) == "published") & col(Comment.replied_at).is_(None), Integer))
    query = (
        select(Consultation.plan_id, pending, silent)
        .join(Comment, col(Comment.consultation_id) == col(Consultation.id))
        .group_by(col(Consultation.plan_id))
    )
    if institutions is not None:
        query = query.where(_led_by(institutions))
    found = {plan_id: (first or 0, second or 0) for plan_id, first, second in (await session.exec(query)).all()}
    plans = (await session.exec(select(ActionPlan).where(col(ActionPlan.id).in_(list(found))).order_by(col(ActionPlan.slug)))).all()
    return [Waiting(plan, *found[plan.id]) for plan in plans if any(found[plan.id])]
