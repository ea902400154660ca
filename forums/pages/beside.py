"""What the pages of a plan say beside its own facts: the other plans, and which commitment continues which."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, lineage
from forums.models import ActionPlan, Commitment


async def of_plan(session: AsyncSession, plan: ActionPlan) -> dict[str, Any]:
    """On every page of a plan: which one it is, and how to read another."""
    every = await action_plan.plans(session)
    return {"plans": every, "current_plan": next((each for each in every if each.current), None)}


async def of_commitment(session: AsyncSession, plan: ActionPlan, commitment: Commitment) -> dict[str, Any]:
    return {
        **await of_plan(session, plan),
        "continues": await lineage.continued_by(session, commitment),
        "taken_up": await lineage.taken_up_in(session, plan, commitment),
    }
