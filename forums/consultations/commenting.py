"""A comment written: kept with the message that confirms it, and confirmed by its author alone."""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, limits, outbox, secret_links
from forums.database import insert_new
from forums.forms import Email, Form, Tick, line, prose
from forums.language import N_
from forums.models import ActionPlan, Comment, Commitment, Consultation
from forums.refusals import Refusal
from forums.registrations import MAILS_A_DAY

CONFIRM_WITHIN = timedelta(days=7)
MAIL_AGAIN_AFTER = timedelta(minutes=15)


class CommentForm(Form):
    text: Annotated[str, prose(3000, N_("Écrivez votre commentaire, par exemple « Cet engagement gagnerait à nommer une date »."))]
    author_name: Annotated[str, line(100)]
    organisation: Annotated[str, line(150)]
    show_name: Tick
    email: Email
    site_web: Annotated[str, line(500)]
    """A trap for robots: hidden from people, always empty."""


class CommentsClosed(Refusal):
    sentence = N_("L'appel à commentaires sur ce plan n'est pas ouvert.")


def is_open(consultation: Consultation, plan: ActionPlan, *, now: datetime) -> bool:
    return plan.draft and consultation.opens_at <= now < consultation.closes_at


async def comment(
    session: AsyncSession,
    consultation: Consultation,
    plan: ActionPlan,
    commitment: Commitment | None,
    form: CommentForm,
    *,
    language: str,
    secret_key: str,
    now: datetime,
) -> None:
    """Write a comment down and promise the message that confirms it. The same text sent twice is one comment.

    Raises `CommentsClosed`.
    """
    if not is_open(consultation, plan, now=now):
        raise CommentsClosed
    if form.site_web:
        return  # a robot: it sees the same page as everyone
    written = Comment(
        consultation_id=consultation.id,
        commitment_id=commitment.id if commitment else None,
        text=form.text,
        email=form.email,
        author_key=secret_links.person_key(secret_key, form.email),
        text_hash=_hash_of(form.text, consultation, commitment),
        author_name=form.author_name,
        organisation=form.organisation,
        show_name=form.show_name and bool(form.author_name or form.organisation),
        language=language,
        created_at=now,
        mailed_at=now,
    )
    if await insert_new(session, Comment, [written.model_dump()], same=["author_key", "text_hash"]):
        # Each of many texts would be one more message to whoever owns the address that was typed.
        if await limits.spend(session, f"mail:{written.author_key}", MAILS_A_DAY, now=now):
            _mail_link(session, written, plan, now)
    else:
        await _mail_again(session, written, plan, now)


def _mail_link(session: AsyncSession, written: Comment, plan: ActionPlan, now: datetime) -> None:
    token, link = secret_links.link_for(written, now=now, lasts=CONFIRM_WITHIN)
    session.add(link)
    outbox.enqueue(session, emails.confirm_comment(written, plan, token), now=now)


async def _mail_again(session: AsyncSession, written: Comment, plan: ActionPlan, now: datetime) -> None:
    """A fresh link for who lost the first, at most every quarter of an hour: the limit is inside the statement."""
    mine = col(Comment.author_key) == written.author_key, col(Comment.text_hash) == written.text_hash
    allowed = await session.exec(
        update(Comment)
        .where(*mine, col(Comment.status) == "unconfirmed", col(Comment.mailed_at) <= now - MAIL_AGAIN_AFTER)
        .values(mailed_at=now, created_at=now)
    )
    if allowed.rowcount == 1 and await limits.spend(session, f"mail:{written.author_key}", MAILS_A_DAY, now=now):
        _mail_link(session, (await session.exec(select(Comment).where(*mine))).one(), plan, now)


def _hash_of(text: str, consultation: Consultation, commitment: Commitment | None) -> str:
    """The same words about another commitment are another comment."""
    about = [str(consultation.id), str(commitment.id) if commitment else ""]
    return hashlib.sha256("\n".join([*about, text.casefold()]).encode()).hexdigest()


async def confirm(session: AsyncSession, token: str, *, now: datetime) -> Comment | None:
    """The author says it is theirs: the comment goes to the moderators. None for a link that is not valid.

    Sent in time, it is confirmed even after the call has closed.
    """
    written = await comment_of_link(session, token, now=now)
    if written is not None:
        await session.exec(
            update(Comment)
            .where(col(Comment.id) == written.id, col(Comment.status) == "unconfirmed")
            .values(status="pending", confirmed_at=now)
        )
    return written


async def comment_of_link(session: AsyncSession, token: str, *, now: datetime) -> Comment | None:
    link = await secret_links.find(session, token, "comment", now=now)
    return await session.get(Comment, link.comment_id) if link else None
