"""Minutes: passages written per agenda item, each tied to commitments and to the questions it answers.

A draft is seen by members alone. Publishing shows every passage at once, on the forum's page and on
each commitment and question it concerns. A passage keeps its number (`#p-3`) for ever; after
publication it can be amended, which is said, and never removed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, emails, outbox, registrations
from forums.forms import Form, line, prose, whole
from forums.language import N_
from forums.models import (
    AgendaItem,
    Commitment,
    Forum,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    Question,
)
from forums.questions import tell_supporters
from forums.refusals import AlreadyPublished, NothingToPublish, Refusal


class EntryForm(Form):
    title: Annotated[str, line(200)]
    text: Annotated[str, prose(50_000, N_("Écrivez ce passage : ce qui a été demandé, répondu, promis."))]
    agenda_item: Annotated[str, line(40)]
    commitments: tuple[Annotated[int, whole(1, 9_999)], ...] = ()
    questions: tuple[Annotated[str, line(20)], ...] = ()


@dataclass(frozen=True)
class Entry:
    """A passage with what it is tied to."""

    entry: MinutesEntry
    item: AgendaItem | None
    commitments: Sequence[Commitment]
    questions: Sequence[Question]


async def of(session: AsyncSession, forum: Forum) -> Minutes | None:
    return (await session.exec(select(Minutes).where(Minutes.forum_id == forum.id))).first()


async def published(session: AsyncSession, forum: Forum) -> Minutes | None:
    """The minutes the public may read."""
    minutes = await of(session, forum)
    return minutes if minutes and minutes.published_at else None


async def entries_of(session: AsyncSession, minutes: Minutes) -> list[Entry]:
    """The passages in their order, each with its links."""
    entries = (
        await session.exec(select(MinutesEntry).where(MinutesEntry.minutes_id == minutes.id).order_by(col(MinutesEntry.number)))
    ).all()
    ids = [entry.id for entry in entries]
    commitments: dict[UUID, list[Commitment]] = {}
    linked = (
        select(MinutesEntryCommitment.entry_id, Commitment)
        .join(Commitment, col(Commitment.id) == col(MinutesEntryCommitment.commitment_id))
        .where(col(MinutesEntryCommitment.entry_id).in_(ids))
        .order_by(col(Commitment.number))
    )
    for entry_id, commitment in (await session.exec(linked)).all():
        commitments.setdefault(entry_id, []).append(commitment)
    answered = await action_plan.questions_answered_by(session, entries)
    wanted = [entry.agenda_item_id for entry in entries if entry.agenda_item_id]
    items = {item.id: item for item in (await session.exec(select(AgendaItem).where(col(AgendaItem.id).in_(wanted)))).all()}
    return [
        Entry(
            entry,
            items.get(entry.agenda_item_id) if entry.agenda_item_id else None,
            commitments.get(entry.id, []),
            answered.get(entry.id, []),
        )
        for entry in entries
    ]


async def entry_by_number(session: AsyncSession, minutes: Minutes, number: int) -> MinutesEntry | None:
    return (await session.exec(select(MinutesEntry).where(MinutesEntry.minutes_id == minutes.id, MinutesEntry.number == number))).first()


async def begun(session: AsyncSession, forum: Forum) -> Minutes:
    """The minutes of a forum, begun as a draft the first time."""
    minutes = await of(session, forum)
    if minutes is None:
        minutes = Minutes(forum_id=forum.id)
        session.add(minutes)
        await session.flush()
    return minutes


async def write(
    session: AsyncSession,
    minutes: Minutes,
    form: EntryForm,
    item: AgendaItem | None,
    commitments: Sequence[Commitment],
    questions: Sequence[Question],
    *,
    now: datetime,
) -> MinutesEntry:
    """A new passage after the others. Added to published minutes, it is public at once, as an amendment."""
    last = select(func.coalesce(func.max(MinutesEntry.number), 0)).where(MinutesEntry.minutes_id == minutes.id)
    entry = MinutesEntry(minutes_id=minutes.id, number=(await session.exec(last)).one() + 1, text=form.text)
    return await amend(session, minutes, entry, form, item, commitments, questions, now=now)


async def amend(
    session: AsyncSession,
    minutes: Minutes,
    entry: MinutesEntry,
    form: EntryForm,
    item: AgendaItem | None,
    commitments: Sequence[Commitment],
    questions: Sequence[Question],
    *,
    now: datetime,
) -> MinutesEntry:
    """Change a passage and what it is tied to; once published, the change is dated for readers."""
    entry.title, entry.text, entry.agenda_item_id = form.title, form.text, item.id if item else None
    if minutes.published_at is not None:
        entry.amended_at = minutes.amended_at = now
        session.add(minutes)
    session.add(entry)
    await session.flush()
    await session.exec(delete(MinutesEntryCommitment).where(col(MinutesEntryCommitment.entry_id) == entry.id))
    await session.exec(delete(MinutesEntryQuestion).where(col(MinutesEntryQuestion.entry_id) == entry.id))
    session.add_all(MinutesEntryCommitment(entry_id=entry.id, commitment_id=each.id) for each in commitments)
    session.add_all(MinutesEntryQuestion(entry_id=entry.id, question_id=each.id) for each in questions)
    await session.flush()
    if minutes.published_at is not None:
        await _tell_authors(session, minutes, [(entry, questions)], now)
    return entry


async def remove(session: AsyncSession, minutes: Minutes, entry: MinutesEntry) -> None:
    """Remove a passage of a draft. Raises `Refusal` once published: its address is promised for ever."""
    if minutes.published_at is not None:
        raise Refusal(N_("Un passage publié ne s'efface pas : corrigez-le, la correction sera datée."))
    await session.delete(entry)


async def publish(session: AsyncSession, minutes: Minutes, *, now: datetime) -> None:
    """Publish every passage; tell those registered, and those whose question is answered.

    Raises `AlreadyPublished`, or `NothingToPublish` when there is none.
    """
    if minutes.published_at is not None:
        raise AlreadyPublished
    entries = await entries_of(session, minutes)
    if not entries:
        raise NothingToPublish(N_("Le compte rendu est vide : écrivez un premier passage avant de le publier."))
    minutes.published_at = now
    session.add(minutes)
    await _tell_authors(session, minutes, [(each.entry, each.questions) for each in entries], now)
    forum = await _forum_of(session, minutes)
    people = [each for each in await registrations.holders(session, forum) if each.status == "registered"]
    await outbox.enqueue_once(session, [emails.minutes_published(each, forum) for each in people], now=now)


async def _tell_authors(
    session: AsyncSession, minutes: Minutes, answers: Sequence[tuple[MinutesEntry, Sequence[Question]]], now: datetime
) -> None:
    """Once per question and forum, of the first passage that answers it."""
    forum = await _forum_of(session, minutes)
    answered = [(question, entry) for entry, questions in answers for question in questions if question.email]
    await outbox.enqueue_once(session, [emails.question_answered(question, forum, entry) for question, entry in answered], now=now)
    for entry, questions in answers:
        for question in questions:
            where = f"/forums/{forum.slug}/compte-rendu#p-{entry.number}"
            await tell_supporters(session, question, where, about=forum.id, now=now)


async def _forum_of(session: AsyncSession, minutes: Minutes) -> Forum:
    return (await session.exec(select(Forum).where(Forum.id == minutes.forum_id))).one()
