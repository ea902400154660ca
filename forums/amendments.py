"""Amendments: what a draft commitment said, what it says now, and why it changed.

While a plan is open to comments, no change of a title or a summary goes unsaid, whether an organiser makes it or
the plan's file. A file that still says what was amended since is behind: it does not undo the amendment.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.language import N_
from forums.models import ActionPlan, Commitment, CommitmentAmendment, Consultation

Text = dict[str, str]

BY_THE_FILE: Final = N_("Le fichier du plan a été mis à jour.")


def text_of(commitment: Commitment) -> Text:
    return {"title": commitment.title, "summary": commitment.summary}


async def are_kept_for(session: AsyncSession, plan: ActionPlan) -> bool:
    """Whether people were asked to comment on this plan, so that its changes are told."""
    return (await session.exec(select(Consultation.id).where(Consultation.plan_id == plan.id))).first() is not None


async def of(session: AsyncSession, commitment_ids: Sequence[UUID]) -> Sequence[CommitmentAmendment]:
    """The amendments of these commitments, the latest first."""
    query = select(CommitmentAmendment).where(col(CommitmentAmendment.commitment_id).in_(commitment_ids))
    return (await session.exec(query.order_by(col(CommitmentAmendment.at).desc(), col(CommitmentAmendment.code)))).all()


async def undoes(session: AsyncSession, commitment: Commitment, wanted: Text) -> bool:
    """Whether this text is one that an amendment has already replaced."""
    return any(each.before == wanted for each in await of(session, [commitment.id]))


async def note(session: AsyncSession, commitment: Commitment, before: Text, reason: str, *, now: datetime) -> CommitmentAmendment:
    amendment = CommitmentAmendment(commitment_id=commitment.id, at=now, reason=reason, before=before, after=text_of(commitment))
    session.add(amendment)
    await session.flush()
    return amendment
