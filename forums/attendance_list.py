"""The list of a forum's people to take along: on paper as PDF/UA, for a spreadsheet as CSV.

What is typed reaches the paper through JSON, so it is never markup, and the spreadsheet with its
formulas disarmed. Neither list holds an address or anyone's accessibility needs.
"""

import csv
import json
import re
from collections.abc import Sequence
from io import StringIO

from forums.language import day_in_full, hour, translations, unbroken
from forums.models import Forum, Registration
from forums.models.forum import PARIS
from forums.settings import ROOT

# What the fonts inside `typst` have: one letter without a glyph would refuse the whole paper.
_WITHOUT_GLYPH = re.compile(
    "[^\x20-\x7e\xa0-\u0377\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u04ff\u1e00-\u1eff\u2010-\u2027]",
)
# They would turn around what follows them on the line.
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# A spreadsheet runs what begins so.
_FORMULA = re.compile(r"[=+\-@\t\r]")

_ATTENDANCE = {"on_site": "sur place", "remote": "à distance"}
_STATUS = {
    "registered": "inscription confirmée",
    "waiting": "liste d'attente",
    "pending": "inscription à confirmer",
    "given_up": "désistement",
    "walk_in": "sans inscription",
}


# -- On paper --------------------------------------------------------------------------------------------


def on_paper(forum: Forum, people: Sequence[Registration], *, language: str) -> bytes:
    """The list as an accessible PDF, in `language`. It takes a while: call it in a thread."""
    import typst  # heavy, and only organisers need it

    source = (ROOT / "templates" / "welcome" / "list.typ").read_bytes()
    sheet = _sheet(forum, people, language)

    def compiled(text: str) -> bytes:
        paper = typst.compile(source, sys_inputs={"sheet": text}, pdf_standards=["ua-1"])
        assert isinstance(paper, bytes)
        return paper

    try:
        return compiled(json.dumps(sheet))
    except typst.TypstError:
        # A name in letters that no font of this machine has: better a list with a few "?" than no list.
        sheet["note"] = translations(language).gettext("« ? » remplace une lettre que ce papier ne sait pas montrer.")
        return compiled(json.dumps(shown(sheet)))


def _sheet(forum: Forum, people: Sequence[Registration], language: str) -> dict[str, object]:
    """Every word of the paper."""
    _ = translations(language).gettext
    return {
        "language": language,
        "title": _("Liste de présence du forum n° %(number)s") % {"number": forum.number},
        "theme": unbroken(forum.theme or ""),
        "when": _when(forum, language),
        "where": ", ".join(each for each in (forum.place, forum.address) if each),
        "figures": _("Personnes attendues ou venues : %(people)s. Arrivées notées : %(present)s.")
        % {"people": len(people), "present": sum(each.checked_in_at is not None for each in people)},
        "columns": [_("Présence"), _("Nom et prénom"), _("Organisation"), _("Participation"), _("Arrivée")],
        "people": [_line(each, language) for each in people],
        "nobody": _("Aucune inscription confirmée pour l'instant."),
        "others": _("Personnes venues sans inscription"),
        "others_hint": _("À écrire ici, puis à ajouter sur la page de l'accueil : elles comptent alors parmi les présents."),
        "page": _("Page"),
        "of": _("sur"),
        "notice": _("Liste nominative : à garder pour l'accueil et à détruire après le forum."),
        "note": "",
    }


def _when(forum: Forum, language: str) -> str:
    if forum.starts_at is None or forum.ends_at is None:
        return day_in_full(forum.day, language) if forum.day else ""
    hours = {"from": hour(forum.starts_at, language), "to": hour(forum.ends_at, language)}
    return f"{day_in_full(forum.starts_at, language)}, {translations(language).gettext('de %(from)s à %(to)s') % hours}"


def _line(person: Registration, language: str) -> dict[str, str]:
    return {
        "name": _DIRECTIONS.sub("", f"{person.family_name} {person.given_name}"),
        "organisation": _DIRECTIONS.sub("", person.organisation),
        "attends": _attends(person, language),
        "arrived": hour(person.checked_in_at, language) if person.checked_in_at else "",
    }


def _attends(person: Registration, language: str) -> str:
    _ = translations(language).gettext
    special = {"waiting": _("Liste d'attente"), "pending": _("À confirmer"), "given_up": _("Désistement"), "walk_in": _("Sans inscription")}
    return special.get(person.status) or (_("À distance") if person.attendance == "remote" else _("Sur place"))


def shown(value: object) -> object:
    """The same with "?" for each letter that has no glyph."""
    if isinstance(value, str):
        return _WITHOUT_GLYPH.sub("?", value)
    if isinstance(value, dict):
        return {name: shown(each) for name, each in value.items()}
    return [shown(each) for each in value] if isinstance(value, list) else value


# -- For a spreadsheet -----------------------------------------------------------------------------------


def as_csv(people: Sequence[Registration]) -> bytes:
    """The list as CSV, in French whatever the page, as a French spreadsheet opens it: semicolons, and UTF-8 that says so."""
    text = StringIO()
    rows = csv.writer(text, delimiter=";")
    rows.writerow(["nom", "prenom", "organisation", "participation", "inscription", "arrivee"])
    for each in people:
        arrived = each.checked_in_at.astimezone(PARIS).isoformat(timespec="seconds") if each.checked_in_at else ""
        cells = [each.family_name, each.given_name, each.organisation, _ATTENDANCE[each.attendance], _STATUS[each.status], arrived]
        rows.writerow([disarmed(cell) for cell in cells])
    return text.getvalue().encode("utf-8-sig")


def disarmed(cell: str) -> str:
    """A cell no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
