"""Support: one per person, counted once confirmed from their mailbox, told to nobody, withdrawn by the same link."""

import asyncio
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import minutes, privacy, questions
from forums.database import Database
from forums.minutes import OutcomeForm
from forums.models import Question, SecretLink, Support
from forums.questions import SupportForm
from forums.refusals import Refusal
from tests.factories import NOW, SECRET_KEY, a_forum, a_question, a_registration, an_entry_form, promised, some_minutes
from tests.site import Site, links_in, running


def a_support_form(email: str = "camille@example.org", **typed: str) -> SupportForm:
    return SupportForm.model_validate({"email": email, "wants_news": "", "site_web": ""} | typed)


async def support(session: AsyncSession, question: Question, form: SupportForm | None = None, now: Any = NOW) -> None:
    await questions.support(session, question, form or a_support_form(), language="fr", secret_key=SECRET_KEY, now=now)


async def a_support(session: AsyncSession, question: Question, email: str = "camille@example.org", now: Any = NOW, **typed: str) -> str:
    """A confirmed support. Returns the token of its link."""
    await support(session, question, a_support_form(email, **typed), now)
    token = [message for message in await promised(session, "confirm_support") if message.recipient.lower() == email.lower()][-1].facts[
        "token"
    ]
    await questions.confirm_support(session, token, now=now)
    return str(token)


async def rows(session: AsyncSession) -> list[Support]:
    await session.flush()
    query = select(Support).order_by(col(Support.created_at), col(Support.email_key)).execution_options(populate_existing=True)
    return list((await session.exec(query)).all())


async def count(session: AsyncSession, question: Question) -> int:
    return (await questions.support_counts(session, [question]))[question.id]


async def test_a_support_counts_only_once_its_button_was_pressed(session: AsyncSession) -> None:
    question = await a_question(session)
    await support(session, question)
    token = (await promised(session, "confirm_support"))[0].facts["token"]
    counts = [await count(session, question)]

    await questions.support_of_link(session, token, now=NOW)
    counts.append(await count(session, question))
    for _ in range(2):
        await questions.confirm_support(session, token, now=NOW)
        counts.append(await count(session, question))

    assert counts == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "again",
    ["Camille@Example.ORG", "CAMILLE@EXAMPLE.ORG", "camille+un@example.org", "Camille+2@example.org"],
)
async def test_the_same_mailbox_written_otherwise_never_counts_twice(session: AsyncSession, again: str) -> None:
    question = await a_question(session)
    await a_support(session, question)

    await support(session, question, a_support_form(again), NOW + timedelta(hours=1))

    assert (len(await rows(session)), await count(session, question)) == (1, 1)


async def test_an_accented_domain_and_its_ascii_form_are_one(session: AsyncSession) -> None:
    question = await a_question(session)

    for email in ("camille@société.example.fr", "Camille@SOCIÉTÉ.example.fr", "camille@xn--socit-esab.example.fr"):
        await support(session, question, a_support_form(email))

    assert len(await rows(session)) == 1


async def test_a_hundred_spellings_at_once_make_one_row_and_one_message(database: Database) -> None:
    async with database.transaction() as session:
        question = await a_question(session)
    spellings = ["".join(c.upper() if number >> at & 1 else c for at, c in enumerate("camille")) for number in range(50)]
    spellings += [f"camille+{number}" for number in range(50)]

    async def post(name: str) -> None:
        async with database.transaction() as session:
            await support(session, question, a_support_form(f"{name}@example.org"))

    for start in range(0, 100, 10):
        await asyncio.gather(*(post(name) for name in spellings[start : start + 10]))

    async with database.reading() as session:
        assert (len(await rows(session)), len(await promised(session))) == (1, 1)


async def test_those_who_confirm_withdraw_and_erase_at_the_same_instant_never_wait_in_a_circle(database: Database) -> None:
    async with database.transaction() as session:
        question = await a_question(session)
        person = await a_registration(session, await a_forum(session), email="erased@example.org")
        tokens = [await a_support(session, question, f"{name}@example.org") for name in ("camille", "erased")]
        for number in range(4):
            await support(session, question, a_support_form(f"p{number}@example.org"))
        tokens += [each.facts["token"] for each in (await promised(session, "confirm_support"))[-4:]]

    async def once(press: Any, *what: Any) -> None:
        async with database.transaction() as session:
            await press(session, *what, now=NOW)

    for _ in range(5):
        clicks = [once(press, token) for token in tokens for press in (questions.confirm_support, questions.withdraw_support)]
        await asyncio.gather(*clicks, *(once(questions.confirm_support, token) for token in tokens))
    await asyncio.gather(*(once(questions.confirm_support, token) for token in tokens), once(privacy.erase, person))

    async with database.reading() as session:
        assert await count(session, question) == 5


async def test_whoever_asked_the_question_does_not_support_it(session: AsyncSession) -> None:
    question = await a_question(session)

    await support(session, question, a_support_form("Dominique@example.org"))

    assert (await rows(session), await promised(session)) == ([], [])


async def test_a_robot_leaves_nothing_and_nobody_is_written_to_ten_times_a_day(session: AsyncSession) -> None:
    asked = [await a_question(session, text=f"Question {number} ?") for number in range(12)]
    await support(session, asked[0], a_support_form(site_web="https://pilules.example"))
    before = await rows(session)

    for question in asked:
        await support(session, question)

    assert (before, len(await promised(session, "confirm_support"))) == ([], 10)


@pytest.mark.parametrize("news", ["", "1"])
async def test_the_address_is_forgotten_once_confirmed_unless_news_were_asked_for(session: AsyncSession, news: str) -> None:
    question = await a_question(session)

    await a_support(session, question, wants_news=news)

    assert [row.email for row in await rows(session)] == ["camille@example.org" if news else None]


async def test_a_stranger_who_types_an_address_again_changes_nothing_and_its_owner_is_told(session: AsyncSession) -> None:
    question = await a_question(session)
    await a_support(session, question)

    await support(session, question, a_support_form(wants_news="1"), NOW + timedelta(hours=1))

    row = (await rows(session))[0]
    assert (row.email, row.wants_news, await count(session, question)) == (None, False, 1)
    assert sorted(message.facts["counted"] for message in await promised(session, "confirm_support")) == [False, True]


async def test_the_same_link_withdraws_a_support_twice_over_and_may_confirm_it_again(session: AsyncSession) -> None:
    question = await a_question(session)
    token = await a_support(session, question, wants_news="1")
    counts = []

    for deed in (questions.withdraw_support, questions.withdraw_support, questions.confirm_support):
        await deed(session, token, now=NOW)
        counts.append(await count(session, question))

    assert (counts, [row.email for row in await rows(session)]) == ([0, 0, 1], [None])


async def test_a_support_not_confirmed_within_a_week_cannot_be_any_more_and_goes_with_the_purge(session: AsyncSession) -> None:
    question = await a_question(session)
    await support(session, question)
    token = (await promised(session))[0].facts["token"]
    late = NOW + timedelta(days=7, seconds=1)

    found = await questions.confirm_support(session, token, now=late)
    purged = await privacy.purge(session, retention_days=90, now=late)

    assert (found, purged.unconfirmed_supports, await rows(session)) == (None, 1, [])


@pytest.mark.parametrize("status", ["pending", "unpublished", "declined"])
async def test_only_a_published_question_is_supported(session: AsyncSession, status: str) -> None:
    question = await a_question(session, status=status, decline_reason="Hors sujet.")

    with pytest.raises(Refusal):
        await support(session, question)

    assert await rows(session) == []


async def test_the_most_supported_come_first_when_asked_for(session: AsyncSession) -> None:
    few, many = [await a_question(session, text=text, decided_at=NOW) for text in ("peu", "beaucoup")]
    newest = await a_question(session, text="la dernière", decided_at=NOW + timedelta(days=1))
    for question, people in ((few, 1), (many, 2)):
        for number in range(people):
            await a_support(session, question, f"p{number}@example.org")
    await support(session, newest)

    found, total = await questions.published(session, by_support=True)

    assert ([question.text for question in found], total) == (["beaucoup", "peu", "la dernière"], 3)
    assert (await questions.published(session))[0][0] == newest


async def test_who_asked_to_be_told_is_told_once_when_minutes_answer_and_the_message_withdraws(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    await a_support(session, question, "avec@example.org", wants_news="1")
    await a_support(session, question, "sans@example.org")
    await support(session, question, a_support_form("jamais@example.org", wants_news="1"))
    written = await some_minutes(session, forum)
    entry = await minutes.write(session, written, an_entry_form(), None, [], [question], now=NOW)

    await minutes.publish(session, written, now=NOW)
    await session.flush()
    links = select(func.count()).where(col(SecretLink.purpose) == "support")
    made = (await session.exec(links)).one()
    await minutes.amend(session, written, entry, an_entry_form(text="Corrigé."), None, [], [question], now=NOW)

    messages = await promised(session, "support_answered")
    assert [message.recipient for message in messages] == ["avec@example.org"]
    assert (await session.exec(links)).one() == made  # an amendment makes no link for a message that is not written again
    assert messages[0].facts["where"] == f"/forums/{forum.slug}/compte-rendu#p-1"
    await questions.withdraw_support(session, messages[0].facts["token"], now=NOW)
    assert await questions.supporters_to_tell(session, question) == []


async def test_who_supports_a_question_is_told_again_only_when_what_came_of_it_changes(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    await a_support(session, question, "avec@example.org", wants_news="1")
    written = await some_minutes(session, forum)
    deferred = {question.code: OutcomeForm.model_validate({"outcome": "deferred", "deferred_to": "2027-06-30"})}
    entry = await minutes.write(session, written, an_entry_form(), None, [], [question], outcomes=deferred, now=NOW)
    await minutes.publish(session, written, now=NOW)

    await minutes.amend(session, written, entry, an_entry_form("Reformulé."), None, [], [question], outcomes=deferred, now=NOW)
    await minutes.amend(session, written, entry, an_entry_form("Répondu."), None, [], [question], now=NOW)

    assert sorted(each.facts["changed"] for each in await promised(session, "support_answered")) == [False, True]


async def test_a_persons_supports_are_shown_and_erased_with_all_that_is_theirs(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    camille = await a_registration(session, forum)
    await a_support(session, question)
    await a_support(session, question, "autre@example.org")

    held = await privacy.held_on(session, camille)
    await privacy.erase(session, camille, now=NOW)

    assert [each["question"] for each in held["soutiens"]] == [f"/questions/{question.code}"]
    assert await count(session, question) == 1


async def test_an_address_kept_for_news_goes_with_the_purge_of_the_forum_and_the_count_stays(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    await a_support(session, question, wants_news="1")

    early, due = [await privacy.purge(session, retention_days=90, now=NOW + timedelta(days=days)) for days in (119, 121)]

    assert (early.addresses_of_supporters, due.addresses_of_supporters) == (0, 1)
    assert ([row.email for row in await rows(session)], await count(session, question)) == ([None], 1)


# -- Pages ------------------------------------------------------------------------------------------------


async def test_a_visitor_supports_a_question_reads_that_it_counts_and_withdraws(site: Site) -> None:
    code = (await site.examples())["code"]
    path = f"/questions/{code}/soutenir"
    page = await site.get(path)

    sent = await site.post(path, email="camille@example.org")
    link = next(each for each in links_in((await site.mailed("camille@example.org"))[0]) if "/soutiens/" in each)
    seen = await site.get(link)
    unchanged = await site.get(f"/questions/{code}")
    confirmed = await site.post(f"{link}/confirmer")
    counted = await site.get(f"/questions/{code}")
    again = await site.post(f"{link}/confirmer")
    withdrawn = await site.post(f"{link}/retirer")
    after = await site.get(link)

    assert (page.status_code, sent.status_code, sent.headers["location"]) == (200, 303, f"{path}/envoye")
    assert (await site.get(f"{path}/envoye")).status_code == 200
    assert "Confirmer mon soutien" in seen.text
    assert seen.headers["cache-control"] == "private, no-store"
    assert "Une personne soutient" not in unchanged.text
    assert [confirmed.status_code, again.status_code, withdrawn.status_code] == [303] * 3
    assert "Une personne soutient cette question." in counted.text
    assert "n'est pas compté" in re.sub("&#39;", "'", after.text)


async def test_an_address_that_is_not_one_comes_back_with_what_was_typed(site: Site) -> None:
    code = (await site.examples())["code"]

    answer = await site.post(f"/questions/{code}/soutenir", email="camille@", wants_news="1")

    assert answer.status_code == 422
    assert 'value="camille@"' in answer.text
    assert "checked" in answer.text


async def test_what_is_not_public_cannot_be_supported_and_an_invented_link_does_nothing(site: Site) -> None:
    values = await site.examples()

    answers = [await site.post(f"/questions/{code}/soutenir", email="c@example.org") for code in (values["pending"], "zzzzzzzz")]
    invented = [await site.post(f"/questions/soutiens/{'j' * 43}/{deed}") for deed in ("confirmer", "retirer")]

    assert [each.status_code for each in (*answers, *invented)] == [404] * 4
    assert await site.count(Support) == 0


async def test_known_unknown_and_own_addresses_get_the_same_page(site: Site) -> None:
    code = (await site.examples())["code"]
    path = f"/questions/{code}/soutenir"

    answers = [await site.post(path, email=email) for email in ("a@example.org", "A@example.org", "b@example.org")]

    assert {(each.status_code, each.headers["location"]) for each in answers} == {(303, f"{path}/envoye")}


async def test_one_connection_cannot_stuff_supports(site: Site, still_clock: datetime) -> None:
    code = (await site.examples())["code"]
    async with running(replace(site.settings, client_limit=3)) as limited:
        answers = [await limited.post(f"/questions/{code}/soutenir", email=f"p{number}@example.org") for number in range(5)]

    assert [each.status_code for each in answers] == [303] * 3 + [429] * 2
    assert 'value="p4@example.org"' in answers[4].text
    assert await site.count(Support) == 3
