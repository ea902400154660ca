"""The whole site under a crowd: `python -m tests.stress --people 10000 --seats 500 --processes 4`, on both engines.

Real servers on one database; everybody confirms over HTTP, a third of those who got their answer give up,
half of these come back, all interleaved. Then the database is judged, by the story its own trigger wrote
down (`tests.witness`): no instant with more seats taken than there are; ranks given in strictly rising
order, and each promotion to the lowest rank then in line; every answer kept; one message for each fact and
none without. Prints a table; exit status 1 if a promise is broken.
"""

import argparse
import asyncio
import heapq
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlmodel import select

from forums import migrations
from forums.database import Database
from forums.models import Forum, Registration
from forums.settings import Settings
from tests import crew, factories, witness
from tests.findings import Finding, bounded, none, report
from tests.race import ENGINES, settings_for
from tests.visitors import Person, Visitor, who_asked

CONNECTIONS = 12
"""To each server."""

LONGEST = 1200
"""Seconds one engine may take."""

GIVE_UP, COME_BACK = 1 / 3, 1 / 2


# -- The crowd -----------------------------------------------------------------------------------------------


class Crowd:
    """Who has yet to do what, in which order, and what was answered."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.due = [(random.random(), number, person) for number, person in enumerate(people)]
        heapq.heapify(self.due)
        self.acknowledged: Counter[tuple[str, str]] = Counter()
        self.told_to_try_again = self.broken_off = 0
        self.unexpected: Counter[int] = Counter()

    async def visit(self, port: int) -> None:
        """One connection's share: the next who is due, until nobody is."""
        visitor = Visitor([port])
        while self.due:
            moment, number, person = heapq.heappop(self.due)
            deed = person.next_deed
            status = await visitor.post(f"/inscriptions/{person.token}/{deed}")
            if status == 303:
                self.acknowledged[deed, person.email] += 1
                person.inside = not person.inside
                if random.random() < self._chance(person):
                    heapq.heappush(self.due, (moment + random.uniform(0, 0.2), number, person))
            elif status in (None, 503):
                self.told_to_try_again += status == 503
                self.broken_off += status is None
                heapq.heappush(self.due, (moment, number, person))
            else:
                self.unexpected[status] += 1
        visitor.leave()

    def _chance(self, person: Person) -> float:
        """That a person just answered does something more; who came back stays."""
        if person.inside:
            return GIVE_UP if not self.acknowledged["renoncer", person.email] else 0
        return COME_BACK


def stress(settings: Settings, folder: Path, *, people: int, seats: int, processes: int) -> list[Finding]:
    """One run on an empty database; the logs of the servers go to `folder`."""
    crowd = Crowd(asyncio.run(prepare(settings, people, seats)))
    with crew.serving(settings.database_url, folder, processes) as servers:
        begun = time.monotonic()
        asyncio.run(_everybody(crowd, [server.port for server in servers]))
        seconds = time.monotonic() - begun
    return asyncio.run(judge(settings, crowd, seconds))


async def prepare(settings: Settings, people: int, seats: int) -> list[Person]:
    await asyncio.to_thread(migrations.migrate, settings)
    database, now = Database(settings), datetime.now(UTC)
    async with database.transaction() as session:
        forum = await factories.a_forum(session, capacity=seats, now=now)
        asked = await who_asked(session, forum, people, now)
        await witness.watch(session)
    await database.close()
    return asked


async def _everybody(crowd: Crowd, ports: Sequence[int]) -> None:
    await asyncio.gather(*(crowd.visit(port) for port in ports for _ in range(CONNECTIONS)))


# -- What is judged -------------------------------------------------------------------------------------------


async def judge(settings: Settings, crowd: Crowd, seconds: float) -> list[Finding]:
    database = Database(settings)
    async with database.reading() as session:
        forum = (await session.exec(select(Forum))).one()
        ended = {email: (status, rank) for email, status, rank in await session.exec(ENDED)}
        story = await witness.changes(session)
        promised = await witness.promised(session)
    await database.close()
    answers = crowd.acknowledged.total()
    return [
        Finding("confirmations and withdrawals answered", answers),
        Finding("answered a second", f"{answers / seconds:.0f}"),
        Finding("told to try again (503), and did", crowd.told_to_try_again),
        Finding("connections broken off", crowd.broken_off),
        none("any other answer", crowd.unexpected.total()),
        *of_seats(forum, ended, story),
        *of_words(crowd.acknowledged, Counter(), story),
        *of_messages(witness.due(story), promised),
    ]


ENDED = select(Registration.email, Registration.status, Registration.rank)


def of_seats(forum: Forum, ended: dict[str, tuple[str, int | None]], story: Sequence[witness.Change]) -> list[Finding]:
    """The seats and the line: how they ended, and at every instant of the story."""
    registered = sum(status == "registered" for status, _ in ended.values())
    line = [rank for status, rank in ended.values() if status == "waiting"]
    seen = witness.replay(story, forum.capacity)
    last = {change.email: change.after for change in story}
    return [
        Finding(
            "seats taken / registered / capacity", f"{forum.seats_taken}/{registered}/{forum.capacity}", forum.seats_taken != registered
        ),
        none("oversold, at the worst instant", max(seen.oversold, registered - forum.capacity)),
        none("seats free while someone waits", forum.capacity - registered if line else 0),
        Finding("waiting", len(line)),
        Finding("promoted", sum(change.before == "waiting" and change.after == "registered" for change in story)),
        none("promoted over an earlier rank", seen.overtaken),
        none("ranks given twice or out of order", seen.out_of_rank + len(line) - len(set(line))),
        none("registrations that are not what last became of them", sum(ended[email][0] != after for email, after in last.items())),
    ]


def of_words(acknowledged: Counter[tuple[str, str]], unsettled: Counter[tuple[str, str]], story: Sequence[witness.Change]) -> list[Finding]:
    """What people were answered against what was done; what is `unsettled` may be either."""
    done = witness.deeds(story)
    lost = acknowledged - done
    return [
        none("acknowledged confirmations lost", sum(count for (deed, _), count in lost.items() if deed == "confirmer")),
        none("acknowledged withdrawals lost", sum(count for (deed, _), count in lost.items() if deed == "renoncer")),
        none("done twice, or unasked", (done - acknowledged - unsettled).total()),
    ]


def of_messages(due: Counter[witness.Told], promised: Counter[witness.Told]) -> list[Finding]:
    return [
        Finding("facts to be told", due.total()),
        none("facts without their message", (due - promised).total()),
        none("messages twice, or without their fact", (promised - due).total()),
    ]


# -- The program ------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description="The whole site under a crowd, on both engines.")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--seats", type=int, default=500)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    asked = parser.parse_args()
    sizes = {"people": asked.people, "seats": asked.seats, "processes": asked.processes}
    engines = list(ENGINES) if asked.engine == "both" else [asked.engine]
    bounded(len(engines) * LONGEST)
    kept = []
    for engine in engines:
        title = f"{engine}: {asked.people} people, {asked.seats} seats, {asked.processes} servers of {CONNECTIONS} connections"
        with ENGINES[engine]() as url:
            kept.append(report(title, partial(stress, settings_for(url), **sizes)))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
