"""One more forum for a season that is already there: the next number, on a date that its rhythm proposes."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Day, Form, Hour, refuse, whole
from forums.language import N_
from forums.models import Forum, Season
from forums.models.forum import PARIS
from forums.schedule import deadlines
from forums.schedule.life import place_in_time
from forums.schedule.rhythm import WEEKDAYS, Proposal, SeasonForm, propose

_USUALLY = 2
"""Months between two forums, where a season does not tell."""


class OneMoreForm(Form):
    day: Day
    starts: Hour
    ends: Hour
    number: Annotated[int, whole(1, 999)]
    """The number it will have: sent twice, it is added once."""


async def forums_of(session: AsyncSession, season: Season) -> Sequence[Forum]:
    """In the order of their numbers, drafts and cancelled ones too."""
    query = select(Forum).where(Forum.season_id == season.id).order_by(col(Forum.number))
    return (await session.exec(query.execution_options(populate_existing=True))).all()


def next_number(forums: Sequence[Forum]) -> int:
    return max((each.number for each in forums), default=0) + 1


def next_evening(forums: Sequence[Forum], *, now: datetime) -> tuple[Proposal, str, str] | None:
    """The date after the last one by the season's own rhythm, and the same hours; None when no forum has a date."""
    dated = sorted((each for each in forums if each.day), key=lambda each: each.day or date.min)
    if not dated or dated[-1].day is None:
        return None
    last, before = dated[-1].day, dated[-2].day if len(dated) > 1 else None
    months = (last.year - before.year) * 12 + last.month - before.month if before else _USUALLY
    months = min(max(months, 1), 6)
    first = _months_later(last, months)
    starts, ends = (f"{moment:%H:%M}" if moment else "" for moment in (dated[-1].local_start, dated[-1].local_end))
    form = SeasonForm.model_validate(
        {
            "title": "x",
            "first_day": max(first, now.astimezone(PARIS).date() + timedelta(days=1)),
            "count": 1,
            "months": 1,
            "week": min((last.day - 1) // 7 + 1, 4),
            "weekday": list(WEEKDAYS)[last.weekday()] if last.weekday() < len(WEEKDAYS) else "TH",
            "starts": "18:30",
            "ends": "20:30",
        }
    )
    return propose(form)[0], starts or "18:30", ends or "20:30"


def _months_later(day: date, months: int) -> date:
    """The first of the month, so many months later."""
    month = day.month - 1 + months
    return date(day.year + month // 12, month % 12 + 1, 1)


async def add_forum(session: AsyncSession, season: Season, form: OneMoreForm, *, now: datetime) -> Forum:
    """A draft under the season's next number. The same evening sent twice is one forum. Raises a form error."""
    # Locked first: of two organisers who add one at once, the second gets the number after.
    await session.exec(select(Season).where(Season.id == season.id).with_for_update(key_share=True))
    forums = await forums_of(session, season)
    already = next((each for each in forums if each.number == form.number), None)
    if already is not None and already.local_start and (already.day, already.local_start.time()) == (form.day, form.starts):
        return already
    if any(each.day == form.day and each.status != "cancelled" for each in forums):
        raise refuse(N_("Un forum de cette saison a déjà lieu ce jour-là : choisissez une autre date."))
    number = next_number(forums)
    forum = Forum(season_id=season.id, number=number, slug=f"{season.slug}-{number}", created_at=now, changed_at=now)
    place_in_time(forum, form.day, form.starts, form.ends)
    deadlines.close_questions(forum, season, {})
    session.add(forum)
    await session.flush()
    return forum
