"""The evening at the door, on a phone: find who comes, note that they have arrived, add who had not registered.

No name is ever in an address, and looking notes nobody's arrival: what a QR code opens has a button.
The journal says who looked at the list and who noted an arrival, at which forum, and never whose.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import attendance_list, limits, members, registrations, secret_links
from forums.limits import Limit
from forums.models import Forum, Registration
from forums.pages import page
from forums.pages.page import Filled
from forums.registrations import WalkInForm

# More would be slow to read on a phone, and a name is quicker to type than to scroll to.
SHOWN = 50

# An evening is hundreds of looks at the same list: one line an hour says it.
SAID = Limit(1, timedelta(hours=1))


async def show(request: Request) -> Response:
    return await _desk(request, page.blank(WalkInForm, sending=secret_links.new_token()))


async def _desk(request: Request, filled: Filled[WalkInForm], *, status: int = 200) -> Response:
    """The people sought or expected, and above them the one just welcomed (`?personne=`)."""
    search = request.query_params.get("q", "")[:200]
    await _record_reading(request)
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        people = await registrations.arrivals(session, forum, search, expected_first=True)
        figures = await registrations.figures(session, forum)
        noted = await _noted(session, request, forum)
    return page.show(
        request,
        "welcome/show.html",
        status=status,
        forum=forum,
        people=people if "tout" in request.query_params else people[:SHOWN],
        total=len(people),
        figures=figures,
        search=search,
        noted=noted,
        already="deja" in request.query_params,
        filled=filled,
    )


async def _record_reading(request: Request) -> None:
    member, now = request.state.member, page.now()
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        if await limits.spend(session, f"welcome:{member.id}:{forum.id}", SAID, now=now):
            members.record(session, member, "read_registrations", f"forum {forum.slug}", now=now)


async def _noted(session: AsyncSession, request: Request, forum: Forum) -> Registration | None:
    try:
        return await registrations.person_of_list(session, forum, UUID(request.query_params.get("personne", "")))
    except ValueError:
        return None


async def person(request: Request) -> Response:
    """What the QR code of a confirmation opens."""
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        found = await registrations.person_of_code(session, forum, request.path_params["entry_code"])
    if found is None:
        return page.show(request, "welcome/unknown.html", status=404, forum=forum)
    return page.show(request, "welcome/person.html", forum=forum, person=found)


async def check_in(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum, found = await _person(session, request)
        noted = await registrations.check_in(session, found.id, now=page.now())
        if noted:
            await _record(session, request, "check_in", forum)
    return _back(request, forum, found, already=not noted)


async def undo(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum, found = await _person(session, request)
        if await registrations.undo_check_in(session, found.id):
            await _record(session, request, "undo_check_in", forum)
    return _back(request, forum, found)


async def _person(session: AsyncSession, request: Request) -> tuple[Forum, Registration]:
    forum = await page.forum(session, request, drafts=True)
    found = await registrations.person_of_list(session, forum, page.path_uuid(request, "registration"))
    if found is None:
        raise page.not_found()
    return forum, found


async def add_walk_in(request: Request) -> Response:
    filled = await page.read(request, WalkInForm)
    if filled.form is None:
        return await _desk(request, filled, status=422)
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        added, new = await registrations.add_walk_in(session, forum, filled.form, now=page.now())
        if new:
            await _record(session, request, "add_walk_in", forum)
    return _back(request, forum, added)


async def _record(session: AsyncSession, request: Request, verb: str, forum: Forum) -> None:
    await members.record_change(session, request.state.member, verb, f"forum {forum.slug}", now=page.now())


def _back(request: Request, forum: Forum, found: Registration, *, already: bool = False) -> Response:
    """To the search, empty again, which says what was just noted."""
    return page.go(request, f"/organisation/forums/{forum.slug}/accueil?personne={found.id}{'&deja=1' if already else ''}")


# -- The list to take along ------------------------------------------------------------------------------


async def as_pdf(request: Request) -> Response:
    forum, people = await _list(request, "PDF")
    # In a thread: 300 lines take a quarter of a second, during which others are at the door.
    paper = await asyncio.to_thread(attendance_list.on_paper, forum, people, language=page.language(request))
    return _file(paper, "application/pdf", f"presence-{forum.slug}.pdf")


async def as_csv(request: Request) -> Response:
    forum, people = await _list(request, "CSV")
    return _file(attendance_list.as_csv(people), "text/csv; charset=utf-8", f"presence-{forum.slug}.csv")


async def _list(request: Request, kind: str) -> tuple[Forum, Sequence[Registration]]:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        people = await registrations.arrivals(session, forum)
        members.record(session, request.state.member, "read_attendance_list", f"forum {forum.slug}", kind, now=page.now())
    return forum, people


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
