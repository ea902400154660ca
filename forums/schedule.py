"""The schedule: a season's rhythm proposed, forums announced, moved and cancelled.

The planner proposes and explains, people decide. A forum keeps its UID for ever; every change a
subscriber can see raises SEQUENCE and DTSTAMP together (`_changed`), and those registered are told in
the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import holidays
from dateutil import rrule
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, emails, outbox, registrations
from forums.forms import (
    Day,
    Form,
    Hour,
    choice,
    line,
    prose,
    refuse,
    whole,
)
from forums.language import N_
from forums.models import (
    AgendaItem,
    Commitment,
    Forum,
    ForumCommitment,
    Minutes,
    Season,
)
from forums.models.forum import PARIS
from forums.plan_files import PastForumEntry, read_past_forums
from forums.refusals import AlreadyPublished, NotAnnounced, Refusal, SeatsTaken

WEEKDAYS = {"MO": rrule.MO, "TU": rrule.TU, "WE": rrule.WE, "TH": rrule.TH, "FR": rrule.FR}
QUESTIONS_CLOSE = timedelta(days=15)


class SeasonForm(Form):
    """A rhythm to propose dates from: the n-th weekday, every so many months."""

    title: Annotated[str, line(100, N_("Donnez un nom à la saison, par exemple « Saison 2027 »."))]
    first_day: Day
    count: Annotated[int, whole(1, 12)]
    months: Annotated[int, whole(1, 6)]
    week: Annotated[int, whole(1, 4)]
    weekday: Annotated[str, choice(*WEEKDAYS, message=N_("Choisissez un jour de la semaine dans la liste."))]
    starts: Hour
    ends: Hour


class ForumForm(Form):
    """What an organiser may change of a forum without moving it."""

    theme: Annotated[str, line(200)]
    description: Annotated[str, prose(5000)]
    place: Annotated[str, line(200)]
    address: Annotated[str, line(300)]
    online_url: Annotated[str, line(500)]
    organisers: Annotated[str, line(300)]
    capacity: Annotated[int, whole(0, 10_000)]
    remote_capacity: Annotated[int, whole(0, 100_000)]
    commitments: tuple[Annotated[int, whole(1, 9_999)], ...] = ()


class MoveForm(Form):
    day: Day
    starts: Hour
    ends: Hour


class CancelForm(Form):
    reason: Annotated[str, prose(1000, N_("Dites en une phrase pourquoi le forum est annulé : elle est publiée."))]


@dataclass(frozen=True)
class Proposal:
    """A proposed date, and why it is not the rhythm's own when it was shifted."""

    day: date
    rhythm_day: date
    reason: str | None = None

    @property
    def shifted(self) -> bool:
        return self.day != self.rhythm_day


# -- The rhythm --------------------------------------------------------------------------------------


def propose(form: SeasonForm) -> list[Proposal]:
    """The dates of a rhythm from the first day on, public holidays, their eves and August avoided.

    A holiday's forum goes to the same weekday a week later, or earlier when that is one too;
    August goes to September. Each shift carries its reason in French.
    """
    days = rrule.rrule(
        rrule.MONTHLY,
        interval=form.months,
        byweekday=WEEKDAYS[form.weekday](form.week),
        dtstart=datetime.combine(form.first_day, time()),
    )
    proposals: dict[date, Proposal] = {}  # every month, August's forum would fall on September's own
    for moment in days:
        proposal = _avoiding_holidays(moment.date(), form.week)
        proposals.setdefault(proposal.day, proposal)
        if len(proposals) == form.count:
            break
    return list(proposals.values())


def _avoiding_holidays(day: date, week: int) -> Proposal:
    if day.month == 8:
        first = datetime.combine(date(day.year, 9, 1), time())
        september = next(iter(rrule.rrule(rrule.MONTHLY, byweekday=_weekday(day)(week), dtstart=first, count=1)))
        return Proposal(september.date(), day, "août est un mois de congés")
    reason = _holiday(day)
    if reason is None:
        return Proposal(day, day)
    # Two weeks when it must be: on 8 May 2053, the Thursdays before and after are holidays too.
    near = (day + timedelta(weeks=weeks) for weeks in (1, -1, 2, -2))
    return Proposal(next(other for other in near if not _holiday(other)), day, reason)


def _holiday(day: date) -> str | None:
    """Why nobody comes that evening: a public holiday, or the eve of Christmas or of the new year."""
    public = holidays.country_holidays("FR", years=day.year, language="fr")
    if day in public:
        return f"{public[day]} est un jour férié"
    return "c'est un soir de réveillon" if (day.month, day.day) in ((12, 24), (12, 31)) else None


def _weekday(day: date) -> rrule.weekday:
    return (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)[day.weekday()]


def warning(day: date) -> str | None:
    """What an organiser should know of a date they chose themselves: warn, never forbid."""
    if reason := _holiday(day):
        return reason
    if day.weekday() >= 5:
        return "c'est un week-end"
    return "août est un mois de congés" if day.month == 8 else None


def at(day: date, hour: time) -> datetime:
    """The instant of a wall-clock time in Paris, in UTC. Raises a form error for an hour that does not exist."""
    moment = datetime.combine(day, hour, tzinfo=PARIS)
    if moment.astimezone(UTC).astimezone(PARIS).replace(tzinfo=None) != moment.replace(tzinfo=None):
        raise refuse(N_("Cette heure n'existe pas ce jour-là : on passe à l'heure d'été. Choisissez-en une autre."))
    return moment.astimezone(UTC)


# -- Questions asked of the schedule -------------------------------------------------------------------


async def next_forum(session: AsyncSession, *, now: datetime) -> Forum | None:
    """The first announced forum that is not over."""
    query = select(Forum).where(Forum.status == "announced", col(Forum.ends_at) > now).order_by(col(Forum.starts_at)).limit(1)
    return (await session.exec(query)).first()


async def public_forums(session: AsyncSession) -> Sequence[tuple[Forum, Season]]:
    """Every announced or cancelled forum with its season, the newest first; an unknown day last in its season."""
    query = (
        select(Forum, Season)
        .join(Season, col(Season.id) == col(Forum.season_id))
        .where(col(Forum.announced_at).is_not(None))
        .order_by(col(Season.slug).desc(), col(Forum.number).desc())
    )
    return (await session.exec(query)).all()


async def all_forums(session: AsyncSession) -> Sequence[tuple[Forum, Season]]:
    """Drafts too, for organisers: the coming first, then the past, then those of unknown day."""
    query = select(Forum, Season).join(Season, col(Season.id) == col(Forum.season_id)).order_by(col(Forum.day).desc().nulls_last())
    return (await session.exec(query)).all()


async def forum_by_slug(session: AsyncSession, slug: str, *, drafts: bool = False) -> Forum | None:
    """A forum the public may see; with `drafts`, any forum."""
    query = select(Forum).where(Forum.slug == slug)
    if not drafts:
        query = query.where(col(Forum.announced_at).is_not(None))
    return (await session.exec(query)).first()


async def forum_by_id(session: AsyncSession, forum_id: UUID) -> Forum | None:
    return await session.get(Forum, forum_id)


async def season_of(session: AsyncSession, forum: Forum) -> Season:
    return (await session.exec(select(Season).where(Season.id == forum.season_id))).one()


async def commitments_of(session: AsyncSession, forum: Forum) -> Sequence[Commitment]:
    query = (
        select(Commitment)
        .join(ForumCommitment, col(ForumCommitment.commitment_id) == col(Commitment.id))
        .where(ForumCommitment.forum_id == forum.id)
        .order_by(col(Commitment.number))
    )
    return (await session.exec(query)).all()


async def minutes_of(session: AsyncSession, forum: Forum) -> Minutes | None:
    return (await session.exec(select(Minutes).where(Minutes.forum_id == forum.id))).first()


async def latest_minutes(session: AsyncSession, limit: int = 3) -> Sequence[Forum]:
    """Forums whose minutes were published, here or elsewhere, the latest first."""
    query = (
        select(Forum)
        .join(Minutes, col(Minutes.forum_id) == col(Forum.id))
        .where(col(Minutes.published_at).is_not(None))
        .order_by(col(Minutes.published_at).desc())
        .limit(limit)
    )
    return (await session.exec(query)).all()


# -- The life of a forum -------------------------------------------------------------------------------


async def open_season(
    session: AsyncSession, title: str, slug: str, days: Sequence[date], starts: time, ends: time, *, plan_id: UUID | None, now: datetime
) -> list[Forum]:
    """A season and its forums as drafts, numbered from 1, theme and place to be defined."""
    season = Season(slug=slug, title=title, plan_id=plan_id)
    session.add(season)
    await session.flush()
    forums = []
    for number, day in enumerate(sorted(days), start=1):
        forum = Forum(season_id=season.id, number=number, slug=f"{slug}-{number}", created_at=now, changed_at=now)
        _place_in_time(forum, day, starts, ends)
        session.add(forum)
        forums.append(forum)
    await session.flush()
    return forums


async def season_slug_free(session: AsyncSession, slug: str) -> bool:
    return (await session.exec(select(Season.id).where(Season.slug == slug))).first() is None


def _place_in_time(forum: Forum, day: date, starts: time, ends: time) -> None:
    starts_at, ends_at = at(day, starts), at(day, ends)
    if ends_at <= starts_at:
        raise refuse(N_("L'heure de fin vient après l'heure de début."))
    forum.day, forum.starts_at, forum.ends_at = day, starts_at, ends_at
    forum.registration_closes_at = forum.starts_at
    # The end of the fifteenth day before, in Paris.
    forum.questions_close_at = at(day - QUESTIONS_CLOSE, time(23, 59))


def _shown_in_calendars(forum: Forum) -> tuple[object, ...]:
    return (forum.theme, forum.description, forum.place, forum.address, forum.online_url, forum.day, forum.starts_at, forum.ends_at)


def _changed(forum: Forum, now: datetime) -> None:
    """A change every subscriber must see (RFC 5546 2.1.4)."""
    forum.sequence += 1
    forum.changed_at = now


async def announce(session: AsyncSession, forum: Forum, *, now: datetime) -> None:
    """Make a forum public; its theme and place may still be to be defined. Raises `AlreadyPublished`."""
    if forum.status != "draft":
        raise AlreadyPublished
    forum.status, forum.announced_at, forum.changed_at = "announced", now, now
    session.add(forum)


async def edit(session: AsyncSession, forum: Forum, form: ForumForm, commitments: Sequence[Commitment], *, now: datetime) -> None:
    """Change what a forum is about, where it is, how many it holds. Raises `SeatsTaken`.

    More seats go at once to those who wait. A place that changed is told to those registered.
    """
    # Locked before it is read: someone may be taking the seat that is about to go. Flushed first, since
    # refreshing drops what this transaction changed and has not written yet (an announcement, for one).
    await session.flush()
    await session.refresh(forum, with_for_update=True)
    if form.capacity < forum.seats_taken:
        raise SeatsTaken(taken=forum.seats_taken)
    if form.remote_capacity < forum.remote_taken:
        raise SeatsTaken(taken=forum.remote_taken)
    before = _shown_in_calendars(forum)
    place_before = (forum.place, forum.address, forum.online_url)
    forum.theme, forum.description = form.theme or None, form.description
    forum.place, forum.address, forum.online_url = form.place or None, form.address or None, form.online_url or None
    forum.organisers = [name.strip() for name in form.organisers.split(",") if name.strip()]
    forum.capacity, forum.remote_capacity = form.capacity, form.remote_capacity
    if forum.announced_at and before != _shown_in_calendars(forum):
        _changed(forum, now)
    session.add(forum)
    await _link_commitments(session, forum, commitments)
    await session.flush()
    await registrations.promote(session, forum, now=now)
    to_come = forum.status == "announced" and not forum.is_past(now)
    if to_come and place_before != (forum.place, forum.address, forum.online_url):
        for registration in await registrations.holders(session, forum):
            outbox.enqueue(session, emails.moved(registration, forum), now=now)


async def move(session: AsyncSession, forum: Forum, form: MoveForm, *, now: datetime) -> None:
    """Another day or hour, the same UID. Those who hold or wait for a seat are told in this transaction."""
    if forum.status == "cancelled":
        raise NotAnnounced(N_("Ce forum est annulé : on ne peut plus le déplacer."))
    before = (forum.starts_at, forum.ends_at)
    _place_in_time(forum, form.day, form.starts, form.ends)
    if before == (forum.starts_at, forum.ends_at):
        return
    await _take_agenda_along(session, forum, form.day)
    if forum.announced_at:
        _changed(forum, now)
    session.add(forum)
    await session.flush()
    if forum.announced_at:
        for registration in await registrations.holders(session, forum):
            outbox.enqueue(session, emails.moved(registration, forum), now=now)


async def _take_agenda_along(session: AsyncSession, forum: Forum, day: date) -> None:
    """The items of a moved forum keep their hours in Paris, on its new day."""
    for item in (await session.exec(select(AgendaItem).where(AgendaItem.forum_id == forum.id))).all():
        item.starts_at, item.ends_at = [
            at(day, moment.astimezone(PARIS).time()) if moment else None for moment in (item.starts_at, item.ends_at)
        ]


async def cancel(session: AsyncSession, forum: Forum, form: CancelForm, *, now: datetime) -> None:
    """Cancel an announced forum: it stays public and in every feed, as CANCELLED, and people are told."""
    if forum.status != "announced":
        raise NotAnnounced
    forum.status, forum.cancelled_at, forum.cancel_reason = "cancelled", now, form.reason
    _changed(forum, now)
    session.add(forum)
    await session.flush()
    for registration in await registrations.holders(session, forum):
        outbox.enqueue(session, emails.cancelled(registration, forum), now=now)


async def discard(session: AsyncSession, forum: Forum) -> None:
    """Delete a forum that was never announced. Raises `Refusal` once it was."""
    if forum.announced_at is not None:
        raise Refusal(N_("Un forum annoncé ne s'efface pas : annulez-le."))
    await session.delete(forum)


async def _link_commitments(session: AsyncSession, forum: Forum, commitments: Sequence[Commitment]) -> None:
    await session.exec(delete(ForumCommitment).where(col(ForumCommitment.forum_id) == forum.id))
    for commitment in commitments:
        session.add(ForumCommitment(forum_id=forum.id, commitment_id=commitment.id))


# -- Forums that took place ------------------------------------------------------------------------------


async def load_past_forums(session: AsyncSession, path: Path, *, now: datetime) -> int:
    """Store the forums of a data file that are not there yet; a fact unknown stays unknown. Raises `BadFile`."""
    file = read_past_forums(path)
    seasons = {}
    for entry in file.saisons:
        season = (await session.exec(select(Season).where(Season.slug == entry.slug))).first()
        plan = await action_plan.plan_by_slug(session, entry.plan) if entry.plan else None
        season = season or Season(slug=entry.slug, title=entry.titre)
        season.title, season.plan_id = entry.titre, plan.id if plan else None
        session.add(season)
        await session.flush()
        seasons[entry.slug] = (season, plan)
    for forum_entry in file.forums:
        season, plan = seasons[forum_entry.saison]
        forum = await _store_past_forum(session, season, forum_entry, now)
        numbers = forum_entry.engagements if plan else []
        found = [await action_plan.commitment_by_number(session, plan, number) for number in numbers] if plan else []
        await _link_commitments(session, forum, [commitment for commitment in found if commitment])
    return len(file.forums)


async def _store_past_forum(session: AsyncSession, season: Season, entry: PastForumEntry, now: datetime) -> Forum:
    slug = f"{season.slug}-{entry.numero}"
    known = await forum_by_slug(session, slug, drafts=True)
    forum = known or Forum(season_id=season.id, number=entry.numero, slug=slug, announced_at=now, created_at=now, changed_at=now)
    before = _shown_in_calendars(forum)
    forum.status = "announced"
    forum.theme, forum.day, forum.moment = entry.theme, entry.date, entry.moment
    hours = [at(entry.date, time.fromisoformat(hour)) if entry.date and hour else None for hour in (entry.debut, entry.fin)]
    forum.starts_at, forum.ends_at = hours
    forum.place, forum.address, forum.organisers = entry.lieu, entry.ville, entry.organisateurs
    forum.participants, forum.note, forum.sources = entry.participants, entry.note, entry.sources
    forum.minutes_elsewhere, forum.minutes_elsewhere_on = entry.compte_rendu, entry.compte_rendu_publie_le
    forum.agenda_published_at = forum.announced_at if entry.deroule else None
    if known and before != _shown_in_calendars(forum):
        _changed(forum, now)
    session.add(forum)
    await session.flush()
    items = (await session.exec(select(func.count()).select_from(AgendaItem).where(AgendaItem.forum_id == forum.id))).one()
    for position, title in enumerate(entry.deroule[items:], start=items + 1):
        workshop = title.startswith("Atelier") or "ateliers" in title
        kind = "workshop" if workshop else "restitution" if title.startswith("Restitution") else "plenary"
        session.add(AgendaItem(forum_id=forum.id, position=position, title=title, kind=kind))  # type: ignore[arg-type]
    return forum
