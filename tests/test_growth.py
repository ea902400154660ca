"""No page asks more of the database because more was asked on the site: every page, on two seasons.

`python -m tests.growth` measures the time of the same pages on a season fifty times larger.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from forums.settings import Settings
from tests.grown_season import Size
from tests.growth import Clock, Grown, addresses, grown

SMALLER = Size(3, 30, 20, 15, 4, 30, 6, 20, 40, 10, busy=0.8)
LARGER = Size(3, 300, 60, 60, 20, 90, 24, 80, 200, 40, busy=0.8)

# Papers show what their page shows; an export is one statement for its rows. `make growth` asks them too, on both engines.
APART = re.compile(r".*\.(pdf|odt|docx|zip)|/donnees/.*|/api/v1/.*|/en/.*")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def databases(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> tuple[Settings, Settings]:
    """Two empty databases of an engine."""
    if request.param == "sqlite":
        return settings, replace(settings, database_url=f"sqlite:///{tmp_path / 'larger.db'}")
    fresh: Callable[[], str] = request.getfixturevalue("postgres_url")
    return replace(settings, database_url=fresh()), replace(settings, database_url=fresh())


async def test_no_page_makes_more_statements_for_a_season_ten_times_larger(databases: tuple[Settings, Settings]) -> None:
    smaller, larger = databases
    async with grown(smaller, SMALLER, Clock()) as small, grown(larger, LARGER, Clock()) as large:
        asked = [pair for pair in zip(addresses(small.names), addresses(large.names), strict=True) if not APART.fullmatch(pair[0])]
        found = {pair[0]: [await _statements(site, address) for site, address in zip((small, large), pair, strict=True)] for pair in asked}

    assert len(found) > 150
    assert {address: counts for address, counts in found.items() if counts[0] != counts[1]} == {}


async def _statements(site: Grown, address: str) -> int:
    status, _, _ = await site.ask(address)
    assert status in (200, 303, 307, 308, 404), (address, status)
    return len(site.statements)
