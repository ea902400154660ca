"""Members: who may do what, how they sign in, and the journal of what they did.

Sign-in is by a mailed link, hashed, single use, ten minutes, bound to the browser that asked; a
session is a row, ended by deleting it. Roles are checked here and nowhere else.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, limits, outbox, secret_links
from forums.forms import Email, Form, line
from forums.language import N_
from forums.limits import Limit
from forums.models import AuditEvent, Institution, Member, MemberInstitution, MemberSession
from forums.models.people import Role
from forums.refusals import Refusal

SESSION_LASTS = timedelta(hours=12)
IDLE = timedelta(minutes=60)
MAIL_AGAIN_AFTER = timedelta(minutes=1)
LINKS_A_DAY = Limit(40, timedelta(days=1))

ADMINS: Final = frozenset[Role]({"admin"})
ORGANISERS: Final = ADMINS | {"organiser"}
MODERATORS: Final = ORGANISERS | {"moderator"}
ANSWERERS: Final = ORGANISERS | {"agent"}
MEMBERS: Final = MODERATORS | {"agent"}


class SignInForm(Form):
    email: Email
    suite: Annotated[str, line(300)]


async def member_by_email(session: AsyncSession, email: str) -> Member | None:
    return (await session.exec(select(Member).where(Member.email == email.lower()))).first()


async def everyone(session: AsyncSession) -> Sequence[Member]:
    return (await session.exec(select(Member).order_by(col(Member.email)))).all()


async def institutions_of(session: AsyncSession, member: Member) -> Sequence[Institution]:
    """Those an agent speaks for, by name."""
    query = select(Institution).join(MemberInstitution, col(MemberInstitution.institution_id) == col(Institution.id))
    return (await session.exec(query.where(MemberInstitution.member_id == member.id).order_by(col(Institution.name)))).all()


async def enrol(session: AsyncSession, email: str, role: Role, institutions: Sequence[Institution] = (), *, now: datetime) -> Member:
    """Add a member, or change their role and whom they speak for. A change ends their sessions.

    Raises `Refusal` for an agent of no institution.
    """
    if role == "agent" and not institutions:
        raise Refusal(N_("Un agent appartient à une administration : choisissez-en une au moins."))
    member = await member_by_email(session, email)
    if member is None:
        member = Member(email=email.lower(), role=role, created_at=now)
    elif member.role != role or {each.id for each in await institutions_of(session, member)} != {each.id for each in institutions}:
        await sign_out_everywhere(session, member)
    member.role = role
    session.add(member)
    await session.flush()
    await session.exec(delete(MemberInstitution).where(col(MemberInstitution.member_id) == member.id))
    session.add_all(MemberInstitution(member_id=member.id, institution_id=each.id) for each in institutions)
    await session.flush()
    return member


# -- Signing in -----------------------------------------------------------------------------------------


async def ask_for_link(session: AsyncSession, email: str, *, browser: str, now: datetime) -> None:
    """Promise a sign-in message to a member; do nothing for anyone else, in the same way for the eye.

    `browser` is the secret of the cookie given to the browser that asks.
    """
    member = await member_by_email(session, email)
    if member is None:
        return
    allowed = await session.exec(
        update(Member)
        .where(col(Member.id) == member.id)
        .where(col(Member.link_mailed_at).is_(None) | (col(Member.link_mailed_at) <= now - MAIL_AGAIN_AFTER))
        .values(link_mailed_at=now)
    )
    if allowed.rowcount == 1 and await limits.spend(session, f"sign_in:{member.id}", LINKS_A_DAY, now=now):
        token = await link_to_sign_in(session, member, browser=browser, now=now)
        outbox.enqueue(session, emails.sign_in(member, token, not_after=now + secret_links.SIGN_IN_LASTS), now=now)


async def link_to_sign_in(session: AsyncSession, member: Member, *, browser: str | None = None, now: datetime) -> str:
    """The token of a sign-in link; without `browser` (the command line) any browser may use it."""
    token, link = secret_links.link_for(member, now=now, lasts=secret_links.SIGN_IN_LASTS)
    link.browser_hash = secret_links.hash_of(browser) if browser else None
    session.add(link)
    return token


async def sign_in(session: AsyncSession, token: str, *, browser: str | None, now: datetime) -> str | None:
    """Use a sign-in link, once, from the browser that asked. Returns the new session's token, or None."""
    link = await secret_links.find(session, token, "sign_in", now=now)
    if link is None or (link.browser_hash and link.browser_hash != secret_links.hash_of(browser or "")):
        return None
    used = await secret_links.use(session, token, "sign_in", now=now)
    if used is None or used.member_id is None:
        return None
    session_token = secret_links.new_token()
    session.add(
        MemberSession(
            token_hash=secret_links.hash_of(session_token),
            member_id=used.member_id,
            created_at=now,
            seen_at=now,
            expires_at=now + SESSION_LASTS,
        )
    )
    return session_token


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


async def seen(session: AsyncSession, member_session: MemberSession, *, now: datetime) -> None:
    await session.exec(update(MemberSession).where(col(MemberSession.token_hash) == member_session.token_hash).values(seen_at=now))


async def sign_out(session: AsyncSession, token: str) -> None:
    await session.exec(delete(MemberSession).where(col(MemberSession.token_hash) == secret_links.hash_of(token)))


async def sign_out_everywhere(session: AsyncSession, member: Member) -> None:
    await session.exec(delete(MemberSession).where(col(MemberSession.member_id) == member.id))


async def forget_old_sessions(session: AsyncSession, *, now: datetime) -> int:
    gone = await session.exec(
        delete(MemberSession).where((col(MemberSession.expires_at) <= now) | (col(MemberSession.seen_at) <= now - IDLE))
    )
    return gone.rowcount


# -- The journal --------------------------------------------------------------------------------------------


def record(session: AsyncSession, member: Member, verb: str, subject: str, detail: str = "", *, now: datetime) -> None:
    """Write in the journal, in the transaction of the deed itself."""
    session.add(AuditEvent(at=now, member_id=member.id, actor=member.role, verb=verb, subject=subject, detail=detail))


def note(session: AsyncSession, actor: str, verb: str, subject: str, *, now: datetime) -> None:
    """The same for what no member did: the clock, or a person about their own data, who is not named."""
    session.add(AuditEvent(at=now, actor=actor, verb=verb, subject=subject))


async def journal(session: AsyncSession, limit: int = 200) -> Sequence[AuditEvent]:
    return (await session.exec(select(AuditEvent).order_by(col(AuditEvent.at).desc()).limit(limit))).all()
