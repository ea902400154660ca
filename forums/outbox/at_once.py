"""A short write done whole, in one go: several statements and their commit, with nothing awaited between them.

Through the asynchronous driver of SQLite each statement changes threads three times, which is most of
what recording a delivery costs; here the thread is changed once. PostgreSQL needs nothing of the kind.
The work is the same plain function for both.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event

from forums.database import Database, sqlite_pragmas

T = TypeVar("T")


class AtOnce:
    """A writer beside those of `Database`, for one worker. Nothing it writes shows on a cached page."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread: ThreadPoolExecutor | None = None
        if database.is_sqlite:
            self._thread = ThreadPoolExecutor(1, "outbox")
            self._engine = _engine(database.writer.url.database or "")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction of its own. Returns its answer once everything is on disk."""
        if self._thread is not None:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)
        async with self._database.transaction() as session:
            return await (await session.connection()).run_sync(work)

    def _do(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
            self._thread.shutdown()


def _engine(path: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0, pool_reset_on_return=None)

    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in sqlite_pragmas():
            connection.execute(pragma)

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine
