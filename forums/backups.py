"""A copy of everything in one file, made while the site serves, and put back where it is wanted.

Whatever the engine, a backup is a SQLite file with the same tables: it can be read by anything, and a site
can move from SQLite to PostgreSQL or back by it. The copy is one consistent view of the data; putting it
back is one transaction, after the copy has been brought to the current schema, so a failure leaves the
database as it was. The SECRET_KEY is not in it: without it addresses no longer match their keys.
"""

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, Table, create_engine, exists, false, func, insert, or_, select
from sqlmodel import SQLModel, col

from forums import migrations
from forums.database import Database
from forums.models import OutboxMessage
from forums.settings import Settings

_ROWS_AT_ONCE = 500
_MAGIC = b"SQLite format 3\x00"


class BadBackup(Exception):
    """A backup that cannot be made or put back; the message is one sentence for a human."""


@dataclass(frozen=True)
class Copied:
    """What a copy holds: rows in all, and its size in bytes."""

    rows: int
    size: int


@dataclass(frozen=True)
class Restored:
    """What was put back: rows in all, and the messages among them that wait to be sent, perhaps once more."""

    rows: int
    waiting: int


# -- Make one ------------------------------------------------------------------------------------------------


def back_up(settings: Settings, file: Path) -> Copied:
    """Write a consistent copy to `file`, which appears whole or not at all. Raises `BadBackup` when it exists already."""
    if file.exists():
        raise BadBackup(f"{file} existe déjà : choisissez un autre nom.")
    if settings.is_sqlite and not settings.sqlite_path.exists():
        raise BadBackup(f"il n'y a pas encore de base à copier ({settings.sqlite_path}).")
    with _beside(file) as unfinished:
        unfinished.touch(mode=0o600)  # people's addresses are in it
        _copy_out(settings, unfinished)
        _check(unfinished)
        copied = Copied(_count(unfinished), unfinished.stat().st_size)
        _to_disk(unfinished)
        # A link rather than a rename: it refuses to overwrite what appeared meanwhile.
        try:
            os.link(unfinished, file)
        except FileExistsError:
            raise BadBackup(f"{file} existe déjà : choisissez un autre nom.") from None
        _to_disk(file.parent)
    return copied


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A place on the same disk, readable by its owner alone, gone afterwards."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{file.name}-", dir=file.parent))
    except OSError as error:
        raise BadBackup(f"{file.parent} ne peut pas être écrit : {error.strerror}.") from None
    try:
        yield folder / "unfinished"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_out(settings: Settings, file: Path) -> None:
    if settings.is_sqlite:
        with closing(sqlite3.connect(settings.sqlite_path)) as connection:
            connection.execute("VACUUM INTO ?", (str(file),))
        return
    migrations.migrate(replace(settings, database_url=f"sqlite:///{file}"))
    asyncio.run(_copy_at_one_instant(settings, file))


async def _copy_at_one_instant(settings: Settings, file: Path) -> None:
    database = Database(settings)
    try:
        async with database.reader.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
            await connection.run_sync(_copy_to, file)
    finally:
        await database.close()


def _copy_to(source: Connection, file: Path) -> None:
    engine = create_engine(f"sqlite:///{file}", hide_parameters=True)
    with engine.begin() as target:
        _copy(source, target)
    engine.dispose()


# -- Put one back --------------------------------------------------------------------------------------------


def restore(settings: Settings, file: Path, *, force: bool) -> Restored:
    """Put a backup back. Raises `BadBackup`, and then nothing has changed.

    A database that holds anything is refused without `force`. What serves meanwhile keeps serving: it sees
    the old data, then the new.
    """
    _check(file)
    with tempfile.TemporaryDirectory(prefix="forums-restore-") as folder:
        current = Path(folder) / "backup.db"
        shutil.copyfile(file, current)
        migrations.migrate(replace(settings, database_url=f"sqlite:///{current}"))
        migrations.migrate(settings)
        return migrations.alone(settings, lambda target: _put_back(current, target, force))


def _put_back(file: Path, target: Connection, force: bool) -> Restored:
    tables = SQLModel.metadata.sorted_tables
    if not force and any(target.execute(select(func.count()).select_from(table)).scalar() for table in tables):
        raise BadBackup("la base n'est pas vide : ajoutez --force pour remplacer tout ce qu'elle contient.")
    for table in reversed(tables):
        _empty(table, target)
    engine = create_engine(f"sqlite:///{file}", hide_parameters=True)
    try:
        with engine.connect() as source:
            rows = _copy(source, target)
            waiting = source.execute(select(func.count()).where(col(OutboxMessage.status).in_(("waiting", "sending")))).scalar_one()
            return Restored(rows, waiting)
    finally:
        engine.dispose()


def _empty(table: Table, target: Connection) -> None:
    for own in _own_keys(table):
        # A row others of its table point to may not go before them (RESTRICT): from the last of each chain on.
        pointed_to = table.alias()
        free = ~exists().where(pointed_to.c[own.name] == table.c.id)
        while target.execute(table.delete().where(own.is_not(None), free)).rowcount:
            pass
    target.execute(table.delete())


def _copy(source: Connection, target: Connection) -> int:
    """Every row of every table, parents first. Returns how many."""
    copied = 0
    for table in SQLModel.metadata.sorted_tables:
        chained = or_(*(own.is_not(None) for own in _own_keys(table)), false())
        for rows in source.execute(select(table).where(~chained)).mappings().partitions(_ROWS_AT_ONCE):
            copied += len(_written(target, table, rows))
        rows = source.execute(select(table).where(chained)).mappings().all()
        while rows:
            # Those whose parent is there already; the next round finds theirs.
            waiting = {row["id"] for row in rows}
            ready = [row for row in rows if not any(row[own.name] in waiting for own in _own_keys(table))]
            copied += len(_written(target, table, ready))
            rows = [row for row in rows if row not in ready]
    return copied


def _written(target: Connection, table: Table, rows: Sequence[RowMapping]) -> Sequence[RowMapping]:
    if rows:
        target.execute(insert(table), [dict(row) for row in rows])
    return rows


def _own_keys(table: Table) -> list[Column[Any]]:
    """The columns by which a row points to another of the same table."""
    return [key.parent for key in table.foreign_keys if key.column.table is table]


# -- What a file is ------------------------------------------------------------------------------------------


def _check(file: Path) -> None:
    """Raises `BadBackup` for a file that is no backup, or is damaged."""
    try:
        with file.open("rb") as opened:
            head = opened.read(len(_MAGIC))
    except OSError as error:
        raise BadBackup(f"{file} ne peut pas être lu : {error.strerror}.") from None
    if head != _MAGIC:
        raise BadBackup(f"{file} n'est pas une sauvegarde de ce programme.")
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            known = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()[0]
        except sqlite3.DatabaseError:
            verdict, known = "", 0
    if verdict != "ok":
        raise BadBackup(f"{file} est abîmée : prenez une autre sauvegarde.")
    if not known:
        raise BadBackup(f"{file} n'est pas une sauvegarde de ce programme.")


def _count(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        names = [table.name for table in SQLModel.metadata.sorted_tables]
        return sum(int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names)  # noqa: S608 — our own tables


def _to_disk(path: Path) -> None:
    """Until then a power cut could leave an empty file under its final name."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
