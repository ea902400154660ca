"""How a public object is described: a class whose fields are its columns, each said once with all there is to say.

A field gives its name and its type; its `Column` gives its French title, what it means, the SQL it comes from and
the file it refers to. The CSV, the JSON, the Table Schema, the data package, the filters of the API and its OpenAPI
description are derived from these classes, so that none can say anything else.
"""

import re
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnClause, ColumnElement, Integer, Join, String, case, cast, false, func, literal_column, true
from sqlalchemy import select as plain_select
from sqlalchemy.orm import aliased
from sqlalchemy.sql import visitors
from sqlmodel import col

from forums.models import ActionPlan, Commitment, Forum


@dataclass(frozen=True, eq=False)
class Column:
    """What is said of a field. `refers` names the file whose `code` it holds; `dated` marks when a fact became public;
    `shown` makes what is public of what is stored."""

    title: str
    description: str
    source: Any
    refers: str = ""
    key: bool = False
    dated: bool = False
    shown: Callable[[Any], Any] | None = None

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core), "title": self.title, "description": self.description}


@dataclass(frozen=True)
class Field:
    """A field of a row as every format needs it."""

    name: str
    kind: type
    optional: bool
    choices: tuple[str, ...]
    column: Column

    @property
    def filters(self) -> bool:
        """Whether the API filters by it: what refers to another object, a closed list, a yes or no."""
        return bool(self.column.refers) or bool(self.choices) or self.kind is bool


class Row(BaseModel):
    """A public object or a link between two. Its first field is its key, `code`; a link's key is all it refers to.

    `file` names the file and the collection of the API, `order` how rows follow one another, `day` the field that
    the dates of a search are about, `parts` what a code is made of, where it is more than one thing, `follows` the
    files whose dated facts change its rows too: an answer changes where its question stands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    file: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    order: ClassVar[tuple[str, ...]] = ()
    day: ClassVar[str] = ""
    follows: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[tuple[str, ...]] = ("code",)

    @classmethod
    def drawn(cls, query: Any) -> Any:
        """Where the rows come from, and which of them the public may read."""
        raise NotImplementedError


@cache
def fields_of(row: type[Row]) -> tuple[Field, ...]:
    return tuple(_fields(row))


def _fields(row: type[Row]) -> Iterator[Field]:
    for name, info in row.model_fields.items():
        column = next(each for each in info.metadata if isinstance(each, Column))
        kinds = [each for each in _members(info.annotation) if each is not type(None)]
        optional = len(kinds) < len(_members(info.annotation))
        choices = get_args(kinds[0]) if get_origin(kinds[0]) is Literal else ()
        yield Field(name, str if choices else get_origin(kinds[0]) or kinds[0], optional, choices, column)


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def key_of(row: type[Row]) -> list[str]:
    return [field.name for field in fields_of(row) if field.column.key]


def is_object(row: type[Row]) -> bool:
    """Whether rows have a code of their own; others are links between objects, or steps of one."""
    return "code" in row.model_fields


@cache
def query_of(row: type[Row]) -> Any:
    """Every public row, in its order; its columns are named as the fields."""
    drawn = rows_of(row).subquery()
    return plain_select(drawn).order_by(*(drawn.c[name] for name in row.order or key_of(row)))


@cache
def rows_of(row: type[Row]) -> Any:
    """The same without order."""
    return row.drawn(plain_select(*(field.column.source.label(field.name) for field in fields_of(row))))


@cache
def identity_of(row: type[Row]) -> tuple[Any, ...]:
    """The primary key of the table each row is one of: to choose rows by it, nothing that is only shown needs to be read."""
    one, _, _ = _drawn(row)
    while isinstance(one, Join):
        one = one.left
    return tuple(one.primary_key)


@cache
def _drawn(row: type[Row]) -> tuple[Any, Sequence[Any], set[str]]:
    """Where rows come from, which of them are public, and the tables that this is read from."""
    drawn = row.drawn(plain_select(literal_column("1")))
    public = [] if drawn.whereclause is None else [drawn.whereclause]
    return drawn.get_final_froms()[0], public, _tables_of(*public)


def lean(row: type[Row], columns: Sequence[Any], conditions: Sequence[Any] = (), order: Sequence[Any] = ()) -> Any:
    """These columns of the rows, with no join that only brings what is not asked for: an outer one adds or takes away no row."""
    whole, public, used = _drawn(row)
    needed = _needed(whole, used | _tables_of(*columns, *conditions, *order))
    return plain_select(*columns).select_from(needed).where(*public, *conditions).order_by(*order)


def _needed(joined_up: Any, used: set[str]) -> Any:
    if not isinstance(joined_up, Join):
        return joined_up
    if joined_up.isouter and str(getattr(joined_up.right, "name", "")) not in used:
        return _needed(joined_up.left, used)
    left = _needed(joined_up.left, used | _tables_of(joined_up.onclause))
    return left.join(joined_up.right, joined_up.onclause, isouter=joined_up.isouter)


def _tables_of(*clauses: Any) -> set[str]:
    """The names of the tables whose columns are read."""
    parts = [part for clause in clauses for part in visitors.iterate(clause)]
    return {str(getattr(part.table, "name", "")) for part in parts if isinstance(part, ColumnClause)}


def sources_of(row: type[Row]) -> dict[str, Any]:
    """Where each field comes from."""
    return {field.name: field.column.source for field in fields_of(row)}


def ordered(row: type[Row]) -> list[Any]:
    return [sources_of(row)[name] for name in row.order or key_of(row)]


# -- Pieces of SQL that several rows share ------------------------------------------------------------------


def fixed(word: str) -> ColumnElement[str]:
    """A word of ours, in the statement itself: PostgreSQL then plans it once, not again for each value it might have."""
    return literal_column("'" + word.replace("'", "''") + "'", String)


def joined(*parts: Any) -> ColumnElement[str]:
    """Texts and numbers one after the other; NULL as soon as one is."""
    made: Any = fixed("")
    for part in parts:
        made = made + (fixed(part) if isinstance(part, str) else cast(part, String))
    if len(parts) == 3 and parts[1] == "/" and isinstance(parts[2].type, Integer):
        made.found_by = lambda value: _found_apart(parts[0], parts[2], value)
    return made  # type: ignore[no-any-return]


def _found_apart(code: Any, number: Any, value: str) -> ColumnElement[bool]:
    """A code and a number are looked up each by its index: no index holds them joined."""
    one, _, other = value.rpartition("/")
    return (code == one) & (number == int(other)) if re.fullmatch("[1-9][0-9]{0,8}", other) else false()


def equals(source: Any, value: Any) -> ColumnElement[bool]:
    """The rows where a field has this value; a source may know a shorter way to them (`found_by`)."""
    found_by = getattr(source, "found_by", None)
    return found_by(value) if found_by else source == value  # type: ignore[no-any-return]


def in_french(column: Any, words: dict[str, str]) -> ColumnElement[str]:
    return case(*((col(column) == fixed(word), fixed(french)) for word, french in words.items()))


def text(column: Any) -> ColumnElement[str]:
    """A text, or nothing at all when it is empty: the same in every format."""
    return func.nullif(col(column), fixed(""))


def truth(condition: Any) -> ColumnElement[bool]:
    return case((condition, true()), else_=false())


def commitment_code(commitment: Any = Commitment, plan: Any = ActionPlan) -> ColumnElement[str]:
    return joined(col(plan.slug), "/", col(commitment.number))


def commitment_address(commitment: Any = Commitment, plan: Any = ActionPlan, anchor: str = "") -> ColumnElement[str]:
    """The address that stays a commitment's own when its plan is not current any more."""
    return joined("/plans/", col(plan.slug), "/engagements/", col(commitment.number), anchor)


def announced(forum: Any = Forum) -> ColumnElement[bool]:
    """A forum the public may see, cancelled since or not."""
    return col(forum.announced_at).is_not(None)


def rank(change: Any, of: str, public: Callable[[Any], list[Any]]) -> Any:
    """The place of a change among those of the same thing that are public: the same whichever rows are read beside it."""
    earlier = aliased(change)
    before = (col(earlier.at) < col(change.at)) | (col(earlier.at) == col(change.at)) & (col(earlier.id) <= col(change.id))
    counted = plain_select(func.count()).select_from(earlier).where(getattr(earlier, of) == getattr(change, of), before, *public(earlier))
    return counted.correlate_except(earlier).scalar_subquery()
