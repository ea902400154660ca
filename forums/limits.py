"""How often something may be done, counted in the database for all processes together.

`spend` adds to the count of the current window and says how much of it was still allowed, in one
statement: two processes that ask at once never get more than the limit between them. Windows are
fixed (each whole hour, each whole minute): one row per key, which is a hash and never an address.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.database import insert_into
from forums.models import RateCount

_KEPT = timedelta(days=2)


class Limit(NamedTuple):
    """At most so many in each window of that length."""

    most: int
    per: timedelta


async def spend(session: AsyncSession, key: str, limit: Limit, *, now: datetime, times: int = 1) -> int:
    """Count that something is done `times` more. Returns how many of them are still allowed, 0 to `times`."""
    seconds = int(limit.per.total_seconds())
    # The length of the window is part of the key: an hour's count and a minute's begin at the same instant.
    added = insert_into(session, RateCount).values(key=f"{key} {seconds}", since=_beginning(now, seconds), count=times)
    counted = added.on_conflict_do_update(index_elements=["key", "since"], set_={"count": added.table.c.count + times})
    count: int = (await (await session.connection()).execute(counted.returning(added.table.c.count))).scalar_one()
    return max(0, min(times, limit.most - (count - times)))


def _beginning(now: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


async def forget_old(session: AsyncSession, *, now: datetime) -> None:
    """Forget the counts of windows that are over for long."""
    await session.exec(delete(RateCount).where(col(RateCount.since) < now - _KEPT))


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
