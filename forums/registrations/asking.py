"""A registration asked for: written down with the message that confirms it, once per address."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import uuid4

from sqlalchemy import Table
from sqlmodel import SQLModel, col, insert, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, limits, outbox, secret_links
from forums.database import insert_new
from forums.forms import Email, Form, Tick, line, prose
from forums.language import N_
from forums.limits import MAIL_AGAIN_AFTER, MAILS_A_DAY
from forums.models import Forum, OutboxMessage, Registration, SecretLink
from forums.refusals import Refusal, RegistrationClosed
from forums.registrations.queries import OPEN, state_of
from forums.registrations.seats import ATTENDANCE, FAMILY_NAME, GIVEN_NAME


class RegistrationForm(Form):
    family_name: Annotated[str, FAMILY_NAME]
    given_name: Annotated[str, GIVEN_NAME]
    email: Email
    organisation: Annotated[str, line(200)]
    attendance: Annotated[str, ATTENDANCE]
    accessibility_needs: Annotated[str, prose(500)]
    show_name: Tick = False
    wants_news: Tick = False
    site_web: Annotated[str, line(500)]
    """A trap for robots: hidden from people, always empty."""


class LinkForm(Form):
    """Who lost the link to their registration."""

    email: Email
    site_web: Annotated[str, line(500)]


class Asked(NamedTuple):
    """A registration as it was asked for."""

    forum: Forum
    form: RegistrationForm
    language: str


async def register(session: AsyncSession, forum: Forum, form: RegistrationForm, *, language: str, secret_key: str, now: datetime) -> None:
    """Write a registration down and promise its confirmation message. No seat is taken yet.

    Raises `RegistrationClosed`. Sent again for the same address, it makes no second row: the person
    gets a fresh link, at most every quarter of an hour, and the last answers count while nothing is decided.
    """
    for refusal in await register_all(session, [Asked(forum, form, language)], secret_key=secret_key, now=now):
        if refusal is not None:
            raise refusal


async def register_all(
    session: AsyncSession,
    asked: Sequence[Asked],
    *,
    secret_key: str,
    now: datetime,
) -> list[Refusal | None]:
    """The same for several people, in as many statements as for one. Returns what refuses each, or None."""
    refusals = [_refusal(each, now) for each in asked]
    welcome = [
        (_pending(each, secret_key, now), each.forum)
        for each, refusal in zip(asked, refusals, strict=True)
        if refusal is None and not each.form.site_web  # a robot sees the same page as everyone
    ]
    rows = [registration.model_dump() for registration, _ in welcome]
    new = await insert_new(session, Registration, rows, same=["forum_id", "email_key"])
    await _promise_confirmations(session, [(registration, forum) for registration, forum in welcome if registration.id in new], now)
    for registration, forum in welcome:
        if registration.id not in new:
            await _keep_what_was_typed_last(session, registration)
            await _mail_again(session, forum, registration.email_key, now)
    return refusals


def _refusal(asked: Asked, now: datetime) -> Refusal | None:
    forum, form = asked.forum, asked.form
    if state_of(forum, now=now) not in OPEN:
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
        show_name=form.show_name,
        wants_news=form.wants_news,
        language=asked.language,
        created_at=now,
        mailed_at=now,
    )


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


async def _keep_what_was_typed_last(session: AsyncSession, typed: Registration) -> None:
    """While nothing is decided, the last answers count: the page of the link shows them all before its button."""
    same = (col(Registration.forum_id) == typed.forum_id, col(Registration.email_key) == typed.email_key)
    undecided = update(Registration).where(*same, col(Registration.status).in_(("pending", "given_up")))
    names = ("family_name", "given_name", "organisation", "attendance", "accessibility_needs", "show_name", "wants_news")
    await session.exec(undecided.values({name: getattr(typed, name) for name in names}))


async def ask_for_link(session: AsyncSession, forum: Forum, form: LinkForm, *, secret_key: str, now: datetime) -> None:
    """Mail a fresh link to who is registered with that address; do nothing for anyone else, in the same way for the eye."""
    if not form.site_web:
        await _mail_again(session, forum, secret_links.person_key(secret_key, form.email), now)


async def _mail_again(session: AsyncSession, forum: Forum, email_key: str, now: datetime) -> None:
    # The limit is inside the statement: processes that race send one message between them.
    allowed = await session.exec(
        update(Registration)
        .where(col(Registration.forum_id) == forum.id, col(Registration.email_key) == email_key)
        .where(col(Registration.mailed_at) <= now - MAIL_AGAIN_AFTER)
        .values(mailed_at=now)
    )
    if allowed.rowcount != 1 or not await limits.spend(session, f"mail:{email_key}", MAILS_A_DAY, now=now):
        return
    query = select(Registration).where(Registration.forum_id == forum.id, Registration.email_key == email_key)
    registration = (await session.exec(query)).one()
    token, link = secret_links.link_for(registration, now=now)
    session.add(link)
    asks = registration.status in ("pending", "given_up") and state_of(forum, now=now) in OPEN
    message = emails.confirm_registration if asks else emails.already_registered
    outbox.enqueue(session, message(registration, forum, token), now=now)
