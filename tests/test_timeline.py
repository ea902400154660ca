"""The story of a commitment: everything public that happened to it, nothing else, the newest first, at a constant cost."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import minutes, timeline
from forums.database import Database
from forums.models import (
    ActionPlan,
    Answer,
    Comment,
    Commitment,
    CommitmentAmendment,
    CommitmentContinuation,
    Consultation,
    Evaluation,
    MeasurementChange,
    Milestone,
    ProgressReport,
)
from forums.schedule.life import link_commitments
from tests.factories import (
    NOW,
    a_commitment,
    a_follow_up,
    a_forum,
    a_measurement,
    a_plan,
    a_question,
    an_entry_form,
    an_indicator,
    an_institution,
)
from tests.site import Site

OPENED = datetime(2026, 1, 1, tzinfo=UTC)


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


async def lived(session: AsyncSession, plan: ActionPlan, commitment: Commitment, *, times: int = 1) -> None:
    """One thing of each kind happens to a commitment, public and in this order; and one of each that is not public."""
    carrier = await an_institution(session, f"Porteur {commitment.number}", leads=[commitment])
    consultation = Consultation(plan_id=plan.id, opens_at=ago(999), closes_at=ago(998))
    session.add(consultation)
    await session.flush()
    for number in range(times):
        for public in (True, False):
            await _one_of_each(session, plan, commitment, carrier.id, consultation, number, public=public)


async def _one_of_each(
    session: AsyncSession, plan: ActionPlan, commitment: Commitment, carrier: Any, consultation: Consultation, number: int, *, public: bool
) -> None:
    key = f"{commitment.number}-{number}-{public}"
    session.add(
        Comment(
            consultation_id=consultation.id, commitment_id=commitment.id, text="Précisez.", author_key=key, text_hash=key,
            status="published" if public else "pending", confirmed_at=ago(200 + number), created_at=ago(200),
        )
    )  # fmt: skip
    if public:
        session.add(
            CommitmentAmendment(commitment_id=commitment.id, at=ago(190), reason="Précisé.", before={"title": "A"}, after={"title": "B"})
        )
        session.add(Milestone(commitment_id=commitment.id, position=number + 1, text="Publier", due_on=ago(180).date()))
        session.add(
            Evaluation(
                plan_id=plan.id, commitment_id=commitment.id, position=commitment.number * 1000 + number, kind="independent",
                title="Avis", dated=ago(10).date(),
            )
        )  # fmt: skip
    else:
        session.add(Milestone(commitment_id=commitment.id, position=100 + number, text="Sans date", due_text="un jour"))
    question = await a_question(
        session, None, commitment, status="published" if public else "pending", decided_at=ago(90), text=f"Quand ? {key}"
    )
    session.add(
        Answer(
            question_id=question.id, institution_id=carrier, text="Bientôt.", written_at=ago(60), published_at=ago(60) if public else None,
        )
    )  # fmt: skip
    season_number = commitment.number * 1000 + number * 2 + public
    facts = {} if public else {"status": "draft", "announced_at": None}
    forum = await a_forum(session, number=season_number, now=OPENED, day=ago(70).date(), **facts)
    await link_commitments(session, forum, [commitment])
    written = await minutes.begun(session, forum)
    entry = await minutes.write(session, written, an_entry_form(), None, [commitment], [], now=ago(65))
    if public:
        written.published_at = ago(65)
        session.add(written)
    await a_follow_up(session, forum, entry, [commitment], status="kept", closed_at=ago(20), evidence="Elle est en ligne.")
    indicator = await an_indicator(session, commitment, 2 * number + public + 1)
    held = await a_measurement(session, indicator, ago(40).date(), status="published" if public else "withdrawn")
    session.add(MeasurementChange(measurement_id=held.id, at=ago(30), kind="corrected", value="2", reason="Une faute."))
    session.add(
        ProgressReport(
            commitment_id=commitment.id, institution_id=carrier, period_start=date(2020, 1, 1) + timedelta(days=season_number),
            period_end=date(2026, 1, 1), completion="complete", status="published" if public else "proposed",
            published_at=ago(5) if public else None,
        )
    )  # fmt: skip
    await session.flush()


STORY = [
    "report", "evaluation", "promise_closed", "correction", "measurement", "answer",
    "promise", "passage", "forum", "question", "milestone", "amendment", "comment",
]  # fmt: skip


async def test_all_that_is_public_is_told_once_the_newest_first_and_nothing_else(session: AsyncSession) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)
    await lived(session, plan, commitment)

    story = await timeline.story(session, commitment, now=NOW)

    assert [each.kind for each in story.entries] == STORY
    assert (story.total, story.examined) == (len(STORY), 1)
    assert story.entries[0].day == ago(5).date()


async def test_the_passages_of_one_evening_are_told_from_the_last_to_the_first(session: AsyncSession) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)
    forum = await a_forum(session, now=OPENED, day=ago(70).date())
    written = await minutes.begun(session, forum)
    for number in range(8):
        await minutes.write(session, written, an_entry_form(title=f"Passage {number}"), None, [commitment], [], now=ago(65))
    written.published_at = ago(65)
    session.add(written)
    await session.flush()

    story = await timeline.story(session, commitment, genre="forums", now=NOW)

    assert [each.thing.number for each in story.entries if each.kind == "passage"] == list(range(8, 0, -1))


@pytest.mark.parametrize("genre", timeline.GENRES)
async def test_a_genre_keeps_its_kinds_and_says_how_many_there_are(session: AsyncSession, genre: str) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)
    await lived(session, plan, commitment)

    story = await timeline.story(session, commitment, genre=genre, now=NOW)

    kept = [kind for kind in STORY if kind in timeline.GENRES[genre][1]]
    assert [each.kind for each in story.entries] == kept
    assert (story.total, story.counts[genre]) == (len(kept), len(kept))


def test_every_kind_belongs_to_one_genre() -> None:
    assert sorted(kind for _, kinds in timeline.GENRES.values() for kind in kinds) == sorted(STORY)


async def test_pages_follow_one_another_without_a_gap(session: AsyncSession) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)
    await lived(session, plan, commitment)

    pages = [await timeline.story(session, commitment, offset=offset, limit=5, now=NOW) for offset in (0, 5, 10)]

    assert [each.kind for page in pages for each in page.entries] == STORY


async def test_what_happened_to_another_commitment_is_not_its_story(session: AsyncSession) -> None:
    plan = await a_plan(session)
    mine, other = [await a_commitment(session, plan, number) for number in (1, 2)]
    await lived(session, plan, other)

    story = await timeline.story(session, mine, now=NOW)

    assert (list(story.entries), story.total, story.examined) == ([], 0, 0)


async def test_a_forum_to_come_is_told_and_examines_nothing_yet(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    await link_commitments(session, await a_forum(session), [commitment])

    story = await timeline.story(session, commitment, now=NOW)

    assert ([each.kind for each in story.entries], story.examined) == (["forum"], 0)


async def test_an_origin_is_named_before_its_plan_is_loaded_and_linked_afterwards(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    session.add(CommitmentContinuation(commitment_id=commitment.id, plan_slug="2015-2017", number=8))
    await session.flush()
    before = await timeline.origins(session, commitment)
    old = await a_commitment(session, await a_plan(session, "2015-2017", current=False), 8)

    after = await timeline.origins(session, commitment)

    assert [(each.plan_slug, each.number, each.commitment) for each in before] == [("2015-2017", 8, None)]
    assert [each.commitment for each in after] == [old]


async def test_a_long_story_costs_the_statements_of_a_short_one(database: Database) -> None:
    async def counted(number: int, times: int) -> int:
        statements: list[str] = []
        async with database.transaction() as session:
            plan = await a_plan(session, f"plan-{number}", current=False)
            commitment = await a_commitment(session, plan, number)
            await lived(session, plan, commitment, times=times)
            engine = database.writer.sync_engine

            def told(*given: Any) -> None:
                statements.append(given[2])

            event.listen(engine, "before_cursor_execute", told)
            await timeline.story(session, commitment, limit=13 * times, now=NOW)
            event.remove(engine, "before_cursor_execute", told)
        return len(statements)

    assert await counted(1, 1) == await counted(2, 8)


# -- On its page --------------------------------------------------------------------------------------------------


async def test_the_page_reads_as_a_story_with_dates_links_and_filters(site: Site) -> None:
    everything = (await site.get("/engagements/2")).text
    forums = (await site.get("/engagements/2?genre=forums")).text
    unknown = await site.get("/engagements/2?genre=inconnu&page=400")

    story = everything.split('id="histoire"')[1]
    assert '<ol class="od-chain" aria-labelledby="histoire">' in story
    assert story.count("<time datetime=") > 10
    assert "Compte rendu" in story
    assert "?genre=questions#histoire" in story
    assert "Réponse écrite" in story
    assert "Réponse écrite" not in forums.split('id="histoire"')[1]
    assert (unknown.status_code, "Rien de public ici." in unknown.text) == (200, True)


async def test_a_commitment_no_forum_was_about_says_it_was_never_examined(site: Site) -> None:
    page = (await site.get("/plans/essai/engagements/1")).text

    assert "aucun forum tenu n'a encore porté sur cet engagement" in page.replace("&#39;", "'")


async def test_a_commitment_that_was_amended_leads_to_its_text_before_and_after(site: Site) -> None:
    page = (await site.get("/plans/projet-de-demonstration/engagements/1")).text.split('id="histoire"')[1]

    address = re.findall(r'href="([^"#]+)#(modification-\w+)"', page)

    assert [f'id="{anchor}"' in (await site.get(path)).text for path, anchor in address] == [True]
