"""A plan from the columns of OGP's dataset of commitments: a small file written by hand, and its faults told by line."""

from pathlib import Path

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, cli, evaluations, lineage
from forums.database import Database
from forums.ogp_files import KNOWN, read_ogp
from forums.plan_files import (
    AxisEntry,
    BadFile,
    CommitmentEntry,
    EvaluationEntry,
    IndicatorEntry,
    MeasurementEntry,
    MilestoneEntry,
    PlanEntry,
    PlanFile,
)
from forums.settings import ROOT
from tests.factories import NOW
from tests.test_action_plan import REAL_PLAN, everything

HEADER = "Commitment Unique Identifier,Country/Locality,Region,Year Of Submission,Action Plan Number,Commitment Number,Commitment Title,Full Text,Lead Institution,Supporting Institution(s),URL,Completion (Progress Report),Did It Open Government (Overall)\n"  # noqa: E501
FIRST = 'XX0001,Utopia,Nowhere,2015,1.0,2,Open the budget,"Line one,\nline two",Ministry of Gold; Ministry of Silver,City of Brass,https://example.org/XX0001,Substantial,Marginal\n'
SECOND = "XX0002,Utopia,Nowhere,2015,1,5,Hear people,NA,Ministry of Gold,ND,,No Evidence Available,\n"
OTHER = "YY0001,Erewhon,Nowhere,2018,3,1,Something else,,,,,,\n"


def a_file(folder: Path, content: str) -> Path:
    path = folder / "ogp.csv"
    path.write_text(content)
    return path


async def test_a_plan_is_chosen_by_country_and_its_columns_become_commitments(session: AsyncSession, tmp_path: Path) -> None:
    dataset = read_ogp(a_file(tmp_path, HEADER + FIRST + OTHER + SECOND), country="utopia")

    plan = await action_plan.store_plan(session, dataset.file, now=NOW)
    once = await everything(session)
    await action_plan.store_plan(session, dataset.file, now=NOW)

    first, second = await action_plan.commitments_of(session, plan)
    leads = await action_plan.leads(session, [first, second])
    assert await everything(session) == once
    assert (plan.slug, plan.title, plan.current) == ("utopia-1", "Utopia : plan d'action n° 1, déposé en 2015", False)
    assert (first.number, first.ogp_code, first.official_title, first.working_title) == (2, "XX0001", None, "Open the budget")
    assert (first.summary, first.sources, second.summary, second.sources) == ("Line one,\nline two", ["https://example.org/XX0001"], "", [])
    assert [each.name for each in leads[first.id]] == ["Ministry of Gold", "Ministry of Silver"]
    assert [each.name for each in await action_plan.partners(session, second)] == []
    assert list(dataset.ignored) == ["Region"]


async def test_what_ogps_reviewer_found_is_an_evaluation_in_its_own_words(session: AsyncSession, tmp_path: Path) -> None:
    plan = await action_plan.store_plan(session, read_ogp(a_file(tmp_path, HEADER + FIRST + SECOND)).file, now=NOW)

    told = [each.evaluation for each in await evaluations.of_plan(session, plan)]

    assert [(each.kind, each.completion, each.findings) for each in told] == [
        ("independent", "substantial", "Completion (Progress Report) : Substantial\nDid It Open Government (Overall) : Marginal"),
        ("independent", None, "Completion (Progress Report) : No Evidence Available"),
    ]


async def test_under_the_name_another_plan_knows_it_by_what_continues_it_leads_there(session: AsyncSession, tmp_path: Path) -> None:
    current = await action_plan.load_plan(session, REAL_PLAN)
    dataset = read_ogp(a_file(tmp_path, HEADER + FIRST + SECOND), slug="2015-2017")

    await action_plan.store_plan(session, dataset.file, now=NOW)

    second = (await action_plan.commitments_of(session, current))[1]
    assert [(each.number, each.commitment.title if each.commitment else None) for each in await lineage.continued_by(session, second)] == [
        (2, "Open the budget")
    ]


@pytest.mark.parametrize(
    ("content", "where", "reason"),
    [
        ("", ", ligne 1", "il manque la colonne « Country/Locality »"),
        (HEADER.replace("Commitment Title,", ""), ", ligne 1", "il manque la colonne « Commitment Title »"),
        (HEADER.replace("Region", "URL"), ", ligne 1", "la colonne « URL » est donnée deux fois"),
        (HEADER + FIRST + SECOND.replace("Hear people", ""), ", ligne 4", "Commitment Title : il manque"),
        (HEADER + FIRST + SECOND.replace(",5,", ",five,"), ", ligne 4", "Commitment Number : un nombre entier de 1 à 9 999 est attendu"),
        (HEADER + FIRST + SECOND.replace(",5,", ",2,"), ", ligne 4", "Commitment Number : ce numéro est donné deux fois"),
        (HEADER + SECOND.replace("Utopia", ""), ", ligne 2", "Country/Locality : il manque"),
        (HEADER + "a," * 20 + "\n", ", ligne 2", "il y a plus de cases que de colonnes"),
        (HEADER + FIRST.replace('two"', "two"), ", ligne 3", "ce n'est pas du CSV (unexpected end of data)"),
        (
            HEADER + FIRST + OTHER,
            "",
            "ce fichier contient plusieurs plans (Utopia 1, Erewhon 3) : choisissez-en un avec --country et --plan",
        ),
        (HEADER, "", "aucun engagement de ce pays et de ce plan"),
    ],
)
def test_a_bad_dataset_is_refused_with_its_line_and_the_reason(tmp_path: Path, content: str, where: str, reason: str) -> None:
    path = a_file(tmp_path, content)

    with pytest.raises(BadFile) as refused:
        read_ogp(path)

    assert str(refused.value) == f"{path}{where} : {reason}."


def test_semicolons_a_byte_order_mark_and_windows_lines_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "ogp.csv"
    path.write_bytes("\ufeffCountry/Locality;Action Plan Number;Commitment Number;Commitment Title\r\nUtopia;1;3;Été\r\n".encode())

    dataset = read_ogp(path, plan="1")

    assert [(each.numero, each.libelle_de_travail) for each in dataset.file.engagements] == [(3, "Été")]
    assert dataset.ignored == []


async def test_the_command_says_what_it_loaded_and_what_it_ignored(database: Database, tmp_path: Path) -> None:
    path = a_file(tmp_path, HEADER + FIRST + OTHER)

    told = await cli._load_ogp(database, path, {"country": "Erewhon"})

    assert told == "Plan erewhon-3 : 1 engagement. Colonnes ignorées : Region."


def test_the_page_beside_the_plans_explains_every_key_and_every_column() -> None:
    page = (ROOT / "db" / "plans" / "README.md").read_text()

    entries = (PlanFile, AxisEntry, CommitmentEntry, EvaluationEntry, MilestoneEntry, IndicatorEntry, MeasurementEntry)
    keys = [name for entry in entries for name in entry.model_fields] + [f"plan.{name}" for name in PlanEntry.model_fields]
    assert [name for name in [*keys, *sorted(KNOWN)] if f"`{name}`" not in page] == []
