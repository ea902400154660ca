"""Ask to follow something, confirm it from one's mailbox, and change one's mind: without an account.

The page answers the same whether the address is known or not. What a stranger typed is shown to the
owner of the address, who confirms it or lets it go; it changes nothing they had confirmed.
"""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

from sqlalchemy import Connection
from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, limits, news, outbox, secret_links
from forums.database import add_rows, insert_new
from forums.forms import Email, Form, choice, line
from forums.language import N_
from forums.limits import MAIL_AGAIN_AFTER, MAILS_A_DAY
from forums.models import ClockMark, Subscription, SubscriptionScope
from forums.news import Scope
from forums.refusals import Refusal
from forums.subscriptions.keeping import follow
from forums.subscriptions.queries import followed_by, scopes_of, subscription_of
from forums.subscriptions.telling import tell_week

# Nobody follows so many things one by one, and nobody shall make others.
MOST = 60

_SCOPE = line(120, N_("Choisissez ce que vous voulez suivre."))
_RHYTHM = choice("immediate", "weekly", message=N_("Choisissez quand vous voulez être prévenu."))


class FollowForm(Form):
    email: Email
    scope: Annotated[str, _SCOPE]
    rhythm: Annotated[str, _RHYTHM]
    site_web: Annotated[str, line(500)]
    """A trap for robots: hidden from people, always empty."""


class LinkForm(Form):
    """Who lost the link to what they follow."""

    email: Email
    site_web: Annotated[str, line(500)]


class MoreForm(Form):
    """One thing more, from the page of the link."""

    scope: Annotated[str, _SCOPE]


class RhythmForm(Form):
    rhythm: Annotated[str, _RHYTHM]


class UnknownScope(Refusal):
    sentence = N_("Choisissez ce que vous voulez suivre dans la liste.")


def ask_at_once(connection: Connection, about: Scope, form: FollowForm, *, language: str, secret_key: str, now: datetime) -> bool:
    """For who follows nothing yet, as a plain function, for `write_at_once`. False, with nothing written, when `ask` is for them."""
    if form.site_web:
        return True  # a robot: it sees the same page as everyone
    email_key = secret_links.person_key(secret_key, form.email)
    chosen = {"email": form.email, "email_key": email_key, "language": language, "rhythm": form.rhythm}
    row: dict[str, Any] = {"id": uuid4(), **chosen, "told_until": now, "created_at": now, "mailed_at": now}
    if not add_rows(connection, Subscription, [row], same=["email_key"]):
        return False
    add_rows(connection, SubscriptionScope, [{"subscription_id": row["id"], "scope": about.scope, "asked_at": now}])
    asked = [(about.sentence, dict(about.figures))]
    message = partial(emails.confirm_subscription, Subscription.model_construct(**row), asked, known=False)
    secret_links.mail(connection, email_key, "subscription", row["id"], message, now=now)
    return True


async def ask(session: AsyncSession, form: FollowForm, *, language: str, secret_key: str, now: datetime) -> None:
    """Write down what is asked for and promise the message that confirms it. Raises `UnknownScope`."""
    if form.site_web:
        return  # a robot: it sees the same page as everyone
    about = await news.named(session, form.scope)
    if about is None:
        raise UnknownScope
    email_key = secret_links.person_key(secret_key, form.email)
    chosen = {"language": language, "rhythm": form.rhythm}
    row = {"id": uuid4(), "email": form.email, "email_key": email_key, "told_until": now, "created_at": now, "mailed_at": now}
    new = await insert_new(session, Subscription, [row | chosen], same=["email_key"])
    subscription = await subscription_of(session, email_key)
    assert subscription is not None
    following = select(SubscriptionScope.subscription_id).where(col(SubscriptionScope.confirmed_at).is_not(None))
    undecided = update(Subscription).where(col(Subscription.id) == subscription.id, col(Subscription.id).not_in(following))
    await session.exec(undecided.values(chosen))
    if len(await scopes_of(session, subscription)) < MOST:
        await follow(session, subscription.id, form.scope, confirmed_at=None, now=now)
    if new or await _may_mail_again(session, email_key, now):
        await _mail_link(session, email_key, now)


async def ask_for_link(session: AsyncSession, form: LinkForm, *, secret_key: str, now: datetime) -> None:
    """Mail a fresh link to who follows something; do nothing for anyone else, in the same way for the eye."""
    email_key = secret_links.person_key(secret_key, form.email)
    if not form.site_web and await _may_mail_again(session, email_key, now):
        await _mail_link(session, email_key, now)


async def _may_mail_again(session: AsyncSession, email_key: str, now: datetime) -> bool:
    # The limit is inside the statement: processes that race send one message between them.
    again = update(Subscription).where(col(Subscription.email_key) == email_key, col(Subscription.mailed_at) <= now - MAIL_AGAIN_AFTER)
    return (await session.exec(again.values(mailed_at=now))).rowcount == 1


async def _mail_link(session: AsyncSession, email_key: str, now: datetime) -> None:
    if not await limits.spend(session, f"mail:{email_key}", MAILS_A_DAY, now=now):
        return
    subscription = await subscription_of(session, email_key)
    assert subscription is not None
    token, link = secret_links.link_for(subscription, now=now)
    session.add(link)
    followed = await followed_by(session, subscription)
    asked = [each.about for each in followed if each.about and not each.confirmed]
    known = any(each.confirmed for each in followed)
    outbox.enqueue(
        session, emails.confirm_subscription(subscription, [(a.sentence, dict(a.figures)) for a in asked], token, known=known), now=now
    )


# -- From the page of the link: whoever holds it has proved the address ------------------------------------


async def confirm(session: AsyncSession, subscription: Subscription, scopes: Collection[str], *, now: datetime) -> None:
    """Follow what was asked for. The first time, news begin here: nothing that happened before is told."""
    first = not any(row.confirmed_at for row in await scopes_of(session, subscription))
    asked = update(SubscriptionScope).where(col(SubscriptionScope.subscription_id) == subscription.id)
    asked = asked.where(col(SubscriptionScope.confirmed_at).is_(None), col(SubscriptionScope.scope).in_(scopes))
    if (await session.exec(asked.values(confirmed_at=now))).rowcount and first:
        await session.exec(update(Subscription).where(col(Subscription.id) == subscription.id).values(told_until=now))


async def follow_more(session: AsyncSession, subscription: Subscription, form: MoreForm, *, now: datetime) -> None:
    """Raises `UnknownScope`."""
    if await news.named(session, form.scope) is None:
        raise UnknownScope
    if len(await scopes_of(session, subscription)) >= MOST:
        raise Refusal(N_("Vous suivez déjà {most} sujets : suivez plutôt tout ce qui se passe."), most=MOST)
    await follow(session, subscription.id, form.scope, confirmed_at=now, now=now)


async def keep_rhythm(session: AsyncSession, subscription: Subscription, form: RhythmForm, *, now: datetime) -> None:
    """At once or once a week, from here on.

    What the week had not told yet is told now, and what the clock is about to tell goes into the week.
    """
    if form.rhythm == subscription.rhythm:
        return
    if form.rhythm == "immediate":
        await tell_week(session, subscription, now)
        told_until = now
    else:
        told_until = (await session.exec(select(func.max(ClockMark.at)).where(ClockMark.name == "news"))).one() or now
    subscription.rhythm, subscription.told_until = form.rhythm, told_until  # type: ignore[assignment]
    session.add(subscription)
    await session.flush()
