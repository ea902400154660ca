"""Sign-ins begun at the identity provider: a row each, used once by the browser that began it, in ten minutes.

The state and the browser's secret are kept as hashes. A member is found by the identity they came
under before, or else by their address; who they are for the provider is then kept.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import members, secret_links
from forums.models import Member, OidcAttempt
from forums.openid.identity import Identity
from forums.openid.refusals import AnotherIdentity, NotAMember, UnknownAttempt

LASTS = timedelta(minutes=10)


class Begun(NamedTuple):
    """What goes to the provider with the person: 43 random letters each."""

    state: str
    nonce: str
    verifier: str


async def begin(session: AsyncSession, *, browser: str, suite: str = "", now: datetime) -> Begun:
    """Write down a sign-in that starts. `browser` is the secret of the cookie of the browser that starts it."""
    begun = Begun(secret_links.new_token(), secret_links.new_token(), secret_links.new_token())
    session.add(
        OidcAttempt(
            state_hash=secret_links.hash_of(begun.state),
            browser_hash=secret_links.hash_of(browser),
            nonce=begun.nonce,
            verifier=begun.verifier,
            suite=suite,
            created_at=now,
            expires_at=now + LASTS,
        )
    )
    return begun


async def take(session: AsyncSession, state: str, *, browser: str, now: datetime) -> OidcAttempt:
    """The attempt of that state, which it uses up. Raises `UnknownAttempt`; another browser spends nothing."""
    # One DELETE: of two callbacks with the same state, one gets it.
    taken = (
        delete(OidcAttempt)
        .where(col(OidcAttempt.state_hash) == secret_links.hash_of(state), col(OidcAttempt.expires_at) > now)
        .where(col(OidcAttempt.browser_hash) == secret_links.hash_of(browser))
        .returning(OidcAttempt)
    )
    attempt: OidcAttempt | None = (await session.exec(taken)).scalars().first()
    if attempt is None:
        raise UnknownAttempt
    return attempt


async def forget_old(session: AsyncSession, *, now: datetime) -> None:
    await session.exec(delete(OidcAttempt).where(col(OidcAttempt.expires_at) <= now))


async def member_of(session: AsyncSession, identity: Identity, *, now: datetime) -> Member:
    """The member the provider recognised. Raises `NotAMember`, `AnotherIdentity`.

    A member who came in under another identity is not taken over by whoever now has their address: an
    admin unlinks the old one first.
    """
    known = (await session.exec(select(Member).where(Member.oidc_subject == identity.subject))).first()
    if known is not None:
        return known
    member = await members.member_by_email(session, identity.email) if identity.email else None
    if member is None:
        raise NotAMember
    linked = update(Member).where(col(Member.id) == member.id, col(Member.oidc_subject).is_(None))
    if (await session.exec(linked.values(oidc_subject=identity.subject))).rowcount != 1:
        raise AnotherIdentity(f"member {member.id}")
    members.record(session, member, "link_identity", f"member {member.id}", now=now)
    return member
