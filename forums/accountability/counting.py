"""Questions and promises counted by the database, by whatever key: a commitment, an institution, a season.

Where a question stands is what `standing_index` keeps, never said a second time here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Null, case, false, null, true, union_all
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import follow_ups
from forums.models import ActionPlan, Commitment, CommitmentInstitution, FollowUp, FollowUpCommitment, Forum, Institution, Season
from forums.models.forum import PARIS
from forums.standing_index import ELSEWHERE, STANDING


@dataclass(frozen=True)
class Asked:
    """Published questions and ideas by where they stand. `on_agenda` are some of those waiting, `overdue` of those deferred."""

    waiting: int = 0
    on_agenda: int = 0
    answered: int = 0
    partly: int = 0
    deferred: int = 0
    overdue: int = 0
    refused: int = 0
    days: int | None = None
    """For how many days the one that waits longest has been public."""
    forums: int | None = None
    """How many forums were held since."""

    @property
    def total(self) -> int:
        return self.waiting + self.answered + self.partly + self.deferred + self.refused


@dataclass(frozen=True)
class Promised:
    """Public promises; `late` are some of those open."""

    open: int = 0
    late: int = 0
    kept: int = 0
    dropped: int = 0

    @property
    def total(self) -> int:
        return self.open + self.kept + self.dropped


# -- Questions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Questions that stand at the same place: how many, and since when the oldest of them is public."""

    state: str
    number: int
    taken_up: int
    overdue: int
    oldest: datetime


@dataclass(frozen=True)
class Counted:
    """A group of questions of one commitment (or of none), or of those put to an institution that it does not lead."""

    commitment_id: UUID | None
    institution_id: UUID | None
    group: Group


async def counted(session: AsyncSession, plan: ActionPlan, *, institutions: bool, now: datetime) -> list[Counted]:
    """Every published question of a plan, in one statement; with `institutions`, what is put to each of them too.

    What is put to an institution because it leads the commitment is that commitment's own: only the rest is counted apart.
    """
    of_all = _numbers(STANDING.c, now, null()).where(STANDING.c.status == "published")
    elsewhere = _numbers(ELSEWHERE.c, now, ELSEWHERE.c.institution_id).where(true() if institutions else false())
    every = elsewhere.union_all(of_all).subquery()
    # The plan of a question follows from the other keys: it is looked up for the groups, not for the questions.
    current = select(ActionPlan.id).where(col(ActionPlan.current)).scalar_subquery()
    keys = (every.c.institution_id, case((every.c.institution_id.is_(None), every.c.commitment_id), else_=None), every.c.state)
    query = cast(Any, select)(*keys, *(func.sum(every.c[name]) for name in _SUMS), func.min(every.c.oldest))
    query = query.outerjoin(Commitment, col(Commitment.id) == every.c.commitment_id).outerjoin(Season, col(Season.id) == every.c.season_id)
    of_plan = func.coalesce(col(Commitment.plan_id), col(Season.plan_id), current) == plan.id
    found = (await session.exec(query.select_from(every).where(of_plan).group_by(*keys))).all()
    return [Counted(commitment, who, _group(*numbers)) for who, commitment, *numbers in found]


async def counted_by_season(
    session: AsyncSession, *, institution: Institution | None = None, commitment: Commitment | None = None, now: datetime
) -> dict[UUID | None, list[Group]]:
    """Every published question by the season it was asked in; those put to an institution, or on a commitment, when given."""
    parts = [_numbers(STANDING.c, now, null()).where(STANDING.c.status == "published")]
    if commitment is not None:
        parts[0] = parts[0].where(STANDING.c.commitment_id == commitment.id)
    if institution is not None:
        led = select(CommitmentInstitution.commitment_id).where(
            CommitmentInstitution.institution_id == institution.id, CommitmentInstitution.role == "lead"
        )
        parts[0] = parts[0].where(STANDING.c.commitment_id.in_(led))
        theirs = _numbers(ELSEWHERE.c, now, ELSEWHERE.c.institution_id).where(ELSEWHERE.c.institution_id == institution.id)
        parts.insert(0, theirs)
    every = union_all(*parts).subquery()
    numbers = (*(func.sum(every.c[name]) for name in _SUMS), func.min(every.c.oldest))
    query = cast(Any, select)(every.c.season_id, every.c.state, *numbers).group_by(every.c.season_id, every.c.state)
    found: dict[UUID | None, list[Group]] = {}
    for season, *of_each in (await session.exec(query)).all():
        found.setdefault(season, []).append(_group(*of_each))
    return found


_SUMS = ("number", "taken_up", "overdue")


def _group(state: str, number: Any, taken_up: Any, overdue: Any, oldest: datetime) -> Group:
    return Group(state, int(number), int(taken_up), int(overdue), oldest)  # PostgreSQL's sums are decimal


def _numbers(each: Any, now: datetime, institution: Any) -> Any:
    """Questions by all that is known of them, in the order of their index."""
    overdue = case((each.deferred_to < now.astimezone(PARIS).date(), 1), else_=0)
    grouped = (each.commitment_id, each.season_id, each.state)
    numbers = (func.count().label("number"), func.sum(each.taken_up).label("taken_up"), func.sum(overdue).label("overdue"))
    found = cast(Any, select)(institution.label("institution_id"), *grouped, *numbers, func.min(each.since).label("oldest"))
    return found.group_by(*grouped) if isinstance(institution, Null) else found.group_by(institution, *grouped)


def asked_of(groups: Sequence[Group], held: Sequence[date] = (), now: datetime | None = None) -> Asked:
    """The groups together; with `now` and the days forums were held, how long the oldest has waited."""

    def number(state: str) -> int:
        return sum(each.number for each in groups if each.state == state)

    oldest = min((each.oldest for each in groups if each.state == "waiting"), default=None)
    since = oldest.astimezone(PARIS).date() if oldest and now else None
    return Asked(
        waiting=number("waiting"),
        on_agenda=sum(each.taken_up for each in groups),
        answered=number("answered"),
        partly=number("partly"),
        deferred=number("deferred"),
        overdue=sum(each.overdue for each in groups),
        refused=number("refused"),
        days=(now.astimezone(PARIS).date() - since).days if since and now else None,
        forums=sum(day > since for day in held) if since else None,
    )


# -- Promises -----------------------------------------------------------------------------------------------


def promises_by(*keys: Any, now: datetime) -> Any:
    """Public promises counted by `keys` and by status."""
    late = func.sum(case((follow_ups.is_late(now), 1), else_=0))
    query = cast(Any, select)(*keys, col(FollowUp.status), func.count(), late).select_from(FollowUp)
    return query.join(Forum, col(Forum.id) == col(FollowUp.forum_id)).where(follow_ups.is_public()).group_by(*keys, col(FollowUp.status))


async def promised(session: AsyncSession, query: Any) -> dict[tuple[Any, ...], Promised]:
    """What `promises_by` counts, by its keys."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for *keys, status, number, late in (await session.exec(query)).all():
        counts = found.setdefault(tuple(keys), {"late": 0})
        counts[status] = number
        counts["late"] += int(late)
    return {keys: Promised(**counts) for keys, counts in found.items()}


async def promised_on(session: AsyncSession, commitment: Commitment, *, now: datetime) -> Promised:
    """The public promises that bear on a commitment."""
    linked = (col(FollowUpCommitment.follow_up_id) == col(FollowUp.id)) & (col(FollowUpCommitment.commitment_id) == commitment.id)
    return (await promised(session, promises_by(now=now).join(FollowUpCommitment, linked))).get((), Promised())
