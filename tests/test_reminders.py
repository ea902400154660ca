"""Reminders: a week and a day before, once, and only of what is still true."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import agenda, clock, registrations, schedule
from forums.database import Database
from forums.models import Forum, OutboxMessage
from forums.schedule import CancelForm
from forums.settings import Settings
from tests.factories import (
    NOW,
    a_change_form,
    a_confirmed_registration,
    a_forum,
    a_move_form,
    a_registration,
    an_agenda_item,
    told,
)

DAY = (NOW + timedelta(days=30)).date()
WEEK_BEFORE = datetime(2027, 2, 24, 8, 0, tzinfo=UTC)
EVE = datetime(2027, 3, 2, 8, 0, tzinfo=UTC)


async def reminded(session: AsyncSession, now: datetime) -> list[list[str]]:
    """Who has been told so far, a week and a day before, after the clock has struck once more."""
    await registrations.remind(session, now=now)
    return [await told(session, kind) for kind in ("reminder_week", "reminder_eve")]


async def test_those_registered_are_reminded_a_week_and_a_day_before_at_nine_in_paris_and_once(session: AsyncSession) -> None:
    await a_confirmed_registration(session, await a_forum(session, day=DAY), "a@example.org")
    minute = timedelta(minutes=1)

    found = [
        await reminded(session, now)
        for now in (WEEK_BEFORE - minute, WEEK_BEFORE, WEEK_BEFORE + minute, EVE - minute, EVE, EVE + minute, EVE + timedelta(hours=8))
    ]

    week, both = [["a@example.org"], []], [["a@example.org"], ["a@example.org"]]
    assert found == [[[], []], week, week, week, both, both, both]


async def test_on_both_sides_of_the_change_of_hour_it_is_nine_in_paris(session: AsyncSession) -> None:
    """Sunday 28 March 2027 is when summer time begins."""
    monday = await a_forum(session, day=datetime(2027, 3, 29, tzinfo=UTC).date())

    week, eve = [registrations.reminders.due_at(monday, before) for before in (timedelta(days=7), timedelta(days=1))]

    assert (week, eve) == (datetime(2027, 3, 22, 8, 0, tzinfo=UTC), datetime(2027, 3, 28, 7, 0, tzinfo=UTC))


@pytest.mark.parametrize("status", ["pending", "waiting", "given_up", "walk_in"])
async def test_only_who_has_a_seat_is_reminded(session: AsyncSession, status: str) -> None:
    await a_registration(session, await a_forum(session), "a@example.org", status=status, rank=1, decided_at=NOW)

    assert await reminded(session, EVE) == [[], []]


async def test_a_reminder_missed_because_nothing_ran_is_sent_late_but_never_two_at_once(session: AsyncSession) -> None:
    await a_confirmed_registration(session, await a_forum(session), "a@example.org")

    assert await reminded(session, EVE + timedelta(hours=9)) == [[], ["a@example.org"]]


async def test_nobody_is_reminded_once_the_forum_has_begun(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum, "a@example.org")

    assert await reminded(session, forum.starts_at or NOW) == [[], []]


async def test_who_took_their_seat_after_the_hour_of_the_reminder_is_not_reminded_of_what_they_just_read(session: AsyncSession) -> None:
    forum = await a_forum(session)
    late = await a_registration(session, forum, "tard@example.org")
    await registrations.confirm(session, late.id, "jeton", now=WEEK_BEFORE + timedelta(minutes=5))

    assert await reminded(session, WEEK_BEFORE + timedelta(minutes=10)) == [[], []]
    assert await reminded(session, EVE) == [[], ["tard@example.org"]]


async def test_a_reminder_written_but_not_sent_is_taken_back_when_the_forum_moves_and_the_new_date_has_its_own(
    session: AsyncSession,
) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum, "a@example.org")
    await reminded(session, WEEK_BEFORE)

    await schedule.move(session, forum, a_move_form(DAY + timedelta(days=28)), now=WEEK_BEFORE + timedelta(minutes=1))

    assert await statuses(session, "reminder_week") == ["dropped"]
    await reminded(session, EVE)
    await reminded(session, WEEK_BEFORE + timedelta(days=28))
    assert await statuses(session, "reminder_week") == ["dropped", "waiting"]
    assert await statuses(session, "reminder_eve") == []


async def test_a_forum_moved_to_the_day_after_tomorrow_is_not_reminded_of_as_next_week(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum, "a@example.org")

    await schedule.move(session, forum, a_move_form((NOW + timedelta(days=3)).date()), now=NOW)

    assert await reminded(session, NOW + timedelta(minutes=1)) == [[], []]
    assert await reminded(session, NOW + timedelta(days=2)) == [[], ["a@example.org"]]


async def test_a_cancelled_forum_takes_its_reminders_back_and_has_no_more(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum, "a@example.org")
    await reminded(session, WEEK_BEFORE)

    await schedule.cancel(session, forum, CancelForm.model_validate({"reason": "Grève."}), now=WEEK_BEFORE)
    await reminded(session, EVE)

    assert (await statuses(session, "reminder_week"), await statuses(session, "reminder_eve")) == (["dropped"], [])


async def test_who_gives_up_is_not_reminded_even_if_it_was_written(session: AsyncSession) -> None:
    forum = await a_forum(session)
    leaving, staying = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in ("part", "reste")]
    await reminded(session, WEEK_BEFORE)

    await registrations.give_up(session, leaving.id, now=WEEK_BEFORE)

    assert dict(await rows_of(session, "reminder_week")) == {"part@example.org": "dropped", "reste@example.org": "waiting"}
    assert (await reminded(session, EVE))[1] == [staying.email]


async def test_a_reminder_carries_the_published_agenda_a_link_that_works_and_the_code_of_the_door(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await an_agenda_item(session, forum, title="Où en est-on ?", starts_at=schedule.at(DAY, time(18, 30)))
    await agenda.publish(session, forum, now=NOW)
    await an_agenda_item(session, forum, 2, title="Pas encore publié")
    registration = await a_confirmed_registration(session, forum, "a@example.org")

    await reminded(session, EVE)

    facts = (await session.exec(select(OutboxMessage).where(OutboxMessage.kind == "reminder_eve"))).one().facts
    assert [title for _, title in facts["programme"]] == ["Où en est-on ?"]
    assert facts["entry_code"] == registration.entry_code
    assert await registrations.registration_of_link(session, facts["token"], now=EVE) is registration


async def test_who_follows_from_afar_is_not_given_a_code_for_the_door(session: AsyncSession) -> None:
    forum = await a_forum(session, remote_capacity=5)
    registration = await a_confirmed_registration(session, forum, "a@example.org")
    await registrations.change(session, registration.id, a_change_form(attendance="remote"), now=NOW)

    await reminded(session, EVE)

    facts = (await session.exec(select(OutboxMessage).where(OutboxMessage.kind == "reminder_eve"))).one().facts
    assert "entry_code" not in facts


async def test_several_clocks_that_strike_together_send_one_reminder_each(database: Database, settings: Settings) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)
        for number in range(10):
            await a_confirmed_registration(session, forum, f"p{number}@example.org")

    await asyncio.gather(*(clock.upkeep(database, settings, now=EVE) for _ in range(5)))

    async with database.reading() as session:
        assert await told(session, "reminder_eve") == sorted(f"p{number}@example.org" for number in range(10))


async def test_an_address_that_cannot_be_reached_is_spared(session: AsyncSession) -> None:
    forum = await a_forum(session)
    for name in ("perdue", "bonne"):
        await a_confirmed_registration(session, forum, f"{name}@example.org")
    lost = update(OutboxMessage).where(col(OutboxMessage.recipient) == "perdue@example.org")
    await session.exec(lost.values(status="bounced"))

    assert (await reminded(session, EVE))[1] == ["bonne@example.org"]


async def rows_of(session: AsyncSession, kind: str) -> list[Any]:
    await session.flush()
    query = select(OutboxMessage.recipient, OutboxMessage.status).where(OutboxMessage.kind == kind)
    return list((await session.exec(query.order_by(col(OutboxMessage.created_at)))).all())


async def statuses(session: AsyncSession, kind: str) -> list[str]:
    return [status for _, status in await rows_of(session, kind)]


async def test_the_clock_remembers_on_the_forum_what_was_sent(session: AsyncSession) -> None:
    forum = await a_forum(session)

    await registrations.remind(session, now=WEEK_BEFORE)
    await registrations.remind(session, now=EVE)

    await session.refresh(forum)
    found = (await session.exec(select(Forum.reminded_week_at, Forum.reminded_eve_at))).one()
    assert tuple(found) == (WEEK_BEFORE, EVE)
