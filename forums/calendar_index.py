"""Which forums changed in calendars since somebody looked, kept by the database itself.

Whenever a forum comes, goes, or changes in a fact that a calendar tells, a trigger stamps it in the same transaction,
so that no write can forget it and a feed of a thousand forums reads the two that changed. A migration that rebuilds
the table of forums on SQLite loses its triggers, and must end with `create`; `tests/test_calendar_index.py` holds it.

No clock is asked. SQLite writes one transaction after the other: a stamp is the last plus one. On PostgreSQL it is the
number of the transaction, and who looks is told of which number all before have ended: from there they look the next
time, so that nothing is missed which was stamped early and committed late.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Select,
    Table,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlmodel import SQLModel

from forums import models  # noqa: F401 — what SQLModel.metadata is to hold

_KEPT = MetaData()

# A row of each forum there ever was. `mark` is random: were the database put back as it was, the sum of all tells.
CHANGE = Table(
    "calendar_change",
    _KEPT,
    Column("forum_id", Uuid, primary_key=True),
    Column("stamp", BigInteger, nullable=False, index=True),
    Column("mark", Integer, nullable=False),
)

# What a calendar tells of a forum, and whether it is told at all.
COLUMNS = (
    "uid", "slug", "number", "status", "theme", "description", "day", "starts_at", "ends_at", "place", "address", "online_url",
    "remote_capacity", "sequence", "changed_at", "created_at", "invented", "announced_at",
)  # fmt: skip

_STAMPED = (
    "INSERT INTO calendar_change (forum_id, stamp, mark) SELECT {row}.id, {stamp}, {mark} {those}"
    " ON CONFLICT (forum_id) DO UPDATE SET stamp = excluded.stamp, mark = excluded.mark"
)
_SQLITE = {"stamp": "(SELECT coalesce(max(stamp), 0) + 1 FROM calendar_change)", "mark": "random() & 2147483647"}
_POSTGRESQL = {"stamp": "pg_current_xact_id()::text::bigint", "mark": "floor(random() * 2147483647)::int"}

_EVENTS = (("updated", f"UPDATE OF {', '.join(COLUMNS)}", "NEW"), ("inserted", "INSERT", "NEW"), ("deleted", "DELETE", "OLD"))


@cache
def changes(dialect: str) -> Select[Any]:
    """What is to be looked at: of all forums how many were ever stamped, the sum of their marks, and from which stamp to
    look the next time; then each forum stamped from `since` on, with its mark and its row.

    One statement, so one view of the data. Where none changed, it is one row without forum.
    """
    forum, marks = SQLModel.metadata.tables["forum"], cast(func.coalesce(func.sum(CHANGE.c.mark), 0), BigInteger)
    total = select(func.count().label("count"), marks.label("marks")).select_from(CHANGE).subquery()
    changed = total.outerjoin(CHANGE, CHANGE.c.stamp >= bindparam("since")).outerjoin(forum, forum.c.id == CHANGE.c.forum_id)
    told = (total.c.count, total.c.marks, _all_before(dialect).label("next"), CHANGE.c.forum_id, CHANGE.c.mark)
    return select(*told, *(forum.c[name] for name in COLUMNS)).select_from(changed)


def _all_before(dialect: str) -> ColumnElement[int]:
    """The lowest stamp that a transaction which is not seen yet may bring."""
    if dialect == "sqlite":
        return select(func.coalesce(func.max(CHANGE.c.stamp), 0) + 1).scalar_subquery()
    return literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", BigInteger)


def create(connection: Connection) -> None:
    """Make the table and what keeps it, of everything that is there. Done again, it is made anew."""
    drop(connection)
    _KEPT.create_all(connection)
    sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql(_STAMPED.format(row="forum", those="FROM forum WHERE true", **(_SQLITE if sqlite else _POSTGRESQL)))
    for statement in _sqlite() if sqlite else _postgresql():
        connection.exec_driver_sql(statement)


def drop(connection: Connection) -> None:
    for name in triggers():
        sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}" if sqlite else f"DROP FUNCTION IF EXISTS {name}() CASCADE")
    _KEPT.drop_all(connection)


def triggers() -> list[str]:
    return [f"calendar_forum_{event}" for event, _, _ in _EVENTS]


def is_ours(name: str | None) -> bool:
    """Whether a table or an index of the database is this module's, which the models do not know."""
    return name is not None and name.startswith(("calendar_", "ix_calendar_"))


def _sqlite() -> Iterator[str]:
    for event, fires, row in _EVENTS:
        stamped = _STAMPED.format(row=row, those="WHERE true", **_SQLITE)
        yield f"CREATE TRIGGER calendar_forum_{event} AFTER {fires} ON forum BEGIN {stamped}; END"


def _postgresql() -> Iterator[str]:
    for event, fires, row in _EVENTS:
        name, stamped = f"calendar_forum_{event}", _STAMPED.format(row=row, those="", **_POSTGRESQL)
        yield f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {stamped}; RETURN NULL; END $$"
        yield f"CREATE TRIGGER {name} AFTER {fires} ON forum FOR EACH ROW EXECUTE FUNCTION {name}()"
