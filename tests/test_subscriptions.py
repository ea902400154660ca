"""Following by mail: only what was confirmed, told once, ended in one click."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from itertools import pairwise

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, privacy, registrations, schedule, secret_links, subscriptions
from forums.database import Database
from forums.models import Commitment, ForumCommitment, OutboxMessage, Subscription, SubscriptionScope
from forums.refusals import Refusal
from forums.settings import Settings
from forums.subscriptions import FollowForm, telling
from tests.factories import (
    NOW,
    SECRET_KEY,
    a_change_form,
    a_commitment,
    a_confirmed_registration,
    a_forum,
    a_plan,
    a_question,
    a_registration_form,
    promised,
    told,
)
from tests.site import Site, links_in


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
    return secret_links.person_key(SECRET_KEY, f"{name}@example.org")


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


async def test_unticking_the_box_ends_the_announcements_and_nothing_else(session: AsyncSession) -> None:
    registration = await a_confirmed_registration(session, await a_forum(session), "a@example.org", wants_news=True)
    await follow(session, "a@example.org", "tout")

    await registrations.change(session, registration.id, a_change_form(wants_news=""), now=NOW)

    assert await scopes(session) == {"a@example.org": {"tout"}}


# -- Asked for, confirmed ---------------------------------------------------------------------------------------


def a_follow_form(email: str = "a@example.org", scope: str = "tout", rhythm: str = "immediate", site_web: str = "") -> FollowForm:
    return FollowForm(email=email, scope=scope, rhythm=rhythm, site_web=site_web)


async def ask(session: AsyncSession, email: str = "a@example.org", *, now: datetime = NOW, **typed: str) -> None:
    await subscriptions.ask(session, a_follow_form(email, **typed), language="fr", secret_key=SECRET_KEY, now=now)


async def follow(session: AsyncSession, email: str, *wanted: str, rhythm: str = "immediate", now: datetime = NOW) -> Subscription:
    """Somebody who follows these, confirmed."""
    for scope in wanted:
        await ask(session, email, scope=scope, rhythm=rhythm, now=now)
    subscription = await subscriptions.subscription_of(session, secret_links.person_key(SECRET_KEY, email))
    assert subscription is not None
    await subscriptions.confirm(session, subscription, wanted, now=now)
    await session.refresh(subscription)
    return subscription


async def scopes(session: AsyncSession, *, confirmed: bool = True) -> dict[str, set[str]]:
    query = select(Subscription.email, SubscriptionScope.scope).join(SubscriptionScope)
    moment = col(SubscriptionScope.confirmed_at)
    found: dict[str, set[str]] = {}
    for email, scope in (await session.exec(query.where(moment.is_not(None) if confirmed else moment.is_(None)))).all():
        found.setdefault(email, set()).add(scope)
    return found


async def test_nothing_is_followed_before_it_is_confirmed_and_only_what_was_shown_is(session: AsyncSession) -> None:
    plan = await a_plan(session)
    await a_commitment(session, plan, 2)
    await ask(session, scope="plans/2018-2020/engagements/2")
    await ask(session, scope="tout")
    asked = await scopes(session)
    subscription = await subscriptions.subscription_of(session, key("a"))
    assert subscription is not None

    await subscriptions.confirm(session, subscription, ["tout", "institutions/jamais-demandee"], now=NOW)

    assert (asked, await scopes(session)) == ({}, {"a@example.org": {"tout"}})
    assert await scopes(session, confirmed=False) == {"a@example.org": {"plans/2018-2020/engagements/2"}}


async def test_a_robot_and_a_scope_that_does_not_exist_write_nothing(session: AsyncSession) -> None:
    await ask(session, site_web="https://spam.example")
    with pytest.raises(Refusal):
        await ask(session, scope="plans/2018-2020/engagements/99")

    assert await subscribed(session) == []
    assert await promised(session) == []


async def test_an_address_typed_again_and_again_gets_one_message_a_quarter_of_an_hour_and_ten_a_day(session: AsyncSession) -> None:
    for minutes in range(0, 24 * 60 - 15, 5):
        await ask(session, now=NOW.replace(hour=0) + timedelta(minutes=minutes))

    moments = sorted(message.created_at for message in await promised(session, "confirm_subscription"))
    assert len(moments) == 10
    assert all(after - before >= timedelta(minutes=15) for before, after in pairwise(moments))


async def test_a_stranger_changes_nothing_of_what_was_confirmed(session: AsyncSession) -> None:
    await follow(session, "a@example.org", "annonces")

    await ask(session, scope="tout", rhythm="weekly", now=NOW + timedelta(hours=1))

    subscription = await subscriptions.subscription_of(session, key("a"))
    assert subscription is not None
    assert (subscription.rhythm, await scopes(session)) == ("immediate", {"a@example.org": {"annonces"}})


async def test_a_lost_link_is_mailed_again_to_who_follows_something_and_to_nobody_else(session: AsyncSession) -> None:
    await follow(session, "a@example.org", "tout")
    for email in ("a@example.org", "b@example.org"):
        form = subscriptions.LinkForm(email=email, site_web="")
        await subscriptions.ask_for_link(session, form, secret_key=SECRET_KEY, now=NOW + timedelta(hours=1))

    assert await told(session, "confirm_subscription") == ["a@example.org"] * 2


async def test_what_nobody_confirmed_goes_after_a_week_and_the_address_with_it(session: AsyncSession) -> None:
    await follow(session, "a@example.org", "tout")
    await ask(session, scope="annonces", now=NOW + timedelta(hours=1))
    await ask(session, "b@example.org")

    for days in (6, 8):
        await privacy.purge(session, retention_days=90, now=NOW + timedelta(days=days))
        if days == 6:
            before = await subscribed(session)

    assert (before, await subscribed(session)) == (["a@example.org", "b@example.org"], ["a@example.org"])
    assert (await scopes(session), await scopes(session, confirmed=False)) == ({"a@example.org": {"tout"}}, {})


# -- Told at once -------------------------------------------------------------------------------------------------


@dataclass
class Followers:
    """A database where people follow things, and what they were told of."""

    database: Database

    async def follow(self, email: str, *wanted: str, rhythm: str = "immediate", now: datetime = NOW) -> None:
        async with self.database.transaction() as session:
            await follow(session, email, *wanted, rhythm=rhythm, now=now)

    async def turn(self, now: datetime) -> None:
        await subscriptions.tell_news(self.database, now=now)

    async def told(self) -> list[tuple[str, str, list[str]]]:
        """Who was told what: the kind of message, and the sentences or the forum in it."""
        async with self.database.reading() as session:
            query = select(OutboxMessage).where(col(OutboxMessage.kind).in_(("announced", "news", "digest")))
            rows = (await session.exec(query.order_by(col(OutboxMessage.created_at), col(OutboxMessage.recipient)))).all()
        return [(row.recipient, row.kind, [item["text"] for item in row.facts.get("items", [])]) for row in rows]


@pytest.fixture
async def followers(database: Database) -> Followers:
    """A plan with two commitments, and a clock that has begun to turn."""
    async with database.transaction() as session:
        plan = await a_plan(session)
        for number in (1, 2):
            await a_commitment(session, plan, number)
    found = Followers(database)
    await found.turn(NOW)
    return found


async def publish(database: Database, text: str, at: datetime, commitment: int = 1) -> None:
    async with database.transaction() as session:
        query = select(Commitment).where(Commitment.number == commitment)
        about = (await session.exec(query)).one()
        await a_question(session, None, about, f"{text}@example.net".replace(" ", ""), text=text, decided_at=at)


async def test_each_is_told_once_of_what_they_follow_and_of_nothing_that_happened_before(followers: Followers) -> None:
    await publish(followers.database, "Ancienne ?", NOW - timedelta(hours=1))
    await followers.follow("tout@example.org", "tout")
    await followers.follow("deux@example.org", "plans/2018-2020/engagements/2")
    await followers.follow("semaine@example.org", "tout", rhythm="weekly")
    await publish(followers.database, "Un ?", NOW + timedelta(minutes=1), 1)
    await publish(followers.database, "Deux ?", NOW + timedelta(minutes=2), 2)

    for minutes in (10, 10, 20, 30):
        await followers.turn(NOW + timedelta(minutes=minutes))

    assert await followers.told() == [("deux@example.org", "news", ["Deux ?"]), ("tout@example.org", "news", ["Un ?", "Deux ?"])]


async def test_what_is_written_late_with_an_earlier_date_is_told_all_the_same(followers: Followers) -> None:
    await followers.follow("tout@example.org", "tout")
    await followers.turn(NOW + timedelta(hours=3))
    await publish(followers.database, "En retard ?", NOW + timedelta(hours=1))

    await followers.turn(NOW + timedelta(hours=4))

    assert await followers.told() == [("tout@example.org", "news", ["En retard ?"])]


async def test_a_turn_cut_short_is_taken_up_again_and_tells_nobody_twice(followers: Followers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "AT_ONCE", 2)
    for name in "abcde":
        await followers.follow(f"{name}@example.org", "tout")
    await publish(followers.database, "Avant ?", NOW + timedelta(minutes=1))
    async with followers.database.transaction() as session:
        turn = await telling.begin(session, now=NOW + timedelta(minutes=10))
    async with followers.database.transaction() as session:
        await telling.tell_some(session, turn, None, now=NOW)
    told_before = len(await followers.told())
    await publish(followers.database, "Pendant ?", NOW + timedelta(minutes=11))

    for minutes in (20, 30, 40):
        await followers.turn(NOW + timedelta(minutes=minutes))

    told_now = await followers.told()
    assert told_before == 2
    assert sorted((email, texts) for email, _, texts in told_now) == sorted(
        (f"{name}@example.org", [text]) for name in "abcde" for text in ("Avant ?", "Pendant ?")
    )


async def test_a_forum_is_announced_once_to_who_follows_announcements_or_everything_or_its_commitment(followers: Followers) -> None:
    await followers.follow("annonces@example.org", "annonces")
    await followers.follow("les-deux@example.org", "annonces", "tout")
    await followers.follow("engagement@example.org", "plans/2018-2020/engagements/1")
    await followers.follow("autre@example.org", "plans/2018-2020/engagements/2")
    async with followers.database.transaction() as session:
        about = (await session.exec(select(Commitment).where(Commitment.number == 1))).one()
        forum = await a_forum(session, status="draft", announced_at=None, now=NOW)
        session.add(ForumCommitment(forum_id=forum.id, commitment_id=about.id))
        await schedule.announce(session, forum, now=NOW + timedelta(minutes=1))

    for minutes in (10, 20):
        await followers.turn(NOW + timedelta(minutes=minutes))

    assert sorted((email, kind) for email, kind, _ in await followers.told()) == [
        ("annonces@example.org", "announced"), ("engagement@example.org", "news"), ("les-deux@example.org", "announced"),
    ]  # fmt: skip


async def test_a_forum_cancelled_before_the_clock_turned_is_not_announced_as_one_to_come(followers: Followers) -> None:
    await followers.follow("annonces@example.org", "annonces")
    async with followers.database.transaction() as session:
        await a_forum(session, announced_at=NOW + timedelta(minutes=1), status="cancelled", cancelled_at=NOW + timedelta(minutes=2))

    await followers.turn(NOW + timedelta(minutes=10))

    assert await followers.told() == []


# -- Told once a week -----------------------------------------------------------------------------------------------

# Monday 8 February 2027, in Paris; NOW is the Monday before.
MONDAY = datetime(2027, 2, 8, 6, 0, tzinfo=UTC)


async def test_the_week_is_told_on_monday_morning_in_paris_once_and_not_when_nothing_happened(followers: Followers) -> None:
    await followers.follow("un@example.org", "plans/2018-2020/engagements/1", rhythm="weekly")
    await followers.follow("deux@example.org", "plans/2018-2020/engagements/2", rhythm="weekly")
    await publish(followers.database, "Mardi ?", NOW + timedelta(days=1))
    await publish(followers.database, "Lundi ?", MONDAY - timedelta(hours=1))

    seen = []
    for moment in (MONDAY - timedelta(minutes=1), MONDAY, MONDAY + timedelta(minutes=10), MONDAY + timedelta(days=7)):
        await subscriptions.send_digests(followers.database, now=moment)
        seen.append([(email, texts) for email, _, texts in await followers.told()])

    first, second = ("un@example.org", ["Mardi ?"]), ("un@example.org", ["Lundi ?"])
    assert seen == [[], [first], [first], [first, second]]


async def test_changing_the_rhythm_loses_nothing_and_tells_nothing_twice(followers: Followers) -> None:
    await followers.follow("a@example.org", "tout", rhythm="weekly")
    await publish(followers.database, "Mardi ?", NOW + timedelta(days=1))
    await followers.turn(NOW + timedelta(days=1, hours=1))
    await publish(followers.database, "Mercredi ?", NOW + timedelta(days=2))
    for rhythm, day in (("immediate", 2), ("weekly", 4)):
        if rhythm == "weekly":
            await publish(followers.database, "Jeudi ?", NOW + timedelta(days=3))
            await followers.turn(NOW + timedelta(days=3, hours=1))
            await publish(followers.database, "Vendredi ?", NOW + timedelta(days=4))
        async with followers.database.transaction() as session:
            subscription = await subscriptions.subscription_of(session, key("a"))
            assert subscription is not None
            form = subscriptions.RhythmForm(rhythm=rhythm)
            await subscriptions.keep_rhythm(session, subscription, form, now=NOW + timedelta(days=day, minutes=5))
        await followers.turn(NOW + timedelta(days=day, hours=1))

    await subscriptions.send_digests(followers.database, now=MONDAY)

    texts = [text for _, _, texts in await followers.told() for text in texts]
    assert sorted(texts) == ["Jeudi ?", "Mardi ?", "Mercredi ?", "Vendredi ?"]


# -- Ended ----------------------------------------------------------------------------------------------------------


async def news_message(session: AsyncSession, *wanted: str) -> OutboxMessage:
    """A message about a question, to who follows these."""
    subscription = await follow(session, "a@example.org", *wanted)
    facts = {"sentence": "Question publiée", "figures": {}, "text": "Quand ?", "address": "/questions/abcd2345", "moment": NOW.isoformat()}
    token, link = secret_links.link_for(subscription, now=NOW)
    session.add(link)
    message = emails.news(subscription, [facts], wanted[:1], token, NOW)
    await outbox.enqueue_once(session, [message], now=NOW)
    return (await session.exec(select(OutboxMessage).where(OutboxMessage.kind == "news"))).one()


async def test_a_message_not_sent_yet_does_not_go_after_the_end(session: AsyncSession) -> None:
    await news_message(session, "tout")

    await subscriptions.unsubscribe(session, "a@example.org", key("a"))

    message = (await session.exec(select(OutboxMessage).where(OutboxMessage.kind == "news"))).one()
    assert (message.status, message.facts["token"]) == ("dropped", "…")
    assert await subscribed(session) == []


async def test_a_message_carries_what_ends_in_one_click_what_it_was_sent_for(session: AsyncSession, settings: Settings) -> None:
    row = await news_message(session, "annonces", "tout")
    sent = emails.compose(row, settings)
    message = message_from_bytes(sent, policy=default)
    address = str(message["List-Unsubscribe"]).strip("<>")

    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert address == f"https://forums.example.fr/abonnements/{row.facts['token']}/fin?suivi=annonces"
    assert message["List-Id"] == "<nouvelles.forums.example.fr>"
    assert b"\r\nList-Unsubscribe: <https" in sent  # on its first line: some mail programs look no further
    assert "Question publiée – Quand ?" in message.get_body(("plain",)).get_content()  # type: ignore[attr-defined]


@pytest.fixture
async def link(site: Site) -> str:
    """The address behind a message to who follows the announcements and everything, as a path."""
    async with site.database.transaction() as session:
        return f"/abonnements/{(await news_message(session, 'annonces', 'tout')).facts['token']}"


async def test_a_mail_program_ends_it_without_cookie_origin_nor_page(site: Site, link: str) -> None:
    read = await site.get(f"{link}/fin?suivi=annonces")
    after_reading = await site.count(SubscriptionScope)

    ended = await site.client.post(f"{link}/fin?suivi=annonces", data={"List-Unsubscribe": "One-Click"})
    left = await site.count(SubscriptionScope)
    everything = await site.client.post(f"{link}/fin", data={"List-Unsubscribe": "One-Click"})

    assert (read.status_code, after_reading) == (200, 2)
    assert (ended.status_code, left) == (200, 1)
    assert (everything.status_code, await site.count(Subscription)) == (200, 0)
    assert "Vous ne recevez plus de messages" in (await site.get(link)).text


async def test_the_button_of_the_page_does_the_same_and_again_it_changes_nothing(site: Site, link: str) -> None:
    assert "Ne plus rien recevoir" in (await site.get(f"{link}/fin")).text

    answers = [(await site.post(f"{link}/fin")).status_code for _ in range(2)]

    assert (answers, await site.count(Subscription)) == ([303, 303], 0)


# -- The pages ------------------------------------------------------------------------------------------------------


async def test_from_a_link_on_a_page_to_what_is_followed_and_changed(site: Site) -> None:
    page = (await site.get("/engagements/2")).text
    follow_it = "/abonnements?suivre=plans/2018-2020/engagements/2"
    assert f'href="{follow_it}#courriel"' in page
    assert '<option value="plans/2018-2020/engagements/2" selected>' in (await site.get(follow_it)).text

    asked = await site.post("/abonnements", email="a@example.org", scope="plans/2018-2020/engagements/2", rhythm="weekly")
    mine = next(path for path in links_in((await site.mailed("a@example.org"))[0]) if "/abonnements/" in path)
    shown = (await site.get(mine)).text
    confirmed = await site.post(f"{mine}/confirmer", scope="plans/2018-2020/engagements/2")
    await site.post(f"{mine}/suivre", scope="tout")
    await site.post(f"{mine}/rythme", rhythm="immediate")
    wrong = await site.post(f"{mine}/suivre", scope="plans/2018-2020/engagements/999")

    assert (asked.status_code, asked.headers["location"]) == (303, "/abonnements/envoye")
    assert "Confirmez ce que vous voulez suivre" in shown
    assert confirmed.headers["location"] == f"{mine}?fait=abonnement-confirme"
    assert wrong.status_code == 422
    kept = (await site.get(mine)).text
    assert kept.count("Ne plus suivre") == 2
    assert "Un message dès qu" in kept


async def test_the_feeds_of_an_axis_are_offered_at_addresses_that_keep_their_meaning_with_the_next_plan(site: Site) -> None:
    page = (await site.get("/abonnements")).text
    offered = set(re.findall(r'href="([^"]*/axes/1\.(?:ics|atom)[^"]*)"', page))

    assert offered >= {f"/plans/2018-2020/axes/1.{each}" for each in ("ics", "ics?echeances=1", "atom")}
    assert not [each for each in offered if "/plans/" not in each]
    assert {(await site.get(each)).status_code for each in offered if each.startswith("/")} == {200}


async def test_a_known_address_gets_the_same_answer_as_an_unknown_one(site: Site) -> None:
    answers = [
        (answer.status_code, answer.headers["location"])
        for path in ("/abonnements", "/abonnements/lien")
        for email in ("a@example.org", "a@example.org", "b@example.org")
        for answer in [await site.post(path, email=email, scope="tout", rhythm="weekly")]
    ]

    assert answers == [(303, "/abonnements/envoye")] * 3 + [(303, "/abonnements/lien/envoye")] * 3


async def test_what_was_typed_wrongly_comes_back_with_its_sentence(site: Site) -> None:
    wrong = await site.post("/abonnements", email="pas une adresse", scope="plans/x/engagements/1", rhythm="parfois")

    assert wrong.status_code == 422
    assert 'value="pas une adresse"' in wrong.text
    assert "Choisissez quand vous voulez être prévenu." in wrong.text
    unknown = await site.post("/abonnements", email="a@example.org", scope="plans/x/engagements/1", rhythm="weekly")
    assert (unknown.status_code, "Choisissez ce que vous voulez suivre dans la liste." in unknown.text) == (422, True)


async def test_the_page_of_the_link_is_its_holders_alone(site: Site, link: str) -> None:
    page = await site.get(link)

    assert "a@example.org" in page.text
    assert page.headers["cache-control"] == "private, no-store"
    assert '<meta name="robots" content="noindex">' in page.text
