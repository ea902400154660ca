"""Begin and end what is followed, for whoever proved that the address is theirs. Each done twice changes nothing more."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import news, outbox
from forums.database import insert_into, insert_new
from forums.limits import MAIL_AGAIN_AFTER
from forums.models import Registration, Subscription, SubscriptionScope
from forums.subscriptions.queries import scopes_of, subscription_of

KINDS = ("announced", "news", "digest")


async def subscribe(session: AsyncSession, email: str, email_key: str, language: str, *, now: datetime) -> None:
    """Announcements of forums, for who ticked the box: they hold a link mailed to the address."""
    # Nothing was mailed for this: who asks for more at once is answered at once.
    row = {"id": uuid4(), "email": email, "email_key": email_key, "language": language, "created_at": now}
    await insert_new(session, Subscription, [row | {"told_until": now, "mailed_at": now - MAIL_AGAIN_AFTER}], same=["email_key"])
    subscription = await subscription_of(session, email_key)
    assert subscription is not None
    await follow(session, subscription.id, news.ANNOUNCEMENTS, confirmed_at=now, now=now)


async def follow(session: AsyncSession, subscription_id: UUID, scope: str, *, confirmed_at: datetime | None, now: datetime) -> None:
    """Write a scope down; one that was asked for already is confirmed when this confirms, and stays when it was."""
    new = insert_into(session, SubscriptionScope)
    row = {"subscription_id": subscription_id, "scope": scope, "asked_at": now, "confirmed_at": confirmed_at}
    kept = func.coalesce(new.table.c.confirmed_at, new.excluded.confirmed_at)
    again: dict[str, Any] = {"asked_at": new.excluded.asked_at, "confirmed_at": kept}
    written = new.on_conflict_do_update(index_elements=["subscription_id", "scope"], set_=again, where=new.table.c.confirmed_at.is_(None))
    await (await session.connection()).execute(written, [row])


async def end(session: AsyncSession, subscription: Subscription, scopes: Collection[str] | None = None) -> None:
    """Follow these no more, or nothing at all; with the last one the address is forgotten."""
    theirs = {row.scope for row in await scopes_of(session, subscription)}
    ended = theirs if scopes is None else theirs & set(scopes)
    if scopes is None or ended == theirs:
        return await unsubscribe(session, subscription.email, subscription.email_key)
    gone = delete(SubscriptionScope).where(col(SubscriptionScope.subscription_id) == subscription.id)
    await session.exec(gone.where(col(SubscriptionScope.scope).in_(ended)))
    if news.ANNOUNCEMENTS in ended:
        await _no_announcement(session, subscription.email, subscription.email_key, ["announced"])


async def end_announcements(session: AsyncSession, email: str, email_key: str) -> None:
    """For who unticked the box: the rest of what they follow goes on."""
    subscription = await subscription_of(session, email_key)
    if subscription is not None:
        await end(session, subscription, [news.ANNOUNCEMENTS])
    await _no_announcement(session, email, email_key, ["announced"] if subscription else [])


async def unsubscribe(session: AsyncSession, email: str, email_key: str) -> None:
    """End it all, and forget the address; coming back to a forum does not begin it again."""
    await session.exec(delete(Subscription).where(col(Subscription.email_key) == email_key))
    await _no_announcement(session, email, email_key, KINDS)


async def _no_announcement(session: AsyncSession, email: str, email_key: str, kinds: Collection[str]) -> None:
    await session.exec(update(Registration).where(col(Registration.email_key) == email_key).values(wants_news=False))
    await outbox.drop(session, kinds, recipient=email)


async def forget_unconfirmed(session: AsyncSession, before: datetime) -> int:
    """What nobody confirmed goes, and with it the address that follows nothing else. Returns how many addresses went."""
    never = delete(SubscriptionScope).where(col(SubscriptionScope.confirmed_at).is_(None), col(SubscriptionScope.asked_at) < before)
    await session.exec(never)
    following = select(SubscriptionScope.subscription_id)
    gone = await session.exec(delete(Subscription).where(col(Subscription.id).not_in(following), col(Subscription.created_at) < before))
    return gone.rowcount
