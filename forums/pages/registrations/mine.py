"""My registration: what the holder of its link may see and do, until everything is erased.

Reading never confirms nor cancels anything: mail scanners follow links. Every deed is a button, and
done twice it changes nothing more.
"""

import json
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import calendar_feed, entry_codes, limits, privacy, registrations, schedule, subscriptions
from forums.limits import Limit
from forums.models import Forum, Registration
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import AttendanceFull, RegistrationClosed, TooManyRequests
from forums.registrations import ChangeForm

DEEDS_A_DAY = Limit(40, timedelta(days=1))


async def show(request: Request) -> Response:
    async with page.reading(request) as session:
        registration = await registrations.registration_of_link(session, request.path_params["token"], now=page.now())
        if registration is None:
            return page.show(request, "registrations/unknown.html", status=404)
        forum = await _forum_of(session, registration)
        rank = await registrations.place_in_line(session, registration) if registration.status == "waiting" else None
        wants_news = await _wants_news(session, registration)
    return page.show(
        request,
        "registrations/mine.html",
        registration=registration,
        forum=forum,
        rank=rank,
        state=registrations.state_of(forum, now=page.now()),
        promotes=registrations.promotes(forum, now=page.now()),
        free={way.attendance: way.free for way in registrations.seats_of(forum)},
        entry=_entry(request, registration, forum),
        wants_news=wants_news,
        token=request.path_params["token"],
    )


async def _wants_news(session: AsyncSession, registration: Registration) -> bool:
    """Whether they are told of new forums, or will be once they confirm: until then, what was typed last is only asked for."""
    asked = registration.wants_news and registration.status in ("pending", "given_up")
    return asked or await subscriptions.wants_announcements(session, registration.email_key)


def _entry(request: Request, registration: Registration, forum: Forum) -> str | None:
    """The picture to show at the door, for who has a seat in the room."""
    if registration.status != "registered" or registration.attendance != "on_site" or not registration.entry_code:
        return None
    return entry_codes.as_svg(entry_codes.address(page.settings(request).public_url, forum.slug, registration.entry_code))


async def confirm(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        registration = await _registration_to_change(request, session)
        await registrations.confirm(session, registration.id, token, now=page.now())
    return page.go(request, f"/inscriptions/{token}")


async def give_up(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        registration = await _registration_to_change(request, session)
        await registrations.give_up(session, registration.id, now=page.now())
    return page.go(request, f"/inscriptions/{token}")


async def change_form(request: Request) -> Response:
    async with page.reading(request) as session:
        registration = await _registration(request, session)
        wants_news = await _wants_news(session, registration)
    values = {name: getattr(registration, name) for name in ChangeForm.model_fields} | {"wants_news": wants_news}
    return await _change_form(request, page.blank(ChangeForm, **values))


async def _change_form(request: Request, filled: Filled[ChangeForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        registration = await _registration(request, session)
        forum = await _forum_of(session, registration)
    facts = {"registration": registration, "forum": forum, "ways": registrations.seats_of(forum), "token": request.path_params["token"]}
    return page.show(request, "registrations/change.html", status=status, filled=filled, **facts)


async def change(request: Request) -> Response:
    filled = await page.read(request, ChangeForm)
    if filled.form is None:
        return await _change_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            registration = await _registration_to_change(request, session)
            await registrations.change(session, registration.id, filled.form, now=page.now())
    except (AttendanceFull, RegistrationClosed) as refusal:
        filled.refuse("attendance", refusal)
        return await _change_form(request, filled, status=422)
    return page.go(request, f"/inscriptions/{request.path_params['token']}?fait=inscription")


async def invitation(request: Request) -> Response:
    """The forum for the holder's own calendar. It holds no secret link: people share their calendars."""
    config = page.settings(request)
    async with page.reading(request) as session:
        registration = await _registration(request, session)
        forum = await _forum_of(session, registration)
    facts = calendar_feed.announced(forum)
    # As new as the last invitation that was mailed: their calendar may hold it already.
    event = calendar_feed.events(
        [calendar_feed.bumped(facts, registration.bump, registration.decided_at or facts.changed_at)],
        organiser=config.mail_from,
        public_url=config.public_url,
        with_link=registration.status == "registered" and registration.attendance == "remote",
    )
    content = calendar_feed.feed(
        event,
        name=f"Forum Open d'État n° {forum.number}",
        description="",
        page=f"/forums/{forum.slug}",
        address=f"/forums/{forum.slug}.ics",
        organiser=config.mail_from,
        public_url=config.public_url,
    )
    return Response(content, media_type="text/calendar; charset=utf-8", headers={"content-disposition": 'attachment; filename="forum.ics"'})


# -- My data ---------------------------------------------------------------------------------------------


async def held(request: Request) -> Response:
    """Everything kept under the address of this registration, to be read."""
    async with page.reading(request) as session:
        found = await privacy.held_on(session, await _registration(request, session))
    return page.show(request, "registrations/held.html", held=found, token=request.path_params["token"])


async def download(request: Request) -> Response:
    """The same as JSON."""
    async with page.reading(request) as session:
        found = await privacy.held_on(session, await _registration(request, session))
    content = json.dumps(found, ensure_ascii=False, indent=2)
    return Response(content, media_type="application/json", headers={"content-disposition": 'attachment; filename="mes-donnees.json"'})


async def erase_form(request: Request) -> Response:
    """What cannot be undone is asked twice (RGAA 11.12)."""
    async with page.reading(request) as session:
        registration = await _registration(request, session)
        held_seats = await registrations.of_person(session, registration.email_key)
    coming = sum(each.status in ("registered", "waiting") and not forum.is_past(page.now()) for each, forum in held_seats)
    return page.show(request, "registrations/erase.html", token=request.path_params["token"], forums=coming)


async def erase(request: Request) -> Response:
    async with page.transaction(request) as session:
        registration = await registrations.registration_of_link(session, request.path_params["token"], now=page.now())
        if registration is not None:  # after a second click, as with a link that never was, there is nothing of anybody here
            await privacy.erase(session, registration, now=page.now())
    return page.go(request, "/inscriptions/effacees/merci")


async def erased(request: Request) -> Response:
    return page.show(request, "registrations/erased.html")


async def _registration(request: Request, session: AsyncSession) -> Registration:
    registration = await registrations.registration_of_link(session, request.path_params["token"], now=page.now())
    if registration is None:
        raise page.not_found()
    return registration


async def _registration_to_change(request: Request, session: AsyncSession) -> Registration:
    """The same, so many times a day: each deed may write a message to the owner of the address. Raises `TooManyRequests`."""
    registration = await _registration(request, session)
    if not await limits.spend(session, f"deeds:{registration.id}", DEEDS_A_DAY, now=page.now()):
        raise TooManyRequests
    return registration


async def _forum_of(session: AsyncSession, registration: Registration) -> Forum:
    forum = await schedule.forum_by_id(session, registration.forum_id)
    assert forum is not None
    return forum
