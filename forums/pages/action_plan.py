"""Plans and commitments: what was promised, and everything that happened to each promise."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forums import accountability, action_plan, agenda, answers, consultations, follow_ups, lineage, questions
from forums.models import ActionPlan
from forums.models.forum import PARIS
from forums.pages import beside, citing, page


async def plans(request: Request) -> Response:
    async with page.reading(request) as session:
        found = await action_plan.plans(session)
        counts = await lineage.commitments_in(session)
        calls = await consultations.by_plan(session)
    today = page.now().astimezone(PARIS).date()
    states = {plan.id: lineage.state_of(plan, today) for plan in found}
    return page.show(
        request,
        "action_plan/plans.html",
        plans=found,
        states=states,
        counts={plan.id: counts.get(plan.id, 0) for plan in found},
        calls=calls,
    )


async def desk(request: Request) -> Response:
    """Every plan, for organisers: what may be done with each."""
    async with page.reading(request) as session:
        found = await action_plan.plans(session)
        calls = await consultations.by_plan(session)
    today = page.now().astimezone(PARIS).date()
    states = {plan.id: lineage.state_of(plan, today) for plan in found}
    return page.show(request, "action_plan/desk.html", plans=found, states=states, calls=calls)


async def index(request: Request) -> Response:
    """The current plan by axis at `/engagements`; any other at `/plans/{plan}`."""
    async with page.reading(request) as session:
        plan = await _plan(request, session)
        if plan is None:
            return page.show(request, "action_plan/none.html")
        axes = await action_plan.axes_of(session, plan)
        commitments = await action_plan.commitments_of(session, plan)
        leads = await action_plan.leads(session, commitments)
        examined = await accountability.examinations(session, [each.id for each in commitments], now=page.now())
        others = await beside.of_plan(session, plan)
    return page.show(
        request,
        "action_plan/index.html",
        plan=plan,
        axes=axes,
        commitments=commitments,
        leads=leads,
        held={key: len(forums) for key, forums in examined.items()},
        base=base_of(plan),
        **others,
    )


async def commitment(request: Request) -> Response:
    number = page.path_number(request, "number")
    async with page.reading(request) as session:
        plan = await _plan(request, session)
        if plan is None:
            raise page.not_found()
        if plan.current and "plan" in request.path_params:  # one stable address per object
            return RedirectResponse(f"/engagements/{number}", status_code=308)
        found = await action_plan.commitment_by_number(session, plan, number)
        if found is None:
            raise page.not_found()
        axes = {axis.id: axis for axis in await action_plan.axes_of(session, plan)}
        leads = (await action_plan.leads(session, [found])).get(found.id, [])
        partners = await action_plan.partners(session, found)
        milestones = await action_plan.milestones(session, found)
        followed = await action_plan.indicators(session, found)
        forums = await action_plan.forums_about(session, found)
        items = await agenda.items_about(session, found)
        asked = await action_plan.questions_about(session, found)
        states = await questions.states_of(session, asked)
        supports = await questions.support_counts(session, asked)
        passages = await action_plan.passages_about(session, found)
        given = await answers.about(session, found)
        promises = await follow_ups.about(session, found)
        others = await beside.of_commitment(session, plan, found)
        places = await citing.places(session, request, commitment=found)
    return page.show(
        request,
        "action_plan/commitment.html",
        plan=plan,
        base=base_of(plan),
        commitment=found,
        places=places,
        axis=axes.get(found.axis_id) if found.axis_id else None,
        leads=leads,
        partners=partners,
        milestones=milestones,
        followed=followed,
        forums=forums,
        items=items,
        questions=asked,
        states=states,
        supports=supports,
        passages=passages,
        given=given,
        promises=promises,
        **others,
    )


def base_of(plan: ActionPlan) -> str:
    """The address below which a plan's commitments are found."""
    return "/engagements" if plan.current else f"/plans/{plan.slug}/engagements"


async def _plan(request: Request, session: AsyncSession) -> ActionPlan | None:
    if "plan" not in request.path_params:
        return await action_plan.current_plan(session)
    plan = await action_plan.plan_by_slug(session, request.path_params["plan"])
    if plan is None:
        raise page.not_found()
    return plan
