"""The files of the open data: what they hold, what they never hold, and what describes them."""

import asyncio
import contextlib
import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import frictionless
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forums import open_data
from forums.database import Database
from forums.open_data import BY_FILE, ROWS, Row, fields_of
from forums.open_data.files import disarmed, faithful
from forums.open_data.reading import read
from tests.factories import NOW, a_commitment, a_measurement, a_plan, a_question, an_indicator
from tests.open_season import SECRET, an_open_season

PUBLIC_URL = "https://forums.example.fr"


async def files_of(database: Database) -> dict[str, bytes]:
    async with database.reading() as session:
        return await open_data.everything(session, PUBLIC_URL, with_json=True)


async def a_season_in(database: Database) -> dict[str, Any]:
    async with database.transaction() as session:
        return await an_open_season(session)


def table(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[f"{name}.csv"].decode(), newline="")))


# -- What they hold ---------------------------------------------------------------------------------------------


async def test_every_file_has_rows_and_each_row_is_of_its_type(database: Database):
    await a_season_in(database)

    for row in ROWS:
        async with database.reading() as session:
            found = [values async for part in read(session, row) for values in part]
        assert found, row.file
        for values in found:
            row.model_validate_json(json.dumps(values))
        keys = [tuple(values[field.name] for field in fields_of(row) if field.column.key) for values in found]
        assert len(set(keys)) == len(keys), row.file


async def test_a_value_is_a_number_too_where_it_can_be_read_as_one(database: Database):
    written = [("1 234,5", "jeux de données", 1234.5), ("76 %", "%", 76), ("environ 40", "", None), ("12.000", "", None), ("oui", "", None)]
    async with database.transaction() as session:
        commitment = await a_commitment(session, await a_plan(session))
        for number, (value, unit, _) in enumerate(written, start=1):
            indicator = await an_indicator(session, commitment, number, baseline=value, unit=unit)
            await a_measurement(session, indicator, NOW.date(), value)

    files = await files_of(database)

    read_as = {each["valeur"]: each["valeur_nombre"] for each in json.loads(files["mesures.json"])}
    described = {each["depart"]: (each["depart_nombre"], each["cible_nombre"]) for each in json.loads(files["indicateurs.json"])}
    assert read_as == {value: number for value, _, number in written}
    assert described == {value: (number, None) for value, _, number in written}
    assert {each["valeur_nombre"] for each in table(files, "mesures")} == {"1234.5", "76", ""}


async def test_csv_and_json_say_the_same(database: Database):
    await a_season_in(database)

    files = await files_of(database)

    for row in ROWS:
        from_json = json.loads(files[f"{row.file}.json"])
        assert [_as_text(row, each) for each in from_json] == [_undone(row, each) for each in table(files, row.file)], row.file


def _as_text(row: type[Row], values: dict[str, Any]) -> dict[str, str]:
    def text(value: Any) -> str:
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return {name: text(value) for name, value in values.items()}


def _undone(row: type[Row], cells: dict[str, str]) -> dict[str, str]:
    texts = {field.name for field in fields_of(row) if field.kind is str}
    return {name: faithful(cell) if name in texts else cell for name, cell in cells.items()}


async def test_instants_are_in_utc_days_are_iso_and_names_hold_no_accent(database: Database):
    await a_season_in(database)

    files = await files_of(database)
    question, forum = table(files, "questions")[0], table(files, "forums")[0]

    assert question["publiee_le"] == "2027-02-01T09:00:00Z"
    assert (forum["jour"], forum["debut"]) == ("2026-12-23", "2026-12-23T17:30:00Z")
    for row in ROWS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", row.file)
        assert all(re.fullmatch(r"[a-z_]+", field.name) for field in fields_of(row))
        assert files[f"{row.file}.csv"].startswith(",".join(row.model_fields).encode() + b"\r\n")


async def test_a_name_is_there_only_when_its_owner_wanted_it(database: Database):
    await a_season_in(database)

    files = await files_of(database)

    assert {each["auteur"] for each in table(files, "questions")} == {"", "Camille Exemple"}
    assert {(each["auteur"], each["organisation"]) for each in table(files, "commentaires")} == {("", ""), ("Camille", "Une association")}


async def test_a_merged_question_says_where_it_went_and_one_withdrawn_is_gone(database: Database):
    await a_season_in(database)

    questions = table(await files_of(database), "questions")
    merged = [each for each in questions if each["etat"] == "reunie"]

    assert len(merged) == 1
    assert merged[0]["reunie_a"] in {each["code"] for each in questions if each["etat"] == "publiee"}
    assert merged[0]["situation"] == ""


async def test_where_a_question_stands_is_what_its_page_says(database: Database):
    chain = await a_season_in(database)

    files = await files_of(database)
    question = next(each for each in table(files, "questions") if each["code"] == chain["questions"])

    assert (question["situation"], question["reportee_au"], question["soutiens"]) == ("reportee", "2027-06-01", "1")


# -- What they never hold ------------------------------------------------------------------------------------------


async def test_nothing_private_is_in_any_byte_of_any_file(database: Database):
    await a_season_in(database)

    files = await files_of(database)

    assert {name: re.findall(rf"{SECRET}[^\"\\]*", content.decode()) for name, content in files.items() if SECRET.encode() in content} == {}
    assert not any(b"@example.org" in content for content in files.values())


@given(st.text())
def test_no_text_begins_as_a_formula_and_each_can_be_had_back(text: str):
    cell = disarmed(text)

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or re.fullmatch(r"[-+]?\d[\d.,\s]*%?", cell)
    assert faithful(cell) == text


@pytest.mark.parametrize(
    ("text", "cell"), [("-12,5", "-12,5"), ("+3 %", "+3 %"), ("-un", "'-un"), ("'=1", "''=1"), ("l'été", "l'été"), ("=1", "'=1")]
)
def test_a_number_stays_a_number(text: str, cell: str):
    assert disarmed(text) == cell


# -- What describes them --------------------------------------------------------------------------------------------


async def test_frictionless_finds_the_package_valid(database: Database, tmp_path: Path):
    await a_season_in(database)
    open_data.put(await files_of(database), tmp_path)

    report = frictionless.validate(str(tmp_path / "datapackage.json"))

    assert report.flatten(["name", "type", "rowNumber", "fieldName", "note"]) == []
    assert report.stats["tasks"] == len(ROWS)


async def test_frictionless_sees_a_key_that_leads_nowhere(database: Database, tmp_path: Path):
    await a_season_in(database)
    files = await files_of(database)
    files["points-questions.csv"] = files["points-questions.csv"].replace(b"2027-1/1", b"2027-1/7")
    open_data.put(files, tmp_path)

    report = frictionless.validate(str(tmp_path / "datapackage.json"))

    assert report.flatten(["type"]) == [["foreign-key"]]


def test_what_a_field_refers_to_is_an_object_and_has_its_type():
    for row in ROWS:
        for field in fields_of(row):
            assert not field.column.refers or "code" in BY_FILE[field.column.refers].model_fields, (row.file, field.name)
            assert not field.column.refers or field.kind is str


async def test_the_package_says_its_licence_and_when_it_last_changed(database: Database):
    async with database.transaction() as session:
        await a_plan(session)
        await a_question(session, decided_at=NOW)

    package = json.loads((await files_of(database))["datapackage.json"])

    assert package["licenses"][0]["name"] == "etalab-2.0"
    assert datetime.fromisoformat(package["created"]) == NOW.astimezone(UTC)
    assert [each["name"] for each in package["resources"]] == [row.file for row in ROWS]


def test_each_file_takes_the_place_of_the_one_before_whole(tmp_path: Path):
    (tmp_path / "questions.csv").write_text("ancien")
    (tmp_path / "a-moi.txt").write_text("à garder")

    open_data.put({"questions.csv": b"nouveau"}, tmp_path)

    assert (tmp_path / "questions.csv").read_text() == "nouveau"
    assert (tmp_path / "a-moi.txt").read_text() == "à garder"
    assert not list(tmp_path.glob(".export-*"))


# -- How long they are ------------------------------------------------------------------------------------------------


async def test_lengths_are_shown_at_once_and_counted_again_behind_whoever_asks(database: Database):
    seconds = 0.0
    async with database.transaction() as session:
        await a_question(session)
    lengths = open_data.Measures(database, lambda: NOW, lambda: seconds)

    counted = [(await lengths.lengths()).files["questions"].rows]
    async with database.transaction() as session:
        await a_question(session, email="nouvelle@example.org")
    for later in (5.0, 11.0):
        seconds = later
        counted.append((await lengths.lengths()).files["questions"].rows)
    assert lengths.measuring
    await lengths.measuring
    counted.append((await lengths.lengths()).files["questions"].rows)
    seconds += 4000
    async with database.transaction() as session:
        await a_question(session, email="encore@example.org")
    counted.append((await lengths.lengths()).files["questions"].rows)
    await lengths.close()

    assert counted == [1, 1, 1, 2, 3]


async def test_a_database_that_is_gone_while_lengths_are_counted_leaves_those_there_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    seconds = 0.0
    lengths = open_data.Measures(database, lambda: NOW, lambda: seconds)
    before = await lengths.lengths()

    @contextlib.asynccontextmanager
    async def gone():
        raise OSError("gone")
        yield

    monkeypatch.setattr(database, "reading", gone)
    seconds = 60.0
    assert await lengths.lengths() is before
    assert lengths.measuring
    await asyncio.wait({lengths.measuring})
    monkeypatch.undo()
    assert await lengths.lengths() is before
    await lengths.measuring

    assert (await lengths.lengths()).ended == 60.0
