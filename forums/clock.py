"""What falls due by itself: messages to deliver, retention, expired links and sessions.

`run` is the worker's whole life: it delivers every second, and does the rest every ten minutes. A
fault is logged and tried again at the next turn; stopping finishes the message in hand.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from forums import members, outbox, privacy, secret_links
from forums.database import Database
from forums.settings import Settings

log = logging.getLogger("forums.clock")

TURN = 1.0
UPKEEP_EVERY = timedelta(minutes=10)


async def run(database: Database, settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set."""
    next_upkeep = datetime.now(UTC)
    while not stop.is_set():
        try:
            sent = await outbox.deliver_due(database, settings)
            if datetime.now(UTC) >= next_upkeep:
                await upkeep(database, settings, now=datetime.now(UTC))
                next_upkeep = datetime.now(UTC) + UPKEEP_EVERY
        except Exception:
            log.exception("the clock's turn failed; it goes on")
            sent = 0
        if not sent:
            try:
                await asyncio.wait_for(stop.wait(), TURN)
            except TimeoutError:
                continue


async def upkeep(database: Database, settings: Settings, *, now: datetime) -> privacy.Purged:
    """Everything that is due but for mail. Returns what the purge removed."""
    async with database.transaction() as session:
        purged = await privacy.purge(session, retention_days=settings.retention_days, now=now)
        await secret_links.forget_expired(session, now=now)
        await members.forget_old_sessions(session, now=now)
    return purged
