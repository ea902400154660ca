"""Questions and ideas, asked in advance: confirmed by their author, moderated, shown, taken up, answered.

A question belongs to a forum's theme, to a commitment, or to both. It is public only once a moderator
has published it; then its address never changes. Two moderators never overwrite each other: the first
decision stands and the second is told.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, limits, outbox, secret_links
from forums.database import insert_new
from forums.forms import Email, Form, Tick, choice, line, prose
from forums.language import N_
from forums.models import (
    AgendaItem,
    AgendaItemQuestion,
    Commitment,
    CommitmentInstitution,
    Forum,
    ForumCommitment,
    Institution,
    Minutes,
    MinutesEntry,
    MinutesEntryQuestion,
    Question,
)
from forums.refusals import AlreadyDecided, QuestionsClosed
from forums.registrations import MAILS_A_DAY

CONFIRM_WITHIN = timedelta(days=7)
MAIL_AGAIN_AFTER = timedelta(minutes=15)
State = Literal["answered", "on_agenda", "waiting"]


class QuestionForm(Form):
    kind: Annotated[str, choice("question", "idea", message=N_("Dites s'il s'agit d'une question ou d'une idée."))]
    text: Annotated[
        str, prose(600, N_("Écrivez votre question, par exemple « Quand les données de la commande publique seront-elles complètes ? »."))
    ]
    context: Annotated[str, prose(3000)]
    commitment: Annotated[str, line(4)]
    author_name: Annotated[str, line(100)]
    show_name: Tick
    email: Email
    site_web: Annotated[str, line(500)]
    """A trap for robots: hidden from people, always empty."""


class DeclineForm(Form):
    reason: Annotated[str, prose(1000, N_("Donnez la raison du refus : elle est envoyée à la personne qui a posé la question."))]


def are_open(forum: Forum, *, now: datetime) -> bool:
    """Whether questions may be asked for a forum."""
    return forum.status == "announced" and forum.questions_close_at is not None and now < forum.questions_close_at


# -- Questions asked of the questions ------------------------------------------------------------------


async def published_question(session: AsyncSession, code: str) -> Question | None:
    return (await session.exec(select(Question).where(Question.code == code, Question.status == "published"))).first()


async def published(
    session: AsyncSession,
    *,
    forum: Forum | None = None,
    commitment: Commitment | None = None,
    institution: Institution | None = None,
    state: str | None = None,
    offset: int = 0,
    limit: int = 20,
) -> tuple[Sequence[Question], int]:
    """A page of published questions, the newest first, and how many there are in all."""
    query = select(Question).where(Question.status == "published")
    if forum is not None:
        query = query.where(Question.forum_id == forum.id)
    if commitment is not None:
        query = query.where(Question.commitment_id == commitment.id)
    if institution is not None:
        carried = select(CommitmentInstitution.commitment_id).where(
            CommitmentInstitution.institution_id == institution.id, CommitmentInstitution.role == "lead"
        )
        query = query.where(col(Question.commitment_id).in_(carried))
    answered = (
        select(MinutesEntryQuestion.question_id)
        .join(MinutesEntry, col(MinutesEntry.id) == col(MinutesEntryQuestion.entry_id))
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .where(col(Minutes.published_at).is_not(None))
    )
    if state == "repondue":
        query = query.where(col(Question.id).in_(answered))
    elif state == "en-attente":
        query = query.where(col(Question.id).not_in(answered))
    total = (await session.exec(select(func.count()).select_from(query.subquery()))).one()
    page = query.order_by(col(Question.decided_at).desc(), col(Question.code)).offset(offset).limit(limit)
    return (await session.exec(page)).all(), total


async def states_of(session: AsyncSession, questions: Sequence[Question]) -> dict[UUID, State]:
    """Where each question stands, derived from facts: answered in published minutes, on a published agenda, waiting."""
    ids = [question.id for question in questions]
    answered = (
        select(MinutesEntryQuestion.question_id)
        .join(MinutesEntry, col(MinutesEntry.id) == col(MinutesEntryQuestion.entry_id))
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .where(col(MinutesEntryQuestion.question_id).in_(ids), col(Minutes.published_at).is_not(None))
    )
    on_agenda = (
        select(AgendaItemQuestion.question_id)
        .join(AgendaItem, col(AgendaItem.id) == col(AgendaItemQuestion.agenda_item_id))
        .join(Forum, col(Forum.id) == col(AgendaItem.forum_id))
        .where(col(AgendaItemQuestion.question_id).in_(ids), AgendaItem.version == Forum.agenda_version, Forum.agenda_version > 0)
    )
    states: dict[UUID, State] = dict.fromkeys(ids, "waiting")
    states |= dict.fromkeys((await session.exec(on_agenda)).all(), "on_agenda")
    states |= dict.fromkeys((await session.exec(answered)).all(), "answered")
    return states


async def passages_answering(session: AsyncSession, question: Question) -> Sequence[tuple[MinutesEntry, Forum]]:
    """The published passages that answer a question, the newest forum first."""
    query = (
        select(MinutesEntry, Forum)
        .join(MinutesEntryQuestion, col(MinutesEntryQuestion.entry_id) == col(MinutesEntry.id))
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .join(Forum, col(Forum.id) == col(Minutes.forum_id))
        .where(MinutesEntryQuestion.question_id == question.id, col(Minutes.published_at).is_not(None))
        .order_by(col(Forum.day).desc(), col(MinutesEntry.number))
    )
    return (await session.exec(query)).all()


async def to_moderate(session: AsyncSession, *, institutions: Sequence[Institution] | None = None) -> Sequence[Question]:
    """Confirmed questions that wait for a moderator, the oldest first; an agent sees those of their institutions."""
    query = select(Question).where(Question.status == "pending").order_by(col(Question.confirmed_at))
    if institutions is not None:
        theirs = [each.id for each in institutions]
        carried = select(CommitmentInstitution.commitment_id).where(col(CommitmentInstitution.institution_id).in_(theirs))
        query = query.where(col(Question.commitment_id).in_(carried))
    return (await session.exec(query)).all()


async def concerns(session: AsyncSession, question: Question, institutions: Sequence[Institution]) -> bool:
    """Whether a question is on a commitment that one of these institutions carries or takes part in."""
    theirs = [each.id for each in institutions]
    query = select(CommitmentInstitution).where(
        col(CommitmentInstitution.institution_id).in_(theirs), CommitmentInstitution.commitment_id == question.commitment_id
    )
    return (await session.exec(query)).first() is not None


async def question_by_code(session: AsyncSession, code: str) -> Question | None:
    return (await session.exec(select(Question).where(Question.code == code))).first()


async def published_by_codes(session: AsyncSession, codes: Sequence[str]) -> Sequence[Question]:
    return (await session.exec(select(Question).where(col(Question.code).in_(codes), Question.status == "published"))).all()


async def for_forum(session: AsyncSession, forum: Forum) -> Sequence[Question]:
    """The published questions an organiser may put on a forum's agenda: its own, and those on its commitments."""
    about = select(ForumCommitment.commitment_id).where(ForumCommitment.forum_id == forum.id)
    query = select(Question).where(
        Question.status == "published", (col(Question.forum_id) == forum.id) | col(Question.commitment_id).in_(about)
    )
    return (await session.exec(query.order_by(col(Question.created_at)))).all()


async def question_of_link(session: AsyncSession, token: str, *, now: datetime) -> Question | None:
    link = await secret_links.find(session, token, "question", now=now)
    return await session.get(Question, link.question_id) if link else None


# -- Ask ------------------------------------------------------------------------------------------------


async def ask(
    session: AsyncSession,
    forum: Forum | None,
    commitment: Commitment | None,
    form: QuestionForm,
    *,
    language: str,
    secret_key: str,
    now: datetime,
) -> None:
    """Write a question down and promise the message that confirms it. The same text sent twice is one question.

    Raises `QuestionsClosed`.
    """
    if forum is not None and not are_open(forum, now=now):
        raise QuestionsClosed
    if form.site_web:
        return  # a robot: it sees the same page as everyone
    question = Question(
        forum_id=forum.id if forum else None,
        commitment_id=commitment.id if commitment else None,
        kind=form.kind,  # type: ignore[arg-type]
        text=form.text,
        context=form.context,
        email=form.email,
        author_key=secret_links.person_key(secret_key, form.email),
        text_hash=_hash_of(form.text, forum, commitment),
        author_name=form.author_name,
        show_name=form.show_name and bool(form.author_name),
        language=language,
        created_at=now,
        mailed_at=now,
    )
    if await insert_new(session, Question, [question.model_dump()], same=["author_key", "text_hash"]):
        # Each of many texts would be one more message to whoever owns the address that was typed.
        if await limits.spend(session, f"mail:{question.author_key}", MAILS_A_DAY, now=now):
            _mail_link(session, question, now)
    else:
        await _mail_again(session, question.author_key, question.text_hash, now)


def _mail_link(session: AsyncSession, question: Question, now: datetime) -> None:
    token, link = secret_links.link_for(question, now=now, lasts=CONFIRM_WITHIN)
    session.add(link)
    outbox.enqueue(session, emails.confirm_question(question, token), now=now)


async def _mail_again(session: AsyncSession, author_key: str, text_hash: str, now: datetime) -> None:
    """A fresh link for who lost the first, at most every quarter of an hour: the limit is inside the statement."""
    allowed = await session.exec(
        update(Question)
        .where(col(Question.author_key) == author_key, col(Question.text_hash) == text_hash)
        .where(col(Question.status) == "unconfirmed", col(Question.mailed_at) <= now - MAIL_AGAIN_AFTER)
        .values(mailed_at=now, created_at=now)
    )
    if allowed.rowcount == 1 and await limits.spend(session, f"mail:{author_key}", MAILS_A_DAY, now=now):
        query = select(Question).where(Question.author_key == author_key, Question.text_hash == text_hash)
        _mail_link(session, (await session.exec(query)).one(), now)


def _hash_of(text: str, forum: Forum | None, commitment: Commitment | None) -> str:
    """The same words about another forum or commitment are another question."""
    about = [str(each.id) if each else "" for each in (forum, commitment)]
    return hashlib.sha256("\n".join([*about, text.casefold()]).encode()).hexdigest()


async def confirm(session: AsyncSession, token: str, *, now: datetime) -> Question | None:
    """The author says it is theirs: the question goes to the moderators. None for a link that is not valid."""
    question = await question_of_link(session, token, now=now)
    if question is None:
        return None
    confirmed = await session.exec(
        update(Question)
        .where(col(Question.id) == question.id, col(Question.status) == "unconfirmed")
        .values(status="pending", confirmed_at=now)
    )
    if confirmed.rowcount == 1:
        await outbox.enqueue_once(session, [emails.question_received(question)], now=now)
    return question


# -- Moderate ----------------------------------------------------------------------------------------------


async def publish(session: AsyncSession, question: Question, *, now: datetime) -> None:
    """Make a question public and tell its author. Raises `AlreadyDecided`."""
    await _decide(session, question, now, status="published")
    if question.email:
        outbox.enqueue(session, emails.question_published(question), now=now)


async def decline(session: AsyncSession, question: Question, form: DeclineForm, *, now: datetime) -> None:
    """Refuse a question with a reason, told to its author. Raises `AlreadyDecided`."""
    await _decide(session, question, now, status="declined", decline_reason=form.reason)
    question.decline_reason = form.reason
    if question.email:
        outbox.enqueue(session, emails.question_declined(question), now=now)


async def _decide(session: AsyncSession, question: Question, now: datetime, **values: str) -> None:
    decided = await session.exec(
        update(Question).where(col(Question.id) == question.id, col(Question.status) == "pending").values(decided_at=now, **values)
    )
    if decided.rowcount != 1:
        raise AlreadyDecided
