"""Promise: write a message down with the fact it announces, and take it back while it can be.

Everything here belongs to the caller's transaction: a message exists if and only if its fact does.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from forums import emails
from forums.database import add_rows, insert_new
from forums.emails import Message
from forums.models import Forum, OutboxMessage

UNSENT = ("waiting", "sending", "failed")


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
            not_after=message.not_after,
            created_at=now,
            next_attempt_at=now,
        )
    )


async def enqueue_once(session: AsyncSession, messages: Sequence[Message], *, now: datetime) -> int:
    """Write down those whose `fact` nobody was told yet. Returns how many were."""
    return len(await insert_new(session, OutboxMessage, [_row_of(message, now) for message in messages], same=["fact"]))


def enqueue_at_once(connection: Connection, messages: Sequence[Message], *, now: datetime) -> None:
    """Write many down, as `enqueue` one. A plain function, for `write_at_once`."""
    add_rows(connection, OutboxMessage, [_row_of(message, now) for message in messages])


def _row_of(message: Message, now: datetime) -> dict[str, Any]:
    return {**vars(message), "id": uuid4(), "status": "waiting", "attempts": 0, "created_at": now, "next_attempt_at": now}


async def already_told(session: AsyncSession, facts: Collection[str]) -> Sequence[str]:
    """Those of these facts that a message was already written for."""
    known = await session.exec(select(OutboxMessage.fact).where(col(OutboxMessage.fact).in_(facts)))
    return [fact for fact in known.all() if fact]


async def drop(session: AsyncSession, kinds: Collection[str], *, forum_id: UUID | None = None, recipient: str | None = None) -> int:
    """Take back messages of these kinds that are not sent yet and no longer true, such as a reminder of a forum that moved."""
    query = select(OutboxMessage).where(col(OutboxMessage.kind).in_(kinds), col(OutboxMessage.status).in_(UNSENT))
    if forum_id is not None:
        query = query.where(OutboxMessage.forum_id == forum_id)
    if recipient is not None:
        query = query.where(OutboxMessage.recipient == recipient)
    return await _drop(session, query)


async def drop_late(session: AsyncSession, *, now: datetime) -> int:
    """Take back what waited until nobody wants it any more: a relay that was down, or configured after the forum."""
    late = select(OutboxMessage).where(col(OutboxMessage.status).in_(("waiting", "failed")), col(OutboxMessage.not_after) <= now)
    return await _drop(session, late)


async def _drop(session: AsyncSession, query: SelectOfScalar[OutboxMessage]) -> int:
    rows = (await session.exec(query.with_for_update())).all()
    for row in rows:
        row.status, row.lease_until, row.content, row.facts = "dropped", None, None, without_secret(row.facts)
        row.fact = None  # it may be told later after all
        session.add(row)
    return len(rows)


async def restate(session: AsyncSession, forum: Forum) -> None:
    """What is not sent yet says what is true now: a confirmation that waits must not bring the old date after the new."""
    query = select(OutboxMessage).where(OutboxMessage.forum_id == forum.id, col(OutboxMessage.status).in_(UNSENT))
    for row in (await session.exec(query.with_for_update())).all():
        if "forum" in row.facts:
            row.facts, row.content = row.facts | {"forum": emails.told_of(forum)}, None
            row.not_after = max(row.not_after, forum.starts_at) if row.not_after and forum.starts_at else row.not_after
            session.add(row)


def without_secret(facts: dict[str, Any]) -> dict[str, Any]:
    """A secret link is its reader's alone once it is delivered, and nobody's once it is taken back."""
    return facts | {"token": "…"} if "token" in facts else facts  # stands for what was taken out  # nosec B105
