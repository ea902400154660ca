"""Write an answer and publish it: nobody's text is overwritten, and the author of the question is told once.

A draft is its institution's alone. It comes out on the evening of the question's forum at the earliest, by an
organiser, or by its agents where the season lets them. Once published it may be amended, which is dated.
"""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import ValidationInfo, field_validator
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, members, outbox
from forums.answers.queries import Assignment
from forums.database import insert_new
from forums.forms import Form, OptionalDay, choice, prose, refuse, whole
from forums.language import N_
from forums.models import Answer, Forum, Member, Question
from forums.models.forum import PARIS
from forums.refusals import AnswerChanged, BeforeTheEvening, NothingToPublish, OrganisersPublish, Refusal, WrongMoment


class AnswerForm(Form):
    outcome: Annotated[
        str,
        choice(
            "answered", "partly", "deferred", "refused", message=N_("Dites ce que vous répondez : en entier, en partie, plus tard, ou non.")
        ),
    ]
    text: Annotated[str, prose(20_000)]
    deferred_to: OptionalDay
    reason: Annotated[str, prose(2000)]
    edition: Annotated[int, whole(0, 999_999_999)]

    @field_validator("deferred_to")
    @classmethod
    def _until_when(cls, day: date | None, info: ValidationInfo) -> date | None:
        if day is None and info.data.get("outcome") == "deferred":
            raise refuse(N_("Indiquez la date à laquelle vous répondrez : elle sera publiée, et rappelée quand elle sera passée."))
        return day

    @field_validator("reason")
    @classmethod
    def _why(cls, reason: str, info: ValidationInfo) -> str:
        if not reason and info.data.get("outcome") == "refused":
            raise refuse(N_("Donnez la raison du refus : elle sera publiée."))
        return reason

    @field_validator("text")
    @classmethod
    def _what(cls, text: str, info: ValidationInfo) -> str:
        if not text and info.data.get("outcome") in ("answered", "partly"):
            raise refuse(N_("Écrivez votre réponse."))
        return text

    def values(self) -> dict[str, Any]:
        """What is kept of it; a day or a reason typed for another outcome is kept too, and not shown."""
        return {"outcome": self.outcome, "deferred_to": self.deferred_to, "reason": self.reason or None, "text": self.text}


def may_publish(member: Member, work: Assignment) -> bool:
    """Organisers may; so may the institution's own agents, where the season of the question's forum says so."""
    return member.role in members.ORGANISERS or (work.season is not None and work.season.agents_publish)


def opens_at(forum: Forum | None, *, now: datetime) -> date | None:
    """The day an answer may come out, when that is still to come; a cancelled forum keeps nobody waiting."""
    if forum is None or forum.status == "cancelled":
        return None
    if forum.starts_at:
        return forum.starts_at.astimezone(PARIS).date() if now < forum.starts_at else None
    return forum.day if forum.day and now.astimezone(PARIS).date() < forum.day else None


async def write(session: AsyncSession, work: Assignment, form: AnswerForm, member: Member, *, now: datetime) -> Answer:
    """Save a draft, or amend what is published. The same form sent twice is saved once.

    Raises `AnswerChanged` when it was written from an older edition, `OrganisersPublish` when it is published
    and this member may not, and `WrongMoment` when it puts off to a day that is not to come.
    """
    held = await _held(session, work)
    if held is not None and all(getattr(held, name) == value for name, value in form.values().items()):
        return held
    if form.edition != (held.edition if held else 0):
        raise AnswerChanged
    if held is not None and held.published_at is not None and not may_publish(member, work):
        raise OrganisersPublish
    if form.outcome == "deferred" and not (held is not None and held.deferred_to == form.deferred_to):
        _must_be_to_come(form.deferred_to, now)
    if held is None:
        return await _begin(session, work, form, now)
    amended = {"amended_at": now} if held.published_at is not None else {}
    saved = await session.exec(
        update(Answer)
        .where(col(Answer.id) == held.id, col(Answer.edition) == form.edition)
        .values(edition=form.edition + 1, written_at=now, **form.values(), **amended)
    )
    if saved.rowcount != 1:
        raise AnswerChanged
    await session.refresh(held)
    return held


async def _begin(session: AsyncSession, work: Assignment, form: AnswerForm, now: datetime) -> Answer:
    begun = Answer(question_id=work.question.id, institution_id=work.institution.id, edition=1, written_at=now, **form.values())
    if not await insert_new(session, Answer, [begun.model_dump()], same=["question_id", "institution_id"]):
        raise AnswerChanged
    written = await _held(session, work)
    assert written is not None
    return written


async def _held(session: AsyncSession, work: Assignment) -> Answer | None:
    """As it is now, whatever was read before."""
    query = select(Answer).where(Answer.question_id == work.question.id, Answer.institution_id == work.institution.id)
    return (await session.exec(query.execution_options(populate_existing=True))).first()


def _must_be_to_come(day: date | None, now: datetime) -> None:
    if day is None or day <= now.astimezone(PARIS).date():
        raise WrongMoment("deferred_to", N_("Choisissez une date à venir : c'est celle à laquelle vous répondrez."))


async def publish(session: AsyncSession, work: Assignment, member: Member, *, edition: int, now: datetime) -> bool:
    """Make an answer public and tell the question's author, once. False when it already was: a second click says nothing new.

    `edition` is what was read before deciding: of a text changed since then, raises `AnswerChanged`. Raises
    `OrganisersPublish`, `BeforeTheEvening`, or `NothingToPublish` while the question itself is not public.
    """
    held = await _held(session, work)
    if held is None:
        raise NothingToPublish
    if held.published_at is not None:
        return False
    if not may_publish(member, work):
        raise OrganisersPublish
    if work.question.status != "published":
        raise NothingToPublish(N_("La question n'est pas encore publiée : sa réponse attend qu'elle le soit."))
    if work.forum and (day := opens_at(work.forum, now=now)):
        raise BeforeTheEvening(day=f"{day:%d/%m/%Y}")
    if held.outcome == "deferred":
        _must_be_to_come(held.deferred_to, now)
    out = await session.exec(
        update(Answer)
        .where(col(Answer.id) == held.id, col(Answer.edition) == edition, col(Answer.published_at).is_(None))
        .values(published_at=now, edition=edition + 1)
    )
    if out.rowcount != 1:
        if (now_held := await _held(session, work)) and now_held.published_at is not None:
            return False  # the other click was quicker
        raise AnswerChanged
    await session.refresh(held)
    if work.question.email:
        await outbox.enqueue_once(session, [emails.answer_published(work.question, work.institution, held)], now=now)
    return True


async def tell_it_changed(session: AsyncSession, work: Assignment, answer: Answer, *, now: datetime) -> None:
    """Tell the question's author that a published answer has another outcome, once for each edition."""
    if work.question.email:
        message = emails.answer_published(work.question, work.institution, answer, changed_in=answer.edition)
        await outbox.enqueue_once(session, [message], now=now)


async def take_over(session: AsyncSession, question: Question, target: Question) -> None:
    """The answers to a question merged into another are answers to that one. Raises `Refusal` when one institution wrote to both."""
    answered = select(Answer.institution_id).where(Answer.question_id == target.id)
    if (await session.exec(select(Answer.id).where(Answer.question_id == question.id, col(Answer.institution_id).in_(answered)))).first():
        raise Refusal(N_("Une administration a écrit une réponse à chacune des deux : elles ne se réunissent plus."))
    await session.exec(update(Answer).where(col(Answer.question_id) == question.id).values(question_id=target.id))
