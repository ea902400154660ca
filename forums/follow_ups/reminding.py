"""The agents of an institution are told of its promises: when one is published, a week before it is due, once it is late.

The clock asks at every turn; each message names its fact, so it is written once. Nothing old is told to an
agent who arrives later: a publication is told within a week, and so is a date that passed.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox
from forums.emails import Message
from forums.follow_ups.queries import is_public, known, promises
from forums.models import FollowUp, Member, MemberInstitution, Minutes
from forums.models.forum import PARIS

WEEK = timedelta(days=7)
HOUR = time(9)


async def remind(session: AsyncSession, *, now: datetime) -> int:
    """Write down the messages that are due. Returns how many are."""
    today = now.astimezone(PARIS).date()
    open_ones = await promises(session, known(FollowUp.status == "open", is_public(), col(FollowUp.institution_id).is_not(None)))
    agents = await _agents(session)
    written = select(Minutes.forum_id, Minutes.published_at).where(col(Minutes.forum_id).in_([each.forum.id for each in open_ones]))
    published = {forum_id: at for forum_id, at in (await session.exec(written)).all()}
    messages: list[Message] = []
    for promise in open_ones:
        since = max(promise.follow_up.created_at, published.get(promise.forum.id) or promise.follow_up.created_at)
        kind = _what_is_due(promise.follow_up, since.astimezone(PARIS).date(), today, awake=now.astimezone(PARIS).time() >= HOUR)
        tell = {"recorded": emails.promise_recorded, "due": emails.promise_due, "late": emails.promise_late}.get(kind or "")
        if tell is not None:
            theirs = agents.get(promise.follow_up.institution_id, [])
            messages += [tell(agent, promise.follow_up, promise.forum, promise.holder) for agent in theirs]
    return await outbox.enqueue_once(session, messages, now=now)


def _what_is_due(follow_up: FollowUp, since: date, today: date, *, awake: bool) -> str | None:
    """Published lately, due within a week, or late for a week at most. A date is not recalled the day it is first told."""
    if today <= since + timedelta(days=1):
        return "recorded"
    due = follow_up.due_on
    if due and awake and due < today <= due + WEEK:
        return "late"
    if due and awake and due - WEEK <= today <= due and since < due - WEEK:
        return "due"
    return "recorded" if today <= since + WEEK else None


async def _agents(session: AsyncSession) -> dict[object, list[Member]]:
    query = (
        select(MemberInstitution.institution_id, Member)
        .join(Member, col(Member.id) == col(MemberInstitution.member_id))
        .where(Member.role == "agent")
        .order_by(col(Member.email))
    )
    found: dict[object, list[Member]] = {}
    rows: Sequence[tuple[object, Member]] = (await session.exec(query)).all()
    for institution_id, member in rows:
        found.setdefault(institution_id, []).append(member)
    return found
