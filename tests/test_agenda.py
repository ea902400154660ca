"""The agenda: prepared in order, tied to commitments and questions, published version after version."""

import asyncio
import re
import zipfile
from dataclasses import replace
from datetime import datetime, time, timedelta
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from pypdf import PdfReader
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import agenda, minutes, schedule
from forums.agenda import AgendaItemForm, documents, paper, shifting
from forums.agenda.shifting import Slot
from forums.database import Database
from forums.models import AgendaItem, Document, Forum
from forums.models.forum import PARIS
from forums.refusals import EditedMeanwhile, NothingToPublish
from tests.factories import (
    NOW,
    a_commitment,
    a_confirmed_registration,
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
from tests.site import OURS, Site


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


async def test_a_length_without_an_hour_begins_when_what_precedes_is_over(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await agenda.add(session, forum, an_agenda_item_form("Accueil", starts="18:30", length="20"), [], [], now=NOW)

    item = await agenda.add(session, forum, an_agenda_item_form("Suite", length="15"), [], [], now=NOW)

    assert hours(item) == ("18:50", "19:05")


async def test_a_length_that_cannot_be_placed_is_refused(session: AsyncSession) -> None:
    forum = await a_forum(session, starts_at=None, ends_at=None)

    with pytest.raises(PydanticCustomError, match="Donnez aussi l'heure de début"):
        await agenda.add(session, forum, an_agenda_item_form(length="15"), [], [], now=NOW)


@pytest.mark.parametrize(
    ("typed", "field_at_fault"),
    [({"title": ""}, "title"), ({"kind": "sieste"}, "kind"), ({"starts": "tôt"}, "starts"), ({"length": "une heure"}, "length")],
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


async def test_a_commitment_and_a_question_lead_to_the_published_items_about_them_alone(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    forum, unpublished, draft = [await a_forum(session, number=number) for number in (1, 2, 3)]
    draft.status = "draft"
    question = await a_question(session, forum)
    for each in (forum, unpublished, draft):
        await agenda.add(session, each, an_agenda_item_form(), [commitment], [question], now=NOW)
    before = (await agenda.items_about(session, commitment), await agenda.items_taking_up(session, question))

    for each in (forum, draft):
        await agenda.publish(session, each, now=NOW)

    published = [(point.item, forum) for point in await agenda.published_points(session, forum)]
    assert before == ([], [])
    assert [item.version for item, _ in published] == [1]
    assert await agenda.items_about(session, commitment) == published
    assert await agenda.items_taking_up(session, question) == published


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
    item = await agenda.add(session, forum, an_agenda_item_form(starts="19:00", length="45"), [], [], now=NOW)
    untimed = await agenda.add(session, forum, an_agenda_item_form("Sans heure"), [], [], now=NOW)
    await agenda.publish(session, forum, now=NOW)

    await schedule.move(session, forum, a_move_form(day), now=NOW)

    await session.flush()
    assert item.starts_at == datetime.combine(datetime.fromisoformat(day), utc, tzinfo=NOW.tzinfo)
    assert ((item.ends_at or NOW) - (item.starts_at or NOW), untimed.starts_at) == (timedelta(minutes=45), None)
    assert [hours(point.item) for point in await agenda.published_points(session, forum)] == [hours(item), hours(untimed)]
    assert await agenda.unpublished(session, forum) == []


# -- Those whose question is taken up --------------------------------------------------------------------------


async def test_publishing_tells_those_whose_question_is_taken_up_once_and_where(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum, email="a@example.org")
    item = await agenda.add(session, forum, an_agenda_item_form("Où en est-on ?"), [], [question], now=NOW)
    before = await told(session, "question_on_agenda")

    await agenda.publish(session, forum, now=NOW)
    await agenda.edit(session, forum, item, an_agenda_item_form("Corrigé"), [], [question], now=NOW)
    await agenda.publish(session, forum, now=NOW)

    messages = await promised(session, "question_on_agenda")
    assert (before, [message.recipient for message in messages]) == ([], ["a@example.org"])
    assert (messages[0].facts["item"], messages[0].facts["number"], messages[0].facts["code"]) == ("Où en est-on ?", 1, question.code)


async def test_a_question_taken_up_after_the_publication_is_told_with_the_next_version(session: AsyncSession) -> None:
    forum = await a_forum(session)
    item = await agenda.add(session, forum, an_agenda_item_form(), [], [], now=NOW)
    await agenda.publish(session, forum, now=NOW)
    question = await a_question(session, forum, email="a@example.org")
    await agenda.take_up(session, forum, question, item, now=NOW)
    before = await told(session, "question_on_agenda")

    await agenda.publish(session, forum, now=NOW)

    assert (before, await told(session, "question_on_agenda")) == ([], ["a@example.org"])


async def test_an_author_who_was_forgotten_is_not_written_to(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    question.email = None
    await agenda.add(session, forum, an_agenda_item_form(), [], [question], now=NOW)

    await agenda.publish(session, forum, now=NOW)

    assert await promised(session) == []


# -- Hours that move together ----------------------------------------------------------------------------------


async def an_evening(session: AsyncSession, forum: Forum) -> dict[str, AgendaItem]:
    """Everybody, two rooms side by side, everybody again; five minutes to change rooms."""
    planned = (
        ("Accueil", "", "18:30", "15"),
        ("A1", "Salle A", "18:50", "30"),
        ("A2", "Salle A", "19:20", "20"),
        ("B1", "Salle B", "18:50", "45"),
        ("Restitution", "", "19:45", "30"),
    )
    forms = [an_agenda_item_form(title, track=track, starts=starts, length=length) for title, track, starts, length in planned]
    return {form.title: await agenda.add(session, forum, form, [], [], now=NOW) for form in forms}


def longer(item: AgendaItem, length: int, **typed: str) -> AgendaItemForm:
    start = hours(item)[0]
    return an_agenda_item_form(item.title, track=item.track or "", starts=start, length=str(length), **typed)


def hours(item: AgendaItem) -> tuple[str, str]:
    """In Paris; empty when unknown."""
    return tuple(f"{moment.astimezone(PARIS):%H:%M}" if moment else "" for moment in (item.starts_at, item.ends_at))  # type: ignore[return-value]


def starts(evening: dict[str, AgendaItem]) -> dict[str, str]:
    return {title: hours(item)[0] for title, item in evening.items()}


async def test_what_follows_on_the_same_track_moves_and_everybody_waits_for_the_longest(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)

    await agenda.edit(session, forum, evening["A1"], longer(evening["A1"], 50), [], [], now=NOW)

    assert starts(evening) == {"Accueil": "18:30", "A1": "18:50", "A2": "19:40", "B1": "18:50", "Restitution": "20:05"}


async def test_a_shorter_track_may_grow_as_long_as_the_longest_without_moving_anyone(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)

    await agenda.edit(session, forum, evening["B1"], longer(evening["B1"], 50), [], [], now=NOW)

    assert starts(evening) == {"Accueil": "18:30", "A1": "18:50", "A2": "19:20", "B1": "18:50", "Restitution": "19:45"}


async def test_an_organiser_may_keep_the_other_hours(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)

    await agenda.edit(session, forum, evening["Accueil"], longer(evening["Accueil"], 60, shift=""), [], [], now=NOW)

    assert starts(evening) == {"Accueil": "18:30", "A1": "18:50", "A2": "19:20", "B1": "18:50", "Restitution": "19:45"}


async def test_what_is_taken_off_brings_the_rest_forward(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)

    await agenda.remove(session, evening.pop("A1"))

    assert starts(evening) == {"Accueil": "18:30", "A2": "18:50", "B1": "18:50", "Restitution": "19:40"}


async def test_what_comes_in_pushes_only_what_it_must(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)

    await agenda.add(session, forum, an_agenda_item_form("Pause", starts="18:45", length="5"), [], [], now=NOW)
    await agenda.add(session, forum, an_agenda_item_form("Vote", starts="19:40", length="10"), [], [], now=NOW)

    assert starts(evening) == {"Accueil": "18:30", "A1": "18:50", "A2": "19:20", "B1": "18:50", "Restitution": "19:50"}
    assert await titles(session, forum) == ["Accueil", "Pause", "A1", "A2", "B1", "Vote", "Restitution"]


async def titles(session: AsyncSession, forum: Forum) -> list[str]:
    return [point.item.title for point in await agenda.points_of(session, forum)]


async def test_an_item_put_above_another_takes_its_hour_and_twice_is_once(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)

    for _ in range(2):
        await agenda.put(session, forum, evening["A2"], evening["A1"], up=True)

    assert await titles(session, forum) == ["Accueil", "A2", "A1", "B1", "Restitution"]
    assert (hours(evening["A2"]), hours(evening["A1"])) == (("18:50", "19:10"), ("19:10", "19:40"))


async def test_an_item_put_below_one_of_another_room_keeps_its_hour(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)

    await agenda.put(session, forum, evening["A2"], evening["B1"], up=False)

    assert await titles(session, forum) == ["Accueil", "A1", "B1", "A2", "Restitution"]
    assert starts(evening)["A2"] == "19:20"


async def test_hours_past_the_forums_end_are_warned_of(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)

    await agenda.edit(session, forum, evening["Restitution"], longer(evening["Restitution"], 60), [], [], now=NOW)

    assert agenda.out_of_hours(forum, await agenda.points_of(session, forum)) == [agenda.Point(evening["Restitution"], [], [])]


async def test_parallel_tracks_stand_side_by_side_in_their_own_order(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await an_evening(session, forum)

    found = agenda.stages(await agenda.points_of(session, forum))

    told_of = [[(name, [point.item.title for point in points]) for name, points in stage.tracks] for stage in found]
    assert told_of == [[("", ["Accueil"])], [("Salle A", ["A1", "A2"]), ("Salle B", ["B1"])], [("", ["Restitution"])]]


MINUTES = st.integers(min_value=0, max_value=90)
SLOTS = st.lists(st.tuples(st.sampled_from([None, "A", "B"]), MINUTES, MINUTES), min_size=1, max_size=9)


def laid(drawn: list[tuple[str | None, int, int]]) -> list[Slot]:
    """Slots that follow each other on their track, with pauses between them."""
    slots: list[Slot] = []
    ends: dict[str | None, datetime] = {}
    for number, (track, pause, length) in enumerate(drawn, start=1):
        before = max(ends.values(), default=NOW) if track is None else ends.get(track, ends.get(None, NOW))
        slot = Slot(number, track, before + timedelta(minutes=pause), timedelta(minutes=length))
        ends = {None: slot.ends or NOW} if track is None else {**ends, track: slot.ends or NOW}
        slots.append(slot)
    return slots


def in_line(slots: list[Slot]) -> bool:
    """Whether each begins once what precedes it is over."""
    ends: dict[str | None, datetime] = {}
    for slot in slots:
        before = max(ends.values(), default=None) if slot.track is None else ends.get(slot.track, ends.get(None))
        if slot.starts is None or (before is not None and slot.starts < before):
            return False
        ends = {None: slot.ends or NOW} if slot.track is None else {**ends, slot.track: slot.ends or NOW}
    return True


@hypothesis_settings(max_examples=150, deadline=None)
@given(SLOTS, MINUTES, st.data())
def test_hours_that_move_together_keep_lengths_order_and_what_came_before(
    drawn: list[tuple[str | None, int, int]], length: int, data: st.DataObject
) -> None:
    slots = laid(drawn)
    chosen = data.draw(st.sampled_from(slots))
    place = slots.index(chosen)

    grown = shifting.changed(slots, replace(chosen, length=timedelta(minutes=length)))
    left = shifting.removed(slots, chosen.number)
    put_back = shifting.inserted(left, chosen)

    assert [(slot.number, slot.track) for slot in grown] == [(slot.number, slot.track) for slot in slots]
    assert [slot.length for slot in grown if slot != grown[place]] == [slot.length for slot in slots if slot != chosen]
    assert (grown[: place + 1], left[:place]) == ([*slots[:place], grown[place]], slots[:place])
    assert grown[place].starts == chosen.starts
    assert in_line(grown)
    assert in_line(left)
    assert sorted((slot.number, slot.length) for slot in put_back) == sorted((slot.number, slot.length) for slot in slots)


@hypothesis_settings(max_examples=100, deadline=None)
@given(SLOTS, st.data())
def test_going_down_then_up_again_comes_back_to_the_same_order(drawn: list[tuple[str | None, int, int]], data: st.DataObject) -> None:
    slots = laid(drawn)
    first, second = data.draw(st.sampled_from(slots)), data.draw(st.sampled_from(slots))

    down = shifting.moved(slots, first.number, second.number, up=False)
    back = shifting.moved(down, first.number, slots[slots.index(first) + 1].number, up=True) if down != slots else slots

    assert sorted((slot.number, slot.length) for slot in down) == sorted((slot.number, slot.length) for slot in slots)
    assert [slot.number for slot in back] == [slot.number for slot in slots]
    assert in_line(down)


# -- Two organisers -------------------------------------------------------------------------------------------


async def test_who_saved_from_an_older_text_overwrites_nothing(session: AsyncSession) -> None:
    forum = await a_forum(session)
    item = await agenda.add(session, forum, an_agenda_item_form("Avant"), [], [], now=NOW)
    await agenda.edit(session, forum, item, an_agenda_item_form("Première", edition="0"), [], [], now=NOW)

    with pytest.raises(EditedMeanwhile):
        await agenda.edit(session, forum, item, an_agenda_item_form("Seconde", edition="0"), [], [], now=NOW)

    assert (item.title, item.edition) == ("Première", 1)


async def test_the_same_form_sent_twice_is_saved_once(session: AsyncSession) -> None:
    forum = await a_forum(session)
    form = an_agenda_item_form(number="1", starts="19:00", length="30", speakers="Camille Martin, HATVP")
    item = await agenda.add(session, forum, form, [], [], now=NOW)
    again = await agenda.add(session, forum, form, [], [], now=NOW)
    changed = an_agenda_item_form("Après", edition="0", starts="19:00", length="40", speakers="Camille Martin, HATVP")

    for _ in range(2):
        await agenda.edit(session, forum, item, changed, [], [], now=NOW)

    assert (again, await titles(session, forum), hours(item)) == (item, ["Après"], ("19:00", "19:40"))


async def test_an_hour_moved_by_someone_else_is_a_change_to_whoever_was_writing(session: AsyncSession) -> None:
    forum = await a_forum(session)
    evening = await an_evening(session, forum)
    made_from = str(evening["A2"].edition)
    await agenda.edit(session, forum, evening["A1"], longer(evening["A1"], 50), [], [], now=NOW)

    with pytest.raises(EditedMeanwhile):
        await agenda.edit(session, forum, evening["A2"], longer(evening["A2"], 25, edition=made_from), [], [], now=NOW)


async def test_two_organisers_at_once_save_one_after_the_other(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)
        item = await agenda.add(session, forum, an_agenda_item_form("Avant"), [], [], now=NOW)

    async def save(title: str) -> bool:
        try:
            async with database.transaction() as session:
                mine = await session.get_one(AgendaItem, item.id)
                held = await session.get_one(Forum, forum.id)
                await agenda.edit(session, held, mine, an_agenda_item_form(title, edition="0"), [], [], now=NOW)
        except EditedMeanwhile:
            return False
        return True

    assert sorted(await asyncio.gather(*(save(f"Texte {number}") for number in range(4)))) == [False, False, False, True]


# -- From a question --------------------------------------------------------------------------------------------


async def test_a_question_becomes_an_item_with_its_text_and_its_commitment_in_one_click_or_two(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    forum = await a_forum(session)
    question = await a_question(session, forum, commitment, text="Quand les données\nseront-elles complètes ?")

    made = [await agenda.take_up(session, forum, question, now=NOW) for _ in range(2)]

    assert made[0] is made[1]
    assert made[0].title == "Quand les données seront-elles complètes ?"
    assert await agenda.points_of(session, forum) == [agenda.Point(made[0], [commitment], [question])]


async def test_several_questions_join_one_item_each_with_its_commitment(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    forum = await a_forum(session)
    asked = [await a_question(session, forum, each, created_at=NOW + timedelta(minutes=each.number)) for each in (first, second)]
    item = await agenda.add(session, forum, an_agenda_item_form(), [first], [], now=NOW)

    for question in [*asked, *asked]:
        await agenda.take_up(session, forum, question, item, now=NOW)

    assert await agenda.points_of(session, forum) == [agenda.Point(item, [first, second], asked)]


async def test_a_long_question_is_cut_between_two_words(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum, text="mot " * 100)

    item = await agenda.take_up(session, forum, question, now=NOW)

    assert (len(item.title) <= 200, item.title[-5:]) == (True, " mot…")


# -- Versions ---------------------------------------------------------------------------------------------------


async def test_the_public_sees_what_was_published_until_the_next_version(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    item = await agenda.add(session, forum, an_agenda_item_form("Avant", speakers="Camille Martin, HATVP\nClaude"), [], [question], now=NOW)
    await attached(session, forum, item)
    before = await agenda.published_points(session, forum)
    await agenda.publish(session, forum, now=NOW)
    await agenda.edit(session, forum, item, an_agenda_item_form("Après"), [], [], now=NOW)

    shown = (await agenda.published_points(session, forum))[0]
    second = await agenda.publish(session, forum, agenda.PublishForm(comment="Mieux dit."), now=NOW + timedelta(days=1))

    assert before == []
    assert (shown.item.title, shown.questions, [each.title for each in shown.documents]) == ("Avant", [question], ["Les indicateurs"])
    assert [(each.name, each.capacity) for each in shown.speakers] == [("Camille Martin", "HATVP"), ("Claude", "")]
    assert (second.number, second.comment, forum.agenda_version, forum.agenda_published_at) == (2, "Mieux dit.", 2, NOW)
    assert [point.item.title for point in await agenda.published_points(session, forum)] == ["Après"]
    assert [point.item.title for point in await agenda.points_of(session, forum, 1)] == ["Avant"]
    assert [each.number for each in await agenda.versions_of(session, forum)] == [2, 1]


async def test_publishing_without_a_change_is_refused_in_a_sentence(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await an_agenda_item(session, forum)
    await agenda.publish(session, forum, now=NOW)

    with pytest.raises(NothingToPublish, match="Rien n'a changé depuis la version publiée"):
        await agenda.publish(session, forum, now=NOW)


async def test_publishing_twice_with_one_form_publishes_once_and_never_what_was_not_read(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await an_agenda_item(session, forum)
    form = agenda.PublishForm(number=1)

    twice = [await agenda.publish(session, forum, form, now=NOW) for _ in range(2)]
    await an_agenda_item(session, forum, 2)

    with pytest.raises(EditedMeanwhile, match="vient de publier"):
        await agenda.publish(session, forum, form, now=NOW)
    assert (twice[0] is twice[1], forum.agenda_version) == (True, 1)


async def test_each_kind_of_change_is_told_item_by_item(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    items = [await agenda.add(session, forum, an_agenda_item_form(f"Point {number}"), [], [], now=NOW) for number in range(1, 7)]
    await agenda.publish(session, forum, now=NOW)
    edited = (
        (items[0], an_agenda_item_form("Récrit", kind="workshop", speakers="Camille")),
        (items[1], an_agenda_item_form("Point 2", track="Salle A")),
    )
    for item, form in edited:
        await agenda.edit(session, forum, item, form, [], [], now=NOW)
    await agenda.take_up(session, forum, question, items[2], now=NOW)
    await agenda.put(session, forum, items[3], items[5], up=False)
    await agenda.remove(session, items[4])
    await agenda.add(session, forum, an_agenda_item_form("Neuf"), [], [], now=NOW)

    found = await agenda.unpublished(session, forum)
    await agenda.publish(session, forum, now=NOW)

    assert [(each.kind, each.point.item.number) for each in found] == [
        ("kind", 1), ("reworded", 1), ("speakers", 1), ("track", 2), ("questions", 3), ("order", 4), ("added", 7), ("removed", 5),
    ]  # fmt: skip
    assert [each.kind for each in found if each.matters] == ["kind", "added", "removed"]
    assert found[4].gained == [question]
    assert [each.kind for each in await agenda.changes_of(session, forum, 2)] == [each.kind for each in found]
    assert await agenda.changes_of(session, forum, 1) == []
    assert await agenda.unpublished(session, forum) == []


async def test_a_number_is_never_given_twice_even_once_removed(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await an_agenda_item(session, forum)
    last = await agenda.add(session, forum, an_agenda_item_form("Dernier"), [], [], now=NOW)
    await agenda.publish(session, forum, now=NOW)
    await agenda.remove(session, last)

    assert (await agenda.add(session, forum, an_agenda_item_form("Neuf"), [], [], now=NOW)).number == 3


async def test_several_organisers_who_publish_at_once_make_one_version(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)
        await an_agenda_item(session, forum)

    async def publish() -> None:
        async with database.transaction() as session:
            held = await session.get_one(Forum, forum.id)
            await agenda.publish(session, held, agenda.PublishForm(number=1), now=NOW)

    await asyncio.gather(*(publish() for _ in range(4)))

    async with database.reading() as session:
        held = await session.get_one(Forum, forum.id)
        assert [each.number for each in await agenda.versions_of(session, held)] == [1]


# -- Those who hold a seat ----------------------------------------------------------------------------------------


async def a_version_that_changes_hours(session: AsyncSession, forum: Forum, *, tell: bool = True, now: datetime = NOW) -> None:
    item = await agenda.add(session, forum, an_agenda_item_form(starts="18:30", length="30"), [], [], now=now)
    await agenda.publish(session, forum, now=now)
    await agenda.edit(session, forum, item, an_agenda_item_form(starts="18:45", length="30"), [], [], now=now)
    await agenda.publish(session, forum, agenda.PublishForm(comment="Un quart d'heure plus tard.", tell=tell), now=now)


async def test_those_who_hold_a_seat_are_told_of_a_later_version_that_changes_hours(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    for name in ("assise", "attend"):
        await a_confirmed_registration(session, forum, f"{name}@example.org")

    await a_version_that_changes_hours(session, forum)

    messages = await promised(session, "agenda_changed")
    assert [message.recipient for message in messages] == ["assise@example.org"]
    assert (messages[0].facts["version"], [each["kind"] for each in messages[0].facts["changes"]]) == (2, ["hours"])
    assert messages[0].not_after == forum.starts_at


@pytest.mark.parametrize("case", ["unticked", "reworded", "past", "draft"])
async def test_those_who_hold_a_seat_are_spared_what_does_not_matter_or_comes_too_late(session: AsyncSession, case: str) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum, "a@example.org")
    if case == "reworded":
        item = await agenda.add(session, forum, an_agenda_item_form("Avant"), [], [], now=NOW)
        await agenda.publish(session, forum, now=NOW)
        await agenda.edit(session, forum, item, an_agenda_item_form("Après"), [], [], now=NOW)
        await agenda.publish(session, forum, now=NOW)
    else:
        forum.status = "draft" if case == "draft" else "announced"
        later = NOW + timedelta(days=60) if case == "past" else NOW
        await a_version_that_changes_hours(session, forum, tell=case != "unticked", now=later)

    assert (forum.agenda_version, await told(session, "agenda_changed")) == (2, [])


async def test_a_change_not_sent_yet_goes_when_the_forum_moves(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum, "a@example.org")
    await a_version_that_changes_hours(session, forum)

    await schedule.move(session, forum, a_move_form("2027-03-25"), now=NOW)

    assert [message.status for message in await promised(session, "agenda_changed")] == ["dropped"]


# -- Documents ---------------------------------------------------------------------------------------------------


def zipped(*names: str, first: str = "") -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        if first:
            archive.writestr("mimetype", first)
        for name in names:
            archive.writestr(name, "<xml/>")
    return file.getvalue()


OFFICE = "[Content_Types].xml"
TAKEN = {
    "a.pdf": b"%PDF-1.7 ...",
    "a.PNG": b"\x89PNG\r\n\x1a\n...",
    "a.jpeg": b"\xff\xd8\xff...",
    "a.csv": "é;è".encode(),
    "a.txt": b"\xef\xbb\xbfBonjour",
    "a.md": b"# Titre",
    "a.docx": zipped(OFFICE, "word/document.xml"),
    "a.xlsx": zipped(OFFICE, "xl/workbook.xml"),
    "a.odt": zipped("content.xml", first=agenda.MEDIA_TYPES["odt"]),
    "a.ods": zipped("content.xml", first=agenda.MEDIA_TYPES["ods"]),
}
REFUSED = {
    "a.exe": (b"MZ", "Choisissez un fichier PDF"),
    "sans-extension": (b"%PDF-", "Choisissez un fichier PDF"),
    "a.html": (b"<script>", "Choisissez un fichier PDF"),
    "a.svg": (b"<svg>", "Choisissez un fichier PDF"),
    "vide.pdf": (b"", "Ce fichier est vide"),
    "lourd.pdf": (b"%PDF-" + b"x" * agenda.LARGEST, "trop lourd"),
    "faux.pdf": (b"<script>alert(1)</script>", "n'est pas ce que son nom annonce"),
    "faux.docx": (zipped("word/document.xml"), "n'est pas ce que son nom annonce"),
    "macros.docx": (zipped(OFFICE, "word/document.xml", "word/vbaProject.bin"), "n'est pas ce que son nom annonce"),
    "tableur.docx": (zipped(OFFICE, "xl/workbook.xml"), "n'est pas ce que son nom annonce"),
    "cassé.xlsx": (b"PK\x03\x04 rien", "n'est pas ce que son nom annonce"),
    "faux.odt": (zipped("content.xml", first=agenda.MEDIA_TYPES["ods"]), "n'est pas ce que son nom annonce"),
    "latin.txt": ("é".encode("latin-1"), "n'est pas ce que son nom annonce"),
    "binaire.csv": (b"a\x00b", "n'est pas ce que son nom annonce"),
}


async def attached(
    session: AsyncSession, forum: Forum, item: AgendaItem, filename: str = "Été 2027.pdf", content: bytes = b"%PDF-1.7"
) -> Document:
    return await agenda.attach(session, forum, item, agenda.DocumentForm(doc_title="Les indicateurs"), filename, content, now=NOW)


@pytest.mark.parametrize("name", TAKEN)
def test_a_file_that_is_what_its_name_says_is_taken(name: str) -> None:
    documents.check(name.lower().rpartition(".")[2].replace("jpeg", "jpg"), TAKEN[name])


@pytest.mark.parametrize("name", REFUSED)
async def test_a_file_that_is_not_is_refused_and_nothing_is_kept(session: AsyncSession, name: str) -> None:
    forum = await a_forum(session)
    item = await an_agenda_item(session, forum)
    content, reason = REFUSED[name]

    with pytest.raises(PydanticCustomError, match=reason):
        await attached(session, forum, item, name, content)

    assert await agenda.documents_of(session, forum) == []


async def test_a_document_is_public_while_the_published_agenda_holds_it(session: AsyncSession) -> None:
    forum = await a_forum(session)
    item = await an_agenda_item(session, forum)
    document = await attached(session, forum, item)
    named = document.code, document.filename
    prepared = (await agenda.document_of(session, *named), await agenda.document_of(session, *named, drafts=True))
    await agenda.publish(session, forum, now=NOW)
    published = await agenda.document_of(session, *named)
    await agenda.detach(session, forum, item, document.code)
    still = await agenda.document_of(session, *named)

    await agenda.publish(session, forum, now=NOW)

    assert document.filename == "ete-2027.pdf"
    assert (prepared, published, still) == ((None, document), document, document)
    assert await agenda.document_of(session, *named) is None
    assert await agenda.document_of(session, document.code, "autre.pdf", drafts=True) is None


async def test_the_same_file_sent_twice_is_one_and_goes_when_nothing_holds_it(session: AsyncSession) -> None:
    forum = await a_forum(session)
    item = await an_agenda_item(session, forum)

    first, second = [await attached(session, forum, item) for _ in range(2)]
    held = await agenda.documents_of(session, forum)
    await agenda.detach(session, forum, item, first.code)

    assert (first.id, len(held)) == (second.id, 1)
    assert await agenda.documents_of(session, forum) == []


# -- On paper ----------------------------------------------------------------------------------------------------


async def on_paper(session: AsyncSession, forum: Forum, language: str = "fr") -> tuple[PdfReader, str]:
    points, versions = await agenda.published_points(session, forum), await agenda.versions_of(session, forum)
    reader = PdfReader(BytesIO(paper.on_paper(forum, points, versions[0], language=language, public_url="https://forums.example.fr")))
    return reader, " ".join(" ".join(page.extract_text() for page in reader.pages).replace("\u200b", "").split())


@pytest.mark.parametrize(("language", "day"), [("fr", "mercredi 3 mars 2027"), ("en", "Wednesday 3 March 2027")])
async def test_the_paper_is_tagged_titled_and_says_what_was_published(session: AsyncSession, language: str, day: str) -> None:
    forum = await a_forum(session)
    typed = '#strong[x] $ * _ <b> "'
    await agenda.add(session, forum, an_agenda_item_form(typed, description=f"{typed}\n\n- un", speakers=typed), [], [], now=NOW)
    await an_evening(session, forum)
    await agenda.publish(session, forum, now=NOW)

    reader, text = await on_paper(session, forum, language)

    root: Any = reader.trailer["/Root"]
    xmp = root["/Metadata"].get_object().get_data().decode()
    assert (root["/MarkInfo"]["/Marked"], root["/Lang"], root["/ViewerPreferences"]["/DisplayDocTitle"]) == (True, language, True)
    assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
    assert text.count("#strong[x] $") == 3
    assert [each for each in (day, "Salle A", "A2", "Restitution", "https://forums.example.fr") if each not in text] == []


async def test_a_letter_no_font_has_does_not_cost_the_paper(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await agenda.add(session, forum, an_agenda_item_form("A\u0378B"), [], [], now=NOW)
    await agenda.publish(session, forum, now=NOW)

    assert "A?B" in (await on_paper(session, forum))[1]


# -- The pages -----------------------------------------------------------------------------------------------------

BLANK = {"kind": "plenary", "track": "", "starts": "", "length": "", "speakers": "", "description": "", "shift": "1"}


async def the_desk(site: Site, role: str = "organiser") -> tuple[str, str, str]:
    """The page where the next forum's agenda is prepared, its public page, and the page of its first item."""
    await site.sign_in(role)
    values = await site.examples()
    desk = f"/organisation/forums/{values['slug']}/ordre-du-jour"
    return desk, f"/forums/{values['slug']}", f"{desk}/{values['item']}"


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found[1]


async def test_an_item_is_added_in_sight_of_organisers_alone_until_it_is_published(site: Site) -> None:
    desk, public, _ = await the_desk(site)
    number = field((await site.get(desk)).text, "number")

    added = [await site.post(desk, **BLANK | {"title": "Point de trop", "number": number}) for _ in range(2)]
    before = (await site.get(public)).text
    prepared = (await site.get(desk)).text
    published = [await site.post(f"{desk}/publier", comment="Un point de plus.", tell="1", number="3") for _ in range(2)]
    after = (await site.get(public)).text

    assert [each.headers["location"].partition("?")[2].partition("#")[0] for each in added] == ["fait=point"] * 2
    assert ("Point de trop" in before, prepared.count("<h3>Point de trop</h3>"), "1 changement non publié" in prepared) == (False, 1, True)
    assert [each.status_code for each in published] == [303, 303]
    assert ("Un point de plus." in after, "Version 3 de l'ordre du jour" in after) == (True, True)
    assert re.search(r"Ajouté.*Point de trop", after)
    assert (await site.get(f"{public}/ordre-du-jour/3")).status_code == 200
    assert "Point de trop" not in (await site.get(f"{public}/ordre-du-jour/2")).text
    assert "n'est plus en vigueur" in (await site.get(f"{public}/ordre-du-jour/2")).text
    assert (await site.get(f"{public}/ordre-du-jour/4")).status_code == 404


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"title": ""}, "Donnez un titre à ce point"),
        ({"title": "x", "length": "9999"}, "Indiquez un nombre entier de 1 à 720"),
        ({"title": "x", "speakers": "A\n" * 21}, "20 intervenants au plus"),
    ],
)
async def test_what_cannot_be_comes_back_with_what_was_typed(site: Site, typed: dict[str, str], sentence: str) -> None:
    desk, _, item = await the_desk(site)

    answers = [await site.post(path, **BLANK | {"description": "Texte déjà écrit"} | typed) for path in (desk, item)]

    for answer in answers:
        assert answer.status_code == 422
        assert sentence in unescape(answer.text).replace("\u00a0", " ")
        assert "Texte déjà écrit" in answer.text


async def test_two_organisers_on_one_item_read_both_texts_and_lose_nothing(site: Site) -> None:
    desk, _, item = await the_desk(site)
    edition = field((await site.get(item)).text, "edition")
    first = await site.post(item, **BLANK | {"title": "Le premier texte", "edition": edition})

    second = await site.post(item, **BLANK | {"title": "Le second texte", "edition": edition})
    again = await site.post(item, **BLANK | {"title": "Le second texte", "edition": field(second.text, "edition")})

    assert (first.status_code, second.status_code, again.status_code) == (303, 409, 303)
    assert "Le premier texte" in second.text
    assert 'value="Le second texte"' in second.text
    assert "Le second texte" in (await site.get(desk)).text


async def test_an_item_goes_up_or_down_without_script_and_the_keyboard_goes_on_from_there(site: Site) -> None:
    desk, _, _ = await the_desk(site)
    form = re.search(r'action="([^"]+/ordre)"><input type="hidden" name="below" value="([^"]+)"', (await site.get(desk)).text)
    assert form

    down = [await site.post(form[1], below=form[2]) for _ in range(2)]
    page = (await site.get(desk)).text

    assert [each.headers["location"].partition("?")[2] for each in down] == ["fait=point-deplace#descendre-1"] * 2
    assert page.index('id="point-2"') < page.index('id="point-1"') < page.index('id="point-3"')
    assert 'Monter<span class="fr-sr-only"> « Accueil, et suites du forum précédent »' in page
    assert (await site.post(form[1], below="rien")).status_code == 404


async def test_a_question_is_put_on_the_agenda_in_one_click(site: Site) -> None:
    desk, _, item = await the_desk(site)
    code = re.search(r'/ordre-du-jour/questions/(\w+)"', (await site.get(desk)).text)
    assert code

    alone = await site.post(f"{desk}/questions/{code[1]}")
    joined = await site.post(f"{desk}/questions/{code[1]}", item=item.rpartition("/")[2])

    assert (alone.status_code, joined.status_code) == (303, 303)
    assert f'href="/questions/{code[1]}"' in (await site.get(item)).text or code[1] in (await site.get(item)).text
    assert (await site.post(f"{desk}/questions/inconnue")).status_code == 404


async def test_an_item_is_taken_off(site: Site) -> None:
    desk, public, item = await the_desk(site)

    assert (await site.post(f"{item}/retirer", shift="1")).headers["location"] == f"{desk}?fait=point-retire"
    assert (await site.get(item)).status_code == 404
    assert 'id="point-1"' in (await site.get(public)).text


async def test_a_document_is_kept_offered_to_be_saved_and_public_once_published(site: Site) -> None:
    desk, public, item = await the_desk(site)
    file = {"file": ("Bilan 2027.pdf", b"%PDF-1.7 x", "text/html")}

    sent = await site.client.post(f"{item}/documents", data={"doc_title": "Le bilan"}, files=file, headers=OURS)
    link = re.search(r"/organisation(/documents/\w+/bilan-2027.pdf)", (await site.get(item)).text)
    assert link
    draft, early = await site.get(f"/organisation{link[1]}"), await site.get(link[1])
    await site.post(f"{desk}/publier", number="3")
    saved = await site.get(link[1])

    assert (sent.status_code, draft.status_code, early.status_code, saved.status_code) == (303, 200, 404, 200)
    assert saved.content == b"%PDF-1.7 x"
    assert saved.headers["content-disposition"] == 'attachment; filename="bilan-2027.pdf"'
    assert (saved.headers["content-type"], saved.headers["x-content-type-options"]) == ("application/pdf", "nosniff")
    assert "Le bilan</span> (PDF, 1\u00a0Ko)" in (await site.get(public)).text or "(PDF, 1 Ko)" in (await site.get(public)).text
    assert (await site.post(f"{item}{link[1].rpartition('/')[0]}/retirer")).status_code == 303


@pytest.mark.parametrize(
    ("data", "file", "sentence"),
    [
        ({"doc_title": ""}, ("a.pdf", b"%PDF-"), "Donnez un titre à ce document"),
        ({"doc_title": "Titre gardé"}, None, "Choisissez un fichier."),
        ({"doc_title": "Titre gardé"}, ("a.pdf", b"<script>"), "n'est pas ce que son nom annonce"),
        ({"doc_title": "Titre gardé"}, ("a.pdf", b"%PDF-" + b"x" * agenda.LARGEST), "5 Mo au plus"),
    ],
)
async def test_a_file_refused_says_why_beside_its_field(site: Site, data: dict[str, str], file: Any, sentence: str) -> None:
    _, _, item = await the_desk(site)
    count = await site.count(Document)

    answer = await site.client.post(f"{item}/documents", data=data, files={"file": file} if file else None, headers=OURS)

    assert (answer.status_code, await site.count(Document)) == (422, count)
    assert sentence in unescape(answer.text).replace("\u00a0", " ")
    assert data["doc_title"] in answer.text


@pytest.mark.parametrize("role", ["agent", "moderator"])
async def test_who_does_not_organise_changes_nothing_of_an_agenda(site: Site, role: str) -> None:
    desk, _, item = await the_desk(site, role)
    count = await site.count(AgendaItem)

    answers = [
        await site.post(path, title="x") for path in (desk, item, f"{item}/ordre", f"{item}/documents", f"{desk}/questions/abcdefgh")
    ]

    assert [each.status_code for each in answers] == [403] * 5
    assert await site.count(AgendaItem) == count


async def test_the_paper_of_the_public_is_the_published_version(site: Site) -> None:
    _, public, item = await the_desk(site)
    await site.post(item, **BLANK | {"title": "Pas encore publié", "edition": field((await site.get(item)).text, "edition")})

    answer = await site.get(f"{public}/ordre-du-jour.pdf")

    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages)
    assert (answer.headers["content-type"], "Version 2" in text, "Pas encore" in text) == ("application/pdf", True, False)
    assert (await site.get("/forums/demonstration-4/ordre-du-jour.pdf")).status_code == 404
