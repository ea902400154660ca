"""Questions and promises counted by the database, by whatever key: a commitment, an institution, a season.

Where a question stands, and how many stand there, is what `standing_index` keeps, never said a second time here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Column, Table, case, literal, null, true, type_coerce, union_all
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import follow_ups, questions
from forums.models import ActionPlan, Commitment, CommitmentInstitution, FollowUp, FollowUpCommitment, Forum, Institution
from forums.models.forum import PARIS
from forums.standing_tables import ELSEWHERE, NONE, STANDING, TALLY


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
    """Questions that stand at the same place: how many, and, of those waiting, since when the oldest is public where it is known."""

    state: str
    number: int = 0
    taken_up: int = 0
    overdue: int = 0
    oldest: datetime | None = None


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
    tally, every = TALLY.c, true() if institutions else TALLY.c.institution_id == NONE
    theirs = tally.plan_id.in_([plan.id, NONE] if plan.current else [plan.id])
    parts = [
        *_oldest(plan, institutions=institutions),
        _numbers(now, tally.institution_id, tally.commitment_id).where(theirs, every),
        _overdue(STANDING, now, literal(NONE), STANDING.c.commitment_id).where(STANDING.c.status == "published", questions.are_of(plan)),
    ]
    if institutions:
        parts.append(_overdue(ELSEWHERE, now, ELSEWHERE.c.institution_id, literal(NONE)).where(questions.are_of(plan, ELSEWHERE)))
    found = (await session.exec(cast(Any, union_all(*parts)))).all()
    return [Counted(_known(commitment), _known(who), group) for who, commitment, *each in found if (group := _group(*each))]


async def asked_in(session: AsyncSession, plan: ActionPlan, *, now: datetime) -> Asked:
    """The published questions of a plan, all together."""
    theirs = TALLY.c.plan_id.in_([plan.id, NONE] if plan.current else [plan.id])
    late = _overdue(STANDING, now).where(STANDING.c.status == "published", questions.are_of(plan))
    parts = union_all(late, _numbers(now).where(theirs, TALLY.c.institution_id == NONE))
    return asked_of([group for each in (await session.exec(cast(Any, parts))).all() if (group := _group(*each))])


async def counted_by_season(
    session: AsyncSession, *, institution: Institution | None = None, commitment: Commitment | None = None, now: datetime
) -> dict[UUID | None, list[Group]]:
    """Every published question by the season it was asked in; those put to an institution, or on a commitment, when given."""
    tally, of_all = TALLY.c, TALLY.c.institution_id == NONE
    counts, late = _numbers(now, tally.season_id), _overdue(STANDING, now, STANDING.c.season_id).where(STANDING.c.status == "published")
    parts = [late, counts.where(of_all)]
    if commitment is not None:
        parts = [late.where(STANDING.c.commitment_id == commitment.id), counts.where(of_all, tally.commitment_id == commitment.id)]
    if institution is not None:
        led = select(CommitmentInstitution.commitment_id).where(
            CommitmentInstitution.institution_id == institution.id, CommitmentInstitution.role == "lead"
        )
        parts = [
            late.where(STANDING.c.commitment_id.in_(led)),
            counts.where((of_all & tally.commitment_id.in_(led)) | (tally.institution_id == institution.id)),
            _overdue(ELSEWHERE, now, ELSEWHERE.c.season_id).where(ELSEWHERE.c.institution_id == institution.id),
        ]
    found: dict[UUID | None, list[Group]] = {}
    for season, *each in (await session.exec(cast(Any, union_all(*parts)))).all():
        if group := _group(*each):
            found.setdefault(_known(season), []).append(group)
    return found


def _known(key: UUID | None) -> UUID | None:
    return None if key == NONE else key


def _group(state: str, number: Any, taken_up: Any, overdue: Any, oldest: datetime | None) -> Group | None:
    """PostgreSQL's sums are decimal; a place where none stands any more is no group."""
    group = Group(state, int(number), int(taken_up), int(overdue), oldest)
    return group if group != Group(state) else None


def _numbers(now: datetime, *keys: Any) -> Any:
    """How many stand where, those put off to an earlier month being overdue."""
    each = TALLY.c
    late = case(((each.month != "") & (each.month < _month_of(now)), each.number), else_=0)
    numbers = func.sum(each.number), func.sum(each.taken_up), func.sum(late), _never()
    return cast(Any, select)(*keys, each.state, *numbers).group_by(*keys, each.state)


def _overdue(kept: Table, now: datetime, *keys: Any) -> Any:
    """Those put off to a day of this month that is gone."""
    today = now.astimezone(PARIS).date()
    gone = kept.c.deferred_to.between(today.replace(day=1), today - timedelta(days=1))
    found = cast(Any, select)(*keys, literal("deferred"), literal(0), literal(0), func.count(), _never()).where(gone)
    return found.group_by(*(key for key in keys if isinstance(key, Column)))


def _month_of(now: datetime) -> str:
    return now.astimezone(PARIS).strftime("%Y-%m")


def _oldest(plan: ActionPlan, *, institutions: bool) -> list[Any]:
    """Since when the oldest one that waits is public: of each commitment, of those on none, and of those put to each institution."""

    def first(kept: Table, *conditions: Any) -> tuple[Any, ...]:
        oldest = cast(Any, select)(func.min(kept.c.since)).where(kept.c.state == "waiting", *conditions).scalar_subquery()
        return literal("waiting"), literal(0), literal(0), literal(0), oldest

    kept, published = STANDING.c, STANDING.c.status == "published"
    on_it = first(STANDING, published, kept.commitment_id == col(Commitment.id))
    on_none = first(STANDING, published, kept.commitment_id.is_(None), questions.are_of(plan))
    parts = [
        cast(Any, select)(literal(NONE), col(Commitment.id), *on_it).where(col(Commitment.plan_id) == plan.id),
        cast(Any, select)(literal(NONE), literal(NONE), *on_none),
    ]
    if institutions:
        put = ELSEWHERE.c.institution_id == col(Institution.id)
        each = [first(ELSEWHERE, put, ELSEWHERE.c.plan_id == plan.id)]
        each += [first(ELSEWHERE, put, ELSEWHERE.c.plan_id.is_(None))] if plan.current else []
        parts += [cast(Any, select)(col(Institution.id), literal(NONE), *one) for one in each]
    return parts


def _never() -> Any:
    return type_coerce(null(), STANDING.c.since.type)


def asked_of(groups: Sequence[Group], held: Sequence[date] = (), now: datetime | None = None) -> Asked:
    """The groups together; with `now` and the days forums were held, how long the oldest has waited."""

    def number(state: str) -> int:
        return sum(each.number for each in groups if each.state == state)

    oldest = min((each.oldest for each in groups if each.oldest), default=None)
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
