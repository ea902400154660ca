"""The moderators' decisions: each told to the author, none overwritten, every address answering for ever."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import agenda, minutes, privacy, questions, schedule
from forums.database import Database
from forums.models import Answer, AuditEvent, Forum, Institution, Question, QuestionInstitution, Support
from forums.questions import CorrectForm, DecisionForm, DeclineForm, MergeForm, SupportForm, UnpublishForm
from forums.refusals import AlreadyDecided, Refusal
from tests.factories import (
    NOW,
    SECRET_KEY,
    a_commitment,
    a_forum,
    a_plan,
    a_question,
    a_registration,
    an_agenda_item_form,
    an_entry_form,
    an_institution,
    promised,
    some_minutes,
    told,
)
from tests.site import Site

REASON = UnpublishForm(reason="À la demande de son auteur.")


def a_correction(text: str = "Quand ?", context: str = "", edition: int | None = None) -> CorrectForm:
    return CorrectForm(text=text, context=context, edition=edition)


async def merge(session: AsyncSession, question: Question, target: Question, edition: int | None = None) -> None:
    await questions.merge(session, question, target, MergeForm(into=target.code, edition=edition), now=NOW)


async def a_support(session: AsyncSession, question: Question, email: str, *, confirmed: bool = True, news: str = "") -> str:
    form = SupportForm.model_validate({"email": email, "wants_news": news, "site_web": ""})
    await questions.support(session, question, form, language="fr", secret_key=SECRET_KEY, now=NOW)
    token = next(m for m in reversed(await promised(session, "confirm_support")) if m.recipient == email).facts["token"]
    if confirmed:
        await questions.confirm_support(session, token, now=NOW)
    return str(token)


async def count(session: AsyncSession, question: Question) -> int:
    return (await questions.support_counts(session, [question]))[question.id]


# -- Correct ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "published"])
async def test_personal_data_taken_out_stays_for_the_author_alone_who_is_told(session: AsyncSession, status: str) -> None:
    question = await a_question(session, text="Mme Durand a-t-elle été payée ?", context="06 00 00 00 00", status=status)

    await questions.correct(session, question, a_correction("Les agents sont-ils payés ?"), now=NOW)
    await questions.correct(session, question, a_correction("Les agents sont-ils payés à temps ?"), now=NOW)

    assert (question.text, question.context) == ("Les agents sont-ils payés à temps ?", "")
    assert (question.original_text, question.original_context) == ("Mme Durand a-t-elle été payée ?", "06 00 00 00 00")
    messages = await promised(session, "question_corrected")
    assert [message.facts["public"] for message in messages] == [status == "published"] * 2
    assert "Durand" not in str([message.facts for message in messages])


async def test_saving_the_same_text_changes_nothing_and_tells_nobody(session: AsyncSession) -> None:
    question = await a_question(session)

    changed = await questions.correct(session, question, a_correction(question.text), now=NOW)

    assert (changed, question.edition, question.original_text, await promised(session)) == (False, 0, None, [])


async def test_what_was_taken_out_goes_with_the_authors_address(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)
    await questions.correct(session, question, a_correction(), now=NOW)

    await privacy.purge(session, retention_days=90, now=NOW.replace(year=2028))

    await session.refresh(question)
    assert (question.text, question.original_text, question.original_context) == ("Quand ?", None, None)


# -- Withdraw -------------------------------------------------------------------------------------------------


async def test_a_withdrawn_question_leaves_the_lists_and_its_author_reads_why(session: AsyncSession) -> None:
    forum = await a_forum(session)
    question = await a_question(session, forum)

    await questions.unpublish(session, question, REASON, now=NOW)

    assert await questions.published(session) == ([], 0)
    assert await questions.public_question(session, question.code) is question
    assert [message.facts["reason"] for message in await promised(session, "question_unpublished")] == [REASON.reason]


@pytest.mark.parametrize(("status", "left"), [("merged", 1), ("unpublished", 1), ("declined", 0), ("pending", 0)])
async def test_erasing_a_person_keeps_the_addresses_that_answer_without_what_was_theirs(
    session: AsyncSession, status: str, left: int
) -> None:
    forum = await a_forum(session)
    camille = await a_registration(session, forum)
    target = await a_question(session)
    facts = {"decline_reason": "Doublon.", "original_text": "06 00 00 00 00", "original_context": ""}
    merged = {"merged_into_id": target.id} if status == "merged" else {}
    question = await a_question(session, forum, email=camille.email, author_name="Camille", status=status, **facts, **merged)

    await privacy.erase(session, camille, now=NOW)

    await session.flush()
    rows = (await session.exec(select(Question).where(Question.code == question.code))).all()
    assert [(row.email, row.author_name, row.original_text) for row in rows] == [(None, "", None)] * left


# -- Merge ---------------------------------------------------------------------------------------------------


async def test_merging_moves_supports_counted_once_and_the_author_among_them(session: AsyncSession) -> None:
    target = await a_question(session, email="cible@example.org")
    question = await a_question(session, text="La même ?")
    for email in ("deux@example.org", "source@example.org", "cible@example.org"):
        await a_support(session, question, email)
    for email in ("deux@example.org", "seul@example.org"):
        await a_support(session, target, email)

    await merge(session, question, target)

    # deux, source, seul, and Dominique who asked; whoever asked the one that is kept does not support it.
    assert (await count(session, target), await count(session, question)) == (4, 0)
    assert (question.status, question.merged_into_id) == ("merged", target.id)
    assert await questions.merged_into(session, target) == [question]
    assert [(m.recipient, m.facts["kept_code"]) for m in await promised(session, "question_merged")] == [
        ("dominique@example.org", target.code)
    ]
    assert [each.email for each in await questions.supporters_to_tell(session, target)] == ["dominique@example.org"]


async def test_two_questions_of_one_author_make_no_support(session: AsyncSession) -> None:
    target, question = [await a_question(session) for _ in range(2)]

    await merge(session, question, target)

    assert await count(session, target) == 0


async def test_the_links_of_moved_supports_confirm_and_withdraw_as_before(session: AsyncSession) -> None:
    target, question = await a_question(session, email="cible@example.org"), await a_question(session)
    unconfirmed = await a_support(session, question, "tard@example.org", confirmed=False)
    twice = await a_support(session, question, "deux@example.org", news="1")
    first = await a_support(session, target, "deux@example.org", confirmed=False)
    await merge(session, question, target)
    counts = [await count(session, target)]

    await questions.confirm_support(session, unconfirmed, now=NOW)
    counts.append(await count(session, target))
    told_of_it = [each.email for each in await questions.supporters_to_tell(session, target)]
    await questions.withdraw_support(session, twice, now=NOW)
    counts.append(await count(session, target))
    await questions.withdraw_support(session, first, now=NOW)
    counts.append(await count(session, target))

    assert counts == [2, 3, 2, 2]
    assert sorted(told_of_it) == ["deux@example.org", "dominique@example.org"]


async def test_where_the_merged_question_was_taken_up_the_one_kept_is_too(session: AsyncSession) -> None:
    forum = await a_forum(session)
    target, question = await a_question(session, forum, email="cible@example.org"), await a_question(session, forum)
    await agenda.add(session, forum, an_agenda_item_form(), [], [question], now=NOW)
    await agenda.publish(session, forum, now=NOW)
    written = await some_minutes(session, forum)
    await minutes.write(session, written, an_entry_form(), None, [], [question, target], now=NOW)
    await minutes.publish(session, written, now=NOW)
    await session.flush()

    await merge(session, question, target)

    assert len(await agenda.items_taking_up(session, target)) == 1
    assert len(await questions.passages_answering(session, target)) == 1
    assert (await questions.states_of(session, [target]))[target.id].state == "answered"


async def test_who_has_an_item_or_a_passage_open_during_a_merge_is_told_and_overwrites_no_link(session: AsyncSession) -> None:
    forum = await a_forum(session)
    target, question = await a_question(session, forum, email="cible@example.org"), await a_question(session, forum)
    item = await agenda.add(session, forum, an_agenda_item_form(), [], [question], now=NOW)
    entry = await minutes.write(session, await some_minutes(session, forum), an_entry_form(), None, [], [question], now=NOW)
    await session.flush()
    opened = (item.edition, entry.edition)

    await merge(session, question, target)

    await session.refresh(item)
    await session.refresh(entry)
    assert (item.edition, entry.edition) == (opened[0] + 1, opened[1] + 1)


async def test_an_answer_to_the_merged_question_answers_the_one_kept_unless_its_institution_wrote_to_both(session: AsyncSession) -> None:
    kept, moved, both = [await a_question(session, email=f"{n}@example.org", text=f"Question {n} ?") for n in range(3)]
    hatvp = await an_institution(session)
    answer = Answer(question_id=moved.id, institution_id=hatvp.id, text="Oui.", published_at=NOW)
    session.add_all([answer, Answer(question_id=both.id, institution_id=hatvp.id, text="Non.", published_at=NOW)])
    await session.flush()

    await merge(session, moved, kept)
    await session.refresh(answer)
    with pytest.raises(Refusal, match="Une administration a écrit une réponse à chacune"):
        await merge(session, both, kept)

    assert answer.question_id == kept.id


async def test_what_was_merged_earlier_follows_to_the_last(session: AsyncSession) -> None:
    first, second, third = [await a_question(session, email=f"{n}@example.org", text=f"Question {n} ?") for n in range(3)]
    await merge(session, first, second)

    await merge(session, second, third)

    await session.refresh(first)
    assert {each.code for each in await questions.merged_into(session, third)} == {first.code, second.code}
    assert await count(session, third) == 2


@pytest.mark.parametrize("status", ["pending", "declined", "unpublished", "published"])
async def test_a_question_is_merged_only_into_another_that_is_published(session: AsyncSession, status: str) -> None:
    question = await a_question(session)
    target = question if status == "published" else await a_question(session, status=status, decline_reason="Hors sujet.")

    with pytest.raises(Refusal):
        await merge(session, question, target)

    await session.refresh(question)
    assert question.status == "published"


# -- Two at once ---------------------------------------------------------------------------------------------

Deed = Callable[[AsyncSession, Question, Question], Awaitable[Any]]
DEEDS: dict[str, Deed] = {
    "publish": lambda session, question, _: questions.publish(session, question, DecisionForm(edition=0), now=NOW),
    "decline": lambda session, question, _: questions.decline(session, question, DeclineForm(reason="Non.", edition=0), now=NOW),
    "correct": lambda session, question, _: questions.correct(session, question, a_correction(edition=0), now=NOW),
    "merge": lambda session, question, target: merge(session, question, target, edition=0),
}


@pytest.mark.parametrize("one", DEEDS)
@pytest.mark.parametrize("other", DEEDS)
async def test_of_two_moderators_at_once_one_stands_and_the_other_is_told(database: Database, one: str, other: str) -> None:
    async with database.transaction() as session:
        target = await a_question(session, email="cible@example.org")
        question = await a_question(session, status="pending", decided_at=None)

    async def decide(deed: str) -> bool:
        try:
            async with database.transaction() as session:
                rows = await session.exec(select(Question).where(col(Question.id).in_([question.id, target.id])))
                found = {row.id: row for row in rows.all()}
                await asyncio.sleep(0.02)  # both have read it as it was
                await DEEDS[deed](session, found[question.id], found[target.id])
        except AlreadyDecided:
            return False
        return True

    stood = await asyncio.gather(decide(one), decide(other))

    async with database.reading() as session:
        left = (await session.exec(select(Question).where(Question.id == question.id))).one()
        assert sorted(stood) == [False, True]
        assert left.edition == 1
        assert len(await told(session, "question_merged")) == (left.status == "merged")


async def test_two_questions_merged_into_each_other_at_once_make_no_circle(database: Database) -> None:
    async with database.transaction() as session:
        ids = [(await a_question(session, email=f"{n}@example.org")).id for n in range(2)]

    async def one_into_the_other(source: int) -> bool:
        try:
            async with database.transaction() as session:
                rows = {row.id: row for row in (await session.exec(select(Question))).all()}
                await asyncio.sleep(0.02)
                await merge(session, rows[ids[source]], rows[ids[1 - source]])
        except Refusal:
            return False
        return True

    stood = await asyncio.gather(one_into_the_other(0), one_into_the_other(1))

    async with database.reading() as session:
        states = sorted((await session.exec(select(Question.status))).all())
    assert (sorted(stood), states) == ([False, True], ["merged", "published"])


async def test_supports_that_arrive_during_a_merge_are_not_lost(database: Database) -> None:
    async with database.transaction() as session:
        target = await a_question(session, email="cible@example.org")
        question = await a_question(session)

    async def support(number: int) -> bool:
        try:
            async with database.transaction() as session:
                form = SupportForm.model_validate({"email": f"p{number}@example.org", "wants_news": "", "site_web": ""})
                await questions.support(session, question, form, language="fr", secret_key=SECRET_KEY, now=NOW)
        except Refusal:
            return False
        return True

    async def decide() -> bool:
        async with database.transaction() as session:
            rows = {row.id: row for row in (await session.exec(select(Question))).all()}
            await merge(session, rows[question.id], rows[target.id])
        return True

    done = await asyncio.gather(*(support(number) for number in range(4)), decide(), *(support(number) for number in range(4, 8)))

    async with database.reading() as session:
        asked = (await session.exec(select(Support.question_id))).all()
    assert set(asked) == {target.id}
    assert len(asked) == sum(done)  # with the author of the merged question in place of the merge


# -- Pages ----------------------------------------------------------------------------------------------------


async def pending(site: Site, **facts: Any) -> Question:
    async with site.database.transaction() as session:
        return await a_question(session, email="auteur@example.org", **{"status": "pending", "decided_at": None} | facts)


async def journal(site: Site, question: Question) -> list[tuple[str, str]]:
    async with site.database.reading() as session:
        query = select(AuditEvent).where(AuditEvent.subject == f"question {question.code}").order_by(col(AuditEvent.at))
        return [(event.verb, event.detail) for event in (await session.exec(query)).all()]


async def edition_of(site: Site, path: str) -> str:
    found = re.search(r'name="edition" value="(\d+)"', (await site.get(path)).text)
    assert found
    return found[1]


async def test_a_moderator_corrects_publishes_then_withdraws_a_question_and_its_address_tells(site: Site) -> None:
    await site.sign_in("moderator")
    question = await pending(site, text="Pourquoi Mme Durand attend-elle ?", context="06 00 00 00 00")
    path = f"/organisation/questions/{question.code}"

    deeds = []
    for verb, typed in (
        ("corriger", {"text": "Pourquoi attend-on ?", "context": ""}),
        ("publier", {}),
        ("retirer", {"reason": "À la demande de son auteur."}),
    ):
        deeds.append((await site.post(f"{path}/{verb}", edition=await edition_of(site, path), **typed)).status_code)
        if verb == "publier":
            public = unescape((await site.get(f"/questions/{question.code}")).text)
    gone = await site.get(f"/questions/{question.code}")

    assert deeds == [303] * 3
    assert "Pourquoi attend-on ?" in public
    assert "Durand" not in public
    assert "06 00" not in public
    assert gone.status_code == 200
    assert "À la demande de son auteur." in gone.text
    assert "Pourquoi attend-on" not in gone.text
    assert await journal(site, question) == [("correct", ""), ("publish", ""), ("unpublish", "À la demande de son auteur.")]
    assert "Durand" in (await site.get(path)).text


async def test_a_declined_questions_address_gives_the_reason_and_not_the_text(site: Site) -> None:
    await site.sign_in("moderator")
    question = await pending(site, text="Une injure ?")
    before = (await site.get(f"/questions/{question.code}")).status_code

    await site.post(f"/organisation/questions/{question.code}/refuser", edition="0", reason="Ce texte vise une personne privée.")

    page = await site.get(f"/questions/{question.code}")
    assert (before, page.status_code) == (404, 200)
    assert "Ce texte vise une personne privée." in page.text
    assert "injure" not in page.text
    assert "noindex" in page.text


@pytest.mark.parametrize("prefix", ["", "https://forums.example.fr/questions/"])
async def test_a_merged_question_leads_to_the_one_kept_which_lists_it(site: Site, prefix: str) -> None:
    await site.sign_in("moderator")
    code = (await site.examples())["code"]
    question = await pending(site, text="La même chose, en somme ?")

    answer = await site.post(f"/organisation/questions/{question.code}/reunir", edition="0", into=prefix + code)

    assert answer.status_code == 303
    assert f'href="/questions/{code}"' in (await site.get(f"/questions/{question.code}")).text
    assert f'href="/questions/{question.code}"' in (await site.get(f"/questions/{code}")).text
    assert "Une personne soutient cette question." in (await site.get(f"/questions/{code}")).text
    assert await journal(site, question) == [("merge", f"/questions/{code}")]


WRONG = [
    ("corriger", {"text": " ", "context": "gardé"}, "gardé"),
    ("refuser", {"reason": " "}, "Donnez la raison"),
    ("retirer", {"reason": ""}, "Donnez la raison"),
    ("reunir", {"into": ""}, "Choisissez la question"),
    ("reunir", {"into": "zzzzzzzz"}, "zzzzzzzz"),
]


@pytest.mark.parametrize(("verb", "typed", "says"), WRONG)
async def test_what_is_typed_wrong_comes_back_and_nothing_is_decided(site: Site, verb: str, typed: dict[str, str], says: str) -> None:
    await site.sign_in("moderator")
    question = await pending(site, **({"status": "published", "decided_at": NOW} if verb == "retirer" else {}))

    answer = await site.post(f"/organisation/questions/{question.code}/{verb}", edition="0", **typed)

    assert answer.status_code == 422
    assert says in unescape(answer.text)
    assert await journal(site, question) == []


@pytest.mark.parametrize("verb", ["publier", "refuser", "corriger", "reunir", "retirer"])
async def test_an_agent_and_a_stranger_decide_nothing(site: Site, verb: str) -> None:
    question = await pending(site)
    path = f"/organisation/questions/{question.code}/{verb}"
    stranger = (await site.post(path, edition="0", reason="Non.", text="x", into="x")).status_code
    await site.sign_in("agent")

    agent = (await site.post(path, edition="0", reason="Non.", text="x", into="x")).status_code

    assert (stranger, agent) in {(303, 403), (303, 404), (401, 403), (404, 404), (403, 403)}
    assert await journal(site, question) == []


async def test_what_was_taken_out_is_read_by_moderators_and_never_by_agents_nor_what_was_withdrawn(site: Site) -> None:
    async with site.database.transaction() as session:
        question = await about_the_agents_commitment(session, "Demandez à Camille Secret ?", "camille@example.org")
        await questions.correct(session, question, a_correction("Demandez à quelqu'un ?"), now=NOW)
        path = f"/organisation/questions/{question.code}"

    await site.sign_in("moderator")
    moderator = (await site.get(path)).text
    await site.sign_in("agent")
    agent = await site.get(path)
    async with site.database.transaction() as session:
        await questions.decline(session, await session.get_one(Question, question.id), DeclineForm(reason="Hors sujet."), now=NOW)
    declined = await site.get(path)

    assert "Camille Secret" in moderator
    assert (agent.status_code, "Camille Secret" in agent.text) == (200, False)
    assert declined.status_code == 404


async def about_the_agents_commitment(session: AsyncSession, text: str, email: str) -> Question:
    """A pending question that is the business of `site`'s agent."""
    hatvp = (await session.exec(select(Institution).where(Institution.slug == "hatvp"))).one()
    question = await a_question(session, text=text, email=email, status="pending", decided_at=None)
    session.add(QuestionInstitution(question_id=question.id, institution_id=hatvp.id))
    await session.flush()
    return question


async def test_a_question_withdrawn_after_a_merge_is_no_longer_read_through_the_one_merged_into_it(site: Site) -> None:
    async with site.database.transaction() as session:
        kept = await a_question(session, email="a@example.org", text="Un texte à retirer ?")
        merged = await a_question(session, email="b@example.org", text="La même chose ?")
        await merge(session, merged, kept)
    before = (await site.get(f"/questions/{merged.code}")).text

    async with site.database.transaction() as session:
        await questions.unpublish(session, await session.get_one(Question, kept.id), REASON, now=NOW)
    await site.pages_grow_old()
    after = (await site.get(f"/questions/{merged.code}")).text

    assert "Un texte à retirer" in before
    assert "Un texte à retirer" not in after
    assert "Cette question a été retirée depuis" in after


async def test_who_comes_second_is_shown_what_the_other_did_with_what_they_typed(site: Site) -> None:
    question = await pending(site, text="Texte d'avant ?")
    path = f"/organisation/questions/{question.code}"
    await site.sign_in("organiser")
    await site.post(f"{path}/corriger", edition="0", text="Texte de l'autre ?", context="")
    await site.sign_in("moderator")

    second = await site.post(f"{path}/corriger", edition="0", text="Mon texte à moi ?", context="")
    published = await site.post(f"{path}/publier", edition="0")

    text = unescape(second.text)
    assert (second.status_code, published.status_code) == (409, 409)
    assert all(
        words in text for words in ("Texte de l'autre ?", "Mon texte à moi ?", "Quelqu'un d'autre est passé avant vous", "Corrigée le")
    )
    assert await journal(site, question) == [("correct", "")]


DOUBLE = [("publier", {}), ("refuser", {"reason": "Non."}), ("corriger", {"text": "Quand donc ?", "context": ""})]


@pytest.mark.parametrize(("verb", "typed"), DOUBLE)
async def test_a_button_pressed_twice_decides_once_and_says_the_same(site: Site, verb: str, typed: dict[str, str]) -> None:
    await site.sign_in("moderator")
    question = await pending(site)

    answers = await asyncio.gather(*(site.post(f"/organisation/questions/{question.code}/{verb}", edition="0", **typed) for _ in range(2)))

    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await journal(site, question)) == 1
    assert len(await site.mailed("auteur@example.org")) == 1


async def test_the_author_reads_at_their_link_what_they_had_written(site: Site) -> None:
    await site.post("/questions/poser", kind="question", text="Où est M. Zyx ?", email="auteur@example.org")
    link = re.search(r"/questions/confirmer/[\w-]{43}", (await site.mailed("auteur@example.org"))[0])
    assert link
    await site.post(link[0])
    async with site.database.transaction() as session:
        question = (await session.exec(select(Question).where(Question.email == "auteur@example.org"))).one()
        await questions.correct(session, question, a_correction("Où est-il ?"), now=NOW)

    text = unescape((await site.get(link[0])).text)

    assert "Où est-il ?" in text
    assert "Où est M. Zyx ?" in text


# -- Where its words went --------------------------------------------------------------------------------------------


async def on_the_agenda(session: AsyncSession, question: Question, *, publish: bool = True) -> Forum:
    """A forum whose agenda has an item made from the question, published or not."""
    forum = await a_forum(session)
    await agenda.take_up(session, forum, question, now=NOW)
    if publish:
        await agenda.publish(session, forum, now=NOW)
    return forum


async def titles_of(session: AsyncSession, forum: Forum) -> list[str]:
    """Of the agenda being prepared, then of each version."""
    versions = range(forum.agenda_version + 1)
    return [point.item.title for version in versions for point in await agenda.points_of(session, forum, version)]


async def test_an_item_made_from_a_corrected_question_is_retitled_in_one_go_and_the_published_version_stays(session: AsyncSession) -> None:
    question = await a_question(session, text="Que fait Jean Dupont ?")
    forum = await on_the_agenda(session, question)
    before = [(each.item.version, each.repeats, each.outdated) for each in await agenda.made_from(session, question)]
    await questions.correct(session, question, a_correction("Que fait ce service ?"), now=NOW)

    outdated = [each.item.version for each in await agenda.made_from(session, question) if each.outdated]
    first, again = await agenda.retitle(session, question), await agenda.retitle(session, question)

    assert (before, outdated) == ([(0, True, False), (1, True, False)], [0, 1])
    assert (len(first), again) == (1, [])
    assert await titles_of(session, forum) == ["Que fait ce service ?", "Que fait Jean Dupont ?"]
    assert [(each.item.version, each.outdated) for each in await agenda.made_from(session, question)] == [(0, False), (1, True)]


async def test_words_that_name_someone_are_taken_out_of_published_versions_too_and_it_shows(session: AsyncSession) -> None:
    question = await a_question(session, text="Que fait Jean Dupont ?")
    forum = await on_the_agenda(session, question)
    await questions.correct(session, question, a_correction("Que fait ce service ?"), now=NOW)

    changed = await agenda.retitle(session, question, published=True)

    assert await titles_of(session, forum) == ["Que fait ce service ?", "Que fait ce service ? (titre corrigé)"]
    assert agenda.titles(changed) == "2027-1 n° 1"


async def test_an_item_made_from_a_withdrawn_question_bears_what_else_it_is_about(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session), working_title="La commande publique")
    alone, tied = await a_question(session, text="Insulte ?"), await a_question(session, None, commitment, text="Injure ?")
    forum = await on_the_agenda(session, alone, publish=False)
    await agenda.take_up(session, forum, tied, now=NOW)
    for question in (alone, tied):
        await questions.unpublish(session, question, REASON, now=NOW)
        await agenda.retitle(session, question)

    assert await titles_of(session, forum) == ["Plénière", "La commande publique"]


async def test_a_title_an_organiser_wrote_is_left_alone(session: AsyncSession) -> None:
    question = await a_question(session, text="Que fait Jean Dupont ?")
    forum = await a_forum(session)
    await agenda.add(session, forum, an_agenda_item_form("Où en est-on ?"), [], [question], now=NOW)
    await questions.unpublish(session, question, REASON, now=NOW)

    assert await agenda.retitle(session, question, published=True) == []
    assert await titles_of(session, forum) == ["Où en est-on ?"]


async def test_the_passages_tied_to_a_question_or_that_quote_it_are_found(session: AsyncSession) -> None:
    question = await a_question(session, text="Que fait Jean Dupont ?")
    written = await some_minutes(session, await a_forum(session))
    await minutes.write(session, written, an_entry_form("Le ministère a répondu."), None, [], [question], now=NOW)
    await minutes.write(session, written, an_entry_form("On a demandé : « Que fait Jean Dupont ? »"), None, [], [], now=NOW)
    await minutes.write(session, written, an_entry_form("Sans rapport."), None, [], [], now=NOW)
    await questions.correct(session, question, a_correction("Que fait ce service ?"), now=NOW)

    found = await minutes.quoting(session, question)

    assert [(each.entry.number, each.repeats, each.public) for each in found] == [(1, False, False), (2, True, False)]


async def test_a_moderator_reads_where_the_words_went_and_replaces_them_in_one_click(site: Site) -> None:
    slug = (await site.examples())["slug"]
    async with site.database.transaction() as session:
        forum = await schedule.forum_by_slug(session, slug)
        assert forum
        question = await a_question(session, forum, text="Que fait Jean Dupont ?")
        await agenda.take_up(session, forum, question, now=datetime.now(UTC))
    await site.sign_in("moderator")
    page = f"/organisation/questions/{question.code}"
    before = unescape((await site.get(page)).text)
    edition = await edition_of(site, page)
    corrected = await site.post(f"{page}/corriger", edition=edition, text="Que fait ce service ?", context="")
    told_so = unescape((await site.get(corrected.headers["location"])).text)

    done = await site.post(f"{page}/titres")
    after = unescape((await site.get(page)).text)

    assert "porte les mots de la question" in before
    assert "porte encore les anciens mots" in told_so
    assert done.headers["location"] == f"{page}?fait=titres#ailleurs"
    assert "porte encore les anciens mots" not in after
    assert ("retitle", f"{slug} n° ") in [(verb, detail[: len(slug) + 4]) for verb, detail in await journal(site, question)]
