"""How long each file is, for the page that lists them: measured beside the pages, since it means making every file.

Each process keeps what it measured last, with the instant. Whoever asks gets that at once, and what is no longer of
today's last minutes is measured again behind them; only figures older than an hour are waited for, as the first are.
However long the files become, a process spends a twentieth of its time on them at most.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from forums.database import Database
from forums.open_data.catalogue import ROWS
from forums.open_data.files import as_csv

REST = 20
"""Times as long as the last measuring took, none begins; and no less than `SHORTEST`."""
SHORTEST, OLDEST = 10.0, 3600.0
"""Seconds that figures are good for, and that they may be shown for."""


class Length(NamedTuple):
    rows: int
    size: int
    """Of the CSV file, in bytes."""


@dataclass(frozen=True)
class Lengths:
    files: dict[str, Length]
    at: datetime
    ended: float
    took: float


class Measures:
    """What a process knows of the lengths of the files; `now` says the instant, `clock` counts seconds."""

    def __init__(self, database: Database, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic) -> None:
        self.database, self.now, self.clock = database, now, clock
        self.last: Lengths | None = None
        self.measuring: asyncio.Task[None] | None = None

    async def lengths(self) -> Lengths:
        age = self.clock() - self.last.ended if self.last else OLDEST
        if self.last is None or age >= max(SHORTEST, REST * self.last.took):
            if self.measuring is None or self.measuring.done():
                self.measuring = asyncio.create_task(self._measure())
                self.measuring.add_done_callback(_seen)
            if age >= OLDEST or self.last is None:
                await asyncio.shield(self.measuring)
        assert self.last is not None
        return self.last

    async def _measure(self) -> None:
        began, at = self.clock(), self.now()
        files = {}
        for row in ROWS:
            async with self.database.reading() as session:  # given back between two files: others need it too
                made = await as_csv(session, row)
            files[row.file] = Length(made.rows, len(made.content))
        self.last = Lengths(files, at, self.clock(), self.clock() - began)

    async def close(self) -> None:
        """Measure no more: the database is about to be closed."""
        if self.measuring is not None:
            self.measuring.cancel()
            await asyncio.wait({self.measuring})


def _seen(task: asyncio.Task[None]) -> None:
    """A fault is whoever waits to answer; the others keep the figures there are, and the next who asks tries again."""
    if not task.cancelled():
        task.exception()
