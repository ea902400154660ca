"""Whether an indicator is up to date, derived from its periodicity and its last published measurement.

A measurement is due so many months after the last one; the first, on the day its definition gives. An
indicator without periodicity is never late: nobody said when it is to be measured again.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import Literal

from forums.models import Indicator

State = Literal["stale", "unmeasured", "up_to_date", "untimed"]

MONTHS = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12}


@dataclass(frozen=True)
class Freshness:
    """Where an indicator stands today. `due_on` is the day its next measurement is due, gone by when it is stale."""

    state: State
    measured_on: date | None
    due_on: date | None
    days_late: int = 0
    months_late: int = 0


def freshness(indicator: Indicator, measured_on: date | None, today: date) -> Freshness:
    """`measured_on` is the day of its last published measurement, if there is one."""
    due = due_on(indicator, measured_on)
    if due is not None and due < today:
        return Freshness("stale", measured_on, due, (today - due).days, _months_between(due, today))
    if measured_on is None:
        return Freshness("unmeasured", None, due)
    return Freshness("up_to_date" if due or indicator.periodicity == "once" else "untimed", measured_on, due)


def due_on(indicator: Indicator, measured_on: date | None) -> date | None:
    """The day the next measurement is due; None when nobody said."""
    if measured_on is None:
        return indicator.first_due_on
    months = MONTHS.get(indicator.periodicity or "")
    return _later(measured_on, months) if months else None


def _later(day: date, months: int) -> date:
    """The same day so many months later; the end of a month leads to the end of a month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    at_the_end = day.day == monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if at_the_end else min(day.day, last))


def _months_between(start: date, end: date) -> int:
    """Whole months gone by."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return months if end.day >= start.day or end.day == monthrange(end.year, end.month)[1] else months - 1
