"""Reminders: a week and a day before, at nine in the morning in Paris, once each.

The clock calls `remind` at every turn; the forum's own row remembers what was sent, so several workers
send one between them. Who was told of the forum after that hour (registered, promoted, moved) is not
reminded of what they have just read; nobody is reminded of a forum that moved or was cancelled.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, secret_links
from forums.emails import Message
from forums.models import AgendaItem, Forum, Registration
from forums.models.forum import PARIS

WEEK, EVE = timedelta(days=7), timedelta(days=1)
HOUR = time(9)


def due_at(forum: Forum, before: timedelta) -> datetime:
    """Nine in the morning, Paris time, that many days before the forum's day."""
    assert forum.day is not None
    return datetime.combine(forum.day - before, HOUR, tzinfo=PARIS).astimezone(UTC)


async def remind(session: AsyncSession, *, now: datetime) -> int:
    """Write down the reminders that are due. Returns how many people are reminded."""
    soon = select(Forum).where(Forum.status == "announced", col(Forum.starts_at) > now, col(Forum.starts_at) < now + WEEK + EVE)
    return sum([await _remind_of(session, forum, now) for forum in (await session.exec(soon.order_by(col(Forum.id)))).all()])


async def _remind_of(session: AsyncSession, forum: Forum, now: datetime) -> int:
    before = EVE if due_at(forum, EVE) <= now else WEEK
    reminded_at = col(Forum.reminded_eve_at if before == EVE else Forum.reminded_week_at)
    if due_at(forum, before) > now:
        return 0
    # The condition is the statement's own: two workers may look at the same instant.
    claim = update(Forum).where(col(Forum.id) == forum.id, reminded_at.is_(None), col(Forum.status) == "announced")
    if (await session.exec(claim.values({reminded_at: now}))).rowcount != 1:
        return 0
    titles = await _programme(session, forum)
    messages: list[Message] = []
    for person in await _to_remind(session, forum, due_at(forum, before)):
        token, link = secret_links.link_for(person, now=now)
        session.add(link)
        messages.append(emails.reminder(person, forum, token, eve=before == EVE, programme=titles))
    await session.flush()
    return await outbox.enqueue_once(session, messages, now=now)


async def _to_remind(session: AsyncSession, forum: Forum, due: datetime) -> list[Registration]:
    query = select(Registration).where(Registration.forum_id == forum.id, Registration.status == "registered")
    people = (await session.exec(query.where(col(Registration.decided_at) < due).order_by(col(Registration.created_at)))).all()
    lost = await outbox.unreachable(session, [person.email for person in people])
    return [person for person in people if person.email not in lost]


async def _programme(session: AsyncSession, forum: Forum) -> Sequence[tuple[str | None, str]]:
    """The published agenda, as (hour, title)."""
    if not forum.agenda_version:
        return []
    query = select(AgendaItem).where(AgendaItem.forum_id == forum.id, AgendaItem.version == forum.agenda_version)
    items = (await session.exec(query.order_by(col(AgendaItem.starts_at).nulls_last(), col(AgendaItem.position)))).all()
    return [(item.starts_at.isoformat() if item.starts_at else None, item.title) for item in items]


def forget_reminders(forum: Forum, *, now: datetime) -> None:
    """A forum that moved is reminded of anew; a reminder whose hour has passed is not caught up with: the move says it all."""
    forum.reminded_week_at = now if due_at(forum, WEEK) <= now else None
    forum.reminded_eve_at = now if due_at(forum, EVE) <= now else None
