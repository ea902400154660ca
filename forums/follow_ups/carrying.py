"""A promise carried from forum to forum: by itself to the next one, by organisers wherever it is to be spoken of.

The clock carries a published promise to the next forum to come of its line, one forum at a time; what
organisers take off stays off. The agenda gets its item "Suites des forums précédents" with the first.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import members
from forums.database import insert_into
from forums.follow_ups.queries import Carried, Promise, is_public, known, promises
from forums.follow_ups.recording import ChangedMeanwhile, claim
from forums.forms import Form, line, prose, whole
from forums.language import N_
from forums.models import AgendaItem, FollowUp, FollowUpForum, Forum, MinutesEntry, Season
from forums.refusals import NotAnnounced, Refusal

TITLE = "Suites des forums précédents"
"""The item's title as organisers find it, theirs to change: a content of the agenda, so in French."""


class SaidForm(Form):
    said: Annotated[str, prose(2000)]
    passage: Annotated[str, line(5)]
    edition: Annotated[int, whole(0, 999_999)]


# -- Which promises a forum takes up ------------------------------------------------------------------


async def carriable(session: AsyncSession, forum: Forum) -> list[Promise]:
    """The open promises of earlier forums of the same line that this one does not take up yet, drafts too."""
    if forum.day is None:
        return []
    season = (await session.exec(select(Season).where(Season.id == forum.season_id))).one()
    taken = select(FollowUpForum.follow_up_id).where(FollowUpForum.forum_id == forum.id, col(FollowUpForum.uncarried_at).is_(None))
    return await promises(session, known(*_earlier(forum, season), col(FollowUp.id).not_in(taken)))


def _earlier(forum: Forum, season: Season) -> tuple[ColumnElement[bool], ...]:
    line_of = col(Season.id) == season.id
    if season.plan_id is not None:
        line_of = line_of | (col(Season.plan_id) == season.plan_id)
    return (
        col(FollowUp.status) == "open",
        col(Forum.id) != forum.id,
        col(Forum.day) < forum.day,
        col(Forum.season_id).in_(select(Season.id).where(line_of)),
    )


# -- Carry ------------------------------------------------------------------------------------------------


async def carry(session: AsyncSession, forum: Forum, chosen: Sequence[Promise], *, now: datetime) -> int:
    """Take promises up at a forum, those taken off before too. Returns how many are new there.

    Raises `NotAnnounced` for a cancelled forum, which takes up nothing.
    """
    if forum.status == "cancelled":
        raise NotAnnounced(N_("Ce forum est annulé : les promesses iront au suivant."))
    await _locked(session, forum)
    new = insert_into(session, FollowUpForum).on_conflict_do_update(
        index_elements=["follow_up_id", "forum_id"],
        set_={"uncarried_at": None, "carried_at": now},
        where=col(FollowUpForum.uncarried_at).is_not(None),
    )
    carried = await _insert(session, new, forum, [each.follow_up.id for each in chosen], now)
    if carried:
        await _put_on_agenda(session, forum)
    return carried


async def _insert(session: AsyncSession, new: Any, forum: Forum, ids: Sequence[UUID], now: datetime) -> int:
    if not ids:
        return 0
    rows = [{"follow_up_id": each, "forum_id": forum.id, "carried_at": now, "said": "", "uncarried_at": None} for each in ids]
    connection = await session.connection()
    return len((await connection.execute(new.returning(new.table.c.follow_up_id), rows)).all())


async def _locked(session: AsyncSession, forum: Forum) -> None:
    """Two who carry at once would both give the agenda its item, under the same number."""
    await session.flush()
    await session.refresh(forum, with_for_update=True)


async def _put_on_agenda(session: AsyncSession, forum: Forum) -> None:
    """The item promises are spoken of at, in the agenda organisers prepare, unless there is one."""
    query = select(AgendaItem.id).where(AgendaItem.forum_id == forum.id, AgendaItem.version == 0, AgendaItem.kind == "follow_ups")
    if (await session.exec(query)).first() is not None:
        return
    number = select(func.coalesce(func.max(AgendaItem.number), 0)).where(AgendaItem.forum_id == forum.id)
    position = select(func.coalesce(func.max(AgendaItem.position), 0)).where(AgendaItem.forum_id == forum.id, AgendaItem.version == 0)
    session.add(
        AgendaItem(
            forum_id=forum.id,
            number=(await session.exec(number)).one() + 1,
            position=(await session.exec(position)).one() + 1,
            kind="follow_ups",
            title=TITLE,
        )
    )
    await session.flush()


async def uncarry(session: AsyncSession, carried: Carried, *, now: datetime) -> None:
    """Take a promise off a forum; the clock does not put it back. Taken off already, nothing more.

    Raises `Refusal` once something was said of it there.
    """
    there = col(FollowUpForum.follow_up_id) == carried.row.follow_up_id, col(FollowUpForum.forum_id) == carried.row.forum_id
    carried_still = update(FollowUpForum).where(*there, col(FollowUpForum.said) == "", col(FollowUpForum.uncarried_at).is_(None))
    gone = await session.exec(carried_still.values(uncarried_at=now))
    if gone.rowcount != 1 and (await session.exec(select(FollowUpForum.said).where(*there))).first():
        raise Refusal(N_("Ce qui a été dit de cette promesse à ce forum est noté : effacez-le d'abord."))


async def carry_by_itself(session: AsyncSession, *, now: datetime) -> int:
    """Carry each published open promise to the next forum of its line. Returns how many went somewhere new.

    An agenda that is already public is left as it is: organisers decide whether it changes.
    """
    coming = (
        select(Forum, Season)
        .join(Season, col(Season.id) == col(Forum.season_id))
        .where(Forum.status == "announced", col(Forum.ends_at) > now)
        .order_by(col(Forum.starts_at), col(Forum.id))
    )
    total, seen = 0, set()
    for forum, season in (await session.exec(coming)).all():
        if (season.plan_id or season.id) in seen:
            continue
        seen.add(season.plan_id or season.id)
        total += await _carry_there(session, forum, season, now)
    return total


async def _carry_there(session: AsyncSession, forum: Forum, season: Season, now: datetime) -> int:
    known_there = select(FollowUpForum.follow_up_id).where(FollowUpForum.forum_id == forum.id)
    query = select(FollowUp.id).join(Forum, col(Forum.id) == col(FollowUp.forum_id))
    ids = (await session.exec(query.where(*_earlier(forum, season), is_public(), col(FollowUp.id).not_in(known_there)))).all()
    if not ids:
        return 0
    await _locked(session, forum)
    new = insert_into(session, FollowUpForum).on_conflict_do_nothing(index_elements=["follow_up_id", "forum_id"])
    carried = await _insert(session, new, forum, ids, now)
    if carried:
        members.note(session, "clock", "carry", f"follow_ups {forum.slug}", now=now)
        if forum.agenda_published_at is None:
            await _put_on_agenda(session, forum)
    return carried


# -- What was said there ---------------------------------------------------------------------------------


async def say(session: AsyncSession, carried: Carried, form: SaidForm, entry: MinutesEntry | None) -> None:
    """Write down what was said of a promise at a forum, and in which passage. Raises `ChangedMeanwhile`."""
    try:
        await claim(session, carried.promise.follow_up, form.edition)
    except ChangedMeanwhile:
        await session.refresh(carried.row)
        if (carried.row.said, carried.row.entry_id) == (form.said, entry.id if entry else None):
            return  # the same form sent twice
        raise
    carried.row.said, carried.row.entry_id = form.said, entry.id if entry else None
    session.add(carried.row)
    await session.flush()
