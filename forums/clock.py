"""What falls due by itself: messages to deliver, reminders, retention, expired links and sessions.

`run` is the worker's whole life: the outbox delivers what is due every second, and the rest is done
every ten minutes. A fault is logged and tried again at the next turn; stopping finishes what is begun.
"""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta

from forums import follow_ups, indicators, limits, members, metrics, openid, outbox, privacy, registrations, secret_links, subscriptions
from forums.database import Database, note_fault
from forums.settings import Settings

log = logging.getLogger("forums.clock")

UPKEEP_EVERY = timedelta(minutes=10)


async def run(database: Database, settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set. A slow relay does not hold up the rest."""
    await asyncio.gather(outbox.work(database, settings, stop), _keep_up(database, settings, stop))


async def _keep_up(database: Database, settings: Settings, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await upkeep(database, settings, now=datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 — whatever it is, the next turn is tried
            note_fault(log, "the clock's turn failed; it goes on", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), UPKEEP_EVERY.total_seconds())


async def upkeep(database: Database, settings: Settings, *, now: datetime) -> privacy.Purged:
    """Everything that is due but for the mail itself, in transactions of its own. Returns what the purge removed."""
    async with database.transaction() as session:
        await registrations.remind(session, now=now)
    async with database.transaction() as session:
        await follow_ups.carry_by_itself(session, now=now)
        await follow_ups.remind(session, now=now)
        await indicators.remind(session, now=now)
    await subscriptions.tell_news(database, now=now)
    await subscriptions.send_digests(database, now=now)
    async with database.transaction() as session:
        await outbox.drop_late(session, now=now)
        purged = await privacy.purge(session, retention_days=settings.retention_days, now=now)
        await secret_links.forget_expired(session, now=now)
        await members.forget_old_sessions(session, now=now)
        await openid.forget_old(session, now=now)
        await limits.forget_old(session, now=now)
        await metrics.note_turn(session, now=now)
    return purged
