"""Bring a document in as the first draft of the minutes."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forums import agenda, members, minutes
from forums.forms import Form
from forums.minutes import BadDocument
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import Refusal


class ImportForm(Form):
    """Nothing but a file, which is read apart."""


async def import_form(request: Request) -> Response:
    return await _form(request, Filled())


async def _form(request: Request, filled: Filled[ImportForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        found = await minutes.of(session, forum)
        points = await agenda.points_of(session, forum)
    return page.show(request, "minutes/import.html", status=status, forum=forum, minutes=found, points=points, filled=filled)


async def bring_in(request: Request) -> Response:
    async with page.reading(request) as session:
        await page.forum(session, request, drafts=True)
    try:
        pieces, pictures = await minutes.read_document(*await _file(request))
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            points = await agenda.points_of(session, forum)
            commitments = {each.item.id: each.commitments for each in points}
            begun = await minutes.begun(session, forum)
            items = [each.item for each in points]
            done = await minutes.bring_in(session, begun, pieces, pictures, items, commitments, now=page.now())
            await members.record_change(
                session, request.state.member, "import", f"minutes {forum.slug}", str(len(done.entries)), now=page.now()
            )
    except Refusal as refusal:
        filled: Filled[ImportForm] = Filled()
        filled.refuse("document", refusal)
        return await _form(request, filled, status=422)
    counts = f"passages={len(done.entries)}&points={done.tied}&images={done.pictures}"
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait=importe&{counts}")


async def _file(request: Request) -> tuple[str, bytes]:
    """The one file of the form: its name and its bytes. Raises `BadDocument` when there is none."""
    try:
        async with request.form(max_files=1, max_fields=5, max_part_size=5184 * 1024) as typed:
            file = typed.get("document")
            if file is None or isinstance(file, str):
                raise BadDocument
            return file.filename or "", await file.read()
    except HTTPException as error:
        # A text in place of the file, longer than any field.
        if "maximum size" in error.detail:
            raise HTTPException(413) from None
        raise
