"""Plans side by side, in the order they continue one another; and which commitment continues which.

A commitment says in its plan's file which earlier ones it continues, by plan and number. That plan may be
loaded later, or never: the link is then told in words, and walked both ways as soon as both are here.
"""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import UUID

from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import ActionPlan, Commitment, CommitmentContinuation

if TYPE_CHECKING:
    from forums.plan_files import ContinuationEntry

State = Literal["draft", "to_come", "under_way", "ended"]


class Earlier(NamedTuple):
    """A commitment that another continues: by name, and as it is here once its plan is loaded."""

    plan_slug: str
    number: int
    plan: ActionPlan | None
    commitment: Commitment | None


class Later(NamedTuple):
    """A commitment that takes up another."""

    plan: ActionPlan
    commitment: Commitment


def state_of(plan: ActionPlan, today: date) -> State | None:
    """Where a plan stands, as far as its dates tell; None when nothing tells it."""
    if plan.draft:
        return "draft"
    if plan.ends_on and plan.ends_on < today:
        return "ended"
    if plan.starts_on and plan.starts_on > today:
        return "to_come"
    return "under_way" if plan.starts_on or plan.ends_on else None


async def commitments_in(session: AsyncSession) -> dict[UUID, int]:
    """How many commitments each plan has; a plan without any is absent."""
    query = select(Commitment.plan_id, func.count()).group_by(col(Commitment.plan_id))
    return {plan_id: found for plan_id, found in (await session.exec(query)).all()}


async def continued_by(session: AsyncSession, commitment: Commitment) -> list[Earlier]:
    """The commitments this one continues, whether their plan is loaded or not."""
    query = (
        select(CommitmentContinuation, ActionPlan, Commitment)
        .outerjoin(ActionPlan, col(ActionPlan.slug) == col(CommitmentContinuation.plan_slug))
        .outerjoin(
            Commitment,
            (col(Commitment.plan_id) == col(ActionPlan.id)) & (col(Commitment.number) == col(CommitmentContinuation.number)),
        )
        .where(CommitmentContinuation.commitment_id == commitment.id)
        .order_by(col(CommitmentContinuation.plan_slug).desc(), col(CommitmentContinuation.number))
    )
    return [Earlier(link.plan_slug, link.number, plan, earlier) for link, plan, earlier in (await session.exec(query)).all()]


async def taken_up_in(session: AsyncSession, plan: ActionPlan, commitment: Commitment) -> list[Later]:
    """The commitments of other plans that continue this one."""
    query = (
        select(ActionPlan, Commitment)
        .join(Commitment, col(Commitment.plan_id) == col(ActionPlan.id))
        .join(CommitmentContinuation, col(CommitmentContinuation.commitment_id) == col(Commitment.id))
        .where(CommitmentContinuation.plan_slug == plan.slug, CommitmentContinuation.number == commitment.number)
        .order_by(col(ActionPlan.slug), col(Commitment.number))
    )
    return [Later(*each) for each in (await session.exec(query)).all()]


async def store(session: AsyncSession, commitment: Commitment, entries: Sequence["ContinuationEntry"]) -> None:
    """What a commitment continues, as its file says now."""
    await session.exec(delete(CommitmentContinuation).where(col(CommitmentContinuation.commitment_id) == commitment.id))
    session.add_all(CommitmentContinuation(commitment_id=commitment.id, plan_slug=each.plan, number=each.numero) for each in entries)
    await session.flush()
