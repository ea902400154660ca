"""Whether an indicator is up to date: a measurement is due a period after the last published one.

One never measured is due on `first_due_on`. Without either rule nothing is due, and nobody is late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import indicators
from forums.models import Commitment, Indicator, Measurement
from forums.models.forum import PARIS

Freshness = Literal["fresh", "stale", "no_rule"]


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
    found = indicators.freshness(indicator, last, today)
    if found.state == "stale":
        return "stale", found.due_on
    return ("fresh" if found.state == "up_to_date" or found.due_on else "no_rule"), found.due_on
