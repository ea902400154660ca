"""The season planner, button by button: proposed, filled in, checked, created, and nothing typed is lost."""

import asyncio
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from pydantic_core import PydanticCustomError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import schedule
from forums.models import AuditEvent, Commitment, Forum, ForumCommitment, Season
from forums.models.forum import PARIS
from forums.schedule import OneMoreForm
from tests.factories import NOW, a_forum, a_season, a_season_form
from tests.site import Site

PAGE = "/organisation/saisons/nouvelle"
RHYTHM = {"title": "Saison 2027", "first_day": "2027-01-01", "count": "3", "months": "2", "week": "4", "weekday": "TH"}
HOURS = {"starts": "18:30", "ends": "20:30"}


def fields(html: str) -> dict[str, str]:
    """What the page would send back: every field of the planner with its value."""
    typed = re.findall(r'<input [^>]*?name="([a-z_]+(?:-\d+)?)"[^>]*?value="([^"]*)"', html)
    return RHYTHM | HOURS | {name: unescape(value) for name, value in typed if name in RHYTHM or "-" in name or name in HOURS}


async def proposed(site: Site, **typed: str) -> dict[str, str]:
    await site.sign_in("organiser")
    return fields((await site.post(PAGE, **RHYTHM | HOURS | typed)).text)


async def created(site: Site, title: str = "Saison 2027") -> list[Forum]:
    async with site.database.reading() as session:
        query = select(Forum).join(Season).where(Season.title == title).order_by(Forum.number)  # type: ignore[arg-type]
        return list((await session.exec(query)).all())


def days(typed: dict[str, str]) -> list[str]:
    return [typed[f"day-{number}"] for number in range(1, 13) if f"day-{number}" in typed]


async def test_a_rhythm_becomes_a_list_to_edit_each_shift_explained_in_a_sentence(site: Site) -> None:
    await site.sign_in("organiser")

    shown = await site.post(PAGE, **RHYTHM | HOURS | {"count": "4"})

    text = unescape(shown.text).replace("\xa0", " ")
    assert days(fields(shown.text)) == ["2027-01-28", "2027-03-25", "2027-05-27", "2027-07-01"]
    assert "Le rythme tombait le jeudi 22 juillet 2027 : c'est pendant les vacances d'été à Paris (zone C). La date est décalée" in text
    assert "les vacances scolaires n'y sont pas connues" not in text


async def test_the_page_says_when_school_holidays_are_not_known_instead_of_pretending(site: Site) -> None:
    await site.sign_in("organiser")

    last, beyond = [
        unescape((await site.post(PAGE, **RHYTHM | HOURS | {"first_day": day, "count": "1"})).text).replace("\xa0", " ")
        for day in ("2028-06-01", "2028-09-01")
    ]

    assert "connues ici jusqu'au jeudi 31 août 2028" in last
    assert "les vacances scolaires n'y sont pas connues" not in last
    assert "les vacances scolaires n'y sont pas connues" in beyond
    assert "les vacances scolaires ne sont pas connues à cette date" in beyond


async def test_everything_of_a_proposed_forum_is_edited_before_the_season_is_created(site: Site) -> None:
    typed = await proposed(site)
    mine = {
        "day-1": "2027-02-04",
        "starts-1": "14:00",
        "ends-1": "17:30",
        "theme-1": "Marchés publics",
        "commitments-1": "2, 3",
        "day-3": "",
    }

    answer = await site.post(PAGE, **typed | mine | {"accepter": "1"})

    forums = await created(site)
    assert answer.headers["location"] == "/organisation?fait=saison"
    assert [(forum.slug, str(forum.day), forum.theme, forum.status) for forum in forums] == [
        ("2027-1", "2027-02-04", "Marchés publics", "draft"),
        ("2027-2", "2027-03-25", None, "draft"),
    ]
    assert forums[0].local_start == datetime(2027, 2, 4, 14, 0, tzinfo=PARIS)
    async with site.database.reading() as session:
        assert [each.number for each in await schedule.commitments_of(session, forums[0])] == [2, 3]


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"day-2": "demain"}, "day-2", "Indiquez une date"),
        ({"day-2": "2027-01-28"}, "day-2", "Cette date est donnée deux fois."),
        ({"starts-2": ""}, "starts-2", "Indiquez une heure"),
        ({"ends-2": "18:00"}, "ends-2", "L'heure de fin vient après l'heure de début."),
        ({"day-2": "2027-03-28", "starts-2": "02:30", "ends-2": "04:00"}, "starts-2", "Cette heure n'existe pas ce jour-là"),
        ({"commitments-2": "2, 999"}, "commitments-2", "Donnez des numéros d'engagements du plan en cours"),
        ({"commitments-2": "deux"}, "commitments-2", "Donnez des numéros d'engagements du plan en cours"),
        ({"theme-2": "x" * 201}, "theme-2", "Raccourcissez ce texte"),
        ({"day-1": "", "day-2": "", "day-3": ""}, "day-1", "Toutes les dates sont vides"),
        ({"title": ""}, "title", "Donnez un nom à la saison"),
    ],
)
async def test_what_cannot_be_is_said_beside_its_field_and_everything_typed_is_kept(
    site: Site, wrong: dict[str, str], field: str, said: str
) -> None:
    typed = await proposed(site) | {"theme-1": "Marchés publics", "commitments-3": "4"} | wrong

    refused = await site.post(PAGE, **typed, accepter="1")

    assert refused.status_code == 422
    assert f'href="#{field}"' in refused.text
    assert said in unescape(refused.text).replace("\xa0", " ")
    kept = fields(refused.text)
    assert {name: kept.get(name) for name in typed if "-" in name or name == "title"} == {
        name: text for name, text in typed.items() if "-" in name or name == "title"
    }
    assert await created(site) == []


async def test_a_date_that_suits_badly_is_warned_about_and_created_all_the_same(site: Site) -> None:
    async with site.database.transaction() as session:
        other = await a_season(session, "autre", title="Autre saison")
        await a_forum(session, season=other, day=datetime(2027, 3, 24, tzinfo=UTC).date())
    typed = await proposed(site) | {"day-1": "2027-11-11", "day-3": "2027-02-13"}

    checked = unescape((await site.post(PAGE, **typed, verifier="1")).text).replace("\xa0", " ")
    answer = await site.post(PAGE, **typed, accepter="1")

    assert "Attention : Armistice est un jour férié." in checked
    assert "Attention : c'est un week-end." in checked
    assert "Attention : le forum n° 1 (Autre saison) est déjà annoncé pour le 24/03/2027." in checked
    assert answer.status_code == 303
    assert [str(forum.day) for forum in await created(site)] == ["2027-02-13", "2027-03-25", "2027-11-11"]


async def test_one_click_fills_a_forum_with_a_commitment_never_examined_and_keeps_the_theme_typed(site: Site) -> None:
    await site.sign_in("organiser")
    shown = (await site.post(PAGE, **RHYTHM | HOURS)).text
    offered = re.findall(r'name="remplir" value="(\d+):(\d+)"', shown)
    typed = fields(shown) | {"theme-2": "Mon thème"}

    first = (await site.post(PAGE, **typed, remplir=":".join(offered[0]))).text
    second = fields((await site.post(PAGE, **fields(first), remplir=f"2:{offered[3][1]}")).text)

    assert [row for row, _ in offered] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3
    assert len({number for _, number in offered}) == 9
    assert "jamais examiné" in shown
    assert "examiné pour la dernière fois le" in shown
    assert fields(first)["theme-1"] != ""
    assert (fields(first)["commitments-1"], fields(first)["theme-2"]) == (offered[0][1], "Mon thème")
    assert (second["theme-2"], second["commitments-2"]) == ("Mon thème", offered[3][1])
    assert not re.search(rf'name="remplir" value="\d+:{offered[0][1]}"', first)  # it is taken


async def test_a_commitment_that_a_forum_to_come_is_about_is_not_suggested_again(site: Site) -> None:
    async with site.database.transaction() as session:
        coming = select(Forum).where(Forum.status != "cancelled", col(Forum.day) > datetime.now(UTC).date())
        forum = (await session.exec(coming)).first()
        assert forum
        for number in (3, 4):
            commitment = (await session.exec(select(Commitment).where(Commitment.number == number))).first()
            assert commitment
            await session.merge(ForumCommitment(forum_id=forum.id, commitment_id=commitment.id))
    await site.sign_in("organiser")

    suggested = re.findall(r'name="remplir" value="1:(\d+)"', (await site.post(PAGE, **RHYTHM | HOURS)).text)

    assert len(suggested) == 3
    assert not {"3", "4"} & set(suggested)


async def test_another_rhythm_gives_other_dates_and_keeps_the_themes_the_same_rhythm_keeps_everything(site: Site) -> None:
    typed = await proposed(site) | {"day-1": "2027-02-04", "theme-1": "Marchés publics"}

    same = fields((await site.post(PAGE, **typed)).text)
    other = fields((await site.post(PAGE, **typed | {"week": "3"})).text)

    assert (days(same)[0], same["theme-1"]) == ("2027-02-04", "Marchés publics")
    assert (days(other), other["theme-1"]) == (["2027-01-21", "2027-03-18", "2027-05-20"], "Marchés publics")


async def test_a_forum_is_added_until_there_are_twelve(site: Site) -> None:
    typed = await proposed(site, count="11")

    full = (await site.post(PAGE, **typed, ajouter="1")).text
    still = (await site.post(PAGE, **fields(full), ajouter="1")).text

    assert [len(days(fields(text))) for text in (full, still)] == [12, 12]
    assert (fields(full)["day-12"], fields(full)["starts-12"]) == ("", "18:30")
    assert 'name="ajouter"' not in full


async def test_two_clicks_at_once_create_one_season(site: Site) -> None:
    typed = await proposed(site)

    answers = await asyncio.gather(*[site.post(PAGE, **typed, accepter="1") for _ in range(2)])
    again = await site.post(PAGE, **typed, accepter="1")

    assert [answer.status_code for answer in (*answers, again)] == [303] * 3
    assert len(await created(site)) == 3
    async with site.database.reading() as session:
        journal = (await session.exec(select(AuditEvent).where(AuditEvent.verb == "open_season"))).all()
    assert len(journal) == 1


async def test_a_season_called_nouvelle_does_not_take_the_address_of_this_page(site: Site) -> None:
    typed = await proposed(site, title="Nouvelle saison")

    await site.post(PAGE, **typed, accepter="1")

    assert [forum.slug for forum in await created(site, "Nouvelle saison")] == ["nouvelle-n2-1", "nouvelle-n2-2", "nouvelle-n2-3"]


@pytest.mark.parametrize("role", ["moderator", "agent"])
async def test_only_organisers_plan(site: Site, role: str) -> None:
    await site.sign_in(role)

    assert (await site.get(PAGE)).status_code == 403
    assert (await site.post(PAGE, **RHYTHM | HOURS | {"day-1": "2027-01-28", "accepter": "1"})).status_code == 403
    assert await created(site) == []


@pytest.mark.parametrize("choice", ["", "x:y", "9:1", "0:1", "1:999", "1:" + "9" * 30])
async def test_a_choice_that_cannot_be_fills_nothing(site: Site, choice: str) -> None:
    typed: dict[str, Any] = await proposed(site)

    answer = await site.post(PAGE, **typed, remplir=choice)

    assert answer.status_code == 200
    assert fields(answer.text) == typed


# -- One more forum ---------------------------------------------------------------------------------------------------


async def two_evenings(session: AsyncSession) -> Season:
    """The fourth Thursdays of January and March, from 18:30."""
    form = a_season_form(count="2")
    days = [proposal.day for proposal in schedule.propose(form)]
    forums = await schedule.open_season(session, "Saison 2027", "2027", days, form.starts, form.ends, plan_id=None, now=NOW)
    season = await session.get(Season, forums[0].season_id)
    assert season
    return season


def one_more(day: str, number: str = "3", ends: str = "20:30") -> OneMoreForm:
    return OneMoreForm.model_validate({"day": day, "starts": "18:30", "ends": ends, "number": number})


async def test_the_date_of_one_more_forum_follows_the_rhythm_of_its_season(session: AsyncSession) -> None:
    season = await two_evenings(session)
    forums = await schedule.forums_of(session, season)

    proposed = schedule.next_evening(forums, now=NOW)

    assert [str(each.day) for each in forums] == ["2027-01-28", "2027-03-25"]
    assert proposed
    assert (str(proposed[0].day), *proposed[1:]) == ("2027-05-27", "18:30", "20:30")
    assert schedule.next_evening([], now=NOW) is None


async def test_one_more_forum_is_a_draft_with_the_next_number_and_sent_twice_is_one(session: AsyncSession) -> None:
    season = await two_evenings(session)

    first, again = [await schedule.add_forum(session, season, one_more("2027-05-27"), now=NOW) for _ in range(2)]

    assert first.id == again.id
    assert (first.number, first.slug, first.status) == (3, "2027-3", "draft")
    assert first.questions_close_at
    assert len(await schedule.forums_of(session, season)) == 3


async def test_of_two_organisers_who_each_add_a_forum_both_have_theirs(session: AsyncSession) -> None:
    season = await two_evenings(session)

    forums = [await schedule.add_forum(session, season, one_more(day), now=NOW) for day in ("2027-05-27", "2027-06-10")]

    assert [each.number for each in forums] == [3, 4]
    with pytest.raises(PydanticCustomError):
        await schedule.add_forum(session, season, one_more("2027-06-10", number="5"), now=NOW)


async def test_an_organiser_adds_a_forum_from_the_page_of_its_season(site: Site) -> None:
    await site.sign_in("organiser")
    page = "/organisation/saisons/demonstration"
    offered = (await site.get(page)).text
    number = re.search(r'name="number" value="(\d+)"', offered)
    assert number

    wrong = await site.post(f"{page}/forums", number=number[1], day="2031-03-06", starts="20:30", ends="18:30")
    added = await site.post(f"{page}/forums", number=number[1], day="2031-03-06", starts="18:30", ends="20:30")

    assert 'name="day" type="date" value="20' in offered
    assert (wrong.status_code, "L'heure de fin vient après" in unescape(wrong.text)) == (422, True)
    assert added.headers["location"] == f"/organisation/forums/demonstration-{number[1]}?fait=forum-ajoute"
