"""People who were prepared in the database, with the secret links they hold, and their connections to the site.

A connection is kept as browsers keep it, and opened again wherever the site still answers. Broken before
the answer, it says nothing: what was asked may be done or not, so it may be asked again.
"""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlmodel import SQLModel, insert
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import secret_links
from forums.models import Forum, Registration

# In seconds: until a server is there, and until it has answered, which on a slow machine takes what it takes.
PATIENCE, ANSWER = 60.0, 600.0

BROKEN = (OSError, EOFError, TimeoutError)


@dataclass
class Person:
    """Someone who asked for a seat, and the token of their link. `inside` once they said they come."""

    email: str
    token: str
    inside: bool = False

    @property
    def next_deed(self) -> str:
        return "renoncer" if self.inside else "confirmer"


async def who_asked(session: AsyncSession, forum: Forum, count: int, now: datetime) -> list[Person]:
    """So many people whose registration waits for their confirmation."""
    people = [Person(f"p{number}@example.org", secret_links.new_token()) for number in range(count)]
    registrations = [_registration(forum, person, now) for person in people]
    links = [
        {"token_hash": secret_links.hash_of(person.token), "purpose": "registration", "registration_id": row["id"], "created_at": now}
        for person, row in zip(people, registrations, strict=True)
    ]
    connection = await session.connection()
    await connection.execute(insert(SQLModel.metadata.tables["registration"]), registrations)
    await connection.execute(insert(SQLModel.metadata.tables["secret_link"]), links)
    return people


def _registration(forum: Forum, person: Person, now: datetime) -> dict[str, object]:
    known = Registration(id=uuid4(), forum_id=forum.id, email=person.email, email_key=person.email, given_name="P", family_name="Q")
    return known.model_dump() | {"created_at": now, "mailed_at": now}


class Visitor:
    """One connection at a time, to one of these ports."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports, self.port = ports, 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: str = "") -> int | None:
        """The status of the answer; None when the connection broke first."""
        try:
            reader, writer = self._streams or await self._connect()
            writer.write(_request(path, body))
            async with asyncio.timeout(ANSWER):
                return await _answer(reader)
        except BROKEN:
            self.leave()
            return None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(PATIENCE):
            while self._streams is None:
                self.port = random.choice(self.ports)
                with contextlib.suppress(OSError):
                    self._streams = await asyncio.open_connection("127.0.0.1", self.port)
                    return self._streams
                await asyncio.sleep(0.05)
        return self._streams

    def leave(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _request(path: str, body: str) -> bytes:
    headers = ["Host: localhost", "Sec-Fetch-Site: same-origin", "Content-Type: application/x-www-form-urlencoded"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *headers, f"Content-Length: {len(body)}", "", body]).encode()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, after = head.partition(b"\r\ncontent-length:")
    await reader.readexactly(int(after.partition(b"\r\n")[0]) if found else 0)
    return int(head[9:12])
