"""Templates and Markdown, for pages and for messages alike.

One Jinja environment per language, compiled once, where an undefined name is an error rather than a
blank. Markdown is CommonMark with tables, no raw HTML, and goes through an allow-list afterwards:
the text is kept as typed and made safe each time it is shown.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache, partial
from typing import Any

import nh3
from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    pass_context,
    select_autoescape,
)
from jinja2.runtime import Context
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from forums import event_markup
from forums import language as languages
from forums.settings import ROOT

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True, "linkify": False}).enable("table")
_TAGS = {"h3", "h4", "h5", "p", "br", "hr", "ul", "ol", "li", "strong", "em", "blockquote", "code", "pre", "a",
         "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip


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


@lru_cache(maxsize=2048)
def markdown(text: str) -> Markup:
    """CommonMark as safe HTML. Headings start at h3, under the page's own h1 and h2."""
    return _safe(_MARKDOWN.parse(text))


def _safe(tokens: list[Token]) -> Markup:
    for token in tokens:
        if token.type == "table_open":
            token.attrSet("tabindex", "0")  # it scrolls by itself on a phone: the keyboard must reach it
        if token.tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 5)}"
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return Markup(  # noqa: S704 — safe: it is what the allow-list let through
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}, "table": {"tabindex"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer ugc",
        )
    )


# -- Commitments cited in a text ----------------------------------------------------------------------------

# « E12 », « e12 », « engagement 12 », « engagement n° 12 »; an address is passed over whole.
_CITED = re.compile(r"(?:\w+://|www\.)\S+|(?<!\w)(?:E|engagement\s+(?:n[°o]\s*)?)(\d{1,4})(?!\w)", re.IGNORECASE)


@lru_cache(maxsize=512)
def markdown_citing(text: str, places: tuple[tuple[int, str], ...]) -> Markup:
    """The same, where each commitment cited (E12) leads to its page: `places` gives it by number."""
    tokens = _MARKDOWN.parse(text)
    for token in tokens:
        if token.children:
            token.children = _with_links(token.children, dict(places))
    return _safe(tokens)


def citing(text: str, places: tuple[tuple[int, str], ...]) -> Markup:
    """A text that is not Markdown, where each commitment cited leads to its page."""
    known, made, end = dict(places), Markup(""), 0
    for match in _CITED.finditer(text):
        if match[1] and int(match[1]) in known:
            made += escape(text[end : match.start()]) + Markup('<a href="{}">{}</a>').format(known[int(match[1])], match[0])
            end = match.end()
    return made + escape(text[end:])


def cited_numbers(text: str) -> list[int]:
    """The commitments a text cites, in the order they come; neither in code nor in a link."""
    numbers = []
    for token in _MARKDOWN.parse(text):
        for child in _outside_links(token.children or []):
            numbers += [int(match[1]) for match in _CITED.finditer(child.content) if match[1]]
    return list(dict.fromkeys(numbers))


def _outside_links(children: list[Token]) -> list[Token]:
    found, depth = [], 0
    for child in children:
        depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
        if child.type == "text" and depth == 0:
            found.append(child)
    return found


def _with_links(children: list[Token], places: Mapping[int, str]) -> list[Token]:
    outside = {id(child) for child in _outside_links(children)}
    made: list[Token] = []
    for child in children:
        if id(child) not in outside:
            made.append(child)
            continue
        end = 0
        for match in _CITED.finditer(child.content):
            if match[1] and int(match[1]) in places:
                made.append(_text(child.content[end : match.start()]))
                opened = Token("link_open", "a", 1, attrs={"href": places[int(match[1])]})
                made += [opened, _text(match[0]), Token("link_close", "a", -1)]
                end = match.end()
        made.append(_text(child.content[end:]))
    return made


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)
