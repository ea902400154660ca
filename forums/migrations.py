"""Migrations: the database brought to what the models say, once, whoever starts first.

Everything of one run happens in one transaction under one lock (a file beside SQLite's, an advisory
lock in PostgreSQL), so processes that start together migrate once and a failure leaves nothing half
done. On SQLite foreign keys are off meanwhile and checked before the commit: with them on, rebuilding
a table silently empties those that point to it.
"""

import asyncio
import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from forums import calendar_index, models, search_index, standing_index  # noqa: F401 — models: what SQLModel.metadata is to hold
from forums.database import Database, is_circle
from forums.settings import ROOT, BadSetting, Settings

if TYPE_CHECKING:
    # A seventh of a start, which mostly has nothing to migrate: imported where it is used.
    from alembic.config import Config

Answer = TypeVar("Answer")

# CHECK constraints are compared by name, which Alembic leaves out unless asked.
COMPARED = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"]

_NOT_ALLOWED = "42501"  # PostgreSQL's insufficient_privilege

_TRIES = 5
"""How often a migration of a site that serves is tried: who writes meanwhile may hold what it wants, and want what it holds."""

_LOCK = 0x464F44  # "FOD", any number the database's other users do not lock


class BrokenLinks(Exception):
    """A migration that would leave rows pointing to nothing; it was undone."""


def migrate(settings: Settings) -> list[str]:
    """Bring the database to the head. Returns the revisions applied, none when there was nothing to do.

    For the command line: it starts an event loop of its own. Raises `BadSetting` for a database that a
    newer version of the program has migrated, and for an account that may not change its tables.
    """
    if is_current(settings):
        return []
    from alembic.script.revision import ResolutionError
    from alembic.util import CommandError

    config, applied = _config(settings), list[str]()
    config.attributes["applied"] = applied
    try:
        _upgrade(config, applied)
    except DBAPIError as error:
        if not is_not_allowed(error):
            raise
        raise BadSetting(
            "La base n'est pas au schéma courant, et le compte de DATABASE_URL ne peut la changer :"
            " lancez forums migrate avec le compte qui possède les tables."
        ) from error
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            raise
        raise BadSetting("La base a été mise à jour par une version plus récente du programme : installez cette version-là.") from error
    return applied


def _upgrade(config: "Config", applied: list[str]) -> None:
    from alembic import command

    for left in reversed(range(_TRIES)):
        try:
            return command.upgrade(config, "head")
        except DBAPIError as error:
            if not is_circle(error) or not left:
                raise
            applied.clear()
            time.sleep(1)  # all of it was undone, and those who waited in a circle with it go on


def is_not_allowed(error: BaseException) -> bool:
    """Whether PostgreSQL refused because of who asks: the service's account owns no table."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == _NOT_ALLOWED


def is_current(settings: Settings) -> bool:
    """Whether there is nothing to migrate; one look at the database, so that a start takes no longer."""
    if settings.is_sqlite and not settings.sqlite_path.exists():
        return False
    return asyncio.run(_revisions(settings)) == {_newest()}


def _newest() -> str:
    """The revision the program was written for: its files are numbered, and follow one another."""
    return max(path.name for path in (ROOT / "db" / "migrations" / "versions").glob("*_*.py")).partition("_")[0]


async def _revisions(settings: Settings) -> set[str]:
    """What the database says of itself; nothing when it has no table yet."""
    database = Database(settings)
    try:
        async with database.reader.connect() as connection:
            return set((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars())
    except DBAPIError as error:
        if "alembic_version" in str(error.orig):
            return set()
        raise
    finally:
        await database.close()


def check(settings: Settings) -> list[Any]:
    """What the models say and the database does not, or the reverse; empty when the migrations are complete."""
    return alone(settings, _differences)


def _differences(connection: Connection) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    options = {"autogenerate_plugins": COMPARED, "include_object": is_known}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), SQLModel.metadata))


def is_known(_: Any, name: str | None, *others: Any) -> bool:
    """What the database keeps by itself is no business of the models: the index of the search, the standings, what changed in calendars."""
    return not any(kept.is_ours(name) for kept in (search_index, standing_index, calendar_index))


def _config(settings: Settings) -> "Config":
    from alembic.config import Config

    return Config(toml_file=ROOT / "pyproject.toml", attributes={"settings": settings})


def alone(settings: Settings, work: Callable[[Connection], Answer]) -> Answer:
    """Do `work` in one transaction while no other process migrates."""
    if not settings.is_sqlite:
        return asyncio.run(_in_one_transaction(settings, work))
    with _file_lock(settings):
        return asyncio.run(_in_one_transaction(settings, work))


@contextmanager
def _file_lock(settings: Settings) -> Iterator[None]:
    path = settings.sqlite_path.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file stays: deleted, it would be another file for whoever already waits.
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def _in_one_transaction(settings: Settings, work: Callable[[Connection], Answer]) -> Answer:
    database = Database(settings)
    if database.is_sqlite:
        event.listen(database.writer.sync_engine, "connect", _for_rebuilding)
    try:
        async with database.writer.begin() as connection:
            return await connection.run_sync(_checked if database.is_sqlite else _locked, work)
    finally:
        await database.close()


def _for_rebuilding(connection: Any, _: Any) -> None:
    # Inside the transaction this PRAGMA would change nothing, and say nothing.
    connection.execute("PRAGMA foreign_keys=OFF")
    # A copy takes the place of a table that triggers of others name: they are not read again meanwhile.
    connection.execute("PRAGMA legacy_alter_table=ON")


def _checked(connection: Connection, work: Callable[[Connection], Answer]) -> Answer:
    answer = work(connection)
    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall():
        raise BrokenLinks(f"{len(broken)} lignes sans leur objet, la première dans {broken[0][0]}")
    return answer


def _locked(connection: Connection, work: Callable[[Connection], Answer]) -> Answer:
    # A migration may take its time, and so may the one waited for.
    for timeout in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {timeout} = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    # A table that stays busy stops the migration rather than everyone who queues behind it.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
    return work(connection)
