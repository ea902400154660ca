"""Whether an indicator is up to date: a measurement is due a period after the last published one.

One never measured is due on `first_due_on`. Without either rule nothing is due, and nobody is late.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import Commitment, Indicator, Measurement
from forums.models.forum import PARIS

Freshness = Literal["fresh", "stale", "no_rule"]

_MONTHS = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12}


@dataclass(frozen=True)
class Watched:
    """An indicator, the commitment it measures, its last published measurement's day, and the day the next one is due."""

    indicator: Indicator
    commitment: Commitment
    last: date | None
    freshness: Freshness
    due: date | None


async def watched(session: AsyncSession, commitments: Sequence[UUID], *, now: datetime) -> list[Watched]:
    """The indicators of these commitments, in the plan's order: one statement, its rows as many as the indicators."""
    measured = (
        cast(Any, select)(Measurement.indicator_id, func.max(Measurement.measured_on).label("last"))
        .where(Measurement.status == "published")
        .group_by(col(Measurement.indicator_id))
        .subquery()
    )
    query = (
        cast(Any, select)(Indicator, Commitment, measured.c.last)
        .join(Commitment, col(Commitment.id) == col(Indicator.commitment_id))
        .outerjoin(measured, measured.c.indicator_id == col(Indicator.id))
        .where(col(Indicator.commitment_id).in_(commitments))
        .order_by(col(Commitment.number), col(Indicator.added_here), col(Indicator.position))
    )
    today = now.astimezone(PARIS).date()
    return [
        Watched(indicator, commitment, last, *freshness(indicator, last, today))
        for indicator, commitment, last in (await session.exec(query)).all()
    ]


def freshness(indicator: Indicator, last: date | None, today: date) -> tuple[Freshness, date | None]:
    """Where an indicator last measured on `last` stands today, and when its next measurement is due."""
    months = _MONTHS.get(indicator.periodicity or "")
    due = indicator.first_due_on if last is None else _later(last, months) if months else None
    if due is None:
        return ("fresh" if last and indicator.periodicity == "once" else "no_rule"), None
    return ("stale" if due < today else "fresh"), due


def _later(day: date, months: int) -> date:
    """The same day so many months later; the end of a month leads to the end of a month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    at_the_end = day.day == monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if at_the_end else min(day.day, last))
