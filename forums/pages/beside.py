"""What the pages of a plan say beside its own facts: other plans, what continues what, evaluations, comments."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, amendments, consultations, evaluations, lineage
from forums.models import ActionPlan, Commitment


async def of_plan(session: AsyncSession, plan: ActionPlan) -> dict[str, Any]:
    return {
        **await _which(session),
        **await _comments(session, plan),
        "evaluated": await evaluations.of_plan(session, plan),
    }


async def _which(session: AsyncSession) -> dict[str, Any]:
    """On every page of a plan: which one it is, and how to read another."""
    every = await action_plan.plans(session)
    words = {"kinds": evaluations.KINDS, "completions": evaluations.COMPLETIONS}
    return {"plans": every, "current_plan": next((each for each in every if each.current), None), **words}


async def _comments(session: AsyncSession, plan: ActionPlan) -> dict[str, Any]:
    call = await consultations.call_on(session, plan)
    return {"call": call, "comment_counts": await consultations.counts(session, call) if call else {}}


async def of_commitment(session: AsyncSession, plan: ActionPlan, commitment: Commitment) -> dict[str, Any]:
    return {
        **await _which(session),
        **await _comments(session, plan),
        "amended": await amendments.of(session, [commitment.id]),
        "evaluations": await evaluations.of_commitment(session, commitment),
        "continues": await lineage.continued_by(session, commitment),
        "taken_up": await lineage.taken_up_in(session, plan, commitment),
    }
