"""The clock of a forum: by when each step is due, what is late and who sees it, and how the days are changed."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import agenda, minutes, schedule, steps
from forums.models import AuditEvent, FollowUp, FollowUpForum, Forum, ForumStep, QuestionInstitution, Season
from forums.models.forum import PARIS, StepKind
from forums.pages import page
from forums.refusals import NotAnnounced, WrongMoment
from forums.schedule import ChangedMeanwhile, ForumDatesForm, SeasonSettingsForm
from forums.steps import Facts, Step
from tests.factories import (
    NOW,
    a_forum,
    a_move_form,
    a_question,
    a_season,
    an_agenda_item,
    an_entry_form,
    an_institution,
)
from tests.site import Site

EVENING = date(2027, 4, 15)
OPENED = datetime(2026, 9, 1, tzinfo=UTC)


def in_paris(day: date, hour: time = time(12)) -> datetime:
    return datetime.combine(day, hour, tzinfo=PARIS).astimezone(UTC)


async def an_evening(session: AsyncSession, **facts: Any) -> Forum:
    """A forum on 15 April 2027, written down long before."""
    return await a_forum(session, **{"day": EVENING, "now": OPENED} | facts)


def states(line: list[Step]) -> dict[StepKind, str]:
    return {step.kind: step.state for step in line}


async def state(session: AsyncSession, forum: Forum, kind: StepKind, now: datetime) -> str | None:
    return states(await steps.line_of(session, forum, now=now)).get(kind)


async def publish_minutes(session: AsyncSession, forum: Forum, now: datetime) -> None:
    written = await minutes.begun(session, forum)
    await minutes.write(session, written, an_entry_form(), None, [], [], now=now)
    await minutes.publish(session, written, now=now)


async def a_promise(session: AsyncSession, forum: Forum, **facts: Any) -> FollowUp:
    promise = FollowUp(**{"forum_id": forum.id, "text": "Publier les données.", "created_at": NOW} | facts)
    session.add(promise)
    await session.flush()
    return promise


# -- By when ----------------------------------------------------------------------------------------------


async def test_each_step_is_due_as_many_days_from_the_evening_as_its_season_says(session: AsyncSession) -> None:
    forum = await an_evening(session)

    line = await steps.line_of(session, forum, now=OPENED)

    assert [(step.kind, str(step.due)) for step in line] == [
        ("announce", "2027-02-14"),
        ("theme", "2027-03-16"),
        ("place", "2027-03-16"),
        ("questions", "2027-03-31"),
        ("agenda", "2027-04-08"),
        ("reminder", "2027-04-14"),
        ("evening", "2027-04-15"),
        ("minutes", "2027-04-25"),
        ("follow_ups", "2027-05-15"),
    ]


async def test_a_date_of_the_forums_own_comes_before_the_seasons(session: AsyncSession) -> None:
    season = await a_season(session, agenda_days=10, minutes_days=30)
    forum = await an_evening(session, season=season)
    session.add(ForumStep(forum_id=forum.id, kind="minutes", due_on=date(2027, 6, 1)))

    line = {step.kind: step for step in await steps.line_of(session, forum, now=OPENED)}

    assert (line["agenda"].due, line["agenda"].own) == (date(2027, 4, 5), False)
    assert (line["minutes"].due, line["minutes"].own) == (date(2027, 6, 1), True)


# The evening stands after the spring change of hour (28 March) and before it; then around the autumn one (31 October).
@pytest.mark.parametrize("due", [date(2027, 3, 27), date(2027, 3, 28), date(2027, 7, 1), date(2027, 10, 30), date(2027, 10, 31)])
async def test_a_step_is_late_from_the_midnight_in_paris_that_ends_its_day(session: AsyncSession, due: date) -> None:
    forum = await an_evening(session, day=due + timedelta(days=7))
    next_midnight = in_paris(due + timedelta(days=1), time(0))

    before, after = [await state(session, forum, "agenda", now) for now in (next_midnight - timedelta(seconds=1), next_midnight)]

    assert (before, after) == ("due", "late")


async def test_a_step_is_due_from_the_seventh_day_before_its_own(session: AsyncSession) -> None:
    forum = await an_evening(session)
    first = in_paris(date(2027, 4, 1), time(0))  # the agenda is due on the 8th

    assert await state(session, forum, "agenda", first - timedelta(seconds=1)) == "later"
    assert await state(session, forum, "agenda", first) == "due"


async def test_each_step_is_done_from_a_fact_and_by_nothing_else(session: AsyncSession) -> None:
    forum = await an_evening(session, status="draft", announced_at=None, theme=None, place=None, capacity=0)
    early = in_paris(date(2027, 1, 4))
    at_first = states(await steps.line_of(session, forum, now=early))

    await schedule.announce(session, forum, now=early)
    forum.theme, forum.place, forum.capacity = "Les algorithmes", "Cour des comptes", 50
    await an_agenda_item(session, forum)
    await agenda.publish(session, forum, now=early)
    forum.reminded_eve_at = early
    before = states(await steps.line_of(session, forum, now=early))
    await publish_minutes(session, forum, in_paris(date(2027, 4, 20)))
    afterwards = states(await steps.line_of(session, forum, now=in_paris(date(2027, 4, 20))))

    assert set(at_first.values()) == {"later"}
    assert [kind for kind, each in before.items() if each == "done"] == ["announce", "theme", "place", "agenda", "reminder"]
    assert set(afterwards.values()) == {"done"}


async def test_a_place_without_seats_is_not_done_before_the_evening_and_is_after_it(session: AsyncSession) -> None:
    forum = await an_evening(session, capacity=0)

    assert await state(session, forum, "place", in_paris(date(2027, 4, 14))) == "late"
    assert await state(session, forum, "place", in_paris(date(2027, 4, 16))) == "done"


async def test_questions_close_by_themselves_and_are_late_only_for_a_forum_nobody_could_put_any_to(session: AsyncSession) -> None:
    announced = await an_evening(session)
    draft = await an_evening(session, number=2, status="draft", announced_at=None)
    closing = in_paris(date(2027, 3, 31), time(23, 59))

    assert await state(session, announced, "questions", closing - timedelta(minutes=1)) == "due"
    assert await state(session, announced, "questions", closing) == "done"
    assert await state(session, draft, "questions", closing + timedelta(minutes=1)) == "late"


async def test_a_reminder_that_did_not_leave_is_late_on_the_day_and_forgotten_once_the_evening_is_over(session: AsyncSession) -> None:
    forum = await an_evening(session)

    assert await state(session, forum, "reminder", in_paris(date(2027, 4, 14), time(23, 59))) == "due"
    assert await state(session, forum, "reminder", in_paris(EVENING, time(0))) == "late"
    assert await state(session, forum, "reminder", in_paris(EVENING, time(20, 30))) is None


async def test_what_was_not_done_before_the_evening_stays_late_after_it(session: AsyncSession) -> None:
    forum = await an_evening(session, theme=None)

    after = states(await steps.line_of(session, forum, now=in_paris(date(2027, 4, 16))))

    assert (after["theme"], after["agenda"], after["evening"], after["minutes"]) == ("late", "late", "done", "later")


@pytest.mark.parametrize(
    "facts",
    [
        {"status": "cancelled"},
        {"status": "draft", "announced_at": None},
        {"sources": ["https://example.org/annonce"]},
        {"minutes_elsewhere": "https://example.org/compte-rendu"},
        {"created_at": datetime(2027, 4, 16, tzinfo=UTC)},
    ],
)
async def test_a_forum_cancelled_never_announced_or_held_before_this_site_is_late_for_nothing(
    session: AsyncSession, facts: dict[str, Any]
) -> None:
    forum = await an_evening(session, theme=None, **facts)

    assert await steps.line_of(session, forum, now=in_paris(date(2027, 6, 30))) == []
    assert await steps.desks(session, now=in_paris(date(2027, 6, 30))) == []


# -- The promises --------------------------------------------------------------------------------------------


async def test_without_promises_the_last_step_is_done_with_the_minutes(session: AsyncSession) -> None:
    forum = await an_evening(session)
    after = in_paris(date(2027, 4, 20))
    before = await state(session, forum, "follow_ups", after)

    await publish_minutes(session, forum, after)

    assert (before, await state(session, forum, "follow_ups", after)) == ("later", "done")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "late"),
        ({"status": "kept", "evidence": "C'est en ligne.", "closed_at": NOW}, "done"),
        ({"status": "dropped", "drop_reason": "Plus de budget.", "closed_at": NOW}, "done"),
    ],
)
async def test_an_open_promise_keeps_the_last_step_open_until_it_is_closed(
    session: AsyncSession, facts: dict[str, Any], expected: str
) -> None:
    forum = await an_evening(session)
    await publish_minutes(session, forum, in_paris(date(2027, 4, 20)))

    await a_promise(session, forum, **facts)

    assert await state(session, forum, "follow_ups", in_paris(date(2027, 5, 16))) == expected


async def test_a_promise_carried_to_a_later_forum_is_then_that_forums_to_follow(session: AsyncSession) -> None:
    first = await an_evening(session)
    second = await an_evening(session, number=2, day=date(2027, 6, 17))
    third = await an_evening(session, number=3, day=date(2027, 9, 23))
    for forum in (first, second):
        await publish_minutes(session, forum, in_paris(date(2027, 6, 20)))
    promise = await a_promise(session, first)
    late = in_paris(date(2027, 7, 30))

    session.add(FollowUpForum(follow_up_id=promise.id, forum_id=second.id))
    await session.flush()
    carried = [await state(session, forum, "follow_ups", late) for forum in (first, second)]
    session.add(FollowUpForum(follow_up_id=promise.id, forum_id=third.id))
    await session.flush()
    carried_again = [await state(session, forum, "follow_ups", late) for forum in (first, second)]
    third.status = "cancelled"
    await session.flush()

    assert (carried, carried_again) == (["done", "late"], ["done", "done"])
    assert [await state(session, forum, "follow_ups", late) for forum in (first, second)] == ["done", "late"]


# -- The table ----------------------------------------------------------------------------------------------


async def test_what_is_late_comes_first_on_the_table_and_what_is_over_leaves_it(session: AsyncSession) -> None:
    now = in_paris(date(2027, 4, 10))
    soon = await an_evening(session, number=1, agenda_published_at=NOW)
    late = await an_evening(session, number=2, day=date(2027, 5, 1), theme=None)
    over = await an_evening(session, number=3, day=date(2027, 3, 1), agenda_published_at=NOW)
    await publish_minutes(session, over, now)

    found = await steps.desks(session, now=now)

    assert [(desk.forum.id, desk.next_step.kind if desk.next_step else None) for desk in found] == [
        (late.id, "theme"),
        (soon.id, "evening"),
    ]


async def test_moderators_see_the_questions_to_read_before_the_agenda_is_due_the_late_first(session: AsyncSession) -> None:
    now = in_paris(date(2027, 4, 10))
    late, soon = await an_evening(session), await an_evening(session, number=2, day=date(2027, 4, 22))
    for number, forum in enumerate((soon, soon, late, None)):
        await a_question(session, forum, email=f"q{number}@example.org", status="pending")

    tasks = await steps.of_moderators(session, now=now)

    assert [(task.number, task.state, task.due) for task in tasks] == [
        (1, "late", date(2027, 4, 8)),
        (2, "due", date(2027, 4, 15)),
        (1, "due", None),
    ]


async def test_agents_see_what_was_asked_of_their_institutions_and_what_these_promised_and_nothing_else(session: AsyncSession) -> None:
    now = in_paris(date(2027, 4, 10))
    forum = await an_evening(session)
    theirs, other = await an_institution(session), await an_institution(session, "Cour des comptes")
    asked = [await a_question(session, forum, email=f"q{number}@example.org") for number in range(2)]
    for question, institution in zip(asked, (theirs, other), strict=True):
        session.add(QuestionInstitution(question_id=question.id, institution_id=institution.id))
    promise = await a_promise(session, forum, institution_id=theirs.id, due_on=date(2027, 4, 9))
    await a_promise(session, forum, institution_id=other.id, due_on=date(2027, 4, 9))

    tasks = await steps.of_agents(session, [theirs], now=now)

    assert [(task.kind, task.state, task.where) for task in tasks] == [
        ("promise", "late", f"/suites/{promise.code}"),
        ("answer", "due", f"/questions/{asked[0].code}"),
    ]


# -- The days of a season -------------------------------------------------------------------------------------


async def settings_of(session: AsyncSession, season: Season, **typed: str) -> SeasonSettingsForm:
    return SeasonSettingsForm.model_validate(schedule.season_values(season, None) | typed)


async def test_the_questions_of_coming_forums_close_by_the_new_days_but_for_those_with_a_date_of_their_own(session: AsyncSession) -> None:
    season = await a_season(session)
    over = await an_evening(session, number=1, day=date(2027, 1, 14), season=season)
    coming = await an_evening(session, number=2, season=season)
    chosen = await an_evening(session, number=3, day=date(2027, 6, 17), season=season)
    await schedule.settle_dates(session, chosen, season, await dates_of(session, chosen, questions="2027-06-10"), now=NOW)
    closed = over.questions_close_at

    await schedule.settle_season(session, season, await settings_of(session, season, questions_days="10"), None, now=NOW)

    assert over.questions_close_at == closed
    assert coming.questions_close_at == in_paris(date(2027, 4, 5), time(23, 59))
    assert chosen.questions_close_at == in_paris(date(2027, 6, 10), time(23, 59))


async def test_a_season_settled_from_an_old_form_is_refused_and_the_same_twice_is_not(session: AsyncSession) -> None:
    season = await a_season(session)
    mine, theirs = await settings_of(session, season, title="Saison A"), await settings_of(session, season, minutes_days="30")

    await schedule.settle_season(session, season, theirs, None, now=NOW)
    await schedule.settle_season(session, season, theirs, None, now=NOW)
    with pytest.raises(ChangedMeanwhile):
        await schedule.settle_season(session, season, mine, None, now=NOW)

    assert (season.title, season.minutes_days) == ("Saison 2027", 30)


# -- The dates of a forum --------------------------------------------------------------------------------------


async def dates_of(session: AsyncSession, forum: Forum, **typed: str) -> ForumDatesForm:
    return ForumDatesForm.model_validate(schedule.dates_values(forum, await schedule.own_dates(session, forum)) | typed)


async def settle(session: AsyncSession, forum: Forum, **typed: str) -> None:
    season = await schedule.season_of(session, forum)
    await schedule.settle_dates(session, forum, season, await dates_of(session, forum, **typed), now=NOW)


async def test_a_forums_questions_close_by_its_own_date_and_by_its_seasons_again_once_it_is_emptied(session: AsyncSession) -> None:
    forum = await an_evening(session)

    await settle(session, forum, questions="2027-04-14", agenda="2027-04-01")
    chosen, own = forum.questions_close_at, await schedule.own_dates(session, forum)
    await settle(session, forum, questions="")

    assert chosen == in_paris(date(2027, 4, 14), time(23, 59))
    assert own == {"questions": date(2027, 4, 14), "agenda": date(2027, 4, 1)}
    assert forum.questions_close_at == in_paris(date(2027, 3, 31), time(23, 59))
    assert await schedule.own_dates(session, forum) == {"agenda": date(2027, 4, 1)}


async def test_questions_open_until_the_day_itself_close_when_the_evening_begins(session: AsyncSession) -> None:
    forum = await an_evening(session)

    await settle(session, forum, questions=str(EVENING))

    assert forum.questions_close_at == forum.starts_at


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [("agenda", "2027-04-15", "2027-04-16"), ("questions", "2027-04-15", "2027-04-16"), ("minutes", "2027-04-15", "2027-04-14")],
)
async def test_a_date_on_the_wrong_side_of_the_evening_is_refused(
    session: AsyncSession, kind: StepKind, allowed: str, refused: str
) -> None:
    forum = await an_evening(session)

    await settle(session, forum, **{kind: allowed})
    with pytest.raises(WrongMoment):
        await settle(session, forum, **{kind: refused})

    assert await schedule.own_dates(session, forum) == {kind: date.fromisoformat(allowed)}


async def test_dates_typed_from_an_old_form_are_refused_even_when_it_is_the_forum_that_moved(session: AsyncSession) -> None:
    forum = await an_evening(session)
    season = await schedule.season_of(session, forum)
    mine, other = await dates_of(session, forum, agenda="2027-04-01"), await dates_of(session, forum, theme="2027-03-01")

    await schedule.settle_dates(session, forum, season, other, now=NOW)
    with pytest.raises(ChangedMeanwhile):
        await schedule.settle_dates(session, forum, season, mine, now=NOW)
    fresh = await dates_of(session, forum, agenda="2027-04-01")
    await schedule.move(session, forum, a_move_form("2027-04-22"), now=NOW)
    with pytest.raises(ChangedMeanwhile):
        await schedule.settle_dates(session, forum, season, fresh, now=NOW)


async def test_a_cancelled_forum_has_no_dates_to_settle(session: AsyncSession) -> None:
    forum = await an_evening(session, status="cancelled")

    with pytest.raises(NotAnnounced):
        await settle(session, forum, agenda="2027-04-01")


# -- A forum that moves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own_dates", "kept", "closes"),
    [
        # A fortnight earlier: the agenda's date would come after the evening, and goes back to the season's.
        ("along", {"questions": date(2027, 3, 27), "agenda": date(2027, 3, 30), "minutes": date(2027, 4, 17)}, date(2027, 3, 27)),
        ("stay", {"minutes": date(2027, 5, 1)}, date(2027, 3, 17)),
        ("", {"questions": date(2027, 3, 27), "agenda": date(2027, 3, 30), "minutes": date(2027, 4, 17)}, date(2027, 3, 27)),
    ],
)
async def test_a_moved_forum_takes_its_own_dates_along_or_leaves_those_that_can_stay(
    session: AsyncSession, own_dates: str, kept: dict[StepKind, date], closes: date
) -> None:
    forum = await an_evening(session)
    await settle(session, forum, questions="2027-04-10", agenda="2027-04-13", minutes="2027-05-01")

    await schedule.move(session, forum, a_move_form("2027-04-01").model_copy(update={"own_dates": own_dates}), now=NOW)

    assert await schedule.own_dates(session, forum) == kept
    assert forum.questions_close_at == in_paris(closes, time(23, 59))


@pytest.mark.parametrize(("to", "closes"), [("2027-04-05", (2027, 3, 26)), ("2027-11-05", (2027, 10, 26))])
async def test_a_moved_forum_closes_its_questions_by_its_seasons_days_across_a_change_of_hour(
    session: AsyncSession, to: str, closes: tuple[int, int, int]
) -> None:
    forum = await an_evening(session, season=await a_season(session, questions_days=10))

    await schedule.move(session, forum, a_move_form(to), now=NOW)

    assert (forum.questions_close_at or NOW).astimezone(PARIS) == datetime(*closes, 23, 59, tzinfo=PARIS)


async def test_saving_a_move_that_changes_nothing_leaves_the_closing_of_the_questions_alone(session: AsyncSession) -> None:
    forum = await an_evening(session)
    await settle(session, forum, questions="2027-04-10")

    await schedule.move(session, forum, a_move_form(EVENING), now=NOW)

    assert forum.questions_close_at == in_paris(date(2027, 4, 10), time(23, 59))


def test_the_line_is_drawn_from_what_it_is_given_alone() -> None:
    forum = Forum(season_id=Season(slug="s", title="S").id, number=1, slug="s-1", day=EVENING, created_at=OPENED)

    line = steps.draw(forum, Facts(Season(slug="s", title="S", announce_days=0)), now=OPENED)

    assert [step.due for step in line if step.kind == "announce"] == [EVENING]


# -- The pages ------------------------------------------------------------------------------------------------


async def a_public_forum(site: Site, **facts: Any) -> str:
    """An announced forum in a season of its own, its agenda due today; returns its slug."""
    today = datetime.now(PARIS).date()
    async with site.database.transaction() as session:
        season = await a_season(session, "essai", title="Saison d'essai")
        given = {"season": season, "day": today + timedelta(days=7), "now": datetime.now(UTC) - timedelta(days=90), "number": 1}
        return (await a_forum(session, **given | facts)).slug


async def values_of(site: Site, slug: str) -> dict[str, str]:
    async with site.database.reading() as session:
        forum = await schedule.forum_by_slug(session, slug, drafts=True)
        assert forum
        return schedule.dates_values(forum, await schedule.own_dates(session, forum))


async def season_values(site: Site) -> dict[str, str]:
    async with site.database.reading() as session:
        season = await schedule.season_by_slug(session, "essai")
        assert season
        return schedule.season_values(season, None)


async def test_a_public_page_says_at_midnight_in_paris_that_something_is_late_though_nothing_was_written(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = await a_public_forum(site)
    today = datetime.now(PARIS).date()
    midnight = in_paris(today + timedelta(days=1), time(0)).astimezone(UTC)
    monkeypatch.setattr(page, "now", lambda: midnight - timedelta(seconds=1))
    before = await site.get(f"/forums/{slug}")

    monkeypatch.setattr(page, "now", lambda: midnight)
    await site.pages_grow_old()
    after = await site.get(f"/forums/{slug}", headers={"if-none-match": before.headers["etag"]})

    assert "était attendu" not in before.text
    assert "L'ordre du jour paraît au plus tard le" in before.text
    assert after.status_code == 200
    assert "L'ordre du jour était attendu pour le" in after.text
    assert "paraît au plus tard" not in after.text


async def test_the_public_reads_everything_that_is_late_and_nothing_of_a_cancelled_forum(site: Site) -> None:
    today = datetime.now(PARIS).date()
    slug = await a_public_forum(site, day=today - timedelta(days=40), theme=None, place=None)
    late = (await site.get(f"/forums/{slug}")).text
    async with site.database.transaction() as session:
        forum = await schedule.forum_by_slug(session, slug)
        assert forum
        await publish_minutes(session, forum, datetime.now(UTC))
        await a_promise(session, forum)
    promised = (await site.get(f"/forums/{slug}?apres=1")).text
    async with site.database.transaction() as session:
        forum = await schedule.forum_by_slug(session, slug)
        assert forum
        forum.status, forum.cancel_reason = "cancelled", "Grève."
    cancelled = (await site.get(f"/forums/{slug}?apres=2")).text

    for said in ("Le thème était attendu", "Le lieu et le nombre de places étaient attendus", "Le compte rendu était attendu"):
        assert said in late
    assert "Le compte rendu était attendu" not in promised
    assert "une promesse n'est ni tenue, ni abandonnée, ni reportée" in promised
    assert "attendu" not in cancelled


async def test_no_forum_held_before_this_site_is_accused_of_anything(site: Site) -> None:
    async with site.database.reading() as session:
        past = [forum.slug for forum, _ in await schedule.public_forums(session) if forum.sources]

    pages = [(await site.get(f"/forums/{slug}")).text for slug in past]

    assert past
    assert [slug for slug, text in zip(past, pages, strict=True) if "était attendu" in text or "étaient attendus" in text] == []


async def test_an_organiser_settles_a_season_and_the_forums_page_follows(site: Site) -> None:
    slug = await a_public_forum(site)
    await site.sign_in("organiser")

    form = await site.get("/organisation/saisons/essai")
    saved = await site.post("/organisation/saisons/essai", **await season_values(site) | {"agenda_days": "3", "agents_publish": "1"})
    after = await season_values(site)

    assert "Les administrations publient elles-mêmes leurs réponses" in form.text
    assert saved.headers["location"] == "/organisation/saisons/essai?fait=saison-reglee"
    assert "Les réglages de la saison sont enregistrés" in (await site.get(saved.headers["location"])).text
    assert (after["agenda_days"], after["agents_publish"]) == ("3", "1")
    due = datetime.now(PARIS).date() + timedelta(days=4)
    assert f"{due.day} " in (await site.get(f"/organisation/forums/{slug}")).text
    assert await journalled(site, "settle_season") == ["season essai"]


async def journalled(site: Site, verb: str) -> list[str]:
    async with site.database.reading() as session:
        return [event.subject for event in (await session.exec(select(AuditEvent).where(col(AuditEvent.verb) == verb))).all()]


@pytest.mark.parametrize(("name", "wrong"), [("agenda_days", "-1"), ("minutes_days", "366"), ("theme_days", "trente"), ("title", "")])
async def test_a_season_settled_wrong_comes_back_with_what_was_typed(site: Site, name: str, wrong: str) -> None:
    await a_public_forum(site)
    await site.sign_in("organiser")

    refused = await site.post("/organisation/saisons/essai", **await season_values(site) | {"questions_days": "12", name: wrong})

    assert refused.status_code == 422
    assert f'href="#{name}"' in refused.text
    assert 'value="12"' in refused.text
    assert (await season_values(site))["questions_days"] == "15"


async def test_two_organisers_settling_a_season_at_once_overwrite_nothing_and_see_both_texts(site: Site) -> None:
    await a_public_forum(site)
    await site.sign_in("organiser")
    old = await season_values(site)
    await site.post("/organisation/saisons/essai", **old | {"title": "Saison des autres"})

    refused = await site.post("/organisation/saisons/essai", **old | {"title": "Ma saison"})
    edition = (await season_values(site))["edition"]

    assert refused.status_code == 422
    assert 'value="Ma saison"' in refused.text
    assert "Enregistré par quelqu'un d'autre : Saison des autres" in refused.text.replace("\xa0", " ")
    assert f'value="{edition}"' in refused.text


async def test_an_organiser_gives_a_forum_its_own_dates_and_sees_them_on_its_line(site: Site) -> None:
    slug = await a_public_forum(site)
    await site.sign_in("organiser")
    today = datetime.now(PARIS).date()

    form = await site.get(f"/organisation/forums/{slug}/echeances")
    saved = await site.post(f"/organisation/forums/{slug}/echeances", **await values_of(site, slug) | {"agenda": str(today)})
    desk = await site.get(saved.headers["location"])
    moved = await site.get(f"/organisation/forums/{slug}/deplacer")

    assert "7 jours avant" in form.text
    assert saved.headers["location"] == f"/organisation/forums/{slug}?fait=echeances"
    assert "Date propre à ce forum." in desk.text
    assert 'name="own_dates" value="along" checked' in moved.text
    assert await journalled(site, "settle_dates") == [f"forum {slug}"]


async def test_a_date_on_the_wrong_side_comes_back_with_every_date_typed(site: Site) -> None:
    slug = await a_public_forum(site)
    await site.sign_in("organiser")
    today = datetime.now(PARIS).date()
    typed = {"agenda": str(today + timedelta(days=8)), "theme": str(today)}

    refused = await site.post(f"/organisation/forums/{slug}/echeances", **await values_of(site, slug) | typed)

    assert refused.status_code == 422
    assert "Cette étape vient avant le forum" in refused.text
    assert [f'value="{text}"' in refused.text for text in typed.values()] == [True, True]


@pytest.mark.parametrize("role", ["moderator", "agent", None])
async def test_only_organisers_change_what_is_due(site: Site, role: str | None) -> None:
    slug = await a_public_forum(site)
    if role:
        await site.sign_in(role)

    for path in ("/organisation/saisons/essai", f"/organisation/forums/{slug}/echeances"):
        assert (await site.get(path)).status_code == (403 if role else 303)
        assert (await site.post(path, title="Pris")).status_code == (403 if role else 401)

    assert (await season_values(site))["title"] == "Saison d'essai"


async def test_the_dashboard_says_first_what_is_late_then_what_is_due_and_what_is_done(site: Site) -> None:
    await a_public_forum(site, theme=None)
    await site.sign_in("organiser")

    shown = (await site.get("/organisation")).text

    assert shown.index("Définir le thème") < shown.index("od-steps__step--due")
    assert "Ce qui est fait" in shown


async def test_moderators_and_agents_find_on_the_dashboard_what_is_theirs_and_no_forum_to_prepare(site: Site) -> None:
    slug = await a_public_forum(site, theme=None)
    async with site.database.transaction() as session:
        forum = await schedule.forum_by_slug(session, slug)
        await a_question(session, forum, status="pending", email="nouvelle@example.org")
    await site.sign_in("moderator")
    moderator = (await site.get("/organisation")).text
    await site.sign_in("agent")
    agent = (await site.get("/organisation")).text

    assert "Lire une question qui attend d'être publiée" in moderator
    assert ["Définir le thème" in text for text in (moderator, agent)] == [False, False]
    assert "À faire, par échéance" in agent
