"""What SQLite is told of its tables: it plans by it, and keeps no sample of what they hold."""

import sqlite3
from contextlib import closing

from sqlmodel import SQLModel

from forums import migrations, table_sizes
from forums.settings import Settings


def test_after_every_migration_each_table_and_index_told_of_is_there(settings: Settings) -> None:
    migrations.migrate(settings)

    with closing(sqlite3.connect(settings.sqlite_path)) as connection:
        there = set(connection.execute("SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index'"))
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        told = set(connection.execute("SELECT tbl, idx FROM sqlite_stat1"))
        samples = connection.execute("SELECT count(*) FROM sqlite_stat4").fetchone()
    assert {(table, index) for table, index in told if index} - there == set()
    assert set(table_sizes.ROWS) - tables == set()
    assert {table for table, _ in told} == set(table_sizes.ROWS)
    assert samples == (0,)


def test_an_index_on_a_status_is_told_of(settings: Settings) -> None:
    """Left to itself SQLite takes a status for as rare as a date."""
    indexes = {
        index.name for table in SQLModel.metadata.tables.values() for index in table.indexes if next(iter(index.columns)).name == "status"
    }

    assert indexes - {name for of_table in table_sizes.ALIKE.values() for name in of_table} == set()


def test_questions_are_looked_up_by_the_passages_that_answer_them(settings: Settings) -> None:
    migrations.migrate(settings)

    with closing(sqlite3.connect(settings.sqlite_path)) as connection:
        query = (
            "SELECT text FROM minutes_entry_question JOIN question ON id = question_id WHERE entry_id IN (1, 2) AND status = 'published'"
        )
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert ["minutes_entry_question" in plan[0], "question USING INDEX sqlite_autoindex_question_1 (id=?)" in plan[1]] == [True, True]
