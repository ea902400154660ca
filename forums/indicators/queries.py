"""Every question asked of the indicators: what the public reads, what a member has to measure, what was known on an evening.

The public reads published measurements only. Each answer costs the same number of statements whatever the
number of indicators; whose indicators an agent may see stands in the WHERE.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

from sqlalchemy import null
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.indicators.freshness import Freshness, freshness
from forums.models import (
    ActionPlan,
    Commitment,
    CommitmentInstitution,
    Indicator,
    Institution,
    Measurement,
    MeasurementChange,
)
from forums.models.forum import PARIS


@dataclass(frozen=True)
class Correction:
    """What a published value was before it was corrected, when, and why."""

    at: datetime
    value: str
    source: str | None
    reason: str


@dataclass(frozen=True)
class Value:
    """A measurement, who gave it, and everything that happened to it, the oldest first."""

    measurement: Measurement
    institution: Institution | None
    changes: Sequence[MeasurementChange]

    @property
    def corrections(self) -> list[Correction]:
        """The earlier values, the latest correction first."""
        told = [each for each in self.changes if each.kind in ("published", "corrected")]
        pairs = pairwise(told)
        found = [Correction(after.at, before.value, before.source, after.reason) for before, after in pairs if after.kind == "corrected"]
        return found[::-1]

    def known_on(self, day: date) -> str | None:
        """The value as everybody could read it on the evening of that day."""
        told = [each for each in self.changes if each.kind in ("published", "corrected")]
        if self.measurement.measured_on > day:
            return None
        if not told:
            out = self.measurement.published_at
            return self.measurement.value if out is None or _day(out) <= day else None
        before = [each for each in told if _day(each.at) <= day]
        # One that came with the plan's file was public before the first correction wrote its history down.
        from_the_file = self.measurement.published_at is None
        return before[-1].value if before else told[0].value if from_the_file else None


@dataclass(frozen=True)
class Followed:
    """An indicator and its published measurements, the newest first."""

    indicator: Indicator
    values: Sequence[Value]

    @property
    def measurements(self) -> list[Measurement]:
        return [each.measurement for each in self.values]

    @property
    def last(self) -> Measurement | None:
        return self.values[0].measurement if self.values else None

    def freshness(self, now: datetime) -> Freshness:
        return freshness(self.indicator, self.last.measured_on if self.last else None, _day(now))


@dataclass(frozen=True)
class Beside:
    """An indicator beside what was asked on an evening: its value known then, and now, each with its day."""

    indicator: Indicator
    then: tuple[date, str] | None
    now: tuple[date, str] | None


@dataclass(frozen=True)
class ToMeasure:
    """An indicator as whoever measures it sees it in a list."""

    indicator: Indicator
    commitment: Commitment
    plan: ActionPlan
    fresh: Freshness
    proposed: int


def _day(moment: datetime) -> date:
    return moment.astimezone(PARIS).date()


# -- What the public reads --------------------------------------------------------------------------------


async def of_commitment(session: AsyncSession, commitment: Commitment) -> list[Followed]:
    return (await of_commitments(session, [commitment.id])).get(commitment.id, [])


async def of_commitments(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[Followed]]:
    """The indicators of each commitment, those of the plan's file first, with their published measurements: three statements."""
    found = (await session.exec(_of(ids, select(Indicator)))).all()
    values = await _values(session, [each.id for each in found], Measurement.status == "published")
    followed: dict[UUID, list[Followed]] = {}
    for each in found:
        followed.setdefault(each.commitment_id, []).append(Followed(each, values.get(each.id, [])))
    return followed


def _of(ids: Sequence[UUID], query: Any) -> Any:
    """Those of the plan's file first."""
    return query.where(col(Indicator.commitment_id).in_(ids)).order_by(col(Indicator.added_here), col(Indicator.position))


async def public_one(session: AsyncSession, code: str) -> tuple[Followed, Commitment, ActionPlan] | None:
    """The indicator at an address, with its published measurements."""
    found = await by_code(session, code)
    if found is None:
        return None
    indicator, commitment, plan = found
    values = await _values(session, [indicator.id], Measurement.status == "published")
    return Followed(indicator, values.get(indicator.id, [])), commitment, plan


async def taken_back(session: AsyncSession, indicator: Indicator) -> list[Value]:
    """The measurements that were published, then withdrawn: the public reads that they were, and why."""
    public = select(MeasurementChange.measurement_id).where(MeasurementChange.kind == "published")
    withdrawn = await _values(session, [indicator.id], Measurement.status == "withdrawn", col(Measurement.id).in_(public))
    return withdrawn.get(indicator.id, [])


async def _values(session: AsyncSession, ids: Sequence[UUID], *conditions: Any) -> dict[UUID, list[Value]]:
    query = (
        select(Measurement, Institution)
        .outerjoin(Institution, col(Institution.id) == col(Measurement.institution_id))
        .where(col(Measurement.indicator_id).in_(ids), *conditions)
        .order_by(col(Measurement.measured_on).desc())
    )
    found = (await session.exec(query)).all()
    changed: dict[UUID, list[MeasurementChange]] = {}
    history = (
        select(MeasurementChange)
        .join(Measurement, col(Measurement.id) == col(MeasurementChange.measurement_id))
        .where(col(Measurement.indicator_id).in_(ids), *conditions)
        .order_by(col(MeasurementChange.at))
    )
    for change in (await session.exec(history)).all():
        changed.setdefault(change.measurement_id, []).append(change)
    values: dict[UUID, list[Value]] = {}
    for measurement, institution in found:
        values.setdefault(measurement.indicator_id, []).append(Value(measurement, institution, changed.get(measurement.id, [])))
    return values


async def beside(session: AsyncSession, ids: Sequence[UUID], day: date | None) -> dict[UUID, list[Beside]]:
    """For each commitment, the value of its indicators known on the evening of a day, and now: three statements.

    Of each indicator two measurements are read at most, however many it has.
    """
    query = cast(Any, select)(Indicator, _newest(), _newest(*_known_by(day)) if day else null())
    found = [(row[0], row[1:]) for row in (await session.exec(_of(ids, query))).all()]
    wanted = {key for _, keys in found for key in keys if key}
    values = await _values(session, [each.id for each, _ in found], col(Measurement.id).in_(wanted))
    known: dict[UUID, list[Beside]] = {}
    for each, _ in found:
        followed = Followed(each, values.get(each.id, []))
        known.setdefault(each.commitment_id, []).append(Beside(each, _known_on(followed, day), _now_known(followed)))
    return known


def _newest(*conditions: Any) -> Any:
    """The newest published measurement of an indicator for which they hold."""
    theirs = [col(Measurement.indicator_id) == col(Indicator.id), Measurement.status == "published", *conditions]
    return select(Measurement.id).where(*theirs).order_by(col(Measurement.measured_on).desc()).limit(1).scalar_subquery()


def _known_by(day: date) -> list[Any]:
    """That `Value.known_on` tells a value of it on that day."""
    midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=PARIS)
    told = select(MeasurementChange.id).where(col(MeasurementChange.measurement_id) == col(Measurement.id))
    told = told.where(col(MeasurementChange.kind).in_(("published", "corrected")))
    public = col(Measurement.published_at)
    by_then = told.where(col(MeasurementChange.at) < midnight).exists() | public.is_(None) | ((public < midnight) & ~told.exists())
    return [col(Measurement.measured_on) <= day, by_then]


def _known_on(followed: Followed, day: date | None) -> tuple[date, str] | None:
    if day is None:
        return None
    told = ((each.measurement.measured_on, each.known_on(day)) for each in followed.values)
    return next(((measured_on, value) for measured_on, value in told if value is not None), None)


def _now_known(followed: Followed) -> tuple[date, str] | None:
    return (followed.last.measured_on, followed.last.value) if followed.last else None


# -- What members have to measure ---------------------------------------------------------------------------


async def by_code(
    session: AsyncSession, code: str, *, institutions: Sequence[Institution] | None = None
) -> tuple[Indicator, Commitment, ActionPlan] | None:
    """An indicator; of given institutions, only one whose commitment they carry."""
    found = (await session.exec(_with_commitment(institutions).where(Indicator.code == code))).first()
    return tuple(found) if found else None


def _with_commitment(institutions: Sequence[Institution] | None) -> Any:
    query: Any = (
        select(Indicator, Commitment, ActionPlan)
        .join(Commitment, col(Commitment.id) == col(Indicator.commitment_id))
        .join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))
    )
    return query if institutions is None else query.where(col(Commitment.id).in_(carried_by(institutions)))


def carried_by(institutions: Sequence[Institution]) -> Any:
    """The keys of the commitments these institutions lead."""
    return select(CommitmentInstitution.commitment_id).where(
        col(CommitmentInstitution.institution_id).in_([each.id for each in institutions]), CommitmentInstitution.role == "lead"
    )


async def to_measure(
    session: AsyncSession, *, institutions: Sequence[Institution] | None, commitment: Commitment | None = None, now: datetime
) -> list[ToMeasure]:
    """The indicators these institutions carry (None: all), of plans that are followed, what is late first: one statement."""
    last = select(func.max(Measurement.measured_on)).where(Measurement.indicator_id == Indicator.id, Measurement.status == "published")
    proposed = select(func.count()).where(Measurement.indicator_id == Indicator.id, Measurement.status == "proposed")
    query: Any = _with_commitment(institutions).add_columns(last.scalar_subquery(), proposed.scalar_subquery())
    if commitment is not None:
        query = query.where(Commitment.id == commitment.id)
    query = query.where(col(ActionPlan.draft).is_(False)).order_by(
        col(Commitment.number), col(Indicator.added_here), col(Indicator.position)
    )
    found = [
        ToMeasure(indicator, carried, plan, freshness(indicator, measured_on, _day(now)), waiting)
        for indicator, carried, plan, measured_on, waiting in (await session.exec(query)).all()
    ]
    return sorted(found, key=_what_presses_first)


def _what_presses_first(each: ToMeasure) -> tuple[int, date]:
    order = {"stale": 0, "unmeasured": 1, "up_to_date": 2, "untimed": 3}[each.fresh.state]
    return (1 if order == 2 and each.fresh.due_on else order), each.fresh.due_on or date.max


async def every_value(session: AsyncSession, indicator: Indicator) -> list[Value]:
    """All its measurements, proposed and withdrawn ones too, for those who follow it."""
    return (await _values(session, [indicator.id])).get(indicator.id, [])


async def value_by_id(session: AsyncSession, indicator: Indicator, measurement_id: UUID) -> Value | None:
    return next((each for each in await every_value(session, indicator) if each.measurement.id == measurement_id), None)


async def leads_among(session: AsyncSession, commitment: Commitment, institutions: Sequence[Institution]) -> list[Institution]:
    """Those of these institutions that carry a commitment."""
    query = cast(Any, select)(CommitmentInstitution.institution_id).where(
        CommitmentInstitution.commitment_id == commitment.id, CommitmentInstitution.role == "lead"
    )
    ids = set((await session.exec(query)).all())
    return [each for each in institutions if each.id in ids]
