"""Every question asked of the promises; the public sees those whose minutes are published.

Each answer costs the same number of statements whatever the number of promises.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, case
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    ActionPlan,
    Commitment,
    FollowUp,
    FollowUpChange,
    FollowUpCommitment,
    FollowUpForum,
    Forum,
    Institution,
    Minutes,
    MinutesEntry,
    MinutesEntryQuestion,
    Question,
    Season,
)
from forums.models.forum import PARIS

State = Literal["open", "late", "kept", "dropped"]
MomentKind = Literal["made", "carried", "kept", "dropped", "reopened", "amended"]


@dataclass(frozen=True)
class Promise:
    """A promise with where it was made, who holds it and what it bears on."""

    follow_up: FollowUp
    forum: Forum
    entry: MinutesEntry | None
    institution: Institution | None
    commitments: Sequence[Commitment]
    public: bool

    @property
    def holder(self) -> str:
        """Who is to keep it, or who begins the cooperation."""
        named = [self.institution.name] if self.institution else [self.follow_up.owner] if self.follow_up.owner else []
        return ", ".join([*named, self.follow_up.partners]) if self.follow_up.partners else "".join(named)


@dataclass(frozen=True)
class Carried:
    """A promise carried to a forum, and what was said of it there."""

    promise: Promise
    row: FollowUpForum
    entry: MinutesEntry | None


@dataclass(frozen=True)
class Moment:
    """Something that happened to a promise: at a forum, on a day, in words."""

    kind: MomentKind
    day: date | None
    forum: Forum | None = None
    entry: MinutesEntry | None = None
    text: str = ""
    url: str | None = None
    due_on: date | None = None


def is_public() -> ColumnElement[bool]:
    """Promises of published minutes, here or elsewhere, of a forum the public may see."""
    written = select(Minutes.forum_id).where(col(Minutes.published_at).is_not(None))
    said = col(Forum.id).in_(written) | col(Forum.minutes_elsewhere).is_not(None)
    return col(Forum.announced_at).is_not(None) & said


def _known() -> Any:
    """Promises with their forum, passage and institution."""
    return (
        select(FollowUp, Forum, MinutesEntry, Institution)
        .join(Forum, col(Forum.id) == col(FollowUp.forum_id))
        .join(MinutesEntry, col(MinutesEntry.id) == col(FollowUp.entry_id), isouter=True)
        .join(Institution, col(Institution.id) == col(FollowUp.institution_id), isouter=True)
    )


async def promises(session: AsyncSession, query: Any) -> list[Promise]:
    """What a query built on `_known` finds, each with its commitments: three statements."""
    found = (await session.exec(query)).all()
    ids = [follow_up.id for follow_up, *_ in found]
    commitments: dict[UUID, list[Commitment]] = {}
    linked = (
        select(FollowUpCommitment.follow_up_id, Commitment)
        .join(Commitment, col(Commitment.id) == col(FollowUpCommitment.commitment_id))
        .where(col(FollowUpCommitment.follow_up_id).in_(ids))
        .order_by(col(Commitment.number))
    )
    for follow_up_id, commitment in (await session.exec(linked)).all():
        commitments.setdefault(follow_up_id, []).append(commitment)
    seen = select(FollowUp.id).join(Forum, col(Forum.id) == col(FollowUp.forum_id)).where(col(FollowUp.id).in_(ids), is_public())
    public = set((await session.exec(seen)).all())
    return [
        Promise(follow_up, forum, entry, institution, commitments.get(follow_up.id, []), follow_up.id in public)
        for follow_up, forum, entry, institution in found
    ]


def known(*conditions: Any) -> Any:
    """The promises that answer these conditions, what presses first."""
    return _known().where(*conditions).order_by(*_what_presses_first())


def _what_presses_first() -> tuple[Any, ...]:
    """The open ones by the date they are due, those without a date, then those closed, the latest first."""
    closed = case((col(FollowUp.status) == "open", 0), else_=1)
    return closed, col(FollowUp.closed_at).desc(), col(FollowUp.due_on).nulls_last(), col(FollowUp.created_at), col(FollowUp.code)


def is_late(now: datetime) -> ColumnElement[bool]:
    """Open after the day it was due, on the calendar of Paris."""
    return (col(FollowUp.status) == "open") & (col(FollowUp.due_on) < now.astimezone(PARIS).date())


async def promise_by_code(session: AsyncSession, code: str, *, drafts: bool = False) -> Promise | None:
    """A promise the public may read; with `drafts`, any."""
    found = await promises(session, known(FollowUp.code == code, *([] if drafts else [is_public()])))
    return found[0] if found else None


async def public_ones(
    session: AsyncSession,
    *,
    state: State | None = None,
    institution: Institution | None = None,
    commitment: Commitment | None = None,
    plan: ActionPlan | None = None,
    season: Season | None = None,
    without_commitment: bool = False,
    offset: int = 0,
    limit: int = 20,
    now: datetime,
) -> tuple[list[Promise], int]:
    """A page of the promises the public may read, and how many there are in all."""
    conditions: list[Any] = [is_public()]
    if state == "late":
        conditions.append(is_late(now))
    elif state is not None:
        conditions.append(FollowUp.status == state)
    if institution is not None:
        conditions.append(FollowUp.institution_id == institution.id)
    if commitment is not None:
        conditions.append(_bears_on(commitment))
    if plan is not None:
        conditions.append(is_of(plan))
    if season is not None:
        conditions.append(Forum.season_id == season.id)
    if without_commitment:
        conditions.append(bears_on_none())
    total = select(func.count()).select_from(FollowUp).join(Forum, col(Forum.id) == col(FollowUp.forum_id)).where(*conditions)
    return await promises(session, known(*conditions).offset(offset).limit(limit)), (await session.exec(total)).one()


def _bears_on(commitment: Commitment) -> ColumnElement[bool]:
    return col(FollowUp.id).in_(select(FollowUpCommitment.follow_up_id).where(FollowUpCommitment.commitment_id == commitment.id))


def bears_on_none() -> ColumnElement[bool]:
    return col(FollowUp.id).not_in(select(FollowUpCommitment.follow_up_id))


def is_of(plan: ActionPlan) -> ColumnElement[bool]:
    """On a commitment of the plan; on none, made at one of its forums, those of a season of no plan being of the current one."""
    of_plan = select(FollowUpCommitment.follow_up_id).join(Commitment, col(Commitment.id) == col(FollowUpCommitment.commitment_id))
    seasons: ColumnElement[bool] = col(Season.plan_id) == plan.id
    if plan.current:
        seasons = seasons | col(Season.plan_id).is_(None)
    made_there = col(Forum.season_id).in_(select(Season.id).where(seasons))
    return col(FollowUp.id).in_(of_plan.where(Commitment.plan_id == plan.id)) | (bears_on_none() & made_there)


async def counts(
    session: AsyncSession, *, institutions: Sequence[Institution] | None = None, drafts: bool = False, now: datetime
) -> dict[State, int]:
    """How many promises are open, late (counted among the open), kept and dropped; with `drafts`, those of drafts too."""
    late = func.sum(case((is_late(now), 1), else_=0))
    query = select(FollowUp.status, func.count(), late).join(Forum, col(Forum.id) == col(FollowUp.forum_id))
    if not drafts:
        query = query.where(is_public())
    if institutions is not None:
        query = query.where(col(FollowUp.institution_id).in_([each.id for each in institutions]))
    found: dict[State, int] = {"open": 0, "late": 0, "kept": 0, "dropped": 0}
    rows: Any = (await session.exec(query.group_by(col(FollowUp.status)))).all()
    for status, number, overdue in rows:
        found[status] = number
        found["late"] += int(overdue)
    return found


async def holders(session: AsyncSession) -> Sequence[Institution]:
    """The institutions that hold a promise the public may read, by name."""
    held = select(FollowUp.institution_id).join(Forum, col(Forum.id) == col(FollowUp.forum_id)).where(is_public())
    return (await session.exec(select(Institution).where(col(Institution.id).in_(held)).order_by(col(Institution.name)))).all()


async def institutions(session: AsyncSession) -> Sequence[Institution]:
    """Every institution a promise may be held by, by name."""
    return (await session.exec(select(Institution).order_by(col(Institution.name)))).all()


async def about(session: AsyncSession, commitment: Commitment) -> list[Promise]:
    """The promises that bear on a commitment, for the public."""
    return await promises(session, known(is_public(), _bears_on(commitment)))


async def made_at(session: AsyncSession, forum: Forum, *, drafts: bool = False) -> list[Promise]:
    """The promises made at a forum, in the order of the minutes."""
    query = _known().where(FollowUp.forum_id == forum.id, *([] if drafts else [is_public()]))
    return await promises(session, query.order_by(col(MinutesEntry.number).nulls_last(), col(FollowUp.created_at)))


async def from_answers_to(session: AsyncSession, question: Question) -> list[Promise]:
    """The promises the public may read that were made in a passage which answers a question."""
    answering = select(MinutesEntryQuestion.entry_id).where(MinutesEntryQuestion.question_id == question.id)
    return await promises(session, known(is_public(), col(FollowUp.entry_id).in_(answering)))


async def questions_behind(session: AsyncSession, promise: Promise) -> Sequence[Question]:
    """The published questions that the passage a promise was made in answers, the oldest first."""
    if promise.entry is None:
        return ()
    query = select(Question).join(MinutesEntryQuestion, col(MinutesEntryQuestion.question_id) == col(Question.id))
    asked = query.where(MinutesEntryQuestion.entry_id == promise.entry.id, Question.status == "published")
    return (await session.exec(asked.order_by(col(Question.created_at)))).all()


async def carried_to(session: AsyncSession, forum: Forum, *, drafts: bool = False) -> list[Carried]:
    """The promises of earlier forums carried to this one, open or closed since."""
    query = (
        select(FollowUpForum, MinutesEntry)
        .join(MinutesEntry, col(MinutesEntry.id) == col(FollowUpForum.entry_id), isouter=True)
        .where(FollowUpForum.forum_id == forum.id, col(FollowUpForum.uncarried_at).is_(None))
    )
    rows = {row.follow_up_id: (row, entry) for row, entry in (await session.exec(query)).all()}
    found = await promises(session, known(col(FollowUp.id).in_(rows), *([] if drafts else [is_public()])))
    return [Carried(promise, *rows[promise.follow_up.id]) for promise in found]


async def open_ones(
    session: AsyncSession, *, institutions: Sequence[Institution] | None = None, offset: int = 0, limit: int | None = None
) -> list[Promise]:
    """Every open promise, what is late first; of given institutions, those the public may read."""
    conditions: list[Any] = [FollowUp.status == "open"]
    if institutions is not None:
        conditions += [is_public(), col(FollowUp.institution_id).in_([each.id for each in institutions])]
    return await promises(session, known(*conditions).offset(offset).limit(limit))


def of_institutions(promise: Promise, institutions: Sequence[Institution]) -> bool:
    """Whether one of these institutions holds a promise the public may read: its agents then see it."""
    return promise.public and promise.follow_up.institution_id in {each.id for each in institutions}


async def forums_of(session: AsyncSession, promise: Promise) -> list[Forum]:
    """Where a promise was spoken of, or is to be: the forum it was made at, then those it was carried to."""
    carried = select(FollowUpForum.forum_id).where(
        FollowUpForum.follow_up_id == promise.follow_up.id, col(FollowUpForum.uncarried_at).is_(None)
    )
    later = select(Forum).where(col(Forum.id).in_(carried)).order_by(col(Forum.day), col(Forum.number))
    return [promise.forum, *(await session.exec(later)).all()]


async def proposals(session: AsyncSession, promise: Promise) -> Sequence[FollowUpChange]:
    """The evidence its institution proposed since the promise was last closed or reopened, the newest first."""
    since = select(func.max(FollowUpChange.at)).where(
        FollowUpChange.follow_up_id == promise.follow_up.id, col(FollowUpChange.kind).in_(("kept", "dropped", "reopened"))
    )
    last = (await session.exec(since)).one()
    query = select(FollowUpChange).where(FollowUpChange.follow_up_id == promise.follow_up.id, FollowUpChange.kind == "proposed")
    if last is not None:
        query = query.where(col(FollowUpChange.at) > last)
    return (await session.exec(query.order_by(col(FollowUpChange.at).desc()))).all()


async def history_of(session: AsyncSession, promise: Promise) -> list[Moment]:
    """All that happened to a promise, from the evening it was made; only what the public may read."""
    carried = (
        select(FollowUpForum, Forum, MinutesEntry, Minutes)
        .join(Forum, col(Forum.id) == col(FollowUpForum.forum_id))
        .join(MinutesEntry, col(MinutesEntry.id) == col(FollowUpForum.entry_id), isouter=True)
        .join(Minutes, col(Minutes.forum_id) == col(Forum.id), isouter=True)
        .where(FollowUpForum.follow_up_id == promise.follow_up.id)
        .where(col(FollowUpForum.uncarried_at).is_(None), col(Forum.announced_at).is_not(None))
    )
    changed = (
        select(FollowUpChange, Forum)
        .join(Forum, col(Forum.id) == col(FollowUpChange.forum_id), isouter=True)
        .where(FollowUpChange.follow_up_id == promise.follow_up.id, FollowUpChange.kind != "proposed")
        .order_by(col(FollowUpChange.at))
    )
    moments = [Moment("made", promise.forum.day, promise.forum, promise.entry)]
    for row, forum, entry, written in (await session.exec(carried)).all():
        told = forum.minutes_elsewhere is not None or (written is not None and written.published_at is not None)
        moments.append(Moment("carried", forum.day, forum, entry if told else None, row.said if told else ""))
    for change, forum in (await session.exec(changed)).all():
        day = change.at.astimezone(PARIS).date()
        moments.append(Moment(change.kind, day, forum, None, change.text, change.url, change.due_on))  # type: ignore[arg-type]
    # Stable: what happened on one day keeps the order made, carried, changed.
    return sorted(moments, key=lambda moment: (moment.kind != "made", moment.day or date.max))
