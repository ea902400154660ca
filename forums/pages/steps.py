"""By when things are due: the settings of a season, and the dates a forum has of its own."""

from pydantic_core import PydanticCustomError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, members, schedule, steps
from forums.models import ActionPlan, Season
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import WrongMoment
from forums.schedule import ChangedMeanwhile, ForumDatesForm, OneMoreForm, SeasonSettingsForm

# -- A season ---------------------------------------------------------------------------------------------


async def season_form(request: Request) -> Response:
    async with page.reading(request) as session:
        season = await _season(session, request)
        values = schedule.season_values(season, await _plan_of(session, season))
    return await _season_form(request, page.blank(SeasonSettingsForm, **values))


async def _season_form(
    request: Request,
    filled: Filled[SeasonSettingsForm],
    *,
    adding: Filled[OneMoreForm] | None = None,
    status: int = 200,
    conflict: bool = False,
) -> Response:
    async with page.reading(request) as session:
        season = await _season(session, request)
        plans = await action_plan.plans(session)
        kept = schedule.season_values(season, await _plan_of(session, season))
        forums = await schedule.forums_of(session, season)
    proposed = schedule.next_evening(forums, now=page.now())
    blank = page.blank(OneMoreForm, number=str(schedule.next_number(forums)), starts="18:30", ends="20:30")
    if proposed:
        blank.values |= {"day": proposed[0].day.isoformat(), "starts": proposed[1], "ends": proposed[2]}
    if conflict:
        filled.values["edition"] = kept["edition"]  # what is typed may replace what is now shown beside it
    return page.show(
        request,
        "steps/season.html",
        status=status,
        season=season,
        plans=plans,
        filled=filled,
        forums=forums,
        kept=kept if conflict else {},
        adding=adding or blank,
        proposal=proposed[0] if proposed else None,
        warnings=schedule.warnings(proposed[0].day) if proposed else [],
    )


async def add_forum(request: Request) -> Response:
    """One more forum in the season, as a draft."""
    adding = await page.read(request, OneMoreForm)
    try:
        if adding.form is not None:
            async with page.transaction(request) as session:
                season = await _season(session, request)
                forum = await schedule.add_forum(session, season, adding.form, now=page.now())
                await members.record_change(session, request.state.member, "add_forum", f"forum {forum.slug}", now=page.now())
            return page.go(request, f"/organisation/forums/{forum.slug}?fait=forum-ajoute")
    except PydanticCustomError as error:
        adding.refuse("day" if "jour-là" in error.type else "ends", error)
    async with page.reading(request) as session:
        season = await _season(session, request)
        values = schedule.season_values(season, await _plan_of(session, season))
    return await _season_form(request, page.blank(SeasonSettingsForm, **values), adding=adding, status=422)


async def settle_season(request: Request) -> Response:
    filled = await page.read(request, SeasonSettingsForm)
    if filled.form is None:
        return await _season_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            season = await _season(session, request, to_change=True)
            plan = await action_plan.plan_by_slug(session, filled.form.plan) if filled.form.plan else None
            await schedule.settle_season(session, season, filled.form, plan, now=page.now())
            await members.record_change(session, request.state.member, "settle_season", f"season {season.slug}", now=page.now())
    except ChangedMeanwhile as refusal:
        filled.refuse("edition", refusal)
        return await _season_form(request, filled, status=422, conflict=True)
    return page.go(request, f"/organisation/saisons/{season.slug}?fait=saison-reglee")


async def _season(session: AsyncSession, request: Request, *, to_change: bool = False) -> Season:
    found = await schedule.season_by_slug(session, request.path_params["season"], to_change=to_change)
    if found is None:
        raise page.not_found()
    return found


async def _plan_of(session: AsyncSession, season: Season) -> ActionPlan | None:
    return await session.get(ActionPlan, season.plan_id) if season.plan_id else None


# -- A forum ----------------------------------------------------------------------------------------------


async def dates_form(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        values = schedule.dates_values(forum, await schedule.own_dates(session, forum))
    return await _dates_form(request, page.blank(ForumDatesForm, **values))


async def _dates_form(request: Request, filled: Filled[ForumDatesForm], *, status: int = 200, conflict: bool = False) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        season = await schedule.season_of(session, forum)
        kept = schedule.dates_values(forum, await schedule.own_dates(session, forum))
        line = await steps.line_of(session, forum, now=page.now())
    if conflict:
        filled.values["edition"] = kept["edition"]
    return page.show(
        request,
        "steps/forum.html",
        status=status,
        forum=forum,
        season=season,
        filled=filled,
        defaults={kind: schedule.default_day(season, forum, kind) for kind in schedule.MOVABLE},
        days=schedule.days_of(season),
        steps=line,
        kept=kept if conflict else {},
    )


async def settle_dates(request: Request) -> Response:
    filled = await page.read(request, ForumDatesForm)
    if filled.form is None:
        return await _dates_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            season = await schedule.season_of(session, forum)
            await schedule.settle_dates(session, forum, season, filled.form, now=page.now())
            await members.record_change(session, request.state.member, "settle_dates", f"forum {forum.slug}", now=page.now())
    except ChangedMeanwhile as refusal:
        filled.refuse("edition", refusal)
        return await _dates_form(request, filled, status=422, conflict=True)
    except WrongMoment as refusal:
        filled.refuse(refusal.name, refusal)
        return await _dates_form(request, filled, status=422)
    except PydanticCustomError as error:
        filled.refuse("questions", error)
        return await _dates_form(request, filled, status=422)
    return page.go(request, f"/organisation/forums/{forum.slug}?fait=echeances")
