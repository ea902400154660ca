"""Promise: write a message down with the fact it announces, and take it back while it can be.

Everything here belongs to the caller's transaction: a message exists if and only if its fact does.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.database import insert_new
from forums.emails import Message
from forums.models import OutboxMessage


def enqueue(session: AsyncSession, message: Message, *, now: datetime) -> None:
    """Write a message down with the fact it announces; the row's id is its Message-ID for ever."""
    session.add(
        OutboxMessage(
            kind=message.kind,
            recipient=message.recipient,
            language=message.language,
            facts=message.facts,
            forum_id=message.forum_id,
            fact=message.fact,
            created_at=now,
            next_attempt_at=now,
        )
    )


async def enqueue_once(session: AsyncSession, messages: Sequence[Message], *, now: datetime) -> int:
    """Write down those whose `fact` nobody was told yet. Returns how many were."""
    shared = {"status": "waiting", "attempts": 0, "created_at": now, "next_attempt_at": now}
    rows = [{**vars(message), **shared, "id": uuid4()} for message in messages]
    return len(await insert_new(session, OutboxMessage, rows, same=["fact"]))


async def drop(session: AsyncSession, forum_id: UUID, kinds: Collection[str], *, recipient: str | None = None) -> int:
    """Take back messages that are not sent yet and no longer true, such as a reminder of a forum that moved."""
    query = update(OutboxMessage).where(col(OutboxMessage.forum_id) == forum_id, col(OutboxMessage.kind).in_(kinds))
    if recipient is not None:
        query = query.where(col(OutboxMessage.recipient) == recipient)
    unsent = query.where(col(OutboxMessage.status).in_(("waiting", "sending", "failed")))
    return (await session.exec(unsent.values(status="dropped", lease_until=None, content=None))).rowcount
