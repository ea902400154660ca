"""The pages of a call for comments: anybody writes and confirms, moderators publish, institutions reply, organisers amend."""

import re
from datetime import UTC, datetime

import pytest
from sqlmodel import select

from forums import action_plan, amendments, consultations, evaluations
from forums.models import AuditEvent, Comment, CommitmentAmendment
from tests.factories import NOW, a_comment, a_plan, an_evaluation_form
from tests.site import Site, links_in
from tests.test_follow_ups import statements

PLAN = "projet-de-demonstration"
CALL = f"/plans/{PLAN}/commentaires"
FIRST = f"/plans/{PLAN}/engagements/1/commentaires"
DESK = f"/organisation/plans/{PLAN}/commentaires"
AUTHOR = "camille@example.org"


async def written(site: Site, text: str = "Ajoutez une date.", about: str = FIRST) -> str:
    """A comment confirmed by its author; its code."""
    sent = await site.post(about, text=text, email=AUTHOR, author_name="Camille", show_name="1")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{CALL}/envoye")
    link = next(each for each in links_in((await site.mailed(AUTHOR))[-1]) if "/commentaires/confirmer/" in each)
    assert "Confirmer mon commentaire" in (await site.get(link)).text
    assert (await site.post(link)).status_code == 303
    async with site.database.reading() as session:
        return str((await session.exec(select(Comment.code).where(Comment.text == text))).one())


async def test_a_comment_goes_from_its_author_to_the_page_of_the_commitment_and_comes_back_as_an_amendment(site: Site) -> None:
    code = await written(site)
    pending = await site.get(f"/commentaires/{code}")
    await site.sign_in("organiser")
    dashboard = (await site.get("/organisation")).text
    published = await site.post(f"{DESK}/{code}/publier", edition="0")
    institution = "administration-d-exemple-fictive"
    replied = await site.post(f"{DESK}/{code}/repondre", edition="1", reply="Ce sera fait.", institution=institution)
    form = (await site.get(f"{DESK}/engagements/1?commentaire={code}")).text
    seen = re.search(r'name="seen" value="(\w+)"', form)
    assert seen
    amended = await site.post(
        f"{DESK}/engagements/1",
        title="Publier le délai réel de chaque démarche en ligne",
        summary="Chaque démarche affiche le délai médian, daté.",
        reason="Une date manquait.",
        comments=code,
        seen=seen[1],
    )

    public, page = (await site.get(f"/commentaires/{code}")).text, (await site.get(FIRST)).text
    assert pending.status_code == 404
    assert "attend d" in dashboard
    assert (published.status_code, replied.status_code, amended.status_code) == (303, 303, 303)
    assert f'value="{code}" checked' in form
    for text in (public, page):
        assert "Camille" in text
        assert "Ce sera fait." in text
        assert "Une date manquait." in text
        assert "<ins>" in text
        assert "<del>" in text
        assert AUTHOR not in text
    assert len(await site.mailed(AUTHOR)) == 3
    async with site.database.reading() as session:
        events = (await session.exec(select(AuditEvent).where(AuditEvent.actor == "organiser"))).all()
    assert {(each.verb, each.subject.split(" ")[0]) for each in events} == {
        ("publish", "comment"),
        ("reply", "comment"),
        ("amend", "consultation"),
    }


async def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_is_kept(site: Site) -> None:
    answer = await site.post(CALL, text="Un long texte.", email="pas une adresse")
    gone = await site.post("/plans/essai/commentaires", text="x", email=AUTHOR)

    assert answer.status_code == 422
    assert "Un long texte." in answer.text
    assert "Cette adresse électronique" in answer.text
    assert gone.status_code == 404
    assert (await site.get("/commentaires/confirmer/" + "x" * 43)).status_code == 404


async def test_a_closed_call_keeps_the_text_and_says_so_and_reopens(site: Site) -> None:
    await site.sign_in("organiser")
    assert (await site.post(f"{DESK}/appel/clore")).status_code == 303
    closed = await site.post(CALL, text="Trop tard ?", email=AUTHOR)
    refused = await site.post(f"{DESK}/appel/rouvrir", until="2020-01-01T10:00")
    reopened = await site.post(f"{DESK}/appel/rouvrir", until=f"{datetime.now(UTC).year + 1}-06-01T10:00")

    assert closed.status_code == 409
    assert "Trop tard ?" in closed.text
    assert (refused.status_code, reopened.status_code) == (422, 303)
    assert (await site.post(CALL, text="À temps.", email=AUTHOR)).status_code == 303


async def test_a_call_edited_from_an_older_page_keeps_both_texts(site: Site) -> None:
    await site.sign_in("organiser")
    typed = {"introduction": "Deux questions.", "opens": "2026-01-01T10:00", "closes": "2030-01-01T10:00"}

    saved = await site.post(f"{DESK}/appel", **typed, edition="1")
    late = await site.post(f"{DESK}/appel", **typed | {"introduction": "Trois questions."}, edition="1")
    wrong = await site.post(f"{DESK}/appel", **typed | {"closes": "2025-01-01T10:00"}, edition="2")
    adopted = await site.post("/organisation/plans/essai/commentaires/appel", **typed, edition="0")

    assert (saved.status_code, late.status_code, wrong.status_code, adopted.status_code) == (303, 409, 422, 409)
    assert "Deux questions." in late.text
    assert "Trois questions." in late.text


async def test_a_declined_comment_tells_why_at_its_address_and_to_its_author(site: Site) -> None:
    code = await written(site, "Monsieur Untel est un incapable.")
    await site.sign_in("moderator")

    without = await site.post(f"{DESK}/{code}/refuser", edition="0", reason="")
    declined = await site.post(f"{DESK}/{code}/refuser", edition="0", reason="Il vise une personne.")
    late = await site.post(f"{DESK}/{code}/publier", edition="0")
    public = await site.get(f"/commentaires/{code}")

    assert (without.status_code, declined.status_code, late.status_code, public.status_code) == (422, 303, 409, 200)
    assert "Il vise une personne." in public.text
    assert "Untel" not in public.text
    assert "Il vise une personne." in (await site.mailed(AUTHOR))[-1]


async def test_an_agent_replies_for_its_institution_alone_and_sees_nothing_else(site: Site) -> None:
    values = await site.examples()
    await site.sign_in("agent", "administration-d-exemple-fictive")
    async with site.database.reading() as session:
        comments = (await session.exec(select(Comment))).all()
    mine = next(each for each in comments if each.status == "published" and each.commitment_id and not each.reply)
    whole = next(each for each in comments if each.commitment_id is None)

    other = await site.post(f"{DESK}/{mine.code}/repondre", edition="1", reply="Oui.", institution="hatvp")
    nobody = await site.post(f"{DESK}/{mine.code}/repondre", edition="1", reply="Oui.", institution="")
    theirs = await site.post(f"{DESK}/{mine.code}/repondre", edition="1", reply="Oui.", institution="administration-d-exemple-fictive")
    hidden = await site.get(f"{DESK}/{whole.code}")
    await site.sign_in("agent", "hatvp")
    stranger = await site.get(f"{DESK}/{mine.code}")

    assert (other.status_code, nobody.status_code, theirs.status_code) == (422, 422, 303)
    assert (hidden.status_code, stranger.status_code) == (404, 404)
    assert values["comment"]


@pytest.mark.parametrize("kind", ["odt", "docx"])
async def test_the_synthesis_is_a_page_and_a_document(site: Site, kind: str) -> None:
    await site.sign_in("organiser")
    hidden = await site.post(f"{DESK}/synthese", synthesis="Ce que nous retenons **surtout**.", edition="1")
    before = (await site.get(f"{CALL}/synthese?a")).text
    published = await site.post(f"{DESK}/synthese", synthesis="Ce que nous retenons **surtout**.", publish="1", edition="2")
    after = (await site.get(f"{CALL}/synthese?b")).text
    document = await site.get(f"{CALL}/synthese.{kind}")

    assert (hidden.status_code, published.status_code) == (303, 303)
    assert "surtout" not in before
    assert "<strong>surtout</strong>" in after
    assert document.content.startswith(b"PK\x03\x04")
    assert f'filename="synthese-{PLAN}.{kind}"' in document.headers["content-disposition"]


async def test_the_pages_of_a_plan_and_of_a_commitment_lead_to_the_call_and_say_what_changed(site: Site) -> None:
    plan, commitment = (await site.get(f"/plans/{PLAN}")).text, (await site.get(f"/plans/{PLAN}/engagements/1")).text
    async with site.database.reading() as session:
        amendment = (await session.exec(select(CommitmentAmendment))).one()

    assert f'href="{CALL}"' in plan
    assert "Ouvert jusqu" in plan
    assert f'href="{FIRST}"' in commitment
    assert "Modifié une fois" in commitment
    assert f'id="modification-{amendment.code}"' in (await site.get(FIRST)).text
    assert "Appel à commentaires" in (await site.get("/plans")).text
    assert "commentaires" not in (await site.get("/")).text


async def test_a_page_costs_as_many_statements_for_forty_comments_amendments_and_plans_as_for_three(site: Site) -> None:
    await site.sign_in("organiser")
    pages = ["/plans", f"/plans/{PLAN}", f"/plans/{PLAN}/engagements/1", CALL, FIRST, f"{CALL}/synthese", f"{CALL}.csv"]
    pages += [f"/commentaires/{(await site.examples())['comment']}", "/organisation", "/organisation/plans", DESK, f"{DESK}/engagements/1"]

    async def costs(turn: str) -> dict[str, int]:
        found = {}
        for path in pages:
            async with statements() as said:
                # Another address, so that the answer is not one kept from before.
                assert (await site.get(f"{path}?tour={turn}")).status_code == 200
            found[path] = len(said)
        return found

    few = await costs("1")
    async with site.database.transaction() as session:
        plan = await action_plan.plan_by_slug(session, PLAN)
        assert plan is not None
        call = await consultations.call_on(session, plan)
        assert call is not None
        first = (await action_plan.commitments_of(session, plan))[0]
        for number in range(40):
            before = amendments.text_of(first)
            first.title_en = first.working_title = f"Titre {number}"
            amendment = await amendments.note(session, first, before, "Raison.", now=datetime.now(UTC))
            await a_comment(session, call, first, text=f"Commentaire {number}", amendment_id=amendment.id, reply="Oui.", replied_at=NOW)
            await a_comment(session, call, text=f"Sur tout {number}")
            await evaluations.add(session, plan, first, an_evaluation_form(f"Évaluation {number}"), now=NOW)
            await a_plan(session, f"plan-{number}", current=False)

    assert await costs("2") == few
