"""The agenda of a forum: items in order, each tied to commitments and to the questions it takes up.

Items without an hour are allowed, since a programme is often known before its timing. Publishing
makes the agenda public as it is; later changes show at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox
from forums.forms import Form, OptionalHour, choice, line, prose, refuse, whole
from forums.language import N_
from forums.models import (
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemQuestion,
    Commitment,
    Forum,
    MinutesEntry,
    Question,
)
from forums.refusals import AlreadyPublished, NothingToPublish
from forums.schedule import at

KINDS = {
    "plenary": N_("Plénière"),
    "workshop": N_("Atelier"),
    "restitution": N_("Restitution"),
    "break": N_("Pause"),
    "follow_ups": N_("Suites des forums précédents"),
}


class AgendaItemForm(Form):
    title: Annotated[str, line(200, N_("Donnez un titre à ce point, par exemple « Où en est la commande publique ? »."))]
    kind: Annotated[str, choice(*KINDS, message=N_("Choisissez un genre dans la liste."))]
    track: Annotated[str, line(100)]
    starts: OptionalHour
    ends: OptionalHour
    description: Annotated[str, prose(5000)]
    commitments: tuple[Annotated[int, whole(1, 9_999)], ...] = ()
    questions: tuple[Annotated[str, line(20)], ...] = ()


@dataclass(frozen=True)
class Point:
    """An item with what it is tied to."""

    item: AgendaItem
    commitments: Sequence[Commitment]
    questions: Sequence[Question]


async def points_of(session: AsyncSession, forum: Forum) -> list[Point]:
    """The agenda in order: by hour, then as organisers placed them."""
    query = select(AgendaItem).where(AgendaItem.forum_id == forum.id, AgendaItem.version == 0)
    items = (await session.exec(query.order_by(col(AgendaItem.starts_at).nulls_last(), col(AgendaItem.position)))).all()
    ids = [item.id for item in items]
    commitments: dict[UUID, list[Commitment]] = {}
    linked = (
        select(AgendaItemCommitment.agenda_item_id, Commitment)
        .join(Commitment, col(Commitment.id) == col(AgendaItemCommitment.commitment_id))
        .where(col(AgendaItemCommitment.agenda_item_id).in_(ids))
        .order_by(col(Commitment.number))
    )
    for item_id, commitment in (await session.exec(linked)).all():
        commitments.setdefault(item_id, []).append(commitment)
    questions: dict[UUID, list[Question]] = {}
    asked = (
        select(AgendaItemQuestion.agenda_item_id, Question)
        .join(Question, col(Question.id) == col(AgendaItemQuestion.question_id))
        .where(col(AgendaItemQuestion.agenda_item_id).in_(ids), Question.status == "published")
        .order_by(col(Question.created_at))
    )
    for item_id, question in (await session.exec(asked)).all():
        questions.setdefault(item_id, []).append(question)
    return [Point(item, commitments.get(item.id, []), questions.get(item.id, [])) for item in items]


async def item_by_id(session: AsyncSession, forum: Forum, item_id: UUID) -> AgendaItem | None:
    return (await session.exec(select(AgendaItem).where(AgendaItem.id == item_id, AgendaItem.forum_id == forum.id))).first()


async def items_taking_up(session: AsyncSession, question: Question) -> Sequence[tuple[AgendaItem, Forum]]:
    """The published agenda items that take up a question, with their forum."""
    query = (
        select(AgendaItem, Forum)
        .join(AgendaItemQuestion, col(AgendaItemQuestion.agenda_item_id) == col(AgendaItem.id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        .where(AgendaItemQuestion.question_id == question.id, AgendaItem.version == 0, col(Forum.agenda_published_at).is_not(None))
        .order_by(col(Forum.day))
    )
    return (await session.exec(query)).all()


async def items_about(session: AsyncSession, commitment: Commitment) -> Sequence[tuple[AgendaItem, Forum]]:
    """The published agenda items about a commitment, the newest forum first."""
    query = (
        select(AgendaItem, Forum)
        .join(AgendaItemCommitment, col(AgendaItemCommitment.agenda_item_id) == col(AgendaItem.id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        .where(AgendaItemCommitment.commitment_id == commitment.id, AgendaItem.version == 0, col(Forum.agenda_published_at).is_not(None))
        .order_by(col(Forum.day).desc(), col(AgendaItem.position))
    )
    return (await session.exec(query)).all()


async def add(
    session: AsyncSession,
    forum: Forum,
    form: AgendaItemForm,
    commitments: Sequence[Commitment],
    questions: Sequence[Question],
    *,
    now: datetime,
) -> AgendaItem:
    """A new item after the others. Raises a form error when its hours cannot be."""
    last = select(func.coalesce(func.max(AgendaItem.number), 0)).where(AgendaItem.forum_id == forum.id)
    number = (await session.exec(last)).one() + 1
    item = AgendaItem(forum_id=forum.id, number=number, position=number, title=form.title)
    return await edit(session, forum, item, form, commitments, questions, now=now)


async def edit(
    session: AsyncSession,
    forum: Forum,
    item: AgendaItem,
    form: AgendaItemForm,
    commitments: Sequence[Commitment],
    questions: Sequence[Question],
    *,
    now: datetime,
) -> AgendaItem:
    """Change an item and what it is tied to; on a published agenda, the authors of new questions are told."""
    item.title, item.kind, item.track = form.title, form.kind, form.track or None  # type: ignore[assignment]
    item.description = form.description
    item.starts_at = at(forum.day, form.starts) if form.starts and forum.day else None
    item.ends_at = at(forum.day, form.ends) if form.ends and forum.day else None
    if item.starts_at and item.ends_at and item.ends_at <= item.starts_at:
        raise refuse(N_("L'heure de fin vient après l'heure de début."))
    session.add(item)
    await session.flush()
    await session.exec(delete(AgendaItemCommitment).where(col(AgendaItemCommitment.agenda_item_id) == item.id))
    await session.exec(delete(AgendaItemQuestion).where(col(AgendaItemQuestion.agenda_item_id) == item.id))
    session.add_all(AgendaItemCommitment(agenda_item_id=item.id, commitment_id=each.id) for each in commitments)
    session.add_all(AgendaItemQuestion(agenda_item_id=item.id, question_id=each.id) for each in questions)
    await session.flush()
    if forum.agenda_published_at is not None:
        await _tell_authors(session, forum, [Point(item, commitments, questions)], now)
    return item


async def remove(session: AsyncSession, item: AgendaItem) -> None:
    """Take an item off. A passage of the minutes written about it stays, without its item."""
    await session.delete(item)


async def is_written_about(session: AsyncSession, item: AgendaItem) -> bool:
    return (await session.exec(select(MinutesEntry.id).where(MinutesEntry.agenda_item_id == item.id).limit(1))).first() is not None


async def publish(session: AsyncSession, forum: Forum, *, now: datetime) -> None:
    """Make the agenda public and tell those whose question it takes up.

    Raises `AlreadyPublished`, or `NothingToPublish` when it is empty.
    """
    if forum.agenda_published_at is not None:
        raise AlreadyPublished
    points = await points_of(session, forum)
    if not points:
        raise NothingToPublish(N_("L'ordre du jour est vide : ajoutez un premier point avant de le publier."))
    forum.agenda_published_at = now
    session.add(forum)
    await _tell_authors(session, forum, points, now)


async def _tell_authors(session: AsyncSession, forum: Forum, points: Sequence[Point], now: datetime) -> None:
    """Once per question and forum, of an announced forum that is still to come."""
    if forum.status != "announced" or forum.is_past(now):
        return
    taken = [(question, point.item) for point in points for question in point.questions if question.email]
    await outbox.enqueue_once(session, [emails.question_on_agenda(question, forum, item) for question, item in taken], now=now)
