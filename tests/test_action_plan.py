"""Action plans as files people can review: the real one, a second beside it, bad ones; and the real past forums."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, indicators, schedule
from forums.models import Commitment, Forum
from forums.plan_files import BadFile, read_past_forums
from forums.settings import ROOT
from tests.factories import NOW

REAL_PLAN = ROOT / "db" / "plans" / "2018-2020.yaml"
SECOND_PLAN = ROOT / "db" / "plans" / "assemblee-nationale-2018.yaml"
PAST_FORUMS = ROOT / "db" / "forums-reels.yaml"

OFFICIAL_TITLES = [6, 12, 13, 18, 21]


async def everything(session: AsyncSession) -> dict[str, Sequence[Any]]:
    """Every row of every table."""
    await session.flush()
    session.expunge_all()
    tables = SQLModel.metadata.sorted_tables
    return {table.name: sorted((await session.exec(select(table))).all(), key=repr) for table in tables}  # type: ignore[call-overload]


async def the_real_plan(session: AsyncSession) -> Sequence[Commitment]:
    plan = await action_plan.load_plan(session, REAL_PLAN)
    return await action_plan.commitments_of(session, plan)


# -- The real plan --------------------------------------------------------------------------------------


async def test_the_plan_of_2018_has_21_commitments_on_5_axes(session: AsyncSession) -> None:
    plan = await action_plan.load_plan(session, REAL_PLAN)

    axes = await action_plan.axes_of(session, plan)
    commitments = await action_plan.commitments_of(session, plan)
    assert [axis.number for axis in axes] == [1, 2, 3, 4, 5]
    assert [commitment.number for commitment in commitments] == list(range(1, 22))
    assert {commitment.axis_id for commitment in commitments} == {axis.id for axis in axes}
    assert await action_plan.current_plan(session) is plan
    assert plan.presented_on == date(2018, 4, 3)


async def test_its_commitments_carry_the_ogp_codes_fr0030_to_fr0050_in_order(session: AsyncSession) -> None:
    commitments = await the_real_plan(session)

    assert [commitment.ogp_code for commitment in commitments] == [f"FR00{code}" for code in range(30, 51)]


async def test_an_official_title_is_given_only_for_the_five_seen_in_a_source(session: AsyncSession) -> None:
    commitments = await the_real_plan(session)

    assert [commitment.number for commitment in commitments if commitment.official_title] == OFFICIAL_TITLES
    assert commitments[5].title == "Renforcer la transparence des algorithmes et des codes sources publics"
    assert commitments[1].title == "Renforcer la transparence de la commande publique"


async def test_every_commitment_of_the_real_plan_is_carried_by_someone_and_cites_its_sources(session: AsyncSession) -> None:
    commitments = await the_real_plan(session)

    leads = await action_plan.leads(session, commitments)
    assert [commitment.number for commitment in commitments if not leads.get(commitment.id)] == []
    assert [commitment.number for commitment in commitments if not commitment.sources] == []


async def test_who_carries_and_who_takes_part_are_told_apart_in_the_order_of_the_plan(session: AsyncSession) -> None:
    second = (await the_real_plan(session))[1]

    carried_by = (await action_plan.leads(session, [second]))[second.id]
    assert [institution.name for institution in carried_by] == [
        "Ministère de l'Économie et des Finances",
        "Secrétaire d'État chargé du Numérique, auprès du Premier ministre",
    ]
    assert [institution.name for institution in await action_plan.partners(session, second)] == [
        "Conseil régional et SGAR de Bretagne",
        "Ville de Rennes",
        "Région Bourgogne-Franche-Comté",
    ]


async def test_a_milestone_keeps_the_words_of_its_due_date_and_a_date_only_when_one_can_be_told(session: AsyncSession) -> None:
    first, second = (await the_real_plan(session))[:2]

    assert [(each.due_text, each.due_on) for each in await action_plan.milestones(session, first)] == [
        ("fin 2018", date(2018, 12, 31)),
        ("2019", date(2019, 12, 31)),
        ("jusqu'à fin 2020", date(2020, 12, 31)),
        ("fin 2020", date(2020, 12, 31)),
    ]
    assert [(each.due_text, each.due_on) for each in await action_plan.milestones(session, second)] == [
        ("constaté : publié en octobre 2018", None)
    ]


async def test_loading_the_plan_and_its_past_forums_twice_changes_nothing(session: AsyncSession) -> None:
    await action_plan.load_plan(session, REAL_PLAN)
    await schedule.load_past_forums(session, PAST_FORUMS, now=NOW)
    once = await everything(session)

    await action_plan.load_plan(session, REAL_PLAN)
    await schedule.load_past_forums(session, PAST_FORUMS, now=NOW + timedelta(days=1))

    assert await everything(session) == once


async def test_a_second_plan_beside_it_does_not_collide_and_leaves_the_first_current(session: AsyncSession, tmp_path: Path) -> None:
    first = await action_plan.load_plan(session, REAL_PLAN)
    second = await action_plan.load_plan(session, a_file(tmp_path, engagements=[(1, "Autre engagement"), (2, "Encore un autre")]))
    third = await action_plan.load_plan(session, SECOND_PLAN)

    assert len(await action_plan.commitments_of(session, first)) == 21
    assert [each.title for each in await action_plan.commitments_of(session, second)] == ["Autre engagement", "Encore un autre"]
    assert await action_plan.current_plan(session) is first
    assert {plan.slug for plan in await action_plan.plans(session)} == {"2018-2020", "p", third.slug}
    assert {commitment.plan_id for commitment in await action_plan.current_commitments(session)} == {first.id}


async def test_the_next_plan_becomes_the_only_current_one(session: AsyncSession, tmp_path: Path) -> None:
    first = await action_plan.load_plan(session, REAL_PLAN)

    following = await action_plan.load_plan(session, a_file(tmp_path, "  courant: true\n"))

    await session.refresh(first)
    assert (first.current, following.current, await action_plan.current_plan(session)) == (False, True, following)


async def test_a_correction_in_the_file_is_taken_and_a_commitment_that_left_it_is_kept(session: AsyncSession, tmp_path: Path) -> None:
    await action_plan.load_plan(session, a_file(tmp_path, engagements=[(1, "Faute de frape"), (2, "Supprimé")]))

    plan = await action_plan.load_plan(session, a_file(tmp_path, engagements=[(1, "Faute de frappe")]))

    kept = await action_plan.commitments_of(session, plan)
    assert [(commitment.number, commitment.title) for commitment in kept] == [(1, "Faute de frappe"), (2, "Supprimé")]


async def test_indicators_keep_every_measurement_the_newest_first(session: AsyncSession, tmp_path: Path) -> None:
    path = a_file(tmp_path, engagements=[(1, "Mesuré")])
    path.write_text(
        path.read_text()
        + """
  indicateurs:
  - nom: Marchés publiés
    unite: marchés
    cible: tous
    mesures:
    - date: 2018-12-31
      valeur: '12 000'
    - date: 2019-12-31
      valeur: '30 000'
"""
    )

    plan = await action_plan.load_plan(session, path)
    await action_plan.load_plan(session, path)

    commitment = (await action_plan.commitments_of(session, plan))[0]
    followed = await indicators.of_commitment(session, commitment)
    assert [(each.indicator.name, [measurement.value for measurement in each.measurements]) for each in followed] == [
        ("Marchés publiés", ["30 000", "12 000"])
    ]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Cour des comptes", "cour-des-comptes"),
        ("Direction interministérielle de la transformation publique (DITP)", "ditp"),
        ("Ministère de l'Économie et des Finances", "ministere-de-l-economie-et-des-finances"),
        ("«»", "sans-nom"),
    ],
)
def test_an_institution_has_an_address_people_can_read(name: str, slug: str) -> None:
    assert action_plan.slug_of(name) == slug


# -- Bad files ---------------------------------------------------------------------------------------------


def a_file(folder: Path, more: str = "", *, engagements: Sequence[tuple[int, str]] = ()) -> Path:
    path = folder / "plan.yaml"
    listed = "".join(f"- numero: {number}\n  libelle_de_travail: {title}\n" for number, title in engagements)
    path.write_text(f"plan:\n  slug: p\n  titre: Un plan\n{more}" + (f"engagements:\n{listed}" if listed else ""))
    return path


PLAN = "plan:\n  slug: p\n  titre: t\n"
ENTRY = "engagements:\n- numero: 1\n  libelle_de_travail: x\n"


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("plan:\n  slug: p\n", 1, "plan.titre : il manque"),
        (PLAN + "  titer_en: t\n", 4, "plan.titer_en : clé inconnue"),
        (PLAN + "  titre: u\n", 4, "titre : clé donnée deux fois"),
        ("plan:\n  slug: Plan 1\n  titre: t\n", 2, "plan.slug : lettres minuscules, chiffres et traits d'union seulement"),
        (PLAN + "  presente_le: 2018-02-30\n", 4, "2018-02-30 : cette date n'existe pas"),
        (PLAN + "  presente_le: avril\n", 4, "plan.presente_le : une date est attendue (AAAA-MM-JJ)"),
        (PLAN + "  courant: peut-être\n", 4, "plan.courant : true ou false est attendu"),
        (PLAN + "  sources: un lien\n", 4, "plan.sources : une liste est attendue"),
        (PLAN + ENTRY.replace("1", "un"), 5, "engagements.1.numero : un nombre entier est attendu"),
        (PLAN + ENTRY.replace("1", "0"), 5, "engagements.1.numero : un nombre supérieur à zéro est attendu"),
        (PLAN + ENTRY.replace("1", "10000"), 5, "engagements.1.numero : un nombre inférieur à 10 000 est attendu"),
        (PLAN + ENTRY + ENTRY[13:], 7, "engagements.2.numero : ce numéro est donné deux fois"),
        (PLAN + ENTRY + "  axe: 9\n", 7, "engagements.1.axe : l'axe 9 n'existe pas dans ce plan"),
        (PLAN + ENTRY + "  jalons:\n  - a\n", 8, "engagements.1.jalons.1 : des lignes « clé : valeur » sont attendues"),
        ("", 1, "fichier : des lignes « clé : valeur » sont attendues"),
        ("- a\n- b\n", 1, "fichier : des lignes « clé : valeur » sont attendues"),
        ("plan:\n\tslug: p\n", 2, "ce n'est pas du YAML (found character '\\t' that cannot start any token)"),
        ("plan: [\n", 2, "ce n'est pas du YAML (expected the node content, but found '<stream end>')"),
        ("plan: !!python/name:os.system\n", 1, "could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.system'"),
    ],
)
async def test_a_bad_plan_is_refused_with_its_line_and_the_reason_and_nothing_is_loaded(
    session: AsyncSession, tmp_path: Path, content: str, line: int, reason: str
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(content)
    before = await everything(session)

    with pytest.raises(BadFile) as refused:
        await action_plan.load_plan(session, path)

    assert str(refused.value) == f"{path}, ligne {line} : {reason}."
    assert await everything(session) == before


def test_a_file_that_is_not_utf_8_or_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    latin = tmp_path / "latin-1.yaml"
    latin.write_bytes("plan:\n  slug: p\n  titre: Été\n".encode("latin-1"))

    with pytest.raises(BadFile, match="ligne 3 : le fichier n'est pas en UTF-8"):
        read_past_forums(latin)
    with pytest.raises(BadFile, match="fichier illisible"):
        read_past_forums(tmp_path / "absent.yaml")


QUOTED = "une heure entre apostrophes est attendue, par exemple '14:00'"
SEASON = "saisons:\n- slug: '2021'\n  titre: Saison 2021\nforums:\n- saison: 2021\n  numero: 1\n"


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (SEASON + "  debut: 14:00\n  fin: 17:00\n", 7, f"forums.1.debut : {QUOTED}"),
        (SEASON + "  debut: '25:99'\n  fin: '26:00'\n", 7, f"forums.1.debut : {QUOTED}"),
        (SEASON + "  debut: '14:00'\n", 7, "forums.1.debut : donnez l'heure de début et celle de fin, ou aucune des deux"),
        (SEASON + "  debut: '14:00'\n  fin: '13:00'\n", 8, "forums.1.fin : l'heure de fin vient après l'heure de début"),
        (SEASON + "- saison: 2021\n  numero: 1\n", 8, "forums.2.numero : ce numéro est donné deux fois"),
        (SEASON + "- saison: 2022\n  numero: 1\n", 7, "forums.2.saison : la saison 2022 n'existe pas dans ce fichier"),
    ],
)
def test_bad_past_forums_are_refused_with_their_line_and_the_reason(tmp_path: Path, content: str, line: int, reason: str) -> None:
    path = tmp_path / "forums.yaml"
    path.write_text(content)

    with pytest.raises(BadFile) as refused:
        read_past_forums(path)

    assert str(refused.value) == f"{path}, ligne {line} : {reason}."


# -- The forums that took place -------------------------------------------------------------------------------


async def past_forums(session: AsyncSession) -> dict[str, Forum]:
    await action_plan.load_plan(session, REAL_PLAN)
    await schedule.load_past_forums(session, PAST_FORUMS, now=NOW)
    return {forum.slug: forum for forum, _ in await schedule.public_forums(session)}


async def test_the_real_forums_are_those_of_two_seasons_whose_numbers_restart(session: AsyncSession) -> None:
    found = await past_forums(session)

    assert sorted(found) == ["2018-2019-1", "2018-2019-2", "2018-2019-3", "2018-2019-4", "2018-2019-5", "2021-1", "2021-2"]


async def test_what_was_not_found_about_a_real_forum_stays_unknown(session: AsyncSession) -> None:
    found = await past_forums(session)

    third, second = found["2018-2019-3"], found["2018-2019-2"]
    assert (third.day, third.starts_at, third.place, third.theme, third.minutes_elsewhere, third.participants) == (None,) * 6
    assert (second.day, second.starts_at, second.ends_at) == (date(2018, 5, 24), None, None)
    assert (second.capacity, second.invented, third.organisers) == (0, False, [])


async def test_the_forum_in_nantes_was_an_afternoon_with_two_workshops(session: AsyncSession) -> None:
    nantes = (await past_forums(session))["2018-2019-4"]

    assert (nantes.starts_at, nantes.ends_at) == (datetime(2018, 9, 13, 12, tzinfo=UTC), datetime(2018, 9, 13, 15, tzinfo=UTC))
    assert (nantes.address, nantes.minutes_elsewhere_on) == ("Nantes", date(2018, 10, 12))
    assert [commitment.number for commitment in await schedule.commitments_of(session, nantes)] == [4, 6]


async def test_a_corrected_fact_about_a_past_forum_reaches_subscribers_once(session: AsyncSession, tmp_path: Path) -> None:
    path = tmp_path / "forums.yaml"
    for theme, number in (("Faute de frape", 0), ("Faute de frappe", 1), ("Faute de frappe", 2)):
        path.write_text(SEASON + f"  date: 2021-05-27\n  theme: {theme}\n")
        await schedule.load_past_forums(session, path, now=NOW + timedelta(days=number))

    forum = (await session.exec(select(Forum))).one()
    assert (forum.theme, forum.sequence, forum.changed_at) == ("Faute de frappe", 1, NOW + timedelta(days=1))
