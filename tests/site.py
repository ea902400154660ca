"""The whole site in a test: the real application, a real database with the demonstration, a client.

Loaded as a pytest plugin. `site` answers over ASGI in this process; the browser tests start a real
server instead (`tests/browser.py`).
"""

import asyncio
import re
import runpy
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlmodel import col, select

from forums import action_plan, cli, emails, evaluations, members, schedule
from forums.app import ADDRESSES, create_app
from forums.database import Database
from forums.models import (
    AgendaItem,
    Answer,
    Comment,
    Commitment,
    Document,
    Evaluation,
    FollowUp,
    FollowUpForum,
    Forum,
    Indicator,
    Institution,
    Measurement,
    Milestone,
    OutboxMessage,
    ProgressReport,
    Question,
    Registration,
)
from forums.pages import page
from forums.pages.cache import PageCache
from forums.settings import ROOT, Settings
from tests.factories import an_evaluation_form

PUBLIC_URL = "https://forums.example.fr"
OURS = {"origin": PUBLIC_URL}


@dataclass
class Site:
    """A running application and someone in front of it."""

    client: httpx2.AsyncClient
    database: Database
    settings: Settings
    app: Any

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        return await self.client.get(path, **options)

    async def post(self, path: str, **typed: Any) -> httpx2.Response:
        """Send a form from one of our own pages."""
        return await self.client.post(path, data=typed, headers=OURS)

    async def sign_in(self, role: str, institution: str | None = None) -> None:
        """Come in as a member of that role, by a link, like anyone."""
        async with self.database.transaction() as session:
            carrier = await action_plan.institution_by_slug(session, institution or "hatvp") if role == "agent" else None
            carriers = [carrier] if carrier else []
            member = await members.enrol(session, f"{role}@example.org", role, carriers, now=datetime.now(UTC))  # type: ignore[arg-type]
            token = await members.link_to_sign_in(session, member, now=datetime.now(UTC))
        self.client.cookies.clear()
        assert (await self.post(f"/connexion/{token}")).status_code == 303

    async def mailed(self, recipient: str) -> list[str]:
        """The texts of the messages promised to an address, oldest first."""
        async with self.database.reading() as session:
            query = select(OutboxMessage).where(OutboxMessage.recipient == recipient).order_by(col(OutboxMessage.created_at))
            return [emails.text_of(row, self.settings) for row in (await session.exec(query)).all()]

    async def count(self, table: type) -> int:
        async with self.database.reading() as session:
            return len((await session.exec(select(table))).all())

    async def examples(self) -> dict[str, str]:
        """A value for each parameter of an address, of things that exist."""
        async with self.database.reading() as session:
            forum = await schedule.next_forum(session, now=datetime.now(UTC))
            assert forum is not None
            item = (await session.exec(select(AgendaItem).where(AgendaItem.forum_id == forum.id, AgendaItem.version == 0))).first()
            document = (await session.exec(select(Document))).first()
            pending = (await session.exec(select(Question).where(Question.status == "pending"))).first()
            published = (await session.exec(select(Question).where(Question.status == "published"))).first()
            seated = select(Registration).where(Registration.forum_id == forum.id, Registration.status == "registered")
            guest = (await session.exec(seated)).first()
            member = await members.member_by_email(session, "exemple@example.org")
            written = (await session.exec(select(Forum).where(Forum.invented, col(Forum.ends_at) < datetime.now(UTC)))).first()
            query = select(Question.code, Institution.slug).join(Answer, col(Answer.question_id) == col(Question.id))
            query = query.join(Institution, col(Institution.id) == col(Answer.institution_id))
            draft = (await session.exec(query.where(col(Answer.published_at).is_(None)))).first()
            carried = select(FollowUp).join(FollowUpForum, col(FollowUpForum.follow_up_id) == col(FollowUp.id))
            evaluation = (await session.exec(select(Evaluation).where(col(Evaluation.added_here)))).first()
            comments = {each.status: each.code for each in (await session.exec(select(Comment))).all()}
            promise = (await session.exec(carried.where(FollowUpForum.forum_id == forum.id).order_by(col(FollowUp.text)))).first()
            measured = select(Indicator, Measurement).join(Measurement, col(Measurement.indicator_id) == col(Indicator.id))
            reported = select(Milestone, ProgressReport).join(Commitment, col(Commitment.id) == col(Milestone.commitment_id))
            reported = reported.join(ProgressReport, col(ProgressReport.commitment_id) == col(Commitment.id))
            told = (await session.exec(reported.where(ProgressReport.status == "proposed"))).first()
            waiting = (await session.exec(measured.where(Measurement.status == "proposed"))).first()
            corrected = (await session.exec(measured.where(Measurement.status == "published"))).first()
        held = (item, document, pending, published, guest, written, draft, promise, waiting, told, corrected)
        assert None not in held, "the demonstration lacks an example"
        return {
            "slug": forum.slug,
            "season": "demonstration",
            "item": str(item.id),
            "code": published.code,
            "pending": pending.code,
            "asked": draft[0],
            "institution": draft[1],
            "written": written.slug,
            "promise": promise.code,
            "evaluation": evaluation.code if evaluation else "abcd2345",
            "comment": comments["published"],
            "pending_comment": comments.get("pending", comments["published"]),
            "indicator": waiting[0].code,
            "measurement": str(waiting[1].id),
            "measured": corrected[0].code,
            "correctable": str(corrected[1].id),
            "milestone": str(told[0].id),
            "report": told[1].code,
            "number": "1",
            "plan": "essai",
            "registration": str(guest.id),
            "version": "1",
            "document": document.code,
            "filename": document.filename,
            "entry_code": guest.entry_code,
            "token": "j" * 43,
            "message": "00000000-0000-4000-8000-000000000000",
            "member": str(member.id) if member else "00000000-0000-4000-8000-000000000000",
            "session": "abcd2345",
            "name": "questions",
            "collection": "questions",
            "rest": "nulle-part",
        }

    async def pages_grow_old(self) -> None:
        """Until no page kept is fresh any more: what another process committed is seen from then on."""
        cache = self.app
        while not isinstance(cache, PageCache):
            cache = cache.app
        while any(time.monotonic() <= kept.until < float("inf") for kept in cache.kept.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def addresses(self, method: str = "GET") -> list[str]:
        """Every address of the table for a method, with real values in it."""
        values = await self.examples()
        return [filled(each.path, values) for each in ADDRESSES if each.method == method]


def filled(path: str, values: dict[str, str]) -> str:
    if path.startswith(("/institutions", "/redevabilite/institutions")):
        values = {**values, "slug": "hatvp"}
    if "/commentaires" in path:
        handled = path.startswith("/organisation")
        values = {**values, "plan": "projet-de-demonstration", "code": values["pending_comment" if handled else "comment"]}
    if path.startswith("/organisation/questions"):
        values = {**values, "code": values["pending"]}
    if path.startswith("/organisation/reponses"):
        values = {**values, "code": values["asked"]}
    if "/documents/{code}/{filename}" in path:
        values = {**values, "code": values["document"]}
    if "/suites/" in path:
        values = {**values, "code": values["promise"]}
    if "/jalons/" in path or "/points/{code}" in path:
        values = {**values, "code": values["report"], "plan": "2018-2020", "number": "6"}
    if "/indicateurs/{code}" in path:
        values = {**values, "code": values["indicator"]}
    if path.endswith("/corriger") and "/mesures/" in path:
        values = {**values, "code": values["measured"], "measurement": values["correctable"]}
    if "compte-rendu" in path:
        values = {**values, "slug": values["written"]}
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: values[match[1]], path)


def links_in(text: str) -> list[str]:
    """The addresses a message holds, as paths."""
    return [unescape(link) for link in re.findall(rf"{PUBLIC_URL}(/[^\s>)]*)", text)]


async def _fill(database: Database, settings: Settings) -> None:
    for path in (*cli.PLANS, ROOT / "tests" / "plans" / "essai.yaml"):
        await cli.load(database, path)
    load = runpy.run_path(str(ROOT / "db" / "demo.py"))["load"]
    await load(database, settings, now=datetime.now(UTC))
    async with database.transaction() as session:
        plan = await action_plan.plan_by_slug(session, "essai")
        assert plan is not None
        await evaluations.add(session, plan, None, an_evaluation_form(), now=datetime.now(UTC))
        await members.enrol(session, "exemple@example.org", "moderator", now=datetime.now(UTC))


async def _make(settings: Settings) -> None:
    database = Database(settings)
    await _fill(database, settings)
    await database.close()


@pytest.fixture(scope="session")
def sqlite_with_demo(made_once: Callable[[str, Callable[[Path], None]], Path], sqlite_migrated: Path) -> Path:
    """A SQLite file with the plans, the past forums and the demonstration season, to be copied."""
    import forums.settings

    def make(path: Path) -> None:
        shutil.copy(sqlite_migrated, path)  # so that `forums serve` can take the copy over
        asyncio.run(_make(forums.settings.read({"DATABASE_URL": f"sqlite:///{path}", "PUBLIC_URL": PUBLIC_URL})))

    return made_once("demo.db", make)


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """For the pages it is, and stays, five past the hour: what is counted by the hour is not cut in two by the next."""
    moment = page.now().replace(minute=5)
    monkeypatch.setattr(page, "now", lambda: moment)
    return moment


@pytest.fixture
async def site(settings: Settings, sqlite_with_demo: Path) -> AsyncIterator[Site]:
    """The site with its demonstration season, on SQLite, without a relay: messages stay in the outbox."""
    shutil.copy(sqlite_with_demo, settings.sqlite_path)
    async with running(settings) as found:
        yield found


async def _threads_of_sqlite_end() -> None:
    """A connection that could not be opened ends in a thread of its own, which still speaks to this event loop."""
    for _ in range(500):
        if not any("_connection_worker_thread" in thread.name for thread in threading.enumerate()):
            return
        await asyncio.sleep(0.01)


def running(settings: Settings) -> "_Running":
    return _Running(settings)


async def _not_failed(response: httpx2.Response) -> None:
    """Whatever is asked, no page may fail; why one did is in the log, which pytest shows."""
    assert response.status_code != 500, response.url


class _Running:
    """The application between its start and its stop, with a client that keeps its cookies."""

    def __init__(self, settings: Settings) -> None:
        self.settings = replace(settings, public_url=PUBLIC_URL)

    async def __aenter__(self) -> Site:
        app: Any = create_app(self.settings)
        app.app.patience = 0.0  # a test writes and reads faster than people: it is shown what it just did
        self.inside = app
        self.database = Database(self.settings)
        transport = httpx2.ASGITransport(app=app, client=("203.0.113.7", 4321))
        self.client = httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL, event_hooks={"response": [_not_failed]})
        self.stopping, self.started = asyncio.Event(), asyncio.Event()
        self.lifespan = asyncio.create_task(self._live(app))
        await self.started.wait()
        return Site(self.client, self.database, self.settings, app)

    async def _live(self, app: Any) -> None:
        async def receive() -> dict[str, str]:
            if not self.started.is_set():
                return {"type": "lifespan.startup"}
            await self.stopping.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: dict[str, str]) -> None:
            self.started.set()

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        self.stopping.set()
        await self.lifespan
        await self.database.close()
        await _threads_of_sqlite_end()
