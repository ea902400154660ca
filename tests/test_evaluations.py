"""Evaluations: as a source gives them, from the plan's file or added here, each its own way of changing."""

from datetime import date
from pathlib import Path

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, evaluations
from forums.evaluations import EvaluationChanged, NoSource
from forums.models import AuditEvent, Evaluation
from forums.plan_files import BadFile
from tests.factories import NOW, a_commitment, a_plan, an_evaluation_form
from tests.site import Site
from tests.test_action_plan import ENTRY, PLAN, REAL_PLAN, everything

ONE = "  evaluations:\n  - type: independante\n    titre: Rapport\n    date_texte: 2021, à vérifier\n    achevement: limite\n"


async def test_the_real_plan_tells_its_evaluations_with_their_doubts_and_invents_nothing(session: AsyncSession) -> None:
    plan = await action_plan.load_plan(session, REAL_PLAN)

    told = await evaluations.of_plan(session, plan)

    whole = [each.evaluation for each in told if each.commitment is None]
    assert [(each.kind, each.dated, each.date_text) for each in whole] == [
        ("independent", None, "2019"),
        ("self_assessment", None, "décembre 2020"),
        ("self_assessment", date(2021, 2, 23), ""),
        ("independent", None, "2021 (à vérifier)"),
    ]
    assert {each.evaluation.completion for each in told} == {None}
    others = {each.commitment.number: each.evaluation.findings for each in told if each.commitment and each.evaluation.kind == "other"}
    assert others == {
        2: "Partially fulfilled",
        3: "Partially fulfilled",
        5: "Partially fulfilled (évalué avec 6 et 7)",
        6: "Partially fulfilled (évalué avec 5 et 7)",
        7: "Partially fulfilled (évalué avec 5 et 6)",
        16: "Fulfilled",
        19: "Fulfilled",
        20: "Fulfilled (évalué avec 21)",
        21: "Fulfilled (évalué avec 20)",
    }


async def test_a_file_read_again_keeps_each_code_whatever_its_place_and_leaves_those_added_here(
    session: AsyncSession, tmp_path: Path
) -> None:
    path = tmp_path / "plan.yaml"
    second = "  - type: auto\n    titre: Bilan\n"
    path.write_text(PLAN + ONE + second)
    plan = await action_plan.load_plan(session, path)
    codes = {each.evaluation.title: each.evaluation.code for each in await evaluations.of_plan(session, plan)}
    await evaluations.add(session, plan, None, an_evaluation_form("D'ici"), now=NOW)
    once = await everything(session)

    await action_plan.load_plan(session, path)
    again = await everything(session)
    path.write_text(PLAN + "  evaluations:\n" + second + ONE.partition("\n")[2])
    await action_plan.load_plan(session, path)
    turned = await evaluations.of_plan(session, plan)
    path.write_text(PLAN)
    await action_plan.load_plan(session, path)

    assert again == once
    assert [(each.evaluation.title, each.evaluation.code) for each in turned[:2]] == [
        ("Bilan", codes["Bilan"]),
        ("Rapport", codes["Rapport"]),
    ]
    assert [each.evaluation.title for each in await evaluations.of_plan(session, plan)] == ["D'ici"]


@pytest.mark.parametrize(
    ("more", "line", "reason"),
    [
        (
            "  evaluations:\n  - type: expert\n    titre: x\n",
            5,
            "plan.evaluations.1.type : l'un de ces mots est attendu : 'independante', 'auto' ou 'autre'",
        ),
        ("  evaluations:\n  - type: auto\n", 5, "plan.evaluations.1.titre : il manque"),
        (
            "  evaluations:\n  - type: auto\n    titre: x\n    source: rapport.pdf\n",
            7,
            "plan.evaluations.1.source : une adresse complète est attendue, par exemple https://exemple.fr/rapport",
        ),
        (ONE + "  - type: auto\n    titre: Rapport\n", 10, "plan.evaluations.2.titre : deux évaluations ont ce titre"),
        (
            ENTRY + ONE.replace("limite", "à moitié"),
            11,
            "engagements.1.evaluations.1.achevement : l'un de ces mots est attendu : 'non_commence', 'limite', 'substantiel' ou 'acheve'",
        ),
    ],
)
async def test_a_bad_evaluation_is_refused_with_its_line(session: AsyncSession, tmp_path: Path, more: str, line: int, reason: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN + more)

    with pytest.raises(BadFile) as refused:
        await action_plan.load_plan(session, path)

    assert str(refused.value) == f"{path}, ligne {line} : {reason}."


async def test_one_added_here_twice_is_one_and_without_a_source_none(session: AsyncSession) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)

    first = await evaluations.add(session, plan, commitment, an_evaluation_form(), now=NOW)
    second = await evaluations.add(session, plan, commitment, an_evaluation_form(), now=NOW)
    whole = await evaluations.add(session, plan, None, an_evaluation_form(), now=NOW)
    with pytest.raises(NoSource):
        await evaluations.add(session, plan, None, an_evaluation_form("Autre", source_url=""), now=NOW)

    assert first is not None
    assert whole is not None
    assert second is None
    assert (first.position, whole.position) == (1, 2)
    assert await evaluations.of_commitment(session, commitment) == [first]


async def test_two_who_correct_at_once_never_overwrite_each_other_and_the_files_own_is_out_of_reach(
    session: AsyncSession, tmp_path: Path
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN + ONE)
    plan = await action_plan.load_plan(session, path)
    filed = (await evaluations.of_plan(session, plan))[0].evaluation
    added = await evaluations.add(session, plan, None, an_evaluation_form(), now=NOW)

    changed = await evaluations.correct(session, added, None, an_evaluation_form(findings="Un sur deux."))
    same = await evaluations.correct(session, added, None, an_evaluation_form(findings="Un sur deux."))
    with pytest.raises(EvaluationChanged):
        await evaluations.correct(session, added, None, an_evaluation_form(findings="Aucun."))

    assert (changed, same, added.findings, added.edition) == (True, False, "Un sur deux.", 1)
    assert await evaluations.added_here(session, plan, filed.code) is None
    await evaluations.remove(session, filed)
    assert filed in (await session.exec(select(Evaluation))).all()


# -- The pages ---------------------------------------------------------------------------------------------------


async def test_an_organiser_adds_corrects_and_removes_an_evaluation_everybody_reads(site: Site) -> None:
    await site.sign_in("organiser")
    here = "/organisation/plans/essai/evaluations"
    typed = {"kind": "independent", "title": "Rapport final", "findings": "Bien avancé.", "completion": "substantial", "edition": "0"}

    missing = await site.post(here, **typed, commitment="1")
    unknown = await site.post(here, **typed, commitment="99", source_url="https://exemple.fr/r")
    added = await site.post(here, **typed, commitment="1", source_url="https://exemple.fr/r")
    public = (await site.get("/plans/essai/engagements/1?a")).text
    async with site.database.reading() as session:
        code = (await session.exec(select(Evaluation.code).where(Evaluation.title == "Rapport final"))).one()
    late = await site.post(f"{here}/{code}", **typed | {"edition": "7", "findings": "Autre."}, source_url="https://exemple.fr/r")
    corrected = await site.post(f"{here}/{code}", **typed | {"findings": "Très avancé."}, commitment="1", source_url="https://exemple.fr/r")
    after = (await site.get("/plans/essai/engagements/1?b")).text
    removed = [(await site.post(f"{here}/{code}/retirer")).status_code for _ in range(2)]

    assert (missing.status_code, unknown.status_code, added.status_code) == (422, 422, 303)
    assert "Donnez l&#39;adresse où" in missing.text or "Donnez l'adresse où" in missing.text
    assert "Bien avancé." in missing.text  # what was typed is kept
    assert "Achèvement\xa0: Substantiel" in public
    assert "Bien avancé." in public
    assert (late.status_code, corrected.status_code, removed) == (409, 303, [303, 303])
    assert "Très avancé." in after
    assert "Rapport final" not in (await site.get("/plans/essai/engagements/1?c")).text
    async with site.database.reading() as session:
        verbs = [each.verb for each in (await session.exec(select(AuditEvent).where(AuditEvent.subject == "evaluation essai"))).all()]
    assert sorted(verbs) == ["add", "correct", "remove"]


async def test_the_plan_and_its_commitments_show_what_the_file_tells(site: Site) -> None:
    plan, second = (await site.get("/engagements")).text, (await site.get("/engagements/2")).text

    assert "2021 (à vérifier)" in plan
    assert 'href="/engagements/2#evaluations"' in plan
    assert "Partially fulfilled" in second
    assert "mercredi" in second or "samedi 22 octobre 2022" in second
