"""Each promise of speed beside its limit, in one run: `make bench`, or `python -m tests.bench --rows page,feed`.

A figure alone says more of the machine than of the program, so each work is held against the least that
can do it (`bench_bare`): same bytes, same server settings, both warm, rounds that alternate, the median of
their ratios, errors counted. It is a table to read, not a test: it always exits 0. It takes less than
four minutes, uses the loopback only, writes `var/bench.md` and leaves nothing running.
"""

import argparse
import asyncio
import cProfile
import gzip
import hashlib
import io
import os
import platform
import pstats
import re
import statistics
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import uvloop
from sqlmodel import col, func, select, update

import forums.settings
from forums import calendar_feed
from forums.calendar_feed import EventsOfAll
from forums.database import Database
from forums.models import Forum, Registration
from forums.settings import ROOT, Settings
from tests import bench_load, bench_outbox
from tests.bench_load import PLACE, Job
from tests.bench_servers import FEED_OF, Bench, Pair, Running, Site, fetch, in_words, parsed, request
from tests.factories import SECRET_KEY

FIRST_VIEW_BYTES, FIRST_VIEW_REQUESTS = 30_000, 4
WRITES_A_SECOND = 100
OPEN_FORUM = "/forums/2027-1"
VISITED = ["/", "/forums", OPEN_FORUM, f"{OPEN_FORUM}/inscription", f"{OPEN_FORUM}.ics", "/questions", "/engagements", "/engagements/1",
           "/plans", "/abonnements", "/calendrier.ics", "/accessibilite", "/en/", "/en/engagements", "/nulle-part"]  # fmt: skip

Profile = Callable[[], pstats.Stats]


@dataclass(frozen=True)
class Measured:
    """One line of the table, as it is read; `times` is how much slower than the limit, None when errors forbid to say."""

    limit: str
    ours: str
    times: float | None
    note: str = ""
    profile: Profile | None = None


@dataclass(frozen=True)
class Row:
    name: str
    work: str
    goal: float
    measure: Callable[[Bench], Measured]


def compared(pairs: Sequence[Pair], unit: str, *, errors: str = "", note: str = "", profile: Profile | None = None) -> Measured:
    """The medians of pairs (limit, ours), in so many a second or in milliseconds, and of their ratios."""
    limit, ours = [statistics.median(values) for values in zip(*pairs, strict=True)]
    times = statistics.median(bare / ours if unit.endswith("/s") else ours / bare for bare, ours in pairs)
    in_figures = [f"{value:,.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}" for value in (limit, ours)]
    return Measured(in_figures[0], in_figures[1], None if errors else times, errors or note, profile)


# -- Read ------------------------------------------------------------------------------------------------


def read(bench: Bench, site: Site, path: str, *, again: bool = False) -> Measured:
    """An address of ours against the very same bytes; `again`, for visitors who have them already."""
    headers = [f"If-None-Match: {dict(parsed(site.fetch(path))[1])['etag']}"] if again else []
    answer = site.fetch(path, *headers)
    status, _, body = parsed(answer)
    ours = Job([request(path, *headers)], [status])
    with bench.bare(answer) as bare:
        rounds = bench.alternate(bare, Job([request("/answer", *headers)], [status]), site.running, ours)
    note = f"{path}, {f'{len(body):,} bytes' if body else status}, {rounds.note}"
    return compared(rounds.pairs, "req/s", errors=rounds.errors, note=note, profile=partial(site.profile, ours))


def page(bench: Bench, *, again: bool = False) -> Measured:
    """The largest page anybody may read."""
    site = bench.site()
    return read(bench, site, largest(site), again=again)


def largest(site: Site) -> str:
    pages = [path for path in VISITED if b"\r\ncontent-type: text/html" in site.fetch(path).lower()]
    return max(pages, key=lambda path: len(site.fetch(path)))


def feed(bench: Bench, *, again: bool = False) -> Measured:
    return read(bench, bench.site("feed"), "/calendrier.ics", again=again)


def storm(bench: Bench) -> Measured:
    """The largest page while people write to the same process a hundred times a second, against the same page in peace.

    Nine of ten register, one asks a question: no public page shows either before its owner has confirmed it. What they
    cost the process counts against the page, and so does rendering it once a second.
    """
    site = bench.site()
    ours = replace(Job([request(largest(site))], [200]), port=site.running.port, seconds=bench.seconds * 2, connections=2)
    asked = {"kind": "question", "text": f"Question {PLACE} : où en est-on ?", "context": "", "commitment": "", "author_name": "",
             "email": f"camille.{PLACE}@example.org", "site_web": ""}  # fmt: skip
    posts = [(f"{OPEN_FORUM}/inscription", REGISTRATION)] * 9 + [("/questions/poser", asked)]
    writing = Job([posted(*each) for each in posts], [303], site.running.port, ours.seconds, pace=WRITES_A_SECOND)
    pairs, errors, written = [], Counter[str](), []
    for number in range(bench.rounds + 1):
        alone = bench_load.run(ours)
        with ThreadPoolExecutor(1) as beside:
            storming = beside.submit(bench_load.run, replace(writing, first=50_000_000 + number * 100_000))
            during = bench_load.run(ours)
            done = storming.result()
        errors.update({**alone.errors, **during.errors, **{f"while writing, {error}": count for error, count in done.errors.items()}})
        if number:
            pairs.append((alone.rate, during.rate))
            written.append(done.rate)
    note = f"{statistics.median(written):.0f} a second were written meanwhile"
    return compared(pairs, "req/s", errors=in_words(errors), note=note, profile=partial(site.profile, ours))


REGISTRATION = {"family_name": "Martin", "given_name": "Camille", "email": f"camille.{PLACE}@example.org",
                "organisation": "Regards citoyens", "attendance": "on_site", "accessibility_needs": "", "site_web": ""}  # fmt: skip


def posted(path: str, typed: Mapping[str, str]) -> str:
    """A form as a browser sends it, its numbers still to come."""
    body = urlencode(typed, safe=PLACE)
    headers = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}", "Sec-Fetch-Site: same-origin"]
    return request(path, *headers, body=body)


# -- Write -----------------------------------------------------------------------------------------------


def register(bench: Bench, kind: str) -> Measured:
    """Registrations, each of a new address, against the same form kept by one insert."""
    site = bench.site(kind)
    ours = Job([posted(f"{OPEN_FORUM}/inscription", REGISTRATION)], [303])
    before = asyncio.run(count_registrations(site.settings))
    with bench.bare_form(kind) as bare:
        rounds = bench.alternate(bare, Job([posted("/form", REGISTRATION)], [303]), site.running, ours)
    written = asyncio.run(count_registrations(site.settings)) - before
    errors = rounds.errors or (f"{written} written of {rounds.answered} answered" if written != rounds.answered else "")
    note = f"{written:,} registrations written, {rounds.note}"
    return compared(rounds.pairs, "req/s", errors=errors, note=note, profile=partial(site.profile, ours))


async def count_registrations(settings: Settings) -> int:
    database = Database(settings)
    try:
        async with database.reading() as session:
            return (await session.exec(select(func.count()).select_from(Registration))).one()
    finally:
        await database.close()


# -- Deliver ---------------------------------------------------------------------------------------------


def deliver(bench: Bench, *, ready: bool) -> Measured:
    """Messages queued in rows of SQLite, delivered by the worker, against the library sending ready bytes as often."""
    kind = "outbox" if ready else "outbox-composed"
    settings = forums.settings.read({"DATABASE_URL": f"sqlite:///{bench.folder / kind / 'forums.db'}", "SECRET_KEY": SECRET_KEY})
    found = bench_outbox.deliver(settings, ready=ready)
    note = f"{found.size:,} bytes each, {bench_outbox.ROUNDS} rounds of {bench_outbox.EACH:,}"
    profile = partial(bench_outbox.profile, settings, ready=ready)
    return compared(found.pairs, "msg/s", errors=found.errors, note=note, profile=profile)


# -- Render ----------------------------------------------------------------------------------------------


def first_render(bench: Bench) -> Measured:
    """The feed after one forum changed, read and hashed, against as many ready events joined and hashed; in this process."""
    settings = bench.site("feed").settings
    return compared(uvloop.run(renders(settings, bench.rounds * 4)), "ms", profile=partial(profile_renders, settings))


async def renders(settings: Settings, rounds: int, profile: cProfile.Profile | None = None) -> list[Pair]:
    database, pairs = Database(settings), []
    kept = EventsOfAll(settings.mail_from, settings.public_url)
    try:
        for number in range(rounds + 1):
            await change_one(database, number)
            if profile:
                profile.enable()
            ours, content = await timed(partial(render, database, kept))
            if profile:
                profile.disable()
            ready = re.findall(rb"BEGIN:VEVENT.*?END:VEVENT\r\n", content, re.DOTALL)
            assert len(ready) >= FEED_OF
            bare, _ = await timed(partial(joined, ready))
            pairs += [(bare, ours)] if number else []  # the first formats them all
    finally:
        await database.close()
    return pairs


async def change_one(database: Database, number: int) -> None:
    changed = update(Forum).where(col(Forum.slug) == f"2027-{number % FEED_OF + 1}")
    facts = {"theme": f"Thème {time.time_ns()}", "changed_at": datetime.now(UTC)}
    async with database.transaction() as session:
        await session.exec(changed.values(**facts, sequence=Forum.sequence + 1))


async def render(database: Database, kept: EventsOfAll) -> bytes:
    async with database.reading() as session:
        events = await kept.read(session)
    facts = {"name": "Forums Open d'État", "description": "", "page": "/forums", "address": "/calendrier.ics"}
    content = calendar_feed.feed(events, **facts, organiser=kept.organiser, public_url=kept.public_url)
    hashlib.sha256(content).hexdigest()
    return content


async def joined(ready: Sequence[bytes]) -> bytes:
    content = b"".join(ready)
    hashlib.sha256(content).hexdigest()
    return content


async def timed(work: Callable[[], Awaitable[bytes]]) -> tuple[float, bytes]:
    began = time.perf_counter()
    content = await work()
    return (time.perf_counter() - began) * 1000, content


def profile_renders(settings: Settings) -> pstats.Stats:
    profile = cProfile.Profile()
    uvloop.run(renders(settings, 20, profile))
    return pstats.Stats(profile, stream=io.StringIO())


# -- Processes -------------------------------------------------------------------------------------------


def start(bench: Bench) -> Measured:
    """From nothing to the first page, against the imports nobody can do without."""
    site, pairs = bench.site(), []
    for number in range(bench.rounds + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import starlette, sqlmodel, icalendar"], check=True)
        between = time.perf_counter()
        with site.another() as running:
            ended = time.perf_counter()
            assert parsed(fetch(running.port, "/"))[0] == 200
        pairs += [((between - began) * 1000, (ended - between) * 1000)] if number else []
    return compared(pairs, "ms", profile=site.profile)


def memory(bench: Bench) -> Measured:
    """One process that has answered 10,000 requests to every kind of page, against one that only ever knew one."""
    visits = [request(path + query) for path in VISITED for query in ("", f"?n={PLACE}")]
    with bench.site().another() as ours, bench.bare(fetch(ours.port, "/engagements")) as bare:
        errors = visit(ours, visits, 1_000)
        early = ours.megabytes
        errors += visit(ours, visits, 9_000) + visit(bare, [request("/answer")], 10_000)
        times = ours.megabytes / bare.megabytes
        limit, used = f"{bare.megabytes:.0f} MB", f"{ours.megabytes:.0f} MB"
    return Measured(limit, used, None if errors else times, errors or f"{early:.0f} MB after 1,000")


def visit(server: Running, requests: list[str], total: int) -> str:
    return in_words(bench_load.run(Job(requests, [200, 404], port=server.port, total=total)).errors)


# -- First view ------------------------------------------------------------------------------------------


def first_view(bench: Bench) -> Measured:
    """The home page and everything it asks for, as a browser that has never been here gets them."""
    fetch = partial(bench.site().fetch)
    home = fetch("/", "Accept-Encoding: gzip")
    found = {"page": home}
    for address in Assets(gzip.decompress(parsed(home)[2]).decode()).addresses:
        found[Path(address).name.partition("?")[0]] = fetch(address, "Accept-Encoding: gzip")
    faults = ", ".join(f"{name}: status {parsed(answer)[0]}" for name, answer in found.items() if parsed(answer)[0] != 200)
    size = sum(map(len, found.values()))
    times = max(size / FIRST_VIEW_BYTES, len(found) / FIRST_VIEW_REQUESTS)
    limit, ours = (
        f"{length / 1000:.1f} kB, {count} requests" for length, count in ((FIRST_VIEW_BYTES, FIRST_VIEW_REQUESTS), (size, len(found)))
    )
    return Measured(
        limit, ours, None if faults else times, faults or ", ".join(f"{name} {len(answer):,}" for name, answer in found.items())
    )


class Assets(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: dict[str, None] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "link" and {"stylesheet", "icon", "manifest", "preload"} & set(given.get("rel", "").split()):
            self.addresses[given["href"]] = None
        elif tag in ("script", "img") and given.get("src"):
            self.addresses[given["src"]] = None


# -- The table -------------------------------------------------------------------------------------------

ROWS = [
    Row("page", "public page, warm", 1.5, page),
    Row("page-304", "conditional GET of that page", 1.5, partial(page, again=True)),
    Row("feed", f"/calendrier.ics, {FEED_OF:,} forums", 1.5, feed),
    Row("feed-304", "conditional GET of that feed", 1.5, partial(feed, again=True)),
    Row("storm", "that page under 100 writes a second", 1.5, storm),
    Row("render", f"feed after a change, {FEED_OF:,} forums", 5, first_render),
    Row("register", "registration POST, SQLite", 3, partial(register, kind="sqlite")),
    Row("register-pg", "registration POST, PostgreSQL", 3, partial(register, kind="postgresql")),
    Row("outbox", "outbox, ready bytes", 1.5, partial(deliver, ready=True)),
    Row("outbox-composed", "outbox, composing included", 1.5, partial(deliver, ready=False)),
    Row("start", "start to first page", 2, start),
    Row("memory", "memory after 10,000 requests", 3, memory),
    Row("first-view", "first view of home, neutral theme", 1, first_view),
]


def main() -> None:
    options = _options()
    measured = []
    with ExitStack() as stack:
        bench = Bench(options.seconds, options.rounds, stack)
        for row in options.rows:
            print(f"{row.work}…", file=sys.stderr, flush=True)
            try:
                measured.append((row, row.measure(bench)))
            except Exception as error:  # noqa: BLE001 — the other rows are still worth having
                traceback.print_exc()
                measured.append((row, Measured("", "", None, f"could not be measured, {error}")))
        report = "\n".join([*table(measured), "", *notes(measured, bench)])
    print(report)
    (ROOT / "var" / "bench.md").write_text(f"# Benchmark, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n{report}\n")


def _options() -> argparse.Namespace:
    known = {row.name: row for row in ROWS}

    def chosen(text: str) -> list[Row]:
        if unknown := set(text.split(",")) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return [known[name] for name in text.split(",")]

    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Each promise of speed beside its limit.")
    parser.add_argument("--rows", type=chosen, default=ROWS, help=", ".join(known))
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round, for each of the two")
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def table(measured: Sequence[tuple[Row, Measured]]) -> list[str]:
    lines = [("work", "limit", "ours", "times slower", "goal", "verdict")]
    for row, found in measured:
        times, verdict = "", "errors"
        if found.times is not None:
            times, verdict = f"{found.times:.2f}", "ok" if found.times <= row.goal else "over"
        lines.append((row.work, found.limit, found.ours, times, f"<= {row.goal:g}", verdict))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    return [shown[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *shown[1:]]


def notes(measured: Sequence[tuple[Row, Measured]], bench: Bench) -> list[str]:
    """What was measured on which machine, and where the row that is the furthest over its goal spends its time."""
    lines = [f"- {row.work}: {found.note}." for row, found in measured if found.note]
    lines += [
        f"- {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}; "
        f"{bench.rounds} rounds of {bench.seconds:g} s each; the visitors used at most {bench.busiest:.0%} of a core."
    ]
    profiled = [(found.times / row.goal, row.work, found.profile) for row, found in measured if found.times and found.profile]
    if profiled:
        _, work, profile = max(profiled, key=lambda each: each[0])
        lines += [f"- Where “{work}” spends its time (cProfile, our own functions, what they call included):", *slowest(profile())]
    return lines


def slowest(profile: pstats.Stats, count: int = 5) -> list[str]:
    figures = profile.stats.items()  # type: ignore[attr-defined]
    ours = [(spent[3], place) for place, spent in figures if "/forums/" in place[0] and not place[0].endswith("cli.py")]
    return [
        f"    {spent:.2f} s in {name}, {Path(file).name} line {line}" for spent, (file, line, name) in sorted(ours, reverse=True)[:count]
    ]


if __name__ == "__main__":
    main()
