"""Accountability: what was examined, and every figure recounted in plain Python from the rows of a random season."""

import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import accountability, agenda, minutes, questions
from forums.accountability import Asked, Figures, Measured, Promised
from forums.database import Database
from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemQuestion,
    Answer,
    Commitment,
    CommitmentInstitution,
    FollowUp,
    FollowUpCommitment,
    Forum,
    ForumCommitment,
    Indicator,
    Institution,
    Measurement,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    Question,
    QuestionInstitution,
    Season,
)
from forums.models.forum import PARIS
from forums.schedule.life import link_commitments
from forums.settings import Settings
from tests.factories import NOW, a_commitment, a_forum, a_plan, a_question, an_agenda_item_form, an_entry_form
from tests.random_season import random_season
from tests.site import Site, running

OPENED = datetime(2026, 1, 1, tzinfo=UTC)


async def held(session: AsyncSession, number: int = 1, *, ago: int = 30, **facts: Any) -> Forum:
    """A forum held so many days ago."""
    return await a_forum(session, number=number, **{"now": OPENED, "day": (NOW - timedelta(days=ago)).date()} | facts)


async def about(session: AsyncSession, forum: Forum, *commitments: Commitment) -> None:
    await link_commitments(session, forum, commitments)
    await session.flush()


async def order(session: AsyncSession, plan: Any) -> list[tuple[int, str | None]]:
    found = await accountability.least_examined(session, plan, now=NOW)
    return [(each.commitment.number, each.last.slug if each.last else None) for each in found]


async def test_commitments_never_examined_come_first_then_those_examined_longest_ago(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second, third = [await a_commitment(session, plan, number) for number in (1, 2, 3)]
    await a_commitment(session, plan, 4)
    await about(session, await held(session, 1, ago=30), first, third)
    await about(session, await held(session, 2, ago=90), second, third)

    assert await order(session, plan) == [(4, None), (2, "2027-2"), (1, "2027-1"), (3, "2027-1")]


async def test_a_published_agenda_and_published_minutes_examine_what_they_are_tied_to_and_their_drafts_do_not(
    session: AsyncSession,
) -> None:
    plan = await a_plan(session)
    on_agenda, in_minutes, drafted = [await a_commitment(session, plan, number) for number in (1, 2, 3)]
    forum, draft = await held(session, 1), await held(session, 2)
    for each, commitment in ((forum, on_agenda), (draft, drafted)):
        await agenda.add(session, each, an_agenda_item_form(), [commitment], [], now=OPENED)
    await agenda.publish(session, forum, now=OPENED)
    for each, commitment in ((forum, in_minutes), (draft, drafted)):
        await minutes.write(session, await minutes.begun(session, each), an_entry_form(), None, [commitment], [], now=NOW)
    await minutes.publish(session, await minutes.begun(session, forum), now=NOW)

    assert await order(session, plan) == [(3, None), (1, "2027-1"), (2, "2027-1")]


@pytest.mark.parametrize("facts", [{"ago": -10}, {"status": "cancelled"}, {"status": "draft", "announced_at": None}])
async def test_a_forum_to_come_cancelled_or_never_announced_examines_nothing(session: AsyncSession, facts: dict[str, Any]) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)

    await about(session, await held(session, **facts), commitment)

    assert await order(session, plan) == [(1, None)]


# -- Figures, recounted -------------------------------------------------------------------------------------------

TODAY = NOW.astimezone(PARIS).date()
TABLES: list[type] = [
    ActionPlan, Commitment, CommitmentInstitution, Institution, Season, Forum, ForumCommitment, Question, QuestionInstitution, Answer,
    AgendaItem, AgendaItemCommitment, AgendaItemQuestion, Minutes, MinutesEntry, MinutesEntryCommitment, MinutesEntryQuestion,
    FollowUp, FollowUpCommitment, Indicator, Measurement,
]  # fmt: skip


class Recount:
    """The same figures from nothing but rows, without one line of the rules they test."""

    def __init__(self, rows: dict[type, list[Any]]) -> None:
        self.rows = rows
        self.by_id = {table: {each.id: each for each in rows[table] if hasattr(each, "id")} for table in rows}
        self.current = next(each.id for each in rows[ActionPlan] if each.current)
        self.held = {each.id: each for each in rows[Forum] if each.status == "announced" and self._over(each)}
        self.states = self._states()
        self.published = [each for each in rows[Question] if each.status == "published"]
        self.taken_up = {tie.question_id for tie in rows[AgendaItemQuestion] if self._is_public(self.by_id[AgendaItem][tie.agenda_item_id])}
        self.leading = {(each.institution_id, each.commitment_id) for each in rows[CommitmentInstitution] if each.role == "lead"}
        self.bearing: dict[Any, list[Commitment]] = {}
        for tie in rows[FollowUpCommitment]:
            self.bearing.setdefault(tie.follow_up_id, []).append(self.by_id[Commitment][tie.commitment_id])

    @classmethod
    async def of(cls, session: AsyncSession) -> "Recount":
        return cls({table: list((await session.exec(select(table))).all()) for table in TABLES})

    def _over(self, forum: Forum) -> bool:
        return forum.ends_at <= NOW if forum.ends_at else forum.day < TODAY  # type: ignore[operator]

    def _is_public(self, item: AgendaItem) -> bool:
        return item.version > 0 and item.version == self.by_id[Forum][item.forum_id].agenda_version

    def _states(self) -> dict[Any, tuple[str, date | None]]:
        """What came of each question, the latest publication first."""
        facts: dict[Any, list[Any]] = {}
        for link in self.rows[MinutesEntryQuestion]:
            entry = self.by_id[MinutesEntry][link.entry_id]
            published = self.by_id[Minutes][entry.minutes_id].published_at
            if published:
                facts.setdefault(link.question_id, []).append((published, 0, entry.number, entry.id, link))
        for answer in self.rows[Answer]:
            if answer.published_at:
                fact = (answer.amended_at or answer.published_at, 1, 0, answer.id, answer)
                facts.setdefault(answer.question_id, []).append(fact)
        last = {key: max(found, key=lambda fact: fact[:4])[4] for key, found in facts.items()}
        none = ("waiting", None)
        return {each.id: (last[each.id].outcome, last[each.id].deferred_to) if each.id in last else none for each in self.rows[Question]}

    # -- Which ones ----------------------------------------------------------------------------------------------

    def in_plan(self, plan: ActionPlan) -> Callable[[Question], bool]:
        return lambda question: self._plan_of_question(question) == plan.id

    def _plan_of_question(self, question: Question) -> Any:
        if question.commitment_id:
            return self.by_id[Commitment][question.commitment_id].plan_id
        return self._plan_of_forum(question.forum_id)

    def _plan_of_forum(self, forum_id: Any) -> Any:
        season = self.by_id[Season][self.by_id[Forum][forum_id].season_id] if forum_id else None
        return (season.plan_id if season else None) or self.current

    def put_to(self, institution: Institution) -> Callable[[Question], bool]:
        routed = {each.question_id for each in self.rows[QuestionInstitution] if each.institution_id == institution.id}
        return lambda question: question.id in routed or (institution.id, question.commitment_id) in self.leading

    def asked_in(self, season: Season | None) -> Callable[[Question], bool]:
        """At a forum of that season; of none, at no forum."""
        forums = {each.id for each in self.rows[Forum] if season and each.season_id == season.id} or {None}
        return lambda question: question.forum_id in forums

    def made_in(self, plan: ActionPlan) -> Callable[[FollowUp], bool]:
        return lambda promise: (
            plan.id in ({each.plan_id for each in self.bearing.get(promise.id, [])} or {self._plan_of_forum(promise.forum_id)})
        )

    def held_by(self, institution: Institution) -> Callable[[FollowUp], bool]:
        return lambda promise: promise.institution_id == institution.id

    def promised_in(self, season: Season | None) -> Callable[[FollowUp], bool]:
        return lambda promise: self.by_id[Forum][promise.forum_id].season_id == (season.id if season else None)

    # -- How many ------------------------------------------------------------------------------------------------

    def asked(self, wanted: Callable[[Question], bool], *, waits: bool = True) -> Asked:
        chosen = [each for each in self.published if wanted(each)]
        states = Counter(self.states[each.id][0] for each in chosen)
        late = sum(state == "deferred" and day < TODAY for state, day in (self.states[each.id] for each in chosen))  # type: ignore[operator]
        waiting = [each for each in chosen if self.states[each.id][0] == "waiting"]
        since = min((each.decided_at.astimezone(PARIS).date() for each in waiting if each.decided_at), default=None) if waits else None
        return Asked(
            waiting=states["waiting"],
            on_agenda=sum(each.id in self.taken_up for each in waiting),
            answered=states["answered"],
            partly=states["partly"],
            deferred=states["deferred"],
            overdue=late,
            refused=states["refused"],
            days=(TODAY - since).days if since else None,
            forums=sum(each.day > since for each in self.held.values()) if since else None,
        )

    def promised(self, wanted: Callable[[FollowUp], bool]) -> Promised:
        public = {each.forum_id for each in self.rows[Minutes] if each.published_at}
        chosen = [each for each in self.rows[FollowUp] if each.forum_id in public and wanted(each)]
        late = sum(each.status == "open" and each.due_on is not None and each.due_on < TODAY for each in chosen)
        return Promised(**Counter(each.status for each in chosen), late=late)

    def measured(self, wanted: Callable[[Commitment], bool]) -> Measured:
        found = Counter(self._freshness(each) for each in self.rows[Indicator] if wanted(self.by_id[Commitment][each.commitment_id]))
        return Measured(**found)

    def _freshness(self, indicator: Indicator) -> str:
        days = [each.measured_on for each in self.rows[Measurement] if each.indicator_id == indicator.id and each.status == "published"]
        if days and indicator.periodicity == "once":
            return "fresh"
        if (indicator.periodicity if days else indicator.first_due_on) is None:
            return "no_rule"
        months = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12}.get(indicator.periodicity or "")
        due = months_later(max(days), months) if days and months else indicator.first_due_on
        return "stale" if due and due < TODAY else "fresh"

    def examined(self, commitment: Commitment) -> set[str]:
        """The slugs of the forums that examined it."""
        found = {each.forum_id for each in self.rows[ForumCommitment] if each.commitment_id == commitment.id}
        for tie in self.rows[AgendaItemCommitment]:
            item = self.by_id[AgendaItem][tie.agenda_item_id]
            forum = self.by_id[Forum][item.forum_id]
            if tie.commitment_id == commitment.id and forum.agenda_published_at and item.version == forum.agenda_version:
                found.add(forum.id)
        for tie in self.rows[MinutesEntryCommitment]:
            written = self.by_id[Minutes][self.by_id[MinutesEntry][tie.entry_id].minutes_id]
            if tie.commitment_id == commitment.id and written.published_at:
                found.add(written.forum_id)
        return {self.held[each].slug for each in found if each in self.held}


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or its last day; the last day of a month leads to the last of the other."""
    first = date(day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return last if (day + timedelta(days=1)).day == 1 else first.replace(day=min(day.day, last.day))


async def test_a_question_stands_in_the_figures_where_its_own_page_says_it_stands(session: AsyncSession) -> None:
    made = await random_season(session, 7, questions=300, promises=0)
    published = [each for each in made.questions if each.status == "published"]
    standings = await questions.states_of(session, published)
    figures = [await accountability.figures_of(session, plan, now=NOW) for plan in (made.plan, made.old_plan)]

    counted = Counter(standings[each.id].state for each in published)
    overdue = sum(standings[each.id].is_overdue(NOW) for each in published)

    for name in ("answered", "partly", "deferred", "refused"):
        assert sum(getattr(each.asked, name) for each in figures) == counted[name] > 0, name
    assert sum(each.asked.on_agenda for each in figures) == counted["on_agenda"] > 0
    assert sum(each.asked.waiting for each in figures) == counted["on_agenda"] + counted["waiting"] > 0
    assert sum(each.asked.overdue for each in figures) == overdue > 0


async def test_every_figure_of_a_season_of_500_questions_and_200_promises_is_what_its_rows_add_up_to(session: AsyncSession) -> None:
    made = await random_season(session, 11)
    recount = await Recount.of(session)

    for plan in (made.plan, made.old_plan):
        figures = await accountability.figures_of(session, plan, now=NOW)

        assert figures.asked == recount.asked(recount.in_plan(plan))
        assert figures.promised == recount.promised(recount.made_in(plan))
        assert figures.measured == recount.measured([row.commitment for row in figures.commitments].__contains__)
        assert figures.asked_of_none == recount.asked(both(recount.in_plan(plan), lambda each: each.commitment_id is None))
        assert figures.promised_of_none == recount.promised(both(recount.made_in(plan), lambda each: not recount.bearing.get(each.id, [])))
        assert sorted(each.commitment.number for each in figures.commitments) == [each.commitment.number for each in figures.commitments]
        recount_commitments(figures, recount)
        recount_institutions(figures, recount)


def both(one: Callable[[Any], bool], other: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda each: one(each) and other(each)


def recount_commitments(figures: Figures, recount: Recount) -> None:
    plan = figures.plan
    assert figures.never_examined == sum(not recount.examined(each) for each in recount.rows[Commitment] if each.plan_id == plan.id)
    for row in figures.commitments:
        assert row.asked == recount.asked(lambda each, row=row: each.commitment_id == row.commitment.id)  # type: ignore[misc]
        assert row.promised == recount.promised(lambda each, row=row: row.commitment in recount.bearing.get(each.id, []))  # type: ignore[misc]
        assert row.measured == recount.measured(lambda each, row=row: each.id == row.commitment.id)  # type: ignore[misc]
        assert {each.slug for each in row.examined} == recount.examined(row.commitment)


def recount_institutions(figures: Figures, recount: Recount) -> None:
    plan = figures.plan
    for row in figures.institutions:
        who = row.institution
        led = [each for each in recount.rows[Commitment] if each.plan_id == plan.id and (who.id, each.id) in recount.leading]
        assert row.asked == recount.asked(both(recount.in_plan(plan), recount.put_to(who)))
        assert row.promised == recount.promised(both(recount.made_in(plan), recount.held_by(who)))
        assert row.measured == recount.measured(led.__contains__)
        assert row.never_examined == sum(not recount.examined(each) for each in led)
    shown = {each.institution.id for each in figures.institutions}
    for absent in (each for each in recount.rows[Institution] if each.id not in shown):
        nothing = recount.asked(both(recount.in_plan(plan), recount.put_to(absent)))
        assert (nothing, recount.promised(both(recount.made_in(plan), recount.held_by(absent)))) == (Asked(), Promised())


async def test_seasons_add_up_to_everything_asked_and_promised(session: AsyncSession) -> None:
    made = await random_season(session, 13)
    recount = await Recount.of(session)
    carrier = made.institutions[0]

    rows = await accountability.trends(session, now=NOW)
    theirs = await accountability.trends(session, institution=carrier, now=NOW)

    assert [each.season.slug if each.season else None for each in rows] == ["saison-1", "saison-2", "saison-3", "saison-4", None]
    for row in rows:
        assert row.asked == recount.asked(recount.asked_in(row.season), waits=False)
        assert row.promised == recount.promised(recount.promised_in(row.season))
    for row in theirs:
        assert row.asked == recount.asked(both(recount.asked_in(row.season), recount.put_to(carrier)), waits=False)
        assert row.promised == recount.promised(both(recount.promised_in(row.season), recount.held_by(carrier)))


# -- Pages ------------------------------------------------------------------------------------------------------------

COUNTED = re.compile(r'<a href="([^"]+)" aria-label="(\d+), [^"]*">\d+</a>')
IN_WORDS = re.compile(r'<a href="(/(?:questions|suites|redevabilite/\w+)\?[^"]+)">(?:dont )?(\d+|une?)\s')


@pytest.fixture
async def random_site(settings: Settings, sqlite_with_tables: Path) -> AsyncIterator[Site]:
    """A site that holds nothing but a small random season around today."""
    shutil.copy(sqlite_with_tables, settings.sqlite_path)
    async with running(settings) as site:
        async with site.database.transaction() as session:
            await random_season(session, 3, forums=9, questions=120, promises=60, passages=60, commitments=5, now=datetime.now(UTC))
        yield site


def figures_in(text: str) -> dict[str, int]:
    """Every number that leads somewhere: where, and how many are announced there."""
    in_words = ((address, number) for address, number in IN_WORDS.findall(text) if "tri=" not in address)
    return {unescape(address): int(number) if number.isdigit() else 1 for address, number in [*COUNTED.findall(text), *in_words]}


def announced(text: str) -> int:
    """How many a list says it holds."""
    found = re.search(r"<h2>\s*(Un|Une|Aucun|Aucune|\d+)[\s ]", text)
    assert found, text
    return {"Un": 1, "Une": 1, "Aucun": 0, "Aucune": 0}.get(found[1]) if not found[1].isdigit() else int(found[1])  # type: ignore[return-value]


@pytest.mark.parametrize("page", ["/redevabilite", "/redevabilite?plan=ancien", "/redevabilite/institutions/administration-1"])
async def test_each_figure_leads_to_a_list_of_exactly_as_many(random_site: Site, page: str) -> None:
    figures = figures_in((await random_site.get(page)).text)

    lists = {address: number for address, number in figures.items() if "#" not in address}
    found = {address: announced((await random_site.get(address)).text) for address in lists}

    assert len(lists) > 15
    assert found == lists


@pytest.mark.parametrize("narrowed", ["plan=nouveau", "institution=administration-1"])
async def test_a_list_shows_as_many_lines_as_it_says_over_all_its_pages(random_site: Site, narrowed: str) -> None:
    total, lines = None, 0
    for number in range(1, 9):
        text = (await random_site.get(f"/questions?{narrowed}&page={number}")).text
        total = announced(text)
        lines += len(re.findall(r'<p class="fr-mb-0"><a href="/questions/', text))

    assert lines == total


async def test_a_commitment_nobody_asked_about_says_so_and_shows_no_zero(site: Site) -> None:
    text = (await site.get("/redevabilite?plan=essai")).text

    assert text.count("Aucune question n'a été posée.") >= 4
    assert "jamais examiné" in text
    assert "%" not in re.sub(r"<[^>]+>", "", text)


async def test_figures_are_the_same_for_everybody_in_both_languages_and_may_be_cached(site: Site) -> None:
    french, english = await site.get("/redevabilite"), await site.get("/en/redevabilite")

    assert french.headers["cache-control"].startswith("public")
    assert "set-cookie" not in french.headers
    links = [re.findall(r'<a href="(?:/en)?(/[^"]+)" aria-label', each.text) for each in (french, english)]
    assert links[0] == links[1] != []


@pytest.mark.parametrize(
    "address", ["/redevabilite?plan=inconnu", "/redevabilite/institutions/inconnue", "/redevabilite/engagements/essai/99"]
)
async def test_a_plan_an_institution_or_a_commitment_that_does_not_exist_is_not_found(site: Site, address: str) -> None:
    assert (await site.get(f"/redevabilite{address}")).status_code == 404


async def test_without_a_plan_the_page_says_so(settings: Settings, sqlite_with_tables: Path) -> None:
    shutil.copy(sqlite_with_tables, settings.sqlite_path)
    async with running(settings) as empty:
        for address in ("/redevabilite", "/redevabilite/engagements", "/redevabilite/indicateurs"):
            answer = await empty.get(address)
            assert (answer.status_code, "aucun plan d'action" in unescape(answer.text)) == (200, True)


async def test_the_number_of_statements_does_not_grow_with_what_is_counted(database: Database) -> None:
    statements: list[str] = []
    event.listen(database.reader.sync_engine, "before_cursor_execute", lambda *facts: statements.append(facts[2]))

    async def asked(plan: ActionPlan) -> int:
        statements.clear()
        async with database.reading() as session:
            await accountability.figures_of(session, plan, now=NOW)
            await accountability.trends(session, now=NOW)
        return len(statements)

    async with database.transaction() as session:
        made = await random_season(session, 5, forums=3, questions=10, promises=3, passages=5)
    few = await asked(made.plan)
    async with database.transaction() as session:
        for number in range(200):
            await a_question(session, made.forums[0], made.commitments[number % 21], f"personne{number}@example.org")

    assert await asked(made.plan) == few <= 16
