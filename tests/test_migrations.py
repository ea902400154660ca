"""Migrations: from nothing to what the models say, on each engine, once, and without losing a row."""

import asyncio
import contextlib
import multiprocessing
import shutil
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from forums import migrations
from forums.database import Database
from forums.settings import BadSetting, Settings
from tests.factories import a_commitment, a_forum, a_plan, a_question, a_season

Counts = dict[str, list[int]]

REVISIONS = sorted(path.name.split("_")[0] for path in (migrations.ROOT / "db/migrations/versions").glob("*.py"))


ENGINES = ["sqlite", "postgresql"]


@pytest.fixture(params=ENGINES)
def bare(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings on a database with nothing in it, not even tables, once for each engine."""
    return settings if request.param == "sqlite" else replace(settings, database_url=request.getfixturevalue("postgres_url")())


@pytest.fixture
def on_sqlite(settings: Settings, sqlite_migrated: Path) -> Settings:
    """Settings on a copy of a SQLite file brought to the last revision."""
    shutil.copy(sqlite_migrated, settings.sqlite_path)
    return settings


@pytest.fixture(params=ENGINES)
def migrated(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings on a database at the last revision, without a row, once for each engine."""
    if request.param == "sqlite":
        return request.getfixturevalue("on_sqlite")  # type: ignore[no-any-return]
    like = request.getfixturevalue("postgres_migrated")
    return replace(settings, database_url=request.getfixturevalue("postgres_url")(like))


def test_an_empty_database_gets_every_revision_and_is_current(bare: Settings) -> None:
    assert not migrations.is_current(bare)

    assert migrations.migrate(bare) == REVISIONS

    assert migrations.is_current(bare)


def test_running_twice_applies_nothing(migrated: Settings) -> None:
    assert migrations.migrate(migrated) == []


def test_migrations_and_models_agree(migrated: Settings) -> None:

    assert migrations.check(migrated) == []


def test_what_alembic_does_not_compare_agrees_too(migrated: Settings) -> None:
    found = migrations.alone(migrated, _described)
    migrations.alone(migrated, _rebuilt_from_the_models)

    assert found == migrations.alone(migrated, _described)


def _rebuilt_from_the_models(connection: Connection) -> None:
    SQLModel.metadata.drop_all(connection)
    SQLModel.metadata.create_all(connection)


def _described(connection: Connection) -> dict[str, list[str]]:
    """Each table in full: the text of its checks, the condition of its indexes, what its links do on deletion."""
    seen = inspect(connection)
    described = {}
    for table in SQLModel.metadata.tables:
        found = [seen.get_pk_constraint(table), *seen.get_unique_constraints(table)]
        found += [*seen.get_check_constraints(table), *seen.get_foreign_keys(table)]
        # The index of the search is made beside the models; `test_search` holds it.
        kept: list[Any] = [*seen.get_columns(table), *seen.get_indexes(table)]
        found += [each for each in kept if migrations.is_known(None, each["name"])]
        described[table] = sorted(str(_as_text(fact)) for fact in found)
    return described


def _as_text(fact: Any) -> Any:
    return {name: _as_text(value) for name, value in fact.items()} if isinstance(fact, dict) else str(fact)


@pytest.mark.parametrize("rebuilt", ["season", "forum", "commitment"])
async def test_rebuilding_a_table_keeps_the_rows_that_point_to_it(on_sqlite: Settings, rebuilt: str) -> None:
    before = await _populated(on_sqlite)

    await asyncio.to_thread(migrations.alone, on_sqlite, lambda connection: _rebuild(connection, rebuilt))

    assert await asyncio.to_thread(migrations.alone, on_sqlite, _counts) == before


async def test_migrating_a_populated_database_keeps_its_rows(migrated: Settings) -> None:
    before = await _populated(migrated)

    assert await asyncio.to_thread(migrations.migrate, migrated) == []

    assert await asyncio.to_thread(migrations.alone, migrated, _counts) == before


def test_a_database_of_the_first_release_keeps_its_people_and_their_seats(bare: Settings) -> None:
    """As it was lived in: a forum with someone registered, someone who waits, a link, a message sent, a journal."""
    command.upgrade(migrations._config(bare), "0001")
    migrations.alone(bare, _lived_in)

    assert migrations.migrate(bare) == REVISIONS[1:]

    assert migrations.alone(bare, _what_is_left) == {
        "forum": [("2018-2019-1", 2, 0, None)],
        "registration": [("a@example.org", "registered", None, False, False, None), ("b@example.org", "waiting", 1, False, False, None)],
        "secret_link": [("registration",)],
        "outbox_message": [("registered", "sent", None)],
    }
    assert migrations.check(bare) == []


def _lived_in(connection: Connection) -> None:
    ids = {name: uuid4().hex if connection.dialect.name == "sqlite" else str(uuid4()) for name in ("season", "forum", "a", "b", "message")}
    moment, false = "2026-11-24 10:00:00+00:00", "0" if connection.dialect.name == "sqlite" else "false"
    rows = [
        f"INSERT INTO season (id, slug, title, invented) VALUES ('{ids['season']}', '2018-2019', 'Saison', {false})",
        "INSERT INTO forum (id, uid, season_id, number, slug, status, description, organisers, capacity, seats_taken, remote_capacity,"
        " remote_taken, waiting_counter, sequence, changed_at, created_at, sources, invented)"
        f" VALUES ('{ids['forum']}', 'uid', '{ids['season']}', 1, '2018-2019-1', 'announced', '', '[]', 2, 1, 0,"
        f" 0, 1, 0, '{moment}', '{moment}', '[]', {false})",
        *(
            "INSERT INTO registration (id, forum_id, email, email_key, given_name, family_name, organisation, attendance, language,"
            " accessibility_needs, status, rank, bump, created_at, mailed_at)"
            f" VALUES ('{ids[name]}', '{ids['forum']}', '{name}@example.org', '{name}', 'A', 'B', '', 'on_site', 'fr',"
            f" '', '{status}', {rank}, 0, '{moment}', '{moment}')"
            for name, status, rank in (("a", "registered", "NULL"), ("b", "waiting", "1"))
        ),
        "INSERT INTO secret_link (token_hash, purpose, registration_id, created_at)"
        f" VALUES ('hash', 'registration', '{ids['a']}', '{moment}')",
        "INSERT INTO outbox_message (id, kind, recipient, language, facts, status, attempts, created_at, next_attempt_at)"
        f" VALUES ('{ids['message']}', 'registered', 'a@example.org', 'fr', '{{}}', 'sent', 1, '{moment}', '{moment}')",
    ]
    for row in rows:
        connection.exec_driver_sql(row)


def _what_is_left(connection: Connection) -> dict[str, list[Any]]:
    columns = {
        "forum": "slug, capacity, present, purged_at",
        "registration": "email, status, rank, show_name, wants_news, entry_code",
        "secret_link": "purpose",
        "outbox_message": "kind, status, fact",
    }
    return {
        table: [tuple(row) for row in connection.exec_driver_sql(f"SELECT {names} FROM {table} ORDER BY 1")]
        for table, names in columns.items()
    }


def test_going_back_one_revision_and_forth_again_is_possible(migrated: Settings) -> None:

    command.downgrade(migrations._config(migrated), "-1")

    assert migrations.migrate(migrated) == REVISIONS[-1:]
    assert migrations.check(migrated) == []


async def test_a_migration_that_breaks_a_link_is_undone(on_sqlite: Settings) -> None:
    before = await _populated(on_sqlite)

    with pytest.raises(migrations.BrokenLinks, match=r"1 lignes sans leur objet, la première dans forum"):
        await asyncio.to_thread(migrations.alone, on_sqlite, lambda connection: connection.execute(text("DELETE FROM season")))

    assert await asyncio.to_thread(migrations.alone, on_sqlite, _counts) == before


def test_a_migration_that_fails_half_way_leaves_nothing(bare: Settings) -> None:
    def half_way(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (id integer)"))
        raise RuntimeError("le courant est coupé")

    with pytest.raises(RuntimeError, match="le courant est coupé"):
        migrations.alone(bare, half_way)

    assert migrations.alone(bare, lambda connection: inspect(connection).get_table_names()) == []


def test_a_database_of_a_newer_version_is_refused_in_one_sentence(migrated: Settings) -> None:
    migrations.alone(migrated, lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))

    assert not migrations.is_current(migrated)
    with pytest.raises(BadSetting, match="une version plus récente du programme"):
        migrations.migrate(migrated)


def test_processes_that_start_together_migrate_once(bare: Settings) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(3)

    with spawn.Pool(3, initializer=_await_the_others, initargs=(barrier,)) as pool:
        applied = pool.map(migrations.migrate, [bare] * 3, chunksize=1)

    assert sorted(applied) == [[], [], REVISIONS]
    assert migrations.check(bare) == []


def _await_the_others(barrier: Barrier) -> None:
    barrier.wait(timeout=60)


async def _populated(settings: Settings) -> Counts:
    """A database at the last revision with a forum, its season, a commitment and a question on both; its rows counted."""
    database = Database(settings)
    async with database.transaction() as session:
        plan = await a_plan(session)
        forum = await a_forum(session, season=await a_season(session, plan_id=plan.id))
        await a_question(session, forum, await a_commitment(session, plan))
    await database.close()
    counts: Counts = await asyncio.to_thread(migrations.alone, settings, _counts)
    assert counts["question"][:4] == [1, 1, 1, 1]
    return counts


def _counts(connection: Connection) -> Counts:
    """How many values each column of each table holds: a link set to NULL counts as lost."""
    tables = SQLModel.metadata.tables
    return {name: list(connection.execute(select(*(func.count(column) for column in table.c))).one()) for name, table in tables.items()}


def _rebuild(connection: Connection, table: str) -> None:
    """What `batch_alter_table` does on SQLite: a copy of the table, the old one dropped, the copy renamed."""
    operations = Operations(MigrationContext.configure(connection))
    with operations.batch_alter_table(table, recreate="always"):
        pass


async def test_a_migration_that_waits_in_a_circle_with_a_site_at_work_is_tried_again(
    settings: Settings, request: pytest.FixtureRequest
) -> None:
    like = request.getfixturevalue("postgres_migrated")
    settings = replace(settings, database_url=request.getfixturevalue("postgres_url")(like))
    await asyncio.to_thread(command.downgrade, migrations._config(settings), "0011")
    database = Database(settings)
    try:
        async with database.writer.connect() as at_work, database.writer.connect() as watching:
            await at_work.execute(text("LOCK TABLE question IN ROW EXCLUSIVE MODE"))
            migrating = asyncio.create_task(asyncio.to_thread(migrations.migrate, settings))
            waits = text("SELECT count(*) FROM pg_locks WHERE relation = 'question'::regclass AND NOT granted")
            while not (await watching.execute(waits)).scalar():  # noqa: ASYNC110 — PostgreSQL tells nobody
                await asyncio.sleep(0.02)
            # What the migration holds: PostgreSQL ends the circle by giving up the one that looks round first.
            with contextlib.suppress(DBAPIError):
                await at_work.execute(text("LOCK TABLE audit_event IN ROW EXCLUSIVE MODE"))
            await at_work.rollback()
        applied = await migrating
    finally:
        await database.close()

    assert applied == ["0012"]
    assert await asyncio.to_thread(migrations.is_current, settings)
