"""The API asked everything its description allows, and much that it does not, by schemathesis.

Half of the cases are what the description says is right, half are wrong on purpose; where a right address holds a
code, it is often one of a thing that exists. Each answer is held against the description: status, type of content, schema,
headers, no error of the server, what is wrong refused and what is right accepted. `make fuzz-api` asks 10,000 times
over HTTP; the suite asks a few hundred in this process.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

import forums.settings
from forums import migrations
from forums.database import Database
from forums.open_data import OBJECTS
from forums.open_data.columns import rows_of
from tests.browser import served
from tests.factories import SECRET_KEY
from tests.open_season import an_open_season

CASES = 10_000
AT_MOST = 45 * 60
"""Seconds after which it stops and says how far it came: a machine others use may be very slow."""

Codes = Mapping[str, Sequence[str]]
Said = Callable[[Counter[tuple[str, int]]], None]


def _nothing(_: Counter[tuple[str, int]]) -> None: ...


class TooLong(Exception):
    """Asking took longer than `AT_MOST`."""


async def fill(database: Database) -> Codes:
    """A season with everything in it. Returns the codes of what may be asked for, by collection."""
    async with database.transaction() as session:
        await an_open_season(session)
    async with database.reading() as session:
        connection = await session.connection()
        return {row.file: list((await connection.execute(rows_of(row))).scalars()) for row in OBJECTS}


def ask(schema: Any, codes: Codes, cases: int, *, session: Any = None, said: Said = _nothing) -> Counter[tuple[str, int]]:
    """Ask at least `cases` times, as often of each address. Returns how many were answered how; raises on the first that is wrong.

    What has few right addresses is asked fewer times than the others, which are then asked again for what is missing.
    """
    asked = [
        (operation, mode)
        for operation in (found.ok() for found in schema.get_all_operations())
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        # What has no parameter cannot be asked wrongly.
        if mode == GenerationMode.POSITIVE or list(operation.iter_parameters())
    ]
    answers: Counter[tuple[str, int]] = Counter()
    while missing := max(0, cases - sum(answers.values())):
        for operation, mode in asked:
            _ask(operation, mode, codes, -(-missing // len(asked)), answers, session)
            said(answers)
    return answers


def _ask(operation: Any, mode: GenerationMode, codes: Codes, cases: int, answers: Counter[tuple[str, int]], session: Any) -> None:
    known = codes.get(operation.path.removeprefix("/api/v1/").partition("/")[0], []) if "{" in operation.path else []

    @settings(max_examples=cases, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from([None, *known]), st.booleans())
    def once(case: Any, code: str | None, real: bool) -> None:
        if code is not None and real and mode == GenerationMode.POSITIVE:
            case.path_parameters = dict(zip(case.path_parameters, code.split("/", len(case.path_parameters) - 1), strict=True))
        response = case.call_and_validate(session=session)
        answers[operation.path, response.status_code] += 1

    once()


def main() -> int:
    began, cases = time.monotonic(), int(sys.argv[1]) if len(sys.argv) > 1 else CASES
    answers: Counter[tuple[str, int]] = Counter()

    def heard(so_far: Counter[tuple[str, int]]) -> None:
        answers.update(so_far - answers)
        if sys.stderr.isatty():
            print(f"\r{sum(answers.values())} of {cases}", end="", file=sys.stderr)
        if time.monotonic() - began > AT_MOST:
            raise TooLong

    end = "no failure"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "forums.db"
        config = forums.settings.read({"DATABASE_URL": f"sqlite:///{path}", "SECRET_KEY": SECRET_KEY})
        migrations.migrate(config)
        codes = asyncio.run(_filled(config))
        with served(f"sqlite:///{path}") as site, requests.Session() as session:
            session.trust_env = False
            schema = schemathesis.openapi.from_url(f"{site.url}/api/v1/openapi.json")
            try:
                ask(schema, codes, cases, session=session, said=heard)
            except TooLong:
                end = f"NOT DONE: stopped after {AT_MOST // 60} minutes"
    for line in _table(answers):
        print(line)
    total = sum(answers.values())
    print(f"{total} cases, {end}, {time.monotonic() - began:.0f} s")
    return 0 if total >= cases else 1


async def _filled(config: forums.settings.Settings) -> Codes:
    database = Database(config)
    try:
        return await fill(database)
    finally:
        await database.close()


def _table(answers: Counter[tuple[str, int]]) -> Iterator[str]:
    for path in dict.fromkeys(path for path, _ in answers):
        statuses = sorted((status, count) for (asked, status), count in answers.items() if asked == path)
        yield f"{path:60} " + "  ".join(f"{status}: {count}" for status, count in statuses)


if __name__ == "__main__":
    sys.exit(main())
