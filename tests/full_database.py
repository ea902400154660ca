"""Every migration, one after the other, over a database in which every table is full of rows.

What a row may hold is read from the database itself, from its columns, links and checks: whichever revision comes
next, its tables are filled too. Values are taken from the edges (empty, huge, the last day there is, text that
looks like something else); a row the database refuses is drawn again. After each step every row that was there must
be there with every value it had, but for what `SAID` says that this migration takes away or changes.
"""

import contextlib
import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from forums import migrations
from forums.settings import ROOT, Settings
from tests.findings import Finding, none

TRIES = 500
"""For one row: a check may refuse most of what is drawn."""

LONG = " ".join(["Une phrase que personne ne relira, à la virgule près."] * 400) + " " + "m" * 3000
TEXTS = (
    "",
    " ",
    "Élève à l’œuvre : « 50 % » \u00a0!",
    "e\u0301 🗳️ \u202eאב",
    "x'; DROP TABLE forum; --",
    "{{ 7 }} <b>%s</b> \\ \x7f",
    "a\r\n\tb\n",
    LONG,
)
NUMBERS = (0, 1, 2, 7, 2**31 - 1, -1, -(2**31))
FRACTIONS = (0.0, -0.5, 0.1 + 0.2, 1e15, 5e-324, 1.7976931348623157e308)
DAYS = (date(1, 1, 1), date(1900, 2, 28), date(2000, 2, 29), date(2026, 12, 31), date(9999, 12, 31))
MOMENTS = (
    *(datetime(day.year, day.month, day.day, 23, 59, 59, 999_999, tzinfo=UTC) for day in DAYS),
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # the hour that Paris does not have
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # and the one it has twice
)
JSON = ([], {}, None, 0, "", ["é", {"a": [1.5, None, True, "’"]}], {"\u2028": "x" * 5000, "": {}})

Row = Mapping[str, Any]
Rows = dict[str, dict[tuple[Any, ...], Row]]
"""Each table's rows by their primary key, as the driver gives them."""


# -- What each migration says ------------------------------------------------------------------------------------


def _sorted_by_hour(before: Rows, after: Rows) -> int:
    """Positions count from one now; who was shown before whom still is."""
    wrong = 0
    for forum in {row["forum_id"] for row in before["agenda_item"].values()}:
        items = [row for row in before["agenda_item"].values() if row["forum_id"] == forum]
        shown = sorted(items, key=lambda row: (str(row["starts_at"] or "9999-12-31"), row["position"], str(row["id"])))
        now = sorted(items, key=lambda row: after["agenda_item"][row["id"],]["position"])
        wrong += [row["id"] for row in shown] != [row["id"] for row in now]
    return wrong


def _institutions_kept(before: Rows, after: Rows) -> int:
    had = {(row["id"], row["institution_id"]) for row in before["member"].values() if row["institution_id"]}
    return len(had ^ set(after["member_institution"]))


def _agendas_kept(before: Rows, after: Rows) -> int:
    """Each item of a published agenda is there once more, as version 1, with the same texts and ties."""

    def of(items: Rows, version: int) -> Counter[Any]:
        ties = [(table, tie) for table in ("agenda_item_commitment", "agenda_item_question") for tie in items[table].values()]
        told = Counter[Any]()
        for row in items["agenda_item"].values():
            if row["version"] == version and row["forum_id"] in published:
                tied = sorted(str(sorted(tie.items())) for _, tie in ties if tie["agenda_item_id"] == row["id"])
                told[str({**row, "id": None, "version": None}), str(tied).replace(str(row["id"]), "")] += 1
        return told

    published = {row["id"] for row in before["forum"].values() if row["agenda_published_at"]}
    versions = {row["forum_id"] for row in after["agenda_version"].values()}
    return (of(after, 0) - of(after, 1)).total() + (of(after, 1) - of(after, 0)).total() + len(published ^ versions)


def _followers_kept(before: Rows, after: Rows) -> int:
    told = {row["subscription_id"] for row in after["subscription_scope"].values() if row["scope"] == "annonces"}
    late = sum(after["subscription"][key]["mailed_at"] != row["created_at"] for key, row in before["subscription"].items())
    return late + len(told ^ {row["id"] for row in before["subscription"].values()})


def _indicators_named(_: Rows, after: Rows) -> int:
    codes = [row["code"] for row in after["indicator"].values()]
    return len(codes) - len(set(codes)) + sum(len(code or "") != 8 for code in codes)


@dataclass(frozen=True)
class Said:
    """What a migration does to the rows that are there, and how to see that it did that and no more."""

    takes_away: frozenset[str] = frozenset()
    """Columns as `table.column`, or whole tables."""
    empties: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    holds: Mapping[str, Callable[[Rows, Rows], int]] = field(default_factory=dict)


SAID = {
    "0003": Said(
        takes_away=frozenset({"member.institution_id"}),
        empties=frozenset({"member_session"}),
        changes=frozenset({"agenda_item.position"}),
        holds={
            "institutions of an agent lost": _institutions_kept,
            "agendas in another order": _sorted_by_hour,
            "published agendas without their version": _agendas_kept,
        },
    ),
    "0004": Said(holds={"followers lost": _followers_kept, "indicators without a code of their own": _indicators_named}),
}
"""A migration that is not here may add, and must leave everything as it was."""


# -- The steps -----------------------------------------------------------------------------------------------------


def every_step(settings: Settings, *, rows: int, seed: int = 1) -> list[Finding]:
    """From the first revision to the last, filling what each brings: what was found."""
    chance, config = random.Random(seed), migrations._config(settings)
    revisions = sorted(path.name.partition("_")[0] for path in (ROOT / "db/migrations/versions").glob("*_*.py"))
    wrong, compared, filled = Counter[str](), Counter[str](), Filled()
    before: Rows = {}
    for revision in revisions:
        command.upgrade(config, revision)
        after = migrations.alone(settings, read)
        wrong += of_a_step(before, after, SAID.get(revision, Said()), revision, compared)
        migrations.alone(settings, lambda connection: Filler(connection, chance, filled).fill(rows))
        before = migrations.alone(settings, read)
    return [
        Finding("migrations, one after the other", len(revisions)),
        Finding("tables / columns / rows at the end", f"{len(before)}/{len(filled.columns)}/{sum(map(len, before.values()))}"),
        Finding("rows / values compared after a step", f"{compared['rows']}/{compared['values']}"),
        none("tables without a row", sum(not table for table in before.values())),
        none(f"columns in which nothing was ever written {filled.never('filled') or ''}".strip(), len(filled.never("filled"))),
        none(f"columns that may be empty and never were {filled.never('empty') or ''}".strip(), len(filled.never("empty"))),
        none(f"words a check allows, never written {filled.unsaid or ''}".strip(), len(filled.unsaid)),
        *(none(words, wrong[words]) for words in sorted({*wrong, "rows lost", "values lost or changed"} | _held())),
        none("what the models and the database differ in", len(migrations.check(settings))),
    ]


def _held() -> set[str]:
    return {words for said in SAID.values() for words in said.holds}


def read(connection: Connection) -> Rows:
    """The whole database, as it lies there: no type of ours between it and us."""
    seen, found = sa.inspect(connection), {}
    for table in sorted(seen.get_table_names()):
        if table == "alembic_version" or not migrations.is_known(None, table):
            continue
        keys = seen.get_pk_constraint(table)["constrained_columns"]
        rows = connection.exec_driver_sql(f'SELECT * FROM "{table}"').mappings().all()
        found[table] = {tuple(row[key] for key in keys): dict(row) for row in rows}
    return found


def _typed(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that are written: the database works out the others."""
    return [column for column in table.c if column.computed is None]


def of_a_step(before: Rows, after: Rows, said: Said, revision: str, compared: Counter[str]) -> Counter[str]:
    """What is wrong, counted; the first of each kind is said."""
    wrong = Counter({words: held(before, after) for words, held in said.holds.items()})
    for table, rows in before.items():
        if table in said.takes_away | said.empties:
            continue
        for key, row in rows.items():
            now = after.get(table, {}).get(key)
            compared["rows"] += 1
            if now is None:
                wrong["rows lost"] += 1
                continue
            left_alone = [name for name in row if f"{table}.{name}" not in said.takes_away | said.changes]
            compared["values"] += len(left_alone)
            for name in left_alone:
                if name not in now or not _same(row[name], now[name]):
                    wrong["values lost or changed"] += 1
                    if wrong["values lost or changed"] == 1:
                        print(f"    {revision} {table}.{name}: {row[name]!r:.80} became {now.get(name, 'nothing')!r:.80}")
    return +wrong


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


# -- Filling -------------------------------------------------------------------------------------------------------


@dataclass
class Filled:
    """What was written in each column, over all steps."""

    columns: dict[str, Counter[str]] = field(default_factory=dict)
    may_be_empty: set[str] = field(default_factory=set)
    allowed: set[tuple[str, str]] = field(default_factory=set)
    said: set[tuple[str, str]] = field(default_factory=set)

    def never(self, what: str) -> list[str]:
        return sorted(name for name, seen in self.columns.items() if not seen[what] and (what == "filled" or name in self.may_be_empty))

    def emptiness(self, name: str) -> float:
        """How often a column is left empty: what it has not had yet comes first."""
        seen = self.columns.get(name, Counter())
        return 0.7 if not seen["empty"] else 0.1 if not seen["filled"] else 0.3

    @property
    def unsaid(self) -> list[tuple[str, str]]:
        return sorted(self.allowed - self.said)


class Filler:
    """Rows for every table of a database as it is."""

    names = itertools.count(1)

    def __init__(self, connection: Connection, chance: random.Random, filled: Filled) -> None:
        self.connection, self.chance, self.filled = connection, chance, filled
        self.is_sqlite = connection.dialect.name == "sqlite"
        self.seen = sa.inspect(connection)
        metadata = sa.MetaData()
        metadata.reflect(connection, only=lambda name, _: name != "alembic_version" and migrations.is_known(None, name))
        self.tables = metadata.sorted_tables
        self.keys: dict[str, list[Row]] = {}

    def fill(self, rows: int) -> None:
        """So many more in each table, those that are pointed to first."""
        if self.is_sqlite:
            # Off for migrations, as a table that is rebuilt needs it; the links are checked at the end.
            assert self.connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0
        for table in self.tables:
            self.keys[table.name] = [dict(row) for row in self.connection.execute(sa.select(table)).mappings()]
            checks = {str(each["name"]): str(each["sqltext"]) for each in self.seen.get_check_constraints(table.name)}
            one_of, unique = self._words(table, checks), self._unique(table)
            for _ in range(max([rows, *(len(words) + 2 for words in one_of.values())])):
                self._one(table, checks, one_of, unique)

    def _words(self, table: sa.Table, checks: Mapping[str, str]) -> dict[str, list[str]]:
        """What a check allows in a column: `status IN ('a', 'b')`, or `status = ANY (ARRAY['a'::character varying, …])`."""
        found: dict[str, list[str]] = {}
        for check in checks.values():
            whole = re.fullmatch(r"\(*(\w+)\)*(?:::\w+)? (?:IN|= ANY) \(.*\)", check, re.DOTALL)
            if whole and whole[1] in table.c:
                found[whole[1]] = re.findall(r"'((?:[^']|'')*)'", check)
                self.filled.allowed |= {(f"{table.name}.{whole[1]}", word) for word in found[whole[1]]}
        return found

    def _one(self, table: sa.Table, checks: Mapping[str, str], one_of: Mapping[str, list[str]], unique: set[str]) -> None:
        row: dict[str, Any] = {}
        again = {column.name for column in _typed(table)}
        for _ in range(TRIES):
            row |= {column.name: self._value(table, column, one_of, unique) for column in _typed(table) if column.name in again}
            try:
                # PostgreSQL alone gives up a whole transaction for one refused row.
                with contextlib.nullcontext() if self.is_sqlite else self.connection.begin_nested():
                    self.connection.execute(sa.insert(table), row)
            except IntegrityError as refusal:
                # What the check refused is about the columns it names; for the rest (a key there already) all are drawn again.
                broken = [text for name, text in checks.items() if re.search(rf"\b{name}\b", str(refusal.orig))]
                again = {column.name for column in _typed(table) if not broken or re.search(rf"\b{column.name}\b", broken[0])}
                continue
            self._note(table, row, one_of)
            return
        raise AssertionError(f"{table.name}: the database refuses whatever is drawn, the last time {row}")

    def _note(self, table: sa.Table, row: Row, one_of: Mapping[str, list[str]]) -> None:
        self.keys[table.name].append(dict(row))
        for column in _typed(table):
            name = f"{table.name}.{column.name}"
            self.filled.columns.setdefault(name, Counter())["empty" if row[column.name] is None else "filled"] += 1
            if column.nullable:
                self.filled.may_be_empty.add(name)
            if column.name in one_of:
                self.filled.said.add((name, row[column.name]))

    def _unique(self, table: sa.Table) -> set[str]:
        """Columns that an index holds: their texts are short, and each is another."""
        indexes = [*self.seen.get_unique_constraints(table.name), *self.seen.get_indexes(table.name)]
        found = {name for each in indexes for name in each["column_names"] if name}
        return found | set(self.seen.get_pk_constraint(table.name)["constrained_columns"])

    @cache  # noqa: B019 — a filler is gone with its step
    def _alone(self, table: str) -> set[str]:
        """The columns of which no two rows may hold the same: what another row points to already is not drawn again."""
        keys = [each["column_names"] for each in self.seen.get_unique_constraints(table)]
        keys += [each["column_names"] for each in self.seen.get_indexes(table) if each["unique"]]
        keys.append(self.seen.get_pk_constraint(table)["constrained_columns"])
        return {str(names[0]) for names in keys if len(names) == 1}

    def _value(self, table: sa.Table, column: sa.Column[Any], one_of: Mapping[str, list[str]], unique: set[str]) -> Any:
        name = f"{table.name}.{column.name}"
        words = one_of.get(column.name, [])
        unsaid = [word for word in words if (name, word) not in self.filled.said]
        if column.nullable and not unsaid and self.chance.random() < self.filled.emptiness(name):
            return None
        for link in column.foreign_keys:
            taken = {row[column.name] for row in self.keys[table.name]} if column.name in self._alone(table.name) else ()
            rows = [row for row in self.keys[link.column.table.name] if row[link.column.name] not in taken]
            return self.chance.choice(rows)[link.column.name] if rows else None
        return self.chance.choice(unsaid or words) if words else self._of_its_kind(column, column.name in unique)

    def _of_its_kind(self, column: sa.Column[Any], unique: bool) -> Any:
        kind, choose = column.type, self.chance.choice
        if isinstance(kind, sa.Uuid) or (isinstance(kind, sa.CHAR) and kind.length == 32):
            return uuid4().hex if self.is_sqlite else uuid4()
        if isinstance(kind, sa.Boolean):
            return choose((False, True))
        if isinstance(kind, sa.DateTime):
            return self._moment()
        if isinstance(kind, sa.Date):
            return choose(DAYS)
        if isinstance(kind, sa.Integer):
            return next(self.names) if unique else choose(NUMBERS)
        if isinstance(kind, sa.Numeric):
            return choose(FRACTIONS)
        if isinstance(kind, sa.JSON):
            return choose(JSON)
        if isinstance(kind, sa.LargeBinary):
            return choose((b"", b"\x00\xff", bytes(range(256)) * 64))
        if isinstance(kind, sa.String):
            return f"{choose(TEXTS)[:40]}{next(self.names)}" if unique else choose(TEXTS)
        raise AssertionError(f"{column}: nobody said how to fill {kind!r}")

    def _moment(self) -> datetime:
        moment = self.chance.choice(MOMENTS) - timedelta(microseconds=self.chance.randrange(10**6))
        return moment.replace(tzinfo=None) if self.is_sqlite else moment
