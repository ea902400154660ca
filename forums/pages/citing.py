"""Where the commitments that a text cites (E12) are read: their pages, in the language of the page that shows the text."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request

from forums import action_plan, minutes
from forums.models import ActionPlan, Commitment, Forum
from forums.pages import page

Places = tuple[tuple[int, str], ...]


async def places(session: AsyncSession, request: Request, *, forum: Forum | None = None, commitment: Commitment | None = None) -> Places:
    """Of the plan of a commitment, or else of a forum, or else of the current one."""
    plan = await session.get(ActionPlan, commitment.plan_id) if commitment else None
    if plan is None:
        plan = await minutes.plan_of(session, forum) if forum else await action_plan.current_plan(session)
    return places_of(request, plan, await action_plan.commitments_of(session, plan) if plan else [])


def places_of(request: Request, plan: ActionPlan | None, commitments: Sequence[Commitment]) -> Places:
    """Where each commitment of a plan is read, by its number, in the language of the page."""
    prefix = "" if page.language(request) == "fr" else f"/{page.language(request)}"
    base = "" if plan is None or plan.current else f"/plans/{plan.slug}"
    return tuple((each.number, f"{prefix}{base}/engagements/{each.number}") for each in commitments)
