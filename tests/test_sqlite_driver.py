"""The asynchronous drivers, SQLite's own above all: what is interrupted harms nobody who comes after."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.database import Database
from forums.models import RateCount
from forums.open_data.reading import one_view
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


async def test_what_is_read_row_by_row_is_of_one_instant_and_what_is_read_next_of_another(database: Database):
    async def keys(session: AsyncSession) -> list[str]:
        streamed = await (await session.connection()).stream(text("SELECT key FROM rate_count ORDER BY key"))
        return [key async for (key,) in streamed]

    found = []
    for number in range(6):  # more than there are connections
        async with database.reading() as session:
            await one_view(session)
            before = await keys(session)
            async with database.transaction() as other:
                other.add(RateCount(key=f"clé {number}", since=NOW, count=1))
            assert await keys(session) == before
        found.append(len(before))

    assert found == [0, 1, 2, 3, 4, 5]


async def test_a_transaction_without_a_statement_holds_nothing(database: Database):
    for kind in (database.reading, database.transaction):
        async with kind() as session:
            await session.connection()
    async with database.transaction() as session:
        session.add(RateCount(key="clé", since=NOW, count=1))
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await session.exec(text("INSERT INTO rate_count SELECT * FROM rate_count"))  # type: ignore[call-overload]

    async with database.reading() as session:
        assert (await (await session.connection()).execute(text("SELECT key FROM rate_count"))).scalars().all() == ["clé"]
