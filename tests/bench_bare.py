"""The limits of `tests.bench`: the smallest honest programs that do the same physical work, in Starlette.

`GET /answer` sends what the file `BARE_ANSWER` holds, as it is; `POST /form` reads a form and keeps it by
one durable insert in `BARE_DATABASE`. Each exists when its variable does. Nothing of the product is used
but the SQLite it brings along.
"""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Insert = Callable[[list[Any]], Awaitable[Any]]

FIELDS = ("family_name", "given_name", "email", "organisation", "attendance", "accessibility_needs", "site_web")
TABLE = f"CREATE TABLE bare ({', '.join(f'{name} TEXT' for name in FIELDS)})"


def constant(file: Path) -> Route:
    """The answer, made once. The first line of the file is its status and its headers, the rest its body."""
    head, _, body = file.read_bytes().partition(b"\n")
    status, headers = json.loads(head)
    response = Response(body, status)
    response.raw_headers = [(name.encode(), value.encode()) for name, value in headers]

    async def answer(request: Request) -> Response:
        return response

    return Route("/answer", answer)


async def form(request: Request) -> Response:
    typed = await request.form()
    await request.app.state.insert([typed.get(name, "") for name in FIELDS])
    return Response(status_code=303, headers={"location": "/sent"})


@asynccontextmanager
async def sqlite(path: str) -> AsyncIterator[Insert]:
    import forums  # noqa: F401 — the same SQLite library for both
    import aiosqlite  # isort: skip

    async with aiosqlite.connect(path, isolation_level=None) as connection:
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", TABLE):
            await connection.execute(statement)
        yield lambda values: connection.execute(f"INSERT INTO bare VALUES ({', '.join('?' * len(FIELDS))})", values)


@asynccontextmanager
async def postgresql(url: str) -> AsyncIterator[Insert]:
    import asyncpg

    async with asyncpg.create_pool(url, min_size=8, max_size=12) as pool:
        await pool.execute(TABLE)
        insert = f"INSERT INTO bare VALUES ({', '.join(f'${number}' for number in range(1, len(FIELDS) + 1))})"
        yield lambda values: pool.execute(insert, *values)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    url = os.environ.get("BARE_DATABASE")
    if not url:
        yield
        return
    async with postgresql(url) if url.startswith("postgresql") else sqlite(url) as app.state.insert:
        yield


def app() -> Starlette:
    routes = [constant(Path(file))] if (file := os.environ.get("BARE_ANSWER")) else [Route("/form", form, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan)
