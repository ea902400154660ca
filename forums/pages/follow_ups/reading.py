"""Promises, for everybody: all of them with filters, and each with its whole history."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, follow_ups, schedule
from forums.follow_ups.queries import State
from forums.pages import page
from forums.pages.action_plan import base_of

PER_PAGE = 20
NONE = "aucun"  # of a filter: what is tied to none
STATES: dict[str, State] = {"ouvertes": "open", "en-retard": "late", "tenues": "kept", "abandonnees": "dropped"}


async def index(request: Request) -> Response:
    """The published promises, filtered by plan, season, state, institution and commitment."""
    asked_for = request.query_params
    number, now = page.whole_number(request, "page", 1), page.now()
    async with page.reading(request) as session:
        plans = await action_plan.plans(session)
        chosen_plan = next((each for each in plans if each.slug == asked_for.get("plan")), None)
        plan = chosen_plan or next((each for each in plans if each.current), None)
        commitments = await action_plan.commitments_of(session, plan) if plan else []
        seasons = {season.slug: season for _, season in await schedule.public_forums(session)}
        holders = await follow_ups.holders(session)
        chosen = page.whole_number(request, "engagement", 0)
        found, total = await follow_ups.public_ones(
            session,
            state=STATES.get(asked_for.get("etat", "")),
            institution=await action_plan.institution_by_slug(session, asked_for.get("institution", "")),
            commitment=next((each for each in commitments if each.number == chosen), None),
            plan=chosen_plan,
            season=seasons.get(asked_for.get("saison", "")),
            without_commitment=asked_for.get("engagement") == NONE,
            offset=(number - 1) * PER_PAGE,
            limit=PER_PAGE,
            now=now,
        )
        counts = await follow_ups.counts(session, now=now)
        bases = await bases_of(session)
    return page.show(
        request,
        "follow_ups/index.html",
        promises=found,
        total=total,
        counts=counts,
        bases=bases,
        page=number,
        pages=page.pages_of(total, PER_PAGE),
        holders=holders,
        plans=plans,
        seasons=seasons.values(),
        commitments=commitments,
    )


async def show(request: Request) -> Response:
    """One promise, from the passage it was made in to the evidence that closed it."""
    async with page.reading(request) as session:
        promise = await follow_ups.promise_by_code(session, request.path_params["code"])
        if promise is None:
            raise page.not_found()
        history = await follow_ups.history_of(session, promise)
        asked = await follow_ups.questions_behind(session, promise)
        bases = await bases_of(session)
    return page.show(request, "follow_ups/show.html", promise=promise, history=history, asked=asked, bases=bases)


async def bases_of(session: AsyncSession) -> dict[object, str]:
    """The address below which the commitments of each plan are found."""
    return {plan.id: base_of(plan) for plan in await action_plan.plans(session)}
