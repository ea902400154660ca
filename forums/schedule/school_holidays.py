"""School holidays of the three zones, as far as they are published: beyond, unknown is said, never guessed.

Zone C is that of Paris, where forums are held: the planner keeps out of its holidays. Those of zones A
and B alone are said and change no date: some zone is on holiday for two months between February and May.
"""

from datetime import date
from functools import cache
from typing import NamedTuple

from vacances_scolaires_france import SchoolHolidayDates  # type: ignore[import-untyped]

PARIS_ZONE = "C"


class SchoolHoliday(NamedTuple):
    """A day of school holidays: « les vacances d'hiver », and the zones it is one of."""

    name: str
    zones: tuple[str, ...]

    @property
    def in_paris(self) -> bool:
        return PARIS_ZONE in self.zones


@cache
def _calendar() -> dict[date, SchoolHoliday]:
    found = SchoolHolidayDates()
    return {
        day: SchoolHoliday(
            _with_its_article(row["nom_vacances"]),
            tuple(zone for zone in found.SUPPORTED_ZONES if row[found.zone_key(zone)]),
        )
        for day, row in found.data.items()
    }


def _with_its_article(name: str) -> str:
    return ("le " if name.startswith("Pont") else "les ") + name[:1].lower() + name[1:]


@cache
def known_until() -> date:
    """The last day whose holidays are published: the package says nothing of what follows, and does not say so."""
    return max(_calendar())


@cache
def known_from() -> date:
    return min(_calendar())


def is_known(day: date) -> bool:
    return known_from() <= day <= known_until()


def school_holiday(day: date) -> SchoolHoliday | None:
    """The school holidays a day falls in; None also when they are not known (`is_known`)."""
    return _calendar().get(day)
