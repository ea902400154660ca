"""Institutions: which commitments each one carries, and which it shares as a partner, in every plan.

What was asked of one, what it promised and how that is counted are said by the words of their own
(`questions`, `follow_ups`, `accountability`). Each answer costs one or two statements whatever the number of plans.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.action_plan import alphabetical
from forums.models import ActionPlan, Commitment, CommitmentInstitution, Institution
from forums.models.plan import InstitutionRole


@dataclass(frozen=True)
class Listed:
    """An institution, how many commitments it carries and how many it shares, all plans together."""

    institution: Institution
    carried: int
    shared: int

    @property
    def leads(self) -> bool:
        return self.carried > 0


@dataclass(frozen=True)
class Part:
    """The part an institution has in a commitment."""

    commitment: Commitment
    role: InstitutionRole


async def every(session: AsyncSession) -> list[Listed]:
    """All of them: those that carry a commitment, then the others, each in alphabetical order."""
    counts: dict[tuple[UUID, str], int] = {}
    kept = cast(Any, select)(CommitmentInstitution.institution_id, CommitmentInstitution.role, func.count())
    kept = kept.group_by(col(CommitmentInstitution.institution_id), col(CommitmentInstitution.role))
    for institution_id, role, number in (await session.exec(kept)).all():
        counts[institution_id, role] = number
    found = sorted((await session.exec(select(Institution))).all(), key=alphabetical)
    rows = [Listed(each, counts.get((each.id, "lead"), 0), counts.get((each.id, "partner"), 0)) for each in found]
    return sorted(rows, key=lambda row: not row.carried)


async def parts_of(session: AsyncSession, institution: Institution) -> list[tuple[ActionPlan, Sequence[Part]]]:
    """Its commitments by plan, the current one first, then the latest; in each, those it carries before those it shares."""
    query = (
        cast(Any, select)(ActionPlan, Commitment, CommitmentInstitution.role)
        .join(Commitment, col(Commitment.plan_id) == col(ActionPlan.id))
        .join(CommitmentInstitution, col(CommitmentInstitution.commitment_id) == col(Commitment.id))
        .where(CommitmentInstitution.institution_id == institution.id)
        .order_by(col(ActionPlan.current).desc(), col(ActionPlan.slug).desc(), col(CommitmentInstitution.role), col(Commitment.number))
    )
    plans: dict[UUID, ActionPlan] = {}
    parts: dict[UUID, list[Part]] = {}
    for plan, commitment, role in (await session.exec(query)).all():
        plans[plan.id] = plan
        parts.setdefault(plan.id, []).append(Part(commitment, role))
    return [(plans[key], each) for key, each in parts.items()]
