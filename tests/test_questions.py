"""Questions and ideas: asked, confirmed by their author, moderated, shown, taken up, answered."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import agenda, minutes, questions
from forums.database import Database
from forums.models import Commitment, Forum, ForumCommitment, Question
from forums.questions import CONFIRM_WITHIN, DeclineForm, QuestionForm
from forums.refusals import AlreadyDecided, QuestionsClosed
from tests.factories import (
    NOW,
    SECRET_KEY,
    a_commitment,
    a_forum,
    a_plan,
    a_question,
    a_question_form,
    an_agenda_item_form,
    an_entry_form,
    an_institution,
    promised,
    some_minutes,
    told,
)

DECLINE = DeclineForm.model_validate({"reason": "Hors du sujet des forums."})


async def ask(
    session: AsyncSession, form: QuestionForm, forum: Forum | None = None, commitment: Commitment | None = None, now: datetime = NOW
) -> None:
    await questions.ask(session, forum, commitment, form, language="fr", secret_key=SECRET_KEY, now=now)


async def rows(session: AsyncSession) -> list[Question]:
    return list((await session.exec(select(Question).order_by(col(Question.text)))).all())


# -- Ask ----------------------------------------------------------------------------------------------


async def test_asking_writes_a_question_nobody_sees_and_promises_the_message_that_confirms_it(session: AsyncSession) -> None:
    forum = await a_forum(session)

    await ask(session, a_question_form("Où en est-on ?"), forum)

    assert [(row.text, row.status) for row in await rows(session)] == [("Où en est-on ?", "unconfirmed")]
    assert await told(session, "confirm_question") == ["dominique@example.org"]
    assert await questions.published(session) == ([], 0)


@pytest.mark.parametrize("typed", ["Où en est-on ?", "  où en est-on ?", "OÙ EN EST-ON ?"])
async def test_the_same_text_sent_twice_by_the_same_person_is_one_question(session: AsyncSession, typed: str) -> None:
    forum = await a_forum(session)
    await ask(session, a_question_form("Où en est-on ?"), forum)

    await ask(session, a_question_form(typed, email="Dominique@Example.org"), forum)

    assert len(await rows(session)) == 1
    assert len(await promised(session)) == 1


async def test_the_same_text_from_someone_else_or_about_something_else_is_another_question(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    forum = await a_forum(session)

    await ask(session, a_question_form(), forum)
    await ask(session, a_question_form(email="camille@example.org"), forum)
    await ask(session, a_question_form(), await a_forum(session, number=2))
    await ask(session, a_question_form(), commitment=first)
    await ask(session, a_question_form(), commitment=second)

    assert len(await rows(session)) == 5


async def test_twenty_identical_posts_at_once_make_one_question_and_one_message(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)

    async def post() -> None:
        async with database.transaction() as session:
            await ask(session, a_question_form(), forum)

    await asyncio.gather(*(post() for _ in range(20)))

    async with database.reading() as session:
        assert (len(await rows(session)), len(await promised(session))) == (1, 1)


async def test_a_robot_that_fills_the_trap_leaves_nothing_behind(session: AsyncSession) -> None:
    await ask(session, a_question_form(site_web="https://pilules.example"))

    assert (await rows(session), await promised(session)) == ([], [])


@pytest.mark.parametrize("facts", [{"questions_close_at": NOW}, {"questions_close_at": None}, {"status": "cancelled"}, {"status": "draft"}])
async def test_once_questions_are_closed_none_is_taken(session: AsyncSession, facts: dict[str, Any]) -> None:
    forum = await a_forum(session, **facts)

    with pytest.raises(QuestionsClosed):
        await ask(session, a_question_form(), forum)

    assert await rows(session) == []


async def test_questions_stay_open_until_the_end_of_the_fifteenth_day_before(session: AsyncSession) -> None:
    forum = await a_forum(session)
    closes_at = forum.questions_close_at or NOW

    assert questions.are_open(forum, now=closes_at - timedelta(seconds=1))
    assert not questions.are_open(forum, now=closes_at)


async def test_a_name_is_shown_only_when_the_person_asked_for_it_and_gave_one(session: AsyncSession) -> None:
    for text, name, show in (("a", "Dominique", "1"), ("b", "Dominique", ""), ("c", "", "1")):
        await ask(session, a_question_form(text, author_name=name, show_name=show))

    assert [row.show_name for row in await rows(session)] == [True, False, False]


@pytest.mark.parametrize(
    ("typed", "field_at_fault"),
    [({"text": " "}, "text"), ({"text": "x" * 601}, "text"), ({"kind": "cri"}, "kind"), ({"email": "dominique@"}, "email")],
)
def test_what_is_typed_wrong_is_refused_beside_its_field(typed: dict[str, str], field_at_fault: str) -> None:
    with pytest.raises(ValidationError) as refused:
        a_question_form(**typed)

    assert [error["loc"] for error in refused.value.errors()] == [(field_at_fault,)]


# -- Confirm ---------------------------------------------------------------------------------------------


async def test_reading_the_mailed_link_changes_nothing_and_its_button_sends_the_question_to_the_moderators(session: AsyncSession) -> None:
    await ask(session, a_question_form())
    token = (await promised(session))[0].facts["token"]

    seen = await questions.question_of_link(session, token, now=NOW)
    before = seen.status if seen else None
    await questions.confirm(session, token, now=NOW)

    assert (before, [row.status for row in await questions.to_moderate(session)]) == ("unconfirmed", ["pending"])


async def test_confirming_again_never_undoes_a_decision(session: AsyncSession) -> None:
    await ask(session, a_question_form())
    token = (await promised(session))[0].facts["token"]
    question = await questions.confirm(session, token, now=NOW)
    assert question is not None
    await questions.publish(session, question, now=NOW)

    await questions.confirm(session, token, now=NOW)

    await session.refresh(question)
    assert question.status == "published"


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=30)])
async def test_a_question_not_confirmed_within_a_week_cannot_be_any_more(session: AsyncSession, late: timedelta) -> None:
    await ask(session, a_question_form())
    token = (await promised(session))[0].facts["token"]

    confirmed = await questions.confirm(session, token, now=NOW + CONFIRM_WITHIN + late)

    assert (confirmed, [row.status for row in await rows(session)]) == (None, ["unconfirmed"])


async def test_an_invented_link_confirms_nothing(session: AsyncSession) -> None:
    await ask(session, a_question_form())

    assert await questions.confirm(session, "inventé", now=NOW) is None


# -- Moderate ----------------------------------------------------------------------------------------------


async def test_publishing_shows_the_question_and_tells_its_author_its_address(session: AsyncSession) -> None:
    question = await a_question(session, status="pending", decided_at=None)

    await questions.publish(session, question, now=NOW)

    shown = await questions.published_question(session, question.code)
    assert shown is question
    assert [(message.recipient, message.facts["code"]) for message in await promised(session, "question_published")] == [
        ("dominique@example.org", question.code)
    ]


async def test_declining_tells_the_author_why_and_shows_nothing(session: AsyncSession) -> None:
    question = await a_question(session, status="pending", decided_at=None)

    await questions.decline(session, question, DECLINE, now=NOW)

    assert await questions.published_question(session, question.code) is None
    assert [message.facts["reason"] for message in await promised(session, "question_declined")] == ["Hors du sujet des forums."]


def test_a_question_is_not_declined_without_a_reason() -> None:
    with pytest.raises(ValidationError):
        DeclineForm.model_validate({"reason": "  "})


@pytest.mark.parametrize("status", ["unconfirmed", "published", "declined"])
async def test_only_a_question_that_waits_for_a_decision_is_decided(session: AsyncSession, status: str) -> None:
    question = await a_question(session, status=status, decline_reason="Déjà dit.")

    with pytest.raises(AlreadyDecided):
        await questions.publish(session, question, now=NOW)
    with pytest.raises(AlreadyDecided):
        await questions.decline(session, question, DECLINE, now=NOW)

    await session.refresh(question)
    assert (question.status, question.decline_reason, await promised(session)) == (status, "Déjà dit.", [])


async def test_of_two_moderators_who_decide_at_once_the_first_stands_and_the_second_is_told(database: Database) -> None:
    async with database.transaction() as session:
        question_id = (await a_question(session, status="pending", decided_at=None)).id

    async def decide(publish: bool) -> bool:
        try:
            async with database.transaction() as session:
                question = (await session.exec(select(Question).where(Question.id == question_id))).one()
                await asyncio.sleep(0.05)  # both have read it as undecided
                await (questions.publish(session, question, now=NOW) if publish else questions.decline(session, question, DECLINE, now=NOW))
        except AlreadyDecided:
            return False
        return True

    stood = await asyncio.gather(decide(True), decide(False))

    async with database.reading() as session:
        assert sorted(stood) == [False, True]
        assert len(await promised(session)) == 1


async def test_moderators_see_the_oldest_first_and_an_agent_only_what_concerns_their_institution(session: AsyncSession) -> None:
    plan = await a_plan(session)
    theirs, others = [await a_commitment(session, plan, number) for number in (1, 2)]
    institution = await an_institution(session, leads=[theirs])
    for text, commitment, hours in (("récente", theirs, 2), ("autre", others, 1), ("ancienne", theirs, 0)):
        await a_question(session, commitment=commitment, text=text, status="pending", confirmed_at=NOW + timedelta(hours=hours))

    everything = await questions.to_moderate(session)
    for_the_agent = await questions.to_moderate(session, institutions=[institution])

    assert [row.text for row in everything] == ["ancienne", "autre", "récente"]
    assert [row.text for row in for_the_agent] == ["ancienne", "récente"]
    assert await questions.how_many_to_moderate(session, institutions=[institution]) == 2


async def test_those_who_confirmed_at_the_same_instant_are_each_on_one_page_of_the_queue(session: AsyncSession) -> None:
    for number in range(7):
        await a_question(session, text=f"Question {number}", status="pending", confirmed_at=NOW)

    pages = [await questions.to_moderate(session, limit=3, offset=first) for first in (0, 3, 6, 9)]

    assert [len(each) for each in pages] == [3, 3, 1, 0]
    assert len({row.code for each in pages for row in each}) == await questions.how_many_to_moderate(session) == 7


async def test_a_question_concerns_the_institutions_of_its_commitment_alone(session: AsyncSession) -> None:
    plan = await a_plan(session)
    theirs, others = [await a_commitment(session, plan, number) for number in (1, 2)]
    institution = await an_institution(session, leads=[theirs])
    asked = [await a_question(session, None, commitment) for commitment in (theirs, others, None)]

    assert [await questions.concerns(session, question, [institution]) for question in asked] == [True, False, False]


# -- The chain ----------------------------------------------------------------------------------------------


async def test_published_questions_are_found_by_forum_commitment_and_institution_the_newest_first(session: AsyncSession) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)
    institution = await an_institution(session, leads=[commitment])
    forum = await a_forum(session)
    await a_question(session, forum, text="du forum", decided_at=NOW)
    await a_question(session, None, commitment, text="de l'engagement", decided_at=NOW + timedelta(days=1))
    await a_question(session, forum, commitment, text="des deux", decided_at=NOW + timedelta(days=2))
    await a_question(session, forum, commitment, text="pas encore publiée", status="pending")

    async def texts(**filters: Any) -> list[str]:
        found, total = await questions.published(session, **filters)
        assert total == len(found)
        return [question.text for question in found]

    assert await texts() == ["des deux", "de l'engagement", "du forum"]
    assert await texts(forum=forum) == ["des deux", "du forum"]
    assert await texts(commitment=commitment) == ["des deux", "de l'engagement"]
    assert await texts(institution=institution) == ["des deux", "de l'engagement"]


async def test_a_page_of_questions_says_how_many_there_are_in_all(session: AsyncSession) -> None:
    for number in range(5):
        await a_question(session, text=f"question {number}", decided_at=NOW + timedelta(days=number))

    page, total = await questions.published(session, offset=2, limit=2)

    assert ([question.text for question in page], total) == (["question 2", "question 1"], 5)


async def test_where_a_question_stands_follows_from_what_was_published(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    states = [(await questions.states_of(session, [question]))[question.id].state]

    await agenda.add(session, forum, an_agenda_item_form(), [], [question], now=NOW)
    states.append((await questions.states_of(session, [question]))[question.id].state)
    await agenda.publish(session, forum, now=NOW)
    await session.flush()
    states.append((await questions.states_of(session, [question]))[question.id].state)
    written = await some_minutes(session, forum)
    await minutes.write(session, written, an_entry_form(), None, [], [question], now=NOW)
    states.append((await questions.states_of(session, [question]))[question.id].state)
    await minutes.publish(session, written, now=NOW)
    await session.flush()
    states.append((await questions.states_of(session, [question]))[question.id].state)

    assert states == ["waiting", "waiting", "on_agenda", "on_agenda", "answered"]


async def test_answered_and_waiting_questions_are_told_apart_by_published_minutes_alone(session: AsyncSession) -> None:
    forum = await a_forum(session)
    answered, waiting = [await a_question(session, forum, text=text) for text in ("répondue", "en attente")]
    written = await some_minutes(session, forum)
    entry = await minutes.write(session, written, an_entry_form(), None, [], [answered], now=NOW)
    before = (await questions.published(session, state="repondue"))[0]

    await minutes.publish(session, written, now=NOW)
    await session.flush()

    assert before == []
    assert (await questions.published(session, state="repondue"))[0] == [answered]
    assert (await questions.published(session, state="en-attente"))[0] == [waiting]
    assert await questions.passages_answering(session, answered) == [(entry, forum)]


async def test_organisers_may_take_up_a_forums_questions_and_those_on_its_commitments(session: AsyncSession) -> None:
    plan = await a_plan(session)
    discussed, other = [await a_commitment(session, plan, number) for number in (1, 2)]
    forum = await a_forum(session)
    session.add(ForumCommitment(forum_id=forum.id, commitment_id=discussed.id))
    for text, of_forum, commitment, status in (
        ("a du forum", forum, None, "published"),
        ("b de l'engagement", None, discussed, "published"),
        ("c d'un autre", None, other, "published"),
        ("d non publiée", forum, None, "pending"),
    ):
        await a_question(session, of_forum, commitment, text=text, status=status)

    found = await questions.for_forum(session, forum)

    assert sorted(question.text for question in found) == ["a du forum", "b de l'engagement"]
