"""A plan read from the columns of the Open Government Partnership's dataset of commitments, a CSV file.

Columns are known by their names, in any order; what this site has no place for is ignored, and said. Nothing is
translated: the English title is shown as a working title, and what OGP's reviewer wrote is told in its own words.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from forums.plan_files import BadFile, PlanFile, read_text

COUNTRY: Final = "Country/Locality"
PLAN: Final = "Action Plan Number"
NUMBER: Final = "Commitment Number"
TITLE: Final = "Commitment Title"
YEAR: Final = "Year Of Submission"
CODE: Final = "Commitment Unique Identifier"
TEXT: Final = "Full Text"
LEAD: Final = "Lead Institution"
SUPPORT: Final = "Supporting Institution(s)"
URL: Final = "URL"
COMPLETION: Final = "Completion (Progress Report)"

REQUIRED: Final = (COUNTRY, PLAN, NUMBER, TITLE)
# What OGP's reviewer found, told as it is written there.
FOUND: Final = (COMPLETION, "Did It Open Government (Overall)", "Specificity", "Potential Impact")
KNOWN: Final = frozenset({*REQUIRED, *FOUND, YEAR, CODE, TEXT, LEAD, SUPPORT, URL})

_DEGREES: Final = {"not started": "non_commence", "limited": "limite", "substantial": "substantiel", "complete": "acheve"}
_NOTHING: Final = frozenset({"", "na", "n/a", "nd", "-"})


class Row(NamedTuple):
    """One commitment of the file: the line it begins at and its cells, blank ones left out."""

    line: int
    cells: Mapping[str, str]


class Dataset(NamedTuple):
    """A plan taken from the file, and the columns that were ignored."""

    file: PlanFile
    ignored: Sequence[str]


def read_ogp(path: Path, *, country: str | None = None, plan: str | None = None, slug: str | None = None) -> Dataset:
    """Read and check one plan of the dataset. Raises `BadFile`, also when the file holds several and none is chosen."""
    text = read_text(path, "utf-8-sig")
    header = text.partition("\n")[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=";" if header.count(";") > header.count(",") else ",", strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        rows = list(_rows(path, reader, columns))
    except csv.Error as error:
        raise BadFile(f"{path}, ligne {reader.line_num} : ce n'est pas du CSV ({error}).") from None
    chosen = _chosen(path, rows, country, plan)
    return Dataset(_plan(path, chosen, slug), [name for name in columns if name and name not in KNOWN])


def _rows(path: Path, reader: Any, columns: Sequence[str]) -> Iterator[Row]:
    for name in REQUIRED:
        if name not in columns:
            raise BadFile(f"{path}, ligne 1 : il manque la colonne « {name} ».")
    for name in columns:
        if name in KNOWN and columns.count(name) > 1:
            raise BadFile(f"{path}, ligne 1 : la colonne « {name} » est donnée deux fois.")
    line = reader.line_num + 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            if len(cells) > len(columns):
                raise BadFile(f"{path}, ligne {line} : il y a plus de cases que de colonnes.")
            filled = {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
            yield Row(line, {name: cell for name, cell in filled.items() if cell.lower() not in _NOTHING})
        line = reader.line_num + 1


def _chosen(path: Path, rows: Sequence[Row], country: str | None, plan: str | None) -> list[Row]:
    for row in rows:
        for name in (COUNTRY, PLAN):
            if name not in row.cells:
                raise BadFile(f"{path}, ligne {row.line} : {name} : il manque.")
    wanted = [
        row
        for row in rows
        if (country is None or row.cells[COUNTRY].casefold() == country.casefold()) and (plan is None or _whole(row.cells[PLAN]) == plan)
    ]
    held = dict.fromkeys(f"{row.cells[COUNTRY]} {_whole(row.cells[PLAN])}" for row in wanted)
    if not wanted:
        raise BadFile(f"{path} : aucun engagement de ce pays et de ce plan.")
    if len(held) > 1:
        some = ", ".join(list(held)[:8]) + (", …" if len(held) > 8 else "")
        raise BadFile(f"{path} : ce fichier contient plusieurs plans ({some}) : choisissez-en un avec --country et --plan.")
    return wanted


def _plan(path: Path, rows: Sequence[Row], slug: str | None) -> PlanFile:
    country, number = rows[0].cells[COUNTRY], _whole(rows[0].cells[PLAN])
    year = rows[0].cells.get(YEAR)
    slug = slug or _slug(f"{country} {number}")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        raise BadFile(f"{path} : « {slug} » : lettres minuscules, chiffres et traits d'union seulement.")
    entry = {
        "slug": slug,
        "titre": f"{country} : plan d'action n° {number}" + (f", déposé en {_whole(year)}" if year else ""),
        "resume": "Lu dans le jeu de données des engagements de l'OGP : les titres sont ceux de l'OGP, en anglais.",
    }
    seen: set[int] = set()
    commitments = []
    for row in rows:
        commitments.append(_commitment(path, row))
        if commitments[-1]["numero"] in seen:
            raise BadFile(f"{path}, ligne {row.line} : {NUMBER} : ce numéro est donné deux fois.")
        seen.add(commitments[-1]["numero"])
    return PlanFile.model_validate({"plan": entry, "engagements": commitments})


def _commitment(path: Path, row: Row) -> dict[str, Any]:
    for name in (NUMBER, TITLE):
        if name not in row.cells:
            raise BadFile(f"{path}, ligne {row.line} : {name} : il manque.")
    number = _whole(row.cells[NUMBER])
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 10_000):
        raise BadFile(f"{path}, ligne {row.line} : {NUMBER} : un nombre entier de 1 à 9 999 est attendu.")
    address = row.cells.get(URL, "")
    return {
        "numero": int(number),
        "code_ogp": row.cells.get(CODE),
        "libelle_de_travail": row.cells[TITLE],
        "titre_en": row.cells[TITLE],
        "resume": row.cells.get(TEXT, ""),
        "porteurs": _names(row.cells.get(LEAD, "")),
        "parties_prenantes": _names(row.cells.get(SUPPORT, "")),
        "evaluations": _evaluations(row, address),
        "sources": [address] if re.match(r"https?://[^\s/]+", address) else [],
    }


def _evaluations(row: Row, address: str) -> list[dict[str, Any]]:
    """What OGP's reviewer found; a degree of completion only when it is one of the four."""
    found = [f"{name} : {row.cells[name]}" for name in FOUND if name in row.cells]
    if not found:
        return []
    evaluation = {
        "type": "independante",
        "titre": "Jeu de données des engagements de l'OGP",
        "auteur": "OGP, Independent Reporting Mechanism",
        "constats": "\n".join(found),
        "achevement": _DEGREES.get(row.cells.get(COMPLETION, "").lower()),
        "source": address if re.match(r"https?://[^\s/]+", address) else None,
    }
    return [evaluation]


def _names(text: str) -> list[str]:
    """Several in one cell are told apart by semicolons or lines: a comma is part of many names."""
    return list(dict.fromkeys(name.strip() for name in re.split(r"[;\n]", text) if name.strip().lower() not in _NOTHING))


def _whole(text: str) -> str:
    """Spreadsheets write 2 as 2.0."""
    return re.sub(r"\.0+$", "", text.strip())


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "plan"
