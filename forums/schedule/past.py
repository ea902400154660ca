"""Forums that took place before this site: facts of a data file, the unknown left unknown."""

from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan
from forums.models import AgendaItem, AgendaVersion, Forum, Season
from forums.models.forum import AgendaItemKind
from forums.schedule.life import changed, link_commitments, shown_in_calendars
from forums.schedule.queries import forum_by_slug
from forums.schedule.rhythm import at

if TYPE_CHECKING:
    from forums.plan_files import PastForumEntry


async def load_past_forums(session: AsyncSession, path: Path, *, now: datetime) -> int:
    """Store the forums of a data file that are not there yet; a fact unknown stays unknown. Raises `BadFile`."""
    from forums.plan_files import read_past_forums

    file = read_past_forums(path)
    seasons = {}
    for entry in file.saisons:
        season = (await session.exec(select(Season).where(Season.slug == entry.slug))).first()
        plan = await action_plan.plan_by_slug(session, entry.plan) if entry.plan else None
        season = season or Season(slug=entry.slug, title=entry.titre)
        season.title, season.plan_id = entry.titre, plan.id if plan else None
        session.add(season)
        await session.flush()
        seasons[entry.slug] = (season, plan)
    for forum_entry in file.forums:
        season, plan = seasons[forum_entry.saison]
        forum = await _store_past_forum(session, season, forum_entry, now)
        numbers = forum_entry.engagements if plan else []
        found = [await action_plan.commitment_by_number(session, plan, number) for number in numbers] if plan else []
        await link_commitments(session, forum, [commitment for commitment in found if commitment])
    return len(file.forums)


async def _store_past_forum(session: AsyncSession, season: Season, entry: "PastForumEntry", now: datetime) -> Forum:
    slug = f"{season.slug}-{entry.numero}"
    known = await forum_by_slug(session, slug, drafts=True)
    forum = known or Forum(season_id=season.id, number=entry.numero, slug=slug, announced_at=now, created_at=now, changed_at=now)
    before = shown_in_calendars(forum)
    forum.status = "announced"
    forum.theme, forum.day, forum.moment = entry.theme, entry.date, entry.moment
    hours = [at(entry.date, time.fromisoformat(hour)) if entry.date and hour else None for hour in (entry.debut, entry.fin)]
    forum.starts_at, forum.ends_at = hours
    forum.place, forum.address, forum.organisers = entry.lieu, entry.ville, entry.organisateurs
    forum.participants, forum.note, forum.sources = entry.participants, entry.note, entry.sources
    forum.minutes_elsewhere, forum.minutes_elsewhere_on = entry.compte_rendu, entry.compte_rendu_publie_le
    if known and before != shown_in_calendars(forum):
        changed(forum, now)
    session.add(forum)
    await session.flush()
    await _store_agenda(session, forum, entry.deroule)
    return forum


async def _store_agenda(session: AsyncSession, forum: Forum, titles: Sequence[str]) -> None:
    """Published as version 1 and told to nobody; titles a file has gained since join what is published now."""
    if titles and not forum.agenda_version:
        forum.agenda_version, forum.agenda_published_at = 1, forum.announced_at
        session.add_all([forum, AgendaVersion(forum_id=forum.id, number=1, published_at=forum.announced_at or forum.created_at)])
    known = (await session.exec(select(func.coalesce(func.max(AgendaItem.number), 0)).where(AgendaItem.forum_id == forum.id))).one()
    for number, title in enumerate(titles[known:], start=known + 1):
        workshop = title.startswith("Atelier") or "ateliers" in title
        kind: AgendaItemKind = "workshop" if workshop else "restitution" if title.startswith("Restitution") else "plenary"
        session.add_all(
            AgendaItem(forum_id=forum.id, version=version, number=number, position=number, title=title, kind=kind)
            for version in (0, forum.agenda_version)
        )
