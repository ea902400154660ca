"""Visitors for `tests.bench`, in a process of their own: `python -m tests.bench_load`, a `Job` in, a `Done` out, as JSON.

Each connection asks again as soon as it is answered. Whatever is not the expected answer, whole, is
counted as an error: a figure without its errors means nothing.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

import uvloop

PLACE = "########"  # of a number, another in each request


# Seconds for any job: ten thousand pages that are each rendered take some two minutes.
LONGEST = 300.0


@dataclass(frozen=True)
class Job:
    """Requests asked in turn, for `seconds`, or `total` of them; `first` is where their numbers begin.

    With a `pace`, in requests a second, one is asked when its turn has come; without, as soon as the last is answered.
    """

    requests: list[str]
    expected: list[int]
    port: int = 0
    seconds: float = 3600.0
    total: int = 10**9
    first: int = 0
    connections: int = 12
    pace: float = 0.0


@dataclass(frozen=True)
class Done:
    """What was answered as expected, in how long, what else was; `busy` is the share of a core the visitors used."""

    answers: int
    took: float
    errors: dict[str, int]
    busy: float

    @property
    def rate(self) -> float:
        return self.answers / self.took


def run(job: Job) -> Done:
    """Do the job in another process, so that it does not take its time from a server."""
    command = [sys.executable, "-m", "tests.bench_load"]
    done = subprocess.run(command, input=json.dumps(asdict(job)), stdout=subprocess.PIPE, text=True, check=True, timeout=LONGEST + 30)
    return Done(**json.loads(done.stdout))


class Crowd:
    """What the visitors share: what is left to ask, and what was counted."""

    def __init__(self, job: Job) -> None:
        self.pieces = [request.encode().split(PLACE.encode()) for request in job.requests]
        self.expected = {b"%d" % status for status in job.expected}
        self.asked, self.first, self.total = 0, job.first, job.total
        self.answers = 0
        self.errors: Counter[str] = Counter()
        self.pace, self.began = job.pace, time.perf_counter()
        self.ends = self.began + job.seconds

    def pause(self) -> float:
        """The seconds until the next request's turn."""
        return max(0.0, self.began + self.asked / self.pace - time.perf_counter()) if self.pace else 0.0

    def next_request(self) -> bytes | None:
        if self.asked >= self.total or time.perf_counter() >= self.ends:
            return None
        pieces = self.pieces[self.asked % len(self.pieces)]
        self.asked += 1
        return pieces[0] if len(pieces) == 1 else (b"%08d" % (self.first + self.asked)).join(pieces)


class Visitor(asyncio.Protocol):
    def __init__(self, crowd: Crowd) -> None:
        self.crowd, self.left = crowd, asyncio.get_running_loop().create_future()
        self.head, self.missing, self.waits = b"", 0, False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        if pause := self.crowd.pause():
            asyncio.get_running_loop().call_later(pause, self._ask)
            return
        request = self.crowd.next_request()
        self.waits = request is not None
        if request is None:
            self.transport.close()
        else:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.missing:
            self.missing -= len(data)
        else:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            self.status = self.head[9:12]
            self.missing = end + 4 + _length(self.head[:end].lower()) - len(self.head)
            self.head = b""
        if self.missing == 0:
            self._count()
            self.waits = False
            self._ask()
        elif self.missing < 0:
            self.crowd.errors["more than was said"] += 1
            self.transport.close()

    def _count(self) -> None:
        if self.status in self.crowd.expected:
            self.crowd.answers += 1
        else:
            self.crowd.errors[f"status {self.status.decode()}"] += 1

    def connection_lost(self, error: Exception | None) -> None:
        if self.waits:
            self.crowd.errors["closed before the answer"] += 1
        self.left.set_result(None)


def _length(head: bytes) -> int:
    _, found, after = head.partition(b"\r\ncontent-length:")
    return int(after.partition(b"\r\n")[0]) if found else 0


async def visit(job: Job) -> Done:
    loop, crowd = asyncio.get_running_loop(), Crowd(job)
    began, worked = time.perf_counter(), time.process_time()
    visitors = []
    for _ in range(job.connections):
        _, visitor = await loop.create_connection(lambda: Visitor(crowd), "127.0.0.1", job.port)
        visitors.append(visitor)
    async with asyncio.timeout(min(job.seconds + 30, LONGEST)):
        await asyncio.gather(*(visitor.left for visitor in visitors))
    took = time.perf_counter() - began
    return Done(crowd.answers, took, dict(crowd.errors), (time.process_time() - worked) / took)


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(visit(Job(**json.load(sys.stdin)))))))
