"""What organisers see of the outbox, what is wrong with the relay now, and who cannot be reached."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import DeliveryAttempt, OutboxMessage

PAGE = 50
STILL_TRUE_FOR = timedelta(hours=1)
AGAIN = "again"
_SETTLED = ("sent", "failed", "bounced")


# -- Messages ----------------------------------------------------------------------------------------------


async def recent(session: AsyncSession, *, status: str | None = None, page: int = 1) -> Sequence[OutboxMessage]:
    """One page of messages, the newest first; those of one status when it is given."""
    query = select(OutboxMessage).order_by(col(OutboxMessage.created_at).desc(), col(OutboxMessage.id))
    if status is not None:
        query = query.where(OutboxMessage.status == status)
    return (await session.exec(query.limit(PAGE).offset(PAGE * (page - 1)))).all()


async def counts(session: AsyncSession) -> dict[str, int]:
    found = await session.exec(select(OutboxMessage.status, func.count()).group_by(col(OutboxMessage.status)))
    return {str(status): number for status, number in found.all()}


async def message_by_id(session: AsyncSession, message_id: UUID) -> OutboxMessage | None:
    return await session.get(OutboxMessage, message_id)


async def attempts_of(session: AsyncSession, message: OutboxMessage) -> Sequence[DeliveryAttempt]:
    query = select(DeliveryAttempt).where(DeliveryAttempt.message_id == message.id).order_by(col(DeliveryAttempt.at))
    return (await session.exec(query)).all()


# -- Try again ---------------------------------------------------------------------------------------------


def may_go_again(message: OutboxMessage, *, now: datetime) -> bool:
    """What failed or came back may go again, and what waits after a fault at once; not with a forgotten link, nor too late."""
    if message.not_after is not None and message.not_after <= now:
        return False
    stuck = message.status in ("failed", "bounced") or (message.status == "waiting" and message.last_error is not None)
    return stuck and message.facts.get("token") != "…"


async def retry(session: AsyncSession, message_id: UUID, *, now: datetime) -> bool:
    """Put a message back in the queue, its age counted anew; a stopped queue starts again. False if it may not go again."""
    message = await message_by_id(session, message_id)
    if message is None or not may_go_again(message, now=now):
        return False
    done = await session.exec(
        update(OutboxMessage)
        .where(col(OutboxMessage.id) == message_id, col(OutboxMessage.status) == message.status)
        .values(status="waiting", created_at=now, next_attempt_at=now, attempts=0, last_error=None, sent_at=None)
    )
    if done.rowcount == 1:
        session.add(DeliveryAttempt(message_id=message_id, at=now, outcome=AGAIN))
    return done.rowcount == 1


async def put_back_since(session: AsyncSession, moment: datetime) -> bool:
    """Whether an organiser put a message back after that moment."""
    query = select(DeliveryAttempt.id).where(col(DeliveryAttempt.at) > moment, DeliveryAttempt.outcome == AGAIN)
    return (await session.exec(query.limit(1))).first() is not None


# -- Alarm -------------------------------------------------------------------------------------------------


class Alarm(NamedTuple):
    """What is wrong with the relay: `verdict` is 'relay' or 'misconfigured', `words` what it said, to `message_id`."""

    verdict: str
    words: str
    since: datetime
    last: datetime
    message_id: UUID


async def alarm(session: AsyncSession, now: datetime) -> Alarm | None:
    """What is wrong with the relay now: the last attempt met a fault of its own. Tried every ten minutes, it says so again."""
    by_relay = col(DeliveryAttempt.outcome).not_like(f"{AGAIN}%") & col(DeliveryAttempt.outcome).not_like("bounced%")
    tried = select(DeliveryAttempt).where(by_relay).order_by(col(DeliveryAttempt.at).desc()).limit(1)
    newest = (await session.exec(tried.where(col(DeliveryAttempt.at) > now - STILL_TRUE_FOR))).first()
    if newest is None or not _is_fault(newest):
        return None
    its_own = col(DeliveryAttempt.outcome).like("relay%") | col(DeliveryAttempt.outcome).like("misconfigured%")
    before = (await session.exec(tried.where(~its_own))).first()
    query = select(func.min(DeliveryAttempt.at)).where(its_own)
    first = (await session.exec(query.where(col(DeliveryAttempt.at) > before.at) if before else query)).one()
    verdict, _, words = newest.outcome.partition(": ")
    return Alarm(verdict, words, first or newest.at, newest.at, newest.message_id)


def _is_fault(attempt: DeliveryAttempt) -> bool:
    return attempt.outcome.startswith(("relay", "misconfigured"))


# -- Who cannot be reached -----------------------------------------------------------------------------------


async def unreachable(session: AsyncSession, recipients: Collection[str]) -> set[str]:
    """Those of these addresses whose last message came back, or was refused for good by the relay because of the address."""
    asked, found = list(recipients), set[str]()
    for first in range(0, len(asked), 1000):
        found |= await _unreachable(session, asked[first : first + 1000])
    return found


async def _unreachable(session: AsyncSession, recipients: Sequence[str]) -> set[str]:
    newest_first = func.row_number().over(partition_by=col(OutboxMessage.recipient), order_by=col(OutboxMessage.created_at).desc())
    settled = select(OutboxMessage.id, OutboxMessage.recipient, OutboxMessage.status, newest_first.label("age")).where(
        col(OutboxMessage.recipient).in_(recipients), col(OutboxMessage.status).in_(_SETTLED)
    )
    last = settled.subquery()
    refused = (
        select(DeliveryAttempt.id)
        .where(DeliveryAttempt.message_id == last.c.id, col(DeliveryAttempt.outcome).like("unreachable%"))
        .exists()
    )
    query = select(last.c.recipient).where(last.c.age == 1, (last.c.status == "bounced") | ((last.c.status == "failed") & refused))
    return set((await session.exec(query)).all())
