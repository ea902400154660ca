"""The life of a forum, in order: planned, announced, edited, moved, cancelled; or discarded while a draft."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from pydantic_core import PydanticCustomError
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import calendar_feed, emails, outbox, registrations
from forums.calendar_feed import Announced
from forums.forms import Day, Form, Hour, OptionalMoment, OptionalWebAddress, choice, line, prose, refuse, whole
from forums.language import N_
from forums.models import AgendaItem, Commitment, Forum, ForumCommitment, Season
from forums.models.forum import PARIS
from forums.refusals import AlreadyPublished, NotAnnounced, Refusal, SeatsTaken, WrongMoment
from forums.schedule import deadlines
from forums.schedule.rhythm import at

# What a season counts when nobody changed it; each season has its own (`Season.questions_days`).
QUESTIONS_CLOSE = timedelta(days=15)

# Told later than this, someone who waits would learn of their seat too late to come.
PROMOTIONS_END = timedelta(hours=3)


class ForumForm(Form):
    """What an organiser may change of a forum without moving it."""

    theme: Annotated[str, line(200)]
    description: Annotated[str, prose(5000)]
    place: Annotated[str, line(200)]
    address: Annotated[str, line(300)]
    online_url: OptionalWebAddress
    organisers: Annotated[str, line(300)]
    capacity: Annotated[int, whole(0, 10_000)]
    remote_capacity: Annotated[int, whole(0, 100_000)]
    registration_opens: OptionalMoment = None
    registration_closes: OptionalMoment = None
    promotions_end: OptionalMoment = None
    commitments: tuple[Annotated[int, whole(1, 9_999)], ...] = ()


class MoveForm(Form):
    """Where a forum goes; `own_dates` says whether the dates chosen for it alone move along or stay."""

    day: Day
    starts: Hour
    ends: Hour
    own_dates: Annotated[str, choice("", "along", "stay", message=N_("Dites si les dates propres à ce forum le suivent."))] = ""


@dataclass(frozen=True)
class Planned:
    """A forum of a season to be: its evening, and what is already known of its theme."""

    day: date
    starts: time
    ends: time
    theme: str = ""
    commitments: Sequence[Commitment] = ()


class CancelForm(Form):
    reason: Annotated[str, prose(1000, N_("Dites en une phrase pourquoi le forum est annulé : elle est publiée."))]


async def open_season(
    session: AsyncSession, title: str, slug: str, days: Sequence[date], starts: time, ends: time, *, plan_id: UUID | None, now: datetime
) -> list[Forum]:
    """A season and its forums as drafts, numbered from 1, theme and place to be defined."""
    return await open_planned(session, title, slug, [Planned(day, starts, ends) for day in days], plan_id=plan_id, now=now)


async def open_planned(
    session: AsyncSession, title: str, slug: str, planned: Sequence[Planned], *, plan_id: UUID | None, now: datetime
) -> list[Forum]:
    """The same, each forum with its own hours, and its theme and commitments when they are known."""
    season = Season(slug=slug, title=title, plan_id=plan_id)
    session.add(season)
    await session.flush()
    forums = []
    for number, each in enumerate(sorted(planned, key=lambda one: (one.day, one.starts)), start=1):
        forum = Forum(season_id=season.id, number=number, slug=f"{slug}-{number}", theme=each.theme or None, created_at=now, changed_at=now)
        place_in_time(forum, each.day, each.starts, each.ends)
        deadlines.close_questions(forum, season, {})
        session.add(forum)
        await session.flush()
        await link_commitments(session, forum, each.commitments)
        forums.append(forum)
    await session.flush()
    return forums


def place_in_time(forum: Forum, day: date, starts: time, ends: time) -> None:
    starts_at, ends_at = at(day, starts), at(day, ends)
    if ends_at <= starts_at:
        raise refuse(N_("L'heure de fin vient après l'heure de début."))
    before = forum.starts_at
    forum.day, forum.starts_at, forum.ends_at = day, starts_at, ends_at
    forum.registration_closes_at = _along(forum.registration_closes_at, before, starts_at) or starts_at
    forum.promotions_end_at = _along(forum.promotions_end_at, before, starts_at) or starts_at - PROMOTIONS_END
    if forum.registration_opens_at and forum.registration_opens_at >= forum.registration_closes_at:
        forum.registration_opens_at = None


def _along(moment: datetime | None, before: datetime | None, after: datetime) -> datetime | None:
    """A moment counted from the start keeps its distance, on the clocks of Paris, when the start moves."""
    if moment is None or before is None:
        return None
    shift = after.astimezone(PARIS).replace(tzinfo=None) - before.astimezone(PARIS).replace(tzinfo=None)
    return (moment.astimezone(PARIS) + shift).astimezone(UTC)


def moments_of(forum: Forum, form: ForumForm) -> dict[str, datetime | None]:
    """When registration opens and closes and the waiting list is no longer served. Raises `WrongMoment`.

    Left empty: at once, at the start, and three hours before the start.
    """
    starts_at, ends_at = forum.starts_at, forum.ends_at
    opens, closes, ends = [_instant(form, name) for name in ("registration_opens", "registration_closes", "promotions_end")]
    closes, ends = closes or starts_at, ends or (starts_at - PROMOTIONS_END if starts_at else None)
    if ends_at and closes and closes > ends_at:
        raise WrongMoment("registration_closes", N_("Les inscriptions ferment au plus tard à la fin du forum."))
    if opens and closes and opens >= closes:
        raise WrongMoment("registration_opens", N_("Les inscriptions ouvrent avant de fermer : choisissez un moment plus tôt."))
    if ends and starts_at and ends > starts_at:
        raise WrongMoment("promotions_end", N_("La liste d'attente est servie au plus tard jusqu'au début du forum."))
    return {"registration_opens_at": opens, "registration_closes_at": closes, "promotions_end_at": ends}


def _instant(form: ForumForm, name: str) -> datetime | None:
    typed: datetime | None = getattr(form, name)
    try:
        return at(typed.date(), typed.time()) if typed else None
    except PydanticCustomError as error:
        raise WrongMoment(name, error.type) from error


def shown_in_calendars(forum: Forum) -> tuple[object, ...]:
    link = forum.online_url, forum.remote_capacity == 0  # whether everybody may see it
    return (forum.theme, forum.description, forum.place, forum.address, link, forum.day, forum.starts_at, forum.ends_at)


def changed(forum: Forum, now: datetime) -> None:
    """A change every subscriber must see (RFC 5546 2.1.4)."""
    forum.sequence += 1
    forum.changed_at = now


async def announce(session: AsyncSession, forum: Forum, *, now: datetime) -> None:
    """Make a forum public; its theme and place may still be to be defined. Nothing when it is; raises `AlreadyPublished` when it was.

    The clock tells those who follow announcements, in its own transactions: they may be thousands.
    """
    await _locked(session, forum)
    if forum.status == "announced":
        return
    if forum.status != "draft":
        raise AlreadyPublished
    forum.status, forum.announced_at, forum.changed_at = "announced", now, now
    session.add(forum)


async def _locked(session: AsyncSession, forum: Forum) -> None:
    """Locked before it is read: someone may be taking a seat, to be told or counted with the others.

    Flushed first, since refreshing drops what this transaction changed and has not written yet.
    """
    await session.flush()
    await session.refresh(forum, with_for_update={"key_share": True})


async def edit(session: AsyncSession, forum: Forum, form: ForumForm, commitments: Sequence[Commitment], *, now: datetime) -> None:
    """Change what a forum is about, where it is, how many it holds and when. Raises `SeatsTaken` or `WrongMoment`.

    More seats go at once to those who wait. A place that changed is told to those registered.
    """
    await _locked(session, forum)
    if form.capacity < forum.seats_taken:
        raise SeatsTaken(taken=forum.seats_taken)
    if form.remote_capacity < forum.remote_taken:
        raise SeatsTaken(taken=forum.remote_taken)
    before, was = shown_in_calendars(forum), calendar_feed.announced(forum)
    forum.theme, forum.description = form.theme or None, form.description
    forum.place, forum.address, forum.online_url = form.place or None, form.address or None, form.online_url
    forum.organisers = [name.strip() for name in form.organisers.split(",") if name.strip()]
    forum.capacity, forum.remote_capacity = form.capacity, form.remote_capacity
    for name, moment in moments_of(forum, form).items():
        setattr(forum, name, moment)
    if forum.announced_at and before != shown_in_calendars(forum):
        changed(forum, now)
    session.add(forum)
    await link_commitments(session, forum, commitments)
    await _serve_and_tell(session, forum, was, now)


async def _serve_and_tell(session: AsyncSession, forum: Forum, was: Announced, now: datetime) -> None:
    """After a change: the seats there are now go to who waits, and those a change of date or place concerns are told."""
    await session.flush()
    promoted = {each.id for each in await registrations.promote(session, forum, now=now)}
    if forum.status != "announced" or forum.is_past(now):
        return
    await outbox.restate(session, forum)
    if _where_and_when(was) == _where_and_when(calendar_feed.announced(forum)):
        return
    await outbox.drop(session, ["moved"], forum_id=forum.id)
    for registration in await registrations.holders(session, forum):
        if registration.id not in promoted:  # they have just been told where and when
            outbox.enqueue(session, emails.moved(registration, forum, was), now=now)


def _where_and_when(forum: Announced) -> tuple[object, ...]:
    return forum.starts_at, forum.ends_at, forum.place, forum.address, forum.online_url


async def move(session: AsyncSession, forum: Forum, form: MoveForm, *, now: datetime) -> None:
    """Another day or hour, the same UID; what is due around it follows. Those who hold or wait for a seat are told at once.

    Raises a form error for an hour that cannot be, or has passed; `NotAnnounced` once it was held or cancelled.
    """
    await _locked(session, forum)
    if forum.status == "cancelled":
        raise NotAnnounced(N_("Ce forum est annulé : on ne peut plus le déplacer."))
    if forum.announced_at and forum.is_past(now):
        raise NotAnnounced(N_("Ce forum a eu lieu : on ne peut plus le déplacer."))
    was, was_on = calendar_feed.announced(forum), forum.day
    place_in_time(forum, form.day, form.starts, form.ends)
    if (was.starts_at, was.ends_at) == (forum.starts_at, forum.ends_at):
        return
    if forum.announced_at and forum.starts_at and forum.starts_at <= now:
        raise refuse(N_("Ce moment est déjà passé : choisissez une date à venir."))
    await deadlines.follow_the_move(session, forum, was_on, stay=form.own_dates == "stay")
    await _take_agenda_along(session, forum, form.day)
    registrations.forget_reminders(forum, now=now)
    await outbox.drop(session, (*emails.REMINDERS, "agenda_changed"), forum_id=forum.id)
    if forum.announced_at:
        changed(forum, now)
    session.add(forum)
    await _serve_and_tell(session, forum, was, now)


async def _take_agenda_along(session: AsyncSession, forum: Forum, day: date) -> None:
    """The items of a moved forum keep their hours in Paris, on its new day, in every version of its agenda."""
    for item in (await session.exec(select(AgendaItem).where(AgendaItem.forum_id == forum.id))).all():
        item.starts_at, item.ends_at = [
            at(day, moment.astimezone(PARIS).time()) if moment else None for moment in (item.starts_at, item.ends_at)
        ]


async def cancel(session: AsyncSession, forum: Forum, form: CancelForm, *, now: datetime) -> None:
    """Cancel an announced forum: it stays public and in every feed, as CANCELLED, and people are told once."""
    await _locked(session, forum)
    if forum.status == "cancelled" and forum.cancel_reason == form.reason:
        return
    if forum.status != "announced":
        raise NotAnnounced
    if forum.is_past(now):
        raise NotAnnounced(N_("Ce forum a eu lieu : on ne l'annule plus."))
    forum.status, forum.cancelled_at, forum.cancel_reason = "cancelled", now, form.reason
    changed(forum, now)
    session.add(forum)
    await session.flush()
    await outbox.drop(session, emails.BEFOREHAND, forum_id=forum.id)
    for registration in await registrations.holders(session, forum):
        outbox.enqueue(session, emails.cancelled(registration, forum), now=now)


async def discard(session: AsyncSession, forum: Forum) -> None:
    """Delete a forum that was never announced; gone already, nothing more. Raises `Refusal` once it was announced."""
    # One statement: somebody may announce it at the same instant.
    gone = await session.exec(delete(Forum).where(col(Forum.id) == forum.id, col(Forum.announced_at).is_(None)))
    if gone.rowcount == 0 and (await session.exec(select(Forum.id).where(Forum.id == forum.id))).first() is not None:
        raise Refusal(N_("Un forum annoncé ne s'efface pas : annulez-le."))


async def link_commitments(session: AsyncSession, forum: Forum, commitments: Sequence[Commitment]) -> None:
    await session.exec(delete(ForumCommitment).where(col(ForumCommitment.forum_id) == forum.id))
    for commitment in commitments:
        session.add(ForumCommitment(forum_id=forum.id, commitment_id=commitment.id))
