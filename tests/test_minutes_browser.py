"""On a phone, in a real browser: minutes are kept, shown, pasted and tied as they are typed, and a question meets its like."""

import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Served, Visitor, served


@pytest.fixture(scope="module")
def evening(sqlite_with_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("evening") / "forums.db"
    shutil.copy(sqlite_with_demo, path)
    with served(f"sqlite:///{path}") as found:
        yield found


@pytest.fixture
def organiser(evening: Served, chromium: Browser) -> Iterator[Visitor]:
    """Someone standing, a phone in hand, in front of the minutes of the next forum."""
    visitor = Visitor(chromium, evening, scripts=True, width=360)
    visitor.open(evening.sign_in_link(email=f"{uuid.uuid4().hex}@example.org"))
    visitor.press("Me connecter")
    visitor.page.goto("/organisation/forums/demonstration-3/compte-rendu")
    yield visitor
    visitor.context.close()


def test_what_is_typed_is_kept_by_itself_and_offered_the_next_time(organiser: Visitor) -> None:
    page = organiser.page
    page.get_by_label("Texte").fill("Le ministère promet une réponse")
    expect(page.locator("[data-draft-said]")).to_contain_text(re.compile("Brouillon enregistré à"))

    page.reload()
    expect(page.get_by_label("Texte")).to_have_value("")
    page.get_by_role("link", name="Reprendre le brouillon").click()
    expect(page.get_by_label("Texte")).to_have_value("Le ministère promet une réponse")
    organiser.press("Enregistrer le brouillon du passage")

    organiser.reads("Le passage est enregistré")
    expect(page.get_by_text("Vous avez un brouillon")).to_have_count(0)


def test_without_the_server_the_text_stays_in_the_tab_and_goes_when_it_is_back(organiser: Visitor) -> None:
    page = organiser.page
    organiser.context.set_offline(True)
    page.get_by_label("Texte").fill("Écrit dans le métro")
    expect(page.locator("[data-draft-said]")).to_contain_text("Le serveur ne répond pas")

    organiser.context.set_offline(False)
    expect(page.locator("[data-draft-said]")).to_contain_text("Brouillon enregistré à")

    assert page.evaluate("sessionStorage.length") == 0


def test_when_the_session_has_expired_nothing_is_lost(organiser: Visitor, evening: Served) -> None:
    page = organiser.page
    organiser.context.clear_cookies()
    page.get_by_label("Texte").fill("Écrit trop longtemps")
    expect(page.locator("[data-draft-said]")).to_contain_text("Votre session a expiré")
    page.goto(evening.sign_in_link(email=f"{uuid.uuid4().hex}@example.org"))
    organiser.press("Me connecter")

    page.goto("/organisation/forums/demonstration-3/compte-rendu")
    organiser.press("Le remettre dans le formulaire")

    expect(page.get_by_label("Texte")).to_have_value("Écrit trop longtemps")


def test_the_text_is_shown_as_the_public_will_read_it(organiser: Visitor) -> None:
    page = organiser.page
    page.locator("#apercu > summary").click()
    page.get_by_label("Texte").fill("# Réponse\n\n**Oui**, voir E2. <img src=x onerror=alert(1)>")

    preview = page.locator("[data-preview-here]")
    expect(preview.locator("h3")).to_have_text("Réponse")
    expect(preview.locator("strong")).to_have_text("Oui")
    expect(preview.locator("a")).to_have_attribute("href", "/engagements/2")
    expect(preview.locator("img")).to_have_count(0)
    expect(page.get_by_role("button", name="Voir l'aperçu")).to_be_hidden()


def test_a_commitment_cited_is_proposed_and_tied_by_a_touch(organiser: Visitor) -> None:
    page = organiser.page
    page.get_by_label("Texte").fill("Comme le dit E7, et E9999")

    button = page.get_by_role("button", name=re.compile("^Lier l'engagement 7 – "))
    expect(button).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("9999"))).to_have_count(0)
    button.click()

    expect(page.locator("input[name=commitments][value='7']")).to_be_checked()
    expect(button).to_have_count(0)


def test_a_paste_keeps_its_headings_lists_and_links_at_the_caret(organiser: Visitor) -> None:
    page = organiser.page
    page.get_by_label("Texte").fill("Avant. ")
    _paste(page, '<h2>Titre</h2><ul><li>un</li></ul><p><a href="https://exemple.fr/">lien</a></p>', "Titre un lien")

    expect(page.get_by_label("Texte")).to_have_value("Avant. ## Titre\n\n- un\n\n[lien](https://exemple.fr/)")
    expect(page.locator("[data-paste]")).to_contain_text("Texte collé")


def test_a_paste_that_cannot_be_formatted_is_pasted_plain(organiser: Visitor) -> None:
    page = organiser.page
    page.route("**/organisation/coller", lambda route: route.fulfill(status=422, body="Non"))
    page.get_by_label("Texte").focus()
    _paste(page, "<h2>Titre</h2>", "Titre")

    expect(page.get_by_label("Texte")).to_have_value("Titre")
    expect(page.locator("[data-paste]")).to_contain_text("La mise en forme n'a pas pu être gardée")


def test_an_outcome_shows_what_it_asks_for_and_nothing_else(organiser: Visitor) -> None:
    page = organiser.page
    question = page.locator(".od-asked").first
    expect(question.get_by_label("Ce qu'il en est", exact=True)).to_be_hidden()

    question.get_by_role("checkbox").check()
    question.get_by_label("Ce qu'il en est", exact=True).select_option("deferred")

    expect(question.get_by_label("Remise au")).to_be_visible()
    expect(question.get_by_label("Raison du refus")).to_be_hidden()


def test_a_question_being_typed_meets_those_that_ask_the_same(evening: Served, chromium: Browser) -> None:
    anyone = Visitor(chromium, evening, scripts=True, width=360)
    page = anyone.open("/forums/demonstration-3/questions")
    text, shown = page.get_by_label("Votre question ou votre idée"), page.locator("[data-similar]")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    text.fill("Combien de personnes abandonnent une démarche avant la")
    text.press_sequentially(" fin ?")
    like = shown.get_by_role("link", name=re.compile("^Comment sont comptées les personnes qui abandonnent une démarche"))
    expect(like).to_be_visible()
    text.fill("<img src=x onerror=alert(1)> zzz")
    expect(like).to_have_count(0)
    page.context.set_offline(True)
    with page.expect_event("requestfailed"):
        text.fill("Combien de personnes abandonnent une démarche, sans réseau ?")

    expect(shown).to_be_empty()
    expect(text).to_have_value("Combien de personnes abandonnent une démarche, sans réseau ?")
    assert [each for each in said if "ERR_INTERNET_DISCONNECTED" not in each] == []
    anyone.context.close()


def _paste(page: Page, html: str, plain: str) -> None:
    page.evaluate(
        """([html, plain]) => {
            const clipboard = new DataTransfer()
            clipboard.setData("text/html", html)
            clipboard.setData("text/plain", plain)
            const event = new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true, cancelable: true })
            document.activeElement.dispatchEvent(event)
        }""",
        [html, plain],
    )
