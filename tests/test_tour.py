"""The whole life of one forum, by hand in a real browser: from its announcement to the page of its commitment.

With JavaScript on SQLite, without on PostgreSQL. Nobody has a mail server here: the people
read their messages in the organisers' outbox, as a newcomer does.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from forums.settings import ROOT
from tests.browser import Served, Visitor, served
from tests.conftest import PostgresUrl

FORUM = "/forums/2031-1"
DESK = "/organisation/forums/2031-1"
QUESTION = "Quand les données de la commande publique seront-elles complètes ?"
ANSWER = "La direction s'engage à compléter les données avant l'été."


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A site with the real plan and nothing else."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'forums.db'}"
    else:
        fresh: PostgresUrl = request.getfixturevalue("postgres_served")
        url = fresh()
    with served(url) as found:
        found.command("load-plan", str(ROOT / "db" / "plans" / "2018-2020.yaml"))
        yield found


@pytest.mark.parametrize(
    ("site", "scripts"),
    [pytest.param("sqlite", True, marks=pytest.mark.long), ("postgresql", False)],
    indirect=["site"],
    ids=["SQLite, with JavaScript", "PostgreSQL, without JavaScript"],
)
def test_a_forum_goes_from_announcement_to_minutes_on_the_page_of_its_commitment(site: Served, chromium: Browser, scripts: bool):
    organiser, alice, basile = (Visitor(chromium, site, scripts=scripts) for _ in range(3))

    sign_in(organiser, site)
    plan_the_season(organiser)
    announce(organiser, alice)
    set_theme_and_place(organiser, alice)
    alice_link, basile_link = register_two_for_one_seat(organiser, alice, basile)
    ask_and_moderate(organiser, alice)
    publish_the_agenda(organiser, alice)
    publish_the_minutes(organiser, alice)
    walk_the_chain_both_ways(alice)
    give_the_seat_back(alice, alice_link, basile, basile_link)


def sign_in(organiser: Visitor, site: Served) -> None:
    link = site.sign_in_link()
    organiser.open(link)
    organiser.press("Me connecter")
    expect(organiser.page).to_have_url(re.compile("/organisation$"))

    organiser.open(link)
    expect(organiser.page.get_by_role("button", name="Me connecter")).to_have_count(0)


def plan_the_season(organiser: Visitor) -> None:
    page = organiser.open("/organisation/saisons/nouvelle")
    page.get_by_label("Nom de la saison").fill("Saison 2031")
    page.get_by_label("Chercher les dates à partir du").fill("2031-01-01")
    organiser.press("Proposer des dates")

    days = page.locator("input[name^=day-]")
    assert [days.nth(n).input_value() for n in range(6)] == [
        "2031-01-23", "2031-03-27", "2031-05-29", "2031-07-24", "2031-09-25", "2031-11-27",
    ]  # fmt: skip
    organiser.reads("Ascension est un jour férié")

    days.nth(5).fill("2031-12-04")
    organiser.press("Créer la saison avec ces dates")
    organiser.reads("La saison est créée")


def announce(organiser: Visitor, anyone: Visitor) -> None:
    assert anyone.open(FORUM).title().startswith("Page non trouvée")
    organiser.open(DESK)
    organiser.press("Annoncer le forum n° 1")
    organiser.reads("Le forum est annoncé")

    anyone.open(FORUM)
    expect(anyone.page.get_by_role("heading", level=1)).to_have_text("Thème à définir")
    anyone.reads("jeudi 23 janvier 2031")
    anyone.reads("lieu à définir")
    feed = anyone.context.request.get("/calendrier.ics").text().replace("\r\n ", "")
    assert "Forum Open d'État n° 1 – thème à venir" in feed


def set_theme_and_place(organiser: Visitor, anyone: Visitor) -> None:
    page = organiser.open(f"{DESK}/modifier")
    page.get_by_label("Thème").fill("Suivre un marché public")
    page.get_by_label("Lieu", exact=False).first.fill("Maison des essais")
    page.get_by_label("Places sur place").fill("1")
    page.locator("input[name=commitments][value='2']").check(force=True)
    organiser.press("Enregistrer et publier les changements")
    organiser.reads("Les changements sont enregistrés et visibles de tous")

    anyone.open(FORUM)
    expect(anyone.page.get_by_role("heading", level=1)).to_have_text("Suivre un marché public")
    anyone.reads("Renforcer la transparence de la commande publique")
    feed = anyone.context.request.get("/calendrier.ics").text()
    assert "SEQUENCE:1" in feed


def register(visitor: Visitor, given_name: str, email: str) -> None:
    page = visitor.open(f"{FORUM}/inscription")
    page.get_by_label("Nom de famille").fill("Exemple")
    page.get_by_label("Prénom").fill(given_name)
    page.get_by_label("Adresse électronique").fill(email)
    page.locator("main form button[type=submit]").click()
    visitor.reads("Votre demande est enregistrée")


def register_two_for_one_seat(organiser: Visitor, alice: Visitor, basile: Visitor) -> tuple[str, str]:
    register(alice, "Alice", "alice@example.org")
    register(basile, "Basile", "basile@example.org")
    alice_link = mailed_link(organiser, "alice@example.org", "inscriptions")
    basile_link = mailed_link(organiser, "basile@example.org", "inscriptions")

    alice.open(alice_link)
    alice.press("Confirmer mon inscription")
    alice.reads("Votre place est réservée")

    basile.open(basile_link)
    basile.press("Entrer sur liste d'attente")
    basile.reads("Vous êtes sur liste d'attente, en position 1")
    return alice_link, basile_link


def mailed_link(organiser: Visitor, recipient: str, kind: str) -> str:
    """The last link of that kind mailed to an address, read in the outbox."""
    page = organiser.open("/organisation/messages")
    messages = page.locator("tr", has_text=recipient).get_by_role("link")
    for address in [each.get_attribute("href") for each in messages.all()]:
        text = organiser.open(address or "").locator("pre.od-pre").inner_text()
        if link := re.search(rf"/{kind}/[\w-]{{43}}", text):
            return link[0]
    raise AssertionError(f"no message to {recipient} holds a link to {kind}")


def ask_and_moderate(organiser: Visitor, alice: Visitor) -> None:
    page = alice.open(f"{FORUM}/questions")
    page.get_by_label("Votre question ou votre idée").fill(QUESTION)
    page.get_by_label("Engagement concerné").select_option("2")
    page.get_by_label("Adresse électronique").fill("alice@example.org")
    alice.press("Envoyer ma question")
    alice.reads("Votre question est enregistrée")
    alice.open(mailed_link(organiser, "alice@example.org", "questions/confirmer"))
    alice.press("Confirmer ma question")
    alice.reads("Votre question est confirmée")
    alice.open("/questions")
    expect(alice.page.get_by_role("link", name=QUESTION)).to_have_count(0)

    organiser.open("/organisation/questions").get_by_role("link", name=QUESTION).click()
    organiser.press("Publier cette question")
    organiser.reads("La question est publiée")

    alice.open("/questions").get_by_role("link", name=QUESTION).click()
    alice.reads("Pas encore à l'ordre du jour")


def publish_the_agenda(organiser: Visitor, anyone: Visitor) -> None:
    page = organiser.open(f"{DESK}/ordre-du-jour")
    page.get_by_label("Titre").fill("Où en est la commande publique ?")
    page.get_by_label("Heure de début").fill("18:30")
    page.get_by_label("Durée en minutes").fill("60")
    page.locator("input[name=commitments][value='2']").check(force=True)
    page.locator("input[name=questions]").first.check(force=True)
    organiser.press("Ajouter ce point")
    organiser.reads("Le point est enregistré")
    anyone.open(FORUM)
    anyone.reads("L'ordre du jour paraît au plus tard le jeudi 16 janvier 2031")

    organiser.press("Publier l'ordre du jour")
    organiser.reads("L'ordre du jour est publié")

    anyone.open(FORUM)
    anyone.reads("18\u00a0h\u00a030")
    expect(anyone.page.locator("#ordre-du-jour + ol").get_by_role("link", name=QUESTION)).to_be_visible()


def publish_the_minutes(organiser: Visitor, anyone: Visitor) -> None:
    page = organiser.open(f"{DESK}/compte-rendu")
    page.locator("main a[href*='point=']").first.click()
    assert page.locator("input[name=commitments][value='2']").is_checked()
    assert page.locator("input[name=questions]").first.is_checked()
    page.get_by_label("Texte").fill(f"**Réponse.** {ANSWER}\n\n- avant l'été\n- en données ouvertes")
    organiser.press("Enregistrer le brouillon du passage")
    organiser.reads("Le passage est enregistré")
    anyone.open("/engagements/2")
    expect(anyone.page.locator("main")).not_to_contain_text(ANSWER)

    organiser.press("Publier le compte rendu")
    organiser.reads("Le compte rendu est publié")


def walk_the_chain_both_ways(anyone: Visitor) -> None:
    """Question → agenda item → passage → commitment, and back, by links alone."""
    page = anyone.open("/questions")
    page.get_by_role("link", name=QUESTION).click()
    anyone.reads(ANSWER)
    page.locator(".od-chain a", has_text="Où en est la commande publique").first.click()
    expect(page).to_have_url(re.compile(rf"{FORUM}#point-1$"))
    page.go_back()
    page.locator(".od-chain a[href*='#p-1']").click()
    expect(page).to_have_url(re.compile(rf"{FORUM}/compte-rendu#p-1$"))
    expect(page.locator("#p-1 strong")).to_have_text("Réponse.")
    page.locator("#p-1 a[href='/engagements/2']").click()
    told = page.locator("li.od-chain__link", has_text=ANSWER)
    told.locator("summary").click()
    expect(told).to_contain_text(ANSWER)

    told.locator("a[href*='#p-1']").first.click()
    expect(page).to_have_url(re.compile(rf"{FORUM}/compte-rendu#p-1$"))
    page.locator("#p-1").get_by_role("link", name=QUESTION).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION.replace(" ?", "\u00a0?"))
    anyone.reads("Répondue")


def give_the_seat_back(alice: Visitor, alice_link: str, basile: Visitor, basile_link: str) -> None:
    alice.open(alice_link)
    alice.press("Renoncer à ma place")
    alice.reads("Vous avez renoncé à votre place")

    basile.open(basile_link)
    basile.reads("Votre place est réservée")
