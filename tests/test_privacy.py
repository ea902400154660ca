"""Retention: what is personal goes on time, by itself; counts and what was published stay."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import SQLModel, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import clock, emails, members, outbox, privacy, schedule, secret_links
from forums.database import Database
from forums.models import AuditEvent, Forum, MemberSession, OutboxMessage, Question, Registration, SecretLink, Subscription
from forums.privacy import Purged
from forums.schedule import CancelForm
from forums.settings import Settings
from tests.factories import (
    NOW,
    a_commitment,
    a_confirmed_registration,
    a_forum,
    a_member,
    a_plan,
    a_question,
    a_registration,
)

NOTHING = Purged(0, 0, 0, 0, 0)


async def count(session: AsyncSession, table: type[SQLModel]) -> int:
    return (await session.exec(select(func.count()).select_from(table))).one()


async def purge(session: AsyncSession, now: Any) -> Purged:
    return await privacy.purge(session, retention_days=90, now=now)


async def test_those_registered_are_forgotten_ninety_days_after_the_forum_and_its_count_stays(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=1)
    for name in "ab":
        await a_confirmed_registration(session, forum, f"{name}@example.org")
    await a_registration(session, forum, "c@example.org", status="given_up")
    ends_at = forum.ends_at or NOW

    too_soon = await purge(session, ends_at + timedelta(days=90))
    kept = await count(session, Registration)
    in_time = await purge(session, ends_at + timedelta(days=90, seconds=1))

    await session.refresh(forum)
    assert (too_soon.registrations, kept, in_time.registrations) == (0, 3, 3)
    assert (await count(session, Registration), forum.seats_taken) == (0, 1)


async def test_another_forums_people_are_not_forgotten_with_it(session: AsyncSession) -> None:
    old, recent = await a_forum(session, number=1), await a_forum(session, number=2, day=(NOW + timedelta(days=100)).date())
    for forum in (old, recent):
        await a_confirmed_registration(session, forum)

    await purge(session, NOW + timedelta(days=125))

    assert [row.forum_id for row in (await session.exec(select(Registration))).all()] == [recent.id]


async def test_a_forgotten_registration_takes_its_secret_links_along(session: AsyncSession) -> None:
    forum = await a_forum(session)
    registration = await a_confirmed_registration(session, forum)
    session.add(secret_links.link_for(registration, now=NOW)[1])
    await session.flush()

    await purge(session, NOW + timedelta(days=365))

    assert await count(session, SecretLink) == 0


async def test_a_registration_never_confirmed_is_forgotten_a_week_after_its_last_message(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await a_registration(session, forum, "oublie@example.org", mailed_at=NOW - timedelta(days=7, seconds=1))
    await a_registration(session, forum, "hesite@example.org", created_at=NOW - timedelta(days=30), mailed_at=NOW - timedelta(days=7))
    await a_registration(session, forum, "attend@example.org", mailed_at=NOW - timedelta(days=30), status="waiting", rank=1)

    purged = await purge(session, NOW)

    left = (await session.exec(select(Registration.email).order_by(col(Registration.email)))).all()
    assert (purged.unconfirmed_registrations, left) == (1, ["attend@example.org", "hesite@example.org"])


async def test_a_question_never_confirmed_is_forgotten_after_a_week(session: AsyncSession) -> None:
    await a_question(session, text="oubliée", status="unconfirmed", created_at=NOW - timedelta(days=7, seconds=1))
    await a_question(session, text="récente", status="unconfirmed", created_at=NOW - timedelta(days=7))
    await a_question(session, text="à modérer", status="pending", created_at=NOW - timedelta(days=7, seconds=1))

    purged = await purge(session, NOW)

    assert purged.unconfirmed_questions == 1
    assert sorted((await session.exec(select(Question.text))).all()) == ["récente", "à modérer"]


@pytest.mark.parametrize("asked_to_be_named", [True, False])
async def test_a_published_question_stays_without_its_authors_address_and_named_only_if_they_asked(
    session: AsyncSession, asked_to_be_named: bool
) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum, author_name="Dominique", show_name=asked_to_be_named)

    purged = await purge(session, NOW + timedelta(days=121))

    await session.refresh(question)
    assert purged.addresses_of_authors == 1
    assert (question.status, question.email, question.author_name) == ("published", None, "Dominique" if asked_to_be_named else "")


async def test_the_author_of_a_question_on_a_commitment_alone_is_forgotten_ninety_days_after_asking(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    question = await a_question(session, None, commitment)

    early, due = [await purge(session, NOW + timedelta(days=90, seconds=seconds)) for seconds in (0, 1)]

    await session.refresh(question)
    assert (early.addresses_of_authors, due.addresses_of_authors, question.email) == (0, 1, None)


@pytest.mark.parametrize("status", ["sent", "failed", "waiting"])
async def test_messages_go_after_ninety_days_even_if_no_relay_ever_took_them(session: AsyncSession, status: str) -> None:
    forum = await a_forum(session)
    registration = await a_registration(session, forum)
    outbox.enqueue(session, emails.waiting(registration, forum, "jeton"), now=NOW)
    message = (await session.exec(select(OutboxMessage))).one()
    message.status = status  # type: ignore[assignment]
    await session.flush()

    early, due = [await purge(session, NOW + timedelta(days=90, seconds=seconds)) for seconds in (0, 1)]

    assert (early.messages, due.messages, await count(session, OutboxMessage)) == (0, 1, 0)


async def test_accessibility_needs_go_first_a_week_after_the_forum(session: AsyncSession) -> None:
    forum = await a_forum(session)
    registration = await a_confirmed_registration(session, forum, accessibility_needs="Une rampe.")
    week_after = (forum.ends_at or NOW) + timedelta(days=7)

    kept = []
    for seconds in (0, 1):
        await purge(session, week_after + timedelta(seconds=seconds))
        await session.refresh(registration)
        kept.append(registration.accessibility_needs)

    assert kept == ["Une rampe.", ""]


async def test_a_purged_forum_says_so_once_and_the_journal_too(session: AsyncSession) -> None:
    forum = await a_forum(session)
    never_open = await a_forum(session, number=2, capacity=0)
    purged_at = (forum.ends_at or NOW) + timedelta(days=91)

    for days in (0, 1):
        await purge(session, purged_at + timedelta(days=days))

    for each in (forum, never_open):
        await session.refresh(each)
    events = (await session.exec(select(AuditEvent.actor, AuditEvent.verb, AuditEvent.subject))).all()
    assert (forum.purged_at, never_open.purged_at) == (purged_at, None)
    assert [tuple(event) for event in events] == [("clock", "purge", "forum 2027-1")]


async def test_a_cancelled_forum_is_purged_from_its_cancellation_on(session: AsyncSession) -> None:
    forum = await a_forum(session, day=(NOW + timedelta(days=300)).date())
    await a_confirmed_registration(session, forum, accessibility_needs="Une rampe.")
    await schedule.cancel(session, forum, CancelForm.model_validate({"reason": "Grève."}), now=NOW)

    purged = [(await purge(session, NOW + timedelta(days=days))).registrations for days in (90, 91)]

    assert purged == [0, 1]


# -- My data ------------------------------------------------------------------------------------------------


async def a_whole_person(session: AsyncSession) -> tuple[Registration, Registration]:
    """Camille, registered to two forums and told of the next, who asked two questions; beside Dominique, who waits."""
    first, second = await a_forum(session, number=1, capacity=1), await a_forum(session, number=2)
    camille = await a_confirmed_registration(session, first, "camille@example.org", wants_news=True)
    await a_confirmed_registration(session, second, "camille@example.org")
    dominique = await a_confirmed_registration(session, first, "dominique@example.org")
    for text, status in (("Publiée ?", "published"), ("En attente ?", "pending")):
        facts = {"text": text, "status": status, "author_name": "Camille", "show_name": True}
        await a_question(session, first, email="camille@example.org", **facts)
    await a_question(session, first, text="D'une autre ?")
    return camille, dominique


async def test_my_data_holds_everything_under_my_address_and_nothing_of_anyone_else(session: AsyncSession) -> None:
    camille, _ = await a_whole_person(session)

    held = await privacy.held_on(session, camille)

    assert sorted(each["forum"] for each in held["inscriptions"]) == ["2027-1", "2027-2"]
    assert sorted(each["texte"] for each in held["questions"]) == ["En attente ?", "Publiée ?"]
    assert [(each["sujet"], each["confirme_le"]) for each in held["abonnement"]["suivi"]] == [("annonces", NOW.isoformat())]
    assert len(held["messages"]) == 2
    assert "dominique" not in str(held).lower()


async def test_erase_me_keeps_only_what_counts_need(session: AsyncSession) -> None:
    camille, dominique = await a_whole_person(session)

    await privacy.erase(session, camille, now=NOW)

    await session.refresh(dominique)
    assert (await session.exec(select(Registration.email))).all() == ["dominique@example.org"]
    assert dominique.status == "registered"
    found = (await session.exec(select(Question.text, Question.email, Question.author_name).order_by(col(Question.text)))).all()
    assert [tuple(each) for each in found] == [("D'une autre ?", "dominique@example.org", ""), ("Publiée ?", None, "")]
    assert [await count(session, table) for table in (Subscription, SecretLink)] == [0, 1]  # the promoted one's
    recipients = set((await session.exec(select(OutboxMessage.recipient))).all())
    assert recipients == {"dominique@example.org"}
    events = (await session.exec(select(AuditEvent.actor, AuditEvent.verb, AuditEvent.subject))).all()
    assert sorted(map(tuple, events)) == [("participant", "erase", "forum 2027-1"), ("participant", "erase", "forum 2027-2")]


async def test_two_spellings_of_an_address_are_one_person_to_erase_and_a_refused_question_goes_too(session: AsyncSession) -> None:
    first, second = await a_forum(session, number=1), await a_forum(session, number=2)
    shouted = await a_confirmed_registration(session, first, "Camille@Example.org", email_key="c")
    await a_confirmed_registration(session, second, "camille@example.org", email_key="c")
    await a_question(session, first, status="declined", decline_reason="Hors sujet.", author_key="c")
    held = await privacy.held_on(session, shouted)

    await privacy.erase(session, shouted, now=NOW)

    assert len(held["messages"]) == 2
    assert [await count(session, table) for table in (Registration, OutboxMessage, Question, SecretLink)] == [0, 0, 0, 0]


async def test_purging_again_removes_nothing_more(session: AsyncSession) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum)
    await a_question(session, forum, author_name="Dominique")
    late = NOW + timedelta(days=365)

    first = await purge(session, late)

    assert first == Purged(registrations=1, unconfirmed_registrations=0, unconfirmed_questions=0, addresses_of_authors=1, messages=1)
    assert await purge(session, late) == NOTHING


async def test_the_clock_purges_by_itself_with_the_retention_of_the_settings(database: Database, settings: Settings) -> None:
    async with database.transaction() as session:
        await a_confirmed_registration(session, await a_forum(session))
        member = await a_member(session)
        await members.sign_in(session, await members.link_to_sign_in(session, member, now=NOW), browser=None, now=NOW)

    purged = await clock.upkeep(database, settings, now=NOW + timedelta(days=settings.retention_days + 31))

    async with database.reading() as session:
        assert (purged.registrations, purged.messages) == (1, 1)
        assert [await count(session, table) for table in (Registration, MemberSession, SecretLink, Forum)] == [0, 0, 0, 1]
