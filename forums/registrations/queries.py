"""What a visitor reads about registering, and every question asked of a forum's list."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import secret_links
from forums.models import Forum, Registration
from forums.models.people import Attendance

State = Literal["open", "last_seats", "waiting_list", "opens_later", "closed", "past", "cancelled", "not_offered"]

OPEN: tuple[State, ...] = ("open", "last_seats", "waiting_list")


class Seats(NamedTuple):
    """The seats of one way of attending."""

    attendance: Attendance
    taken: int
    capacity: int

    @property
    def free(self) -> int:
        return self.capacity - self.taken

    @property
    def state(self) -> State:
        return "waiting_list" if self.free <= 0 else "last_seats" if self.free <= max(3, self.capacity // 10) else "open"


def seats_of(forum: Forum) -> list[Seats]:
    """The ways of attending a forum offers, counted apart; on site first."""
    ways = [Seats("on_site", forum.seats_taken, forum.capacity), Seats("remote", forum.remote_taken, forum.remote_capacity)]
    return [way for way in ways if way.capacity]


def state_of(forum: Forum, *, now: datetime) -> State:
    """What a visitor can read at once about registering; of two ways of attending, the easier one counts."""
    if forum.status == "cancelled":
        return "cancelled"
    if forum.is_past(now):
        return "past"
    ways = seats_of(forum)
    if forum.status != "announced" or forum.starts_at is None or not ways:
        return "not_offered"
    if forum.registration_closes_at is None or forum.registration_closes_at <= now:
        return "closed"
    if forum.registration_opens_at is not None and now < forum.registration_opens_at:
        return "opens_later"
    return min((way.state for way in ways), key=OPEN.index)


def promotes(forum: Forum, *, now: datetime) -> bool:
    """Whether a seat that frees still goes to who waits: not so shortly before the forum that they would learn it too late."""
    if forum.status != "announced" or forum.is_past(now):
        return False
    return forum.promotions_end_at is None or now < forum.promotions_end_at


async def registration_of_link(session: AsyncSession, token: str, *, now: datetime) -> Registration | None:
    link = await secret_links.find(session, token, "registration", now=now)
    return await session.get(Registration, link.registration_id) if link else None


async def holders(session: AsyncSession, forum: Forum) -> Sequence[Registration]:
    """Those who hold or wait for a seat: the people to tell when a forum changes."""
    query = select(Registration).where(Registration.forum_id == forum.id, col(Registration.status).in_(("registered", "waiting")))
    return (await session.exec(query.order_by(col(Registration.created_at)))).all()


async def how_many_hold(session: AsyncSession, forum: Forum) -> tuple[int, int]:
    """How many hold a seat, and how many wait for one."""
    query = select(Registration.status, func.count()).where(Registration.forum_id == forum.id).group_by(col(Registration.status))
    found = dict((await session.exec(query)).all())
    return found.get("registered", 0), found.get("waiting", 0)


async def all_of(session: AsyncSession, forum: Forum) -> Sequence[Registration]:
    """The whole list for organisers, by status then name."""
    query = select(Registration).where(Registration.forum_id == forum.id)
    return (await session.exec(query.order_by(col(Registration.status), col(Registration.rank), col(Registration.family_name)))).all()


async def named(session: AsyncSession, forum: Forum) -> Sequence[Registration]:
    """Those who came and agreed to appear by name among the participants."""
    query = select(Registration).where(Registration.forum_id == forum.id, col(Registration.show_name).is_(True))
    came = query.where(col(Registration.checked_in_at).is_not(None))
    return (await session.exec(came.order_by(func.lower(Registration.family_name), Registration.given_name))).all()


async def of_person(session: AsyncSession, email_key: str) -> Sequence[tuple[Registration, Forum]]:
    """Everything one address is registered to, in an order that no two processes lock differently."""
    query = select(Registration, Forum).join(Forum, col(Forum.id) == col(Registration.forum_id))
    return (await session.exec(query.where(Registration.email_key == email_key).order_by(col(Forum.id)))).all()


async def place_in_line(session: AsyncSession, registration: Registration) -> int:
    """From 1: how many would be served before this one, and this one."""
    query = select(func.count()).where(
        col(Registration.forum_id) == registration.forum_id,
        col(Registration.attendance) == registration.attendance,
        col(Registration.status) == "waiting",
        col(Registration.rank) <= (registration.rank or 0),
    )
    return (await session.exec(query)).one()
