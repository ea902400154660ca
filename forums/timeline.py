"""The story of a commitment: everything public that happened to it, in one list of dated entries, the newest first.

What it gathers stays where it is told in full; an entry says what, when, and leads there. One page of the story
costs the same number of statements whatever its length: its keys are found together, then each kind is read once.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, literal_column, union_all
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import accountability, action_plan, questions
from forums.follow_ups.queries import is_public, known, promises
from forums.language import N_
from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemCommitment,
    Answer,
    Comment,
    Commitment,
    CommitmentAmendment,
    CommitmentContinuation,
    Evaluation,
    FollowUp,
    FollowUpCommitment,
    Forum,
    ForumCommitment,
    Indicator,
    Institution,
    Measurement,
    MeasurementChange,
    Milestone,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    ProgressReport,
    Question,
)
from forums.models.forum import PARIS

# What a reader may ask for, by its name in the address: the words of the link, and the kinds of entries it keeps.
GENRES: dict[str, tuple[str, frozenset[str]]] = {
    "forums": (N_("Forums et comptes rendus"), frozenset({"forum", "passage"})),
    "questions": (N_("Questions et réponses"), frozenset({"question", "answer"})),
    "promesses": (N_("Promesses"), frozenset({"promise", "promise_closed"})),
    "mesures": (N_("Mesures"), frozenset({"measurement", "correction"})),
    "jalons": (N_("Jalons"), frozenset({"milestone"})),
    "points": (N_("Points d'étape"), frozenset({"report"})),
    "evaluations": (N_("Évaluations"), frozenset({"evaluation"})),
    "commentaires": (N_("Commentaires et modifications"), frozenset({"comment", "amendment"})),
}


@dataclass(frozen=True)
class Entry:
    """Something that happened, or is to happen, on a day; `thing` is what the page tells of it."""

    kind: str
    day: date | None
    thing: Any
    forum: Forum | None = None
    institution: Institution | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Story:
    """A page of it, how many entries each genre has, and in how many forums the commitment was examined."""

    entries: Sequence[Entry]
    counts: Mapping[str, int]
    total: int
    examined: int


@dataclass(frozen=True)
class Kin:
    """A commitment of an earlier plan that this one continues; None while its plan is not loaded here."""

    plan_slug: str
    number: int
    commitment: Commitment | None
    plan: ActionPlan | None


async def story(
    session: AsyncSession, commitment: Commitment, *, genre: str | None = None, offset: int = 0, limit: int = 30, now: datetime
) -> Story:
    """A page of the story of a commitment; of one genre only when `genre` names one."""
    keys = union_all(*_keys(commitment)).subquery()
    counted = cast(Any, select)(keys.c.kind, func.count()).group_by(keys.c.kind)
    numbers: dict[str, int] = {kind: number for kind, number in (await session.exec(counted)).all()}
    kinds = GENRES[genre][1] if genre in GENRES else None
    newest_first = keys.c.at.desc().nulls_last(), keys.c.rank.desc(), keys.c.place.desc(), keys.c.id
    query = cast(Any, select)(keys.c.kind, keys.c.id).order_by(*newest_first)
    if kinds is not None:
        query = query.where(keys.c.kind.in_(kinds))
    found = [(kind, key) for kind, key in (await session.exec(query.offset(offset).limit(limit))).all()]
    counts = {name: sum(numbers.get(kind, 0) for kind in each) for name, (_, each) in GENRES.items()}
    total = sum(number for kind, number in numbers.items() if kinds is None or kind in kinds)
    examined = (await accountability.examinations(session, [commitment.id], now=now)).get(commitment.id, [])
    return Story(await _told(session, found), counts, total, len(examined))


# -- The keys: kind, id, moment, which kind comes after which on one day, and the place of a passage in its minutes --


def _keys(commitment: Commitment) -> list[Any]:
    its_questions = (Question.commitment_id == commitment.id, Question.status == "published")
    answers = _key("answer", 2, Answer.id, Answer.published_at).join(Question, col(Question.id) == col(Answer.question_id))
    passages = (
        _key("passage", 3, MinutesEntry.id, Forum.day, MinutesEntry.number)
        .join(MinutesEntryCommitment, col(MinutesEntryCommitment.entry_id) == col(MinutesEntry.id))
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .join(Forum, col(Forum.id) == col(Minutes.forum_id))
        .where(MinutesEntryCommitment.commitment_id == commitment.id, col(Minutes.published_at).is_not(None))
    )
    measured = Indicator.commitment_id == commitment.id, Measurement.status == "published"
    measurements = _key("measurement", 0, Measurement.id, Measurement.measured_on)
    corrections = _key("correction", 1, MeasurementChange.id, MeasurementChange.at)
    corrections = corrections.join(Measurement, col(Measurement.id) == col(MeasurementChange.measurement_id))
    dated = func.coalesce(Milestone.done_on, Milestone.due_on, Milestone.state_changed_at)
    return [
        _key("forum", 2, Forum.id, Forum.day).where(_about(commitment)),
        passages,
        _key("question", 1, Question.id, Question.decided_at).where(*its_questions),
        answers.where(*its_questions, col(Answer.published_at).is_not(None)),
        _promises("promise", 4, commitment, Forum.day),
        _promises("promise_closed", 5, commitment, FollowUp.closed_at).where(FollowUp.status != "open"),
        measurements.join(Indicator, col(Indicator.id) == col(Measurement.indicator_id)).where(*measured),
        corrections.join(Indicator, col(Indicator.id) == col(Measurement.indicator_id)).where(
            *measured, MeasurementChange.kind == "corrected"
        ),
        _key("milestone", 0, Milestone.id, dated).where(Milestone.commitment_id == commitment.id, dated.is_not(None)),
        _key("report", 0, ProgressReport.id, ProgressReport.published_at).where(
            ProgressReport.commitment_id == commitment.id, ProgressReport.status == "published"
        ),
        _key("evaluation", 0, Evaluation.id, Evaluation.dated).where(Evaluation.commitment_id == commitment.id),
        _key("comment", 0, Comment.id, func.coalesce(Comment.confirmed_at, Comment.created_at)).where(
            Comment.commitment_id == commitment.id, Comment.status == "published"
        ),
        _key("amendment", 1, CommitmentAmendment.id, CommitmentAmendment.at).where(CommitmentAmendment.commitment_id == commitment.id),
    ]


def _key(kind: str, rank: int, key: Any, at: Any, place: Any = None) -> Any:
    # Days and moments sort together: both engines read a day as its first instant.
    return cast(Any, select)(
        literal_column(f"'{kind}'").label("kind"),
        col(key).label("id"),
        at.label("at"),
        literal_column(str(rank)).label("rank"),
        (literal_column("0") if place is None else col(place)).label("place"),
    )


def _promises(kind: str, rank: int, commitment: Commitment, at: Any) -> Any:
    return (
        _key(kind, rank, FollowUp.id, at)
        .join(Forum, col(Forum.id) == col(FollowUp.forum_id))
        .join(FollowUpCommitment, col(FollowUpCommitment.follow_up_id) == col(FollowUp.id))
        .where(FollowUpCommitment.commitment_id == commitment.id, is_public())
    )


def _about(commitment: Commitment) -> ColumnElement[bool]:
    """The public forums that had it on their announcement, their published agenda or their published minutes."""
    announced = select(ForumCommitment.forum_id).where(ForumCommitment.commitment_id == commitment.id)
    on_agenda = (
        select(AgendaItem.forum_id)
        .join(AgendaItemCommitment, col(AgendaItemCommitment.agenda_item_id) == col(AgendaItem.id))
        .where(AgendaItemCommitment.commitment_id == commitment.id, AgendaItem.version == Forum.agenda_version)
        .where(AgendaItem.forum_id == Forum.id, col(Forum.agenda_published_at).is_not(None))
    )
    in_minutes = (
        select(Minutes.forum_id)
        .join(MinutesEntry, col(MinutesEntry.minutes_id) == col(Minutes.id))
        .join(MinutesEntryCommitment, col(MinutesEntryCommitment.entry_id) == col(MinutesEntry.id))
        .where(MinutesEntryCommitment.commitment_id == commitment.id, col(Minutes.published_at).is_not(None))
    )
    found = col(Forum.id).in_(announced) | on_agenda.correlate(Forum).exists() | col(Forum.id).in_(in_minutes)
    return (col(Forum.status) != "draft") & found


# -- What each entry tells ------------------------------------------------------------------------------------------


async def _told(session: AsyncSession, keys: Sequence[tuple[str, UUID]]) -> list[Entry]:
    found: dict[tuple[str, UUID], Entry] = {}
    for kind, read in _READERS.items():
        # Asked even of a kind this page does not hold, so that every page costs the same.
        ids = [key for each, key in keys if each == kind]
        found |= {(kind, key): entry for key, entry in (await read(session, ids)).items()}
    return [found[key] for key in keys if key in found]


def _day(moment: date | datetime | None) -> date | None:
    return moment.astimezone(PARIS).date() if isinstance(moment, datetime) else moment


Told = dict[UUID, Entry]


async def _forums(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    found = (await session.exec(select(Forum).where(col(Forum.id).in_(ids)))).all()
    return {each.id: Entry("forum", each.day, each, each) for each in found}


async def _passages(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    query = select(MinutesEntry, Forum).join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
    query = query.join(Forum, col(Forum.id) == col(Minutes.forum_id)).where(col(MinutesEntry.id).in_(ids))
    found = (await session.exec(query)).all()
    answered = await action_plan.questions_answered_by(session, [entry for entry, _ in found])
    return {entry.id: Entry("passage", forum.day, entry, forum, more={"questions": answered.get(entry.id, [])}) for entry, forum in found}


async def _questions(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    found = (await session.exec(select(Question).where(col(Question.id).in_(ids)))).all()
    states = await questions.states_of(session, found)
    supports = await questions.support_counts(session, found)
    return {
        each.id: Entry("question", _day(each.decided_at), each, more={"state": states[each.id], "supports": supports.get(each.id, 0)})
        for each in found
    }


async def _answers(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    query = select(Answer, Institution, Question).join(Institution, col(Institution.id) == col(Answer.institution_id))
    query = query.join(Question, col(Question.id) == col(Answer.question_id)).where(col(Answer.id).in_(ids))
    return {
        answer.id: Entry("answer", _day(answer.published_at), answer, institution=institution, more={"question": question})
        for answer, institution, question in (await session.exec(query)).all()
    }


async def _made(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    found = await promises(session, known(col(FollowUp.id).in_(ids)))
    return {each.follow_up.id: Entry("promise", each.forum.day, each, each.forum) for each in found}


async def _closed(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    found = await promises(session, known(col(FollowUp.id).in_(ids)))
    return {each.follow_up.id: Entry("promise_closed", _day(each.follow_up.closed_at), each, each.forum) for each in found}


async def _measurements(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    query = (
        select(Measurement, Indicator, Institution)
        .join(Indicator, col(Indicator.id) == col(Measurement.indicator_id))
        .outerjoin(Institution, col(Institution.id) == col(Measurement.institution_id))
        .where(col(Measurement.id).in_(ids))
    )
    return {
        held.id: Entry("measurement", held.measured_on, held, institution=institution, more={"indicator": indicator})
        for held, indicator, institution in (await session.exec(query)).all()
    }


async def _corrections(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    query = (
        select(MeasurementChange, Measurement, Indicator)
        .join(Measurement, col(Measurement.id) == col(MeasurementChange.measurement_id))
        .join(Indicator, col(Indicator.id) == col(Measurement.indicator_id))
        .where(col(MeasurementChange.id).in_(ids))
    )
    return {
        change.id: Entry("correction", _day(change.at), change, more={"indicator": indicator, "measurement": held})
        for change, held, indicator in (await session.exec(query)).all()
    }


async def _milestones(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    found = (await session.exec(select(Milestone).where(col(Milestone.id).in_(ids)))).all()
    return {each.id: Entry("milestone", each.done_on or each.due_on or _day(each.state_changed_at), each) for each in found}


async def _reports(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    query = select(ProgressReport, Institution).join(Institution, col(Institution.id) == col(ProgressReport.institution_id))
    found = (await session.exec(query.where(col(ProgressReport.id).in_(ids)))).all()
    return {report.id: Entry("report", _day(report.published_at), report, institution=institution) for report, institution in found}


async def _evaluations(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    found = (await session.exec(select(Evaluation).where(col(Evaluation.id).in_(ids)))).all()
    return {each.id: Entry("evaluation", each.dated, each) for each in found}


async def _comments(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    query = select(Comment, Institution).outerjoin(Institution, col(Institution.id) == col(Comment.reply_institution_id))
    found = (await session.exec(query.where(col(Comment.id).in_(ids)))).all()
    return {
        comment.id: Entry("comment", _day(comment.confirmed_at or comment.created_at), comment, institution=institution)
        for comment, institution in found
    }


async def _amendments(session: AsyncSession, ids: Sequence[UUID]) -> Told:
    found = (await session.exec(select(CommitmentAmendment).where(col(CommitmentAmendment.id).in_(ids)))).all()
    return {each.id: Entry("amendment", _day(each.at), each) for each in found}


_READERS: dict[str, Callable[[AsyncSession, Sequence[UUID]], Awaitable[Told]]] = {
    "forum": _forums,
    "passage": _passages,
    "question": _questions,
    "answer": _answers,
    "promise": _made,
    "promise_closed": _closed,
    "measurement": _measurements,
    "correction": _corrections,
    "milestone": _milestones,
    "report": _reports,
    "evaluation": _evaluations,
    "comment": _comments,
    "amendment": _amendments,
}


# -- From one plan to the next ----------------------------------------------------------------------------------------


async def origins(session: AsyncSession, commitment: Commitment) -> list[Kin]:
    """The commitments of earlier plans that this one continues."""
    query = (
        select(CommitmentContinuation.plan_slug, CommitmentContinuation.number, Commitment, ActionPlan)
        .outerjoin(ActionPlan, col(ActionPlan.slug) == col(CommitmentContinuation.plan_slug))
        .outerjoin(
            Commitment,
            (col(Commitment.plan_id) == col(ActionPlan.id)) & (col(Commitment.number) == col(CommitmentContinuation.number)),
        )
        .where(CommitmentContinuation.commitment_id == commitment.id)
        .order_by(col(CommitmentContinuation.plan_slug).desc(), col(CommitmentContinuation.number))
    )
    return [Kin(*found) for found in (await session.exec(query)).all()]
