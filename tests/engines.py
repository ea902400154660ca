"""Databases that cost a test little: kept in memory, and what SQLAlchemy worked out for one is known to the next.

Each test has a database of its own, and so engines of its own, which would compile every statement anew: a third of
its time; and each commit would wait for a disk, which these tests never unplug. Loaded as a pytest plugin; nothing
of the product is replaced but where it keeps what it compiled.
"""

import gc
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.asyncio import create_async_engine as create
from sqlalchemy.util import LRUCache

from forums import database

MEMORY, ENOUGH = Path("/dev/shm"), 2**30

# Where pytest makes its directories; each is removed when its test has passed.
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is imported by now stays until the end: not to be looked through again for what may be forgotten."""
    gc.collect()
    gc.freeze()


_COMPILED: dict[Any, LRUCache[Any, Any]] = {}


def _kind(dialect: Dialect) -> Any:
    """What a statement is compiled for: two dialects of one kind compile it alike."""
    return type(dialect), dialect.server_version_info, getattr(dialect, "_prepared_statement_cache_size", None)


def create_async_engine(url: Any, **options: Any) -> AsyncEngine:
    made = create(url, **options)
    dialect = made.sync_engine.dialect
    made.sync_engine._compiled_cache = _COMPILED.setdefault(type(dialect), LRUCache(20_000))  # type: ignore[assignment]
    return made


for each in (PGDialect_asyncpg, SQLiteDialect_aiosqlite, SQLiteDialect_pysqlite):
    # A statement is looked for by its dialect too.
    each.__eq__ = lambda self, other: type(self) is type(other) and _kind(self) == _kind(other)  # type: ignore[method-assign]
    each.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]

database.create_async_engine = create_async_engine
