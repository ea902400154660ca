"""Public answers are rendered once for all who ask; nobody waits behind what is one person's own, or who reads slowly."""

import asyncio
import gzip
import re
from typing import Any

from forums.app import ADDRESSES, PRIVATE, _private_addresses
from forums.pages import cache as cache_module
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
    encoding: bytes = b"",
    known: bytes = b"",
    query: bytes = b"",
) -> bytes:
    """What is answered; who reads `until` something happens says that they have `begun`."""
    body = b""

    async def send(message: Any) -> None:
        nonlocal body
        if until is not None and begun is not None:
            begun.set()
            await until.wait()
        body += message.get("body", b"")

    headers = said_by_a_browser(cookie, encoding, known)
    await cache({"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}, None, send)  # type: ignore[arg-type]
    return body


def said_by_a_browser(cookie: bytes, encoding: bytes, known: bytes) -> list[tuple[bytes, bytes]]:
    named = ((b"cookie", cookie), (b"if-none-match", known), (b"accept-encoding", encoding))
    return [(name, value) for name, value in named if value]


async def header(cache: PageCache, name: bytes, *, cookie: bytes = b"", encoding: bytes = b"", known: bytes = b"") -> bytes:
    found: dict[bytes, bytes] = {}

    async def send(message: Any) -> None:
        found.update(message.get("headers", []))

    scope = {"type": "http", "method": "GET", "path": PUBLIC, "query_string": b"", "headers": said_by_a_browser(cookie, encoding, known)}
    await cache(scope, None, send)  # type: ignore[arg-type]
    return found[name]


def kept_over(app: Slow) -> PageCache:
    return PageCache(app, lambda _: None, re.compile("/organisation/.*"), "__Host-session")


async def test_a_hundred_who_ask_for_a_public_page_cause_one_rendering():
    app = Slow(cache="public, max-age=0")
    cache = kept_over(app)

    bodies = await asyncio.gather(*(read(cache, PUBLIC) for _ in range(100)))

    assert (set(bodies), app.rendered) == ({b"Bonjour"}, 1)


async def test_a_link_that_goes_round_with_the_marks_of_who_follows_it_is_one_page():
    app = Slow(cache="public, max-age=0")
    cache = kept_over(app)
    marks = ("utm_source=x&utm_medium=social", "fbclid=IwAR{}", "gclid={}&gad_source=1", "at_medium=email&xtor=EPR-{}", "mtm_kwd={}", "")

    await asyncio.gather(
        *(read(cache, PUBLIC, query=("page=2&" + mark.format(n)).strip("&").encode()) for n in range(20) for mark in marks)
    )

    assert (app.rendered, list(cache.kept)) == (1, [(PUBLIC, b"page=2")])


async def test_what_a_page_reads_of_its_address_makes_another_page():
    app = Slow(cache="public, max-age=0")
    cache = kept_over(app)

    for query in (b"", b"q=utm_source", b"page=2", b"page=3", b"at=1"):
        await read(cache, PUBLIC, query=query)

    assert app.rendered == 5


class Page:
    """An application that renders a page at once, a little different each time; and a clock that is told the time."""

    def __init__(self, cache: str = "public, max-age=0, s-maxage=1, stale-while-revalidate=1", content_type: str = "text/html") -> None:
        self.headers = [(b"cache-control", cache.encode()), (b"content-type", content_type.encode())]
        self.rendered, self.now = 0, 1_000.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.rendered += 1
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"%06d" % self.rendered * 200})

    def cached(self) -> PageCache:
        return PageCache(self, lambda _: None, session="__Host-session", clock=lambda: self.now)


async def test_a_hundred_writes_a_second_cause_one_rendering_a_second():
    page = Page()
    cache = page.cached()

    for _ in range(1_000):
        page.now += 0.01
        cache.forget()
        await read(cache, PUBLIC)

    assert 10 <= page.rendered <= 12


async def test_a_write_while_a_page_is_being_rendered_does_not_have_it_rendered_for_ever():
    page = Page()
    cache = page.cached()
    inside = cache.app

    async def written_meanwhile(scope: Any, receive: Any, send: Any) -> None:
        cache.forget()
        await inside(scope, receive, send)

    cache.app = written_meanwhile
    for _ in range(100):
        page.now += 0.001
        await read(cache, PUBLIC)

    assert page.rendered == 2


async def test_after_a_while_without_any_a_write_is_seen_at_once_and_otherwise_within_a_second():
    page = Page()
    cache = page.cached()
    first = await read(cache, PUBLIC)
    page.now += 5
    second = await read(cache, PUBLIC)
    cache.forget()
    third = await read(cache, PUBLIC)
    cache.forget()
    fourth = await read(cache, PUBLIC)
    page.now += 1.01
    fifth = await read(cache, PUBLIC)

    assert [int(body[:6]) for body in (first, second, third, fourth, fifth)] == [1, 2, 3, 3, 4]


async def test_another_process_shows_a_change_after_a_second_and_to_whoever_is_signed_in_at_once():
    page = Page()
    cache = page.cached()
    await read(cache, PUBLIC)
    page.now += 0.99
    others = await read(cache, PUBLIC)
    their_own = await read(cache, PUBLIC, cookie=b"__Host-session=jeton")

    assert (int(others[:6]), int(their_own[:6])) == (1, 2)


async def test_who_is_signed_in_is_told_to_show_nothing_kept_from_before():
    cache = Page().cached()

    said = {await header(cache, b"cache-control", cookie=cookie) for cookie in (b"", b"a=b")}
    to_a_member = await header(cache, b"cache-control", cookie=b"__Host-session=jeton")

    assert said == {b"public, max-age=0, s-maxage=1, stale-while-revalidate=1"}
    assert to_a_member == b"public, max-age=0, s-maxage=1"


async def test_a_page_is_compressed_when_it_is_made_and_a_calendar_never():
    page, calendar = Page().cached(), Page(content_type="text/calendar; charset=utf-8").cached()

    bodies = {await read(page, PUBLIC, encoding=b"gzip, br") for _ in range(50)}
    plain = await read(page, PUBLIC)
    feed = await read(calendar, PUBLIC, encoding=b"gzip")

    kept = page.kept[PUBLIC, b""].zipped
    assert kept is not None
    assert bodies == {kept.body}
    assert (gzip.decompress(bodies.pop()), plain) == (b"000001" * 200, b"000001" * 200)
    assert (feed, calendar.kept[PUBLIC, b""].zipped) == (b"000001" * 200, None)


async def test_the_etag_is_that_of_the_bytes_sent_and_who_has_them_is_not_sent_them_again():
    cache = Page().cached()
    plain = await header(cache, b"etag")
    zipped = await header(cache, b"etag", encoding=b"gzip")

    assert re.fullmatch(rb'"\w+"', plain)
    assert re.fullmatch(rb'"\w+-gzip"', zipped)
    for known, encoding, now, body in (
        (b'"x", ' + plain, b"", plain, b""),
        (b"W/" + plain, b"", plain, b""),
        (zipped, b"gzip", zipped, b""),
        (plain, b"gzip", zipped, await read(cache, PUBLIC, encoding=b"gzip")),
    ):
        assert await header(cache, b"etag", encoding=encoding, known=known) == now
        assert await read(cache, PUBLIC, encoding=encoding, known=known) == body


async def test_who_refuses_gzip_is_sent_none():
    cache = Page().cached()
    plain = await read(cache, PUBLIC)

    for refuses in (b"gzip;q=0", b"gzip; q=0.000, br", b"br, GZIP;q=0"):
        assert await read(cache, PUBLIC, encoding=refuses) == plain
    for takes in (b"gzip;q=0.5", b"br;q=0, gzip", b"gzip;q=1.0, *;q=0"):
        assert gzip.decompress(await read(cache, PUBLIC, encoding=takes)) == plain


async def test_twenty_thousand_distinct_queries_leave_what_the_room_holds():
    page = Page(content_type="text/calendar")
    cache = page.cached()

    for number in range(20_000):
        await read(cache, PUBLIC, query=b"q=%d" % number)
    for number in range(200):
        await read(cache, PUBLIC, query=b"q=%d" % number + b"x" * 60_000)

    assert page.rendered == 20_200
    assert len(cache.kept) < 4_000
    assert cache.size == sum(kept.size for kept in cache.kept.values()) <= cache_module._ROOM
    assert max(len(query) for _, query in cache.kept) < 100
    assert cache.rendering == {}


async def test_answers_long_past_leave_and_those_that_never_change_stay():
    now, app, files = 1_000.0, Slow(cache="public, max-age=0"), Slow(cache="public, immutable")

    async def site(scope: Any, receive: Any, send: Any) -> None:
        await (files if scope["path"] == "/static" else app)(scope, receive, send)

    cache = PageCache(site, lambda _: None, clock=lambda: now)
    for path in ("/static", "/once", "/again"):
        await read(cache, path)
    now += 1.5
    await read(cache, "/again")
    now += 1
    await read(cache, "/another")

    assert [path for path, _ in cache.kept] == ["/static", "/again", "/another"]
    assert cache.size == sum(kept.size for kept in cache.kept.values())


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
