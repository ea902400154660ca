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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
Codes = Mapping[str, Sequence[str]]


async def fill(database: Database) -> Codes:
    """A season with everything in it. Returns the codes of what may be asked for, by collection."""
    async with database.transaction() as session:
        await an_open_season(session)
    async with database.reading() as session:
        connection = await session.connection()
        return {row.file: list((await connection.execute(rows_of(row))).scalars()) for row in OBJECTS}


def ask(schema: Any, codes: Codes, cases: int) -> Counter[tuple[str, int]]:
    """Ask about `cases` times, as often of each address. Returns how many were answered how; raises on the first that is wrong."""
    operations = [found.ok() for found in schema.get_all_operations()]
    answers: Counter[tuple[str, int]] = Counter()
    each = -(-cases // (2 * len(operations)))
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode == GenerationMode.NEGATIVE and not list(operation.iter_parameters()):
                continue  # what has no parameter cannot be asked wrongly
            _ask(operation, mode, codes, each, answers)
    return answers


def _ask(operation: Any, mode: GenerationMode, codes: Codes, cases: int, answers: Counter[tuple[str, int]]) -> None:
    known = codes.get(operation.path.removeprefix("/api/v1/").partition("/")[0], []) if "{" in operation.path else []

    @settings(max_examples=cases, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from([None, *known]), st.booleans())
    def once(case: Any, code: str | None, real: bool) -> None:
        if code is not None and real and mode == GenerationMode.POSITIVE:
            case.path_parameters = dict(zip(case.path_parameters, code.split("/", len(case.path_parameters) - 1), strict=True))
        response = case.call_and_validate()
        answers[operation.path, response.status_code] += 1

    once()


def main() -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "forums.db"
        config = forums.settings.read({"DATABASE_URL": f"sqlite:///{path}", "SECRET_KEY": SECRET_KEY})
        migrations.migrate(config)
        codes = asyncio.run(_filled(config))
        with served(f"sqlite:///{path}") as site:
            schema = schemathesis.openapi.from_url(f"{site.url}/api/v1/openapi.json")
            answers = ask(schema, codes, int(sys.argv[1]) if len(sys.argv) > 1 else CASES)
    for line in _table(answers):
        print(line)
    print(f"{sum(answers.values())} cases, no failure, {time.monotonic() - began:.0f} s")
    return 0


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
