"""The outbox: a message is a row, written with the fact it announces; a worker delivers it later.

`enqueue` belongs to the caller's transaction. `deliver_due` claims rows by lease, sends ready bytes
over one connection and writes down what the relay said. Nothing is lost: what fails is retried with
patience or stays visible as failed; after a crash a message goes again with the same Message-ID.
"""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

import aiosmtplib
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import SQLModel, col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails
from forums.database import Database
from forums.emails import Message
from forums.models import DeliveryAttempt, OutboxMessage
from forums.settings import Settings, Smtp

log = logging.getLogger("forums.outbox")

# Longer than a round and the ten minutes a relay may take to answer its last final dot (RFC 5321
# 4.5.3.2.6): a message still in hand never looks abandoned to another worker.
LEASE = timedelta(minutes=15)
ROUND = timedelta(minutes=2)
FINAL_DOT = 600.0
GIVE_UP_AFTER = timedelta(hours=48)
_WAITS = [timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120)]
_PAUSE_ON_RELAY_FAULT = timedelta(minutes=1)

Verdict = Literal["retry", "failed", "relay", "misconfigured"]


class Unwritable(Exception):
    """A message that cannot be put into words: it fails alone."""


# -- Promise ---------------------------------------------------------------------------------------


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
    if not messages:
        return 0
    connection = await session.connection()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    table = SQLModel.metadata.tables["outbox_message"]
    statement = dialect.insert(table).on_conflict_do_nothing(index_elements=["fact"]).returning(table.c.id)
    shared = {"status": "waiting", "attempts": 0, "created_at": now, "next_attempt_at": now}
    written = await connection.execute(statement, [{**vars(message), **shared, "id": uuid4()} for message in messages])
    return len(written.scalars().all())


async def drop(session: AsyncSession, forum_id: UUID, kinds: Collection[str], *, recipient: str | None = None) -> int:
    """Take back messages that are not sent yet and no longer true, such as a reminder of a forum that moved."""
    query = update(OutboxMessage).where(col(OutboxMessage.forum_id) == forum_id, col(OutboxMessage.kind).in_(kinds))
    if recipient is not None:
        query = query.where(col(OutboxMessage.recipient) == recipient)
    unsent = query.where(col(OutboxMessage.status).in_(("waiting", "sending", "failed")))
    return (await session.exec(unsent.values(status="dropped", lease_until=None, content=None))).rowcount


# -- What organisers see -----------------------------------------------------------------------------


async def recent(session: AsyncSession, *, status: str | None = None, limit: int = 100) -> Sequence[OutboxMessage]:
    """Messages, the newest first; those of one status when it is given."""
    query = select(OutboxMessage).order_by(col(OutboxMessage.created_at).desc()).limit(limit)
    if status is not None:
        query = query.where(OutboxMessage.status == status)
    return (await session.exec(query)).all()


async def counts(session: AsyncSession) -> dict[str, int]:
    found = await session.exec(select(OutboxMessage.status, func.count()).group_by(col(OutboxMessage.status)))
    return {str(status): number for status, number in found.all()}


async def message_by_id(session: AsyncSession, message_id: UUID) -> OutboxMessage | None:
    return await session.get(OutboxMessage, message_id)


async def attempts_of(session: AsyncSession, message: OutboxMessage) -> Sequence[DeliveryAttempt]:
    query = select(DeliveryAttempt).where(DeliveryAttempt.message_id == message.id).order_by(col(DeliveryAttempt.at))
    return (await session.exec(query)).all()


async def retry(session: AsyncSession, message_id: UUID, *, now: datetime) -> bool:
    """Put a failed message back in the queue, its age counted anew. False if it is not failed."""
    done = await session.exec(
        update(OutboxMessage)
        .where(col(OutboxMessage.id) == message_id, col(OutboxMessage.status) == "failed")
        .values(status="waiting", created_at=now, next_attempt_at=now, attempts=0, last_error=None)
    )
    return done.rowcount == 1


# -- Deliver -------------------------------------------------------------------------------------------


async def deliver_due(database: Database, settings: Settings, *, now: datetime | None = None, limit: int = 50) -> int:
    """Send what is due, once around. Returns how many messages were handed to the relay."""
    if settings.smtp is None:
        return 0
    claimed = await _claim(database, now or datetime.now(UTC), limit)
    round_ends = time.monotonic() + ROUND.total_seconds()
    sent = 0
    client: aiosmtplib.SMTP | None = None
    try:
        for position, row in enumerate(claimed):
            if time.monotonic() >= round_ends:
                await _release(database, claimed[position:], pause=timedelta())
                break
            try:
                content = row.content or await _compose_and_keep(database, settings, row)
                client = client or await _connect(settings.smtp)
                await client.sendmail(settings.mail_from.addr_spec, [row.recipient], content, timeout=FINAL_DOT)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 — one poisonous row must not stop the queue
                verdict, code, words = judge(error)
                # The relay's words may quote an address: they stay in the row, out of the log.
                log.warning("message %s: %s (code %s)", row.id, verdict, code)
                _drop(client)  # after any fault the connection may be out of step
                client = None
                await _record_failure(database, row, verdict, code, words)
                if verdict in ("relay", "misconfigured"):
                    await _release(database, claimed[position + 1 :], pause=_PAUSE_ON_RELAY_FAULT)
                    break
            else:
                await _record_sent(database, row)
                sent += 1
    except asyncio.CancelledError:
        _drop(client)  # aiosmtplib would answer the next message with this one's reply
        client = None
        raise
    finally:
        if client is not None:
            try:
                await client.quit()
            except (aiosmtplib.SMTPException, OSError):
                _drop(client)
    return sent


async def try_relay(smtp: Smtp) -> str | None:
    """Connect as a delivery would and leave. Returns why it cannot be, or None."""
    try:
        client = await _connect(smtp)
        await client.quit()
    except (aiosmtplib.SMTPException, OSError) as error:
        return judge(error)[2]
    return None


async def _claim(database: Database, now: datetime, limit: int) -> Sequence[OutboxMessage]:
    due = (
        select(OutboxMessage.id)
        .where(
            ((col(OutboxMessage.status) == "waiting") & (col(OutboxMessage.next_attempt_at) <= now))
            | ((col(OutboxMessage.status) == "sending") & (col(OutboxMessage.lease_until) < now))
        )
        .order_by(col(OutboxMessage.next_attempt_at))
        .limit(limit)
    )
    # A look before taking the one writer: an idle worker costs the site nothing.
    async with database.reading() as session:
        if not (await session.exec(due.limit(1))).first():
            return []
    async with database.transaction() as session:
        ids = (await session.exec(due.with_for_update(skip_locked=True))).all()
        await session.exec(
            update(OutboxMessage)
            .where(col(OutboxMessage.id).in_(ids))
            .values(status="sending", lease_until=now + LEASE, attempts=OutboxMessage.attempts + 1)
        )
        rows = (
            await session.exec(select(OutboxMessage).where(col(OutboxMessage.id).in_(ids)).order_by(col(OutboxMessage.created_at)))
        ).all()
    return rows


async def _compose_and_keep(database: Database, settings: Settings, row: OutboxMessage) -> bytes:
    try:
        content = emails.compose(row, settings)
    except Exception as error:
        # Whatever was raised, even an OSError (a template that is not there), the fault is this message's.
        raise Unwritable(repr(error)) from error
    async with database.transaction() as session:
        await session.exec(update(OutboxMessage).where(col(OutboxMessage.id) == row.id).values(content=content))
    return content


async def _connect(smtp: Smtp) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        use_tls=smtp.tls == "implicit",
        start_tls=smtp.tls == "starttls",
        username=smtp.username,
        password=smtp.password,
        local_hostname="localhost",  # left out, the library looks the name up in DNS
        timeout=60,
    )
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await _greet(client)
    except aiosmtplib.SMTPAuthenticationError:
        raise
    except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError) as error:
        # Nothing was said of any message yet: a 5xx to EHLO must not fail the one that happened to be first.
        raise aiosmtplib.SMTPConnectError(str(error)) from error
    return client


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def _drop(client: aiosmtplib.SMTP | None) -> None:
    if client is not None:
        client.close()


def judge(error: Exception) -> tuple[Verdict, int | None, str]:
    """What to do after a fault: the verdict, the relay's code and words. Never raises.

    `misconfigured` stops the round and burns no attempt: no message is at fault.
    """
    words = " ".join(str(error).split())[:300] or type(error).__name__
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return "misconfigured", error.code, words
        case ssl.SSLError() | Exception(__cause__=ssl.SSLError()):
            return "misconfigured", None, words
        case aiosmtplib.SMTPConnectError():
            return "relay", None, words
        case aiosmtplib.SMTPSenderRefused():
            return ("relay" if error.code < 500 else "misconfigured"), error.code, words
        case aiosmtplib.SMTPRecipientsRefused():
            # `.code` is not there: only the one recipient's answer has it.
            code = error.recipients[0].code
            return ("failed" if code >= 500 and code != 503 else "retry"), code, words
        case aiosmtplib.SMTPResponseException():
            return ("failed" if error.code >= 500 and error.code != 503 else "retry"), error.code, words
        case aiosmtplib.SMTPTimeoutError() | aiosmtplib.SMTPServerDisconnected():
            return "retry", None, words
        case aiosmtplib.SMTPNotSupported():
            return "failed", None, words
        case aiosmtplib.SMTPException():
            return "misconfigured", None, words
        case OSError():
            return "relay", None, words
        case SQLAlchemyError():
            return "retry", None, "the database did not answer"
        case _:
            return "failed", None, words


async def _record_sent(database: Database, row: OutboxMessage) -> None:
    now = datetime.now(UTC)
    # A secret link is its reader's alone once it is delivered: nothing here can open it any more.
    facts = row.facts | {"token": "…"} if "token" in row.facts else row.facts
    async with database.transaction() as session:
        await session.exec(
            update(OutboxMessage)
            .where(col(OutboxMessage.id) == row.id)
            .values(status="sent", sent_at=now, lease_until=None, last_error=None, facts=facts, content=None)
        )
        session.add(DeliveryAttempt(message_id=row.id, at=now, code=250, outcome="sent"))


async def _record_failure(database: Database, row: OutboxMessage, verdict: Verdict, code: int | None, words: str) -> None:
    now = datetime.now(UTC)
    too_old = now - row.created_at > GIVE_UP_AFTER
    values: dict[str, object] = {"lease_until": None, "last_error": words}
    if verdict == "failed" or (verdict == "retry" and too_old):
        values |= {"status": "failed"}
    elif verdict == "retry":
        wait = _WAITS[min(row.attempts, len(_WAITS)) - 1] if row.attempts <= len(_WAITS) else timedelta(hours=4)
        spread = random.uniform(0.8, 1.2)  # noqa: S311 — so that retries do not come back together
        values |= {"status": "waiting", "next_attempt_at": now + wait * spread}
    else:
        values |= {"status": "waiting", "next_attempt_at": now + _PAUSE_ON_RELAY_FAULT, "attempts": row.attempts - 1}
    async with database.transaction() as session:
        await session.exec(update(OutboxMessage).where(col(OutboxMessage.id) == row.id).values(**values))
        session.add(DeliveryAttempt(message_id=row.id, at=now, code=code, outcome=f"{verdict}: {words}"))


async def _release(database: Database, rows: Sequence[OutboxMessage], *, pause: timedelta) -> None:
    if not rows:
        return
    async with database.transaction() as session:
        await session.exec(
            update(OutboxMessage)
            .where(col(OutboxMessage.id).in_([row.id for row in rows]))
            .values(
                status="waiting",
                lease_until=None,
                attempts=OutboxMessage.attempts - 1,
                next_attempt_at=datetime.now(UTC) + pause,
            )
        )
