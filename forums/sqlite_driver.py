"""SQLite beside the event loop, one trip to its thread for each statement.

SQLAlchemy's driver goes there four times: for a cursor, to execute, to fetch, to close. Each trip costs more than
most of our statements take, so that a cursor here executes and fetches everything in one, and closes by being spent.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor


class Cursor(AsyncAdapt_aiosqlite_cursor):
    """`_cursor` is that of the standard library, which any thread may make."""

    __slots__ = ()
    _cursor: Any

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
        def executed() -> Sequence[Any]:
            execute(operation, parameters)
            return self._cursor.fetchall() if self._cursor.description else ()

        self._rows = deque(await self._connection._execute(executed))

    async def _async_soft_close(self) -> None:
        """Every row was fetched: nothing is left to close."""

    def close(self) -> None:
        self._rows.clear()


class Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = Cursor


def connect(dialect: Dialect, record: Any, given: Sequence[Any], named: Mapping[str, Any]) -> Connection:
    """For the event `do_connect`."""
    module: Any = dialect.dbapi
    return Connection(module, module.connect(*given, **named)._connection)
