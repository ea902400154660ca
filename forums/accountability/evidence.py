"""What OGP asks of a dialogue, as dated facts: how often it met, how often something was published, how many took part.

People are counted and never named. What is not known (a forum from before this site, participants whose data
were erased on time) is None, never zero.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, Literal, cast
from uuid import UUID

from dateutil.relativedelta import relativedelta
from sqlalchemy import ColumnElement, String, case, literal, null, union_all
from sqlalchemy import cast as sql_cast
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.accountability.examined import is_held
from forums.models import (
    ActionPlan,
    Commitment,
    Forum,
    Indicator,
    Measurement,
    Minutes,
    MinutesVersion,
    ProgressReport,
    Registration,
    Season,
)
from forums.models.forum import PARIS
from forums.standing_tables import DAY, DAYS, HOUR, NONE

SIX_MONTHS = relativedelta(months=6)
TWICE = 2

PublicationKind = Literal["minutes", "answers", "measurements", "reports"]


@dataclass(frozen=True)
class Meeting:
    """A forum that was held; `registered` counts seats taken, `present` those welcomed, `organisations` distinct names given."""

    forum: Forum
    registered: int | None
    present: int | None
    organisations: int | None


@dataclass(frozen=True)
class Gap:
    """The time between two meetings, or from the last one on; None at an end where there is no forum."""

    start: date
    end: date
    before: Forum | None
    after: Forum | None

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def too_long(self) -> bool:
        """More than six months, from a day to the same day of the sixth month."""
        return self.end > self.start + SIX_MONTHS


@dataclass(frozen=True)
class Year:
    """The days of a year on which something was published, all together and by kind."""

    year: int
    days: Sequence[date]
    kinds: dict[PublicationKind, int] = field(default_factory=dict)

    @property
    def enough(self) -> bool:
        return len(self.days) >= TWICE


@dataclass(frozen=True)
class Evidence:
    """`undated` forums are known to have been announced, on a day nobody knows: they count for nothing here."""

    plan: ActionPlan
    meetings: Sequence[Meeting]
    undated: int
    gaps: Sequence[Gap]
    years: Sequence[Year]


async def evidence_of(session: AsyncSession, plan: ActionPlan, *, now: datetime) -> Evidence:
    """The dated facts of a plan's dialogue, the oldest first: five statements."""
    query = select(Forum).join(Season, col(Season.id) == col(Forum.season_id)).where(_of(plan))
    held = (await session.exec(query.where(is_held(now)).order_by(col(Forum.day), col(Forum.slug)))).all()
    undated = query.where(Forum.status == "announced", col(Forum.day).is_(None), col(Forum.ends_at).is_(None))
    organisations = await _organisations(session, [each.id for each in held if _names_are_kept(each)])
    return Evidence(
        plan,
        [_meeting(each, organisations.get(each.id, 0)) for each in held],
        len((await session.exec(undated)).all()),
        gaps(plan, held, now),
        await _years(session, plan, now),
    )


def _of(plan: ActionPlan) -> ColumnElement[bool]:
    """The seasons of a plan; one of no plan is of the current one."""
    theirs = col(Season.plan_id) == plan.id
    return or_(theirs, col(Season.plan_id).is_(None)) if plan.current else theirs


def _meeting(forum: Forum, organisations: int) -> Meeting:
    seats = forum.seats_taken + forum.remote_taken
    return Meeting(
        forum,
        None if forum.sources or (forum.participants and not seats) else seats,
        forum.present or None,
        organisations if _names_are_kept(forum) else None,
    )


def _names_are_kept(forum: Forum) -> bool:
    """Whether those who registered are still there to be counted: not before this site, nor once erased on time."""
    return not forum.sources and not forum.purged_at


def gaps(plan: ActionPlan, held: Sequence[Forum], now: datetime) -> list[Gap]:
    """From the plan's first day to its first forum, from each to the next, and from the last to today or to the plan's last day."""
    days: list[tuple[date, Forum | None]] = [(each.day, each) for each in held if each.day]
    if plan.starts_on and (not days or plan.starts_on < days[0][0]):
        days.insert(0, (plan.starts_on, None))
    today = now.astimezone(PARIS).date()
    until = min(today, plan.ends_on) if plan.ends_on else today
    if days and until > days[-1][0]:
        days.append((until, None))
    return [Gap(start, end, before, after) for (start, before), (end, after) in pairwise(days)]


async def _organisations(session: AsyncSession, forums: Sequence[UUID]) -> dict[UUID, int]:
    """How many organisations those registered for each forum named; spelt otherwise, one counts twice."""
    came = col(Registration.forum_id).in_(forums) & col(Registration.status).in_(("registered", "walk_in"))
    # Alike as they are spelt first: most people write their organisation as the others of it do.
    spelt = select(Registration.forum_id, Registration.organisation).where(came).distinct().subquery()
    name = func.lower(func.trim(spelt.c.organisation))
    query = cast(Any, select)(spelt.c.forum_id, func.count(name.distinct())).where(name != "").group_by(spelt.c.forum_id)
    return dict((await session.exec(query)).all())


# -- Publications ---------------------------------------------------------------------------------------------


async def _years(session: AsyncSession, plan: ActionPlan, now: datetime) -> list[Year]:
    """Every year since the first publication, even those in which nothing was published."""
    published = await _published(session, plan)
    by_year = {kind: Counter(day.year for day in days) for kind, days in published.items()}
    days: dict[int, list[date]] = {}
    for day in sorted(set().union(*published.values())):
        days.setdefault(day.year, []).append(day)
    if not days:
        return []
    years = range(min(days), now.astimezone(PARIS).year + 1)
    return [Year(year, days.get(year, []), {kind: found[year] for kind, found in by_year.items()}) for year in years]


async def _published(session: AsyncSession, plan: ActionPlan) -> dict[PublicationKind, set[date]]:
    """The days, in Paris, on which each kind of thing was published or corrected: one statement, a row or two per kind."""
    found: dict[PublicationKind, set[str]] = {}
    for kind, *days in (await session.exec(cast(Any, union_all(*_publications(plan))))).all():
        found.setdefault(kind, set()).update(day for text in days if text for day in text.split(","))
    return {kind: {_in_paris(day) for day in days} for kind, days in found.items()}


def _in_paris(day: str) -> date:
    if len(day) == DAY:
        return date.fromisoformat(day)
    return datetime.fromisoformat(day).replace(tzinfo=UTC).astimezone(PARIS).date()


def _publications(plan: ActionPlan) -> list[Any]:
    """Every day something of a plan was published, and every day it was corrected: a kind, and all its days in a line of each."""
    seasons = select(Season.id).where(_of(plan))
    forums = select(Forum.id).where(col(Forum.season_id).in_(seasons))
    written = col(Minutes.forum_id).in_(forums) & col(Minutes.published_at).is_not(None)
    commitments = select(Commitment.id).where(Commitment.plan_id == plan.id)
    indicators = select(Indicator.id).where(col(Indicator.commitment_id).in_(commitments))
    measured = col(Measurement.indicator_id).in_(indicators) & (col(Measurement.status) == "published")
    reported = col(ProgressReport.commitment_id).in_(commitments) & (col(ProgressReport.status) == "published")
    versions = _days("minutes", col(MinutesVersion.published_at)).join(Minutes, col(Minutes.id) == col(MinutesVersion.minutes_id))
    answered = cast(Any, select)(DAYS.c.day).where(DAYS.c.plan_id.in_([plan.id, NONE] if plan.current else [plan.id]))
    answered = answered.group_by(DAYS.c.plan_id, DAYS.c.day).having(func.sum(DAYS.c.number) > 0).subquery()
    return [
        versions.where(written),
        _days("minutes", col(Minutes.published_at), col(Minutes.amended_at)).where(written),
        cast(Any, select)(literal("answers"), _in_a_line(answered.c.day), null()),
        _days("measurements", col(Measurement.published_at), col(Measurement.corrected_at)).where(measured),
        _days("reports", col(ProgressReport.published_at), col(ProgressReport.amended_at)).where(reported),
    ]


def _days(kind: PublicationKind, published: Any, corrected: Any = None) -> Any:
    return cast(Any, select)(literal(kind), _in_a_line(_day(published)), null() if corrected is None else _in_a_line(_day(corrected)))


def _in_a_line(days: Any) -> Any:
    """A thousand rows would cost more to hand over than to find."""
    return func.aggregate_strings(days, ",")


def _day(column: Any) -> Any:
    """A day of UTC is the same in Paris until 22 o'clock; then it hangs on the hour and the season."""
    text = sql_cast(column, String)
    return case((func.substr(text, HOUR - 1, 2) < "22", func.substr(text, 1, DAY)), else_=func.substr(text, 1, HOUR))
