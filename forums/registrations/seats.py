"""Seats: confirmed or waited for, changed, given back, passed on in strict order.

The forum is locked first, then a person's row, everywhere: a promotion does so, and whoever did otherwise
would meet it halfway. Locked, the forum is also what it is now: nobody is written a date it has left.
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
from forums.refusals import AttendanceFull, Refusal, RegistrationClosed, RegistrationGone
from forums.registrations.queries import OPEN, promotes, seats_of, state_of

FAMILY_NAME = line(100, N_("Indiquez votre nom, par exemple Martin."))
GIVEN_NAME = line(100, N_("Indiquez votre prénom, par exemple Camille."))
NOT_OFFERED = N_("Ce forum ne propose pas cette façon de participer : choisissez l'autre.")
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

    Who waits may take a free seat themselves once nobody is promoted any more. Raises `RegistrationClosed`,
    or a refusal when the forum offers that way of attending no more.
    """
    forum, registration = await _locked(session, registration_id)
    if registration.status in ("registered", "walk_in"):
        return registration
    waited = registration.status == "waiting"
    if waited and promotes(forum, now=now):
        return registration
    if state_of(forum, now=now) not in OPEN:
        raise RegistrationClosed
    if registration.attendance not in {way.attendance for way in seats_of(forum)}:
        raise Refusal(NOT_OFFERED)
    if registration.status == "given_up":
        registration.bump += 1
        await outbox.drop(session, ["given_up"], forum_id=forum.id, recipient=registration.email)
    if await _claim_seat(session, forum.id, registration.attendance):
        _sit(registration, now)
        message = emails.registered(registration, forum, token)
    elif waited:
        return registration
    else:
        registration.rank = await _next_rank(session, forum.id)
        registration.status, registration.decided_at = "waiting", now
        message = emails.waiting(registration, forum, token)
    if registration.wants_news:
        await subscriptions.subscribe(session, registration.email, registration.email_key, registration.language, now=now)
    session.add(registration)
    outbox.enqueue(session, message, now=now)
    return registration


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
    forum, registration = await _locked(session, registration_id)
    if form.attendance != registration.attendance:
        await _attend_otherwise(session, forum, registration, form.attendance, now)  # type: ignore[arg-type]
    for name in ("family_name", "given_name", "organisation", "accessibility_needs", "show_name", "wants_news"):
        setattr(registration, name, getattr(form, name))
    session.add(registration)
    await session.flush()
    # Whoever holds the link has proved the address.
    if form.wants_news:
        await subscriptions.subscribe(session, registration.email, registration.email_key, registration.language, now=now)
    else:
        await subscriptions.end_announcements(session, registration.email, registration.email_key)
    return registration


async def _attend_otherwise(session: AsyncSession, forum: Forum, registration: Registration, attendance: Attendance, now: datetime) -> None:
    if forum.status != "announced" or forum.starts_at is None or forum.starts_at <= now:
        raise RegistrationClosed(N_("Le forum a commencé : on ne peut plus changer de façon de participer."))
    if attendance not in {way.attendance for way in seats_of(forum)}:
        raise AttendanceFull(NOT_OFFERED)
    before, registration.attendance = registration.attendance, attendance
    if registration.status == "registered":
        if not await _claim_seat(session, forum.id, attendance):
            registration.attendance = before
            raise AttendanceFull
        registration.entry_code = registration.entry_code or public_code()
        session.add(registration)
        await _free(session, forum, before, now)
        outbox.enqueue(session, emails.attendance_changed(registration, forum), now=now)
    elif registration.status == "waiting":
        token, link = secret_links.link_for(registration, now=now)
        if promotes(forum, now=now) and await _claim_seat(session, forum.id, attendance):
            _sit(registration, now)
            message = emails.registered(registration, forum, token)
        else:
            registration.rank = await _next_rank(session, forum.id)
            message = emails.waiting(registration, forum, token)
        session.add_all([registration, link])
        outbox.enqueue(session, message, now=now)


async def give_up(session: AsyncSession, registration_id: UUID, *, now: datetime) -> Registration:
    """Give a seat or a place in line back. The first who waits gets the seat at once. Done twice, nothing more."""
    forum, registration = await _locked(session, registration_id)
    if registration.status in ("given_up", "walk_in") or forum.is_past(now):
        return registration
    held, told = registration.status == "registered", registration.status != "pending"
    registration.status, registration.rank, registration.decided_at = "given_up", None, now
    registration.bump += 1
    session.add(registration)
    if held:
        await _free(session, forum, registration.attendance, now)
    if told:
        # What is still to be sent of the seat they had is no longer true.
        await outbox.drop(session, emails.OF_A_SEAT, forum_id=forum.id, recipient=registration.email)
        outbox.enqueue(session, emails.given_up(registration, forum, held=held), now=now)
    return registration


async def erase(session: AsyncSession, registration_id: UUID, *, now: datetime) -> bool:
    """Delete a registration; a seat of a forum to come goes to who waits. What was counted of a past forum stays counted.

    False when it was already gone: the other click was quicker.
    """
    try:
        forum, registration = await _locked(session, registration_id)
    except RegistrationGone:
        return False
    await session.delete(registration)
    if registration.status == "registered" and not forum.is_past(now):
        await _free(session, forum, registration.attendance, now)
    return True


async def _free(session: AsyncSession, forum: Forum, attendance: Attendance, now: datetime) -> None:
    await session.flush()
    taken, _ = _columns(attendance)
    await session.exec(update(Forum).where(col(Forum.id) == forum.id).values({taken.key: taken - 1}))
    await promote(session, forum, now=now)


async def promote(session: AsyncSession, forum: Forum, *, now: datetime) -> list[Registration]:
    """Give free seats to those who wait, strictly in order, each in their own way of attending. Returns who got one.

    Nobody is promoted to a forum that is over or cancelled, nor after `Forum.promotions_end_at`.
    """
    if not promotes(forum, now=now):
        return []
    promoted = []
    for attendance in ("on_site", "remote"):
        while (first := await _first_waiting(session, forum.id, attendance)) and await _claim_seat(session, forum.id, attendance):
            _sit(first, now)
            session.add(first)
            await session.flush()
            token, link = secret_links.link_for(first, now=now)
            session.add(link)
            outbox.enqueue(session, emails.promoted(first, forum, token), now=now)
            promoted.append(first)
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


async def _locked(session: AsyncSession, registration_id: UUID) -> tuple[Forum, Registration]:
    """The forum, then the person, as they are now and until the end of the transaction. Raises `RegistrationGone`."""
    of = select(Registration.forum_id).where(Registration.id == registration_id).scalar_subquery()
    # Registrations that are being written refer to the forum meanwhile: only its own row is held.
    its_forum = select(Forum).where(col(Forum.id) == of).with_for_update(key_share=True)
    forum = (await session.exec(its_forum.execution_options(populate_existing=True))).first()
    locked = select(Registration).where(Registration.id == registration_id).with_for_update()
    person = (await session.exec(locked.execution_options(populate_existing=True))).first()
    if forum is None or person is None:
        raise RegistrationGone
    return forum, person


def _columns(attendance: str) -> tuple[Any, Any]:
    return (
        (col(Forum.remote_taken), col(Forum.remote_capacity)) if attendance == "remote" else (col(Forum.seats_taken), col(Forum.capacity))
    )
