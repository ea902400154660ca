"""What a subscription follows, and whose a mailed link is."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import news, secret_links
from forums.models import Subscription, SubscriptionScope
from forums.news import Scope


@dataclass(frozen=True)
class Followed:
    """One thing somebody follows, or asked to; `about` is None once it exists no more."""

    row: SubscriptionScope
    about: Scope | None

    @property
    def confirmed(self) -> bool:
        return self.row.confirmed_at is not None


async def subscription_of(session: AsyncSession, email_key: str) -> Subscription | None:
    query = select(Subscription).where(Subscription.email_key == email_key)
    return (await session.exec(query.execution_options(populate_existing=True))).first()


async def subscription_of_link(session: AsyncSession, token: str, *, now: datetime) -> Subscription | None:
    link = await secret_links.find(session, token, "subscription", now=now)
    return await session.get(Subscription, link.subscription_id) if link else None


async def scopes_of(session: AsyncSession, subscription: Subscription) -> Sequence[SubscriptionScope]:
    """In the order they were asked for."""
    query = select(SubscriptionScope).where(SubscriptionScope.subscription_id == subscription.id)
    query = query.order_by(col(SubscriptionScope.asked_at), col(SubscriptionScope.scope))
    return (await session.exec(query.execution_options(populate_existing=True))).all()


async def followed_by(session: AsyncSession, subscription: Subscription) -> list[Followed]:
    rows = await scopes_of(session, subscription)
    about = await news.scopes_named(session, [row.scope for row in rows])
    return [Followed(row, about.get(row.scope)) for row in rows]


async def confirmed_scopes(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """What each of these subscriptions follows."""
    query = select(SubscriptionScope.subscription_id, SubscriptionScope.scope)
    query = query.where(col(SubscriptionScope.subscription_id).in_(ids), col(SubscriptionScope.confirmed_at).is_not(None))
    found: dict[UUID, set[str]] = {}
    for key, scope in (await session.exec(query)).all():
        found.setdefault(key, set()).add(scope)
    return found


async def wants_announcements(session: AsyncSession, email_key: str) -> bool:
    """Whether that person is told of new forums as such."""
    query = select(SubscriptionScope.scope).join(Subscription, col(Subscription.id) == col(SubscriptionScope.subscription_id))
    query = query.where(Subscription.email_key == email_key, SubscriptionScope.scope == news.ANNOUNCEMENTS)
    return (await session.exec(query.where(col(SubscriptionScope.confirmed_at).is_not(None)))).first() is not None
