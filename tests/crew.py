"""The product's own processes, each on its own: `forums serve` and `forums worker`, started, killed, started again.

Who serves is given no relay, so that on SQLite too messages are delivered by the workers alone. Only what
was started here is ever killed, and nothing stays when the block ends.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from forums.settings import ROOT
from tests.factories import SECRET_KEY
from tests.ports import free_port


@dataclass(eq=False)
class Program:
    """One process after the other, of the same command. `proved` once this one was seen at work."""

    words: Sequence[str]
    environ: dict[str, str]
    log: Path
    port: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    starts: int = 0
    fell: int = 0
    proved: bool = False
    killed: set[int] = field(default_factory=set)
    """Which of its starts ended by a kill."""
    where: Path = ROOT
    """Whose program it is: this one, or another version of it."""

    def start(self) -> None:
        self.started_at, self.starts, self.proved = datetime.now(UTC), self.starts + 1, False
        with self.log.open("a") as log:
            command = [sys.executable, "-m", "forums.cli", *self.words]
            self.process = subprocess.Popen(command, cwd=self.where, env=self.environ, stdout=log, stderr=log)

    def kill_and_start(self) -> None:
        """As a power cut of this process alone; its successor starts at once."""
        self.process.kill()
        self.process.wait()
        self.killed.add(self.starts)
        self.start()

    def start_if_fallen(self) -> None:
        """It should never end by itself: that is counted."""
        if self.process.poll() is not None:
            self.fell += 1
            self.start()

    def stop(self) -> None:
        """Ask it to finish what is begun."""
        self.process.terminate()
        try:
            self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def age(self) -> float:
        return (datetime.now(UTC) - self.started_at).total_seconds()

    @property
    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


@contextmanager
def serving(url: str, folder: Path, count: int) -> Iterator[list[Program]]:
    """So many servers on one database that is migrated, each on a port of its own, all answering."""
    servers = [_program("serve", url, folder, f"serve-{number}") for number in range(count)]
    for server, port in zip(servers, [free_port() for _ in servers], strict=True):
        server.port = port
        server.environ["PORT"] = str(port)
    with running(servers):
        for server in servers:
            _wait_for(server)
        yield servers


def worker(url: str, folder: Path, number: int, relay_port: int) -> Program:
    """A worker, not started yet, that hands its messages to that port."""
    program = _program("worker", url, folder, f"worker-{number}")
    program.environ["SMTP_URL"] = f"smtp://127.0.0.1:{relay_port}"
    return program


def _program(word: str, url: str, folder: Path, name: str) -> Program:
    environ = {each: value for each, value in os.environ.items() if each in ("PATH", "HOME", "LANG")}
    environ |= {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, "PUBLIC_URL": "http://localhost", "CLIENT_LIMIT": "0"}
    return Program([word], environ, folder / f"{name}.log")


@contextmanager
def running(programs: Sequence[Program]) -> Iterator[None]:
    try:
        for program in programs:
            program.start()
        yield
    finally:
        started = [program for program in programs if program.starts]
        for program in started:
            program.process.terminate()
        for program in started:
            program.stop()


def _wait_for(server: Program) -> None:
    deadline = time.monotonic() + 600  # a busy machine starts slowly
    while not _answers(server.port):
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it did not start: {server.last_words}")
        time.sleep(0.02)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
