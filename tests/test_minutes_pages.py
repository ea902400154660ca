"""The pages of the minutes: written with outcomes beside the questions, both texts shown, versions for everybody."""

import re
from dataclasses import dataclass
from html import unescape

import pytest
from sqlmodel import select

from forums import action_plan, agenda, minutes, questions, rendering
from forums.models import AuditEvent, Forum, Minutes, MinutesEntry, MinutesVersion
from tests.factories import a_question
from tests.site import Site


@dataclass(frozen=True)
class Desk:
    """Where an organiser writes, signed in: the minutes of a forum to come, nothing written yet; and published ones."""

    site: Site
    forum: Forum
    codes: list[str]
    public: str

    @property
    def here(self) -> str:
        return f"/organisation/forums/{self.forum.slug}/compte-rendu"

    async def held(self) -> list[minutes.Entry]:
        async with self.site.database.reading() as session:
            found = await minutes.of(session, self.forum)
            return await minutes.entries_of(session, found) if found else []

    async def journal(self) -> list[tuple[str, str]]:
        async with self.site.database.reading() as session:
            events = (await session.exec(select(AuditEvent).where(AuditEvent.member_id != None).order_by(AuditEvent.at))).all()  # type: ignore[arg-type]  # noqa: E711
            return [(each.verb, each.subject) for each in events]


@pytest.fixture
async def desk(site: Site) -> Desk:
    values = await site.examples()
    await site.sign_in("organiser")
    async with site.database.reading() as session:
        forum = (await session.exec(select(Forum).where(Forum.slug == values["slug"]))).one()
        codes = [each.code for each in await questions.for_forum(session, forum)]
    return Desk(site, forum, codes, values["written"])


async def test_a_passage_is_written_with_what_came_of_each_question(desk: Desk) -> None:
    first, second = desk.codes[:2]

    answer = await desk.site.post(
        desk.here,
        text="Le ministère **refuse**.",
        commitments=["1", "2"],
        questions=[first, second],
        **{f"outcome-{first}": "refused", f"reason-{first}": "Le secret des affaires.", f"outcome-{second}": "partly"},
    )

    (held,) = await desk.held()
    assert answer.headers["location"] == f"{desk.here}?fait=passage"
    assert [each.number for each in held.commitments] == [1, 2]
    assert {code: (link.outcome, link.reason) for code, link in held.outcomes.items()} == {
        first: ("refused", "Le secret des affaires."),
        second: ("partly", None),
    }
    assert await desk.journal() == [("write", f"minutes {desk.forum.slug}#p-1")]


@pytest.mark.parametrize(
    ("outcome", "field", "sentence"),
    [
        ("deferred", "deferred_to", "Indiquez pour quand la réponse est promise"),
        ("refused", "reason", "Donnez la raison du refus"),
        ("peut-être", "outcome", "Dites ce qu'il en est de cette question."),
    ],
)
async def test_an_outcome_that_lacks_its_date_or_its_reason_is_said_beside_its_field(
    desk: Desk, outcome: str, field: str, sentence: str
) -> None:
    code = desk.codes[0]

    answer = await desk.site.post(desk.here, text="Mon texte", questions=[code], **{f"outcome-{code}": outcome})

    messages = re.search(rf'id="{field}-{code}-messages".*?</div>', answer.text, re.DOTALL)
    assert answer.status_code == 422
    assert messages is not None
    assert sentence in unescape(messages[0])
    assert f'href="#{field}-{code}"' in answer.text
    assert "Mon texte</textarea>" in answer.text
    assert await desk.held() == []


async def test_the_preview_button_shows_the_text_and_loses_nothing(desk: Desk) -> None:
    answer = await desk.site.post(desk.here, text="**Gras** et E1", title="Titre", questions=[desk.codes[0]], apercu="1")

    assert answer.status_code == 200
    assert '<strong>Gras</strong> et <a href="/engagements/1"' in answer.text
    assert "**Gras** et E1</textarea>" in answer.text
    assert f'value="{desk.codes[0]}" checked' in answer.text
    assert await desk.held() == []


async def test_the_preview_for_scripts_is_what_the_public_page_shows(desk: Desk) -> None:
    answer = await desk.site.post("/organisation/apercu", text="# Titre\n\n<script>x</script> E1 E9999", forum=desk.forum.slug)

    assert answer.status_code == 200
    assert "<h3>Titre</h3>" in answer.text
    assert '<a href="/engagements/1"' in answer.text
    assert "<script" not in answer.text
    assert "E9999</p>" in answer.text


async def test_the_preview_says_why_a_text_is_not_shown_as_it_will_be(desk: Desk) -> None:
    long = await desk.site.post("/organisation/apercu", text="x" * 50_001, forum=desk.forum.slug)
    marked = await desk.site.post("/organisation/apercu", text="*" * 5_001, forum=desk.forum.slug)

    assert "Ce texte compte 50001 caractères\N{NO-BREAK SPACE}: 50000 au plus sont montrés ici." in long.text
    assert len(long.text) < 500
    assert "plus de 5000 signes de mise en forme" in marked.text
    assert "***</p>" in marked.text


async def test_a_text_being_typed_leaves_nothing_behind(desk: Desk) -> None:
    before = len(rendering._shown)
    for number in range(50):
        await desk.site.post("/organisation/apercu", text=f"Un mot de plus {number}", forum=desk.forum.slug)

    assert len(rendering._shown) == before


async def test_a_save_from_an_old_edition_shows_both_texts_and_the_next_one_is_deliberate(desk: Desk) -> None:
    await desk.site.post(desk.here, text="Le ministère répondra en mai.")
    await desk.site.post(f"{desk.here}/1", text="Le ministère répondra en juin.", edition="1")

    refused = await desk.site.post(f"{desk.here}/1", text="Le ministère répondra bientôt.", edition="1", commitments=["3"])
    kept = (await desk.held())[0].entry.text
    again = await desk.site.post(f"{desk.here}/1", text="Le ministère répondra bientôt.", edition="2", commitments=["3"])

    assert refused.status_code == 409
    assert "Quelqu'un d'autre a enregistré ce passage" in unescape(refused.text)
    assert re.search(r"<del>.*?en juin.*?</del>", refused.text, re.DOTALL)
    assert re.search(r"<ins>.*?bientôt.*?</ins>", refused.text, re.DOTALL)
    assert "Le ministère répondra bientôt.</textarea>" in refused.text
    assert 'name="edition" value="2"' in refused.text
    assert 'value="3" checked' in refused.text
    assert kept == "Le ministère répondra en juin."
    assert again.status_code == 303
    assert (await desk.held())[0].entry.text == "Le ministère répondra bientôt."


async def test_a_form_without_its_edition_overwrites_nothing(desk: Desk) -> None:
    await desk.site.post(desk.here, text="Avant")

    answer = await desk.site.post(f"{desk.here}/1", text="Après")

    assert answer.status_code == 409
    assert (await desk.held())[0].entry.text == "Avant"


async def test_what_was_typed_for_a_passage_removed_meanwhile_is_kept_as_a_new_one(desk: Desk) -> None:
    await desk.site.post(desk.here, text="Avant")
    await desk.site.post(f"{desk.here}/1/effacer")

    answer = await desk.site.post(f"{desk.here}/1", text="Une heure de travail", edition="1")

    assert answer.status_code == 409
    assert "Ce passage a été effacé pendant que vous l'écriviez" in unescape(answer.text)
    assert "Une heure de travail</textarea>" in answer.text
    assert f'action="{desk.here}" data-draft' in answer.text


async def test_saving_a_passage_forgets_its_draft(desk: Desk) -> None:
    await desk.site.post("/organisation/brouillons", brouillon=desk.here, text="À moitié")

    await desk.site.post(desk.here, text="En entier")

    assert "Vous avez un brouillon" not in (await desk.site.get(desk.here)).text


async def test_what_a_passage_cites_is_proposed_and_tied_with_one_button(desk: Desk) -> None:
    await desk.site.post(desk.here, text="Voir E2 et E9998.")
    proposed = unescape((await desk.site.get(desk.here)).text)

    tied = await desk.site.post(f"{desk.here}/1/lier", commitment="2")
    unknown = await desk.site.post(f"{desk.here}/1/lier", commitment="9998")

    assert "Lier l'engagement 2 –" in proposed
    assert "Lier l'engagement 9998" not in proposed
    assert tied.headers["location"] == f"{desk.here}?fait=engagement-lie"
    assert unknown.status_code == 404
    assert [each.number for each in (await desk.held())[0].commitments] == [2]
    assert "Lier l'engagement 2 –" not in unescape((await desk.site.get(desk.here)).text)


async def test_once_public_what_changes_is_asked_beside_its_field_and_makes_a_version_everybody_reads(desk: Desk) -> None:
    here = f"/organisation/forums/{desk.public}/compte-rendu"
    before = await desk.site.count(MinutesVersion)
    edition = re.search(r'name="edition" value="(\d+)"', (await desk.site.get(f"{here}/1")).text)
    assert edition

    refused = await desk.site.post(f"{here}/1", text="Tout autre chose, E2.", edition=edition[1])
    saved = await desk.site.post(f"{here}/1", text="Tout autre chose, E2.", edition=edition[1], comment="Le passage est refait.")
    again = await desk.site.post(f"{here}/1", text="Tout autre chose, E2.", edition=edition[1], comment="Le passage est refait.")
    public = (await desk.site.get(f"/forums/{desk.public}/compte-rendu")).text
    number = max(int(each) for each in re.findall(r"/compte-rendu/versions/(\d+)", public))
    version = (await desk.site.get(f"/forums/{desk.public}/compte-rendu/versions/{number}")).text

    assert refused.status_code == 422
    assert 'href="#comment">Dites en quelques mots ce qui change' in refused.text
    assert saved.headers["location"] == again.headers["location"] == f"{here}?fait=passage-public"
    assert await desk.site.count(MinutesVersion) == before + 1
    assert "Tout autre chose, <a href=" in public
    assert "Le passage est refait." in public
    assert "Le passage est refait." in version
    assert re.search(r"<ins><span class=\"fr-sr-only\"> \[ajouté\s:", version)


async def test_the_first_version_and_those_that_do_not_exist(site: Site) -> None:
    slug = (await site.examples())["written"]

    first = await site.get(f"/forums/{slug}/compte-rendu/versions/1")
    missing = [(await site.get(f"/forums/{slug}/compte-rendu/versions/{number}")).status_code for number in (0, 99, 99_999)]

    assert first.status_code == 200
    assert "<ins>" not in first.text
    assert missing == [404, 404, 404]


async def test_a_draft_has_no_public_page_and_no_version(desk: Desk) -> None:
    await desk.site.post(desk.here, text="Secret pour l'instant")

    public = await desk.site.get(f"/forums/{desk.forum.slug}/compte-rendu")
    version = await desk.site.get(f"/forums/{desk.forum.slug}/compte-rendu/versions/1")

    assert "Secret pour" not in public.text
    assert version.status_code == 404


async def test_publishing_twice_is_published_once_in_one_version(desk: Desk) -> None:
    await desk.site.post(desk.here, text="Une réponse.", questions=[desk.codes[0]])

    first, second = [await desk.site.post(f"{desk.here}/publier") for _ in range(2)]

    async with desk.site.database.reading() as session:
        found = (await session.exec(select(Minutes).where(Minutes.forum_id == desk.forum.id))).one()
        assert [each.number for each in await minutes.versions_of(session, found)] == [1]
        question = await questions.published_question(session, desk.codes[0])
        assert question is not None
        assert (await questions.states_of(session, [question]))[question.id].state == "answered"
    assert [each.headers["location"] for each in (first, second)] == [f"{desk.here}?fait=compte-rendu"] * 2


@pytest.mark.parametrize("role", ["moderator", "agent"])
async def test_only_organisers_write(desk: Desk, role: str) -> None:
    await desk.site.sign_in(role)
    before = await desk.site.count(MinutesEntry)

    answers = [
        await desk.site.post(f"{desk.here}{path}", text="x") for path in ("", "/1", "/publier", "/1/lier", "/1/effacer", "/importer")
    ]

    assert [answer.status_code for answer in answers] == [403] * 6
    assert await desk.site.count(MinutesEntry) == before


async def test_a_question_ticked_from_the_agenda_is_ticked_in_the_form(desk: Desk) -> None:
    async with desk.site.database.reading() as session:
        points = await agenda.points_of(session, desk.forum)
        plan = await action_plan.current_plan(session)
    point = next(each for each in points if each.questions)

    form = (await desk.site.get(f"{desk.here}?point={point.item.id}")).text

    assert plan is not None
    assert f'value="{point.questions[0].code}" checked' in form


async def test_personal_data_is_found_then_taken_out_and_the_journal_does_not_keep_it(site: Site):
    await site.sign_in("organiser")
    written = (await site.examples())["written"]
    here = f"/organisation/forums/{written}/compte-rendu"
    text = (await site.get(f"/forums/{written}/compte-rendu")).text
    word = re.search(r"<p>(\w+ \w+ \w+)", text.split('id="p-1"')[1])
    assert word

    found = await site.post(f"{here}/donnees-personnelles", words=word[1])
    done = await site.post(f"{here}/donnees-personnelles", words=word[1], sure="1")
    after = (await site.get(f"/forums/{written}/compte-rendu")).text
    async with site.database.reading() as session:
        lines = (await session.exec(select(AuditEvent).where(AuditEvent.verb == "redact"))).all()

    assert "Ce qui est retiré ne se retrouve pas" in found.text
    assert done.headers["location"] == f"{here}?fait=donnees-retirees"
    assert "[donnée personnelle retirée]" in after
    assert [(each.subject, each.detail) for each in lines] == [(f"minutes {written}", "1")]


async def test_among_many_questions_a_search_finds_any_and_keeps_what_was_typed_and_ticked(desk: Desk) -> None:
    async with desk.site.database.transaction() as session:
        for number in range(25):
            await a_question(session, desk.forum, text=f"Une question de plus, la {number}e ?", email=f"q{number}@example.org")
        far = await a_question(session, text="Que deviennent les zèbres ?", email="z@example.org")
    agenda = f"/organisation/forums/{desk.forum.slug}/ordre-du-jour"

    opened = await desk.site.get(desk.here)
    found = [
        await desk.site.post(address, text="Mon texte", title="Mon titre", questions=[desk.codes[0]], cherche=asked, chercher="1")
        for address in (desk.here, agenda)
        for asked in ("zebre", far.code)
    ]

    assert far.code not in opened.text
    assert opened.text.count('name="questions"') == 20
    for each in found:
        assert each.status_code == 200
        assert f'name="questions" value="{far.code}"' in each.text
        assert f'value="{desk.codes[0]}" checked' in each.text
        assert "Mon titre" in each.text
        pressed_by_enter = re.search(r"<form[^>]*data-draft.*?<button([^>]*)>", each.text, re.DOTALL)
        assert pressed_by_enter
        assert "chercher" not in pressed_by_enter[1]
    assert await desk.held() == []
    assert "Que deviennent les zèbres" in (await desk.site.get(f"{agenda}?cherche=z%C3%A8bres")).text
