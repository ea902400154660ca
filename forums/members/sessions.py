"""Sessions: a signed-in browser is a row, known by the hash of its cookie; ending it deletes the row.

A session ends after an hour without a visit and after twelve hours in any case. Its member sees all
of theirs, in words they recognise, and ends any of them or all at once once they have just signed in: whoever
found a browser open must not shut its member out of the others.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import secret_links
from forums.models import Member, MemberSession

SESSION_LASTS = timedelta(hours=12)
IDLE = timedelta(minutes=60)
FRESH = timedelta(minutes=15)

# The first that matches: each browser also says the names of those it looks like.
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox", "Firefox"), ("FxiOS", "Firefox"), ("SamsungBrowser", "Samsung Internet"),
             ("Chrom", "Chrome"), ("CriOS", "Chrome"), ("Safari", "Safari"))  # fmt: skip
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
            ("CrOS", "ChromeOS"), ("Linux", "Linux"))  # fmt: skip


def browser_named(user_agent: str) -> str:
    """« Firefox, Linux »: what a browser says of itself, in two words; empty when it says nothing known."""
    said = re.sub(r"\s+", " ", user_agent[:500])
    words = [next((name for sign, name in known if sign in said), "") for known in (_BROWSERS, _SYSTEMS)]
    return ", ".join(word for word in words if word)


def open_session(session: AsyncSession, member_id: UUID, *, named: str = "", id_token: str | None = None, now: datetime) -> str:
    """A new session of that member. Returns its cookie's token, known to the browser alone."""
    token = secret_links.new_token()
    session.add(
        MemberSession(
            token_hash=secret_links.hash_of(token),
            member_id=member_id,
            browser=named,
            id_token=id_token,
            created_at=now,
            seen_at=now,
            expires_at=now + SESSION_LASTS,
        )
    )
    return token


async def member_of_session(session: AsyncSession, token: str, *, now: datetime) -> tuple[Member, MemberSession] | None:
    """Who is signed in with that cookie, if the session has neither expired nor slept too long."""
    query = (
        select(Member, MemberSession)
        .join(MemberSession, col(MemberSession.member_id) == col(Member.id))
        .where(
            MemberSession.token_hash == secret_links.hash_of(token),
            col(MemberSession.expires_at) > now,
            col(MemberSession.seen_at) > now - IDLE,
        )
    )
    return (await session.exec(query)).first()


async def sessions_of(session: AsyncSession, member: Member, *, now: datetime) -> Sequence[MemberSession]:
    """Those that are open, the last seen first."""
    query = select(MemberSession).where(
        MemberSession.member_id == member.id, col(MemberSession.expires_at) > now, col(MemberSession.seen_at) > now - IDLE
    )
    return (await session.exec(query.order_by(col(MemberSession.seen_at).desc(), col(MemberSession.code)))).all()


def is_fresh(member_session: MemberSession, *, now: datetime) -> bool:
    """Whether its member proved a moment ago who they are."""
    return now - member_session.created_at < FRESH


async def seen(session: AsyncSession, member_session: MemberSession, *, now: datetime) -> None:
    await session.exec(update(MemberSession).where(col(MemberSession.token_hash) == member_session.token_hash).values(seen_at=now))


async def sign_out(session: AsyncSession, token: str) -> None:
    await session.exec(delete(MemberSession).where(col(MemberSession.token_hash) == secret_links.hash_of(token)))


async def end_session(session: AsyncSession, member: Member, code: str) -> bool:
    """End one of this member's own sessions. Whether there was one: a second click finds none."""
    gone = await session.exec(delete(MemberSession).where(col(MemberSession.member_id) == member.id, col(MemberSession.code) == code))
    return gone.rowcount == 1


async def sign_out_everywhere(session: AsyncSession, member: Member) -> bool:
    """End all of a member's sessions. Whether there was one."""
    return (await session.exec(delete(MemberSession).where(col(MemberSession.member_id) == member.id))).rowcount > 0


async def forget_old_sessions(session: AsyncSession, *, now: datetime) -> int:
    gone = await session.exec(
        delete(MemberSession).where((col(MemberSession.expires_at) <= now) | (col(MemberSession.seen_at) <= now - IDLE))
    )
    return gone.rowcount
