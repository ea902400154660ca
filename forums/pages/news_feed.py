"""Atom: everything that happens, or what concerns an axis, a commitment, an institution, a question."""

from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, news, news_feed
from forums.language import said, translations
from forums.news_feed import Feed
from forums.pages import page


async def everything(request: Request) -> Response:
    return await _feed(request, news.EVERYTHING, "/actualites.atom")


async def axis(request: Request) -> Response:
    number = page.path_number(request, "number")
    plan, base = await _plan(request)
    return await _feed(request, f"plans/{plan}/axes/{number}", f"{base}/axes/{number}.atom")


async def commitment(request: Request) -> Response:
    number = page.path_number(request, "number")
    plan, base = await _plan(request)
    return await _feed(request, f"plans/{plan}/engagements/{number}", f"{base}/engagements/{number}.atom")


async def institution(request: Request) -> Response:
    slug = request.path_params["slug"]
    return await _feed(request, f"institutions/{slug}", f"/institutions/{slug}.atom")


async def question(request: Request) -> Response:
    code = request.path_params["code"]
    return await _feed(request, f"questions/{code}", f"/questions/{code}.atom")


async def _plan(request: Request) -> tuple[str, str]:
    """The plan an address names, or the current one, and how such an address begins."""
    if slug := request.path_params.get("plan"):
        return slug, f"/plans/{slug}"
    async with page.reading(request) as session:
        plan = await action_plan.current_plan(session)
    if plan is None:
        raise page.not_found()
    return plan.slug, ""


async def _feed(request: Request, scope: str, address: str) -> Response:
    language = page.language(request)
    async with page.reading(request) as session:
        about = await news.named(session, scope)
        if about is None:
            raise page.not_found()
        items = await news.between(session, None, page.now(), scope, limit=news_feed.ENTRIES)
    site = translations(language).gettext("Forums Open d'État")
    title = f"{site} – {said(about.sentence, about.figures, language)}"
    feed = Feed(scope, title, address, about.address, language)
    headers = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
    content = news_feed.atom(feed, items, public_url=page.settings(request).public_url)
    return Response(content, headers=headers, media_type="application/atom+xml; charset=utf-8")
