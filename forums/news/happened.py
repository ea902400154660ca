"""What happened, as one statement: which kind, to what, when; each part reads the dated facts of one word.

Only what the public may read now is there: a question withdrawn takes its news along. A thing becomes news
when the last of what makes it public is true, so that minutes published late date their promises.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

from sqlalchemy import Select, and_, case, func, literal_column, or_, select, type_coerce, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.util import find_tables
from sqlmodel import SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    AgendaVersion,
    Answer,
    Comment,
    CommitmentAmendment,
    Consultation,
    Evaluation,
    FollowUp,
    FollowUpChange,
    Forum,
    Indicator,
    Measurement,
    MeasurementChange,
    Milestone,
    Minutes,
    MinutesVersion,
    ProgressReport,
    Question,
)
from forums.news.scopes import Reach
from forums.news.ties import COMMITMENTS, INSTITUTIONS, QUESTIONS, tied_to

Kind = Literal[
    "forum_announced", "forum_changed", "forum_cancelled", "agenda_published", "minutes_published", "minutes_amended",
    "question_published", "answer_published", "answer_amended",
    "promise_recorded", "promise_kept", "promise_dropped", "promise_reopened", "promise_late",
    "measurement_published", "measurement_corrected", "report_published", "report_amended", "milestone_told", "evaluation_added",
    "consultation_opened", "consultation_closed", "consultation_summed_up", "comment_replied", "commitment_amended",
]  # fmt: skip
KINDS: Sequence[Kind] = get_args(Kind)

_INSTANT: Any = SQLModel.metadata.tables["forum"].c.announced_at.type


class Happened(NamedTuple):
    """One thing: `key` is that of the row of `word`, `detail` that of the version or change which tells more."""

    kind: Kind
    word: str
    key: UUID
    detail: UUID
    moment: datetime


class Stretch(NamedTuple):
    """After `since`, up to and with `until`, the newest `limit` of them, within the reach of one scope."""

    since: datetime | None
    until: datetime
    limit: int | None = None
    reach: Reach | None = None

    def holds(self, moment: Any) -> list[Any]:
        return [moment <= self.until, *([moment > self.since] if self.since else [])]


async def happened(session: AsyncSession, stretch: Stretch) -> list[Happened]:
    """The newest first: one statement."""
    parts = [_within(stretch, *part) for part in (*_forums(), *_questions(), *_plans())]
    parts += [_within(stretch._replace(reach=None), *part) for part in _promises(stretch.reach)]
    every = union_all(*parts).subquery()
    query = select(every).order_by(every.c.moment.desc(), every.c.kind, every.c.key).limit(stretch.limit)
    found = [Happened(*row) for row in (await (await session.connection()).execute(query)).all()]
    return sorted(found, key=lambda each: (each.moment, each.kind, each.key), reverse=True)


Part = tuple[Any, str, Any, Any, Any, list[Any]]


def _within(stretch: Stretch, kind: Any, word: str, key: Any, detail: Any, moment: Any, conditions: list[Any]) -> Select[Any]:
    columns: list[Any] = [
        (literal_column(f"'{kind}'") if isinstance(kind, str) else kind).label("kind"),
        literal_column(f"'{word}'").label("word"),
    ]
    columns += [col(key).label("key"), col(detail).label("detail"), type_coerce(moment, _INSTANT).label("moment")]
    read = find_tables(and_(*conditions, col(key) == col(detail)), check_columns=True)
    found = select(*columns).where(*conditions, *stretch.holds(moment), *_reached(stretch.reach, word, col(key), read))
    if stretch.limit is None:
        return found
    # The newest of all are among the newest of each kind: no more of them are read.
    return select(found.order_by(moment.desc(), col(key)).limit(stretch.limit).subquery())


def _reached(reach: Reach | None, word: str, key: Any, read: Sequence[Any]) -> list[Any]:
    if reach is None:
        return []
    scopes = ((COMMITMENTS, reach.commitments), (QUESTIONS, reach.questions), (INSTITUTIONS, reach.institutions))
    found = [tie for ties, wanted in scopes if wanted is not None for tie in tied_to(word, ties, wanted, key, read)]
    return [or_(*found)] if found else [literal_column("1 = 0")]


def _later(one: Any, other: Any) -> Any:
    """The later of two instants; the engines' own words for it differ."""
    return case((col(one) >= col(other), col(one)), else_=col(other))


def _forums() -> list[Part]:
    announced = col(Forum.announced_at)
    # What was over when it was written down here is history, not news.
    ahead = [announced.is_not(None), announced < col(Forum.ends_at)]
    changed = [*ahead, col(Forum.status) == "announced", col(Forum.sequence) > 0, col(Forum.changed_at) > announced]
    agenda = [*ahead, col(AgendaVersion.forum_id) == col(Forum.id)]
    minutes = [announced.is_not(None), col(Minutes.forum_id) == col(Forum.id), col(Minutes.published_at).is_not(None)]
    amended = [*minutes, col(MinutesVersion.minutes_id) == col(Minutes.id), col(MinutesVersion.number) > 1]
    return [
        ("forum_announced", "forum", Forum.id, Forum.id, announced, ahead),
        ("forum_changed", "forum", Forum.id, Forum.id, col(Forum.changed_at), changed),
        ("forum_cancelled", "forum", Forum.id, Forum.id, col(Forum.cancelled_at), [*ahead, col(Forum.status) == "cancelled"]),
        ("agenda_published", "agenda", AgendaVersion.id, Forum.id, _later(AgendaVersion.published_at, Forum.announced_at), agenda),
        ("minutes_published", "minutes", Minutes.id, Forum.id, _later(Minutes.published_at, Forum.announced_at), minutes),
        ("minutes_amended", "minutes", Minutes.id, MinutesVersion.id, _later(MinutesVersion.published_at, Forum.announced_at), amended),
    ]


def _questions() -> list[Part]:
    published = [col(Question.status) == "published", col(Question.decided_at).is_not(None)]
    answered = [*published, col(Answer.question_id) == col(Question.id), col(Answer.published_at).is_not(None)]
    return [
        ("question_published", "question", Question.id, Question.id, col(Question.decided_at), published),
        ("answer_published", "answer", Answer.id, Question.id, col(Answer.published_at), answered),
        ("answer_amended", "answer", Answer.id, Question.id, col(Answer.amended_at), [*answered, col(Answer.amended_at).is_not(None)]),
    ]


# The forums whose promises may be read: with their minutes, here or elsewhere.
_TOLD = (
    select(col(Forum.id).label("forum_id"), col(Minutes.published_at))
    .outerjoin(Minutes, (col(Minutes.forum_id) == col(Forum.id)) & col(Minutes.published_at).is_not(None))
    .where(col(Forum.announced_at).is_not(None), col(Minutes.id).is_not(None) | col(Forum.minutes_elsewhere).is_not(None))
    .subquery("told")
)


def _promises(reach: Reach | None) -> list[Part]:
    """Found once, with when each could be read at the earliest, and when it was late: three kinds of news are made of them."""
    told_at: Any = func.coalesce(_TOLD.c.published_at, col(FollowUp.created_at))
    recorded = case((col(FollowUp.created_at) >= told_at, col(FollowUp.created_at)), else_=told_at)
    midnight = MidnightAfter(col(FollowUp.due_on))
    late = case((col(FollowUp.kind) == "promise", case((midnight >= recorded, midnight), (midnight < recorded, recorded))))
    moments = (type_coerce(moment, _INSTANT).label(name) for name, moment in {"told": told_at, "recorded": recorded, "late": late}.items())
    public = select(col(FollowUp.id), col(FollowUp.closed_at), *moments).where(col(FollowUp.forum_id) == _TOLD.c.forum_id)
    reached = _reached(reach, "promise", col(FollowUp.id), [SQLModel.metadata.tables["follow_up"]])
    promise = public.where(*reached).cte("promise").prefix_with("MATERIALIZED").c

    changed = case((col(FollowUpChange.at) >= promise.told, col(FollowUpChange.at)), else_=promise.told)
    kept_or_not = [col(FollowUpChange.follow_up_id) == promise.id, col(FollowUpChange.kind).in_(("kept", "dropped", "reopened"))]
    closed_after = promise.closed_at.is_(None) | (promise.closed_at > promise.late)
    return [
        ("promise_recorded", "promise", promise.id, promise.id, promise.recorded, []),
        ("promise_late", "promise", promise.id, promise.id, promise.late, [closed_after]),
        (literal_column("'promise_'").concat(col(FollowUpChange.kind)), "promise", promise.id, FollowUpChange.id, changed, kept_or_not),
    ]


class MidnightAfter(FunctionElement[datetime]):
    """The midnight in Paris that ends a day: from then on, what was due that day is late."""

    type = _INSTANT
    inherit_cache = True


@compiles(MidnightAfter, "postgresql")
def _by_its_zones(element: MidnightAfter, compiler: SQLCompiler, **words: Any) -> str:
    return f"(CAST({compiler.process(element.clauses, **words)} + 1 AS TIMESTAMP) AT TIME ZONE 'Europe/Paris')"


@compiles(MidnightAfter, "sqlite")
def _by_the_sundays(element: MidnightAfter, compiler: SQLCompiler, **words: Any) -> str:
    """It knows no zones: summer time begins and ends on the last Sunday, of March and of October."""
    day = compiler.process(element.clauses, **words)
    first, last = (f"date(substr({day}, 1, 4) || '-{month}-25', 'weekday 0')" for month in ("03", "10"))
    return f"({day} || CASE WHEN {day} >= {first} AND {day} < {last} THEN ' 22:00:00.000000' ELSE ' 23:00:00.000000' END)"


def _plans() -> list[Part]:
    published = [col(Measurement.status) == "published", col(Measurement.published_at).is_not(None)]
    published.append(col(Indicator.id) == col(Measurement.indicator_id))
    corrected = [*published, col(MeasurementChange.measurement_id) == col(Measurement.id), col(MeasurementChange.kind) == "corrected"]
    corrected.append(col(MeasurementChange.at) >= col(Measurement.published_at))
    report = [col(ProgressReport.status) == "published", col(ProgressReport.published_at).is_not(None)]
    replied = [col(Comment.status) == "published", col(Comment.replied_at).is_not(None)]
    summed_up = [col(Consultation.synthesis_published_at).is_not(None)]
    reply = _later(Comment.replied_at, Comment.decided_at)
    amended = [*report, col(ProgressReport.amended_at).is_not(None)]
    told = col(Milestone.state_changed_at)
    return [
        ("measurement_published", "measurement", Measurement.id, Measurement.id, col(Measurement.published_at), published),
        ("measurement_corrected", "measurement", Measurement.id, MeasurementChange.id, col(MeasurementChange.at), corrected),
        ("report_published", "report", ProgressReport.id, ProgressReport.id, col(ProgressReport.published_at), report),
        ("report_amended", "report", ProgressReport.id, ProgressReport.id, col(ProgressReport.amended_at), amended),
        # The last that was said of it: what was said before is not kept.
        ("milestone_told", "milestone", Milestone.id, Milestone.id, told, [col(Milestone.state).is_not(None), told.is_not(None)]),
        # Those of a plan's data file were known before this site read them.
        ("evaluation_added", "evaluation", Evaluation.id, Evaluation.id, col(Evaluation.added_at), [col(Evaluation.added_here)]),
        ("consultation_opened", "consultation", Consultation.id, Consultation.id, col(Consultation.opens_at), []),
        ("consultation_closed", "consultation", Consultation.id, Consultation.id, col(Consultation.closes_at), []),
        ("consultation_summed_up", "consultation", Consultation.id, Consultation.id, col(Consultation.synthesis_published_at), summed_up),
        ("comment_replied", "comment", Comment.id, Comment.id, reply, replied),
        ("commitment_amended", "amendment", CommitmentAmendment.id, CommitmentAmendment.id, col(CommitmentAmendment.at), []),
    ]
