"""Seats: confirmed or waited for, changed, given back, passed on in strict order.

Whoever holds the lock of a waiting person's row takes no lock on the forum afterwards, since a promotion
locks the forum and then the first who waits.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, secret_links, subscriptions
from forums.forms import Form, Tick, choice, line, prose
from forums.language import N_
from forums.models import Forum, Registration
from forums.models.columns import public_code
from forums.models.people import Attendance
from forums.refusals import AttendanceFull, RegistrationClosed
from forums.registrations.queries import OPEN, promotes, state_of

FAMILY_NAME = line(100, N_("Indiquez votre nom, par exemple Martin."))
GIVEN_NAME = line(100, N_("Indiquez votre prénom, par exemple Camille."))
ATTENDANCE = choice("on_site", "remote", message=N_("Dites si vous venez sur place ou si vous suivez à distance."))


class ChangeForm(Form):
    """What a person may change of their own registration: everything but the address that proves who they are."""

    family_name: Annotated[str, FAMILY_NAME]
    given_name: Annotated[str, GIVEN_NAME]
    organisation: Annotated[str, line(200)]
    attendance: Annotated[str, ATTENDANCE]
    accessibility_needs: Annotated[str, prose(500)]
    show_name: Tick = False
    wants_news: Tick = False


async def confirm(session: AsyncSession, registration_id: UUID, token: str, *, now: datetime) -> Registration:
    """Claim the seat, or a place in the waiting list. Done twice, it changes nothing more.

    Who waits may take a free seat themselves once nobody is promoted any more. Raises `RegistrationClosed`.
    """
    registration = await _locked(session, registration_id)
    if registration.status == "registered":
        return registration
    forum = await _forum_of(session, registration)
    if registration.status == "waiting" and promotes(forum, now=now):
        return registration
    if state_of(forum, now=now) not in OPEN:
        raise RegistrationClosed
    waited = registration.status == "waiting"
    if registration.status == "given_up":
        registration.bump += 1
    if await _claim_seat(session, forum.id, registration.attendance):
        message = _seated(registration, forum, token, now)
    elif waited:
        return registration
    else:
        registration.rank = await _next_rank(session, forum.id)
        # The counter's UPDATE has locked the forum: a seat given back meanwhile is seen now.
        if await _claim_seat(session, forum.id, registration.attendance):
            message = _seated(registration, forum, token, now)
        else:
            registration.status, registration.decided_at = "waiting", now
            message = emails.waiting(registration, forum, token)
    if registration.wants_news:
        await subscriptions.subscribe(session, registration.email, registration.email_key, registration.language, now=now)
    session.add(registration)
    outbox.enqueue(session, message, now=now)
    return registration


def _seated(registration: Registration, forum: Forum, token: str, now: datetime) -> emails.Message:
    _sit(registration, now)
    return emails.registered(registration, forum, token)


def _sit(registration: Registration, now: datetime) -> None:
    registration.status, registration.rank, registration.decided_at = "registered", None, now
    registration.entry_code = registration.entry_code or public_code()


async def _claim_seat(session: AsyncSession, forum_id: UUID, attendance: Attendance) -> bool:
    """One conditional UPDATE rather than count-then-insert: two people may want the last seat at the same instant."""
    taken, capacity = _columns(attendance)
    done = await session.exec(update(Forum).where(col(Forum.id) == forum_id, taken < capacity).values({taken.key: taken + 1}))
    return done.rowcount == 1


async def _next_rank(session: AsyncSession, forum_id: UUID) -> int:
    counted = update(Forum).where(col(Forum.id) == forum_id).values(waiting_counter=Forum.waiting_counter + 1)
    return int((await session.exec(counted.returning(col(Forum.waiting_counter)))).scalar_one())


async def change(session: AsyncSession, registration_id: UUID, form: ChangeForm, *, now: datetime) -> Registration:
    """Keep what a person corrected, and pass them to the other way of attending when they ask for it.

    Who holds a seat keeps it when the other way is full (`AttendanceFull`); who waits goes to the end of
    the other line. Raises `RegistrationClosed` when the forum has begun and another way is asked for.
    """
    registration = await _locked_after_its_forum(session, registration_id)
    if form.attendance != registration.attendance:
        await _attend_otherwise(session, registration, form.attendance, now)  # type: ignore[arg-type]
    for name in ("family_name", "given_name", "organisation", "accessibility_needs", "show_name", "wants_news"):
        setattr(registration, name, getattr(form, name))
    if registration.status not in ("registered", "waiting"):
        pass  # an address nobody has proved yet subscribes to nothing
    elif form.wants_news:
        await subscriptions.subscribe(session, registration.email, registration.email_key, registration.language, now=now)
    else:
        await subscriptions.unsubscribe(session, registration.email_key)
    session.add(registration)
    return registration


async def _attend_otherwise(session: AsyncSession, registration: Registration, attendance: Attendance, now: datetime) -> None:
    forum = await _forum_of(session, registration)
    if forum.status != "announced" or forum.starts_at is None or forum.starts_at <= now:
        raise RegistrationClosed(N_("Le forum a commencé : on ne peut plus changer de façon de participer."))
    if (forum.remote_capacity if attendance == "remote" else forum.capacity) == 0:
        raise AttendanceFull(N_("Ce forum ne propose pas cette façon de participer : choisissez l'autre."))
    before, registration.attendance = registration.attendance, attendance
    if registration.status == "registered":
        if not await _claim_seat(session, forum.id, attendance):
            registration.attendance = before
            raise AttendanceFull
        session.add(registration)
        await _free(session, forum, before, now)
        outbox.enqueue(session, emails.attendance_changed(registration, forum), now=now)
    elif registration.status == "waiting":
        token, link = secret_links.link_for(registration, now=now)
        if promotes(forum, now=now) and await _claim_seat(session, forum.id, attendance):
            message = _seated(registration, forum, token, now)
        else:
            registration.rank = await _next_rank(session, forum.id)
            message = emails.waiting(registration, forum, token)
        session.add_all([registration, link])
        outbox.enqueue(session, message, now=now)


async def give_up(session: AsyncSession, registration_id: UUID, *, now: datetime) -> Registration:
    """Give a seat or a place in line back. The first who waits gets the seat at once. Done twice, nothing more."""
    registration = await _locked(session, registration_id)
    if registration.status in ("given_up", "walk_in"):
        return registration
    forum = await _forum_of(session, registration)
    held, told = registration.status == "registered", registration.status != "pending"
    registration.status, registration.rank, registration.decided_at = "given_up", None, now
    registration.bump += 1
    session.add(registration)
    if held:
        await _free(session, forum, registration.attendance, now)
    if told:
        # What was about to remind them of a forum they no longer come to is taken back.
        await outbox.drop(session, forum.id, emails.REMINDERS, recipient=registration.email)
        outbox.enqueue(session, emails.given_up(registration, forum, held=held), now=now)
    return registration


async def erase(session: AsyncSession, registration_id: UUID, *, now: datetime) -> None:
    """Delete a registration; a seat of a forum to come goes to who waits. What was counted of a past forum stays counted."""
    registration = await _locked(session, registration_id)
    forum = await _forum_of(session, registration)
    await session.delete(registration)
    if registration.status == "registered" and not forum.is_past(now):
        await _free(session, forum, registration.attendance, now)


async def _free(session: AsyncSession, forum: Forum, attendance: Attendance, now: datetime) -> None:
    await session.flush()
    taken, _ = _columns(attendance)
    await session.exec(update(Forum).where(col(Forum.id) == forum.id).values({taken.key: taken - 1}))
    await promote(session, forum, now=now)


async def promote(session: AsyncSession, forum: Forum, *, now: datetime) -> int:
    """Give free seats to those who wait, strictly in order, each in their own way of attending.

    Nobody is promoted to a forum that is over or cancelled, nor after `Forum.promotions_end_at`.
    """
    if not promotes(forum, now=now):
        return 0
    promoted = 0
    for attendance in ("on_site", "remote"):
        while (first := await _first_waiting(session, forum.id, attendance)) and await _claim_seat(session, forum.id, attendance):
            _sit(first, now)
            session.add(first)
            await session.flush()
            token, link = secret_links.link_for(first, now=now)
            session.add(link)
            outbox.enqueue(session, emails.promoted(first, forum, token), now=now)
            promoted += 1
    if promoted:
        await session.refresh(forum)
    return promoted


async def _first_waiting(session: AsyncSession, forum_id: UUID, attendance: str) -> Registration | None:
    waiting = (Registration.forum_id == forum_id, Registration.attendance == attendance, Registration.status == "waiting")
    query = select(Registration).where(*waiting).order_by(col(Registration.rank)).limit(1).with_for_update()
    # At READ COMMITTED, a row whose owner gives up while we wait for its lock is dropped from the
    # answer rather than replaced by the next one: an empty answer is asked again.
    while (first := (await session.exec(query.execution_options(populate_existing=True))).first()) is None:
        if not (await session.exec(select(func.count()).select_from(Registration).where(*waiting))).one():
            return None
    return first


async def _locked(session: AsyncSession, registration_id: UUID) -> Registration:
    query = select(Registration).where(Registration.id == registration_id).with_for_update()
    return (await session.exec(query.execution_options(populate_existing=True))).one()


async def _locked_after_its_forum(session: AsyncSession, registration_id: UUID) -> Registration:
    of = select(Registration.forum_id).where(Registration.id == registration_id).scalar_subquery()
    await session.exec(select(Forum.id).where(col(Forum.id) == of).with_for_update())
    return await _locked(session, registration_id)


async def _forum_of(session: AsyncSession, registration: Registration) -> Forum:
    return (await session.exec(select(Forum).where(Forum.id == registration.forum_id))).one()


def _columns(attendance: str) -> tuple[Any, Any]:
    return (
        (col(Forum.remote_taken), col(Forum.remote_capacity)) if attendance == "remote" else (col(Forum.seats_taken), col(Forum.capacity))
    )
