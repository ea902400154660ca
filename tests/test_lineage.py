"""Plans side by side: which one is read, where each stands, and which commitment continues which."""

from datetime import date
from pathlib import Path

import pytest
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, lineage
from forums.lineage import State
from forums.models import ActionPlan, CommitmentContinuation
from forums.plan_files import BadFile
from tests.factories import a_commitment, a_plan
from tests.site import Site
from tests.test_action_plan import ENTRY, PLAN, REAL_PLAN, everything

TODAY = date(2027, 2, 1)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"draft": True}, "draft"),
        ({"starts_on": date(2027, 3, 1)}, "to_come"),
        ({"starts_on": date(2026, 3, 1), "ends_on": TODAY}, "under_way"),
        ({"ends_on": date(2027, 1, 31)}, "ended"),
        ({"current": True}, None),
        ({}, None),
    ],
)
def test_where_a_plan_stands_is_told_by_its_dates_and_never_guessed(facts: dict[str, object], state: State | None) -> None:
    assert lineage.state_of(ActionPlan(slug="p", title="P", **facts), TODAY) == state


async def test_a_commitment_continues_those_its_file_names_and_they_know_it_once_their_plan_is_loaded(
    session: AsyncSession, tmp_path: Path
) -> None:
    plan = await action_plan.load_plan(session, REAL_PLAN)
    fourth = (await action_plan.commitments_of(session, plan))[3]
    alone = await lineage.continued_by(session, fourth)

    before = await a_plan(session, "2015-2017", current=False)
    twelfth = await a_commitment(session, before, 12)

    assert [(each.plan_slug, each.number, each.commitment) for each in alone] == [("2015-2017", number, None) for number in (11, 12, 15)]
    assert [each.commitment for each in await lineage.continued_by(session, fourth)] == [None, twelfth, None]
    assert [each.commitment.number for each in await lineage.taken_up_in(session, before, twelfth)] == [4, 5, 7]
    assert await lineage.taken_up_in(session, plan, fourth) == []


async def test_the_real_plan_continues_only_what_a_source_says(session: AsyncSession) -> None:
    plan = await action_plan.load_plan(session, REAL_PLAN)
    numbers = {each.id: each.number for each in await action_plan.commitments_of(session, plan)}

    links = (await session.exec(select(CommitmentContinuation).order_by(col(CommitmentContinuation.number)))).all()

    told = sorted((numbers[link.commitment_id], link.number) for link in links)
    assert {link.plan_slug for link in links} == {"2015-2017"}
    assert [pair for pair in told if pair[0] not in (4, 5, 7)] == [(2, 2), (15, 13), (15, 22), (17, 26), (19, 5)]
    assert (plan.starts_on, plan.ends_on, plan.draft) == (None, None, False)


async def test_dates_and_continuations_are_loaded_and_a_second_time_changes_nothing(session: AsyncSession, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN + "  debut: 2027-01-01\n  fin: 2029-12-31\n  projet: true\n" + ENTRY + "  prolonge:\n  - plan: q\n    numero: 3\n")

    plan = await action_plan.load_plan(session, path)
    once = await everything(session)
    await action_plan.load_plan(session, path)

    assert (plan.starts_on, plan.ends_on, plan.draft) == (date(2027, 1, 1), date(2029, 12, 31), True)
    assert await everything(session) == once


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (PLAN + "  debut: 2027-01-01\n  fin: 2026-01-01\n", 5, "plan.fin : la fin du plan vient après son début"),
        (PLAN + "  courant: true\n  projet: true\n", 5, "plan.projet : un plan en projet n'est pas encore le plan courant"),
        (PLAN + ENTRY + "  prolonge:\n  - plan: q\n", 8, "engagements.1.prolonge.1.numero : il manque"),
        (
            PLAN + ENTRY + "  prolonge:\n  - plan: p\n    numero: 2\n",
            8,
            "engagements.1.prolonge.1.plan : on prolonge un engagement d'un autre plan",
        ),
        (
            PLAN + ENTRY + "  prolonge:\n" + "  - plan: q\n    numero: 2\n" * 2,
            10,
            "engagements.1.prolonge.2 : cet engagement est donné deux fois",
        ),
    ],
)
async def test_a_plan_that_contradicts_itself_is_refused_with_its_line(
    session: AsyncSession, tmp_path: Path, content: str, line: int, reason: str
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(content)

    with pytest.raises(BadFile) as refused:
        await action_plan.load_plan(session, path)

    assert str(refused.value) == f"{path}, ligne {line} : {reason}."


# -- The pages -------------------------------------------------------------------------------------------------


async def test_a_reader_always_knows_which_plan_they_are_in(site: Site) -> None:
    other = (await site.get("/plans/essai/engagements/1")).text
    current = (await site.get("/engagements/4")).text

    assert "Vous lisez un autre plan que le plan courant" in other
    assert "Plan d&#39;essai d&#39;une ville imaginaire</title>" not in other
    assert 'href="/engagements">' in other.split("Le plan courant est")[1][:60]
    assert "autre plan que le plan courant" not in current
    assert "Plan 2018-2020</a>" in current
    for text in (other, current):
        assert text.count('aria-current="true"') >= 1
        assert "Changer de plan" in text


async def test_the_lasting_address_of_a_commitment_leads_to_the_current_one_in_the_same_words_and_for_now(site: Site) -> None:
    asked = await site.get("/en/plans/2018-2020/engagements/6?genre=forums")

    assert (asked.status_code, asked.headers["location"]) == (307, "/en/engagements/6?genre=forums")


async def test_what_a_commitment_is_followed_by_names_its_plan_and_outlives_its_being_current(site: Site) -> None:
    for plan, number in (("2018-2020", 6), ("projet-de-demonstration", 1)):
        path = f"/plans/{plan}/engagements/{number}"
        shown = (await site.get(path, follow_redirects=True)).text
        feeds = [
            await site.get(address)
            for address in (f"{path}.ics", f"{path}.atom", f"/plans/{plan}/axes/1.ics", f"/plans/{plan}/axes/1.atom")
        ]

        assert [f'href="{path}.{end}"' in shown for end in ("ics", "ics?echeances=1", "atom")] == [True] * 3
        assert [feed.status_code for feed in feeds] == [200] * 4
        assert f"{path}.ics" in feeds[0].text.replace("\r\n ", "")
        assert f'href="https://forums.example.fr{path}.atom"' in feeds[1].text
    assert [(await site.get(f"/plans/inconnu/engagements/1.{kind}")).status_code for kind in ("ics", "atom")] == [404, 404]


async def test_a_draft_does_not_say_that_its_titles_were_not_found(site: Site) -> None:
    pages = [(await site.get(f"/plans/projet-de-demonstration{address}")).text for address in ("", "/engagements/1")]

    assert [("libellé de travail" in text.casefold(), "Titre non officiel" in text) for text in pages] == [(False, False)] * 2


async def test_a_title_that_is_only_known_in_english_is_said_to_be_english(site: Site) -> None:
    async with site.database.transaction() as session:
        plan = await a_plan(session, "utopia-1", current=False, title="Utopie")
        await a_commitment(session, plan, 1, working_title="Open the budget", title_en="Open the budget")

    one, everything = [(await site.get(f"/plans/utopia-1{rest}")).text for rest in ("/engagements/1", "")]

    assert '<span lang="en">Open the budget</span>' in one
    assert "Titre anglais" not in one
    assert "traduit le titre anglais" not in everything


async def test_what_is_not_on_the_site_is_named_and_what_is_becomes_a_link_both_ways(site: Site) -> None:
    before = (await site.get("/engagements/2")).text
    async with site.database.transaction() as session:
        plan = await a_plan(session, "2015-2017", current=False, title="Plan de 2015")
        await a_commitment(session, plan, 2, working_title="La commande publique")

    after = (await site.get("/engagements/2?apres")).text
    theirs = (await site.get("/plans/2015-2017/engagements/2")).text

    assert "l'engagement 2 du plan 2015-2017, qui n'est pas sur ce site" in before
    assert 'href="/plans/2015-2017/engagements/2"' in after
    assert 'href="/engagements/2"' in theirs.split("Repris par")[1][:200]


async def test_the_list_of_plans_tells_where_each_stands(site: Site) -> None:
    async with site.database.transaction() as session:
        await a_plan(session, "2031", current=False, starts_on=date(2031, 1, 1), ends_on=date(2033, 12, 31), title="Plan à venir")

    text = (await site.get("/plans")).text

    assert "Plan courant sur ce site" in text
    assert "À venir" in text
    assert "du mercredi 1er janvier 2031 au samedi 31 décembre 2033" in text


async def test_a_site_whose_plans_are_none_of_them_current_says_so_and_leads_to_them(site: Site) -> None:
    async with site.database.transaction() as session:
        await session.exec(update(ActionPlan).values(current=False))

    pages = [(await site.get(address)).text for address in ("/engagements", "/redevabilite", "/redevabilite/pgo")]

    assert ["aucun plan d'action comme plan courant" in each.replace("&#39;", "'") for each in pages] == [True] * 3
    assert all('<a href="/plans">Tous les plans' in each for each in pages)
