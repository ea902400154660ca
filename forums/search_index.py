"""The index of the public texts: FTS5 in SQLite, full text with a French configuration in PostgreSQL, accents ignored.

It is kept by the database itself (triggers there, generated columns here), so that no write can forget it;
it holds drafts too, and whoever searches asks the tables what is public. A migration that rebuilds one of these
tables on SQLite loses its triggers, and must end with `create`; `tests/test_search.py` holds it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection


class Source(NamedTuple):
    """A table whose texts are found: the columns of its title and of its body."""

    kind: str
    table: str
    title: tuple[str, ...]
    body: tuple[str, ...]

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


SOURCES = (
    Source("engagement", "commitment", ("official_title", "working_title", "title_en"), ("summary", "note", "origin")),
    Source("question", "question", ("text",), ("context",)),
    Source("passage", "minutes_entry", ("title",), ("text",)),
    Source("reponse", "answer", (), ("text", "reason")),
    Source("suite", "follow_up", ("text",), ("owner", "partners", "evidence", "drop_reason")),
    Source("forum", "forum", ("theme",), ("description", "place", "address")),
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


def _sqlite() -> Iterator[str]:
    yield "CREATE TABLE search_entry (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, object_id TEXT NOT NULL, UNIQUE (kind, object_id))"
    yield 'CREATE VIRTUAL TABLE search_words USING fts5(title, body, tokenize = "unicode61 remove_diacritics 2")'
    for source in SOURCES:
        # Through a number of its own: the row numbers of a table without one change when the file is copied.
        number = f"(SELECT number FROM search_entry WHERE kind = '{source.kind}' AND object_id = {{}}.id)"
        entry = f"INSERT INTO search_entry (kind, object_id) SELECT '{source.kind}', {{}}"
        words = "INSERT INTO search_words (rowid, title, body)"
        name, columns = f"search_{source.table}", ", ".join((*source.title, *source.body))
        yield (
            f"CREATE TRIGGER {name}_inserted AFTER INSERT ON {source.table} BEGIN {entry.format('NEW.id')};"
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
        yield f"{entry.format('id')} FROM {source.table}"
        yield f"{words} SELECT {number.format(source.table)}, {source.title_of()}, {source.body_of()} FROM {source.table}"


def _postgresql() -> Iterator[str]:
    yield _FOLD
    for source in SOURCES:
        yield f"ALTER TABLE {source.table} ADD COLUMN search_vector tsvector GENERATED ALWAYS AS {source.vector} STORED"
        yield f"CREATE INDEX ix_search_{source.table} ON {source.table} USING gin (search_vector)"


def _joined(columns: tuple[str, ...], row: str) -> str:
    return " || ' ' || ".join(f"coalesce({row}{column}, '')" for column in columns) or "''"
