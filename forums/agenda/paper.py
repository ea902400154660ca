"""The published agenda on paper: an accessible PDF (PDF/UA-1) made from the same version as the page.

What is typed reaches the paper through JSON, so it is never markup. A paper whose words are the same is
made once: a version is printed as often as people ask for it.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from forums.agenda.queries import KINDS, Point, Stage, stages
from forums.attendance_list import shown
from forums.language import day_in_full, hour, translations, unbroken
from forums.models import AgendaVersion, Forum
from forums.settings import ROOT

if TYPE_CHECKING:
    from markdown_it.token import Token


def on_paper(forum: Forum, points: Sequence[Point], version: AgendaVersion, *, language: str, public_url: str) -> bytes:
    """The agenda as a PDF in `language`. It takes a while: call it in a thread."""
    return _compiled(json.dumps(_sheet(forum, points, version, language, public_url)))


@lru_cache(maxsize=32)
def _compiled(text: str) -> bytes:
    import typst  # heavy, and few processes ever print

    source = (ROOT / "templates" / "agenda" / "paper.typ").read_bytes()
    try:
        paper = typst.compile(source, sys_inputs={"sheet": text}, pdf_standards=["ua-1"])
    except typst.TypstError:
        # Letters that no font of this machine has: better a few "?" than no paper.
        paper = typst.compile(source, sys_inputs={"sheet": json.dumps(shown(json.loads(text)))}, pdf_standards=["ua-1"])
    assert isinstance(paper, bytes)
    return paper


def _sheet(forum: Forum, points: Sequence[Point], version: AgendaVersion, language: str, public_url: str) -> dict[str, object]:
    """Every word of the paper."""
    _ = translations(language).gettext
    address = f"{public_url}{'' if language == 'fr' else f'/{language}'}/forums/{forum.slug}"
    return {
        "language": language,
        "title": _("Ordre du jour du forum n° %(number)s") % {"number": forum.number},
        "cancelled": _("Ce forum est annulé") if forum.status == "cancelled" else "",
        "theme": unbroken(forum.theme or ""),
        "when": _when(forum, language),
        "where": ", ".join(each for each in (forum.place, forum.address) if each),
        # Of an evening from before this site, the day it was published is not known.
        "version": ""
        if forum.sources
        else _("Version %(number)s, publiée le %(day)s.") % {"number": version.number, "day": day_in_full(version.published_at, language)},
        "address": address,
        "stages": [_stage(each, language) for each in stages(points)],
        "together": _("En parallèle"),
        "speakers": _("Intervenants :"),
        "commitments": _("Engagements :"),
        "questions": _("Questions prises :"),
        "documents": _("Documents :"),
        "invented": _("Données inventées pour la démonstration") if forum.invented else "",
        "page": _("Page"),
        "of": _("sur"),
    }


def _when(forum: Forum, language: str) -> str:
    if forum.starts_at is None or forum.ends_at is None:
        return day_in_full(forum.day, language) if forum.day else ""
    hours = {"from": hour(forum.starts_at, language), "to": hour(forum.ends_at, language)}
    return f"{day_in_full(forum.starts_at, language)}, {translations(language).gettext('de %(from)s à %(to)s') % hours}"


def _stage(stage: Stage, language: str) -> dict[str, object]:
    tracks = [{"name": name, "points": [_point(point, language) for point in points]} for name, points in stage.tracks]
    return {"parallel": stage.parallel, "tracks": tracks}


def _point(point: Point, language: str) -> dict[str, object]:
    _ = translations(language).gettext
    item = point.item
    return {
        "title": unbroken(item.title),
        "hours": " – ".join(hour(moment, language) for moment in (item.starts_at, item.ends_at) if isinstance(moment, datetime)),
        "kind": _(KINDS[item.kind]),
        "track": item.track or "",
        "text": _paragraphs(item.description),
        "speakers": [f"{each.name}, {each.capacity}" if each.capacity else each.name for each in point.speakers],
        "commitments": [f"{each.number}. {unbroken(each.title)}" for each in point.commitments],
        "questions": [unbroken(" ".join(each.text.split())) for each in point.questions],
        "documents": [each.title for each in point.documents],
    }


def _paragraphs(markdown: str) -> list[dict[str, object]]:
    """The text of what was typed as Markdown, paragraph by paragraph; `item` for one of a list."""
    from markdown_it import MarkdownIt  # sixty modules, a thirtieth of a start

    found: list[dict[str, object]] = []
    depth = 0
    for token in MarkdownIt("commonmark", {"html": False}).parse(markdown):
        depth += token.nesting if token.type in ("list_item_open", "list_item_close") else 0
        text = _text(token.children) if token.type == "inline" and token.children else token.content if token.type in _BLOCKS else ""
        if text.strip():
            found.append({"item": depth > 0, "text": unbroken(text.strip())})
    return found


_BLOCKS = ("fence", "code_block", "html_block")


def _text(children: Sequence["Token"]) -> str:
    return "".join(" " if each.type in ("softbreak", "hardbreak") else each.content for each in children)
