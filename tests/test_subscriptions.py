"""Announcements: only who asked, once a forum, ended in one click."""

from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, registrations, schedule, subscriptions
from forums.models import OutboxMessage, Subscription
from forums.settings import Settings
from tests.factories import NOW, SECRET_KEY, a_change_form, a_confirmed_registration, a_forum, a_registration_form, told
from tests.site import Site


async def subscribed(session: AsyncSession) -> list[str]:
    return sorted((await session.exec(select(Subscription.email))).all())


async def test_the_box_is_not_ticked_by_itself_and_counts_once_the_address_is_confirmed(session: AsyncSession) -> None:
    forum = await a_forum(session)
    for name, ticked in (("veut", "1"), ("rien", "")):
        form = a_registration_form(f"{name}@example.org", wants_news=ticked)
        await registrations.register(session, forum, form, language="fr", secret_key=SECRET_KEY, now=NOW)
    before = await subscribed(session)
    for row, _ in [pair for name in ("veut", "rien") for pair in await registrations.of_person(session, key(name))]:
        await registrations.confirm(session, row.id, "jeton", now=NOW)

    assert (before, await subscribed(session)) == ([], ["veut@example.org"])


def key(name: str) -> str:
    from forums import secret_links

    return secret_links.person_key(SECRET_KEY, f"{name}@example.org")


async def test_each_new_forum_is_announced_once_to_those_who_asked(session: AsyncSession) -> None:
    await subscriptions.subscribe(session, "a@example.org", key("a"), "fr", now=NOW)
    forum = await a_forum(session, status="draft", announced_at=None)

    await schedule.announce(session, forum, now=NOW)
    await subscriptions.announce(session, forum, now=NOW + timedelta(days=1))

    assert await told(session, "announced") == ["a@example.org"]


async def test_the_choice_can_be_changed_from_the_registration_and_the_address_is_then_forgotten(session: AsyncSession) -> None:
    registration = await a_confirmed_registration(session, await a_forum(session), "a@example.org", wants_news=True)
    asked = await subscribed(session)

    await registrations.change(session, registration.id, a_change_form(wants_news=""), now=NOW)
    ended = await subscribed(session)
    await registrations.change(session, registration.id, a_change_form(wants_news="1"), now=NOW)

    assert (asked, ended, await subscribed(session)) == (["a@example.org"], [], ["a@example.org"])


async def test_who_ended_it_is_not_subscribed_again_by_giving_up_and_coming_back(session: AsyncSession) -> None:
    registration = await a_confirmed_registration(session, await a_forum(session), "a@example.org", wants_news=True)

    await subscriptions.unsubscribe(session, registration.email, registration.email_key)
    await session.refresh(registration)
    await registrations.give_up(session, registration.id, now=NOW)
    await registrations.confirm(session, registration.id, "jeton", now=NOW)

    assert await subscribed(session) == []


async def test_an_announcement_not_sent_yet_does_not_go_after_the_end(session: AsyncSession) -> None:
    await subscriptions.subscribe(session, "a@example.org", key("a"), "fr", now=NOW)
    await subscriptions.announce(session, await a_forum(session), now=NOW)

    await subscriptions.unsubscribe(session, "a@example.org", key("a"))

    message = (await session.exec(select(OutboxMessage))).one()
    assert (message.status, message.facts["token"]) == ("dropped", "…")


async def announcement(session: AsyncSession, settings: Settings) -> EmailMessage:
    await subscriptions.subscribe(session, "a@example.org", key("a"), "fr", now=NOW)
    await subscriptions.announce(session, await a_forum(session), now=NOW)
    row = (await session.exec(select(OutboxMessage).where(OutboxMessage.kind == "announced"))).one()
    return message_from_bytes(emails.compose(row, settings), policy=default)  # type: ignore[return-value]


async def test_an_announcement_alone_carries_what_ends_it_in_one_click(session: AsyncSession, settings: Settings) -> None:
    message = await announcement(session, settings)
    address = str(message["List-Unsubscribe"]).strip("<>")

    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert address.startswith("https://forums.example.fr/abonnements/")
    assert message["List-Id"] == "<annonces.forums.example.fr>"
    assert b"List-Unsubscribe: <https" in message.as_bytes(policy=emails._POLICY)


@pytest.fixture
async def link(site: Site) -> str:
    """The address a mail program posts to, as a path."""
    async with site.database.transaction() as session:
        await subscriptions.subscribe(session, "a@example.org", key("a"), "fr", now=NOW)
        await subscriptions.announce(session, await a_forum(session), now=NOW)
        row = (await session.exec(select(OutboxMessage).where(OutboxMessage.kind == "announced"))).one()
        return f"/abonnements/{row.facts['token']}"


async def test_a_mail_program_ends_it_without_cookie_origin_nor_page(site: Site, link: str) -> None:
    read = await site.get(link)
    after_reading = await site.count(Subscription)

    ended = await site.client.post(f"{link}/fin", data={"List-Unsubscribe": "One-Click"})

    assert (read.status_code, after_reading) == (200, 1)
    assert (ended.status_code, await site.count(Subscription)) == (303, 0)
    assert "Vous ne recevez plus les annonces" in (await site.get(link)).text


async def test_the_button_of_the_page_does_the_same_and_again_it_changes_nothing(site: Site, link: str) -> None:
    assert "Ne plus recevoir les annonces" in (await site.get(link)).text

    answers = [(await site.post(f"{link}/fin")).status_code for _ in range(2)]

    assert (answers, await site.count(Subscription)) == ([303, 303], 0)


async def test_a_mail_program_that_only_opens_the_address_gets_the_page_with_the_button(site: Site, link: str) -> None:
    opened = await site.get(f"{link}/fin")

    assert (opened.status_code, await site.count(Subscription)) == (200, 1)
    assert "Ne plus recevoir les annonces" in opened.text
