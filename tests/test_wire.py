"""What is sent over the wire to confuse: framing that two readers could understand differently, heads without end.

Straight at the server of `forums serve`, without a proxy, over raw sockets. A second request is hidden in each: it
must never reach the application.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from forums.slow_clients import Deadlines

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /seen HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def coded(fields: bytes) -> bytes:
    """With these fields about its length; empty if chunked, and longer otherwise."""
    return POST + fields + b"\r\n\r\n0\r\n\r\n" + HIDDEN


def long(fields: bytes) -> bytes:
    return POST + fields + b"\r\n\r\n" + HIDDEN


AMBIGUOUS = {
    "CL.TE": POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(HIDDEN)) + HIDDEN,
    "TE.CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n",
    "a folded coding": coded(b"Transfer-Encoding:\r\n chunked"),
    "a folded field": coded(b"X: a\r\n Transfer-Encoding: chunked"),
    "a blank before the colon": coded(b"Transfer-Encoding : chunked"),
    "xchunked": coded(b"Transfer-Encoding: xchunked"),
    "chunked, identity": coded(b"Transfer-Encoding: chunked, identity"),
    "identity, chunked": coded(b"Transfer-Encoding: identity, chunked"),
    "vertical tab": coded(b"Transfer-Encoding: \x0bchunked"),
    "NUL after chunked": coded(b"Transfer-Encoding: chunked\x00"),
    "chunked then another": coded(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x"),
    "another then chunked": coded(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked"),
    "chunked twice": coded(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    "two lengths": long(b"Content-Length: 0\r\nContent-Length: %d" % len(HIDDEN)),
    "the same length twice": long(b"Content-Length: 0\r\nContent-Length: 0"),
    "a list of lengths": long(b"Content-Length: 0, 0"),
    "a signed length": long(b"Content-Length: +0"),
    "a negative length": long(b"Content-Length: -1"),
    "a hexadecimal length": long(b"Content-Length: 0x0"),
    "two lengths in one": long(b"Content-Length: 0 0"),
    "a length and a vertical tab": long(b"Content-Length: 0\x0b"),
    "an empty length": long(b"Content-Length:"),
    "a length beyond 64 bits": long(b"Content-Length: 18446744073709551616"),
    "bare LF throughout": b"POST /seen HTTP/1.1\nHost: a\nContent-Length: 0\n\n" + HIDDEN,
    "one bare LF": long(b"X: a\nContent-Length: 0"),
    "a bare CR": long(b"X: a\rContent-Length: 5"),
    "LF between chunks": CHUNKED + b"2\nab\n0\n\n" + HIDDEN,
    "LF after an extension": CHUNKED + b"2;a\nab\r\n0\r\n\r\n" + HIDDEN,
    "0x before a chunk": CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n" + HIDDEN,
    "a negative chunk": CHUNKED + b"-2\r\nab\r\n0\r\n\r\n" + HIDDEN,
    "a blank after the size": CHUNKED + b"2 \r\nab\r\n0\r\n\r\n" + HIDDEN,
    "a chunk beyond 64 bits": CHUNKED + b"10000000000000002\r\nab\r\n0\r\n\r\n" + HIDDEN,
    "a chunk that goes on": CHUNKED + b"1\r\nab\r\n0\r\n\r\n" + HIDDEN,
    "a length in the trailer": CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n" + HIDDEN,
    "NUL in a name": long(b"X\x00: a\r\nContent-Length: 0"),
    "NUL in a value": long(b"X: a\x00b\r\nContent-Length: 0"),
    "no Host": b"POST /seen HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "two Hosts": b"POST /seen HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n" + HIDDEN,
    "a version twice": b"GET /seen HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "tabs in the first line": b"GET\t/seen\tHTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "a body that was not announced": POST + b"Content-Length: 0\r\n\r\n0\r\n\r\n" + HIDDEN,
}
# Which may be answered, and end the connection or hold the hidden request in what is theirs.
ALONE = {
    "chunked in HTTP/1.0": b"POST /seen HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a GET with a body": b"GET /seen HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "HTTP/0.9": b"GET /seen\r\n\r\n" + HIDDEN,
    "an upgrade to HTTP/2": b"GET /seen HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + HIDDEN,
    "an upgrade to WebSocket": b"GET /seen HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + HIDDEN,
}


# In seconds: what an answer may take on the slowest machine, and what is waited for that should not come.
PATIENCE, A_WHILE = 300, 0.15


@dataclass
class Wire:
    """A server that notes what reached it, and somebody who sends bytes."""

    port: int
    seen: list[str] = field(default_factory=list)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["path"])
        await Request(scope, receive).body()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(self, sent: bytes, *, answers: int = 0) -> bytes:
        """What came back until the server closed; or, after that many answers, said nothing more for a while."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            writer.write(sent)
            while part := await asyncio.wait_for(reader.read(65536), A_WHILE if answers and said.count(b"\r\nok") >= answers else PATIENCE):
                said += part
        writer.close()
        return said


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    listening = socket.create_server(("127.0.0.1", 0))
    made = Wire(int(listening.getsockname()[1]))
    server = uvicorn.Server(
        uvicorn.Config(made.answer, http=Deadlines, lifespan="off", interface="asgi3", log_config=None, access_log=False)
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 — uvicorn says it by a flag
        await asyncio.sleep(0.01)
    yield made
    server.should_exit = server.force_exit = True
    await serving


async def test_two_requests_that_are_two_are_both_answered(wire: Wire) -> None:
    """The control: what hides in the others would be seen if it came out."""
    for first in (POST + b"Content-Length: 2\r\n\r\nab", CHUNKED + b"2;a=b\r\nab\r\n0\r\nX: y\r\n\r\n"):
        wire.seen.clear()
        said = await wire.send(first + HIDDEN, answers=2)

        assert wire.seen == ["/seen", "/hidden"]
        assert said.count(b"HTTP/1.1 200") == 2


async def test_a_request_two_readers_could_understand_differently_is_refused_and_hides_none(wire: Wire) -> None:
    for name, sent in AMBIGUOUS.items():
        wire.seen.clear()
        said = await wire.send(sent)

        assert "/hidden" not in wire.seen, name
        assert b"HTTP/1.1 400" in said, name
        assert b"\r\nconnection: close\r\n" in said, name


async def test_an_old_or_odd_request_is_answered_and_hides_none(wire: Wire) -> None:
    for name, sent in ALONE.items():
        wire.seen.clear()
        said = await wire.send(sent, answers=1)

        assert wire.seen == ["/seen"], name
        assert b"HTTP/1.1 200" in said, name
        assert b" 101 " not in said, name


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"GET /" + b"x" * 2_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        CHUNKED + b"2;" + b"x" * 2_000_000 + b"\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"0\r\nX: " + b"x" * 2_000_000 + b"\r\n\r\n",
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    ],
    ids=["a field", "fields", "an address", "an extension of a chunk", "a trailer", "trailers"],
)
async def test_what_has_no_end_is_refused_after_64_kb_and_not_kept(wire: Wire, sent: bytes) -> None:
    said = await wire.send(sent)

    assert b" 200 " not in said
    assert wire.seen in ([], ["/seen"])
    after = await wire.send(b"GET /next HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * 30_000 + b"\r\n\r\n", answers=1)
    assert after.startswith(b"HTTP/1.1 200")
