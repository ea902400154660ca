"""Plans and commitments: what was promised, and everything that happened to each promise."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forums import accountability, action_plan, consultations, indicators, lineage, progress, timeline
from forums.models import ActionPlan
from forums.models.forum import PARIS
from forums.pages import beside, page

PER_PAGE = 30


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
        if plan.current and "plan" in request.path_params:
            return _its_current_address(request, number)
        found = await action_plan.commitment_by_number(session, plan, number)
        if found is None:
            raise page.not_found()
        axes = {axis.id: axis for axis in await action_plan.axes_of(session, plan)}
        leads = (await action_plan.leads(session, [found])).get(found.id, [])
        partners = await action_plan.partners(session, found)
        milestones = await action_plan.milestones(session, found)
        followed = await indicators.of_commitment(session, found)
        reports = await progress.reports_of(session, found)
        genre = request.query_params.get("genre")
        genre = genre if genre in timeline.GENRES else None
        asked_for = page.whole_number(request, "page", 1, 500)
        story = await timeline.story(session, found, genre=genre, offset=(asked_for - 1) * PER_PAGE, limit=PER_PAGE, now=page.now())
        origins = await timeline.origins(session, found)
        others = await beside.of_commitment(session, plan, found)
    pages = page.pages_of(story.total, PER_PAGE)
    return page.show(
        request,
        "action_plan/commitment.html",
        plan=plan,
        base=base_of(plan),
        commitment=found,
        axis=axes.get(found.axis_id) if found.axis_id else None,
        leads=leads,
        partners=partners,
        milestones=milestones,
        is_late=progress.is_late,
        days_late=progress.days_late,
        followed=followed,
        charts={each.indicator.id: indicators.chart_of(each, page.language(request)) for each in followed},
        periodicities=indicators.PERIODICITIES,
        reports=reports,
        story=story,
        genres=timeline.GENRES,
        genre=genre,
        origins=origins,
        page=asked_for,
        pages=pages,
        today=page.now().astimezone(PARIS).date(),
        **others,
    )


def _its_current_address(request: Request, number: int) -> Response:
    """Where a commitment of the current plan is read, for as long as its plan is the current one: the next will take that address."""
    query = "?" + asked if (asked := request.scope["query_string"].decode("latin-1")) else ""
    prefix = "" if page.language(request) == "fr" else f"/{page.language(request)}"
    return RedirectResponse(f"{prefix}/engagements/{number}{query}", status_code=307)


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
