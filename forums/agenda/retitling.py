"""Titles of agenda items that were a question's own words, once these were corrected or withdrawn.

An item being prepared gets another title in one go. Versions already published stay as they were, unless
a moderator says that what was taken out must not be read there either: then the title is replaced in
them too, with a mention that everybody sees.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.agenda.preparing import locked, shortened
from forums.agenda.queries import KINDS
from forums.models import AgendaItem, AgendaItemCommitment, AgendaItemQuestion, Commitment, Forum, Question

CORRECTED = "(titre corrigé)"


class Titled(NamedTuple):
    """An item that takes up a question; `outdated` while its title is what the question no longer says in public."""

    item: AgendaItem
    forum: Forum
    repeats: bool
    outdated: bool


async def made_from(session: AsyncSession, question: Question) -> list[Titled]:
    """Every item that takes up a question, prepared or published, what is prepared first."""
    query = (
        select(AgendaItem, Forum)
        .join(AgendaItemQuestion, col(AgendaItemQuestion.agenda_item_id) == col(AgendaItem.id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        .where(AgendaItemQuestion.question_id == question.id)
        .order_by(col(Forum.day), col(AgendaItem.version), col(AgendaItem.position))
    )
    return [
        Titled(item, forum, item.title in _words_of(question), item.title in _outdated_words_of(question))
        for item, forum in (await session.exec(query)).all()
    ]


def _words_of(question: Question) -> set[str]:
    return {shortened(text) for text in (question.text, question.original_text) if text}


def _outdated_words_of(question: Question) -> set[str]:
    """What the question said, and no longer says to everybody."""
    public = {shortened(question.text)} if question.status in ("pending", "published", "merged") else set()
    return _words_of(question) - public


async def retitle(session: AsyncSession, question: Question, *, published: bool = False) -> list[Titled]:
    """Give another title to the items whose own is outdated; with `published`, in the versions everybody reads too.

    Returns those it changed: done twice, none.
    """
    changed = []
    forums = {each.forum.id: each.forum for each in await made_from(session, question) if each.outdated}
    for forum in sorted(forums.values(), key=lambda each: each.id):
        await locked(session, forum)
    for each in await made_from(session, question):
        if each.outdated and (published or each.item.version == 0):
            await session.refresh(each.item)
            each.item.title = await _new_title(session, question, each.item)
            each.item.edition += 1
            session.add(each.item)
            changed.append(each)
    await session.flush()
    return changed


async def _new_title(session: AsyncSession, question: Question, item: AgendaItem) -> str:
    """The question as it is now, or what else the item is about; said to be corrected where it was published."""
    title = shortened(question.text) if question.status in ("pending", "published", "merged") else await _about(session, item)
    return f"{title[: 199 - len(CORRECTED)]} {CORRECTED}" if item.version else title


async def _about(session: AsyncSession, item: AgendaItem) -> str:
    asked = select(Question.text).join(AgendaItemQuestion, col(AgendaItemQuestion.question_id) == col(Question.id))
    asked = asked.where(AgendaItemQuestion.agenda_item_id == item.id, Question.status == "published").order_by(col(Question.created_at))
    if text := (await session.exec(asked)).first():
        return shortened(text)
    about = select(Commitment).join(AgendaItemCommitment, col(AgendaItemCommitment.commitment_id) == col(Commitment.id))
    commitment = (await session.exec(about.where(AgendaItemCommitment.agenda_item_id == item.id).order_by(col(Commitment.number)))).first()
    return shortened(commitment.title) if commitment else KINDS[item.kind]


def titles(changed: Sequence[Titled]) -> str:
    """What the journal keeps of it: where, never the words that were taken out."""
    return ", ".join(sorted({f"{each.forum.slug} n° {each.item.number}" for each in changed}))
