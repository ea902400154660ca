"""Ask to follow something, confirm it from one's mailbox, and change one's mind: without an account.

The page answers the same whether the address is known or not. What a stranger typed is shown to the
owner of the address, who confirms it or lets it go; it changes nothing they had confirmed.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import Connection
from sqlalchemy import select as plain_select
from sqlmodel import SQLModel, col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, news, secret_links
from forums.database import with_rows
from forums.forms import Email, Form, choice, line
from forums.language import N_
from forums.limits import MAIL_AGAIN_AFTER
from forums.models import ClockMark, Subscription, SubscriptionScope
from forums.news import Scope
from forums.refusals import Refusal
from forums.subscriptions.keeping import follow
from forums.subscriptions.queries import scopes_of
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


# The last answers count until something is confirmed: whoever types an address changes nothing that its owner follows.
_DECIDED = "EXISTS (SELECT 1 FROM subscription_scope WHERE subscription_id = subscription.id AND confirmed_at IS NOT NULL)"
_COLUMNS = "id, email, email_key, language, rhythm, told_until, created_at, mailed_at"
_ASKED = f"""
INSERT INTO subscription ({_COLUMNS}) SELECT {_COLUMNS} FROM {{rows}} WHERE true ON CONFLICT (email_key) DO UPDATE SET
language = CASE WHEN {_DECIDED} THEN subscription.language ELSE excluded.language END,
rhythm = CASE WHEN {_DECIDED} THEN subscription.rhythm ELSE excluded.rhythm END
RETURNING id, email, email_key, language, rhythm"""  # noqa: S608 — names of our own columns

_WAITS = f"""
INSERT INTO subscription_scope (subscription_id, scope, asked_at) SELECT subscription_id, scope, asked_at FROM {{rows}}
WHERE (SELECT count(*) FROM subscription_scope AS theirs WHERE theirs.subscription_id = typed.subscription_id) < {MOST}
ON CONFLICT (subscription_id, scope) DO UPDATE SET asked_at = excluded.asked_at WHERE subscription_scope.confirmed_at IS NULL"""  # noqa: S608 — a number of our own


async def ask(session: AsyncSession, form: FollowForm, *, language: str, secret_key: str, now: datetime) -> None:
    """Write down what is asked for and promise the message that confirms it. Raises `UnknownScope`."""
    names = await names_for(session, form, secret_key=secret_key)
    asked = partial(ask_at_once, names=names, form=form, language=language, secret_key=secret_key, now=now)
    await (await session.connection()).run_sync(asked)


async def names_for(session: AsyncSession, form: FollowForm, *, secret_key: str) -> dict[str, Scope]:
    """The names the message may hold: of what is asked for, and of what waits under that address. Raises `UnknownScope`."""
    names = await _names_waiting(session, secret_links.person_key(secret_key, form.email), form.scope)
    if form.scope not in names and not form.site_web:
        raise UnknownScope
    return names


async def _names_waiting(session: AsyncSession, email_key: str, *asked: str) -> dict[str, Scope]:
    waiting = select(SubscriptionScope.scope).join(Subscription).where(Subscription.email_key == email_key)
    waiting = waiting.where(col(SubscriptionScope.confirmed_at).is_(None))
    return await news.scopes_named(session, [*asked, *(await session.exec(waiting)).all()])


def ask_at_once(
    connection: Connection, names: Mapping[str, Scope], form: FollowForm, *, language: str, secret_key: str, now: datetime
) -> None:
    """As `ask`, for `write_at_once`: the same few statements whether the address is known or not."""
    if form.site_web:
        return  # a robot: it sees the same page as everyone
    key, email_key = uuid4(), secret_links.person_key(secret_key, form.email)
    typed = {"id": key, "email": form.email, "email_key": email_key, "language": language, "rhythm": form.rhythm}
    dated = {"told_until": now, "created_at": now, "mailed_at": now}
    kept = _kept(with_rows(connection, _ASKED, Subscription, [typed | dated]).one())
    with_rows(connection, _WAITS, SubscriptionScope, [{"subscription_id": kept.id, "scope": form.scope, "asked_at": now}])
    for each in [kept] if kept.id == key else _due(connection, email_key, now):
        _mail_link(connection, each, names, now)


def _kept(row: Any) -> Subscription:
    """From a plain statement, which gives what the database keeps."""
    key, email, email_key, language, rhythm = row
    return Subscription.model_construct(id=UUID(hex=str(key)), email=email, email_key=email_key, language=language, rhythm=rhythm)


async def ask_for_link(session: AsyncSession, form: LinkForm, *, secret_key: str, now: datetime) -> None:
    """Mail a fresh link to who follows something; do nothing for anyone else, in the same way for the eye."""
    if form.site_web:
        return
    email_key = secret_links.person_key(secret_key, form.email)
    names = await _names_waiting(session, email_key)

    def write(connection: Connection) -> None:
        for each in _due(connection, email_key, now):
            _mail_link(connection, each, names, now)

    await (await session.connection()).run_sync(write)


def _due(connection: Connection, email_key: str, now: datetime) -> list[Subscription]:
    """The one of that address, if it may be written to again."""
    # The limit is inside the statement: processes that race send one message between them.
    table = SQLModel.metadata.tables["subscription"]
    again = update(table).where(table.c.email_key == email_key, table.c.mailed_at <= now - MAIL_AGAIN_AFTER).values(mailed_at=now)
    again = again.returning(table.c.id, table.c.email, table.c.email_key, table.c.language, table.c.rhythm)
    return [_kept(row) for row in connection.execute(again)]


def _mail_link(connection: Connection, subscription: Subscription, names: Mapping[str, Scope], now: datetime) -> None:
    table = SQLModel.metadata.tables["subscription_scope"]
    theirs = plain_select(table.c.scope, table.c.confirmed_at).where(table.c.subscription_id == subscription.id)
    followed = connection.execute(theirs.order_by(table.c.asked_at, table.c.scope)).all()
    asked = [names[scope] for scope, confirmed_at in followed if confirmed_at is None and scope in names]
    known = any(confirmed_at for _, confirmed_at in followed)
    facts = [(each.sentence, dict(each.figures)) for each in asked]
    message = partial(emails.confirm_subscription, subscription, facts, known=known)
    secret_links.mail(connection, subscription.email_key, "subscription", subscription.id, message, now=now)


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
