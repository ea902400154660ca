"""Two hosts behind nginx, one PostgreSQL: `python -m tests.machines`, straight and through PgBouncer.

People read, register and ask through the proxy while a web process and a worker are killed, a host is cut off
and comes back with a reminder falling due meanwhile, and each host is restarted in turn. Nobody may see an error
but whoever's form was with the process killed or the host cut off; what was answered must be there, each message
go once. Then: how long others see a page from before an organiser's change, and requests made to deceive a proxy.
Needs root. Prints a table; exit status 1 if a promise is broken.
"""

import forums  # noqa: F401 — first: it puts the safe SQLite in place

# isort: split

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlmodel import col, select

from forums import migrations
from forums.database import Database
from forums.models import Forum, OutboxMessage, Question, Registration
from tests import factories, kills, machines_net
from tests.findings import Finding, bounded, none, report
from tests.kills_relay import Relay
from tests.machines_crowd import Crowd, ask
from tests.machines_lag import lag
from tests.machines_net import DATABASE_PORT, Host, Network
from tests.machines_smuggling import smuggling
from tests.race import settings_for
from tests.witness import promised

VISITORS = 36
FORUMS = 6
LONGEST = 1200
"""Seconds one way may take."""

REMINDED = 40
"""People of a forum whose reminder falls due while a host is cut off."""

CUT_FOR = 15.0

PAUSE = 6.0
"""Between two hosts: nginx sends nobody to one that it found closed for `fail_timeout`."""


def _say(words: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {words}", file=sys.stderr)


# -- One run -----------------------------------------------------------------------------------------------------


def machines(folder: Path, *, through_pgbouncer: bool) -> Sequence[Finding]:
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(machines_net.network())
        straight = stack.enter_context(machines_net.postgresql(net.address))
        url = stack.enter_context(machines_net.pgbouncer(net.address, DATABASE_PORT, net.address)) if through_pgbouncer else straight
        migrations.migrate(settings_for(straight))
        asyncio.run(_prepare(straight))
        door = socket.create_server((net.address, 0))
        stack.enter_context(machines_net.at_work(net, [url] * len(net.hosts), folder, door.getsockname()[1]))
        said = stack.enter_context(machines_net.nginx(net, folder))
        return asyncio.run(_run(net, straight, door, said))


async def _prepare(url: str) -> None:
    database, now = Database(settings_for(url)), datetime.now(UTC)
    async with database.transaction() as session:
        for number in range(1, FORUMS + 1):
            await factories.a_forum(session, number=number, capacity=10_000, now=now)
        soon = await factories.a_forum(session, number=FORUMS + 1, capacity=REMINDED, now=now)
        # Far from due until `_falls_due` moves it.
        session.add_all(_person(soon, number, now) for number in range(REMINDED))
    await database.close()


def _person(forum: Forum, number: int, now: datetime) -> Registration:
    email = f"r{number}@example.org"
    given = {"forum_id": forum.id, "email": email, "email_key": email, "given_name": "P", "family_name": "Q", "status": "registered"}
    return Registration(**given, created_at=now, mailed_at=now, decided_at=now - timedelta(days=20))


async def _falls_due(database: Database) -> None:
    """The forum is an hour from now: the reminder of its eve is due at this instant."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        forum = (await session.exec(select(Forum).where(Forum.slug == f"2027-{FORUMS + 1}"))).one()
        forum.starts_at, forum.ends_at, forum.day = now + timedelta(hours=1), now + timedelta(hours=3), (now + timedelta(hours=1)).date()
        session.add(forum)


async def _run(net: Network, url: str, door: socket.socket, said: Path) -> list[Finding]:
    database, relay = Database(settings_for(url)), Relay()
    server = await relay.listen(door, net.hosts[0].worker)
    crowd = Crowd(net.address, machines_net.NGINX_PORT, [f"2027-{number + 1}" for number in range(FORUMS)], net.visitors)
    first, second = net.hosts
    await _both_serve(net)
    _say("both hosts serve")
    async with crowd.meanwhile(VISITORS):
        await asyncio.sleep(5)
        _say(crowd.enters("kill"))
        crowd.suffers("kill", await _kill_a_process(first))
        await asyncio.sleep(4)
        second.worker.kill_and_start()
        await asyncio.sleep(6)
        _say(crowd.enters("cut"))
        await asyncio.sleep(0.5)
        second.cut_off()
        crowd.suffers("cut", second.web.in_flight())
        await _falls_due(database)
        await asyncio.sleep(CUT_FOR)
        second.back()
        fell = _start_what_fell(net)
        _say(crowd.enters("back"))
        await asyncio.sleep(10)
        await _ready(second)
        _say(crowd.enters("restart"))
        for host in net.hosts:
            await asyncio.to_thread(_restart, host)
            await _ready(host)
            await asyncio.sleep(PAUSE)
        _say(crowd.enters("end"))
        await asyncio.sleep(2)
    took = await _drain(database, net)
    findings = [*_of_the_crowd(crowd, fell, took), *await _judge(database, crowd, relay)]
    # Said at once as well: a run that is ended before its end has shown this much.
    for each in findings:
        _say(str(each))
    _say("an organiser's changes")
    findings += await lag(net, url)
    _say("requests that deceive")
    findings += [*await smuggling(net), *_of_logs(net, said)]
    server.close()
    await database.close()
    return findings


async def _both_serve(net: Network) -> None:
    for host in net.hosts:
        await _ready(host)


async def _ready(host: Host) -> None:
    """Both of its processes serve: each has its share of a few connections."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        pids = host.web.children
        if (
            len(pids) == 2
            and all(host.web.accepts(pid) for pid in pids)
            and await ask(host.address, machines_net.WEB_PORT, "GET", "/sante") == 200
        ):
            return
        await asyncio.sleep(0.2)
    raise RuntimeError(f"it does not serve: {host.web.last_words}")


async def _kill_a_process(host: Host) -> int:
    """Stopped first, so that its requests can be counted; then killed. Returns how many it had."""
    pid = random.choice(host.web.children)
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(0.1)
    count = host.web.in_flight(pid)
    os.kill(pid, signal.SIGKILL)
    return count


def _start_what_fell(net: Network) -> int:
    """As systemd does: who starts while there is no database gives up, and is started again."""
    workers = [host.worker for host in net.hosts]
    for worker in workers:
        worker.start_if_fallen()
    return sum(worker.fell for worker in workers)


def _restart(host: Host) -> None:
    """As an upgrade does it: the site and the worker are asked to stop, end what is begun, and start again."""
    for program in (host.worker, host.web):
        program.stop()
        program.start()


async def _drain(database: Database, net: Network) -> float:
    """Until every message has gone. What the killed worker had in hand is due at once, not in a quarter of an hour."""
    begun = moved = time.monotonic()
    left = await kills._unsent(database)
    while left and time.monotonic() - moved < kills.NOTHING_MOVES:
        await kills._make_due(database, min(host.worker.started_at for host in net.hosts))
        await asyncio.sleep(1)
        before, left = left, await kills._unsent(database)
        moved = time.monotonic() if left < before else moved
    return time.monotonic() - begun


# -- What is judged ------------------------------------------------------------------------------------------------


def _of_the_crowd(crowd: Crowd, fell: int, took: float) -> list[Finding]:
    total = {method: sum(count for (_, each), count in crowd.answered.items() if each == method) for method in ("GET", "POST")}
    errors = crowd.errors()
    found = [Finding("pages read / forms answered", f"{total['GET']}/{total['POST']}")]
    for blow, words in (("kill", "the process killed"), ("cut", "the host cut off")):
        in_flight, wrong = crowd.blows[blow][1], len(errors[blow])
        found += [
            Finding(f"in flight at {words} / without their answer", f"{in_flight}/{wrong}"),
            none(f"without their answer at {words}, beyond those", max(0, wrong - in_flight)),
        ]
    found += [
        none("errors of any other page or form, in all phases", len(errors["none"])),
        Finding("workers that gave up while the host was cut off", fell),
        Finding("slowest answer: " + ", ".join(crowd.slowest), "/".join(f"{each:.1f}" for each in crowd.slowest.values()) + " s"),
        Finding("seconds to deliver what was left", f"{took:.0f}"),
    ]
    for each in errors["none"]:
        print(f"    {each}", file=sys.stderr)
    return found


async def _judge(database: Database, crowd: Crowd, relay: Relay) -> list[Finding]:
    async with database.reading() as session:
        registered = set((await session.exec(select(Registration.email))).all())
        asked = set((await session.exec(select(Question.email))).all())
        rows = (await session.exec(select(OutboxMessage.id, OutboxMessage.recipient, OutboxMessage.kind, OutboxMessage.status))).all()
        told = await promised(session)
        left = (await session.exec(select(OutboxMessage).where(col(OutboxMessage.status).not_in(kills.SETTLED)))).all()
    for each in left:
        print(f"    {each.model_dump(exclude={'content', 'facts'})}", file=sys.stderr)
    times = Counter(each.identifier for each in relay.taken)
    reminders = {row.recipient for row in rows if row.kind.startswith("reminder")}
    again = sum(count - 1 for count in times.values())
    return [
        none("acknowledged registrations lost", len(crowd.registered - registered)),
        none("acknowledged questions lost", len(crowd.asked - asked)),
        none("acknowledged, and nothing promised", len((crowd.registered | crowd.asked) - {row.recipient for row in rows})),
        none("told twice of one fact", (told - Counter(set(told))).total()),
        Finding("messages promised / taken by the relay", f"{len(rows)}/{len(times)}"),
        none("promised and not sent", sum(row.status not in kills.SETTLED for row in rows)),
        none("said to be sent, and the relay has none", sum(row.status == "sent" and str(row.id) not in times for row in rows)),
        Finding("sent again, same Message-ID (worker killed or cut off)", again, again > 2 * kills.UNWRITTEN_AT_MOST),
        none(f"reminders missed of {REMINDED}", REMINDED - len(reminders & {each.recipient for each in relay.taken})),
    ]


def _of_logs(net: Network, said: Path) -> list[Finding]:
    logs = [program.log.read_text(errors="replace") for host in net.hosts for program in (host.web, host.worker)]
    words = said.read_text(errors="replace")
    return [
        none("tracebacks in the logs of the hosts", sum(log.count("Traceback") for log in logs)),
        none("nginx: no live upstreams", words.count("no live upstreams")),
        none("nginx: answers that did not fit its buffers", words.count("buffered to a temporary file")),
    ]


# -- The program -----------------------------------------------------------------------------------------------------

WAYS: dict[str, Callable[[Path], Sequence[Finding]]] = {
    "straight": partial(machines, through_pgbouncer=False),
    "pgbouncer": partial(machines, through_pgbouncer=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Two hosts behind nginx, killed, cut off, restarted.")
    parser.add_argument("--only", choices=WAYS, nargs="+", default=list(WAYS))
    asked = parser.parse_args()
    if os.geteuid() != 0:
        print("left out: it needs root, for networks of its own")
        return 0
    if packages := machines_net.missing():
        print(f"Il manque {', '.join(packages)} : apt-get install {' '.join(packages)}.", file=sys.stderr)
        return 1
    bounded(len(asked.only) * LONGEST)
    kept = [report(f"two hosts of two processes and a worker, {VISITORS} visitors, {name}", WAYS[name]) for name in asked.only]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
