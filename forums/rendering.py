"""Templates and Markdown, for pages and for messages alike.

One Jinja environment per language, compiled once, where an undefined name is an error rather than a
blank. Markdown is CommonMark with tables, no raw HTML, and goes through an allow-list afterwards:
the text is kept as typed and made safe each time it is shown. Whatever is typed, it takes a moment at most.
"""

import asyncio
import contextlib
import importlib
import importlib.metadata
import re
import sys
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import nh3
from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    pass_context,
    select_autoescape,
)
from jinja2.bccache import Bucket, FileSystemBytecodeCache
from jinja2.runtime import Context
from markupsafe import Markup, escape

from forums import event_markup
from forums import language as languages
from forums.settings import ROOT

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LONGEST = 50_000
"""Characters that are read as Markdown; the longest text a form takes."""

MARKS_AT_MOST = 5_000
"""Signs of formatting and line ends that are read as such: each costs as much as a hundred letters."""

Places = tuple[tuple[int, str], ...]

_MARKS = "\n[]*_`<>!|&\\"
_TAGS = {"h3", "h4", "h5", "p", "br", "hr", "ul", "ol", "li", "strong", "em", "blockquote", "code", "pre", "a",
         "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip


class Compiled(FileSystemBytecodeCache):
    """Templates are compiled once and kept beside their sources, where Python would keep its own: a first page takes half the time.

    What compiles them is part of what they are known by: Jinja, and this module.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(str(directory), "%s.jinja")
        self.by = f"{importlib.metadata.version('jinja2')} {Path(__file__).read_text()}"

    def get_source_checksum(self, source: str) -> str:
        return super().get_source_checksum(self.by + source)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if not sys.dont_write_bytecode:
            with contextlib.suppress(OSError):  # a directory that may not be written, or a full disk
                Path(self.directory).mkdir(exist_ok=True)
                super().dump_bytecode(bucket)


@cache
def environment(language: str) -> Environment:
    """The templates, speaking `language` ('fr' or 'en')."""
    env = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=select_autoescape(["html", "xml"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=Compiled(ROOT / "templates" / "__pycache__"),
    )
    env.install_gettext_translations(languages.translations(language), newstyle=True)  # type: ignore[attr-defined]
    env.filters["day_in_full"] = partial(languages.day_in_full, language=language)
    env.filters["moment_in_full"] = partial(languages.moment_in_full, language=language)
    env.filters["hour"] = partial(languages.hour, language=language)
    env.filters["from_iso"] = datetime.fromisoformat
    env.filters["markdown"] = markdown
    env.filters["markdown_citing"] = markdown_citing
    env.filters["citing"] = citing
    env.filters["unbroken"] = languages.unbroken
    env.globals["language"] = language
    env.globals["event_data"] = event_markup.events
    env.globals["said"] = partial(languages.said, language=language)
    # Contents are written in French; on an English page they say so to a screen reader.
    env.globals["in_french"] = Markup(' lang="fr"') if language != "fr" else Markup("")
    env.globals["query"] = _query
    return env


@pass_context
def _query(context: Context, **changes: Any) -> str:
    """The current query string with some values changed, or dropped when None."""
    from urllib.parse import urlencode

    current: dict[str, Any] = {**context["filters"], **changes}
    return "?" + urlencode({name: value for name, value in current.items() if value})


def markdown(text: str) -> Markup:
    """CommonMark as safe HTML. Headings start at h3, under the page's own h1 and h2."""
    return markdown_citing(text, ())


def markdown_citing(text: str, places: Places) -> Markup:
    """The same, where each commitment cited (E12) leads to its page: `places` gives it by number."""
    found = _shown.find(text, places)
    if found is None:
        found = _shown.keep(text, places, render(text, places))
    return found


async def prepare(texts: Iterable[str], places: Places = ()) -> None:
    """Make what the next page shows of long texts while the site goes on."""
    for text in texts:
        if len(text) > _LONG and _shown.find(text, places) is None:
            await asyncio.to_thread(markdown_citing, text, places)


def render(text: str, places: Places) -> Markup:
    """The same again, made anew and not kept: a text that is still being typed will not come back."""
    if not is_read_as_markdown(text):
        return _cleaned(_as_typed(text, places))
    reader = _reader()
    tokens = reader.parse(text)
    for token in tokens:
        if token.type == "table_open":
            token.attrSet("tabindex", "0")  # it scrolls by itself on a phone: the keyboard must reach it
        if token.tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 5)}"
        for child in _outside_links(token.children or []) if places else ():
            child.type, child.content = "html_inline", citing(child.content, places)
    return _cleaned(reader.renderer.render(tokens, reader.options, {}))


@cache
def _reader() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # sixty modules, a thirtieth of a start

    # Cells that nobody typed, under a wide heading: 65,536 without this.
    vars(importlib.import_module("markdown_it.rules_block.table"))["MAX_AUTOCOMPLETED_CELLS"] = 1_000
    # A link defined once and used a thousand times shows a thousand times its length.
    return MarkdownIt("commonmark", {"html": False, "breaks": True, "linkify": False}).enable("table").disable("reference")


def is_read_as_markdown(text: str) -> bool:
    """Or else it is shown as it was typed, line by line: nobody writes so much formatting in so few words."""
    return len(text) <= LONGEST and sum(map(text.count, _MARKS)) <= MARKS_AT_MOST


def _as_typed(text: str, places: Places) -> str:
    return "\n".join(f"<p>{part}</p>".replace("\n", "<br>\n") for part in re.split(r"\n{2,}", citing(text.replace("\r", ""), places)))


def _cleaned(html: str) -> Markup:
    return Markup(  # noqa: S704 — safe: it is what the allow-list let through
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}, "table": {"tabindex"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer ugc",
        )
    )


# -- What was made is kept --------------------------------------------------------------------------------------


class Shelf:
    """What was made of texts. Beyond so many characters in all, what was asked for longest ago leaves."""

    def __init__(self, room: int) -> None:
        self.room, self.size = room, 0
        self._made: OrderedDict[tuple[str, Places], Markup] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._made)

    def find(self, text: str, places: Places) -> Markup | None:
        with self._lock:
            found = self._made.get((text, places))
            if found is not None:
                self._made.move_to_end((text, places))
            return found

    def keep(self, text: str, places: Places, made: Markup) -> Markup:
        with self._lock:
            replaced = self._made.pop((text, places), None)
            self._made[text, places] = made
            self.size += len(made) - len(replaced) if replaced is not None else len(text) + len(made)
            while self.size > self.room:
                (other, _), gone = self._made.popitem(last=False)
                self.size -= len(other) + len(gone)
        return made


_shown = Shelf(4_000_000)
_LONG = 2_000
"""Characters from which a text is prepared aside; a shorter one takes less than going there."""


# -- Commitments cited in a text ----------------------------------------------------------------------------

# « E12 », « e12 », « engagement 12 », « engagement n° 12 »; an address is passed over whole. Where a word may be
# the beginning of an address is looked at from its first letter only, and not far: a long one takes no time.
_CITED = re.compile(r"(?:(?<!\w)\w{1,20}://|www\.)\S+|(?<!\w)(?:E|engagement\s+(?:n[°o]\s*)?)(\d{1,4})(?!\w)", re.IGNORECASE)


def citing(text: str, places: Places) -> Markup:
    """A text that is not Markdown, where each commitment cited leads to its page."""
    known, made, end = dict(places), [], 0
    for match in _CITED.finditer(text):
        if match[1] and int(match[1]) in known:
            made += [escape(text[end : match.start()]), f'<a href="{escape(known[int(match[1])])}">{escape(match[0])}</a>']
            end = match.end()
    return Markup("".join([*made, escape(text[end:])]))  # noqa: S704 — safe: each piece was escaped


def cited_numbers(text: str) -> list[int]:
    """The commitments a text cites, in the order they come; neither in code nor in a link."""
    if not is_read_as_markdown(text) or not _CITED.search(text):
        return []
    numbers = []
    for token in _reader().parse(text):
        for child in _outside_links(token.children or []):
            numbers += [int(match[1]) for match in _CITED.finditer(child.content) if match[1]]
    return list(dict.fromkeys(numbers))


def _outside_links(children: list["Token"]) -> list["Token"]:
    found, depth = [], 0
    for child in children:
        depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
        if child.type == "text" and depth == 0:
            found.append(child)
    return found
