"""The schedule: a rhythm proposed; forums announced, moved, cancelled; who gets told."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import schedule
from forums.models import Forum, OutboxMessage
from forums.models.forum import PARIS
from forums.refusals import AlreadyPublished, NotAnnounced, Refusal
from forums.schedule import CancelForm
from tests.factories import (
    NOW,
    a_commitment,
    a_confirmed_registration,
    a_forum,
    a_forum_form,
    a_move_form,
    a_plan,
    a_registration,
    a_season,
    a_season_form,
    promised,
    some_minutes,
    told,
)

REASON = CancelForm.model_validate({"reason": "Grève des transports."})
LATER = NOW + timedelta(hours=1)


def days(**typed: str) -> list[str]:
    return [str(proposal.day) for proposal in schedule.propose(a_season_form(**typed))]


def proposed(**typed: str) -> schedule.Proposal:
    return schedule.propose(a_season_form(count="1", **typed))[0]


# -- The rhythm ------------------------------------------------------------------------------------------


def test_the_rhythm_is_the_fourth_thursday_every_two_months() -> None:
    assert days(first_day="2027-01-01") == ["2027-01-28", "2027-03-25", "2027-05-27", "2027-07-01", "2027-09-23", "2027-11-25"]


def test_the_rhythm_begins_on_the_first_day_itself_or_after_it() -> None:
    assert days(first_day="2027-01-28", count="1") == ["2027-01-28"]
    assert days(first_day="2027-01-29", count="1") == ["2027-03-25"]


@pytest.mark.parametrize(
    ("typed", "shifted", "reason"),
    [
        ({"first_day": "2026-12-01"}, ("2026-12-24", "2026-12-17"), "c'est un soir de réveillon"),
        # A week later is a holiday too, a week earlier comes before the first day.
        ({"first_day": "2031-05-01", "week": "1"}, ("2031-05-01", "2031-05-15"), "Fête du Travail est un jour férié"),
        ({"first_day": "2031-04-20", "week": "1", "months": "1"}, ("2031-05-01", "2031-04-24"), "Fête du Travail est un jour férié"),
        ({"first_day": "2028-05-01"}, ("2028-05-25", "2028-06-01"), "Ascension est un jour férié"),
        ({"first_day": "2027-11-01", "week": "2"}, ("2027-11-11", "2027-11-18"), "Armistice est un jour férié"),
        ({"first_day": "2027-08-01"}, ("2027-08-26", "2027-09-23"), "août est un mois de congés"),
        ({"first_day": "2027-02-08", "week": "2"}, ("2027-02-11", "2027-02-25"), "c'est pendant les vacances d'hiver à Paris (zone C)"),
        ({"first_day": "2027-06-25", "months": "1"}, ("2027-07-22", "2027-07-01"), "c'est pendant les vacances d'été à Paris (zone C)"),
        ({"first_day": "2027-07-10"}, ("2027-07-22", "2027-09-02"), "c'est pendant les vacances d'été à Paris (zone C)"),
        (
            {"first_day": "2027-05-01", "week": "1", "weekday": "FR"},
            ("2027-05-07", "2027-05-14"),
            "c'est pendant le pont de l'Ascension à Paris (zone C)",
        ),
    ],
)
def test_a_day_nobody_would_come_is_shifted_and_says_why(typed: dict[str, str], shifted: tuple[str, str], reason: str) -> None:
    proposal = proposed(**typed)

    assert (str(proposal.rhythm_day), str(proposal.day), str(proposal.reason)) == (*shifted, reason)
    assert proposal.shifted


def test_a_day_that_suits_everybody_is_not_shifted_and_gives_no_reason() -> None:
    assert proposed(first_day="2027-01-01") == schedule.Proposal(date(2027, 1, 28), date(2027, 1, 28))


def test_after_august_goes_to_september_the_rhythm_goes_on_in_october() -> None:
    assert days(first_day="2030-06-01", count="3") == ["2030-06-27", "2030-09-26", "2030-10-24"]


def test_every_month_august_and_september_make_one_forum_and_the_count_holds() -> None:
    assert days(first_day="2030-07-01", months="1", count="3") == ["2030-07-25", "2030-09-26", "2030-10-24"]


RHYTHMS = st.fixed_dictionaries(
    {
        "first_day": st.dates(date(2025, 1, 1), date(2060, 1, 1)).map(str),
        "count": st.integers(1, 12).map(str),
        "months": st.integers(1, 6).map(str),
        "week": st.integers(1, 4).map(str),
        "weekday": st.sampled_from(list(schedule.WEEKDAYS)),
    }
)


@given(RHYTHMS)
@example({"first_day": "2053-05-01", "count": "1", "months": "2", "week": "2", "weekday": "TH"})
def test_no_rhythm_ever_proposes_a_holiday_august_or_the_same_day_twice(rhythm: dict[str, str]) -> None:
    proposals = schedule.propose(a_season_form(**rhythm))

    found = [proposal.day for proposal in proposals]
    assert len(set(found)) == int(rhythm["count"])
    assert [schedule.warning(day) for day in found] == [None] * len(found)
    assert min(found) >= date.fromisoformat(rhythm["first_day"])
    assert [bool(proposal.reason) for proposal in proposals] == [proposal.shifted for proposal in proposals]


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2027, 11, 11), "Armistice est un jour férié"),
        (date(2026, 12, 24), "c'est un soir de réveillon"),
        (date(2027, 3, 27), "c'est un week-end"),
        (date(2027, 8, 26), "août est un mois de congés"),
        (date(2027, 3, 25), None),
    ],
)
def test_a_date_people_chose_themselves_is_warned_about_never_forbidden(day: date, words: str | None) -> None:
    assert [str(reason) for reason in (schedule.warning(day),) if reason] == [words] * bool(words)


UNKNOWN = "les vacances scolaires ne sont pas connues à cette date (ce site les connaît jusqu'au 31/08/2028)"


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2027, 2, 4), []),
        (date(2027, 2, 11), ["c'est pendant les vacances d'hiver à Paris (zone C)"]),
        (date(2027, 2, 13), ["c'est pendant les vacances d'hiver à Paris (zone C)", "c'est un week-end"]),
        (date(2027, 2, 25), ["c'est pendant les vacances d'hiver des zones A et B, pas à Paris"]),
        (date(2027, 3, 4), ["c'est pendant les vacances d'hiver de la zone B, pas à Paris"]),
        (date(2028, 8, 31), ["août est un mois de congés"]),
        (date(2028, 9, 1), [UNKNOWN]),
        (date(2028, 12, 31), ["c'est un soir de réveillon", "c'est un week-end", UNKNOWN]),
        (date(1990, 10, 26), [UNKNOWN]),
    ],
)
def test_all_there_is_to_know_of_a_date_is_said_and_so_is_what_nobody_knows_yet(day: date, said: list[str]) -> None:
    assert [str(reason) for reason in schedule.warnings(day)] == said


def test_beyond_the_published_school_holidays_the_rhythm_shifts_for_the_rest_alone() -> None:
    [before, after] = [proposed(first_day=f"{year}-10-20") for year in (2027, 2028)]

    assert (str(before.day), str(before.reason)) == ("2027-10-21", "c'est pendant les vacances de la Toussaint à Paris (zone C)")
    assert (str(after.day), after.reason) == ("2028-10-26", None)


@pytest.mark.parametrize(
    ("typed", "field_at_fault"),
    [
        ({"title": ""}, "title"),
        ({"first_day": "demain"}, "first_day"),
        ({"first_day": "0001-01-01"}, "first_day"),
        ({"first_day": "9999-12-31"}, "first_day"),
        ({"count": "0"}, "count"),
        ({"months": "7"}, "months"),
        ({"week": "5"}, "week"),
        ({"weekday": "SU"}, "weekday"),
        ({"starts": "18h30"}, "starts"),
    ],
)
def test_what_is_typed_wrong_is_refused_beside_its_field(typed: dict[str, str], field_at_fault: str) -> None:
    with pytest.raises(ValidationError) as refused:
        a_season_form(**typed)

    assert [error["loc"] for error in refused.value.errors()] == [(field_at_fault,)]


# -- Wall-clock hours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        (date(2027, 3, 25), time(17, 30)),
        (date(2027, 3, 28), time(16, 30)),
        (date(2027, 10, 30), time(16, 30)),
        (date(2027, 10, 31), time(17, 30)),
    ],
)
def test_half_past_six_in_paris_is_half_past_six_on_both_sides_of_a_change_of_hour(day: date, utc: time) -> None:
    moment = schedule.at(day, time(18, 30))

    assert moment == datetime.combine(day, utc, tzinfo=UTC)
    assert moment.astimezone(PARIS).time() == time(18, 30)


@pytest.mark.parametrize("hour", [time(2, 0), time(2, 30), time(2, 59)])
def test_an_hour_that_does_not_exist_is_refused(hour: time) -> None:
    with pytest.raises(PydanticCustomError, match="Cette heure n'existe pas ce jour-là"):
        schedule.at(date(2027, 3, 28), hour)


async def test_questions_close_at_the_end_of_the_fifteenth_day_before_even_across_a_change_of_hour(session: AsyncSession) -> None:
    forum = await a_forum(session)

    await schedule.move(session, forum, a_move_form("2027-04-05"), now=NOW)

    assert (forum.questions_close_at or NOW).astimezone(PARIS) == datetime(2027, 3, 21, 23, 59, tzinfo=PARIS)
    assert forum.registration_closes_at == forum.starts_at


# -- A season, announced --------------------------------------------------------------------------------------


async def test_a_season_opens_as_numbered_drafts_whose_theme_and_place_are_to_be_defined(session: AsyncSession) -> None:
    later, sooner = date(2027, 5, 27), date(2027, 3, 25)

    await schedule.open_season(session, "Saison 2027", "2027", [later, sooner], time(18, 30), time(20, 30), plan_id=None, now=NOW)

    found = [forum for forum, _ in await schedule.all_forums(session)]
    assert [(forum.slug, forum.number, forum.day, forum.status) for forum in found] == [
        ("2027-2", 2, later, "draft"),
        ("2027-1", 1, sooner, "draft"),
    ]
    assert [(forum.theme, forum.place, forum.sequence) for forum in found] == [(None, None, 0)] * 2
    assert not await schedule.season_slug_free(session, "2027")


@pytest.mark.parametrize("ends", ["18:30", "17:00"])
async def test_a_forum_that_ends_before_it_begins_is_refused(session: AsyncSession, ends: str) -> None:
    forum = await a_forum(session)
    begins = forum.starts_at

    with pytest.raises(PydanticCustomError, match="L'heure de fin vient après l'heure de début"):
        await schedule.move(session, forum, a_move_form("2027-04-08", "18:30", ends), now=NOW)

    assert (forum.starts_at, forum.sequence) == (begins, 0)


async def test_a_draft_is_seen_by_organisers_alone_until_it_is_announced(session: AsyncSession) -> None:
    forum = await a_forum(session, status="draft", announced_at=None, theme=None, place=None)
    before = (await schedule.forum_by_slug(session, forum.slug), await schedule.next_forum(session, now=NOW))

    await schedule.announce(session, forum, now=NOW)
    await session.flush()

    assert before == (None, None)
    assert await schedule.forum_by_slug(session, forum.slug) is forum
    assert await schedule.next_forum(session, now=NOW) is forum
    assert (forum.status, forum.announced_at, forum.sequence) == ("announced", NOW, 0)


async def test_a_forum_is_announced_once(session: AsyncSession) -> None:
    forum, cancelled = await a_forum(session), await a_forum(session, number=2, status="cancelled")
    announced_at = forum.announced_at

    await schedule.announce(session, forum, now=LATER)
    with pytest.raises(AlreadyPublished):
        await schedule.announce(session, cancelled, now=LATER)

    assert (forum.status, forum.announced_at) == ("announced", announced_at)


async def test_the_next_forum_is_the_first_announced_one_that_is_not_over(session: AsyncSession) -> None:
    for number, facts in enumerate(({"day": date(2027, 1, 28)}, {"day": date(2027, 2, 4), "status": "cancelled"}), start=1):
        await a_forum(session, number=number, **facts)
    late, soon = [await a_forum(session, number=number, day=day) for number, day in ((3, date(2027, 5, 27)), (4, date(2027, 3, 25)))]

    assert await schedule.next_forum(session, now=NOW) is soon
    assert await schedule.next_forum(session, now=(soon.ends_at or NOW) - timedelta(minutes=1)) is soon
    assert await schedule.next_forum(session, now=soon.ends_at or NOW) is late


async def test_cancelled_forums_stay_in_the_public_list_and_drafts_do_not(session: AsyncSession) -> None:
    season = await a_season(session)
    for number, facts in enumerate(({}, {"status": "cancelled"}, {"status": "draft", "announced_at": None}), start=1):
        await a_forum(session, number=number, season=season, **facts)

    found = await schedule.public_forums(session)

    assert [(forum.slug, of.slug) for forum, of in found] == [("2027-2", "2027"), ("2027-1", "2027")]


async def test_a_forum_known_by_its_day_alone_is_over_when_that_day_has_ended_in_paris(session: AsyncSession) -> None:
    forum = await a_forum(session, day=date(2027, 1, 31), starts_at=None, ends_at=None)

    assert not forum.is_past(datetime(2027, 1, 31, 22, 59, tzinfo=UTC))
    assert forum.is_past(datetime(2027, 1, 31, 23, 0, tzinfo=UTC))


# -- Changed, moved, cancelled ---------------------------------------------------------------------------------


async def with_people(session: AsyncSession) -> Forum:
    """A forum with one person registered, one who waits, one who never confirmed and one who gave up."""
    forum = await a_forum(session, capacity=1)
    for email in ("registered@example.org", "waiting@example.org"):
        await a_confirmed_registration(session, forum, email)
    await a_registration(session, forum, "pending@example.org")
    await a_registration(session, forum, "given-up@example.org", status="given_up")
    return forum


async def test_a_moved_forum_keeps_its_uid_raises_sequence_and_tells_those_who_hold_or_wait_for_a_seat(session: AsyncSession) -> None:
    forum = await with_people(session)
    uid = forum.uid

    await schedule.move(session, forum, a_move_form("2027-03-25"), now=LATER)

    assert (forum.uid, forum.sequence, forum.changed_at, forum.day) == (uid, 1, LATER, date(2027, 3, 25))
    assert await told(session, "moved") == ["registered@example.org", "waiting@example.org"]
    assert [_facts(message)["starts_at"] for message in await promised(session, "moved")] == ["2027-03-25T17:30:00+00:00"] * 2


async def test_moving_to_the_same_hours_changes_nothing_and_tells_no_one(session: AsyncSession) -> None:
    forum = await with_people(session)

    await schedule.move(session, forum, a_move_form(forum.day or ""), now=LATER)

    assert (forum.sequence, forum.changed_at, await told(session, "moved")) == (0, NOW, [])


async def test_a_draft_moves_without_a_word(session: AsyncSession) -> None:
    forum = await a_forum(session, status="draft", announced_at=None)

    await schedule.move(session, forum, a_move_form("2027-03-25"), now=LATER)

    assert (forum.day, forum.sequence, await promised(session)) == (date(2027, 3, 25), 0, [])


async def test_a_cancelled_forum_stays_public_raises_sequence_and_tells_everyone_why(session: AsyncSession) -> None:
    forum = await with_people(session)

    await schedule.cancel(session, forum, REASON, now=LATER)

    assert (forum.status, forum.sequence, forum.changed_at) == ("cancelled", 1, LATER)
    assert await schedule.forum_by_slug(session, forum.slug) is forum
    messages = await promised(session, "cancelled")
    assert [message.recipient for message in messages] == ["registered@example.org", "waiting@example.org"]
    assert [message.facts["reason"] for message in messages] == ["Grève des transports."] * 2
    assert [message.facts.get("invitation") for message in messages] == ["CANCEL", None]


async def test_a_cancelled_forum_is_neither_moved_nor_cancelled_again(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await schedule.cancel(session, forum, REASON, now=NOW)

    with pytest.raises(NotAnnounced):
        await schedule.move(session, forum, a_move_form("2027-03-25"), now=NOW)
    with pytest.raises(NotAnnounced):
        await schedule.cancel(session, forum, CancelForm(reason="Une autre raison."), now=NOW)
    await schedule.cancel(session, forum, REASON, now=LATER)  # a second click

    assert (forum.sequence, forum.cancelled_at) == (1, NOW)


def test_a_forum_is_not_cancelled_without_a_reason() -> None:
    with pytest.raises(ValidationError):
        CancelForm.model_validate({"reason": ""})


@pytest.mark.parametrize(
    ("typed", "sequence", "mailed"),
    [
        ({"theme": "Les algorithmes"}, 1, []),
        ({"description": "Deux ateliers."}, 1, []),
        ({"place": "Cour des comptes"}, 1, ["registered@example.org", "waiting@example.org"]),
        ({"address": "13 rue Cambon, Paris"}, 1, ["registered@example.org", "waiting@example.org"]),
        ({"online_url": "https://visio.example.fr/forum"}, 1, ["registered@example.org", "waiting@example.org"]),
        ({"organisers": "Etalab, HATVP"}, 0, []),
        ({"capacity": "1"}, 0, []),
    ],
)
async def test_every_change_a_subscriber_sees_raises_sequence_and_a_new_place_is_told(
    session: AsyncSession, typed: dict[str, str], sequence: int, mailed: list[str]
) -> None:
    forum = await with_people(session)

    await schedule.edit(session, forum, a_forum_form(forum, **typed), [], now=LATER)

    assert (forum.sequence, forum.changed_at == LATER) == (sequence, bool(sequence))
    assert await told(session, "moved") == mailed


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=60)])
async def test_a_corrected_place_is_not_told_for_a_forum_cancelled_or_over(session: AsyncSession, later: timedelta) -> None:
    forum = await with_people(session)
    if not later:
        await schedule.cancel(session, forum, REASON, now=NOW)

    await schedule.edit(session, forum, a_forum_form(forum, place="Cour des comptes"), [], now=NOW + later)

    assert (forum.place, await told(session, "moved")) == ("Cour des comptes", [])


async def test_organisers_and_commitments_of_a_forum_are_those_last_typed(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second, third = [await a_commitment(session, plan, number) for number in (1, 2, 3)]
    forum = await a_forum(session)
    await schedule.edit(session, forum, a_forum_form(forum), [first, second], now=NOW)

    await schedule.edit(session, forum, a_forum_form(forum, organisers=" Etalab , HATVP,"), [third, second], now=NOW)

    assert (forum.organisers, await schedule.commitments_of(session, forum)) == (["Etalab", "HATVP"], [second, third])


async def test_a_forum_is_deleted_only_while_nobody_has_heard_of_it(session: AsyncSession) -> None:
    draft = await a_forum(session, status="draft", announced_at=None)
    announced = await a_forum(session, number=2)

    await schedule.discard(session, draft)
    with pytest.raises(Refusal, match="annulez-le"):
        await schedule.discard(session, announced)
    await session.flush()

    assert [forum.slug for forum, _ in await schedule.all_forums(session)] == ["2027-2"]


async def test_the_latest_minutes_come_first_and_drafts_of_minutes_do_not_show(session: AsyncSession) -> None:
    old, new, draft = [await a_forum(session, number=number) for number in (1, 2, 3)]
    for forum, published_at in ((old, NOW), (new, LATER), (draft, None)):
        await some_minutes(session, forum, published_at=published_at)

    assert await schedule.latest_minutes(session) == [new, old]


@pytest.mark.parametrize("ends_at", [None, "before"])
async def test_the_database_itself_refuses_a_forum_whose_hours_cannot_be(session: AsyncSession, ends_at: Any) -> None:
    forum = await a_forum(session)

    forum.ends_at = forum.starts_at if ends_at else None

    with pytest.raises(IntegrityError):
        await session.flush()

    await session.rollback()


def _facts(message: OutboxMessage) -> dict[str, Any]:
    return dict(message.facts["forum"])
