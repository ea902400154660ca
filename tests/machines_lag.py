"""How long others see a page from before an organiser's change, and whether the organiser ever does, on two hosts."""

import asyncio
import re
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

from sqlmodel import select

from forums import members
from forums.database import Database
from forums.models import Forum
from forums.models.forum import PARIS
from tests.findings import Finding, none
from tests.machines_net import NGINX_PORT, WEB_PORT, Network
from tests.race import settings_for

CHANGES = 20
PAGE = "/forums/2027-1"


async def lag(net: Network, url: str) -> list[Finding]:
    """So many changes through the proxy; each is looked for on both hosts, by who made it and by strangers."""
    database, late = Database(settings_for(url)), 0
    cookie, fields = await _signed_in(net, database), await _fields(database)
    await database.close()
    waits: list[float] = []
    for number in range(CHANGES):
        theme = f"Mesure {number} de {time.time_ns()}"
        watching = [asyncio.create_task(_last_stale(host.address, theme)) for host in net.hosts for _ in range(2)]
        await asyncio.sleep(0.05 * (number % 20))
        body = urlencode(fields | {"theme": theme})
        head, _ = await _exchange(net.address, NGINX_PORT, "POST", f"/organisation{PAGE}/modifier", cookie, body)
        answered = time.monotonic()
        assert head.startswith("HTTP/1.1 303"), head
        own = await asyncio.gather(*(_exchange(host.address, WEB_PORT, "GET", PAGE, cookie) for host in net.hosts for _ in range(3)))
        late += sum(theme not in page for _, page in own)
        waits += [max(0.0, stale - answered) for stale in await asyncio.gather(*watching)]
    waits.sort()
    return [
        none(f"own change not seen at once, of {CHANGES * 6} looks on both hosts", late),
        Finding(f"others still ask for it and get the old page: median of {len(waits)}, s", f"{waits[len(waits) // 2]:.2f}"),
        Finding("99th of a hundred, s", f"{waits[int(len(waits) * 0.99)]:.2f}"),
        Finding("longest, s", f"{waits[-1]:.2f}", broken=waits[-1] > 1.0 + SLACK),
    ]


SLACK = 0.25
"""The asking itself, on a machine that does all this at once."""


async def _fields(database: Database) -> dict[str, str]:
    """The form of the forum as its page fills it in."""
    async with database.reading() as session:
        forum = (await session.exec(select(Forum).where(Forum.slug == PAGE.rpartition("/")[2]))).one()
    text = {name: getattr(forum, name) or "" for name in ("theme", "description", "place", "address", "online_url")}
    moments = {name: getattr(forum, f"{name}_at") for name in ("registration_opens", "registration_closes", "promotions_end")}
    text |= {name: f"{moment.astimezone(PARIS):%Y-%m-%dT%H:%M}" if moment else "" for name, moment in moments.items()}
    return text | {"organisers": "", "capacity": str(forum.capacity), "remote_capacity": str(forum.remote_capacity)}


async def _signed_in(net: Network, database: Database) -> str:
    now = datetime.now(UTC)
    async with database.transaction() as session:
        member = await members.enrol(session, "organisateur@example.org", "admin", [], now=now)
        token = await members.link_to_sign_in(session, member, now=now)
    head, _ = await _exchange(net.address, NGINX_PORT, "POST", f"/connexion/{token}")
    found = re.search(r"set-cookie: (session=[^;]+)", head, re.IGNORECASE)
    assert found, head
    return found[1]


async def _last_stale(address: str, words: str) -> float:
    """When a stranger who reads the page again and again last asked for it and got it without these words."""
    stale, deadline = 0.0, time.monotonic() + 60
    while (begun := time.monotonic()) < deadline:
        _, page = await _exchange(address, WEB_PORT, "GET", PAGE)
        if words in page:
            return stale
        stale = begun
        await asyncio.sleep(0.02)
    return deadline


async def _exchange(address: str, port: int, method: str, path: str, cookie: str = "", body: str = "") -> tuple[str, str]:
    reader, writer = await asyncio.open_connection(address, port)
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", "Sec-Fetch-Site: same-origin"]
    head += [f"Cookie: {cookie}"] if cookie else []
    if method == "POST":
        head += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body.encode())}"]
    writer.write("\r\n".join([*head, "", body]).encode())
    answer = await reader.read()
    writer.close()
    before, _, after = answer.partition(b"\r\n\r\n")
    return before.decode("latin-1"), after.decode(errors="replace")
