"""A question asked: written down with the message that confirms it, and confirmed by its author alone."""

import hashlib
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from sqlalchemy import Connection, update
from sqlmodel import SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import answers, emails, outbox, secret_links
from forums.database import add_rows
from forums.forms import Email, Form, Tick, choice, line, prose
from forums.language import N_
from forums.models import Commitment, Forum, Question
from forums.questions.queries import are_open
from forums.refusals import QuestionsClosed

CONFIRM_WITHIN = timedelta(days=7)
MAIL_AGAIN_AFTER = timedelta(minutes=15)


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
    shown: tuple[Annotated[str, line(20)], ...] = ()
    """The codes of the similar questions this person was shown."""
    site_web: Annotated[str, line(500)]
    """A trap for robots: hidden from people, always empty."""


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
    about = commitment.id if commitment else None
    asked = partial(ask_at_once, forum=forum, commitment_id=about, form=form, language=language, secret_key=secret_key, now=now)
    await (await session.connection()).run_sync(asked)


def ask_at_once(
    connection: Connection,
    forum: Forum | None,
    commitment_id: UUID | None,
    form: QuestionForm,
    *,
    language: str,
    secret_key: str,
    now: datetime,
) -> None:
    """The same, as a plain function, for `write_at_once`."""
    if forum is not None and not are_open(forum, now=now):
        raise QuestionsClosed
    if form.site_web:
        return  # a robot: it sees the same page as everyone
    question = Question(
        forum_id=forum.id if forum else None,
        commitment_id=commitment_id,
        kind=form.kind,  # type: ignore[arg-type]
        text=form.text,
        context=form.context,
        email=form.email,
        author_key=secret_links.person_key(secret_key, form.email),
        text_hash=_hash_of(form.text, forum, commitment_id),
        author_name=form.author_name,
        show_name=form.show_name and bool(form.author_name),
        language=language,
        created_at=now,
        mailed_at=now,
    )
    if add_rows(connection, Question, [question.model_dump()], same=["author_key", "text_hash"]):
        _mail_link(connection, question, now)
    else:
        _mail_again(connection, question.author_key, question.text_hash, now)


def _mail_link(connection: Connection, question: Question, now: datetime) -> None:
    message = partial(emails.confirm_question, question)
    secret_links.mail(connection, question.author_key, "question", question.id, message, now=now, lasts=CONFIRM_WITHIN)


def _mail_again(connection: Connection, author_key: str, text_hash: str, now: datetime) -> None:
    """A fresh link for who lost the first, at most every quarter of an hour: the limit is inside the statement."""
    table = SQLModel.metadata.tables["question"]
    same = table.c.author_key == author_key, table.c.text_hash == text_hash
    due = update(table).where(*same, table.c.status == "unconfirmed", table.c.mailed_at <= now - MAIL_AGAIN_AFTER)
    for row in connection.execute(due.values(mailed_at=now, created_at=now).returning(*table.c)).mappings().all():
        _mail_link(connection, Question.model_construct(**row), now)


def _hash_of(text: str, forum: Forum | None, commitment_id: UUID | None) -> str:
    """The same words about another forum or commitment are another question."""
    about = [str(forum.id) if forum else "", str(commitment_id or "")]
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
        await answers.route(session, question, now=now)
        await outbox.enqueue_once(session, [emails.question_received(question)], now=now)
    return question


async def question_of_link(session: AsyncSession, token: str, *, now: datetime) -> Question | None:
    link = await secret_links.find(session, token, "question", now=now)
    return await session.get(Question, link.question_id) if link else None
