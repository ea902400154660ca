"""Going to the identity provider and coming back, signing out of it; and what is said when it does not work."""

import hmac
import logging
import secrets
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forums import members, openid, secret_links
from forums.forms import Form
from forums.openid import ProviderRefused, SignInRefused
from forums.pages import gate, page
from forums.refusals import TooManyRequests

if TYPE_CHECKING:
    from forums.openid.provider import Provider

log = logging.getLogger("forums.openid")

_BROWSER = "identite"
_LEAVING = "sortie"
_MINUTES = int(openid.LASTS.total_seconds())


class BeginForm(Form):
    suite: str


async def begin(request: Request) -> Response:
    """Write down the attempt, bound to this browser, and send the person to the provider."""
    provider, config = _provider(request), page.settings(request)
    filled = await page.read(request, BeginForm)
    suite = gate.inside(filled.values["suite"])
    # Kept when there is one: two tabs may each be signing in.
    browser = request.cookies.get(gate.cookie_name(config, _BROWSER)) or secret_links.new_token()
    try:
        async with page.transaction(request) as session:
            await page.spend(session, request)
            begun = await openid.begin(session, browser=browser, suite=suite, now=page.now())
        response: Response = RedirectResponse(await provider.authorization_url(**begun._asdict()), status_code=303)
    except TooManyRequests as refusal:
        return page.too_many(page.show(request, "error.html", status=429, code=429, refusal=(refusal.sentence, refusal.figures)))
    except SignInRefused as refusal:
        return _refused(request, refusal)
    gate.set_cookie(response, config, browser, what=_BROWSER, max_age=_MINUTES)
    return response


async def back(request: Request) -> Response:
    """The provider's answer: used once, by the browser that asked, believed when verified."""
    provider, config, asked = _provider(request), page.settings(request), request.query_params
    browser = request.cookies.get(gate.cookie_name(config, _BROWSER), "")
    named = members.browser_named(request.headers.get("user-agent", ""))
    try:
        async with page.transaction(request) as session:
            attempt = await openid.take(session, asked.get("state", ""), browser=browser, now=page.now())
        # RFC 9207: an answer that says it is another provider's.
        if asked.get("iss", provider.oidc.issuer).rstrip("/") != provider.oidc.issuer.rstrip("/"):
            raise openid.NotProved("iss")
        if "error" in asked or not asked.get("code"):
            raise ProviderRefused("error" if "error" in asked else "no code")
        identity = await provider.identify(asked["code"], nonce=attempt.nonce, verifier=attempt.verifier, now=page.now())
        async with page.transaction(request) as session:
            member = await openid.member_of(session, identity, now=page.now())
            token = members.open_session(session, member.id, named=named, id_token=identity.id_token, now=page.now())
            await gate.begin_session(session, request, token)
    except SignInRefused as refusal:
        return _refused(request, refusal)
    response = page.go(request, attempt.suite or "/organisation")
    gate.set_cookie(response, config, token, max_age=int(members.SESSION_LASTS.total_seconds()))
    gate.set_cookie(response, config, "", what=_BROWSER, max_age=0)
    return response


async def farewell(request: Request, id_token: str | None, done: str) -> Response:
    """After our own sign-out: the provider's, by the person's browser, when the session came from there."""
    here = page.go(request, f"/connexion?fait={done}")
    provider: Provider | None = request.app.state.openid
    if provider is None or not id_token:
        return here
    state = secrets.token_urlsafe(32)
    try:
        there = await provider.logout_url(id_token, state=state)
    except SignInRefused as refusal:
        log.warning("sign-out at the provider: %s %s", type(refusal).__name__, refusal.detail)
        return page.go(request, "/connexion?fait=deconnexion-locale")
    if there is None:
        return here
    response = RedirectResponse(there, status_code=303)
    gate.set_cookie(response, page.settings(request), f"{done}.{state}", what=_LEAVING, max_age=_MINUTES)
    return response


async def left(request: Request) -> Response:
    """Where the provider sends back who signed out; without the state we gave, it is only the sign-in page."""
    config = page.settings(request)
    done, _, state = request.cookies.get(gate.cookie_name(config, _LEAVING), "").partition(".")
    ours = bool(state) and hmac.compare_digest(state.encode(), request.query_params.get("state", "").encode())
    response = page.go(request, f"/connexion?fait={done}" if ours and done in page.DONE else "/connexion")
    if state:
        gate.set_cookie(response, config, "", what=_LEAVING, max_age=0)
    return response


def _provider(request: Request) -> "Provider":
    provider: Provider | None = request.app.state.openid
    if provider is None:
        raise page.not_found()
    return provider


def _refused(request: Request, refusal: SignInRefused) -> Response:
    log.warning("sign-in at the provider: %s %s", type(refusal).__name__, refusal.detail)
    return page.show(request, "openid/refused.html", status=refusal.status, refusal=refusal, reason=type(refusal).__name__)
