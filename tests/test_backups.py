"""A copy made while the site serves, put back on either engine, and what is refused."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select
from sqlmodel import SQLModel

from forums import backups, migrations
from forums.backups import BadBackup
from forums.database import Database
from forums.models import AuditEvent
from forums.settings import Settings
from tests.factories import a_question

NOW = datetime(2018, 6, 1, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]


def everything_in(settings: Settings) -> Rows:
    """Every row of every table, whatever the order they come in."""

    async def read() -> Rows:
        database = Database(settings)
        async with database.reading() as session:
            connection = await session.connection()
            found = {}
            for table in SQLModel.metadata.sorted_tables:
                rows = (await connection.execute(select(table))).mappings().all()
                found[table.name] = sorted((dict(row) for row in rows), key=repr)
        await database.close()
        return found

    return asyncio.run(read())


def with_questions_merged_into_one_another(settings: Settings) -> None:
    """A chain of three, which points within one table."""

    async def write() -> None:
        database = Database(settings)
        async with database.transaction() as session:
            kept = await a_question(session)
            middle = await a_question(session, status="merged", merged_into_id=kept.id)
            await a_question(session, status="merged", merged_into_id=middle.id)
        await database.close()

    asyncio.run(write())


@pytest.fixture
def site_settings(settings: Settings, sqlite_with_demo: Path) -> Settings:
    shutil.copy(sqlite_with_demo, settings.sqlite_path)
    with_questions_merged_into_one_another(settings)
    return settings


def test_a_copy_goes_from_sqlite_to_postgresql_and_back_without_losing_or_changing_a_row(
    site_settings: Settings, postgres_url: Callable[[], str], tmp_path: Path
) -> None:
    on_postgresql = replace(site_settings, database_url=postgres_url())
    elsewhere = replace(site_settings, database_url=f"sqlite:///{tmp_path / 'elsewhere.db'}")
    backups.back_up(site_settings, tmp_path / "first.db")

    backups.restore(on_postgresql, tmp_path / "first.db", force=False)
    backups.restore(on_postgresql, tmp_path / "first.db", force=True)
    copied = backups.back_up(on_postgresql, tmp_path / "second.db")
    restored = backups.restore(elsewhere, tmp_path / "second.db", force=False)

    before, after = everything_in(site_settings), everything_in(elsewhere)
    assert after == before
    assert copied.rows == restored.rows == sum(map(len, before.values()))
    assert len(before["question"]) > 3
    assert restored.waiting == sum(row["status"] == "waiting" for row in before["outbox_message"])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_copy_made_under_writes_holds_each_transaction_whole(
    settings: Settings, postgres_url: Callable[[], str], tmp_path: Path, engine: str
) -> None:
    file, config = tmp_path / "copy.db", settings if engine == "sqlite" else replace(settings, database_url=postgres_url())
    migrations.migrate(config)

    async def pairs() -> int:
        database = Database(config)
        copying = asyncio.create_task(asyncio.to_thread(backups.back_up, config, file))
        written = 0
        while not copying.done():
            async with database.transaction() as session:
                for half in "ab":
                    session.add(AuditEvent(at=NOW, actor="clock", verb="try", subject=f"{written} {half}"))
                    await session.flush()
            written += 1
        await copying
        await database.close()
        return written

    written = asyncio.run(pairs())

    with closing(sqlite3.connect(file)) as connection:
        halves = connection.execute("SELECT count(*), count(DISTINCT substr(subject, 1, instr(subject, ' '))) FROM audit_event").fetchone()
    assert written > 1
    assert halves[0] == 2 * halves[1]


def test_a_database_that_holds_something_is_only_replaced_by_force(site_settings: Settings, tmp_path: Path) -> None:
    backups.back_up(site_settings, tmp_path / "copy.db")
    with_questions_merged_into_one_another(site_settings)
    fuller = everything_in(site_settings)

    with pytest.raises(BadBackup, match="--force"):
        backups.restore(site_settings, tmp_path / "copy.db", force=False)
    unchanged = everything_in(site_settings)
    backups.restore(site_settings, tmp_path / "copy.db", force=True)

    assert unchanged == fuller
    assert len(everything_in(site_settings)["question"]) == len(fuller["question"]) - 3


@pytest.mark.parametrize("harm", ["another file", "a hole", "another database", "nothing"])
def test_what_is_no_backup_or_is_damaged_is_refused_and_changes_nothing(site_settings: Settings, tmp_path: Path, harm: str) -> None:
    file, before = tmp_path / "copy.db", everything_in(site_settings)
    if harm == "another file":
        file.write_text("plan:\n")
    elif harm == "another database":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE t (a)")
    elif harm == "a hole":
        backups.back_up(site_settings, file)
        with file.open("r+b") as opened:
            opened.seek(file.stat().st_size // 2)
            opened.write(b"\xff" * 60_000)

    with pytest.raises(BadBackup):
        backups.restore(site_settings, file, force=True)

    assert everything_in(site_settings) == before


def test_a_copy_overwrites_nothing_and_leaves_nothing_unfinished_behind(site_settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "copy.db").write_text("mine")

    with pytest.raises(BadBackup, match="existe déjà"):
        backups.back_up(site_settings, folder / "copy.db")
    with pytest.raises(BadBackup, match="ne peut pas être écrit"):
        backups.back_up(site_settings, tmp_path / "nowhere" / "copy.db")
    backups.back_up(site_settings, folder / "second.db")

    assert sorted(path.name for path in folder.iterdir()) == ["copy.db", "second.db"]
    assert (folder / "copy.db").read_text() == "mine"
    assert (folder / "second.db").stat().st_mode & 0o077 == 0


def test_a_copy_is_read_by_anything_that_reads_sqlite(site_settings: Settings, tmp_path: Path) -> None:
    backups.back_up(site_settings, tmp_path / "copy.db")

    engine = create_engine(f"sqlite:///{tmp_path / 'copy.db'}")
    with engine.connect() as connection:
        counted = connection.execute(select(func.count()).select_from(SQLModel.metadata.tables["commitment"])).scalar_one()
    engine.dispose()

    assert counted == len(everything_in(site_settings)["commitment"])
