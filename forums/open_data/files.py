"""The files of the open data: CSV, JSON, Table Schemas, the data package that holds them together, one archive of all.

A CSV file is UTF-8 with commas and says exactly what the JSON says, but for one thing: a spreadsheet would run a
text that begins as a formula does, so an apostrophe is put before it. `faithful` takes it off again, never another.
"""

import asyncio
import csv
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from forums import __version__
from forums.open_data.catalogue import ROWS
from forums.open_data.columns import Field, Row, fields_of, key_of
from forums.open_data.reading import Values, instant, last_change, one_view, read

LICENCE = {
    "name": "etalab-2.0",
    "title": "Licence Ouverte 2.0 (Etalab)",
    "path": "https://github.com/etalab/licence-ouverte/blob/master/LO.md",
}
TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", date: "date", datetime: "datetime", list: "array"}

# What a spreadsheet takes for a formula, and what was already so guarded; a plain number does no harm.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[-+]?\d+(?:[.,\s]\d+)*\s?%?")


@dataclass(frozen=True)
class File:
    """A file ready to be sent, and when the last of its dated facts became public."""

    content: bytes
    rows: int
    updated: str | None


# -- One file -------------------------------------------------------------------------------------------------


async def as_csv(session: AsyncSession, row: type[Row]) -> File:
    fields = list(fields_of(row))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([field.name for field in fields])
    dates = _Dates(fields)
    async for part in read(session, row):
        writer.writerows([[_cell(field, values[field.name]) for field in fields] for values in part])
        dates.note(part)
    return File(text.getvalue().encode(), dates.rows, await _updated(session, row, dates))


async def as_json(session: AsyncSession, row: type[Row]) -> File:
    dates = _Dates(list(fields_of(row)))
    lines: list[str] = []
    async for part in read(session, row):
        lines += [json.dumps(values, ensure_ascii=False) for values in part]
        dates.note(part)
    body = "[\n" + ",\n".join(lines) + "\n]\n"
    return File(body.encode(), dates.rows, await _updated(session, row, dates))


async def _updated(session: AsyncSession, row: type[Row], dates: "_Dates") -> str | None:
    elsewhere = await last_change(session, row.follows)
    moments = [dates.last, instant(elsewhere) if elsewhere else None]
    return max((each for each in moments if each), default=None)


class _Dates:
    """The rows that went by, and the last of their dated facts."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = [field.name for field in fields if field.column.dated]
        self.rows, self.last = 0, None

    def note(self, part: Sequence[Values]) -> None:
        self.rows += len(part)
        moments = [self.last, *(values[name] for values in part for name in self.names)]
        self.last = max((each for each in moments if each), default=None)


def _cell(field: Field, value: Any) -> str:
    if value is None:
        return ""
    if field.kind is bool:
        return "true" if value else "false"
    if field.kind is list:
        return json.dumps(value, ensure_ascii=False)
    return disarmed(value) if field.kind is str else str(value)


def disarmed(text: str) -> str:
    """A text no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def faithful(text: str) -> str:
    """The text as it was before `disarmed`."""
    return text[1:] if _GUARDED.match(text) else text


# -- What describes them ------------------------------------------------------------------------------------------


def table_schema(row: type[Row]) -> dict[str, Any]:
    """The columns of a file as a Table Schema."""
    key = key_of(row)
    schema: dict[str, Any] = {
        "fields": [_described(field, unique=key == [field.name]) for field in fields_of(row)],
        "missingValues": [""],
        "primaryKey": key[0] if len(key) == 1 else key,
    }
    references = [field for field in fields_of(row) if field.column.refers]
    if references:
        schema["foreignKeys"] = [
            # An empty resource is this one (Table Schema).
            {"fields": field.name, "reference": {"resource": _other(row, field), "fields": "code"}}
            for field in references
        ]
    return schema


def _other(row: type[Row], field: Field) -> str:
    return "" if field.column.refers == row.file else field.column.refers


def _described(field: Field, *, unique: bool) -> dict[str, Any]:
    constraints: dict[str, Any] = {} if field.optional else {"required": True}
    if unique:
        constraints["unique"] = True
    if field.choices:
        constraints["enum"] = list(field.choices)
    described = {"name": field.name, "title": field.column.title, "description": field.column.description, "type": TYPES[field.kind]}
    return {**described, "constraints": constraints} if constraints else described


def datapackage(public_url: str, updated: datetime | None) -> dict[str, Any]:
    package = {
        "name": "forums-open-d-etat",
        "id": f"{public_url}/donnees",
        "title": "Forums Open d'État : données ouvertes",
        "description": (
            "Les engagements des plans d'action pour un gouvernement ouvert, les forums où ils sont examinés, les questions posées, "
            "les réponses données et les promesses faites. Chaque objet a un code, le même dans tous les fichiers et dans l'API."
        ),
        "homepage": f"{public_url}/donnees",
        "version": __version__,
        "profile": "tabular-data-package",
        "licenses": [LICENCE],
        "keywords": ["gouvernement ouvert", "redevabilité", "participation citoyenne", "OGP"],
        "resources": [_resource(row) for row in ROWS],
    }
    return {**package, "created": instant(updated)} if updated else package


def _resource(row: type[Row]) -> dict[str, Any]:
    return {
        "name": row.file,
        "path": f"{row.file}.csv",
        "profile": "tabular-data-resource",
        "title": row.title,
        "description": row.about,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "lineTerminator": "\r\n", "quoteChar": '"', "doubleQuote": True, "header": True},
        "schema": table_schema(row),
    }


def written(described: Mapping[str, Any]) -> bytes:
    return (json.dumps(described, ensure_ascii=False, indent=2) + "\n").encode()


# -- All of them ----------------------------------------------------------------------------------------------------


async def everything(session: AsyncSession, public_url: str, *, with_json: bool = False) -> dict[str, bytes]:
    """Every file by its name, as of one instant; the package comes last, so that whoever sees it finds all it names."""
    await one_view(session)
    found: dict[str, bytes] = {}
    for row in ROWS:
        found[f"{row.file}.csv"] = (await as_csv(session, row)).content
        if with_json:
            found[f"{row.file}.json"] = (await as_json(session, row)).content
            found[f"{row.file}.schema.json"] = written(table_schema(row))
    found["datapackage.json"] = written(datapackage(public_url, await last_change(session)))
    return found


async def archive(session: AsyncSession, public_url: str) -> bytes:
    return await asyncio.to_thread(_zipped, await everything(session, public_url))


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same files: their date in the archive is always the same."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, each in files.items():
            made.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), each, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def put(files: Mapping[str, bytes], directory: Path) -> None:
    """Write them in a directory: each takes the place of the one before it whole, and none does before all are written."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".export-") as apart:
        for name, content in files.items():
            (Path(apart) / name).write_bytes(content)
        for name in files:
            (Path(apart) / name).replace(directory / name)
