"""Requests made so that a proxy and the site read them differently, too large ones, and addresses that lie.

Each is sent raw through nginx, with a second request hidden in what one of the two may take for a body. Proof that
it was hidden in vain: the site's log, one line a request, shows no more than was answered. The site is asked alone too.
"""

import asyncio
import contextlib

from tests.findings import Finding, none
from tests.machines_net import NGINX_PORT, WEB_PORT, Network

MB = 1024 * 1024
HIDDEN = b"GET /cache-par-un-autre HTTP/1.1\r\nHost: localhost\r\nX: "
POST = b"POST /questions/poser HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
CHUNKED = b"0\r\n\r\n" + HIDDEN

TRICKS = {
    "CL.TE": POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(CHUNKED) + CHUNKED,
    "TE.CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n",
    "TE.TE": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n\r\n" + CHUNKED,
    "TE with a space": POST + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n" + CHUNKED,
    "TE with a tab": POST + b"Transfer-Encoding:\tchunked\x0b\r\nContent-Length: 5\r\n\r\n" + CHUNKED,
    "TE folded": POST + b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(CHUNKED) + CHUNKED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "length with a sign": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "length with a comma": POST + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "bare LF": (POST + b"Content-Length: 0\nTransfer-Encoding: chunked\n\n").replace(b"\r\n", b"\n") + CHUNKED,
    "bare CR": POST + b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(CHUNKED) + CHUNKED,
    "chunk extension with LF": POST + b"Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n",
    "HTTP/1.0 with TE": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(CHUNKED) + CHUNKED,
    "NUL in a header": POST + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
}


async def smuggling(net: Network) -> list[Finding]:
    hidden = 0
    answers: dict[str, list[str]] = {"through nginx": [], "the site alone": []}
    for place, (address, port) in {
        "through nginx": (net.address, NGINX_PORT),
        "the site alone": (net.hosts[0].address, WEB_PORT),
    }.items():
        for trick in TRICKS.values():
            # The next one on the same connection must get its own answer.
            statuses = await _statuses(address, port, trick)
            hidden += statuses.count(404)
            answers[place].append("/".join(map(str, statuses)) or "closed")
    size, took = await _too_large(net)
    return [
        *(Finding(f"{len(found)} tricks {place}: refused", sum(each[0] in "4c" for each in found)) for place, found in answers.items()),
        none("hidden requests that were answered", hidden),
        Finding("a post of 900 MB through nginx: the answer", size, size != 413),
        Finding("taken before that, MB", f"{took / MB:.1f}", took > 16 * MB),
        *await _lies(net),
    ]


async def _statuses(address: str, port: int, request: bytes, *, source: str = "") -> list[int]:
    """Those of everything answered on one connection."""
    reader, writer = await asyncio.open_connection(address, port, local_addr=(source, 0) if source else None)
    writer.write(request + b"\r\n\r\n")
    found = b""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            while more := await reader.read(65536):
                found += more
    writer.close()
    return [int(each[3:6]) for each in found.split(b"HTTP/1")[1:]]


async def _too_large(net: Network) -> tuple[int | None, int]:
    reader, writer = await asyncio.open_connection(net.address, NGINX_PORT)
    writer.write(POST + b"Content-Length: %d\r\n\r\n" % (900 * MB))
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 900 * MB and not reader.at_eof() and not reader._buffer:  # type: ignore[attr-defined]
            writer.write(b"x" * MB)
            await writer.drain()
            sent += MB
    with contextlib.suppress(OSError, TimeoutError):
        answer = await asyncio.wait_for(reader.read(64), 10)
        return (int(answer[9:12]) if answer else None), sent
    return None, sent


async def _lies(net: Network) -> list[Finding]:
    """`/metriques` answers 127.0.0.1 alone: whoever says to be there, and is not, must be refused."""
    lie = b"GET /metriques HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s: 127.0.0.1\r\n\r\n"
    names = (b"X-Forwarded-For", b"X-Real-IP", b"Forwarded", b"X-Client-IP", b"x-forwarded-for")
    found = []
    for words, address, port in (("nginx", net.address, NGINX_PORT), ("the site", net.hosts[0].address, WEB_PORT)):
        answers = [await _statuses(address, port, lie % name, source=net.outside) for name in names]
        found.append(none(f"said to {words} to be 127.0.0.1, and believed", sum(each != [404] for each in answers)))
    return found
