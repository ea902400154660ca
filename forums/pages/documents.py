"""Documents of an agenda: given by organisers, saved by whoever may, never shown by the browser itself."""

from pydantic_core import PydanticCustomError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from forums import agenda, members
from forums.agenda import AgendaItemForm, DocumentForm
from forums.forms import refuse
from forums.language import N_
from forums.models import Document
from forums.pages import page
from forums.pages.agenda import item_of, point_of, show_item
from forums.pages.page import Filled


async def download(request: Request) -> Response:
    """A document of the agenda everybody sees."""
    return await _download(request, drafts=False)


async def download_draft(request: Request) -> Response:
    """The same before it is published, for members."""
    return await _download(request, drafts=True)


async def _download(request: Request, *, drafts: bool) -> Response:
    code, filename = request.path_params["code"], request.path_params["filename"]
    async with page.reading(request) as session:
        document = await agenda.document_of(session, code, filename, drafts=drafts)
    if document is None:
        raise page.not_found()
    return _file(document)


def _file(document: Document) -> Response:
    """Always saved: what a browser does not render runs nothing on our address."""
    headers = {"content-disposition": f'attachment; filename="{document.filename}"', "content-type": document.media_type}
    return Response(document.content, headers=headers)


async def attach(request: Request) -> Response:
    filled, filename, content = await _read(request)
    try:
        if filled.form is None:
            return await _show(request, filled)
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            item = await item_of(session, request, forum)
            await agenda.attach(session, forum, item, filled.form, filename, content, now=page.now())
            await members.record_change(
                session, request.state.member, "attach", f"agenda {forum.slug}", filled.form.doc_title, now=page.now()
            )
    except PydanticCustomError as error:
        filled.refuse("file", error)
        return await _show(request, filled)
    return page.go(request, f"/organisation/forums/{forum.slug}/ordre-du-jour/{item.id}?fait=document#documents")


async def _read(request: Request) -> tuple[Filled[DocumentForm], str, bytes]:
    """The one form of the site that takes a file; `page.read` takes none."""
    async with request.form(max_files=1, max_fields=4, max_part_size=6 * 1024 * 1024) as typed:
        upload, title = typed.get("file"), typed.get("doc_title")
        filename, content = (upload.filename or "", await upload.read()) if isinstance(upload, UploadFile) else ("", b"")
    filled = page.checked(DocumentForm, {"doc_title": title if isinstance(title, str) else ""})
    filled.values["file"] = ""
    if not filename:
        filled.refuse("file", refuse(N_("Choisissez un fichier.")))
        filled.form = None
    return filled, filename, content


async def _show(request: Request, filled: Filled[DocumentForm]) -> Response:
    async with page.reading(request) as session:
        point = await point_of(session, request)
    return await show_item(request, page.blank(AgendaItemForm, shift="1", **agenda.typed(point)), upload=filled, status=422)


async def detach(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        item = await item_of(session, request, forum)
        await agenda.detach(session, forum, item, request.path_params["code"])
        await members.record_change(session, request.state.member, "detach", f"agenda {forum.slug}", item.title, now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/ordre-du-jour/{item.id}?fait=document-retire#documents")
