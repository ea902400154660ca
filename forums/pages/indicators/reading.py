"""One indicator for everybody: where it starts from, where it is to go, every value, and what each was before it was corrected."""

from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, indicators
from forums.pages import page
from forums.pages.action_plan import base_of


async def show(request: Request) -> Response:
    async with page.reading(request) as session:
        found = await indicators.public_one(session, request.path_params["code"])
        if found is None:
            raise page.not_found()
        followed, commitment, plan = found
        leads = (await action_plan.leads(session, [commitment])).get(commitment.id, [])
        taken_back = await indicators.taken_back(session, followed.indicator)
    return page.show(
        request,
        "indicators/show.html",
        followed=followed,
        fresh=followed.freshness(page.now()),
        periodicities=indicators.PERIODICITIES,
        chart=indicators.chart_of(followed, page.language(request)),
        commitment=commitment,
        plan=plan,
        base=base_of(plan),
        leads=leads,
        taken_back=taken_back,
    )
