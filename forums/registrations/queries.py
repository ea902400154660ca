"""What a visitor reads about registering, and every question asked of a forum's list."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import secret_links
from forums.models import Forum, Registration

State = Literal["open", "last_seats", "waiting_list", "closed", "past", "cancelled", "not_offered"]


def state_of(forum: Forum, *, now: datetime) -> State:
    """What a visitor can read at once about registering."""
    if forum.status == "cancelled":
        return "cancelled"
    if forum.is_past(now):
        return "past"
    if forum.status != "announced" or forum.starts_at is None or forum.capacity + forum.remote_capacity == 0:
        return "not_offered"
    if forum.registration_closes_at is None or forum.registration_closes_at <= now:
        return "closed"
    free = free_seats(forum)
    return "waiting_list" if free <= 0 else "last_seats" if free <= max(3, forum.capacity // 10) else "open"


def free_seats(forum: Forum) -> int:
    return forum.capacity - forum.seats_taken + forum.remote_capacity - forum.remote_taken


async def registration_of_link(session: AsyncSession, token: str, *, now: datetime) -> Registration | None:
    link = await secret_links.find(session, token, "registration", now=now)
    return await session.get(Registration, link.registration_id) if link else None


async def holders(session: AsyncSession, forum: Forum) -> Sequence[Registration]:
    """Those who hold or wait for a seat: the people to tell when a forum changes."""
    query = select(Registration).where(Registration.forum_id == forum.id, col(Registration.status).in_(("registered", "waiting")))
    return (await session.exec(query.order_by(col(Registration.created_at)))).all()


async def all_of(session: AsyncSession, forum: Forum) -> Sequence[Registration]:
    """The whole list for organisers, by status then name."""
    query = select(Registration).where(Registration.forum_id == forum.id)
    return (await session.exec(query.order_by(col(Registration.status), col(Registration.rank), col(Registration.family_name)))).all()


async def place_in_line(session: AsyncSession, registration: Registration) -> int:
    """From 1: how many would be served before this one, and this one."""
    query = select(func.count()).where(
        col(Registration.forum_id) == registration.forum_id,
        col(Registration.attendance) == registration.attendance,
        col(Registration.status) == "waiting",
        col(Registration.rank) <= (registration.rank or 0),
    )
    return (await session.exec(query)).one()
