"""Calendar subscriptions: every announced forum, or those of a forum, an axis, a commitment, an institution.

With `?echeances=1` in the address, the dates that are not forums too. An address that names its plan is about that
plan for ever; one that does not is about the current plan, and about its successor one day.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, calendar_feed, due_dates
from forums.models import ActionPlan
from forums.pages import page


async def everything(request: Request) -> Response:
    return await _feed(request, "Forums Open d'État", page_path="/forums", address="/calendrier.ics")


async def forum(request: Request) -> Response:
    async with page.reading(request) as session:
        found = await page.forum(session, request)
    slug = found.slug
    return await _feed(
        request, f"Forum Open d'État n° {found.number}", page_path=f"/forums/{slug}", address=f"/forums/{slug}.ics", slug=slug
    )


async def commitment(request: Request) -> Response:
    number = page.path_number(request, "number")
    async with page.reading(request) as session:
        plan, base = await _plan(request, session)
        found = await action_plan.commitment_by_number(session, plan, number) if plan else None
    if found is None:
        raise page.not_found()
    name, path = f"Forums Open d'État – engagement {number}", f"{base}/engagements/{number}"
    return await _feed(request, name, page_path=path, address=f"{path}.ics", about=[found.id])


async def axis(request: Request) -> Response:
    number = page.path_number(request, "number")
    async with page.reading(request) as session:
        plan, base = await _plan(request, session)
        axes = {each.number: each for each in await action_plan.axes_of(session, plan)} if plan else {}
        if plan is None or number not in axes:
            raise page.not_found()
        about = [each.id for each in await action_plan.commitments_of(session, plan) if each.axis_id == axes[number].id]
    name, address = f"Forums Open d'État – axe {number}", f"{base}/axes/{number}.ics"
    return await _feed(request, name, page_path=base or "/engagements", address=address, about=about)


async def _plan(request: Request, session: AsyncSession) -> tuple[ActionPlan | None, str]:
    """The plan an address names, or the current one, and how such an address begins."""
    slug = request.path_params.get("plan")
    if slug is None:
        return await action_plan.current_plan(session), ""
    return await action_plan.plan_by_slug(session, slug), f"/plans/{slug}"


async def institution(request: Request) -> Response:
    slug = request.path_params["slug"]
    async with page.reading(request) as session:
        found = await action_plan.institution_by_slug(session, slug)
        if found is None:
            raise page.not_found()
        about = await action_plan.commitments_carried_by(session, found)
    path = f"/institutions/{slug}"
    return await _feed(request, f"Forums Open d'État – {found.name}", page_path=path, address=f"{path}.ics", about=about)


async def _feed(
    request: Request, name: str, *, page_path: str, address: str, slug: str | None = None, about: Sequence[UUID] | None = None
) -> Response:
    config = page.settings(request)
    with_dues = request.query_params.get("echeances") == "1"
    async with page.reading(request) as session:
        if slug is None and about is None:
            events = await request.app.state.calendar.read(session)
        else:
            forums = await calendar_feed.announced_forums(session, slug, about)
            events = calendar_feed.events(forums, organiser=config.mail_from, public_url=config.public_url)
        dues = await due_dates.due_dates(session, slug, about) if with_dues else []
    told = "Les forums où la société civile interroge les administrations sur leurs engagements"
    told += ", et les échéances : fin des questions, comptes rendus, jalons." if with_dues else "."
    content = calendar_feed.feed(
        events,
        name=f"{name}, avec les échéances" if with_dues else name,
        description=told,
        page=page_path,
        address=f"{address}?echeances=1" if with_dues else address,
        organiser=config.mail_from,
        public_url=config.public_url,
        dues=dues,
    )
    headers = {
        "content-disposition": f'inline; filename="{address.rpartition("/")[2]}"',
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
    }
    return Response(content, headers=headers, media_type="text/calendar; charset=utf-8")
