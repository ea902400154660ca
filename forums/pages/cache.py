"""Public answers kept ready: rendered once for everybody, at most once a second each.

Only answers that say `Cache-Control: public` are kept, never one that sets a cookie. A page lives a second; a
change that this process commits ends it sooner, once: were there a hundred a second, it would still be rendered
once a second. A hundred simultaneous visitors cause one rendering.
Who is signed in is shown no kept page: it may be from before what they just did in another process. Nor may their
browser show one it kept.
Each is hashed and compressed once, and put away when its time is past; a visitor who has it already gets 304. What is one
person's own is asked of the application at once: nobody waits behind it.
"""

import asyncio
import gzip
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LIVES = 1.0
_ROOM = 8 * 1024 * 1024  # far more than is asked in a second; addresses nobody linked to are without end
_LARGEST = 8 * 1024 * 1024  # a file of open data; making it is what costs
_ENTRY = 4 * 1024  # what an answer takes beside its body and its address: its headers, in each form
_LONGEST_QUERY = 1024  # nobody follows a link that long twice
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

# What social networks, mailings and audience measures add to a link, each time otherwise: nothing here reads it, and on
# the evening a link goes round, everybody who follows it would have the page rendered for themselves.
_MARKS = re.compile(
    rb"(?:utm|mtm|pk|at)_\w+|xtor|ref_src|ref_url|fbclid|[gd]clid|[gw]braid|gad_source|msclkid|twclid|ttclid|yclid|li_fat_id|igshid|igsh"
    rb"|mc_[ce]id|_gl|_ga"
)

_REFUSES_GZIP = re.compile(rb"gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)", re.IGNORECASE)  # RFC 9110, 12.4.2
_WITH_304 = (b"etag", b"cache-control", b"vary", b"content-security-policy", b"last-modified", *_FOR_OTHERS)

Key = tuple[str, bytes]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Kept:
    """An answer ready to be sent, plain and compressed."""

    began: float
    until: float
    generation: int | None
    """The commit after which it is rendered anew before its time; None when it was rendered for one a moment ago, or never changes."""
    plain: "Sent"
    zipped: "Sent | None"

    @property
    def size(self) -> int:
        return len(self.plain.body) + (len(self.zipped.body) if self.zipped else 0) + _ENTRY


class Sent(NamedTuple):
    """One form of it: all that is said with 200, and the headers that are said with 304 to who has that form already."""

    etag: bytes
    headers: Headers
    body: bytes
    unchanged: Headers


class PageCache:
    """`rendered` is told how many seconds each rendering took; `private` matches the addresses whose answers are never kept.

    `session` is the name of the cookie of whoever is signed in.
    """

    def __init__(
        self,
        app: ASGIApp,
        rendered: Callable[[float], None],
        private: re.Pattern[str] | None = None,
        session: str = "session",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self.rendered, self.private, self.session = app, rendered, private, f"{session}=".encode()
        self.clock = clock
        self.kept: OrderedDict[Key, Kept] = OrderedDict()
        self.rendering: dict[Key, asyncio.Lock] = {}
        self.generation = 0
        self.size = 0
        self.swept = 0.0
        self.patience = 2 * _LIVES
        """A page rendered twice within so many seconds lives its whole second, whatever is committed."""

    def forget(self) -> None:
        """Something was committed: a page that is not immutable is rendered anew when somebody asks for it."""
        self.generation += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        if scope["query_string"]:
            scope = {**scope, "query_string": _unmarked(scope["query_string"])}
        key = (scope["path"], scope["query_string"])
        found: Kept | list[Message] | None = self.kept.get(key)
        if found is None and self.private is not None and self.private.fullmatch(scope["path"]):
            return await self.app({**scope, "method": "GET"}, receive, _bodiless(send) if scope["method"] == "HEAD" else send)
        anew = self._is_signed_in(scope)
        if anew or not self._is_fresh(found):
            lock = self.rendering.setdefault(key, asyncio.Lock())
            async with lock:
                found = self.kept.get(key)
                if anew or not self._is_fresh(found):
                    try:
                        found = await self._render(key, scope, receive)
                    finally:
                        self.rendering.pop(key, None)
        # Out of the lock: who reads slowly keeps nobody waiting.
        if isinstance(found, Kept):
            return await _send_kept(found, scope, send, anew=anew)
        send = _bodiless(send) if scope["method"] == "HEAD" else send
        for message in found or ():
            await send(message)

    def _is_fresh(self, found: "Kept | list[Message] | None") -> bool:
        return isinstance(found, Kept) and found.generation in (None, self.generation) and found.until >= self.clock()

    def _is_signed_in(self, scope: Scope) -> bool:
        """Or says so, which only costs a rendering: an address nobody asked for before costs as much."""
        return any(name == b"cookie" and self.session in value for name, value in scope["headers"])

    async def _render(self, key: Key, scope: Scope, receive: Receive) -> Kept | list[Message]:
        """Ask the application. A public answer is kept unless it is very large; any other is returned as it came."""
        messages: list[Message] = []
        generation, began = self.generation, self.clock()

        async def collected(message: Message) -> None:
            messages.append(message)

        # HEAD is answered from what a GET would be, with the same headers.
        await self.app({**scope, "method": "GET"}, receive, collected)
        if not messages or not _may_be_kept(messages[0]):
            return messages
        self.rendered(took := self.clock() - began)
        # What it tells is as old as its beginning; were rendering itself slow, nobody would ever find a page kept.
        lives = max(_LIVES - took, _LIVES / 4)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        before = self.kept.get(key)
        patient = before is not None and began - before.began < self.patience
        made = (messages[0], body, began, self.clock() + lives, None if patient else generation)
        kept = _keep(*made) if len(body) < _LONG else await asyncio.to_thread(_keep, *made)
        self._put(key, kept)
        return kept

    def _put(self, key: Key, kept: Kept) -> None:
        if kept.size > _LARGEST or len(key[1]) > _LONGEST_QUERY:
            return
        replaced = self.kept.pop(key, None)
        self.kept[key] = kept
        self.size += kept.size - (replaced.size if replaced else 0)
        if kept.began - self.swept > self.patience:
            self._sweep(kept.began)
        while self.size > _ROOM:
            self.size -= self.kept.popitem(last=False)[1].size

    def _sweep(self, now: float) -> None:
        """Put away what is of no more use: left in its place, the answers of a second long past fill the room for good."""
        self.swept = now
        for key, kept in [*self.kept.items()]:
            if kept.until < now and kept.began < now - self.patience:
                self.size -= self.kept.pop(key).size


def _unmarked(query: bytes) -> bytes:
    parts = query.split(b"&")
    return b"&".join(part for part in parts if not _MARKS.fullmatch(part.partition(b"=")[0]))


def _bodiless(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return headers_only


def _may_be_kept(start: Message) -> bool:
    headers = dict(start["headers"])
    public = headers.get(b"cache-control", b"").startswith(b"public")
    return start["status"] == 200 and public and b"set-cookie" not in headers


def _keep(start: Message, body: bytes, began: float, until: float, generation: int | None) -> Kept:
    etag = hashlib.sha256(body).hexdigest()[:32].encode()
    headers = [(name, value) for name, value in start["headers"] if name not in (b"content-length", b"etag", b"vary")]
    found = dict(headers)
    zipped = None
    if found.get(b"content-type", b"").startswith(_COMPRESSIBLE) and len(body) > 500:
        headers.append((b"vary", b"Accept-Encoding"))
        zipped = _form(b'"%s-gzip"' % etag, [*headers, (b"content-encoding", b"gzip")], gzip.compress(body, 6, mtime=0))
    immutable = b"immutable" in found[b"cache-control"]
    return Kept(
        began=began,
        until=float("inf") if immutable else until,
        generation=None if immutable else generation,
        plain=_form(b'"%s"' % etag, headers, body),
        zipped=zipped,
    )


def _form(etag: bytes, headers: Headers, body: bytes) -> Sent:
    """Its ETag is strong: other bytes, as those of another encoding, have another (RFC 9110, 8.8.3.3)."""
    said = [*headers, (b"etag", etag)]
    unchanged = [(name, value) for name, value in said if name in _WITH_304]
    return Sent(etag, [*said, (b"content-length", b"%d" % len(body))], body, unchanged)


async def _send_kept(kept: Kept, scope: Scope, send: Send, *, anew: bool) -> None:
    sent, known = kept.plain, b""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            known = value
        elif name == b"accept-encoding" and kept.zipped is not None and b"gzip" in value and not _REFUSES_GZIP.search(value):
            sent = kept.zipped
    unchanged = known == b"*" or sent.etag in known
    status, headers = (304, sent.unchanged) if unchanged else (200, sent.headers)
    await send({"type": "http.response.start", "status": status, "headers": _never_stale(headers) if anew else headers})
    await send({"type": "http.response.body", "body": b"" if unchanged or scope["method"] == "HEAD" else sent.body})


def _never_stale(headers: Headers) -> Headers:
    """Who just changed something must not be shown what their browser kept from before."""
    return [(name, value.partition(b", stale-while-revalidate")[0] if name == b"cache-control" else value) for name, value in headers]
