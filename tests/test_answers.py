"""Answers: routed to institutions, prepared by their agents, published on the evening at the earliest, followed."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, agenda, answers, minutes, questions, schedule
from forums.answers import Assignment, Standing
from forums.database import Database
from forums.models import (
    Answer,
    AuditEvent,
    Forum,
    ForumCommitment,
    Institution,
    Member,
    MinutesEntryQuestion,
    OutboxMessage,
    Question,
    Season,
    Support,
)
from forums.refusals import AnswerChanged, BeforeTheEvening, NothingToPublish, OrganisersPublish, Refusal, RoutingChanged, WrongMoment
from tests.factories import (
    NOW,
    a_commitment,
    a_forum,
    a_plan,
    a_question,
    a_season,
    an_agenda_item_form,
    an_agent,
    an_answer_form,
    an_entry_form,
    an_institution,
    promised,
    some_minutes,
    told,
)
from tests.site import Site

ORGANISER = Member(email="organise@example.fr", role="organiser")
AGENT = Member(email="agent@example.fr", role="agent")


async def a_routed_question(
    session: AsyncSession, forum: Forum | None = None, name: str = "HATVP", **facts: Any
) -> tuple[Question, Institution]:
    """A published question put to one institution."""
    institution = await action_plan.institution_by_slug(session, name.lower()) or await an_institution(session, name)
    question = await a_question(session, forum, **facts)
    await answers.assign(session, question, [institution], seen=[], now=NOW)
    return question, institution


async def work_on(session: AsyncSession, question: Question, institution: Institution) -> Assignment:
    found = await answers.assignment(session, question.code, institution.slug, institutions=None)
    assert found is not None
    return found


async def an_answer(session: AsyncSession, question: Question, institution: Institution, *, now: datetime = NOW, **typed: str) -> Answer:
    """A published answer."""
    work = await work_on(session, question, institution)
    answer = await answers.write(session, work, an_answer_form(**typed), ORGANISER, now=now)
    await answers.publish(session, work, ORGANISER, edition=answer.edition, now=now)
    return answer


async def the_evening(forum: Forum) -> datetime:
    assert forum.starts_at is not None
    return forum.starts_at


# -- Routing --------------------------------------------------------------------------------------------------


async def test_a_question_is_put_to_those_who_lead_its_commitment_or_else_those_of_its_forum(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    await an_institution(session, "HATVP", leads=[first])
    await an_institution(session, "Etalab", leads=[second])
    forum = await a_forum(session)
    session.add(ForumCommitment(forum_id=forum.id, commitment_id=second.id))
    asked = [await a_question(session, *about) for about in ((forum, first), (forum, None), (None, None))]

    for question in asked:
        await answers.route(session, question, now=NOW)

    routed = [[each.slug for each in await answers.institutions_of(session, question)] for question in asked]
    assert routed == [["hatvp"], ["etalab"], []]


async def test_publishing_a_question_routes_it_and_tells_the_agents_once_even_those_of_two_institutions(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    hatvp, etalab = [await an_institution(session, name, leads=[commitment]) for name in ("HATVP", "Etalab")]
    await an_agent(session, hatvp, etalab, email="deux@example.fr")
    await an_agent(session, etalab, email="une@example.fr")
    await an_agent(session, await an_institution(session, "Cour"), email="autre@example.fr")
    question = await a_question(session, None, commitment, status="pending", decided_at=None)

    await questions.publish(session, question, now=NOW)
    await answers.route_and_tell(session, question, now=NOW)

    assert await told(session, "question_assigned") == ["deux@example.fr", "une@example.fr"]


async def test_what_a_moderator_chose_before_publication_stands_and_its_agents_hear_of_it_then(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    leader, other = await an_institution(session, "HATVP", leads=[commitment]), await an_institution(session, "Etalab")
    await an_agent(session, other)
    question = await a_question(session, None, commitment, status="pending", decided_at=None)
    await answers.route(session, question, now=NOW)

    await answers.assign(session, question, [other], seen=[leader.slug], now=NOW)
    before = await told(session, "question_assigned")
    await questions.publish(session, question, now=NOW)

    assert (before, await told(session, "question_assigned")) == ([], ["agent@example.fr"])
    assert await answers.institutions_of(session, question) == [other]


async def test_of_two_moderators_who_route_at_once_the_second_is_told_and_the_same_choice_twice_is_one(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    etalab, cour = [await an_institution(session, name) for name in ("Etalab", "Cour")]

    first = await answers.assign(session, question, [hatvp, etalab], seen=["hatvp"], now=NOW)
    again = await answers.assign(session, question, [hatvp, etalab], seen=["hatvp"], now=NOW)
    with pytest.raises(RoutingChanged):
        await answers.assign(session, question, [cour], seen=["hatvp"], now=NOW)

    assert (first, again) == (True, False)
    assert await answers.institutions_of(session, question) == [etalab, hatvp]


async def test_an_institution_that_has_answered_stays(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    await an_answer(session, question, hatvp)

    with pytest.raises(Refusal, match="a publié sa réponse"):
        await answers.assign(session, question, [await an_institution(session, "Etalab")], seen=["hatvp"], now=NOW)

    assert await answers.institutions_of(session, question) == [hatvp]


async def test_agents_see_what_is_routed_to_them_besides_what_is_on_their_commitments(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session, status="pending")
    other = await an_institution(session, "Etalab")

    seen = [await questions.concerns(session, question, [each]) for each in (hatvp, other)]
    queues = [await questions.to_moderate(session, institutions=[each]) for each in (hatvp, other)]

    assert seen == [True, False]
    assert queues == [[question], []]


# -- Write ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "field_at_fault"),
    [
        ({"outcome": "peut-être"}, "outcome"),
        ({"text": " "}, "text"),
        ({"outcome": "partly", "text": ""}, "text"),
        ({"outcome": "deferred"}, "deferred_to"),
        ({"outcome": "refused"}, "reason"),
        ({"edition": "-1"}, "edition"),
    ],
)
def test_an_outcome_says_what_it_must(typed: dict[str, str], field_at_fault: str) -> None:
    with pytest.raises(ValidationError) as refused:
        an_answer_form(**typed)

    assert [error["loc"] for error in refused.value.errors()] == [(field_at_fault,)]


def test_a_delay_or_a_refusal_needs_no_text() -> None:
    assert an_answer_form("", outcome="deferred", deferred_to="2027-06-01").text == ""
    assert an_answer_form("", outcome="refused", reason="Secret.").text == ""


async def test_a_draft_is_seen_by_its_institution_and_organisers_and_by_nobody_else(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    other = await an_institution(session, "Etalab")
    await answers.write(session, await work_on(session, question, hatvp), an_answer_form(), AGENT, now=NOW)

    mine = await answers.assignment(session, question.code, "hatvp", institutions=[hatvp])
    assert mine is not None
    assert mine.answer is not None
    assert await answers.assignment(session, question.code, "hatvp", institutions=[other]) is None
    assert await answers.assignment(session, question.code, "hatvp", institutions=[]) is None
    assert await answers.given(session, question) == []
    assert (await questions.states_of(session, [question]))[question.id] == answers.Standing("waiting")


async def test_a_colleagues_text_is_never_overwritten(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    work = await work_on(session, question, hatvp)
    await answers.write(session, work, an_answer_form("Le premier texte."), AGENT, now=NOW)

    for old in ("0", "7"):
        with pytest.raises(AnswerChanged):
            await answers.write(session, work, an_answer_form("Un autre.", edition=old), AGENT, now=NOW)
    held = await answers.write(session, work, an_answer_form("Les deux réunis.", edition="1"), AGENT, now=NOW)

    assert (held.text, held.edition) == ("Les deux réunis.", 2)


async def test_of_two_agents_who_save_at_the_same_instant_one_stands_and_the_other_is_told(database: Database) -> None:
    async with database.transaction() as session:
        question, hatvp = await a_routed_question(session)

    async def save(text: str, edition: str) -> bool:
        try:
            async with database.transaction() as session:
                work = await work_on(session, question, hatvp)
                await asyncio.sleep(0.05)  # both have read it
                await answers.write(session, work, an_answer_form(text, edition=edition), AGENT, now=NOW)
        except AnswerChanged:
            return False
        return True

    begun = await asyncio.gather(save("un", "0"), save("deux", "0"))
    changed = await asyncio.gather(save("trois", "1"), save("quatre", "1"))

    assert (sorted(begun), sorted(changed)) == ([False, True], [False, True])


async def test_the_same_form_sent_twice_is_saved_once(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    work = await work_on(session, question, hatvp)

    saved = [await answers.write(session, work, an_answer_form(), AGENT, now=NOW) for _ in range(2)]

    assert [each.edition for each in saved] == [1, 1]


async def test_an_answer_is_put_off_to_a_day_to_come(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    work = await work_on(session, question, hatvp)

    with pytest.raises(WrongMoment):
        await answers.write(session, work, an_answer_form(outcome="deferred", deferred_to="2027-02-01"), AGENT, now=NOW)
    held = await answers.write(session, work, an_answer_form(outcome="deferred", deferred_to="2027-02-02"), AGENT, now=NOW)
    with pytest.raises(WrongMoment):  # prepared, then forgotten until the day has come
        await answers.publish(session, work, ORGANISER, edition=1, now=NOW + timedelta(days=1))

    assert held.deferred_to == date(2027, 2, 2)


# -- Publish -----------------------------------------------------------------------------------------------------


async def test_an_answer_comes_out_on_the_evening_at_the_earliest_and_its_author_is_told(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question, hatvp = await a_routed_question(session, forum)
    work = await work_on(session, question, hatvp)
    await answers.write(session, work, an_answer_form(), AGENT, now=NOW)
    evening = await the_evening(forum)

    with pytest.raises(BeforeTheEvening) as refused:
        await answers.publish(session, work, ORGANISER, edition=1, now=evening - timedelta(seconds=1))
    before = (await answers.given(session, question), await told(session, "answer_published"))
    await answers.publish(session, work, ORGANISER, edition=1, now=evening)

    assert refused.value.figures == {"day": "03/03/2027"}
    assert before == ([], [])
    assert [(each.institution.slug, each.answer.published_at) for each in await answers.given(session, question)] == [("hatvp", evening)]
    assert [(each.recipient, each.facts["institution"]) for each in await promised(session, "answer_published")] == [
        ("dominique@example.org", "HATVP")
    ]


@pytest.mark.parametrize("facts", [{"status": "cancelled"}, {"starts_at": None, "ends_at": None}, None])
async def test_no_evening_keeps_an_answer_waiting_when_there_is_none(session: AsyncSession, facts: dict[str, Any] | None) -> None:
    forum = await a_forum(session, **facts) if facts else None
    if forum and forum.status != "cancelled":
        forum.day = None  # a past forum whose day was never found
    question, hatvp = await a_routed_question(session, forum)

    await an_answer(session, question, hatvp)

    assert len(await answers.given(session, question)) == 1


async def test_a_forum_known_by_its_day_alone_opens_its_answers_that_day(session: AsyncSession) -> None:
    forum = await a_forum(session, starts_at=None, ends_at=None, day=date(2027, 3, 3))

    days = [answers.opens_at(forum, now=datetime(2027, 3, day, 12, tzinfo=UTC)) for day in (2, 3)]

    assert days == [date(2027, 3, 3), None]


@pytest.mark.parametrize(("agents_publish", "with_forum", "may"), [(True, True, True), (False, True, False), (True, False, False)])
async def test_agents_publish_where_the_season_of_the_forum_lets_them(
    session: AsyncSession, agents_publish: bool, with_forum: bool, may: bool
) -> None:
    await a_season(session, agents_publish=agents_publish)
    forum = await a_forum(session) if with_forum else None
    question, hatvp = await a_routed_question(session, forum)
    work = await work_on(session, question, hatvp)
    held = await answers.write(session, work, an_answer_form(), AGENT, now=NOW)
    evening = await the_evening(forum) if forum else NOW

    if may:
        assert await answers.publish(session, work, AGENT, edition=1, now=evening)
    else:
        with pytest.raises(OrganisersPublish):
            await answers.publish(session, work, AGENT, edition=1, now=evening)

    await session.refresh(held)
    assert (held.published_at is not None) == may


async def test_an_answer_waits_for_its_question_to_be_public(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session, status="pending", decided_at=None)
    work = await work_on(session, question, hatvp)
    with pytest.raises(NothingToPublish):
        await answers.publish(session, work, ORGANISER, edition=0, now=NOW)
    await answers.write(session, work, an_answer_form(), AGENT, now=NOW)

    with pytest.raises(NothingToPublish):
        await answers.publish(session, work, ORGANISER, edition=1, now=NOW)

    assert await told(session, "answer_published") == []


async def test_what_is_published_is_what_was_read(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    work = await work_on(session, question, hatvp)
    await answers.write(session, work, an_answer_form(), AGENT, now=NOW)
    await answers.write(session, work, an_answer_form("Réécrite.", edition="1"), AGENT, now=NOW)

    with pytest.raises(AnswerChanged):
        await answers.publish(session, work, ORGANISER, edition=1, now=NOW)


async def test_a_double_click_publishes_once_and_tells_once(database: Database) -> None:
    async with database.transaction() as session:
        question, hatvp = await a_routed_question(session)
        await answers.write(session, await work_on(session, question, hatvp), an_answer_form(), AGENT, now=NOW)

    async def click(minute: int) -> bool:
        async with database.transaction() as session:
            work = await work_on(session, question, hatvp)
            await asyncio.sleep(0.05)  # both have read it as a draft
            return await answers.publish(session, work, ORGANISER, edition=1, now=NOW + timedelta(minutes=minute))

    clicks = await asyncio.gather(click(0), click(1), click(2))

    async with database.reading() as session:
        assert sorted(clicks) == [False, False, True]
        assert await told(session, "answer_published") == ["dominique@example.org"]


async def test_a_published_answer_may_be_amended_which_is_dated_and_told_to_nobody(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    work = await work_on(session, question, hatvp)
    published = await an_answer(session, question, hatvp)
    later = NOW + timedelta(days=9)
    form = an_answer_form("Précisée.", edition=str(published.edition))

    with pytest.raises(OrganisersPublish):  # to change what is public is to publish
        await answers.write(session, work, form, AGENT, now=later)
    amended = await answers.write(session, work, form, ORGANISER, now=later)

    assert (amended.text, amended.published_at, amended.amended_at) == ("Précisée.", NOW, later)
    assert len(await told(session, "answer_published")) == 1


async def test_nobody_is_told_of_a_question_whose_address_was_forgotten(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    question.email = None

    await an_answer(session, question, hatvp)

    assert await told(session, "answer_published") == []


# -- Where a question stands ------------------------------------------------------------------------------------------


async def test_the_latest_published_fact_says_where_a_question_stands(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question, hatvp = await a_routed_question(session, forum)
    etalab = await an_institution(session, "Etalab")
    await answers.assign(session, question, [hatvp, etalab], seen=["hatvp"], now=NOW)
    after = await the_evening(forum)
    stands = []

    async def note() -> None:
        await session.flush()
        stands.append((await questions.states_of(session, [question]))[question.id])

    await agenda.add(session, forum, an_agenda_item_form(), [], [question], now=NOW)
    await agenda.publish(session, forum, now=NOW)
    await note()
    written = await some_minutes(session, forum)
    entry = await minutes.write(session, written, an_entry_form(), None, [], [question], now=after)
    link = (await session.exec(select(MinutesEntryQuestion).where(MinutesEntryQuestion.entry_id == entry.id))).one()
    link.outcome = "partly"
    await minutes.publish(session, written, now=after + timedelta(days=1))
    await note()
    deferred = await an_answer(session, question, hatvp, outcome="deferred", deferred_to="2027-06-01", now=after + timedelta(days=2))
    await note()
    await an_answer(session, question, etalab, outcome="refused", reason="Secret.", now=after + timedelta(days=3))
    await note()
    work = await work_on(session, question, hatvp)
    form = an_answer_form(edition=str(deferred.edition))
    await answers.write(session, work, form, ORGANISER, now=after + timedelta(days=4))
    await note()

    assert stands == [
        answers.Standing("on_agenda"),
        Standing("partly"),
        Standing("deferred", date(2027, 6, 1)),
        Standing("refused"),
        Standing("answered"),
    ]


async def test_what_was_put_off_is_overdue_the_day_after_in_paris() -> None:
    standing = Standing("deferred", date(2027, 6, 1))

    assert not standing.is_overdue(datetime(2027, 6, 1, 21, 59, tzinfo=UTC))
    assert standing.is_overdue(datetime(2027, 6, 1, 22, 1, tzinfo=UTC))
    assert not answers.Standing("waiting").is_overdue(NOW)


async def test_questions_are_found_by_where_they_stand_now(session: AsyncSession) -> None:
    for text, typed in (
        ("a répondue", {}),
        ("b partielle", {"outcome": "partly"}),
        ("c reportée", {"outcome": "deferred", "deferred_to": "2027-06-01"}),
        ("d en retard", {"outcome": "deferred", "deferred_to": "2027-03-01"}),
        ("e refusée", {"outcome": "refused", "reason": "Secret."}),
    ):
        await an_answer(session, *await a_routed_question(session, text=text), **typed)
    prepared = await a_routed_question(session, text="f en attente")
    await answers.write(session, await work_on(session, *prepared), an_answer_form(), AGENT, now=NOW)
    question, hatvp = await a_routed_question(session, text="g reportée puis répondue")
    deferred = await an_answer(session, question, hatvp, outcome="deferred", deferred_to="2027-03-01")
    form = an_answer_form(edition=str(deferred.edition))
    await answers.write(session, await work_on(session, question, hatvp), form, ORGANISER, now=NOW + timedelta(days=1))

    async def in_state(state: str) -> str:
        found, total = await questions.published(session, state=state, now=datetime(2027, 4, 1, tzinfo=UTC))
        assert total == len(found)
        return "".join(sorted(each.text[0] for each in found))

    assert {state: await in_state(state) for state in ("en-attente", *answers.STATES)} == {
        "en-attente": "f", "repondue": "ag", "en-partie": "b", "reportee": "cd", "en-retard": "d", "refusee": "e",
    }  # fmt: skip


async def test_a_question_is_among_those_of_the_institutions_it_is_put_to(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    other = await an_institution(session, "Etalab")

    found = [(await questions.published(session, institution=each))[0] for each in (hatvp, other)]

    assert found == [[question], []]


async def test_the_answers_about_a_commitment_are_those_to_its_questions(session: AsyncSession) -> None:
    plan = await a_plan(session)
    commitment, other = [await a_commitment(session, plan, number) for number in (1, 2)]
    question, hatvp = await a_routed_question(session, commitment_id=commitment.id)
    answer = await an_answer(session, question, hatvp)

    assert [(each.answer, each.institution, each.question) for each in await answers.about(session, commitment)] == [
        (answer, hatvp, question)
    ]
    assert await answers.about(session, other) == []


# -- An agent's work -----------------------------------------------------------------------------------------------------


async def test_what_another_institution_answered_leaves_mine_to_answer(session: AsyncSession) -> None:
    question, hatvp = await a_routed_question(session)
    etalab = await an_institution(session, "Etalab")
    await answers.assign(session, question, [hatvp, etalab], seen=[hatvp.slug], now=NOW)

    await an_answer(session, question, hatvp)

    _, total = await answers.assignments(session, institutions=[etalab], stage="to_answer", now=NOW)
    assert total == 1


async def test_work_comes_by_stage_the_oldest_and_nearest_forum_first(session: AsyncSession) -> None:
    near, far = await a_forum(session), await a_forum(session, number=2, day=(NOW + timedelta(days=90)).date())
    for forum, text in ((None, "sans forum"), (far, "loin"), (near, "près, récente"), (near, "près, ancienne")):
        await a_routed_question(session, forum, text=text, created_at=NOW - timedelta(days=len(text)))
    await a_routed_question(session, near, "Etalab", text="d'une autre")
    hatvp = await action_plan.institution_by_slug(session, "hatvp")
    assert hatvp is not None
    prepared = await a_routed_question(session, text="préparée")
    await answers.write(session, await work_on(session, *prepared), an_answer_form(), AGENT, now=NOW)
    await an_answer(session, *await a_routed_question(session, text="publiée"))
    await an_answer(session, *await a_routed_question(session, text="reportée"), outcome="deferred", deferred_to="2027-03-01")

    async def texts(stage: Any) -> list[str]:
        found, total = await answers.assignments(session, institutions=[hatvp], stage=stage, now=datetime(2027, 4, 1, tzinfo=UTC))
        assert total == len(found)
        return [each.question.text for each in found]

    assert await texts("to_answer") == ["près, ancienne", "près, récente", "loin", "sans forum"]
    assert await texts("prepared") == ["préparée"]
    assert sorted(await texts("published")) == ["publiée", "reportée"]
    assert await texts("late") == ["reportée"]
    awaited = await answers.awaited(session, [hatvp], now=NOW)
    assert [(forum.number if forum else None, count) for forum, count in awaited] == [(1, 2), (2, 1), (None, 1)]


async def test_what_the_minutes_answer_in_full_waits_for_no_answer_in_writing(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question, hatvp = await a_routed_question(session, forum)
    written = await some_minutes(session, forum)
    await minutes.write(session, written, an_entry_form(), None, [], [question], now=NOW)
    before = await answers.awaited(session, [hatvp], now=NOW)

    await minutes.publish(session, written, now=NOW)
    await session.flush()

    assert (before, await answers.awaited(session, [hatvp], now=NOW)) == ([(forum, 1)], [])


async def test_lists_ask_as_many_statements_for_thirty_questions_as_for_one(database: Database) -> None:
    statements: list[str] = []
    event.listen(database.reader.sync_engine, "before_cursor_execute", lambda *facts: statements.append(facts[2]))

    async def asked() -> int:
        statements.clear()
        async with database.reading() as session:
            found, _ = await questions.published(session, limit=50)
            await questions.states_of(session, found)
            await answers.assignments(session, institutions=None, stage="published", now=NOW)
            await answers.given(session, found[0])
        return len(statements)

    async with database.transaction() as session:
        await an_answer(session, *await a_routed_question(session))
    one = await asked()
    async with database.transaction() as session:
        for number in range(30):
            await an_answer(session, *await a_routed_question(session, text=f"question {number}"))

    assert await asked() == one


# -- Pages ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def asked(site: Site) -> str:
    """The code of a question put to the HATVP alone, without forum."""
    async with site.database.transaction() as session:
        hatvp = await action_plan.institution_by_slug(session, "hatvp")
        assert hatvp is not None
        question = await a_question(session, text="La HATVP répondra-t-elle ?")
        await answers.assign(session, question, [hatvp], seen=[], now=datetime.now(UTC))
        return question.code


def typed(**values: str) -> dict[str, str]:
    return {"outcome": "answered", "text": "Oui, en **juin**.", "deferred_to": "", "reason": "", "edition": "0"} | values


async def journal(site: Site) -> list[tuple[str, str]]:
    async with site.database.reading() as session:
        done = (await session.exec(select(AuditEvent).where(AuditEvent.actor != "clock").order_by(col(AuditEvent.at)))).all()
        return [(each.verb, each.subject) for each in done]


async def test_an_agent_prepares_an_organiser_publishes_and_everybody_reads(site: Site, asked: str) -> None:
    here = f"/organisation/reponses/{asked}/hatvp"
    await site.sign_in("agent", "hatvp")
    led = await site.get(f"/organisation/reponses/{asked}")
    saved = await site.post(here, **typed())
    refused = await site.post(f"{here}/publier", edition="1")
    public_before = (await site.get(f"/questions/{asked}")).text
    await site.sign_in("organiser")

    twice = [await site.post(f"{here}/publier", edition="1") for _ in range(2)]

    public = (await site.get(f"/questions/{asked}")).text
    assert led.headers["location"] == here
    assert (saved.status_code, saved.headers["location"]) == (303, f"{here}?fait=reponse")
    assert (refused.status_code, "ce sont les organisateurs qui publient" in refused.text) == (409, True)
    assert [each.status_code for each in twice] == [303, 303]
    assert ("<strong>juin</strong>" in public_before, "<strong>juin</strong>" in public) == (False, True)
    assert 'id="reponse-hatvp"' in public
    assert await journal(site) == [("write", f"answer {asked}/hatvp"), ("publish", f"answer {asked}/hatvp")]
    assert len(await site.mailed("dominique@example.org")) == 1
    await site.sign_in("admin")
    assert "Réponse publiée" in (await site.get("/organisation/journal")).text


async def test_what_is_typed_wrong_comes_back_whole_beside_its_field(site: Site, asked: str) -> None:
    await site.sign_in("agent", "hatvp")
    here = f"/organisation/reponses/{asked}/hatvp"

    no_day = await site.post(here, **typed(outcome="deferred", text="Ce qui a été tapé"))
    past = await site.post(here, **typed(outcome="deferred", deferred_to="2020-01-01"))

    assert (no_day.status_code, past.status_code) == (422, 422)
    assert "Ce qui a été tapé</textarea>" in no_day.text
    assert 'href="#deferred_to">Indiquez la date' in no_day.text
    assert 'href="#deferred_to">Choisissez une date à venir' in past.text
    assert await site.count(Answer) == 6  # those of the demonstration


async def test_two_texts_for_one_answer_are_both_shown_and_neither_is_lost(site: Site, asked: str) -> None:
    await site.sign_in("agent", "hatvp")
    here = f"/organisation/reponses/{asked}/hatvp"
    await site.post(here, **typed(text="Le texte du premier"))

    conflict = await site.post(here, **typed(text="Le texte du second"))
    resolved = await site.post(here, **typed(text="Les deux", edition="1"))

    assert conflict.status_code == 409
    assert "Le texte du premier</textarea>" in conflict.text
    assert "Le texte du second</textarea>" in conflict.text
    assert '<input type="hidden" name="edition" value="1">' in conflict.text
    assert resolved.status_code == 303
    assert "Les deux</textarea>" in (await site.get(here)).text


@pytest.mark.parametrize(("role", "institution", "status"), [("agent", "cour-des-comptes", 404), ("moderator", None, 403)])
async def test_a_draft_is_closed_to_other_institutions_and_to_moderators(
    site: Site, asked: str, role: str, institution: str | None, status: int
) -> None:
    here = f"/organisation/reponses/{asked}/hatvp"
    await site.sign_in("organiser")
    await site.post(here, **typed())
    async with site.database.transaction() as session:
        if institution:
            await action_plan.institution_called(session, "Cour des comptes")
    await site.sign_in(role, institution)

    read = [(await site.get(path)).status_code for path in (here, f"/organisation/reponses/{asked}")]
    written = [(await site.post(here, **typed(text="Autre", edition="1"))).status_code, (await site.post(f"{here}/publier")).status_code]

    assert (read, written) == ([status] * 2, [status] * 2)
    if role == "agent":
        assert "La HATVP" not in (await site.get("/organisation/reponses")).text


async def test_before_the_evening_an_answer_is_kept_and_the_page_says_why(site: Site) -> None:
    await site.sign_in("organiser")
    values = await site.examples()
    here = f"/organisation/reponses/{values['asked']}/{values['institution']}"

    page, refused = await site.get(here), await site.post(f"{here}/publier", edition="1")

    assert "pourra être publiée à partir du forum" in page.text
    assert refused.status_code == 409
    assert "elle reste préparée jusque-là" in refused.text


async def test_an_agent_publishes_and_corrects_where_the_season_says_so(site: Site) -> None:
    async with site.database.transaction() as session:
        season = (await session.exec(select(Season).where(Season.slug == "demonstration"))).one()
        season.agents_publish = True
        held = (await session.exec(select(Forum).where(Forum.slug == "demonstration-1"))).one()
        hatvp = await action_plan.institution_by_slug(session, "hatvp")
        assert hatvp is not None
        question = await a_question(session, held)
        await answers.assign(session, question, [hatvp], seen=[], now=datetime.now(UTC))
    here = f"/organisation/reponses/{question.code}/hatvp"
    await site.sign_in("agent", "hatvp")

    await site.post(here, **typed())
    published = await site.post(f"{here}/publier", edition="1")
    corrected = await site.post(here, **typed(text="Oui, en juillet.", edition="2"))

    assert published.headers["location"] == f"{here}?fait=reponse-publiee"
    assert corrected.headers["location"] == f"{here}?fait=reponse-corrigee"
    assert "corrigée le" in (await site.get(f"/questions/{question.code}")).text


async def test_who_asked_and_who_supports_are_told_when_a_published_answer_has_another_outcome(site: Site, asked: str) -> None:
    here = f"/organisation/reponses/{asked}/hatvp"
    async with site.database.transaction() as session:
        question = await questions.published_question(session, asked)
        assert question
        question.email = "auteure@example.org"
        session.add(question)
        session.add(
            Support(question_id=question.id, email="avec@example.org", email_key="k", wants_news=True, confirmed_at=datetime.now(UTC))
        )
    await site.sign_in("organiser")
    later = {"outcome": "deferred", "deferred_to": str((datetime.now(UTC) + timedelta(days=60)).date())}
    await site.post(here, **typed(**later))
    await site.post(f"{here}/publier", edition="1")

    await site.post(here, **typed(text="Un mot de plus.", edition="2", **later))
    assert (len(await site.mailed("auteure@example.org")), len(await site.mailed("avec@example.org"))) == (1, 1)
    for _ in range(2):
        await site.post(here, **typed(edition="3"))

    async with site.database.reading() as session:
        told_of_it = select(OutboxMessage).where(OutboxMessage.recipient == "auteure@example.org")
        told_twice = (await session.exec(told_of_it.order_by(col(OutboxMessage.created_at)))).all()
    assert [each.facts["changed"] for each in told_twice] == [False, True]
    assert "a été corrigé" in (await site.mailed("avec@example.org"))[1]
    assert (len(await site.mailed("auteure@example.org")), len(await site.mailed("avec@example.org"))) == (2, 2)


async def test_the_dashboard_tells_an_agent_how_many_to_answer_and_for_when(site: Site, asked: str) -> None:
    await site.sign_in("agent", "hatvp")

    page = (await site.get("/organisation")).text

    assert "une question attend votre réponse – sans forum en particulier" in page


async def test_moderators_route_a_question_and_the_choice_is_journalled(site: Site, asked: str) -> None:
    here = f"/organisation/questions/{asked}/administrations"
    await site.sign_in("moderator")
    form = await site.get(here)

    twice = [await site.post(here, institutions=["hatvp", "insee"], seen="hatvp") for _ in range(2)]

    assert re.search(r'value="hatvp" checked', form.text)
    assert [each.headers["location"] for each in twice] == [f"{here}?fait=administrations"] * 2
    assert re.findall(r'value="(\w+)" checked', (await site.get(here)).text) == ["hatvp", "insee"]
    assert await journal(site) == [("assign", f"question {asked}")]


async def test_a_choice_of_nobody_or_made_from_an_old_page_is_refused_and_what_was_ticked_kept(site: Site, asked: str) -> None:
    here = f"/organisation/questions/{asked}/administrations"
    await site.sign_in("organiser")

    nobody = await site.post(here, seen="hatvp")
    old = await site.post(here, institutions="insee", seen="cpo")

    assert (nobody.status_code, "Choisissez au moins une administration." in nobody.text) == (422, True)
    assert (old.status_code, "Quelqu&#39;un a changé ces administrations" in old.text) == (409, True)
    assert re.findall(r'value="(\w+)" checked', old.text) == ["insee"]
    assert await journal(site) == []


async def test_routing_is_closed_to_agents(site: Site, asked: str) -> None:
    here = f"/organisation/questions/{asked}/administrations"
    await site.sign_in("agent", "hatvp")

    assert ((await site.get(here)).status_code, (await site.post(here, institutions="hatvp")).status_code) == (403, 403)


async def test_a_question_shows_its_whole_chain_from_routing_to_the_indicator(site: Site) -> None:
    async with site.database.reading() as session:
        query = select(Question).join(Answer, col(Answer.question_id) == col(Question.id)).where(Answer.outcome == "answered")
        question = (await session.exec(query.where(col(Answer.published_at).is_not(None)))).one()

    page = (await site.get(f"/questions/{question.code}")).text

    kinds = ["Question", "Adressée à", "Ordre du jour", "Réponse", "Réponse", "Engagement", "Indicateur"]
    places = [0]
    for kind in kinds:
        places.append(page.index(f'<span class="od-chain__kind">{kind}</span>', places[-1] + 1))
    assert places == sorted(places)
    assert "corrigée le" in page


async def test_lists_tell_each_outcome_apart_and_are_filtered_by_it(site: Site) -> None:
    badges = {
        "en-partie": "Répondue en partie",
        "reportee": "Reportée au",
        "en-retard": "Réponse en retard",
        "refusee": "Refus de répondre",
    }

    pages = {state: (await site.get(f"/questions?etat={state}")).text for state in badges}

    assert {state: badges[state] in text for state, text in pages.items()} == dict.fromkeys(badges, True)
    assert "Réponse écrite" in (await site.get("/engagements/2")).text


async def test_a_long_stage_is_read_page_by_page_and_alone(site: Site) -> None:
    async with site.database.transaction() as session:
        hatvp = await action_plan.institution_by_slug(session, "hatvp")
        assert hatvp
        for number in range(45):
            question = await a_question(session, text=f"Question {number:02} ?", text_hash=str(number))
            await answers.assign(session, question, [hatvp], seen=[], now=datetime.now(UTC))
    await site.sign_in("agent", "hatvp")

    first = (await site.get("/organisation/reponses")).text
    read = [(await site.get(f"/organisation/reponses?etape=a-repondre&page={number}")).text for number in (1, 2, 3)]

    assert 'href="/organisation/reponses?etape=a-repondre"' in first
    assert len({code for text in read for code in re.findall(r'href="/organisation/reponses/(\w+)/hatvp"', text)}) >= 45
    assert "Préparées, pas encore publiées" not in read[0]


async def test_a_commitment_cited_leads_to_its_page_in_answers_in_a_context_and_in_the_agenda(site: Site) -> None:
    values = await site.examples()
    link = '<a href="{}/engagements/2"'
    async with site.database.transaction() as session:
        question = await questions.published_question(session, values["code"])
        hatvp = await action_plan.institution_by_slug(session, "hatvp")
        forum = await schedule.forum_by_slug(session, values["slug"])
        assert question and hatvp and forum  # noqa: PT018
        question.context = "Voyez l'E2 <b>et</b> l'engagement 999."
        session.add(question)
        session.add(Answer(question_id=question.id, institution_id=hatvp.id, text="Comme le dit l'engagement n° 2.", published_at=NOW))
        for point in await agenda.published_points(session, forum):
            point.item.description = "On reparle de l'E2."
            session.add(point.item)

    asked, english = (await site.get(f"/questions/{values['code']}")).text, (await site.get(f"/en/questions/{values['code']}")).text
    forum_page, version = await site.get(f"/forums/{values['slug']}"), await site.get(f"/forums/{values['slug']}/ordre-du-jour/1")

    assert f"Voyez l&#39;{link.format('')}>E2</a> &lt;b&gt;et&lt;/b&gt; l&#39;engagement 999." in asked
    assert f"Comme le dit l'{link.format('')}" in asked
    assert link.format("/en") in english
    assert link.format("") in forum_page.text
    assert version.status_code == 200
