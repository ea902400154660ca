"""Schema changes: `python -m tests.upgrade`, on both engines.

First each migration from the first to the last, over a database in which every table of every step is full of
rows (`tests.full_database`): none may be lost, nor a value changed. Then the newest while the site serves: the
program as it was before it serves a database full of data at the revision before it. While people read, register
and ask, today's `forums migrate` brings the database up; the old program goes on serving, then today's takes its
place. Nobody may be refused but who writes where an index is being built, and nothing answered be lost. That needs
the repository's history, where the old program is. Prints a table; exit status 1 if a promise is broken.
"""

import forums  # noqa: F401 — first: it puts the safe SQLite in place

# isort: split

import argparse
import asyncio
import io
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, MetaData, Table, insert, text
from sqlmodel import select

from forums import migrations
from forums.database import Database
from forums.models import Question, Registration
from forums.settings import ROOT, Settings
from tests import crew, full_database
from tests.crew import Program
from tests.findings import Finding, bounded, none, report
from tests.machines_crowd import Crowd, ask
from tests.ports import free_port
from tests.race import ENGINES, settings_for

VISITORS = 6
FULL = 20_000
"""Rows more of what there is most of: registrations and questions."""

ROWS = 30
"""In each table, at each step of the migrations."""

LONGEST = 900
"""Seconds one engine may take."""


def newest() -> Path:
    return max((ROOT / "db" / "migrations" / "versions").glob("*_*.py"))


def before_it() -> str | None:
    """The commit before the newest migration came; None without the history.

    A merge that left two migrations of one number, mended by the next commit, is passed over: it ran for nobody.
    """
    versions = newest().parent.relative_to(ROOT)
    brought = _git("log", "--first-parent", "-m", "--diff-filter=A", "--format=%H", "--", str(newest().relative_to(ROOT)))
    for commit in _git("rev-list", "--first-parent", f"{brought[-1]}^") if brought else []:
        numbers = [name[:4] for name in _git("ls-tree", "--name-only", f"{commit}:{versions}") if name.endswith(".py")]
        if len(numbers) == len(set(numbers)):
            return commit
    return None


def _git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.split()


def unpack(commit: str, folder: Path) -> Path:
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def upgrade(settings: Settings, folder: Path, *, commit: str) -> Sequence[Finding]:
    old = unpack(commit, folder / "old")
    told = _told(settings)
    for words in (["migrate"], ["load-plan", "db/plans/2018-2020.yaml"], ["demo"]):
        subprocess.run([sys.executable, "-m", "forums.cli", *words], cwd=old, env=told, check=True, capture_output=True)
    before = _revision(settings)
    migrations.alone(settings, _fill)
    port = free_port()
    program = Program(["serve"], told | {"PORT": str(port)}, folder / "serve.log", port)
    program.where = old
    with crew.running([program]):
        crew._wait_for(program)
        crowd = Crowd("127.0.0.1", port, forums=_forums(settings)[:1])  # the next ones may not be open yet
        took, after = asyncio.run(_meanwhile(settings, crowd, program))
    lost = asyncio.run(_lost(settings, crowd))
    # Who writes to a table whose index is being built waits five seconds, and is asked to try again.
    again = [each for each in crowd.wrong if each.phase == "migrate" and each.method == "POST" and each.status == 503]
    wrong = [each for each in crowd.wrong if each.phase != "stop" and each not in again]
    for each in wrong:
        print(f"    {each}", file=sys.stderr)
    return [
        Finding("from revision / to", f"{before}/{after}", after != newest().name[:4] or before >= after),
        Finding("rows of registrations and questions", 2 * FULL),
        Finding("seconds the migration took", f"{took:.1f}"),
        Finding("answered meanwhile, by the old program and the new", crowd.answered.total()),
        Finding("slowest answer during it, s", f"{crowd.slowest.get('migrate', 0):.1f}"),
        Finding("told to try again (503) while an index was built", len(again)),
        none("any other error before, during and after it", len(wrong)),
        none("acknowledged and lost", lost),
        none("tracebacks", program.log.read_text().count("Traceback")),
    ]


def _told(settings: Settings) -> dict[str, str]:
    return crew._program("", settings.database_url, Path(), "").environ | {"FORUM_LIMIT": "0", "PUBLIC_URL": "http://localhost"}


def _revision(settings: Settings) -> str:
    return str(
        migrations.alone(settings, lambda connection: connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    )


def _forums(settings: Settings) -> list[str]:
    statement = "SELECT slug FROM forum WHERE status = 'announced' AND starts_at > :now ORDER BY starts_at"
    now = time.strftime("%Y-%m-%d %H:%M:%S+00:00" if not settings.is_sqlite else "%Y-%m-%d %H:%M:%S", time.gmtime())
    found = migrations.alone(settings, lambda connection: connection.exec_driver_sql(statement.replace(":now", f"'{now}'")).scalars().all())
    return [str(each) for each in found]


def _fill(connection: Connection) -> None:
    """The first row of each, again and again under another name."""
    for name, unique in (("registration", "email_key"), ("question", "code")):
        table = Table(name, MetaData(), autoload_with=connection)
        # What the database computes is its own to write.
        written = [column for column in table.c if column.computed is None]
        row = dict(connection.execute(table.select().with_only_columns(*written).limit(1)).mappings().one())
        rows = []
        for each in (uuid4() for _ in range(FULL)):
            # Each engine keeps an identifier in its own way, as the first row shows.
            own = {"id": each.hex if isinstance(row["id"], str) else each, "email": f"{each}@example.org", "entry_code": None}
            own |= {unique: each.hex, "author_key": each.hex}
            rows.append(row | {column: value for column, value in own.items() if column in row})
        connection.execute(insert(table), rows)


async def _meanwhile(settings: Settings, crowd: Crowd, program: Program) -> tuple[float, str]:
    # What the program before did not have yet is not asked.
    crowd.pages = [path for path in crowd.pages if await ask("127.0.0.1", program.port, "GET", path) == 200]
    async with crowd.meanwhile(VISITORS):
        await asyncio.sleep(4)
        crowd.phase, begun = "migrate", time.monotonic()
        command = [sys.executable, "-m", "forums.cli", "migrate"]
        done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, env=_told(settings), capture_output=True, text=True)
        took = time.monotonic() - begun
        assert done.returncode == 0, done.stderr
        crowd.phase = "old program, new schema"
        await asyncio.sleep(5)
        crowd.phase = "stop"  # alone, without a proxy, it has nobody to take its place
        await asyncio.to_thread(program.stop)
        program.where = ROOT
        program.start()
        while await ask("127.0.0.1", program.port, "GET", "/sante") != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        crowd.phase = "new program"
        await asyncio.sleep(4)
    return took, await asyncio.to_thread(_revision, settings)


async def _lost(settings: Settings, crowd: Crowd) -> int:
    database = Database(settings)
    async with database.reading() as session:
        registered = set((await session.exec(select(Registration.email))).all())
        asked = set((await session.exec(select(Question.email))).all())
    await database.close()
    return len(crowd.registered - registered) + len(crowd.asked - asked)


def every_migration(settings: Settings, _: Path, *, rows: int) -> Sequence[Finding]:
    return full_database.every_step(settings, rows=rows)


def main() -> int:
    parser = argparse.ArgumentParser(description="Every migration on a full database, and the newest while the site serves.")
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    parser.add_argument("--only", choices=("migrations", "serving"), help="one of the two")
    parser.add_argument("--rows", type=int, default=ROWS, help="in each table, at each step")
    asked = parser.parse_args()
    engines, commit = list(ENGINES) if asked.engine == "both" else [asked.engine], before_it()
    bounded(len(engines) * LONGEST)
    kept = []
    for engine in engines:
        if asked.only != "serving":
            title = f"{engine}: every migration, with {asked.rows} rows more in each table at each step"
            with ENGINES[engine]() as url:
                kept.append(report(title, partial(every_migration, settings_for(url), rows=asked.rows)))
        if asked.only != "migrations" and commit is None:
            print("left out: the history of the repository, where the program before the newest migration is, is not here")
        elif asked.only != "migrations":
            title = f"{engine}: {newest().stem} while the program before it serves"
            with ENGINES[engine]() as url:
                kept.append(report(title, partial(upgrade, settings_for(url), commit=str(commit))))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
