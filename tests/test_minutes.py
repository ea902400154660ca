"""Minutes: passages tied to commitments and questions, published at once, amended in the open."""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, minutes, questions
from forums.refusals import AlreadyPublished, NothingToPublish, Refusal
from tests.factories import (
    NOW,
    a_commitment,
    a_confirmed_registration,
    a_forum,
    a_plan,
    a_question,
    an_agenda_item,
    an_entry_form,
    promised,
    some_minutes,
    told,
)

LATER = NOW + timedelta(days=3)


async def test_minutes_are_begun_once_as_a_draft_only_members_see(session: AsyncSession) -> None:
    forum = await a_forum(session)

    first, second = await minutes.begun(session, forum), await minutes.begun(session, forum)

    assert first is second
    assert await minutes.of(session, forum) is first
    assert await minutes.published(session, forum) is None


async def test_passages_are_numbered_in_the_order_they_are_written_and_carry_their_links(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    forum = await a_forum(session)
    item, question = await an_agenda_item(session, forum), await a_question(session, forum)
    written = await some_minutes(session, forum)

    one = await minutes.write(session, written, an_entry_form("Un"), item, [second, first], [question], now=NOW)
    two = await minutes.write(session, written, an_entry_form("Deux"), None, [], [], now=NOW)

    assert (one.number, two.number) == (1, 2)
    assert await minutes.entries_of(session, written) == [
        minutes.Entry(one, item, [first, second], [question]),
        minutes.Entry(two, None, [], []),
    ]


async def test_changing_a_passage_replaces_what_it_is_tied_to(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    forum = await a_forum(session)
    question = await a_question(session, forum)
    written = await some_minutes(session, forum)
    entry = await minutes.write(session, written, an_entry_form("Avant"), None, [first], [question], now=NOW)

    await minutes.amend(session, written, entry, an_entry_form("Après"), None, [second], [], now=NOW)

    found = (await minutes.entries_of(session, written))[0]
    assert (found.entry.text, found.commitments, found.questions) == ("Après", [second], [])


async def test_empty_minutes_are_not_published(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))

    with pytest.raises(NothingToPublish):
        await minutes.publish(session, written, now=NOW)

    assert written.published_at is None


async def test_publishing_shows_every_passage_on_its_commitments_and_questions_at_once(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    forum = await a_forum(session)
    question = await a_question(session, forum)
    written = await some_minutes(session, forum)
    entry = await minutes.write(session, written, an_entry_form(), None, [commitment], [question], now=NOW)
    before = (await action_plan.passages_about(session, commitment), await questions.passages_answering(session, question))

    await minutes.publish(session, written, now=NOW)
    await session.flush()

    assert before == ([], [])
    assert await action_plan.passages_about(session, commitment) == [action_plan.Passage(entry, forum, [question])]
    assert await questions.passages_answering(session, question) == [(entry, forum)]
    assert await minutes.published(session, forum) is written


async def test_minutes_are_published_once(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))
    await minutes.write(session, written, an_entry_form(), None, [], [], now=NOW)
    await minutes.publish(session, written, now=NOW)

    with pytest.raises(AlreadyPublished):
        await minutes.publish(session, written, now=LATER)

    assert written.published_at == NOW


async def test_a_change_before_publication_is_not_an_amendment(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))
    entry = await minutes.write(session, written, an_entry_form("Avant"), None, [], [], now=NOW)

    await minutes.amend(session, written, entry, an_entry_form("Après"), None, [], [], now=LATER)

    assert (entry.amended_at, written.amended_at) == (None, None)


async def test_once_published_a_change_is_dated_and_the_passage_keeps_its_number(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session), published_at=NOW)
    untouched, changed = [
        await minutes.write(session, written, an_entry_form(text), None, [], [], now=NOW) for text in ("Inchangé", "Avant")
    ]

    await minutes.amend(session, written, changed, an_entry_form("Après"), None, [], [], now=LATER)

    assert (changed.number, changed.text, changed.amended_at, written.amended_at) == (2, "Après", LATER, LATER)
    assert untouched.amended_at == NOW


async def test_a_passage_added_after_publication_is_an_amendment(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session), published_at=NOW)

    entry = await minutes.write(session, written, an_entry_form(), None, [], [], now=LATER)

    assert (entry.amended_at, written.amended_at) == (LATER, LATER)


async def test_a_passage_of_a_draft_may_be_removed_and_its_number_is_not_given_to_those_before(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))
    first, second = [await minutes.write(session, written, an_entry_form(text), None, [], [], now=NOW) for text in ("Un", "Deux")]

    await minutes.remove(session, written, first)
    await session.flush()

    assert await minutes.entry_by_number(session, written, 1) is None
    assert await minutes.entry_by_number(session, written, 2) is second


async def test_a_published_passage_is_never_removed(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session), published_at=NOW)
    entry = await minutes.write(session, written, an_entry_form(), None, [], [], now=NOW)

    with pytest.raises(Refusal, match="Un passage publié ne s'efface pas"):
        await minutes.remove(session, written, entry)

    assert await minutes.entry_by_number(session, written, 1) is entry


@pytest.mark.parametrize(
    ("typed", "field_at_fault"), [({"text": " "}, "text"), ({"text": "x" * 50_001}, "text"), ({"title": "x" * 201}, "title")]
)
def test_what_is_typed_wrong_is_refused_beside_its_field(typed: dict[str, str], field_at_fault: str) -> None:
    with pytest.raises(ValidationError) as refused:
        an_entry_form(**typed)

    assert [error["loc"] for error in refused.value.errors()] == [(field_at_fault,)]


# -- Who is told --------------------------------------------------------------------------------------------------


async def test_publishing_tells_those_who_had_a_seat_and_those_whose_question_is_answered_once(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    for name in ("assise", "attend"):
        await a_confirmed_registration(session, forum, f"{name}@example.org")
    question = await a_question(session, forum, email="auteure@example.org")
    written = await some_minutes(session, forum)
    for _ in range(2):
        await minutes.write(session, written, an_entry_form(), None, [], [question], now=NOW)
    before = [await told(session, kind) for kind in ("minutes_published", "question_answered")]

    await minutes.publish(session, written, now=NOW)

    assert before == [[], []]
    assert await told(session, "minutes_published") == ["assise@example.org"]
    answered = await promised(session, "question_answered")
    assert [(message.recipient, message.facts["number"]) for message in answered] == [("auteure@example.org", 1)]


async def test_a_question_answered_by_an_amendment_is_told_too(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum, email="auteure@example.org")
    written = await some_minutes(session, forum, published_at=NOW)

    await minutes.write(session, written, an_entry_form(), None, [], [question], now=NOW)

    assert await told(session, "question_answered") == ["auteure@example.org"]
