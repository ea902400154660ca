"""Questions put to the open data over the API: a list with its filters, or one object with its links both ways.

What may be asked is derived from the columns. A parameter nobody knows, or a value it cannot have, is refused with
what would be right: a filter that was ignored would be an answer to another question.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models.forum import PARIS
from forums.open_data.catalogue import referring_to
from forums.open_data.columns import Row, fields_of, is_object
from forums.open_data.reading import PER_PAGE, Search, Values, search

API = "/api/v1"
KEY = "^[a-z0-9][a-z0-9/-]{0,199}$"
LARGEST, LAST_PAGE = 100, 9999
LINKED = 100
"""How many linked objects are named beside one; the list they are from has the others."""


@dataclass(frozen=True)
class Parameter:
    """Something a list may be asked: its name, what it may hold, and the words for those who ask."""

    name: str
    schema: dict[str, Any]
    description: str
    field: str = ""


class BadParameters(Exception):
    """What was asked cannot be answered; each fault with the parameter it is in."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__(faults)
        self.faults = faults


def parameters_of(row: type[Row]) -> list[Parameter]:
    found = [_filter(field.name, field.column.description, field.choices, field.kind) for field in fields_of(row) if field.filters]
    if row.day:
        day = {"type": "string", "format": "date"}
        found.append(Parameter("depuis", day, f"Premier jour, sur la date « {row.day} », à Paris."))
        found.append(Parameter("jusqu_a", day, f"Dernier jour, sur la date « {row.day} », à Paris."))
    page = {"type": "integer", "minimum": 1, "maximum": LAST_PAGE, "default": 1}
    per_page = {"type": "integer", "minimum": 1, "maximum": LARGEST, "default": PER_PAGE}
    return [*found, Parameter("page", page, "Numéro de la page."), Parameter("par_page", per_page, "Nombre d'objets par page.")]


def _filter(name: str, description: str, choices: Sequence[str], kind: type) -> Parameter:
    if choices:
        return Parameter(name, {"type": "string", "enum": list(choices)}, description, name)
    if kind is bool:
        return Parameter(name, {"type": "boolean"}, description, name)
    return Parameter(name, {"type": "string", "pattern": KEY, "maxLength": 200}, f"Code. {description}", name)


# -- What was typed -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A search, with what its addresses repeat."""

    search: Search
    page: int
    per_page: int
    filters: dict[str, str]

    def address(self, row: type[Row], page: int) -> str:
        more = {"page": str(page)} | ({"par_page": str(self.per_page)} if self.per_page != PER_PAGE else {})
        return f"{API}/{row.file}?{urlencode(self.filters | more)}"


def understood(row: type[Row], typed: Sequence[tuple[str, str]]) -> Asked:
    """The search a query string asks for. Raises `BadParameters`."""
    known = {each.name: each for each in parameters_of(row)}
    values: dict[str, Any] = {}
    faults: list[tuple[str, str]] = []
    for name, text in typed:
        if name not in known:
            faults.append((name, f"Paramètre inconnu ; ceux de cette liste : {', '.join(known)}."))
        elif name in values:
            faults.append((name, "Ce paramètre est donné deux fois."))
        else:
            try:
                values[name] = _value(known[name], text)
            except ValueError as error:
                faults.append((name, str(error)))
    if faults:
        raise BadParameters(faults)
    return _asked(row, known, values, dict(typed))


def _value(parameter: Parameter, text: str) -> Any:
    schema = parameter.schema
    if "enum" in schema:
        if text not in schema["enum"]:
            raise ValueError(f"Valeur inconnue ; celles qui conviennent : {', '.join(schema['enum'])}.")
        return text
    if schema["type"] == "boolean":
        if text not in ("true", "false"):
            raise ValueError("Donnez true ou false.")
        return text == "true"
    if schema["type"] == "integer":
        if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= schema["maximum"]:
            raise ValueError(f"Donnez un nombre entier de 1 à {schema['maximum']}.")
        return int(text)
    if schema.get("format") == "date":
        return _day(text)
    if not is_code(text):
        raise ValueError("Donnez un code, comme dans les fichiers.")
    return text


def _day(text: str) -> date:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("Donnez un jour comme 2018-05-24.")


def is_code(text: str) -> bool:
    """Whether it could be an object's; nothing else is looked for."""
    return re.fullmatch(KEY.strip("^$"), text) is not None


def _asked(row: type[Row], known: dict[str, Parameter], values: dict[str, Any], typed: dict[str, str]) -> Asked:
    page, per_page = values.pop("page", 1), values.pop("par_page", PER_PAGE)
    first, last = values.pop("depuis", None), values.pop("jusqu_a", None)
    if row.day and next(field for field in fields_of(row) if field.name == row.day).kind is datetime:
        first = first and _midnight(first)
        last = last and _midnight(last, days=1)
    filters = {name: text for name, text in typed.items() if name not in ("page", "par_page")}
    return Asked(Search(values, first, last, (page - 1) * per_page, per_page), page, per_page, filters)


def _midnight(day: date, *, days: int = 0) -> datetime:
    """When a day begins in Paris, or so many days later; days nobody can have meant are brought nearer."""
    near = min(max(day, date(1900, 1, 1)), date(2999, 12, 31))
    return datetime.combine(near + timedelta(days=days), time(), PARIS).astimezone(UTC)


# -- What is answered -------------------------------------------------------------------------------------------------


async def a_list(session: AsyncSession, row: type[Row], asked: Asked) -> dict[str, Any]:
    found = await search(session, row, asked.search)
    pages = max(1, -(-found.total // asked.per_page))
    counted = {"total": found.total, "total_exact": found.exact, "page": asked.page, "pages": pages, "par_page": asked.per_page}
    return {**counted, "resultats": found.rows}


def neighbours(row: type[Row], asked: Asked, found: Mapping[str, Any]) -> dict[str, str]:
    """The addresses of the pages around (RFC 8288), by their relation; which is the last is not said where it is not known."""
    pages = found["pages"]
    around = {"first": 1, "prev": min(asked.page - 1, pages), "next": asked.page + 1} | ({"last": pages} if found["total_exact"] else {})
    return {name: asked.address(row, page) for name, page in around.items() if 1 <= page <= pages and page <= LAST_PAGE}


async def one(session: AsyncSession, row: type[Row], code: str) -> dict[str, Any] | None:
    """An object with its links both ways; None when the public knows none of that code."""
    if not is_code(code):
        return None
    found = (await search(session, row, Search({"code": code}, limit=1))).rows
    return {**found[0], "liens": await _links(session, row, found[0])} if found else None


async def _links(session: AsyncSession, row: type[Row], values: Values) -> dict[str, Any]:
    links: dict[str, Any] = {}
    for field in fields_of(row):
        if field.column.refers:
            links[field.name] = reference(field.column.refers, values[field.name]) if values[field.name] else None
    for other, field, name in referring_to(row):
        found = await search(session, other, Search({field.name: values["code"]}, limit=LINKED))
        links[name] = {
            "total": found.total,
            "total_exact": found.exact,
            "adresse_api": f"{API}/{other.file}?{urlencode({field.name: values['code']}, safe='/')}",
            "elements": [_element(other, field.name, each) for each in found.rows],
        }
    return links


def reference(file: str, code: str) -> dict[str, str]:
    return {"code": code, "adresse_api": f"{API}/{file}/{code}"}


def _element(row: type[Row], by: str, values: Values) -> dict[str, Any]:
    """Of an object, how to reach it; of a link, all it says but for what it was reached by."""
    if is_object(row):
        return reference(row.file, values["code"])
    return {name: value for name, value in values.items() if name != by}
