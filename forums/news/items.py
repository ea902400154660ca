"""One thing that happened, ready to be told: what it is in a sentence, where it is read, whom it concerns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    ActionPlan,
    AgendaVersion,
    Answer,
    AuditEvent,
    Comment,
    Commitment,
    CommitmentAmendment,
    Consultation,
    Evaluation,
    FollowUp,
    FollowUpChange,
    Forum,
    Indicator,
    Institution,
    Measurement,
    MeasurementChange,
    Milestone,
    Minutes,
    MinutesVersion,
    ProgressReport,
    Question,
)
from forums.news.happened import Happened, Kind, Stretch, happened
from forums.news.scopes import EVERYTHING, reach_of, scopes_of_commitments, scopes_of_institutions, scopes_of_questions
from forums.news.telling import Told, tell
from forums.news.ties import COMMITMENTS, INSTITUTIONS, QUESTIONS, ties_of


@dataclass(frozen=True)
class Item:
    """Something that happened in public. `id` never changes; `sentence` is of the catalogue, its figures apart.

    `text` is what it is about, in the words of those who wrote it; `address` is a path of the site.
    """

    id: str
    kind: Kind
    moment: datetime
    sentence: str
    figures: Mapping[str, Any]
    text: str
    address: str
    scopes: frozenset[str] = field(default=frozenset())
    invented: bool = False
    forum_id: UUID | None = None


async def between(
    session: AsyncSession, since: datetime | None, until: datetime, scope: str | None = None, limit: int | None = None
) -> list[Item]:
    """What happened after `since`, up to and with `until`, the newest first; of one scope when it is given."""
    found = await happened(session, Stretch(since, until, limit, await reach_of(session, scope) if scope else None))
    rows = await _rows(session, found)
    scopes = await _scopes(session, found)
    moved = await _moved(session, [rows.of(Forum, each.key) for each in found if each.kind == "forum_changed"], until)
    return [_item(each, tell(each, rows, moved), scopes) for each in found]


def _item(each: Happened, told: Told, scopes: Mapping[tuple[str, UUID], set[str]]) -> Item:
    its_scopes = frozenset({EVERYTHING, *scopes.get((each.word, each.key), ())})
    return Item(
        told.id, each.kind, each.moment, told.sentence, told.figures, told.text, told.address, its_scopes, told.invented, told.forum_id
    )


class Rows:
    """The rows that were read, by table and key."""

    def __init__(self) -> None:
        self._found: dict[tuple[type[SQLModel], UUID], Any] = {}

    def add(self, rows: Iterable[Any]) -> None:
        self._found |= {(type(row), row.id): row for row in rows}

    def of(self, table: type[Any], key: UUID | None) -> Any:
        return self._found[table, key]  # type: ignore[index]

    def maybe(self, table: type[Any], key: UUID | None) -> Any:
        return self._found.get((table, key)) if key else None

    def all(self, table: type[Any]) -> list[Any]:
        return [row for (of, _), row in self._found.items() if of is table]


# Each table, and how its keys are found among what was read before it: one statement each, whatever happened.
_READ: Sequence[tuple[type[Any], Callable[[Sequence[Happened], Rows], Iterable[UUID | None]]]] = (
    (AgendaVersion, lambda found, _: (each.key for each in found if each.word == "agenda")),
    (Minutes, lambda found, _: (each.key for each in found if each.word == "minutes")),
    (MinutesVersion, lambda found, _: (each.detail for each in found if each.kind == "minutes_amended")),
    (Answer, lambda found, _: (each.key for each in found if each.word == "answer")),
    (FollowUp, lambda found, _: (each.key for each in found if each.word == "promise")),
    (FollowUpChange, lambda found, _: (each.detail for each in found if each.word == "promise" and each.detail != each.key)),
    (Measurement, lambda found, _: (each.key for each in found if each.word == "measurement")),
    (MeasurementChange, lambda found, _: (each.detail for each in found if each.kind == "measurement_corrected")),
    (ProgressReport, lambda found, _: (each.key for each in found if each.word == "report")),
    (Milestone, lambda found, _: (each.key for each in found if each.word == "milestone")),
    (Evaluation, lambda found, _: (each.key for each in found if each.word == "evaluation")),
    (Consultation, lambda found, _: (each.key for each in found if each.word == "consultation")),
    (Comment, lambda found, _: (each.key for each in found if each.word == "comment")),
    (CommitmentAmendment, lambda found, _: (each.key for each in found if each.word == "amendment")),
    (Question, lambda found, rows: [each.key for each in found if each.word == "question"] + [a.question_id for a in rows.all(Answer)]),
    (Indicator, lambda _, rows: (each.indicator_id for each in rows.all(Measurement))),
    (
        Commitment,
        lambda _, rows: [
            each.commitment_id
            for table in (Indicator, ProgressReport, Milestone, Evaluation, Comment, CommitmentAmendment)
            for each in rows.all(table)
        ],
    ),
    (
        Forum,
        lambda found, rows: (
            [each.key for each in found if each.word == "forum"]
            + [each.forum_id for table in (AgendaVersion, Minutes, FollowUp) for each in rows.all(table)]
        ),
    ),
    (Institution, lambda _, rows: (each.institution_id for table in (Answer, FollowUp, ProgressReport) for each in rows.all(table))),
    (ActionPlan, lambda _, rows: (each.plan_id for table in (Commitment, Evaluation, Consultation) for each in rows.all(table))),
)


async def _rows(session: AsyncSession, found: Sequence[Happened]) -> Rows:
    rows = Rows()
    for table, keys in _READ:
        wanted = {key for key in keys(found, rows) if key}
        rows.add((await session.exec(select(table).where(col(table.id).in_(wanted)))).all())
    return rows


async def _scopes(session: AsyncSession, found: Sequence[Happened]) -> dict[tuple[str, UUID], set[str]]:
    keys: dict[str, set[UUID]] = {}
    for each in found:
        keys.setdefault(each.word, set()).add(each.key)
    scopes: dict[tuple[str, UUID], set[str]] = {}
    for ties, named in ((COMMITMENTS, scopes_of_commitments), (QUESTIONS, scopes_of_questions), (INSTITUTIONS, scopes_of_institutions)):
        tied = await ties_of(session, ties, keys)
        theirs = await named(session, {key for others in tied.values() for key in others})
        for thing, others in tied.items():
            scopes.setdefault(thing, set()).update(*(theirs.get(key, ()) for key in others))
    return scopes


async def _moved(session: AsyncSession, forums: Sequence[Forum], until: datetime) -> set[UUID]:
    """Those whose last change was a move, by the journal, which is written in the same transaction."""
    subjects = {f"forum {forum.slug}": forum for forum in forums}
    since = min((forum.changed_at for forum in forums), default=until)
    query = select(AuditEvent.subject, AuditEvent.at).where(AuditEvent.verb == "move", col(AuditEvent.subject).in_(subjects))
    query = query.where(col(AuditEvent.at) >= since)
    rows = (await session.exec(query)).all()
    return {subjects[subject].id for subject, at in rows if 0 <= (at - subjects[subject].changed_at).total_seconds() < 30}
