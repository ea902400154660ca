"""Templates and Markdown, for pages and for messages alike.

One Jinja environment per language, compiled once, where an undefined name is an error rather than a
blank. Markdown is CommonMark with tables, no raw HTML, and goes through an allow-list afterwards:
the text is kept as typed and made safe each time it is shown.
"""

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
from markupsafe import Markup

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
    env.filters["unbroken"] = languages.unbroken
    env.globals["language"] = language
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
    tokens = _MARKDOWN.parse(text)
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
