"""The commitments a member may follow, what is due first; and the desk of each."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, indicators, progress
from forums.models import ActionPlan, Commitment
from forums.pages import page
from forums.pages.action_plan import base_of
from forums.pages.indicators.measuring import is_organiser, theirs

PER_PAGE = 30


async def index(request: Request) -> Response:
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        found = await progress.to_follow(session, institutions=await theirs(request, session), now=page.now())
    return page.show(
        request,
        "progress/index.html",
        commitments=found[(number - 1) * PER_PAGE : number * PER_PAGE],
        total=len(found),
        organiser=is_organiser(request),
        page=number,
        pages=page.pages_of(len(found), PER_PAGE),
    )


async def desk(request: Request) -> Response:
    async with page.reading(request) as session:
        commitment, plan = await followed(session, request)
        leads = (await action_plan.leads(session, [commitment])).get(commitment.id, [])
        to_measure = await indicators.to_measure(session, institutions=None, commitment=commitment, now=page.now())
        milestones = await action_plan.milestones(session, commitment)
        reports = await progress.reports_of(session, commitment, drafts=True)
    return page.show(
        request,
        "progress/desk.html",
        commitment=commitment,
        plan=plan,
        base=base_of(plan),
        leads=leads,
        to_measure=to_measure,
        milestones=milestones,
        reports=reports,
        completions=progress.COMPLETIONS,
        is_late=progress.is_late,
        days_late=progress.days_late,
        organiser=is_organiser(request),
    )


async def followed(session: AsyncSession, request: Request) -> tuple[Commitment, ActionPlan]:
    """The commitment an address names; to an agent, one that their institution carries. Raises 404."""
    plan, number = request.path_params["plan"], page.path_number(request, "number")
    found = await progress.commitment_to_follow(session, plan, number, institutions=await theirs(request, session))
    if found is None:
        raise page.not_found()
    return found


def here(request: Request) -> str:
    """The address of the desk."""
    return f"/organisation/engagements/{request.path_params['plan']}/{request.path_params['number']}"


def subject(commitment: Commitment, plan: ActionPlan) -> str:
    """The commitment, as the journal names it."""
    return f"commitment {plan.slug}/{commitment.number}"
