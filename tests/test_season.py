"""A season of three forums lived through in a real browser, with the clock moved by the test.

An organiser, a moderator, an agent and two participants: planned, themed, asked, merged, routed, put on
the agenda, answered on the evening, minuted, amended, a promise carried twice and kept. At the end every
link of the chain is walked both ways from the public pages alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from forums.settings import ROOT
from tests.browser import Served, Visitor, served
from tests.mailbox import Mailbox

ALICES = "Quand les données de la commande publique seront-elles complètes ?"
BASILES = "Les données complètes de la commande publique, c'est pour quand ?"
PROMISE = "Publier les données de tous les acheteurs de l'État"
EVIDENCE = "Les données de tous les acheteurs de l'État sont en ligne."
FIRST, SECOND, THIRD = (f"2027-{number}" for number in (1, 2, 3))


@dataclass
class Play:
    """The site, whose clock the test moves, and the people in front of it."""

    site: Served
    clock: Path
    box: Mailbox
    organiser: Visitor
    moderator: Visitor
    agent: Visitor
    alice: Visitor
    basile: Visitor

    def it_is(self, moment: str, *roles: str) -> None:
        """The clock is moved, whatever falls due is done, and those of the house who come that day sign in again."""
        self.clock.write_text(moment)
        self.site.command("purge")
        for role in roles:
            more = ("--institution", self.institution) if role == "agent" else ()
            link = self.site.command("member", f"{role}@example.org", "--role", role, *more).split()[-1]
            visitor: Visitor = getattr(self, role)
            visitor.open(link)
            visitor.press("Me connecter")
            expect(visitor.page).to_have_url(re.compile("/organisation$"))

    institution = "ministere-de-l-economie-et-des-finances"


@pytest.fixture(params=["sqlite", "postgresql"])
def play(request: pytest.FixtureRequest, tmp_path: Path, mailbox: Mailbox, chromium: Browser) -> Iterator[Play]:
    """With JavaScript on SQLite, without it on PostgreSQL, where the worker is a process of its own."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'forums.db'}" if sqlite else request.getfixturevalue("postgres_served")()
    clock = tmp_path / "clock"
    clock.write_text("2026-12-01T09:00:00+01:00")
    with served(url, clock=clock, SMTP_URL=mailbox.url) as site:
        site.command("load-plan", str(ROOT / "db" / "plans" / "2018-2020.yaml"))
        people = [Visitor(chromium, site, scripts=sqlite) for _ in range(5)]
        if sqlite:
            yield Play(site, clock, mailbox, *people)
        else:
            with site.worker():
                yield Play(site, clock, mailbox, *people)
        for each in people:
            each.context.close()


@pytest.mark.long  # test_tour.py lives one forum of it, and test_double_click.py presses every button
def test_a_season_of_three_forums_from_its_plan_to_a_promise_kept(play: Play):
    play.it_is("2026-12-01T09:00:00+01:00", "organiser", "moderator", "agent")
    plan_the_season(play)
    question = ask_and_support(play)
    merged = ask_the_same_and_be_merged(play, question)
    prepare_an_answer(play, question)
    put_on_the_agenda(play, question)

    play.it_is("2027-01-28T20:00:00+01:00", "organiser")
    answer_on_the_evening(play, question)
    play.it_is("2027-02-04T10:00:00+01:00", "organiser")
    write_the_minutes(play, question)
    promise = record_a_promise(play)
    publish_and_amend(play, question)

    play.it_is("2027-02-08T10:00:00+01:00")
    is_carried_to(play, promise, SECOND, said="La moitié des acheteurs publie déjà.", evening="2027-03-25T20:00:00+01:00")
    play.it_is("2027-05-10T10:00:00+02:00")
    it_is_late_in_public(play, promise)
    is_carried_to(play, promise, THIRD, said="Les derniers acheteurs ont publié.", evening="2027-05-27T20:00:00+02:00")
    keep_the_promise(play, promise)

    walk_the_chain_both_ways(play.basile, question, merged, promise)


def plan_the_season(play: Play) -> None:
    page = play.organiser.open("/organisation/saisons/nouvelle")
    page.get_by_label("Nom de la saison").fill("Saison 2027")
    page.get_by_label("Chercher les dates à partir du").fill("2027-01-01")
    page.get_by_label("Nombre de forums").fill("3")
    play.organiser.press("Proposer des dates")
    play.organiser.reads("jamais examiné")

    page.locator("#forum-1").get_by_role("button", name="Choisir l'engagement").first.click()
    expect(page.locator("#theme-1")).not_to_have_value("")
    for number, day in enumerate(("2027-01-28", "2027-03-25", "2027-05-27"), start=1):
        page.locator(f"#day-{number}").fill(day)
        page.locator(f"#commitments-{number}").fill("2")
    page.locator("#theme-1").fill("La commande publique")
    play.organiser.press("Créer la saison avec ces dates")
    play.organiser.reads("La saison est créée")
    for slug in (FIRST, SECOND, THIRD):
        play.organiser.open(f"/organisation/forums/{slug}")
        play.organiser.press(f"Annoncer le forum n° {slug[-1]}")
        play.organiser.reads("Le forum est annoncé")
    expect(play.alice.open(f"/forums/{FIRST}").get_by_role("heading", level=1)).to_have_text("La commande publique")


def ask(visitor: Visitor, email: str, text: str) -> Page:
    page = visitor.open(f"/forums/{FIRST}/questions")
    page.get_by_label("Votre question ou votre idée").fill(text)
    page.get_by_label("Engagement concerné").select_option("2")
    page.get_by_label("Adresse électronique").fill(email)
    visitor.press("Envoyer ma question")
    return page


def confirm(play: Play, visitor: Visitor, email: str) -> None:
    visitor.open(play.box.link(email, "Confirmez votre question", "questions/confirmer"))
    visitor.press("Confirmer ma question")


def ask_and_support(play: Play) -> str:
    """Alice asks; the moderator publishes and adjusts whom it is sent to; Basile supports it. Returns its address."""
    ask(play.alice, "alice@example.org", ALICES)
    confirm(play, play.alice, "alice@example.org")

    page = play.moderator.open("/organisation/questions")
    page.get_by_role("link", name=ALICES).click()
    page.get_by_role("link", name="Choisir les administrations qui répondent").click()
    page.locator(f"input[name=institutions][value={play.institution}]").check(force=True)
    play.moderator.press("Enregistrer")
    play.moderator.reads("Les administrations sont enregistrées")
    page = play.moderator.open("/organisation/questions")
    page.get_by_role("link", name=ALICES).click()
    play.moderator.press("Publier cette question")
    play.moderator.reads("La question est publiée")
    play.box.wait_for("alice@example.org", "publiée")
    play.box.wait_for("agent@example.org", "question")

    play.basile.open("/questions").get_by_role("link", name=ALICES).click()
    address = re.sub(r".*(/questions/\w+)$", r"\1", play.basile.page.url)
    page = play.basile.open(f"{address}/soutenir")
    page.get_by_label("Adresse électronique").fill("basile@example.org")
    page.get_by_label("Me prévenir de la réponse").check(force=True)
    play.basile.press("Soutenir")
    play.basile.open(play.box.link("basile@example.org", "soutien", "questions/soutiens"))
    play.basile.press("Confirmer mon soutien")
    play.alice.open(address)
    play.alice.reads("Une personne soutient cette question")
    return address


def ask_the_same_and_be_merged(play: Play, question: str) -> str:
    """Basile is shown Alice's question, sends his all the same, and the moderator merges it. Returns its address."""
    page = ask(play.basile, "basile@example.org", BASILES)
    expect(page.get_by_role("link", name=ALICES).first).to_be_visible()
    page.locator("#proches").get_by_role("button", name="Envoyer quand même ma question").click()
    confirm(play, play.basile, "basile@example.org")

    page = play.moderator.open("/organisation/questions")
    page.get_by_role("link", name=BASILES).click()
    address = re.sub(r".*/organisation(/questions/\w+)$", r"\1", page.url)
    page.get_by_role("button", name="Réunir à celle-ci").first.click()
    play.moderator.reads("Les deux questions sont réunies")
    play.basile.open(address)
    play.basile.page.locator("main").get_by_role("link", name=ALICES).click()
    play.basile.reads("Une question est réunie à celle-ci")
    return address


def prepare_an_answer(play: Play, question: str) -> None:
    page = play.agent.open("/organisation/reponses")
    page.get_by_role("link", name=ALICES).first.click()
    page.locator("input[name=outcome][value=partly]").check(force=True)
    page.locator("textarea[name=text]").fill("Les données des ministères sont **complètes**.")
    page.get_by_label("Raison du refus ou du report, ou ce qui manque").fill("Les autres acheteurs de l'État.")
    play.agent.press("Enregistrer sans publier")
    play.agent.reads("La réponse est enregistrée")
    expect(page.get_by_role("button", name="Publier cette réponse")).to_have_count(0)
    assert "sont complètes" not in play.alice.open(question).locator("main").inner_text()


def put_on_the_agenda(play: Play, question: str) -> None:
    page = play.organiser.open(f"/organisation/forums/{FIRST}/ordre-du-jour")
    page.get_by_role("button", name="Mettre à l'ordre du jour").first.click()
    play.organiser.press("Publier l'ordre du jour")
    play.organiser.reads("L'ordre du jour est publié")
    play.box.wait_for("alice@example.org", "ordre du jour")
    play.alice.open(question)
    play.alice.reads("À l'ordre du jour")


def answer_on_the_evening(play: Play, question: str) -> None:
    code = question.rpartition("/")[2]
    play.organiser.open(f"/organisation/reponses/{code}/{play.institution}")
    play.organiser.press("Publier cette réponse")
    play.organiser.reads("La réponse est publiée")
    play.box.wait_for("alice@example.org", "répon")
    play.alice.open(question)
    play.alice.reads("Les données des ministères sont complètes.")
    play.alice.reads("en partie")


def write_the_minutes(play: Play, question: str) -> None:
    code = question.rpartition("/")[2]
    page = play.organiser.open(f"/organisation/forums/{FIRST}/compte-rendu")
    page.locator(".od-steps").get_by_role("link").first.click()
    page.get_by_label("Texte").fill("La direction s'engage sur l'E2 : tous les acheteurs de l'État.")
    page.locator(f"#outcome-{code}").select_option("answered")
    play.organiser.press("Enregistrer le brouillon du passage")
    play.organiser.reads("Le passage est enregistré")


def record_a_promise(play: Play) -> str:
    """Returns its public address."""
    page = play.organiser.page
    page.get_by_role("link", name="Noter une promesse faite ici").first.click()
    page.get_by_label("Ce qui est promis").fill(PROMISE)
    page.get_by_label("Administration qui promet").select_option(play.institution)
    page.get_by_label("Attendue pour le").fill("2027-04-30")
    play.organiser.press("Noter cette promesse")
    play.organiser.reads("La promesse est notée")
    page.get_by_role("link", name=PROMISE).first.click()
    return re.sub(r".*/organisation(/suites/\w+)$", r"\1", page.url)


def publish_and_amend(play: Play, question: str) -> None:
    play.organiser.open(f"/organisation/forums/{FIRST}/compte-rendu")
    play.organiser.press("Publier le compte rendu")
    play.organiser.reads("Le compte rendu est publié")
    play.box.wait_for("basile@example.org", "répon")

    page = play.organiser.open(f"/organisation/forums/{FIRST}/compte-rendu/1")
    page.get_by_label("Texte").fill("La direction s'engage sur l'E2 : tous les acheteurs de l'État, avant mai.")
    page.get_by_label("Ce qui change").fill("La date est précisée.")
    play.organiser.press("Enregistrer et publier ce passage")
    play.organiser.reads("nouvelle version")
    play.alice.open(f"/forums/{FIRST}/compte-rendu")
    play.alice.reads("avant mai")
    play.alice.page.get_by_role("link", name="Version 1", exact=True).click()
    play.alice.reads("tous les acheteurs de l'État.")


def is_carried_to(play: Play, promise: str, slug: str, *, said: str, evening: str) -> None:
    """By itself; what is said of it on that evening is public with that forum's minutes."""
    play.alice.open(f"/forums/{slug}")
    play.alice.reads(PROMISE)
    play.it_is(evening, "organiser")
    page = play.organiser.open(f"/organisation/forums/{slug}/compte-rendu")
    page.get_by_label("Texte").fill(f"Suites : {said}")
    play.organiser.press("Enregistrer le brouillon du passage")
    page = play.organiser.open(f"/organisation/forums/{slug}/suites/{promise.rpartition('/')[2]}")
    page.get_by_label("Ce qui en a été dit").fill(said)
    page.get_by_label("Passage du compte rendu de ce forum").select_option("1")
    play.organiser.press("Enregistrer")
    play.organiser.open(f"/organisation/forums/{slug}/compte-rendu")
    play.organiser.press("Publier le compte rendu")
    play.alice.open(promise)
    play.alice.reads(said)


def it_is_late_in_public(play: Play, promise: str) -> None:
    play.alice.open(promise)
    play.alice.reads("10 jours")
    play.alice.open("/suites?etat=en-retard")
    play.alice.reads(PROMISE)


def keep_the_promise(play: Play, promise: str) -> None:
    page = play.organiser.open(f"/organisation{promise}")
    page.get_by_label("Ce qui le montre").fill(EVIDENCE)
    page.get_by_label("Dit à quel forum ?").first.select_option(THIRD)
    play.organiser.page.get_by_role("button", name="Clore : promesse tenue").dblclick()
    play.organiser.reads("elle est tenue")
    play.alice.open(promise)
    play.alice.reads(EVIDENCE)


def walk_the_chain_both_ways(anyone: Visitor, question: str, merged: str, promise: str) -> None:
    """From link to link, as a journalist would; each step is a link that is there."""

    def follow(name: str | re.Pattern[str], path: str) -> None:
        link = anyone.page.locator("main").get_by_role("link", name=name).first
        link.click()
        expect(anyone.page).to_have_url(re.compile(path + r"(#.*)?$"))

    anyone.open(merged)
    follow(ALICES, question)
    # Question, agenda item, minutes, commitment, promise.
    anyone.page.locator("main a[href*='#point-']").first.click()
    expect(anyone.page).to_have_url(re.compile(f"/forums/{FIRST}#point-1$"))
    follow(re.compile("Ce qui s'y est dit"), f"/forums/{FIRST}/compte-rendu")
    anyone.page.locator("#p-1 a[href='/engagements/2']").first.click()
    expect(anyone.page).to_have_url(re.compile("/engagements/2$"))
    expect(anyone.page.locator("#indicateurs, #mesures, h2", has_text=re.compile("[Ii]ndicateur")).first).to_be_visible()
    follow(PROMISE, promise)
    # And back.
    anyone.page.locator("main a[href='/engagements/2']").first.click()
    follow(ALICES, question)
    anyone.page.locator("main a[href*='/compte-rendu#p-1']").first.click()
    expect(anyone.page).to_have_url(re.compile(f"/forums/{FIRST}/compte-rendu#p-1$"))
    follow(PROMISE, promise)
    for slug in (FIRST, SECOND, THIRD):
        anyone.open(promise)
        anyone.page.locator(f"main a[href*='/forums/{slug}']").first.click()
        anyone.page.goto(f"/forums/{slug}")
        follow(PROMISE, promise)
    anyone.open(f"/forums/{FIRST}")
    follow(ALICES, question)
