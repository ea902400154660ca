"""The agenda: items in order, tied to commitments and to the questions they take up."""

from datetime import datetime, time, timedelta

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import agenda, minutes, schedule
from forums.refusals import AlreadyPublished, NothingToPublish
from tests.factories import (
    NOW,
    a_commitment,
    a_forum,
    a_move_form,
    a_plan,
    a_question,
    an_agenda_item,
    an_agenda_item_form,
    an_entry_form,
    promised,
    some_minutes,
    told,
)


async def test_items_come_by_hour_then_as_organisers_placed_them(session: AsyncSession) -> None:
    forum = await a_forum(session)
    for title, starts in (("Restitution", "20:00"), ("Atelier A", "19:00"), ("Atelier B", "19:00"), ("Accueil", "18:30")):
        await agenda.add(session, forum, an_agenda_item_form(title, starts=starts), [], [], now=NOW)

    assert [point.item.title for point in await agenda.points_of(session, forum)] == ["Accueil", "Atelier A", "Atelier B", "Restitution"]


async def test_a_programme_may_be_known_before_its_timing(session: AsyncSession) -> None:
    forum = await a_forum(session)
    for title in ("Présenter les outils", "Explorer les usages"):
        await agenda.add(session, forum, an_agenda_item_form(title), [], [], now=NOW)

    points = await agenda.points_of(session, forum)

    assert [(point.item.title, point.item.starts_at) for point in points] == [("Présenter les outils", None), ("Explorer les usages", None)]


async def test_an_item_carries_its_commitments_and_its_published_questions(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    forum = await a_forum(session)
    published, withdrawn = await a_question(session, forum), await a_question(session, forum)
    item = await agenda.add(session, forum, an_agenda_item_form(), [second, first], [published, withdrawn], now=NOW)
    withdrawn.status, withdrawn.decline_reason = "declined", "Retirée."
    await session.flush()

    assert await agenda.points_of(session, forum) == [agenda.Point(item, [first, second], [published])]


async def test_changing_an_item_replaces_what_it_is_tied_to(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    forum = await a_forum(session)
    question = await a_question(session, forum)
    item = await agenda.add(session, forum, an_agenda_item_form("Avant", track="A"), [first], [question], now=NOW)

    await agenda.edit(session, forum, item, an_agenda_item_form("Après", kind="workshop"), [second], [], now=NOW)

    point = (await agenda.points_of(session, forum))[0]
    assert (point.item.title, point.item.kind, point.item.track) == ("Après", "workshop", None)
    assert (point.commitments, point.questions) == ([second], [])


@pytest.mark.parametrize("ends", ["19:00", "18:00"])
async def test_an_item_that_ends_before_it_begins_is_refused(session: AsyncSession, ends: str) -> None:
    forum = await a_forum(session)

    with pytest.raises(PydanticCustomError, match="L'heure de fin vient après l'heure de début"):
        await agenda.add(session, forum, an_agenda_item_form(starts="19:00", ends=ends), [], [], now=NOW)


@pytest.mark.parametrize(
    ("typed", "field_at_fault"),
    [({"title": ""}, "title"), ({"kind": "sieste"}, "kind"), ({"starts": "tôt"}, "starts"), ({"ends": "25:00"}, "ends")],
)
def test_what_is_typed_wrong_is_refused_beside_its_field(typed: dict[str, str], field_at_fault: str) -> None:
    with pytest.raises(ValidationError) as refused:
        an_agenda_item_form(**typed)

    assert [error["loc"] for error in refused.value.errors()] == [(field_at_fault,)]


async def test_an_empty_agenda_is_not_published(session: AsyncSession) -> None:
    forum = await a_forum(session)

    with pytest.raises(NothingToPublish):
        await agenda.publish(session, forum, now=NOW)

    assert forum.agenda_published_at is None


async def test_an_agenda_is_published_once_and_later_changes_show_at_once(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await an_agenda_item(session, forum)

    await agenda.publish(session, forum, now=NOW)
    with pytest.raises(AlreadyPublished):
        await agenda.publish(session, forum, now=NOW + timedelta(days=1))
    await agenda.add(session, forum, an_agenda_item_form("Ajouté"), [], [], now=NOW)

    assert forum.agenda_published_at == NOW
    assert [point.item.title for point in await agenda.points_of(session, forum)] == ["Point 1", "Ajouté"]


async def test_a_commitment_and_a_question_lead_to_the_published_items_about_them_alone(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    forum, unpublished = await a_forum(session), await a_forum(session, number=2)
    question = await a_question(session, forum)
    item = await agenda.add(session, forum, an_agenda_item_form(), [commitment], [question], now=NOW)
    await agenda.add(session, unpublished, an_agenda_item_form(), [commitment], [question], now=NOW)
    before = (await agenda.items_about(session, commitment), await agenda.items_taking_up(session, question))

    await agenda.publish(session, forum, now=NOW)
    await session.flush()

    assert before == ([], [])
    assert await agenda.items_about(session, commitment) == [(item, forum)]
    assert await agenda.items_taking_up(session, question) == [(item, forum)]


async def test_a_passage_of_the_minutes_stays_when_its_item_is_removed(session: AsyncSession) -> None:
    forum = await a_forum(session)
    item = await agenda.add(session, forum, an_agenda_item_form(), [], [], now=NOW)
    written = await some_minutes(session, forum)
    passage = await minutes.write(session, written, an_entry_form(), item, [], [], now=NOW)
    written_about = await agenda.is_written_about(session, item)

    await agenda.remove(session, item)
    await session.flush()

    await session.refresh(passage)
    assert (written_about, passage.agenda_item_id, await agenda.points_of(session, forum)) == (True, None, [])


async def test_an_item_of_another_forum_is_not_found(session: AsyncSession) -> None:
    forum, other = await a_forum(session), await a_forum(session, number=2)
    item = await an_agenda_item(session, other)

    assert await agenda.item_by_id(session, forum, item.id) is None
    assert await agenda.item_by_id(session, other, item.id) is item


@pytest.mark.parametrize(("day", "utc"), [("2027-03-25", time(18, 0)), ("2027-04-01", time(17, 0))])
async def test_a_moved_forum_takes_its_agenda_along_at_the_same_hours_in_paris(session: AsyncSession, day: str, utc: time) -> None:
    forum = await a_forum(session)
    item = await agenda.add(session, forum, an_agenda_item_form(starts="19:00", ends="19:45"), [], [], now=NOW)
    untimed = await agenda.add(session, forum, an_agenda_item_form("Sans heure"), [], [], now=NOW)

    await schedule.move(session, forum, a_move_form(day), now=NOW)

    await session.flush()
    assert item.starts_at == datetime.combine(datetime.fromisoformat(day), utc, tzinfo=NOW.tzinfo)
    assert ((item.ends_at or NOW) - (item.starts_at or NOW), untimed.starts_at) == (timedelta(minutes=45), None)


# -- Those whose question is taken up --------------------------------------------------------------------------


async def test_publishing_tells_those_whose_question_is_taken_up_once_and_where(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum, email="a@example.org")
    item = await agenda.add(session, forum, an_agenda_item_form("Où en est-on ?"), [], [question], now=NOW)
    before = await told(session, "question_on_agenda")

    await agenda.publish(session, forum, now=NOW)
    await agenda.edit(session, forum, item, an_agenda_item_form("Corrigé"), [], [question], now=NOW)

    messages = await promised(session, "question_on_agenda")
    assert (before, [message.recipient for message in messages]) == ([], ["a@example.org"])
    assert (messages[0].facts["item"], messages[0].facts["position"], messages[0].facts["code"]) == ("Où en est-on ?", 1, question.code)


async def test_a_question_taken_up_after_the_publication_is_told_at_once(session: AsyncSession) -> None:
    forum = await a_forum(session, agenda_published_at=NOW)
    question = await a_question(session, forum, email="a@example.org")

    await agenda.add(session, forum, an_agenda_item_form(), [], [question], now=NOW)

    assert await told(session, "question_on_agenda") == ["a@example.org"]


async def test_an_author_who_was_forgotten_is_not_written_to(session: AsyncSession) -> None:
    forum = await a_forum(session, agenda_published_at=NOW)
    question = await a_question(session, forum)
    question.email = None

    await agenda.add(session, forum, an_agenda_item_form(), [], [question], now=NOW)

    assert await promised(session) == []
