"""The pages the law and people expect, and what machines ask for first."""

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from forums import action_plan, privacy, schedule
from forums.database import Database
from forums.language import LANGUAGES
from forums.pages import page
from forums.settings import ROOT

# Members' pages, and those a personal link opens.
NOT_FOR_ROBOTS = (
    "/organisation",
    "/connexion",
    "/inscriptions/",
    "/questions/confirmer/",
    "/questions/soutiens/",
    "/commentaires/confirmer/",
    "/abonnements/",
)


async def help_page(request: Request) -> Response:
    return page.show(request, "legal/help.html")


async def accessibility(request: Request) -> Response:
    return page.show(request, "legal/accessibility.html")


async def notice(request: Request) -> Response:
    return page.show(request, "legal/notice.html")


async def privacy_notice(request: Request) -> Response:
    async with page.reading(request) as session:
        purged = await privacy.last_purged(session)
    return page.show(request, "legal/personal_data.html", purged=purged)


async def cookies(request: Request) -> Response:
    return page.show(request, "legal/cookies.html")


async def contact(request: Request) -> Response:
    return page.show(request, "legal/contact.html")


async def site_map(request: Request) -> Response:
    async with page.reading(request) as session:
        forums = [forum for forum, _ in await schedule.public_forums(session)]
        plans = await action_plan.plans(session)
    return page.show(request, "legal/site_map.html", forums=forums, plans=plans)


async def robots(request: Request) -> Response:
    closed = [
        f"Disallow: {'' if language == LANGUAGES[0] else f'/{language}'}{path}\n" for language in LANGUAGES for path in NOT_FOR_ROBOTS
    ]
    return PlainTextResponse("".join(["User-agent: *\n", *closed]))


async def security(request: Request) -> Response:
    """Whom to tell of a flaw (RFC 9116). It expires, as the standard asks, at the end of a year's half: never in less than half a year."""
    config, today = page.settings(request), page.now().date()
    expires = f"{today.year + 1}-01-01" if today.month <= 6 else f"{today.year + 1}-07-01"
    contact = config.publisher.get("security") or f"mailto:{config.mail_from.addr_spec}"
    lines = [
        f"Contact: {contact}",
        f"Contact: {config.public_url}/contact",
        f"Expires: {expires}T00:00:00Z",
        "Preferred-Languages: fr, en",
        f"Canonical: {config.public_url}/.well-known/security.txt",
    ]
    return PlainTextResponse("".join(f"{line}\n" for line in lines))


async def favicon(request: Request) -> Response:
    return FileResponse(ROOT / "static" / "favicon.svg", media_type="image/svg+xml")


async def health(request: Request) -> Response:
    """`ok` when the database answers, 503 otherwise."""
    database: Database = request.app.state.database
    if await database.answers():
        return PlainTextResponse("ok")
    return PlainTextResponse("la base de données ne répond pas", status_code=503, headers={"retry-after": "30"})
