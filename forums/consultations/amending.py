"""A draft commitment amended: its title or summary changed for a reason, tied to the comments that led to it."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import amendments
from forums.consultations.calling import NotADraft
from forums.forms import Form, line, prose
from forums.language import N_
from forums.models import ActionPlan, Comment, Commitment, CommitmentAmendment, Consultation
from forums.refusals import Refusal


class AmendmentForm(Form):
    title: Annotated[str, line(300, N_("Un engagement a un titre."))]
    summary: Annotated[str, prose(5000)]
    reason: Annotated[str, prose(2000, N_("Dites pourquoi : la raison est publiée avec la modification."))]
    comments: tuple[Annotated[str, line(20)], ...] = ()
    seen: Annotated[str, line(64)]
    """What stands for the text the form was made from."""


class CommitmentChanged(Refusal):
    sentence = N_("Cet engagement a été modifié pendant que vous écriviez. Rien n'est perdu : comparez, puis enregistrez.")


class NothingAmended(Refusal):
    sentence = N_("Ni le titre ni le résumé ne changent : il n'y a pas de modification à publier.")


def seen(commitment: Commitment) -> str:
    return hashlib.sha256("\n\n".join(amendments.text_of(commitment).values()).encode()).hexdigest()


async def amend(
    session: AsyncSession,
    plan: ActionPlan,
    consultation: Consultation,
    commitment: Commitment,
    form: AmendmentForm,
    *,
    now: datetime,
) -> bool:
    """Change a draft commitment and publish what changed. The same form sent twice is one amendment.

    Raises `NotADraft`, `NothingAmended`, `CommitmentChanged`.
    """
    if not plan.draft:
        raise NotADraft
    before = amendments.text_of(commitment)
    after = {"title": form.title, "summary": form.summary}
    if form.seen != seen(commitment):
        last = next(iter(await amendments.of(session, [commitment.id])), None)
        if after == before and last is not None and (last.after, last.reason) == (after, form.reason):
            return False  # the same button, pressed twice
        raise CommitmentChanged
    if after == before:
        raise NothingAmended
    await _write(session, commitment, before, after)
    amendment = await amendments.note(session, commitment, before, form.reason, now=now)
    await _tie(session, amendment, consultation, commitment, form.comments)
    return True


async def _write(session: AsyncSession, commitment: Commitment, before: amendments.Text, after: amendments.Text) -> None:
    """The title that is shown is the one that changes."""
    title = Commitment.official_title if commitment.official_title else Commitment.working_title
    written = await session.exec(
        update(Commitment)
        .where(col(Commitment.id) == commitment.id, col(title) == before["title"], col(Commitment.summary) == before["summary"])
        .values({title: after["title"], Commitment.summary: after["summary"]})
    )
    if written.rowcount != 1:
        raise CommitmentChanged
    await session.refresh(commitment)


async def _tie(
    session: AsyncSession, amendment: CommitmentAmendment, consultation: Consultation, commitment: Commitment, codes: Sequence[str]
) -> None:
    """Only published comments on this commitment, or on the plan as a whole."""
    query = select(Comment.id).where(
        Comment.consultation_id == consultation.id,
        Comment.status == "published",
        col(Comment.code).in_(codes),
        (col(Comment.commitment_id) == commitment.id) | col(Comment.commitment_id).is_(None),
    )
    ids = (await session.exec(query)).all()
    if ids:
        await session.exec(update(Comment).where(col(Comment.id).in_(ids)).values(amendment_id=amendment.id))
