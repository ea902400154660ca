"""Boîte d'envoi: a message is a row before it is an e-mail, written with the fact it announces."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, Index
from sqlmodel import AutoString, Field, SQLModel

from forums.models.columns import index_of_some, key, link_to, one_of

OutboxStatus = Literal["waiting", "sending", "sent", "failed", "bounced", "dropped"]


def _now() -> datetime:
    return datetime.now(UTC)


class OutboxMessage(SQLModel, table=True):
    """Message of the outbox (boîte d'envoi).

    `kind` names a function of `emails` and `facts` what it says, as known when the message was
    promised; `content` is the bytes, made once at the first delivery, sent unchanged at each retry,
    and forgotten with the secret link they hold once the relay has them.
    `id` is the left part of the Message-ID. `fact` names what must be told once only (a reminder, an
    answer): a second message for the same fact is not written. After `not_after` (the forum has begun,
    a link has expired) nobody wants it any more. A message is dropped when what it says is no longer
    true, and bounced when the address turned out to be unreachable after the relay took it.
    """

    __tablename__ = "outbox_message"
    __table_args__ = (
        one_of("status", OutboxStatus),
        index_of_some("ix_outbox_message_due", "next_attempt_at", where="status IN ('waiting', 'sending')"),
        Index("ix_outbox_message_status_created_at", "status", "created_at", "id"),
    )

    id: UUID = key()
    kind: str
    recipient: str = Field(index=True)
    fact: str | None = Field(default=None, unique=True)
    not_after: datetime | None = None
    language: str = "fr"
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    forum_id: UUID | None = link_to("forum", on_delete="SET NULL", nullable=True)
    content: bytes | None = None
    status: OutboxStatus = Field(default="waiting", sa_type=AutoString)
    attempts: int = 0
    created_at: datetime = Field(default_factory=_now, index=True)
    next_attempt_at: datetime = Field(default_factory=_now)
    lease_until: datetime | None = None
    sent_at: datetime | None = None
    last_error: str | None = None


class DeliveryAttempt(SQLModel, table=True):
    """Tentative d'envoi: what the relay said, one row per attempt."""

    __tablename__ = "delivery_attempt"

    id: UUID = key()
    message_id: UUID = link_to("outbox_message")
    at: datetime = Field(index=True)
    code: int | None = None
    outcome: str
