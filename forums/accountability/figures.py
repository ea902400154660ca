"""The figures of a plan, commitment by commitment and institution by institution.

A question is counted once for its commitment, and once for each institution it concerns: sums over
institutions say nothing. What only a few were asked is given as it is; there is no percentage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, follow_ups
from forums.accountability.counting import Asked, Counted, Group, Promised, asked_in, asked_of, counted, promised, promises_by
from forums.accountability.examined import examinations, is_held
from forums.accountability.freshness import Watched, watched
from forums.models import (
    ActionPlan,
    Commitment,
    FollowUp,
    FollowUpCommitment,
    Forum,
    Institution,
)


@dataclass(frozen=True)
class Measured:
    """Indicators: up to date, awaiting a measurement whose day has passed, or without any day to be late of."""

    fresh: int = 0
    stale: int = 0
    no_rule: int = 0

    @property
    def total(self) -> int:
        return self.fresh + self.stale + self.no_rule


@dataclass(frozen=True)
class OfCommitment:
    """A commitment and what is counted of it."""

    commitment: Commitment
    leads: Sequence[Institution]
    asked: Asked
    promised: Promised
    measured: Measured
    examined: Sequence[Forum]


@dataclass(frozen=True)
class OfInstitution:
    """An institution and what is counted of it: what it leads, what was put to it, what it promised."""

    institution: Institution
    commitments: Sequence[OfCommitment]
    asked: Asked
    promised: Promised
    measured: Measured

    @property
    def never_examined(self) -> int:
        return sum(not each.examined for each in self.commitments)


@dataclass(frozen=True)
class Figures:
    """What is counted of a plan; `asked_of_none` and `promised_of_none` are tied to no commitment."""

    plan: ActionPlan
    asked: Asked
    promised: Promised
    measured: Measured
    commitments: Sequence[OfCommitment]
    institutions: Sequence[OfInstitution]
    asked_of_none: Asked
    promised_of_none: Promised

    @property
    def never_examined(self) -> int:
        return sum(not each.examined for each in self.commitments)

    @property
    def never_asked(self) -> int:
        return sum(not each.asked.total for each in self.commitments)

    def institution(self, slug: str) -> OfInstitution | None:
        return next((each for each in self.institutions if each.institution.slug == slug), None)

    def commitment(self, number: int) -> OfCommitment | None:
        return next((each for each in self.commitments if each.commitment.number == number), None)


async def figures_of(session: AsyncSession, plan: ActionPlan, *, institutions: bool = True, kept: bool = True, now: datetime) -> Figures:
    """Everything counted of a plan: commitments in its order, and institutions by name unless nobody reads of them.

    Without `kept`, what was promised and measured is left out: a list of what was asked and examined does not show it.
    """
    commitments = await action_plan.commitments_of(session, plan)
    ids = [each.id for each in commitments]
    leads = await action_plan.leads(session, commitments)
    held = await _days_held(session, now)
    by_commitment, routed = _groups_of(await counted(session, plan, institutions=institutions, now=now))
    promises, held_by, promised, of_none = await _promises(session, plan, now) if kept else ({}, {}, Promised(), Promised())
    indicators = await watched(session, ids, now=now) if kept else []
    examined = await examinations(session, ids, now=now)

    def asked(groups: Sequence[Group]) -> Asked:
        return asked_of(groups, held, now)

    rows = [
        OfCommitment(
            each,
            leads.get(each.id, []),
            asked(by_commitment.get(each.id, [])),
            promises.get(each.id, Promised()),
            _measured([one for one in indicators if one.commitment.id == each.id]),
            examined.get(each.id, []),
        )
        for each in commitments
    ]
    leading = {one.id for each in leads.values() for one in each}

    def put_to(institution: Institution) -> Asked:
        led = [each.id for each in commitments if institution in leads.get(each.id, [])]
        return asked([*routed.get(institution.id, []), *(group for key in led for group in by_commitment.get(key, []))])

    concerned = [
        _of_institution(each, rows, put_to(each), held_by.get(each.id, Promised()))
        for each in await _called(session, leading | set(routed) | set(held_by) if institutions else set())
    ]
    return Figures(
        plan,
        asked([group for groups in by_commitment.values() for group in groups]),
        promised,
        _measured(indicators),
        rows,
        concerned,
        asked(by_commitment.get(None, [])),
        of_none,
    )


@dataclass(frozen=True)
class Totals:
    """What was asked and promised in a plan, all together."""

    plan: ActionPlan
    asked: Asked
    promised: Promised


async def totals_of(session: AsyncSession, plan: ActionPlan, *, now: datetime) -> Totals:
    """The same as in `figures_of`, in two statements."""
    made = await promised(session, promises_by(now=now).where(follow_ups.is_of(plan)))
    return Totals(plan, await asked_in(session, plan, now=now), _sum(made.values()))


def _groups_of(counts: Sequence[Counted]) -> tuple[dict[UUID | None, list[Group]], dict[UUID, list[Group]]]:
    """The groups by commitment (None: of none), and by institution those put to it that it does not lead."""
    by_commitment: dict[UUID | None, list[Group]] = {}
    routed: dict[UUID, list[Group]] = {}
    for each in counts:
        if each.institution_id is None:
            by_commitment.setdefault(each.commitment_id, []).append(each.group)
        else:
            routed.setdefault(each.institution_id, []).append(each.group)
    return by_commitment, routed


def _of_institution(institution: Institution, rows: Sequence[OfCommitment], asked: Asked, promised: Promised) -> OfInstitution:
    led = [row for row in rows if institution in row.leads]
    measured = [row.measured for row in led]
    sums = Measured(sum(each.fresh for each in measured), sum(each.stale for each in measured), sum(each.no_rule for each in measured))
    return OfInstitution(institution, led, asked, promised, sums)


async def _called(session: AsyncSession, ids: set[UUID]) -> Sequence[Institution]:
    """In the alphabetical order of the names shown, whatever the database takes it for."""
    return sorted((await session.exec(select(Institution).where(col(Institution.id).in_(ids)))).all(), key=action_plan.alphabetical)


def _measured(indicators: Sequence[Watched]) -> Measured:
    states = [each.freshness for each in indicators]
    return Measured(states.count("fresh"), states.count("stale"), states.count("no_rule"))


async def _days_held(session: AsyncSession, now: datetime) -> list[date]:
    """The days forums were held on."""
    return [day for day in (await session.exec(cast(Any, select)(Forum.day).where(is_held(now)))).all() if day]


async def _promises(
    session: AsyncSession, plan: ActionPlan, now: datetime
) -> tuple[dict[UUID, Promised], dict[UUID, Promised], Promised, Promised]:
    """The public promises by commitment, by institution, all those of the plan, and those on no commitment: two statements."""
    linked = col(FollowUpCommitment.follow_up_id) == col(FollowUp.id)
    by_commitment = promises_by(col(FollowUpCommitment.commitment_id), now=now).join(FollowUpCommitment, linked)
    of_commitments = {key: found for (key,), found in (await promised(session, by_commitment)).items()}
    on_none = follow_ups.bears_on_none().label("on_none")
    of_plan = await promised(session, promises_by(col(FollowUp.institution_id), on_none, now=now).where(follow_ups.is_of(plan)))
    held = {key: _sum(found for (holder, _), found in of_plan.items() if holder == key) for key, _ in of_plan if key}
    return of_commitments, held, _sum(of_plan.values()), _sum(found for (_, none), found in of_plan.items() if none)


def _sum(found: Iterable[Promised]) -> Promised:
    each = list(found)
    return Promised(*(sum(getattr(one, name) for one in each) for name in ("open", "late", "kept", "dropped")))
