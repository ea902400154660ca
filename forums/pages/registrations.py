"""Registering, from the form to the seat given back; and the list of a forum, for organisers."""

from starlette.requests import Request
from starlette.responses import Response

from forums import calendar_feed, members, registrations, schedule
from forums.models import Forum, Registration
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import Refusal, RegistrationClosed
from forums.registrations import RegistrationForm


async def form(request: Request) -> Response:
    forum = await _forum(request)
    attendance = "on_site" if forum.capacity else "remote"
    return _form(request, forum, page.blank(RegistrationForm, attendance=attendance))


async def register(request: Request) -> Response:
    forum = await _forum(request)
    filled = await page.read(request, RegistrationForm)
    if filled.form is None:
        return _form(request, forum, filled, status=422)
    try:
        async with page.transaction(request) as session:
            await registrations.register(
                session, forum, filled.form, language=page.language(request), secret_key=page.settings(request).secret_key, now=page.now()
            )
    except RegistrationClosed:
        return _form(request, forum, filled, status=409)
    except Refusal as refusal:
        filled.refuse("attendance", refusal)
        return _form(request, forum, filled, status=422)
    return page.go(request, f"/forums/{forum.slug}/inscription/envoyee")


def _form(request: Request, forum: Forum, filled: Filled[RegistrationForm], *, status: int = 200) -> Response:
    state = registrations.state_of(forum, now=page.now())
    return page.show(request, "registrations/form.html", status=status, forum=forum, filled=filled, state=state)


async def sent(request: Request) -> Response:
    return page.show(request, "registrations/sent.html", forum=await _forum(request))


async def _forum(request: Request) -> Forum:
    async with page.reading(request) as session:
        forum = await schedule.forum_by_slug(session, request.path_params["slug"])
    if forum is None:
        raise page.not_found()
    return forum


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


async def _registration(request, session) -> Registration:  # type: ignore[no-untyped-def]
    registration = await registrations.registration_of_link(session, request.path_params["token"], now=page.now())
    if registration is None:
        raise page.not_found()
    return registration


# -- For organisers ---------------------------------------------------------------------------------------


async def list_of_forum(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await schedule.forum_by_slug(session, request.path_params["slug"], drafts=True)
        if forum is None:
            raise page.not_found()
        found = await registrations.all_of(session, forum)
        members.record(session, request.state.member, "read_registrations", f"forum {forum.slug}", now=page.now())
    return page.show(request, "registrations/list.html", forum=forum, registrations=found)
