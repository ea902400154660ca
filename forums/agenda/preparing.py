"""Prepare an agenda: items added, changed, put in order and taken off; nobody but organisers sees them yet.

The forum's row is locked first, so that two organisers work one after the other. An item keeps its number
for ever, and its `edition` rises at each change: who saved from an older one overwrites nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.agenda import shifting
from forums.agenda.queries import KINDS, Point, points_of
from forums.agenda.shifting import Slot
from forums.forms import Form, OptionalHour, Tick, choice, clean, line, optional, prose, refuse, whole
from forums.language import N_
from forums.models import (
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemQuestion,
    Commitment,
    Forum,
    Question,
    Speaker,
)
from forums.models.forum import PARIS
from forums.refusals import EditedMeanwhile
from forums.schedule import at

SPEAKERS = 20
GONE = N_("Ce point vient d'être retiré de l'ordre du jour par quelqu'un d'autre.")


class AgendaItemForm(Form):
    title: Annotated[str, line(200, N_("Donnez un titre à ce point, par exemple « Où en est la commande publique ? »."))]
    kind: Annotated[str, choice(*KINDS, message=N_("Choisissez un genre dans la liste."))]
    track: Annotated[str, line(100)]
    starts: OptionalHour
    length: Annotated[int | None, optional(whole(1, 720))] = None
    """In minutes."""
    speakers: Annotated[str, prose(4000)] = ""
    """One a line: a name, then after a comma in what capacity they speak."""
    description: Annotated[str, prose(5000)]
    commitments: tuple[Annotated[int, whole(1, 9_999)], ...] = ()
    questions: tuple[Annotated[str, line(20)], ...] = ()
    shift: Tick = True
    """Whether what follows moves along."""
    edition: Annotated[int | None, optional(whole(0, 999_999))] = None
    """What the form was made from; none when nobody else can be writing."""
    number: Annotated[int | None, optional(whole(1, 999_999))] = None
    """Of a new item, the number it will have: sent twice, it is added once."""


async def add(
    session: AsyncSession,
    forum: Forum,
    form: AgendaItemForm,
    commitments: Sequence[Commitment],
    questions: Sequence[Question],
    *,
    now: datetime,
) -> AgendaItem:
    """A new item, at its hour or after the others. Raises a form error when its hours cannot be."""
    await locked(session, forum)
    points = await points_of(session, forum)
    already = next((point.item for point in points if point.item.number == form.number and point.item.title == form.title), None)
    if already is not None:
        return already
    number = await next_number(session, forum)
    item = AgendaItem(forum_id=forum.id, number=number, position=number, title=form.title)
    session.add(item)
    await _write(session, forum, item, form, commitments, questions, points)
    return item


async def next_number(session: AsyncSession, forum: Forum) -> int:
    """Never given before, not even to an item since removed."""
    last = select(func.coalesce(func.max(AgendaItem.number), 0)).where(AgendaItem.forum_id == forum.id)
    return (await session.exec(last)).one() + 1


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
    """Change an item and what it is tied to; with `shift`, what follows moves along.

    Raises a form error when its hours cannot be, or `EditedMeanwhile` when someone saved it since the form was made.
    """
    await locked(session, forum)
    points = await points_of(session, forum)
    mine = next((point for point in points if point.item.id == item.id), None)
    if mine is None:
        raise EditedMeanwhile(GONE)
    if form.edition is not None and form.edition != item.edition:
        if _says_the_same(forum, mine, form, commitments, questions):
            return item  # the same form, sent twice
        raise EditedMeanwhile
    item.edition += 1
    await _write(session, forum, item, form, commitments, questions, points)
    return item


def _says_the_same(
    forum: Forum, point: Point, form: AgendaItemForm, commitments: Sequence[Commitment], questions: Sequence[Question]
) -> bool:
    said = typed(point)
    same = all(said[name] == getattr(form, name) for name in ("title", "kind", "track", "description"))
    speakers = [(each.name, each.capacity) for each in point.speakers] == _speakers_in(form.speakers)
    starts = at(forum.day, form.starts) if form.starts and forum.day else None
    ends = starts + timedelta(minutes=form.length) if starts and form.length else None
    hours = (point.item.starts_at, point.item.ends_at) == (starts, ends)
    ties = [{each.id for each in tied} for tied in (point.commitments, point.questions, commitments, questions)]
    return same and speakers and hours and ties[:2] == ties[2:]


def typed(point: Point) -> dict[str, Any]:
    """An item as its form would hold it."""
    item, length = point.item, minutes_of(point.item)
    return {
        "title": item.title,
        "kind": item.kind,
        "track": item.track or "",
        "starts": f"{item.starts_at.astimezone(PARIS):%H:%M}" if item.starts_at else "",
        "length": str(length) if length else "",
        "speakers": "\n".join(f"{each.name}, {each.capacity}" if each.capacity else each.name for each in point.speakers),
        "description": item.description,
        "commitments": [str(each.number) for each in point.commitments],
        "questions": [each.code for each in point.questions],
        "edition": str(item.edition),
    }


def minutes_of(item: AgendaItem) -> int | None:
    """How long an item lasts."""
    return round((item.ends_at - item.starts_at).total_seconds() / 60) if item.starts_at and item.ends_at else None


async def _write(
    session: AsyncSession,
    forum: Forum,
    item: AgendaItem,
    form: AgendaItemForm,
    commitments: Sequence[Commitment],
    questions: Sequence[Question],
    points: Sequence[Point],
) -> None:
    item.title, item.kind, item.track = form.title, form.kind, form.track or None  # type: ignore[assignment]
    item.description = form.description
    _place(forum, item, form, [point.item for point in points])
    speakers = _speakers_in(form.speakers)
    session.add(item)
    await session.flush()
    for tie in (AgendaItemCommitment, AgendaItemQuestion, Speaker):
        await session.exec(delete(tie).where(col(tie.agenda_item_id) == item.id))
    session.add_all(AgendaItemCommitment(agenda_item_id=item.id, commitment_id=each.id) for each in commitments)
    session.add_all(AgendaItemQuestion(agenda_item_id=item.id, question_id=each.id) for each in questions)
    session.add_all(
        Speaker(agenda_item_id=item.id, position=position, name=name, capacity=capacity)
        for position, (name, capacity) in enumerate(speakers, start=1)
    )
    await session.flush()


def _speakers_in(text: str) -> list[tuple[str, str]]:
    lines = [clean(each) for each in text.splitlines()]
    found = [(name.strip(), capacity.strip()) for name, _, capacity in (each.partition(",") for each in lines) if name.strip()]
    if len(found) > SPEAKERS:
        raise refuse(N_("Donnez {limit} intervenants au plus, un par ligne."), limit=SPEAKERS)
    return found


# -- Hours ------------------------------------------------------------------------------------------------


def _place(forum: Forum, item: AgendaItem, form: AgendaItemForm, items: Sequence[AgendaItem]) -> None:
    """Give an item its hours and its place among the others."""
    others = [each for each in items if each.number != item.number]
    starts = at(forum.day, form.starts) if form.starts and forum.day else None
    if form.length and starts is None:
        starts = _end_of_what_precedes(forum, form.track or None, others) if item.starts_at is None else item.starts_at
        if starts is None:
            raise refuse(N_("Donnez aussi l'heure de début : aucun point d'avant ne dit quand celui-ci commence."))
    new = Slot(item.number, form.track or None, starts, timedelta(minutes=form.length or 0))
    slots = [_slot(each) for each in items]
    if len(others) == len(items):
        found = shifting.inserted(slots, new)
    elif form.shift:
        found = shifting.changed(slots, new)
    else:
        found = [new if slot.number == new.number else slot for slot in slots]
    hours = {slot.number: slot for slot in slots}
    if not form.shift:
        found = [slot if slot.number == new.number else hours[slot.number] for slot in found]
    _apply(found, [*others, item], but=item)


def _end_of_what_precedes(forum: Forum, track: str | None, items: Sequence[AgendaItem]) -> datetime | None:
    before = [each.ends_at or each.starts_at for each in items if each.starts_at and (track is None or each.track in (None, track))]
    return max((moment for moment in before if moment), default=forum.starts_at)


def _slot(item: AgendaItem) -> Slot:
    return Slot(item.number, item.track, item.starts_at, timedelta(minutes=minutes_of(item) or 0))


def _apply(slots: Sequence[Slot], items: Sequence[AgendaItem], *, but: AgendaItem | None = None) -> None:
    """Hours and positions as they are laid out. Whoever was writing an item whose hours moved (`but` the one saved) is told so."""
    known = {item.number: item for item in items}
    for position, slot in enumerate(slots, start=1):
        item = known[slot.number]
        ends = slot.ends if slot.length else None
        if item is not but and (item.starts_at, item.ends_at) != (slot.starts, ends):
            item.edition += 1
        item.position, item.starts_at, item.ends_at = position, slot.starts, ends


async def remove(session: AsyncSession, item: AgendaItem, *, shift: bool = True) -> None:
    """Take an item off; what follows comes earlier. A passage of the minutes written about it stays, without its item."""
    forum = (await session.exec(select(Forum).where(Forum.id == item.forum_id))).one()
    await locked(session, forum)
    items = [point.item for point in await points_of(session, forum)]
    if item.number not in {each.number for each in items}:
        return
    slots = [_slot(each) for each in items]
    left = shifting.removed(slots, item.number) if shift else [slot for slot in slots if slot.number != item.number]
    _apply(left, [each for each in items if each.number != item.number])
    await session.delete(item)
    await session.flush()


async def put(session: AsyncSession, forum: Forum, item: AgendaItem, beside: AgendaItem, *, up: bool) -> None:
    """An item just above or just below another, each taking the other's hour when they follow each other."""
    await locked(session, forum)
    items = [point.item for point in await points_of(session, forum)]
    if not {item.number, beside.number} <= {each.number for each in items}:
        raise EditedMeanwhile(GONE)
    _apply(shifting.moved([_slot(each) for each in items], item.number, beside.number, up=up), items)
    await session.flush()


# -- From the questions --------------------------------------------------------------------------------------


async def take_up(session: AsyncSession, forum: Forum, question: Question, item: AgendaItem | None = None, *, now: datetime) -> AgendaItem:
    """Put a question on the agenda: on an item, or on one of its own that bears its text and its commitment.

    Asked for twice, it is there once.
    """
    await locked(session, forum)
    points = await points_of(session, forum)
    taken = [point.item for point in points if question.id in {each.id for each in point.questions}]
    if item is None and taken:
        return taken[0]
    if item is None:
        commitment = await session.get(Commitment, question.commitment_id) if question.commitment_id else None
        form = AgendaItemForm(title=shortened(question.text), kind="plenary", track="", starts=None, description="")
        return await add(session, forum, form, [commitment] if commitment else [], [question], now=now)
    if item.id not in {point.item.id for point in points}:
        raise EditedMeanwhile(GONE)
    if item not in taken:
        session.add(AgendaItemQuestion(agenda_item_id=item.id, question_id=question.id))
        about = {each.id for point in points if point.item.id == item.id for each in point.commitments}
        if question.commitment_id and question.commitment_id not in about:
            session.add(AgendaItemCommitment(agenda_item_id=item.id, commitment_id=question.commitment_id))
        item.edition += 1
        session.add(item)
        await session.flush()
    return item


def shortened(text: str) -> str:
    """A question as a title: one line, cut between two words when it is long."""
    words = " ".join(text.split())
    return words if len(words) <= 200 else words[:199].rsplit(" ", 1)[0] + "…"


async def locked(session: AsyncSession, forum: Forum) -> None:
    """Two organisers prepare one after the other. Flushed first: refreshing drops what is not written yet."""
    await session.flush()
    await session.refresh(forum, with_for_update={"key_share": True})
