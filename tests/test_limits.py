"""What may be done so many times: exact over several processes, and each visitor known by a hash alone."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import limits
from forums.database import Database
from forums.limits import Limit, Tally
from forums.models import RateCount
from forums.settings import Settings
from tests.factories import NOW, SECRET_KEY

TEN_AN_HOUR = Limit(10, timedelta(hours=1))


async def test_exactly_ten_of_two_hundred_at_once_are_allowed_over_two_processes(
    database: Database, engine_settings: Settings, now: datetime
):
    other = Database(engine_settings)

    async def ask(door: Database) -> int:
        async with door.transaction() as session:
            return await limits.spend(session, "inscriptions", TEN_AN_HOUR, now=now)

    allowed = await asyncio.gather(*(ask(door) for door in [database, other] * 100))
    await other.close()

    assert (len(allowed), sum(allowed)) == (200, 10)


async def test_what_is_asked_together_is_allowed_as_far_as_the_limit_goes(session: AsyncSession, now: datetime):
    allowed = [await limits.spend(session, "relais", TEN_AN_HOUR, now=now, times=times) for times in (4, 4, 4, 4)]

    assert allowed == [4, 4, 2, 0]


async def test_a_new_window_begins_with_the_hour_and_another_key_has_its_own(session: AsyncSession, now: datetime):
    once = Limit(1, timedelta(hours=1))
    last_second, next_hour = now.replace(minute=59, second=59), now + timedelta(hours=1)

    assert await limits.spend(session, "a", once, now=now) == 1
    assert await limits.spend(session, "a", once, now=last_second) == 0
    assert await limits.spend(session, "b", once, now=last_second) == 1
    assert await limits.spend(session, "a", once, now=next_hour) == 1


async def test_an_hour_and_a_minute_of_the_same_key_are_counted_apart(session: AsyncSession, now: datetime):
    a_minute = Limit(1, timedelta(minutes=1))

    assert [await limits.spend(session, "a", limit, now=now) for limit in (a_minute, TEN_AN_HOUR, a_minute)] == [1, 1, 0]


async def test_windows_that_are_long_over_are_forgotten(session: AsyncSession, now: datetime):
    for age in (timedelta(days=3), timedelta(days=1), timedelta()):
        await limits.spend(session, "a", TEN_AN_HOUR, now=now - age)

    await limits.forget_old(session, now=now)

    kept = (await session.exec(select(RateCount.since).order_by(RateCount.since))).all()  # type: ignore[arg-type]
    assert kept == [now - timedelta(days=1), now]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::192.0.2.1", "192.0.2.1", False),
        ("testclient", "testclient", True),
        ("testclient", "", False),
    ],
)
def test_a_visitor_is_one_ipv4_address_or_one_ipv6_household(one: str, other: str, same: bool):
    assert (limits.client_key(SECRET_KEY, one) == limits.client_key(SECRET_KEY, other)) is same


def test_the_key_of_a_visitor_says_nothing_of_the_address_and_is_the_sites_own():
    key = limits.client_key(SECRET_KEY, "192.0.2.1")

    assert len(key) == 64
    assert "192.0.2.1" not in key
    assert key != limits.client_key("une autre clé", "192.0.2.1")


# -- Counted in memory, shared once a second -----------------------------------------------------------------------


async def test_what_two_processes_count_in_memory_is_shared_once_a_second(session: AsyncSession) -> None:
    limit, clock = Limit(5, timedelta(minutes=10)), iter(range(100))
    one, other = [Tally(lambda: float(next(clock))) for _ in range(2)]

    allowed = [tally.allows("x", limit, now=NOW) for tally in (one, other) for _ in range(4)]
    for tally in (one, other, one):
        await tally.share(session, now=NOW)
        tally.allows("x", limit, now=NOW)

    assert allowed == [True] * 8
    assert [tally.allows("x", limit, now=NOW) for tally in (one, other)] == [False, False]
    assert one.allows("y", limit, now=NOW)
    assert one.allows("x", limit, now=NOW + timedelta(minutes=10))
