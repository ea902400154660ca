"""From season to season: what was asked and where it stands today, what was promised and whether it was kept.

A question counts for the season of the forum it was put to; those put to none come last, so that the sum is
everything. What a season asked may be answered in the next: a season's figures go on changing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.accountability.counting import Asked, Promised, asked_of, counted_by_season, promised, promises_by
from forums.models import Commitment, FollowUp, FollowUpCommitment, Forum, Institution, Season


@dataclass(frozen=True)
class OfSeason:
    """A season and what was asked and promised in it; None for what was asked outside any forum."""

    season: Season | None
    asked: Asked
    promised: Promised


async def trends(
    session: AsyncSession, *, institution: Institution | None = None, commitment: Commitment | None = None, now: datetime
) -> list[OfSeason]:
    """Every season in which something was asked or promised, the oldest first; of an institution or a commitment when given."""
    asked = await counted_by_season(session, institution=institution, commitment=commitment, now=now)
    made = await promised(session, _promises(institution, commitment, now))
    rows = [OfSeason(season, asked_of(asked.get(season.id, [])), made.get((season.id,), Promised())) for season in await _seasons(session)]
    rows.append(OfSeason(None, asked_of(asked.get(None, [])), Promised()))
    return [row for row in rows if row.asked.total or row.promised.total]


def _promises(institution: Institution | None, commitment: Commitment | None, now: datetime) -> Any:
    query = promises_by(col(Forum.season_id), now=now)
    if institution is not None:
        query = query.where(col(FollowUp.institution_id) == institution.id)
    if commitment is not None:
        linked = (col(FollowUpCommitment.follow_up_id) == col(FollowUp.id)) & (col(FollowUpCommitment.commitment_id) == commitment.id)
        query = query.join(FollowUpCommitment, linked)
    return query


async def _seasons(session: AsyncSession) -> Sequence[Season]:
    """In the order of their first announced forum."""
    query = (
        cast(Any, select)(Season, Forum.day).join(Forum, col(Forum.season_id) == col(Season.id)).where(col(Forum.announced_at).is_not(None))
    )
    found = (await session.exec(query.order_by(col(Forum.day).nulls_last(), col(Season.slug)))).all()
    return list({season.id: season for season, _ in found}.values())
