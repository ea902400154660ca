"""A comment decided upon: published, declined or withdrawn with a public reason, freed of personal data, replied to.

Each is one conditional UPDATE from the edition its form was made from: of two members at once the first stands,
the second is told. The same decision sent twice is one, told to its author once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox
from forums.forms import Form, line, prose
from forums.language import N_
from forums.models import ActionPlan, AuditEvent, Comment, Institution
from forums.models.plan import CommentStatus
from forums.refusals import Refusal


def _edition(typed: object) -> object:
    """What is typed and is no edition matches none: the page then shows where things stand."""
    if isinstance(typed, str):
        return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else -1
    return typed


class DecisionForm(Form):
    edition: Annotated[int, BeforeValidator(_edition)]
    """The edition of the comment it was made from."""


class DeclineForm(DecisionForm):
    reason: Annotated[str, prose(1000, N_("Donnez la raison : elle est publiée, et envoyée à l'auteur du commentaire."))]


class CorrectForm(DecisionForm):
    text: Annotated[str, prose(3000, N_("Le texte ne peut pas rester vide : refusez le commentaire si rien n'en est publiable."))]


class ReplyForm(DecisionForm):
    reply: Annotated[str, prose(5000, N_("Écrivez la réponse."))]
    institution: Annotated[str, line(80)]


class CommentChanged(Refusal):
    sentence = N_("Ce commentaire a changé depuis que vous avez ouvert la page : rien de ce que vous avez écrit n'est enregistré.")


async def history(session: AsyncSession, plan: ActionPlan, comment: Comment) -> Sequence[AuditEvent]:
    """What members did to a comment, the latest first."""
    query = select(AuditEvent).where(AuditEvent.subject == f"comment {plan.slug}/{comment.code}").order_by(col(AuditEvent.at).desc())
    return (await session.exec(query.limit(20))).all()


async def publish(session: AsyncSession, comment: Comment, plan: ActionPlan, form: DecisionForm, *, now: datetime) -> bool:
    """Make a comment public and tell its author. Returns whether this did it. Raises `CommentChanged`."""
    done = await _decide(session, comment, form, ["pending"], {"status": "published"}, decided_at=now)
    if done and comment.email:
        outbox.enqueue(session, emails.comment_published(comment, plan), now=now)
    return done


async def decline(session: AsyncSession, comment: Comment, plan: ActionPlan, form: DeclineForm, *, now: datetime) -> bool:
    """Refuse or withdraw a comment with a reason, told to its author and to whoever opens its address. Raises `CommentChanged`."""
    values = {"status": "declined", "decline_reason": form.reason}
    done = await _decide(session, comment, form, ["pending", "published"], values, decided_at=now)
    if done and comment.email:
        outbox.enqueue(session, emails.comment_declined(comment, plan), now=now)
    return done


async def correct(session: AsyncSession, comment: Comment, plan: ActionPlan, form: CorrectForm, *, now: datetime) -> bool:
    """Take personal data out; what its author wrote is kept for them and for moderators. Raises `CommentChanged`."""
    original = comment.text if comment.original_text is None else comment.original_text
    if form.text == comment.text:
        return False
    done = await _decide(session, comment, form, ["pending", "published"], {"text": form.text}, original_text=original)
    if done and comment.email:
        outbox.enqueue(session, emails.comment_corrected(comment, plan), now=now)
    return done


async def reply(
    session: AsyncSession, comment: Comment, plan: ActionPlan, institution: Institution | None, form: ReplyForm, *, now: datetime
) -> bool:
    """Answer a published comment, or correct the answer; its author is told the first time. Raises `CommentChanged`."""
    values = {"reply": form.reply, "reply_institution_id": institution.id if institution else None}
    if all(getattr(comment, name) == value for name, value in values.items()):
        return False
    done = await _decide(session, comment, form, ["published"], values, replied_at=now)
    if done and comment.email:
        await outbox.enqueue_once(session, [emails.comment_replied(comment, plan, institution)], now=now)
    return done


async def _decide(
    session: AsyncSession,
    comment: Comment,
    form: DecisionForm,
    known: Sequence[CommentStatus],
    values: dict[str, Any],
    **beside: Any,
) -> bool:
    decided = await session.exec(
        update(Comment)
        .where(col(Comment.id) == comment.id, col(Comment.edition) == form.edition, col(Comment.status).in_(known))
        .values(edition=form.edition + 1, **values, **beside)
    )
    await session.refresh(comment)
    if decided.rowcount == 1:
        return True
    if form.edition == comment.edition - 1 and all(getattr(comment, name) == value for name, value in values.items()):
        return False  # the same button, pressed twice
    raise CommentChanged
