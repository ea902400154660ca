"""What each thing that happens is tied to: commitments, questions, institutions.

Every tie is written once, as pairs of keys, and read both ways: to find what belongs to a scope, and to say
which scopes a thing belongs to. The two can therefore not disagree.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, literal_column, select, union_all
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemQuestion,
    AgendaVersion,
    Answer,
    Comment,
    CommitmentAmendment,
    Evaluation,
    FollowUp,
    FollowUpCommitment,
    ForumCommitment,
    Indicator,
    Measurement,
    Milestone,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    ProgressReport,
    Question,
    QuestionInstitution,
)

Pairs = Select[Any]

_ON_AGENDA = (col(AgendaItem.forum_id) == col(AgendaVersion.forum_id)) & (col(AgendaItem.version) == col(AgendaVersion.number))
_PASSAGES = select(col(MinutesEntry.minutes_id))


def _pairs(key: Any, other: Any) -> Pairs:
    return select(key, other).where(other.is_not(None))


COMMITMENTS: Mapping[str, Iterable[Pairs]] = {
    "forum": [_pairs(ForumCommitment.forum_id, ForumCommitment.commitment_id)],
    "agenda": [
        _pairs(AgendaVersion.id, ForumCommitment.commitment_id).join(
            ForumCommitment, col(ForumCommitment.forum_id) == col(AgendaVersion.forum_id)
        ),
        _pairs(AgendaVersion.id, AgendaItemCommitment.commitment_id)
        .join(AgendaItem, _ON_AGENDA)
        .join(AgendaItemCommitment, col(AgendaItemCommitment.agenda_item_id) == col(AgendaItem.id)),
    ],
    "minutes": [
        _pairs(Minutes.id, ForumCommitment.commitment_id).join(ForumCommitment, col(ForumCommitment.forum_id) == col(Minutes.forum_id)),
        _PASSAGES.join(MinutesEntryCommitment, col(MinutesEntryCommitment.entry_id) == col(MinutesEntry.id)).add_columns(
            col(MinutesEntryCommitment.commitment_id)
        ),
    ],
    "question": [_pairs(Question.id, Question.commitment_id)],
    "answer": [_pairs(Answer.id, Question.commitment_id).join(Question, col(Question.id) == col(Answer.question_id))],
    "promise": [_pairs(FollowUpCommitment.follow_up_id, FollowUpCommitment.commitment_id)],
    "measurement": [_pairs(Measurement.id, Indicator.commitment_id).join(Indicator, col(Indicator.id) == col(Measurement.indicator_id))],
    "report": [_pairs(ProgressReport.id, ProgressReport.commitment_id)],
    "milestone": [_pairs(Milestone.id, Milestone.commitment_id)],
    "evaluation": [_pairs(Evaluation.id, Evaluation.commitment_id)],
    "comment": [_pairs(Comment.id, Comment.commitment_id)],
    "amendment": [_pairs(CommitmentAmendment.id, CommitmentAmendment.commitment_id)],
}

QUESTIONS: Mapping[str, Iterable[Pairs]] = {
    "agenda": [
        _pairs(AgendaVersion.id, AgendaItemQuestion.question_id)
        .join(AgendaItem, _ON_AGENDA)
        .join(AgendaItemQuestion, col(AgendaItemQuestion.agenda_item_id) == col(AgendaItem.id))
    ],
    "minutes": [
        _PASSAGES.join(MinutesEntryQuestion, col(MinutesEntryQuestion.entry_id) == col(MinutesEntry.id)).add_columns(
            col(MinutesEntryQuestion.question_id)
        )
    ],
    "question": [_pairs(Question.id, col(Question.id).label("itself"))],
    "answer": [_pairs(Answer.id, Answer.question_id)],
    "promise": [
        _pairs(FollowUp.id, MinutesEntryQuestion.question_id).join(
            MinutesEntryQuestion, col(MinutesEntryQuestion.entry_id) == col(FollowUp.entry_id)
        )
    ],
}

# Beside those that carry the commitments it is tied to.
INSTITUTIONS: Mapping[str, Iterable[Pairs]] = {
    "question": [_pairs(QuestionInstitution.question_id, QuestionInstitution.institution_id)],
    "answer": [
        _pairs(Answer.id, Answer.institution_id),
        _pairs(Answer.id, QuestionInstitution.institution_id).join(
            QuestionInstitution, col(QuestionInstitution.question_id) == col(Answer.question_id)
        ),
    ],
    "promise": [_pairs(FollowUp.id, FollowUp.institution_id)],
    "report": [_pairs(ProgressReport.id, ProgressReport.institution_id)],
}


def tied_to(word: str, ties: Mapping[str, Iterable[Pairs]], wanted: Any, thing: Any, read: Collection[Any]) -> list[Any]:
    """That the thing whose key is `thing` is tied to what `wanted` selects: one condition per way of being tied."""
    found: list[Any] = []
    for pairs in ties.get(word, ()):
        key, other = pairs.selected_columns
        tied = pairs.with_only_columns(key).where(other.in_(wanted))
        if {key.table, other.table} <= set(read):
            # Said by the tables that are read: the newest are looked at one by one, and all the others left alone.
            found.append(other.in_(wanted))
        elif word == "minutes" and key.table not in read:
            # There are few of them and each has many passages: it is enough that one of these is tied to it.
            found.append(tied.where(key == thing).exists())
        else:
            found.append(thing.in_(tied))
    return found


async def ties_of(
    session: AsyncSession, ties: Mapping[str, Iterable[Pairs]], keys: Mapping[str, Collection[UUID]]
) -> dict[tuple[str, UUID], set[UUID]]:
    """What each of these things (keys by word) is tied to: one statement."""
    asked = []
    for word, its_keys in keys.items():
        for pairs in ties.get(word, ()):
            key, _ = pairs.selected_columns
            asked.append(pairs.add_columns(literal_column(f"'{word}'").label("word")).where(key.in_(its_keys)))
    found: dict[tuple[str, UUID], set[UUID]] = {}
    if asked:
        for thing, other, word in (await (await session.connection()).execute(union_all(*asked))).all():
            found.setdefault((word, thing), set()).add(other)
    return found
