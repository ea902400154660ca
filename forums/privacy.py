"""Retention: what is personal is deleted or made anonymous on time, by itself, and counts stay.

The purge is the erasure: it runs with the clock and with `forums purge`, in one transaction, and
says what it removed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import Forum, OutboxMessage, Question, Registration
from forums.questions import CONFIRM_WITHIN

UNCONFIRMED = timedelta(days=7)


@dataclass(frozen=True)
class Purged:
    """How many rows of each kind went."""

    registrations: int
    unconfirmed_registrations: int
    unconfirmed_questions: int
    addresses_of_authors: int
    messages: int


async def purge(session: AsyncSession, *, retention_days: int, now: datetime) -> Purged:
    """Remove what retention asks for: `retention_days` after the forum, a week when never confirmed."""
    limit = now - timedelta(days=retention_days)
    over = select(Forum.id).where(col(Forum.ends_at) < limit)
    registrations = await session.exec(delete(Registration).where(col(Registration.forum_id).in_(over)))
    unconfirmed = await session.exec(
        delete(Registration).where(col(Registration.status) == "pending", col(Registration.mailed_at) < now - UNCONFIRMED)
    )
    forgotten = await session.exec(
        delete(Question).where(col(Question.status) == "unconfirmed", col(Question.created_at) < now - CONFIRM_WITHIN)
    )
    authors = await session.exec(
        update(Question)
        .where(col(Question.email).is_not(None))
        .where(col(Question.forum_id).in_(over) | (col(Question.forum_id).is_(None) & (col(Question.created_at) < limit)))
        .values(email=None)
    )
    anonymous = update(Question).where(col(Question.email).is_(None), col(Question.show_name).is_(False), col(Question.author_name) != "")
    await session.exec(anonymous.values(author_name=""))
    messages = await session.exec(
        # Also those still waiting: without a relay they would be kept for ever.
        delete(OutboxMessage).where(col(OutboxMessage.status) != "sending", col(OutboxMessage.created_at) < limit)
    )
    return Purged(registrations.rowcount, unconfirmed.rowcount, forgotten.rowcount, authors.rowcount, messages.rowcount)
