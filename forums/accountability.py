"""Derived views of what was asked and answered: which commitments were examined, when last, which never.

A commitment is examined when a forum that was held had it on its announcement or its published agenda, or
when its published minutes speak of it. What was planned, cancelled or left as a draft examines nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemCommitment,
    Commitment,
    Forum,
    ForumCommitment,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
)
from forums.models.forum import PARIS


@dataclass(frozen=True)
class Examined:
    """A commitment and the last forum that examined it; None when none ever did."""

    commitment: Commitment
    last: Forum | None


async def least_examined(session: AsyncSession, plan: ActionPlan, *, now: datetime) -> list[Examined]:
    """The commitments of a plan: never examined first, then those examined longest ago; by number within a tie."""
    commitments = (await session.exec(select(Commitment).where(Commitment.plan_id == plan.id).order_by(col(Commitment.number)))).all()
    last = await _last_examined(session, [commitment.id for commitment in commitments], now)
    found = [Examined(commitment, last.get(commitment.id)) for commitment in commitments]
    return sorted(found, key=lambda each: _day(each.last) if each.last else date.min)


async def planned(session: AsyncSession, plan: ActionPlan, *, now: datetime) -> set[UUID]:
    """The commitments of a plan that a forum to come is about, announced or still a draft."""
    about = (
        select(ForumCommitment.commitment_id)
        .join(Forum, col(Forum.id) == col(ForumCommitment.forum_id))
        .join(Commitment, col(Commitment.id) == col(ForumCommitment.commitment_id))
        .where(Commitment.plan_id == plan.id, Forum.status != "cancelled", col(Forum.day) >= now.astimezone(PARIS).date())
    )
    return set((await session.exec(about)).all())


async def _last_examined(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> dict[UUID, Forum]:
    about = select(ForumCommitment.commitment_id, Forum).join(Forum, col(Forum.id) == col(ForumCommitment.forum_id))
    on_agenda = (
        select(AgendaItemCommitment.commitment_id, Forum)
        .join(AgendaItem, col(AgendaItem.id) == col(AgendaItemCommitment.agenda_item_id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        # The version the public sees; before versions were kept, the one there was.
        .where(col(Forum.agenda_published_at).is_not(None), AgendaItem.version == Forum.agenda_version)
    )
    in_minutes = (
        select(MinutesEntryCommitment.commitment_id, Forum)
        .join(MinutesEntry, col(MinutesEntry.id) == col(MinutesEntryCommitment.entry_id))
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .join(Forum, col(Forum.id) == col(Minutes.forum_id))
        .where(col(Minutes.published_at).is_not(None))
    )
    columns = ForumCommitment.commitment_id, AgendaItemCommitment.commitment_id, MinutesEntryCommitment.commitment_id
    last: dict[UUID, Forum] = {}
    for query, column in zip((about, on_agenda, in_minutes), columns, strict=True):
        held = query.where(col(column).in_(ids), Forum.status == "announced")
        for commitment_id, forum in (await session.exec(held)).all():
            if forum.is_past(now) and (commitment_id not in last or _day(forum) > _day(last[commitment_id])):
                last[commitment_id] = forum
    return last


def _day(forum: Forum) -> date:
    """A held forum always has a day."""
    return forum.day or date.min
