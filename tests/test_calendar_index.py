"""The feed of all, which reads only what changed, against one made from nothing: the same bytes whatever was written, on both engines."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import date, time, timedelta

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import calendar_feed, calendar_index, migrations, schedule
from forums.calendar_feed import Announced, EventsOfAll
from forums.database import Database
from forums.models import Forum, Season
from forums.schedule import CancelForm
from forums.settings import ROOT, Settings
from tests.factories import (
    NOW,
    a_confirmed_registration,
    a_forum,
    a_forum_form,
    a_move_form,
)
from tests.test_calendar_feed import ORGANISER, SITE

Change = Callable[[AsyncSession], Awaitable[None]]


def all_of_them() -> EventsOfAll:
    return EventsOfAll(ORGANISER, SITE)


async def told(database: Database, kept: EventsOfAll) -> bytes:
    async with database.reading() as session:
        return b"".join(await kept.read(session))


async def from_nothing(database: Database) -> bytes:
    async with database.reading() as session:
        forums = await calendar_feed.announced_forums(session)
    return b"".join(calendar_feed.events(forums, organiser=ORGANISER, public_url=SITE))


async def test_whatever_is_written_the_feed_is_what_it_would_be_from_nothing(database: Database) -> None:
    often, seldom = all_of_them(), all_of_them()
    await told(database, seldom)
    versions = []

    for change in CHANGES:
        async with database.transaction() as session:
            await change(session)
        versions.append(await told(database, often))
        assert versions[-1] == await from_nothing(database), change.__name__

    assert await told(database, seldom) == await told(database, all_of_them()) == versions[-1]
    assert len(set(versions)) > len(CHANGES) / 2


async def test_a_feed_reads_only_the_forums_that_changed(database: Database) -> None:
    async with database.transaction() as session:
        forums = [await a_forum(session, number=number) for number in range(1, 10)]
    kept = all_of_them()
    await settled(database, kept)

    async with database.transaction() as session:
        await schedule.move(session, await session.get_one(Forum, forums[4].id), a_move_form("2027-04-01"), now=NOW)
    found = await looked_at(database, kept)
    await settled(database, kept)
    async with database.transaction() as session:
        await a_confirmed_registration(session, await the(session, "2027-1"))

    assert found == [forums[4].id]
    assert await looked_at(database, kept) == []


async def settled(database: Database, kept: EventsOfAll) -> None:
    """Looked at until nothing is asked again: some other transaction of the server, its own upkeep, may not have ended."""
    await told(database, kept)
    while await looked_at(database, kept):
        await asyncio.sleep(0.01)
        await told(database, kept)


async def looked_at(database: Database, kept: EventsOfAll) -> list[object]:
    async with database.reading() as session:
        connection = await session.connection()
        rows = await connection.execute(calendar_index.changes(connection.dialect.name), {"since": kept._since})
        return [row.forum_id for row in rows if row.forum_id]


async def test_what_was_begun_before_another_change_and_committed_after_it_is_seen(database: Database) -> None:
    async with database.transaction() as session:
        early, late = [await a_forum(session, number=number) for number in (1, 2)]
    kept = all_of_them()
    await told(database, kept)

    async with database.writer.connect() as slow, slow.begin():
        await slow.execute(update(Forum).where(col(Forum.id) == early.id).values(theme="Écrit le premier"))
        if not database.is_sqlite:  # where one writes at a time, the other would wait for ever
            async with database.transaction() as session:
                await session.exec(update(Forum).where(col(Forum.id) == late.id).values(theme="Écrit ensuite"))
        before = await told(database, kept)
        assert before == await from_nothing(database)

    after = await told(database, kept)
    assert b"premier" not in before
    assert b"premier" in after
    assert after == await from_nothing(database)


async def test_what_is_undone_was_never_told(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)
    kept = all_of_them()
    before = await told(database, kept)

    async with database.writer.connect() as connection:
        await connection.execute(update(Forum).where(col(Forum.id) == forum.id).values(theme="Jamais dit"))
        await connection.rollback()

    assert await told(database, kept) == before


async def test_a_database_put_back_by_hand_is_noticed(database: Database, owner: Database) -> None:
    async with database.transaction() as session:
        forums = [await a_forum(session, number=number) for number in (1, 2, 3)]
    kept = all_of_them()
    for number in range(4):
        async with database.transaction() as session:
            await session.exec(update(Forum).where(col(Forum.id) == forums[0].id).values(theme=f"Thème {number}"))
        await told(database, kept)

    async with owner.writer.begin() as connection:
        await connection.run_sync(calendar_index.drop)
        await connection.execute(update(Forum).values(theme="Celui de la copie"))
        await connection.run_sync(calendar_index.create)

    assert b"Celui de la copie" in await told(database, kept)
    assert await told(database, kept) == await from_nothing(database)


async def test_made_anew_it_is_told_the_same(database: Database, owner: Database) -> None:
    async with database.transaction() as session:
        await a_forum(session)
    kept = all_of_them()
    before = await told(database, kept)

    async with owner.writer.begin() as connection:
        await connection.run_sync(calendar_index.create)

    assert await told(database, kept) == await told(database, all_of_them()) == before


def test_after_every_migration_each_forum_is_watched_for_all_that_a_calendar_tells(settings: Settings) -> None:
    migrations.migrate(settings)

    with closing(sqlite3.connect(settings.sqlite_path)) as connection:
        kept = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'calendar%'")}
    assert kept == set(calendar_index.triggers())
    assert (*Announced._fields, "announced_at") == calendar_index.COLUMNS


# -- Every kind of write -----------------------------------------------------------------------------------------


LATER = NOW + timedelta(hours=1)


async def the(session: AsyncSession, slug: str) -> Forum:
    return (await session.exec(select(Forum).where(Forum.slug == slug))).one()


async def nothing(session: AsyncSession) -> None:
    pass


async def past_forums_are_loaded(session: AsyncSession) -> None:
    await schedule.load_past_forums(session, ROOT / "db" / "forums-reels.yaml", now=NOW)


async def a_season_is_opened(session: AsyncSession) -> None:
    days = [date(2027, 3, 4), date(2027, 4, 1), date(2027, 5, 6), date(2027, 6, 3)]
    await schedule.open_season(session, "Saison 2027", "2027", days, time(18, 30), time(20, 30), plan_id=None, now=NOW)


async def they_are_announced(session: AsyncSession) -> None:
    for number in (1, 2, 3):
        await schedule.announce(session, await the(session, f"2027-{number}"), now=NOW)


async def a_draft_is_discarded(session: AsyncSession) -> None:
    await schedule.discard(session, await the(session, "2027-4"))


async def one_more_is_added_on_the_day_of_another(session: AsyncSession) -> None:
    season = (await session.exec(select(Season).where(Season.slug == "2027"))).one()
    await a_forum(session, number=9, season=season, day=date(2027, 4, 1))


async def one_is_edited(session: AsyncSession) -> None:
    forum = await the(session, "2027-1")
    typed = {"theme": "Les algorithmes", "online_url": "https://visio.example.fr/1", "capacity": "20", "remote_capacity": "5"}
    await schedule.edit(session, forum, a_forum_form(forum, **typed), [], now=LATER)


async def one_is_moved_before_another(session: AsyncSession) -> None:
    await schedule.move(session, await the(session, "2027-3"), a_move_form("2027-03-01"), now=LATER)


async def one_is_cancelled(session: AsyncSession) -> None:
    await schedule.cancel(session, await the(session, "2027-2"), CancelForm.model_validate({"reason": "Grève."}), now=LATER)


async def somebody_registers(session: AsyncSession) -> None:
    await a_confirmed_registration(session, await the(session, "2027-1"))


async def one_loses_its_day(session: AsyncSession) -> None:
    await session.exec(update(Forum).where(col(Forum.slug) == "2027-1").values(day=None, starts_at=None, ends_at=None))


async def one_is_announced_no_more(session: AsyncSession) -> None:
    await session.exec(update(Forum).where(col(Forum.slug) == "2027-3").values(announced_at=None, status="draft"))


async def numbers_are_exchanged(session: AsyncSession) -> None:
    await session.exec(update(Forum).values(number=col(Forum.number) + 100))


async def one_is_erased(session: AsyncSession) -> None:
    await session.exec(delete(Forum).where(col(Forum.slug) == "2027-9"))


async def a_season_goes(session: AsyncSession) -> None:
    await session.exec(delete(Season).where(col(Season.slug) == "2027"))


CHANGES: tuple[Change, ...] = (
    nothing, past_forums_are_loaded, past_forums_are_loaded, a_season_is_opened, they_are_announced, a_draft_is_discarded,
    one_more_is_added_on_the_day_of_another, one_is_edited, one_is_moved_before_another, one_is_cancelled, somebody_registers,
    one_loses_its_day, one_is_announced_no_more, numbers_are_exchanged, one_is_erased, a_season_goes,
)  # fmt: skip
