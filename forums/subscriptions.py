"""Announcements by e-mail: asked for, sent at each new forum, ended in one click.

Only an address its owner has confirmed is written to, and only while the row is there: unsubscribing
deletes it. Every announcement carries a link of its own, so that one forwarded mail ends one subscription.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, secret_links
from forums.database import insert_new
from forums.models import Forum, Registration, Subscription


async def subscription_of(session: AsyncSession, email_key: str) -> Subscription | None:
    return (await session.exec(select(Subscription).where(Subscription.email_key == email_key))).first()


async def subscription_of_link(session: AsyncSession, token: str, *, now: datetime) -> Subscription | None:
    link = await secret_links.find(session, token, "subscription", now=now)
    return await session.get(Subscription, link.subscription_id) if link else None


async def everyone(session: AsyncSession) -> Sequence[Subscription]:
    return (await session.exec(select(Subscription).order_by(col(Subscription.created_at)))).all()


async def subscribe(session: AsyncSession, email: str, email_key: str, language: str, *, now: datetime) -> None:
    """Once per address. The caller knows that its owner asked: they hold a link mailed to it."""
    row = {"id": uuid4(), "email": email, "email_key": email_key, "language": language, "created_at": now}
    await insert_new(session, Subscription, [row], same=["email_key"])


async def unsubscribe(session: AsyncSession, email: str, email_key: str) -> None:
    """End it, and forget the address; coming back to a forum does not begin it again. Done twice, nothing more."""
    await session.exec(delete(Subscription).where(col(Subscription.email_key) == email_key))
    await session.exec(update(Registration).where(col(Registration.email_key) == email_key).values(wants_news=False))
    await outbox.drop(session, ["announced"], recipient=email)


async def announce(session: AsyncSession, forum: Forum, *, now: datetime) -> int:
    """Tell those who asked that a forum is announced, once each. Returns how many."""
    subscribed = await everyone(session)
    lost = await outbox.unreachable(session, [each.email for each in subscribed])
    messages = []
    for each in subscribed:
        if each.email not in lost:
            token, link = secret_links.link_for(each, now=now)
            session.add(link)
            messages.append(emails.announced(each, forum, token))
    await session.flush()
    return await outbox.enqueue_once(session, messages, now=now)
