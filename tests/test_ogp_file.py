"""What is handed to OGP: meetings, publications and people as dated facts; drafts of self-assessments; the papers both are."""

import asyncio
import zipfile
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import event
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import accountability, pandoc
from forums.accountability import Known, Paper
from forums.accountability.evidence import Evidence, Meeting, gaps
from forums.accountability.paper import Text
from forums.database import Database
from forums.models import (
    ActionPlan,
    Answer,
    Commitment,
    Forum,
    Indicator,
    Measurement,
    Milestone,
    Minutes,
    ProgressReport,
    Question,
    Season,
)
from forums.models.forum import PARIS
from tests.factories import NOW, a_commitment, a_forum, a_plan, a_question, a_registration, a_season, an_institution, some_minutes
from tests.random_season import random_season
from tests.site import Site

OPENED = datetime(2026, 1, 1, tzinfo=UTC)


async def held(session: AsyncSession, day: date, number: int = 1, **facts: Any) -> Forum:
    return await a_forum(session, number=number, **{"now": OPENED, "day": day} | facts)


async def evidence(session: AsyncSession, plan: ActionPlan) -> Evidence:
    await session.flush()
    return await accountability.evidence_of(session, plan, now=NOW)


# -- Meetings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "too_long"),
    [
        (date(2026, 1, 15), date(2026, 7, 15), False),
        (date(2026, 1, 15), date(2026, 7, 16), True),
        (date(2026, 8, 31), date(2027, 2, 28), False),
        (date(2026, 8, 31), date(2027, 3, 1), True),
    ],
)
def test_two_forums_are_too_far_apart_from_six_months_and_a_day_on(first: date, second: date, too_long: bool) -> None:
    plan = ActionPlan(slug="p", title="P")
    forums = [Forum(season_id=None, number=each, slug=str(each), day=day) for each, day in enumerate((first, second))]

    found = gaps(plan, forums, datetime(second.year, second.month, second.day, 12, tzinfo=UTC))

    assert [(each.days, each.too_long) for each in found] == [((second - first).days, too_long)]


async def test_the_time_before_the_first_forum_of_a_plan_and_after_the_last_counts_until_the_plan_ends(session: AsyncSession) -> None:
    plan = await a_plan(session, starts_on=date(2026, 1, 1), ends_on=date(2026, 12, 31))
    forum = await held(session, date(2026, 3, 1))

    found = await evidence(session, plan)

    ends = [(each.start, each.end, each.before, each.after, each.too_long) for each in found.gaps]
    assert ends == [
        (date(2026, 1, 1), date(2026, 3, 1), None, forum, False),
        (date(2026, 3, 1), date(2026, 12, 31), forum, None, True),
    ]


async def test_a_draft_a_cancelled_forum_and_one_to_come_are_no_meetings_and_one_without_a_day_is_told_apart(session: AsyncSession) -> None:
    plan = await a_plan(session)
    real = await held(session, date(2026, 10, 1))
    await held(session, date(2026, 9, 1), 2, status="cancelled")
    await held(session, date(2026, 8, 1), 3, status="draft")
    await held(session, date(2027, 5, 1), 4)
    unknown = await held(session, date(2026, 7, 1), 5)
    unknown.day = unknown.starts_at = unknown.ends_at = None

    found = await evidence(session, plan)

    assert ([each.forum for each in found.meetings], found.undated) == ([real], 1)


async def test_a_forum_counts_for_its_seasons_plan_and_without_one_for_the_current_plan(session: AsyncSession) -> None:
    old, current = await a_plan(session, "2015", current=False), await a_plan(session)
    theirs = await held(session, date(2026, 3, 1), season=await a_season(session, "2026", plan_id=old.id))
    ours = await held(session, date(2026, 5, 1), season=await a_season(session, "2027"))

    assert [each.forum for each in (await evidence(session, old)).meetings] == [theirs]
    assert [each.forum for each in (await evidence(session, current)).meetings] == [ours]


# -- The repository ----------------------------------------------------------------------------------------------


async def test_days_of_publication_are_counted_once_each_on_the_calendar_of_paris(session: AsyncSession) -> None:
    plan = await a_plan(session)
    forum = await held(session, date(2025, 10, 1))
    # Half past midnight in Paris on New Year's Day is still the old year in UTC.
    await some_minutes(session, forum, published_at=datetime(2025, 12, 31, 23, 30, tzinfo=UTC))
    question, hatvp = await a_question(session, forum), await an_institution(session)
    for moment in (datetime(2026, 1, 1, 9, tzinfo=UTC), None):
        asked = question if moment else await a_question(session, forum, email="autre@example.org")
        session.add(Answer(question_id=asked.id, institution_id=hatvp.id, text="Oui.", published_at=moment))

    years = (await evidence(session, plan)).years

    assert [(each.year, each.days, each.enough) for each in years] == [(2026, [date(2026, 1, 1)], False), (2027, [], False)]
    assert years[0].kinds == {"minutes": 1, "answers": 1, "measurements": 0, "reports": 0}


async def test_a_year_in_which_nothing_was_published_is_not_passed_over(session: AsyncSession) -> None:
    plan = await a_plan(session)
    await some_minutes(session, await held(session, date(2024, 10, 1)), published_at=datetime(2024, 11, 1, tzinfo=UTC))

    assert [(each.year, len(each.days)) for each in (await evidence(session, plan)).years] == [(2024, 1), (2025, 0), (2026, 0), (2027, 0)]


async def test_the_days_of_a_random_season_are_those_its_rows_say(session: AsyncSession) -> None:
    made = await random_season(session, 21, questions=150, promises=0, passages=50)
    rows = {table: (await session.exec(select(table))).all() for table in (Answer, Minutes, Measurement, ProgressReport)}  # type: ignore[type-var]
    of = {
        table: {each.id: each for each in (await session.exec(select(table))).all()}
        for table in (Commitment, Forum, Indicator, Question, Season)
    }  # type: ignore[type-var]

    def plan_of_forum(forum_id: Any) -> Any:
        return (of[Season][of[Forum][forum_id].season_id].plan_id if forum_id else None) or made.plan.id

    def plan_of(row: Any) -> Any:
        if isinstance(row, Answer):
            question = of[Question][row.question_id]
            return of[Commitment][question.commitment_id].plan_id if question.commitment_id else plan_of_forum(question.forum_id)
        if isinstance(row, Minutes):
            return plan_of_forum(row.forum_id)
        commitment = row.commitment_id if isinstance(row, ProgressReport) else of[Indicator][row.indicator_id].commitment_id
        return of[Commitment][commitment].plan_id

    for plan in (made.plan, made.old_plan):
        expected = {
            moment.astimezone(PARIS).date()
            for table in rows
            for row in rows[table]
            if plan_of(row) == plan.id and row.published_at and getattr(row, "status", "published") == "published"
            for moment in (row.published_at, getattr(row, "amended_at", None), getattr(row, "corrected_at", None))
            if moment
        }
        found = await accountability.evidence_of(session, plan, now=NOW)
        assert {day for each in found.years for day in each.days} == expected != set()


# -- People --------------------------------------------------------------------------------------------------------


async def test_people_are_counted_and_organisations_by_their_distinct_names(session: AsyncSession) -> None:
    plan = await a_plan(session)
    forum = await held(session, date(2026, 10, 1), seats_taken=3, remote_capacity=1, remote_taken=1, present=2)
    for who, (organisation, status) in enumerate(
        [("Anticor", "registered"), (" anticor ", "registered"), ("Regards citoyens", "walk_in"), ("", "registered"), ("Autre", "given_up")]
    ):
        await a_registration(session, forum, f"personne{who}@example.org", organisation=organisation, status=status)

    assert (await evidence(session, plan)).meetings == [Meeting(forum, 4, 2, 2)]


async def test_what_was_erased_or_was_never_kept_is_unknown_rather_than_zero(session: AsyncSession) -> None:
    plan = await a_plan(session)
    purged = await held(session, date(2026, 3, 1), capacity=30, seats_taken=30, present=20, purged_at=NOW)
    before = await held(session, date(2026, 5, 1), 2, sources=["https://example.fr"], participants="plus de 50")

    assert (await evidence(session, plan)).meetings == [Meeting(purged, 30, 20, None), Meeting(before, None, None, None)]


# -- As a page and as papers -----------------------------------------------------------------------------------------


async def test_the_file_says_with_links_what_is_asked_what_was_done_and_what_falls_short(site: Site) -> None:
    text = (await site.get("/redevabilite/pgo")).text

    assert 'href="https://opengovpartnership.org/?p=67852"' in text
    assert "plus de six mois se sont écoulés" in text
    assert 'href="/donnees">Les dates de publication' in text
    for address in ("/forums/", "/questions?plan=2018-2020&amp;etat=repondue", "/suites?plan=2018-2020&amp;etat=tenues"):
        assert f'href="{address}' in text
    assert "Données inventées pour la démonstration" in text


async def test_no_name_of_a_person_or_of_an_organisation_leaves_in_the_file(site: Site) -> None:
    async with site.database.transaction() as session:
        forum = await a_forum(session, number=9, now=datetime.now(UTC) - timedelta(days=40), seats_taken=1, capacity=5)
        await a_registration(
            session, forum, "secrete@example.org", family_name="Nomsecret", organisation="Orgasecrete", status="registered"
        )

    bodies = [(await site.get(f"/redevabilite/pgo{form}")).content for form in ("", ".pdf", ".odt")]
    pdf = "".join(page.extract_text() for page in PdfReader(BytesIO(bodies[1])).pages)

    for said in (bodies[0].decode(), pdf, content_of(bodies[2])):
        assert "Orgasecrete" not in said
        assert "Nomsecret" not in said
        assert "secrete@" not in said


def content_of(odt: bytes) -> str:
    with zipfile.ZipFile(BytesIO(odt)) as archive:
        return archive.read("content.xml").decode()


async def test_the_pdf_is_accessible_in_the_language_of_the_page_and_named_after_the_day(site: Site) -> None:
    for language, prefix in (("fr", ""), ("en", "/en")):
        answer = await site.get(f"{prefix}/redevabilite/pgo.pdf")
        paper = PdfReader(BytesIO(answer.content))

        assert f"dossier-pgo-{datetime.now(PARIS).date()}.pdf" in answer.headers["content-disposition"]
        assert b"<pdfuaid:part>1</pdfuaid:part>" in paper.root_object["/Metadata"].get_object().get_data()
        assert paper.root_object["/Lang"] == language
        links = [note.get_object() for page in paper.pages for note in page.get("/Annots") or []]
        assert any(f"https://forums.example.fr{prefix}/forums/" in str(link["/A"]["/URI"]) for link in links if "/A" in link)


async def test_the_odt_reads_back_with_its_headings_its_tables_and_whole_addresses(site: Site) -> None:
    answer = await site.get("/redevabilite/pgo.odt")

    text, _ = await pandoc.document_to_markdown(answer.content, "odt")

    assert "Le dialogue s’est réuni" in text or "Le dialogue s'est réuni" in text
    assert "| Forum " in text
    assert "(https://forums.example.fr/redevabilite?plan=2018-2020)" in text


async def test_the_same_file_is_made_once(site: Site) -> None:
    first, second = [(await site.get(f"/redevabilite/pgo.odt?tour={turn}")).content for turn in (1, 2)]
    pdfs = [(await site.get(f"/redevabilite/pgo.pdf?tour={turn}")).content for turn in (1, 2)]

    assert first == second
    assert pdfs[0] == pdfs[1]


async def test_others_are_served_while_a_paper_is_made(site: Site) -> None:
    made = asyncio.create_task(site.get("/en/redevabilite/pgo.pdf?plan=essai"))
    await asyncio.sleep(0)
    assert (await site.get("/sante")).status_code == 200
    assert (await made).status_code == 200


# -- Drafts of self-assessment -----------------------------------------------------------------------------------------


def words_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


async def test_a_draft_holds_what_is_known_of_the_commitment_and_marks_what_is_not(site: Site) -> None:
    pdf = await site.get("/redevabilite/2018-2020/2/auto-evaluation.pdf")
    odt = await site.get("/redevabilite/2018-2020/2/auto-evaluation.odt")
    told, written = words_of(pdf.content), " ".join((await pandoc.document_to_markdown(odt.content, "odt"))[0].split())

    for text in (told, written):
        for fact in ("Renforcer la transparence de la commande publique", "FR0031", "Suivre un marché public de bout en bout"):
            assert fact in text
        for fact in ("Réponse d", "en retard", "tenue", "répondue en partie", "Données inventées pour la démonstration"):
            assert fact in text
        assert text.count("à compléter") >= 7
    assert "auto-evaluation-2018-2020-2-" in odt.headers["content-disposition"]
    assert b"<pdfuaid:part>1</pdfuaid:part>" in PdfReader(BytesIO(pdf.content)).root_object["/Metadata"].get_object().get_data()


async def test_a_draft_of_a_commitment_of_which_nothing_is_known_is_all_blanks(site: Site) -> None:
    told = words_of((await site.get("/redevabilite/essai/2/auto-evaluation.pdf")).content)

    for fact in ("Aucun jalon n'est connu", "Aucun indicateur n'est connu", "Aucun point d'étape", "Jamais examiné", "Aucune question"):
        assert fact in told


async def test_a_draft_quotes_published_reports_and_measurements_and_none_that_are_only_proposed(session: AsyncSession) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan, ogp_code="FR0001")
    hatvp = await an_institution(session, leads=[commitment])
    indicator = Indicator(commitment_id=commitment.id, position=1, name="Part des déclarations ouvertes", periodicity="yearly")
    session.add(indicator)
    await session.flush()
    for value, status, day in (
        ("41", "published", date(2026, 1, 1)),
        ("99", "proposed", date(2026, 9, 1)),
        ("77", "withdrawn", date(2026, 5, 1)),
    ):
        session.add(Measurement(indicator_id=indicator.id, measured_on=day, value=value, status=status))
    for status, text, start in (
        ("published", "Le **lot 1** est prêt.", date(2026, 1, 1)),
        ("proposed", "Brouillon du lot 2.", date(2026, 7, 1)),
    ):
        facts = {"period_start": start, "period_end": start + timedelta(days=180), "completion": "limited", "obstacles": "Faute de bras."}
        session.add(ProgressReport(commitment_id=commitment.id, institution_id=hatvp.id, status=status, text=text, **facts))
    session.add(Milestone(commitment_id=commitment.id, position=1, text="Ouvrir le lot 1", state="done", done_on=date(2026, 6, 1)))
    await session.flush()

    paper = draft(await accountability.known_of(session, plan, commitment, now=NOW))
    words = words_of(accountability.as_pdf(paper))

    for fact in (
        "41",
        "Le lot 1 est prêt.",
        "Faute de bras.",
        "Dernier point d'étape publié : limité.",
        "fait (lundi 1er juin 2026)",
        "HATVP",
    ):
        assert fact in words
    for unpublished in ("99", "77", "lot 2"):
        assert unpublished not in words


def draft(known: Known) -> Paper:
    return accountability.self_assessment(known, base="/engagements", language="fr", public_url="https://forums.example.fr", now=NOW)


async def test_what_people_typed_is_never_markup_in_a_paper(session: AsyncSession) -> None:
    plan = await a_plan(session)
    nasty = "<script>alert(1)</script> #let x = 1 $a$ [b](javascript:c) **gras** \U0001f600"
    commitment = await a_commitment(session, plan, working_title=nasty, summary=nasty)
    await a_question(session, None, commitment, text=nasty)
    known = await accountability.known_of(session, plan, commitment, now=NOW)

    words = words_of(accountability.as_pdf(draft(known)))
    content = content_of(await accountability.as_odt(draft(known)))

    assert "<script>alert(1)</script> #let x = 1 $a$ [b](javascript:c) **gras**" in words
    assert "&lt;script&gt;alert(1)&lt;/script&gt; #let x = 1 $a$ [b](javascript:c) **gras**" in content


async def test_a_draft_costs_as_many_statements_whatever_it_holds_and_says_where_the_rest_is_read(database: Database) -> None:
    statements: list[str] = []
    event.listen(database.reader.sync_engine, "before_cursor_execute", lambda *facts: statements.append(facts[2]))

    async def drafted() -> Paper:
        statements.clear()
        async with database.reading() as session:
            return draft(await accountability.known_of(session, plan, commitment, now=NOW))

    async with database.transaction() as session:
        plan = await a_plan(session)
        commitment = await a_commitment(session, plan)
        await a_question(session, None, commitment)
    await drafted()
    few = len(statements)
    async with database.transaction() as session:
        for number in range(120):
            await a_question(session, None, commitment, f"personne{number}@example.org")

    paper = await drafted()

    assert len(statements) == few
    said = [span.text for block in paper.blocks if isinstance(block, Text) for span in block.line]
    assert "Les 20 plus récentes sur 121 ; toutes sont en ligne".replace(" ;", "\u00a0;") in said
    assert "121 questions publiées" in said


@pytest.mark.parametrize("address", ["inconnu/1", "essai/99", "essai/0"])
async def test_no_draft_of_a_commitment_that_does_not_exist(site: Site, address: str) -> None:
    for form in ("pdf", "odt"):
        assert (await site.get(f"/redevabilite/{address}/auto-evaluation.{form}")).status_code == 404
