"""The minutes as everybody reads them: as they are, and as each version was, with what it changed."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, follow_ups, indicators, minutes, registrations
from forums.pages import page
from forums.pages.citing import places_of
from forums.rendering import prepare


async def show(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
        found = await minutes.published(session, forum)
        entries = await minutes.as_announced(session, found, await minutes.entries_of(session, found)) if found else []
        versions = await minutes.versions_of(session, found) if found else []
        named = await registrations.named(session, forum) if found else []
        plan = await minutes.plan_of(session, forum) if found else None
        commitments = await action_plan.commitments_of(session, plan) if plan else []
        made = await follow_ups.made_at(session, forum)
        carried = await follow_ups.carried_to(session, forum)
        about = {each.id for held in entries for each in held.commitments}
        known = await indicators.beside(session, list(about), forum.day)
    places = places_of(request, plan, commitments)
    await prepare([held.entry.text for held in entries], places)
    return page.show(
        request,
        "minutes/show.html",
        forum=forum,
        minutes=found,
        entries=entries,
        versions=versions,
        named=named,
        promises=[(each.entry, each) for each in made] + [(each.entry, each.promise) for each in carried],
        places=places,
        outcomes=minutes.OUTCOMES,
        known=known,
    )


async def version(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
        found = await minutes.published(session, forum)
        held = await minutes.version_by_number(session, found, page.path_number(request, "number")) if found else None
        if found is None or held is None:
            raise page.not_found()
        versions = await minutes.versions_of(session, found)
        plan = await minutes.plan_of(session, forum)
        commitments = await action_plan.commitments_of(session, plan) if plan else []
    before = held.previous.content if held.previous else held.version.content
    # Two long texts take a while to compare, and the site goes on meanwhile.
    changes = await asyncio.to_thread(minutes.changes, before, held.version.content)
    places = places_of(request, plan, commitments)
    await prepare([passage["text"] for passage in held.version.content], places)
    return page.show(
        request,
        "minutes/version.html",
        forum=forum,
        held=held,
        versions=versions,
        changes=changes,
        places=places,
        outcomes=minutes.OUTCOMES,
    )
