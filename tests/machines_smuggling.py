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
    let_in: dict[str, list[str]] = {"through nginx": [], "the site alone": []}
    for place, (address, port) in {
        "through nginx": (net.address, NGINX_PORT),
        "the site alone": (net.hosts[0].address, WEB_PORT),
    }.items():
        for name, trick in TRICKS.items():
            # The next one on the same connection must get its own answer.
            statuses = await _statuses(address, port, trick)
            hidden += statuses.count(404)
            if statuses and statuses[0] < 400:
                let_in[place].append(f"{name} {'/'.join(map(str, statuses))}")
    size, took = await _too_large(net)
    return [
        # One that is let in is read by both in the same way, or it would be among those hidden.
        *(
            Finding(f"{len(TRICKS)} tricks {place}: refused {found or ''}".strip(), len(TRICKS) - len(found))
            for place, found in let_in.items()
        ),
        none("hidden requests that were answered", hidden),
        Finding("a post of 900 MB through nginx: the answer", size, size != 413),
        Finding("taken before that, MB", f"{took / MB:.1f}", took > 16 * MB),
        *await _lies(net),
    ]


async def _statuses(address: str, port: int, request: bytes) -> list[int]:
    """Those of everything answered on one connection."""
    reader, writer = await asyncio.open_connection(address, port)
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


LIES = (
    *(b"%s: 127.0.0.1" % name for name in (b"X-Forwarded-For", b"x-forwarded-for", b"X-Real-IP", b"X-Client-IP", b"True-Client-IP")),
    b"Forwarded: for=127.0.0.1;proto=https",
    b"X-Forwarded-For: 127.0.0.1, 127.0.0.1",
    b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1",
    b"X-Forwarded-For: ::1",
    b"X-Forwarded-For: 127.0.0.1:80",
    b"X-Forwarded-For : 127.0.0.1",
    b"X_Forwarded_For: 127.0.0.1",
    b"X-Forwarded-For: %(proxy)s",
    b"X-Forwarded-For: 127.0.0.1, %(proxy)s",
)
"""Who may read `/metriques` is the machine itself and the proxy: each says to be one of the two."""

PRETENCES = (
    *(b"X-Forwarded-Proto: " + proto for proto in (b"https", b"ftp", b"javascript", b"https\r\nX-Forwarded-Proto: http")),
    b"X-Forwarded-Host: ailleurs.example",
    b"X-Forwarded-Port: 4444",
    b"X-Forwarded-Prefix: /ailleurs.example",
    b"Forwarded: host=ailleurs.example;proto=https",
    b"X-Original-URL: /ailleurs.example",
    b"X-Rewrite-URL: /ailleurs.example",
)
"""What must change nothing in the page: neither its links, nor its cookies, nor where it sends one."""


async def _lies(net: Network) -> list[Finding]:
    found = []
    for words, address, port in (("nginx", net.address, NGINX_PORT), ("the site", net.hosts[0].address, WEB_PORT)):
        lies = [lie % {b"proxy": net.address.encode()} if b"%" in lie else lie for lie in LIES]
        answers = [await _answer(address, port, "/metriques", lie, source=net.outside) for lie in lies]
        statuses = [answer[9:12] for answer, _ in answers]
        # Some are refused for their form already.
        found.append(none(f"{len(lies)} false addresses said to {words}: believed", sum(each not in (b"404", b"400") for each in statuses)))
        plain = await _answer(address, port, "/", b"X-Nothing: 1", source=net.outside)
        changed = 0
        for pretence in PRETENCES:
            head, page = await _answer(address, port, "/", pretence, source=net.outside)
            changed += page != plain[1] or _settled(head) != _settled(plain[0]) or b"ailleurs" in head + page
        found.append(none(f"{len(PRETENCES)} pretences to {words}: pages changed by them", changed))
    own, _ = await _answer(net.address, NGINX_PORT, "/metriques", b"X-Nothing: 1", source=net.address)
    # Were nobody answered, the refusals above would say nothing.
    return [*found, Finding("whose address is the proxy's: the answer", own[9:12].decode(), not own.startswith(b"HTTP/1.1 200"))]


def _settled(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if not line.lower().startswith((b"date:", b"age:", b"server-timing:"))]


async def _answer(address: str, port: int, path: str, line: bytes, *, source: str) -> tuple[bytes, bytes]:
    """Head and body of what is answered to whoever says that line."""
    reader, writer = await asyncio.open_connection(address, port, local_addr=(source, 0))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode() + line + b"\r\n\r\n")
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body
