"""Everything asked of the minutes: the passages with their links, the versions, the commitments a text cites.

The public reads what was published and nothing else. A version keeps numbers and codes rather than the
words of others: a question whose text is mended later is shown as it is now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan
from forums.database import insert_new
from forums.models import (
    ActionPlan,
    AgendaItem,
    Commitment,
    Forum,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    MinutesVersion,
    Question,
    Season,
)
from forums.rendering import cited_numbers

_ENOUGH = 80
"""So many letters in a row are no coincidence."""


@dataclass(frozen=True)
class Entry:
    """A passage with what it is tied to; `outcomes` says what came of each question, by its code."""

    entry: MinutesEntry
    item: AgendaItem | None
    commitments: Sequence[Commitment]
    questions: Sequence[Question]
    outcomes: Mapping[str, MinutesEntryQuestion] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Version:
    """A version as it was published, and the one before it."""

    version: MinutesVersion
    previous: MinutesVersion | None
    questions: Mapping[str, Question]
    """The questions it is about that may still be read, by their code."""


async def of(session: AsyncSession, forum: Forum) -> Minutes | None:
    return (await session.exec(select(Minutes).where(Minutes.forum_id == forum.id))).first()


async def published(session: AsyncSession, forum: Forum) -> Minutes | None:
    """The minutes the public may read."""
    minutes = await of(session, forum)
    return minutes if minutes and minutes.published_at else None


async def published_of(session: AsyncSession, forums: Sequence[Forum]) -> set[UUID]:
    """Those of these forums whose minutes the public may read."""
    ids = [forum.id for forum in forums]
    return set(
        (await session.exec(select(Minutes.forum_id).where(col(Minutes.forum_id).in_(ids), col(Minutes.published_at).is_not(None)))).all()
    )


async def begun(session: AsyncSession, forum: Forum) -> Minutes:
    """The minutes of a forum, begun as a draft the first time; by two people at once, they are one."""
    minutes = await of(session, forum)
    if minutes is None:
        await insert_new(session, Minutes, [{"id": uuid4(), "forum_id": forum.id, "introduction": ""}], same=["forum_id"])
        minutes = (await session.exec(select(Minutes).where(Minutes.forum_id == forum.id))).one()
    return minutes


async def passages_of(session: AsyncSession, minutes: Minutes) -> Sequence[MinutesEntry]:
    """The passages in their order."""
    query = select(MinutesEntry).where(MinutesEntry.minutes_id == minutes.id).order_by(col(MinutesEntry.number))
    # What another has just saved, not what was read before the lock.
    return (await session.exec(query.execution_options(populate_existing=True))).all()


async def entries_of(session: AsyncSession, minutes: Minutes) -> list[Entry]:
    """The passages in their order, each with its links."""
    entries = await passages_of(session, minutes)
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
    outcomes = await _outcomes(session, ids)
    wanted = [entry.agenda_item_id for entry in entries if entry.agenda_item_id]
    items = {item.id: item for item in (await session.exec(select(AgendaItem).where(col(AgendaItem.id).in_(wanted)))).all()}
    return [
        Entry(
            entry,
            items.get(entry.agenda_item_id) if entry.agenda_item_id else None,
            commitments.get(entry.id, []),
            answered.get(entry.id, []),
            outcomes.get(entry.id, {}),
        )
        for entry in entries
    ]


async def as_announced(session: AsyncSession, minutes: Minutes, entries: Sequence[Entry]) -> list[Entry]:
    """The same under the items of the agenda the public reads, which may differ from the one being prepared."""
    forum = (await session.exec(select(Forum).where(Forum.id == minutes.forum_id))).one()
    if forum.agenda_version == 0:
        return list(entries)
    query = select(AgendaItem).where(AgendaItem.forum_id == forum.id, AgendaItem.version == forum.agenda_version)
    public = {item.number: item for item in (await session.exec(query)).all()}
    return [replace(each, item=public.get(each.item.number) if each.item else None) for each in entries]


async def _outcomes(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, dict[str, MinutesEntryQuestion]]:
    query = (
        select(Question.code, MinutesEntryQuestion)
        .join(MinutesEntryQuestion, col(MinutesEntryQuestion.question_id) == col(Question.id))
        .where(col(MinutesEntryQuestion.entry_id).in_(ids), Question.status == "published")
        .execution_options(populate_existing=True)
    )
    found: dict[UUID, dict[str, MinutesEntryQuestion]] = {}
    for code, link in (await session.exec(query)).all():
        found.setdefault(link.entry_id, {})[code] = link
    return found


async def entry_by_number(session: AsyncSession, minutes: Minutes, number: int) -> MinutesEntry | None:
    return (await session.exec(select(MinutesEntry).where(MinutesEntry.minutes_id == minutes.id, MinutesEntry.number == number))).first()


@dataclass(frozen=True)
class Quoting:
    """A passage tied to a question or that repeats its words (`repeats`), and whether everybody may read it."""

    entry: MinutesEntry
    forum: Forum
    repeats: bool
    public: bool


async def quoting(session: AsyncSession, question: Question) -> list[Quoting]:
    """The passages a question is tied to, or whose text repeats what it says or said; the newest forum first."""
    words = {" ".join(text.split())[:_ENOUGH] for text in (question.text, question.original_text) if text}
    tied = select(MinutesEntryQuestion.entry_id).where(MinutesEntryQuestion.question_id == question.id)
    said = or_(*(col(MinutesEntry.text).contains(each, autoescape=True) for each in words))
    query = (
        select(MinutesEntry, Forum, Minutes.published_at)
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .join(Forum, col(Forum.id) == col(Minutes.forum_id))
        .where(col(MinutesEntry.id).in_(tied) | said)
        .order_by(col(Forum.day).desc(), col(MinutesEntry.number))
    )
    return [
        Quoting(entry, forum, any(each in entry.text for each in words), published_at is not None)
        for entry, forum, published_at in (await session.exec(query)).all()
    ]


# -- Versions -------------------------------------------------------------------------------------------


async def versions_of(session: AsyncSession, minutes: Minutes) -> Sequence[MinutesVersion]:
    """The published versions, the newest first."""
    query = select(MinutesVersion).where(MinutesVersion.minutes_id == minutes.id).order_by(col(MinutesVersion.number).desc())
    return (await session.exec(query)).all()


async def version_by_number(session: AsyncSession, minutes: Minutes, number: int) -> Version | None:
    query = select(MinutesVersion).where(MinutesVersion.minutes_id == minutes.id, col(MinutesVersion.number).in_([number, number - 1]))
    found = {each.number: each for each in (await session.exec(query)).all()}
    if number not in found:
        return None
    codes = {question["code"] for each in found.values() for passage in each.content for question in passage["questions"]}
    kept = select(Question.id).where(Question.status == "published")
    merged = (col(Question.status) == "merged") & col(Question.merged_into_id).in_(kept)
    readable = (col(Question.status) == "published") | merged
    asked = (await session.exec(select(Question).where(col(Question.code).in_(codes), readable))).all()
    return Version(found[number], found.get(number - 1), {question.code: question for question in asked})


# -- Commitments cited in the text --------------------------------------------------------------------------


async def plan_of(session: AsyncSession, forum: Forum) -> ActionPlan | None:
    """The plan whose commitments a forum's minutes cite: its season's, or else the current one."""
    query = select(ActionPlan).join(Season, col(Season.plan_id) == col(ActionPlan.id)).where(Season.id == forum.season_id)
    return (await session.exec(query)).first() or await action_plan.current_plan(session)


def cited_in(held: Entry, commitments: Sequence[Commitment]) -> list[Commitment]:
    """The commitments a passage cites (E12) and is not tied to; a number the plan does not have is passed over."""
    cited, tied = cited_numbers(held.entry.text), {each.number for each in held.commitments}
    return [each for each in commitments if each.number in cited and each.number not in tied]
