"""Support of a question: one per person, without an account, counted once its owner confirmed it.

The mailed link confirms and withdraws, only by a button. An address is a keyed hash, the same whatever
its case, its spelling of the domain or its `+label`; the address itself is forgotten once confirmed,
unless the person asked to be told of the answer. Nothing here tells a stranger who supports what.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, cast
from uuid import UUID, uuid4

from sqlalchemy import Connection
from sqlmodel import SQLModel, col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, secret_links
from forums.database import add_rows
from forums.forms import Email, Form, Tick, line
from forums.language import N_
from forums.models import Question, SecretLink, Support
from forums.questions.asking import CONFIRM_WITHIN, MAIL_AGAIN_AFTER
from forums.questions.queries import PUBLIC
from forums.refusals import Refusal

_NOT_PUBLISHED = N_("Cette question n'est plus publiée : on ne peut plus la soutenir.")


class SupportForm(Form):
    email: Email
    wants_news: Tick = False
    site_web: Annotated[str, line(500)]
    """A trap for robots: hidden from people, always empty."""


def support_key(secret_key: str, email: str) -> str:
    """What stands for a mailbox: `nom+liste@` is the mailbox of `nom@`, which else would count a hundred times."""
    name, _, domain = email.partition("@")
    return secret_links.person_key(secret_key, f"{name.split('+')[0] or name}@{domain}")


# -- Who supports what -----------------------------------------------------------------------------------


async def support_counts(session: AsyncSession, questions: Sequence[Question]) -> dict[UUID, int]:
    """How many people support each of these questions."""
    ids = [question.id for question in questions]
    query = select(Support.question_id, func.count()).where(col(Support.question_id).in_(ids), col(Support.confirmed_at).is_not(None))
    return dict.fromkeys(ids, 0) | dict((await session.exec(query.group_by(col(Support.question_id)))).all())


async def support_of_link(session: AsyncSession, token: str, *, now: datetime) -> tuple[Support, Question] | None:
    """The support a link stands for, with its question; None once seven days went by without confirmation."""
    link = await secret_links.find(session, token, "support", now=now)
    if link is None:
        return None
    query = select(Support, Question).join(Question, col(Question.id) == col(Support.question_id)).where(Support.id == link.support_id)
    found = (await session.exec(query.execution_options(populate_existing=True))).first()
    if found is None or (found[0].confirmed_at is None and found[0].mailed_at <= now - CONFIRM_WITHIN):
        return None
    return found


async def supporters_to_tell(session: AsyncSession, question: Question) -> Sequence[Support]:
    """Those who support a question and asked to be told of its answer."""
    query = select(Support).where(Support.question_id == question.id, col(Support.confirmed_at).is_not(None), col(Support.wants_news))
    found = (await session.exec(query.where(col(Support.email).is_not(None)).order_by(col(Support.created_at)))).all()
    lost = await outbox.unreachable(session, [each.email for each in found if each.email])
    return [each for each in found if each.email not in lost]


# -- Support, confirm, withdraw ---------------------------------------------------------------------------


async def support(session: AsyncSession, question: Question, form: SupportForm, *, language: str, secret_key: str, now: datetime) -> None:
    """Write a support down and promise the message that confirms it. The same person counts once, and their own question not at all.

    Raises `Refusal` when the question is not published any more.
    """

    def write(connection: Connection) -> None:
        held = supported(connection, question.code)
        if held is None:
            raise Refusal(_NOT_PUBLISHED)
        support_at_once(connection, held, form, language=language, secret_key=secret_key, now=now)

    await (await session.connection()).run_sync(write)


def supported(connection: Connection, code: str) -> Question | None:
    """The question of a public address, held until the end of the transaction: a merge that moves the supports waits."""
    table = SQLModel.metadata.tables["question"]
    query = cast(Any, select)(table).where(table.c.code == code, table.c.status.in_(PUBLIC)).with_for_update(read=True)
    row = connection.execute(query).mappings().first()
    return Question.model_construct(**row) if row else None


def support_at_once(
    connection: Connection, question: Question, form: SupportForm, *, language: str, secret_key: str, now: datetime
) -> None:
    """As `support`, for `write_at_once`; the question is as `supported` gave it."""
    if form.site_web:
        return  # a robot: it sees the same page as everyone
    if question.status != "published":
        raise Refusal(_NOT_PUBLISHED)
    key, person = support_key(secret_key, form.email), secret_links.person_key(secret_key, form.email)
    if question.author_key in (key, person):
        return
    typed = {"email": form.email, "wants_news": form.wants_news, "language": language}
    row: dict[str, Any] = {"id": uuid4(), "question_id": question.id, "email_key": key, **typed, "created_at": now, "mailed_at": now}
    if add_rows(connection, Support, [row], same=["question_id", "email_key"]):
        _mail_link(connection, Support.model_construct(**row), question, form, language, person, now)
        return
    table = SQLModel.metadata.tables["support"]
    same = update(table).where(table.c.question_id == question.id, table.c.email_key == key)
    # While nothing is confirmed, the last answers count; afterwards a stranger changes nothing.
    connection.execute(same.where(table.c.confirmed_at.is_(None)).values(typed))
    # The limit is inside the statement: processes that race send one message between them.
    again = same.where(table.c.mailed_at <= now - MAIL_AGAIN_AFTER).values(mailed_at=now).returning(*table.c)
    for known in connection.execute(again).mappings().all():
        _mail_link(connection, Support.model_construct(**known), question, form, language, person, now)


def _mail_link(
    connection: Connection, support: Support, question: Question, form: SupportForm, language: str, person: str, now: datetime
) -> None:
    message = partial(emails.confirm_support, support, question, form.email, language)
    secret_links.mail(connection, person, "support", support.id, message, now=now)


async def _hold(session: AsyncSession, question_id: UUID) -> str | None:
    """The status of a question, held until the end of the transaction: a merge that moves the supports waits for this one, or comes before.

    Held before its supports, and for oneself: counting a support takes it so, and two who shared it would each wait for the other.
    """
    query = select(Question.status).where(Question.id == question_id).with_for_update(key_share=True)
    return (await session.exec(query)).first()


async def confirm_support(session: AsyncSession, token: str, *, now: datetime) -> tuple[Support, Question] | None:
    """Count a support and forget its address unless news were asked for. None for a link that is not valid."""
    found = await support_of_link(session, token, now=now)
    if found is None:
        return None
    status = await _hold(session, found[1].id)
    found = await support_of_link(session, token, now=now)  # a merge may have moved it meanwhile
    if found is None or status != "published":
        return found
    confirmed = update(Support).where(col(Support.id) == found[0].id, col(Support.confirmed_at).is_(None))
    await session.exec(confirmed.values(confirmed_at=now, email=found[0].email if found[0].wants_news else None))
    await session.refresh(found[0])
    return found


async def withdraw_support(session: AsyncSession, token: str, *, now: datetime) -> tuple[Support, Question] | None:
    """Count a support no more and forget its address; the same link may confirm it again for a week."""
    found = await support_of_link(session, token, now=now)
    if found is None:
        return None
    await _hold(session, found[1].id)
    forgotten = {"email": None, "wants_news": False, "confirmed_at": None, "mailed_at": now - MAIL_AGAIN_AFTER}
    await session.exec(update(Support).where(col(Support.id) == found[0].id).values(forgotten))
    await session.refresh(found[0])
    return found


# -- What comes of them -----------------------------------------------------------------------------------


async def tell_supporters(
    session: AsyncSession, question: Question, where: str, *, about: object, changed_in: int | None = None, now: datetime
) -> None:
    """Tell those who asked that there is an answer at the address `where`; once for what it is `about`.

    Again when what came of it changed, in the version or edition `changed_in`.
    """
    asked = await supporters_to_tell(session, question)
    waiting = {emails.support_answered(each, question, where, "", about, changed_in=changed_in).fact: each for each in asked}
    told = set(await outbox.already_told(session, [fact for fact in waiting if fact]))
    messages = []
    for each in (support for fact, support in waiting.items() if fact not in told):
        token, link = secret_links.link_for(each, now=now)
        session.add(link)
        messages.append(emails.support_answered(each, question, where, token, about, changed_in=changed_in))
    await session.flush()
    await outbox.enqueue_once(session, messages, now=now)


async def move_supports(session: AsyncSession, question: Question, target: Question, *, now: datetime) -> None:
    """Give a merged question's supports to the one that is kept, and its author's too; who supported both counts once."""
    already = {each.email_key: each for each in (await session.exec(select(Support).where(Support.question_id == target.id))).all()}
    for each in (await session.exec(select(Support).where(Support.question_id == question.id))).all():
        if each.email_key == target.author_key:
            await session.delete(each)
        elif each.email_key not in already:
            each.question_id = target.id
            session.add(each)
            already[each.email_key] = each
        else:
            await _become_one(session, already[each.email_key], each)
    await session.flush()
    if question.author_key == target.author_key:
        return
    theirs = already.get(question.author_key)
    if theirs is None:
        theirs = Support(question_id=target.id, email_key=question.author_key, language=question.language, created_at=now, mailed_at=now)
    theirs.confirmed_at = theirs.confirmed_at or now
    if question.email:  # an author is told of answers
        theirs.email, theirs.wants_news = question.email, True
    session.add(theirs)
    await session.flush()


async def _become_one(session: AsyncSession, kept: Support, other: Support) -> None:
    """Two supports of one person: what one of them confirmed stands, and the links of both lead to it."""
    if other.confirmed_at is not None:
        news = other.email if other.wants_news else None
        if kept.confirmed_at is None:
            kept.email, kept.wants_news = news, news is not None
        elif news is not None:
            kept.email, kept.wants_news = news, True
        kept.confirmed_at = min(kept.confirmed_at or other.confirmed_at, other.confirmed_at)
        session.add(kept)
    await session.flush()
    await session.exec(update(SecretLink).where(col(SecretLink.support_id) == other.id).values(support_id=kept.id))
    await session.exec(delete(Support).where(col(Support.id) == other.id))
