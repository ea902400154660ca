"""Who sends or reads too slowly is cut off in time; everybody else is served as if they were not there."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from forums.slow_clients import Deadlines

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Short(Deadlines):
    head, body, reading, every = 0.4, 0.6, 0.6, 0.05


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body; answers with as many bytes as `/N` says."""
    await Request(scope, receive).body()
    size = int(scope["path"].strip("/") or 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    for _ in range(size // 65536):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body", "body": b"x" * (size % 65536)})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(answer, http=Short, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=5))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 — uvicorn says it by a flag
        await asyncio.sleep(0.01)
    yield int(listening.getsockname()[1])
    server.should_exit = server.force_exit = True
    await serving


async def seconds_until_cut(port: int, client: Client, *, at_most: float = 5) -> float:
    """How long the server kept a client that never ends by itself."""
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    with contextlib.suppress(ConnectionError, TimeoutError):
        await asyncio.wait_for(client(reader, writer), at_most)
    writer.close()
    return loop.time() - began


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def trickling(head: bytes) -> Client:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    return client


async def second_request_that_trickles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"xx")
    await trickling(b"GET / HTTP/1.1\r\nX: ")(reader, writer)


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Asks for 64 MB and reads none of it."""
    writer.write(b"GET /67108864 HTTP/1.1\r\nHost: a\r\n\r\n")
    while not writer.transport.is_closing():
        await asyncio.sleep(0.05)
        writer.write(b"\r\n")


@pytest.mark.parametrize(
    ("client", "limit"),
    [
        (silent, Short.head),
        (trickling(b"GET / HTTP/1.1\r\nX: "), Short.head),
        (second_request_that_trickles, Short.head),
        (trickling(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"), Short.body),
        (deaf, Short.reading),
    ],
    ids=["silent", "a head without end", "a second head without end", "a body without end", "an answer never read"],
)
async def test_a_client_without_end_is_cut_off_at_its_limit_and_not_before(port: int, client: Client, limit: float) -> None:
    kept = await seconds_until_cut(port, client)

    assert limit <= kept < limit + 3


async def test_a_large_answer_read_steadily_and_a_connection_used_again_are_left_alone(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(4):
        writer.write(b"GET /2000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(10):
            assert len(await reader.readexactly(200_000)) == 200_000
            await asyncio.sleep(0.03)
    writer.close()


async def test_forty_slow_clients_change_nothing_for_the_next(port: int) -> None:
    slow = [asyncio.create_task(seconds_until_cut(port, trickling(b"GET / HTTP/1.1\r\nX: "))) for _ in range(40)]
    await asyncio.sleep(0.1)

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answered = await asyncio.wait_for(reader.readuntil(b"xx"), 2)
    writer.close()

    assert answered.startswith(b"HTTP/1.1 200")
    assert max(await asyncio.gather(*slow)) < Short.head + 3
