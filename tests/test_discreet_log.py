"""What a fault leaves in the log: where it happened and of what kind, never what a person typed."""

import logging
from io import StringIO

import pytest
from asyncpg.exceptions import CannotConnectNowError, UndefinedTableError
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, update

from forums.database import Database, note_fault
from forums.discreet_log import Discreet
from forums.models import Member

ADDRESS = "zephyrine@confidentiel.example"


class Typed(BaseModel):
    age: int


def logged(error: BaseException) -> str:
    said = StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(Discreet("%(levelname)s %(message)s"))
    log = logging.Logger("tried")
    log.addHandler(handler)
    log.error("it failed", exc_info=error)
    return said.getvalue()


async def test_what_a_database_refuses_is_told_without_the_row(database: Database) -> None:
    async def add_twice() -> None:
        async with database.transaction() as session:
            session.add_all([Member(email=ADDRESS, role="admin"), Member(email=ADDRESS, role="admin")])

    with pytest.raises(DBAPIError) as caught:
        await add_twice()

    said = logged(caught.value)
    assert "in add_twice" in said
    assert "UniqueViolation" in said or "UNIQUE constraint failed: member.email" in said
    assert ADDRESS not in said


async def test_what_a_database_cannot_read_is_told_without_it(database: Database) -> None:
    async def ask() -> None:
        async with database.transaction() as session:
            await session.exec(update(Member).where(col(Member.id) == ADDRESS).values(role="admin"))

    with pytest.raises(Exception) as caught:  # noqa: PT011 — each driver has its own
        await ask()

    assert ADDRESS not in logged(caught.value)


@pytest.mark.parametrize(
    "fails",
    [
        lambda: Typed.model_validate({"age": ADDRESS}),
        lambda: int(ADDRESS),
        lambda: {}[ADDRESS],
        lambda: ADDRESS.encode().decode("utf-16-be") + ADDRESS.join("\ud800").encode().decode(),
        lambda: (_ for _ in ()).throw(RuntimeError(f"the relay says <{ADDRESS}> is unknown\nRCPT TO:<{ADDRESS}>")),
    ],
    ids=["validation", "number", "key", "letters", "relay"],
)
def test_the_kind_of_a_fault_is_told_and_not_the_words_it_is_about(fails) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 — of all kinds
        fails()

    said = logged(caught.value)
    assert type(caught.value).__qualname__ in said
    assert "test_discreet_log.py" in said
    assert ADDRESS not in said


def test_a_fault_tells_what_it_came_of_first() -> None:
    try:
        try:
            raise OSError(110, "Connection timed out")
        except OSError as error:
            raise RuntimeError("the turn failed") from error
    except RuntimeError as error:
        said = logged(error)

    assert said.index("TimeoutError: [Errno 110] Connection timed out") < said.index("RuntimeError: the turn failed")


def test_a_database_that_is_gone_is_one_line_and_anything_else_has_its_frames(caplog: pytest.LogCaptureFixture) -> None:
    stops = DBAPIError("SELECT 1", None, CannotConnectNowError("the database system is shutting down"))
    no_table = DBAPIError("SELECT 1", None, UndefinedTableError('relation "x" does not exist'))
    for error in (ConnectionError("gone"), TypeError("wrong"), stops, no_table):
        note_fault(logging.getLogger("forums.clock"), "the clock's turn failed; it goes on", error)

    assert [bool(each.exc_info) for each in caplog.records] == [False, True, False, True]
    assert caplog.records[0].getMessage() == "the clock's turn failed; it goes on: ConnectionError: gone"
