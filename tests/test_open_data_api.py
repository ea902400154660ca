"""The API and the pages of the open data: the same as the files, refusals in words, and nothing private."""

import html
import json
import re
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import migrations, open_data
from forums.app import create_app
from forums.database import Database
from forums.models import Answer
from forums.open_data import BY_FILE, OBJECTS, ROWS, reading
from forums.open_data.openapi import path_of
from forums.settings import Settings
from tests import fuzz_api
from tests.factories import a_commitment, a_plan, a_question, an_institution
from tests.open_season import SECRET, an_open_season
from tests.site import PUBLIC_URL, Site, running


@pytest.fixture
async def open_site(settings: Settings, sqlite_with_tables: Path) -> AsyncIterator[Site]:
    """The site with one of everything, and nothing that anybody may not read."""
    shutil.copy(sqlite_with_tables, settings.sqlite_path)
    async with running(settings) as found:
        async with found.database.transaction() as session:
            await an_open_season(session)
        yield found


async def asked(site: Site, path: str) -> Any:
    response = await site.get(path)
    assert response.status_code == 200, (path, response.text)
    return response.json()


# -- The same as the files ---------------------------------------------------------------------------------------


async def test_a_list_says_what_the_file_says(open_site: Site):
    for row in ROWS:
        from_file = await asked(open_site, f"/donnees/{row.file}.json")
        found = await asked(open_site, f"/api/v1/{row.file}?par_page=100")

        assert (found["resultats"], found["total"]) == (from_file, len(from_file)), row.file


async def test_an_object_says_what_its_row_says_and_every_address_it_gives_answers(open_site: Site):
    for row in OBJECTS:
        for each in await asked(open_site, f"/donnees/{row.file}.json"):
            found = await asked(open_site, f"/api/v1/{row.file}/{each['code']}")
            links = found.pop("liens")

            assert found == each
            for link in links.values():
                if link:
                    await asked(open_site, link["adresse_api"])


async def test_nothing_private_is_in_any_byte_of_any_answer(open_site: Site):
    paths = ["/donnees", "/donnees/api", "/donnees/datapackage.json", "/api/v1", "/api/v1/openapi.json"]
    for row in ROWS:
        paths += [f"/donnees/{row.file}.csv", f"/donnees/{row.file}.json", f"/api/v1/{row.file}?par_page=100"]
    for row in OBJECTS:
        paths += [f"/api/v1/{row.file}/{each['code']}" for each in await asked(open_site, f"/donnees/{row.file}.json")]

    answers = {path: await open_site.get(path) for path in paths}

    assert {path: re.findall(f'{SECRET}[^"<]*', each.text) for path, each in answers.items() if SECRET in each.text} == {}
    assert [path for path, each in answers.items() if each.status_code != 200 or "@example.org" in each.text] == []


async def test_what_is_not_public_is_not_found_by_its_code(open_site: Site):
    async with open_site.database.transaction() as session:
        hidden = await a_question(session, email="z@example.org", status="pending")

    assert (await open_site.get(f"/api/v1/questions/{hidden.code}")).status_code == 404
    assert (await open_site.get("/api/v1/forums/2027-3")).status_code == 404


async def test_the_archive_holds_the_package_and_every_file_it_names(open_site: Site, tmp_path: Path):
    import zipfile

    (tmp_path / "tout.zip").write_bytes((await open_site.get("/donnees/forums-open-d-etat.zip")).content)

    with zipfile.ZipFile(tmp_path / "tout.zip") as archive:
        package = json.loads(archive.read("datapackage.json"))
        assert {each["path"] for each in package["resources"]} | {"datapackage.json"} == set(archive.namelist())


# -- What changes ------------------------------------------------------------------------------------------------------


async def test_a_file_is_made_anew_when_something_changes_and_not_before(open_site: Site):
    before = await open_site.get("/donnees/questions.csv")
    same = await open_site.get("/donnees/questions.csv", headers={"if-none-match": before.headers["etag"]})
    async with open_site.database.transaction() as session:
        await a_question(session, email="nouvelle@example.org", text="Et maintenant ?")
    await open_site.pages_grow_old()
    after = await open_site.get("/donnees/questions.csv", headers={"if-none-match": before.headers["etag"]})

    assert (before.status_code, same.status_code, after.status_code) == (200, 304, 200)
    assert "Et maintenant" in after.text
    assert "Et maintenant" not in before.text
    assert before.headers["last-modified"] == "Mon, 01 Feb 2027 09:00:00 GMT"


async def test_an_answer_dates_the_questions_whose_standing_it_changes(open_site: Site):
    later = datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
    async with open_site.database.transaction() as session:
        question = await a_question(session, email="nouvelle@example.org")
        hatvp = await an_institution(session, "Haute autorité")
        session.add(Answer(question_id=question.id, institution_id=hatvp.id, text="Oui.", published_at=later))

    dated = {each: (await open_site.get(f"/donnees/questions.{each}")).headers["last-modified"] for each in ("csv", "json")}

    assert set(dated.values()) == {"Thu, 04 Mar 2027 05:06:07 GMT"}
    line = re.search(r"<tr>(?:(?!</tr>).)*/donnees/questions\.csv(?:(?!</tr>).)*</tr>", (await open_site.get("/donnees")).text, re.DOTALL)
    assert line
    assert "4 mars 2027" in line[0]


async def test_the_page_counts_the_rows_of_each_file(open_site: Site):
    page = (await open_site.get("/donnees")).text

    for row in ROWS:
        count = len(await asked(open_site, f"/donnees/{row.file}.json"))
        line = re.search(rf"<td>(\d+)</td>\s*<td>(?:(?!</tr>).)*?/donnees/{row.file}\.csv", page, re.DOTALL)
        assert line, row.file
        assert int(line[1]) == count, row.file
    assert "Licence Ouverte 2.0" in page


async def test_a_file_has_one_address(open_site: Site):
    response = await open_site.get("/donnees/questions.csv?encore=1")

    assert (response.status_code, response.headers["location"]) == (308, "/donnees/questions.csv")


# -- Asking -----------------------------------------------------------------------------------------------------------


async def test_pages_follow_one_another_by_their_links(open_site: Site):
    seen, path = [], "/api/v1/questions?par_page=2"
    while path:
        response = await open_site.get(path)
        seen += [each["code"] for each in response.json()["resultats"]]
        following = re.search(r'<([^>]+)>; rel="next"', response.headers["link"])
        path = following[1].removeprefix(PUBLIC_URL) if following else ""

    assert seen == [each["code"] for each in await asked(open_site, "/donnees/questions.json")]


async def test_more_than_are_counted_are_walked_to_the_last_and_said_to_be_more(open_site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "COUNTED", 3)
    seen, path, said = [], "/api/v1/questions?par_page=2", []
    while path:
        response = await open_site.get(path)
        found = response.json()
        seen += [each["code"] for each in found["resultats"]]
        said.append((found["total"], found["total_exact"], 'rel="last"' in response.headers["link"]))
        following = re.search(r'<([^>]+)>; rel="next"', response.headers["link"])
        path = following[1].removeprefix(PUBLIC_URL) if following else ""

    assert seen == [each["code"] for each in await asked(open_site, "/donnees/questions.json")]
    assert said == [(4, False, False), (5, False, False), (6, True, True)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("engagement=2018-2020/2", 2),
        ("engagement=2018-2020/3", 0),
        ("nature=idee", 1),
        ("etat=reunie", 1),
        ("situation=reportee", 1),
        ("invente=true", 0),
        ("depuis=2027-02-01", 6),
        ("depuis=2027-02-02", 0),
        ("jusqu_a=2027-01-31", 0),
        ("jusqu_a=9999-12-31&depuis=0001-01-01", 6),
    ],
)
async def test_a_list_is_filtered(open_site: Site, query: str, expected: int):
    assert (await asked(open_site, f"/api/v1/questions?{query}"))["total"] == expected


@pytest.mark.parametrize(
    "query",
    ["couleur=bleu", "page=0", "page=un", "page=10000", "par_page=101", "etat=perdue", "invente=oui", "depuis=hier", "depuis=2027-02-30",
     "forum=Grand%20Soir", "page=1&page=2", "forum=", "depuis=20270201", "=", "a;b"],
)  # fmt: skip
async def test_what_cannot_be_understood_is_refused_with_what_is_wrong(open_site: Site, query: str):
    response = await open_site.get(f"/api/v1/questions?{query}")

    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    assert [each["parametre"] for each in response.json()["erreurs"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/rien", 404),
        ("GET", "/api/v1/questions/rien", 404),
        ("GET", "/api/v1/questions/%00", 404),
        ("GET", "/api/v1/questions/", 404),
        ("GET", "/api/v1/points-questions/rien", 404),
        ("GET", "/api/v1/engagements/2018-2020/2?x=1", 400),
        ("GET", "/api/v2", 404),
        ("GET", "/api", 404),
        ("POST", "/api/v1/questions", 405),
        ("DELETE", "/api/v1/questions/abcd2345", 405),
    ],
)
async def test_an_error_is_a_problem_that_any_page_may_read(open_site: Site, method: str, path: str, status: int):
    response = await open_site.client.request(method, path)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert (response.json()["status"], response.headers["access-control-allow-origin"]) == (status, "*")
    assert status != 405 or response.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_any_page_of_the_web_may_ask(open_site: Site):
    elsewhere = {"origin": "https://ailleurs.example"}
    allowed = await open_site.client.options("/api/v1/questions", headers=elsewhere | {"access-control-request-method": "GET"})
    first = await open_site.get("/api/v1/questions", headers=elsewhere)
    again = await open_site.get("/api/v1/questions", headers=elsewhere | {"if-none-match": first.headers["etag"]})

    assert (allowed.status_code, allowed.headers["access-control-allow-methods"]) == (200, "GET, HEAD, OPTIONS")
    assert (first.status_code, again.status_code) == (200, 304)
    assert {each.headers["access-control-allow-origin"] for each in (allowed, first, again)} == {"*"}


# -- What describes it ----------------------------------------------------------------------------------------------------


async def test_every_path_described_is_an_address_that_answers(open_site: Site):
    described = await asked(open_site, "/api/v1/openapi.json")

    for path in described["paths"]:
        collection, _, single = path.removeprefix("/api/v1").strip("/").partition("/")
        if single:
            code = (await asked(open_site, f"/donnees/{collection}.json"))[0]["code"]
            assert single == path_of(BY_FILE[collection])
            assert len(code.split("/")) == len(single.split("/"))
            path = f"/api/v1/{collection}/{code}"
        await asked(open_site, path)
    assert described["openapi"] == "3.1.0"
    assert len(described["paths"]) == 1 + len(ROWS) + len(OBJECTS)


async def test_the_examples_of_the_page_are_true(site: Site):
    page = (await site.get("/donnees/api")).text
    shown = re.findall(r"<code>curl '([^<]+)'</code></pre>\s*<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    assert len(shown) == 5

    for address, answer in shown:
        response = await site.get(html.unescape(address).removeprefix(PUBLIC_URL))
        assert _shape(json.loads(html.unescape(answer))) == _shape(_cut(response.json())), address


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _cut(each) for name, each in value.items()}
    return [_cut(each) for each in value[:2]] if isinstance(value, list) else value


def _shape(value: Any) -> Any:
    """The names and the types of a value, without what it says."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return [_shape(each) for each in value] if isinstance(value, list) else type(value).__name__


def test_schemathesis_finds_no_fault(settings: Settings):
    import asyncio

    migrations.migrate(settings)

    async def filled() -> fuzz_api.Codes:
        database = Database(settings)
        try:
            return await fuzz_api.fill(database)
        finally:
            await database.close()

    codes = asyncio.run(filled())
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", create_app(settings))

    answers = fuzz_api.ask(schema, codes, 200)

    assert sum(answers.values()) >= 200
    assert {status for _, status in answers} == {200, 400, 404}


# -- What it costs -------------------------------------------------------------------------------------------------------


async def statements(database: Database, row: Any, *, code: str | None = None) -> int:
    """How many statements a file, or one object with its links, costs."""
    made = 0

    def one_more(*_: Any) -> None:
        nonlocal made
        made += 1

    event.listen(database.reader.sync_engine, "before_cursor_execute", one_more)
    async with database.reading() as session:
        if code is None:
            await open_data.as_csv(session, row)
        else:
            await open_data.one(session, row, code)
    event.remove(database.reader.sync_engine, "before_cursor_execute", one_more)
    return made


async def test_the_number_of_statements_does_not_grow(database: Database):
    async def ask_more(session: AsyncSession, number: int) -> None:
        for each in range(number):
            await a_question(session, None, commitment, f"{each}-{number}@example.org")

    async with database.transaction() as session:
        commitment = await a_commitment(session, await a_plan(session), 2)
        await ask_more(session, 1)
    few = [await statements(database, BY_FILE["questions"]), await statements(database, BY_FILE["engagements"], code="2018-2020/2")]
    async with database.transaction() as session:
        await ask_more(session, 300)

    many = [await statements(database, BY_FILE["questions"]), await statements(database, BY_FILE["engagements"], code="2018-2020/2")]

    assert few == many
    assert few[0] == 1 + len(BY_FILE["questions"].follows)  # the file, and the last date of each it follows
