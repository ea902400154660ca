"""How often something may be done, counted in the database for all processes together.

`spend` adds to the count of the current window and says how much of it was still allowed, in one
statement: two processes that ask at once never get more than the limit between them. Windows are
fixed (each whole hour, each whole minute): one row per key, which is a hash and never an address.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.database import with_rows
from forums.models import RateCount

_KEPT = timedelta(days=2)


class Limit(NamedTuple):
    """At most so many in each window of that length."""

    most: int
    per: timedelta


# Nobody can be flooded by someone else's typing of their address.
MAIL_AGAIN_AFTER = timedelta(minutes=15)

# However often an address is typed again, in whatever form, its owner gets so many messages a day.
MAILS_A_DAY = Limit(10, timedelta(days=1))


async def spend(session: AsyncSession, key: str, limit: Limit, *, now: datetime, times: int = 1) -> int:
    """Count that something is done `times` more. Returns how many of them are still allowed, 0 to `times`."""
    connection = await session.connection()
    return await connection.run_sync(partial(spend_at_once, key=key, limit=limit, now=now, times=times))


def spend_at_once(connection: Connection, key: str, limit: Limit, *, now: datetime, times: int = 1) -> int:
    """The same, as a plain function, for `write_at_once`."""
    window = _kept(key, limit), _beginning(now, int(limit.per.total_seconds()))
    count = _add(connection, {window: times})[window]
    return max(0, min(times, limit.most - (count - times)))


class Tally:
    """The same counts for what comes too fast to write each time: kept in memory, shared once a second.

    What other processes count is known a second late, so each lets through at most what arrives in that second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._here: dict[tuple[str, Limit, datetime], int] = {}
        self._everywhere: dict[tuple[str, Limit, datetime], int] = {}
        self._shared_at = -1.0

    def allows(self, key: str, limit: Limit, *, now: datetime) -> bool:
        """Count one more. Whether it is still allowed."""
        window = key, limit, _beginning(now, int(limit.per.total_seconds()))
        self._here[window] = self._here.get(window, 0) + 1
        return self._everywhere.get(window, 0) + self._here[window] <= limit.most

    @property
    def is_due(self) -> bool:
        return bool(self._here) and self._clock() - self._shared_at >= 1

    async def share(self, session: AsyncSession, *, now: datetime) -> None:
        """Once a second, add what was counted here to what everybody counted, and learn the sum."""
        if not self.is_due:
            return
        here, self._here, self._shared_at = self._here, {}, self._clock()
        times = {(_kept(key, limit), since): count for (key, limit, since), count in here.items()}
        counts = await (await session.connection()).run_sync(_add, times)
        known = self._everywhere | {window: counts[_kept(window[0], window[1]), window[2]] for window in here}
        self._everywhere = {window: count for window, count in known.items() if now < window[2] + window[1].per}


def _kept(key: str, limit: Limit) -> str:
    """The length of the window is part of the key: an hour's count and a minute's begin at the same instant."""
    return f"{key} {int(limit.per.total_seconds())}"


_COUNTED = """
INSERT INTO rate_count (key, since, count) SELECT key, since, count FROM {rows} WHERE true
ON CONFLICT (key, since) DO UPDATE SET count = rate_count.count + excluded.count RETURNING key, since, count"""


def _add(connection: Connection, times: Mapping[tuple[str, datetime], int]) -> dict[tuple[str, datetime], int]:
    # In one order: two processes that count the same keys must not wait for each other.
    rows = [{"key": key, "since": since, "count": count} for (key, since), count in sorted(times.items())]
    found: Any = with_rows(connection, _COUNTED, RateCount, rows)
    return {(key, _moment(since)): count for key, since, count in found}


def _moment(found: datetime | str) -> datetime:
    """A plain statement gives what the database keeps: SQLite's is text."""
    return datetime.fromisoformat(found).replace(tzinfo=UTC) if isinstance(found, str) else found


def _beginning(now: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


async def forget_old(session: AsyncSession, *, now: datetime) -> None:
    """Forget the counts of windows that are over for long."""
    await session.exec(delete(RateCount).where(col(RateCount.since) < now - _KEPT))


@lru_cache(maxsize=1024)
def client_key(secret_key: str, host: str) -> str:
    """What stands for a visitor's address. In IPv6 it is the /64, which one subscriber has whole."""
    return hmac.new(secret_key.encode(), _household(host).encode(), hashlib.sha256).hexdigest()


def _household(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or f"{int(address) >> 64:016x}/64")
    return str(address)
