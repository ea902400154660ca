"""What a person may type: a line, a text, an address, a choice; and the sentence that says how to mend it.

Form classes are never tables: a table class validates nothing. Each annotation below refuses with a
French sentence kept as a message of the catalogue, with its figures apart, so that pages can show it
in either language beside the field.
"""

import contextlib
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic_core import PydanticCustomError

from forums.language import N_

# C0 and C1 controls but tab and newline; line separators; nothing anyone types on purpose.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


class Form(BaseModel):
    """What was typed, once it is valid. Fields absent from a request count as left empty."""

    # What validates a form is made when the first is sent: of all of them it is a twentieth of a start.
    model_config = ConfigDict(frozen=True, defer_build=True)


def clean(text: str) -> str:
    """One form for what looks the same: NFC, LF line ends, no invisible controls, no blank edges."""
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))).strip()


def refuse(sentence: str, **figures: Any) -> PydanticCustomError:
    """An error whose `type` is the sentence itself, figures apart: the key a catalogue translates."""
    return PydanticCustomError(sentence, sentence, figures)


def is_to_come(day: date, info: ValidationInfo) -> bool:
    """Whether a day is after today, which the page that reads a form gives as context.

    A rule looks again, by its own `now`: here it is told with whatever else is wrong, there it is held.
    """
    return info.context is not None and day > info.context["today"]


def line(limit: int, missing: str | None = None) -> BeforeValidator:
    """One line of at most `limit` characters; empty is refused with `missing`, or allowed without it."""
    return _checked(lambda text: _measured(" ".join(clean(text).split()), limit, missing))


def prose(limit: int, missing: str | None = None) -> BeforeValidator:
    """Several lines of at most `limit` characters."""
    return _checked(lambda text: _measured(clean(text), limit, missing))


def _measured(text: str, limit: int, missing: str | None) -> str:
    if not text and missing:
        raise refuse(missing)
    if len(text) > limit:
        raise refuse(N_("Raccourcissez ce texte : {limit} caractères au plus, il en compte {length}."), limit=limit, length=len(text))
    return text


def choice(*allowed: str, message: str) -> BeforeValidator:
    """One of the offered values; anything else gets `message`."""

    def check(text: str) -> str:
        if text not in allowed:
            raise refuse(message)
        return text

    return _checked(check)


def _address(text: str) -> str:
    # Its patterns take as long to compile as all of our own: imported when somebody gives an address.
    from email_validator import EmailNotValidError, validate_email

    text = clean(text)
    if not text:
        raise refuse(N_("Indiquez votre adresse électronique, par exemple nom@example.com."))
    try:
        found = validate_email(text[:400], check_deliverability=False)
    except EmailNotValidError:
        raise refuse(
            N_("Cette adresse électronique n'est pas complète ou comporte une erreur. Exemple attendu : nom@example.com.")
        ) from None
    # A relay without SMTPUTF8 would be handed another person's address (`policy.SMTP` encodes it).
    if found.ascii_email is None:
        raise refuse(
            N_("Nous ne savons pas écrire à une adresse dont la partie avant @ porte des accents. Exemple attendu : nom@example.com.")
        )
    return found.ascii_email


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(clean(text))
    except ValueError:
        day = date.min
    # Nobody means the year 27 or 20270, and neither leaves room for the days and hours around it.
    if not 1900 <= day.year <= 2200:
        raise refuse(N_("Indiquez une date, par exemple 2027-03-25."))
    return day


def _hour(text: str) -> time:
    try:
        return time.fromisoformat(clean(text)).replace(tzinfo=None, second=0, microsecond=0)
    except ValueError:
        raise refuse(N_("Indiquez une heure, par exemple 18:30.")) from None


def _moment(text: str) -> datetime:
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(clean(text)).replace(tzinfo=None, second=0, microsecond=0)
        if 1900 <= moment.year <= 2200:
            return moment
    raise refuse(N_("Indiquez un jour et une heure, par exemple 2027-03-25T18:30."))


def whole(low: int, high: int) -> BeforeValidator:
    """A whole number from `low` to `high`."""

    def check(text: str) -> int:
        text = clean(text)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise refuse(N_("Indiquez un nombre entier de {low} à {high}."), low=low, high=high)
        return int(text)

    return _checked(check)


def optional(check: BeforeValidator) -> BeforeValidator:
    """The same, or nothing at all: an empty field is None."""

    def maybe(value: Any) -> Any:
        return None if isinstance(value, str) and not clean(value) else check.func(value)  # type: ignore[call-arg]

    return BeforeValidator(maybe)


def _checked(check: Callable[[str], Any]) -> BeforeValidator:
    return BeforeValidator(lambda value: check(value) if isinstance(value, str) else value)


def _web_address(text: str) -> str:
    text = _measured(clean(text), 500, None)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    # Any other scheme in a link could be a script.
    if parts.scheme not in ("http", "https") or not parts.hostname or any(letter.isspace() for letter in text):
        raise refuse(N_("Indiquez une adresse complète, par exemple https://visio.example.fr/forum."))
    return text


Email = Annotated[str, _checked(_address)]
Day = Annotated[date, _checked(_day)]
Hour = Annotated[time, _checked(_hour)]
OptionalWebAddress = Annotated[str | None, optional(_checked(_web_address))]
OptionalDay = Annotated[date | None, optional(_checked(_day))]
OptionalMoment = Annotated[datetime | None, optional(_checked(_moment))]
"""A day and an hour on the clocks of Paris."""
OptionalHour = Annotated[time | None, optional(_checked(_hour))]
Tick = Annotated[bool, _checked(lambda text: text not in ("", "0"))]
"""A checkbox: absent or empty is False."""
