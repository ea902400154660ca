"""What the database knows of messages on their way: who has them in hand, their bytes, what became of them.

Rows are claimed by lease, so that those of a worker that died are claimed again. What became of
messages that end at about the same time is committed together: one write costs as much as ten.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, bindparam, case, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select, update

from forums import limits
from forums.database import Database, DatabaseUnavailable, with_rows
from forums.limits import Limit
from forums.models import DeliveryAttempt, OutboxMessage
from forums.outbox.relay import Verdict
from forums.settings import Smtp

log = logging.getLogger("forums.outbox")

# Longer than a message waits in hand, a connection takes to open, the relay to answer its last final
# dot and a busy database to write it down: what is in hand never looks abandoned to another worker.
LEASE = timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(hours=48)
WAITS = [timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120)]
PATIENCE = (1.0, 5.0, 30.0)
A_MOMENT = 0.005
# What a kill at the worst moment makes go twice. A relay on another machine is slower than the disk: only one
# that takes hundreds of messages a second ever meets this limit.
UNWRITTEN = 40


@dataclass(slots=True)
class Taken:
    """A message in hand, as its row says: what is needed to write it, to send it and to say what became of it."""

    id: UUID
    kind: str
    recipient: str
    language: str
    facts: dict[str, Any]
    """Empty once its bytes are there, which say all of it."""
    content: bytes | None
    attempts: int
    created_at: datetime


class Outcome(NamedTuple):
    """What became of one message, as `relay.judge` puts it."""

    row: Taken
    at: datetime
    verdict: Verdict
    code: int | None = None
    words: str = ""


# -- In hand ---------------------------------------------------------------------------------------------


async def claim(database: Database, smtp: Smtp, now: datetime, limit: int, *, look: bool = True) -> Sequence[Taken]:
    """Take what is due, the longest due first, as far as the relay's rate allows; nobody else has it then.

    With `look`, it is looked whether anything is before the one writer is taken: an idle worker costs the site nothing.
    """
    if look:
        async with database.reading() as session:
            if not (await session.exec(_DUE, params={"now": now, "limit": 1})).first():
                return []
    if smtp.rate is not None:
        return await _claim_what_may_go(database, smtp, smtp.rate, now, limit)
    return await database.write_at_once(lambda connection: _take(connection, _lock(connection, now, limit), now))


async def _claim_what_may_go(database: Database, smtp: Smtp, rate: int, now: datetime, limit: int) -> Sequence[Taken]:
    a_minute = Limit(rate, timedelta(minutes=1))
    async with database.transaction() as session:
        connection = await session.connection()
        ids = await connection.run_sync(_lock, now, limit)
        allowed = await limits.spend(session, f"relay {smtp.host}:{smtp.port}", a_minute, now=now, times=len(ids))
        return await connection.run_sync(_take, ids[:allowed], now)


def _lock(connection: Connection, now: datetime, limit: int) -> Sequence[UUID]:
    return connection.execute(_DUE.with_for_update(skip_locked=True), {"now": now, "limit": limit}).scalars().all()


def _take(connection: Connection, ids: Sequence[UUID], now: datetime) -> Sequence[Taken]:
    rows = {row.id: Taken(*row) for row in connection.execute(_TAKEN, {"ids": ids, "until": now + LEASE})}
    return [rows[each] for each in ids]


# Built once: what is done all the time costs SQLAlchemy more to put together than the database to do.
_DUE = (
    select(OutboxMessage.id)
    .where(
        text("status IN ('waiting', 'sending')"),  # as the index says it: a bound value does not find it
        ((col(OutboxMessage.status) == "waiting") & (col(OutboxMessage.next_attempt_at) <= bindparam("now")))
        | ((col(OutboxMessage.status) == "sending") & (col(OutboxMessage.lease_until) < bindparam("now"))),
        col(OutboxMessage.not_after).is_(None) | (col(OutboxMessage.not_after) > bindparam("now")),
    )
    .order_by(col(OutboxMessage.next_attempt_at))
    .limit(bindparam("limit"))
)
_READ = {"facts": case((col(OutboxMessage.content).is_(None), OutboxMessage.facts), else_=text("'{}'"))}
_TAKEN = (
    update(OutboxMessage)
    .where(col(OutboxMessage.id).in_(bindparam("ids", expanding=True)))
    .values(status="sending", lease_until=bindparam("until"), attempts=OutboxMessage.attempts + 1)
    .returning(*(_READ.get(each.name, getattr(OutboxMessage, each.name)) for each in fields(Taken)))
)


async def keep(database: Database, composed: Sequence[tuple[Taken, bytes]]) -> None:
    """Keep the bytes of these messages: each retry sends the same."""
    if composed:
        kept = [{"row": row.id, "bytes": content} for row, content in composed]
        await database.write_at_once(lambda connection: connection.execute(_KEPT, kept))


_KEPT = (
    update(OutboxMessage)
    .where(col(OutboxMessage.id) == bindparam("row"), col(OutboxMessage.status) == "sending")
    .values(content=bindparam("bytes"))
)


async def still_sending(database: Database, ids: Iterable[UUID]) -> set[UUID]:
    """Those of these messages that nobody took back since they were claimed."""
    asked = [{"id": each} for each in ids]
    if not asked:
        return set()
    async with database.reading() as session:
        found = await (await session.connection()).run_sync(with_rows, _STILL_SENDING, OutboxMessage, asked)
        return {UUID(hex=str(each)) for each in found.scalars()}


_STILL_SENDING = "SELECT outbox_message.id FROM {rows} JOIN outbox_message ON outbox_message.id = typed.id WHERE status = 'sending'"


async def release(database: Database, rows: Sequence[Taken]) -> None:
    """Hand back what was not tried: it is due as it was."""
    if rows:
        mine = update(OutboxMessage).where(col(OutboxMessage.id).in_([row.id for row in rows]), col(OutboxMessage.status) == "sending")
        back = mine.values(status="waiting", lease_until=None, attempts=OutboxMessage.attempts - 1)
        await database.write_at_once(lambda connection: connection.execute(back))


# -- What became of them -----------------------------------------------------------------------------------


class Ledger:
    """Group commit: what became of a message is written with that of the others that end at about the same time.

    Whoever records does not wait for the disk, unless `UNWRITTEN` outcomes do already.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Outcome] = []
        self._being_written: list[Outcome] = []
        self._enough, self._written = asyncio.Event(), asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def record(self, outcome: Outcome) -> None:
        """Have it written down what became of a message. Returns at once, or when there is room for one more."""
        self._waiting.append(outcome)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        if len(self._waiting) >= UNWRITTEN // 2:
            self._enough.set()
        while len(self._waiting) + len(self._being_written) >= UNWRITTEN:
            self._written.clear()
            await self._written.wait()

    async def settled(self) -> None:
        """Return once everything that was told is written."""
        self._enough.set()
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        while self._waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), A_MOMENT)
            self._enough.clear()
            self._being_written, self._waiting = self._waiting, []
            if error := await self._write_patiently(self._being_written):
                # The database did not take what became of them: their lease does, and they go again.
                log.error("what became of %s messages is not written", len(self._being_written), exc_info=error)
            self._being_written = []
            self._written.set()

    async def _write_patiently(self, outcomes: Sequence[Outcome]) -> Exception | None:
        """A message that is sent and not written down would go twice: a busy database is asked again."""
        for pause in (*PATIENCE, None):
            try:
                await self._database.write_at_once(lambda connection: write(connection, outcomes))
            except (DBAPIError, *DatabaseUnavailable) as error:
                if pause is None:
                    return error
                log.warning("what became of %s messages is not written yet: %s", len(outcomes), type(error).__name__)
                await asyncio.sleep(pause)
            except Exception as error:  # noqa: BLE001 — whoever waits must be told
                return error
            else:
                return None
        return None


def write(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Write down what became of these messages, and one attempt for each."""
    attempts = [_as_attempt(each) for each in outcomes]
    if sent := [attempt for attempt, each in zip(attempts, outcomes, strict=True) if each.verdict == "sent"]:
        with_rows(connection, _SENT_ON[connection.dialect.name], DeliveryAttempt, sent)
    for each in outcomes:
        if each.verdict != "sent":
            # What was taken back meanwhile stays so; only a message that did go is told as sent in any case.
            mine = update(OutboxMessage).where(col(OutboxMessage.id) == each.row.id, col(OutboxMessage.status) == "sending")
            connection.execute(mine.values(**_after_fault(each)))
    with_rows(connection, _ATTEMPT, DeliveryAttempt, attempts)


_SENT = """
UPDATE outbox_message
SET status = 'sent', sent_at = typed.at, facts = {without_secret}, lease_until = NULL, last_error = NULL, content = NULL
FROM {rows} WHERE outbox_message.id = typed.message_id
"""
# As the function of that name leaves the facts, without their travelling here and back.
_WITHOUT_SECRET = {
    "sqlite": "json_replace(facts, '$.token', '…')",
    "postgresql": """jsonb_set(facts::jsonb, '{token}', '"…"', false)::json""",
}
_SENT_ON = {
    dialect: _SENT.replace("{without_secret}", said.replace("{", "{{").replace("}", "}}")) for dialect, said in _WITHOUT_SECRET.items()
}

# Only if the row is there: a person who was erased meanwhile has none, and then no attempt.
_ATTEMPT = """
INSERT INTO delivery_attempt (id, message_id, at, code, outcome) SELECT typed.id, message_id, at, code, outcome
FROM {rows} JOIN outbox_message ON outbox_message.id = message_id
"""


def _as_attempt(outcome: Outcome) -> dict[str, Any]:
    told = f"{outcome.verdict}: {outcome.words}" if outcome.words else outcome.verdict
    code = 250 if outcome.verdict == "sent" else outcome.code
    return {"id": uuid4(), "message_id": outcome.row.id, "at": outcome.at, "code": code, "outcome": told}


def _after_fault(outcome: Outcome) -> dict[str, Any]:
    row, values = outcome.row, {"lease_until": None, "last_error": outcome.words}
    too_old = outcome.at - row.created_at > GIVE_UP_AFTER
    if outcome.verdict in ("failed", "unreachable") or (outcome.verdict == "retry" and too_old):
        return values | {"status": "failed"}
    if outcome.verdict == "retry":
        wait = WAITS[row.attempts - 1] if row.attempts <= len(WAITS) else timedelta(hours=4)
        spread = random.uniform(0.8, 1.2)  # noqa: S311 — so that retries do not come back together  # nosec B311
        return values | {"status": "waiting", "next_attempt_at": outcome.at + wait * spread}
    # The others are due before this one: a fault that only its message meets cannot hold up the queue.
    return values | {"status": "waiting", "next_attempt_at": outcome.at, "attempts": row.attempts - 1}
