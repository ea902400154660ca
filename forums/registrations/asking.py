"""A registration asked for: written down with the message that confirms it, once per address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection
from sqlmodel import SQLModel, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, secret_links
from forums.database import add_rows
from forums.forms import Email, Form, Tick, line, prose
from forums.language import N_
from forums.limits import MAIL_AGAIN_AFTER
from forums.models import Forum, Registration, SecretLink
from forums.refusals import Refusal, RegistrationClosed
from forums.registrations.queries import OPEN, State, state_of
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


@dataclass
class Typed:
    """The row it becomes, column by column: a `Registration` takes longer to build than its row to write."""

    id: UUID
    forum_id: UUID
    email: str
    email_key: str
    given_name: str
    family_name: str
    organisation: str
    attendance: str
    accessibility_needs: str
    show_name: bool
    wants_news: bool
    language: str
    created_at: datetime
    mailed_at: datetime
    status: str = "pending"
    bump: int = 0


async def register(session: AsyncSession, forum: Forum, form: RegistrationForm, *, language: str, secret_key: str, now: datetime) -> None:
    """Write a registration down and promise its confirmation message. No seat is taken yet.

    Raises `RegistrationClosed`. Sent again for the same address, it makes no second row: the person
    gets a fresh link, at most every quarter of an hour, and the last answers count while nothing is decided.
    """
    await session.flush()
    connection = await session.connection()
    asked = [Asked(forum, form, language)]
    (refusal,) = await connection.run_sync(partial(register_all, asked=asked, secret_key=secret_key, now=now))
    if refusal is not None:
        raise refusal


def register_all(connection: Connection, asked: Sequence[Asked], *, secret_key: str, now: datetime) -> list[Refusal | None]:
    """The same for several people, in as many statements as for one, as far as they are new.

    Returns for each what refuses them, or None: they are written down. A plain function, for `write_at_once`.
    """
    refusals = _refusals(asked, now)
    # A robot sees the same page as everyone. In one order: two processes that write the same people down must not wait for each other.
    let_in = [each for each, refusal in zip(asked, refusals, strict=True) if not refusal and not each.form.site_web]
    typed = sorted(((each.forum, _typed(each, secret_key, now)) for each in let_in), key=lambda each: each[1].email_key)
    new = _write_down(connection, typed, now)
    for forum, registration in typed:
        if registration.id not in new:
            _register_again(connection, forum, registration, now)
    return refusals


def _refusals(asked: Sequence[Asked], now: datetime) -> list[Refusal | None]:
    states = {forum_id: state_of(forum, now=now) for forum_id, forum in {each.forum.id: each.forum for each in asked}.items()}
    return [_refusal(each, states[each.forum.id]) for each in asked]


def _refusal(asked: Asked, state: State) -> Refusal | None:
    forum, form = asked.forum, asked.form
    if state not in OPEN:
        return RegistrationClosed()
    if not form.site_web and (forum.remote_capacity if form.attendance == "remote" else forum.capacity) == 0:
        return Refusal(N_("Ce forum ne propose pas cette façon de participer : choisissez l'autre."))
    return None


def _typed(asked: Asked, secret_key: str, now: datetime) -> Typed:
    form = asked.form
    return Typed(
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


def _write_down(connection: Connection, typed: Sequence[tuple[Forum, Typed]], now: datetime) -> set[UUID]:
    """Those who are new here, with a link and a message for each. Returns which they are."""
    new = add_rows(connection, Registration, [vars(registration) for _, registration in typed], same=["forum_id", "email_key"])
    told = {forum_id: emails.told_of(forum) for forum_id, forum in {forum.id: forum for forum, _ in typed}.items()}
    links, messages = [], []
    for forum, registration in typed:
        if registration.id in new:
            token = secret_links.new_token()
            key = {"token_hash": secret_links.hash_of(token), "purpose": "registration", "registration_id": registration.id}
            links.append({**key, "created_at": now})
            messages.append(emails.confirm_registration(registration, forum, token, told[forum.id]))
    add_rows(connection, SecretLink, links)
    outbox.enqueue_at_once(connection, messages, now=now)
    return new


def _register_again(connection: Connection, forum: Forum, typed: Typed, now: datetime) -> None:
    """For who is known at that forum already: the last answers count while nothing is decided, and a fresh link goes to their address.

    The page of the link shows those answers before its button.
    """
    same = (_TABLE.c.forum_id == typed.forum_id, _TABLE.c.email_key == typed.email_key)
    undecided = update(_TABLE).where(*same, _TABLE.c.status.in_(("pending", "given_up")))
    connection.execute(undecided.values({name: getattr(typed, name) for name in _ANSWERS}))
    _mail_again(connection, forum, typed.email_key, now)


_TABLE = SQLModel.metadata.tables["registration"]
_ANSWERS = ("family_name", "given_name", "organisation", "attendance", "accessibility_needs", "show_name", "wants_news")


async def ask_for_link(session: AsyncSession, forum: Forum, form: LinkForm, *, secret_key: str, now: datetime) -> None:
    """Mail a fresh link to who is registered with that address; do nothing for anyone else, in the same way for the eye."""
    if not form.site_web:
        await session.flush()
        connection = await session.connection()
        await connection.run_sync(_mail_again, forum, secret_links.person_key(secret_key, form.email), now)


def _mail_again(connection: Connection, forum: Forum, email_key: str, now: datetime) -> None:
    # The limit is inside the statement: processes that race send one message between them.
    again = update(_TABLE).where(_TABLE.c.forum_id == forum.id, _TABLE.c.email_key == email_key)
    again = again.where(_TABLE.c.mailed_at <= now - MAIL_AGAIN_AFTER).values(mailed_at=now).returning(_TABLE)
    row = connection.execute(again).mappings().one_or_none()
    if row is None:
        return
    registration = Registration.model_construct(**row)
    asks = registration.status in ("pending", "given_up") and state_of(forum, now=now) in OPEN
    message = emails.confirm_registration if asks else emails.already_registered
    secret_links.mail(connection, email_key, "registration", registration.id, partial(message, registration, forum), now=now)
