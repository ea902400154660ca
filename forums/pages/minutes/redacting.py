"""Personal data taken out of minutes: the words are found, shown where they are, then taken out for good."""

from pydantic_core import PydanticCustomError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import members, minutes
from forums.minutes import Place, RedactForm
from forums.models import Forum, Minutes
from forums.pages import page
from forums.pages.page import Filled


async def redact_form(request: Request) -> Response:
    return await _show(request, page.blank(RedactForm), [])


async def redact(request: Request) -> Response:
    """The first time, where the words are; with `sure`, they go."""
    filled = await page.read(request, RedactForm)
    if filled.form is None:
        return await _show(request, filled, [], status=422)
    found: list[Place] = []
    try:
        async with page.transaction(request) as session:
            forum, written = await _written(session, request)
            if not filled.form.sure:
                found = await minutes.places(session, written, filled.form)
            elif taken := await minutes.redact(session, written, filled.form):
                await members.record_change(session, request.state.member, "redact", f"minutes {forum.slug}", str(taken), now=page.now())
    except PydanticCustomError as error:
        filled.refuse("words", error)
        return await _show(request, filled, [], status=422)
    if found:
        return await _show(request, filled, found)
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait=donnees-retirees")


async def _written(session: AsyncSession, request: Request) -> tuple[Forum, Minutes]:
    forum = await page.forum(session, request, drafts=True)
    written = await minutes.of(session, forum)
    if written is None:
        raise page.not_found()
    return forum, written


async def _show(request: Request, filled: Filled[RedactForm], found: list[Place], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum, _ = await _written(session, request)
    return page.show(request, "minutes/redact.html", status=status, forum=forum, filled=filled, found=found, mention=minutes.MENTION)
