"""Seats: confirmed or waited for, given back, passed on in strict order."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, secret_links
from forums.models import Forum, Registration
from forums.models.people import Attendance
from forums.refusals import RegistrationClosed
from forums.registrations.queries import state_of


async def confirm(session: AsyncSession, registration_id: UUID, token: str, *, now: datetime) -> Registration:
    """Claim the seat, or a place in the waiting list. Done twice, it changes nothing more.

    Raises `RegistrationClosed`.
    """
    registration = await _locked(session, registration_id)
    if registration.status in ("registered", "waiting"):
        return registration
    forum = await _forum_of(session, registration)
    if state_of(forum, now=now) not in ("open", "last_seats", "waiting_list"):
        raise RegistrationClosed
    if registration.status == "given_up":
        registration.bump += 1
    registration.decided_at = now
    if await _claim_seat(session, forum.id, registration.attendance):
        registration.status, registration.rank = "registered", None
        message = emails.registered(registration, forum, token)
    else:
        registration.rank = await _next_rank(session, forum.id)
        # The counter's UPDATE has locked the forum: a seat given back meanwhile is seen now.
        if await _claim_seat(session, forum.id, registration.attendance):
            registration.status, registration.rank = "registered", None
            message = emails.registered(registration, forum, token)
        else:
            registration.status = "waiting"
            message = emails.waiting(registration, forum, token)
    session.add(registration)
    outbox.enqueue(session, message, now=now)
    return registration


async def _claim_seat(session: AsyncSession, forum_id: UUID, attendance: Attendance) -> bool:
    """One conditional UPDATE rather than count-then-insert: two people may want the last seat at the same instant."""
    taken, capacity = _columns(attendance)
    done = await session.exec(update(Forum).where(col(Forum.id) == forum_id, taken < capacity).values({taken.key: taken + 1}))
    return done.rowcount == 1


async def _next_rank(session: AsyncSession, forum_id: UUID) -> int:
    counted = update(Forum).where(col(Forum.id) == forum_id).values(waiting_counter=Forum.waiting_counter + 1)
    return int((await session.exec(counted.returning(col(Forum.waiting_counter)))).scalar_one())


async def give_up(session: AsyncSession, registration_id: UUID, *, now: datetime) -> Registration:
    """Give a seat or a place in line back. The first who waits gets the seat at once. Done twice, nothing more."""
    registration = await _locked(session, registration_id)
    if registration.status == "given_up":
        return registration
    forum = await _forum_of(session, registration)
    held = registration.status == "registered"
    told = registration.status != "pending"
    registration.status, registration.rank, registration.decided_at = "given_up", None, now
    registration.bump += 1
    session.add(registration)
    await session.flush()
    if held:
        taken, _ = _columns(registration.attendance)
        await session.exec(update(Forum).where(col(Forum.id) == forum.id).values({taken.key: taken - 1}))
        await promote(session, forum, now=now)
    if told:
        outbox.enqueue(session, emails.given_up(registration, forum, held=held), now=now)
    return registration


async def promote(session: AsyncSession, forum: Forum, *, now: datetime) -> int:
    """Give free seats to those who wait, strictly in order, each in their own way of attending.

    Nobody is promoted to a forum that is over or cancelled.
    """
    if forum.status != "announced" or forum.is_past(now):
        return 0
    promoted = 0
    for attendance in ("on_site", "remote"):
        while (first := await _first_waiting(session, forum.id, attendance)) and await _claim_seat(session, forum.id, attendance):
            first.status, first.rank, first.decided_at = "registered", None, now
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


async def _forum_of(session: AsyncSession, registration: Registration) -> Forum:
    return (await session.exec(select(Forum).where(Forum.id == registration.forum_id))).one()


def _columns(attendance: str) -> tuple[Any, Any]:
    return (
        (col(Forum.remote_taken), col(Forum.remote_capacity)) if attendance == "remote" else (col(Forum.seats_taken), col(Forum.capacity))
    )
