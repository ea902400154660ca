"""Which commitments were examined, how often, when last, and which never were.

A commitment is examined when a forum that was held had it on its announcement or its published agenda, or
when its published minutes speak of it. What was planned, cancelled or left as a draft examines nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, or_, select
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
    """A commitment and the forums that examined it, the latest first; none ever did when there are none."""

    commitment: Commitment
    forums: Sequence[Forum] = ()

    @property
    def last(self) -> Forum | None:
        return self.forums[0] if self.forums else None


async def least_examined(session: AsyncSession, plan: ActionPlan, *, now: datetime) -> list[Examined]:
    """The commitments of a plan: never examined first, then those examined longest ago; by number within a tie."""
    commitments = (await session.exec(select(Commitment).where(Commitment.plan_id == plan.id).order_by(col(Commitment.number)))).all()
    forums = await examinations(session, [commitment.id for commitment in commitments], now=now)
    found = [Examined(commitment, forums.get(commitment.id, ())) for commitment in commitments]
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


async def examinations(session: AsyncSession, ids: Sequence[UUID], *, now: datetime) -> dict[UUID, list[Forum]]:
    """The forums that examined each of these commitments, the latest first; absent when none did.

    Each forum is read once, however many commitments it examined.
    """
    held = select(Forum).where(is_held(now)).order_by(col(Forum.day).desc(), col(Forum.number).desc(), col(Forum.slug))
    forums = {forum.id: forum for forum in (await session.exec(held)).all()}
    pairs = _examining(ids)
    examining: dict[UUID, set[UUID]] = {}
    for commitment_id, forum_id in (await session.exec(pairs)).all():
        examining.setdefault(commitment_id, set()).add(forum_id)
    found = {key: [forum for forum_id, forum in forums.items() if forum_id in theirs] for key, theirs in examining.items()}
    return {key: theirs for key, theirs in found.items() if theirs}


def _examining(ids: Sequence[UUID]) -> Any:
    """Each of these commitments with each forum that speaks of it in public, once."""
    about: Any = cast(Any, select)(col(ForumCommitment.commitment_id), col(ForumCommitment.forum_id))
    about = about.where(col(ForumCommitment.commitment_id).in_(ids))
    on_agenda: Any = (
        cast(Any, select)(col(AgendaItemCommitment.commitment_id), col(AgendaItem.forum_id))
        .join(AgendaItem, col(AgendaItem.id) == col(AgendaItemCommitment.agenda_item_id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        # The version the public sees; before versions were kept, the one there was.
        .where(col(Forum.agenda_published_at).is_not(None), AgendaItem.version == Forum.agenda_version)
        .where(col(AgendaItemCommitment.commitment_id).in_(ids))
    )
    # A forum's passages speak of a commitment many times: once each, before it is asked which minutes are public.
    spoken_of: Any = (
        cast(Any, select)(col(MinutesEntryCommitment.commitment_id), col(MinutesEntry.minutes_id))
        .join(MinutesEntry, col(MinutesEntry.id) == col(MinutesEntryCommitment.entry_id))
        .where(col(MinutesEntryCommitment.commitment_id).in_(ids))
        .distinct()
        .subquery()
    )
    in_minutes = cast(Any, select)(spoken_of.c.commitment_id, col(Minutes.forum_id)).join(
        Minutes, (col(Minutes.id) == spoken_of.c.minutes_id) & col(Minutes.published_at).is_not(None)
    )
    return about.union(on_agenda, in_minutes)


def is_held(now: datetime) -> ColumnElement[bool]:
    """The forums held at `now`: announced, and over as `Forum.is_past` says it."""
    today = now.astimezone(PARIS).date()
    over = or_(col(Forum.ends_at) <= now, col(Forum.ends_at).is_(None) & (col(Forum.day) < today))
    return (col(Forum.status) == "announced") & over


def _day(forum: Forum) -> date:
    """A held forum always has a day."""
    return forum.day or date.min
