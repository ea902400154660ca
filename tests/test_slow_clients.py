"""Who sends or reads too slowly is cut off in time; everybody else is served as if they were not there.

The server looks at a clock that stands still until the test moves it: a limit is met to the instant, however quick
the machine is.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from forums.slow_clients import Deadlines

Begins = Callable[["Conversation"], Awaitable[None]]

HEAD = b"GET / HTTP/1.1\r\nX: "
BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
PATIENCE = 300


@dataclass
class Clock:
    """The server's clock, and the server's ends of its connections, the newest last."""

    now: float = 1000.0
    port: int = 0
    ends: list["Watched"] = field(default_factory=list)


class Loop:
    """The event loop, but for what time it is."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.loop, self.clock = loop, clock

    def time(self) -> float:
        return self.clock.now

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loop, name)


class Watched(Deadlines):
    """As it is served with, and with its limits; it looks at the clock all the time, and counts how often it did."""

    every = 0.002
    clock: Clock

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.loop = Loop(self.loop, self.clock)  # type: ignore[assignment]
        self.looks = self.bytes = self.pauses = 0
        self.clock.ends.append(self)

    def _look(self) -> None:
        super()._look()
        self.looks += 1

    def data_received(self, sent: bytes) -> None:
        self.received(sent)
        self.bytes += len(sent)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.pauses += 1

    @property
    def cut(self) -> bool:
        return self.transport.is_closing()

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not happened():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def looked(self) -> None:
        before = self.looks
        await self.until(lambda: self.cut or self.looks > before + 1)


@dataclass
class Conversation:
    """Both ends of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    end: Watched
    written: int = 0

    async def says(self, said: bytes) -> None:
        """Returns once the server has it."""
        self.writer.write(said)
        self.written += len(said)
        await self.end.until(lambda: self.end.bytes == self.written)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body; answers with as many bytes as `/N` says."""
    await Request(scope, receive).body()
    size = int(scope["path"].strip("/") or 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    for _ in range(size // 65536):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body", "body": b"x" * (size % 65536)})


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=100)
    made = Clock(port=int(listening.getsockname()[1]))
    kind = type("Own", (Watched,), {"clock": made})
    config = uvicorn.Config(answer, http=kind, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=PATIENCE)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 — uvicorn says it by a flag
        await asyncio.sleep(0.01)
    yield made
    server.should_exit = server.force_exit = True
    await serving


async def connected(clock: Clock) -> Conversation:
    known = len(clock.ends)
    reader, writer = await asyncio.open_connection("127.0.0.1", clock.port, limit=1024)
    async with asyncio.timeout(PATIENCE):
        while len(clock.ends) == known or not clock.ends[-1].looks:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return Conversation(reader, writer, clock.ends[-1])


async def nothing(_: Conversation) -> None: ...


async def a_head(with_whom: Conversation) -> None:
    await with_whom.says(HEAD)


async def a_second_head(with_whom: Conversation) -> None:
    await with_whom.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await with_whom.reader.readuntil(b"xx")
    with_whom.end.clock.now += 2 * Deadlines.head  # between two requests nobody is in a hurry
    await with_whom.says(HEAD)


async def a_body(with_whom: Conversation) -> None:
    await with_whom.says(BODY)


async def a_large_question(with_whom: Conversation) -> None:
    """Asks for 64 MB and reads none of it."""
    await with_whom.says(b"GET /67108864 HTTP/1.1\r\nHost: a\r\n\r\n")
    await with_whom.end.until(lambda: with_whom.end.pauses > 0)


@pytest.mark.parametrize(
    ("begins", "then", "limit"),
    [
        (nothing, b"", Deadlines.head),
        (a_head, b"x", Deadlines.head),
        (a_second_head, b"x", Deadlines.head),
        (a_body, b"x", Deadlines.body),
        (a_large_question, b"\r\n", Deadlines.reading),
    ],
    ids=["silent", "a head without end", "a second head without end", "a body without end", "an answer never read"],
)
async def test_a_client_without_end_is_cut_off_at_its_limit_and_not_before(clock: Clock, begins: Begins, then: bytes, limit: float) -> None:
    client = await connected(clock)
    await begins(client)
    begun, kept = clock.now, []

    for part in (0.1, 0.3, 0.5, 0.7, 0.9, 0.999, 1):
        clock.now = begun + limit * part
        if part < 1:
            await client.says(then)
        await client.end.looked()
        kept.append(not client.end.cut)
    client.writer.close()

    assert kept == [True] * 6 + [False]


async def test_a_large_answer_read_steadily_and_a_connection_used_again_are_left_alone(clock: Clock) -> None:
    client, left = await connected(clock), 0
    for _ in range(2):
        waits = client.end.pauses
        await client.says(b"GET /67108864 HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.end.until(lambda: client.end.pauses > waits)  # noqa: B023
        await client.reader.readuntil(b"\r\n\r\n")
        left = 67_108_864
        for _ in range(5):
            waits = client.end.pauses
            clock.now += 0.9 * Deadlines.reading
            await client.end.looked()
            while client.end.pauses == waits:  # until the server went on, and waits again
                left -= len(await client.reader.read(65536))
        await client.reader.readexactly(left)
    client.writer.close()

    assert not client.end.cut


async def test_forty_slow_clients_change_nothing_for_the_next(clock: Clock) -> None:
    slow = [await connected(clock) for _ in range(40)]
    for each in slow:
        await each.says(HEAD)

    client = await connected(clock)
    await client.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answered = await asyncio.wait_for(client.reader.readuntil(b"xx"), PATIENCE)
    clock.now += Deadlines.head
    for each in (*slow, client):
        await each.end.looked()
        each.writer.close()

    assert answered.startswith(b"HTTP/1.1 200")
    assert ([each.end.cut for each in slow], client.end.cut) == ([True] * 40, False)
