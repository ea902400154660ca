"""A question decided upon: published, freed of personal data, declined, merged into another, withdrawn.

Each decision is one conditional UPDATE from the edition its form was made from: of two moderators at
once the first stands, the second is told and overwrites nothing. The author is told at each step, and
a reason is public wherever a text is not.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator
from sqlmodel import SQLModel, col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import answers, emails, outbox
from forums.forms import Form, line, prose
from forums.language import N_
from forums.models import AgendaItem, AgendaItemQuestion, AuditEvent, MinutesEntry, MinutesEntryQuestion, Question, QuestionInstitution
from forums.models.forum import QuestionStatus
from forums.questions.supports import move_supports
from forums.refusals import AlreadyDecided, Refusal


def _edition(typed: object) -> object:
    """What is typed and is no edition matches none: the page then shows where things stand."""
    if isinstance(typed, str):
        return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else -1
    return typed


Edition = Annotated[int | None, BeforeValidator(_edition)]


class DecisionForm(Form):
    """A decision: the edition of the question it was made from; None stands for the one just read."""

    edition: Edition = None


class DeclineForm(DecisionForm):
    reason: Annotated[
        str, prose(1000, N_("Donnez la raison du refus : elle est publiée, et envoyée à la personne qui a posé la question."))
    ]


class UnpublishForm(DecisionForm):
    reason: Annotated[
        str, prose(1000, N_("Donnez la raison du retrait : elle est publiée, et envoyée à la personne qui a posé la question."))
    ]


class CorrectForm(DecisionForm):
    text: Annotated[str, prose(600, N_("Le texte ne peut pas rester vide : refusez la question si rien n'en est publiable."))]
    context: Annotated[str, prose(3000)]


class MergeForm(DecisionForm):
    into: Annotated[str, line(300, N_("Choisissez la question gardée, ou donnez son adresse."))]

    @property
    def code(self) -> str:
        """The code of the question that is kept, whether it was chosen or its address typed."""
        return self.into.split("?")[0].split("#")[0].rstrip("/").rpartition("/")[2].lower()


async def history(session: AsyncSession, question: Question) -> Sequence[AuditEvent]:
    """What members did to a question, the latest first."""
    query = select(AuditEvent).where(AuditEvent.subject == f"question {question.code}").order_by(col(AuditEvent.at).desc())
    return (await session.exec(query.limit(20))).all()


async def publish(session: AsyncSession, question: Question, form: DecisionForm | None = None, *, now: datetime) -> None:
    """Make a question public; tell its author, and the agents who will answer. Raises `AlreadyDecided`."""
    await _decide(session, question, form, ["pending"], status="published", decided_at=now)
    await answers.route_and_tell(session, question, now=now)
    if question.email:
        outbox.enqueue(session, emails.question_published(question), now=now)


async def decline(session: AsyncSession, question: Question, form: DeclineForm, *, now: datetime) -> None:
    """Refuse a question with a reason, told to its author and to whoever opens its address. Raises `AlreadyDecided`."""
    await _decide(session, question, form, ["pending"], status="declined", decline_reason=form.reason, decided_at=now)
    if question.email:
        outbox.enqueue(session, emails.question_declined(question), now=now)


async def unpublish(session: AsyncSession, question: Question, form: UnpublishForm, *, now: datetime) -> None:
    """Withdraw a published question: its address says so, and why. Raises `AlreadyDecided`."""
    await _decide(session, question, form, ["published"], status="unpublished", decline_reason=form.reason, decided_at=now)
    if question.email:
        outbox.enqueue(session, emails.question_unpublished(question), now=now)


async def correct(session: AsyncSession, question: Question, form: CorrectForm, *, now: datetime) -> bool:
    """Take personal data out; what its author wrote is kept for them alone. Returns whether anything changed.

    Raises `AlreadyDecided`.
    """
    if form.edition in (None, question.edition) and (form.text, form.context) == (question.text, question.context):
        return False
    originals = {
        "original_text": question.text if question.original_text is None else question.original_text,
        "original_context": question.context if question.original_context is None else question.original_context,
    }
    await _decide(session, question, form, ["pending", "published"], text=form.text, context=form.context, **originals)
    if question.email:
        outbox.enqueue(session, emails.question_corrected(question), now=now)
    return True


async def merge(session: AsyncSession, question: Question, target: Question, form: MergeForm, *, now: datetime) -> None:
    """Merge a question into a published one, which takes its supports, its author's and its place on agendas.

    Raises `AlreadyDecided`, or `Refusal` when the other cannot keep it.
    """
    edition = question.edition if form.edition is None else form.edition
    # Both rows, in one order: two moderators who merge A into B and B into A would otherwise make a circle.
    locked = select(Question).where(col(Question.id).in_([question.id, target.id])).order_by(col(Question.id)).with_for_update()
    await session.exec(locked.execution_options(populate_existing=True))
    if question.edition != edition:
        raise AlreadyDecided
    if target.id == question.id or target.status != "published":
        raise Refusal(N_("On ne réunit une question qu'à une autre question publiée."))
    form = form.model_copy(update={"edition": edition})
    await _decide(session, question, form, ["pending", "published"], status="merged", merged_into_id=target.id, decided_at=now)
    earlier = update(Question).where(col(Question.merged_into_id) == question.id)
    await session.exec(earlier.values(merged_into_id=target.id))
    await move_supports(session, question, target, now=now)
    for links in (AgendaItemQuestion, MinutesEntryQuestion, QuestionInstitution):
        await _share(session, links, question, target)
    await _say_it_changed(session, question)
    await answers.take_over(session, question, target)
    if target.status == "published":
        await answers.route_and_tell(session, target, now=now)
    if question.email:
        outbox.enqueue(session, emails.question_merged(question, target), now=now)


async def _share(session: AsyncSession, links: type[SQLModel], question: Question, target: Question) -> None:
    """Where the merged question was taken up, the one that is kept is too."""
    other = next(name for name in links.model_fields if name.endswith("_id") and name != "question_id")
    columns = SQLModel.metadata.tables[str(links.__tablename__)].c
    theirs = select(links).where(columns.question_id == question.id)
    already = set((await session.exec(select(columns[other]).where(columns.question_id == target.id))).all())
    session.add_all(
        links(**each.model_dump() | {"question_id": target.id})
        for each in (await session.exec(theirs)).all()
        if getattr(each, other) not in already
    )
    await session.flush()


async def _say_it_changed(session: AsyncSession, question: Question) -> None:
    """Whoever has the form of such an item or passage open would otherwise save it without the question that is kept."""
    items = select(AgendaItemQuestion.agenda_item_id).where(AgendaItemQuestion.question_id == question.id)
    entries = select(MinutesEntryQuestion.entry_id).where(MinutesEntryQuestion.question_id == question.id)
    prepared = update(AgendaItem).where(col(AgendaItem.id).in_(items), col(AgendaItem.version) == 0)
    await session.exec(prepared.values(edition=AgendaItem.edition + 1))
    await session.exec(update(MinutesEntry).where(col(MinutesEntry.id).in_(entries)).values(edition=MinutesEntry.edition + 1))


async def _decide(
    session: AsyncSession, question: Question, form: DecisionForm | None, known: Sequence[QuestionStatus], **values: Any
) -> None:
    edition = question.edition if form is None or form.edition is None else form.edition
    decided = await session.exec(
        update(Question)
        .where(col(Question.id) == question.id, col(Question.edition) == edition, col(Question.status).in_(known))
        .values(edition=edition + 1, **values)
    )
    if decided.rowcount != 1:
        raise AlreadyDecided
    await session.refresh(question)
