"""The door to the database: what one process opens of PostgreSQL, and what it says to PgBouncer."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import httpx2
import pytest
from sqlalchemy import QueuePool
from sqlmodel import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import forums.database
import forums.settings
from forums.database import Database, connections
from forums.pages import gate
from forums.settings import ROOT, BadSetting, Settings
from tests.factories import SECRET_KEY


def settings_for(url: str, processes: int = 1) -> Settings:
    return forums.settings.read({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, "WEB_CONCURRENCY": str(processes)})


@pytest.mark.parametrize(("processes", "each"), [(1, 12), (4, 12), (6, 8), (8, 6), (12, 4), (64, 4)])
async def test_the_processes_of_a_machine_share_its_connections(processes: int, each: int) -> None:
    settings = settings_for("postgresql://forums@localhost/forums", processes)
    database = Database(settings)
    pool = cast(QueuePool, database.writer.sync_engine.pool)

    assert connections(settings) == each == pool.size() + pool._max_overflow
    await database.close()


def test_a_process_that_was_asked_nothing_yet_writes_at_once(tmp_path: Path) -> None:
    """Whoever registered first with a new process was answered 500, and everybody after them."""
    program = f"""
import asyncio
from forums import schedule, settings
from forums.database import Database
from forums.models import Forum

database = Database(settings.read({{"DATABASE_URL": {f"sqlite:///{tmp_path}/new.db"!r}, "SECRET_KEY": {SECRET_KEY!r}}}))
print(asyncio.run(database.write_at_once(lambda connection: Forum.model_construct(slug="2018-2019-1").slug)))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)

    assert (told.stdout, told.stderr) == ("2018-2019-1\n", "")


def with_pgbouncer(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}pgbouncer=true"


@pytest.fixture(params=[False, True], ids=["straight", "pgbouncer"])
async def opened(request: pytest.FixtureRequest, settings: Settings, postgres_with_tables: str) -> AsyncIterator[Database]:
    url = with_pgbouncer(postgres_with_tables) if request.param else postgres_with_tables
    database = Database(replace(settings, database_url=url))
    yield database
    await database.close()


async def test_nothing_lasts_for_ever_on_either_way_to_postgresql(opened: Database) -> None:
    async with opened.transaction() as session:
        connection = await session.connection()
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
        said = [(await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in names]

    assert said == ["15s", "5s", "30s", "UTC"]


async def test_behind_pgbouncer_nothing_is_left_on_the_server(settings: Settings, postgres_with_tables: str) -> None:
    database = Database(replace(settings, database_url=with_pgbouncer(postgres_with_tables)))
    for number in range(3):
        async with database.transaction() as session:
            await (await session.connection()).execute(text("SELECT CAST(:number AS integer)"), {"number": number})
    async with database.reading() as session:
        connection = await session.connection()
        named = (await connection.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))).scalar_one()
    await database.close()
    bare = Database(replace(settings, database_url=with_pgbouncer(postgres_with_tables)))
    async with bare.writer.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        await connection.rollback()
        left = await raw.fetchval("SHOW statement_timeout")  # type: ignore[union-attr]
    await bare.close()

    assert (named, left) == (0, "0")


def test_a_word_about_pgbouncer_that_is_not_understood_is_refused() -> None:
    with pytest.raises(BadSetting, match="pgbouncer=oui"):
        settings_for("postgresql://forums@localhost/forums?pgbouncer=oui")


async def test_a_machine_no_way_leads_to_is_a_database_that_does_not_answer() -> None:
    database = Database(settings_for("postgresql://forums@255.255.255.255/forums"))

    assert not await database.answers()
    await database.close()


async def server_of(database: Database) -> int:
    async with database.reading() as session:
        pid: int = (await (await session.connection()).execute(text("SELECT pg_backend_pid()"))).scalar_one()
        return pid


@pytest.mark.parametrize("pause", [60.0, 0.0], ids=["used a moment ago", "used long ago"])
async def test_a_connection_that_was_cut_is_replaced_before_anybody_counts_on_it(
    opened: Database, settings: Settings, postgres_with_tables: str, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    monkeypatch.setattr(forums.database, "_PAUSE", pause)
    cutter = Database(replace(settings, database_url=postgres_with_tables))
    first = await server_of(opened)
    kept = await server_of(opened)
    async with cutter.reading() as session:
        await (await session.connection()).execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first})
    await cutter.close()

    assert kept == first
    assert await server_of(opened) != first


async def test_of_two_forms_that_wait_for_each_other_the_one_undone_is_answered_all_the_same(opened: Database) -> None:
    both, times = asyncio.Barrier(2), Counter[str]()

    async def form(request: Request) -> Response:
        name = request.query_params["name"]
        times[name] += 1
        async with opened.transaction() as session:
            connection = await session.connection()
            for number in (1, 2) if name == "one" else (2, 1):
                await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
                if times[name] == 1 and number == (1 if name == "one" else 2):
                    await both.wait()  # each has its first, and wants the other's
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", gate.opened(form, None, gate.PRIVATE, "/"), methods=["POST"])])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://site") as client:
        answers = await asyncio.gather(*(client.post(f"/?name={name}") for name in ("one", "other")))

    assert [each.status_code for each in answers] == [200, 200]
    assert sum(times.values()) == 3
