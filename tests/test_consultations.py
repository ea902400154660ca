"""Calls for comments: opened, commented, moderated, replied to, amended, summed up; and people's data forgotten on time."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, amendments, consultations, pandoc, privacy
from forums.consultations import (
    AmendmentForm,
    CallChanged,
    CallForm,
    CommentChanged,
    CommentsClosed,
    CommitmentChanged,
    CorrectForm,
    DecisionForm,
    DeclineForm,
    NotADraft,
    NothingAmended,
    NotOpenYet,
    ReopenForm,
    ReplyForm,
    SynthesisForm,
)
from forums.models import ActionPlan, Comment, Commitment, Consultation, OutboxMessage, Question
from forums.open_data.columns import fields_of
from forums.open_data.consulted import Comments
from forums.refusals import WrongMoment
from tests.factories import (
    NOW,
    SECRET_KEY,
    a_comment,
    a_comment_form,
    a_commitment,
    a_confirmed_registration,
    a_consultation,
    a_forum,
    a_plan,
    an_institution,
)

DAY = timedelta(days=1)


async def a_call(session: AsyncSession, **facts: Any) -> tuple[ActionPlan, Consultation, Commitment]:
    """A call open since yesterday for a month, on a draft plan of one commitment."""
    plan = await a_plan(session, "2028-2030", current=False, draft=True)
    commitment = await a_commitment(session, plan, summary="Publier les données chaque année.")
    return plan, await a_consultation(session, plan, **facts), commitment


async def write(session: AsyncSession, plan: ActionPlan, call: Consultation, about: Commitment | None, text: str, **typed: str) -> None:
    form = a_comment_form(text, **typed)
    await consultations.comment(session, call, plan, about, form, language="fr", secret_key=SECRET_KEY, now=NOW)


async def promised(session: AsyncSession, kind: str) -> list[OutboxMessage]:
    return list((await session.exec(select(OutboxMessage).where(OutboxMessage.kind == kind))).all())


def a_call_form(opens: datetime = NOW, closes: datetime = NOW + 30 * DAY, edition: int = 0, text: str = "Dites-nous.") -> CallForm:
    typed = {"opens": f"{opens:%Y-%m-%dT%H:%M}", "closes": f"{closes:%Y-%m-%dT%H:%M}"}
    return CallForm.model_validate({"introduction": text, "edition": str(edition)} | typed)


def an_amendment_form(commitment: Commitment, **typed: Any) -> AmendmentForm:
    known = {**amendments.text_of(commitment), "reason": "On nous l'a demandé.", "seen": consultations.seen(commitment), "comments": ()}
    return AmendmentForm.model_validate(known | typed)


# -- The call ------------------------------------------------------------------------------------------------


async def test_a_call_is_opened_on_a_draft_alone_and_the_same_form_twice_is_one(session: AsyncSession) -> None:
    adopted = await a_plan(session)
    draft = await a_plan(session, "2028-2030", current=False, draft=True)

    with pytest.raises(NotADraft):
        await consultations.settle(session, adopted, a_call_form())
    with pytest.raises(WrongMoment):
        await consultations.settle(session, draft, a_call_form(closes=NOW - DAY))
    done = [await consultations.settle(session, draft, a_call_form()) for _ in range(2)]

    call = await consultations.call_on(session, draft)
    assert call is not None
    assert (done, call.edition) == ([True, False], 1)
    assert not consultations.is_open(call, draft, now=call.opens_at - DAY)
    assert consultations.is_open(call, draft, now=call.opens_at)
    assert not consultations.is_open(call, draft, now=call.closes_at)


async def test_two_organisers_never_overwrite_each_others_call(session: AsyncSession) -> None:
    plan, _, _ = await a_call(session)

    await consultations.settle(session, plan, a_call_form(text="L'un"))
    with pytest.raises(CallChanged):
        await consultations.settle(session, plan, a_call_form(text="L'autre"))

    call = await consultations.call_on(session, plan)
    assert call is not None
    assert call.introduction == "L'un"


async def test_a_call_closes_early_once_and_opens_again_until_a_moment_to_come(session: AsyncSession) -> None:
    plan, call, _ = await a_call(session, opens_at=NOW + DAY)
    with pytest.raises(NotOpenYet):
        await consultations.close(session, plan, now=NOW)
    later = NOW + 2 * DAY

    closed = [await consultations.close(session, plan, now=later) for _ in range(2)]
    await session.refresh(call)
    shut = consultations.is_open(call, plan, now=later)
    with pytest.raises(WrongMoment):
        await consultations.reopen(session, plan, ReopenForm.model_validate({"until": "2026-01-01T10:00"}), now=later)
    reopened = [
        await consultations.reopen(session, plan, ReopenForm.model_validate({"until": "2027-06-01T10:00"}), now=later) for _ in "ab"
    ]

    await session.refresh(call)
    assert (closed, shut, reopened) == ([True, False], False, [True, False])
    assert consultations.is_open(call, plan, now=later)


# -- Comments ---------------------------------------------------------------------------------------------------


async def test_a_comment_is_confirmed_by_mail_then_waits_for_a_moderator(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)

    await write(session, plan, call, commitment, "Trop vague.")
    (message,) = await promised(session, "confirm_comment")
    token = message.facts["token"]
    before = (await session.exec(select(Comment))).one().status
    confirmed = [await consultations.confirm(session, token, now=NOW + DAY) for _ in range(2)]

    comment = (await session.exec(select(Comment))).one()
    await session.refresh(comment)
    assert (before, comment.status, comment.commitment_id) == ("unconfirmed", "pending", commitment.id)
    assert confirmed == [comment, comment]
    assert "Trop vague" not in str(message.facts)
    assert await consultations.confirm(session, "x" * 43, now=NOW) is None
    assert await consultations.confirm(session, token, now=NOW + 8 * DAY) is None


async def test_the_same_text_twice_is_one_comment_and_a_new_link_only_after_a_while(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)

    for _ in range(2):
        await write(session, plan, call, commitment, "Trop vague.")
    await write(session, plan, call, None, "Trop vague.")
    await consultations.comment(
        session, call, plan, None, a_comment_form("Trop vague."), language="fr", secret_key=SECRET_KEY, now=NOW + timedelta(minutes=16)
    )

    assert len((await session.exec(select(Comment))).all()) == 2
    assert len(await promised(session, "confirm_comment")) == 3


async def test_nobody_comments_before_after_or_once_the_plan_is_adopted_and_a_robot_writes_nothing(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    await write(session, plan, call, commitment, "Achetez", site_web="https://spam.example")

    for now, draft in ((call.opens_at - DAY, True), (call.closes_at, True), (NOW, False)):
        plan.draft = draft
        with pytest.raises(CommentsClosed):
            await consultations.comment(session, call, plan, commitment, a_comment_form(), language="fr", secret_key=SECRET_KEY, now=now)

    assert (await session.exec(select(Comment))).all() == []


async def test_a_decision_is_told_once_and_the_second_of_two_moderators_is_refused(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    comment = await a_comment(session, call, commitment, status="pending")

    done = [await consultations.publish(session, comment, plan, DecisionForm(edition=0), now=NOW) for _ in range(2)]
    with pytest.raises(CommentChanged):
        await consultations.decline(session, comment, plan, DeclineForm(edition=0, reason="Non."), now=NOW)

    assert (done, comment.status, comment.edition) == ([True, False], "published", 1)
    assert len(await promised(session, "comment_published")) == 1
    assert await promised(session, "comment_declined") == []


async def test_a_published_comment_may_be_withdrawn_and_its_address_then_tells_why(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    comment = await a_comment(session, call, commitment)

    await consultations.decline(session, comment, plan, DeclineForm(edition=0, reason="Il nomme quelqu'un."), now=NOW)

    assert (comment.status, comment.decline_reason) == ("declined", "Il nomme quelqu'un.")
    assert (await consultations.published(session, call, commitment))[1] == 0


async def test_personal_data_taken_out_is_kept_for_its_author_alone(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    comment = await a_comment(session, call, commitment, text="M. Untel a tort.", status="pending")

    await consultations.correct(session, comment, plan, CorrectForm(edition=0, text="Quelqu'un a tort."), now=NOW)
    await consultations.correct(session, comment, plan, CorrectForm(edition=1, text="On a tort."), now=NOW)

    (first, second) = await promised(session, "comment_corrected")
    assert (comment.text, comment.original_text) == ("On a tort.", "M. Untel a tort.")
    assert "Untel" not in str(first.facts) + str(second.facts)


async def test_a_reply_is_published_corrected_and_mailed_the_first_time_only(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    institution = await an_institution(session, leads=[commitment])
    comment = await a_comment(session, call, commitment)

    done = [
        await consultations.reply(session, comment, plan, institution, ReplyForm(edition=edition, reply=text, institution=""), now=NOW)
        for edition, text in ((0, "Nous le ferons."), (0, "Nous le ferons."), (1, "Nous le ferons en mai."))
    ]

    (said,), _ = await consultations.published(session, call, commitment)
    assert done == [True, False, True]
    assert (said.comment.reply, said.institution) == ("Nous le ferons en mai.", institution)
    assert [message.facts["reply"] for message in await promised(session, "comment_replied")] == ["Nous le ferons."]


async def test_an_agent_is_concerned_by_what_its_institution_leads(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    mine, other = await an_institution(session, leads=[commitment]), await an_institution(session, "Autre")
    comment, whole = await a_comment(session, call, commitment), await a_comment(session, call, text="Tout", status="pending")

    assert [await consultations.concerns(session, each, [mine]) for each in (comment, whole)] == [True, False]
    assert not await consultations.concerns(session, comment, [other])
    assert [each.comment for each in (await consultations.for_members(session, call))[0]] == [whole, comment]
    assert [each.comment for each in (await consultations.for_members(session, call, institutions=[mine]))[0]] == [comment]
    assert [tuple(each) for each in await consultations.waiting(session)] == [(plan, 1, 1)]
    assert [tuple(each) for each in await consultations.waiting(session, institutions=[mine])] == [(plan, 0, 1)]


# -- Amendments ---------------------------------------------------------------------------------------------------


async def test_an_amendment_keeps_before_after_reason_and_the_comments_that_led_to_it(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    comment, waiting = await a_comment(session, call, commitment), await a_comment(session, call, text="Autre", status="pending")
    form = an_amendment_form(commitment, summary="Publier les données chaque mois.", comments=(comment.code, waiting.code))

    done = [await consultations.amend(session, plan, call, commitment, form, now=NOW) for _ in range(2)]

    (amendment,) = await amendments.of(session, [commitment.id])
    for each in (comment, waiting):
        await session.refresh(each)
    assert done == [True, False]
    assert amendment.before["summary"] == "Publier les données chaque année."
    assert amendment.after == {"title": "Engagement 1", "summary": "Publier les données chaque mois."}
    assert (comment.amendment_id, waiting.amendment_id) == (amendment.id, None)
    assert await consultations.of_amendments(session, [amendment]) == {amendment.id: [comment]}


async def test_an_amendment_of_a_text_that_changed_of_nothing_or_of_an_adopted_plan_is_refused(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    stale = an_amendment_form(commitment, title="L'un")
    await consultations.amend(session, plan, call, commitment, an_amendment_form(commitment, title="L'autre"), now=NOW)

    with pytest.raises(CommitmentChanged):
        await consultations.amend(session, plan, call, commitment, stale, now=NOW)
    with pytest.raises(NothingAmended):
        await consultations.amend(session, plan, call, commitment, an_amendment_form(commitment), now=NOW)
    plan.draft = False
    with pytest.raises(NotADraft):
        await consultations.amend(session, plan, call, commitment, an_amendment_form(commitment, title="Encore"), now=NOW)

    assert commitment.title == "L'autre"


async def test_a_changed_file_is_an_amendment_and_one_that_is_behind_undoes_nothing(session: AsyncSession, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"

    async def load(summary: str) -> ActionPlan:
        entry = f"engagements:\n- numero: 1\n  libelle_de_travail: Un\n  resume: {summary}\n"
        path.write_text("plan:\n  slug: p\n  titre: P\n  projet: true\n" + entry)
        return await action_plan.load_plan(session, path, now=NOW)

    await load("Zéro.")
    plan = await load("Un.")
    commitment = (await action_plan.commitments_of(session, plan))[0]
    untold = await amendments.of(session, [commitment.id])
    call = await a_consultation(session, plan)
    await load("Deux.")
    await consultations.amend(session, plan, call, commitment, an_amendment_form(commitment, summary="Trois."), now=NOW + DAY)
    await load("Deux.")

    told = await amendments.of(session, [commitment.id])
    assert (list(untold), commitment.summary) == ([], "Trois.")
    assert [(each.before["summary"], each.after["summary"], each.reason) for each in told] == [
        ("Deux.", "Trois.", "On nous l'a demandé."),
        ("Un.", "Deux.", amendments.BY_THE_FILE),
    ]


# -- Synthesis ------------------------------------------------------------------------------------------------------


async def test_the_synthesis_counts_what_was_published_and_its_files_name_nobody(session: AsyncSession) -> None:
    plan, call, commitment = await a_call(session)
    named = {"author_name": "Camille Martin", "organisation": "Asso", "show_name": True}
    await a_comment(session, call, commitment, text="=1+1 *gras*", **named, reply="Merci.", replied_at=NOW)
    await a_comment(session, call, text="Sans date.", **named)
    await a_comment(session, call, text="Non", status="declined", decline_reason="Hors sujet.")
    await a_comment(session, call, text="Attend", status="pending")
    await consultations.amend(session, plan, call, commitment, an_amendment_form(commitment, title="Mieux"), now=NOW)

    found = await consultations.summed_up(session, plan, call)
    text = await consultations.as_markdown(session, plan, call)
    table = (await consultations.as_csv(session, plan, call, "https://f.example")).decode()
    document = await pandoc.markdown_to_document(text, "odt")
    back, _ = await pandoc.document_to_markdown(document, "odt")

    assert [tuple(each)[1:] for each in found.lines] == [(1, 0, 0), (1, 1, 1)]
    assert (found.comments, found.replied, found.declined) == (2, 1, 1)
    for content in (text, table, back):
        assert "Camille" not in content
        assert "Asso" not in content
        assert "example.org" not in content
        assert "Attend" not in content
    assert "'=1+1" in table
    assert set(table.splitlines()[0].split(",")) <= {field.name for field in fields_of(Comments)}
    assert "Sans date" in back


async def test_organisers_write_the_synthesis_publish_it_and_correct_it(session: AsyncSession) -> None:
    _, call, _ = await a_call(session)

    await consultations.synthesise(session, call, SynthesisForm(synthesis="Brouillon", publish=False, edition=0), now=NOW)
    hidden = call.synthesis_published_at
    await consultations.synthesise(session, call, SynthesisForm(synthesis="Texte", publish=True, edition=1), now=NOW)
    await consultations.synthesise(session, call, SynthesisForm(synthesis="Texte relu", publish=False, edition=2), now=NOW + DAY)
    with pytest.raises(CallChanged):
        await consultations.synthesise(session, call, SynthesisForm(synthesis="Trop tard", publish=False, edition=1), now=NOW)

    assert (hidden, call.synthesis, call.synthesis_published_at) == (None, "Texte relu", NOW)


# -- People's data ----------------------------------------------------------------------------------------------------


async def test_the_address_of_an_author_is_forgotten_after_the_call_and_an_unconfirmed_comment_in_a_week(session: AsyncSession) -> None:
    _, call, commitment = await a_call(session)
    kept = await a_comment(session, call, commitment, author_name="Camille", original_text="avant")
    await a_comment(session, call, text="Oublié", status="unconfirmed")

    week = await privacy.purge(session, retention_days=90, now=NOW + 8 * DAY)
    before = await privacy.purge(session, retention_days=90, now=call.closes_at + 90 * DAY)
    after = await privacy.purge(session, retention_days=90, now=call.closes_at + 90 * DAY + timedelta(seconds=1))

    await session.refresh(kept)
    assert (week.unconfirmed_comments, before.addresses_of_commenters, after.addresses_of_commenters) == (1, 0, 1)
    assert (kept.email, kept.author_name, kept.original_text, kept.status) == (None, "", None, "published")


async def test_a_person_reads_their_comments_and_erases_themselves_from_them(session: AsyncSession) -> None:
    _, call, commitment = await a_call(session)
    registration = await a_confirmed_registration(session, await a_forum(session), "dominique@example.org")
    published = await a_comment(session, call, commitment, author_name="Dominique", show_name=True)
    await a_comment(session, call, text="En attente", status="pending")
    other = await a_comment(session, call, text="D'une autre", email="claude@example.org")

    held = await privacy.held_on(session, registration)
    await privacy.erase(session, registration, now=NOW)

    left = (await session.exec(select(Comment).order_by(Comment.text))).all()
    assert {each["etat"] for each in held["commentaires"]} == {"publie", "a_moderer"}
    assert {each.id for each in left} == {published.id, other.id}
    assert (published.email, published.author_name, published.show_name) == (None, "", False)
    assert other.email == "claude@example.org"
    assert (await session.exec(select(Question))).all() == []
