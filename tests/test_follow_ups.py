"""Promises: made in a passage, carried from forum to forum, closed once with evidence or a reason, told to who promised."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import agenda, clock, follow_ups, members, minutes, questions, schedule
from forums.database import Database
from forums.follow_ups import ChangedMeanwhile, DropForm, KeepForm, Missing, Promise, ProposalForm, ReopenForm, SaidForm
from forums.models import (
    AgendaItem,
    AuditEvent,
    FollowUp,
    FollowUpChange,
    FollowUpForum,
    Forum,
    MinutesEntry,
    MinutesEntryQuestion,
)
from forums.refusals import AlreadyDecided, NotAnnounced, Refusal
from tests.factories import (
    NOW,
    a_commitment,
    a_follow_up,
    a_forum,
    a_plan,
    a_question,
    a_record_form,
    a_season,
    an_agenda_item,
    an_amend_form,
    an_entry_form,
    an_institution,
    told,
)
from tests.site import Site

LATER = NOW + timedelta(days=3)


async def a_held_forum(session: AsyncSession, *, number: int = 1, ago: int = 60, published: bool = True, **facts: Any) -> Forum:
    """A forum held some days ago, whose minutes hold one passage, published the day after."""
    held = NOW - timedelta(days=ago)
    forum = await a_forum(session, number=number, day=held.date(), now=held - timedelta(days=60), **facts)
    await write_minutes(session, forum, held + timedelta(days=1) if published else None)
    return forum


async def write_minutes(session: AsyncSession, forum: Forum, published_at: datetime | None) -> MinutesEntry:
    begun = await minutes.begun(session, forum)
    entry = await minutes.write(session, begun, an_entry_form("Il a été promis."), None, [], [], now=NOW)
    if published_at:
        await minutes.publish(session, begun, now=published_at)
    await session.flush()
    return entry


async def passage_of(session: AsyncSession, forum: Forum) -> MinutesEntry:
    entry = await minutes.entry_by_number(session, await minutes.begun(session, forum), 1)
    assert entry is not None
    return entry


async def the_promise(session: AsyncSession, follow_up: FollowUp) -> Promise:
    promise = await follow_ups.promise_by_code(session, follow_up.code, drafts=True)
    assert promise is not None
    return promise


async def carried_codes(session: AsyncSession, forum: Forum) -> list[str]:
    return [each.promise.follow_up.code for each in await follow_ups.carried_to(session, forum, drafts=True)]


def kept(evidence: str = "La liste est en ligne.", url: str = "") -> KeepForm:
    return KeepForm.model_validate({"evidence": evidence, "evidence_url": url, "kept_at": ""})


def dropped(reason: str = "Le service a fermé.") -> DropForm:
    return DropForm(drop_reason=reason, dropped_at="")


# -- Made in a passage ----------------------------------------------------------------------------------------


async def test_a_promise_is_public_with_the_minutes_it_comes_from(session: AsyncSession) -> None:
    commitment, hatvp = await a_commitment(session, await a_plan(session)), await an_institution(session)
    forum = await a_held_forum(session, published=False)
    entry = await passage_of(session, forum)
    form = a_record_form(institution="hatvp", owner="", due="2027-03-01")

    follow_up = await follow_ups.record(session, forum, form, hatvp, entry, [commitment], now=NOW)
    before = await follow_ups.promise_by_code(session, follow_up.code)
    await minutes.publish(session, await minutes.begun(session, forum), now=NOW)
    await session.flush()

    assert before is None
    promise = Promise(follow_up, forum, entry, hatvp, [commitment], public=True)
    assert await follow_ups.promise_by_code(session, follow_up.code) == promise
    assert (promise.holder, follow_up.due_on) == ("HATVP", date(2027, 3, 1))
    assert await follow_ups.made_at(session, forum) == await follow_ups.about(session, commitment) == [promise]


async def test_the_promises_of_a_forum_whose_minutes_are_elsewhere_need_no_passage(session: AsyncSession) -> None:
    forum = await a_forum(session, day=(NOW - timedelta(days=60)).date(), minutes_elsewhere="https://example.fr/cr")

    follow_up = await follow_ups.record(session, forum, a_record_form(), None, None, [], now=NOW)

    assert (await the_promise(session, follow_up)).public


async def test_the_same_promise_sent_twice_is_one(session: AsyncSession) -> None:
    forum = await a_held_forum(session)
    entry = await passage_of(session, forum)

    first, second = [await follow_ups.record(session, forum, a_record_form(), None, entry, [], now=NOW) for _ in range(2)]
    other = await follow_ups.record(session, forum, a_record_form(owner="DINUM"), None, entry, [], now=NOW)

    assert first.id == second.id != other.id


async def test_the_same_promise_sent_twice_at_the_same_instant_is_one(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_held_forum(session)

    async def send() -> str:
        async with database.transaction() as session:
            found = await schedule.forum_by_slug(session, forum.slug)
            assert found is not None
            follow_up = await follow_ups.record(session, found, a_record_form(), None, await passage_of(session, found), [], now=NOW)
            return follow_up.code

    assert len(set(await asyncio.gather(send(), send(), send()))) == 1


@pytest.mark.parametrize(
    ("typed", "passage", "name"),
    [
        ({"owner": ""}, True, "institution"),
        ({"institution": "inconnue"}, True, "institution"),
        ({"kind": "cooperation"}, True, "partners"),
        ({}, False, "passage"),
        ({"due": "2026-01-01"}, True, "due"),
    ],
)
async def test_what_a_promise_lacks_is_said_beside_its_field(
    session: AsyncSession, typed: dict[str, str], passage: bool, name: str
) -> None:
    forum = await a_held_forum(session)
    entry = await passage_of(session, forum) if passage else None

    with pytest.raises(Missing) as refused:
        await follow_ups.record(session, forum, a_record_form(**typed), None, entry, [], now=NOW)

    assert refused.value.name == name


async def test_a_promise_written_by_mistake_is_discarded_while_nobody_read_it_and_never_afterwards(session: AsyncSession) -> None:
    draft, public = await a_held_forum(session, published=False), await a_held_forum(session, number=2)
    mistaken, read = await a_follow_up(session, draft), await a_follow_up(session, public)

    await follow_ups.discard(session, await the_promise(session, mistaken))
    with pytest.raises(Refusal, match="Une promesse publiée ne s'efface pas"):
        await follow_ups.discard(session, await the_promise(session, read))

    await session.flush()
    assert [each.code for each in (await session.exec(select(FollowUp))).all()] == [read.code]


# -- Reworded -----------------------------------------------------------------------------------------------------


async def test_who_rewords_from_an_older_edition_is_told_and_overwrites_nothing(session: AsyncSession) -> None:
    forum = await a_held_forum(session)
    follow_up, entry = await a_follow_up(session, forum), await passage_of(session, forum)
    first = an_amend_form("Publier la liste entière.")
    await follow_ups.amend(session, await the_promise(session, follow_up), first, None, entry, [], now=NOW)

    with pytest.raises(ChangedMeanwhile):
        await follow_ups.amend(session, await the_promise(session, follow_up), an_amend_form("Autre chose."), None, entry, [], now=NOW)

    assert ((await the_promise(session, follow_up)).follow_up.text, follow_up.edition) == ("Publier la liste entière.", 1)


async def test_the_same_rewording_sent_twice_is_made_once(session: AsyncSession) -> None:
    forum = await a_held_forum(session)
    follow_up, entry = await a_follow_up(session, forum), await passage_of(session, forum)

    for _ in range(2):
        form = an_amend_form("Publier la liste entière.")
        await follow_ups.amend(session, await the_promise(session, follow_up), form, None, entry, [], now=NOW)

    await session.flush()
    assert follow_up.edition == 1
    assert len((await session.exec(select(FollowUpChange))).all()) == 1


async def test_what_a_public_promise_said_before_stays_readable(session: AsyncSession) -> None:
    public, draft = await a_held_forum(session), await a_held_forum(session, number=2, published=False)
    due = date(2027, 3, 1)
    read, unread = await a_follow_up(session, public, due_on=due), await a_follow_up(session, draft, due_on=due)

    for follow_up, forum in ((read, public), (unread, draft)):
        form = an_amend_form(due="2027-09-01")
        await follow_ups.amend(session, await the_promise(session, follow_up), form, None, await passage_of(session, forum), [], now=LATER)

    moments = await follow_ups.history_of(session, await the_promise(session, read))
    assert [(each.kind, each.text, each.due_on) for each in moments[1:]] == [("amended", "Publier la liste.", due)]
    assert [each.kind for each in await follow_ups.history_of(session, await the_promise(session, unread))] == ["made"]


# -- Carried from forum to forum -----------------------------------------------------------------------------------


async def test_a_promise_is_carried_over_two_forums_then_kept_and_its_whole_history_is_read(session: AsyncSession) -> None:
    first = await a_held_forum(session, ago=120)
    follow_up = await a_follow_up(session, first, await passage_of(session, first))
    forums = []
    for number, ago in ((2, 60), (3, 10)):
        held = NOW - timedelta(days=ago)
        forum = await a_forum(session, number=number, day=held.date(), now=held - timedelta(days=40))
        forums.append(forum)
        await follow_ups.carry_by_itself(session, now=held - timedelta(days=20))
        entry = await write_minutes(session, forum, held + timedelta(days=2))
        carried = (await follow_ups.carried_to(session, forum))[0]
        form = SaidForm(said=f"Dit au forum {number}.", passage="1", edition=follow_up.edition)
        await follow_ups.say(session, carried, form, entry)

    await follow_ups.keep(session, await the_promise(session, follow_up), kept(), forums[-1], now=NOW)

    moments = await follow_ups.history_of(session, await the_promise(session, follow_up))
    assert [(each.kind, each.forum, each.text) for each in moments] == [
        ("made", first, ""),
        ("carried", forums[0], "Dit au forum 2."),
        ("carried", forums[1], "Dit au forum 3."),
        ("kept", forums[1], "La liste est en ligne."),
    ]
    assert [each.entry.number if each.entry else None for each in moments] == [1, 1, 1, None]


async def test_the_clock_carries_to_the_next_forum_only_and_once(session: AsyncSession) -> None:
    past = await a_held_forum(session)
    follow_up = await a_follow_up(session, past)
    coming, after = await a_forum(session, number=2), await a_forum(session, number=3, day=(NOW + timedelta(days=90)).date())

    found = [await follow_ups.carry_by_itself(session, now=NOW) for _ in range(2)]

    assert found == [1, 0]
    assert [await carried_codes(session, each) for each in (coming, after)] == [[follow_up.code], []]
    points = await agenda.points_of(session, coming)
    assert [(each.item.kind, each.item.title) for each in points] == [("follow_ups", "Suites des forums précédents")]


async def test_once_that_forum_is_over_an_open_promise_goes_to_the_one_after(session: AsyncSession) -> None:
    follow_up = await a_follow_up(session, await a_held_forum(session))
    await a_forum(session, number=2)
    after = await a_forum(session, number=3, day=(NOW + timedelta(days=90)).date())
    await follow_ups.carry_by_itself(session, now=NOW)

    await follow_ups.carry_by_itself(session, now=NOW + timedelta(days=31))

    assert await carried_codes(session, after) == [follow_up.code]


@pytest.mark.parametrize("state", ["draft minutes", "kept", "another line", "later forum", "draft forum"])
async def test_the_clock_leaves_alone_what_is_not_to_be_carried(session: AsyncSession, state: str) -> None:
    past = await a_held_forum(session, published=state != "draft minutes")
    if state == "later forum":
        past.day = (NOW + timedelta(days=60)).date()
    closed = {"status": "kept", "evidence": "Vu.", "closed_at": NOW} if state == "kept" else {}
    await a_follow_up(session, past, **closed)
    season = await a_season(session, "2028") if state == "another line" else None
    await a_forum(session, number=2, season=season, status="draft" if state == "draft forum" else "announced")

    assert await follow_ups.carry_by_itself(session, now=NOW) == 0


async def test_a_promise_outlives_its_season_within_the_same_plan(session: AsyncSession) -> None:
    plan = await a_plan(session)
    old, new = [await a_season(session, slug, plan_id=plan.id) for slug in ("2026", "2027-bis")]
    follow_up = await a_follow_up(session, await a_held_forum(session, season=old))
    coming = await a_forum(session, season=new)

    await follow_ups.carry_by_itself(session, now=NOW)

    assert await carried_codes(session, coming) == [follow_up.code]


async def test_what_organisers_take_off_stays_off_until_they_take_it_up_again(session: AsyncSession) -> None:
    follow_up, coming = await a_follow_up(session, await a_held_forum(session)), await a_forum(session, number=2)
    await follow_ups.carry_by_itself(session, now=NOW)

    for _ in range(2):
        for carried in await follow_ups.carried_to(session, coming):
            await follow_ups.uncarry(session, carried, now=NOW)
    await follow_ups.carry_by_itself(session, now=LATER)
    off = await carried_codes(session, coming)
    offered = await follow_ups.carriable(session, coming)
    again = await follow_ups.carry(session, coming, offered, now=LATER)

    assert (off, [each.follow_up.code for each in offered], again) == ([], [follow_up.code], 1)
    assert await carried_codes(session, coming) == [follow_up.code]


async def test_a_published_agenda_is_changed_by_organisers_and_not_by_the_clock(session: AsyncSession) -> None:
    past, coming = await a_held_forum(session), await a_forum(session, number=2)
    await an_agenda_item(session, coming)
    await agenda.publish(session, coming, now=NOW)
    await a_follow_up(session, past)

    carried = await follow_ups.carry_by_itself(session, now=NOW)
    untouched = [each.item.kind for each in await agenda.points_of(session, coming)]
    await follow_ups.carry(session, coming, [await the_promise(session, await a_follow_up(session, past, text="Autre."))], now=NOW)

    assert (carried, untouched) == (1, ["plenary"])
    assert [each.item.kind for each in await agenda.points_of(session, coming)] == ["plenary", "follow_ups"]


async def test_promises_taken_up_twice_make_one_row_and_one_item(session: AsyncSession) -> None:
    past, coming = await a_held_forum(session), await a_forum(session, number=2, status="draft", announced_at=None)
    promises = [await the_promise(session, await a_follow_up(session, past, text=text)) for text in ("Une.", "Deux.")]

    new = [await follow_ups.carry(session, coming, promises, now=NOW) for _ in range(2)]

    assert new == [2, 0]
    assert len((await session.exec(select(FollowUpForum))).all()) == 2
    assert len((await session.exec(select(AgendaItem))).all()) == 1


async def test_two_who_take_up_promises_at_once_give_the_agenda_one_item(database: Database) -> None:
    async with database.transaction() as session:
        past, coming = await a_held_forum(session), await a_forum(session, number=2)
        await a_follow_up(session, past)

    async def take_up() -> int:
        async with database.transaction() as session:
            found = await schedule.forum_by_slug(session, coming.slug)
            assert found is not None
            return await follow_ups.carry(session, found, await follow_ups.carriable(session, found), now=NOW)

    counted = await asyncio.gather(take_up(), take_up())

    async with database.reading() as session:
        assert (sum(counted), len((await session.exec(select(AgendaItem))).all())) == (1, 1)


async def test_a_cancelled_forum_takes_up_nothing(session: AsyncSession) -> None:
    promise = await the_promise(session, await a_follow_up(session, await a_held_forum(session)))
    cancelled = await a_forum(session, number=2, status="cancelled", cancelled_at=NOW)

    with pytest.raises(NotAnnounced):
        await follow_ups.carry(session, cancelled, [promise], now=NOW)


async def test_what_was_said_is_read_with_the_minutes_of_that_forum_and_no_sooner(session: AsyncSession) -> None:
    follow_up, second = (
        await a_follow_up(session, await a_held_forum(session)),
        await a_held_forum(session, number=2, ago=5, published=False),
    )
    await follow_ups.carry(session, second, [await the_promise(session, follow_up)], now=NOW)
    carried = (await follow_ups.carried_to(session, second))[0]
    form = SaidForm(said="Presque.", passage="1", edition=0)
    await follow_ups.say(session, carried, form, await passage_of(session, second))

    before = (await follow_ups.history_of(session, await the_promise(session, follow_up)))[1]
    await minutes.publish(session, await minutes.begun(session, second), now=NOW)
    await session.flush()

    assert (before.text, before.entry) == ("", None)
    assert (await follow_ups.history_of(session, await the_promise(session, follow_up)))[1].text == "Presque."


async def test_what_was_said_is_not_overwritten_from_an_older_edition_nor_taken_off(session: AsyncSession) -> None:
    follow_up, second = await a_follow_up(session, await a_held_forum(session)), await a_forum(session, number=2)
    await follow_ups.carry(session, second, [await the_promise(session, follow_up)], now=NOW)
    carried = (await follow_ups.carried_to(session, second))[0]
    await follow_ups.say(session, carried, SaidForm(said="Presque.", passage="", edition=0), None)

    await follow_ups.say(session, carried, SaidForm(said="Presque.", passage="", edition=0), None)
    with pytest.raises(ChangedMeanwhile):
        await follow_ups.say(session, carried, SaidForm(said="Rien.", passage="", edition=0), None)
    with pytest.raises(Refusal, match="est noté"):
        await follow_ups.uncarry(session, carried, now=NOW)

    assert (carried.row.said, follow_up.edition) == ("Presque.", 1)


# -- Late, by the calendar of Paris ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "late"),
    [
        (datetime(2027, 2, 28, 22, 59, tzinfo=UTC), 0),  # still the day before, everywhere
        (datetime(2027, 3, 1, 22, 59, tzinfo=UTC), 0),  # the day it is due, until midnight in Paris
        (datetime(2027, 3, 1, 23, 0, tzinfo=UTC), 1),  # tomorrow in Paris, not yet in London
        (datetime(2027, 3, 13, 12, 0, tzinfo=UTC), 12),
    ],
)
async def test_a_promise_is_late_from_the_midnight_of_paris_after_its_day(session: AsyncSession, now: datetime, late: int) -> None:
    follow_up = await a_follow_up(session, await a_held_forum(session), due_on=date(2027, 3, 1))

    found, total = await follow_ups.public_ones(session, state="late", now=now)

    assert follow_up.days_late(now) == late
    assert ([each.follow_up for each in found], total) == (([follow_up], 1) if late else ([], 0))
    assert await follow_ups.counts(session, now=now) == {"open": 1, "late": 1 if late else 0, "kept": 0, "dropped": 0}


async def test_the_public_list_filters_by_state_institution_and_commitment_what_presses_first(session: AsyncSession) -> None:
    first, _ = commitments = [await a_commitment(session, plan, number) for plan in [await a_plan(session)] for number in (1, 2)]
    hatvp, forum = await an_institution(session), await a_held_forum(session)
    undated = await a_follow_up(session, forum, commitments=commitments, text="Sans date.")
    due = await a_follow_up(session, forum, due_on=date(2027, 6, 1), text="En juin.", institution_id=hatvp.id)
    late = await a_follow_up(session, forum, due_on=date(2027, 1, 1), text="En janvier.")
    done = await a_follow_up(session, forum, status="kept", evidence="Vu.", closed_at=NOW, text="Faite.")
    gone = await a_follow_up(session, forum, status="dropped", drop_reason="Non.", closed_at=LATER, text="Abandonnée.")
    await a_follow_up(session, await a_held_forum(session, number=2, published=False), text="Pas encore publique.")

    async def texts(**asked: Any) -> list[str]:
        found, total = await follow_ups.public_ones(session, now=NOW, **asked)
        assert total == len(found)
        return [each.follow_up.text for each in found]

    assert await texts() == [each.text for each in (late, due, undated, gone, done)]
    assert await texts(state="open") == [late.text, due.text, undated.text]
    assert await texts(state="late") == [late.text]
    assert (await texts(state="kept"), await texts(state="dropped")) == ([done.text], [gone.text])
    assert (await texts(institution=hatvp), await texts(commitment=first)) == ([due.text], [undated.text])
    assert await follow_ups.holders(session) == [hatvp]


# -- Closed once -----------------------------------------------------------------------------------------------------


async def test_a_promise_is_kept_with_evidence_once(session: AsyncSession) -> None:
    follow_up = await a_follow_up(session, await a_held_forum(session))

    done = [await follow_ups.keep(session, await the_promise(session, follow_up), kept(), None, now=at) for at in (NOW, LATER)]

    assert done == [True, False]
    assert (follow_up.status, follow_up.evidence, follow_up.closed_at) == ("kept", "La liste est en ligne.", NOW)
    assert len((await session.exec(select(FollowUpChange))).all()) == 1


async def test_of_two_who_close_a_promise_differently_the_second_is_told(session: AsyncSession) -> None:
    follow_up = await a_follow_up(session, await a_held_forum(session))
    await follow_ups.drop(session, await the_promise(session, follow_up), dropped(), None, now=NOW)

    with pytest.raises(AlreadyDecided):
        await follow_ups.keep(session, await the_promise(session, follow_up), kept(), None, now=LATER)

    assert (follow_up.status, follow_up.drop_reason, follow_up.evidence) == ("dropped", "Le service a fermé.", None)


async def test_of_two_who_close_a_promise_at_the_same_instant_one_decides(database: Database) -> None:
    async with database.transaction() as session:
        follow_up = await a_follow_up(session, await a_held_forum(session))

    async def close(evidence: str) -> bool:
        async with database.transaction() as session:
            promise = await follow_ups.promise_by_code(session, follow_up.code)
            assert promise is not None
            return await follow_ups.keep(session, promise, kept(evidence), None, now=NOW)

    results = await asyncio.gather(close("Une preuve."), close("Une autre."), return_exceptions=True)

    assert sorted(type(each).__name__ for each in results) == ["AlreadyDecided", "bool"]


async def test_a_promise_reopened_with_a_reason_is_open_again_and_keeps_its_history(session: AsyncSession) -> None:
    follow_up = await a_follow_up(session, await a_held_forum(session))
    await follow_ups.keep(session, await the_promise(session, follow_up), kept(), None, now=NOW)

    form = ReopenForm(reopen_reason="Le lien ne mène nulle part.")
    done = [await follow_ups.reopen(session, await the_promise(session, follow_up), form, now=LATER) for _ in range(2)]

    assert done == [True, False]
    assert (follow_up.status, follow_up.evidence, follow_up.closed_at) == ("open", None, None)
    moments = await follow_ups.history_of(session, await the_promise(session, follow_up))
    assert [(each.kind, each.text) for each in moments[1:]] == [
        ("kept", "La liste est en ligne."),
        ("reopened", "Le lien ne mène nulle part."),
    ]


async def test_what_its_institution_proposes_is_for_organisers_once_and_until_they_decide(session: AsyncSession) -> None:
    follow_up = await a_follow_up(session, await a_held_forum(session))
    form = ProposalForm(news="C'est en ligne.", news_url=None)

    for _ in range(2):
        await follow_ups.propose(session, await the_promise(session, follow_up), form, now=NOW)
    await session.flush()
    promise = await the_promise(session, follow_up)
    waiting, public = await follow_ups.proposals(session, promise), await follow_ups.history_of(session, promise)
    await follow_ups.keep(session, promise, kept(), None, now=LATER)

    assert ([each.text for each in waiting], [each.kind for each in public]) == (["C'est en ligne."], ["made"])
    assert await follow_ups.proposals(session, promise) == []


# -- Who is told -------------------------------------------------------------------------------------------------------


async def an_agent(session: AsyncSession, email: str, *institutions: Any) -> None:
    await members.enrol(session, email, "agent", institutions, now=NOW)


async def test_the_agents_of_the_institution_are_told_once_of_a_promise_that_becomes_public(session: AsyncSession) -> None:
    hatvp, other = await an_institution(session), await an_institution(session, "DINUM")
    await an_agent(session, "agent@hatvp.example.fr", hatvp)
    await an_agent(session, "agent@dinum.example.fr", other)
    forum = await a_held_forum(session, ago=5, published=False)
    await a_follow_up(session, forum, institution_id=hatvp.id)
    before = await follow_ups.remind(session, now=NOW)
    await minutes.publish(session, await minutes.begun(session, forum), now=NOW)
    await session.flush()

    sent = [await follow_ups.remind(session, now=NOW) for _ in range(2)]

    assert (before, sent) == (0, [1, 0])
    assert await told(session, "promise_recorded") == ["agent@hatvp.example.fr"]


async def test_they_are_reminded_a_week_before_and_once_it_is_late_at_nine_in_paris(session: AsyncSession) -> None:
    hatvp = await an_institution(session)
    await an_agent(session, "agent@hatvp.example.fr", hatvp)
    await a_follow_up(
        session, await a_held_forum(session), institution_id=hatvp.id, due_on=date(2027, 3, 10), created_at=NOW - timedelta(days=59)
    )

    async def reminded(*moments: datetime) -> list[int]:
        return [await follow_ups.remind(session, now=moment) for moment in moments]

    day = datetime(2027, 3, 3, tzinfo=UTC)
    before = await reminded(day - timedelta(hours=12), day.replace(hour=7, minute=59))
    due = await reminded(day.replace(hour=8), day + timedelta(days=2, hours=9))
    late = await reminded(*(day + timedelta(days=days, hours=9) for days in (8, 9, 40)))

    assert (before, due, late) == ([0, 0], [1, 0], [1, 0, 0])
    assert await told(session, "promise_due") == await told(session, "promise_late") == ["agent@hatvp.example.fr"]


async def test_a_date_nearer_than_a_week_is_told_with_the_promise_and_not_again_before_it_passes(session: AsyncSession) -> None:
    hatvp = await an_institution(session)
    await an_agent(session, "agent@hatvp.example.fr", hatvp)
    await a_follow_up(session, await a_held_forum(session), institution_id=hatvp.id, due_on=(NOW + timedelta(days=5)).date())

    sent = [await follow_ups.remind(session, now=NOW + timedelta(days=days)) for days in range(8)]

    assert sent == [1, 0, 0, 0, 0, 0, 1, 0]
    assert (await told(session, "promise_due"), len(await told(session, "promise_late"))) == ([], 1)


async def test_nobody_is_reminded_of_a_promise_that_is_kept_nor_of_old_ones_on_arriving(session: AsyncSession) -> None:
    hatvp, forum = await an_institution(session), await a_held_forum(session)
    old = {"institution_id": hatvp.id, "created_at": NOW - timedelta(days=59)}
    await a_follow_up(session, forum, due_on=date(2027, 1, 1), **old)
    await a_follow_up(session, forum, due_on=date(2027, 2, 3), status="kept", evidence="Vu.", closed_at=NOW, **old)
    await an_agent(session, "nouvel.agent@hatvp.example.fr", hatvp)

    assert await follow_ups.remind(session, now=NOW) == 0


async def test_the_clock_carries_and_reminds(database: Database, engine_settings: Any) -> None:
    async with database.transaction() as session:
        hatvp, coming = await an_institution(session), await a_forum(session, number=2)
        await an_agent(session, "agent@hatvp.example.fr", hatvp)
        await a_follow_up(session, await a_held_forum(session, ago=3), institution_id=hatvp.id)

    for _ in range(2):
        await clock.upkeep(database, engine_settings, now=NOW)

    async with database.reading() as session:
        assert len(await carried_codes(session, coming)) == 1
        assert await told(session, "promise_recorded") == ["agent@hatvp.example.fr"]
        journal = select(AuditEvent).where(AuditEvent.actor == "clock", AuditEvent.verb == "carry")
        assert [each.subject for each in (await session.exec(journal)).all()] == [f"follow_ups {coming.slug}"]


# -- Pages ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def statements() -> AsyncIterator[list[str]]:
    """What the application asks of the database meanwhile."""
    said: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_a_page_costs_as_many_statements_for_forty_promises_as_for_three(site: Site) -> None:
    values = await site.examples()
    await site.sign_in("organiser")
    slug, written = values["slug"], values["written"]
    pages = ["/suites", f"/suites/{values['promise']}", f"/forums/{slug}", f"/forums/{written}", f"/forums/{written}/compte-rendu"]
    pages += ["/engagements/2", "/organisation", "/organisation/suites", f"/organisation/forums/{slug}/suites"]

    async def costs(turn: str) -> dict[str, int]:
        found = {}
        for path in pages:
            async with statements() as said:
                # Another address, so that the answer is not one kept from before.
                assert (await site.get(f"{path}?tour={turn}")).status_code == 200
            found[path] = len(said)
        return found

    few = await costs("1")
    async with site.database.transaction() as session:
        model = (await follow_ups.open_ones(session))[0]
        coming = await schedule.forum_by_slug(session, slug)
        assert coming is not None
        for number in range(40):
            added = await a_follow_up(session, model.forum, model.entry, model.commitments, text=f"Promesse {number}.")
            if number % 2:
                await follow_ups.carry(session, coming, [await the_promise(session, added)], now=datetime.now(UTC))

    assert await costs("2") == few


async def typed_promise(site: Site, **typed: str) -> dict[str, Any]:
    blank = {"institution": "", "owner": "Etalab", "partners": "", "due": "", "passage": "1", "kind": "promise"}
    return blank | {"text": "Publier la liste des marchés."} | typed


def link_to_promise(text: str, where: str = "/organisation/suites/") -> str:
    found = re.search(rf'href="{where}([2-9a-z]{{8}})"', text)
    assert found
    return found[1]


async def test_an_organiser_notes_a_promise_from_a_passage_and_reads_it_everywhere(site: Site) -> None:
    slug = (await site.examples())["written"]
    await site.sign_in("organiser")
    desk = await site.get(f"/organisation/forums/{slug}/compte-rendu")

    form = await site.get(f"/organisation/forums/{slug}/suites?passage=1")
    typed = await typed_promise(site, commitments="2")
    twice = [await site.post(f"/organisation/forums/{slug}/suites", **typed) for _ in range(2)]

    assert f"/organisation/forums/{slug}/suites?passage=1#promesse" in desk.text
    assert '<option value="1" selected>' in form.text
    assert '<input type="checkbox" id="commitments-2" name="commitments" value="2" checked>' in form.text
    assert [each.headers["location"] for each in twice] == [f"/organisation/forums/{slug}/suites?fait=promesse"] * 2
    for path in (f"/forums/{slug}", f"/forums/{slug}/compte-rendu", "/engagements/2", "/suites"):
        assert (await site.get(path)).text.count("Publier la liste des marchés.") == 1, path


async def test_a_promise_typed_wrong_comes_back_with_what_was_typed(site: Site) -> None:
    slug = (await site.examples())["written"]
    await site.sign_in("organiser")
    count = await site.count(FollowUp)

    nobody = await site.post(f"/organisation/forums/{slug}/suites", **await typed_promise(site, owner=""))
    nothing = await site.post(f"/organisation/forums/{slug}/suites", **await typed_promise(site, text="", due="demain"))

    assert (nobody.status_code, nothing.status_code) == (422, 422)
    assert "Dites qui a promis" in nobody.text
    assert "Publier la liste des marchés." in nobody.text
    assert 'href="#due"' in nothing.text
    assert "Écrivez ce qui a été promis" in unescape(nothing.text)
    assert await site.count(FollowUp) == count


async def test_who_is_not_an_organiser_notes_and_closes_nothing(site: Site) -> None:
    values = await site.examples()
    for role in ("agent", "moderator"):
        await site.sign_in(role)
        for path in (
            f"/organisation/forums/{values['written']}/suites",
            f"/organisation/forums/{values['slug']}/suites/reprendre",
            *(f"/organisation/suites/{values['promise']}/{verb}" for verb in ("modifier", "tenue", "abandon", "rouvrir", "effacer")),
        ):
            assert (await site.post(path, text="x")).status_code == 403, path


async def test_two_organisers_who_reword_at_once_both_keep_their_text(site: Site) -> None:
    code = (await site.examples())["promise"]
    await site.sign_in("organiser")
    form = (await site.get(f"/organisation/suites/{code}/modifier")).text
    edition = re.search(r'name="edition" value="(\d+)"', form)
    assert edition
    typed = await typed_promise(site, edition=edition[1], text="Le texte de la première.")
    first = await site.post(f"/organisation/suites/{code}/modifier", **typed)

    second = await site.post(f"/organisation/suites/{code}/modifier", **typed | {"text": "Le texte de la seconde."})
    renewed = re.search(r'name="edition" value="(\d+)"', second.text)
    assert renewed
    third = await site.post(f"/organisation/suites/{code}/modifier", **typed | {"text": "Les deux.", "edition": renewed[1]})

    assert (first.status_code, second.status_code, third.status_code) == (303, 409, 303)
    assert "Le texte de la première." in second.text
    assert "Le texte de la seconde." in second.text
    public = (await site.get(f"/suites/{code}")).text
    assert "Les deux." in public
    assert "Le texte de la première." in public


async def test_promises_are_taken_up_in_one_click_and_taken_off(site: Site) -> None:
    async with site.database.transaction() as session:
        drafts = select(Forum).where(Forum.invented, Forum.status == "draft")
        slug = (await session.exec(drafts)).one().slug
    await site.sign_in("organiser")
    here = f"/organisation/forums/{slug}/suites"

    none = await site.post(f"{here}/reprendre")
    everything = [await site.post(f"{here}/reprendre", everything="1") for _ in range(2)]
    taken = (await site.get(here)).text
    code = link_to_promise(taken)
    off = [await site.post(f"{here}/{code}/retirer") for _ in range(2)]
    back = await site.post(f"{here}/reprendre", codes=code)

    assert (none.status_code, [each.status_code for each in (*everything, *off, back)]) == (422, [303] * 5)
    assert "Cochez les promesses à reprendre" in none.text
    assert taken.count("Retirer de ce forum") == 4
    assert (await site.get(here)).text.count("Retirer de ce forum") == 4
    preparing = (await site.get(f"/organisation/forums/{slug}/ordre-du-jour")).text
    assert "Suites des forums précédents" in preparing
    assert f"/organisation/suites/{code}" in preparing


async def test_what_was_said_at_a_forum_is_noted_and_never_overwritten(site: Site) -> None:
    values = await site.examples()
    await site.sign_in("organiser")
    here = f"/organisation/forums/{values['slug']}/suites/{values['promise']}"
    edition = re.search(r'name="edition" value="(\d+)"', (await site.get(here)).text)
    assert edition

    first = await site.post(here, said="On avance.", passage="", edition=edition[1])
    second = await site.post(here, said="On recule.", passage="", edition=edition[1])
    long = await site.post(here, said="x" * 2001, passage="", edition=edition[1])
    nowhere = await site.post(f"/organisation/forums/{values['written']}/suites/{values['promise']}x", said="x", passage="", edition="0")

    assert [each.status_code for each in (first, second, long, nowhere)] == [303, 409, 422, 404]
    assert "On avance." in second.text
    assert "On recule." in second.text


async def test_a_promise_is_closed_and_reopened_by_its_page_with_what_shows_it(site: Site) -> None:
    code = (await site.examples())["promise"]
    await site.sign_in("organiser")
    here = f"/organisation/suites/{code}"

    empty = await site.post(f"{here}/tenue", evidence="", evidence_url="javascript:alert(1)", kept_at="")
    closed = {"evidence": "La liste est là.", "evidence_url": "https://example.fr/liste", "kept_at": ""}
    twice = [await site.post(f"{here}/tenue", **closed) for _ in range(2)]
    other = await site.post(f"{here}/abandon", drop_reason="Non.", dropped_at="")
    public = (await site.get(f"/suites/{code}")).text
    unexplained = await site.post(f"{here}/rouvrir", reopen_reason="")
    reopened = await site.post(f"{here}/rouvrir", reopen_reason="Le lien est mort.")
    await site.sign_in("admin")
    journal = (await site.get("/organisation/journal")).text

    assert (empty.status_code, unexplained.status_code, other.status_code) == (422, 422, 409)
    assert [each.headers["location"] for each in twice] == [f"{here}?fait=promesse-tenue"] * 2
    assert "Non." in other.text
    assert "La liste est là." in public
    assert 'href="https://example.fr/liste"' in public
    assert reopened.status_code == 303
    assert "Le lien est mort." in (await site.get(f"/suites/{code}")).text
    assert [journal.count(f"<td>{verb}</td>") for verb in ("Promesse tenue", "Promesse rouverte")] == [1, 1]


async def test_an_agent_follows_the_promises_of_their_institution_and_proposes_what_shows_them_kept(site: Site) -> None:
    code = (await site.examples())["promise"]
    await site.sign_in("agent")
    foreign = [
        await site.get(f"/organisation/suites/{code}"),
        await site.post(f"/organisation/suites/{code}/nouvelle", news="x", news_url=""),
    ]
    async with site.database.transaction() as session:
        hatvp = (await session.exec(select(FollowUp).where(FollowUp.code == code))).one()
        agent = await members.member_by_email(session, "agent@example.org")
        assert agent is not None
        hatvp.institution_id = (await members.institutions_of(session, agent))[0].id
        session.add(hatvp)

    board, dashboard = await site.get("/organisation/suites"), await site.get("/organisation")
    empty = await site.post(f"/organisation/suites/{code}/nouvelle", news="", news_url="")
    sent = [await site.post(f"/organisation/suites/{code}/nouvelle", news="C'est fait.", news_url="https://example.fr/") for _ in range(2)]
    await site.sign_in("organiser")
    read = (await site.get(f"/organisation/suites/{code}")).text
    prefilled = re.search(rf"/organisation/suites/{code}\?preuve=[0-9a-f-]+", read)
    assert prefilled

    assert [each.status_code for each in foreign] == [404, 404]
    assert [link_to_promise(each.text) for each in (board, dashboard)] == [code, code]
    assert board.text.count("/organisation/suites/") == 1 + board.text.count('href="/organisation/suites"')
    assert (empty.status_code, [each.status_code for each in sent]) == (422, [303, 303])
    assert read.count("C&#39;est fait.") == 1
    assert re.search(r"<textarea[^>]*>\s*C&#39;est fait.", (await site.get(prefilled[0])).text)
    assert "C&#39;est fait." not in (await site.get(f"/suites/{code}")).text


async def test_a_late_promise_says_so_in_plain_words(site: Site) -> None:
    code = (await site.examples())["promise"]
    async with site.database.transaction() as session:
        follow_up = (await session.exec(select(FollowUp).where(FollowUp.code == code))).one()
        follow_up.due_on = datetime.now(UTC).date() - timedelta(days=12)
        session.add(follow_up)

    public = (await site.get(f"/suites/{code}")).text

    assert re.search(r"attendue pour le [^<]+, <strong>en retard de 1[123] jours</strong>", public)
    assert "en retard" in (await site.get("/suites?etat=en-retard")).text
    assert code not in (await site.get("/suites?etat=tenues")).text


async def test_from_the_public_pages_alone_a_promise_leads_to_its_passage_forum_and_commitment_and_back(site: Site) -> None:
    code = (await site.examples())["promise"]

    async def links(path: str) -> set[str]:
        text = (await site.get(path)).text
        return set(re.findall(r'href="([^"#]+)(?:#[\w-]+)?"', text.split("<main")[1].split("</main>")[0]))

    promise = f"/suites/{code}"
    assert promise in await links("/suites")
    reached = await links(promise)
    minutes_page = next(path for path in reached if path.endswith("/compte-rendu"))
    forum_page = minutes_page.removesuffix("/compte-rendu")
    commitment_page = next(path for path in reached if re.fullmatch(r"/engagements/\d+", path))
    later = reached & {f"/forums/{(await site.examples())['slug']}"}

    assert {forum_page, *later} <= reached
    for path in (minutes_page, forum_page, commitment_page, *later):
        assert promise in await links(path), path
    assert forum_page in await links(minutes_page)
    assert commitment_page in await links(minutes_page)
    assert minutes_page in await links(commitment_page)
    assert len(later) == 1


async def test_a_question_and_the_promises_made_in_its_answer_lead_to_each_other(site: Site) -> None:
    values = await site.examples()
    async with site.database.transaction() as session:
        promise = await follow_ups.promise_by_code(session, values["promise"])
        question = await questions.published_question(session, values["code"])
        assert promise
        assert promise.entry
        assert question
        session.add(MinutesEntryQuestion(entry_id=promise.entry.id, question_id=question.id))

    of_question, of_promise = await site.get(f"/questions/{values['code']}"), await site.get(f"/suites/{values['promise']}")

    assert f'href="/suites/{values["promise"]}"' in of_question.text
    assert f'href="/questions/{values["code"]}"' in of_promise.text


async def test_a_promise_nobody_may_read_yet_is_not_on_the_page_of_its_question(session: AsyncSession) -> None:
    forum = await a_held_forum(session, published=False)
    entry, question = await passage_of(session, forum), await a_question(session, forum)
    session.add(MinutesEntryQuestion(entry_id=entry.id, question_id=question.id))
    await a_follow_up(session, forum, entry)

    hidden = await follow_ups.from_answers_to(session, question)
    await minutes.publish(session, await minutes.begun(session, forum), now=NOW)

    assert hidden == []
    assert [each.follow_up.text for each in await follow_ups.from_answers_to(session, question)] == ["Publier la liste."]


async def test_the_open_promises_are_read_page_by_page(site: Site) -> None:
    async with site.database.transaction() as session:
        forum = (await session.exec(select(Forum).where(Forum.slug == "demonstration-1"))).one()
        for number in range(25):
            await a_follow_up(session, forum, text=f"Promesse {number:02}.")
    await site.sign_in("organiser")

    first, second = [(await site.get(f"/organisation/suites?page={number}")).text for number in (1, 2)]

    listed = [set(re.findall(r'href="/organisation/suites/(\w{8})"', text)) for text in (first, second)]
    assert (len(listed[0]), listed[0] & listed[1]) == (20, set())
    assert len(listed[1]) >= 5
