"""SQLite beside the event loop, one trip to its thread for each statement.

SQLAlchemy's driver goes there four times: for a cursor, to execute, to fetch, to close. Each trip costs more than
most of our statements take, so that a cursor here executes and fetches everything in one, and closes by being spent.
A transaction begins on the way to its first statement; one that wrote nothing ends while nobody waits for it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor

READING, WRITING = "BEGIN", "BEGIN IMMEDIATE"


class Cursor(AsyncAdapt_aiosqlite_cursor):
    """`_cursor` is that of the standard library, which any thread may make."""

    __slots__ = ()
    _cursor: Any
    _adapt_connection: "Connection"

    def __init__(self, adapt_connection: Any) -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._cursor = adapt_connection._connection._conn.cursor()
        self._soft_closed_memoized: Any = {}
        self._rows = deque()

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._in_one_trip(self._cursor.execute, operation, parameters or ())

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._in_one_trip(self._cursor.executemany, operation, seq_of_parameters)

    async def _in_one_trip(self, execute: Callable[[Any, Any], Any], operation: Any, parameters: Any) -> None:
        begin = self._adapt_connection.begin_now()

        def executed() -> Sequence[Any]:
            if begin:
                self._cursor.execute(begin)
            execute(operation, parameters)
            return self._cursor.fetchall() if self._cursor.description else ()

        self._rows = deque(await self._connection._execute(executed))

    async def _async_soft_close(self) -> None:
        """Every row was fetched: nothing is left to close."""

    def close(self) -> None:
        self._rows.clear()


class Connection(AsyncAdapt_aiosqlite_connection):
    """What SQLite itself says of its transaction is of no use here: a statement whose author left may still be on its way."""

    __slots__ = ("_begin", "_has_begun", "_reads")
    _cursor_cls = Cursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._begin: str | None = None
        self._has_begun = self._reads = False

    def begin(self, statement: str) -> None:
        """Begin a transaction by this statement, once there is another to execute in it."""
        self._begin, self._reads = statement, statement == READING

    def begin_now(self) -> str | None:
        begin, self._begin = self._begin, None
        self._has_begun = self._has_begun or begin is not None
        return begin

    def cursor(self, server_side: bool = False) -> Any:
        if server_side and (begin := self.begin_now()):
            self.execute(begin)  # row by row, such a cursor goes its own way
        return super().cursor(server_side)

    def commit(self) -> None:
        self._end(super().commit)

    def rollback(self) -> None:
        self._end(self._let_go if self._reads else super().rollback)

    def _end(self, end: Callable[[], None]) -> None:
        self._begin = None
        if self._has_begun:
            end()
            self._has_begun = False

    def _let_go(self) -> None:
        # What comes next on this connection comes after.
        if connection := self._connection._connection:
            self._connection._tx.put_nowait((None, connection.rollback))


def connect(dialect: Dialect, record: Any, given: Sequence[Any], named: Mapping[str, Any]) -> Connection:
    """For the event `do_connect`."""
    module: Any = dialect.dbapi
    return Connection(module, module.connect(*given, **named)._connection)
