"""Seats: asked for, confirmed, waited for, given back."""

import asyncio
import contextlib
import re
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from sqlalchemy import event
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import registrations, schedule, subscriptions
from forums.database import Database, DatabaseUnavailable, add_rows
from forums.models import Forum, OutboxMessage, Question, Registration
from forums.models.forum import PARIS
from forums.pages.registrations.desk import Desk
from forums.refusals import AttendanceFull, NotAnnounced, Refusal, RegistrationClosed, SeatsTaken, TooManyRequests, WrongMoment
from forums.registrations import MAIL_AGAIN_AFTER, MAILS_A_DAY, LinkForm, RegistrationForm
from forums.schedule import CancelForm
from forums.settings import Settings
from tests.factories import (
    NOW,
    SECRET_KEY,
    a_change_form,
    a_confirmed_registration,
    a_forum,
    a_forum_form,
    a_move_form,
    a_registration,
    a_registration_form,
    opened,
    promised,
    told,
)
from tests.site import Site, links_in


async def register(session: AsyncSession, forum: Forum, form: RegistrationForm, now: datetime = NOW) -> None:
    await registrations.register(session, forum, form, language="fr", secret_key=SECRET_KEY, now=now)


async def rows(session: AsyncSession) -> list[Registration]:
    return list((await session.exec(select(Registration).order_by(col(Registration.email)))).all())


# -- Register ------------------------------------------------------------------------------------------


async def test_registering_writes_one_row_without_a_seat_and_promises_one_message(session: AsyncSession) -> None:
    forum = await a_forum(session)

    await register(session, forum, a_registration_form("camille@example.org"))

    assert [(row.email, row.status) for row in await rows(session)] == [("camille@example.org", "pending")]
    assert [(message.kind, message.recipient) for message in await promised(session)] == [("confirm_registration", "camille@example.org")]
    await session.refresh(forum)
    assert forum.seats_taken == 0


async def test_the_mailed_link_opens_the_registration_and_reading_it_changes_nothing(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await register(session, forum, a_registration_form())
    token = (await promised(session))[0].facts["token"]

    found = [await registrations.registration_of_link(session, token, now=NOW) for _ in range(3)]

    assert [each.status if each else None for each in found] == ["pending", "pending", "pending"]


@pytest.mark.parametrize("typed", ["camille@example.org", "Camille@Example.ORG", "  camille@example.org "])
async def test_the_same_address_typed_another_way_makes_no_second_row(session: AsyncSession, typed: str) -> None:
    forum = await a_forum(session)
    await register(session, forum, a_registration_form("camille@example.org", family_name="Martin"))

    await register(session, forum, a_registration_form(typed, family_name="Quelqu'un d'autre"))

    assert [row.email for row in await rows(session)] == ["camille@example.org"]


async def test_the_two_writings_of_one_domain_are_one_address(session: AsyncSession) -> None:
    forum = await a_forum(session)

    for typed in ("a@écologie.fr", "A@xn--cologie-9xa.fr", "a@ÉCOLOGIE.fr"):
        await register(session, forum, a_registration_form(typed))

    assert [row.email for row in await rows(session)] == ["a@xn--cologie-9xa.fr"]


async def test_the_same_address_may_register_for_another_forum(session: AsyncSession) -> None:
    first, second = await a_forum(session, number=1), await a_forum(session, number=2)

    for forum in (first, second):
        await register(session, forum, a_registration_form())

    assert {row.forum_id for row in await rows(session)} == {first.id, second.id}


async def test_nobody_is_mailed_more_than_once_in_a_quarter_of_an_hour(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await register(session, forum, a_registration_form())

    for minutes in (0, 1, 14):
        await register(session, forum, a_registration_form(), NOW + timedelta(minutes=minutes))
    after_a_flood = await told(session, "confirm_registration")
    await register(session, forum, a_registration_form(), NOW + timedelta(minutes=15))

    assert after_a_flood == ["camille@example.org"]
    assert await told(session, "confirm_registration") == ["camille@example.org"] * 2


async def test_twenty_identical_posts_at_once_make_one_row_and_one_message(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)

    async def post() -> None:
        async with database.transaction() as session:
            await register(session, forum, a_registration_form())

    await asyncio.gather(*(post() for _ in range(20)))

    async with database.reading() as session:
        assert len(await rows(session)) == 1
        assert len(await promised(session)) == 1


async def test_someone_already_registered_is_told_so_in_the_mail_alone(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum)

    await register(session, forum, a_registration_form(), NOW + timedelta(hours=1))

    assert await told(session, "already_registered") == ["camille@example.org"]
    assert [row.status for row in await rows(session)] == ["registered"]


async def test_a_robot_that_fills_the_trap_leaves_nothing_behind(session: AsyncSession) -> None:
    forum = await a_forum(session)

    await register(session, forum, a_registration_form(site_web="https://pilules.example"))

    assert (await rows(session), await promised(session)) == ([], [])


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "open"),
        ({"capacity": 3}, "last_seats"),
        ({"capacity": 1, "seats_taken": 1}, "waiting_list"),
        ({"capacity": 1, "seats_taken": 1, "remote_capacity": 50}, "open"),
        ({"registration_closes_at": NOW}, "closed"),
        ({"registration_closes_at": None}, "closed"),
        ({"registration_opens_at": NOW}, "open"),
        ({"registration_opens_at": NOW + timedelta(minutes=1)}, "opens_later"),
        ({"capacity": 3, "remote_capacity": 50}, "open"),
        ({"capacity": 3, "remote_capacity": 50, "remote_taken": 50}, "last_seats"),
        ({"capacity": 0}, "not_offered"),
        ({"status": "draft", "announced_at": None}, "not_offered"),
        ({"status": "cancelled"}, "cancelled"),
        ({"day": (NOW - timedelta(days=1)).date()}, "past"),
    ],
)
async def test_what_a_visitor_reads_about_registering(session: AsyncSession, facts: dict[str, Any], state: str) -> None:
    forum = await a_forum(session, **facts)

    assert registrations.state_of(forum, now=NOW) == state


@pytest.mark.parametrize(
    "facts",
    [
        {"registration_closes_at": NOW},
        {"registration_opens_at": NOW + timedelta(minutes=1)},
        {"status": "cancelled"},
        {"status": "draft", "announced_at": None},
        {"capacity": 0},
        {"day": (NOW - timedelta(days=1)).date()},
    ],
)
async def test_a_forum_that_takes_no_one_refuses_to_register_and_to_confirm(session: AsyncSession, facts: dict[str, Any]) -> None:
    forum = await a_forum(session, **facts)
    asked_before = await a_registration(session, forum, "camille@example.org")

    with pytest.raises(RegistrationClosed):
        await register(session, forum, a_registration_form("dominique@example.org"))
    with pytest.raises(RegistrationClosed):
        await registrations.confirm(session, asked_before.id, "jeton", now=NOW)

    assert [(row.email, row.status) for row in await rows(session)] == [("camille@example.org", "pending")]
    assert await promised(session) == []


async def test_a_way_of_attending_that_is_not_offered_is_refused(session: AsyncSession) -> None:
    forum = await a_forum(session, remote_capacity=0)

    with pytest.raises(Refusal):
        await register(session, forum, a_registration_form(attendance="remote"))

    assert await rows(session) == []


@pytest.mark.parametrize(
    ("typed", "field_at_fault"),
    [
        ({"family_name": " "}, "family_name"),
        ({"given_name": ""}, "given_name"),
        ({"email": "camille"}, "email"),
        ({"email": "élodie@example.org"}, "email"),
        ({"attendance": "en pensée"}, "attendance"),
        ({"accessibility_needs": "x" * 501}, "accessibility_needs"),
    ],
)
def test_what_is_typed_wrong_is_refused_beside_its_field(typed: dict[str, str], field_at_fault: str) -> None:
    with pytest.raises(ValidationError) as refused:
        a_registration_form(**typed)

    assert [error["loc"] for error in refused.value.errors()] == [(field_at_fault,)]


def test_an_address_whose_domain_has_accents_is_kept_in_the_form_relays_understand() -> None:
    assert a_registration_form("a@écologie.fr").email == "a@xn--cologie-9xa.fr"


# -- Confirm, wait ---------------------------------------------------------------------------------------


async def test_confirming_takes_a_seat_and_sends_the_invitation(session: AsyncSession) -> None:
    forum = await a_forum(session)
    registration = await a_registration(session, forum)

    await registrations.confirm(session, registration.id, "jeton", now=NOW)

    await session.refresh(forum)
    assert (registration.status, registration.rank, forum.seats_taken) == ("registered", None, 1)
    message = (await promised(session))[0]
    assert (message.kind, message.facts["invitation"], message.facts["token"]) == ("registered", "REQUEST", "jeton")


async def test_confirming_twice_takes_one_seat_and_sends_one_message(session: AsyncSession) -> None:
    forum = await a_forum(session)
    registration = await a_registration(session, forum)

    for _ in range(2):
        await registrations.confirm(session, registration.id, "jeton", now=NOW)

    await session.refresh(forum)
    assert forum.seats_taken == 1
    assert await told(session, "registered") == ["camille@example.org"]


async def test_twenty_people_who_confirm_at_once_for_three_seats_get_three(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session, capacity=3)
        people = [await a_registration(session, forum, f"p{number}@example.org") for number in range(20)]

    async def confirm(registration: Registration) -> None:
        async with database.transaction() as session:
            await registrations.confirm(session, registration.id, "jeton", now=NOW)

    await asyncio.gather(*(confirm(registration) for registration in people))

    async with database.reading() as session:
        found = await rows(session)
        assert sum(row.status == "registered" for row in found) == 3
        assert sorted(row.rank or 0 for row in found if row.status == "waiting") == list(range(1, 18))
        assert (await session.exec(select(Forum.seats_taken))).one() == 3


async def test_once_full_people_wait_in_the_order_they_confirmed(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    await a_confirmed_registration(session, forum, "a@example.org")
    late, early = [await a_registration(session, forum, f"{name}@example.org") for name in ("asked-first", "asked-last")]

    for registration in (early, late):
        await registrations.confirm(session, registration.id, "jeton", now=NOW)

    assert [await registrations.place_in_line(session, each) for each in (early, late)] == [1, 2]
    assert await told(session, "waiting") == ["asked-first@example.org", "asked-last@example.org"]


async def test_remote_places_are_counted_apart_from_seats(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1, remote_capacity=1)

    await a_confirmed_registration(session, forum, "a@example.org", attendance="on_site")
    remote = await a_confirmed_registration(session, forum, "b@example.org", attendance="remote")
    second_remote = await a_confirmed_registration(session, forum, "c@example.org", attendance="remote")

    await session.refresh(forum)
    assert (remote.status, second_remote.status) == ("registered", "waiting")
    assert (forum.seats_taken, forum.remote_taken) == (1, 1)


# -- Give up, promote --------------------------------------------------------------------------------------


async def test_a_seat_given_back_goes_at_once_to_the_first_who_waits(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    holder, first, second = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "abc"]

    await registrations.give_up(session, holder.id, now=NOW)

    await session.refresh(forum)
    assert [each.status for each in (holder, first, second)] == ["given_up", "registered", "waiting"]
    assert forum.seats_taken == 1
    assert (await told(session, "promoted"), await told(session, "given_up")) == (["b@example.org"], ["a@example.org"])


async def test_the_promoted_person_gets_an_invitation_and_a_link_that_works(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    holder, first = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]

    await registrations.give_up(session, holder.id, now=NOW)

    message = (await promised(session, "promoted"))[0]
    assert message.facts["invitation"] == "REQUEST"
    assert await registrations.registration_of_link(session, message.facts["token"], now=NOW) is first


async def test_giving_up_twice_frees_one_seat_and_sends_one_message(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=2)
    holder, _, first, second = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "abcd"]

    for _ in range(2):
        await registrations.give_up(session, holder.id, now=NOW)

    assert (first.status, second.status) == ("registered", "waiting")
    assert await told(session, "given_up") == ["a@example.org"]


async def test_a_place_in_line_given_back_moves_the_others_forward_and_takes_no_seat(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    holder, first, second = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "abc"]

    await registrations.give_up(session, first.id, now=NOW)

    assert (holder.status, second.status, await registrations.place_in_line(session, second)) == ("registered", "waiting", 1)
    assert await told(session, "promoted") == []


async def test_a_seat_on_site_never_goes_to_someone_who_waits_for_a_remote_place(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1, remote_capacity=1)
    holder = await a_confirmed_registration(session, forum, "a@example.org")
    await a_confirmed_registration(session, forum, "b@example.org", attendance="remote")
    remote = await a_confirmed_registration(session, forum, "c@example.org", attendance="remote")

    await registrations.give_up(session, holder.id, now=NOW)

    assert remote.status == "waiting"


async def test_who_comes_back_goes_behind_those_who_waited_and_their_calendar_takes_it_as_newer(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    holder, first = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]
    bumps = [holder.bump]

    await registrations.give_up(session, holder.id, now=NOW)
    bumps.append(holder.bump)
    await registrations.confirm(session, holder.id, "jeton", now=NOW)
    bumps.append(holder.bump)

    assert (first.status, holder.status, bumps) == ("registered", "waiting", [0, 1, 2])


async def test_more_seats_go_at_once_to_those_who_wait_in_order(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    waiting = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "abcd"][1:]

    await schedule.edit(session, forum, a_forum_form(forum, capacity="3"), [], now=NOW)

    assert [each.status for each in waiting] == ["registered", "registered", "waiting"]
    assert (forum.capacity, forum.seats_taken, await told(session, "promoted")) == (3, 3, ["b@example.org", "c@example.org"])


async def test_seats_already_taken_cannot_be_withdrawn(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=2)
    for name in "ab":
        await a_confirmed_registration(session, forum, f"{name}@example.org")
    await session.refresh(forum)

    with pytest.raises(SeatsTaken) as refused:
        await schedule.edit(session, forum, a_forum_form(forum, capacity="1"), [], now=NOW)

    assert (refused.value.figures, forum.capacity) == ({"taken": 2}, 2)


async def test_a_seat_taken_while_the_room_is_made_smaller_is_kept(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session, capacity=2)
        first, second = [await a_registration(session, forum, f"{name}@example.org") for name in "ab"]
        await registrations.confirm(session, first.id, "jeton", now=NOW)

    async def make_the_room_smaller() -> None:
        async with database.transaction() as session:
            seen = (await session.exec(select(Forum))).one()
            await schedule.edit(session, seen, a_forum_form(seen, capacity="1"), [], now=NOW)

    async with database.transaction() as session:
        await registrations.confirm(session, second.id, "jeton", now=NOW)
        smaller = asyncio.create_task(make_the_room_smaller())
        await asyncio.sleep(0.2)

    with pytest.raises(SeatsTaken):
        await smaller


@pytest.mark.parametrize("ended", ["past", "cancelled"])
async def test_nobody_is_promoted_to_a_forum_that_is_over_or_cancelled(session: AsyncSession, ended: str) -> None:
    forum = await a_forum(session, capacity=1)
    holder, waiting = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]
    later = NOW + timedelta(days=60) if ended == "past" else NOW
    if ended == "cancelled":
        await schedule.cancel(session, forum, CancelForm.model_validate({"reason": "Grève."}), now=NOW)

    await registrations.give_up(session, holder.id, now=later)
    await schedule.edit(session, forum, a_forum_form(forum, capacity="50"), [], now=later)

    assert (waiting.status, await told(session, "promoted")) == ("waiting", [])


# -- Change, take a seat oneself, be erased --------------------------------------------------------------------


async def test_changing_to_the_other_way_frees_a_seat_for_the_first_who_waits_and_says_so(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1, remote_capacity=1)
    holder, first = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]

    await registrations.change(session, holder.id, a_change_form(attendance="remote"), now=NOW)

    await session.refresh(forum)
    assert (holder.status, holder.attendance, first.status) == ("registered", "remote", "registered")
    assert (forum.seats_taken, forum.remote_taken) == (1, 1)
    assert (await told(session, "attendance_changed"), await told(session, "promoted")) == (["a@example.org"], ["b@example.org"])


async def test_who_holds_a_seat_keeps_it_when_the_other_way_is_full_and_nothing_they_typed_is_half_kept(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session, capacity=1, remote_capacity=1)
        holder = await a_confirmed_registration(session, forum, "a@example.org")
        await a_confirmed_registration(session, forum, "b@example.org", attendance="remote")

    with pytest.raises(AttendanceFull):
        async with database.transaction() as session:
            await registrations.change(session, holder.id, a_change_form(attendance="remote", organisation="Autre"), now=NOW)

    async with database.reading() as session:
        kept = (await rows(session))[0]
        assert (kept.status, kept.attendance, kept.organisation) == ("registered", "on_site", "")
        assert await told(session, "attendance_changed") == []


async def test_who_waits_gets_a_free_seat_of_the_other_way_at_once_or_the_end_of_its_line(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1, remote_capacity=1)
    await a_confirmed_registration(session, forum, "assise@example.org")
    lucky, late = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in ("attend-1", "attend-2")]

    for each in (lucky, late):
        await registrations.change(session, each.id, a_change_form(attendance="remote"), now=NOW)

    assert [(each.status, each.attendance) for each in (lucky, late)] == [("registered", "remote"), ("waiting", "remote")]
    assert await told(session, "registered") == ["assise@example.org", "attend-1@example.org"]
    assert await registrations.place_in_line(session, late) == 1


async def test_a_correction_that_changes_no_seat_sends_no_message(session: AsyncSession) -> None:
    registration = await a_confirmed_registration(session, await a_forum(session))
    before = len(await promised(session))

    await registrations.change(session, registration.id, a_change_form(given_name="Camille-Ange", show_name="1"), now=NOW)

    assert (registration.given_name, registration.show_name, len(await promised(session))) == ("Camille-Ange", True, before)


async def test_once_the_forum_has_begun_ones_name_can_be_corrected_and_ones_seat_cannot_be_moved(session: AsyncSession) -> None:
    forum = await a_forum(session, remote_capacity=5)
    registration = await a_confirmed_registration(session, forum)
    begun = forum.starts_at or NOW

    with pytest.raises(RegistrationClosed):
        await registrations.change(session, registration.id, a_change_form(attendance="remote"), now=begun)
    await registrations.change(session, registration.id, a_change_form(family_name="Durand"), now=begun)

    assert (registration.attendance, registration.family_name) == ("on_site", "Durand")


async def test_near_the_forum_nobody_is_promoted_and_who_waits_takes_the_free_seat_themselves(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    holder, waiting = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]
    ends = forum.promotions_end_at or NOW

    await registrations.confirm(session, waiting.id, "jeton", now=ends - timedelta(minutes=1))
    still = waiting.status
    await registrations.give_up(session, holder.id, now=ends)
    not_promoted = waiting.status
    for _ in range(2):
        await registrations.confirm(session, waiting.id, "jeton", now=ends)

    assert (still, not_promoted, waiting.status) == ("waiting", "waiting", "registered")
    assert (await told(session, "promoted"), await told(session, "registered")) == ([], ["a@example.org", "b@example.org"])


async def test_an_erased_registration_gives_its_seat_on_and_leaves_no_row_nor_link(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    holder, first = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]

    await registrations.erase(session, holder.id, now=NOW)

    await session.refresh(forum)
    assert ([row.email for row in await rows(session)], first.status, forum.seats_taken) == (["b@example.org"], "registered", 1)


async def test_what_was_counted_of_a_past_forum_stays_counted(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=2)
    registration = await a_confirmed_registration(session, forum)

    await registrations.erase(session, registration.id, now=NOW + timedelta(days=60))

    await session.refresh(forum)
    assert (await rows(session), forum.seats_taken) == ([], 1)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"registration_opens": "2027-03-04T18:30"}, "registration_opens"),
        ({"registration_closes": "2027-03-03T20:31"}, "registration_closes"),
        ({"promotions_end": "2027-03-03T18:31"}, "promotions_end"),
        ({"registration_opens": "2027-03-28T02:30"}, "registration_opens"),
    ],
)
async def test_moments_that_cannot_be_are_refused_beside_their_field(session: AsyncSession, typed: dict[str, str], field: str) -> None:
    forum = await a_forum(session)

    with pytest.raises(WrongMoment) as refused:
        await schedule.edit(session, forum, a_forum_form(forum, **typed), [], now=NOW)

    assert refused.value.name == field


async def test_moments_left_empty_are_the_usual_ones_and_keep_their_distance_when_the_forum_moves(session: AsyncSession) -> None:
    forum = await a_forum(session)
    typed = a_forum_form(forum, registration_closes="2027-03-02T12:00", promotions_end="", registration_opens="")
    await schedule.edit(session, forum, typed, [], now=NOW)

    await schedule.move(session, forum, a_move_form("2027-04-01", "17:30", "20:00"), now=NOW)

    hours = [moment.astimezone(PARIS).isoformat()[:16] for moment in (forum.registration_closes_at, forum.promotions_end_at) if moment]
    assert hours == ["2027-03-31T11:00", "2027-04-01T14:30"]


# -- While the forum itself changes -------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["move", "cancel"])
async def test_who_confirms_while_the_forum_changes_is_told_of_the_forum_as_it_is(database: Database, change: str) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)
        registration = await a_registration(session, forum)

    async def confirm() -> None:
        async with database.transaction() as session:
            await registrations.confirm(session, registration.id, "jeton", now=NOW)

    async with database.transaction() as session:
        changing = (await session.exec(select(Forum))).one()
        if change == "move":
            await schedule.move(session, changing, a_move_form("2027-06-24"), now=NOW)
        else:
            await schedule.cancel(session, changing, CancelForm.model_validate({"reason": "Grève."}), now=NOW)
        confirming = asyncio.create_task(confirm())
        await asyncio.sleep(0.3)

    outcome = (await asyncio.gather(confirming, return_exceptions=True))[0]
    async with database.reading() as session:
        told_days = [row.facts["forum"]["day"] for row in await promised(session, "registered")]
    assert (type(outcome), told_days) == ((type(None), ["2027-06-24"]) if change == "move" else (RegistrationClosed, []))


async def test_a_confirmation_that_waits_to_be_sent_says_the_new_date_and_nothing_of_the_seat_after_a_cancellation(
    session: AsyncSession,
) -> None:
    forum = await a_forum(session, capacity=1)
    for name in "ab":
        await a_confirmed_registration(session, forum, f"{name}@example.org")

    await schedule.move(session, forum, a_move_form("2027-06-24"), now=NOW)
    days = {message.facts["forum"]["day"] for message in await promised(session)}
    await schedule.cancel(session, forum, CancelForm.model_validate({"reason": "Grève."}), now=NOW)

    left = [(message.kind, message.recipient) for message in await promised(session) if message.status == "waiting"]
    assert days == {"2027-06-24"}
    assert left == [("cancelled", "a@example.org"), ("cancelled", "b@example.org")]


async def test_a_forum_moved_away_serves_its_waiting_list_before_anyone_new(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    holder, waiting = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]
    near = forum.promotions_end_at or NOW
    await registrations.give_up(session, holder.id, now=near)

    await schedule.move(session, forum, a_move_form("2027-06-24"), now=near)

    await session.refresh(waiting)
    assert (waiting.status, await told(session, "promoted"), await told(session, "moved")) == ("registered", ["b@example.org"], [])


async def test_a_forum_is_not_moved_to_the_past_nor_once_it_was_held(session: AsyncSession) -> None:
    forum = await a_forum(session)

    with pytest.raises(PydanticCustomError):
        await schedule.move(session, forum, a_move_form("2020-01-02"), now=NOW)
    await session.refresh(forum)
    for deed in (schedule.move(session, forum, a_move_form("2027-06-24"), now=NOW + timedelta(days=60)),):
        with pytest.raises(NotAnnounced):
            await deed


async def test_a_way_of_attending_offered_no_more_is_refused_at_the_confirmation(session: AsyncSession) -> None:
    forum = await a_forum(session, remote_capacity=0)
    registration = await a_registration(session, forum, attendance="remote")

    with pytest.raises(Refusal):
        await registrations.confirm(session, registration.id, "jeton", now=NOW)

    assert registration.status == "pending"


async def test_after_the_forum_giving_up_changes_no_count_and_writes_to_nobody(session: AsyncSession) -> None:
    forum = await a_forum(session)
    registration = await a_confirmed_registration(session, forum)

    await registrations.give_up(session, registration.id, now=NOW + timedelta(days=60))

    await session.refresh(forum)
    assert (registration.status, forum.seats_taken, await told(session, "given_up")) == ("registered", 1, [])


async def test_while_nothing_is_decided_the_last_answers_count_and_afterwards_the_first(session: AsyncSession) -> None:
    forum = await a_forum(session, remote_capacity=5)
    await register(session, forum, a_registration_form(given_name="Quelqu'un", wants_news="1"))
    await register(session, forum, a_registration_form(given_name="Camille", attendance="remote"))
    registration = (await rows(session))[0]
    await session.refresh(registration)
    before = (registration.given_name, registration.attendance, registration.wants_news)
    await registrations.confirm(session, registration.id, "jeton", now=NOW)

    await register(session, forum, a_registration_form(given_name="Un autre"))

    await session.refresh(registration)
    assert (before, registration.given_name) == (("Camille", "remote", False), "Camille")


async def test_people_who_change_while_others_give_up_never_lock_each_other_out(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session, capacity=5, remote_capacity=5)
        people = [await a_confirmed_registration(session, forum, f"p{number}@example.org") for number in range(12)]

    async def deed(number: int, person: Registration) -> None:
        async with database.transaction() as session:
            if number % 2:
                await registrations.give_up(session, person.id, now=NOW)
            else:
                with contextlib.suppress(AttendanceFull):
                    await registrations.change(session, person.id, a_change_form(attendance="remote"), now=NOW)

    await asyncio.gather(*(deed(number, person) for number, person in enumerate([*people, *reversed(people)])))

    async with database.reading() as session:
        seen = (await session.exec(select(Forum))).one()
        seated = [row.attendance for row in await rows(session) if row.status == "registered"]
        assert (seen.seats_taken, seen.remote_taken) == (seated.count("on_site"), seated.count("remote"))


# -- Lost links, and too many of them -------------------------------------------------------------------------


async def ask_for_link(session: AsyncSession, forum: Forum, email: str, now: datetime, **typed: str) -> None:
    form = LinkForm.model_validate({"email": email, "site_web": ""} | typed)
    await registrations.ask_for_link(session, forum, form, secret_key=SECRET_KEY, now=now)


async def test_a_lost_link_is_mailed_again_to_who_is_registered_and_to_nobody_else(session: AsyncSession) -> None:
    forum = await a_forum(session)
    registration = await a_confirmed_registration(session, forum)
    later = NOW + timedelta(hours=1)

    for email in ("Camille@example.org", "inconnue@example.org"):
        await ask_for_link(session, forum, email, later)
    await ask_for_link(session, forum, "camille@example.org", later + timedelta(hours=1), site_web="https://robot.example")

    messages = await promised(session, "already_registered")
    assert [message.recipient for message in messages] == ["camille@example.org"]
    assert await registrations.registration_of_link(session, messages[0].facts["token"], now=later) is registration


async def test_however_it_is_asked_for_one_address_gets_so_many_messages_a_day(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum)
    midnight = NOW.replace(hour=0) + timedelta(days=1)

    for quarter in range(60):
        await ask_for_link(session, forum, "camille@example.org", midnight + quarter * MAIL_AGAIN_AFTER)

    assert len(await told(session, "already_registered")) == MAILS_A_DAY.most


async def test_one_connection_may_ask_so_often_and_the_others_are_not_held_up(site: Site, still_clock: datetime) -> None:
    slug = (await site.examples())["slug"]
    desk = Desk(site.database, replace(site.settings, client_limit=3))
    form = a_registration_form

    crowd = [desk.register(slug, form(f"p{number}@example.org"), "fr", "une connexion") for number in range(5)]
    answers = await asyncio.gather(*crowd, desk.register(slug, form("voisine@example.org"), "fr", "une autre"), return_exceptions=True)

    assert [type(each) for each in answers] == [bool] * 3 + [TooManyRequests] * 2 + [bool]
    async with site.database.reading() as session:
        query = select(Registration.email).where(col(Registration.email).like("p%@example.org") | col(Registration.email).like("voisine%"))
        assert sorted((await session.exec(query)).all()) == ["p0@example.org", "p1@example.org", "p2@example.org", "voisine@example.org"]


async def test_too_many_forms_from_one_connection_get_a_clear_answer_and_lose_nothing_typed(site: Site, still_clock: datetime) -> None:
    slug = (await site.examples())["slug"]
    typed = {"family_name": "Martin", "given_name": "Camille", "attendance": "on_site", "accessibility_needs": "Une rampe."}
    most = site.settings.client_limit

    answers = [await site.post(f"/forums/{slug}/inscription", email=f"p{number}@example.org", **typed) for number in range(most + 1)]

    assert [answer.status_code for answer in answers] == [303] * most + [429]
    assert answers[-1].headers["retry-after"] == "600"
    assert "Trop de demandes viennent de votre connexion" in answers[-1].text
    assert "Une rampe." in answers[-1].text


async def test_the_other_forms_count_together_and_say_the_same(site: Site, still_clock: datetime) -> None:
    slug = (await site.examples())["slug"]
    paths = ["/connexion", f"/forums/{slug}/inscription/lien"]

    answers = [(await site.post(paths[number % 2], email="p@example.org")).status_code for number in range(site.settings.client_limit + 2)]

    assert answers == [303] * site.settings.client_limit + [429] * 2


async def test_asking_for_a_lost_link_says_the_same_to_everybody(site: Site) -> None:
    slug = (await site.examples())["slug"]
    await arrive(site, slug, "connue@example.org")

    known, unknown = [await site.post(f"/forums/{slug}/inscription/lien", email=f"{name}@example.org") for name in ("connue", "inconnue")]

    assert (known.status_code, known.content, dict(known.headers)) == (unknown.status_code, unknown.content, dict(unknown.headers))
    assert known.headers["location"] == f"/forums/{slug}/inscription/lien/envoye"


# -- My registration, from its link -----------------------------------------------------------------------------


@pytest.fixture
async def mine(site: Site) -> str:
    """The path of a registration just asked for."""
    slug = (await site.examples())["slug"]
    await arrive(site, slug, "camille@example.org", show_name="1", accessibility_needs="Une rampe.")
    return next(link for link in links_in((await site.mailed("camille@example.org"))[0]) if link.startswith("/inscriptions/"))


async def test_everything_one_may_do_is_on_the_page_and_each_deed_says_what_happened(site: Site, mine: str) -> None:
    async def reads() -> str:
        return unescape((await site.get(mine)).text)

    assert "Confirmer mon inscription" in await reads()
    await site.post(f"{mine}/confirmer")
    seated = await reads()
    assert "Votre place est réservée" in seated
    assert "Code d'entrée" in seated
    assert "od-entry" in seated
    changed = await site.post(f"{mine}/modifier", family_name="Martin", given_name="Camille", attendance="remote")
    assert changed.headers["location"] == f"{mine}?fait=inscription"
    assert "À distance" in await reads()
    assert "od-entry" not in await reads()
    await site.post(f"{mine}/renoncer")
    assert "Vous avez renoncé à votre place" in await reads()
    await site.post(f"{mine}/confirmer")
    assert "Votre place est réservée" in await reads()


async def test_what_is_typed_wrong_in_a_change_is_said_beside_its_field_and_nothing_is_lost(site: Site, mine: str) -> None:
    answer = await site.post(f"{mine}/modifier", family_name="", given_name="Gardé", attendance="on_site", accessibility_needs="Gardés")

    assert answer.status_code == 422
    assert "Indiquez votre nom, par exemple Martin." in answer.text
    assert "Gardé" in answer.text
    assert "Gardés" in answer.text


async def test_a_refused_form_says_so_in_its_title_and_has_the_focus_on_what_to_mend_while_the_page_keeps_its_name(site: Site) -> None:
    slug = (await site.examples())["slug"]

    refused = unescape((await site.post(f"/forums/{slug}/inscription", family_name="Martin")).text)

    assert "<title>Erreur dans le formulaire – S'inscrire" in refused
    assert re.search(r'aria-current="page">([^<]*)</a>', refused)[1].startswith("S'inscrire au forum")  # type: ignore[index]
    assert re.findall(r'id="(\w+)" autofocus', refused) == ["erreurs"]


async def test_who_gave_up_reads_what_was_typed_since_in_their_name_before_they_come_back(site: Site, mine: str) -> None:
    slug = (await site.examples())["slug"]
    await site.post(f"{mine}/renoncer")

    await arrive(site, slug, "camille@example.org", given_name="Autre", wants_news="1")

    shown, form = [unescape((await site.get(path)).text) for path in (mine, f"{mine}/modifier")]
    assert "Autre" in shown
    assert "Oui, un message à chaque annonce" in shown
    assert re.search(r'id="wants_news"[^>]* checked', form)


async def test_nobody_is_asked_to_come_to_the_desk_of_a_cancelled_forum(site: Site, mine: str) -> None:
    await site.post(f"{mine}/confirmer")
    async with site.database.transaction() as session:
        forum = (await session.exec(select(Forum).where(Forum.slug == (await site.examples())["slug"]))).one()
        await schedule.cancel(session, forum, CancelForm.model_validate({"reason": "Grève."}), now=datetime.now(UTC))

    shown = unescape((await site.get(mine)).text)

    assert "Grève." in shown
    assert "od-entry" not in shown


async def test_who_is_told_of_new_forums_already_still_is_after_correcting_a_registration_not_yet_confirmed(site: Site, mine: str) -> None:
    async with site.database.transaction() as session:
        person = (await session.exec(select(Registration).where(Registration.email == "camille@example.org"))).one()
        await subscriptions.subscribe(session, person.email, person.email_key, "fr", now=NOW)

    form = (await site.get(f"{mine}/modifier")).text

    assert re.search(r'id="wants_news"[^>]* checked', form)


async def test_my_data_is_a_page_and_a_file_that_say_the_same_and_are_never_kept(site: Site, mine: str) -> None:
    await site.post(f"{mine}/confirmer")

    shown, file = await site.get(f"{mine}/donnees"), await site.get(f"{mine}/donnees.json")

    held = file.json()
    assert (held["adresse"], held["inscriptions"][0]["besoins_d_accessibilite"]) == ("camille@example.org", "Une rampe.")
    assert held["inscriptions"][0]["nom_dans_la_liste_des_participants"] is True
    assert "camille@example.org" in shown.text
    assert "Une rampe." in shown.text
    assert [each.headers["cache-control"] for each in (shown, file)] == ["private, no-store"] * 2
    assert "attachment" in file.headers["content-disposition"]


async def test_erase_me_forgets_everything_under_my_address_and_the_link_with_it(site: Site, mine: str) -> None:
    await site.post(f"{mine}/confirmer")
    await site.post("/questions/poser", kind="question", text="Et moi ?", email="camille@example.org")

    asked = await site.get(f"{mine}/effacer")
    before = await site.count(Registration)
    erased = await site.post(f"{mine}/effacer")

    assert (asked.status_code, before) == (200, await site.count(Registration) + 1)
    assert erased.headers["location"] == "/inscriptions/effacees/merci"
    assert "Vos données sont effacées" in (await site.get(erased.headers["location"])).text
    assert (await site.get(mine)).status_code == 404
    async with site.database.reading() as session:
        for column in (Registration.email, OutboxMessage.recipient, Question.email):
            assert (await session.exec(select(func.count()).where(col(column) == "camille@example.org"))).one() == 0


# -- Anything people may do, in any order --------------------------------------------------------------------


@dataclass
class Line:
    """What the rules promise for one way of attending: who holds a seat, who waits and in which order."""

    capacity: int
    seated: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def arrive(self, person: int) -> None:
        (self.seated if len(self.seated) < self.capacity else self.waiting).append(person)

    def serve(self) -> list[int]:
        served = self.waiting[: max(0, self.capacity - len(self.seated))]
        self.seated += served
        del self.waiting[: len(served)]
        return served


PEOPLE = st.integers(0, 7)


class Seats(RuleBasedStateMachine):
    """People register, confirm, give up and come back; organisers change the room; hours pass."""

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        super().__init__()
        self.runner = runner
        self.opened = database.transaction()
        self.session: AsyncSession = self.run(self.opened.__aenter__())
        self.forum_id = self.run(a_forum(self.session, capacity=2, remote_capacity=1)).id
        self.lines = {"on_site": Line(2), "remote": Line(1)}
        self.known: dict[int, str] = {}
        self.promotions: list[str] = []
        self.now = NOW

    def teardown(self) -> None:
        self.run(self.session.rollback())
        self.run(self.opened.__aexit__(None, None, None))

    def run(self, deed: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(deed)

    @property
    def forum(self) -> Forum:
        self.run(self.session.flush())
        self.session.expunge_all()  # each deed starts as a new transaction would: knowing nothing
        return self.run(self.session.exec(select(Forum).where(Forum.id == self.forum_id))).one()

    @property
    def closed(self) -> bool:
        return self.now >= (self.forum.registration_closes_at or NOW)

    def registration_of(self, person: int) -> Registration:
        query = select(Registration).where(func.lower(Registration.email) == f"p{person}@example.org")
        return self.run(self.session.exec(query)).one()

    @property
    def serves(self) -> bool:
        return self.now < (self.forum.promotions_end_at or NOW)

    def serve(self) -> None:
        for line in self.lines.values() if self.serves else ():
            self.promotions += [f"p{person}@example.org" for person in line.serve()]

    @rule(person=PEOPLE, attendance=st.sampled_from(["on_site", "remote"]), shout=st.booleans())
    def register(self, person: int, attendance: str, shout: bool) -> None:
        email = f"p{person}@example.org".replace("p", "P", 1) if shout else f"p{person}@example.org"
        form = a_registration_form(email, attendance=attendance)
        if self.closed:
            with pytest.raises(RegistrationClosed):
                self.run(register(self.session, self.forum, form, self.now))
        else:
            self.run(register(self.session, self.forum, form, self.now))
            known = self.known.setdefault(person, attendance)
            if person not in self.lines[known].seated + self.lines[known].waiting:
                self.known[person] = attendance

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(sorted(self.known)))
        line = self.lines[self.known[person]]
        waited = person in line.waiting and not self.serves and not self.closed and len(line.seated) < line.capacity
        if waited:
            line.waiting.remove(person)
        settled = person in line.seated + line.waiting
        deed = registrations.confirm(self.session, self.registration_of(person).id, "jeton", now=self.now)
        if self.closed and person not in line.seated and not (person in line.waiting and self.serves):
            with pytest.raises(RegistrationClosed):
                self.run(deed)
            return
        self.run(deed)
        if not settled:
            line.arrive(person)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(sorted(self.known)))
        line = self.lines[self.known[person]]
        self.run(registrations.give_up(self.session, self.registration_of(person).id, now=self.now))
        line.seated, line.waiting = [[each for each in people if each != person] for people in (line.seated, line.waiting)]
        self.serve()

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def attend_otherwise(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(sorted(self.known)))
        before = self.known[person]
        after = "remote" if before == "on_site" else "on_site"
        left, joined = self.lines[before], self.lines[after]
        deed = registrations.change(self.session, self.registration_of(person).id, a_change_form(attendance=after), now=self.now)
        if self.closed or (person in left.seated and len(joined.seated) >= joined.capacity):
            with pytest.raises((RegistrationClosed, AttendanceFull)):
                self.run(deed)
            return
        self.run(deed)
        self.known[person] = after
        if person in left.seated:
            left.seated.remove(person)
            joined.seated.append(person)
            self.serve()
        elif person in left.waiting:
            left.waiting.remove(person)
            if self.serves:
                joined.arrive(person)
            else:
                joined.waiting.append(person)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(sorted(self.known)))
        line = self.lines[self.known.pop(person)]
        self.run(registrations.erase(self.session, self.registration_of(person).id, now=self.now))
        line.seated, line.waiting = [[each for each in people if each != person] for people in (line.seated, line.waiting)]
        self.serve()

    @rule(capacity=st.integers(1, 5), remote_capacity=st.integers(1, 3))
    def change_the_room(self, capacity: int, remote_capacity: int) -> None:
        forum = self.forum
        form = a_forum_form(forum, capacity=str(capacity), remote_capacity=str(remote_capacity))
        deed = schedule.edit(self.session, forum, form, [], now=self.now)
        if capacity < len(self.lines["on_site"].seated) or remote_capacity < len(self.lines["remote"].seated):
            with pytest.raises(SeatsTaken):
                self.run(deed)
            return
        self.run(deed)
        self.lines["on_site"].capacity, self.lines["remote"].capacity = capacity, remote_capacity
        self.serve()

    @rule(hours=st.sampled_from([1, 1, 1, 24, 200, 718]))
    def time_passes(self, hours: int) -> None:
        starts_at = self.forum.starts_at or NOW
        self.now = min(self.now + timedelta(hours=hours), starts_at)

    @invariant()
    def the_list_is_what_was_promised(self) -> None:
        forum = self.forum
        found = {row.email.lower(): row for row in self.run(self.session.exec(select(Registration))).all()}
        assert len(found) == len(self.known)
        for attendance, line in self.lines.items():
            mine = [row for row in found.values() if row.attendance == attendance]
            seated = {row.email.lower() for row in mine if row.status == "registered"}
            waiting = sorted((row for row in mine if row.status == "waiting"), key=lambda row: row.rank or 0)
            assert seated == {f"p{person}@example.org" for person in line.seated}
            assert [row.email.lower() for row in waiting] == [f"p{person}@example.org" for person in line.waiting]
            on_site = attendance == "on_site"
            taken = forum.seats_taken if on_site else forum.remote_taken
            capacity = forum.capacity if on_site else forum.remote_capacity
            assert taken == len(seated) <= capacity
            assert not waiting or taken == capacity or not self.serves

    @invariant()
    def each_promotion_is_told_once(self) -> None:
        assert [email.lower() for email in sorted(self.run(told(self.session, "promoted")), key=str.lower)] == sorted(self.promotions)


@pytest.mark.parametrize("lives", [6, pytest.param(40, marks=pytest.mark.long)])
def test_whatever_people_do_no_seat_is_oversold_none_stays_free_and_the_line_is_served_in_order(settings: Settings, lives: int) -> None:
    with asyncio.Runner() as runner:
        context = opened(settings)
        database = runner.run(context.__aenter__())
        try:
            run_state_machine_as_test(
                lambda: Seats(runner, database),
                settings=hypothesis_settings(max_examples=lives, stateful_step_count=30),
            )
        finally:
            runner.run(context.__aexit__(None, None, None))


# -- Many at the desk at once -----------------------------------------------------------------------------


async def arrive(site: Site, slug: str, email: str, **typed: str) -> int:
    known = {"family_name": "Martin", "given_name": "Camille", "attendance": "on_site"}
    return (await site.post(f"/forums/{slug}/inscription", email=email, **known | typed)).status_code


async def test_those_who_arrive_at_the_same_moment_are_each_answered_and_each_written_once(site: Site) -> None:
    slug = (await site.examples())["slug"]
    before = [await site.count(table) for table in (Registration, OutboxMessage)]
    people = [f"personne{number}@example.org" for number in range(30)]

    answers = await asyncio.gather(*(arrive(site, slug, email) for email in [*people, *people[:10]]))

    assert answers == [303] * 40
    assert [await site.count(table) for table in (Registration, OutboxMessage)] == [number + 30 for number in before]
    assert all([len(await site.mailed(email)) == 1 for email in people])


async def test_what_is_written_for_many_at_once_is_what_a_row_of_its_own_would_hold(session: AsyncSession) -> None:
    """Rows that travel as JSON: quotes, accents, emoji, nothing, figures, facts and microseconds."""
    forum = await a_forum(session)
    facts = {"token": "l’été « ' \" \\ 🌻", "programme": [["18:30", None]], "with_link": False, "bump": 3}
    now = datetime(2027, 3, 25, 18, 30, 1, 7, tzinfo=PARIS)
    row = {"id": uuid4(), "kind": "registered", "recipient": "o'é@example.org", "language": "fr", "facts": facts, "forum_id": forum.id,
           "fact": None, "not_after": None, "status": "waiting", "attempts": 2, "created_at": now, "next_attempt_at": now}  # fmt: skip

    await (await session.connection()).run_sync(add_rows, OutboxMessage, [row, row | {"id": uuid4()}])

    written = await session.get(OutboxMessage, row["id"])
    assert written is not None
    assert {name: getattr(written, name) for name in row} == row


async def test_who_is_known_already_is_answered_with_those_who_arrive_with_them_and_counted_once(site: Site) -> None:
    slug = (await site.examples())["slug"]
    assert await arrive(site, slug, "connue@example.org") == 303
    desk = Desk(site.database, replace(site.settings, client_limit=4))
    people = [a_registration_form(f"{name}@example.org", organisation="Regards citoyens") for name in ("connue", "une", "autre", "connue")]
    committed: list[object] = []
    await site.database.write_at_once(lambda connection: connection.exec_driver_sql("SELECT 1"))  # its connection is there from then on
    event.listen(site.database._plain or site.database.writer.sync_engine, "commit", committed.append)

    assert await asyncio.gather(*(desk.register(slug, each, "fr", "une connexion") for each in people)) == [True] * 4
    assert len(committed) == 1
    assert [len(await site.mailed(f"{name}@example.org")) for name in ("connue", "une", "autre")] == [1, 1, 1]
    async with site.database.reading() as session:
        typed = select(Registration.organisation).where(col(Registration.email).in_([each.email for each in people]))
        assert (await session.exec(typed)).all() == ["Regards citoyens"] * 3


async def test_a_neighbour_who_is_refused_or_lost_changes_nothing_for_the_others(site: Site) -> None:
    slug = (await site.examples())["slug"]

    answers = await asyncio.gather(
        arrive(site, slug, "une@example.org"),
        arrive(site, "demonstration-1", "trop-tard@example.org"),
        arrive(site, "nulle-part", "perdue@example.org"),
        arrive(site, slug, "autre@example.org", attendance="remote"),
        arrive(site, slug, "robot@example.org", site_web="https://robot.example"),
    )

    assert answers == [303, 409, 404, 303, 303]
    assert [len(await site.mailed(f"{name}@example.org")) for name in ("une", "autre", "robot", "trop-tard", "perdue")] == [1, 1, 0, 0, 0]


async def test_with_the_disk_full_nobody_is_told_it_is_done_and_the_desk_goes_on_once_there_is_room(site: Site) -> None:
    slug = (await site.examples())["slug"]
    desk = Desk(site.database, site.settings)
    before = await site.count(Registration)

    async def room_for(pages: int) -> None:
        # What SQLite then says is what a full disk makes it say. It is told on the desk's own connection.
        await site.database.write_at_once(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}"))

    async def arrivals(name: str) -> list[object]:
        people = [a_registration_form(f"{name}{number}@example.org", accessibility_needs="x" * 500) for number in range(400)]
        return await asyncio.gather(*(desk.register(slug, form, "fr", None) for form in people), return_exceptions=True)

    await room_for(1)
    refused = await arrivals("plein")
    kept = await site.count(Registration) - before
    await room_for(1_000_000)
    taken = await arrivals("place")

    refusals = {type(answer) for answer in refused if answer is not True}
    assert refusals <= set(DatabaseUnavailable)
    assert refusals
    assert kept == sum(answer is True for answer in refused)
    assert taken == [True] * 400


async def test_a_link_of_another_kind_or_of_nobody_opens_no_registration(site: Site, mine: str) -> None:
    await site.post("/questions/poser", kind="question", text="Et moi ?", email="autre@example.org")
    question = links_in((await site.mailed("autre@example.org"))[0])[0].rpartition("/")[2]
    token = mine.rpartition("/")[2]
    before = (await site.get(mine)).text

    for stranger in (question, "j" * 43, token[:-1]):
        for path in ("", "/modifier", "/donnees", "/donnees.json", "/effacer", "/invitation.ics"):
            assert (await site.get(f"/inscriptions/{stranger}{path}")).status_code == 404
        for deed in ("confirmer", "renoncer"):
            assert (await site.post(f"/inscriptions/{stranger}/{deed}")).status_code == 404
        assert (await site.post(f"/inscriptions/{stranger}/effacer")).headers["location"] == "/inscriptions/effacees/merci"
    await site.post(f"/abonnements/{token}/fin")

    assert (await site.get(mine)).text == before
    assert (await site.get(f"/questions/confirmer/{token}")).status_code == 404
