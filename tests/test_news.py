"""What happened in public: each fact once, at its moment, told to those whom it concerns and nobody else."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import event
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import news, news_feed
from forums.database import Database
from forums.language import said
from forums.models import (
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemQuestion,
    AgendaVersion,
    Answer,
    AuditEvent,
    Axis,
    Comment,
    CommitmentAmendment,
    Consultation,
    Evaluation,
    FollowUpChange,
    ForumCommitment,
    Indicator,
    Measurement,
    MeasurementChange,
    Milestone,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    MinutesVersion,
    ProgressReport,
    QuestionInstitution,
)
from forums.models.forum import PARIS
from forums.news.happened import MidnightAfter
from forums.news_feed import Feed
from tests.factories import NOW, _added, a_commitment, a_follow_up, a_forum, a_plan, a_question, an_institution, some_minutes
from tests.site import PUBLIC_URL, Site

DAY = timedelta(days=1)


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


async def an_evening(session: AsyncSession) -> dict[str, Any]:
    """Something of every kind, an hour apart: a forum about the first commitment, whose minutes speak of the second."""
    plan = await a_plan(session)
    axis = await _added(session, Axis(plan_id=plan.id, number=1, title="Axe 1"))
    first = await a_commitment(session, plan, 1, axis_id=axis.id)
    second = await a_commitment(session, plan, 2)
    await an_institution(session, "HATVP", leads=[first])
    cour = await an_institution(session, "Cour", leads=[second])
    other = await an_institution(session, "Ailleurs")
    forum = await a_forum(session, announced_at=at(1), sequence=1, changed_at=at(2))
    await _added(session, ForumCommitment(forum_id=forum.id, commitment_id=first.id))
    gone = await a_forum(session, number=2, announced_at=at(3), status="cancelled", cancelled_at=at(4), cancel_reason="Grève.")
    question = await a_question(session, forum, second, code="question", decided_at=at(5))
    await a_question(session, email="b@example.org", code="reunie22", status="merged", merged_into_id=question.id)
    await _added(session, QuestionInstitution(question_id=question.id, institution_id=other.id))
    item = await _added(session, AgendaItem(forum_id=forum.id, version=1, number=1, position=1, title="Point"))
    await _added(session, AgendaItemQuestion(agenda_item_id=item.id, question_id=question.id))
    await _added(session, AgendaItemCommitment(agenda_item_id=item.id, commitment_id=second.id))
    await _added(session, AgendaVersion(forum_id=forum.id, number=1, published_at=at(6)))
    await _added(session, Answer(question_id=question.id, institution_id=cour.id, text="Oui.", published_at=at(7), amended_at=at(8)))
    minutes = await some_minutes(session, forum, published_at=at(9))
    entry = await _added(session, MinutesEntry(minutes_id=minutes.id, number=1, text="Dit."))
    await _added(session, MinutesEntryCommitment(entry_id=entry.id, commitment_id=second.id))
    await _added(session, MinutesEntryQuestion(entry_id=entry.id, question_id=question.id))
    for number, moment in ((1, at(9)), (2, at(10))):
        await _added(session, MinutesVersion(minutes_id=minutes.id, number=number, published_at=moment, comment="Une précision."))
    promise = await a_follow_up(session, forum, entry, [first], institution_id=cour.id, due_on=date(2027, 1, 31), code="promesse")
    for hours, kind in ((11, "dropped"), (12, "reopened"), (13, "kept"), (13.5, "amended"), (13.6, "proposed")):
        await _added(session, FollowUpChange(follow_up_id=promise.id, at=at(hours), kind=kind, text="Parce que."))
    indicator = await _added(session, Indicator(commitment_id=first.id, position=1, name="Jeux ouverts", unit="%", code="indicate"))
    known = {"indicator_id": indicator.id, "value": "12"}
    await _added(session, Measurement(**known, measured_on=date(2018, 1, 1)))  # came with the plan's file
    await _added(session, Measurement(**known, measured_on=date(2018, 2, 1), status="proposed", published_at=at(14)))
    measured = await _added(session, Measurement(**known, measured_on=date(2027, 1, 1), published_at=at(14)))
    for hours, kind in ((13, "corrected"), (15, "corrected"), (14, "published")):
        await _added(session, MeasurementChange(measurement_id=measured.id, at=at(hours), kind=kind, value="13", reason="Faute."))
    reported = {"period_start": date(2027, 1, 1), "period_end": date(2027, 6, 30), "completion": "complete", "status": "published"}
    reported |= {"published_at": at(16), "amended_at": at(17)}
    await _added(session, ProgressReport(commitment_id=second.id, institution_id=other.id, text="Fait.", code="rapport2", **reported))
    reached = {"state": "done", "done_on": date(2027, 1, 1), "state_changed_at": at(17.5)}
    await _added(session, Milestone(commitment_id=first.id, position=1, text="Publier.", **reached))
    await _added(session, Milestone(commitment_id=first.id, position=2, text="Nobody said anything of this one."))
    judged = {"plan_id": plan.id, "kind": "independent", "title": "Le rapport"}
    await _added(session, Evaluation(**judged, commitment_id=first.id, position=1, added_here=True, added_at=at(18)))
    await _added(session, Evaluation(**judged, position=2, added_here=False, added_at=at(18)))
    consultation = await _added(
        session, Consultation(plan_id=plan.id, opens_at=at(19), closes_at=at(20), synthesis="Bref.", synthesis_published_at=at(21))
    )
    written = {"consultation_id": consultation.id, "commitment_id": first.id, "text": "Mieux.", "status": "published", "decided_at": at(20)}
    await _added(session, Comment(**written, author_key="a", text_hash="a", reply="Oui.", replied_at=at(22), code="comments"))
    await _added(session, CommitmentAmendment(commitment_id=second.id, at=at(23), reason="Entendu."))
    return {"forum": forum, "gone": gone, "question": question, "promise": promise, "second": second, "plan": plan}


async def kinds(session: AsyncSession, since: datetime | None = None, until: datetime | None = None, **options: Any) -> list[str]:
    found = await news.between(session, since, until or at(24), **options)
    return [item.kind for item in reversed(found)]


IN_ORDER = [
    "forum_announced", "forum_changed", "forum_announced", "forum_cancelled", "question_published", "agenda_published",
    "answer_published", "answer_amended", "promise_late", "promise_recorded", "minutes_published", "minutes_amended", "promise_dropped",
    "promise_reopened", "promise_kept", "measurement_published", "measurement_corrected", "report_published", "report_amended",
    "milestone_told", "evaluation_added", "consultation_opened", "consultation_closed", "consultation_summed_up", "comment_replied",
    "commitment_amended",
]  # fmt: skip


async def test_every_kind_of_fact_is_told_once_at_its_moment_the_newest_first(session: AsyncSession) -> None:
    await an_evening(session)

    found = await news.between(session, None, at(24))

    assert sorted(item.kind for item in found) == sorted(IN_ORDER)
    assert [item.moment for item in found] == sorted((item.moment for item in found), reverse=True)
    assert {item.kind for item in found} == set(news.KINDS)
    assert len({item.id for item in found}) == len(found)
    assert {item.kind: item.moment for item in found}["promise_recorded"] == at(9)  # with the minutes, not before


async def test_a_stretch_of_time_begins_after_its_start_and_holds_its_end_and_stretches_add_up(session: AsyncSession) -> None:
    await an_evening(session)

    hours = [await news.between(session, at(hour), at(hour + 1)) for hour in range(-1, 24)]

    assert [item.kind for item in hours[5]] == ["question_published"]
    assert sorted(item.id for found in hours for item in found) == sorted(item.id for item in await news.between(session, None, at(24)))


async def test_the_newest_are_kept_when_there_is_a_limit(session: AsyncSession) -> None:
    await an_evening(session)
    everything = await news.between(session, None, at(24))

    for limit in (1, 7, 18):
        assert [item.id for item in await news.between(session, None, at(24), limit=limit)] == [item.id for item in everything[:limit]]


async def test_what_a_scope_finds_is_exactly_what_says_it_belongs_to_it(session: AsyncSession) -> None:
    await an_evening(session)
    everything = await news.between(session, None, at(24))
    scopes = {scope for item in everything for scope in item.scopes}

    assert scopes == {
        "tout", "plans/2018-2020/axes/1", "plans/2018-2020/engagements/1", "plans/2018-2020/engagements/2",
        "institutions/hatvp", "institutions/cour", "institutions/ailleurs", "questions/question", "questions/reunie22",
    }  # fmt: skip
    for scope in scopes:
        found = {item.id for item in await news.between(session, None, at(24), scope)}
        assert found == {item.id for item in everything if scope in item.scopes}, scope
    for nothing in ("questions/zzzzzzzz", "plans/2018-2020/axes/9", "institutions/personne", "n'importe quoi"):
        assert await news.between(session, None, at(24), nothing) == []


async def test_a_commitment_hears_of_its_forum_and_a_question_of_the_agenda_answers_and_minutes_about_it(session: AsyncSession) -> None:
    await an_evening(session)

    assert await kinds(session, scope="plans/2018-2020/engagements/1") == [
        "forum_announced", "forum_changed", "agenda_published", *sorted(["minutes_published", "promise_late", "promise_recorded"]),
        "minutes_amended", "promise_dropped", "promise_reopened", "promise_kept", "measurement_published", "measurement_corrected",
        "milestone_told", "evaluation_added", "comment_replied",
    ]  # fmt: skip
    assert set(await kinds(session, scope="questions/reunie22")) == {
        "question_published", "agenda_published", "answer_published", "answer_amended", "minutes_published", "minutes_amended",
        "promise_recorded", "promise_kept", "promise_dropped", "promise_reopened", "promise_late",
    }  # fmt: skip


async def test_what_happened_in_another_plan_than_the_current_one_says_which(session: AsyncSession) -> None:
    facts = await an_evening(session)
    before = {item.id: item.text for item in await news.between(session, None, at(24))}
    facts["plan"].current, facts["plan"].title = False, "Plan d'avant"
    session.add(facts["plan"])
    await session.flush()

    after = {item.kind: item.text.startswith("Plan d'avant – ") for item in await news.between(session, None, at(24))}

    assert not any(text.startswith("Plan d'avant") for text in before.values())
    assert {kind for kind, said in after.items() if said} == {
        "measurement_published", "measurement_corrected", "report_published", "report_amended", "milestone_told", "evaluation_added",
        "comment_replied", "commitment_amended",
    }  # fmt: skip


async def test_what_the_public_may_not_read_is_no_news(session: AsyncSession) -> None:
    facts = await an_evening(session)
    facts["question"].status, facts["question"].decline_reason = "unpublished", "Hors sujet."
    session.add(facts["question"])
    await a_forum(session, number=3, status="draft", announced_at=None)
    await a_follow_up(session, facts["gone"], text="De mémoire.")  # its minutes are not out
    await session.flush()

    found = await kinds(session)

    assert [kind for kind in found if kind.startswith(("question", "answer"))] == []
    assert found.count("promise_recorded") == 1
    assert found.count("forum_announced") == 2


async def test_a_forum_that_was_over_when_it_was_written_down_is_history(session: AsyncSession) -> None:
    long_ago = NOW - 300 * DAY
    await a_forum(session, day=long_ago.date(), announced_at=NOW, sequence=2, changed_at=NOW + DAY)
    await a_forum(session, number=2, day=long_ago.date(), starts_at=None, ends_at=None, announced_at=NOW)

    assert await kinds(session, until=NOW + 2 * DAY) == []


async def test_the_midnight_in_paris_is_the_same_for_the_database_as_for_the_clock(session: AsyncSession) -> None:
    """Around the Sundays on which the hour changes, of which one engine is told by rule and the other by its zones."""
    days = [date(year, *turn) + at * DAY for year in range(2018, 2032) for turn in ((3, 22), (10, 22)) for at in range(12)]
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan)
    session.add_all([Milestone(commitment_id=commitment.id, position=at, text="Jalon", due_on=day) for at, day in enumerate(days, 1)])
    await session.flush()

    found = (await session.exec(select(col(Milestone.due_on), MidnightAfter(col(Milestone.due_on))))).all()

    assert dict(found) == {day: datetime.combine(day + DAY, time(), PARIS) for day in days}


async def test_of_many_late_promises_a_feed_holds_the_newest(session: AsyncSession) -> None:
    made = await an_evening(session)
    for days in range(1, 9):
        await a_follow_up(session, made["forum"], due_on=(NOW + 3 * days * DAY).date())
    until = NOW + 30 * DAY

    every = await news.between(session, None, until)
    few = await news.between(session, None, until, limit=5)

    assert sum(each.kind == "promise_late" for each in every) > 5
    assert [each.moment for each in few] == [each.moment for each in every[:5]]


@pytest.mark.parametrize(
    ("closed", "late"), [(None, True), (datetime.fromisoformat("2027-02-10T22:30:00+00:00"), False), (NOW + 20 * DAY, True)]
)
async def test_a_promise_is_late_from_the_midnight_in_paris_that_ends_its_day(
    session: AsyncSession, closed: datetime | None, late: bool
) -> None:
    forum = await a_forum(session)
    await some_minutes(session, forum, published_at=NOW)
    kept = {"status": "kept", "closed_at": closed, "evidence": "La liste."} if closed else {}
    await a_follow_up(session, forum, due_on=date(2027, 2, 10), **kept)
    midnight = datetime.fromisoformat("2027-02-10T23:00:00+00:00")

    seen = [await kinds(session, NOW, midnight + timedelta(seconds=seconds)) for seconds in (-1, 0)]
    after = await kinds(session, midnight, NOW + 30 * DAY)

    assert ["promise_late" in found for found in seen] == [False, late]
    assert "promise_late" not in after


async def test_a_move_is_told_as_a_move_and_any_other_change_as_a_change(session: AsyncSession) -> None:
    moved, changed = [await a_forum(session, number=number, sequence=1, changed_at=at(1)) for number in (1, 2)]
    await _added(session, AuditEvent(at=at(1) + timedelta(milliseconds=40), actor="organiser", verb="move", subject=f"forum {moved.slug}"))

    found = {item.figures["number"]: item.sentence for item in await news.between(session, at(0.5), at(2))}

    assert "déplacé" in found[moved.number]
    assert "déplacé" not in found[changed.number]


async def test_every_sentence_is_complete_in_both_languages(session: AsyncSession) -> None:
    await an_evening(session)

    for item in await news.between(session, None, at(24)):
        for language in ("fr", "en"):
            shown = said(item.sentence, item.figures, language)
            assert "{" not in shown
            assert shown.strip() == shown


def counting(database: Database) -> tuple[list[str], Callable[[], None]]:
    statements: list[str] = []

    def seen(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    for engine in (database.writer, database.reader):
        event.listen(engine.sync_engine, "before_cursor_execute", seen)
    return statements, statements.clear


async def test_the_number_of_statements_does_not_grow_with_what_happened(database: Database) -> None:
    async with database.transaction() as session:
        facts = await an_evening(session)
    statements, clear = counting(database)
    async with database.reading() as session:
        await news.between(session, None, at(24))
    few = len(statements)
    async with database.transaction() as session:
        for number in range(30):
            question = await a_question(session, facts["forum"], facts["second"], f"q{number}@example.org", decided_at=at(5))
            await a_forum(session, number=10 + number, announced_at=at(1))
            await a_follow_up(session, facts["forum"], due_on=date(2027, 1, 2))
            await _added(session, ForumCommitment(forum_id=facts["forum"].id, commitment_id=facts["second"].id)) if number == 0 else None
            await _added(
                session, QuestionInstitution(question_id=question.id, institution_id=(await an_institution(session, f"I{number}")).id)
            )
    clear()

    async with database.reading() as session:
        many = await news.between(session, None, at(24))

    assert len(many) > 100
    assert len(statements) <= few
    assert few <= 32


# -- Atom: RFC 4287, read by an XML parser that knows nothing of us ---------------------------------------------

ATOM = "{http://www.w3.org/2005/Atom}"
XML = "{http://www.w3.org/XML/1998/namespace}"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TAG = re.compile(r"tag:forums\.example\.fr,2018:[\w./-]+")
# What an atom:feed and an atom:entry may and must hold, each how often (4.1.1, 4.1.2).
OF_A_FEED = {"id": 1, "title": 1, "updated": 1, "author": 1, "rights": 1, "link": 2}
OF_AN_ENTRY = {"id": 1, "title": 1, "updated": 1, "published": 1, "link": 1}


def read_atom(content: bytes) -> ElementTree.Element:
    """The feed, once it is found to be as the RFC wants it."""
    feed = ElementTree.fromstring(content)
    assert feed.tag == f"{ATOM}feed"
    entries = feed.findall(f"{ATOM}entry")
    assert names(feed, without={"entry"}) == OF_A_FEED
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert set(links) == {"self", "alternate"}
    for entry in entries:
        assert names(entry, without={"summary", "category"}) == OF_AN_ENTRY
        assert len(entry.findall(f"{ATOM}summary")) <= 1
    for each in [feed, *entries]:
        assert TAG.fullmatch(each.findtext(f"{ATOM}id", ""))
        assert RFC3339.fullmatch(each.findtext(f"{ATOM}updated", ""))
        assert each.findtext(f"{ATOM}title", "").strip()
        for link in each.findall(f"{ATOM}link"):
            assert link.get("href", "").startswith(PUBLIC_URL + "/")
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == len(ids)
    moments = [entry.findtext(f"{ATOM}updated", "") for entry in entries]
    assert moments == sorted(moments, reverse=True)
    assert not entries or feed.findtext(f"{ATOM}updated") == moments[0]
    return feed


def names(element: ElementTree.Element, *, without: set[str]) -> dict[str, int]:
    """How often each child occurs."""
    assert all(child.tag.startswith(ATOM) for child in element)
    return dict(Counter(child.tag.removeprefix(ATOM) for child in element) - Counter(dict.fromkeys(without, 10_000)))


async def test_each_feed_is_atom_as_the_rfc_wants_it_and_can_be_revalidated(site: Site) -> None:
    code = (await site.examples())["code"]
    for path in ("/actualites", "/axes/1", "/engagements/1", "/institutions/hatvp", f"/questions/{code}"):
        for prefix in ("", "/en"):
            answer = await site.get(f"{prefix}{path}.atom")
            feed = read_atom(answer.content)

            assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
            assert feed.get(f"{XML}base") == f"{PUBLIC_URL}/"
            assert feed.get(f"{XML}lang") == ("en" if prefix else "fr")
            assert {link.get("href") for link in feed.findall(f"{ATOM}link[@rel='self']")} == {f"{PUBLIC_URL}{prefix}{path}.atom"}
            again = await site.get(f"{prefix}{path}.atom", headers={"if-none-match": answer.headers["etag"]})
            assert again.status_code == 304
    assert (await site.get("/questions/zzzzzzzz.atom")).status_code == 404
    assert (await site.get("/engagements/999.atom")).status_code == 404


async def test_the_feed_of_everything_leads_to_pages_that_answer(site: Site) -> None:
    feed = read_atom((await site.get("/actualites.atom")).content)
    links = {str(link.get("href")).removeprefix(PUBLIC_URL) for link in feed.findall(f"{ATOM}entry/{ATOM}link")}

    assert len(links) > 5
    for path in links:
        assert (await site.get(path.partition("#")[0])).status_code == 200, path


async def test_the_bytes_of_a_feed_hang_on_the_facts_and_ids_survive_a_change_of_words(session: AsyncSession) -> None:
    facts = await an_evening(session)
    feed = Feed("tout", "Tout", "/actualites.atom", "/")

    async def seen() -> bytes:
        return news_feed.atom(feed, await news.between(session, None, at(24), limit=50), public_url=PUBLIC_URL)

    before = await seen()
    assert await seen() == before
    facts["question"].text = "Un autre texte, avec <des> & et un caractère \x0b interdit."
    facts["forum"].theme = None
    await session.flush()
    after = await seen()

    def ids(content: bytes) -> list[str]:
        return [entry.findtext(f"{ATOM}id", "") for entry in read_atom(content).findall(f"{ATOM}entry")]

    assert ids(after) == ids(before)
    assert "<des> & et" in str(
        read_atom(after).findtext(f"{ATOM}entry[{ATOM}id='tag:forums.example.fr,2018:questions/question/publication']/{ATOM}summary")
    )
    assert read_atom(news_feed.atom(feed, [], public_url=PUBLIC_URL)).findall(f"{ATOM}entry") == []


async def test_pages_lead_a_reader_to_their_feeds(site: Site) -> None:
    code = (await site.examples())["code"]
    for path, feed in (("/", "/actualites"), ("/engagements/2", "/engagements/2"), (f"/questions/{code}", f"/questions/{code}")):
        assert f'<link rel="alternate" type="application/atom+xml" href="{PUBLIC_URL}{feed}.atom"' in (await site.get(path)).text


# -- What may be followed ----------------------------------------------------------------------------------


async def test_a_scope_is_named_when_it_exists_and_the_form_offers_those_of_the_current_plan(session: AsyncSession) -> None:
    await an_evening(session)
    old = await a_plan(session, "2015-2017", current=False)
    await a_commitment(session, old, 7)

    offered = {each.scope for found in (await news.options(session)).values() for each in found}
    asked = ["plans/2015-2017/engagements/7", "plans/2015-2017/engagements/1", "questions/question", "questions/nonnonno", "x", *offered]

    assert offered == {
        "tout", "annonces", "plans/2018-2020/axes/1", "plans/2018-2020/engagements/1", "plans/2018-2020/engagements/2",
        "institutions/hatvp", "institutions/cour",
    }  # fmt: skip
    assert set(await news.scopes_named(session, asked)) == offered | {"plans/2015-2017/engagements/7", "questions/question"}
    assert await news.named(session, "plans/2018-2020/engagements/0") is None
