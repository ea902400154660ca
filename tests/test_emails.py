"""Every message composes; it goes to one person; and nothing people type adds a header, a recipient or a link."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, default
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
import zxingcpp
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

import forums.settings
from forums import calendar_feed, emails, schedule
from forums.emails import Message
from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaVersion,
    Answer,
    Comment,
    Commitment,
    FollowUp,
    Forum,
    Indicator,
    Institution,
    Member,
    MinutesEntry,
    OutboxMessage,
    Question,
    Registration,
    Subscription,
    Support,
)
from forums.questions import DeclineForm
from tests.factories import NOW, SECRET_KEY, a_forum_form, a_question_form, a_registration_form

SETTINGS = forums.settings.read(
    {
        "DATABASE_URL": "sqlite:////nowhere/forums.db",
        "SECRET_KEY": SECRET_KEY,
        "PUBLIC_URL": "https://forums.example.fr",
        "MAIL_FROM": "Forums Open d'État <forums@example.fr>",
    }
)
TOKEN = "jeton-secret"
RECIPIENT = "camille@example.org"


def the_forum(**facts: Any) -> Forum:
    day = (NOW + timedelta(days=30)).date()
    hours = {name: schedule.at(day, time(hour, 30)) for name, hour in (("starts_at", 18), ("ends_at", 20))}
    given = {"slug": "2027-1", "number": 1, "status": "announced", "theme": "La commande publique", "place": "Superpublic", "day": day}
    return Forum(**hours | given | {"changed_at": NOW, "created_at": NOW} | facts)


def the_registration(**facts: Any) -> Registration:
    return Registration(
        **{"email": RECIPIENT, "given_name": "Camille", "family_name": "Martin", "status": "registered", "entry_code": "abcd2345"} | facts
    )


def the_question(**facts: Any) -> Question:
    return Question(**{"email": RECIPIENT, "code": "abcdefgh", "text": "Quand ?", "decline_reason": "Hors sujet."} | facts)


def the_item(forum: Forum) -> AgendaItem:
    """Its title is what an organiser typed, like the forum's own theme."""
    return AgendaItem(title=forum.theme or "Où en est-on ?", number=2, position=2)


def the_version(forum: Forum) -> AgendaVersion:
    """Its comment is typed too."""
    return AgendaVersion(number=2, comment=forum.description or "Un atelier de plus.", published_at=NOW)


def the_changes(forum: Forum) -> list[dict[str, Any]]:
    """One of each kind."""
    hours = {"before": ["2027-03-03T17:30:00+00:00", "2027-03-03T18:00:00+00:00"], "after": ["2027-03-03T17:45:00+00:00", None]}
    title = forum.theme or "Où en est-on ?"
    return [{"kind": kind, "title": title, "item_kind": "workshop"} | hours for kind in ("added", "hours", "kind", "removed")]


def the_institution(forum: Forum) -> Institution:
    """Its name comes from a plan's file, typed by somebody too."""
    return Institution(slug="hatvp", name=forum.theme or "HATVP")


def before(forum: Forum) -> Forum:
    """The same a month earlier, elsewhere."""
    hours = {name: getattr(forum, name) - timedelta(days=28) for name in ("starts_at", "ends_at") if getattr(forum, name)}
    return the_forum(place=forum.theme, day=forum.day - timedelta(days=28) if forum.day else None, **hours)


def the_programme(forum: Forum) -> list[tuple[str | None, str]]:
    return [("2027-03-03T17:30:00+00:00", forum.theme or "Où en est-on ?"), (None, "Restitution")]


def the_agent() -> Member:
    return Member(email=RECIPIENT, role="agent")


def the_promise(question: Question) -> FollowUp:
    """Its text is what an organiser typed, like a question's."""
    return FollowUp(code="abcdefgh", text=question.text, due_on=date(2027, 3, 1))


def the_indicator(question: Question) -> tuple[Indicator, Commitment]:
    return Indicator(code="abcdefgh", name=question.text), Commitment(number=6, working_title=question.text)


def the_holder(forum: Forum) -> str:
    return forum.theme or "Etalab"


def the_news(question: Question) -> list[dict[str, Any]]:
    """What people wrote is in its text."""
    told = {"moment": NOW.isoformat(), "address": f"/questions/{question.code}", "text": question.text}
    return [told | {"sentence": "Réponse publiée : {institution}", "figures": {"institution": "HATVP"}}]


def the_plan(forum: Forum) -> ActionPlan:
    """Its title comes from a file, typed by somebody too."""
    return ActionPlan(slug="2028-2030", title=forum.theme or "Plan 2028-2030", draft=True)


def the_comment(question: Question) -> Comment:
    """A comment in the words of a question, declined and replied to."""
    words = {"text": question.text, "decline_reason": question.decline_reason, "reply": question.text}
    return Comment(email=question.email, code=question.code, status="published", **words)


Facts = tuple[Registration, Forum, Question]
EVERY_MESSAGE: dict[str, Callable[[Registration, Forum, Question], Message]] = {
    "confirm_registration": lambda registration, forum, _: emails.confirm_registration(registration, forum, TOKEN),
    "already_registered": lambda registration, forum, _: emails.already_registered(registration, forum, TOKEN),
    "registered": lambda registration, forum, _: emails.registered(registration, forum, TOKEN),
    "waiting": lambda registration, forum, _: emails.waiting(registration, forum, TOKEN),
    "promoted": lambda registration, forum, _: emails.promoted(registration, forum, TOKEN),
    "given_up": lambda registration, forum, _: emails.given_up(registration, forum, held=True),
    "attendance_changed": lambda registration, forum, _: emails.attendance_changed(registration, forum),
    "reminder_week": lambda registration, forum, _: emails.reminder(registration, forum, TOKEN, eve=False, programme=the_programme(forum)),
    "reminder_eve": lambda registration, forum, _: emails.reminder(registration, forum, TOKEN, eve=True, programme=the_programme(forum)),
    "minutes_published": lambda registration, forum, _: emails.minutes_published(registration, forum),
    "agenda_changed": lambda registration, forum, _: emails.agenda_changed(registration, forum, the_version(forum), the_changes(forum)),
    "announced": lambda _, forum, __: emails.announced(Subscription(email=RECIPIENT), forum, TOKEN),
    "news": lambda *facts: emails.news(Subscription(email=RECIPIENT), the_news(facts[2]), ["questions/abcd2345"], TOKEN, NOW),
    "digest": lambda *facts: emails.digest(Subscription(email=RECIPIENT), the_news(facts[2]), ["tout"], TOKEN, NOW),
    "confirm_subscription": lambda *_: emails.confirm_subscription(
        Subscription(email=RECIPIENT), [("L'axe {number}, {title}", {"number": 1, "title": "Transparence"})], TOKEN, known=False
    ),
    "moved": lambda registration, forum, _: emails.moved(registration, forum, calendar_feed.announced(before(forum))),
    "cancelled": lambda registration, forum, _: emails.cancelled(registration, forum),
    "confirm_question": lambda *facts: emails.confirm_question(facts[2], TOKEN),
    "question_published": lambda *facts: emails.question_published(facts[2]),
    "question_declined": lambda *facts: emails.question_declined(facts[2]),
    "question_received": lambda *facts: emails.question_received(facts[2]),
    "question_on_agenda": lambda *facts: emails.question_on_agenda(facts[2], facts[1], the_item(facts[1])),
    "question_answered": lambda *facts: emails.question_answered(facts[2], facts[1], MinutesEntry(number=3, text="Oui.")),
    "question_corrected": lambda *facts: emails.question_corrected(facts[2]),
    "question_merged": lambda *facts: emails.question_merged(facts[2], the_question(code="kept2345", text=facts[2].text)),
    "question_unpublished": lambda *facts: emails.question_unpublished(facts[2]),
    "confirm_support": lambda *facts: emails.confirm_support(Support(email_key=""), facts[2], RECIPIENT, "fr", TOKEN),
    "support_answered": lambda *facts: emails.support_answered(
        Support(email=RECIPIENT, email_key=""), facts[2], "/forums/2027-1/compte-rendu#p-3", TOKEN, facts[1].id
    ),
    "answer_published": lambda *facts: emails.answer_published(facts[2], the_institution(facts[1]), Answer(outcome="partly", text="Oui.")),
    "question_assigned": lambda *facts: emails.question_assigned(Member(email=RECIPIENT, role="agent"), facts[2], facts[1]),
    "promise_recorded": lambda *facts: emails.promise_recorded(the_agent(), the_promise(facts[2]), facts[1], the_holder(facts[1])),
    "promise_due": lambda *facts: emails.promise_due(the_agent(), the_promise(facts[2]), facts[1], the_holder(facts[1])),
    "promise_late": lambda *facts: emails.promise_late(the_agent(), the_promise(facts[2]), facts[1], the_holder(facts[1])),
    "confirm_comment": lambda *facts: emails.confirm_comment(the_comment(facts[2]), the_plan(facts[1]), TOKEN),
    "comment_published": lambda *facts: emails.comment_published(the_comment(facts[2]), the_plan(facts[1])),
    "comment_declined": lambda *facts: emails.comment_declined(the_comment(facts[2]), the_plan(facts[1])),
    "comment_corrected": lambda *facts: emails.comment_corrected(the_comment(facts[2]), the_plan(facts[1])),
    "comment_replied": lambda *facts: emails.comment_replied(the_comment(facts[2]), the_plan(facts[1]), the_institution(facts[1])),
    "welcome": lambda _, forum, __: emails.welcome(the_agent(), [the_institution(forum)]),
    "indicator_due": lambda *facts: emails.indicator_due(the_agent(), *the_indicator(facts[2]), date(2027, 3, 1), date(2026, 12, 1)),
    "sign_in": lambda *_: emails.sign_in(Member(email=RECIPIENT, role="organiser"), TOKEN, not_after=NOW),
}
INVITES = {"registered": "REQUEST", "promoted": "REQUEST", "moved": "REQUEST", "given_up": "CANCEL", "cancelled": "CANCEL"}
ABOUT_A_FORUM = [
    kind
    for kind in EVERY_MESSAGE
    if not any(
        word in kind
        for word in (
            "question",
            "support",
            "answer",
            "promise",
            "comment",
            "sign_in",
            "news",
            "digest",
            "subscription",
            "welcome",
            "indicator",
        )
    )
]
AT_THE_DOOR = {"registered", "promoted", "reminder_week", "reminder_eve"}
PERSONAL_LINK = {"confirm_registration", "already_registered", "registered", "waiting", "promoted", "confirm_question", "sign_in"}
PERSONAL_LINK |= {"news", "digest", "confirm_subscription", "confirm_comment"}
LISTS = {"announced": ("annonces", "annonces"), "news": ("nouvelles", "questions/abcd2345"), "digest": ("resume", "tout")}
PERSONAL_LINK |= {"reminder_week", "reminder_eve", "announced", "confirm_support", "support_answered"}


def facts(**given: Any) -> Facts:
    cancelled = {"status": "cancelled", "cancel_reason": "Grève."} if given.pop("cancelled", False) else {}
    return (
        the_registration(**given.pop("registration", {})),
        the_forum(**cancelled | given.pop("forum", {})),
        the_question(**given.pop("question", {})),
    )


def row_of(kind: str, language: str = "fr", **given: Any) -> OutboxMessage:
    """The row as `outbox.enqueue` writes it."""
    message = EVERY_MESSAGE[kind](*facts(cancelled=kind == "cancelled", **given))
    return OutboxMessage(
        kind=message.kind, recipient=message.recipient, language=language, facts=message.facts, fact=message.fact, created_at=NOW
    )


def composed(kind: str, language: str = "fr", **given: Any) -> bytes:
    return emails.compose(row_of(kind, language, **given), SETTINGS)


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=default)  # type: ignore[return-value]


def part(message: EmailMessage, kind: str) -> EmailMessage:
    found = [each for each in message.walk() if each.get_content_type() == kind]
    assert len(found) == 1, f"{len(found)} {kind}"
    return found[0]  # type: ignore[return-value]


class Page(HTMLParser):
    """The links of a page, whatever it would fetch, and its words outside of the head."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attributes)
        if tag == "a":
            self.links.append(given.get("href") or "")
        self.fetched += [name for name in given if name in ("src", "srcset", "background", "action") or (tag, name) == ("link", "href")]

    def handle_data(self, words: str) -> None:
        self.words += words


def page(content: bytes) -> Page:
    return page_in(read(content))


def page_in(message: EmailMessage) -> Page:
    return Page(part(message, "text/html").get_content())


# -- Every message ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("kind", EVERY_MESSAGE)
def test_every_message_carries_what_a_mail_needs_and_is_addressed_to_one_person(kind: str, language: str) -> None:
    row = row_of(kind, language)

    message = read(emails.compose(row, SETTINGS))

    assert [address.addr_spec for address in message["To"].addresses] == [RECIPIENT]
    assert [message[name] for name in ("Cc", "Bcc", "Sender")] == [None] * 3
    assert str(message["From"]) == str(message["Reply-To"]) == "Forums Open d'État <forums@example.fr>"
    assert message["Message-ID"] == f"<{row.id}@forums.example.fr>"
    assert message["Date"].datetime == NOW
    assert (message["Auto-Submitted"], message["X-Auto-Response-Suppress"], message["MIME-Version"]) == ("auto-generated", "All", "1.0")
    assert re.fullmatch(r"\S.{8,110}\S", str(message["Subject"]))


@pytest.mark.parametrize("kind", EVERY_MESSAGE)
def test_every_message_is_seven_bits_with_crlf_and_lines_no_relay_would_break(kind: str) -> None:
    content = composed(kind, forum={"theme": "Données, algorithmes : à l'épreuve " * 5, "description": "é" * 3000})

    assert content.isascii()
    assert content.replace(b"\r\n", b"").count(b"\n") == content.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    _, _, encoded = content.partition(b"\r\n\r\n")
    assert max(len(line) for line in encoded.split(b"\r\n") if not line.startswith((b"Content-Type:", b"--"))) <= 76


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("kind", EVERY_MESSAGE)
def test_every_message_says_the_same_in_text_and_in_html_and_fetches_nothing(kind: str, language: str) -> None:
    content = composed(kind, language)

    text = part(read(content), "text/plain").get_content()
    html = part(read(content), "text/html").get_content()
    shown = page(content)
    assert f'<html lang="{language}">' in html
    assert shown.fetched == []
    assert set(shown.links) == set(re.findall(r"<(https?://[^>]+)>", text))
    assert "{{" not in text + html
    assert all(word in shown.words for word in re.findall(r"[\w'’]+", re.sub(r"<https?://[^>]+>", "", text)))


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("kind", EVERY_MESSAGE)
def test_every_link_of_a_message_is_on_the_public_address_and_only_the_holders_carry_a_secret(kind: str, language: str) -> None:
    links = page(composed(kind, language)).links

    home = "https://forums.example.fr" if language == "fr" else "https://forums.example.fr/en"
    assert links
    assert [link for link in links if link != home and not link.startswith(home + "/")] == []
    assert any(TOKEN in link for link in links) == (kind in PERSONAL_LINK)


@pytest.mark.parametrize("kind", ABOUT_A_FORUM)
def test_every_message_about_a_forum_says_when_in_full(kind: str) -> None:
    text = part(read(composed(kind)), "text/plain").get_content()

    assert "mercredi 3 mars 2027" in " ".join([text, str(read(composed(kind))["Subject"])])


def test_a_forum_without_theme_place_or_hours_can_be_written_about() -> None:
    unknown = {"theme": None, "place": None, "starts_at": None, "ends_at": None}

    for kind in EVERY_MESSAGE:
        assert "None" not in part(read(composed(kind, forum=unknown)), "text/plain").get_content()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"outcome": "answered"}, "HATVP répond à ce que vous aviez écrit"),
        ({"outcome": "partly"}, "HATVP répond en partie"),
        ({"outcome": "deferred", "deferred_to": date(2027, 6, 1)}, "HATVP annonce une réponse pour le mardi 1er juin 2027"),
        ({"outcome": "refused", "reason": "Secret."}, "HATVP refuse de répondre"),
    ],
)
def test_the_author_reads_what_the_institution_did_and_where(answer: dict[str, Any], said: str) -> None:
    message = emails.answer_published(the_question(), Institution(slug="hatvp", name="HATVP"), Answer(**answer))
    row = OutboxMessage(kind=message.kind, recipient=message.recipient, language="fr", facts=message.facts, created_at=NOW)

    text = emails.text_of(row, SETTINGS)

    assert said in text
    assert "https://forums.example.fr/questions/abcdefgh#reponse-hatvp" in text


def test_an_agent_is_told_of_a_question_without_forum_too() -> None:
    message = emails.question_assigned(Member(email=RECIPIENT, role="agent"), the_question(), None)
    row = OutboxMessage(kind=message.kind, recipient=message.recipient, language="fr", facts=message.facts, created_at=NOW)

    assert "https://forums.example.fr/organisation/reponses/abcdefgh" in emails.text_of(row, SETTINGS)


def test_the_message_anyone_can_trigger_carries_nothing_that_was_typed() -> None:
    typed = {"given_name": "PROMOTION", "family_name": "https://pilules.example", "organisation": "pilules"}

    shown = composed("confirm_registration", registration=typed), composed("confirm_question", question={"text": "PROMOTION pilules"})

    for content in shown:
        assert not re.search("promotion|pilules", part(read(content), "text/plain").get_content() + page(content).words, re.IGNORECASE)


def test_a_message_composed_again_is_the_same() -> None:
    row = row_of("registered")

    assert emails.compose(row, SETTINGS) == emails.compose(row, SETTINGS)


@pytest.mark.parametrize("kind", EVERY_MESSAGE)
def test_what_is_written_once_for_all_holds_the_link_and_the_code_of_its_reader_and_of_nobody_else(kind: str) -> None:
    rows = [row_of(kind, forum={"uid": "le-meme"}) for _ in range(2)]
    for row, own in zip(rows, ("premier", "second"), strict=True):
        row.facts |= {name: own for name in ("token", "entry_code") if name in row.facts}

    first, second = [alone(row) for row in rows], [emails.compose(row, SETTINGS) for row in rows]

    assert first == second
    assert re.sub(r"\bpremier\b", "second", page(first[0]).words) == page(first[1]).words


def alone(row: OutboxMessage) -> bytes:
    """Composed when nothing was before it."""
    emails._written_to_all.cache_clear()
    return emails.compose(row, SETTINGS)


def test_a_link_that_was_forgotten_is_written_as_it_stands() -> None:
    row = row_of("registered")
    row.facts |= {"token": "… & <x>"}

    assert "/inscriptions/… & <x>" in part(read(emails.compose(row, SETTINGS)), "text/plain").get_content()


def test_an_organiser_reads_the_subject_and_the_text_as_they_are_sent() -> None:
    row = row_of("question_declined")

    message = read(emails.compose(row, SETTINGS))

    assert emails.subject_of(row, SETTINGS) == message["Subject"]
    assert emails.text_of(row, SETTINGS) == part(message, "text/plain").get_content().replace("\r\n", "\n")


# -- Invitations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EVERY_MESSAGE)
def test_an_invitation_is_inside_and_attached_with_the_same_bytes_and_one_method(kind: str) -> None:
    message = read(composed(kind))
    inside = [each for each in message.walk() if each.get_content_type() == "text/calendar"]
    attached = [each for each in message.walk() if each.get_content_type() == "application/ics"]

    if kind not in INVITES:
        assert (inside, attached) == ([], [])
        return
    assert (len(inside), len(attached)) == (1, 1)
    ics = inside[0].get_payload(decode=True)
    assert ics == attached[0].get_payload(decode=True)
    assert (inside[0].get_param("method"), inside[0].get_param("charset")) == (INVITES[kind], "utf-8")
    assert (inside[0].get_content_disposition(), attached[0].get_filename()) == (None, "invitation.ics")
    assert f"\r\nMETHOD:{INVITES[kind]}\r\n".encode() in ics  # type: ignore[operator]
    assert message.get_content_type() == "multipart/mixed"
    pictures = ["image/png"] if kind in AT_THE_DOOR else []
    assert [each.get_content_type() for each in message.iter_parts()] == ["multipart/alternative", "application/ics", *pictures]


@pytest.mark.parametrize("kind", INVITES)
def test_an_invitation_is_for_the_one_recipient_from_the_address_the_mail_comes_from(kind: str) -> None:
    message = read(composed(kind, registration={"bump": 3}, forum={"sequence": 4, "uid": "le-meme-uid"}))

    ics = unfolded(message)
    assert re.findall(r"^ATTENDEE.*:mailto:(.*)$", ics, re.MULTILINE) == [RECIPIENT]
    assert re.findall(r"^ORGANIZER.*:mailto:(.*)$", ics, re.MULTILINE) == [message["From"].addresses[0].addr_spec]
    assert (re.findall("^UID:(.*)$", ics, re.MULTILINE), re.findall("^SEQUENCE:(.*)$", ics, re.MULTILINE)) == (["le-meme-uid"], ["7"])
    assert re.findall("^STATUS:(.*)$", ics, re.MULTILINE) == ["CANCELLED" if INVITES[kind] == "CANCEL" else "CONFIRMED"]


@pytest.mark.parametrize("kind", ["waiting", "moved", "cancelled"])
def test_who_waits_has_no_invitation_since_nothing_is_in_their_calendar(kind: str) -> None:
    message = read(composed(kind, registration={"status": "waiting", "rank": 1}))

    assert {each.get_content_type() for each in message.walk()} == {"multipart/alternative", "text/plain", "text/html"}


def unfolded(message: EmailMessage) -> str:
    content = part(message, "text/calendar").get_payload(decode=True)
    return content.decode().replace("\r\n ", "").replace("\r\n", "\n")  # type: ignore[union-attr]


# -- What is told once, the door, the one click --------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(AT_THE_DOOR))
def test_who_has_a_seat_in_the_room_gets_the_code_of_the_door_in_words_and_as_a_picture(kind: str) -> None:
    message = read(composed(kind))

    picture = part(message, "image/png")
    assert picture.get_filename() == "entree.png"
    assert picture.get_payload(decode=True)[:8] == b"\x89PNG\r\n\x1a\n"  # type: ignore[index]
    assert "abcd2345" in part(message, "text/plain").get_content()


@pytest.mark.parametrize("kind", sorted(AT_THE_DOOR))
def test_who_follows_from_afar_has_no_door_to_pass(kind: str) -> None:
    message = read(composed(kind, registration={"attendance": "remote"}))

    assert "image/png" not in [each.get_content_type() for each in message.walk()]
    assert "abcd2345" not in part(message, "text/plain").get_content()


@pytest.mark.parametrize("kind", sorted(AT_THE_DOOR))
@pytest.mark.parametrize(("attendance", "said"), [("on_site", "Participation : Sur place"), ("remote", "Participation : À distance")])
def test_who_has_a_seat_reads_whether_it_is_in_the_room_or_from_afar(kind: str, attendance: str, said: str) -> None:
    message = read(composed(kind, registration={"attendance": attendance, "status": "registered"}))

    assert f"- {said}" in part(message, "text/plain").get_content().replace("\xa0", " ").splitlines()


@pytest.mark.parametrize("code", ["abcd2345", "zzzzzzzz", "23456789"])
def test_the_picture_reads_as_the_address_of_a_page_of_the_welcome_desk(code: str) -> None:
    message = read(composed("registered", registration={"entry_code": code}))

    picture = Image.open(io.BytesIO(part(message, "image/png").get_payload(decode=True)))  # type: ignore[arg-type]
    assert [found.text for found in zxingcpp.read_barcodes(picture.convert("L"))] == [
        f"https://forums.example.fr/organisation/forums/2027-1/accueil/code/{code}"
    ]


@pytest.mark.parametrize("kind", EVERY_MESSAGE)
def test_only_what_was_subscribed_to_says_how_to_end_it(kind: str) -> None:
    message = read(composed(kind))

    ends = [message[name] for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id")]
    assert ends == (
        [
            f"<https://forums.example.fr/abonnements/{TOKEN}/fin?suivi={LISTS[kind][1]}>",
            "List-Unsubscribe=One-Click",
            f"<{LISTS[kind][0]}.forums.example.fr>",
        ]
        if kind in LISTS
        else [None] * 3
    )


def test_a_reminder_lists_the_agenda_hour_by_hour() -> None:
    text = part(read(composed("reminder_eve")), "text/plain").get_content().replace("\u202f", " ").replace("\u00a0", " ")

    assert "- 18 h 30 : La commande publique" in text
    assert "- Restitution" in text


def test_what_must_be_told_once_names_its_fact_and_the_rest_none() -> None:
    named = {kind for kind in EVERY_MESSAGE if row_of(kind).fact}

    assert named == {
        "reminder_week", "reminder_eve", "minutes_published", "agenda_changed", "announced", "question_received",
        "question_on_agenda", "question_answered", "support_answered", "answer_published", "question_assigned",
        "promise_recorded", "promise_due", "promise_late", "news", "digest", "comment_replied", "welcome", "indicator_due",
    }  # fmt: skip


@pytest.mark.parametrize("counted", [True, False])
def test_who_supports_already_is_told_so_and_who_does_not_how_to_confirm(counted: bool) -> None:
    support = Support(email_key="", confirmed_at=NOW if counted else None)
    message = emails.confirm_support(support, the_question(), RECIPIENT, "fr", TOKEN)
    row = OutboxMessage(kind=message.kind, recipient=message.recipient, language="fr", facts=message.facts, created_at=NOW)

    content = emails.compose(row, SETTINGS)

    said = part(read(content), "text/plain").get_content()
    assert ("déjà" in emails.subject_of(row, SETTINGS), "Confirmer mon soutien" in said) == (counted, not counted)
    assert f"https://forums.example.fr/questions/soutiens/{TOKEN}" in page(content).links


# -- Hostile texts ------------------------------------------------------------------------------------------------

HOSTILE = [
    "Jean, <evil@x.example>",
    "Jean\r\nBcc: evil@x.example",
    "Jean\nSubject: Gagnez\n\n<h1>Bonjour</h1>",
    "Jean\u2028Bcc: evil@x.example\x0b\x0c\x85\x00",
    "[Cliquez](https://evil.example) ![x](https://evil.example/x.png) <https://evil.example>",
    "<a href='https://evil.example'>ici</a><script>alert(1)</script>",
    "[a]: https://evil.example\n[a]",
    "```\ncode\n```\n    code\n\n# Titre\n===\n| a | b |\n|---|---|\n| c | d |",
    "&lt;b&gt; & <b> \\ \" ' ` * _ ~ {{ forum.place }} {% raw %} %(place)s",
    "=?utf-8?q?evil?= <evil@x.example>",
    "=?utf-8?q?Jean=0D=0ABcc:_evil=40x.example?=",
    '"Jean" <evil@x.example>, "Paul"',
    'Jean" <evil@x.example>',
    "Jean;evil@x.example,evil@x.example",
    "\u202eJean\u2066 \ufeffBcc: evil@x.example",
    "Jean\r\n .\r\n.\r\nMAIL FROM:<evil@x.example>",
    "x" * 600,
]
TYPED = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=200)).filter(lambda text: text.strip() != "")


def typed_everywhere(text: str) -> dict[str, dict[str, Any]]:
    """What a person or an organiser types in every field, through the forms that let it in."""
    one_line = " ".join(text.split())[:100]
    try:
        person = a_registration_form(given_name=one_line, family_name=one_line, organisation=one_line)
        question = a_question_form(text[:600], author_name=one_line)
        reason = DeclineForm.model_validate({"reason": text[:600]}).reason
        forum = a_forum_form(the_forum(), theme=one_line, place=one_line, address=one_line, description=text, online_url=one_line)
    except ValueError:  # nothing visible is left of it
        return {}
    return {
        "registration": person.model_dump(include={"given_name", "family_name", "organisation"}),
        "question": {"text": question.text, "author_name": question.author_name, "decline_reason": reason},
        "forum": forum.model_dump(include={"theme", "place", "address", "description", "online_url"}) | {"cancel_reason": reason},
    }


def kinds_in(message: EmailMessage) -> list[str]:
    return [each.get_content_type() for each in message.walk()]


@cache
def usual(kind: str) -> tuple[list[str], list[str], set[str]]:
    """The headers, the parts and the links of a message in which nothing odd was typed."""
    message = read(composed(kind))
    return message.keys(), kinds_in(message), set(page_in(message).links)


def adds_nothing(kind: str, text: str) -> None:
    """Typed in every field, it adds no header, no recipient, no part and no link."""
    typed = typed_everywhere(text)
    headers, kinds, links = usual(kind)

    found = read(composed(kind, **typed))
    shown = page_in(found)
    assert found.keys() == headers
    assert [address.addr_spec for address in found["To"].addresses] == [RECIPIENT]
    assert kinds_in(found) == kinds
    assert set(shown.links) <= links | addresses_given(typed)
    assert shown.fetched == []
    assert {"script", "img", "iframe", "form"} & set(shown.tags) == set()
    assert found.as_bytes(policy=SMTP.clone(max_line_length=998, cte_type="7bit")).isascii()


@pytest.mark.parametrize("kind", EVERY_MESSAGE)
@hypothesis_settings(max_examples=5, deadline=None)
@given(TYPED)
@example(HOSTILE[1])
@example(HOSTILE[4])
@example(HOSTILE[6])
@example(HOSTILE[10])
@example(HOSTILE[11])
def test_nothing_typed_adds_a_header_a_recipient_or_a_link(kind: str, text: str) -> None:
    adds_nothing(kind, text)


@pytest.mark.long
@pytest.mark.parametrize("kind", EVERY_MESSAGE)
@hypothesis_settings(max_examples=30, deadline=None)
@given(TYPED)
def test_nor_does_whatever_else_is_typed(kind: str, text: str) -> None:
    adds_nothing(kind, text)


def addresses_given(typed: dict[str, dict[str, Any]]) -> set[str]:
    """An organiser may give the address of a video meeting: that one alone becomes a link."""
    return {address for address in [typed.get("forum", {}).get("online_url", "")] if address.startswith(("https://", "http://"))}


@hypothesis_settings(max_examples=50, deadline=None)
@given(TYPED)
@example(HOSTILE[7])
@example(HOSTILE[8])
def test_what_was_typed_is_shown_as_it_was_typed_in_text_and_in_html(text: str) -> None:
    try:
        typed = a_question_form(text[:600]).text
    except ValueError:
        return

    content = composed("question_published", question={"text": typed})

    as_seen = " ".join(typed.split())
    assert as_seen in " ".join(page(content).words.split())
    text_part = part(read(content), "text/plain").get_content()
    quoted = " ".join(line.removeprefix(">") for line in text_part.splitlines() if line.startswith(">"))
    assert " ".join(quoted.split()) == as_seen


@pytest.mark.parametrize("name", ["Ministère, de l'Économie", 'Forums "ouverts"', "Forums; Open <d'État>", "É" * 60])
def test_a_sender_with_an_odd_name_stays_one_sender(name: str) -> None:
    settings = replace(SETTINGS, mail_from=Address(display_name=name, addr_spec="forums@example.fr"))

    message = read(emails.compose(row_of("registered"), settings))

    assert [(address.display_name, address.addr_spec) for address in message["From"].addresses] == [(name, "forums@example.fr")]
    assert re.findall(r"^ORGANIZER.*:mailto:(.*)$", unfolded(message), re.MULTILINE) == ["forums@example.fr"]


@pytest.mark.parametrize(
    "recipient",
    ["a@b.example, x@x.example", "a@b.example\r\nBcc: x@x.example", "<a@b.example>", "a b@c.example", "élodie@b.example", ""],
)
def test_an_address_that_is_not_one_is_never_written_to(recipient: str) -> None:
    row = row_of("sign_in")
    row.recipient = recipient

    with pytest.raises((ValueError, IndexError, MessageError)):
        emails.compose(row, SETTINGS)
