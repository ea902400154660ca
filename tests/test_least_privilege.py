"""On PostgreSQL the service's account owns nothing: it reads and writes rows, and `forums migrate` has an account of its own.

`docs/postgresql.sql` is what gives it that, run here as it stands. Every other test that has the `database` works
through such an account too, `test_double_click.py` sends every form of the site through it, and in `test_participants_life.py`
and `test_tour.py` the real processes, worker included, have no other.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from asyncpg import Connection, InsufficientPrivilegeError, connect
from sqlalchemy import make_url, text

import forums.settings
from forums import migrations
from forums.settings import BadSetting, Settings
from tests.factories import SECRET_KEY, for_service, opened

PostgresUrl = Callable[..., str]

# What an intruder in the service would do to the tables, to what keeps them, to the traces left.
DEEDS = (
    "CREATE TABLE spare (a integer)",
    "ALTER TABLE forum ADD COLUMN a integer",
    "ALTER TABLE question DISABLE TRIGGER ALL",
    "DROP TABLE support CASCADE",
    "TRUNCATE answer CASCADE",
    "DROP TRIGGER standing_question_updated ON question",
    "ALTER FUNCTION standing_slot() RENAME TO mine",
    "CREATE INDEX mine ON question (code)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "UPDATE alembic_version SET version_num = '0001'",
    "DELETE FROM audit_event",
    "TRUNCATE audit_event",
    "UPDATE audit_event SET verb = 'announce'",
    "UPDATE audit_event SET at = now(), member_id = NULL, subject = '', detail = ''",
    "CREATE ROLE mine SUPERUSER",
)


@pytest.fixture(scope="module")
def owned(postgres_url: PostgresUrl) -> str:
    """A database with its tables, of the newest schema, by its owner's address."""
    url = postgres_url()
    asyncio.run(_make(url))
    return url


async def _make(url: str) -> None:
    config = forums.settings.read({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY})
    async with opened(config) as database, database.writer.begin() as connection:
        await connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32))"))
        await connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": migrations._newest()})


async def _connected(url: str) -> Connection:
    return await connect(make_url(url).render_as_string(hide_password=False))


async def test_the_service_changes_no_table_and_takes_nothing_out_of_the_journal(owned: str):
    service, owner = await _connected(for_service(owned)), await _connected(owned)
    await owner.execute(
        "INSERT INTO audit_event (id, at, actor, verb, subject, detail) VALUES (gen_random_uuid(), now(), 'admin', 'v', 's', '')"
    )
    refused, possible = [], []
    for deed in DEEDS:
        try:
            await service.execute(deed)
        except InsufficientPrivilegeError:
            refused.append(deed)
        whole = owner.transaction()
        await whole.start()
        await owner.execute(deed)  # a deed that nobody could do would prove nothing
        possible.append(deed)
        await whole.rollback()
    kept = await service.fetchval("SELECT count(*) FROM audit_event")
    await service.close()
    await owner.close()

    assert tuple(refused) == tuple(possible) == DEEDS
    assert kept == 1


async def test_what_a_later_migration_adds_is_the_services_to_write_and_to_write_only(owned: str):
    address = for_service(owned)
    owner = await _connected(owned)
    await owner.execute("CREATE TABLE added_later (a integer)")
    service = await _connected(address)
    await service.execute("INSERT INTO added_later VALUES (1); UPDATE added_later SET a = 2")

    assert await service.fetch("DELETE FROM added_later RETURNING a") == [(2,)]
    with pytest.raises(InsufficientPrivilegeError):
        await service.execute("ALTER TABLE added_later ADD COLUMN b integer")
    await service.close()
    await owner.close()


def test_the_service_finds_a_migrated_database_in_order_and_is_told_who_migrates_an_old_one(settings: Settings, owned: str):
    served = replace(settings, database_url=for_service(owned))
    assert migrations.migrate(served) == []

    asyncio.run(_is_said_to_be(owned, "0001"))
    with pytest.raises(BadSetting, match="lancez forums migrate avec le compte qui possède les tables"):
        migrations.migrate(served)
    asyncio.run(_is_said_to_be(owned, migrations._newest()))


async def _is_said_to_be(owned: str, revision: str) -> None:
    owner = await _connected(owned)
    await owner.execute("UPDATE alembic_version SET version_num = $1", revision)
    await owner.close()
