"""Forums as iCalendar (RFC 5545, RFC 7986), for feeds and for invitations.

The UID never changes; SEQUENCE and DTSTAMP rise together at every visible change; a cancelled forum
stays, as CANCELLED. An event is formatted once for the facts it holds and joined as bytes ever after; the feed of
all reads only the forums that changed since it was last made.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from email.headerregistry import Address
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vDuration, vText, vUri
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import calendar_index
from forums.models import Forum, ForumCommitment
from forums.models.forum import PARIS

REFRESH = timedelta(hours=6)
FOLDED = 75  # octets of a line

# A constant RRULE time zone: the library's own writes RDATE lists that made Thunderbird an hour late.
# Right from October 1996 on; RFC 5545 3.6.5 wants onsets in the offset being left.
_PARIS_TIME = b"""BEGIN:VTIMEZONE
TZID:Europe/Paris
X-LIC-LOCATION:Europe/Paris
BEGIN:DAYLIGHT
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
""".replace(b"\n", b"\r\n")


class Announced(NamedTuple):
    """What a calendar says of a forum; the columns of `Forum` of the same names.

    The address to follow it online is everybody's when no remote seat is counted; otherwise it is for
    those who hold one.
    """

    uid: str
    slug: str
    number: int
    status: str
    theme: str | None
    description: str
    day: date
    starts_at: datetime | None
    ends_at: datetime | None
    place: str | None
    address: str | None
    online_url: str | None
    remote_capacity: int
    sequence: int
    changed_at: datetime
    created_at: datetime
    invented: bool


class Due(NamedTuple):
    """A day that is not a forum: it takes the whole day and nobody's time. `page` is a path."""

    uid: str
    day: date
    title: str
    page: str
    cancelled: bool
    sequence: int
    changed_at: datetime
    invented: bool = False


class _Text(vText):
    """Text as it was typed: the library would make a line break of a backslash before an N, as in C:\\Nouveau."""

    def to_ical(self) -> bytes:
        return self.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n").encode()


_COLUMNS = [getattr(Forum, name) for name in Announced._fields]


async def announced_forums(session: AsyncSession, slug: str | None = None, commitment_ids: Sequence[UUID] | None = None) -> list[Announced]:
    """Every forum ever announced whose day is known, past and cancelled ones too, oldest first."""
    query = select(*_COLUMNS).where(col(Forum.announced_at).is_not(None), col(Forum.day).is_not(None))
    if slug is not None:
        query = query.where(Forum.slug == slug)
    if commitment_ids is not None:
        about = select(ForumCommitment.forum_id).where(col(ForumCommitment.commitment_id).in_(commitment_ids))
        query = query.where(col(Forum.id).in_(about))
    rows = (await session.exec(query.order_by(col(Forum.day), col(Forum.number), col(Forum.uid)))).all()
    return [Announced._make(row) for row in rows]


def announced(forum: Forum) -> Announced:
    """The same facts, from a forum at hand."""
    return Announced(**{name: getattr(forum, name) for name in Announced._fields})


def events(forums: Sequence[Announced], *, organiser: Address, public_url: str, with_link: bool = False) -> list[bytes]:
    """What a feed says of these forums."""
    return [_event(forum, organiser.display_name, organiser.addr_spec, public_url, with_link) for forum in forums]


class EventsOfAll:
    """What the feed of all says of its forums, for one process: those that changed since the last look are read, and no other."""

    def __init__(self, organiser: Address, public_url: str) -> None:
        self.organiser, self.public_url = organiser, public_url
        self._forget()
        self._one_at_a_time = asyncio.Lock()

    async def read(self, session: AsyncSession) -> list[bytes]:
        """The same as `events` of `announced_forums`."""
        async with self._one_at_a_time:
            if not await self._look(session):
                # What was kept is of another past: the database was put back, or lost its last transactions with its machine.
                self._forget()
                await self._look(session)
            return list(self._events.values())

    def _forget(self) -> None:
        self._kept: dict[UUID, _Kept] = {}
        self._events: dict[UUID, bytes] = {}
        self._marks = self._since = 0

    async def _look(self, session: AsyncSession) -> bool:
        """Whether all that is kept is what the database holds now."""
        connection = await session.connection()
        rows = (await connection.execute(calendar_index.changes(connection.dialect.name), {"since": self._since})).all()
        count, marks, since = rows[0][:3]
        changed = {row.forum_id: self._keep(row.mark, row.announced_at, Announced._make(row[5:-1])) for row in rows if row.forum_id}
        before = {each: self._kept[each] for each in changed if each in self._kept}
        self._marks += sum(each.mark for each in changed.values()) - sum(each.mark for each in before.values())
        self._kept |= changed
        self._events |= {each: kept.event for each, kept in changed.items()}  # where it was: a dictionary keeps its order
        if any(each not in before or before[each][:3] != new[:3] for each, new in changed.items()):
            self._kept = dict(sorted(self._kept.items(), key=itemgetter(1)))
            self._events = {each: kept.event for each, kept in self._kept.items()}
        self._since = since
        return (len(self._kept), self._marks) == (count, marks)

    def _keep(self, mark: int, announced_at: datetime | None, forum: Announced) -> "_Kept":
        if announced_at is None or forum.day is None:  # or none of it is there any more
            return _Kept(date.min, 0, "", mark, b"")
        (event,) = events([forum], organiser=self.organiser, public_url=self.public_url)
        return _Kept(forum.day, forum.number, forum.uid, mark, event)


class _Kept(NamedTuple):
    """An event ready, empty when calendars are not told; what feeds are ordered by comes first."""

    day: date
    number: int
    uid: str
    mark: int
    event: bytes


def feed(
    events: Sequence[bytes],
    *,
    name: str,
    description: str,
    page: str,
    address: str,
    organiser: Address,
    public_url: str,
    dues: Sequence[Due] = (),
) -> bytes:
    """A subscription to `events`. `page` and `address` are paths; `address` is the feed's own (RFC 7986 SOURCE)."""
    days = b"".join(_due(due, organiser.display_name, organiser.addr_spec, public_url) for due in dues)
    head = _calendar_head("PUBLISH", name, description, public_url + page, public_url + address)
    return b"".join([head, *events, days, b"END:VCALENDAR\r\n"])


def invitation(
    forum: Announced,
    attendee: str,
    *,
    bump: int,
    written_at: datetime,
    organiser: Address,
    public_url: str,
    with_link: bool,
    cancelled: bool = False,
) -> bytes:
    """An iTIP message (RFC 5546) for one person: REQUEST, or CANCEL once the forum or the seat is gone.

    `bump` counts the person's own withdrawals and returns: SEQUENCE must rise with each of them, and
    DTSTAMP is when this message was written, since some calendars compare nothing else.
    """
    mine = bumped(forum, bump, written_at)
    event = _event(forum._replace(sequence=0, changed_at=_UNSAID), organiser.display_name, organiser.addr_spec, public_url, with_link)
    stamp = f"{mine.changed_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    for line in (f"DTSTAMP:{stamp}", f"LAST-MODIFIED:{stamp}", f"SEQUENCE:{mine.sequence}", *(["STATUS:CANCELLED"] if cancelled else [])):
        name, said = line.partition(":")[0], b"\r\n%s\r\n" % line.encode()
        event = event.replace(_UNSAID_LINES[name], said, 1)
    line = f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:{attendee}"
    invited = _folded(line.encode()) + b"\r\n"
    head = _calendar_head("CANCEL" if cancelled else "REQUEST")
    return head + event.removesuffix(_END_OF_EVENT) + invited + _END_OF_EVENT + b"END:VCALENDAR\r\n"


# An invitation is the event of the feeds but for four short lines, which no text can hold: its own ends are written \n.
_UNSAID = datetime(1970, 1, 1, tzinfo=UTC)
_UNSAID_LINES = {
    "DTSTAMP": b"\r\nDTSTAMP:19700101T000000Z\r\n",
    "LAST-MODIFIED": b"\r\nLAST-MODIFIED:19700101T000000Z\r\n",
    "SEQUENCE": b"\r\nSEQUENCE:0\r\n",
    "STATUS": b"\r\nSTATUS:CONFIRMED\r\n",
}
_END_OF_EVENT = b"END:VEVENT\r\n"


def bumped(forum: Announced, bump: int, written_at: datetime) -> Announced:
    """The same for one person, whose own calendar must take it as newer."""
    return forum._replace(sequence=forum.sequence + bump, changed_at=max(forum.changed_at, written_at))


@lru_cache(maxsize=64)
def _calendar_head(method: str, name: str = "", description: str = "", page: str = "", address: str = "") -> bytes:
    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", "-//Forums Open d'État//Forums 1//FR")
    calendar.add("CALSCALE", "GREGORIAN")
    calendar.add("METHOD", method)
    if name:
        # No UID on VCALENDAR, though RFC 7986 allows one: vdirsyncer then sees a single event.
        calendar.add("NAME", name)
        calendar.add("X-WR-CALNAME", vText(name))
        calendar.add("DESCRIPTION", description)
        calendar.add("X-WR-CALDESC", vText(description))
        calendar.add("X-WR-TIMEZONE", vText("Europe/Paris"))
        calendar.add("URL", vUri(page))
        source, refresh = vUri(address), vDuration(REFRESH)
        source.params["VALUE"] = "URI"
        refresh.params["VALUE"] = "DURATION"
        calendar.add("SOURCE", source)
        calendar.add("REFRESH-INTERVAL", refresh)
        calendar.add("X-PUBLISHED-TTL", vDuration(REFRESH))
        calendar.add("COLOR", "teal")
    return bytes(calendar.to_ical(sorted=False)).removesuffix(b"END:VCALENDAR\r\n") + _PARIS_TIME


@lru_cache(maxsize=8192)
def _event(forum: Announced, organiser: str, address: str, public_url: str, with_link: bool) -> bytes:
    return _in_bytes(_build_event(forum, organiser, address, public_url, with_link))


def _in_bytes(event: Event) -> bytes:
    """As `to_ical`, which looks for parameters where none are, and folds letter by letter."""
    lines = [_line(event, name, value) for name, value in event.property_items(sorted=False)]
    return b"\r\n".join([*lines, b""])


def _line(event: Event, name: str, value: Any) -> bytes:
    bare = value if isinstance(value, bytes) else b"" if value.params else value.to_ical()
    return _folded(b"%s:%s" % (name.encode(), bare) if bare else event.content_line(name, value, sorted=False).encode())


def _folded(line: bytes) -> bytes:
    """Lines of 75 octets at most (RFC 5545, 3.1), cut neither within a character nor, as some readers join them late, after
    the first of an escape."""
    parts = []
    while len(line) >= FOLDED:
        end = FOLDED - 1
        while line[end] & 0xC0 == 0x80:
            end -= 1
        end -= line[end - 1] in b"\\^"
        parts.append(line[:end])
        line = line[end:]
    return b"\r\n ".join([*parts, line])


@lru_cache(maxsize=8192)
def _due(due: Due, organiser: str, address: str, public_url: str) -> bytes:
    event = Event()
    event.add("UID", due.uid)
    event.add("DTSTAMP", due.changed_at.astimezone(UTC))
    event.add("LAST-MODIFIED", due.changed_at.astimezone(UTC))
    event.add("SEQUENCE", due.sequence)
    event.add("STATUS", "CANCELLED" if due.cancelled else "CONFIRMED")
    event.add("DTSTART", due.day)
    event.add("DTEND", due.day + timedelta(days=1))
    event.add("SUMMARY", _Text(f"ANNULÉ : {due.title}" if due.cancelled else due.title))
    told = ["Donnée inventée pour la démonstration."] if due.invented else []
    event.add("DESCRIPTION", _Text("\n\n".join([*told, public_url + due.page])))
    event.add("URL", vUri(public_url + due.page))
    event.add("ORGANIZER", _contact(organiser, address))
    event.add("TRANSP", "TRANSPARENT")
    return _in_bytes(event)


def _contact(organiser: str, address: str) -> vCalAddress:
    contact = vCalAddress(f"mailto:{address}")
    contact.params["CN"] = organiser.replace('"', "") or address
    return contact


def _build_event(forum: Announced, organiser: str, address: str, public_url: str, with_link: bool) -> Event:
    page = f"{public_url}/forums/{forum.slug}"
    link = forum.online_url if with_link or not forum.remote_capacity else None
    cancelled = forum.status == "cancelled"
    event = Event()
    event.add("UID", forum.uid)
    event.add("DTSTAMP", forum.changed_at.astimezone(UTC))
    event.add("CREATED", forum.created_at.astimezone(UTC))
    event.add("LAST-MODIFIED", forum.changed_at.astimezone(UTC))
    event.add("SEQUENCE", forum.sequence)
    event.add("STATUS", "CANCELLED" if cancelled else "CONFIRMED")
    if forum.starts_at and forum.ends_at:
        event.add("DTSTART", forum.starts_at.astimezone(PARIS))
        event.add("DTEND", forum.ends_at.astimezone(PARIS))
    else:
        event.add("DTSTART", forum.day)
        event.add("DTEND", forum.day + timedelta(days=1))
    # Several readers list a cancelled event like any other, hence the word in the title.
    title = f"Forum Open d'État n° {forum.number} – {forum.theme or 'thème à venir'}"
    event.add("SUMMARY", _Text(f"ANNULÉ : {title}" if cancelled else title))
    where = ", ".join(part for part in (forum.place, forum.address) if part)
    if where or link:
        event.add("LOCATION", _Text(where or link or ""))
    told = ["Donnée inventée pour la démonstration."] if forum.invented else []
    told += [forum.description] if forum.description else []
    told += [] if forum.place else ["Lieu à définir."]
    told += [f"En ligne : {link}"] if link else []
    told += ["À distance : le lien est envoyé aux personnes inscrites."] if forum.online_url and not link else []
    # Clients hide URL: the link is also the description's last line.
    event.add("DESCRIPTION", _Text("\n\n".join([*told, page])))
    event.add("URL", vUri(page))
    event.add("ORGANIZER", _contact(organiser, address))
    event.add("TRANSP", "OPAQUE")
    return event
