"""The chain walked by a stranger who knows nothing but the keys: in the files, over the API, and by the addresses of the site.

From one question to its agenda item, its passage, its commitment, an indicator and a promise, and all the way back.
"""

import csv
import io
from typing import Any

from tests.site import Site

# Each step: where one stands, the file that ties it to the next, and where one then is.
STEPS = (
    ("question", "points-questions", "point"),
    ("point", "passages", "passage"),
    ("passage", "passages-engagements", "engagement"),
    ("engagement", "suites-engagements", "suite"),
)
FILES = {
    "question": "questions",
    "point": "points",
    "passage": "passages",
    "engagement": "engagements",
    "indicateur": "indicateurs",
    "suite": "suites",
}


class Files:
    """The CSV files, and what their schemas say of the keys."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.tables: dict[str, list[dict[str, str]]] = {}

    async def rows(self, name: str) -> list[dict[str, str]]:
        if name not in self.tables:
            text = (await self.site.get(f"/donnees/{name}.csv")).content.decode()
            self.tables[name] = list(csv.DictReader(io.StringIO(text, newline="")))
        return self.tables[name]

    async def tied(self, file: str, here: str, code: str, there: str) -> set[str]:
        """The codes of what one file ties to this object, in either direction."""
        rows = await self.rows(file)
        columns = rows[0].keys()
        mine = here if here in columns else "code"
        theirs = there if there in columns else "code"
        return {row[theirs] for row in rows if row[mine] == code}


async def test_the_chain_is_walked_in_the_files_and_back(site: Site):
    files = Files(site)
    chains = [[each["question"]] for each in await files.rows("points-questions")]
    for here, file, there in STEPS:
        chains = [[*chain, code] for chain in chains for code in sorted(await files.tied(file, here, chain[-1], there))]
    measured = [chain for chain in chains if await files.tied("indicateurs", "engagement", chain[3], "indicateur")]
    assert measured

    for chain in measured:
        for indicator in await files.tied("indicateurs", "engagement", chain[3], "indicateur"):
            assert await files.tied("indicateurs", "indicateur", indicator, "engagement") == {chain[3]}
            assert await files.tied("mesures", "indicateur", indicator, "mesure")
        for (here, file, there), code, following in zip(reversed(STEPS), reversed(chain[:-1]), reversed(chain[1:]), strict=True):
            assert code in await files.tied(file, there, following, here), (file, code, following)


async def test_a_question_answered_at_a_forum_is_tied_to_the_passage_that_answers_it(site: Site):
    files = Files(site)

    for row in await files.rows("passages-questions"):
        asked = next(each for each in await files.rows("questions") if each["code"] == row["question"])
        passage = next(each for each in await files.rows("passages") if each["code"] == row["passage"])
        assert asked["situation"] in {"repondue", "en_partie", "reportee", "refusee"}
        assert passage["forum"] in {each["code"] for each in await files.rows("forums")}


async def object_at(site: Site, address: str) -> dict[str, Any]:
    response = await site.get(address)
    assert response.status_code == 200, address
    found: dict[str, Any] = response.json()
    return found


def codes_in(found: dict[str, Any], link: str, key: str) -> set[str]:
    """What a link of an object names: one thing, or several."""
    held = found["liens"][link]
    if held is None:
        return set()
    return {held["code"]} if "code" in held else {each[key] for each in held["elements"]}


async def a_passage_with_its_question(site: Site, commitment: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """One that answers, at a point of the agenda, a question that was put there."""
    for code in sorted(codes_in(commitment, "passages-engagements", "passage")):
        passage = await object_at(site, f"/api/v1/passages/{code}")
        for asked in sorted(codes_in(passage, "passages-questions", "question")):
            question = await object_at(site, f"/api/v1/questions/{asked}")
            if passage["point"] in codes_in(question, "points-questions", "point"):
                return passage, question
    raise AssertionError("no passage answers a question of its own point")


async def test_the_chain_is_walked_over_the_api_and_back(site: Site):
    followed = (await object_at(site, "/api/v1/indicateurs?par_page=100"))["resultats"]
    commitments = [await object_at(site, f"/api/v1/engagements/{each['engagement']}") for each in followed]
    commitment = next(each for each in commitments if each["liens"]["suites-engagements"]["total"])
    indicator = await object_at(site, commitment["liens"]["indicateurs"]["elements"][0]["adresse_api"])
    promise = await object_at(site, f"/api/v1/suites/{min(codes_in(commitment, 'suites-engagements', 'suite'))}")
    passage, question = await a_passage_with_its_question(site, commitment)
    item = await object_at(site, f"/api/v1/points/{passage['point']}")

    assert question["code"] in codes_in(item, "points-questions", "question")
    assert passage["code"] in codes_in(item, "passages", "code")
    assert passage["code"] in codes_in(question, "passages-questions", "passage")
    assert passage["code"] in codes_in(commitment, "passages-engagements", "passage")
    assert codes_in(indicator, "engagement", "code") == {commitment["code"]}
    assert indicator["liens"]["mesures"]["total"]
    assert commitment["code"] in codes_in(promise, "suites-engagements", "engagement")
    assert promise["code"] in codes_in(await object_at(site, promise["liens"]["forum"]["adresse_api"]), "suites", "code")


async def test_every_link_of_every_object_can_be_walked_back(site: Site):
    for file in FILES.values():
        for each in (await object_at(site, f"/api/v1/{file}?par_page=3"))["resultats"]:
            found = await object_at(site, f"/api/v1/{file}/{each['code']}")
            for name, link in found["liens"].items():
                if link is not None and "code" in link:
                    back = (await object_at(site, link["adresse_api"]))["liens"]
                    behind = next(held for other, held in back.items() if other in (file, f"{file}.{name}"))
                    assert behind["total"] > len(behind["elements"]) or each["code"] in {one["code"] for one in behind["elements"]}


async def test_every_row_leads_to_its_page(site: Site):
    files = Files(site)
    for file in FILES.values():
        for row in (await files.rows(file))[:4]:
            response = await site.get(row["adresse"], follow_redirects=True)
            anchor = row["adresse"].partition("#")[2]

            assert response.status_code == 200, row["adresse"]
            assert not anchor or f'id="{anchor}"' in response.text, row["adresse"]
