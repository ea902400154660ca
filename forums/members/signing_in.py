"""Signing in by a mailed link: hashed, used once, ten minutes, only in the browser that asked.

The page answers the same for a member and for anyone else; the message alone tells them apart. A
member is mailed at most one link a minute and forty a day, whoever types their address.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, limits, outbox, secret_links
from forums.forms import Email, Form, line
from forums.limits import Limit
from forums.members.enrolment import member_by_email
from forums.members.sessions import open_session
from forums.models import Member, SecretLink

MAIL_AGAIN_AFTER = timedelta(minutes=1)
LINKS_A_DAY = Limit(40, timedelta(days=1))


class SignInForm(Form):
    email: Email
    suite: Annotated[str, line(300)]


class Refused(NamedTuple):
    """Whose link let nobody in, and why: for the log alone, whoever has the link is told the same in each case."""

    member_id: UUID
    why: Literal["used", "expired", "another browser"]


async def ask_for_link(session: AsyncSession, email: str, *, browser: str, now: datetime) -> Member | None:
    """Promise a sign-in message to a member; do nothing for anyone else, in the same way for the eye.

    `browser` is the secret of the cookie given to the browser that asks. Returns the member, for the log alone.
    """
    member = await member_by_email(session, email)
    if member is None:
        return None
    allowed = await session.exec(
        update(Member)
        .where(col(Member.id) == member.id)
        .where(col(Member.link_mailed_at).is_(None) | (col(Member.link_mailed_at) <= now - MAIL_AGAIN_AFTER))
        .values(link_mailed_at=now)
    )
    if allowed.rowcount == 1 and await limits.spend(session, f"sign_in:{member.id}", LINKS_A_DAY, now=now):
        token = await link_to_sign_in(session, member, browser=browser, now=now)
        outbox.enqueue(session, emails.sign_in(member, token, not_after=now + secret_links.SIGN_IN_LASTS), now=now)
    return member


async def link_to_sign_in(session: AsyncSession, member: Member, *, browser: str | None = None, now: datetime) -> str:
    """The token of a sign-in link; without `browser` (the command line) any browser may use it."""
    token, link = secret_links.link_for(member, now=now, lasts=secret_links.SIGN_IN_LASTS)
    link.browser_hash = secret_links.hash_of(browser) if browser else None
    session.add(link)
    return token


async def sign_in(session: AsyncSession, token: str, *, browser: str | None, named: str = "", now: datetime) -> str | None:
    """Use a sign-in link, once, from the browser that asked. Returns the new session's token, or None.

    `named` is what the browser says of itself, for its member's list of sessions.
    """
    link = await secret_links.find(session, token, "sign_in", now=now)
    if link is None or (link.browser_hash and link.browser_hash != secret_links.hash_of(browser or "")):
        return None
    used = await secret_links.use(session, token, "sign_in", now=now)
    if used is None or used.member_id is None:
        return None
    return open_session(session, used.member_id, named=named, now=now)


async def why_refused(session: AsyncSession, token: str, *, now: datetime) -> Refused | None:
    """Of a link that `sign_in` refused; None when there never was such a link, or it was forgotten."""
    query = select(SecretLink).where(SecretLink.token_hash == secret_links.hash_of(token), SecretLink.purpose == "sign_in")
    link = (await session.exec(query)).first()
    if link is None or link.member_id is None:
        return None
    expired = link.expires_at is not None and link.expires_at <= now
    return Refused(link.member_id, "used" if link.used_at else "expired" if expired else "another browser")
