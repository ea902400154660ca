"""A member's own sessions: seen, ended one by one or all at once by whoever has just signed in; and signing out."""

from starlette.requests import Request
from starlette.responses import Response

from forums import members
from forums.models import Member, MemberSession
from forums.pages import gate, page
from forums.pages.openid import farewell

_AGAIN = "/connexion?suite=/organisation/mes-sessions&fait=reconnexion"


async def index(request: Request) -> Response:
    async with page.reading(request) as session:
        found = await members.sessions_of(session, _member(request), now=page.now())
    fresh = members.is_fresh(_this(request), now=page.now())
    return page.show(request, "members/sessions.html", sessions=found, this=_this(request).code, fresh=fresh)


async def end(request: Request) -> Response:
    """End one session; ending the one in use is signing out."""
    code = request.path_params["session"]
    if code == _this(request).code:
        return await sign_out(request)
    if not members.is_fresh(_this(request), now=page.now()):
        return page.go(request, _AGAIN)
    async with page.transaction(request) as session:
        if await members.end_session(session, _member(request), code):
            members.record(session, _member(request), "end_session", f"member {_member(request).id}", now=page.now())
    return page.go(request, "/organisation/mes-sessions?fait=session-terminee")


async def end_all(request: Request) -> Response:
    if not members.is_fresh(_this(request), now=page.now()):
        return page.go(request, _AGAIN)
    async with page.transaction(request) as session:
        if await members.sign_out_everywhere(session, _member(request)):
            members.record(session, _member(request), "end_sessions", f"member {_member(request).id}", now=page.now())
    return await _left(request, "deconnexion-partout")


async def sign_out(request: Request) -> Response:
    async with page.transaction(request) as session:
        await members.sign_out(session, request.cookies[gate.cookie_name(page.settings(request))])
    return await _left(request, "deconnexion")


async def _left(request: Request, done: str) -> Response:
    """What follows the end of this browser's session: the identity provider's own sign-out when it came from there."""
    response = await farewell(request, _this(request).id_token, done)
    gate.set_cookie(response, page.settings(request), "", max_age=0)
    # Pages kept for going back, and forms kept in a tab. Not "cookies": those of the neighbours would go too.
    response.headers["clear-site-data"] = '"cache", "storage"'
    return response


def _member(request: Request) -> Member:
    member: Member = request.state.member
    return member


def _this(request: Request) -> MemberSession:
    this: MemberSession = request.state.member_session
    return this
