"""Public rows read from the database, in slices, with the values every format starts from.

One statement for a file, whatever its length; between two slices the event loop serves others. An empty text and
what is not known are both nothing; instants are in UTC, to the second.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import func, literal_column, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.open_data.catalogue import BY_FILE, ROWS
from forums.open_data.columns import Field, Row, equals, fields_of, identity_of, lean, ordered, query_of, rows_of, sources_of

SLICE = 250
COUNTED = 200
"""How many rows a search counts: beyond, it says that there are more, and goes on to the last of them all the same."""

PER_PAGE = 20
"""How many objects of a list are given to who asks for nothing else."""

Values = dict[str, Any]


async def one_view(session: AsyncSession) -> None:
    """Let what follows be read as of one instant, so that every key of a file is found in the others. Call it first."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite's transactions are so already
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


async def read(session: AsyncSession, row: type[Row]) -> AsyncIterator[list[Values]]:
    """Every public row, slice after slice."""
    fields = list(fields_of(row))
    found = await session.stream(query_of(row), execution_options={"yield_per": SLICE})
    async for part in found.mappings().partitions(SLICE):
        yield [_values(fields, each) for each in part]
        await asyncio.sleep(0)


async def last_changes(session: AsyncSession) -> dict[str, datetime | None]:
    """When the last of the dated facts that each file tells, or follows, became public."""
    moments = {row.file: await last_change(session, [row.file]) for row in ROWS}
    return {row.file: latest(moments[file] for file in (row.file, *row.follows)) for row in ROWS}


async def last_change(session: AsyncSession, files: Collection[str] = BY_FILE) -> datetime | None:
    """When the last of all dated facts of these files became public; nothing is counted."""
    connection = await session.connection()
    asked = [_newest(BY_FILE[file]) for file in files]
    return latest([moment for each in asked if each for moment in (await connection.execute(select(*each))).one()])


def _newest(row: type[Row]) -> list[Any]:
    """The last of each of its dates, the newest first: where an index holds them, one row is read."""
    dates = [field.column.source for field in fields_of(row) if field.column.dated]
    return [lean(row, [each], [each.is_not(None)], [each.desc()]).limit(1).scalar_subquery() for each in dates]


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((each for each in moments if each), default=None)


def instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Search:
    """Rows that are asked for: equal in these fields, between these days, so many after so many."""

    equal: Mapping[str, Any]
    since: date | datetime | None = None
    until: date | datetime | None = None
    offset: int = 0
    limit: int = 20


@dataclass(frozen=True)
class Found:
    """A page of rows, and how many there are in all: at least so many, when that is not `exact`."""

    rows: Sequence[Values]
    total: int
    exact: bool


async def search(session: AsyncSession, row: type[Row], asked: Search) -> Found:
    """Which rows is settled by their keys, and only those are read whole. One more than is counted says that there are more."""
    sources, key = sources_of(row), identity_of(row)
    conditions = [equals(sources[name], value) for name, value in asked.equal.items()]
    if asked.since is not None:
        conditions.append(sources[row.day] >= asked.since)
    if asked.until is not None:
        conditions.append(sources[row.day] < asked.until if isinstance(asked.until, datetime) else sources[row.day] <= asked.until)
    connection = await session.connection()
    most = max(COUNTED, asked.offset + asked.limit)
    counted = _first(lean(row, [literal_column("1")], conditions), most + 1, usual=COUNTED + 1).subquery()
    total = (await connection.execute(select(func.count()).select_from(counted))).scalar_one()
    chosen = _first(lean(row, key, conditions, ordered(row)), asked.limit, usual=PER_PAGE)
    chosen = chosen.offset(asked.offset) if asked.offset else chosen
    page = rows_of(row).where((tuple_(*key) if len(key) > 1 else key[0]).in_(chosen)).order_by(*ordered(row))
    fields = list(fields_of(row))
    return Found([_values(fields, each) for each in (await connection.execute(page)).mappings()], total, total <= most)


def _first(query: Any, number: int, *, usual: int) -> Any:
    """The first so many. PostgreSQL plans before it is told a value: it reads the usual one, or would sort all there is."""
    return query.limit(literal_column(str(usual)) if number == usual else number)


def _values(fields: Sequence[Field], found: Mapping[Any, Any]) -> Values:
    return {field.name: _plain(field, found[field.name]) for field in fields}


def _plain(field: Field, value: Any) -> Any:
    if field.column.shown is not None:
        return field.column.shown(value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return None if value == "" else value
