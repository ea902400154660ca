"""Public answers kept ready: rendered once for everybody, at most once a second each.

Only answers that say `Cache-Control: public` are kept, never one that sets a cookie. A page lives a
second, or until this process commits a change; a hundred simultaneous visitors cause one rendering.
Who is signed in is shown no kept page: it may be from before what they just did in another process.
Each is hashed and compressed once; a visitor who has it already gets 304. What is one person's own is asked of
the application at once: nobody waits behind it.
"""

import asyncio
import gzip
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LIVES = 1.0
_ROOM = 16 * 1024 * 1024  # far more than is asked in a second; addresses nobody linked to are without end
_LARGEST = 8 * 1024 * 1024  # a file of open data; making it is what costs
_LONG = 256 * 1024  # from there on, hashing and compressing would keep everybody else waiting
_COMPRESSIBLE = (
    b"text/html",
    b"text/css",
    b"text/javascript",
    b"image/svg+xml",
    b"application/json",
    b"application/xml",
    b"application/atom+xml",
    b"text/plain",
    b"text/csv",
)

# Without them a browser would not let another site's page know that nothing changed.
_FOR_OTHERS = (b"access-control-allow-origin", b"access-control-expose-headers", b"cross-origin-resource-policy")

Key = tuple[str, bytes]


@dataclass(frozen=True)
class Kept:
    """An answer ready to be sent: plain, compressed, and as 304."""

    until: float
    etag: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    zipped: bytes | None
    head_304: list[tuple[bytes, bytes]]

    @property
    def size(self) -> int:
        return len(self.body) + len(self.zipped or b"")


class PageCache:
    """`rendered` is told how many seconds each rendering took; `private` matches the addresses whose answers are never kept.

    `session` is the name of the cookie of whoever is signed in.
    """

    def __init__(
        self, app: ASGIApp, rendered: Callable[[float], None], private: re.Pattern[str] | None = None, session: str = "session"
    ) -> None:
        self.app, self.rendered, self.private, self.session = app, rendered, private, f"{session}=".encode()
        self.kept: OrderedDict[Key, Kept] = OrderedDict()
        self.rendering: dict[Key, asyncio.Lock] = {}
        self.generation = 0
        self.size = 0

    def forget(self) -> None:
        """Something was committed: every page that is not immutable is rendered anew."""
        self.generation += 1
        self.kept = OrderedDict((key, kept) for key, kept in self.kept.items() if kept.until == float("inf"))
        self.size = sum(kept.size for kept in self.kept.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        if self.private is not None and self.private.fullmatch(scope["path"]):
            return await self.app({**scope, "method": "GET"}, receive, _bodiless(send) if scope["method"] == "HEAD" else send)
        key = (scope["path"], scope["query_string"])
        found: Kept | list[Message] | None = self.kept.get(key)
        anew = self._is_signed_in(scope)
        if anew or not _is_fresh(found):
            lock = self.rendering.setdefault(key, asyncio.Lock())
            async with lock:
                found = self.kept.get(key)
                if anew or not _is_fresh(found):
                    try:
                        found = await self._render(key, scope, receive)
                    finally:
                        self.rendering.pop(key, None)
        # Out of the lock: who reads slowly keeps nobody waiting.
        if isinstance(found, Kept):
            return await _send_kept(found, scope, send)
        send = _bodiless(send) if scope["method"] == "HEAD" else send
        for message in found or ():
            await send(message)

    def _is_signed_in(self, scope: Scope) -> bool:
        """Or says so, which only costs a rendering: an address nobody asked for before costs as much."""
        return any(name == b"cookie" and self.session in value for name, value in scope["headers"])

    async def _render(self, key: Key, scope: Scope, receive: Receive) -> Kept | list[Message]:
        """Ask the application. A public answer is kept unless it is very large; any other is returned as it came."""
        messages: list[Message] = []
        generation = self.generation

        async def collected(message: Message) -> None:
            messages.append(message)

        # HEAD is answered from what a GET would be, with the same headers.
        began = time.perf_counter()
        await self.app({**scope, "method": "GET"}, receive, collected)
        if not messages or not _may_be_kept(messages[0]):
            return messages
        self.rendered(took := time.perf_counter() - began)
        # What it tells is as old as its beginning; were rendering itself slow, nobody would ever find a page kept.
        lives = max(_LIVES - took, _LIVES / 4)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        until = time.monotonic() + lives
        kept = _keep(messages[0], body, until) if len(body) < _LONG else await asyncio.to_thread(_keep, messages[0], body, until)
        if generation == self.generation and kept.size <= _LARGEST:
            replaced = self.kept.pop(key, None)
            self.kept[key] = kept
            self.size += kept.size - (replaced.size if replaced else 0)
            while self.size > _ROOM:
                self.size -= self.kept.popitem(last=False)[1].size
        return kept


def _is_fresh(found: "Kept | list[Message] | None") -> bool:
    return isinstance(found, Kept) and found.until >= time.monotonic()


def _bodiless(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return headers_only


def _may_be_kept(start: Message) -> bool:
    headers = dict(start["headers"])
    public = headers.get(b"cache-control", b"").startswith(b"public")
    return start["status"] == 200 and public and b"set-cookie" not in headers


def _keep(start: Message, body: bytes, until: float) -> Kept:
    etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
    plain = [(name, value) for name, value in start["headers"] if name not in (b"content-length", b"etag", b"vary")]
    found = dict(plain)
    zipped = None
    if found.get(b"content-type", b"").startswith(_COMPRESSIBLE) and len(body) > 500:
        zipped = gzip.compress(body, 6, mtime=0)
    headers = [*plain, (b"etag", etag)]
    if zipped is not None:
        headers.append((b"vary", b"Accept-Encoding"))
    immutable = b"immutable" in found[b"cache-control"]
    kept_304 = (b"etag", b"cache-control", b"vary", b"content-security-policy", b"last-modified", *_FOR_OTHERS)
    return Kept(
        until=float("inf") if immutable else until,
        etag=etag,
        headers=headers,
        body=body,
        zipped=zipped,
        head_304=[(name, value) for name, value in headers if name in kept_304],
    )


async def _send_kept(kept: Kept, scope: Scope, send: Send) -> None:
    accepts = b""
    for name, value in scope["headers"]:
        if name == b"if-none-match" and (value == b"*" or kept.etag in value.replace(b"W/", b"")):
            await send({"type": "http.response.start", "status": 304, "headers": kept.head_304})
            await send({"type": "http.response.body", "body": b""})
            return
        if name == b"accept-encoding":
            accepts = value
    zipped = kept.zipped is not None and b"gzip" in accepts
    body = kept.zipped if zipped and kept.zipped is not None else kept.body
    headers = [*kept.headers, (b"content-length", b"%d" % len(body))]
    if zipped:
        headers.append((b"content-encoding", b"gzip"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
