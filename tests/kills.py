"""The whole site under `kill -9`: `python -m tests.kills --kills 100 --engine sqlite`; 200 in all on both engines.

Four servers and two workers, one of them killed at every moment or two while people register, confirm, give
up and ask, and started again at once. An answer is a promise: what was answered must be there, once;
whatever was asked and not answered may be there or not, and most of it is asked again. At the end the
relay must have every message, and none twice but those a killed worker had just handed over and not yet written
down, of which there is a limit, with the same Message-ID. Prints a table; exit status 1 if a promise is broken.

Nobody waits a quarter of an hour for the lease of a dead worker: what no living worker can have in hand,
and what the relay put off, is made due at once.
"""

import argparse
import asyncio
import contextlib
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlmodel import col, func, select, text, update

from forums import migrations, outbox
from forums.database import Database, DatabaseUnavailable
from forums.models import Forum, OutboxMessage, Question, Registration
from forums.outbox.ledger import UNWRITTEN
from forums.settings import Settings, Smtp
from tests import crew, factories, witness
from tests.crew import Program
from tests.findings import Finding, bounded, none, report
from tests.kills_load import Load
from tests.kills_relay import Relay, Taken
from tests.race import ENGINES, settings_for
from tests.stress import ENDED, of_messages, of_seats, of_words
from tests.visitors import Person, who_asked

SERVERS, WORKERS, VISITORS = 4, 2, 24
PEOPLE, SEATS = 120, 30
UNWRITTEN_AT_MOST = UNWRITTEN + Smtp.connections
"""What a worker handed over and has not written down, at most: one more on each of its connections."""

OTHER_FORUMS = 8
"""To register for."""

SETTLED = ("sent", "dropped")
"""A message is dropped when the seat it speaks of was given back before it went."""

LONG_ENOUGH = 30.0
"""After which a process counts as at work, though nothing was seen of it."""

LONGEST = 600
"""Seconds one engine may take beside its kills."""

NOTHING_MOVES = 60.0
"""For that long, and what is left will never be sent."""


# -- One run --------------------------------------------------------------------------------------------------


def run(settings: Settings, folder: Path, *, kills: int) -> list[Finding]:
    migrations.migrate(settings)
    with crew.serving(settings.database_url, folder, SERVERS) as servers:
        return asyncio.run(_run(settings, folder, servers, kills))


async def _run(settings: Settings, folder: Path, servers: Sequence[Program], kills: int) -> list[Finding]:
    database, relay = Database(settings), Relay()
    people, slugs = await _prepare(database)
    load = Load(people, slugs, servers)
    async with _workers(settings, folder, relay) as workers:
        visits = [asyncio.create_task(load.visit()) for _ in range(VISITORS)]
        passing = asyncio.create_task(_time_passes(database, workers))
        await _kill(kills, [*servers, *workers])
        load.over = True
        await asyncio.gather(*visits)
        passing.cancel()
        took = await _drain(database, workers)
    findings = [*_of_the_run(load, relay, servers, workers, took), *await _judge(database, load, relay)]
    await database.close()
    return findings


async def _prepare(database: Database) -> tuple[list[Person], list[str]]:
    now = datetime.now(UTC)
    async with database.transaction() as session:
        forum = await factories.a_forum(session, capacity=SEATS, now=now)
        others = [await factories.a_forum(session, number=number + 2, capacity=10, now=now) for number in range(OTHER_FORUMS)]
        people = await who_asked(session, forum, PEOPLE, now)
        await witness.watch(session)
    return people, [each.slug for each in others]


@contextlib.asynccontextmanager
async def _workers(settings: Settings, folder: Path, relay: Relay) -> AsyncIterator[list[Program]]:
    async with contextlib.AsyncExitStack() as stack:
        workers = []
        for number in range(WORKERS):
            door = socket.create_server(("127.0.0.1", 0))
            workers.append(crew.worker(settings.database_url, folder, number, door.getsockname()[1]))
            stack.callback((await relay.listen(door, workers[-1])).close)
        stack.enter_context(crew.running(workers))
        yield workers


async def _kill(times: int, programs: Sequence[Program]) -> None:
    """One at random of those seen at work: to kill what has not begun proves nothing, nor does a site that is mostly down."""
    while times:
        await asyncio.sleep(random.uniform(0.3, 1.5))
        for program in programs:
            program.start_if_fallen()
        at_work = [program for program in programs if program.proved or program.age > LONG_ENOUGH]
        if len(at_work) > len(programs) / 2:
            random.choice(at_work).kill_and_start()
            times -= 1


async def _time_passes(database: Database, workers: Sequence[Program]) -> None:
    while True:
        await asyncio.sleep(1)
        await _make_due(database, min(worker.started_at for worker in workers))


async def _make_due(database: Database, before: datetime) -> None:
    """What was claimed before any living worker was started is in nobody's hand: its lease ends now."""
    now = datetime.now(UTC)
    row, lease = update(OutboxMessage), col(OutboxMessage.lease_until)
    # A database too busy for it is asked again at the next turn.
    with contextlib.suppress(DBAPIError, *DatabaseUnavailable):
        async with database.transaction() as session:
            dead = row.where(col(OutboxMessage.status) == "sending", lease < before + outbox.LEASE)
            await session.exec(dead.values(lease_until=now - timedelta(seconds=1)))
            put_off = row.where(col(OutboxMessage.status) == "waiting", col(OutboxMessage.next_attempt_at) > now)
            await session.exec(put_off.values(next_attempt_at=now))


async def _drain(database: Database, workers: Sequence[Program]) -> float:
    """Let new workers deliver what is left, undisturbed. Returns how long that took."""
    begun = time.monotonic()
    for worker in workers:
        await asyncio.to_thread(worker.stop)
    await _make_due(database, datetime.now(UTC))
    for worker in workers:
        worker.start()
    left, moved_at = await _unsent(database), time.monotonic()
    while left and time.monotonic() - moved_at < NOTHING_MOVES:
        await _make_due(database, min(worker.started_at for worker in workers))
        await asyncio.sleep(1)
        before, left = left, await _unsent(database)
        moved_at = time.monotonic() if left < before else moved_at
    return time.monotonic() - begun


async def _unsent(database: Database) -> int:
    async with database.reading() as session:
        return (await session.exec(select(func.count()).where(col(OutboxMessage.status).not_in(SETTLED)))).one()


# -- What is judged -------------------------------------------------------------------------------------------


def _of_the_run(load: Load, relay: Relay, servers: Sequence[Program], workers: Sequence[Program], took: float) -> list[Finding]:
    kills = [sum(len(program.killed) for program in programs) for programs in (servers, workers)]
    said = [sum(count for (what, _), count in load.acknowledged.items() if what == each) for each in _WHAT]
    return [
        Finding("kills, of servers + of workers", f"{kills[0]} + {kills[1]}"),
        none("ended by themselves", sum(program.fell for program in (*servers, *workers))),
        *(Finding(f"acknowledged {words}", count) for words, count in zip(_WHAT.values(), said, strict=True)),
        Finding("connections broken off", load.broken_off),
        Finding("told to try again (503)", load.told_to_try_again),
        Finding("never settled", load.unsettled.total()),
        none(f"any other answer {dict(load.unexpected) or ''}".strip(), load.unexpected.total()),
        Finding("refused by the relay (451)", relay.refused),
        Finding("seconds to deliver what was left", f"{took:.0f}"),
    ]


_WHAT = {"s'inscrire": "registrations", "confirmer": "confirmations", "renoncer": "withdrawals", "poser": "questions"}


async def _judge(database: Database, load: Load, relay: Relay) -> list[Finding]:
    async with database.reading() as session:
        forum = (await session.exec(select(Forum).where(Forum.slug == "2027-1"))).one()
        ended = {row[0]: (row[1], row[2]) for row in await session.exec(ENDED.where(Registration.forum_id == forum.id))}
        registered = (await session.exec(select(Registration.email).where(Registration.forum_id != forum.id))).all()
        asked = [email or "" for email in await session.exec(select(Question.email))]
        story = await witness.changes(session)
        promised = await witness.promised(session)
        rows = (await session.exec(select(OutboxMessage.id, OutboxMessage.recipient, OutboxMessage.status))).all()
    due = witness.due(story)
    due.update((email, "confirm_registration", None) for email in registered)
    due.update((email, "confirm_question", None) for email in asked)
    prepared = Counter({each: count for each, count in load.acknowledged.items() if each[0] in ("confirmer", "renoncer")})
    return [
        none("acknowledged registrations lost", len(load.said("s'inscrire") - set(registered))),
        none("acknowledged questions lost", len(load.said("poser") - set(asked))),
        *of_words(prepared, load.unsettled, story),
        none("registrations or questions twice", len(registered) - len(set(registered)) + len(asked) - len(set(asked))),
        *of_seats(forum, ended, story),
        *of_messages(due, promised),
        *_of_deliveries({str(row[0]): (row[1], row[2]) for row in rows}, relay.taken, relay.answered),
        none("faults in the database", await _faults(database)),
    ]


def _of_deliveries(rows: dict[str, tuple[str, str]], taken: Sequence[Taken], answered: Sequence[Taken]) -> list[Finding]:
    """What was promised against what the relay has, message by message."""
    has = {each.identifier for each in taken}
    strange = [each for each in taken if each.identifier not in rows or rows[each.identifier][0] != each.recipient]
    again = sent_again(taken)
    by_start: dict[tuple[Program, int], list[Taken]] = {}
    for each in answered:
        by_start.setdefault((each.worker, each.start), []).append(each)
    in_hand = {id(each) for each in taken} - {id(each) for each in answered}
    at_the_end = in_hand | {id(each) for handed in by_start.values() for each in handed[-UNWRITTEN_AT_MOST:]}
    return [
        Finding("messages the relay took", len(taken)),
        none("promised and neither sent nor taken back", sum(status not in SETTLED for _, status in rows.values())),
        none("said to be sent, and the relay has none", sum(status == "sent" and each not in has for each, (_, status) in rows.items())),
        none("with another Message-ID, or for someone else", len(strange)),
        Finding("sent again after a kill, with the same Message-ID", sum(each.was_killed for each in again)),
        none("sent again without a kill", sum(not each.was_killed for each in again)),
        none(
            f"sent again, though not among the last {UNWRITTEN_AT_MOST} of a killed worker",
            sum(id(each) not in at_the_end for each in again),
        ),
    ]


def sent_again(taken: Sequence[Taken]) -> list[Taken]:
    """Each delivery that did not count, because the same message came again later."""
    last = {each.identifier: each for each in taken}
    return [each for each in taken if last[each.identifier] is not each]


async def _faults(database: Database) -> int:
    """PostgreSQL was not killed, and checks itself."""
    if not database.is_sqlite:
        return 0
    async with database.reading() as session:
        connection = await session.connection()
        whole = (await connection.execute(text("PRAGMA integrity_check"))).scalars().all()
        broken_links = (await connection.execute(text("PRAGMA foreign_key_check"))).all()
    return len(broken_links) + (whole != ["ok"]) * max(1, len(whole))


# -- The program ------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description="The whole site under kill -9, on both engines.")
    parser.add_argument("--kills", type=int, default=100, help="on each engine")
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    asked = parser.parse_args()
    engines = list(ENGINES) if asked.engine == "both" else [asked.engine]
    bounded(len(engines) * (LONGEST + 12 * asked.kills))
    kept = []
    for engine in engines:
        title = f"{engine}: {asked.kills} kills, {SERVERS} servers, {WORKERS} workers, {VISITORS} visitors"
        with ENGINES[engine]() as url:
            kept.append(report(title, partial(run, settings_for(url), kills=asked.kills)))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
