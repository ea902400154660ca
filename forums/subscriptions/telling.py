"""Tell the news: to some at once, in turns of the clock; to others on Monday morning, for the week.

A turn claims what nobody was told of yet, tells it to a hundred addresses per transaction, and is
finished; one that a crash cut short is taken up where it was. Each message names its turn as its fact, so
that nothing is told twice. Only then does the next turn begin: nothing is lost.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from sqlmodel import SQLModel, col, delete, func, insert, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, news, outbox, secret_links
from forums.database import Database, insert_into
from forums.emails import Message
from forums.models import ClockMark, Forum, Subscription, SubscriptionScope
from forums.models.forum import PARIS
from forums.news import ANNOUNCEMENTS, EVERYTHING, Item
from forums.subscriptions.queries import confirmed_scopes

# A fact may be dated a little before it could be read: a slow transaction, a moment typed by an organiser.
OVERLAP = timedelta(days=1)
AT_ONCE = 100

# The week ends at midnight between Sunday and Monday in Paris, and is told in the morning.
MORNING = time(7)
LONGEST = timedelta(days=35)

# So long does a link in a message stay good; a new one can always be asked for.
LINKS_LAST = timedelta(days=400)


@dataclass(frozen=True)
class Turn:
    """What is to be told, in the order it happened, and the moment that names the turn."""

    until: datetime
    items: Sequence[Item]
    forums: Mapping[UUID, Forum]

    @property
    def scopes(self) -> set[str]:
        """Whoever follows one of these is to be told something."""
        found = {scope for item in self.items for scope in item.scopes}
        return found | ({ANNOUNCEMENTS} if self.forums else set())


async def tell_news(database: Database, *, now: datetime) -> None:
    """One turn, to everybody who wants to know at once."""
    async with database.transaction() as session:
        turn = await begin(session, now=now)
    after: UUID | None = None
    while turn.items:
        async with database.transaction() as session:
            after = await tell_some(session, turn, after, now=now)
        if after is None:
            break
    async with database.transaction() as session:
        await finish(session, turn)


async def begin(session: AsyncSession, *, now: datetime) -> Turn:
    """Claim what is new; or take up again the turn that was not finished. The very first one tells nothing."""
    new = insert_into(session, ClockMark)
    rows = [{"name": name, "at": now} for name in ("news", "news_turn")]
    first = await (await session.connection()).execute(new.on_conflict_do_nothing().returning(new.table.c.name), rows)
    first_turn = len(first.all()) == 2
    query = select(ClockMark).where(col(ClockMark.name).in_(("news", "news_turn"))).order_by(col(ClockMark.name))
    done, claimed = (await session.exec(query.with_for_update().execution_options(populate_existing=True))).all()
    if claimed.at > done.at:
        found = await news.between(session, done.at - OVERLAP, claimed.at)
        mine = set((await session.exec(select(ClockMark.name).where(col(ClockMark.name).like("news:%"), ClockMark.at == claimed.at))).all())
    else:
        claimed.at = max(now, done.at)
        session.add(claimed)
        await session.flush()
        found = await news.between(session, done.at - OVERLAP, claimed.at)
        mine = await _claim(session, found, claimed.at)
    items = [] if first_turn else [item for item in reversed(found) if f"news:{item.id}" in mine]
    return Turn(claimed.at, items, await _forums(session, items, now))


async def _claim(session: AsyncSession, items: Sequence[Item], at: datetime) -> set[str]:
    if not items:
        return set()
    new = insert_into(session, ClockMark)
    rows = [{"name": f"news:{item.id}", "at": at} for item in items]
    claimed = new.on_conflict_do_nothing(index_elements=["name"]).returning(new.table.c.name)
    return set((await (await session.connection()).execute(claimed, rows)).scalars())


async def _forums(session: AsyncSession, items: Sequence[Item], now: datetime) -> dict[UUID, Forum]:
    """Those just announced that one may still come to."""
    keys = {item.forum_id for item in items if item.kind == "forum_announced"}
    found = (await session.exec(select(Forum).where(col(Forum.id).in_(keys), Forum.status == "announced"))).all() if keys else []
    return {forum.id: forum for forum in found if not forum.is_past(now)}


async def tell_some(session: AsyncSession, turn: Turn, after: UUID | None, *, now: datetime) -> UUID | None:
    """The next hundred subscriptions. Returns the last of them; None when there were no more."""
    followed = select(SubscriptionScope.scope).where(SubscriptionScope.subscription_id == Subscription.id)
    followed = followed.where(col(SubscriptionScope.confirmed_at).is_not(None), col(SubscriptionScope.scope).in_(turn.scopes))
    # Correlated, by the key: a list of all who follow would be made again for each hundred of them.
    query = select(Subscription).where(Subscription.rhythm == "immediate", followed.exists())
    if after is not None:
        query = query.where(Subscription.id > after)
    people = (await session.exec(query.order_by(col(Subscription.id)).limit(AT_ONCE))).all()
    scopes = await confirmed_scopes(session, [each.id for each in people])
    messages = [(each, message) for each in people for message in _to(each, scopes.get(each.id, set()), turn)]
    await _promise(session, messages, now=now)
    return people[-1].id if len(people) == AT_ONCE else None


def _to(subscription: Subscription, scopes: Collection[str], turn: Turn) -> list[Message]:
    """The announcements of forums by themselves, to who follows them or everything; the rest in one message."""
    announcing = {ANNOUNCEMENTS, EVERYTHING} & set(scopes)
    messages, others = [], []
    for item in turn.items:
        if subscription.told_until and item.moment <= subscription.told_until:
            continue
        forum = turn.forums.get(item.forum_id) if item.kind == "forum_announced" and item.forum_id else None
        if announcing and item.kind == "forum_announced":
            messages += [emails.announced(subscription, forum, "", sorted(announcing))] if forum else []
        elif news.followed(item.scopes, scopes):
            others.append(item)
    if others:
        messages.append(emails.news(subscription, _as_facts(others), _why(others, scopes), "", turn.until))
    return messages


def _as_facts(items: Sequence[Item]) -> list[dict[str, object]]:
    names = ("sentence", "text", "address")
    return [
        {**{name: getattr(item, name) for name in names}, "figures": dict(item.figures), "moment": item.moment.isoformat()}
        for item in items
    ]


def _why(items: Sequence[Item], scopes: Collection[str]) -> list[str]:
    """What somebody follows that these belong to."""
    return sorted(scope for scope in scopes if any(scope in item.scopes for item in items))


async def _promise(session: AsyncSession, messages: Sequence[tuple[Subscription, Message]], *, now: datetime) -> None:
    """Each with a link of its own, unless it was promised already or its address is lost."""
    told = set(await outbox.already_told(session, [message.fact for _, message in messages if message.fact]))
    lost = await outbox.unreachable(session, {each.email for each, _ in messages})
    fresh = [(each, message) for each, message in messages if message.fact not in told and each.email not in lost]
    names = await news.scopes_named(session, {scope for _, message in fresh for scope in message.facts["scopes"]})
    links, ready = [], []
    for each, message in fresh:
        token = secret_links.new_token()
        key = {"token_hash": secret_links.hash_of(token), "purpose": "subscription", "subscription_id": each.id}
        links.append({**key, "created_at": now, "expires_at": now + LINKS_LAST})
        why = [[names[scope].sentence, dict(names[scope].figures)] for scope in message.facts["scopes"] if scope in names]
        message.facts.update({"token": token, "why": why})
        ready.append(message)
    if links:
        await (await session.connection()).execute(insert(SQLModel.metadata.tables["secret_link"]), links)
        await outbox.enqueue_once(session, ready, now=now)


async def finish(session: AsyncSession, turn: Turn) -> None:
    """Done with it; what was claimed so long ago that no turn looks back so far is forgotten."""
    await session.exec(update(ClockMark).where(col(ClockMark.name) == "news", col(ClockMark.at) < turn.until).values(at=turn.until))
    old = delete(ClockMark).where(col(ClockMark.name).like("news:%"), col(ClockMark.at) < turn.until - OVERLAP - OVERLAP)
    await session.exec(old)


# -- The week ---------------------------------------------------------------------------------------------------


def week_ended(now: datetime) -> datetime:
    """The midnight that ended the last week, once its Monday morning has come."""
    local = now.astimezone(PARIS)
    monday = local.date() - timedelta(days=local.weekday())
    if local < datetime.combine(monday, MORNING, tzinfo=PARIS):
        monday -= timedelta(days=7)
    return datetime.combine(monday, time(), tzinfo=PARIS)


async def send_digests(database: Database, *, now: datetime) -> None:
    """To everybody whose week is over: what happened in it that they follow, or nothing when nothing did."""
    until = week_ended(now)
    async with database.reading() as session:
        due = select(func.min(Subscription.told_until)).where(Subscription.rhythm == "weekly", col(Subscription.told_until) < until)
        since = (await session.exec(due)).one()
        items = await news.between(session, max(since, until - LONGEST), until) if since else []
    after: UUID | None = None
    while since is not None:
        async with database.transaction() as session:
            after = await _digest_some(session, list(reversed(items)), until, after, now)
        if after is None:
            return


async def _digest_some(session: AsyncSession, items: Sequence[Item], until: datetime, after: UUID | None, now: datetime) -> UUID | None:
    """The next hundred. Returns the last of them; None when there were no more."""
    query = select(Subscription).where(Subscription.rhythm == "weekly", col(Subscription.told_until) < until)
    if after is not None:
        query = query.where(Subscription.id > after)
    people = (await session.exec(query.order_by(col(Subscription.id)).limit(AT_ONCE).with_for_update())).all()
    scopes = await confirmed_scopes(session, [each.id for each in people])
    weeks = [(each, _week(each, scopes.get(each.id, set()), items, until)) for each in people]
    await _promise(session, [(each, message) for each, message in weeks if message], now=now)
    told = update(Subscription).where(col(Subscription.id).in_([each.id for each in people]))
    await session.exec(told.values(told_until=until))
    return people[-1].id if len(people) == AT_ONCE else None


def _week(subscription: Subscription, scopes: Collection[str], items: Sequence[Item], until: datetime) -> Message | None:
    def wanted(item: Item) -> bool:
        since = subscription.told_until
        announced = item.kind == "forum_announced" and ANNOUNCEMENTS in scopes
        return (since is None or item.moment > since) and (announced or news.followed(item.scopes, scopes))

    found = [item for item in items if wanted(item)]
    why = sorted({*_why(found, scopes), *({ANNOUNCEMENTS} & set(scopes) if any(i.kind == "forum_announced" for i in found) else ())})
    return emails.digest(subscription, _as_facts(found), why, "", until) if found else None


async def tell_week(session: AsyncSession, subscription: Subscription, now: datetime) -> None:
    """What one person's week holds so far, for who will be told at once from here on."""
    since = max(subscription.told_until or now, now - LONGEST)
    items = list(reversed(await news.between(session, since, now)))
    scopes = (await confirmed_scopes(session, [subscription.id])).get(subscription.id, set())
    message = _week(subscription, scopes, items, now)
    await _promise(session, [(subscription, message)] if message else [], now=now)
