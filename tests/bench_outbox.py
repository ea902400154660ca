"""The outbox for `tests.bench`: queued rows delivered by the worker, against the library alone sending the same bytes.

Both use as many connections, which they keep, to the same relay (`bench_sink`), in turn. What the relay
took is counted, and so is what the rows became: a message lost or sent twice is an error.
"""

import asyncio
import cProfile
import io
import pstats
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import aiosmtplib
import uvloop
from sqlmodel import SQLModel, col, func, select, update

from forums import emails, migrations, outbox
from forums.database import Database
from forums.models import OutboxMessage
from forums.settings import ROOT, Settings, Smtp
from tests import factories
from tests.bench_servers import Pair, free_port

ROUNDS, EACH = 4, 2_500


@dataclass(frozen=True)
class Delivered:
    """Messages a second of the library and of ours, round after round; what went wrong."""

    pairs: list[Pair]
    errors: str
    size: int


def deliver(settings: Settings, *, ready: bool) -> Delivered:
    """10,000 messages whose bytes are `ready` in their rows, or a tenth of them still to be composed."""
    migrations.migrate(settings)
    with sink() as port:
        to_sink = replace(settings, smtp=Smtp(host="127.0.0.1", port=port, tls="none"))
        return uvloop.run(_rounds(to_sink, ready))


def profile(settings: Settings, *, ready: bool) -> pstats.Stats:
    found = cProfile.Profile()
    with sink() as port:
        uvloop.run(_rounds(replace(settings, smtp=Smtp(host="127.0.0.1", port=port, tls="none")), ready, found))
    return pstats.Stats(found, stream=io.StringIO())


@contextmanager
def sink() -> Iterator[int]:
    port = free_port()
    running = subprocess.Popen([sys.executable, "-m", "tests.bench_sink", str(port)], cwd=ROOT)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        yield port
    finally:
        running.terminate()
        running.wait()


async def _rounds(settings: Settings, ready: bool, profile: cProfile.Profile | None = None) -> Delivered:
    database, pairs, faults, expected = Database(settings), [], [], 0
    async with database.transaction() as session:
        forum = await factories.a_forum(session, season=await factories.a_season(session, slug=f"b-{uuid4()}"))
        registration = await factories.a_registration(session, forum)
    message = emails.registered(registration, forum, "j" * 43)
    content = emails.compose(OutboxMessage(kind=message.kind, recipient=message.recipient, facts=message.facts), settings)
    content = content[: content.rindex(b"\r\n", 0, 5_000) + 2] if ready else content
    assert settings.smtp
    clients = [await _client(settings.smtp) for _ in range(settings.smtp.connections)]
    for number in range(ROUNDS + 1):
        each = EACH if ready else EACH // 10  # composing takes longer than all the rest
        count = each if number else each // 5  # the first is a warm-up
        await _queue(database, message, content if ready else None, count)
        bare = await _library(clients, settings, message.recipient, content, count)
        expected += 2 * count
        if profile:
            profile.enable()
        ours = await _product(database, settings, clients[0], expected)
        if profile:
            profile.disable()
        pairs += [(count / bare, count / ours)] if number else []
        if fault := await _counted(database, clients[0], expected):
            faults.append(fault)
    for client in clients:
        await client.quit()
    await database.close()
    return Delivered(pairs, ", ".join(faults), len(content))


async def _client(smtp: Smtp) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(hostname=smtp.host, port=smtp.port, use_tls=False, start_tls=False, local_hostname="localhost")
    await client.connect()
    return client


async def _queue(database: Database, message: emails.Message, content: bytes | None, count: int) -> None:
    now, table = datetime.now(UTC), SQLModel.metadata.tables["outbox_message"]
    shared = {**vars(message), "status": "waiting", "attempts": 0, "created_at": now, "next_attempt_at": now, "content": content}
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.execute(table.insert(), [{**shared, "id": uuid4()} for _ in range(count)])


async def _library(clients: Sequence[aiosmtplib.SMTP], settings: Settings, recipient: str, content: bytes, count: int) -> float:
    left = iter(range(count))

    async def lane(client: aiosmtplib.SMTP) -> None:
        for _ in left:
            await client.sendmail(settings.mail_from.addr_spec, [recipient], content)

    began = time.perf_counter()
    await asyncio.gather(*(lane(client) for client in clients))
    return time.perf_counter() - began


async def _product(database: Database, settings: Settings, client: aiosmtplib.SMTP, expected: int) -> float:
    """From the start of a worker to its end: everything is sent, and written down."""
    stop = asyncio.Event()
    began = time.perf_counter()
    worker = asyncio.create_task(outbox.work(database, settings, stop))
    while await _taken(client) < expected and time.perf_counter() - began < 120:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    stop.set()
    await worker
    return time.perf_counter() - began


async def _taken(client: aiosmtplib.SMTP) -> int:
    return int((await client.vrfy("tous")).message)


async def _counted(database: Database, client: aiosmtplib.SMTP, expected: int) -> str:
    """What the relay took and what the rows became, if it is not everything once."""
    taken = await _taken(client)
    async with database.transaction() as session:
        unsent = (await session.exec(select(func.count()).where(col(OutboxMessage.status) != "sent"))).one()
        kept = (await session.exec(select(func.count()).where(col(OutboxMessage.content).is_not(None)))).one()
        await session.exec(update(OutboxMessage).where(col(OutboxMessage.status) != "sent").values(status="dropped", content=None))
    return "" if (taken, unsent, kept) == (expected, 0, 0) else f"{taken} taken of {expected}, {unsent} not sent, {kept} not forgotten"
