"""French first, English second: sentences and dates, for pages and for messages.

Sentences are written in French where they are used and looked up in one gettext catalogue
(`templates/translations/en.po`), read as it is: there is no compiled file to forget. Hours are
always those of Paris.
"""

import gettext
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from io import BytesIO
from typing import Any

from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from forums.models.forum import PARIS
from forums.settings import ROOT

LANGUAGES = ("fr", "en")
CATALOGUES = ROOT / "templates" / "translations"
_PUNCTUATION = re.compile(r" (?=[:;?!»])|(?<=«) ")
_LOCALES = {"fr": "fr_FR", "en": "en_GB"}


def N_(sentence: str) -> str:  # noqa: N802 — the name gettext tools look for
    """Marks a sentence for the catalogue; it is translated where it is shown."""
    return sentence


def unbroken(text: str) -> str:
    """French punctuation kept on the line of the word before it: no line starts with a colon."""
    return _PUNCTUATION.sub("\u00a0", text)


class _French(gettext.NullTranslations):
    """The sentences as they are written, with their typography."""

    def gettext(self, message: str) -> str:
        return unbroken(message)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return unbroken(singular if n < 2 else plural)  # zero is singular in French


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language; French needs none, sentences are written in it."""
    if language == "fr":
        return _French()
    compiled = BytesIO()
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def day_in_full(moment: date | datetime, language: str = "fr") -> str:
    """« jeudi 24 mai 2018 », "Thursday 24 May 2018"; a datetime is read in Paris."""
    day = moment.astimezone(PARIS).date() if isinstance(moment, datetime) else moment
    text = format_date(day, "EEEE d MMMM y", locale=_LOCALES[language])
    return text.replace(" 1 ", " 1er ", 1) if language == "fr" and day.day == 1 else text


def hour(moment: datetime, language: str = "fr") -> str:
    """« 18 h 30 », "18:30", in Paris. The spaces do not break."""
    local = moment.astimezone(PARIS)
    if language == "en":
        return f"{local:%H:%M}"
    return f"{local.hour}\u00a0h\u00a0{local:%M}" if local.minute else f"{local.hour}\u00a0h"


def moment_in_full(moment: datetime, language: str = "fr") -> str:
    """« jeudi 24 mai 2018, 18 h 30 »."""
    return f"{day_in_full(moment, language)}, {hour(moment, language)}"


def said(sentence: str, figures: Mapping[str, Any], language: str = "fr") -> str:
    """A sentence of the catalogue with its figures; one called `day` is an ISO date, written out in full."""
    shown = dict(figures)
    if day := shown.get("day"):
        shown["day"] = day_in_full(date.fromisoformat(day), language)
    return translations(language).gettext(sentence).format(**shown)
