"""The agents of the institutions that carry a commitment are told when one of its indicators is to be measured.

The clock asks at every turn; each message names its fact, so it is written once for a date. A date that
passed more than a week ago is not recalled, nor that of a plan that is over or of a measurement that waits.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox
from forums.indicators.queries import to_measure
from forums.models import CommitmentInstitution, Member, MemberInstitution
from forums.models.forum import PARIS

WEEK = timedelta(days=7)
HOUR = time(9)


async def remind(session: AsyncSession, *, now: datetime) -> int:
    """Write down the messages that are due. Returns how many are."""
    here = now.astimezone(PARIS)
    today = here.date()
    if here.time() < HOUR:
        return 0
    due = [
        each
        for each in await to_measure(session, institutions=None, now=now)
        if each.fresh.due_on and each.fresh.due_on <= today <= each.fresh.due_on + WEEK
        if not each.proposed and (each.plan.ends_on is None or each.plan.ends_on >= today)
    ]
    agents = await _agents(session, list({each.commitment.id for each in due}))
    messages = [emails.indicator_due(agent, each.indicator, each.commitment, each.fresh.due_on, each.fresh.measured_on)
                for each in due if each.fresh.due_on for agent in agents.get(each.commitment.id, [])]  # fmt: skip
    return await outbox.enqueue_once(session, messages, now=now)


async def _agents(session: AsyncSession, ids: Sequence[object]) -> dict[object, list[Member]]:
    """The agents of the institutions that carry each of these commitments, once each."""
    query = (
        select(CommitmentInstitution.commitment_id, Member)
        .join(MemberInstitution, col(MemberInstitution.institution_id) == col(CommitmentInstitution.institution_id))
        .join(Member, col(Member.id) == col(MemberInstitution.member_id))
        .where(Member.role == "agent", CommitmentInstitution.role == "lead", col(CommitmentInstitution.commitment_id).in_(ids))
        .order_by(col(Member.email))
    )
    found: dict[object, dict[object, Member]] = {}
    for commitment_id, member in (await session.exec(query)).all():
        found.setdefault(commitment_id, {})[member.id] = member
    return {commitment_id: list(members.values()) for commitment_id, members in found.items()}
