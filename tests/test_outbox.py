"""The outbox against real SMTP servers, good and faulty: what each row becomes, and nothing is lost."""

import asyncio
import json
import re
import shutil
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sqlalchemy.exc import OperationalError
from sqlmodel import col, delete, func, select, update

from forums import emails, outbox
from forums.database import Database
from forums.models import DeliveryAttempt, Forum, OutboxMessage
from forums.outbox import GIVE_UP_AFTER, LEASE, courier, ledger
from forums.outbox import relay as relays
from forums.outbox.ledger import UNWRITTEN
from forums.pages import outbox as pages_outbox
from forums.settings import ROOT, BadSetting, Settings, Smtp, read
from tests.factories import SECRET_KEY, a_forum, a_registration
from tests.site import Site, running

# Signed by itself for localhost until 2126; it guards nothing.
CERTIFICATE = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4+RXIekA41taS1jd
QdaqP90dsps3aOWVP0x79lopXk2hRANCAASTw9woo4/WY1bdKHleMsi7PVePmHbM
U1gq8EO+ybTC9Eug7bUr6kwPJdKnkYtHjP6ZS0rH3xaUa8OVZwKVpYyq
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUGTE8sxXNTtGwyVy7itH1BbWwtKkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDExMDM0MVoYDzIxMjYxMDMx
MTEwMzQxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASTw9woo4/WY1bdKHleMsi7PVePmHbMU1gq8EO+ybTC9Eug7bUr6kwP
JdKnkYtHjP6ZS0rH3xaUa8OVZwKVpYyqo28wbTAdBgNVHQ4EFgQUA6FONTn+UwmY
2+rT09bs/EoZxEswHwYDVR0jBBgwFoAUA6FONTn+UwmY2+rT09bs/EoZxEswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAMl9zdcj5RJsvVZ2/q3yD8ChZ76Vj04GuXGrJ00k8l9IAiAj
q3sCNJEc61KTnkEK5iRGV4qbmocQ9izMhn3XpIVEQw==
-----END CERTIFICATE-----
"""


# -- Relays ----------------------------------------------------------------------------------------------


@dataclass
class Relay:
    """What a relay answers, command by command, and what it was handed. An answer of None hangs up."""

    rcpt: list[str | None] = field(default_factory=list)
    mail: list[str | None] = field(default_factory=list)
    dot: list[str | None] = field(default_factory=list)
    slow: float = 0
    port: int = 0
    connections: int = 0
    mail_options: str = ""
    rcpt_options: str = ""
    opened: list["Server"] = field(default_factory=list)
    accepted: list[Envelope] = field(default_factory=list)
    seen: list[Envelope] = field(default_factory=list)
    handed: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_EHLO(self, server: SMTP, session: Session, envelope: Envelope, hostname: str, offers: list[str]) -> list[str]:
        session.host_name = hostname
        return offers

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        answer = self.answer(server, self.mail)
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        answer = self.answer(server, self.rcpt)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.seen.append(envelope)
        self.handed.set()
        await self.think()
        answer = self.answer(server, self.dot)
        if answer.startswith("250"):
            self.accepted.append(envelope)
        return answer

    async def think(self) -> None:
        await asyncio.sleep(self.slow)

    def answer(self, server: SMTP, script: list[str | None]) -> str:
        answer = script.pop(0) if script else "250 OK"
        assert server.transport is not None
        if answer is None:
            server.transport.abort()
        elif answer.startswith("421"):
            asyncio.get_running_loop().call_soon(server.transport.close)
        return answer or "421 never sent"

    def hang_up(self) -> None:
        """End every connection, as a relay does with those that say nothing."""
        for server in self.opened:
            if server.transport is not None:
                server.transport.abort()

    @property
    def recipients(self) -> list[str]:
        return sorted(address for envelope in self.accepted for address in envelope.rcpt_tos)


class Server(SMTP):
    """aiosmtpd, which knows all its connections so that a test may end them."""

    def __init__(self, relay: Relay, **options: Any) -> None:
        super().__init__(relay, hostname="relais.example", loop=asyncio.get_running_loop(), **options)
        relay.connections += 1
        relay.opened.append(self)


@asynccontextmanager
async def listening(
    relay: Relay, kind: type[Server] = Server, *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Relay]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: kind(relay, **options), "127.0.0.1", relay.port, ssl=tls)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        relay.hang_up()
        await asyncio.sleep(0.01)


def to(settings: Settings, relay: Relay, tls: str = "none", **options: Any) -> Settings:
    return replace(settings, smtp=Smtp(host="localhost", port=relay.port, tls=tls, **options))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "localhost.pem"
    path.write_text(CERTIFICATE)
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


# -- Messages ----------------------------------------------------------------------------------------------


async def promise(database: Database, *recipients: str, at: datetime | None = None) -> None:
    """One message for each of these people."""
    now = at or datetime.now(UTC)
    async with database.transaction() as session:
        forum = await a_forum(session, number=1 + len((await session.exec(select(Forum))).all()))
        for recipient in recipients:
            registration = await a_registration(session, forum, recipient)
            outbox.enqueue(session, emails.registered(registration, forum, "jeton"), now=now)


async def row(database: Database) -> OutboxMessage:
    return (await rows(database))[0]


async def rows(database: Database) -> Sequence[OutboxMessage]:
    async with database.reading() as session:
        return (await session.exec(select(OutboxMessage).order_by(col(OutboxMessage.recipient)))).all()


async def attempts(database: Database) -> list[tuple[int | None, str]]:
    async with database.reading() as session:
        found = (await session.exec(select(DeliveryAttempt).order_by(col(DeliveryAttempt.at)))).all()
    return [(attempt.code, attempt.outcome.split(":")[0]) for attempt in found]


async def deliver(database: Database, settings: Settings, after: timedelta = timedelta()) -> int:
    return await outbox.deliver_due(database, settings, now=datetime.now(UTC) + after)


def a_courier(database: Database, settings: Settings) -> outbox.Courier:
    assert settings.smtp
    return outbox.Courier(database, settings, settings.smtp)


async def once_around(worker: outbox.Courier, now: datetime | None = None) -> None:
    if now is not None:
        worker.now = lambda: now
    await worker.turn()
    await worker.carried()


async def until(happened: Callable[[], bool]) -> None:
    """Wait for what another process or task does."""
    async with asyncio.timeout(300):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def minutes_to_the_next(database: Database) -> float:
    """From the last attempt at the only message to the next, as both are written."""
    async with database.reading() as session:
        last = (await session.exec(select(func.max(DeliveryAttempt.at)))).one()
    return float(((await row(database)).next_attempt_at - last).total_seconds() / 60)


# -- A relay that works ---------------------------------------------------------------------------------------


async def test_a_relay_that_accepts_gets_the_message_for_the_one_recipient_and_the_row_forgets_its_secret(
    database: Database, settings: Settings
) -> None:
    await promise(database, "camille@example.org")

    async with listening(Relay()) as relay:
        sent = await deliver(database, to(settings, relay))

    kept = await row(database)
    envelope = relay.accepted[0]
    assert (sent, kept.status, kept.attempts, kept.last_error, kept.lease_until) == (1, "sent", 1, None, None)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("forums@example.fr", ["camille@example.org"])
    assert f"<{kept.id}@forums.example.fr>".encode() in envelope.content
    assert (kept.content, kept.facts.get("token")) == (None, "…")
    assert await attempts(database) == [(250, "sent")]


async def test_a_message_arrives_as_it_was_kept_its_dots_and_line_ends_too(database: Database, settings: Settings) -> None:
    content = b"Subject: points\r\n\r\n.seul\r\n.\r\n..deux\nfin sans retour\r et fin"
    await promise(database, "camille@example.org")
    async with database.transaction() as session:
        (await session.exec(select(OutboxMessage))).one().content = content

    async with listening(Relay()) as relay:
        await deliver(database, to(settings, relay))

    assert relay.accepted[0].content == b"Subject: points\r\n\r\n.seul\r\n.\r\n..deux\r\nfin sans retour\r\n et fin\r\n"


@pytest.mark.parametrize(
    "recipient", ["b@example.org>\r\nRCPT TO:<c@example.org", "b@example.org> NOTIFY=NEVER", "sans-arobase", "élodie@example.org"]
)
async def test_an_address_that_would_say_more_to_the_relay_than_an_address_fails_alone(
    database: Database, settings: Settings, recipient: str
) -> None:
    await promise(database, "a@example.org", "c@example.org")
    async with database.transaction() as session:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        given = {"created_at": long_ago, "next_attempt_at": long_ago, "content": b"Subject: x\r\n\r\nx\r\n"}
        session.add(OutboxMessage(kind="moved", recipient=recipient, **given))

    async with listening(Relay()) as relay:
        await deliver(database, to(settings, relay))

    assert relay.recipients == ["a@example.org", "c@example.org"]
    assert Counter(each.status for each in await rows(database)) == {"sent": 2, "failed": 1}


async def test_what_was_sent_is_not_sent_again(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")

    async with listening(Relay()) as relay:
        sent = [await deliver(database, to(settings, relay), after) for after in (timedelta(), timedelta(days=1))]

    assert (sent, len(relay.seen)) == ([1, 0], 1)


async def test_all_that_is_due_goes_over_one_connection(database: Database, settings: Settings) -> None:
    people = [f"p{number}@example.org" for number in range(5)]
    await promise(database, *people)

    async with listening(Relay()) as relay:
        await deliver(database, to(settings, relay))

    assert (relay.connections, relay.recipients) == (1, people)


async def test_without_a_relay_messages_wait_where_organisers_read_them(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")

    sent = await deliver(database, settings)

    assert (sent, (await row(database)).status, await attempts(database)) == (0, "waiting", [])


async def test_a_message_of_a_transaction_that_is_undone_is_never_sent(database: Database, settings: Settings) -> None:
    with pytest.raises(RuntimeError, match="panne"):
        await _a_promise_that_fails(database)

    async with listening(Relay()) as relay:
        assert await deliver(database, to(settings, relay)) == 0


async def _a_promise_that_fails(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)
        registration = await a_registration(session, forum)
        outbox.enqueue(session, emails.registered(registration, forum, "jeton"), now=datetime.now(UTC))
        await session.flush()
        raise RuntimeError("panne")


class Clerk:
    """Accepts one name and password."""

    def __call__(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given == LoginPassword(b"forums", b"mot de passe"), handled=False)


@pytest.mark.parametrize("way", ["starttls", "implicit"])
async def test_a_relay_that_is_known_gets_messages_over_tls_after_the_password(
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    certificate: Path,
    tls: ssl.SSLContext,
    way: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    await promise(database, "camille@example.org")
    starttls = {"tls_context": tls, "require_starttls": True, "auth_required": True}
    implicit = {"tls": tls, "auth_require_tls": False}  # what aiosmtpd asks for is STARTTLS

    async with listening(Relay(), authenticator=Clerk(), **(starttls if way == "starttls" else implicit)) as relay:
        await deliver(database, to(settings, relay, way, username="forums", password="mot de passe"))

    assert (relay.recipients, (await row(database)).status) == (["camille@example.org"], "sent")


# -- Faults of one message ---------------------------------------------------------------------------------------


async def test_a_greylisted_message_goes_a_minute_later_with_the_same_message_id_and_bytes(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")

    async with listening(Relay(dot=["451 plus tard"])) as relay:
        first = await deliver(database, to(settings, relay))
        kept = await row(database)
        too_soon = await deliver(database, to(settings, relay))
        second = await deliver(database, to(settings, relay), timedelta(minutes=2))

    assert (first, kept.status, too_soon, second) == (0, "waiting", 0, 1)
    assert relay.seen[0].content == relay.seen[1].content
    assert [message_from_bytes(each.content or b"")["Message-ID"] for each in relay.seen] == [f"<{kept.id}@forums.example.fr>"] * 2  # type: ignore[arg-type]
    assert await attempts(database) == [(451, "retry"), (250, "sent")]


@pytest.mark.parametrize(
    ("relay", "status", "attempt"),
    [
        (Relay(rcpt=["450 liste grise"]), "waiting", (450, "retry")),
        (Relay(rcpt=["452 pleine"]), "waiting", (452, "retry")),
        (Relay(rcpt=["421 fermeture"]), "waiting", (421, "retry")),
        (Relay(rcpt=["503 mauvais ordre"]), "waiting", (503, "retry")),
        (Relay(rcpt=["550 inconnu"]), "failed", (550, "unreachable")),
        (Relay(rcpt=["550 5.7.1 votre serveur est sur une liste"]), "failed", (550, "failed")),
        (Relay(rcpt=[None]), "waiting", (None, "retry")),
        (Relay(dot=["451 plus tard"]), "waiting", (451, "retry")),
        (Relay(dot=["421 fermeture"]), "waiting", (421, "retry")),
        (Relay(dot=["554 non"]), "failed", (554, "failed")),
        (Relay(dot=[None]), "waiting", (None, "retry")),
    ],
    ids=lambda value: f"{value.rcpt or value.dot}" if isinstance(value, Relay) else None,
)
async def test_what_a_relay_says_of_a_message_decides_what_its_row_becomes(
    database: Database, settings: Settings, relay: Relay, status: str, attempt: tuple[int | None, str]
) -> None:
    relay = replace(relay, rcpt=[*relay.rcpt], dot=[*relay.dot], accepted=[], seen=[], opened=[])
    await promise(database, "camille@example.org")

    async with listening(relay):
        sent = await deliver(database, to(settings, relay))

    kept = await row(database)
    assert (sent, kept.status, kept.attempts, kept.lease_until, await attempts(database)) == (0, status, 1, None, [attempt])
    assert kept.last_error
    assert status == "failed" or 0.79 < await minutes_to_the_next(database) < 1.21


async def test_a_relay_that_hangs_up_after_the_final_dot_gets_the_same_message_id_again(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")

    async with listening(Relay(dot=[None])) as relay:
        await deliver(database, to(settings, relay))
        await deliver(database, to(settings, relay), timedelta(minutes=2))

    identifiers = [message_from_bytes(each.content or b"")["Message-ID"] for each in relay.seen]  # type: ignore[arg-type]
    assert (len(identifiers), len(set(identifiers)), (await row(database)).status) == (2, 1, "sent")


async def test_a_refused_message_does_not_delay_the_others_nor_spoil_their_connection(database: Database, settings: Settings) -> None:
    await promise(database, "a@example.org", "b@example.org", "c@example.org")

    async with listening(Relay(rcpt=["250 OK", "550 inconnu"])) as relay:
        sent = await deliver(database, to(settings, relay))

    assert sent == 2
    assert Counter(each.status for each in await rows(database)) == {"sent": 2, "failed": 1}


async def test_a_poisonous_row_does_not_stop_the_queue(database: Database, settings: Settings) -> None:
    await promise(database, "a@example.org", "c@example.org")
    async with database.transaction() as session:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        when = {"created_at": long_ago, "next_attempt_at": long_ago}
        session.add(OutboxMessage(kind="inconnu", recipient="b@example.org", **when))
        session.add(OutboxMessage(kind="registered", recipient="b@example.org", facts={}, **when))
        session.add(OutboxMessage(kind="sign_in", recipient="b@example.org\nBcc: x@example.org", facts={"token": "x"}, **when))

    async with listening(Relay()) as relay:
        sent = await deliver(database, to(settings, relay))

    assert (sent, relay.recipients) == (2, ["a@example.org", "c@example.org"])
    assert Counter(each.status for each in await rows(database)) == {"sent": 2, "failed": 3}


async def test_waits_grow_with_each_attempt_and_end_at_four_hours(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")
    waits = []

    async with listening(Relay(rcpt=["450 liste grise"] * 8)) as relay:
        for _ in range(8):
            await deliver(database, to(settings, relay), timedelta(days=1))
            waits.append(await minutes_to_the_next(database))

    expected = [1, 5, 15, 30, 60, 120, 240, 240]
    assert [0.79 * wait < waited < 1.21 * wait for wait, waited in zip(expected, waits, strict=True)] == [True] * 8


async def test_a_message_is_given_up_after_two_days_and_an_organiser_may_try_again(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org", at=datetime.now(UTC) - GIVE_UP_AFTER - timedelta(minutes=1))

    async with listening(Relay(rcpt=["450 liste grise"] * 2)) as relay:
        await deliver(database, to(settings, relay))
        given_up = await row(database)
        async with database.transaction() as session:
            again = await outbox.retry(session, given_up.id, now=datetime.now(UTC))
        await deliver(database, to(settings, relay))
        greylisted = await row(database)
        await deliver(database, to(settings, relay), timedelta(minutes=2))

    assert (given_up.status, again, greylisted.status, (await row(database)).status) == ("failed", True, "waiting", "sent")


@pytest.mark.parametrize("status", ["waiting", "sending", "sent"])
async def test_only_a_failed_message_is_put_back_in_the_queue(database: Database, status: str) -> None:
    await promise(database, "camille@example.org")
    async with database.transaction() as session:
        message = (await session.exec(select(OutboxMessage))).one()
        message.status = status  # type: ignore[assignment]

    async with database.transaction() as session:
        assert not await outbox.retry(session, message.id, now=datetime.now(UTC))

    assert (await row(database)).status == status


# -- Faults of the relay, or of its settings ---------------------------------------------------------------------


class RefusesEhlo(Server):
    async def smtp_EHLO(self, hostname: str) -> None:
        await self.push("550 allez-vous-en")

    async def smtp_HELO(self, hostname: str) -> None:
        await self.push("550 allez-vous-en")


class RefusesTls(Server):
    async def smtp_STARTTLS(self, arg: str) -> None:
        await self.push("502 non")


class HangsUpAtOnce(Server):
    async def smtp_EHLO(self, hostname: str) -> None:
        assert self.transport is not None
        self.transport.abort()


Fault = Callable[[ssl.SSLContext], dict[str, Any]]
FAULTS: dict[str, tuple[Relay, str, str, Fault]] = {
    "EHLO refused": (Relay(), "none", "relay", lambda tls: {"kind": RefusesEhlo}),
    "hangs up at EHLO": (Relay(), "none", "relay", lambda tls: {"kind": HangsUpAtOnce}),
    "MAIL refused for now": (Relay(mail=["451 plus tard"]), "none", "relay", lambda tls: {}),
    "sender refused": (Relay(mail=["553 envoi non permis"]), "none", "misconfigured", lambda tls: {}),
    "bad certificate": (Relay(), "starttls", "misconfigured", lambda tls: {"tls_context": tls}),
    "bad certificate at once": (Relay(), "implicit", "misconfigured", lambda tls: {"tls": tls}),
    "no STARTTLS": (Relay(), "starttls", "misconfigured", lambda tls: {}),
    "STARTTLS refused": (Relay(), "starttls", "relay", lambda tls: {"kind": RefusesTls, "tls_context": tls}),
    "password refused": (Relay(), "none", "misconfigured", lambda tls: {"authenticator": Clerk(), "auth_require_tls": False}),
    "no AUTH": (Relay(), "none", "misconfigured", lambda tls: {}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_that_is_no_messages_stops_the_round_burns_no_attempt_and_loses_nothing(
    database: Database, settings: Settings, tls: ssl.SSLContext, fault: str
) -> None:
    faulty, way, verdict, options = FAULTS[fault]
    login = {"username": "forums", "password": "faux"} if fault in ("password refused", "no AUTH") else {}
    await promise(database, "a@example.org", "b@example.org")

    async with listening(replace(faulty, mail=[*faulty.mail], opened=[], port=0), **options(tls)) as relay:
        during = await deliver(database, to(settings, relay, way, **login))
        waiting = await rows(database)
    async with listening(Relay()) as relay:
        afterwards = await deliver(database, to(settings, relay), timedelta(minutes=2))

    assert (during, [(each.status, each.attempts, each.lease_until) for each in waiting]) == (0, [("waiting", 0, None)] * 2)
    assert (await attempts(database))[0][1] == verdict
    assert (afterwards, relay.recipients) == (2, ["a@example.org", "b@example.org"])


async def test_a_relay_that_is_not_there_is_waited_for(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")
    async with listening(Relay()) as gone:
        pass

    await deliver(database, to(settings, gone))
    kept = await row(database)
    async with listening(Relay(port=gone.port)) as back:
        sent = await deliver(database, to(settings, back), timedelta(minutes=2))

    assert (kept.status, kept.attempts, sent) == ("waiting", 0, 1)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (aiosmtplib.SMTPConnectTimeoutError("trop long"), "relay"),
        (aiosmtplib.SMTPConnectResponseError(554, "non"), "relay"),
        (aiosmtplib.SMTPReadTimeoutError("trop long"), "retry"),
        (aiosmtplib.SMTPNotSupported("SMTPUTF8"), "failed"),
        (ConnectionResetError("raccroche"), "relay"),
        (OperationalError("SELECT 1", {}, Exception("base occupée")), "retry"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "accent"), "failed"),
        (KeyError("token"), "failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_faults_no_server_here_can_cause_are_judged_too(error: Exception, verdict: str) -> None:
    assert outbox.judge(error)[0] == verdict


# -- Several workers, and workers that die -----------------------------------------------------------------------


async def test_two_workers_never_send_the_same_message_twice(database: Database, engine_settings: Settings) -> None:
    people = sorted(f"p{number}@example.org" for number in range(60))
    await promise(database, *people)
    other = Database(engine_settings)

    async def work(worker: Database, settings: Settings) -> int:
        sent = 0
        while more := await outbox.deliver_due(worker, settings, limit=7):
            sent += more
        return sent

    async with listening(Relay()) as relay:
        mine = to(engine_settings, relay)
        shares = await asyncio.gather(work(database, mine), work(other, mine), work(database, mine))
    await other.close()

    assert (sum(shares), relay.recipients, {each.status for each in await rows(database)}) == (60, people, {"sent"})


async def test_a_message_in_the_hands_of_a_dead_worker_goes_once_its_lease_is_over_with_the_same_bytes(
    database: Database, settings: Settings
) -> None:
    await promise(database, "camille@example.org")

    async with listening(Relay(slow=30)) as relay:
        worker = asyncio.create_task(deliver(database, to(settings, relay)))
        await relay.handed.wait()
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker
        left_behind = await row(database)
        relay.slow = 0
        during, afterwards = [await deliver(database, to(settings, relay), wait) for wait in (timedelta(), LEASE + timedelta(seconds=1))]

    assert (left_behind.status, during, afterwards) == ("sending", 0, 1)
    assert relay.seen[0].content == relay.seen[1].content


async def test_a_round_that_lasts_too_long_hands_back_what_it_has_not_begun(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasts = courier.HAND_BACK_AFTER
    await promise(database, "a@example.org", "b@example.org", "c@example.org")

    async with listening(HangsOnTheFirst()) as relay:
        round_of_three = asyncio.create_task(deliver(database, to(settings, relay)))
        await relay.handed.wait()
        monkeypatch.setattr(courier, "HAND_BACK_AFTER", timedelta())  # as if the relay had taken that long
        relay.answers.set()
        first = await round_of_three
        between = sorted((each.status, each.attempts) for each in await rows(database))
        monkeypatch.setattr(courier, "HAND_BACK_AFTER", lasts)
        second = await deliver(database, to(settings, relay), timedelta(seconds=1))

    assert (first, between, second) == (1, [("sent", 1), ("waiting", 0), ("waiting", 0)], 2)


def test_the_last_message_of_a_round_is_settled_before_its_lease_is_over() -> None:
    a_connection = timedelta(minutes=1)

    assert courier.HAND_BACK_AFTER + a_connection + timedelta(seconds=relays.ALTOGETHER) < LEASE


# -- What organisers see -----------------------------------------------------------------------------------------


async def test_organisers_see_messages_their_number_by_status_and_every_attempt(database: Database, settings: Settings) -> None:
    await promise(database, "a@example.org", "b@example.org")

    async with listening(Relay(rcpt=["550 inconnu"])) as relay:
        await deliver(database, to(settings, relay))

    async with database.reading() as session:
        failed = await outbox.recent(session, status="failed")
        assert await outbox.counts(session) == {"failed": 1, "sent": 1}
        assert [each.code for each in await outbox.attempts_of(session, failed[0])] == [550]
        assert len(await outbox.recent(session)) == 2
        assert await outbox.message_by_id(session, failed[0].id) is failed[0]
        assert await outbox.message_by_id(session, UUID(int=0)) is None


# -- Eight faults, one message or many -----------------------------------------------------------------------


class HangsAtTheDot(Relay):
    """Takes no final dot before the time is over, for the first message alone."""

    async def think(self) -> None:
        if len(self.seen) == 1:
            await asyncio.sleep(2 * THE_DOT)


# How long the sender waits for the final dot of a relay that hangs, in seconds: far more than an answer takes on a
# machine that does other things, for the messages beside it are to be sent. Alone, nothing else is.
THE_DOT, ALONE = 5.0, 0.25


# What the relay does to the first message, and what becomes of that message and of the others.
EIGHT = {
    "accepts": (lambda: Relay(), "none", "sent", "sent"),
    "450, then accepts": (lambda: Relay(rcpt=["450 liste grise"]), "none", "waiting", "sent"),
    "550": (lambda: Relay(rcpt=["550 inconnu"]), "none", "failed", "sent"),
    "421 and closes": (lambda: Relay(rcpt=["421 fermeture"]), "none", "waiting", "sent"),
    "closes after the final dot": (lambda: Relay(dot=[None]), "none", "waiting", "sent"),
    "hangs past the time limit": (lambda: HangsAtTheDot(), "none", "waiting", "sent"),
    "bad certificate": (lambda: Relay(), "starttls", "waiting", "waiting"),
    "missing STARTTLS": (lambda: Relay(), "starttls", "waiting", "waiting"),
}


@pytest.mark.parametrize("people", [1, 32], ids=["one message", "thirty-two over four connections"])
@pytest.mark.parametrize("fault", EIGHT)
async def test_whatever_a_relay_does_nothing_is_lost_and_what_can_go_goes_once_it_is_better(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, fault: str, people: int
) -> None:
    if fault == "hangs past the time limit":
        monkeypatch.setattr(relays, "ALTOGETHER", THE_DOT if people > 1 else ALONE)
    faulty, way, first, others = EIGHT[fault]
    everybody = sorted(f"p{number}@example.org" for number in range(people))
    await promise(database, *everybody)

    async with listening(faulty(), **({"tls_context": tls} if fault == "bad certificate" else {})) as relay:
        await deliver(database, to(settings, relay, way))
        during = Counter(each.status for each in await rows(database))
    async with listening(Relay()) as relay:
        await deliver(database, to(settings, relay), timedelta(hours=1))
        afterwards = Counter(each.status for each in await rows(database))

    lost_for_good = first == "failed"
    assert during == Counter([first, *[others] * (people - 1)])
    assert afterwards == Counter(["failed" if lost_for_good else "sent", *["sent"] * (people - 1)])


# -- Several connections, kept while they serve ------------------------------------------------------------------


async def test_a_crowd_goes_over_several_connections_each_message_once(database: Database, settings: Settings) -> None:
    people = sorted(f"p{number}@example.org" for number in range(80))
    await promise(database, *people)

    async with listening(Relay(slow=0.002)) as relay:
        sent = await deliver(database, to(settings, relay))

    assert (sent, relay.connections, relay.recipients) == (80, 4, people)


async def test_a_relay_that_wants_one_connection_gets_one(database: Database, settings: Settings) -> None:
    await promise(database, *(f"p{number}@example.org" for number in range(40)))

    async with listening(Relay()) as relay:
        await deliver(database, to(settings, relay, connections=1))

    assert (relay.connections, len(relay.accepted)) == (1, 40)


async def test_a_connection_serves_again_while_it_is_not_idle_for_long(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(Relay()) as relay, a_courier(database, to(settings, relay)) as worker:
        for person in ("a@example.org", "b@example.org"):
            await promise(database, person)
            await once_around(worker)
        together = relay.connections
        monkeypatch.setattr(relays, "KEPT_IDLE", -1.0)
        await promise(database, "c@example.org")
        await once_around(worker)

    assert (together, relay.connections, len(relay.accepted)) == (1, 2, 3)


async def test_a_connection_that_carried_enough_is_left_for_another(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "MESSAGES_EACH", 3)
    await promise(database, *(f"p{number}@example.org" for number in range(7)))

    async with listening(Relay()) as relay:
        await deliver(database, to(settings, relay))

    assert (relay.connections, len(relay.accepted)) == (3, 7)


@dataclass
class WaitsToBeLeft(Relay):
    """Says goodbye once what it took is known as sent, or after a while."""

    known: bool = False
    database: Database | None = None

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert self.database
        for _ in range(400):
            if self.known:
                break
            self.known = [each.status for each in await rows(self.database)] == ["sent"]
            await asyncio.sleep(0.05)
        return "221 au revoir"


async def test_what_became_of_a_message_is_written_while_its_connection_is_left(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "MESSAGES_EACH", 1)
    monkeypatch.setattr(relays, "LEAVING", 120.0)
    await promise(database, "a@example.org")

    async with listening(WaitsToBeLeft(database=database)) as relay:
        await deliver(database, to(settings, relay))

    assert relay.known


async def test_a_connection_the_relay_closed_meanwhile_costs_the_next_message_nothing(database: Database, settings: Settings) -> None:
    async with listening(Relay()) as relay, a_courier(database, to(settings, relay)) as worker:
        await promise(database, "a@example.org")
        await once_around(worker)
        relay.hang_up()
        await promise(database, "b@example.org")
        await once_around(worker)

    assert (relay.connections, [(each.status, each.attempts) for each in await rows(database)]) == (2, [("sent", 1)] * 2)


async def test_a_slow_answer_does_not_hold_up_what_is_promised_meanwhile(database: Database, settings: Settings) -> None:
    stop = asyncio.Event()
    async with listening(HangsOnTheFirst()) as relay:
        await promise(database, "lente@example.org")
        worker = asyncio.create_task(outbox.work(database, to(settings, relay), stop))
        await relay.handed.wait()
        await promise(database, "camille@example.org")
        await until(lambda: relay.recipients == ["camille@example.org"])
        stop.set()
        relay.answers.set()
        await worker

    assert [each.status for each in await rows(database)] == ["sent", "sent"]


@dataclass
class Holds(Relay):
    """Says nothing of any message until the test wants it to."""

    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def think(self) -> None:
        await self.answers.wait()


class HangsOnTheFirst(Holds):
    """Says nothing of the first message until the test wants it to."""

    async def think(self) -> None:
        if len(self.seen) == 1:
            await super().think()


async def test_a_worker_that_is_stopped_finishes_what_is_begun_and_hands_the_rest_back(database: Database, settings: Settings) -> None:
    await promise(database, *(f"p{number:02}@example.org" for number in range(30)))
    stop = asyncio.Event()

    async with listening(Holds()) as relay:
        worker = asyncio.create_task(outbox.work(database, to(settings, relay), stop))
        await relay.handed.wait()
        stop.set()
        while sum(each.status == "sending" for each in await rows(database)) > len(relay.seen):  # noqa: ASYNC110 — until the rest is handed back
            await asyncio.sleep(0.01)
        relay.answers.set()
        await worker

    found = Counter((each.status, each.attempts) for each in await rows(database))
    assert set(found) == {("sent", 1), ("waiting", 0)}
    assert found["sent", 1] == len(relay.accepted) <= 4


async def test_while_the_database_takes_nothing_down_no_more_goes_than_may_be_unwritten(database: Database) -> None:
    await promise(database, *(f"p{number:03}@example.org" for number in range(100)))
    now = datetime.now(UTC)
    in_hand = await ledger.claim(database, Smtp(host="localhost", port=25, tls="none"), now, 100)
    written, told = ledger.Ledger(database), []

    async def tell() -> None:
        for each in in_hand:
            await written.record(ledger.Outcome(each, now, "sent"))
            told.append(each)

    async with database.transaction() as session:
        await session.exec(update(OutboxMessage).values(language="en"))  # holds every row until the block is left
        telling = asyncio.create_task(tell())
        await until(lambda: len(told) >= UNWRITTEN - 1)
        await asyncio.sleep(0.1)
        ahead = len(told)
    await telling
    await written.settled()

    assert (len(in_hand), ahead, len(told)) == (100, UNWRITTEN - 1, 100)
    assert {each.status for each in await rows(database)} == {"sent"}


KILLED = """
import asyncio, json, sys
import forums.settings
from forums import outbox
from forums.database import Database
settings = forums.settings.read(json.loads(sys.argv[1]))
asyncio.run(outbox.work(Database(settings), settings, asyncio.Event()))
"""


async def test_a_worker_killed_at_the_worst_moment_sends_again_at_most_what_may_be_unwritten(
    database: Database, engine_settings: Settings
) -> None:
    people = sorted(f"p{number}@example.org" for number in range(150))
    await promise(database, *people)

    async with listening(Relay()) as relay:
        environ = {"DATABASE_URL": engine_settings.database_url, "SECRET_KEY": SECRET_KEY, "PUBLIC_URL": engine_settings.public_url,
                   "SMTP_URL": f"smtp://localhost:{relay.port}"}  # fmt: skip
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, json.dumps(environ), cwd=ROOT)
        await until(lambda: len(relay.accepted) >= 60)
        worker.kill()
        await worker.wait()
        await deliver(database, to(engine_settings, relay), LEASE + timedelta(minutes=1))
        await deliver(database, to(engine_settings, relay), LEASE + timedelta(minutes=1))

    identifiers = Counter(message_from_bytes(each.content or b"")["Message-ID"] for each in relay.accepted)  # type: ignore[arg-type]
    assert set(identifiers) == {f"<{each.id}@forums.example.fr>" for each in await rows(database)}
    assert {each.status for each in await rows(database)} == {"sent"}
    assert sum(identifiers.values()) - 150 <= UNWRITTEN + 4
    assert set(relay.recipients) == set(people)


# -- Taken back ----------------------------------------------------------------------------------------------


async def test_a_message_taken_back_after_it_was_claimed_never_reaches_the_relay_and_one_that_did_is_told_as_sent(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await promise(database, "a@example.org", "b@example.org", "c@example.org")

    async with listening(Holds()) as relay:
        worker = asyncio.create_task(deliver(database, to(settings, relay, connections=1)))
        await relay.handed.wait()
        async with database.transaction() as session:
            forum = (await session.exec(select(OutboxMessage.forum_id))).first()
            assert forum
            dropped = await outbox.drop(session, ["registered"], forum_id=forum)
        await asyncio.sleep(courier.LOOK_AGAIN_AFTER * 1.1)
        relay.answers.set()
        sent = await worker

    assert (dropped, sent, len(relay.seen)) == (3, 1, 1)
    assert Counter(each.status for each in await rows(database)) == {"sent": 1, "dropped": 2}
    assert {each.content for each in await rows(database)} == {None}


async def test_a_message_taken_back_while_the_relay_refuses_it_stays_taken_back(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")

    async with listening(Holds(dot=["451 plus tard"])) as relay:
        worker = asyncio.create_task(deliver(database, to(settings, relay)))
        await relay.handed.wait()
        async with database.transaction() as session:
            await outbox.drop(session, ["registered"])
        relay.answers.set()
        await worker

    assert ((await row(database)).status, await attempts(database)) == ("dropped", [(451, "retry")])


async def test_someone_erased_while_their_message_is_being_sent_leaves_no_trace(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")

    async with listening(Holds()) as relay:
        worker = asyncio.create_task(deliver(database, to(settings, relay)))
        await relay.handed.wait()
        async with database.transaction() as session:
            await session.exec(delete(OutboxMessage))
        relay.answers.set()
        sent = await worker

    assert (sent, await rows(database), await attempts(database)) == (1, [], [])


# -- A rate ----------------------------------------------------------------------------------------------------


async def test_a_relay_with_a_quota_gets_no_more_a_minute_from_all_workers_together(database: Database, engine_settings: Settings) -> None:
    await promise(database, *(f"p{number:02}@example.org" for number in range(12)))
    other, start = Database(engine_settings), datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)

    async with listening(Relay()) as relay:
        slowly = to(engine_settings, relay, rate=5)
        a_minute = [
            sum(
                await asyncio.gather(
                    *(outbox.deliver_due(door, slowly, now=start + timedelta(minutes=minute), limit=4) for door in (database, other) * 2)
                )
            )
            for minute in range(4)
        ]
    await other.close()

    assert max(a_minute) <= 5
    assert sum(a_minute) == len(relay.accepted) == 12


# -- A fault of the relay stops the queue ------------------------------------------------------------------------


async def test_a_wrong_password_is_tried_once_then_once_in_ten_minutes(database: Database, settings: Settings) -> None:
    await promise(database, *(f"p{number:02}@example.org" for number in range(60)))
    now = datetime.now(UTC)

    async with listening(Relay(), authenticator=Clerk(), auth_require_tls=False) as relay:
        async with a_courier(database, to(settings, relay, username="forums", password="faux")) as worker:
            tries = []
            for minutes in (0, 1, 9, 11, 12, 22):
                await once_around(worker, now + timedelta(minutes=minutes))
                tries.append(relay.connections)
            found = Counter((each.status, each.attempts) for each in await rows(database))
        async with a_courier(database, to(settings, relay, username="forums", password="mot de passe")) as worker:
            await once_around(worker)

    assert tries == [1, 1, 1, 2, 2, 3]
    assert found == {("waiting", 0): 60}
    assert len(relay.accepted) == 60  # the next start tries at once


async def test_an_organiser_who_puts_a_message_back_starts_the_queue_again(database: Database, settings: Settings) -> None:
    await promise(database, "a@example.org", "b@example.org")

    async with listening(Relay(mail=["553 envoi non permis"])) as relay, a_courier(database, to(settings, relay)) as worker:
        await once_around(worker)
        await once_around(worker)
        stopped = len(relay.accepted)
        async with database.transaction() as session:
            refused = next(each for each in await outbox.recent(session) if each.last_error)
            assert await outbox.retry(session, refused.id, now=datetime.now(UTC))
        await once_around(worker)

    assert (stopped, relay.recipients) == (0, ["a@example.org", "b@example.org"])


async def test_a_relay_that_is_not_there_is_asked_less_and_less_often_until_it_is_back(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")
    now, tried = datetime.now(UTC), []
    async with listening(Relay()) as gone:
        pass

    async with a_courier(database, to(settings, gone)) as worker:
        for minute in range(40):
            before = len(await attempts(database))
            await once_around(worker, now + timedelta(minutes=minute, seconds=2))
            tried += [minute] if len(await attempts(database)) > before else []
        async with listening(Relay(port=gone.port)) as back:
            await once_around(worker, now + timedelta(minutes=60))

    assert tried == [0, 1, 3, 8, 18, 28, 38]
    assert len(back.accepted) == 1


async def test_the_alarm_says_what_is_wrong_with_the_relay_since_when_and_ends_with_the_first_message_sent(
    database: Database, settings: Settings
) -> None:
    async def alarm() -> outbox.Alarm | None:
        async with database.reading() as session:
            return await outbox.alarm(session, datetime.now(UTC))

    await promise(database, "a@example.org", "b@example.org")
    before = await alarm()
    async with listening(Relay(mail=["553 5.7.1 envoi non permis"] * 2)) as relay:
        await deliver(database, to(settings, relay))
        first = await alarm()
        await deliver(database, to(settings, relay))
        second = await alarm()
        await deliver(database, to(settings, relay))
        afterwards = await alarm()

    assert (before, afterwards) == (None, None)
    assert first is not None
    assert second is not None
    assert (first.verdict, first.words) == ("misconfigured", "5.7.1 envoi non permis")
    assert (second.since, second.last > first.last) == (first.since, True)


async def test_a_message_that_is_refused_raises_no_alarm_nor_does_a_fault_of_long_ago(database: Database, settings: Settings) -> None:
    await promise(database, "a@example.org")
    async with listening(Relay(rcpt=["550 inconnu"])) as relay:
        await deliver(database, to(settings, relay))
    async with database.reading() as session:
        assert await outbox.alarm(session, datetime.now(UTC)) is None
    async with listening(Relay()) as gone:
        pass
    await promise(database, "b@example.org")
    await deliver(database, to(settings, gone))

    async with database.reading() as session:
        assert await outbox.alarm(session, datetime.now(UTC) + timedelta(hours=2)) is None


# -- What comes back ---------------------------------------------------------------------------------------------


class OffersDsn(Server):
    """Takes the options of RFC 3461 and remembers them."""

    async def smtp_EHLO(self, hostname: str) -> None:
        await self.push("250-relais.example")
        await self.push("250 DSN")
        assert self.session
        self.session.host_name, self.session.extended_smtp = hostname, True

    async def smtp_MAIL(self, arg: str) -> None:
        address, _, self.event_handler.mail_options = arg.partition(" ")
        await super().smtp_MAIL(address)

    async def smtp_RCPT(self, arg: str) -> None:
        address, _, self.event_handler.rcpt_options = arg.partition(" ")
        await super().smtp_RCPT(address)


async def test_a_relay_that_can_is_asked_to_report_a_failure_by_the_rows_own_name(database: Database, settings: Settings) -> None:
    await promise(database, "camille@example.org")

    async with listening(Relay(), OffersDsn) as relay:
        await deliver(database, to(settings, relay))

    kept = await row(database)
    assert (kept.status, relay.mail_options, relay.rcpt_options) == ("sent", f"RET=HDRS ENVID={kept.id}", "NOTIFY=FAILURE")


def a_report(
    message: OutboxMessage, *, envelope: bool = True, headers: bool = True, action: str = "failed", status: str = "5.1.1"
) -> bytes:
    """A report as Postfix writes it (RFC 3464)."""
    named = f"Original-Envelope-Id: {message.id}\n" if envelope else ""
    returned = f"From: forums@example.fr\nMessage-ID: <{message.id}@forums.example.fr>\nSubject: Votre place\n" if headers else ""
    return f"""\
From: MAILER-DAEMON@relais.example (Mail Delivery System)
To: forums@example.fr
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="limite"

--limite
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--limite
Content-Type: message/delivery-status

Reporting-MTA: dns; relais.example
{named}Arrival-Date: Mon,  1 Feb 2027 10:00:00 +0100

Final-Recipient: rfc822; {message.recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 <{message.recipient}>:
    Recipient address rejected

--limite
Content-Type: text/rfc822-headers

{returned}
--limite--
""".encode()


async def a_sent_message(database: Database, settings: Settings, recipient: str = "camille@example.org") -> OutboxMessage:
    await promise(database, recipient)
    async with listening(Relay()) as relay:
        await deliver(database, to(settings, relay))
    return next(each for each in await rows(database) if each.recipient == recipient)


async def bounce(database: Database, report: bytes) -> OutboxMessage | None:
    async with database.transaction() as session:
        return await outbox.record_bounce(session, report, now=datetime.now(UTC))


@pytest.mark.parametrize("known_by", ["envelope", "headers"])
async def test_a_message_that_comes_back_is_known_by_its_envelope_or_its_headers(
    database: Database, settings: Settings, known_by: str
) -> None:
    sent = await a_sent_message(database, settings)

    found = await bounce(database, a_report(sent, envelope=known_by == "envelope", headers=known_by == "headers"))

    kept = await row(database)
    assert found is not None
    assert (found.id, kept.status) == (sent.id, "bounced")
    assert kept.last_error == "550 5.1.1 <camille@example.org>: Recipient address rejected"
    assert [outcome for _, outcome in await attempts(database)] == ["sent", "bounced"]


async def test_a_message_returned_whole_is_known_too(database: Database, settings: Settings) -> None:
    sent = await a_sent_message(database, settings)
    whole = a_report(sent, envelope=False).replace(b"text/rfc822-headers", b"message/rfc822")

    assert await bounce(database, whole) is not None


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("failed", "4.4.7"), ("delivered", "2.0.0"), ("relayed", "2.0.0")])
async def test_a_delay_or_anything_else_changes_nothing(database: Database, settings: Settings, action: str, status: str) -> None:
    sent = await a_sent_message(database, settings)

    assert await bounce(database, a_report(sent, action=action, status=status)) is None

    assert (await row(database)).status == "sent"


async def test_rubbish_in_the_mailbox_of_bounces_changes_nothing(database: Database, settings: Settings) -> None:
    sent = await a_sent_message(database, settings)
    report = a_report(sent)
    rubbish = [
        b"",
        b"\xff\x00\xfe" * 1000,
        b"Subject: Bonjour\n\nJe serai absent.",
        report.replace(b"multipart/report", b"multipart/mixed"),
        report.replace(b"Content-Type: message/delivery-status", b"Content-Type: text/plain"),
        report[: len(report) // 2],
        report.replace(b"boundary", b"bondary"),
        report.replace(str(sent.id).encode(), b"00000000-0000-4000-8000-000000000000"),
        report.replace(str(sent.id).encode(), b"'; DROP TABLE outbox_message; --"),
    ]

    assert [await bounce(database, each) for each in rubbish] == [None] * len(rubbish)

    assert (await row(database)).status == "sent"


async def test_the_same_report_twice_is_one_bounce(database: Database, settings: Settings) -> None:
    sent = await a_sent_message(database, settings)

    twice = [await bounce(database, a_report(sent)) is not None for _ in range(2)]

    assert twice == [True, False]


async def test_a_bounced_message_goes_again_unless_it_held_a_link_that_was_forgotten(database: Database, settings: Settings) -> None:
    with_link = await a_sent_message(database, settings)
    async with database.transaction() as session:
        without = OutboxMessage(kind="moved", recipient="d@example.org", facts=with_link.facts, status="sent")
        without.facts = {name: value for name, value in with_link.facts.items() if name != "token"}
        session.add(without)
    await bounce(database, a_report(with_link))
    await bounce(database, a_report(without))

    async with database.transaction() as session:
        again = [await outbox.retry(session, each.id, now=datetime.now(UTC)) for each in (with_link, without)]

    assert again == [False, True]


async def test_those_who_cannot_be_reached_are_those_whose_last_message_came_back_or_whose_address_was_refused(
    database: Database, settings: Settings
) -> None:
    bounced = await a_sent_message(database, settings, "revenu@example.org")
    await bounce(database, a_report(bounced))
    better = await a_sent_message(database, settings, "repare@example.org")
    await bounce(database, a_report(better))
    await a_sent_message(database, settings, "repare@example.org")
    await a_sent_message(database, settings, "joignable@example.org")
    for person, answer in (("inconnu@example.org", "550 5.1.1 inconnu"), ("refuse@example.org", "554 5.7.1 liste noire")):
        await promise(database, person)
        async with listening(Relay(rcpt=[answer])) as relay:
            await deliver(database, to(settings, relay))
    await promise(database, "nouveau@example.org")

    everybody = ["revenu@example.org", "repare@example.org", "joignable@example.org", "inconnu@example.org", "refuse@example.org",
                 "nouveau@example.org", "jamais-ecrit@example.org"]  # fmt: skip
    async with database.reading() as session:
        assert await outbox.unreachable(session, everybody) == {"revenu@example.org", "inconnu@example.org"}
        assert await outbox.unreachable(session, []) == set()


# -- The pages of organisers ---------------------------------------------------------------------------------------


async def test_organisers_filter_messages_by_state_and_read_why_they_failed_in_the_list(site: Site) -> None:
    await site.sign_in("organiser")
    async with site.database.transaction() as session:
        await session.exec(delete(OutboxMessage))
        for number, status in enumerate(pages_outbox.STATES):
            facts = {"kind": "sign_in", "facts": {"token": "…"}, "recipient": f"{status}@example.org"}
            session.add(OutboxMessage(**facts, status=status, last_error=f"raison {number}" if status != "sent" else None))

    listed = unescape((await site.get("/organisation/messages")).text)
    found = {status: unescape((await site.get(f"/organisation/messages?etat={status}")).text) for status in pages_outbox.STATES}

    for name in ("En attente (1)", "Envoi en cours (1)", "Envoyés (1)", "Échecs (1)", "Adresse injoignable (1)", "Retirés (1)", "Tous (6)"):
        assert name in listed
    assert [re.findall(r"<td>(\w+)@example.org", text) for text in found.values()] == [[status] for status in found]
    assert ["raison" in text for text in found.values()] == [True, True, False, True, True, False]
    assert "Prochain essai" in found["waiting"]


async def test_messages_come_fifty_to_a_page(site: Site) -> None:
    await site.sign_in("organiser")
    async with site.database.transaction() as session:
        await session.exec(delete(OutboxMessage))
        for number in range(101):
            when = datetime.now(UTC) - timedelta(minutes=number)
            session.add(
                OutboxMessage(kind="sign_in", facts={"token": "…"}, recipient=f"p{number}@example.org", status="failed", created_at=when)
            )

    first, second, third, beyond = [(await site.get(f"/organisation/messages?etat=failed&page={number}")).text for number in (1, 2, 3, 99)]

    assert [text.count("@example.org</td>") for text in (first, second, third, beyond)] == [50, 50, 1, 0]
    assert ("Page précédente" in first, "Page suivante" in first) == (False, True)
    assert ("Page précédente" in second, "Page suivante" in second) == (True, True)
    assert ("Page précédente" in third, "Page suivante" in third) == (True, False)
    assert "etat=failed&amp;page=3" in second


async def test_a_message_that_cannot_be_put_into_words_is_listed_and_shown_with_the_others(site: Site) -> None:
    await site.sign_in("organiser")
    async with site.database.transaction() as session:
        message = OutboxMessage(kind="inconnu", recipient="b@example.org", status="failed", last_error="TemplateNotFound")
        session.add(message)

    assert "TemplateNotFound" in (await site.get("/organisation/messages")).text
    assert "TemplateNotFound" in (await site.get(f"/organisation/messages/{message.id}")).text


async def test_organisers_put_back_what_failed_and_are_told_why_a_forgotten_link_cannot_go_again(site: Site) -> None:
    await site.sign_in("organiser")
    async with site.database.transaction() as session:
        failed = OutboxMessage(kind="sign_in", facts={"token": "jeton"}, recipient="a@example.org", status="failed", last_error="non")
        bounced = OutboxMessage(kind="sign_in", facts={"token": "…"}, recipient="b@example.org", status="bounced", last_error="non")
        session.add_all([failed, bounced])

    offered = ["Renvoyer ce message" in (await site.get(f"/organisation/messages/{each.id}")).text for each in (failed, bounced)]
    answers = [(await site.post(f"/organisation/messages/{each.id}/renvoyer")).status_code for each in (failed, bounced)]

    async with site.database.reading() as session:
        states = [(await session.get_one(OutboxMessage, each.id)).status for each in (failed, bounced)]
    assert (offered, answers, states) == ([True, False], [303, 303], ["waiting", "bounced"])


def as_read(html: str) -> str:
    return re.sub(r"[\u00a0\u202f]", " ", unescape(html))


async def test_the_alarm_is_shown_where_organisers_look_first_with_what_to_do(settings: Settings, sqlite_with_demo: Path) -> None:
    shutil.copy(sqlite_with_demo, settings.sqlite_path)
    async with listening(Relay(mail=["553 envoi non permis"])) as relay, running(to(settings, relay, connections=1)) as site:
        await site.sign_in("organiser")
        async with site.database.transaction() as session:
            session.add(OutboxMessage(kind="sign_in", facts={"token": "jeton"}, recipient="a@example.org"))
        await deliver(site.database, site.settings)
        shown = [as_read((await site.get(path)).text) for path in ("/organisation", "/organisation/messages")]
        again = re.search(r'action="(/organisation/messages/[\w-]+/renvoyer)"', shown[1])
        assert again
        await site.post(again[1])
        await deliver(site.database, site.settings)
        afterwards = [(await site.get(path)).text for path in ("/organisation", "/organisation/messages")]

    for text in shown:
        assert "Aucun message ne part : un réglage est à corriger" in text
        assert "envoi non permis" in text
        assert "SMTP_URL" in text
    assert ["Aucun message ne part" in text for text in afterwards] == [False, False]


# -- Settings -----------------------------------------------------------------------------------------------------


def test_the_relays_address_also_says_how_many_connections_and_messages_a_minute_it_wants() -> None:
    def smtp(url: str) -> Smtp | None:
        return read({"SMTP_URL": url, "SECRET_KEY": SECRET_KEY}).smtp

    plain, asked = smtp("smtp://relais.example"), smtp("smtp://a:b@relais.example?starttls=required&connections=16&rate=300")
    assert plain is not None
    assert asked is not None
    assert (plain.connections, plain.rate, plain.tls) == (4, None, "none")
    assert (asked.connections, asked.rate, asked.tls, asked.port) == (16, 300, "starttls", 587)


@pytest.mark.parametrize("option", ["connections=0", "connections=17", "connections=beaucoup", "rate=0", "rate=-5", "rate=1.5"])
def test_a_relays_address_that_asks_for_the_impossible_is_refused_in_one_sentence(option: str) -> None:
    with pytest.raises(BadSetting, match=r"SMTP_URL \((connections|rate)\) vaut « .* » : indiquez un nombre entier"):
        read({"SMTP_URL": f"smtp://relais.example?{option}", "SECRET_KEY": SECRET_KEY})


# -- Too late ---------------------------------------------------------------------------------------------------


async def test_what_nobody_wants_any_more_is_never_sent_nor_put_back(database: Database, settings: Settings) -> None:
    await promise(database, "a@example.org")
    over = datetime.now(UTC) - timedelta(minutes=1)
    async with database.transaction() as session:
        message = (await session.exec(select(OutboxMessage))).one()
        message.not_after, message.status, message.last_error = over, "waiting", "le relais était en panne"
        session.add(message)

    async with listening(Relay()) as relay:
        sent = await deliver(database, to(settings, relay))
    async with database.transaction() as session:
        put_back = await outbox.retry(session, message.id, now=datetime.now(UTC))
        await outbox.drop_late(session, now=datetime.now(UTC))

    assert (sent, relay.accepted, put_back) == (0, [], False)
    assert (await row(database)).status == "dropped"
