"""A document made of facts: one content, read as a page, taken away as an accessible PDF (PDF/UA-1) or as an ODT to be edited.

What is typed reaches the paper through JSON and the ODT through escaped HTML, so it is never markup. A
document whose words are the same is made once: a day's worth is asked for as often as people like.
"""

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import ClassVar

from forums import pandoc
from forums.attendance_list import shown
from forums.language import translations, unbroken
from forums.rendering import environment
from forums.settings import ROOT

_KEPT = 32


@dataclass(frozen=True)
class Span:
    """A piece of text; `url` is an address of this site or elsewhere, `french` what is quoted in French on an English page."""

    text: str
    url: str = ""
    french: bool = False


Line = Sequence[Span]


@dataclass(frozen=True)
class Heading:
    kind: ClassVar[str] = "heading"
    text: str
    level: int = 1


@dataclass(frozen=True)
class Text:
    kind: ClassVar[str] = "text"
    line: Line


@dataclass(frozen=True)
class Items:
    kind: ClassVar[str] = "items"
    lines: Sequence[Line]


@dataclass(frozen=True)
class Table:
    """`rows` begin with what they are about; the column `wide` has the longest texts."""

    kind: ClassVar[str] = "table"
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Line]]
    wide: int = 0


@dataclass(frozen=True)
class Blank:
    """A place to be filled in by hand, under what is asked for."""

    kind: ClassVar[str] = "blank"
    text: str


Block = Heading | Text | Items | Table | Blank


@dataclass(frozen=True)
class Paper:
    """A document: `about` are the lines under its title, `dated` the line of its foot."""

    title: str
    about: Sequence[Line]
    blocks: Sequence[Block]
    dated: str
    invented: bool
    language: str
    public_url: str

    def address(self, url: str) -> str:
        """The whole address of what a span leads to, in the language of the document."""
        prefix = "" if self.language == "fr" else f"/{self.language}"
        return f"{self.public_url}{prefix}{url}" if url.startswith("/") else url


def plain(text: str, url: str = "") -> Line:
    return [Span(text, url)]


def french(text: str, url: str = "") -> Line:
    return [Span(unbroken(text), url, french=True)]


# -- PDF -----------------------------------------------------------------------------------------------------


def as_pdf(paper: Paper) -> bytes:
    """The document as PDF/UA-1. It takes a while: call it in a thread."""
    return _compiled(json.dumps(_sheet(paper)))


@lru_cache(maxsize=_KEPT)
def _compiled(text: str) -> bytes:
    import typst  # heavy, and few processes ever print

    source = (ROOT / "templates" / "accountability" / "paper.typ").read_bytes()
    try:
        pdf = typst.compile(source, sys_inputs={"sheet": text}, pdf_standards=["ua-1"])
    except typst.TypstError:
        # Letters that no font of this machine has: better a few "?" than no paper.
        pdf = typst.compile(source, sys_inputs={"sheet": json.dumps(shown(json.loads(text)))}, pdf_standards=["ua-1"])
    assert isinstance(pdf, bytes)
    return pdf


def _sheet(paper: Paper) -> dict[str, object]:
    """Every word of the paper."""
    _ = translations(paper.language).gettext
    return {
        "language": paper.language,
        "title": paper.title,
        "about": [_line(paper, line) for line in paper.about],
        "blocks": [_block(paper, block) for block in paper.blocks],
        "dated": paper.dated,
        "invented": _("Données inventées pour la démonstration") if paper.invented else "",
        "to_fill": _("à compléter"),
        "page": _("Page"),
        "of": _("sur"),
    }


def _block(paper: Paper, block: Block) -> dict[str, object]:
    found: dict[str, object] = {"kind": block.kind}
    if isinstance(block, Text):
        return found | {"line": _line(paper, block.line)}
    if isinstance(block, Items):
        return found | {"lines": [_line(paper, line) for line in block.lines]}
    if isinstance(block, Table):
        rows = [[_line(paper, cell) for cell in row] for row in block.rows]
        return found | {"caption": block.caption, "head": list(block.head), "rows": rows, "wide": block.wide}
    return found | asdict(block)


def _line(paper: Paper, line: Line) -> list[dict[str, object]]:
    return [{"text": span.text, "url": paper.address(span.url) if span.url else "", "french": span.french} for span in line]


# -- ODT --------------------------------------------------------------------------------------------------------

_odts: OrderedDict[str, bytes] = OrderedDict()


async def as_odt(paper: Paper) -> bytes:
    """The document for a word processor. Raises `NoPandoc`."""
    html = environment(paper.language).get_template("accountability/paper.html").render(paper=paper)
    if html not in _odts:
        _odts[html] = await pandoc.html_to_odt(html, paper.language)
        while len(_odts) > _KEPT:
            _odts.popitem(last=False)
    return _odts[html]
