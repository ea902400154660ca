"""Registering, from the form to the seat given back; and the list of a forum, for organisers."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import calendar_feed, members, registrations, schedule
from forums.database import Database, DatabaseUnavailable
from forums.models import Forum, Registration
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import Refusal, RegistrationClosed
from forums.registrations import Asked, RegistrationForm


async def form(request: Request) -> Response:
    forum = await _forum(request)
    attendance = "on_site" if forum.capacity else "remote"
    return _form(request, forum, page.blank(RegistrationForm, attendance=attendance))


async def register(request: Request) -> Response:
    slug = request.path_params["slug"]
    filled = await page.read(request, RegistrationForm)
    if filled.form is None:
        return _form(request, await _forum(request), filled, status=422)
    try:
        found = await _desk(request).register(slug, filled.form, page.language(request))
    except RegistrationClosed:
        return _form(request, await _forum(request), filled, status=409)
    except Refusal as refusal:
        filled.refuse("attendance", refusal)
        return _form(request, await _forum(request), filled, status=422)
    if not found:
        raise page.not_found()
    return page.go(request, f"/forums/{slug}/inscription/envoyee")


def _form(request: Request, forum: Forum, filled: Filled[RegistrationForm], *, status: int = 200) -> Response:
    state = registrations.state_of(forum, now=page.now())
    return page.show(request, "registrations/form.html", status=status, forum=forum, filled=filled, state=state)


async def sent(request: Request) -> Response:
    return page.show(request, "registrations/sent.html", forum=await _forum(request))


async def _forum(request: Request) -> Forum:
    async with page.reading(request) as session:
        return await page.forum(session, request)


# -- The desk ------------------------------------------------------------------------------------------

# What nobody notices, and enough for those answered together to come back together.
PATIENCE = 0.001


class Arrival(NamedTuple):
    """Someone at the desk, and the answer they wait for."""

    slug: str
    form: RegistrationForm
    language: str
    answer: asyncio.Future[bool]


class Desk:
    """Where registrations arrive in one process: those who come while it writes are written down next, together.

    A transaction on disk costs about the same for one person as for twenty. Each is answered once their
    own line is there, and nobody pays for a neighbour's that cannot be written.
    """

    def __init__(self, database: Database, secret_key: str) -> None:
        self.database, self.secret_key = database, secret_key
        self.arrived: list[Arrival] = []
        self.writing: asyncio.Task[None] | None = None

    async def register(self, slug: str, form: RegistrationForm, language: str) -> bool:
        """As the rule of that name, and raises what it raises. False when no such forum was announced."""
        arrival = Arrival(slug, form, language, asyncio.get_running_loop().create_future())
        self.arrived.append(arrival)
        self.writing = self.writing or asyncio.create_task(self._write())
        return await arrival.answer

    async def _write(self) -> None:
        while self.arrived:
            await asyncio.sleep(PATIENCE)
            together, self.arrived = self.arrived, []
            await self._write_down(together)
        self.writing = None

    async def _write_down(self, together: Sequence[Arrival]) -> None:
        try:
            async with self.database.transaction() as session:
                outcomes = await self._registered(session, together)
        except Exception as error:  # noqa: BLE001 — whoever waits must be answered
            if len(together) > 1 and not isinstance(error, DatabaseUnavailable):
                for each in together:
                    await self._write_down([each])
                return
            outcomes = [error] * len(together)
        for each, outcome in zip(together, outcomes, strict=True):
            if each.answer.done():
                continue  # they left
            if isinstance(outcome, Exception):
                each.answer.set_exception(outcome)
            else:
                each.answer.set_result(outcome)

    async def _registered(self, session: AsyncSession, together: Sequence[Arrival]) -> list[bool | Exception]:
        found = {slug: await schedule.forum_by_slug(session, slug) for slug in {each.slug for each in together}}
        asked = [Asked(forum, each.form, each.language) for each in together if (forum := found[each.slug])]
        refusals = iter(await registrations.register_all(session, asked, secret_key=self.secret_key, now=page.now()))
        return [(next(refusals) or True) if found[each.slug] else False for each in together]


def _desk(request: Request) -> Desk:
    """One for the whole process."""
    state = request.app.state
    if not hasattr(state, "desk"):
        state.desk = Desk(state.database, state.settings.secret_key)
    desk: Desk = state.desk
    return desk


# -- My registration -----------------------------------------------------------------------------------


async def mine(request: Request) -> Response:
    """What the holder of the link sees. Reading never confirms nor cancels: mail scanners follow links."""
    async with page.reading(request) as session:
        registration = await registrations.registration_of_link(session, request.path_params["token"], now=page.now())
        if registration is None:
            return page.show(request, "registrations/unknown.html", status=404)
        forum = await schedule.forum_by_id(session, registration.forum_id)
        assert forum is not None
        rank = await registrations.place_in_line(session, registration) if registration.status == "waiting" else None
    return page.show(
        request,
        "registrations/mine.html",
        registration=registration,
        forum=forum,
        rank=rank,
        state=registrations.state_of(forum, now=page.now()),
        token=request.path_params["token"],
    )


async def confirm(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        registration = await _registration(request, session)
        await registrations.confirm(session, registration.id, token, now=page.now())
    return page.go(request, f"/inscriptions/{token}")


async def give_up(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        registration = await _registration(request, session)
        await registrations.give_up(session, registration.id, now=page.now())
    return page.go(request, f"/inscriptions/{token}")


async def invitation(request: Request) -> Response:
    """The forum for the holder's own calendar. It holds no secret link: people share their calendars."""
    config = page.settings(request)
    async with page.reading(request) as session:
        registration = await _registration(request, session)
        forum = await schedule.forum_by_id(session, registration.forum_id)
    assert forum is not None
    content = calendar_feed.feed(
        [calendar_feed.announced(forum)],
        name=f"Forum Open d'État n° {forum.number}",
        description="",
        page=f"/forums/{forum.slug}",
        address=f"/forums/{forum.slug}.ics",
        organiser=config.mail_from,
        public_url=config.public_url,
    )
    return Response(content, media_type="text/calendar; charset=utf-8", headers={"content-disposition": 'attachment; filename="forum.ics"'})


async def _registration(request: Request, session: AsyncSession) -> Registration:
    registration = await registrations.registration_of_link(session, request.path_params["token"], now=page.now())
    if registration is None:
        raise page.not_found()
    return registration


# -- For organisers ---------------------------------------------------------------------------------------


async def list_of_forum(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        found = await registrations.all_of(session, forum)
        members.record(session, request.state.member, "read_registrations", f"forum {forum.slug}", now=page.now())
    return page.show(request, "registrations/list.html", forum=forum, registrations=found)
