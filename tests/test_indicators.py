"""Indicators: measured by who carries them, published by organisers, corrected in sight of everybody, never late by surprise."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, indicators
from forums.database import Database
from forums.indicators import ChangedMeanwhile, CorrectForm, DefinitionChanged, IndicatorForm, MeasureForm, WithdrawForm, Wrong
from forums.models import AuditEvent, Commitment, Indicator, Institution, Measurement, MeasurementChange
from forums.refusals import AlreadyDecided
from tests.factories import NOW, a_commitment, a_measurement, a_plan, an_agent, an_indicator, an_institution, promised
from tests.site import Site

TODAY = date(2027, 2, 1)


def a_measure_form(value: str = "76", day: str = "2027-01-31", **typed: str) -> MeasureForm:
    given = {"measured_on": day, "value": value, "source": "Bilan annuel", "source_url": "", "note": "", "institution": "", "edition": "0"}
    return MeasureForm.model_validate(given | typed)


def a_correction(value: str, edition: int, **typed: str) -> CorrectForm:
    given = {"value": value, "source": "Bilan annuel", "source_url": "", "note": "", "reason": "Une faute de frappe."}
    return CorrectForm.model_validate(given | {"edition": str(edition)} | typed)


def a_definition(name: str = "Marchés publiés", edition: int = 0, **typed: str) -> IndicatorForm:
    blank = dict.fromkeys(("unit", "baseline", "baseline_on", "target", "target_on", "periodicity", "first_due_on", "source"), "")
    return IndicatorForm.model_validate(blank | {"name": name, "edition": str(edition)} | typed)


async def followed(session: AsyncSession) -> tuple[Commitment, Institution, Indicator]:
    """A commitment, who carries it, its one indicator."""
    commitment = await a_commitment(session, await a_plan(session))
    return commitment, await an_institution(session, leads=[commitment]), await an_indicator(session, commitment)


async def public_values(session: AsyncSession, commitment: Commitment) -> list[str]:
    await session.flush()
    return [each.value for found in await indicators.of_commitment(session, commitment) for each in found.measurements]


# -- Numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("76", "", 76),
        ("1 234,5", "", 1234.5),
        ("1\u202f234,5", "", 1234.5),
        ("12\u00a0000", "", 12000),
        ("76 %", "", 76),
        ("76\u00a0%", "%", 76),
        ("9 fiches", "fiches", 9),
        ("-3,2", "", -3.2),
        ("\u22123", "", -3),
        ("0.125", "", 0.125),
        ("3.5", "", 3.5),
        ("12.000", "", None),
        ("1 2345", "", None),
        ("environ 300", "", None),
        ("1 sur 3", "", None),
        ("tous", "", None),
        ("", "", None),
        ("9 fiches", "", None),
        ("nan", "", None),
        ("1e9", "", None),
        ("9" * 60, "", None),
        ("²", "", None),
    ],
)
def test_a_value_is_read_as_a_number_only_when_it_can_be_read_in_one_way(text: str, unit: str, number: float | None) -> None:
    assert indicators.number(text, unit) == number


# -- Is it up to date ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("periodicity", "first_due", "measured", "state", "due", "days", "months"),
    [
        (None, None, None, "unmeasured", None, 0, 0),
        (None, date(2027, 3, 1), None, "unmeasured", date(2027, 3, 1), 0, 0),
        (None, date(2026, 10, 31), None, "stale", date(2026, 10, 31), 93, 3),
        (None, None, date(2020, 1, 1), "untimed", None, 0, 0),
        ("once", date(2026, 1, 1), date(2025, 1, 1), "up_to_date", None, 0, 0),
        ("monthly", None, date(2027, 1, 31), "up_to_date", date(2027, 2, 28), 0, 0),
        ("monthly", None, date(2027, 1, 1), "up_to_date", date(2027, 2, 1), 0, 0),
        ("monthly", None, date(2026, 12, 31), "stale", date(2027, 1, 31), 1, 0),
        ("quarterly", None, date(2026, 8, 1), "stale", date(2026, 11, 1), 92, 3),
        ("half_yearly", None, date(2026, 8, 31), "up_to_date", date(2027, 2, 28), 0, 0),
        ("yearly", None, date(2024, 2, 29), "stale", date(2025, 2, 28), 703, 23),
        ("yearly", date(2020, 1, 1), None, "stale", date(2020, 1, 1), 2588, 85),
    ],
)
def test_freshness_is_derived_from_the_periodicity_and_the_last_measurement(
    periodicity: Any, first_due: date | None, measured: date | None, state: str, due: date | None, days: int, months: int
) -> None:
    indicator = Indicator(position=1, name="x", periodicity=periodicity, first_due_on=first_due)

    fresh = indicators.freshness(indicator, measured, TODAY)

    assert (fresh.state, fresh.due_on, fresh.days_late, fresh.months_late) == (state, due, days, months)


# -- Propose, publish -----------------------------------------------------------------------------------------


async def test_a_proposal_is_read_by_the_public_once_an_organiser_publishes_it(session: AsyncSession) -> None:
    commitment, carrier, indicator = await followed(session)

    held, wrote = await indicators.propose(session, indicator, a_measure_form(), carrier, now=NOW)
    before = await public_values(session, commitment)
    done = await indicators.publish(session, held, edition=0, now=NOW + timedelta(hours=1))
    again = await indicators.publish(session, held, edition=0, now=NOW + timedelta(hours=2))

    assert (wrote, before, done, again, await public_values(session, commitment)) == (True, [], True, False, ["76"])
    assert (held.institution_id, held.proposed_at, held.published_at) == (carrier.id, NOW, NOW + timedelta(hours=1))


async def test_one_form_sent_twice_is_one_measurement_and_another_value_for_that_day_gets_a_sentence(
    session: AsyncSession,
) -> None:
    _, carrier, indicator = await followed(session)

    first, _ = await indicators.propose(session, indicator, a_measure_form(), carrier, now=NOW)
    second, wrote = await indicators.propose(session, indicator, a_measure_form(), carrier, now=NOW)
    with pytest.raises(Wrong, match="a déjà une mesure au") as refused:
        await indicators.propose(session, indicator, a_measure_form("77"), carrier, now=NOW)

    assert (first.id, wrote, refused.value.name, refused.value.figures) == (second.id, False, "measured_on", {"day": "31/01/2027"})


async def test_what_is_to_come_is_not_measured(session: AsyncSession) -> None:
    _, carrier, indicator = await followed(session)

    with pytest.raises(Wrong, match="est à venir"):
        await indicators.propose(session, indicator, a_measure_form(day="2027-02-02"), carrier, now=NOW)


async def test_a_proposal_may_be_changed_until_it_is_published_and_the_second_of_two_is_told(session: AsyncSession) -> None:
    commitment, carrier, indicator = await followed(session)
    held, _ = await indicators.propose(session, indicator, a_measure_form(), carrier, now=NOW)

    changed = await indicators.reword(session, indicator, held, a_measure_form("77", "2027-01-30"), carrier, now=NOW)
    twice = await indicators.reword(session, indicator, held, a_measure_form("77", "2027-01-30"), carrier, now=NOW)
    with pytest.raises(ChangedMeanwhile):
        await indicators.reword(session, indicator, held, a_measure_form("78"), carrier, now=NOW)
    with pytest.raises(ChangedMeanwhile):
        await indicators.publish(session, held, edition=0, now=NOW)
    await indicators.publish(session, held, edition=1, now=NOW)
    with pytest.raises(AlreadyDecided):
        await indicators.reword(session, indicator, held, a_measure_form("78", edition="2"), carrier, now=NOW)

    assert (changed, twice, await public_values(session, commitment), held.measured_on) == (True, False, ["77"], date(2027, 1, 30))


async def test_a_proposal_does_not_take_the_day_of_another(session: AsyncSession) -> None:
    _, carrier, indicator = await followed(session)
    await a_measurement(session, indicator, date(2027, 1, 1))
    held, _ = await indicators.propose(session, indicator, a_measure_form(), carrier, now=NOW)

    with pytest.raises(Wrong) as refused:
        await indicators.reword(session, indicator, held, a_measure_form(day="2027-01-01"), carrier, now=NOW)

    assert refused.value.name == "measured_on"


# -- Correct, withdraw ------------------------------------------------------------------------------------------


async def test_a_corrected_value_keeps_the_earlier_ones_with_their_reasons(session: AsyncSession) -> None:
    commitment, _, indicator = await followed(session)
    held, _ = await indicators.propose(session, indicator, a_measure_form("67"), None, publish=True, now=NOW)

    first = await indicators.correct(session, held, a_correction("76", 0), now=NOW + timedelta(days=1))
    twice = await indicators.correct(session, held, a_correction("76", 0), now=NOW + timedelta(days=1))
    await indicators.correct(session, held, a_correction("77", 1, reason="Un recompte."), now=NOW + timedelta(days=2))
    with pytest.raises(ChangedMeanwhile):
        await indicators.correct(session, held, a_correction("78", 1), now=NOW)

    value = (await indicators.of_commitment(session, commitment))[0].values[0]
    assert (first, twice, value.measurement.value) == (True, False, "77")
    assert [(each.value, each.reason) for each in value.corrections] == [("76", "Un recompte."), ("67", "Une faute de frappe.")]


async def test_a_value_of_the_plans_file_keeps_its_history_too_once_it_is_corrected(session: AsyncSession) -> None:
    commitment, _, indicator = await followed(session)
    held = await a_measurement(session, indicator, date(2027, 1, 1), "67")

    await indicators.correct(session, held, a_correction("76", 0), now=NOW)

    value = (await indicators.of_commitment(session, commitment))[0].values[0]
    assert [(each.value, each.at) for each in value.corrections] == [("67", NOW)]


async def test_a_withdrawn_measurement_is_not_public_says_why_and_leaves_its_day_free(session: AsyncSession) -> None:
    commitment, carrier, indicator = await followed(session)
    held, _ = await indicators.propose(session, indicator, a_measure_form(), carrier, publish=True, now=NOW)

    gone = await indicators.withdraw(session, held, WithdrawForm(withdraw_reason="Mauvais périmètre."), now=NOW)
    twice = await indicators.withdraw(session, held, WithdrawForm(withdraw_reason="Mauvais périmètre."), now=NOW)

    told = [each.changes[-1].reason for each in await indicators.taken_back(session, indicator)]
    assert (gone, twice, await public_values(session, commitment), told) == (True, False, [], ["Mauvais périmètre."])
    anew, wrote = await indicators.propose(session, indicator, a_measure_form("80"), carrier, now=NOW)
    assert (anew.id, wrote, anew.status, await indicators.taken_back(session, indicator)) == (held.id, True, "proposed", [])


async def test_a_proposal_set_aside_was_never_public(session: AsyncSession) -> None:
    _, carrier, indicator = await followed(session)
    held, _ = await indicators.propose(session, indicator, a_measure_form(), carrier, now=NOW)

    await indicators.withdraw(session, held, WithdrawForm(withdraw_reason="Un doublon."), now=NOW)

    assert await indicators.taken_back(session, indicator) == []
    with pytest.raises(AlreadyDecided):
        await indicators.publish(session, held, edition=0, now=NOW)


# -- Then and now ---------------------------------------------------------------------------------------------------


async def test_beside_a_question_stand_the_value_known_on_the_evening_and_the_value_of_today(session: AsyncSession) -> None:
    commitment, _, indicator = await followed(session)
    evening = date(2027, 1, 15)
    await a_measurement(session, indicator, date(2026, 12, 1), "10")
    early = datetime(2027, 1, 10, 9, tzinfo=UTC)
    held, _ = await indicators.propose(session, indicator, a_measure_form("15", "2027-01-05"), None, publish=True, now=early)
    await indicators.correct(session, held, a_correction("20", 0), now=NOW)
    # Measured before the evening, published after it: nobody knew.
    await indicators.propose(session, indicator, a_measure_form("30", "2027-01-12"), None, publish=True, now=NOW)

    found = (await indicators.beside(session, [commitment.id], evening))[commitment.id]

    assert [(each.then, each.now) for each in found] == [((date(2027, 1, 5), "15"), (date(2027, 1, 12), "30"))]


async def test_beside_any_evening_stands_what_the_whole_history_tells(session: AsyncSession) -> None:
    commitment, _, indicator = await followed(session)
    day, random = date(2027, 1, 1), Random(4)
    for at in range(12):
        measured = day + timedelta(days=3 * at)
        told = datetime.combine(measured + timedelta(days=random.randrange(20)), time(random.choice([9, 22, 23])), UTC)
        measure = a_measure_form(str(at), measured.isoformat())
        held, _ = await indicators.propose(session, indicator, measure, None, publish=True, now=told)
        if at % 3 == 0:
            await indicators.correct(session, held, a_correction(f"1{at}", 0), now=told + timedelta(days=random.randrange(9), hours=1))
        if at % 4 == 0:  # as those of the plan's file
            held.published_at = None
    await session.flush()
    (whole,) = await indicators.of_commitment(session, commitment)

    for evening in (day + timedelta(days=at) for at in range(-1, 50)):
        (beside,) = (await indicators.beside(session, [commitment.id], evening))[commitment.id]

        told_then = [(each.measurement.measured_on, value) for each in whole.values if (value := each.known_on(evening)) is not None]
        assert (beside.then, beside.now) == (told_then[0] if told_then else None, (whole.last.measured_on, whole.last.value)), evening


# -- Definitions ----------------------------------------------------------------------------------------------------------


async def test_an_indicator_added_twice_with_one_form_is_one_and_a_name_is_not_taken_twice(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))

    first, _ = await indicators.define(session, commitment, a_definition(periodicity="yearly"))
    second, wrote = await indicators.define(session, commitment, a_definition(periodicity="yearly"))
    with pytest.raises(Wrong, match="porte déjà ce nom"):
        await indicators.define(session, commitment, a_definition(periodicity="monthly"))
    other, _ = await indicators.define(session, commitment, a_definition("Avis publiés"))

    assert (first.id, wrote, first.added_here, first.position, other.position) == (second.id, False, True, 1, 2)


async def test_the_second_of_two_who_edit_a_definition_is_told(session: AsyncSession) -> None:
    _, _, indicator = await followed(session)

    done = await indicators.redefine(session, indicator, a_definition(unit="%"))
    twice = await indicators.redefine(session, indicator, a_definition(unit="%"))
    with pytest.raises(DefinitionChanged):
        await indicators.redefine(session, indicator, a_definition(unit="jours"))

    assert (done, twice, indicator.unit, indicator.edition) == (True, False, "%", 1)


PLAN = """plan:
  slug: p
  titre: Un plan
engagements:
- numero: 1
  libelle_de_travail: Mesuré
  indicateurs:
  - nom: Marchés publiés
    unite: marchés
    depart: 0
    depart_le: 2018-01-01
    cible: tous
    cible_le: 2020-12-31
    periodicite: annuelle
    premiere_echeance: 2018-12-31
    mesures:
    - date: 2018-12-31
      valeur: '12 000'
      lien: https://exemple.fr/bilan
      note: Hors communes.
    - date: 2019-12-31
      valeur: '30 000'
"""


async def test_loading_a_plan_again_leaves_alone_what_was_entered_on_the_site(session: AsyncSession, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    commitment = (await action_plan.commitments_of(session, await action_plan.load_plan(session, path)))[0]
    of_file = (await indicators.of_commitment(session, commitment))[0]
    here, _ = await indicators.define(session, commitment, a_definition("Ajouté ici"))
    await indicators.correct(session, of_file.measurements[0], a_correction("31 000", 0), now=NOW)
    await indicators.propose(session, of_file.indicator, a_measure_form("40 000", "2020-12-31"), None, publish=True, now=NOW)
    path.write_text(
        PLAN.replace("12 000", "12 500").replace("Marchés publiés", "Marchés en ligne") + "    - date: 2020-12-31\n      valeur: 1\n"
    )

    await action_plan.load_plan(session, path)

    first, second = await indicators.of_commitment(session, commitment)
    assert first.indicator.baseline == "0"
    assert [each.value for each in first.measurements] == ["40 000", "31 000", "12 500"]
    assert (first.indicator.name, second.indicator.id, second.indicator.name) == ("Marchés en ligne", here.id, "Ajouté ici")
    assert (first.indicator.periodicity, first.indicator.baseline_on, first.indicator.target_on) == (
        "yearly", date(2018, 1, 1), date(2020, 12, 31),
    )  # fmt: skip
    assert (first.indicator.first_due_on, first.measurements[-1].source_url) == (date(2018, 12, 31), "https://exemple.fr/bilan")
    await indicators.redefine(session, first.indicator, a_definition("Renommé ici"))
    await action_plan.load_plan(session, path)
    assert [each.indicator.name for each in await indicators.of_commitment(session, commitment)] == ["Renommé ici", "Ajouté ici"]


# -- What members see, and are told -----------------------------------------------------------------------------------------


async def test_what_is_late_comes_first_and_an_agent_sees_what_their_institution_carries(session: AsyncSession) -> None:
    plan = await a_plan(session)
    mine, others = [await a_commitment(session, plan, number) for number in (1, 2)]
    carrier = await an_institution(session, leads=[mine])
    untimed = await an_indicator(session, mine, 1)
    coming = await an_indicator(session, mine, 2, first_due_on=TODAY + timedelta(days=9))
    late = await an_indicator(session, mine, 3, first_due_on=TODAY - timedelta(days=9))
    later = await an_indicator(session, others, 1, first_due_on=TODAY - timedelta(days=90))

    theirs = [each.indicator.id for each in await indicators.to_measure(session, institutions=[carrier], now=NOW)]
    everything = [each.indicator.id for each in await indicators.to_measure(session, institutions=None, now=NOW)]

    assert theirs == [late.id, coming.id, untimed.id]
    assert everything[:2] == [later.id, late.id]
    assert await indicators.by_code(session, later.code, institutions=[carrier]) is None


async def test_the_agents_of_who_carries_it_are_told_once_when_an_indicator_is_due(session: AsyncSession) -> None:
    _commitment, carrier, indicator = await followed(session)
    await an_agent(session, carrier)
    await an_agent(session, await an_institution(session, "Autre"), email="autre@example.fr")
    indicator.first_due_on = TODAY

    nights = [await indicators.remind(session, now=NOW - timedelta(hours=4)), await indicators.remind(session, now=NOW - timedelta(days=1))]
    told = [await indicators.remind(session, now=NOW + timedelta(days=day)) for day in (0, 1)]

    assert (nights, told) == ([0, 0], [1, 0])
    assert [each.recipient for each in await promised(session, "indicator_due")] == ["agent@example.fr"]


@pytest.mark.parametrize("why", ["a proposal waits", "eight days ago", "the plan is over", "a draft plan"])
async def test_nobody_is_reminded_of_what_waits_or_is_over(session: AsyncSession, why: str) -> None:
    facts = {"the plan is over": {"ends_on": date(2026, 12, 31)}, "a draft plan": {"draft": True, "current": False}}
    commitment = await a_commitment(session, await a_plan(session, **facts.get(why, {})))
    carrier = await an_institution(session, leads=[commitment])
    await an_agent(session, carrier)
    due = TODAY - timedelta(days=8) if why == "eight days ago" else TODAY
    indicator = await an_indicator(session, commitment, first_due_on=due)
    if why == "a proposal waits":
        await indicators.propose(session, indicator, a_measure_form(), carrier, now=NOW)

    assert await indicators.remind(session, now=NOW) == 0


async def test_what_is_asked_of_a_hundred_indicators_costs_the_statements_of_one(database: Database) -> None:
    async def counted(number: int) -> int:
        statements: list[str] = []
        async with database.transaction() as session:
            plan = await a_plan(session, f"plan-{number}", current=False)
            commitment = await a_commitment(session, plan)
            for position in range(1, number + 1):
                await a_measurement(session, await an_indicator(session, commitment, position), date(2027, 1, 1))
            engine = database.writer.sync_engine
            listener = lambda *args: statements.append(args[2])  # noqa: E731
            event.listen(engine, "before_cursor_execute", listener)
            await indicators.of_commitment(session, commitment)
            await indicators.beside(session, [commitment.id], TODAY)
            await indicators.to_measure(session, institutions=None, commitment=commitment, now=NOW)
            event.remove(engine, "before_cursor_execute", listener)
        return len(statements)

    assert await counted(1) == await counted(100) == 7


# -- On the site ------------------------------------------------------------------------------------------------------------------


async def of_the_site(site: Site, number: int = 13) -> tuple[str, str]:
    """The code of the demonstration's indicator of a commitment, and the slug of who carries it."""
    async with site.database.reading() as session:
        plan = await action_plan.plan_by_slug(session, "2018-2020")
        assert plan is not None
        commitment = await action_plan.commitment_by_number(session, plan, number)
        assert commitment is not None
        leads = (await action_plan.leads(session, [commitment]))[commitment.id]
        return (await indicators.of_commitment(session, commitment))[0].indicator.code, leads[0].slug


async def journal(site: Site) -> list[str]:
    async with site.database.reading() as session:
        return list((await session.exec(select(AuditEvent.verb).order_by(col(AuditEvent.at)))).all())


TYPED = {"value": "64", "source": "Relevé", "source_url": "", "note": "", "institution": "", "edition": "0"}


async def test_from_an_agents_proposal_to_the_public_page_and_a_correction_in_sight_of_everybody(site: Site) -> None:
    code, carrier = await of_the_site(site)
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    here = f"/organisation/indicateurs/{code}"
    await site.sign_in("agent", carrier)

    assert (await site.get("/organisation/indicateurs")).text.count(f'href="{here}"') == 1
    refused = await site.post(f"{here}/mesures", **TYPED | {"measured_on": "2200-01-01", "value": ""})
    sent = [await site.post(f"{here}/mesures", **TYPED | {"measured_on": day}) for _ in range(2)]
    taken = await site.post(f"{here}/mesures", **TYPED | {"measured_on": day, "value": "65"})
    assert (refused.status_code, [each.status_code for each in sent], taken.status_code) == (422, [303, 303], 422)
    assert all(wrong in refused.text for wrong in ("Écrivez la valeur", "Cette date est à venir"))
    assert "a déjà une mesure au" in taken.text
    assert 'value="65"' in taken.text
    assert "64" not in (await site.get(f"/indicateurs/{code}")).text.split("<h2")[1]
    async with site.database.reading() as session:
        held = (await session.exec(select(Measurement).where(Measurement.value == "64"))).one()
    assert (await site.post(f"{here}/mesures/{held.id}/publier", edition="0")).status_code == 403

    await site.sign_in("organiser")
    stale = await site.post(f"{here}/mesures/{held.id}/publier", edition="7")
    out = [await site.post(f"{here}/mesures/{held.id}/publier", edition="0") for _ in range(2)]
    correction = TYPED | {"value": "63", "reason": "Un dossier compté deux fois.", "edition": "1"}
    corrected = [await site.post(f"{here}/mesures/{held.id}/corriger", **correction) for _ in range(2)]
    conflict = await site.post(f"{here}/mesures/{held.id}/corriger", **correction | {"value": "62"})

    assert (stale.status_code, [each.status_code for each in out + corrected], conflict.status_code) == (409, [303] * 4, 409)
    assert 'name="edition" value="2"' in conflict.text
    public = (await site.get(f"/indicateurs/{code}")).text
    assert "<strong>" in public
    assert "Un dossier compté deux fois." in public
    assert "<del>" in public
    assert "organiser@example.org" not in public
    assert [verb for verb in await journal(site) if verb in ("measure", "publish", "correct")] == ["measure", "publish", "correct"]


async def test_an_agent_of_another_institution_finds_none_of_it(site: Site) -> None:
    code, _ = await of_the_site(site)
    await site.sign_in("agent", "hatvp")
    before = await site.count(Measurement)

    answers = [(await site.get(f"/organisation/indicateurs/{code}")).status_code]
    answers += [(await site.post(f"/organisation/indicateurs/{code}/mesures", **TYPED | {"measured_on": "2027-01-01"})).status_code]

    assert (answers, await site.count(Measurement)) == ([404, 404], before)


async def test_an_organiser_adds_an_indicator_and_edits_it_and_everybody_reads_it(site: Site) -> None:
    await site.sign_in("organiser")
    typed = {"name": "Avis publiés", "unit": "avis", "periodicity": "monthly", "first_due_on": "2020-01-01", "edition": "0"}

    wrong = await site.post("/organisation/engagements/2018-2020/3/indicateurs/nouveau", **typed | {"periodicity": "chaque jour"})
    added = await site.post("/organisation/engagements/2018-2020/3/indicateurs/nouveau", **typed)
    where = added.headers["location"].split("?")[0]
    edited = await site.post(f"{where}/definition", **typed | {"target": "20"})
    conflict = await site.post(f"{where}/definition", **typed | {"target": "30"})

    assert (wrong.status_code, added.status_code, edited.status_code, conflict.status_code) == (422, 303, 303, 409)
    assert "Choisissez un rythme dans la liste." in wrong.text
    public = (await site.get(where.replace("/organisation", ""))).text
    assert "Jamais mesuré, attendu" in public
    assert "Avis publiés" in (await site.get("/engagements/3")).text


async def test_the_chart_has_its_table_beside_it_and_values_that_are_no_numbers_have_the_table_alone(site: Site) -> None:
    code, _ = await of_the_site(site)
    drawn = (await site.get(f"/indicateurs/{code}")).text
    async with site.database.transaction() as session:
        measurement = (await session.exec(select(Measurement).where(Measurement.value == "61"))).one()
        measurement.value = "presque tous"
        session.add(measurement)

    written = (await site.get(f"/en/indicateurs/{code}")).text

    assert (drawn.count('<svg class="od-chart'), drawn.count("<caption>")) == (1, 1)
    assert (written.count('<svg class="od-chart'), written.count("<caption>")) == (0, 1)
    assert "presque tous" in written


async def test_a_proposal_and_a_withdrawn_value_are_on_no_public_page(site: Site) -> None:
    addresses = [path for path in await site.addresses() if not path.startswith("/organisation")]
    async with site.database.transaction() as session:
        for measurement in (await session.exec(select(Measurement))).all():
            measurement.status, measurement.value = "proposed", "SECRET"
            session.add(measurement)
        for change in (await session.exec(select(MeasurementChange))).all():
            change.value = "SECRET"
            session.add(change)

    texts = {path: (await site.get(path)).text for path in addresses}

    assert [path for path, text in texts.items() if "SECRET" in text] == []


async def test_the_evening_shows_what_was_known_then_and_what_is_known_now(site: Site) -> None:
    values = await site.examples()
    minutes = (await site.get(f"/forums/{values['written']}/compte-rendu")).text
    await site.sign_in("organiser")
    editing = (await site.get(f"/organisation/forums/{values['written']}/compte-rendu")).text

    for text in (minutes, editing):
        assert "connu le soir du forum" in text.lower() or "n'était connue le soir du forum" in text
        assert "Aujourd'hui" in text
