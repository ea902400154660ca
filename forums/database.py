"""The one door to the database: `transaction()` to write, `reading()` to read, `write_at_once()` for the outbox.

One code for SQLite and PostgreSQL. On SQLite a writer engine of a single connection opens every
transaction with BEGIN IMMEDIATE, beside a pool of readers, because a read that later writes is
refused at once by a busy WAL database. Whatever is written is on disk when `transaction()` ends.
"""

import asyncio
import functools
import json
import logging
import os
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from sqlalchemy import JSON, Connection, CursorResult, Dialect, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import configure_mappers
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import sqlite_driver
from forums.discreet_log import words_of
from forums.settings import Settings, make_room_for

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")

# What one process opens of PostgreSQL at most, and at least; and all the web processes of one machine together.
MOST, LEAST, TOGETHER = 12, 4, 48

# Nobody waits longer for a statement, for a lock, or for someone who does not go on; in milliseconds.
_TIMEOUTS = {"statement_timeout": "15000", "lock_timeout": "5000", "idle_in_transaction_session_timeout": "30000"}

# A machine that is cut off takes its locks with it: PostgreSQL must notice before others tire of waiting for them.
_NOTICED = {"tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "2", "tcp_user_timeout": "4000"}

# https://sqlite.org/wal.html#walresetbug: fixed in 3.51.3, and in these older branches.
_SAFE_WAL = ((3, 51, 3), (3, 50, 7), (3, 44, 6))

# What an unreachable, locked or full database raises; pages answer 503, nothing is half-written.
# FileNotFoundError: PostgreSQL takes its UNIX socket away when it stops.
DatabaseUnavailable = (OperationalError, PoolTimeoutError, TimeoutError, ConnectionError, FileNotFoundError, socket.gaierror)

_CHANGED, _USED = "changed", "used"
_PAUSE = 1.0  # second

_SILENCE = 5000  # milliseconds that the other side may leave what it was sent unacknowledged


class Database:
    """Both engines of one `DATABASE_URL`, and what to do after each commit.

    `after_commit` lists callables without arguments, called when a write has been committed by
    this process: the page cache forgets what it knew.
    """

    def __init__(self, settings: Settings) -> None:
        self.is_sqlite = settings.is_sqlite
        self.after_commit: list[Callable[[], None]] = []
        self._plain: Engine | None = None
        if self.is_sqlite:
            make_room_for(settings.sqlite_path)
            url = f"sqlite+aiosqlite:///{settings.sqlite_path}"
            self.writer = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=20, hide_parameters=True)
            self.reader = create_async_engine(url, pool_size=3, max_overflow=0, pool_timeout=20, hide_parameters=True)
            _configure_sqlite(self.writer.sync_engine, sqlite_driver.WRITING)
            _configure_sqlite(self.reader.sync_engine, sqlite_driver.READING)
        else:
            self.writer = self.reader = _postgresql(settings)
        event.listen(self.writer.sync_engine, "begin", _nothing_changed_yet)
        event.listen(self.writer.sync_engine, "after_cursor_execute", _note_a_change)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose whole work is committed on leaving the block, or undone if it raised."""
        async with AsyncSession(self.writer, expire_on_commit=False) as session, session.begin():
            yield session
        for forget in self.after_commit:
            forget()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session on one consistent view of the data; nothing written through it is kept."""
        async with AsyncSession(self.reader, expire_on_commit=False) as session:
            yield session

    async def write_at_once(self, work: Callable[[Connection], T]) -> T:
        """Do `work`, a plain function, in a transaction of its own. Returns its answer once everything is on disk.

        Through SQLite's asynchronous driver each statement changes threads, which is most of what a
        short write costs; here the thread is changed once. Nothing it writes may show on a cached page.
        """
        configure_mappers()  # rows are made without a query, which would have: this may be all that a process ever did
        if not self.is_sqlite:
            async with self.writer.begin() as connection:
                return await connection.run_sync(work)
        if self._plain is None:
            self._plain = create_engine(f"sqlite:///{self.writer.url.database}", pool_size=1, max_overflow=0, hide_parameters=True)
            _configure_sqlite(self._plain, sqlite_driver.WRITING)
            self._thread = ThreadPoolExecutor(1, "forums-writer")
        return await asyncio.get_running_loop().run_in_executor(self._thread, _in_one_go, self._plain, work)

    async def answers(self) -> bool:
        """Whether a statement gets through, for `/sante`."""
        return not await self.silence()

    async def silence(self) -> str:
        """Why no statement gets through, in the words of the driver; nothing when one does."""
        try:
            async with self.reading() as session:
                await session.exec(text("SELECT 1"))  # type: ignore[call-overload]
        except (DBAPIError, *DatabaseUnavailable) as error:
            return reason_of(error)
        return ""

    async def close(self) -> None:
        if self._plain is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._plain.dispose)
            self._thread.shutdown()
        await self.writer.dispose()
        if self.reader is not self.writer:
            await self.reader.dispose()


def connections(settings: Settings) -> int:
    """What one process of this configuration opens of PostgreSQL at most: several share what one machine may."""
    return max(LEAST, min(MOST, TOGETHER // settings.web_concurrency))


def _postgresql(settings: Settings) -> AsyncEngine:
    url, pooled = make_url(settings.database_url).set(drivername="postgresql+asyncpg"), settings.behind_pgbouncer
    most = connections(settings)
    said = {"application_name": "forums", "timezone": "UTC"}
    engine = create_async_engine(
        url.difference_update_query(["pgbouncer"]),
        # Seats are claimed by conditional UPDATEs, which are right at READ COMMITTED only.
        isolation_level="READ COMMITTED",
        pool_size=most - most // 3,
        max_overflow=most // 3,
        pool_timeout=5,
        hide_parameters=True,
        connect_args={"timeout": 5, "server_settings": said if pooled else said | _TIMEOUTS | _NOTICED}
        | (_WITHOUT_NAMES if pooled else {}),
    )
    event.listen(engine.sync_engine, "do_connect", _reach)
    event.listen(engine.sync_engine, "connect", _tire_of_silence)
    event.listen(engine.sync_engine, "connect", _note_use)
    event.listen(engine.sync_engine, "checkin", _note_use)
    event.listen(engine.sync_engine, "checkout", _ping_after_a_pause)
    if pooled:
        event.listen(engine.sync_engine, "begin", _for_this_transaction)
    return engine


def _reach(dialect: Dialect, record: Any, given: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """No route to the machine (a cable pulled out) is an `OSError` of no class of its own: the database is unavailable."""
    try:
        return dialect.connect(*given, **named)
    except DatabaseUnavailable:
        raise
    except OSError as error:
        raise ConnectionError(str(error)) from error


def _tire_of_silence(connection: Any, record: Any) -> None:
    """Once the network is back, connections from before are given up in seconds: TCP alone takes a quarter of an hour."""
    transport = connection.driver_connection._transport
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as ours:
        if ours.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
                ours.setsockopt(socket.IPPROTO_TCP, option, value)


def _note_use(connection: Any, record: Any) -> None:
    record.info[_USED] = time.monotonic()


def _ping_after_a_pause(connection: Any, record: Any, proxy: Any) -> None:
    """Ask a connection whether it still answers before a transaction counts on it, if it was not used a moment ago.

    `pool_pre_ping` asks each time, by three statements: more than many transactions have of their own.
    """
    if connection.driver_connection.is_closed() or time.monotonic() - record.info[_USED] > _PAUSE:
        try:
            connection.ping()
        except connection.dbapi.Error as error:
            raise InvalidatePoolError from error


# In transaction mode each transaction may meet another server, which knows no statement prepared before. A statement
# without a name is replaced by the next and never left behind.
_WITHOUT_NAMES: dict[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}

_SET_TIMEOUTS = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _TIMEOUTS.items())


def _for_this_transaction(connection: Connection) -> None:
    """What PgBouncer does not take when it is told at the start of a connection."""
    connection.exec_driver_sql(_SET_TIMEOUTS)


def reason_of(error: Exception) -> str:
    """What the driver says, on one line: for who runs the site, at their terminal. It may quote what somebody wrote."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split()) or type(cause).__name__


def note_fault(log: logging.Logger, sentence: str, error: Exception) -> None:
    """Log what a turn failed on; of a database that does not answer, one line with its reason: nothing is wrong with what it was asked."""
    gone = isinstance(error, DatabaseUnavailable) or (isinstance(error, DBAPIError) and (error.connection_invalidated or _is_busy(error)))
    if gone and not is_misasked(error):
        log.error("%s: %s: %s", sentence, type(error).__name__, words_of(getattr(error, "orig", None) or error))
    else:
        log.error("%s: %s", sentence, type(error).__name__, exc_info=error)


def _is_busy(error: DBAPIError) -> bool:
    """Whether PostgreSQL says that it stops, is full, gave up waiting or lets nobody in: its classes of SQLSTATE for that."""
    return (getattr(error.orig, "sqlstate", None) or "")[:2] in ("08", "28", "3D", "40", "53", "55", "57", "58")


def is_misasked(error: BaseException) -> bool:
    """Whether the database answers, and what it was asked cannot be: a table that is not there, a value it cannot read.

    SQLite calls that an `OperationalError` too, as it does a lock or a full disk: its own code tells them apart.
    """
    if not isinstance(error, DBAPIError):
        return False
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return sqlstate[:2] in ("22", "42") or getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def is_circle(error: BaseException) -> bool:
    """Whether PostgreSQL undid a transaction because it and another waited for each other (SQLSTATE 40P01)."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "40P01"


async def has_changed_anything(session: AsyncSession) -> bool:
    """Whether a row was written, changed or deleted since this transaction began: a form sent a second time does not.

    A statement that returns its rows is not always seen on SQLite: whoever counts what came back knows better.
    """
    await session.flush()
    return bool((await session.connection()).info.get(_CHANGED))


def insert_into(session: AsyncSession, of: type[SQLModel]) -> "postgresql.Insert":
    """An INSERT that may say ON CONFLICT, which both engines spell alike and SQLAlchemy keeps apart."""
    # Each is imported by its own engine: PostgreSQL's costs a twentieth of a start.
    dialect = import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}")
    return cast("postgresql.Insert", dialect.insert(SQLModel.metadata.tables[str(of.__tablename__)]))


async def insert_new(session: AsyncSession, of: type[SQLModel], rows: Sequence[Mapping[str, Any]], *, same: Sequence[str]) -> set[UUID]:
    """Write those of these rows that no other, here or there already, equals in its columns `same`. Returns their ids.

    One statement: of twenty that arrive at the same instant, one is written.
    """
    if not rows:
        return set()
    new = insert_into(session, of).on_conflict_do_nothing(index_elements=same)
    connection = await session.connection()
    return set((await connection.execute(new.returning(new.table.c.id), rows)).scalars())


def add_rows(connection: Connection, of: type[SQLModel], rows: Sequence[Mapping[str, Any]], *, same: Sequence[str] = ()) -> set[UUID]:
    """Write many rows of the same columns. With `same`, returns the ids of the new ones, as `insert_new` does."""
    if not rows:
        return set()
    names = ", ".join(rows[0])
    known = f"ON CONFLICT ({', '.join(same)}) DO NOTHING RETURNING id" if same else ""
    written = with_rows(connection, f"INSERT INTO {of.__tablename__} ({names}) SELECT {names} FROM {{rows}} WHERE true {known}", of, rows)  # noqa: S608 — names of our own columns
    return {UUID(hex=str(value)) for value in written.scalars()} if same else set()


def with_rows(connection: Connection, statement: str, of: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
    """One statement on many rows of the same columns, which are the table `typed` that `{rows}` in it stands for.

    For what is done all the time: the rows travel as one JSON document, and the text is always the same.
    SQLAlchemy takes several times longer over their values than the database over the rows.
    """
    text_of_all = _with_typed(connection.dialect, statement, SQLModel.metadata.tables[str(of.__tablename__)], tuple(rows[0]))
    return connection.exec_driver_sql(text_of_all, (json.dumps(rows, default=_in_json, ensure_ascii=False),))


@functools.lru_cache(maxsize=32)  # a handful of statements, for the engines of one process
def _with_typed(dialect: Dialect, statement: str, table: Table, names: Sequence[str]) -> str:
    if dialect.name == "postgresql":
        types = ", ".join(f"{name} {table.c[name].type.compile(dialect)}" for name in names)
        return statement.format(rows=f"json_to_recordset($1) AS typed ({types})")
    values = ", ".join(f"value {'->' if isinstance(table.c[name].type, JSON) else '->>'} '{name}' AS {name}" for name in names)
    return statement.format(rows=f"(SELECT {values} FROM json_each(?)) AS typed")  # noqa: S608


def _in_json(value: UUID | datetime) -> str:
    return value.hex if isinstance(value, UUID) else _moment_in_json(value)


@functools.lru_cache(maxsize=64)  # the same moment is in every row
def _moment_in_json(moment: datetime) -> str:
    """As SQLAlchemy keeps it on SQLite; PostgreSQL reads the same, on connections whose clock is UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def wal_is_safe(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite library may be trusted with a WAL file shared by several processes."""
    return any(version >= fixed if fixed == _SAFE_WAL[0] else fixed <= version < (*fixed[:2], 999) for fixed in _SAFE_WAL)


def sqlite_pragmas() -> list[str]:
    """What each SQLite connection is told. FULL: NORMAL lost acknowledged rows in real power cuts."""
    journal = (
        ["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"]
        if wal_is_safe()
        else ["PRAGMA journal_mode=DELETE", "PRAGMA synchronous=EXTRA"]
    )
    # Each of six connections would keep two megabytes of the file, which the system keeps for all of them.
    return [*journal, "PRAGMA foreign_keys=ON", "PRAGMA busy_timeout=15000", "PRAGMA cache_size=-512"]


def _in_one_go(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def _nothing_changed_yet(connection: Connection) -> None:
    connection.info[_CHANGED] = False


def _note_a_change(connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    # Of an INSERT that returns its rows SQLite does not know at once how many there are: -1.
    if (context.isinsert or context.isupdate or context.isdelete) and cursor.rowcount != 0:
        connection.info[_CHANGED] = True


def _configure_sqlite(engine: Engine, statement: str) -> None:
    def connect(connection: Any, record: Any) -> None:
        # The driver's own BEGIN is silent before a SELECT, which oversells seats.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in sqlite_pragmas():
            cursor.execute(pragma)
        cursor.close()

    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        driver.begin(statement)

    if engine.dialect.is_async:
        event.listen(engine, "do_connect", sqlite_driver.connect)
    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin if engine.dialect.is_async else lambda connection: connection.exec_driver_sql(statement))
