"""Minutes: passages tied to commitments and questions, published at once, amended in the open."""

import asyncio
import sys
from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import agenda, minutes, questions, timeline
from forums.database import Database
from forums.minutes import CommentMissing, EditedMeanwhile, Entry, OutcomeForm, Place, RedactForm
from forums.models import Commitment, Forum, Minutes, MinutesEntry, Question
from forums.questions import MergeForm
from forums.refusals import AlreadyPublished, NothingToPublish, Refusal
from forums.rendering import cited_numbers, markdown_citing
from tests.factories import (
    NOW,
    a_commitment,
    a_confirmed_registration,
    a_follow_up,
    a_forum,
    a_plan,
    a_question,
    a_season,
    an_agenda_item,
    an_agenda_item_form,
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


async def told_of(session: AsyncSession, commitment: Commitment) -> list[tuple[MinutesEntry, Forum | None, list[Question]]]:
    """The passages in the story of a commitment, with the questions each is about."""
    story = await timeline.story(session, commitment, now=NOW)
    return [(each.thing, each.forum, each.more["questions"]) for each in story.entries if each.kind == "passage"]


async def test_publishing_shows_every_passage_on_its_commitments_and_questions_at_once(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    forum = await a_forum(session)
    question = await a_question(session, forum)
    written = await some_minutes(session, forum)
    entry = await minutes.write(session, written, an_entry_form(), None, [commitment], [question], now=NOW)
    before = (await told_of(session, commitment), await questions.passages_answering(session, question))

    await minutes.publish(session, written, now=NOW)
    await session.flush()

    assert before == ([], [])
    assert await told_of(session, commitment) == [(entry, forum, [question])]
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
    written, (untouched, changed) = await published_minutes(session, "Inchangé", "Avant")

    await minutes.amend(session, written, changed, an_entry_form("Après"), None, [], [], now=LATER)

    assert (changed.number, changed.text, changed.amended_at, written.amended_at) == (2, "Après", LATER, LATER)
    assert untouched.amended_at is None


async def test_a_passage_added_after_publication_is_an_amendment(session: AsyncSession) -> None:
    written, _ = await published_minutes(session)

    entry = await minutes.write(session, written, an_entry_form("Oublié"), None, [], [], now=LATER)

    assert (entry.number, entry.amended_at, written.amended_at) == (2, LATER, LATER)


async def test_a_change_that_changes_nothing_is_no_amendment(session: AsyncSession) -> None:
    written, (entry,) = await published_minutes(session, "Pareil")

    await minutes.amend(session, written, entry, an_entry_form("Pareil", comment=""), None, [], [], edition=0, now=LATER)

    assert (entry.amended_at, len(await minutes.versions_of(session, written))) == (None, 1)


async def test_the_same_passage_sent_twice_is_one(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))

    first, second = [await minutes.write(session, written, an_entry_form("Une fois"), None, [], [], now=NOW) for _ in range(2)]

    assert first is second
    assert (first.number, first.edition) == (1, 1)


async def test_a_passage_of_a_draft_may_be_removed_and_its_number_is_not_given_to_those_before(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))
    first, second = [await minutes.write(session, written, an_entry_form(text), None, [], [], now=NOW) for text in ("Un", "Deux")]

    await minutes.remove(session, written, first)
    await session.flush()

    assert await minutes.entry_by_number(session, written, 1) is None
    assert await minutes.entry_by_number(session, written, 2) is second


async def test_a_passage_a_promise_comes_from_is_not_removed(session: AsyncSession) -> None:
    forum = await a_forum(session)
    written = await some_minutes(session, forum)
    entry = await minutes.write(session, written, an_entry_form(), None, [], [], now=NOW)
    await a_follow_up(session, forum, entry)

    with pytest.raises(Refusal, match="Une promesse vient de ce passage"):
        await minutes.remove(session, written, entry)

    assert await minutes.entry_by_number(session, written, 1) is entry


async def test_a_published_passage_is_never_removed(session: AsyncSession) -> None:
    written, (entry,) = await published_minutes(session)

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
    for text in ("Un", "Deux"):
        await minutes.write(session, written, an_entry_form(text), None, [], [question], now=NOW)
    before = [await told(session, kind) for kind in ("minutes_published", "question_answered")]

    await minutes.publish(session, written, now=NOW)

    assert before == [[], []]
    assert await told(session, "minutes_published") == ["assise@example.org"]
    answered = await promised(session, "question_answered")
    assert [(message.recipient, message.facts["number"]) for message in answered] == [("auteure@example.org", 1)]


async def test_a_question_answered_by_an_amendment_is_told_too(session: AsyncSession) -> None:
    written, _ = await published_minutes(session)
    forum = await session.get_one(Forum, written.forum_id)
    question = await a_question(session, forum, email="auteure@example.org")

    await minutes.write(session, written, an_entry_form("La réponse"), None, [], [question], now=LATER)

    assert await told(session, "question_answered") == ["auteure@example.org"]


async def test_an_author_is_told_again_only_when_what_came_of_the_question_changes(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum, email="auteure@example.org")
    written = await some_minutes(session, forum)
    deferred = {question.code: an_outcome("deferred", deferred_to="2027-06-30")}
    entry = await minutes.write(session, written, an_entry_form("Un"), None, [], [question], outcomes=deferred, now=NOW)
    await minutes.publish(session, written, now=NOW)

    await minutes.amend(session, written, entry, an_entry_form("Deux"), None, [], [question], outcomes=deferred, now=LATER)
    same = await promised(session, "question_answered")
    await minutes.amend(session, written, entry, an_entry_form("Trois"), None, [], [question], now=LATER)

    assert [(each.facts["outcome"], each.facts["changed"]) for each in same] == [("deferred", False)]
    messages = sorted(await promised(session, "question_answered"), key=lambda each: each.facts["changed"])
    assert [(each.facts["outcome"], each.facts["deferred_to"], each.facts["changed"]) for each in messages] == [
        ("deferred", "2027-06-30", False),
        ("answered", None, True),
    ]


# -- What came of a question ------------------------------------------------------------------------------------


async def test_each_question_of_a_passage_has_its_own_outcome(session: AsyncSession) -> None:
    forum = await a_forum(session)
    answered, deferred, refused = [await a_question(session, forum, text=text) for text in ("a", "b", "c")]
    written = await some_minutes(session, forum)
    said = {
        deferred.code: an_outcome("deferred", deferred_to="2027-06-30", reason="sans objet ici"),
        refused.code: an_outcome("refused", reason="Le secret des affaires.", deferred_to="2027-06-30"),
    }

    await minutes.write(session, written, an_entry_form(), None, [], [answered, deferred, refused], outcomes=said, now=NOW)

    (held,) = await minutes.entries_of(session, written)
    assert {code: (link.outcome, link.deferred_to, link.reason) for code, link in held.outcomes.items()} == {
        answered.code: ("answered", None, None),
        deferred.code: ("deferred", date(2027, 6, 30), None),
        refused.code: ("refused", None, "Le secret des affaires."),
    }


@pytest.mark.parametrize(("outcome", "missing"), [("answered", None), ("partly", None), ("deferred", "deferred_to"), ("refused", "reason")])
def test_an_outcome_says_what_it_cannot_go_without(outcome: str, missing: str | None) -> None:
    found = an_outcome(outcome).missing

    assert (found[0] if found else None) == missing


# -- Versions -----------------------------------------------------------------------------------------------------


async def test_each_change_of_published_minutes_is_a_version_that_stays(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    forum = await a_forum(session)
    question = await a_question(session, forum)
    item = await an_agenda_item(session, forum)
    written = await some_minutes(session, forum)
    entry = await minutes.write(session, written, an_entry_form("Avant"), item, [commitment], [question], now=NOW)
    before = await minutes.versions_of(session, written)

    await minutes.publish(session, written, now=NOW)
    await minutes.amend(session, written, entry, an_entry_form("Après", comment="Corrigé."), item, [], [], now=LATER)

    second, first = await minutes.versions_of(session, written)
    assert before == []
    assert [(each.number, each.comment, each.published_at) for each in (first, second)] == [(1, "", NOW), (2, "Corrigé.", LATER)]
    assert first.content == [
        {
            "number": 1,
            "title": "",
            "item": "Point 1",
            "text": "Avant",
            "commitments": [{"plan": "2018-2020", "number": 1, "title": "Engagement 1"}],
            "questions": [{"code": question.code, "outcome": "answered", "deferred_to": None, "reason": None}],
        }
    ]
    assert [(each["text"], each["commitments"], each["questions"]) for each in second.content] == [("Après", [], [])]


async def test_a_version_never_brings_back_a_question_that_is_no_longer_public(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum, text="Un texte à retirer")
    written = await some_minutes(session, forum)
    await minutes.write(session, written, an_entry_form(), None, [], [question], now=NOW)
    await minutes.publish(session, written, now=NOW)

    question.status, question.decline_reason = "declined", "Retirée."
    session.add(question)
    await session.flush()

    found = await minutes.version_by_number(session, written, 1)
    assert found is not None
    assert found.questions == {}
    assert "Un texte à retirer" not in str(found.version.content)


async def test_published_minutes_do_not_change_without_a_word_on_what_changes(session: AsyncSession) -> None:
    written, (entry,) = await published_minutes(session, "Avant")

    with pytest.raises(CommentMissing):
        await minutes.amend(session, written, entry, an_entry_form("Après", comment=""), None, [], [], now=LATER)
    with pytest.raises(CommentMissing):
        await minutes.write(session, written, an_entry_form("Ajouté", comment=""), None, [], [], now=LATER)

    assert [each.entry.text for each in await minutes.entries_of(session, written)] == ["Avant"]
    assert len(await minutes.versions_of(session, written)) == 1


async def test_minutes_published_before_versions_were_kept_keep_what_they_said(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))
    entry = await minutes.write(session, written, an_entry_form("Avant"), None, [], [], now=NOW)
    written.published_at = NOW  # as the release before left them

    await minutes.amend(session, written, entry, an_entry_form("Après"), None, [], [], now=LATER)

    versions = [(each.number, each.published_at, each.content[0]["text"]) for each in await minutes.versions_of(session, written)]
    assert versions == [(2, LATER, "Après"), (1, NOW, "Avant")]


def test_the_words_between_two_texts_are_marked_and_nothing_is_lost() -> None:
    before, after = "Le ministère répondra en mai.\n\nFin.", "Le ministère répondra en juin 2027.\n\nFin.\nEt après."

    pieces = minutes.words_changed(before, after)

    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == after
    assert [(piece.kind, piece.text) for piece in pieces][:3] == [
        ("same", "Le ministère répondra en "),
        ("removed", "mai"),
        ("added", "juin 2027"),
    ]


@given(st.text(alphabet="ab é\n.", max_size=60), st.text(alphabet="ab é\n.", max_size=60))
def test_any_two_texts_can_be_read_back_from_their_words(before: str, after: str) -> None:
    pieces = minutes.words_changed(before, after)

    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == after


def test_two_texts_too_long_to_compare_word_by_word_are_shown_one_after_the_other() -> None:
    before = "mot " * 12_500
    after = before.replace("mot", "autre")

    steps = steps_of(lambda: minutes.words_changed(before, after))

    assert [(piece.kind, piece.text) for piece in minutes.words_changed(before, after)] == [("removed", before), ("added", after)]
    assert steps < 100, "each word costs nothing: compared with each other they would cost 156 million"


def steps_of(work: Callable[[], object]) -> int:
    """How many functions it calls, those of the interpreter too: the same number however quick the machine is."""
    count = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


# -- Two people at once ---------------------------------------------------------------------------------------------


async def test_a_save_from_an_old_edition_overwrites_nothing(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))
    entry = await minutes.write(session, written, an_entry_form("Avant"), None, [], [], now=NOW)
    seen = entry.edition
    await minutes.amend(session, written, entry, an_entry_form("L'une"), None, [], [], edition=seen, now=NOW)

    with pytest.raises(EditedMeanwhile):
        await minutes.amend(session, written, entry, an_entry_form("L'autre"), None, [], [], edition=seen, now=NOW)

    await minutes.amend(session, written, entry, an_entry_form("L'une"), None, [], [], edition=seen, now=NOW)  # a second click
    assert (entry.text, entry.edition) == ("L'une", seen + 1)


async def test_of_two_who_save_a_passage_at_the_same_instant_one_is_told_and_no_number_is_given_twice(database: Database) -> None:
    async with database.transaction() as session:
        written, (entry,) = await published_minutes(session, "Avant")

    async def save(text: str) -> bool:
        try:
            async with database.transaction() as session:
                mine, passage = await session.get_one(Minutes, written.id), await session.get_one(MinutesEntry, entry.id)
                await minutes.amend(session, mine, passage, an_entry_form(text), None, [], [], edition=1, now=LATER)
        except EditedMeanwhile:
            return False
        return True

    saved = await asyncio.gather(*(save(text) for text in ("un", "deux", "trois", "quatre")))

    async with database.reading() as session:
        versions = await minutes.versions_of(session, written)
        (held,) = await minutes.entries_of(session, written)
    assert sorted(saved) == [False, False, False, True]
    assert held.entry.edition == 2
    assert [(each.number, each.content[0]["text"]) for each in versions] == [(2, held.entry.text), (1, "Avant")]


async def test_minutes_published_and_amended_by_several_at_once_number_every_version_once(database: Database) -> None:
    async with database.transaction() as session:
        written = await some_minutes(session, await a_forum(session))
        await minutes.write(session, written, an_entry_form("Premier"), None, [], [], now=NOW)

    async def publish() -> str:
        try:
            async with database.transaction() as session:
                await minutes.publish(session, await session.get_one(Minutes, written.id), now=NOW)
        except AlreadyPublished:
            return "already"
        return "published"

    async def add(text: str) -> str:
        async with database.transaction() as session:
            await minutes.write(session, await session.get_one(Minutes, written.id), an_entry_form(text), None, [], [], now=LATER)
        return "added"

    done = await asyncio.gather(publish(), add("a"), publish(), add("b"), add("a"))

    async with database.reading() as session:
        numbers = [each.number for each in await minutes.versions_of(session, written)]
        passages = [(each.entry.number, each.entry.text) for each in await minutes.entries_of(session, written)]
    assert sorted(done) == ["added", "added", "added", "already", "published"]
    assert numbers == list(range(len(numbers), 0, -1))
    assert [number for number, _ in passages] == [1, 2, 3]
    assert sorted(text for _, text in passages) == ["Premier", "a", "b"]


async def test_minutes_begun_by_two_at_once_are_one(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)

    async def begin() -> UUID:
        async with database.transaction() as session:
            return (await minutes.begun(session, forum)).id

    assert len(set(await asyncio.gather(begin(), begin(), begin()))) == 1


# -- Commitments cited ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Voir E12 et e3.", [12, 3]),
        ("L'engagement 7, puis l'engagement n° 8.", [7, 8]),
        ("**E1**, [E2](https://x.fr), `E3`, CE4, E5b, E12345", [1]),
        ("https://x.fr/E6 et www.x.fr/E7", []),
        ("    E8\n", []),
        ("- E9\n\n> E10\n\n| a |\n| --- |\n| E11 |\n", [9, 10, 11]),
    ],
)
def test_a_commitment_is_cited_in_words_alone(text: str, numbers: list[int]) -> None:
    assert cited_numbers(text) == numbers


def test_a_cited_commitment_leads_to_its_page_when_there_is_one() -> None:
    html = markdown_citing("E12 et E13, `E12`, <b>E12</b>", ((12, "/engagements/12"),))

    assert html.count('href="/engagements/12"') == 2
    assert "E13," in html
    assert "<code>E12</code>" in html
    assert "&lt;b&gt;" in html


async def test_a_passage_is_tied_to_what_it_cites_once_and_in_the_open(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    written, (entry,) = await published_minutes(session, "E1, E2 et E99")
    (held,) = await minutes.entries_of(session, written)
    proposed = minutes.cited_in(held, [first, second])

    for _ in range(2):
        await minutes.tie(session, written, entry, second, "Le passage 1 est lié à l'engagement 2.", now=LATER)

    (held,) = await minutes.entries_of(session, written)
    assert proposed == [first, second]
    assert (held.commitments, minutes.cited_in(held, [first, second])) == ([second], [first])
    assert [each.comment for each in await minutes.versions_of(session, written)] == ["Le passage 1 est lié à l'engagement 2.", ""]


async def test_minutes_cite_the_plan_of_their_season_or_else_the_current_one(session: AsyncSession) -> None:
    current, older = await a_plan(session, "2024-2026"), await a_plan(session, "2018-2020", current=False)
    here = await a_forum(session)
    there = await a_forum(session, season=await a_season(session, "2018", plan_id=older.id))

    assert (await minutes.plan_of(session, here), await minutes.plan_of(session, there)) == (current, older)


async def published_minutes(session: AsyncSession, *texts: str) -> tuple[Minutes, list[MinutesEntry]]:
    written = await some_minutes(session, await a_forum(session))
    forms = [an_entry_form(text) for text in texts or ("Le ministère a répondu.",)]
    entries = [await minutes.write(session, written, form, None, [], [], now=NOW) for form in forms]
    await minutes.publish(session, written, now=NOW)
    return written, entries


def an_outcome(outcome: str, **typed: str) -> OutcomeForm:
    return OutcomeForm.model_validate({"outcome": outcome} | typed)


# -- Questions merged where it was published ---------------------------------------------------------------------------


async def test_questions_merged_give_published_minutes_their_next_version_and_both_are_still_read(session: AsyncSession) -> None:
    forum = await a_forum(session)
    target, question = await a_question(session, forum, email="cible@example.org"), await a_question(session, forum)
    written = await some_minutes(session, forum)
    await minutes.write(session, written, an_entry_form(), None, [], [question], now=NOW)
    await minutes.publish(session, written, now=NOW)

    await minutes.merge_questions(session, question, target, MergeForm(into=target.code), now=LATER)

    first, second = [await minutes.version_by_number(session, written, number) for number in (1, 2)]
    assert first
    assert second
    assert [(each.number, each.comment) for each in await minutes.versions_of(session, written)] == [(2, "Questions réunies"), (1, "")]
    assert [[each["code"] for each in passage["questions"]] for passage in first.version.content] == [[question.code]]
    assert [[each["code"] for each in passage["questions"]] for passage in second.version.content] == [[target.code]]
    assert set(first.questions) == {question.code}


async def test_questions_merged_that_no_published_passage_is_about_make_no_version(session: AsyncSession) -> None:
    written, _ = await published_minutes(session)
    forum = await a_forum(session, number=2)
    target, question = await a_question(session, forum, email="cible@example.org"), await a_question(session, forum)

    await minutes.merge_questions(session, question, target, MergeForm(into=target.code), now=LATER)

    assert [each.number for each in await minutes.versions_of(session, written)] == [1]


# -- Personal data taken out --------------------------------------------------------------------------------------------


async def test_personal_data_is_taken_out_of_what_is_read_now_and_of_every_version(session: AsyncSession) -> None:
    written, (first, second) = await published_minutes(session, "Jean Dupont a répondu.", "Rien.")
    await minutes.amend(session, written, first, an_entry_form("Jean Dupont, du 3, rue Haute, a répondu."), None, [], [], now=LATER)
    await minutes.amend(session, written, second, an_entry_form("Toujours rien."), None, [], [], now=LATER)
    form = RedactForm(words="Jean Dupont")

    found = await minutes.places(session, written, form)
    taken, again = await minutes.redact(session, written, form), await minutes.redact(session, written, form)

    texts = [passage["text"] for version in await minutes.versions_of(session, written) for passage in version.content]
    assert found == [Place(1, now=True, versions=(1, 2, 3))]
    assert (taken, again) == (1, 0)
    assert first.text == "[donnée personnelle retirée], du 3, rue Haute, a répondu."
    assert not any("Dupont" in text for text in texts)
    assert len(texts) == 6


@pytest.mark.parametrize("words", ["Ab", "donnée", "Absent partout"])
async def test_words_that_are_nowhere_or_would_be_everywhere_are_refused(session: AsyncSession, words: str) -> None:
    written, _ = await published_minutes(session, "Ab, donnée.")

    with pytest.raises(PydanticCustomError):
        await minutes.places(session, written, RedactForm(words=words))


# -- Under the agenda that was announced --------------------------------------------------------------------------------


def titles_over(entries: list[Entry]) -> list[str | None]:
    return [each.item.title if each.item else None for each in entries]


async def test_passages_stand_under_the_titles_of_the_agenda_the_public_reads(session: AsyncSession) -> None:
    forum = await a_forum(session)
    item = await agenda.add(session, forum, an_agenda_item_form("Annoncé"), [], [], now=NOW)
    late = await agenda.add(session, forum, an_agenda_item_form("Ajouté le soir"), [], [], now=NOW)
    written = await some_minutes(session, forum)
    for each in (item, late):
        await minutes.write(session, written, an_entry_form(f"Sur {each.title}."), each, [], [], now=NOW)
    before = titles_over(await minutes.as_announced(session, written, await minutes.entries_of(session, written)))
    await agenda.remove(session, late)
    await agenda.publish(session, forum, now=NOW)
    form = an_agenda_item_form("Retouché depuis", edition=str(item.edition))
    await agenda.edit(session, forum, item, form, [], [], now=NOW)

    entries = await minutes.entries_of(session, written)
    public = await minutes.as_announced(session, written, entries)

    assert before == ["Annoncé", "Ajouté le soir"]
    assert (titles_over(entries), titles_over(public)) == (["Retouché depuis", None], ["Annoncé", None])
