"""What was examined and what never was: derived from forums held, their agenda and their minutes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import accountability, agenda, minutes
from forums.models import Commitment, Forum
from forums.schedule.life import link_commitments
from tests.factories import NOW, a_commitment, a_forum, a_plan, an_agenda_item_form, an_entry_form

OPENED = datetime(2026, 1, 1, tzinfo=UTC)


async def held(session: AsyncSession, number: int = 1, *, ago: int = 30, **facts: Any) -> Forum:
    """A forum held so many days ago."""
    return await a_forum(session, number=number, **{"now": OPENED, "day": (NOW - timedelta(days=ago)).date()} | facts)


async def about(session: AsyncSession, forum: Forum, *commitments: Commitment) -> None:
    await link_commitments(session, forum, commitments)
    await session.flush()


async def order(session: AsyncSession, plan: Any) -> list[tuple[int, str | None]]:
    found = await accountability.least_examined(session, plan, now=NOW)
    return [(each.commitment.number, each.last.slug if each.last else None) for each in found]


async def test_commitments_never_examined_come_first_then_those_examined_longest_ago(session: AsyncSession) -> None:
    plan = await a_plan(session)
    first, second, third = [await a_commitment(session, plan, number) for number in (1, 2, 3)]
    await a_commitment(session, plan, 4)
    await about(session, await held(session, 1, ago=30), first, third)
    await about(session, await held(session, 2, ago=90), second, third)

    assert await order(session, plan) == [(4, None), (2, "2027-2"), (1, "2027-1"), (3, "2027-1")]


async def test_a_published_agenda_and_published_minutes_examine_what_they_are_tied_to_and_their_drafts_do_not(
    session: AsyncSession,
) -> None:
    plan = await a_plan(session)
    on_agenda, in_minutes, drafted = [await a_commitment(session, plan, number) for number in (1, 2, 3)]
    forum, draft = await held(session, 1), await held(session, 2)
    for each, commitment in ((forum, on_agenda), (draft, drafted)):
        await agenda.add(session, each, an_agenda_item_form(), [commitment], [], now=OPENED)
    await agenda.publish(session, forum, now=OPENED)
    for each, commitment in ((forum, in_minutes), (draft, drafted)):
        await minutes.write(session, await minutes.begun(session, each), an_entry_form(), None, [commitment], [], now=NOW)
    await minutes.publish(session, await minutes.begun(session, forum), now=NOW)

    assert await order(session, plan) == [(3, None), (1, "2027-1"), (2, "2027-1")]


@pytest.mark.parametrize("facts", [{"ago": -10}, {"status": "cancelled"}, {"status": "draft", "announced_at": None}])
async def test_a_forum_to_come_cancelled_or_never_announced_examines_nothing(session: AsyncSession, facts: dict[str, Any]) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)

    await about(session, await held(session, **facts), commitment)

    assert await order(session, plan) == [(1, None)]
