"""`/metriques`: what an operator watches, and who may read it."""

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from forums import clock, metrics
from forums.models import OutboxMessage
from forums.pages.metrics import may_read
from forums.settings import Settings
from tests.site import Site, running


@pytest.fixture
async def site(settings: Settings, sqlite_with_demo: Path) -> AsyncIterator[Site]:
    """The site as its own proxy sees it."""
    shutil.copy(sqlite_with_demo, settings.sqlite_path)
    async with running(replace(settings, forwarded_allow_ips="203.0.113.7")) as found:
        yield found


def read(text: str) -> dict[tuple[str, ...], float]:
    return {(each.name, *each.labels.values()): each.value for family in families(text) for each in family.samples}


async def test_it_says_the_age_of_the_queue_what_failed_the_seats_and_when_the_clock_turned(site: Site):
    now = datetime.now(UTC)
    async with site.database.transaction() as session:
        for status, age in (("waiting", 90), ("waiting", 30), ("failed", 5000), ("waiting", -500)):
            session.add(
                OutboxMessage(kind="sign_in", recipient="a@example.org", status=status, next_attempt_at=now - timedelta(seconds=age))
            )
    before = read((await site.get("/metriques")).text)
    await clock.upkeep(site.database, site.settings, now=now)

    figures = read((await site.get("/metriques")).text)

    assert before["forums_outbox_messages", "failed"] == 1
    assert before["forums_outbox_oldest_due_seconds",] >= 90
    assert ("forums_clock_last_turn_timestamp_seconds",) not in before
    assert figures["forums_clock_last_turn_timestamp_seconds",] == now.timestamp()
    assert {(name[1], name[3]) for name in figures if name[0] == "forums_seats"} == {
        (where, kind) for where in ("on_site", "remote") for kind in ("taken", "capacity")
    }


async def test_it_counts_the_pages_rendered_and_not_those_kept_ready(site: Site):
    for _ in range(3):
        await site.get("/forums")

    assert read((await site.get("/metriques")).text)["forums_render_seconds_count",] == 1


async def test_it_holds_nothing_about_a_person(site: Site):
    text = (await site.get("/metriques")).text

    assert not re.search(r"@|example\.org", text)


async def test_somebody_from_elsewhere_finds_nothing_there(settings: Settings):
    async with running(replace(settings, forwarded_allow_ips="10.0.0.0/8")) as site:
        assert (await site.get("/metriques")).status_code == 404


@pytest.mark.parametrize(
    ("host", "allowed", "may"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "127.0.0.1, 10.1.0.0/16", True),
        ("10.2.2.3", "10.1.0.0/16", False),
        ("203.0.113.9", "*", False),
        ("", "*", False),
        ("mandataire", "mandataire", False),
    ],
)
def test_the_machine_itself_and_its_proxies_may_read(host: str, allowed: str, may: bool):
    assert may_read(host, allowed) is may


async def test_each_turn_of_the_clock_is_noted_once_more_on_either_engine(session, now):
    await metrics.note_turn(session, now=now - timedelta(minutes=10))
    await metrics.note_turn(session, now=now)

    assert (await metrics.figures(session, now=now)).turned_at == now
