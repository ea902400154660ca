"""Memory of one web process over 100,000 requests: `python -m tests.flat [--requests N]`.

Over real sockets, in turn: pages kept ready, conditional requests, feeds, addresses that are not there, queries nobody
asked before, forms refused and accepted, each from another address. What the process holds is read every 5,000 requests;
a line is drawn through what it holds after a warm-up. The cache of pages, whose room is bounded, is full before anything is
counted: left to these requests it would fill until the seventy-thousandth, which is no leak. Exit status 1 when the line
rises by more than `MARGIN`, when an answer is not the expected one, or when it is not done after `LONGEST` seconds.
"""

import forums

# isort: split

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import forums.settings
from forums import migrations, schedule
from forums.database import Database
from forums.pages.cache import _ROOM
from tests.bench_load import PLACE, Job, run
from tests.bench_servers import fetch
from tests.browser import Served, served
from tests.factories import SECRET_KEY
from tests.fuzz_site import memory
from tests.site import _make as fill

REQUESTS, WARM_UP, EACH, AT_ONCE = 100_000, 20_000, 5_000, 1_000
MARGIN = 12.0
"""Megabytes: the caches are full after the warm-up but for a few short words; what leaks a hundred bytes a request is seen."""
LONGEST = 15 * 60.0


@dataclass(frozen=True)
class Kind:
    """Requests of one kind: how many of each hundred, what, and how they are answered."""

    share: int
    request: str
    expected: int


def kinds(site: Served, slug: str) -> Sequence[Kind]:
    host = site.url.removeprefix("http://")

    def get(path: str, *headers: str) -> str:
        return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", "Accept-Encoding: gzip", *headers, "", ""])

    def post(path: str, origin: str, **typed: str) -> str:
        body = urlencode(typed).replace("PLACE", PLACE)
        form = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}")
        return "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {host}", f"Origin: {origin}", *form, "", body])

    someone = {
        "family_name": "N",
        "given_name": "N",
        "organisation": "",
        "attendance": "on_site",
        "accessibility_needs": "",
        "site_web": "",
    }
    question = {"kind": "question", "text": "Question PLACE ?", "context": "", "commitment": "", "author_name": "", "site_web": ""}
    return [
        *(Kind(8, get(path), 200) for path in ("/", "/forums", f"/forums/{slug}", "/questions")),
        *(Kind(14, get(path, "If-None-Match: *"), 304) for path in ("/", f"/forums/{slug}", "/calendrier.ics")),
        *(Kind(4, get(path), 200) for path in ("/calendrier.ics", "/actualites.atom")),
        *(Kind(2, get(path), 404) for path in (f"/nulle-part/{PLACE}", f"/forums/{PLACE}", f"/questions/{PLACE}")),
        *(Kind(1, get(path), 200) for path in (f"/forums?x={PLACE}", f"/recherche?q=mot{PLACE}", f"/calendrier.ics?x={PLACE}")),
        Kind(1, get("/", f'If-None-Match: "{PLACE}"', f"Accept-Language: x{PLACE}", f"User-Agent: n{PLACE}"), 200),
        Kind(2, post("/questions/poser", "https://ailleurs.example", **question), 403),
        Kind(1, post(f"/forums/{slug}/inscription", site.url, email="nPLACE", **someone), 422),
        Kind(2, post(f"/forums/{slug}/inscription", site.url, email="nPLACE@example.org", **someone), 303),
        Kind(1, post("/questions/poser", site.url, email="qPLACE@example.org", **question), 303),
    ]


def mixed(found: Sequence[Kind]) -> list[str]:
    """A hundred requests, each kind spread over them."""
    places = [((number + 0.5) / kind.share, kind.request) for kind in found for number in range(kind.share)]
    return [request for _, request in sorted(places, key=lambda place: place[0])]


def rise(samples: Sequence[tuple[int, float]]) -> float:
    """How much the line through the samples rises from the first to the last, in their unit."""
    slope = statistics.linear_regression(*zip(*samples, strict=True)).slope
    return slope * (samples[-1][0] - samples[0][0])


def measure(site: Served, slug: str, total: int) -> tuple[list[tuple[int, float]], Counter[str], float]:
    """What the process holds after each `EACH` requests, in MB; what was not answered as expected; requests a second."""
    found = kinds(site, slug)
    requests, expected = mixed(found), sorted({kind.expected for kind in found})
    port, samples, errors = int(site.environment["PORT"]), [], Counter[str]()
    for status in expected:  # what is counted below as expected may be the answer to another
        alike = [kind.request for kind in found if kind.expected == status]
        errors.update(run(Job(alike, [status], port=port, total=len(alike), first=total, connections=1)).errors)
    errors.update(fill_the_cache(site))
    began, asked = time.monotonic(), 0
    while asked < total and time.monotonic() - began < LONGEST and not errors:
        try:
            done = run(Job(requests, expected, port=port, total=AT_ONCE, first=asked, connections=8))
        except subprocess.SubprocessError:
            errors["not answered in time"] += 1
            break
        asked += done.answers
        errors.update(done.errors)
        if asked % EACH == 0:
            samples.append((asked, memory(port, "VmRSS")))
            print(f"{asked:>8} requests  {samples[-1][1]:6.1f} MB  {asked / (time.monotonic() - began):5.0f} a second", flush=True)
    return samples, errors, asked / (time.monotonic() - began)


def fill_the_cache(site: Served) -> Mapping[str, int]:
    """Ask for one page by as many addresses as there is room for, plain and compressed."""
    host, port = site.url.removeprefix("http://"), int(site.environment["PORT"])
    size = len(fetch(port, "/engagements"))
    each = f"GET /engagements?x={PLACE} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    return run(Job([each], [200], port=port, total=_ROOM // size + 1, connections=8)).errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    total = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/forums.db"
        config = forums.settings.read({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY})
        migrations.migrate(config)
        slug = asyncio.run(_filled(config))
        with served(url, CLIENT_LIMIT="1000000", FORUM_LIMIT="1000000") as site:
            samples, errors, rate = measure(site, slug, total)
    kept = [sample for sample in samples if sample[0] >= min(WARM_UP, total // 5)]
    risen = rise(kept) if len(kept) > 1 else 0.0
    asked = samples[-1][0] if samples else 0
    print(f"{asked} requests, {rate:.0f} a second, answers not expected: {dict(errors) or 'none'}")
    if not kept:
        return 1
    print(
        f"after {kept[0][0]}: {kept[0][1]:.1f} MB, at the end {kept[-1][1]:.1f} MB; the line rises by {risen:.1f} MB (limit {MARGIN:.0f})"
    )
    if asked < total:
        print("NOT DONE")
    return 1 if errors or asked < total or risen > MARGIN else 0


async def _filled(config: forums.settings.Settings) -> str:
    await fill(config)
    database = Database(config)
    try:
        async with database.reading() as session:
            forum = await schedule.next_forum(session, now=datetime.now(UTC))
            assert forum is not None
            return forum.slug
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(main())
