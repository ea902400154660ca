"""Documents and pasted text to Markdown, and back, by pandoc in a process of its own that may do nothing else.

Whatever comes in becomes HTML, loses everything an allow-list does not name (pictures, styles, scripts,
what Word adds for itself), and only then becomes Markdown. The process sees no file, has ten seconds and
512 MB; two at once, so that a paste never slows the site. Where pandoc is not installed, `NoPandoc` says so.
"""

import asyncio
import contextlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from weakref import WeakKeyDictionary

import nh3

from forums.language import N_
from forums.refusals import Refusal

SECONDS = 10
AT_ONCE = 2
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_ENVIRONMENT = {"LANG": "C.UTF-8", "SOURCE_DATE_EPOCH": "0"}  # a document without the hour it was made at
_MARKDOWN = "commonmark+pipe_tables-raw_html"
_TAGS = {"h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "ul", "ol", "li", "strong", "b", "em", "i", "blockquote",
         "code", "pre", "a", "table", "thead", "tbody", "tr", "th", "td", "div"}  # fmt: skip

# A tag is found first and then looked into: looked for by what it holds, one without end would take hours.
_PARAGRAPH = re.compile(r"<p\b([^<>]*)>((?:(?!</?p\b).)*)</p>", re.DOTALL | re.IGNORECASE)
_BOLD = re.compile(r"<b\b([^<>]*)>", re.IGNORECASE)
# Word pastes a list as paragraphs that look like one, the bullet being text for browsers to hide.
_WORD_LIST = re.compile(r"\bmso-list:\s*l\d+\s+level(\d)", re.IGNORECASE)
_WORD_BULLET = re.compile(
    r"<!(?:--)?\[if !supportLists\](?:--)?>((?:(?!<!(?:--)?\[(?:if|endif)).)*)<!(?:--)?\[endif\](?:--)?>", re.DOTALL | re.IGNORECASE
)
_WORD_TITLE = re.compile(r"\bclass=[\"']?MsoTitle\b", re.IGNORECASE)
# A whole Google document comes inside one <b> that says it is not bold.
_NOT_BOLD = re.compile(r"font-weight:\s*normal", re.IGNORECASE)
_FIRST_ROW = re.compile(r"<table>\s*<tbody>\s*(<tr>(?:(?!</?tr\b).)*</tr>)", re.DOTALL)
_MARK = re.compile(r"^ODLISTE(\d)([oc])\s*", re.MULTILINE)


class NoPandoc(Refusal):
    sentence = N_(
        "Ce serveur ne sait pas lire les documents Word ou LibreOffice : enregistrez le vôtre en Markdown (.md), ou collez son texte."
    )


class Unreadable(Refusal):
    sentence = N_(
        "Ce document n'a pas pu être lu : il est abîmé, trop lourd ou protégé. Ouvrez-le, enregistrez-le à nouveau, puis réessayez."
    )


@cache
def _program() -> Path:
    """Where `pypandoc_binary` brought pandoc; it is not imported. Raises `NoPandoc`."""
    spec = find_spec("pypandoc")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "files" / "pandoc"
        if path.exists():
            return path
    raise NoPandoc


async def html_to_markdown(html: str) -> str:
    """The headings, lists, links, tables and emphasis of a piece of HTML. Raises `NoPandoc`, `Unreadable`."""
    clean = await asyncio.to_thread(_cleaned, html)
    text = await _run(clean.encode(), "html", _MARKDOWN)
    return _listed(text).strip()


async def document_to_markdown(content: bytes, kind: str) -> tuple[str, int]:
    """A `docx` or an `odt` as Markdown, and how many pictures were left out. Raises `NoPandoc`, `Unreadable`."""
    html = await _run(content, kind, "html")
    return await html_to_markdown(html), html.lower().count("<img")


async def markdown_to_document(text: str, kind: str) -> bytes:
    """Markdown as a document people can edit, `odt` or `docx`. Raises `NoPandoc`, `Unreadable`."""
    return await _converted(text.encode(), _MARKDOWN, kind)


def _cleaned(html: str) -> str:
    html = _BOLD.sub(lambda found: "<span>" if _NOT_BOLD.search(found[1]) else found[0], html)
    html = _PARAGRAPH.sub(_marked, html)
    clean = nh3.clean(html, tags=_TAGS, attributes={"a": {"href"}, "ol": {"start"}}, url_schemes={"http", "https", "mailto"}, link_rel=None)
    # A table of Markdown begins with its headings; most documents do not say which row that is.
    return _FIRST_ROW.sub(r"<table><thead>\1</thead><tbody>", clean)


def _marked(found: re.Match[str]) -> str:
    level = _WORD_LIST.search(found[1])
    if level is None:
        return f"<h1>{found[2]}</h1>" if _WORD_TITLE.search(found[1]) else found[0]
    bullet = _WORD_BULLET.search(found[2])
    ordered = bullet and re.match(r"\s*\w{1,3}[.)]", re.sub(r"<[^>]*>|&nbsp;", "", bullet[1]))
    return f"<p>ODLISTE{level[1]}{'o' if ordered else 'c'} {_WORD_BULLET.sub('', found[2])}</p>"


def _listed(text: str) -> str:
    """The marked paragraphs as lists, one line after the other."""
    text = re.sub(r"(?m)(^ODLISTE\d[oc].*)\n\n(?=ODLISTE\d[oc])", r"\1\n", text)
    return _MARK.sub(lambda found: "    " * (int(found[1]) - 1) + ("1. " if found[2] == "o" else "- "), text)


async def html_to_odt(html: str, language: str) -> bytes:
    """A piece of HTML of our own as an ODT, the same bytes each time. Raises `NoPandoc`, `Unreadable`."""
    return await _converted(html.encode(), "html", "odt", f"--metadata=lang:{language}")


async def _run(content: bytes, source: str, target: str) -> str:
    return (await _converted(content, source, target)).decode(errors="replace")


async def _converted(content: bytes, source: str, target: str, *more: str) -> bytes:
    program = _program()
    options = ["--sandbox", f"--from={source}", f"--to={target}", "--output=-", "--wrap=none", *more, "+RTS", "-M512M", "-RTS"]
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)):
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            program, *options, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=_ENVIRONMENT
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(content), SECONDS)
        except TimeoutError:
            raise Unreadable from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    if process.returncode != 0:
        raise Unreadable
    return out
