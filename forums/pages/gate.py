"""What every request goes through before a page sees it, as pure ASGI: headers, origin, language, log.

Everything is refused or private by default; the table in `app` opens it. A write is accepted only
from our own pages (Sec-Fetch-Site, or else Origin): no token is needed in a form, so public pages
stay the same for everybody.
"""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TextIO

from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forums import members
from forums.database import is_circle, note_fault
from forums.language import LANGUAGES
from forums.models.people import Role
from forums.pages import page
from forums.refusals import Refusal
from forums.settings import LOG_MOMENT, Settings

log, faults = logging.getLogger("forums.access"), logging.getLogger("forums.app")

Page = Callable[[Request], Awaitable[Response]]

PRIVATE = "private, no-store"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_AT_ONCE = 30  # lines: fewer than the 4,096 bytes that several processes may write to one pipe without mixing them
_INSIDE = re.compile(r"/organisation(/[a-z0-9-]+)*")


class AccessLog:
    """One line per request: method, route (never the address itself, which may hold a token), status, time.

    A member's own says their session too, by the name it has on their page, and that of who signs in says which member: the
    journal, which says who did what and when, and these lines are then read side by side. Of others it says nothing.
    It goes straight to where `forums serve` sends the log: a `LogRecord` takes longer than a page kept ready.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        outputs = logging.getLogger("forums").handlers
        self.stream = next((each.stream for each in outputs if isinstance(each, logging.StreamHandler)), None)
        self.lines: list[str] = []
        self.second, self.moment = 0, ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not log.isEnabledFor(logging.INFO):
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 0
        scope["log"] = {"route": "-"}  # shared by the copies made on the way down

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            took = (time.perf_counter() - began) * 1000
            self._say(f"{scope['method']} {scope['log']['route']} {status} {took:.1f} ms{scope['log'].get('who', '')}")

    def _say(self, line: str) -> None:
        if self.stream is None:
            log.info(line)
            return
        if (second := int(time.time())) != self.second:
            self.second, self.moment = second, time.strftime(LOG_MOMENT, time.gmtime(second))
        self.lines.append(f"{self.moment} {log.name} INFO {line}\n")
        if len(self.lines) == 1:  # who was answered in the same turn of the loop is written with it
            asyncio.get_running_loop().call_soon(self._write, self.stream)

    def _write(self, stream: TextIO) -> None:
        lines, self.lines = self.lines, []
        with contextlib.suppress(OSError, ValueError):  # a full disk or a closed output stops the log, not the site
            for start in range(0, len(lines), _AT_ONCE):
                stream.write("".join(lines[start : start + _AT_ONCE]))
                stream.flush()


class SecurityHeaders:
    """The headers of every answer. What the page said of its own caching stands; silence means private."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        # A browser also holds to it the address that a form's answer leads on to: the identity provider's.
        forms = ["'self'", *([settings.oidc.origin] if settings.oidc else [])]
        csp = (
            f"default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; form-action {' '.join(forms)}; base-uri 'none'; "
            f"frame-ancestors 'none'; manifest-src 'self'; connect-src 'self'; {settings.theme.csp}"
        )
        headers = {
            "content-security-policy": csp,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "x-frame-options": "DENY",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
            "cache-control": PRIVATE,
        }
        if settings.secure:
            headers["strict-transport-security"] = "max-age=63072000; includeSubDomains"
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                message = {**message, "headers": [*message["headers"], *(each for each in self.headers if each[0] not in said)]}
            await send(message)

        await self.app(scope, receive, with_headers)


class OriginGuard:
    """Refuses a write that another site makes a browser send. `same-site` is not us: a neighbour may be hostile.

    `open_to_all` matches the paths where the address itself is the proof.
    """

    def __init__(self, app: ASGIApp, public_url: str, refused: ASGIApp, open_to_all: re.Pattern[str]) -> None:
        self.app, self.public_url, self.refused, self.open_to_all = app, public_url, refused, open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not self._accepted(scope):
            return await self.refused(scope, receive, send)
        await self.app(scope, receive, send)

    def _accepted(self, scope: Scope) -> bool:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if self.open_to_all.fullmatch(scope["path"]):
            return True
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site in (b"same-origin", b"none")
        origin: bytes = headers.get(b"origin", b"")
        return origin == self.public_url.encode()


class TooLarge:
    """Says 413 with our own page: Starlette's limit answers two English words that nothing can replace from inside."""

    def __init__(self, app: ASGIApp, refused: ASGIApp) -> None:
        self.app, self.refused = app, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def watched(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 413:
                replaced = True
            if not replaced:
                await send(message)

        await self.app(scope, receive, watched)
        if replaced:
            await self.refused(scope, receive, send)


class Noted:
    """A fault goes into the log from here. Starlette makes our page of it and raises it again: the cache would take that for
    the answer, and the server would cut off whoever asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 — whatever nobody foresaw
            note_fault(faults, "a page failed", error)


class Language:
    """`/en/forums` is the page `/forums`, in English. The choice is in the address, so pages can be cached."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            language = "fr"
            for other in LANGUAGES[1:]:
                if path == f"/{other}" or path.startswith(f"/{other}/"):
                    language, path = other, path[len(other) + 1 :] or "/"
            # `raw_path` is dropped: Starlette would route by the address as it was sent.
            scope = {**scope, "language": language, "path": path, "page_path": path}
            scope.pop("raw_path", None)
        await self.app(scope, receive, send)


def opened(endpoint: Page, who: frozenset[Role] | None, cache: str, path: str) -> Page:
    """The page behind its door: who may come in, and how long anyone may keep it."""

    async def behind(request: Request) -> Response:
        request.scope.get("log", {})["route"] = path
        if who is not None:
            refusal = await _let_in(request, who)
            if refusal is not None:
                return refusal
        response = await _answer(endpoint, request, who)
        # Only what was found is worth keeping: a page that refuses must be asked again.
        if cache != PRIVATE and response.status_code == 200 and "cache-control" not in response.headers:
            response.headers["cache-control"] = cache
        return response

    return behind


async def _answer(endpoint: Page, request: Request, who: frozenset[Role] | None) -> Response:
    """What the page answers; to a form that lost a race, which left nothing written, what it answers the second time.

    A member who clicked twice lost it to themselves: against what the first click wrote, the second finds that all is done.
    A file that was read is not there for another time.
    """
    if request.method != "POST" or request.headers.get("content-type", "").startswith("multipart/"):
        return await endpoint(request)
    try:
        response = await endpoint(request)
        if who is None or response.status_code != 409:
            return response
    except Refusal:
        if who is None:
            raise
    except DBAPIError as error:
        if not is_circle(error):
            raise
    return await endpoint(request)


async def _let_in(request: Request, who: frozenset[Role]) -> Response | None:
    token = request.cookies.get(cookie_name(page.settings(request)))
    if token:
        async with page.reading(request) as session:
            found = await members.member_of_session(session, token, now=page.now())
        if found is not None:
            member, member_session = found
            tell_log(request, f"session {member_session.code}")
            request.state.member, request.state.member_session = member, member_session
            if member.role not in who:
                return page.show(request, "error.html", status=403, code=403)
            if (page.now() - member_session.seen_at).total_seconds() > 300:
                async with page.transaction(request) as session:
                    await members.seen(session, member_session, now=page.now())
            return None
    if request.method in SAFE_METHODS:
        return RedirectResponse(f"/connexion?suite={request.scope.get('page_path', '/organisation')}", status_code=303)
    if request.url.path.endswith("/deconnexion"):
        return page.go(request, "/connexion?fait=deconnexion")  # a second click finds that the first ended this very session
    return page.show(request, "error.html", status=401, code=401)


def tell_log(request: Request, words: str) -> None:
    """What the line of this request says at its end of a member: ids alone, never a name nor an address."""
    said = request.scope.get("log", {})
    said["who"] = f"{said.get('who', '')} {words}"


async def begin_session(session: AsyncSession, request: Request, token: str) -> None:
    """A member has just come in with that new session, whose token this browser is to hold: nobody else's is left in it."""
    await _end_session_before(session, request)
    found = await members.member_of_session(session, token, now=page.now())
    assert found is not None
    member, member_session = found
    tell_log(request, f"member {member.id} session {member_session.code}")


async def _end_session_before(session: AsyncSession, request: Request) -> None:
    """A browser that signs in anew leaves no session behind, whose cookie somebody may have kept."""
    before = request.cookies.get(cookie_name(page.settings(request)))
    if before:
        await members.sign_out(session, before)


def inside(path: str) -> str:
    """A page of the members' own to go on to after signing in, or nothing: what a form holds could lead anywhere."""
    return path if _INSIDE.fullmatch(path) else ""


def cookie_name(settings: Settings, what: str = "session") -> str:
    """`__Host-` (ASVS 3.3.3) wherever the site is served over https, which it requires."""
    return f"__Host-{what}" if settings.secure else what


def set_cookie(response: Response, settings: Settings, value: str, *, what: str = "session", max_age: int) -> None:
    options: dict[str, Any] = {"httponly": True, "samesite": "lax", "secure": settings.secure, "path": "/"}
    response.set_cookie(cookie_name(settings, what), value, max_age=max_age, **options)
