"""Signing in by a mailed link; in the modules beside, the member's sessions, the roll of members and the journal."""

import time

from starlette.requests import Request
from starlette.responses import Response

from forums import members, secret_links
from forums.members import SignInForm
from forums.pages import gate, page
from forums.pages.members import journal, roll, sessions
from forums.refusals import TooManyRequests

__all__ = ["ask", "form", "journal", "link", "roll", "sent", "sessions", "sign_in"]


async def form(request: Request) -> Response:
    response = _form(request, page.blank(SignInForm, suite=gate.inside(request.query_params.get("suite", ""))))
    _know_again(request, response, _browser(request))
    return response


def _browser(request: Request) -> str:
    """The secret of this browser, known from its form on: asked for twice, the one link mailed is still its own."""
    known = request.cookies.get(gate.cookie_name(page.settings(request), "navigateur"), "")
    return known if len(known) == len(secret_links.new_token()) else secret_links.new_token()


def _know_again(request: Request, response: Response, browser: str) -> None:
    lasts = int(secret_links.SIGN_IN_LASTS.total_seconds())
    gate.set_cookie(response, page.settings(request), browser, what="navigateur", max_age=lasts)


async def ask(request: Request) -> Response:
    """The same answer for a member and for anyone else: whether an address is known is said in the mail alone."""
    began = time.monotonic()
    filled = await page.read(request, SignInForm)
    if filled.form is None:
        return _form(request, filled, status=422)
    browser = _browser(request)
    try:
        async with page.transaction(request) as session:
            await page.spend(session, request)
            member = await members.ask_for_link(session, filled.form.email, browser=browser, now=page.now())
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(_form(request, filled, status=429))
    if member is not None:
        gate.tell_log(request, f"member {member.id}")
    response, lasts = page.go(request, "/connexion/envoyee"), int(secret_links.SIGN_IN_LASTS.total_seconds())
    _know_again(request, response, browser)
    # Where they were going waits in the browser too: the welcome desk's phone comes from a QR code.
    gate.set_cookie(response, page.settings(request), gate.inside(filled.form.suite), what="suite", max_age=lasts)
    await page.same_time(began)
    return response


def _form(request: Request, filled: page.Filled[SignInForm], status: int = 200) -> Response:
    return page.show(request, "members/form.html", status=status, filled=filled)


async def sent(request: Request) -> Response:
    return page.show(request, "members/sent.html", by_mail=page.settings(request).smtp is not None)


async def link(request: Request) -> Response:
    """The page behind a sign-in link. Looking at it uses nothing: mail scanners look too."""
    async with page.reading(request) as session:
        found = await secret_links.find(session, request.path_params["token"], "sign_in", now=page.now())
    if found is None:
        return page.show(request, "members/expired.html", status=404)
    return page.show(request, "members/link.html", token=request.path_params["token"])


async def sign_in(request: Request) -> Response:
    config = page.settings(request)
    browser = request.cookies.get(gate.cookie_name(config, "navigateur"))
    named = members.browser_named(request.headers.get("user-agent", ""))
    async with page.transaction(request) as session:
        token = await members.sign_in(session, request.path_params["token"], browser=browser, named=named, now=page.now())
        if token is not None:
            await gate.begin_session(session, request, token)
        elif refused := await members.why_refused(session, request.path_params["token"], now=page.now()):
            gate.tell_log(request, f"member {refused.member_id}: {refused.why}")
    if token is None:
        return page.show(request, "members/expired.html", status=404)
    response = page.go(request, gate.inside(request.cookies.get(gate.cookie_name(config, "suite"), "")) or "/organisation")
    gate.set_cookie(response, config, token, max_age=int(members.SESSION_LASTS.total_seconds()))
    return response
