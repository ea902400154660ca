"""Progress: milestones whose state is said and whose delay is derived, and reports that say what stands in the way."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, progress
from forums.database import Database
from forums.models import AuditEvent, Commitment, Institution, Milestone, ProgressReport
from forums.progress import MilestoneChanged, PublishedMeanwhile, ReportChanged, ReportForm, StateForm, StillToCome, WrongReport
from tests.factories import NOW, a_commitment, a_plan, an_indicator, an_institution
from tests.site import Site

TODAY = date(2027, 2, 1)


def a_state(state: str = "under_way", edition: int = 0, **typed: str) -> StateForm:
    blank = {"done_on": "", "state_note": "", "evidence_url": ""}
    return StateForm.model_validate(blank | {"state": state, "edition": str(edition)} | typed)


def a_report(edition: int = 0, **typed: str) -> ReportForm:
    given = {"institution": "", "period_start": "2026-07-01", "period_end": "2026-12-31", "completion": "substantial"}
    return ReportForm.model_validate(given | {"text": "Neuf fiches.", "obstacles": "", "evidence": "", "edition": str(edition)} | typed)


def refusals(form: Any, *given: Any, **typed: str) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        form(*given, **typed)
    return {str(error["loc"][0]): error["type"] for error in refused.value.errors()}


async def a_milestone(session: AsyncSession, commitment: Commitment, position: int = 1, **facts: Any) -> Milestone:
    milestone = Milestone(**{"commitment_id": commitment.id, "position": position, "text": f"Jalon {position}"} | facts)
    session.add(milestone)
    await session.flush()
    return milestone


async def carried(session: AsyncSession) -> tuple[Commitment, Institution]:
    commitment = await a_commitment(session, await a_plan(session))
    return commitment, await an_institution(session, leads=[commitment])


# -- Milestones -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "due", "done", "late", "days"),
    [
        (None, date(2020, 1, 1), None, False, 0),
        ("not_started", date(2027, 1, 22), None, True, 10),
        ("under_way", date(2027, 2, 1), None, False, 0),
        ("under_way", None, None, False, 0),
        ("abandoned", date(2020, 1, 1), None, False, 0),
        ("done", date(2027, 1, 1), date(2027, 1, 13), False, 12),
        ("done", date(2027, 1, 1), date(2026, 12, 1), False, 0),
    ],
)
def test_late_is_derived_and_what_nobody_said_is_unknown(state: Any, due: date | None, done: date | None, late: bool, days: int) -> None:
    milestone = Milestone(position=1, text="x", state=state, due_on=due, done_on=done)

    assert (progress.is_late(milestone, NOW), progress.days_late(milestone, NOW)) == (late, days)


async def test_a_state_is_said_once_and_the_second_of_two_people_is_told(session: AsyncSession) -> None:
    commitment, _ = await carried(session)
    milestone = await a_milestone(session, commitment)

    said = await progress.say_state(session, milestone, a_state("done", done_on="2027-01-15"), now=NOW)
    twice = await progress.say_state(session, milestone, a_state("done", done_on="2027-01-15"), now=NOW)
    with pytest.raises(MilestoneChanged):
        await progress.say_state(session, milestone, a_state("abandoned", state_note="Sans objet."), now=NOW)

    assert (said, twice, milestone.state, milestone.done_on, milestone.state_changed_at) == (True, False, "done", date(2027, 1, 15), NOW)


async def test_a_milestone_is_not_done_before_the_day_has_come(session: AsyncSession) -> None:
    commitment, _ = await carried(session)
    milestone = await a_milestone(session, commitment)

    with pytest.raises(StillToCome):
        await progress.say_state(session, milestone, a_state("done", done_on="2027-02-02"), now=NOW)


def test_what_is_done_has_a_date_and_what_is_abandoned_a_reason() -> None:
    assert list(refusals(a_state, "done")) == ["done_on"]
    assert list(refusals(a_state, "abandoned")) == ["state_note"]
    assert list(refusals(a_state, "perdu")) == ["state"]
    assert a_state("under_way", done_on="2027-01-15").done_on is None


PLAN = """plan:
  slug: p
  titre: Un plan
engagements:
- numero: 1
  libelle_de_travail: Suivi
  jalons:
"""


async def test_loading_a_plan_again_keeps_what_was_said_of_a_milestone_with_its_words(session: AsyncSession, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN + "  - texte: Un\n  - texte: Deux\n  - texte: Trois\n")
    commitment = (await action_plan.commitments_of(session, await action_plan.load_plan(session, path)))[0]
    for held in (await action_plan.milestones(session, commitment))[1:]:
        await progress.say_state(session, held, a_state(), now=NOW)
    path.write_text(PLAN + "  - texte: Zéro\n  - texte: Un\n  - texte: Deux\n")

    await action_plan.load_plan(session, path)
    await session.flush()

    found = {(each.text, each.state) for each in await action_plan.milestones(session, commitment)}
    assert found == {("Zéro", None), ("Un", None), ("Deux", "under_way"), ("Trois", "under_way")}


# -- Reports ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("completion", "asked"), [("not_started", True), ("limited", True), ("substantial", False), ("complete", False)])
def test_obstacles_are_asked_for_when_little_is_done(completion: str, asked: bool) -> None:
    if asked:
        assert list(refusals(a_report, completion=completion)) == ["obstacles"]
    else:
        assert a_report(completion=completion).obstacles == ""


def test_links_are_one_a_line_with_or_without_a_title() -> None:
    form = a_report(evidence="Bilan 2026 : https://exemple.fr/bilan\n\nhttps://exemple.fr/jeu ")

    assert form.evidence == [("Bilan 2026", "https://exemple.fr/bilan"), ("https://exemple.fr/jeu", "https://exemple.fr/jeu")]
    assert progress.as_typed(form.values()["evidence"]) == "Bilan 2026 https://exemple.fr/bilan\nhttps://exemple.fr/jeu"


@pytest.mark.parametrize("evidence", ["Un bilan", "javascript:alert(1)", "bilan http://", "\n".join(["https://exemple.fr/x"] * 21)])
def test_what_is_no_link_gets_a_sentence(evidence: str) -> None:
    assert list(refusals(a_report, evidence=evidence)) == ["evidence"]


def test_a_period_ends_after_it_begins() -> None:
    assert list(refusals(a_report, period_end="2026-06-30")) == ["period_end"]


async def test_a_report_is_proposed_changed_published_then_amended_by_organisers_alone(session: AsyncSession) -> None:
    commitment, carrier = await carried(session)
    report, wrote = await progress.write(session, commitment, a_report(), carrier, now=NOW)
    _, twice = await progress.write(session, commitment, a_report(), carrier, now=NOW)
    with pytest.raises(WrongReport, match="déjà un point d'étape"):
        await progress.write(session, commitment, a_report(text="Autre."), carrier, now=NOW)

    changed = await progress.amend(session, commitment, report, a_report(text="Dix fiches."), carrier, organiser=False, now=NOW)
    with pytest.raises(ReportChanged):
        await progress.publish(session, report, edition=0, now=NOW)
    before = await progress.reports_of(session, commitment)
    out = [await progress.publish(session, report, edition=1, now=NOW) for _ in range(2)]
    with pytest.raises(PublishedMeanwhile):
        await progress.amend(session, commitment, report, a_report(2, text="Onze."), carrier, organiser=False, now=NOW)
    with pytest.raises(ReportChanged):
        await progress.amend(session, commitment, report, a_report(1, text="Onze."), carrier, organiser=True, now=NOW)
    later = NOW + timedelta(days=1)
    amended = await progress.amend(session, commitment, report, a_report(2, text="Onze."), carrier, organiser=True, now=later)

    assert (wrote, twice, changed, before, out, amended) == (True, False, True, [], [True, False], True)
    assert (report.text, report.published_at, report.amended_at) == ("Onze.", NOW, later)
    assert [each.report for each in await progress.reports_of(session, commitment)] == [report]


async def test_a_report_is_about_a_period_that_is_over(session: AsyncSession) -> None:
    commitment, carrier = await carried(session)

    with pytest.raises(WrongReport) as refused:
        await progress.write(session, commitment, a_report(period_end="2027-02-02"), carrier, now=NOW)

    assert refused.value.name == "period_end"


# -- What a member may follow --------------------------------------------------------------------------------------


async def test_what_waits_then_what_is_due_comes_first_and_an_agent_sees_what_is_theirs(session: AsyncSession) -> None:
    plan = await a_plan(session)
    quiet, late, waiting, other = [await a_commitment(session, plan, number) for number in (1, 2, 3, 4)]
    carrier = await an_institution(session, leads=[quiet, late, waiting])
    await a_milestone(session, late, state="under_way", due_on=TODAY - timedelta(days=3))
    await an_indicator(session, late, first_due_on=TODAY - timedelta(days=9))
    await a_milestone(session, quiet, due_on=TODAY - timedelta(days=1))
    await progress.write(session, waiting, a_report(), carrier, now=NOW)

    found = await progress.to_follow(session, institutions=[carrier], now=NOW)

    assert [each.commitment.id for each in found] == [waiting.id, late.id, quiet.id]
    assert [(each.waiting, each.late, each.stale, each.unsaid) for each in found] == [(1, 0, 0, 0), (0, 1, 1, 0), (0, 0, 0, 1)]
    assert found[1].due == TODAY - timedelta(days=9)
    assert await progress.commitment_to_follow(session, plan.slug, other.number, institutions=[carrier]) is None


async def test_following_a_hundred_commitments_costs_the_statements_of_one(database: Database) -> None:
    async def counted(number: int) -> int:
        statements: list[str] = []
        async with database.transaction() as session:
            plan = await a_plan(session, f"plan-{number}", current=False)
            for each in range(1, number + 1):
                await a_milestone(session, await a_commitment(session, plan, each))

            def told(*given: Any) -> None:
                statements.append(given[2])

            engine = database.writer.sync_engine
            event.listen(engine, "before_cursor_execute", told)
            await progress.to_follow(session, institutions=None, now=NOW)
            event.remove(engine, "before_cursor_execute", told)
        return len(statements)

    assert await counted(1) == await counted(100) == 4


# -- On the site ---------------------------------------------------------------------------------------------------------

DESK = "/organisation/engagements/2018-2020/6"
TYPED = {
    "institution": "",
    "period_start": "2020-01-01",
    "period_end": "2020-06-30",
    "completion": "limited",
    "text": "Un début.",
    "evidence": "Le bilan https://exemple.fr/bilan",
    "edition": "0",
}


async def who_carries(site: Site) -> str:
    async with site.database.reading() as session:
        found = await progress.commitment_to_follow(session, "2018-2020", 6, institutions=None)
        assert found is not None
        return (await action_plan.leads(session, [found[0]]))[found[0].id][0].slug


async def test_from_an_agents_report_to_the_public_page(site: Site) -> None:
    await site.sign_in("agent", await who_carries(site))
    assert f'href="{DESK}"' in (await site.get("/organisation/engagements")).text
    assert (await site.get(DESK)).status_code == 200

    without = await site.post(f"{DESK}/points/nouveau", **TYPED | {"period_end": "2200-01-01"})
    sent = [await site.post(f"{DESK}/points/nouveau", **TYPED | {"obstacles": "Personne ne relit."}) for _ in range(2)]
    async with site.database.reading() as session:
        report = (await session.exec(select(ProgressReport).where(ProgressReport.text == "Un début."))).one()
    forbidden = await site.post(f"{DESK}/points/{report.code}/publier", edition="0")
    await site.sign_in("organiser")
    before = (await site.get("/engagements/6")).text
    out = [await site.post(f"{DESK}/points/{report.code}/publier", edition="0") for _ in range(2)]

    assert (without.status_code, [each.status_code for each in sent + out], forbidden.status_code) == (422, [303] * 4, 403)
    assert all(wrong in without.text for wrong in ("Dites ce qui fait obstacle", "Cette date est à venir"))
    assert ">\nUn début.</textarea>" in without.text
    after = (await site.get("/engagements/6")).text
    assert ("Personne ne relit." in before, "Personne ne relit." in after, f'id="point-{report.code}"' in after) == (False, True, True)
    async with site.database.reading() as session:
        verbs = (await session.exec(select(AuditEvent.verb).order_by(col(AuditEvent.at)))).all()
    assert [verb for verb in verbs if verb in ("report", "publish")] == ["report", "publish"]


async def test_a_state_said_is_public_at_once_and_a_conflict_keeps_what_was_typed(site: Site) -> None:
    await site.sign_in("agent", await who_carries(site))
    async with site.database.reading() as session:
        query = select(Milestone).where(Milestone.state == "not_started")
        held = (await session.exec(query)).one()
    where = f"{DESK}/jalons/{held.id}"
    typed = {"state": "done", "done_on": "2026-01-02", "state_note": "Relues.", "edition": str(held.edition)}

    wrong = await site.post(where, **typed | {"done_on": ""})
    early = await site.post(where, **typed | {"done_on": "2200-01-01", "evidence_url": "ici"})
    said = await site.post(where, **typed)
    conflict = await site.post(where, **typed | {"state_note": "Relues par dix personnes."})

    assert (wrong.status_code, early.status_code, said.status_code, conflict.status_code) == (422, 422, 303, 409)
    assert "Indiquez la date" in wrong.text
    assert all(wrong in early.text for wrong in ("Cette date est à venir", "Indiquez une adresse complète"))
    assert "Relues par dix personnes." in conflict.text
    assert "Relues." in (await site.get("/engagements/6")).text


async def test_an_agent_of_another_institution_is_refused(site: Site) -> None:
    values = await site.examples()
    await site.sign_in("agent", "hatvp")
    before = await site.count(ProgressReport)

    answers = [(await site.get(DESK)).status_code, (await site.get(f"{DESK}/points/{values['report']}")).status_code]
    answers.append((await site.post(f"{DESK}/points/nouveau", **TYPED | {"obstacles": "x"})).status_code)
    answers.append((await site.post(f"{DESK}/jalons/{values['milestone']}", state="under_way", edition="0")).status_code)

    assert (answers, await site.count(ProgressReport)) == ([404] * 4, before)
