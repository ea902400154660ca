"""`/recherche`: one form, what was found of each kind, and what matched."""

from starlette.requests import Request
from starlette.responses import Response

from forums import search
from forums.pages import page


async def show(request: Request) -> Response:
    asked = " ".join(request.query_params.get("q", "").split())[:200]
    kind = request.query_params.get("quoi")
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        found = await search.find(session, asked, kind=kind if kind in search.KINDS else None, page=number)
    return page.show(
        request,
        "search/show.html",
        asked=asked,
        kind=kind if kind in search.KINDS else None,
        kinds=search.KINDS,
        found=found,
        most=search.MOST,
        page=number,
        pages=page.pages_of(found.total, search.PER_PAGE),
    )
