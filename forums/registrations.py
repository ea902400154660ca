"""Seats: asked for, confirmed, waited for, given back.

A seat is claimed at confirmation, by one conditional UPDATE that two people cannot both win; the
waiting list is strictly in order, and a seat that frees goes to the next in the same transaction.
The same address never gets two places, and nobody learns whether an address is known: whatever
happened is said in the mail.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col, func, insert, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, secret_links
from forums.forms import Email, Form, choice, line, prose
from forums.language import N_
from forums.models import Forum, OutboxMessage, Registration, SecretLink
from forums.models.people import Attendance
from forums.refusals import Refusal, RegistrationClosed

# Nobody can be flooded by someone else's typing of their address.
MAIL_AGAIN_AFTER = timedelta(minutes=15)

State = Literal["open", "last_seats", "waiting_list", "closed", "past", "cancelled", "not_offered"]


class RegistrationForm(Form):
    family_name: Annotated[str, line(100, N_("Indiquez votre nom, par exemple Martin."))]
    given_name: Annotated[str, line(100, N_("Indiquez votre prénom, par exemple Camille."))]
    email: Email
    organisation: Annotated[str, line(200)]
    attendance: Annotated[str, choice("on_site", "remote", message=N_("Dites si vous venez sur place ou si vous suivez à distance."))]
    accessibility_needs: Annotated[str, prose(500)]
    site_web: Annotated[str, line(500)]
    """A trap for robots: hidden from people, always empty."""


def state_of(forum: Forum, *, now: datetime) -> State:
    """What a visitor can read at once about registering."""
    if forum.status == "cancelled":
        return "cancelled"
    if forum.is_past(now):
        return "past"
    if forum.status != "announced" or forum.starts_at is None or forum.capacity + forum.remote_capacity == 0:
        return "not_offered"
    if forum.registration_closes_at is None or forum.registration_closes_at <= now:
        return "closed"
    free = free_seats(forum)
    return "waiting_list" if free <= 0 else "last_seats" if free <= max(3, forum.capacity // 10) else "open"


def free_seats(forum: Forum) -> int:
    return forum.capacity - forum.seats_taken + forum.remote_capacity - forum.remote_taken


# -- Questions asked of the list --------------------------------------------------------------------


async def registration_of_link(session: AsyncSession, token: str, *, now: datetime) -> Registration | None:
    link = await secret_links.find(session, token, "registration", now=now)
    return await session.get(Registration, link.registration_id) if link else None


async def holders(session: AsyncSession, forum: Forum) -> Sequence[Registration]:
    """Those who hold or wait for a seat: the people to tell when a forum changes."""
    query = select(Registration).where(Registration.forum_id == forum.id, col(Registration.status).in_(("registered", "waiting")))
    return (await session.exec(query.order_by(col(Registration.created_at)))).all()


async def all_of(session: AsyncSession, forum: Forum) -> Sequence[Registration]:
    """The whole list for organisers, by status then name."""
    query = select(Registration).where(Registration.forum_id == forum.id)
    return (await session.exec(query.order_by(col(Registration.status), col(Registration.rank), col(Registration.family_name)))).all()


async def place_in_line(session: AsyncSession, registration: Registration) -> int:
    """From 1: how many would be served before this one, and this one."""
    query = select(func.count()).where(
        col(Registration.forum_id) == registration.forum_id,
        col(Registration.attendance) == registration.attendance,
        col(Registration.status) == "waiting",
        col(Registration.rank) <= (registration.rank or 0),
    )
    return (await session.exec(query)).one()


# -- Register -----------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A registration as it was asked for."""

    forum: Forum
    form: RegistrationForm
    language: str


async def register(session: AsyncSession, forum: Forum, form: RegistrationForm, *, language: str, secret_key: str, now: datetime) -> None:
    """Write a registration down and promise its confirmation message. No seat is taken yet.

    Raises `RegistrationClosed`. Sent again for the same address, it makes no second row: the person
    gets a fresh link, at most every quarter of an hour, and what they had typed first is kept.
    """
    for refusal in await register_all(session, [Asked(forum, form, language)], secret_key=secret_key, now=now):
        if refusal is not None:
            raise refusal


async def register_all(session: AsyncSession, asked: Sequence[Asked], *, secret_key: str, now: datetime) -> list[Refusal | None]:
    """The same for several people, in as many statements as for one. Returns what refuses each, or None."""
    refusals = [_refusal(each, now) for each in asked]
    welcome = [
        (_pending(each, secret_key, now), each.forum)
        for each, refusal in zip(asked, refusals, strict=True)
        if refusal is None and not each.form.site_web  # a robot sees the same page as everyone
    ]
    new = await _insert_new(session, [registration for registration, _ in welcome])
    await _promise_confirmations(session, [(registration, forum) for registration, forum in welcome if registration.id in new], now)
    for registration, forum in welcome:
        if registration.id not in new:
            await _mail_again(session, forum, registration.email_key, now)
    return refusals


def _refusal(asked: Asked, now: datetime) -> Refusal | None:
    forum, form = asked.forum, asked.form
    if state_of(forum, now=now) not in ("open", "last_seats", "waiting_list"):
        return RegistrationClosed()
    if not form.site_web and (forum.remote_capacity if form.attendance == "remote" else forum.capacity) == 0:
        return Refusal(N_("Ce forum ne propose pas cette façon de participer : choisissez l'autre."))
    return None


def _pending(asked: Asked, secret_key: str, now: datetime) -> Registration:
    form = asked.form
    return Registration.model_construct(
        id=uuid4(),
        forum_id=asked.forum.id,
        email=form.email,
        email_key=secret_links.person_key(secret_key, form.email),
        given_name=form.given_name,
        family_name=form.family_name,
        organisation=form.organisation,
        attendance=form.attendance,
        accessibility_needs=form.accessibility_needs,
        language=asked.language,
        created_at=now,
        mailed_at=now,
    )


async def _insert_new(session: AsyncSession, registrations: Sequence[Registration]) -> set[UUID]:
    """One INSERT … ON CONFLICT DO NOTHING: of twenty identical posts, one writes the row. Returns the ids written."""
    if not registrations:
        return set()
    connection = await session.connection()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    table = _table(Registration)
    statement = dialect.insert(table).on_conflict_do_nothing(index_elements=["forum_id", "email_key"]).returning(table.c.id)
    return set((await connection.execute(statement, [each.model_dump() for each in registrations])).scalars())


async def _promise_confirmations(session: AsyncSession, written: Sequence[tuple[Registration, Forum]], now: datetime) -> None:
    """A link and a message for each, as bare rows: the session would take longer over them than the database."""
    links, messages = [], []
    for registration, forum in written:
        token = secret_links.new_token()
        key = {"token_hash": secret_links.hash_of(token), "purpose": "registration", "registration_id": registration.id}
        links.append({**key, "created_at": now})
        message = emails.confirm_registration(registration, forum, token)
        messages.append({**vars(message), "id": uuid4(), "status": "waiting", "attempts": 0, "created_at": now, "next_attempt_at": now})
    if written:
        connection = await session.connection()
        await connection.execute(insert(_table(SecretLink)), links)
        await connection.execute(insert(_table(OutboxMessage)), messages)


def _table(of: type[SQLModel]) -> Table:
    return SQLModel.metadata.tables[str(of.__tablename__)]


async def _mail_again(session: AsyncSession, forum: Forum, email_key: str, now: datetime) -> None:
    # The limit is inside the statement: processes that race send one message between them.
    allowed = await session.exec(
        update(Registration)
        .where(col(Registration.forum_id) == forum.id, col(Registration.email_key) == email_key)
        .where(col(Registration.mailed_at) <= now - MAIL_AGAIN_AFTER)
        .values(mailed_at=now)
    )
    if allowed.rowcount != 1:
        return
    query = select(Registration).where(Registration.forum_id == forum.id, Registration.email_key == email_key)
    registration = (await session.exec(query)).one()
    token, link = secret_links.link_for(registration, now=now)
    session.add(link)
    message = emails.confirm_registration if registration.status in ("pending", "given_up") else emails.already_registered
    outbox.enqueue(session, message(registration, forum, token), now=now)


# -- Confirm, wait ------------------------------------------------------------------------------------


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


# -- Give up, promote -----------------------------------------------------------------------------------


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
