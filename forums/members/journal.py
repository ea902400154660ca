"""The journal: who did what to what, and when, written in the transaction of the deed itself.

It is only ever added to: no page changes it, and the purge of people's data leaves it alone. It holds
roles and names of things, never an address; a member's own is looked up for the admins who read it,
and goes with the member, whose name is then kept beside the role (`moderator: Sacha Martin`).
"""

from datetime import date, datetime, time, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.database import has_changed_anything
from forums.forms import Form, OptionalDay, line
from forums.models import AuditEvent, Member
from forums.models.forum import PARIS


class JournalFilter(Form):
    """What to look for. `member` is a member's id, or who acts without being one (`clock`, `participant`).

    `verb` may carry a kind of thing after a space (`publish agenda`): the same verb is said of several. Those that
    are said in the same words come together, a comma between them.
    """

    member: Annotated[str, line(40)] = ""
    verb: Annotated[str, line(200)] = ""
    kind: Annotated[str, line(40)] = ""
    since: OptionalDay = None
    until: OptionalDay = None


EVERYTHING = JournalFilter()


class JournalEntry(NamedTuple):
    """A line of the journal and the address of who did it, while they are a member."""

    event: AuditEvent
    email: str | None


def record(session: AsyncSession, member: Member, verb: str, subject: str, detail: str = "", *, now: datetime) -> None:
    """Write in the journal, in the transaction of the deed itself."""
    session.add(AuditEvent(at=now, member_id=member.id, actor=member.role, verb=verb, subject=subject, detail=detail))


async def record_change(session: AsyncSession, member: Member, verb: str, subject: str, detail: str = "", *, now: datetime) -> None:
    """The same for a deed that changes something: one that changed nothing, a second click, leaves no line."""
    if await has_changed_anything(session):
        record(session, member, verb, subject, detail, now=now)


def note(session: AsyncSession, actor: str, verb: str, subject: str, detail: str = "", *, now: datetime) -> None:
    """The same for what no member did: the clock, the command line, or a person about their own data, who is not named."""
    session.add(AuditEvent(at=now, actor=actor, verb=verb, subject=subject, detail=detail))


async def journal(
    session: AsyncSession, wanted: JournalFilter = EVERYTHING, *, page: int = 1, per_page: int = 50
) -> tuple[list[JournalEntry], int]:
    """One page of what was done, the newest first, and how many lines there are in all."""
    conditions = _conditions(wanted)
    # The id settles ties: without it a line could be on two pages, or on none.
    newest_first = col(AuditEvent.at).desc(), col(AuditEvent.id).desc()
    # Those passed over on the way to a page are not read, but for their place in the index.
    chosen = select(AuditEvent.id).where(*conditions).order_by(*newest_first).offset((page - 1) * per_page).limit(per_page)
    query = select(AuditEvent, Member.email).outerjoin(Member, col(Member.id) == col(AuditEvent.member_id))
    total = (await session.exec(select(func.count()).select_from(AuditEvent).where(*conditions))).one()
    lines = (await session.exec(query.where(col(AuditEvent.id).in_(chosen)).order_by(*newest_first))).all()
    return [JournalEntry(*each) for each in lines], total


def _conditions(wanted: JournalFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.member:
        try:
            conditions.append(col(AuditEvent.member_id) == UUID(wanted.member))
        except ValueError:
            conditions.append(col(AuditEvent.actor) == wanted.member)
    if wanted.verb:
        conditions.append(or_(*(_is_deed(each) for each in wanted.verb.split(","))))
    if wanted.kind:
        conditions.append(_is_done_to(wanted.kind))
    if wanted.since:
        conditions.append(col(AuditEvent.at) >= _midnight(wanted.since))
    if wanted.until:
        conditions.append(col(AuditEvent.at) < _midnight(wanted.until + timedelta(days=1)))
    return conditions


def _is_deed(deed: str) -> ColumnElement[bool]:
    verb, _, kind = deed.partition(" ")
    done = col(AuditEvent.verb) == verb
    return done & _is_done_to(kind) if kind else done


def _is_done_to(kind: str) -> ColumnElement[bool]:
    return col(AuditEvent.subject).startswith(f"{kind} ", autoescape=True)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), PARIS)
