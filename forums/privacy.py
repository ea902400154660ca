"""A person's own data: what is held on them, erased when they ask, and purged on time by itself.

What a person holds is the link mailed to their address, which proves it: everything kept under that
address is shown and erased together. The purge is the clock's erasure; counts stay, and every forum
says publicly on which day its participants' data went.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from forums import drafts, members, registrations, subscriptions
from forums.consultations.commenting import CONFIRM_WITHIN as COMMENTS_CONFIRMED_WITHIN
from forums.consultations.queries import PUBLIC as COMMENTS_PUBLIC
from forums.models import Comment, Consultation, Forum, OutboxMessage, Question, Registration, Subscription, Support
from forums.questions import CONFIRM_WITHIN, PUBLIC
from forums.subscriptions import Followed

UNCONFIRMED = timedelta(days=7)

# Health may show in them, and the evening is over.
NEEDS_KEPT = timedelta(days=7)

# What CNIL advises for people one writes to and never hears of.
SUBSCRIBED_AT_MOST = timedelta(days=3 * 365)


@dataclass(frozen=True)
class Purged:
    """How many rows of each kind went."""

    registrations: int
    unconfirmed_registrations: int
    unconfirmed_questions: int
    addresses_of_authors: int
    messages: int
    unconfirmed_supports: int = 0
    addresses_of_supporters: int = 0
    unconfirmed_subscriptions: int = 0
    unconfirmed_comments: int = 0
    addresses_of_commenters: int = 0


# -- My data ----------------------------------------------------------------------------------------------


class Person(NamedTuple):
    """Whoever an address is, registered or not."""

    email: str
    email_key: str


async def held_on(session: AsyncSession, person: Registration | Person) -> dict[str, Any]:
    """Everything kept under their address, as plain values: its keys are the French words of the pages."""
    registered = await registrations.of_person(session, person.email_key)
    asked = (await session.exec(select(Question).where(Question.author_key == person.email_key).order_by(col(Question.created_at)))).all()
    supported = select(Support, Question).join(Question, col(Question.id) == col(Support.question_id)).where(_supports_of(person))
    commented = select(Comment).where(Comment.author_key == person.email_key).order_by(col(Comment.created_at))
    subscription = await subscriptions.subscription_of(session, person.email_key)
    followed = await subscriptions.followed_by(session, subscription) if subscription else []
    mailed = select(OutboxMessage).where(_to(person.email)).order_by(col(OutboxMessage.created_at))
    return {
        "adresse": person.email,
        "inscriptions": [_registration(each, forum) for each, forum in registered],
        "questions": [_question(each) for each in asked],
        "soutiens": [_support(*each) for each in (await session.exec(supported.order_by(col(Support.created_at)))).all()],
        "abonnement": _subscription(subscription, followed) if subscription else None,
        "commentaires": [_comment(each) for each in (await session.exec(commented)).all()],
        "messages": [
            {"genre": each.kind, "ecrit_le": each.created_at.isoformat(), "envoye_le": each.sent_at.isoformat() if each.sent_at else None}
            for each in (await session.exec(mailed)).all()
        ],
    }


def _registration(registration: Registration, forum: Forum) -> dict[str, Any]:
    return {
        "forum": forum.slug,
        "numero": forum.number,
        "jour": forum.day.isoformat() if forum.day else None,
        "nom": registration.family_name,
        "prenom": registration.given_name,
        "organisation": registration.organisation,
        "participation": "a_distance" if registration.attendance == "remote" else "sur_place",
        "besoins_d_accessibilite": registration.accessibility_needs,
        "nom_dans_la_liste_des_participants": registration.show_name,
        "etat": {
            "pending": "a_confirmer",
            "registered": "inscrit",
            "waiting": "en_liste_d_attente",
            "given_up": "a_renonce",
            "walk_in": "venu_sans_inscription",
        }[registration.status],
        "rang": registration.rank,
        "annonces_demandees": registration.wants_news,
        "langue": registration.language,
        "demandee_le": registration.created_at.isoformat(),
        "decidee_le": registration.decided_at.isoformat() if registration.decided_at else None,
        "code_d_entree": registration.entry_code,
        "arrivee_le": registration.checked_in_at.isoformat() if registration.checked_in_at else None,
    }


def _question(question: Question) -> dict[str, Any]:
    return {
        "texte": question.text,
        "contexte": question.context,
        "nom": question.author_name,
        "nom_affiche": question.show_name,
        "texte_d_origine": question.original_text,
        "contexte_d_origine": question.original_context,
        "etat": {
            "unconfirmed": "a_confirmer",
            "pending": "a_moderer",
            "published": "publiee",
            "declined": "refusee",
            "merged": "reunie_a_une_autre",
            "unpublished": "retiree",
        }[question.status],
        "adresse_publique": f"/questions/{question.code}" if question.status in PUBLIC else None,
        "envoyee_le": question.created_at.isoformat(),
    }


def _comment(comment: Comment) -> dict[str, Any]:
    return {
        "texte": comment.text,
        "nom": comment.author_name,
        "organisation": comment.organisation,
        "nom_affiche": comment.show_name,
        "texte_d_origine": comment.original_text,
        "etat": {"unconfirmed": "a_confirmer", "pending": "a_moderer", "published": "publie", "declined": "refuse"}[comment.status],
        "adresse_publique": f"/commentaires/{comment.code}" if comment.status in COMMENTS_PUBLIC else None,
        "envoye_le": comment.created_at.isoformat(),
    }


def _support(support: Support, question: Question) -> dict[str, Any]:
    return {
        "question": f"/questions/{question.code}",
        "confirme_le": support.confirmed_at.isoformat() if support.confirmed_at else None,
        "prevenir_de_la_reponse": support.wants_news,
        "demande_le": support.created_at.isoformat(),
    }


def _supports_of(person: Registration | Person) -> ColumnElement[bool]:
    """By key, since most addresses are forgotten; one asked for with a `+label` is known by its address while it is kept."""
    return (col(Support.email_key) == person.email_key) | (func.lower(Support.email) == person.email.lower())


def _subscription(subscription: Subscription, followed: Sequence[Followed]) -> dict[str, Any]:
    return {
        "adresse": subscription.email,
        "rythme": "chaque_semaine" if subscription.rhythm == "weekly" else "aussitot",
        "langue": subscription.language,
        "demande_le": subscription.created_at.isoformat(),
        "suivi": [
            {
                "sujet": each.row.scope,
                "demande_le": each.row.asked_at.isoformat(),
                "confirme_le": each.row.confirmed_at.isoformat() if each.row.confirmed_at else None,
            }
            for each in followed
        ],
    }


async def erase(session: AsyncSession, person: Registration | Person, *, now: datetime, by: str = "participant") -> None:
    """Forget a person: their seats go to who waits, their published questions stay without them. Done twice, nothing more.

    No message says so: its address would be the last thing kept. The journal notes that it was done, not for whom.
    """
    email, email_key = person.email, person.email_key
    for each, forum in await registrations.of_person(session, email_key):
        if await registrations.erase(session, each.id, now=now):
            members.note(session, by, "erase", f"forum {forum.slug}", now=now)
    await subscriptions.unsubscribe(session, email, email_key)
    # Their questions first, in one order, as who confirms or withdraws takes them: nobody waits in a circle.
    supported = select(Question.id).where(col(Question.id).in_(select(Support.question_id).where(_supports_of(person))))
    await session.exec(supported.order_by(col(Question.id)).with_for_update(key_share=True))
    await session.exec(delete(Support).where(_supports_of(person)))
    theirs = select(Question).where(Question.author_key == email_key)
    for question in (await session.exec(theirs)).all():
        if question.status in ("published", "merged", "unpublished"):  # their addresses answer for ever
            question.email, question.author_name, question.show_name, question.author_key = None, "", False, uuid4().hex
            question.original_text = question.original_context = None
            if question.status == "unpublished":
                question.text = question.context = ""
            session.add(question)
        else:
            await session.delete(question)
    await _forget_comments_of(session, email_key)
    await session.exec(delete(OutboxMessage).where(_to(email)))


async def _forget_comments_of(session: AsyncSession, author_key: str) -> None:
    """What was published stays, without its author; the rest goes."""
    mine = col(Comment.author_key) == author_key
    await session.exec(delete(Comment).where(mine, col(Comment.status) != "published"))
    for comment in (await session.exec(select(Comment).where(mine))).all():
        comment.email, comment.author_name, comment.organisation, comment.show_name = None, "", "", False
        comment.author_key, comment.original_text = uuid4().hex, None
        session.add(comment)
    await session.flush()


def _to(email: str) -> ColumnElement[bool]:
    """People write their address now one way, now another: which ways, the index tells, and no message is read for it."""
    written = select(OutboxMessage.recipient).where(func.lower(OutboxMessage.recipient) == email.lower())
    return col(OutboxMessage.recipient).in_(written)


# -- The purge ----------------------------------------------------------------------------------------------


async def last_purged(session: AsyncSession, limit: int = 12) -> Sequence[Forum]:
    """The forums whose participants' data went, the latest purge first."""
    query = select(Forum).where(col(Forum.purged_at).is_not(None), col(Forum.announced_at).is_not(None))
    return (await session.exec(query.order_by(col(Forum.purged_at).desc(), col(Forum.day).desc()).limit(limit))).all()


async def purge(session: AsyncSession, *, retention_days: int, now: datetime) -> Purged:
    """Remove what retention asks for: `retention_days` after the forum, a week when never confirmed.

    Accessibility needs go first, a week after the forum.
    """
    limit = now - timedelta(days=retention_days)
    over = _over_before(limit)
    given_up = (col(Registration.status) == "given_up") & (col(Registration.decided_at) < now - NEEDS_KEPT)
    of_no_use = col(Registration.forum_id).in_(_over_before(now - NEEDS_KEPT)) | given_up
    needs = update(Registration).where(of_no_use, col(Registration.accessibility_needs) != "")
    await session.exec(needs.values(accessibility_needs=""))
    await session.exec(delete(Subscription).where(col(Subscription.created_at) < now - SUBSCRIBED_AT_MOST))
    unconfirmed_subscriptions = await subscriptions.forget_unconfirmed(session, now - UNCONFIRMED)
    gone = await session.exec(delete(Registration).where(col(Registration.forum_id).in_(over)))
    unconfirmed = await session.exec(
        delete(Registration).where(col(Registration.status) == "pending", col(Registration.mailed_at) < now - UNCONFIRMED)
    )
    forgotten = await session.exec(
        delete(Question).where(col(Question.status) == "unconfirmed", col(Question.created_at) < now - CONFIRM_WITHIN)
    )
    authors = await session.exec(
        update(Question)
        .where(col(Question.email).is_not(None))
        .where(col(Question.forum_id).in_(over) | (col(Question.forum_id).is_(None) & (col(Question.created_at) < limit)))
        .values(email=None)
    )
    originals = update(Question).where(col(Question.email).is_(None), col(Question.original_text).is_not(None))
    await session.exec(originals.values(original_text=None, original_context=None))
    never = delete(Support).where(col(Support.confirmed_at).is_(None), col(Support.mailed_at) < now - UNCONFIRMED)
    unconfirmed_supports = await session.exec(never)
    of_forums_over = select(Question.id).where(col(Question.forum_id).in_(over))
    of_no_forum = select(Question.id).where(col(Question.forum_id).is_(None))
    told = col(Support.question_id).in_(of_forums_over) | (col(Support.question_id).in_(of_no_forum) & (col(Support.created_at) < limit))
    supporters = await session.exec(update(Support).where(col(Support.email).is_not(None), told).values(email=None, wants_news=False))
    unconfirmed_comments, commenters = await _purge_comments(session, limit, now)
    anonymous = update(Question).where(col(Question.email).is_(None), col(Question.show_name).is_(False), col(Question.author_name) != "")
    await session.exec(anonymous.values(author_name=""))
    messages = await session.exec(
        # Also those still waiting: without a relay they would be kept for ever.
        delete(OutboxMessage).where(col(OutboxMessage.status) != "sending", col(OutboxMessage.created_at) < limit)
    )
    await drafts.forget_old(session, now=now)
    await _say_so(session, over, now)
    return Purged(
        gone.rowcount,
        unconfirmed.rowcount,
        forgotten.rowcount,
        authors.rowcount,
        messages.rowcount,
        unconfirmed_supports.rowcount,
        supporters.rowcount,
        unconfirmed_subscriptions,
        unconfirmed_comments,
        commenters,
    )


async def _purge_comments(session: AsyncSession, limit: datetime, now: datetime) -> tuple[int, int]:
    """Authors of comments are forgotten `retention_days` after the end of the call they answered."""
    never = delete(Comment).where(col(Comment.status) == "unconfirmed", col(Comment.created_at) < now - COMMENTS_CONFIRMED_WITHIN)
    unconfirmed = await session.exec(never)
    over = col(Comment.consultation_id).in_(select(Consultation.id).where(Consultation.closes_at < limit))
    known = update(Comment).where(over, col(Comment.email).is_not(None))
    authors = await session.exec(known.values(email=None, original_text=None))
    unnamed = update(Comment).where(col(Comment.email).is_(None), col(Comment.show_name).is_(False))
    await session.exec(
        unnamed.where((col(Comment.author_name) != "") | (col(Comment.organisation) != "")).values(author_name="", organisation="")
    )
    return unconfirmed.rowcount, authors.rowcount


def _over_before(moment: datetime) -> SelectOfScalar[UUID]:
    """The forums that ended before that moment, or were cancelled before it."""
    cancelled = (col(Forum.status) == "cancelled") & (col(Forum.cancelled_at) < moment)
    return select(Forum.id).where((col(Forum.ends_at) < moment) | cancelled)


async def _say_so(session: AsyncSession, over: SelectOfScalar[UUID], now: datetime) -> None:
    """Each forum that took registrations says publicly when they were purged, and so does the journal."""
    offered = col(Forum.capacity) + col(Forum.remote_capacity) > 0
    purged = update(Forum).where(col(Forum.id).in_(over), col(Forum.purged_at).is_(None), offered)
    for slug in (await session.exec(purged.values(purged_at=now).returning(col(Forum.slug)))).scalars().all():
        members.note(session, "clock", "purge", f"forum {slug}", now=now)
