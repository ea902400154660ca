"""The asynchronous drivers, SQLite's own above all: what is interrupted harms nobody who comes after."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from forums.database import Database
from forums.models import RateCount
from tests.factories import NOW

LONG = text("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000000) SELECT max(n) FROM numbers")


async def test_who_leaves_in_the_middle_of_a_statement_keeps_nobody_from_writing(database: Database):
    async def write() -> None:
        async with database.transaction() as session:
            session.add(RateCount(key="parti", since=NOW, count=1))
            await session.flush()
            await (await session.connection()).execute(LONG)

    leaving = asyncio.create_task(write())
    await asyncio.sleep(0.02)
    leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    async with database.transaction() as session:
        session.add(RateCount(key="venu après", since=NOW, count=1))

    async with database.reading() as session:
        kept = (await (await session.connection()).execute(text("SELECT key FROM rate_count"))).scalars().all()
    assert "venu après" in kept
    assert leaving.done()


async def test_many_rows_and_a_refusal_come_back_as_they_should(database: Database):
    async with database.transaction() as session:
        connection = await session.connection()
        added = RateCount.__table__.insert()  # type: ignore[attr-defined]
        await connection.execute(added, [{"key": f"clé {number}", "since": NOW, "count": number} for number in range(500)])
        found = (await connection.execute(text("SELECT count FROM rate_count ORDER BY count"))).scalars().all()
    assert found == list(range(500))

    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await (await session.connection()).execute(added, [{"key": "clé 1", "since": NOW, "count": 1}])
