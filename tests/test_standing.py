"""Where each question stands, as the database keeps it, against what a stranger derives from the facts themselves.

After every kind of write that a standing hangs on, on both engines: whoever wrote it, and however.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import SQLModel, col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import answers, migrations, standing_index
from forums.database import Database
from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemQuestion,
    Answer,
    Commitment,
    CommitmentInstitution,
    Forum,
    Minutes,
    MinutesEntry,
    MinutesEntryQuestion,
    Question,
    QuestionInstitution,
    Season,
    Support,
)
from forums.settings import Settings
from forums.standing_tables import DAYS, ELSEWHERE, NO_DAY, NONE, STANDING, TALLY, WORK
from tests.factories import NOW, a_question
from tests.random_season import random_season

Row = tuple[Any, ...]
Change = Callable[[AsyncSession, Random], Awaitable[Any]]


@pytest.fixture
async def season(database: Database) -> Database:
    async with database.transaction() as session:
        await random_season(session, 5, forums=6, questions=60, promises=0, passages=30, commitments=6, measurements=1)
    return database


async def test_a_standing_follows_every_fact_it_hangs_on(season: Database) -> None:
    random = Random(3)

    assert await _kept(season) == await _recounted(season)
    for change in CHANGES:
        async with season.transaction() as session:
            await change(session, random)

        assert await _kept(season) == await _recounted(season), change.__name__


async def test_the_answers_about_a_commitment_are_counted_as_the_tables_say(season: Database) -> None:
    async with season.reading() as session:
        commitments = (await session.exec(select(Commitment))).all()
        found = {each.id: await answers.how_many_about(session, each) for each in commitments}
        query = select(Question.commitment_id, func.count()).join(Answer, col(Answer.question_id) == col(Question.id))
        published = query.where(col(Answer.published_at).is_not(None), Question.status == "published")
        told = dict((await session.exec(published.group_by(col(Question.commitment_id)))).all())

    assert sum(found.values())
    assert found == {each.id: told.get(each.id, 0) for each in commitments}


async def test_made_anew_the_standings_are_the_same(season: Database, owner: Database) -> None:
    before = await _kept(season)

    async with owner.writer.begin() as connection:
        await connection.run_sync(standing_index.create)

    assert await _kept(season) == before


async def test_two_answers_published_at_the_same_instant_are_both_seen(season: Database) -> None:
    async with season.transaction() as session:
        question = await a_question(session)
        institutions = (await session.exec(select(CommitmentInstitution.institution_id).distinct())).all()[:2]
        session.add_all([_answer(question.id, each, day) for day, each in enumerate(institutions)])
    both = asyncio.Barrier(2)

    async def publish(institution: UUID) -> None:
        if not season.is_sqlite:  # where one writes at a time, whoever waits for the other would wait for ever
            await both.wait()
        async with season.transaction() as session:
            theirs = (col(Answer.question_id) == question.id, col(Answer.institution_id) == institution)
            await session.exec(update(Answer).where(*theirs).values(published_at=NOW))

    await asyncio.gather(*(publish(each) for each in institutions))

    assert await _kept(season) == await _recounted(season)


async def test_two_supports_confirmed_at_the_same_instant_are_both_counted(season: Database) -> None:
    async with season.transaction() as session:
        question = await a_question(session)
        session.add_all([Support(question_id=question.id, email_key=each) for each in "ab"])
    both = asyncio.Barrier(2)

    async def confirm(who: str) -> None:
        if not season.is_sqlite:
            await both.wait()
        async with season.transaction() as session:
            theirs = (col(Support.question_id) == question.id, col(Support.email_key) == who)
            await session.exec(update(Support).where(*theirs).values(confirmed_at=NOW))

    await asyncio.gather(*(confirm(each) for each in "ab"))

    assert await _kept(season) == await _recounted(season)


async def test_two_transactions_that_change_several_questions_in_any_order_both_count_and_neither_waits_for_the_other(
    season: Database,
) -> None:
    async with season.reading() as session:
        alike = select(Question).where(Question.status == "published", col(Question.commitment_id).is_not(None))
        every = (await session.exec(alike.order_by(col(Question.commitment_id), col(Question.id)))).all()
    both = asyncio.Barrier(2)

    async def withdraw(questions: list[Question]) -> None:
        async with season.transaction() as session:
            for at, question in enumerate(questions):
                values = {"status": "unpublished", "decline_reason": "Hors sujet."}
                await session.exec(update(Question).where(col(Question.id) == question.id).values(**values))
                if not at and not season.is_sqlite:  # where one writes at a time, whoever waits for the other would wait for ever
                    await both.wait()

    # Of the same commitments, the first upwards and the second downwards: whoever counted with a lock would wait for ever.
    await asyncio.wait_for(asyncio.gather(withdraw(list(every[::2])), withdraw(list(reversed(every[1::2])))), 30)

    assert await _kept(season) == await _recounted(season)


def test_after_every_migration_each_fact_is_watched(settings: Settings) -> None:
    migrations.migrate(settings)

    with closing(sqlite3.connect(settings.sqlite_path)) as connection:
        kept = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'standing%'")}
    assert kept == set(standing_index.triggers())


def test_what_derives_a_standing_is_held_once_by_each_connection_to_sqlite(settings: Settings) -> None:
    migrations.migrate(settings)

    with closing(sqlite3.connect(settings.sqlite_path)) as connection:
        derive = connection.execute("SELECT count(*) FROM sqlite_master WHERE sql LIKE '%INTO standing_question%'").fetchone()
    assert derive == (1,)


# -- What the database keeps -------------------------------------------------------------------------------------


async def _kept(database: Database) -> tuple[list[Row], ...]:
    async with database.reading() as session:
        connection = await session.connection()
        each = STANDING.c
        of_each = (
            "question_id",
            "status",
            "commitment_id",
            "forum_id",
            "season_id",
            "plan_id",
            "state",
            "deferred_to",
            "taken_up",
            "since",
            "supports",
        )
        names = [each[name] for name in of_each]
        standings = [tuple(row) for row in await connection.execute(select(*names))]  # type: ignore[call-overload]
        put = ELSEWHERE.c
        elsewhere = [tuple(row) for row in await connection.execute(select(*put))]  # type: ignore[call-overload]
        work = [tuple(row) for row in await connection.execute(select(*WORK.c))]  # type: ignore[call-overload]
        counted = await connection.execute(select(*TALLY.c))  # type: ignore[call-overload]
        tally: Counter[Row] = Counter()
        for *where, _slot, number, taken_up in counted:
            tally[*where, "all"] += number
            tally[*where, "taken up"] += taken_up
        dated = await connection.execute(select(DAYS.c.plan_id, DAYS.c.day, DAYS.c.number))
        days: Counter[Row] = Counter()
        for plan, day, number in dated:
            days[plan, day] += number
    return sorted(standings, key=str), sorted(elsewhere, key=str), sorted(work, key=str), _written(tally), _written(days)


def _written(tally: Counter[Row]) -> list[Row]:
    return sorted(((*where, number) for where, number in tally.items() if number), key=str)


# -- What follows from the facts ---------------------------------------------------------------------------------


async def _recounted(database: Database) -> tuple[list[Row], ...]:
    async with database.reading() as session:
        rows = {table: await _all(session, table) for table in TABLES}
    forums = {each.id: each for each in rows[Forum]}
    public = {each.id: each.published_at for each in rows[Minutes] if each.published_at}
    entries = {each.id: each for each in rows[MinutesEntry] if each.minutes_id in public}
    items = {each.id: each for each in rows[AgendaItem]}
    taken = {tie.question_id for tie in rows[AgendaItemQuestion] if _is_public(items[tie.agenda_item_id], forums)}
    led = {(each.commitment_id, each.institution_id) for each in rows[CommitmentInstitution] if each.role == "lead"}
    said: dict[UUID, list[Row]] = {}
    for tie in rows[MinutesEntryQuestion]:
        if entry := entries.get(tie.entry_id):
            fact = (public[entry.minutes_id], 0, entry.number, entry.id.hex, tie.outcome, tie.deferred_to)
            said.setdefault(tie.question_id, []).append(fact)
    for each in rows[Answer]:
        if each.published_at:
            fact = (each.amended_at or each.published_at, 1, 0, each.id.hex, each.outcome, each.deferred_to)
            said.setdefault(each.question_id, []).append(fact)
    plans = {each.id: each.plan_id for table in (Commitment, Season) for each in rows[table]}
    standings, elsewhere = [], []
    for question in rows[Question]:
        *_, state, until = max(said.get(question.id, [("waiting", None)]))
        season = forums[question.forum_id].season_id if question.forum_id else None
        plan = plans.get(question.commitment_id) or (plans.get(season) if season else None)
        known = (question.commitment_id, season, plan, state, until if state == "deferred" else None)
        known = (*known, int(state == "waiting" and question.id in taken), question.decided_at or question.created_at)
        supports = sum(each.question_id == question.id and each.confirmed_at is not None for each in rows[Support])
        standings.append((question.id, question.status, question.commitment_id, question.forum_id, *known[1:], supports))
        put_to = [each.institution_id for each in rows[QuestionInstitution] if each.question_id == question.id]
        others = [each for each in put_to if (question.commitment_id, each) not in led]
        elsewhere += [(question.id, each, *known) for each in others if question.status == "published"]
    in_full = {question for question, facts in said.items() if any(not by and what in ENOUGH for _, by, _, _, what, _ in facts)}
    work = [_work_on(tie, rows, forums, in_full) for tie in rows[QuestionInstitution]]
    tally = _tallied([row for row in standings if row[1] == "published"], elsewhere)
    days = _dated(rows[Answer], {question: plan for question, _, _, _, _, plan, *_ in standings})
    return sorted(standings, key=str), sorted(elsewhere, key=str), sorted((each for each in work if each), key=str), tally, days


def _tallied(standings: list[Row], elsewhere: list[Row]) -> list[Row]:
    tally: Counter[Row] = Counter()
    for _, _, commitment, _, season, plan, state, until, taken_up, *_since in standings:
        where = (NONE, plan or NONE, commitment or NONE, season or NONE, state, until.strftime("%Y-%m") if until else "")
        tally[*where, "all"] += 1
        tally[*where, "taken up"] += taken_up
    for _, institution, _, season, plan, state, until, taken_up, _ in elsewhere:
        where = (institution, plan or NONE, NONE, season or NONE, state, until.strftime("%Y-%m") if until else "")
        tally[*where, "all"] += 1
        tally[*where, "taken up"] += taken_up
    return _written(tally)


def _dated(answers: list[Answer], plans: dict[UUID, UUID | None]) -> list[Row]:
    days: Counter[Row] = Counter()
    for each in answers:
        for moment in (each.published_at, each.amended_at) if each.published_at else ():
            if moment:
                days[plans[each.question_id] or NONE, f"{moment:%Y-%m-%d}" if moment.hour < 22 else f"{moment:%Y-%m-%d %H}"] += 1
    return _written(days)


ENOUGH = ("answered", "refused")


def _work_on(tie: QuestionInstitution, rows: dict[Any, list[Any]], forums: dict[UUID, Forum], in_full: set[UUID]) -> Row | None:
    question = next(each for each in rows[Question] if each.id == tie.question_id)
    mine = [each for each in rows[Answer] if (each.question_id, each.institution_id) == (tie.question_id, tie.institution_id)]
    if question.status not in ("pending", "published") or (not mine and question.id in in_full):
        return None
    if mine and mine[0].published_at:
        until = mine[0].deferred_to if mine[0].outcome == "deferred" else None
        return (tie.question_id, tie.institution_id, "published", until, None, mine[0].published_at)
    day = forums[question.forum_id].day if question.forum_id else None
    return (tie.question_id, tie.institution_id, "prepared" if mine else "to_answer", None, day or NO_DAY, question.created_at)


TABLES: tuple[type[Any], ...] = (
    Forum, Minutes, MinutesEntry, MinutesEntryQuestion, AgendaItem, AgendaItemQuestion, Answer, Question,
    QuestionInstitution, CommitmentInstitution, Commitment, Season, Support,
)  # fmt: skip


async def _all(session: AsyncSession, table: type[Any]) -> list[Any]:
    return list((await session.exec(select(table))).all())


def _is_public(item: AgendaItem, forums: dict[UUID, Forum]) -> bool:
    return item.version > 0 and item.version == forums[item.forum_id].agenda_version


# -- Every kind of write -----------------------------------------------------------------------------------------


async def _one(session: AsyncSession, random: Random, table: type[Any], *conditions: Any) -> Any:
    """One of those rows."""
    found = (await session.exec(select(table).where(*conditions).order_by(*table.__table__.primary_key))).all()
    return random.choice(found)


def _answer(question: UUID, institution: UUID, day: int, **facts: Any) -> Answer:
    outcome = {"outcome": "deferred", "deferred_to": date(2027, 1, 5)} if day else {"outcome": "answered"}
    return Answer(question_id=question, institution_id=institution, text="Voici.", **outcome, **facts)


async def a_question_is_asked(session: AsyncSession, random: Random) -> None:
    await a_question(session, await _one(session, random, Forum), await _one(session, random, Commitment))


async def one_is_withdrawn(session: AsyncSession, random: Random) -> None:
    question = await _one(session, random, Question, Question.status == "published")
    question.status, question.decline_reason = "unpublished", "Hors sujet."


async def one_is_merged(session: AsyncSession, random: Random) -> None:
    question, other = [await _one(session, random, Question, Question.status == "published") for _ in range(2)]
    question.status, question.merged_into_id = "merged", other.id


async def one_goes_to_another_forum(session: AsyncSession, random: Random) -> None:
    question = await _one(session, random, Question, Question.status == "published")
    question.forum_id, question.commitment_id = (await _one(session, random, Forum)).id, (await _one(session, random, Commitment)).id


async def one_is_put_to_another_institution(session: AsyncSession, random: Random) -> None:
    question = await _one(session, random, Question, Question.status == "published")
    tied = set((await session.exec(select(QuestionInstitution.institution_id).where(QuestionInstitution.question_id == question.id))).all())
    every = (await session.exec(select(CommitmentInstitution.institution_id).distinct())).all()
    free = next(each for each in sorted(every, key=str) if each not in tied)
    session.add(QuestionInstitution(question_id=question.id, institution_id=free, assigned_at=NOW))


async def one_is_put_to_an_institution_less(session: AsyncSession, random: Random) -> None:
    await session.delete(await _one(session, random, QuestionInstitution))


async def an_answer_is_prepared(session: AsyncSession, random: Random) -> None:
    tie = await _one(session, random, QuestionInstitution, col(QuestionInstitution.question_id).not_in(select(Answer.question_id)))
    session.add(_answer(tie.question_id, tie.institution_id, 1))


async def an_answer_is_published(session: AsyncSession, random: Random) -> None:
    question = await _one(session, random, Question, Question.status == "published", col(Question.id).not_in(select(Answer.question_id)))
    institution = (await _one(session, random, CommitmentInstitution)).institution_id
    session.add(_answer(question.id, institution, 0, published_at=NOW))


async def one_is_changed(session: AsyncSession, random: Random) -> None:
    answer = await _one(session, random, Answer, col(Answer.published_at).is_not(None))
    answer.outcome, answer.deferred_to, answer.amended_at = "deferred", date(2027, 4, 1), NOW + timedelta(days=1)


async def one_is_changed_late_in_the_evening(session: AsyncSession, random: Random) -> None:
    answer = await _one(session, random, Answer, col(Answer.published_at).is_not(None), col(Answer.amended_at).is_(None))
    answer.amended_at = NOW.replace(hour=22, minute=30)


async def one_is_withdrawn_again(session: AsyncSession, random: Random) -> None:
    answer = await _one(session, random, Answer, col(Answer.amended_at).is_not(None))
    answer.published_at = None


async def it_goes_to_another_question(session: AsyncSession, random: Random) -> None:
    answer = await _one(session, random, Answer, Answer.outcome == "deferred")
    answer.question_id = (await _one(session, random, Question, col(Question.id).not_in(select(Answer.question_id)))).id


async def an_answer_is_erased(session: AsyncSession, random: Random) -> None:
    await session.delete(await _one(session, random, Answer, col(Answer.published_at).is_not(None)))


async def minutes_are_published(session: AsyncSession, random: Random) -> None:
    await session.exec(update(Minutes).values(published_at=None))
    await session.exec(update(Minutes).values(published_at=datetime(2027, 1, 30, tzinfo=UTC)))


async def minutes_are_withdrawn(session: AsyncSession, random: Random) -> None:
    (await _one(session, random, Minutes, col(Minutes.published_at).is_not(None))).published_at = None


async def a_passage_says_otherwise(session: AsyncSession, random: Random) -> None:
    tie = await _one(session, random, MinutesEntryQuestion)
    tie.outcome, tie.deferred_to, tie.reason = "refused", None, "Secret."


async def a_passage_speaks_of_another_question(session: AsyncSession, random: Random) -> None:
    entry, question = await _one(session, random, MinutesEntry), await _one(session, random, Question)
    await session.exec(delete(MinutesEntryQuestion).where(col(MinutesEntryQuestion.entry_id) == entry.id))
    session.add(MinutesEntryQuestion(entry_id=entry.id, question_id=question.id, outcome="partly"))


async def passages_are_numbered_otherwise(session: AsyncSession, random: Random) -> None:
    await session.exec(update(MinutesEntry).values(number=1000 + 7 * col(MinutesEntry.number) % 1009))


async def a_passage_goes(session: AsyncSession, random: Random) -> None:
    await session.exec(delete(MinutesEntry).where(col(MinutesEntry.id) == (await _one(session, random, MinutesEntryQuestion)).entry_id))


async def a_question_is_put_on_an_agenda(session: AsyncSession, random: Random) -> None:
    question = await _one(session, random, Question, Question.status == "published")
    item = await _one(session, random, AgendaItem, AgendaItem.version > 0)
    await session.merge(AgendaItemQuestion(agenda_item_id=item.id, question_id=question.id))


async def another_agenda_is_published(session: AsyncSession, random: Random) -> None:
    await session.exec(update(AgendaItem).where(col(AgendaItem.version) == 1).values(version=2))
    await session.exec(update(Forum).where(col(Forum.agenda_version) == 1).values(agenda_version=2))


async def an_item_goes(session: AsyncSession, random: Random) -> None:
    tie = await _one(session, random, AgendaItemQuestion)
    await session.exec(delete(AgendaItem).where(col(AgendaItem.id) == tie.agenda_item_id))


async def a_commitment_changes_hands(session: AsyncSession, random: Random) -> None:
    await session.delete(await _one(session, random, CommitmentInstitution, CommitmentInstitution.role == "lead"))
    await session.exec(update(CommitmentInstitution).values(role="lead"))


async def a_forum_moves(session: AsyncSession, random: Random) -> None:
    (await _one(session, random, Forum, col(Forum.id).in_(select(Question.forum_id)))).day = date(2027, 9, 1)


async def a_forum_goes_to_another_season(session: AsyncSession, random: Random) -> None:
    season = Season(slug="une-autre", title="Une autre saison")
    session.add(season)
    await session.flush()
    forum = await _one(session, random, Forum)
    forum.season_id, forum.number = season.id, 99


async def a_season_goes_to_another_plan(session: AsyncSession, random: Random) -> None:
    plan = ActionPlan(slug="un-autre", title="Un autre plan")
    session.add(plan)
    await session.flush()
    await session.exec(update(Season).values(plan_id=plan.id))


async def a_commitment_goes_to_another_plan(session: AsyncSession, random: Random) -> None:
    commitment = await _one(session, random, Commitment)
    commitment.plan_id = (await session.exec(select(ActionPlan.id).where(ActionPlan.slug == "un-autre"))).one()


async def a_commitment_goes(session: AsyncSession, random: Random) -> None:
    await _erase(session, Commitment, await _one(session, random, Commitment))


async def a_forum_goes(session: AsyncSession, random: Random) -> None:
    await _erase(session, Forum, await _one(session, random, Forum, col(Forum.id).in_(select(Minutes.forum_id))))


async def a_question_goes(session: AsyncSession, random: Random) -> None:
    merged = select(Question.merged_into_id).where(col(Question.merged_into_id).is_not(None))
    await _erase(session, Question, await _one(session, random, Question, col(Question.id).not_in(merged)))


async def _erase(session: AsyncSession, table: type[SQLModel], row: Any) -> None:
    await session.exec(delete(table).where(table.__table__.c.id == row.id))  # type: ignore[attr-defined]


async def people_support_it(session: AsyncSession, random: Random) -> None:
    question = await _one(session, random, Question, Question.status == "published")
    confirmed = [None, NOW, NOW]
    session.add_all([Support(question_id=question.id, email_key=f"{random.random()}", confirmed_at=each) for each in confirmed])


async def one_support_is_confirmed(session: AsyncSession, random: Random) -> None:
    (await _one(session, random, Support, col(Support.confirmed_at).is_(None))).confirmed_at = NOW


async def supports_go_to_another_question(session: AsyncSession, random: Random) -> None:
    one = await _one(session, random, Support, col(Support.confirmed_at).is_not(None))
    other = await _one(session, random, Question, col(Question.id).not_in(select(Support.question_id)))
    await session.exec(update(Support).where(col(Support.question_id) == one.question_id).values(question_id=other.id))


async def a_support_is_withdrawn(session: AsyncSession, random: Random) -> None:
    await session.delete(await _one(session, random, Support, col(Support.confirmed_at).is_not(None)))


CHANGES: tuple[Change, ...] = (
    people_support_it, one_support_is_confirmed, supports_go_to_another_question, a_support_is_withdrawn,
    a_question_is_asked, one_is_withdrawn, one_is_merged, one_goes_to_another_forum, one_is_put_to_another_institution,
    one_is_put_to_an_institution_less, an_answer_is_prepared, an_answer_is_published, one_is_changed,
    one_is_changed_late_in_the_evening, one_is_withdrawn_again,
    it_goes_to_another_question, an_answer_is_erased, minutes_are_published,
    minutes_are_withdrawn, a_passage_says_otherwise, a_passage_speaks_of_another_question,
    passages_are_numbered_otherwise, a_passage_goes, a_question_is_put_on_an_agenda, another_agenda_is_published, an_item_goes,
    a_commitment_changes_hands, a_forum_moves, a_forum_goes_to_another_season, a_season_goes_to_another_plan,
    a_commitment_goes_to_another_plan, a_commitment_goes, a_forum_goes, a_question_goes,
)  # fmt: skip
