"""Public answers are rendered once for all who ask; nobody waits behind what is one person's own, or who reads slowly."""

import asyncio
import re
from typing import Any

from forums.app import ADDRESSES, PRIVATE, _private_addresses
from forums.pages.cache import PageCache

PUBLIC, OWN = "/page", "/organisation/page"


class Slow:
    """An application that renders one page in a while, and counts how many it renders at once."""

    def __init__(self, *, cache: str, status: int = 200) -> None:
        self.cache, self.status = cache, status
        self.rendered = self.at_once = self.most_at_once = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.rendered += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.05)
        self.at_once -= 1
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"cache-control", self.cache.encode())]})
        await send({"type": "http.response.body", "body": b"Bonjour"})


async def read(
    cache: PageCache,
    path: str,
    *,
    method: str = "GET",
    until: asyncio.Event | None = None,
    begun: asyncio.Event | None = None,
    cookie: bytes = b"",
) -> bytes:
    """What is answered; who reads `until` something happens says that they have `begun`."""
    body = b""

    async def send(message: Any) -> None:
        nonlocal body
        if until is not None and begun is not None:
            begun.set()
            await until.wait()
        body += message.get("body", b"")

    headers = [(b"cookie", cookie)] if cookie else []
    await cache({"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}, None, send)  # type: ignore[arg-type]
    return body


def kept_over(app: Slow) -> PageCache:
    return PageCache(app, lambda _: None, re.compile("/organisation/.*"), "__Host-session")


async def test_a_hundred_who_ask_for_a_public_page_cause_one_rendering():
    app = Slow(cache="public, max-age=0")
    cache = kept_over(app)

    bodies = await asyncio.gather(*(read(cache, PUBLIC) for _ in range(100)))

    assert (set(bodies), app.rendered) == ({b"Bonjour"}, 1)


async def test_what_is_ones_own_is_asked_for_side_by_side():
    app = Slow(cache="private, no-store")

    cache = kept_over(app)
    bodies = await asyncio.gather(read(cache, OWN), read(cache, OWN), read(cache, OWN, method="HEAD"))

    assert (bodies, app.most_at_once) == ([b"Bonjour", b"Bonjour", b""], 3)


async def test_who_is_signed_in_is_shown_what_they_did_in_another_process():
    app = Slow(cache="public, max-age=0")
    cache = kept_over(app)
    await read(cache, PUBLIC)

    await read(cache, PUBLIC, cookie=b"a=b; __Host-session=jeton")
    await read(cache, PUBLIC)

    assert app.rendered == 2


async def test_who_reads_a_refusal_slowly_keeps_nobody_waiting():
    app = Slow(cache="private, no-store", status=404)
    cache = kept_over(app)
    begun, the_other_has_it = asyncio.Event(), asyncio.Event()
    slow = asyncio.create_task(read(cache, PUBLIC, until=the_other_has_it, begun=begun))
    await begun.wait()

    body = await asyncio.wait_for(read(cache, PUBLIC), timeout=60)
    the_other_has_it.set()

    assert (body, await slow) == (b"Bonjour", b"Bonjour")


def test_the_addresses_that_pass_by_are_those_the_table_says_are_private():
    private = _private_addresses()
    for address in ADDRESSES:
        if address.method == "GET" and ":path}" not in address.path:  # what is not found is short, and made in no time
            path = re.sub(r"\{[^}]+\}", "7", address.path)
            assert [bool(private.fullmatch(each)) for each in (path, f"/en{path}")] == [address.cache == PRIVATE] * 2, path
