"""Publish the minutes, and keep every version of them: what each said, when, and what it changed.

Version 1 is the publication; whatever changes afterwards is public at once, as the next version, written
in the same transaction. The row of the minutes is locked first, so that no number is given twice. Those
who asked are told when their question gets an answer, and again only if what came of it changes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, registrations
from forums.language import N_
from forums.minutes.queries import Entry, as_announced, entries_of
from forums.models import ActionPlan, Forum, Minutes, MinutesEntry, MinutesEntryQuestion, MinutesVersion, Question
from forums.questions import tell_supporters
from forums.refusals import AlreadyPublished, NothingToPublish

Outcomes = Mapping[str, MinutesEntryQuestion]


async def publish(session: AsyncSession, minutes: Minutes, *, now: datetime) -> None:
    """Publish every passage as version 1; tell those registered, and those whose question it is about.

    Raises `AlreadyPublished`, or `NothingToPublish` when there is none.
    """
    await lock(session, minutes)
    if minutes.published_at is not None:
        raise AlreadyPublished
    entries = await entries_of(session, minutes)
    if not entries:
        raise NothingToPublish(N_("Le compte rendu est vide : écrivez un premier passage avant de le publier."))
    minutes.published_at = now
    session.add(minutes)
    await add_version(session, minutes, "", now=now)
    for each in entries:
        await tell_authors(session, minutes, each.entry, each.questions, each.outcomes, {}, now=now)
    forum = await forum_of(session, minutes)
    people = [each for each in await registrations.holders(session, forum) if each.status == "registered"]
    await outbox.enqueue_once(session, [emails.minutes_published(each, forum) for each in people], now=now)


async def lock(session: AsyncSession, minutes: Minutes) -> None:
    """Hold the minutes until the end of the transaction, and see them as they are now."""
    await session.flush()
    await session.exec(select(Minutes).where(Minutes.id == minutes.id).with_for_update().execution_options(populate_existing=True))


async def keep_first_version(session: AsyncSession, minutes: Minutes) -> None:
    """Minutes published before versions were kept get their first one before anything changes in them."""
    if minutes.published_at is not None and await _last_number(session, minutes) == 0:
        await add_version(session, minutes, "", now=minutes.published_at)


async def add_version(session: AsyncSession, minutes: Minutes, comment: str, *, now: datetime) -> int:
    """Keep the passages as they are now, under the next number."""
    number = await _last_number(session, minutes) + 1
    plans = {plan.id: plan.slug for plan in (await session.exec(select(ActionPlan))).all()}
    entries = await as_announced(session, minutes, await entries_of(session, minutes))
    content = [_as_kept(each, plans) for each in entries]
    session.add(MinutesVersion(minutes_id=minutes.id, number=number, comment=comment, published_at=now, content=content))
    await session.flush()
    return number


def _as_kept(held: Entry, plans: Mapping[Any, str]) -> dict[str, Any]:
    return {
        "number": held.entry.number,
        "title": held.entry.title,
        "item": held.item.title if held.item else "",
        "text": held.entry.text,
        "commitments": [{"plan": plans[each.plan_id], "number": each.number, "title": each.title} for each in held.commitments],
        "questions": [{"code": each.code} | as_plain(held.outcomes[each.code]) for each in held.questions],
    }


def as_plain(link: MinutesEntryQuestion) -> dict[str, Any]:
    return {"outcome": link.outcome, "deferred_to": link.deferred_to.isoformat() if link.deferred_to else None, "reason": link.reason}


async def _last_number(session: AsyncSession, minutes: Minutes) -> int:
    last = select(func.coalesce(func.max(MinutesVersion.number), 0)).where(col(MinutesVersion.minutes_id) == minutes.id)
    return (await session.exec(last)).one()


async def tell_authors(
    session: AsyncSession,
    minutes: Minutes,
    entry: MinutesEntry,
    questions: Sequence[Question],
    outcomes: Outcomes,
    before: Mapping[str, dict[str, Any]],
    *,
    now: datetime,
) -> None:
    """Once per question and forum, of the first passage about it; again when what came of it changed from `before`."""
    forum = await forum_of(session, minutes)
    version = await _last_number(session, minutes)
    messages = []
    for question in questions:
        came_of_it = as_plain(outcomes[question.code])
        changed = version if before.get(question.code, came_of_it) != came_of_it else None
        if question.email:
            messages.append(emails.question_answered(question, forum, entry, came_of_it, changed_in=changed))
        where = f"/forums/{forum.slug}/compte-rendu#p-{entry.number}"
        await tell_supporters(session, question, where, about=forum.id, changed_in=changed, now=now)
    await outbox.enqueue_once(session, messages, now=now)


async def forum_of(session: AsyncSession, minutes: Minutes) -> Forum:
    return (await session.exec(select(Forum).where(Forum.id == minutes.forum_id))).one()
