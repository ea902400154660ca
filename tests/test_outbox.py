"""The outbox against real SMTP servers, good and faulty: what each row becomes, and nothing is lost."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select

from forums import emails, outbox
from forums.database import Database
from forums.models import DeliveryAttempt, OutboxMessage
from forums.outbox import GIVE_UP_AFTER, LEASE, courier
from forums.outbox import relay as relays
from forums.settings import Settings, Smtp
from tests.factories import a_forum, a_registration

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
    accepted: list[Envelope] = field(default_factory=list)
    seen: list[Envelope] = field(default_factory=list)
    handed: asyncio.Event = field(default_factory=asyncio.Event)

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
        await asyncio.sleep(self.slow)
        answer = self.answer(server, self.dot)
        if answer.startswith("250"):
            self.accepted.append(envelope)
        return answer

    def answer(self, server: SMTP, script: list[str | None]) -> str:
        answer = script.pop(0) if script else "250 OK"
        assert server.transport is not None
        if answer is None:
            server.transport.abort()
        elif answer.startswith("421"):
            asyncio.get_running_loop().call_soon(server.transport.close)
        return answer or "421 never sent"

    @property
    def recipients(self) -> list[str]:
        return sorted(address for envelope in self.accepted for address in envelope.rcpt_tos)


class Server(SMTP):
    """aiosmtpd, which knows all its connections so that a test may end them."""

    def __init__(self, relay: Relay, opened: list["Server"], **options: Any) -> None:
        super().__init__(relay, hostname="relais.example", loop=asyncio.get_running_loop(), **options)
        relay.connections += 1
        opened.append(self)


@asynccontextmanager
async def listening(
    relay: Relay, kind: type[Server] = Server, *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Relay]:
    opened: list[Server] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: kind(relay, opened, **options), "127.0.0.1", relay.port, ssl=tls)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for each in opened:
            if each.transport is not None:
                each.transport.abort()
        await asyncio.sleep(0.01)


def to(settings: Settings, relay: Relay, tls: str = "none", **credentials: str) -> Settings:
    return replace(settings, smtp=Smtp(host="localhost", port=relay.port, tls=tls, **credentials))


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
        forum = await a_forum(session)
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


def minutes_until(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds() / 60


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
    """Accepts one name and password, over TLS alone."""

    def __call__(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given == LoginPassword(b"forums", b"mot de passe"), handled=False)


@pytest.mark.parametrize("way", ["starttls", "implicit"])
async def test_a_relay_that_is_known_gets_messages_over_tls_after_the_password(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, certificate: Path, tls: ssl.SSLContext, way: str
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
    relay = replace(relay, rcpt=[*relay.rcpt], dot=[*relay.dot], accepted=[], seen=[])
    await promise(database, "camille@example.org")

    async with listening(relay):
        sent = await deliver(database, to(settings, relay))

    kept = await row(database)
    assert (sent, kept.status, kept.attempts, kept.lease_until, await attempts(database)) == (0, status, 1, None, [attempt])
    assert kept.last_error
    assert 0.75 < minutes_until(kept.next_attempt_at) < 1.25 or status == "failed"


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
            waits.append(minutes_until((await row(database)).next_attempt_at))

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
    "sender refused": (Relay(mail=["553 expéditeur non"]), "none", "misconfigured", lambda tls: {}),
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

    async with listening(replace(faulty, mail=[*faulty.mail], port=0), **options(tls)) as relay:
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
    monkeypatch.setattr(courier, "HAND_BACK_AFTER", timedelta(seconds=0.3))
    await promise(database, "a@example.org", "b@example.org", "c@example.org")

    async with listening(Relay(slow=0.5)) as relay:
        first = await deliver(database, to(settings, relay))
        between = sorted((each.status, each.attempts) for each in await rows(database))
        relay.slow = 0
        second = await deliver(database, to(settings, relay), timedelta(seconds=1))

    assert (first, between, second) == (1, [("sent", 1), ("waiting", 0), ("waiting", 0)], 2)


def test_the_last_message_of_a_round_is_settled_before_its_lease_is_over() -> None:
    a_connection = timedelta(minutes=1)

    assert courier.HAND_BACK_AFTER + a_connection + timedelta(seconds=relays.FINAL_DOT) < LEASE


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
