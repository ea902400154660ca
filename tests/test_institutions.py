"""Institutions: a page each, that says what its neighbours say of it and leads to them."""

import re
from html import unescape

import pytest
from sqlmodel import select

from forums import institutions
from forums.models import Institution, Question
from tests.factories import a_plan, a_question
from tests.site import Site
from tests.test_follow_ups import statements

DIGITAL = "secretaire-d-etat-charge-du-numerique-aupres-du-premier-ministre"


def links(page: str) -> set[str]:
    return {unescape(each) for each in re.findall(r"<main.*</main>", page, re.S) for each in re.findall(r'href="([^"]+)"', each)}


async def test_an_institution_shows_what_it_carries_and_what_it_shares_in_each_plan(site: Site) -> None:
    page = (await site.get("/institutions/ministere-de-l-economie-et-des-finances")).text

    async with site.database.reading() as session:
        found = (await session.exec(select(Institution).where(Institution.slug == "ministere-de-l-economie-et-des-finances"))).one()
        parts = await institutions.parts_of(session, found)
    roles = [part.role for _, each in parts for part in each]
    assert {"lead", "partner"} <= set(roles)
    assert page.count("(partenaire)") == roles.count("partner")
    assert {f"/engagements/{part.commitment.number}" for plan, each in parts if plan.current for part in each} <= links(page)


async def test_each_institution_of_a_commitment_leads_to_its_page_and_from_there_back_to_everything_said_of_it(site: Site) -> None:
    assert f"/institutions/{DIGITAL}" in links((await site.get("/engagements/6")).text)
    page = links((await site.get(f"/institutions/{DIGITAL}")).text)

    expected = {"/engagements/6", f"/redevabilite/institutions/{DIGITAL}", f"/questions?institution={DIGITAL}"}
    expected |= {f"/questions?plan=2018-2020&institution={DIGITAL}&etat=en-attente", f"/abonnements?suivre=institutions/{DIGITAL}#courriel"}
    expected |= {f"/institutions/{DIGITAL}.ics", f"/institutions/{DIGITAL}.ics?echeances=1", f"/institutions/{DIGITAL}.atom"}
    assert expected <= page
    for path in sorted(each for each in page if each.startswith("/")):
        assert (await site.get(path)).status_code == 200, path


async def test_its_figures_are_those_of_redevabilite_and_its_promises_say_where_they_stand(site: Site) -> None:
    def figures(page: str) -> list[str]:
        return re.findall(r'href="(/(?:questions|suites|redevabilite/\w+)\?plan=[^"]+)">([^<]+)<', page)

    own = (await site.get("/institutions/administration-d-exemple-fictive")).text
    counted = (await site.get("/redevabilite/institutions/administration-d-exemple-fictive")).text

    assert figures(own) == figures(counted)[: len(figures(own))] != []
    assert all(badge in own for badge in ("Tenue", "Ouverte", "En retard"))


async def test_all_of_them_are_listed_those_that_carry_a_commitment_first_page_by_page(site: Site) -> None:
    async with site.database.transaction() as session:
        for number in range(60):
            session.add(Institution(slug=f"association-{number}", name=f"Éclaireurs {number}"))
        every = await institutions.every(session)

    pages = [(await site.get(f"/institutions?page={number}")).text for number in (1, 2, 3)]
    listed = [slug for page in pages for slug in re.findall(r'<li class="fr-mb-1w"><a href="/institutions/([\w-]+)"', page)]

    assert listed == [row.institution.slug for row in every]
    assert [row.leads for row in every] == sorted((row.leads for row in every), reverse=True)
    assert [bool(re.search("Porteurs", page)) for page in pages] == [True, False, False]


async def test_a_page_costs_as_many_statements_for_sixty_questions_and_plans_as_for_a_few(site: Site) -> None:
    async def costs(turn: str) -> list[int]:
        found = []
        for path in ("/institutions", f"/institutions/{DIGITAL}"):
            async with statements() as said:
                assert (await site.get(f"{path}?tour={turn}")).status_code == 200
            found.append(len(said))
        return found

    few = await costs("1")
    async with site.database.transaction() as session:
        model = (await session.exec(select(Question).where(Question.status == "published"))).first()
        assert model is not None
        for number in range(60):
            await a_question(session, text=f"Question {number} ?", commitment_id=model.commitment_id, status="published")
            await a_plan(session, f"plan-{number}", current=False)

    assert await costs("2") == few


@pytest.mark.parametrize("path", ["/institutions/inconnue", "/institutions/HATVP", "/institutions/hatvp/rien"])
async def test_one_that_does_not_exist_is_not_found(site: Site, path: str) -> None:
    assert (await site.get(path)).status_code == 404


async def test_the_page_is_the_same_for_everybody_and_may_be_kept(site: Site) -> None:
    before = await site.get("/institutions/hatvp")
    await site.sign_in("agent")
    after = await site.get("/institutions/hatvp", headers={"if-none-match": before.headers["etag"]})

    assert (after.status_code, "set-cookie" in before.headers) == (304, False)
    assert (await site.get("/en/institutions/hatvp")).text.count('<html lang="en"') == 1
