"""Registering, from the form to the message that confirms it; and the link of who lost theirs."""

import time

from starlette.requests import Request
from starlette.responses import Response

from forums import registrations
from forums.models import Forum
from forums.pages import page
from forums.pages.page import Filled
from forums.pages.registrations.desk import desk_of
from forums.refusals import Refusal, RegistrationClosed, TooManyRequests
from forums.registrations import LinkForm, RegistrationForm


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
        found = await desk_of(request).register(slug, filled.form, page.language(request), page.client(request))
    except RegistrationClosed:
        return _form(request, await _forum(request), filled, status=409)
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(_form(request, await _forum(request), filled, status=429))
    except Refusal as refusal:
        filled.refuse("attendance", refusal)
        return _form(request, await _forum(request), filled, status=422)
    if not found:
        raise page.not_found()
    return page.go(request, f"/forums/{slug}/inscription/envoyee")


def _form(request: Request, forum: Forum, filled: Filled[RegistrationForm], *, status: int = 200) -> Response:
    state = registrations.state_of(forum, now=page.now())
    ways = registrations.seats_of(forum)
    return page.show(request, "registrations/form.html", status=status, forum=forum, filled=filled, state=state, ways=ways)


async def sent(request: Request) -> Response:
    return page.show(request, "registrations/sent.html", forum=await _forum(request))


async def link_form(request: Request) -> Response:
    return page.show(request, "registrations/link.html", forum=await _forum(request), filled=page.blank(LinkForm))


async def ask_for_link(request: Request) -> Response:
    """The same answer whether the address is known or not: that is said in the mail alone."""
    filled = await page.read(request, LinkForm)
    if filled.form is None:
        return page.show(request, "registrations/link.html", status=422, forum=await _forum(request), filled=filled)
    began = time.monotonic()
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request)
            await page.spend(session, request)
            secret_key = page.settings(request).secret_key
            await registrations.ask_for_link(session, forum, filled.form, secret_key=secret_key, now=page.now())
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(page.show(request, "registrations/link.html", status=429, forum=await _forum(request), filled=filled))
    await page.same_time(began)
    return page.go(request, f"/forums/{forum.slug}/inscription/lien/envoye")


async def link_sent(request: Request) -> Response:
    return page.show(request, "registrations/link_sent.html", forum=await _forum(request))


async def _forum(request: Request) -> Forum:
    async with page.reading(request) as session:
        return await page.forum(session, request)
