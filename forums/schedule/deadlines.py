"""By when each step of a forum is due: the season's days, counted from the evening, or a date of the forum's own.

The end of the questions is such a date, and the only one that acts by itself: it follows the season's days
unless an organiser chose another for this forum. When a forum moves, the season's days follow it; its own
dates move by as many days, unless the organiser says they stay.
"""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Form, OptionalDay, Tick, line, whole
from forums.language import N_
from forums.models import ActionPlan, Forum, ForumStep, Season
from forums.models.forum import StepKind
from forums.refusals import NotAnnounced, Refusal, WrongMoment
from forums.schedule.rhythm import at

BEFORE: tuple[StepKind, ...] = ("announce", "theme", "place", "questions", "agenda")
AFTER: tuple[StepKind, ...] = ("minutes", "follow_ups")
MOVABLE = (*BEFORE, *AFTER)

_Days = Annotated[int, whole(0, 365)]


class SeasonSettingsForm(Form):
    """What is decided once for all the forums of a season; `edition` is what the form was made from."""

    title: Annotated[str, line(100, N_("Donnez un nom à la saison, par exemple « Saison 2027 »."))]
    plan: Annotated[str, line(100)]
    announce_days: _Days
    theme_days: _Days
    questions_days: _Days
    agenda_days: _Days
    minutes_days: _Days
    follow_ups_days: _Days
    agents_publish: Tick
    edition: Annotated[str, line(64)]


class ForumDatesForm(Form):
    """A forum's own dates; an empty one follows the season."""

    announce: OptionalDay
    theme: OptionalDay
    place: OptionalDay
    questions: OptionalDay
    agenda: OptionalDay
    minutes: OptionalDay
    follow_ups: OptionalDay
    edition: Annotated[str, line(64)]


class ChangedMeanwhile(Refusal):
    sentence = N_(
        "Quelqu'un a changé ces réglages pendant que vous les modifiiez : rien n'est enregistré. Comparez, puis enregistrez à nouveau."
    )


# -- What is due when ---------------------------------------------------------------------------------------


def days_of(season: Season) -> dict[StepKind, int]:
    """How many days from the evening each step is due; negative before it. The place is due with the theme."""
    return {
        "announce": -season.announce_days,
        "theme": -season.theme_days,
        "place": -season.theme_days,
        "questions": -season.questions_days,
        "agenda": -season.agenda_days,
        "reminder": -1,
        "evening": 0,
        "minutes": season.minutes_days,
        "follow_ups": season.follow_ups_days,
    }


def default_day(season: Season, forum: Forum, kind: StepKind) -> date | None:
    return forum.day + timedelta(days=days_of(season)[kind]) if forum.day else None


async def own_dates(session: AsyncSession, forum: Forum) -> dict[StepKind, date]:
    steps = (await session.exec(select(ForumStep).where(ForumStep.forum_id == forum.id))).all()
    return {step.kind: step.due_on for step in steps}


async def season_by_slug(session: AsyncSession, slug: str, *, to_change: bool = False) -> Season | None:
    query = select(Season).where(Season.slug == slug)
    return (await session.exec(query.with_for_update() if to_change else query)).first()


def season_values(season: Season, plan: ActionPlan | None) -> dict[str, Any]:
    """The season as its form holds it, with the edition that stands for exactly these values."""
    numbers = {name: str(getattr(season, name)) for name in SeasonSettingsForm.model_fields if name.endswith("_days")}
    values = {"title": season.title, "plan": plan.slug if plan else "", "agents_publish": "1" if season.agents_publish else ""}
    return _with_edition(values | numbers)


def dates_values(forum: Forum, own: Mapping[StepKind, date]) -> dict[str, Any]:
    """The forum's own dates as their form holds them; a forum moved meanwhile makes another edition."""
    values: dict[str, str] = {kind: own[kind].isoformat() if kind in own else "" for kind in MOVABLE}
    return _with_edition(values, str(forum.day))


def _with_edition(values: Mapping[str, str], *more: str) -> dict[str, Any]:
    told = repr((sorted(values.items()), more))
    return {**values, "edition": hashlib.sha256(told.encode()).hexdigest()[:20]}


# -- Change them --------------------------------------------------------------------------------------------


async def settle_season(session: AsyncSession, season: Season, form: SeasonSettingsForm, plan: ActionPlan | None, *, now: datetime) -> None:
    """Keep the settings of a season already locked; the questions of its coming forums close by the new days.

    Raises `ChangedMeanwhile` when someone saved since the form was made.
    """
    before = await session.get(ActionPlan, season.plan_id) if season.plan_id else None
    now_kept = season_values(season, before)
    wanted = {"plan": plan.slug if plan else "", "agents_publish": "1" if form.agents_publish else "", "title": form.title}
    wanted |= {name: str(getattr(form, name)) for name in now_kept if name.endswith("_days")}
    if wanted.items() <= now_kept.items():
        return
    if form.edition != now_kept["edition"]:
        raise ChangedMeanwhile
    season.title, season.plan_id, season.agents_publish = form.title, plan.id if plan else None, form.agents_publish
    for name in wanted:
        if name.endswith("_days"):
            setattr(season, name, getattr(form, name))
    session.add(season)
    await session.flush()
    if wanted["questions_days"] != now_kept["questions_days"]:
        await _close_questions_of(session, season, now=now)


async def _close_questions_of(session: AsyncSession, season: Season, *, now: datetime) -> None:
    """The coming forums of a season close their questions by its days, but for those with a date of their own."""
    query = select(Forum).where(Forum.season_id == season.id, Forum.status != "cancelled").with_for_update(key_share=True)
    for forum in (await session.exec(query.execution_options(populate_existing=True))).all():
        if forum.starts_at and not forum.is_past(now):
            close_questions(forum, season, await own_dates(session, forum))
            session.add(forum)
    await session.flush()


def close_questions(forum: Forum, season: Season, own: Mapping[StepKind, date]) -> None:
    """Questions are open until the end of their last day in Paris, or until the evening begins."""
    assert forum.day is not None
    assert forum.starts_at is not None
    last = own.get("questions") or forum.day - timedelta(days=season.questions_days)
    forum.questions_close_at = min(at(last, time(23, 59)), forum.starts_at)


async def settle_dates(session: AsyncSession, forum: Forum, season: Season, form: ForumDatesForm, *, now: datetime) -> None:
    """Keep a forum's own dates, those of the questions acting at once.

    Raises `WrongMoment` for a date on the wrong side of the evening, `ChangedMeanwhile`, `NotAnnounced` once cancelled.
    """
    await session.refresh(forum, with_for_update={"key_share": True})  # someone may be moving it
    if forum.status == "cancelled":
        raise NotAnnounced(N_("Ce forum est annulé : il n'a plus d'échéances."))
    wanted: dict[StepKind, date] = {kind: getattr(form, kind) for kind in MOVABLE if getattr(form, kind)}
    for kind, day in wanted.items():
        if forum.day and kind in BEFORE and day > forum.day:
            raise WrongMoment(kind, N_("Cette étape vient avant le forum : choisissez un jour plus tôt, ou celui du forum."))
        if forum.day and kind in AFTER and day < forum.day:
            raise WrongMoment(kind, N_("Cette étape vient après le forum : choisissez un jour plus tard, ou celui du forum."))
    own = await own_dates(session, forum)
    if {kind: own[kind] for kind in MOVABLE if kind in own} == wanted:
        return
    if form.edition != dates_values(forum, own)["edition"]:
        raise ChangedMeanwhile
    await _keep(session, forum, wanted)
    if forum.starts_at and not forum.is_past(now) and own.get("questions") != wanted.get("questions"):
        close_questions(forum, season, wanted)
        session.add(forum)
    await session.flush()


async def follow_the_move(session: AsyncSession, forum: Forum, was: date | None, *, stay: bool) -> None:
    """A forum that moved: its own dates move by as many days, or stay but for those now on the wrong side of it."""
    assert forum.day is not None
    own = await own_dates(session, forum)
    if stay or was is None:
        kept = {kind: day for kind, day in own.items() if (day <= forum.day if kind in BEFORE else day >= forum.day)}
    else:
        kept = {kind: day + (forum.day - was) for kind, day in own.items()}
    if kept != own:
        await _keep(session, forum, kept)
    season = (await session.exec(select(Season).where(Season.id == forum.season_id))).one()
    close_questions(forum, season, kept)


async def _keep(session: AsyncSession, forum: Forum, own: Mapping[StepKind, date]) -> None:
    known = {step.kind: step for step in (await session.exec(select(ForumStep).where(ForumStep.forum_id == forum.id))).all()}
    for kind, day in own.items():
        step = known.pop(kind, None) or ForumStep(forum_id=forum.id, kind=kind, due_on=day)
        step.due_on = day
        session.add(step)
    for gone in known.values():
        await session.delete(gone)
    await session.flush()
