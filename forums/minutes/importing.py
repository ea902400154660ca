"""A document written elsewhere as a first draft: one passage per heading, tied to the agenda item of that title.

Nothing in the file is trusted: its name, its first bytes, what it holds and what it grows to are checked
before pandoc sees it, and what comes out is the Markdown anyone could have typed. Pictures are left out, and counted.
"""

import asyncio
import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from forums import pandoc
from forums.forms import clean
from forums.language import N_
from forums.minutes.publishing import lock
from forums.minutes.writing import EntryForm, write
from forums.models import AgendaItem, Commitment, Minutes, MinutesEntry
from forums.refusals import Refusal
from forums.rendering import LONGEST

LARGEST = 5 * 1024 * 1024
UNFOLDED = 60 * 1024 * 1024
FILES = 2_000
PASSAGES = 100
CHARACTERS, LINES = 1_000_000, 20_000
_NUMBERING = re.compile(r"^\s*(?:[ivxlc]+|\d+(?:\.\d+)*|[a-z])\s*[.)–-]\s*", re.IGNORECASE)
# No bracket inside: one that never closes would be looked for to the end from each of a million.
_IMAGE = re.compile(r"!\[[^\[\]]*\]\([^()]*(?:\([^()]*\)[^()]*)?\)")


class BadDocument(Refusal):
    """A file that is not what it says, or more than is accepted; the sentence says which."""

    sentence = N_("Choisissez un document .docx, .odt ou .md.")


@dataclass(frozen=True)
class Piece:
    """What stands under one heading; the text before the first heading has no title."""

    title: str
    text: str


@dataclass(frozen=True)
class Imported:
    """What a document gave: its passages, how many found their agenda item, how many pictures were left out."""

    entries: Sequence[MinutesEntry]
    tied: int
    pictures: int


async def read_document(name: str, content: bytes) -> tuple[list[Piece], int]:
    """The pieces of a document, and how many pictures were left out. Raises `BadDocument`, `NoPandoc`, `Unreadable`."""
    if len(content) > LARGEST:
        raise BadDocument(N_("Ce document dépasse 5 Mo : retirez ses images, ou collez son texte."))
    if not content:
        raise BadDocument
    kind = name.rpartition(".")[2].lower() if "." in name else ""
    if kind in ("docm", "dotm", "doc", "rtf", "pdf"):
        raise BadDocument(N_("Ce format n'est pas accepté : enregistrez le document en .docx, .odt ou .md, sans macros."))
    if kind in ("md", "markdown", "txt"):
        text, pictures = _IMAGE.subn("", _as_text(content))
    elif kind in ("docx", "odt"):
        await asyncio.to_thread(_check_archive, content, kind)
        text, pictures = await pandoc.document_to_markdown(content, kind)
    else:
        raise BadDocument
    # Cutting a long text takes a while, and the site goes on meanwhile; what nobody wrote by hand is not cut at all.
    whole = clean(text)
    long = len(whole) > CHARACTERS or whole.count("\n") > LINES
    pieces = [] if long else await asyncio.to_thread(_split, whole)
    if not pieces and not long:
        raise BadDocument(N_("Ce document ne contient aucun texte."))
    if long or len(pieces) > PASSAGES or any(len(piece.text) > LONGEST for piece in pieces):
        raise BadDocument(
            N_("Ce document est trop long : cent titres au plus, et 50 000 caractères sous chacun. Importez-le en plusieurs fois.")
        )
    return pieces, pictures


def _as_text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadDocument(N_("Ce fichier texte n'est pas en UTF-8 : enregistrez-le dans cet encodage, puis réessayez.")) from None
    if "\x00" in text:
        raise BadDocument
    return text


def _check_archive(content: bytes, kind: str) -> None:
    """Before anything reads it: what it is, no macro, and no more than it should grow to, by growing it for real."""
    if not content.startswith(b"PK\x03\x04"):
        raise BadDocument(N_("Ce fichier n'est pas un vrai document .docx ou .odt, malgré son nom."))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            names = {each.filename for each in members}
            if len(members) > FILES or sum(each.file_size for each in members) > UNFOLDED:
                raise BadDocument(N_("Ce document est beaucoup trop lourd une fois décompressé : il n'a pas été ouvert."))
            if any(each.flag_bits & 1 for each in members):
                raise BadDocument(N_("Ce document est protégé par un mot de passe : enregistrez-le sans protection."))
            _check_kind(archive, names, kind)
            _grow(archive, members)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, KeyError, UnicodeError, ValueError):
        raise pandoc.Unreadable from None


def _check_kind(archive: zipfile.ZipFile, names: set[str], kind: str) -> None:
    macros = any(name.lower().endswith(("vbaproject.bin", "vbadata.xml")) or name.startswith(("Basic/", "Scripts/")) for name in names)
    if kind == "docx":
        if not {"[Content_Types].xml", "word/document.xml"} <= names:
            raise BadDocument(N_("Ce fichier n'est pas un vrai document .docx ou .odt, malgré son nom."))
        macros |= b"macroEnabled" in archive.read("[Content_Types].xml")
    elif "content.xml" not in names or archive.read("mimetype").strip() != b"application/vnd.oasis.opendocument.text":
        raise BadDocument(N_("Ce fichier n'est pas un vrai document .docx ou .odt, malgré son nom."))
    if macros:
        raise BadDocument(N_("Ce document contient des macros : enregistrez-le sans elles, en .docx ou en .odt ordinaire."))


def _grow(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> None:
    """What the archive says of its sizes may be a lie."""
    grown = 0
    for each in members:
        with archive.open(each) as file:
            while chunk := file.read(1024 * 1024):
                grown += len(chunk)
                if grown > UNFOLDED:
                    raise BadDocument(N_("Ce document est beaucoup trop lourd une fois décompressé : il n'a pas été ouvert."))
                if b"<!ENTITY" in chunk:
                    raise pandoc.Unreadable


def _split(text: str) -> list[Piece]:
    """At the highest level of heading the text has."""
    lines = text.split("\n")
    from markdown_it import MarkdownIt  # sixty modules, a thirtieth of a start

    inside = MarkdownIt("commonmark").disable("reference")
    tokens = MarkdownIt("commonmark").disable(["inline", "reference"]).parse(text)
    headings = [
        (token.map[0], token.map[1], token.tag, tokens[at + 1])
        for at, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    ]
    highest = min((tag for _, _, tag, _ in headings), default="")
    cuts = [(start, end, inline) for start, end, tag, inline in headings if tag == highest]
    pieces = [Piece("", "\n".join(lines[: cuts[0][0] if cuts else len(lines)]).strip())]
    for at, (_, end, inline) in enumerate(cuts):
        until = cuts[at + 1][0] if at + 1 < len(cuts) else len(lines)
        shown = inside.parseInline(inline.content[:1_000])[0].children or []
        title = "".join(each.content for each in shown if each.type in ("text", "code_inline"))
        pieces.append(Piece(" ".join(title.split())[:200].strip(), "\n".join(lines[end:until]).strip()))
    return [piece for piece in pieces if piece.text]


async def bring_in(
    session: AsyncSession,
    minutes: Minutes,
    pieces: Sequence[Piece],
    pictures: int,
    items: Sequence[AgendaItem],
    commitments: Mapping[UUID, Sequence[Commitment]],
    *,
    now: datetime,
) -> Imported:
    """Write the pieces as passages of the draft. Brought in twice, each is there once.

    `commitments` are those of each agenda item, by its key: a passage is tied to them, never to a question,
    since nobody has said yet that it answers one. Raises `Refusal` once the minutes are public.
    """
    await lock(session, minutes)
    if minutes.published_at is not None:
        raise Refusal(
            N_("Ce compte rendu est déjà public : un document ne s'importe qu'en premier jet. Ajoutez un passage, ou corrigez-en un.")
        )
    known = {_plain(item.title): item for item in items}
    entries, tied = [], 0
    for piece in pieces:
        item = known.get(_plain(piece.title)) if piece.title else None
        tied += item is not None
        # The passage shows its item's title by itself.
        form = EntryForm(title="" if item else piece.title, text=piece.text, agenda_item="")
        about = commitments.get(item.id, []) if item else []
        entries.append(await write(session, minutes, form, item, about, [], now=now))
    return Imported(entries, tied, pictures)


def _plain(title: str) -> str:
    """A title as it is recognised: without its number, its accents, its capitals or its punctuation."""
    plain = unicodedata.normalize("NFKD", _NUMBERING.sub("", title)).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"[a-z0-9]+", plain))
