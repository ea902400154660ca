"""A draft of self-assessment for one commitment: what this site knows is written in, what it does not know is left to be filled in.

It is a draft for those who carry the commitment: they alone say how far it went. Nothing in it is said on their
behalf: what they published is quoted, and every blank is marked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, answers, follow_ups, questions
from forums.accountability.counting import Asked, Promised, asked_of, counted_by_season, promised_on
from forums.accountability.examined import examinations
from forums.accountability.freshness import Watched, watched
from forums.answers import Given, Standing
from forums.follow_ups import Promise
from forums.models import (
    ActionPlan,
    Commitment,
    Evaluation,
    Forum,
    Institution,
    Measurement,
    Milestone,
    ProgressReport,
    Question,
)

# A paper is read and completed by people: the latest of each kind, how many there are, and where all of them are read.
SHOWN = 20


@dataclass(frozen=True)
class Known:
    """What this site knows of a commitment; of what grows without end, the latest ones and how many there are."""

    plan: ActionPlan
    commitment: Commitment
    leads: Sequence[Institution]
    partners: Sequence[Institution]
    milestones: Sequence[Milestone]
    indicators: Sequence[Watched]
    measurements: Mapping[UUID, Measurement]
    reports: Sequence[tuple[ProgressReport, Institution]]
    evaluations: Sequence[Evaluation]
    forums: Sequence[Forum]
    questions: Sequence[Question]
    asked: Asked
    standings: Mapping[UUID, Standing]
    given: Sequence[Given]
    answers: int
    promises: Sequence[Promise]
    promised: Promised

    @property
    def invented(self) -> bool:
        """Whether some of it was made up for the demonstration."""
        of_promises, of_indicators = [each.follow_up for each in self.promises], [each.indicator for each in self.indicators]
        told = [
            self.plan,
            *self.forums,
            *self.questions,
            *of_promises,
            *of_indicators,
            *self.evaluations,
            *(each for each, _ in self.reports),
        ]
        return any(getattr(each, "invented", False) for each in told)


async def known_of(session: AsyncSession, plan: ActionPlan, commitment: Commitment, *, now: datetime) -> Known:
    """A number of statements that does not grow with what is known."""
    indicators = await watched(session, [commitment.id], now=now)
    asked, _ = await questions.published(session, commitment=commitment, limit=SHOWN)
    groups = await counted_by_season(session, commitment=commitment, now=now)
    promises, _ = await follow_ups.public_ones(session, commitment=commitment, limit=SHOWN, now=now)
    return Known(
        plan,
        commitment,
        (await action_plan.leads(session, [commitment])).get(commitment.id, []),
        await action_plan.partners(session, commitment),
        await action_plan.milestones(session, commitment),
        indicators,
        await _last_measured(session, [each.indicator.id for each in indicators]),
        await _reports(session, commitment),
        await _evaluations(session, commitment),
        (await examinations(session, [commitment.id], now=now)).get(commitment.id, []),
        asked,
        asked_of([group for of_season in groups.values() for group in of_season]),
        await questions.states_of(session, asked),
        await answers.about(session, commitment, limit=SHOWN),
        await answers.how_many_about(session, commitment),
        promises,
        await promised_on(session, commitment, now=now),
    )


async def _last_measured(session: AsyncSession, indicators: Sequence[UUID]) -> dict[UUID, Measurement]:
    """The last published measurement of each of these indicators."""
    last = (
        cast(Any, select)(Measurement.indicator_id, func.max(Measurement.measured_on).label("day"))
        .where(col(Measurement.indicator_id).in_(indicators), Measurement.status == "published")
        .group_by(col(Measurement.indicator_id))
        .subquery()
    )
    newest = (last.c.indicator_id == col(Measurement.indicator_id)) & (last.c.day == col(Measurement.measured_on))
    query = select(Measurement).join(last, newest).where(Measurement.status == "published")
    return {each.indicator_id: each for each in (await session.exec(query)).all()}


async def _reports(session: AsyncSession, commitment: Commitment) -> Sequence[tuple[ProgressReport, Institution]]:
    """Published progress reports, the newest first."""
    query = (
        cast(Any, select)(ProgressReport, Institution)
        .join(Institution, col(Institution.id) == col(ProgressReport.institution_id))
        .where(ProgressReport.commitment_id == commitment.id, ProgressReport.status == "published")
        .order_by(col(ProgressReport.period_end).desc(), col(Institution.name))
    )
    return cast(Sequence[tuple[ProgressReport, Institution]], (await session.exec(query)).all())


async def _evaluations(session: AsyncSession, commitment: Commitment) -> Sequence[Evaluation]:
    query = select(Evaluation).where(Evaluation.commitment_id == commitment.id)
    return (await session.exec(query.order_by(col(Evaluation.dated).desc().nulls_last(), col(Evaluation.position)))).all()
