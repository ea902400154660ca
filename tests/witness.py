"""What became of registrations, one change after the other, and which messages that promised.

A trigger of the database writes each change of status down in the transaction that makes it. Whoever
gives a seat or a rank holds the forum's lock meanwhile, so the numbers of the changes are their order on
both engines. Replayed, they show any instant at which a seat was sold twice or someone was promoted over
a person who had waited longer, however well it all ended.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sqlmodel import select, text
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import OutboxMessage

_COLUMNS = "email TEXT, before TEXT, after TEXT, rank INTEGER"
_ADD = "INSERT INTO witnessed (email, before, after, rank) VALUES (NEW.email, OLD.status, NEW.status, coalesce(NEW.rank, OLD.rank))"
_EVERY_CHANGE = "CREATE TRIGGER witness AFTER UPDATE OF status ON registration FOR EACH ROW WHEN (OLD.status <> NEW.status)"

TRIGGER = {
    "sqlite": [
        f"CREATE TABLE witnessed (number INTEGER PRIMARY KEY AUTOINCREMENT, {_COLUMNS})",
        f"{_EVERY_CHANGE} BEGIN {_ADD}; END",
    ],
    "postgresql": [
        f"CREATE TABLE witnessed (number BIGSERIAL PRIMARY KEY, {_COLUMNS})",
        f"CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_ADD}; RETURN NULL; END $$",
        f"{_EVERY_CHANGE} EXECUTE FUNCTION witness()",
    ],
}


class Change(NamedTuple):
    """Someone's status before and after; `rank` is the place in line they got, or leave."""

    email: str
    before: str
    after: str
    rank: int | None = None

    @property
    def deed(self) -> str:
        """What the person did to get there; a promotion is nobody's deed."""
        if self.after == "given_up":
            return "renoncer"
        return "" if self.before == "waiting" else "confirmer"


class Replay(NamedTuple):
    """What must be 0: seats sold beyond the capacity at the worst instant, people overtaken, ranks not above all before."""

    oversold: int
    overtaken: int
    out_of_rank: int


Told = tuple[str, str, str | None]
"""Who is told what, with which invitation."""


async def watch(session: AsyncSession) -> None:
    """From now on, write every change down."""
    connection = await session.connection()
    for statement in TRIGGER[connection.dialect.name]:
        await connection.exec_driver_sql(statement)


async def changes(session: AsyncSession) -> list[Change]:
    connection = await session.connection()
    rows = await connection.execute(text("SELECT email, before, after, rank FROM witnessed ORDER BY number"))
    return [Change(*row) for row in rows]


def replay(story: Iterable[Change], capacity: int) -> Replay:
    seated, line, last_rank = 0, set[int](), 0
    oversold = overtaken = out_of_rank = 0
    for change in story:
        rank = change.rank or 0
        if change.before == "registered":
            seated -= 1
        elif change.before == "waiting":
            overtaken += change.after == "registered" and rank != min(line, default=0)
            line.discard(rank)
        if change.after == "registered":
            seated += 1
            oversold = max(oversold, seated - capacity)
        elif change.after == "waiting":
            out_of_rank += rank <= last_rank
            line.add(rank)
            last_rank = rank
    return Replay(oversold, overtaken, out_of_rank)


def deeds(story: Iterable[Change]) -> Counter[tuple[str, str]]:
    """How often each person's word was carried out: (what, who)."""
    return Counter((change.deed, change.email) for change in story if change.deed)


def due(story: Iterable[Change]) -> Counter[Told]:
    """The messages these changes promise: one for each, which withdraws an invitation only from who had one."""
    return Counter(_due(change) for change in story)


def _due(change: Change) -> Told:
    if change.after == "registered":
        return change.email, "promoted" if change.before == "waiting" else "registered", "REQUEST"
    if change.after == "given_up":
        return change.email, "given_up", "CANCEL" if change.before == "registered" else None
    return change.email, "waiting", None


async def promised(session: AsyncSession) -> Counter[Told]:
    """The messages the outbox holds, whatever became of them."""
    rows = await session.exec(select(OutboxMessage.recipient, OutboxMessage.kind, OutboxMessage.facts))
    return Counter((recipient, kind, facts.get("invitation")) for recipient, kind, facts in rows)
