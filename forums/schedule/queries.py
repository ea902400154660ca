"""Every question asked of the schedule; the public sees only what was announced."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy
from sqlalchemy import Connection
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import AuditEvent, Commitment, Forum, ForumCommitment, Minutes, Season


async def next_forum(session: AsyncSession, *, now: datetime) -> Forum | None:
    """The first announced forum that is not over."""
    query = select(Forum).where(Forum.status == "announced", col(Forum.ends_at) > now).order_by(col(Forum.starts_at)).limit(1)
    return (await session.exec(query)).first()


async def public_forums(session: AsyncSession) -> Sequence[tuple[Forum, Season]]:
    """Every announced or cancelled forum with its season, the newest first; an unknown day last in its season."""
    query = (
        select(Forum, Season)
        .join(Season, col(Season.id) == col(Forum.season_id))
        .where(col(Forum.announced_at).is_not(None))
        .order_by(col(Season.slug).desc(), col(Forum.number).desc())
    )
    return (await session.exec(query)).all()


async def all_forums(session: AsyncSession) -> Sequence[tuple[Forum, Season]]:
    """Drafts too, for organisers: the coming first, then the past, then those of unknown day."""
    query = select(Forum, Season).join(Season, col(Season.id) == col(Forum.season_id)).order_by(col(Forum.day).desc().nulls_last())
    return (await session.exec(query)).all()


async def forum_by_slug(session: AsyncSession, slug: str, *, drafts: bool = False) -> Forum | None:
    """A forum the public may see; with `drafts`, any forum."""
    query = select(Forum).where(Forum.slug == slug)
    if not drafts:
        query = query.where(col(Forum.announced_at).is_not(None))
    return (await session.exec(query)).first()


def forums_by_slug(connection: Connection, slugs: Collection[str]) -> dict[str, Forum]:
    """Those of these forums that the public may see, to read only. A plain function, for `write_at_once`."""
    rows = [connection.execute(_PUBLIC_FORUM, {"slug": slug}).mappings().one_or_none() for slug in slugs]
    return {row["slug"]: Forum.model_construct(**row) for row in rows if row}


# Built once, and of one forum: those who arrive together come for the same, and a list costs SQLAlchemy a millisecond each time.
_FORUM = SQLModel.metadata.tables["forum"]
_PUBLIC_FORUM = sqlalchemy.select(_FORUM).where(_FORUM.c.slug == sqlalchemy.bindparam("slug"), _FORUM.c.announced_at.is_not(None))


async def forum_by_id(session: AsyncSession, forum_id: UUID) -> Forum | None:
    return await session.get(Forum, forum_id)


async def season_of(session: AsyncSession, forum: Forum) -> Season:
    return (await session.exec(select(Season).where(Season.id == forum.season_id))).one()


async def commitments_of(session: AsyncSession, forum: Forum) -> Sequence[Commitment]:
    query = (
        select(Commitment)
        .join(ForumCommitment, col(ForumCommitment.commitment_id) == col(Commitment.id))
        .where(ForumCommitment.forum_id == forum.id)
        .order_by(col(Commitment.number))
    )
    return (await session.exec(query)).all()


async def latest_minutes(session: AsyncSession, limit: int = 3) -> Sequence[Forum]:
    """Forums whose minutes were published, here or elsewhere, the latest first."""
    query = (
        select(Forum)
        .join(Minutes, col(Minutes.forum_id) == col(Forum.id))
        .where(col(Minutes.published_at).is_not(None))
        .order_by(col(Minutes.published_at).desc())
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def season_slug_free(session: AsyncSession, slug: str) -> bool:
    return (await session.exec(select(Season.id).where(Season.slug == slug))).first() is None


async def announced_near(session: AsyncSession, days: Sequence[date]) -> dict[date, list[tuple[Forum, Season]]]:
    """For each of these days, the forums already announced less than a week away from it."""
    if not days:
        return {}
    week = timedelta(days=6)
    query = (
        select(Forum, Season)
        .join(Season, col(Season.id) == col(Forum.season_id))
        .where(Forum.status == "announced", col(Forum.day) >= min(days) - week, col(Forum.day) <= max(days) + week)
        .order_by(col(Forum.day))
    )
    found = (await session.exec(query)).all()
    return {day: [(forum, season) for forum, season in found if forum.day and abs(forum.day - day) <= week] for day in days}


async def season_like(session: AsyncSession, title: str, evenings: Sequence[tuple[datetime, datetime]]) -> Season | None:
    """The season of this title that has exactly these evenings and is still all drafts: the same form sent twice."""
    for season in (await session.exec(select(Season).where(Season.title == title))).all():
        forums = (await session.exec(select(Forum).where(Forum.season_id == season.id))).all()
        if all(forum.status == "draft" for forum in forums) and sorted((f.starts_at, f.ends_at) for f in forums) == sorted(evenings):
            return season
    return None


async def was_moved(session: AsyncSession, forum: Forum) -> bool:
    """Whether it changed its day or hours once announced, by the journal; its old date is not kept."""
    if forum.announced_at is None or forum.sequence == 0:
        return False
    moves = select(AuditEvent.id).where(AuditEvent.verb == "move", AuditEvent.subject == f"forum {forum.slug}")
    return (await session.exec(moves.where(AuditEvent.at > forum.announced_at))).first() is not None
