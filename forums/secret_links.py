"""Secrets people hold: mailed links and cookies, kept only as hashes; and keys that stand for an address.

A token is 256 random bits, so a plain SHA-256 is enough at rest. A link has one purpose and one
object; reading it changes nothing, and what is used once is used by one conditional UPDATE.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import limits, outbox
from forums.database import add_rows
from forums.emails import Message
from forums.limits import MAILS_A_DAY
from forums.models import Comment, Member, Question, Registration, SecretLink, Subscription, Support
from forums.models.people import LinkPurpose

SIGN_IN_LASTS = timedelta(minutes=10)


def new_token() -> str:
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def person_key(secret_key: str, email: str) -> str:
    """What stands for an address where the address itself is not needed. Case does not count."""
    return hmac.new(secret_key.encode(), email.strip().lower().encode(), hashlib.sha256).hexdigest()


Subject = Registration | Question | Member | Subscription | Support | Comment

_PURPOSES: dict[type[Subject], tuple[LinkPurpose, str]] = {
    Registration: ("registration", "registration_id"),
    Question: ("question", "question_id"),
    Member: ("sign_in", "member_id"),
    Subscription: ("subscription", "subscription_id"),
    Support: ("support", "support_id"),
    Comment: ("comment", "comment_id"),
}


def link_for(subject: Subject, *, now: datetime, lasts: timedelta | None = None) -> tuple[str, SecretLink]:
    """A new link to `subject`: its token, known to the holder alone, and the row to add."""
    token = new_token()
    purpose, column = _PURPOSES[type(subject)]
    link = SecretLink(token_hash=hash_of(token), purpose=purpose, created_at=now, expires_at=now + lasts if lasts else None)
    setattr(link, column, subject.id)
    return token, link


def mail(
    connection: Connection,
    person: str,
    purpose: Literal["question", "registration", "support", "subscription"],
    subject: UUID,
    message: Callable[[str], Message],
    *,
    now: datetime,
    lasts: timedelta | None = None,
) -> None:
    """Write down a link and the message that carries it, unless so many were promised to that person today.

    Each of many forms would be one more message to whoever owns the address that was typed. A plain function,
    for `write_at_once`.
    """
    if not limits.spend_at_once(connection, f"mail:{person}", MAILS_A_DAY, now=now):
        return
    token = new_token()
    link = {"token_hash": hash_of(token), "purpose": purpose, f"{purpose}_id": subject, "created_at": now}
    add_rows(connection, SecretLink, [link | {"expires_at": now + lasts if lasts else None}])
    outbox.enqueue_at_once(connection, [message(token)], now=now)


async def find(session: AsyncSession, token: str, purpose: LinkPurpose, *, now: datetime) -> SecretLink | None:
    """The link of that token and purpose, unless it was used or has expired. Changes nothing."""
    link = (await session.exec(select(SecretLink).where(SecretLink.token_hash == hash_of(token), SecretLink.purpose == purpose))).first()
    if link is None or link.used_at is not None or (link.expires_at is not None and link.expires_at <= now):
        return None
    return link


async def use(session: AsyncSession, token: str, purpose: LinkPurpose, *, now: datetime) -> SecretLink | None:
    """Use a link once: of a hundred simultaneous uses, one gets it and the others None."""
    used = await session.exec(
        update(SecretLink)
        .where(col(SecretLink.token_hash) == hash_of(token), col(SecretLink.purpose) == purpose)
        .where(col(SecretLink.used_at).is_(None), (col(SecretLink.expires_at).is_(None)) | (col(SecretLink.expires_at) > now))
        .values(used_at=now)
    )
    if used.rowcount != 1:
        return None
    return (await session.exec(select(SecretLink).where(SecretLink.token_hash == hash_of(token)))).one()


async def forget_expired(session: AsyncSession, *, now: datetime) -> int:
    """Delete sign-in links that are of no use any more."""
    gone = await session.exec(delete(SecretLink).where(col(SecretLink.expires_at) < now - timedelta(days=1)))
    return gone.rowcount


async def forget_links_of(session: AsyncSession, registration_id: UUID) -> None:
    await session.exec(delete(SecretLink).where(col(SecretLink.registration_id) == registration_id))
