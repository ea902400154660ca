"""One function per message: what it says, to whom. Nothing is sent here, and nothing is rendered yet.

Each function returns a `Message`, plain facts as known when the promise is made; `outbox.enqueue`
keeps it in the caller's transaction. `compose` turns the facts into bytes once, outside any
transaction: text and HTML from the one Markdown template of that kind, and an invitation when there
is one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from functools import lru_cache
from secrets import token_hex
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from forums import calendar_feed, entry_codes, mime
from forums.calendar_feed import Announced
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
    Question,
    Registration,
    Subscription,
    Support,
)
from forums.models.forum import PARIS
from forums.rendering import environment, render
from forums.settings import Settings

# So much of what happened is told in one message; the rest is counted.
ITEMS_AT_MOST = 40

REMINDERS = ("reminder_week", "reminder_eve")

# What a seat given back makes untrue, and what a cancelled forum does.
OF_A_SEAT = ("registered", "promoted", "waiting", "attendance_changed", "moved", "agenda_changed", *REMINDERS)
BEFOREHAND = ("confirm_registration", "announced", *OF_A_SEAT)


@dataclass(frozen=True)
class Message:
    """A message before it is written: `kind` names its template, `facts` is JSON.

    `fact` names what must be told once only, `not_after` when it is too late to tell; see `OutboxMessage`.
    """

    kind: str
    recipient: str
    language: str
    facts: dict[str, Any] = field(default_factory=dict)
    forum_id: UUID | None = None
    fact: str | None = None
    not_after: datetime | None = None


class Promised(Protocol):
    """What a message is written from: its row of the outbox, or what a courier has of it in hand."""

    id: UUID
    kind: str
    recipient: str
    language: str
    facts: dict[str, Any]
    created_at: datetime


class Addressee(Protocol):
    """What a message says of the person it goes to: a registration, or a row that becomes one."""

    @property
    def email(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def attendance(self) -> str: ...
    @property
    def bump(self) -> int: ...


def confirm_registration(registration: Addressee, forum: Forum, token: str, told: dict[str, Any] | None = None) -> Message:
    """Only what the site itself wrote: nobody can make us mail a text of theirs to a third party.

    `told` is `told_of(forum)`, for who writes to a crowd and asks once.
    """
    return _to_person(registration, "confirm_registration", forum, token=token, forum=told)


def already_registered(registration: Registration, forum: Forum, token: str) -> Message:
    return _to_person(registration, "already_registered", forum, token=token)


def registered(registration: Registration, forum: Forum, token: str) -> Message:
    return _to_person(registration, "registered", forum, token=token, invitation="REQUEST", **_entry(registration))


def waiting(registration: Registration, forum: Forum, token: str) -> Message:
    ends = forum.promotions_end_at
    return _to_person(registration, "waiting", forum, token=token, promotions_end=ends.isoformat() if ends else None)


def promoted(registration: Registration, forum: Forum, token: str) -> Message:
    return _to_person(registration, "promoted", forum, token=token, invitation="REQUEST", **_entry(registration))


def attendance_changed(registration: Registration, forum: Forum) -> Message:
    return _to_person(registration, "attendance_changed", forum, **_entry(registration))


def reminder(registration: Registration, forum: Forum, token: str, *, eve: bool, programme: Sequence[tuple[str | None, str]]) -> Message:
    """`programme` is the published agenda, as (hour in ISO, title); told once for a date."""
    kind = "reminder_eve" if eve else "reminder_week"
    facts = {"token": token, "programme": [list(item) for item in programme], **_entry(registration)}
    return _once(_to_person(registration, kind, forum, **facts), registration.id, forum.day)


def minutes_published(registration: Registration, forum: Forum) -> Message:
    return _once(_to_person(registration, "minutes_published", forum), registration.id)


def agenda_changed(registration: Registration, forum: Forum, version: AgendaVersion, changes: Sequence[dict[str, Any]]) -> Message:
    """`changes` is what whoever comes must know, as `agenda` tells it; once for a version."""
    facts = {"version": version.number, "comment": version.comment, "changes": list(changes)}
    return _once(_to_person(registration, "agenda_changed", forum, **facts), registration.id, version.number)


def announced(subscription: Subscription, forum: Forum, token: str, scopes: Sequence[str] = ("annonces",)) -> Message:
    """A message people did not provoke: it carries what ends it in one click (RFC 8058), for the `scopes` it is sent for."""
    facts = {"forum": told_of(forum), "token": token, "scopes": list(scopes), "unsubscribe": "annonces"}
    message = Message("announced", subscription.email, subscription.language, facts, forum.id, not_after=forum.starts_at)
    return _once(message, subscription.id, forum.id)


def news(subscription: Subscription, items: Sequence[dict[str, Any]], scopes: Sequence[str], token: str, turn: datetime) -> Message:
    """What has just happened of what somebody follows, in one message per turn of the clock."""
    return _once(_followed("news", subscription, items, scopes, token, "nouvelles"), subscription.id, turn.isoformat())


def digest(subscription: Subscription, items: Sequence[dict[str, Any]], scopes: Sequence[str], token: str, until: datetime) -> Message:
    """The same for the week that ended then."""
    return _once(_followed("digest", subscription, items, scopes, token, "resume"), subscription.id, until.isoformat())


def _followed(
    kind: str, subscription: Subscription, items: Sequence[dict[str, Any]], scopes: Sequence[str], token: str, list_id: str
) -> Message:
    facts = {"items": list(items[:ITEMS_AT_MOST]), "more": max(0, len(items) - ITEMS_AT_MOST), "scopes": list(scopes), "why": []}
    return Message(kind, subscription.email, subscription.language, facts | {"token": token, "unsubscribe": list_id})


def confirm_subscription(subscription: Subscription, asked: Sequence[tuple[str, dict[str, Any]]], token: str, *, known: bool) -> Message:
    """`asked` is what waits to be confirmed, `known` whether something else is followed already: then the link serves for both."""
    facts = {"asked": [list(each) for each in asked], "known": known, "rhythm": subscription.rhythm, "token": token}
    return Message("confirm_subscription", subscription.email, subscription.language, facts)


def given_up(registration: Registration, forum: Forum, *, held: bool) -> Message:
    """`held`: whether a seat was given back, and so an invitation to withdraw."""
    return _to_person(registration, "given_up", forum, **({"invitation": "CANCEL"} if held else {}))


def moved(registration: Registration, forum: Forum, was: Announced) -> Message:
    """`was` is what was said before: the person reads what changed."""
    return _to_person(registration, "moved", forum, was=_as_json(was), **_invitation(registration, "REQUEST"))


def cancelled(registration: Registration, forum: Forum) -> Message:
    return _to_person(registration, "cancelled", forum, reason=forum.cancel_reason or "", **_invitation(registration, "CANCEL"))


def _entry(registration: Registration) -> dict[str, str]:
    """What the welcome desk asks for; a forum followed from afar has no desk."""
    return {"entry_code": registration.entry_code} if registration.entry_code and registration.attendance == "on_site" else {}


def confirm_question(question: Question, token: str) -> Message:
    return _to_author(question, "confirm_question", token=token)


def question_received(question: Question) -> Message:
    return _once(_to_author(question, "question_received", text=question.text), question.id)


def question_on_agenda(question: Question, forum: Forum, item: AgendaItem) -> Message:
    """`position` is the item's place in the agenda, `number` its anchor on the forum's page."""
    facts = {"forum": told_of(forum), "item": item.title, "position": item.position, "number": item.number}
    return _once(_to_author(question, "question_on_agenda", code=question.code, text=question.text, **facts), question.id, forum.id)


def question_answered(
    question: Question, forum: Forum, entry: MinutesEntry, came_of_it: Mapping[str, Any] | None = None, *, changed_in: int | None = None
) -> Message:
    """`came_of_it` is the outcome as plain values; `changed_in` is the version that says another than the one told before."""
    facts = {"forum": told_of(forum), "number": entry.number, "changed": changed_in is not None, **(came_of_it or {})}
    again = [] if changed_in is None else [changed_in]
    return _once(_to_author(question, "question_answered", code=question.code, text=question.text, **facts), question.id, forum.id, *again)


def answer_published(question: Question, institution: Institution, answer: Answer, *, changed_in: int | None = None) -> Message:
    """`slug` names the answer on the page of the question; `changed_in` is the edition that says another outcome."""
    facts: dict[str, Any] = {"institution": institution.name, "slug": institution.slug, "outcome": answer.outcome}
    facts |= {"changed": changed_in is not None}
    facts |= {"until": answer.deferred_to.isoformat()} if answer.outcome == "deferred" and answer.deferred_to else {}
    again = [] if changed_in is None else [changed_in]
    message = _to_author(question, "answer_published", code=question.code, text=question.text, **facts)
    return _once(message, question.id, institution.id, *again)


def question_assigned(member: Member, question: Question, forum: Forum | None) -> Message:
    """To an agent; `forum` is the one still to come where the question will be put."""
    facts: dict[str, Any] = {"code": question.code, "text": question.text}
    facts |= {"forum": told_of(forum)} if forum else {}
    return _once(Message("question_assigned", member.email, "fr", facts, question.forum_id), question.id, member.id)


def question_published(question: Question) -> Message:
    return _to_author(question, "question_published", code=question.code, text=question.text)


def question_declined(question: Question) -> Message:
    return _to_author(question, "question_declined", text=question.text, reason=question.decline_reason)


def question_corrected(question: Question) -> Message:
    """What was taken out is not written again."""
    return _to_author(question, "question_corrected", code=question.code, text=question.text, public=question.status == "published")


def question_merged(question: Question, target: Question) -> Message:
    return _to_author(question, "question_merged", code=question.code, text=question.text, kept_code=target.code, kept_text=target.text)


def question_unpublished(question: Question) -> Message:
    return _to_author(question, "question_unpublished", code=question.code, text=question.text, reason=question.decline_reason)


def confirm_support(support: Support, question: Question, recipient: str, language: str, token: str) -> Message:
    """`recipient` was just typed: the address of a confirmed support is not kept. Nothing else typed is in it."""
    facts = {"code": question.code, "text": question.text, "token": token, "counted": support.confirmed_at is not None}
    return Message("confirm_support", recipient, language, facts)


def support_answered(
    support: Support, question: Question, where: str, token: str, about: object, *, changed_in: int | None = None
) -> Message:
    """`where` is the address of the answer on the site; told once of what it is `about`, a forum or an institution.

    `changed_in` is the version or edition that says another outcome than the one told before.
    """
    facts = {"code": question.code, "text": question.text, "where": where, "token": token, "changed": changed_in is not None}
    message = Message("support_answered", support.email or "", support.language, facts, question.forum_id)
    return _once(message, support.id, question.id, about, *([] if changed_in is None else [changed_in]))


def confirm_comment(comment: Comment, plan: ActionPlan, token: str) -> Message:
    """Nothing that was typed is in it: the address may be somebody else's."""
    return _to_commenter(comment, plan, "confirm_comment", token=token)


def comment_published(comment: Comment, plan: ActionPlan) -> Message:
    return _to_commenter(comment, plan, "comment_published", code=comment.code, text=comment.text)


def comment_declined(comment: Comment, plan: ActionPlan) -> Message:
    return _to_commenter(comment, plan, "comment_declined", text=comment.text, reason=comment.decline_reason)


def comment_corrected(comment: Comment, plan: ActionPlan) -> Message:
    """What was taken out is not written again."""
    return _to_commenter(comment, plan, "comment_corrected", code=comment.code, text=comment.text, public=comment.status == "published")


def comment_replied(comment: Comment, plan: ActionPlan, institution: Institution | None) -> Message:
    """Told the first time only: a reply corrected later is on the page."""
    facts = {"institution": institution.name if institution else "", "reply": comment.reply}
    return _once(_to_commenter(comment, plan, "comment_replied", code=comment.code, text=comment.text, **facts), comment.id)


def _to_commenter(comment: Comment, plan: ActionPlan, kind: str, **facts: Any) -> Message:
    return Message(kind, comment.email or "", comment.language, {"plan": plan.title, "plan_slug": plan.slug, **facts})


def sign_in(member: Member, token: str, *, not_after: datetime) -> Message:
    """Too late once its link has expired."""
    return Message("sign_in", member.email, "fr", {"token": token}, not_after=not_after)


def welcome(member: Member, institutions: Sequence[Institution]) -> Message:
    """To who becomes a member: what their role may do, and where to sign in. It holds no secret, so it may be read next week."""
    facts = {"role": member.role, "institutions": [each.name for each in institutions]}
    return _once(Message("welcome", member.email, "fr", facts), member.id)


def promise_recorded(agent: Member, follow_up: FollowUp, forum: Forum, holder: str) -> Message:
    return _once(_of_a_promise("promise_recorded", agent, follow_up, forum, holder), follow_up.id, agent.id)


def promise_due(agent: Member, follow_up: FollowUp, forum: Forum, holder: str) -> Message:
    """Told once for a date: another date is told anew."""
    return _once(_of_a_promise("promise_due", agent, follow_up, forum, holder), follow_up.id, agent.id, follow_up.due_on)


def promise_late(agent: Member, follow_up: FollowUp, forum: Forum, holder: str) -> Message:
    return _once(_of_a_promise("promise_late", agent, follow_up, forum, holder), follow_up.id, agent.id, follow_up.due_on)


def _of_a_promise(kind: str, agent: Member, follow_up: FollowUp, forum: Forum, holder: str) -> Message:
    facts = {"forum": told_of(forum), "code": follow_up.code, "text": follow_up.text, "holder": holder, "due": _noon(follow_up.due_on)}
    return Message(kind, agent.email, "fr", facts, forum.id)


def indicator_due(agent: Member, indicator: Indicator, commitment: Commitment, due_on: date, measured_on: date | None) -> Message:
    """To measure an indicator of a commitment their institution carries; told once for a date."""
    facts = {"code": indicator.code, "name": indicator.name, "number": commitment.number, "title": commitment.title}
    facts |= {"due": _noon(due_on), "measured": _noon(measured_on)}
    return _once(Message("indicator_due", agent.email, "fr", facts), indicator.id, agent.id, due_on)


def _noon(day: date | None) -> str | None:
    """A day as an instant, since that is what templates read: noon, the same day everywhere in Europe."""
    return datetime.combine(day, time(12), tzinfo=PARIS).isoformat() if day else None


def _invitation(registration: Registration, method: str) -> dict[str, str]:
    """Only who holds a seat was ever invited: those who wait have nothing in their calendar to change."""
    return {"invitation": method} if registration.status == "registered" else {}


def _to_person(registration: Addressee, kind: str, forum: Forum, /, **facts: Any) -> Message:
    # The link to follow from afar is for those who hold a remote seat; see `Announced`.
    with_link = registration.status == "registered" and registration.attendance == "remote"
    facts |= {"bump": registration.bump, "attendance": registration.attendance, "with_link": with_link}
    facts["forum"] = facts.get("forum") or told_of(forum)
    too_late = None if kind in ("minutes_published", "given_up", "cancelled", "already_registered") else forum.starts_at
    return Message(kind, registration.email, registration.language, facts, forum.id, not_after=too_late)


def _once(message: Message, *about: object) -> Message:
    """The same kind of message about the same things is told once, however often it is asked for."""
    return replace(message, fact=" ".join([message.kind, *map(str, about)]))


def _to_author(question: Question, kind: str, **facts: Any) -> Message:
    return Message(kind, question.email or "", question.language, facts, question.forum_id)


def compose(row: Promised, settings: Settings) -> bytes:
    """The bytes of a message, ready to be sent unchanged; made once per row."""
    subject, body, html = _written(row, settings)
    host, us = urlsplit(settings.public_url).hostname, settings.mail_from
    head = [
        mime.header("Subject", subject),
        mime.sender("From", us.display_name, us.addr_spec),
        mime.recipient("To", row.recipient),
        mime.sender("Reply-To", us.display_name, us.addr_spec),
        mime.header("Date", format_datetime(row.created_at)),
        mime.header("Message-ID", f"<{row.id}@{host}>"),
        b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n",
        *_unsubscribing(row, settings),
        b"MIME-Version: 1.0\r\n",
    ]
    alternatives, attached = [mime.text("plain", body), mime.text("html", html)], []
    if method := row.facts.get("invitation"):
        # Both inside the alternatives and attached, the same bytes: the shape most clients understand.
        ics = mime.in_base64(_invitation_of(row, method, settings))
        alternatives.append(mime.part(f'text/calendar; method="{method}"; charset="utf-8"', ics))
        attached.append(mime.part("application/ics", ics, filename="invitation.ics"))
    if code := row.facts.get("entry_code"):
        picture = entry_codes.as_png(entry_codes.address(settings.public_url, row.facts["forum"]["slug"], code))
        attached.append(mime.part("image/png", mime.in_base64(picture), filename="entree.png"))
    content = mime.together("alternative", alternatives, row.id.hex)
    return b"".join([*head, mime.together("mixed", [content, *attached], row.id.hex) if attached else content])


def _unsubscribing(row: Promised, settings: Settings) -> Sequence[bytes]:
    """What ends in one click what was subscribed to."""
    list_id = row.facts.get("unsubscribe")
    if not list_id:
        return []
    # Those promised by an earlier release name no list and no scope: they were announcements, and end everything.
    list_id = "annonces" if list_id is True else list_id
    address = f"{settings.public_url}/abonnements/{row.facts['token']}/fin" + ending(row.facts)
    return [
        mime.header("List-Id", f"<{list_id}.{urlsplit(settings.public_url).hostname}>"),
        mime.header("List-Unsubscribe", f"<{address}>"),
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    ]


def ending(facts: Mapping[str, Any]) -> str:
    """What follows the address that ends a subscription: which scopes, as a query. Too many for one line of a header: all."""
    query = urlencode([("suivi", scope) for scope in facts.get("scopes", ())], safe="/")
    return f"?{query}" if query and len(query) < 700 else ""


def subject_of(row: Promised, settings: Settings) -> str:
    return _text(row.kind, row.language, row.facts, settings.public_url, quoted=False)[0]


def text_of(row: Promised, settings: Settings) -> str:
    return _text(row.kind, row.language, row.facts, settings.public_url, quoted=False)[1]


# What is each reader's own stands for itself until the end: the rest is written once for the hundreds who read the same.
# Letters and figures that no page shows and nobody guesses, so that no text holds them.
_OWN = {"token": f"jeton{token_hex(24)}", "entry_code": f"code{token_hex(8)}"}
_NOTHING_TO_ESCAPE = re.compile(r"[\w-]+", re.ASCII)


def _written(row: Promised, settings: Settings) -> tuple[str, str, str]:
    """The subject, the text and the HTML of a message."""
    own = {name: row.facts[name] for name in _OWN if _NOTHING_TO_ESCAPE.fullmatch(row.facts.get(name) or "")}
    facts = row.facts | {name: _OWN[name] for name in own}
    written = _written_to_all(row.kind, row.language, json.dumps(facts), settings.public_url)
    for name, value in own.items():
        subject, body, html = (each.replace(_OWN[name], value) for each in written)
        written = subject, body, html
    return written


@lru_cache(maxsize=32)
def _written_to_all(kind: str, language: str, facts: str, public_url: str) -> tuple[str, str, str]:
    subject, body = _text(kind, language, json.loads(facts), public_url, quoted=False)
    _, body_as_markdown = _text(kind, language, json.loads(facts), public_url, quoted=True)
    html = environment(language).get_template("emails/message.html").render(subject=subject, body=render(body_as_markdown, ()))
    return subject, body, html


def _text(kind: str, language: str, facts: Mapping[str, Any], public_url: str, *, quoted: bool) -> tuple[str, str]:
    known = {name: _from_json(value) if name in ("forum", "was") else value for name, value in facts.items()}
    template = environment(language).get_template(f"emails/{kind}.md")
    home = public_url + ("" if language == "fr" else f"/{language}")
    text = template.render(**known, home=home, quote=_escaped if quoted else str, ending=ending(facts))
    subject, _, body = text.strip().partition("\n")
    return " ".join(subject.removeprefix("# ").split()), body.strip() + "\n"


def _escaped(text: str) -> str:
    """What a person typed, so that Markdown shows it as it is."""
    return "".join("\\" + letter if letter in "\\`*_{}[]<>()#+-=.!|&~" else letter for letter in text)


def _invitation_of(row: Promised, method: str, settings: Settings) -> bytes:
    return calendar_feed.invitation(
        _from_json(row.facts["forum"]),
        row.recipient,
        bump=row.facts["bump"],
        written_at=row.created_at,
        with_link=row.facts.get("with_link", False),
        organiser=settings.mail_from,
        public_url=settings.public_url,
        cancelled=method == "CANCEL",
    )


def told_of(forum: Forum) -> dict[str, Any]:
    """What messages say of a forum, as JSON."""
    return _as_json(calendar_feed.announced(forum))


def _as_json(forum: Announced) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date | datetime) else value for name, value in forum._asdict().items()}


def _from_json(facts: dict[str, Any]) -> Announced:
    values = {"remote_capacity": 0, **facts}  # not said in messages of the first release
    for name in ("starts_at", "ends_at", "changed_at", "created_at"):
        values[name] = datetime.fromisoformat(values[name]).astimezone(UTC) if values[name] else None
    values["day"] = date.fromisoformat(values["day"]) if values["day"] else None
    return Announced(**values)
