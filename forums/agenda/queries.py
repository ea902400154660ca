"""What is asked of an agenda: what organisers prepare (version 0), what the public sees, what it saw before."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.language import N_
from forums.models import (
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemDocument,
    AgendaItemQuestion,
    AgendaVersion,
    Commitment,
    Document,
    Forum,
    MinutesEntry,
    Question,
    Speaker,
)

KINDS = {
    "plenary": N_("Plénière"),
    "workshop": N_("Atelier"),
    "restitution": N_("Restitution"),
    "break": N_("Pause"),
    "follow_ups": N_("Suites des forums précédents"),
}


class Attached(NamedTuple):
    """A document without its content."""

    id: UUID
    code: str
    title: str
    filename: str
    media_type: str
    size: int


ATTACHED = (Document.id, Document.code, Document.title, Document.filename, Document.media_type, Document.size)


@dataclass(frozen=True)
class Point:
    """An item with what it is tied to."""

    item: AgendaItem
    commitments: Sequence[Commitment]
    questions: Sequence[Question]
    speakers: Sequence[Speaker] = field(default_factory=list)
    documents: Sequence[Attached] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """What the evening lives at one time: one point for everybody, or several tracks side by side."""

    tracks: Sequence[tuple[str, Sequence[Point]]]

    @property
    def parallel(self) -> bool:
        return len(self.tracks) > 1


async def points_of(session: AsyncSession, forum: Forum, version: int = 0) -> list[Point]:
    """The agenda in its order; version 0 is what organisers prepare."""
    query = select(AgendaItem).where(AgendaItem.forum_id == forum.id, AgendaItem.version == version)
    query = query.order_by(col(AgendaItem.position), col(AgendaItem.number)).execution_options(populate_existing=True)
    items = (await session.exec(query)).all()
    ids = [item.id for item in items]
    commitments = (
        select(AgendaItemCommitment.agenda_item_id, Commitment)
        .join(Commitment, col(Commitment.id) == col(AgendaItemCommitment.commitment_id))
        .where(col(AgendaItemCommitment.agenda_item_id).in_(ids))
        .order_by(col(Commitment.number))
    )
    questions = (
        select(AgendaItemQuestion.agenda_item_id, Question)
        .join(Question, col(Question.id) == col(AgendaItemQuestion.question_id))
        .where(col(AgendaItemQuestion.agenda_item_id).in_(ids), Question.status == "published")
        .order_by(col(Question.created_at))
    )
    speakers = select(Speaker.agenda_item_id, Speaker).where(col(Speaker.agenda_item_id).in_(ids)).order_by(col(Speaker.position))
    ties = [await _by_item(session, query) for query in (commitments, questions, speakers)]
    ties.append(await _documents_of(session, ids))
    return [Point(item, *(tie.get(item.id, []) for tie in ties)) for item in items]


async def _by_item(session: AsyncSession, query: Any) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for item_id, tied in (await session.exec(query)).all():
        found.setdefault(item_id, []).append(tied)
    return found


async def _documents_of(session: AsyncSession, items: Sequence[UUID]) -> dict[UUID, list[Any]]:
    query = (
        select(AgendaItemDocument.agenda_item_id, *ATTACHED)  # type: ignore[call-overload]
        .join(Document, col(Document.id) == col(AgendaItemDocument.document_id))
        .where(col(AgendaItemDocument.agenda_item_id).in_(items))
        .order_by(col(Document.added_at), col(Document.code))
    )
    found: dict[UUID, list[Any]] = {}
    for item_id, *facts in (await session.exec(query)).all():
        found.setdefault(item_id, []).append(Attached(*facts))
    return found


async def published_points(session: AsyncSession, forum: Forum) -> list[Point]:
    """The agenda the public sees; nothing while none was published."""
    return await points_of(session, forum, forum.agenda_version) if forum.agenda_version else []


async def versions_of(session: AsyncSession, forum: Forum) -> Sequence[AgendaVersion]:
    """What was published, the newest first."""
    query = select(AgendaVersion).where(AgendaVersion.forum_id == forum.id)
    return (await session.exec(query.order_by(col(AgendaVersion.number).desc()))).all()


def stages(points: Sequence[Point]) -> list[Stage]:
    """The points in their order, those of parallel tracks side by side."""
    found: list[Stage] = []
    tracks: dict[str, list[Point]] = {}
    for point in points:
        # Of evenings known by their titles alone, workshops are known to be held together.
        beside = point.item.track or (f"#{point.item.number}" if point.item.kind == "workshop" and not point.item.starts_at else None)
        if beside is None:
            found += [*_side_by_side(tracks), Stage([("", [point])])]
            tracks = {}
        else:
            tracks.setdefault(beside, []).append(point)
    return [*found, *_side_by_side(tracks)]


def _side_by_side(tracks: dict[str, list[Point]]) -> list[Stage]:
    named = [("" if track.startswith("#") else track, points) for track, points in tracks.items()]
    return [Stage(named)] if len(named) > 1 else [Stage([("", [point])]) for _, points in named for point in points]


async def item_by_id(session: AsyncSession, forum: Forum, item_id: UUID) -> AgendaItem | None:
    """An item organisers prepare."""
    query = select(AgendaItem).where(AgendaItem.id == item_id, AgendaItem.forum_id == forum.id, AgendaItem.version == 0)
    return (await session.exec(query)).first()


async def numbers_of(session: AsyncSession, forum: Forum) -> dict[UUID, int]:
    """The number of each item, in every version: what is tied to an item organisers prepare is found in what they published."""
    return dict((await session.exec(select(AgendaItem.id, AgendaItem.number).where(AgendaItem.forum_id == forum.id))).all())


async def items_taking_up(session: AsyncSession, question: Question) -> Sequence[tuple[AgendaItem, Forum]]:
    """The published agenda items that take up a question, with their forum."""
    query = (
        select(AgendaItem, Forum)
        .join(AgendaItemQuestion, col(AgendaItemQuestion.agenda_item_id) == col(AgendaItem.id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        .where(AgendaItemQuestion.question_id == question.id, *_public())
        .order_by(col(Forum.day), col(AgendaItem.position))
    )
    return (await session.exec(query)).all()


async def items_about(session: AsyncSession, commitment: Commitment) -> Sequence[tuple[AgendaItem, Forum]]:
    """The published agenda items about a commitment, the newest forum first."""
    query = (
        select(AgendaItem, Forum)
        .join(AgendaItemCommitment, col(AgendaItemCommitment.agenda_item_id) == col(AgendaItem.id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        .where(AgendaItemCommitment.commitment_id == commitment.id, *_public())
        .order_by(col(Forum.day).desc(), col(AgendaItem.position))
    )
    return (await session.exec(query)).all()


def _public() -> tuple[Any, ...]:
    """Of the agenda an announced forum shows now."""
    return AgendaItem.version == Forum.agenda_version, Forum.agenda_version > 0, Forum.status != "draft"


async def is_written_about(session: AsyncSession, item: AgendaItem) -> bool:
    return (await session.exec(select(MinutesEntry.id).where(MinutesEntry.agenda_item_id == item.id).limit(1))).first() is not None


def out_of_hours(forum: Forum, points: Sequence[Point]) -> list[Point]:
    """Points that begin before their forum or are not over when it ends."""

    def outside(moment: datetime | None) -> bool:
        return bool(moment and forum.starts_at and forum.ends_at and not forum.starts_at <= moment <= forum.ends_at)

    return [point for point in points if outside(point.item.starts_at) or outside(point.item.ends_at)]
