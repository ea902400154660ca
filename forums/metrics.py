"""What an operator watches, as facts of the database: the queue of messages, the clock, the seats.

Every figure is asked anew, so that all processes say the same. None of them is about a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import outbox
from forums.database import insert_into
from forums.models import ClockMark, Forum, OutboxMessage

TURN = "upkeep"


@dataclass(frozen=True)
class Figures:
    """`queue` counts messages by status; `oldest_due` is when the oldest of those still here should have gone.

    `turned_at` is the clock's last turn.
    """

    queue: dict[str, int]
    oldest_due: datetime | None
    turned_at: datetime | None
    forums: Sequence[Forum]


async def figures(session: AsyncSession, *, now: datetime) -> Figures:
    """Those of this moment; of forums, the announced ones that are still to come."""
    here = text("status IN ('waiting', 'sending')")  # as the index says it: a bound value does not find it
    due = select(func.min(OutboxMessage.next_attempt_at)).where(here, col(OutboxMessage.next_attempt_at) <= now)
    coming = select(Forum).where(Forum.status == "announced", col(Forum.ends_at) > now).order_by(col(Forum.starts_at))
    turned = await session.get(ClockMark, TURN)
    return Figures(
        queue=await outbox.counts(session),
        oldest_due=(await session.exec(due)).one(),
        turned_at=turned.at if turned else None,
        forums=(await session.exec(coming)).all(),
    )


async def note_turn(session: AsyncSession, *, now: datetime) -> None:
    """The clock has done everything that was due."""
    mark = insert_into(session, ClockMark).values(name=TURN, at=now)
    connection = await session.connection()
    await connection.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"at": mark.excluded.at}))
