"""Documents an item is discussed with: files kept as they came, known by what they hold and not by their name alone.

A file is taken when its first bytes are those of its kind; it is only ever offered to be saved, never shown
by the browser. The public has those of the agenda it sees now; the others are for organisers.
"""

import re
import unicodedata
import zipfile
from datetime import datetime
from io import BytesIO
from typing import Annotated

from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.agenda.preparing import GONE, locked
from forums.agenda.queries import ATTACHED, Attached, item_by_id
from forums.forms import Form, line, refuse
from forums.language import N_
from forums.models import AgendaItem, AgendaItemDocument, Document, Forum
from forums.refusals import EditedMeanwhile

LARGEST = 5 * 1024 * 1024

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "png": "image/png",
    "jpg": "image/jpeg",
    "csv": "text/csv; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
}
_BEGINS = {"pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff"}
_OFFICE = {"docx": "word/", "xlsx": "xl/"}


class DocumentForm(Form):
    doc_title: Annotated[str, line(200, N_("Donnez un titre à ce document : c'est ce que le public lira."))]


async def attach(
    session: AsyncSession, forum: Forum, item: AgendaItem, form: DocumentForm, filename: str, content: bytes, *, now: datetime
) -> Document:
    """Keep a file and tie it to an item; the same sent twice is one. Raises a form error for what is not taken."""
    extension = _extension_of(filename)
    check(extension, content)
    await locked(session, forum)
    if await item_by_id(session, forum, item.id) is None:
        raise EditedMeanwhile(GONE)
    same = select(Document).where(Document.forum_id == forum.id, Document.title == form.doc_title, Document.content == content)
    document = (await session.exec(same)).first() or Document(
        forum_id=forum.id,
        title=form.doc_title,
        filename=f"{_plain(filename)}.{extension}",
        media_type=MEDIA_TYPES[extension],
        size=len(content),
        content=content,
        added_at=now,
    )
    session.add(document)
    await session.flush()
    tie = AgendaItemDocument(agenda_item_id=item.id, document_id=document.id)
    await session.merge(tie)
    await session.flush()
    return document


async def detach(session: AsyncSession, forum: Forum, item: AgendaItem, code: str) -> None:
    """Take a document off an item. The file goes once no version holds it."""
    await locked(session, forum)
    document = (await session.exec(select(Document.id).where(Document.code == code, Document.forum_id == forum.id))).first()
    if document is None:
        return
    mine = col(AgendaItemDocument.agenda_item_id) == item.id, col(AgendaItemDocument.document_id) == document
    await session.exec(delete(AgendaItemDocument).where(*mine))
    left = select(func.count()).select_from(AgendaItemDocument).where(AgendaItemDocument.document_id == document)
    if (await session.exec(left)).one() == 0:
        await session.exec(delete(Document).where(col(Document.id) == document))


async def document_of(session: AsyncSession, code: str, filename: str, *, drafts: bool = False) -> Document | None:
    """A document of the agenda the public sees now; with `drafts`, any."""
    query = select(Document).where(Document.code == code, Document.filename == filename)
    if not drafts:
        public = (
            select(AgendaItemDocument.document_id)
            .join(AgendaItem, col(AgendaItem.id) == col(AgendaItemDocument.agenda_item_id))
            .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
            .where(AgendaItem.version == Forum.agenda_version, Forum.agenda_version > 0, Forum.status != "draft")
        )
        query = query.where(col(Document.id).in_(public))
    return (await session.exec(query)).first()


async def documents_of(session: AsyncSession, forum: Forum) -> list[Attached]:
    """Every document of a forum, without its content."""
    query = select(*ATTACHED).where(Document.forum_id == forum.id).order_by(col(Document.added_at))  # type: ignore[call-overload]
    return [Attached(*facts) for facts in (await session.exec(query)).all()]


# -- What is taken -----------------------------------------------------------------------------------------


def _extension_of(filename: str) -> str:
    extension = filename.rpartition(".")[2].lower()
    return "jpg" if extension == "jpeg" else extension


def check(extension: str, content: bytes) -> None:
    """Raises a form error for an empty or too large file, a kind that is not taken, or one that is not what its name says."""
    if extension not in MEDIA_TYPES:
        raise refuse(N_("Choisissez un fichier PDF, ODT, DOCX, ODS, XLSX, CSV, PNG, JPG, TXT ou MD."))
    if not content:
        raise refuse(N_("Ce fichier est vide."))
    if len(content) > LARGEST:
        raise refuse(N_("Ce fichier est trop lourd : 5 Mo au plus."))
    if not _is_what_it_says(extension, content):
        raise refuse(
            N_("Ce fichier n'est pas ce que son nom annonce (« {extension} ») : enregistrez-le de nouveau, puis choisissez-le."),
            extension=extension,
        )


def _is_what_it_says(extension: str, content: bytes) -> bool:
    if extension in _BEGINS:
        return content.startswith(_BEGINS[extension])
    if extension in ("odt", "ods"):
        # OpenDocument 1.3, part 2, 3.3: the first file is `mimetype`, neither compressed nor followed by an extra field.
        return content.startswith(b"PK\x03\x04") and content[30:].startswith(b"mimetype" + MEDIA_TYPES[extension].encode() + b"PK")
    if extension in _OFFICE:
        return _is_office(_OFFICE[extension], content)
    return _is_text(content)


def _is_office(folder: str, content: bytes) -> bool:
    """Without macros: whoever opens it runs nothing."""
    try:
        names = zipfile.ZipFile(BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return False
    inside = "[Content_Types].xml" in names and any(name.startswith(folder) for name in names)
    return content.startswith(b"PK\x03\x04") and inside and not any(name.lower().endswith("vbaproject.bin") for name in names)


def _is_text(content: bytes) -> bool:
    try:
        return "\x00" not in content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False


def _plain(filename: str) -> str:
    """A name for an address, and for any disk: what a browser sent is only a wish."""
    stem = re.split(r"[/\\]", filename)[-1].rpartition(".")[0]
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "document"
