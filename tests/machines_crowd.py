"""People who read, register and ask, a connection for each request, as nginx sees them and as a server alone does.

What they were answered is kept; whatever is not the page or the redirection they asked for is written down, with
the phase of the run in which they asked.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from tests.faults import form

PATIENCE = 60.0

PAGES = ["/", "/forums", "/questions", "/calendrier.ics", "/actualites.atom"]


class Seen(NamedTuple):
    """What a visitor saw instead of what they asked for."""

    phase: str
    method: str
    path: str
    status: int | None
    begun: float
    after: float

    def was_under_way(self, moment: float) -> bool:
        """Whether it was asked, and not answered yet, at that moment."""
        return self.begun <= moment <= self.begun + self.after


class Crowd:
    """Everybody's requests, one connection each, and what came of them in each phase."""

    def __init__(self, address: str, port: int, forums: Sequence[str], sources: Sequence[str] = ("",)) -> None:
        self.address, self.port, self.forums, self.phase, self.over = address, port, forums, "calm", False
        self.sources = itertools.cycle(sources)
        self.pages = [*PAGES, f"/forums/{forums[0]}"]
        self.numbers = itertools.count()
        self.answered: Counter[tuple[str, str]] = Counter()
        self.wrong: list[Seen] = []
        self.registered: set[str] = set()
        self.asked: set[str] = set()
        self.slowest: dict[str, float] = {}
        self.blows: dict[str, tuple[float, int]] = {}

    async def visit(self, source: str) -> None:
        while not self.over:
            kind = random.random()
            if kind < 0.6:
                await self.one("GET", random.choice(self.pages), "", None, source)
            elif kind < 0.85:
                email = f"n{next(self.numbers)}@example.org"
                await self.one("POST", f"/forums/{random.choice(self.forums)}/inscription", form(email), (self.registered, email), source)
            else:
                email = f"q{next(self.numbers)}@example.org"
                typed = {"kind": "question", "text": f"Une question de {email} ?", "email": email, "context": "", "commitment": ""}
                body = urlencode(typed | {"author_name": "", "site_web": ""})
                await self.one("POST", "/questions/poser", body, (self.asked, email), source)
            await asyncio.sleep(random.uniform(0, 0.1))

    async def one(self, method: str, path: str, body: str, promise: tuple[set[str], str] | None, source: str) -> None:
        phase, begun = self.phase, time.monotonic()
        status = await ask(self.address, self.port, method, path, body, source)
        took = time.monotonic() - begun
        self.slowest[phase] = max(self.slowest.get(phase, 0), took)
        if status == (303 if promise else 200):
            self.answered[phase, method] += 1
            if promise:
                promise[0].add(promise[1])
        else:
            self.wrong.append(Seen(phase, method, path, status, begun, took))

    @contextlib.asynccontextmanager
    async def meanwhile(self, visitors: int) -> AsyncIterator[None]:
        visits = [asyncio.create_task(self.visit(next(self.sources))) for _ in range(visitors)]
        yield
        self.over = True
        await asyncio.gather(*visits)

    def enters(self, phase: str) -> str:
        self.phase = phase
        return f"{phase}, after {self.answered.total()} answers, {len(self.wrong)} errors"

    def suffers(self, blow: str, in_flight: int) -> None:
        """Now something was killed or cut off that had so many requests."""
        self.blows[blow] = time.monotonic(), in_flight

    def errors(self) -> dict[str, list[Seen]]:
        """Each error under the blow that came while it was asked, or under none."""
        found: dict[str, list[Seen]] = {blow: [] for blow in self.blows} | {"none": []}
        for each in self.wrong:
            struck = [blow for blow, (moment, _) in self.blows.items() if each.was_under_way(moment)]
            found[struck[0] if struck else "none"].append(each)
        return found


async def ask(address: str, port: int, method: str, path: str, body: str = "", source: str = "") -> int | None:
    """The status of the answer, read to its end; None when there is none."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", "Sec-Fetch-Site: same-origin"]
    if method == "POST":
        head += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(address, port, local_addr=(source, 0) if source else None)
            writer.write("\r\n".join([*head, "", body]).encode())
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return None
    return int(answer[9:12]) if len(answer) > 12 else None
