"""The index of the public texts: FTS5 in SQLite, full text with a French configuration in PostgreSQL, accents ignored.

It is kept by the database itself (triggers there, generated columns here), so that no write can forget it;
it holds drafts too, and whoever searches asks the tables what is public. A migration that rebuilds one of these
tables on SQLite loses its triggers, and must end with `create`; `tests/test_search.py` holds it.

SQLite's texts are numbered as they come, those of the few kinds above all others: read from the highest number down,
every commitment and every forum comes first, then the newest of the rest, and whoever wants so many stops there.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection


class Source(NamedTuple):
    """A table whose texts are found: the columns of its title and of its body, and what says how old each is."""

    kind: str
    table: str
    title: tuple[str, ...]
    body: tuple[str, ...]
    dated: str
    few: bool = False

    def title_of(self, row: str = "") -> str:
        return _joined(self.title, row)

    def body_of(self, row: str = "") -> str:
        return _joined(self.body, row)

    @property
    def vector(self) -> str:
        """What PostgreSQL keeps beside the texts: it would take most of a search to work it out again for each that is ranked."""
        title, body = (f"setweight(to_tsvector('french'::regconfig, search_fold({text})), '{weight}')" for text, weight in self._parts)
        return f"({title} || {body})"

    @property
    def _parts(self) -> tuple[tuple[str, str], tuple[str, str]]:
        return (self.title_of(), "A"), (self.body_of(), "D")


_EVENING = "(SELECT day FROM minutes JOIN forum ON forum.id = forum_id WHERE minutes.id = minutes_id)"

SOURCES = (
    Source("engagement", "commitment", ("official_title", "working_title", "title_en"), ("summary", "note", "origin"), "''", few=True),
    Source("question", "question", ("text",), ("context",), "created_at"),
    Source("passage", "minutes_entry", ("title",), ("text",), _EVENING),
    Source("reponse", "answer", (), ("text", "reason"), "written_at"),
    Source("suite", "follow_up", ("text",), ("owner", "partners", "evidence", "drop_reason"), "created_at"),
    Source("forum", "forum", ("theme",), ("description", "place", "address"), "day", few=True),
)

# PostgreSQL's `unaccent` is an extension that may not be there, and cannot be indexed.
_ACCENTS, _PLAIN = "àáâäãåçèéêëìíîïñòóôöõùúûüýÿ’", "aaaaaaceeeeiiiinooooouuuuyy'"

_FOLD = f"""
CREATE OR REPLACE FUNCTION search_fold(given text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT translate(replace(replace(lower(given), 'œ', 'oe'), 'æ', 'ae'), '{_ACCENTS.replace("'", "''")}', '{_PLAIN.replace("'", "''")}') $$
"""


def create(connection: Connection) -> None:
    """Make the index, of everything that is there. Done again, it is made anew."""
    drop(connection)
    for statement in _sqlite() if connection.dialect.name == "sqlite" else _postgresql():
        connection.exec_driver_sql(statement)


def drop(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        for name in triggers():
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        for table in ("search_words", "search_entry"):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
        return
    for source in SOURCES:
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS ix_search_{source.table}")
        connection.exec_driver_sql(f"ALTER TABLE {source.table} DROP COLUMN IF EXISTS search_vector")
    connection.exec_driver_sql("DROP FUNCTION IF EXISTS search_fold(text)")


def triggers() -> list[str]:
    """The names of SQLite's triggers."""
    return [f"search_{source.table}_{event}" for source in SOURCES for event in ("inserted", "updated", "deleted")]


def is_ours(name: str | None) -> bool:
    """Whether a table, a column or an index of the database is this module's, which the models do not know."""
    return name is not None and name.startswith(("search_", "ix_search_"))


_ABOVE = 2**40

# Through a number of its own: the row numbers of a table without one change when the file is copied.
_ENTRY = "CREATE TABLE search_entry (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, object_id TEXT NOT NULL, UNIQUE (kind, object_id))"
_NEXT = f"(SELECT coalesce(max(number), 0) + 1 FROM search_entry WHERE number < {_ABOVE})"
_NEXT_OF_FEW = f"(SELECT max(coalesce(max(number), 0), {_ABOVE}) + 1 FROM search_entry)"


def _sqlite() -> Iterator[str]:
    yield _ENTRY
    yield 'CREATE VIRTUAL TABLE search_words USING fts5(title, body, tokenize = "unicode61 remove_diacritics 2")'
    every = " UNION ALL ".join(
        f"SELECT '{each.kind}' AS kind, id, {each.dated} AS dated, {each.few} AS few FROM {each.table}" for each in SOURCES
    )
    oldest_first = f"row_number() OVER (PARTITION BY few ORDER BY dated, id) + few * {_ABOVE}"
    yield f"INSERT INTO search_entry (number, kind, object_id) SELECT {oldest_first}, kind, id FROM ({every})"
    for source in SOURCES:
        number = f"(SELECT number FROM search_entry WHERE kind = '{source.kind}' AND object_id = {{}}.id)"
        words = "INSERT INTO search_words (rowid, title, body)"
        name, columns, row = f"search_{source.table}", ", ".join((*source.title, *source.body)), f"{source.table}."
        yield (
            f"CREATE TRIGGER {name}_inserted AFTER INSERT ON {source.table} BEGIN INSERT INTO search_entry (number, kind, object_id)"
            f" VALUES ({_NEXT_OF_FEW if source.few else _NEXT}, '{source.kind}', NEW.id);"
            f" {words} VALUES ({number.format('NEW')}, {source.title_of('NEW.')}, {source.body_of('NEW.')}); END"
        )
        yield (
            f"CREATE TRIGGER {name}_updated AFTER UPDATE OF {columns} ON {source.table} BEGIN UPDATE search_words"
            f" SET title = {source.title_of('NEW.')}, body = {source.body_of('NEW.')} WHERE rowid = {number.format('NEW')}; END"
        )
        yield (
            f"CREATE TRIGGER {name}_deleted AFTER DELETE ON {source.table} BEGIN"
            f" DELETE FROM search_words WHERE rowid = {number.format('OLD')};"
            f" DELETE FROM search_entry WHERE kind = '{source.kind}' AND object_id = OLD.id; END"
        )
        # In the order of their numbers: FTS5 writes out what it holds whenever one is lower than the one before.
        yield (
            f"{words} SELECT search_entry.number, {source.title_of(row)}, {source.body_of(row)} FROM search_entry"
            f" JOIN {source.table} ON {row}id = object_id WHERE search_entry.kind = '{source.kind}' ORDER BY search_entry.number"
        )


def _postgresql() -> Iterator[str]:
    yield _FOLD
    for source in SOURCES:
        yield f"ALTER TABLE {source.table} ADD COLUMN search_vector tsvector GENERATED ALWAYS AS {source.vector} STORED"
        yield f"CREATE INDEX ix_search_{source.table} ON {source.table} USING gin (search_vector)"


def _joined(columns: tuple[str, ...], row: str) -> str:
    return " || ' ' || ".join(f"coalesce({row}{column}, '')" for column in columns) or "''"
