"""The pictures of `docs/organiser.md` and of the README, taken from a site that is served for them: `make pictures`.

The demonstration season is loaded at a moment that is always the same, and an organiser goes through it in
Chromium with a clock moved to the evening and to the days after: the same code gives the same pictures, whatever
day it is. They are reduced to a palette, all of them weighing less than 1.5 MB; nothing is asked of any other machine.
"""

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiosmtpd.controller import Controller
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from forums.settings import ROOT
from tests.browser import Served, Visitor, served
from tests.mailbox import Mailbox
from tests.ports import free_port

FOLDER, README = ROOT / "docs" / "pictures", ROOT / "static" / "apercu.png"
BEFORE, EVENING, AFTER = "2027-01-26T10:00:00+01:00", "2027-02-25T18:20:00+01:00", "2027-03-01T10:00:00+01:00"
DESK = "/organisation/forums/demonstration-"
WIDTH, COLOURS, ALL_OF_THEM = 1000, 64, 1_500_000

# A browser shows a day or an hour as its own language does, and Debian's Chromium comes with English alone.
AS_IN_FRENCH = """fields => fields.forEach(field => {
  const said = field.value.split("-").reverse().join("/")
  field.type = "text"
  field.value = said
})"""

PASSAGE = """Deux chiffres coexistent à l'accueil et en ligne. **La direction s'engage à n'en garder qu'un**, daté, avant l'été.

- la date de la mesure sera affichée à côté du chiffre ;
- E13 : l'indicateur sera repris au forum suivant."""


@dataclass(frozen=True)
class Picture:
    """What is done on a page before it is looked at, and how much of it is kept, from which element down."""

    name: str
    path: str
    act: Callable[[Visitor], None] = lambda organiser: None
    top: str = "main"
    height: int = 800


# -- What is done on each page -----------------------------------------------------------------------------


def ask_for_dates(organiser: Visitor) -> None:
    page = organiser.page
    page.get_by_label("Nom de la saison").fill("Saison 2027-2028")
    page.get_by_label("Chercher les dates à partir du").fill("2027-09-01")
    organiser.press("Proposer des dates")
    page.locator("#dates").wait_for()


def set_theme_and_place(organiser: Visitor) -> None:
    page = organiser.page
    page.get_by_label("Thème").fill("Commande publique : suivre un marché de bout en bout")
    page.get_by_label("Lieu", exact=False).first.fill("Maison des essais (lieu d'exemple)")


def open_the_oldest(organiser: Visitor) -> None:
    organiser.page.locator("main a[href*='/organisation/questions/']").first.click()
    organiser.page.get_by_role("button", name="Publier cette question").wait_for()


def note_an_arrival(organiser: Visitor) -> None:
    organiser.page.get_by_role("button", name=re.compile("Noter l'arrivée")).nth(1).click()
    organiser.page.locator("#note").wait_for()


def write_a_passage(organiser: Visitor) -> None:
    page = organiser.page
    page.locator("main a[href*='point=']", has_text="Atelier A").click()
    page.locator("textarea[name=text]").fill(PASSAGE)
    page.wait_for_load_state("networkidle")


def open_the_latest_promise(organiser: Visitor) -> None:
    organiser.page.locator("main a[href*='/organisation/suites/']").first.click()
    organiser.page.get_by_role("button", name="Clore : promesse tenue").wait_for()


def put_in_order(organiser: Visitor) -> None:
    """Messages written at the same instant have no order of their own."""
    organiser.page.locator("tbody").first.evaluate(
        "body => body.append(...[...body.rows].sort((a, b) => a.innerText.localeCompare(b.innerText)))"
    )


PICTURES: dict[str, list[Picture]] = {
    BEFORE: [
        Picture("tableau-de-bord", "/organisation", top="body", height=900),
        Picture("saison", "/organisation/saisons/nouvelle", ask_for_dates, top="#dates", height=820),
        Picture("annoncer", f"{DESK}5", height=1000),
        Picture("theme", f"{DESK}4/modifier", set_theme_and_place, height=900),
        Picture("question", "/organisation/questions", open_the_oldest, height=1150),
        Picture("ordre-du-jour", f"{DESK}3/ordre-du-jour", top="h2:has-text('Les points')", height=760),
        Picture("forum", "/forums/demonstration-3", height=900),
    ],
    EVENING: [Picture("accueil-du-soir", f"{DESK}3/accueil", note_an_arrival, height=760)],
    AFTER: [
        Picture("compte-rendu", f"{DESK}3/compte-rendu", write_a_passage, top="h2:has-text('Écrire un passage')", height=1100),
        Picture("compte-rendu-public", "/forums/demonstration-1/compte-rendu", height=900),
        Picture("noter-une-promesse", f"{DESK}2/suites", top="#promesse", height=800),
        Picture("promesse", "/organisation/suites", open_the_latest_promise, height=1000),
        Picture("engagements", "/organisation/engagements", height=700),
        Picture("engagement", "/engagements/2", top="#histoire", height=1000),
        Picture("redevabilite", "/redevabilite", top="#ensemble", height=800),
        Picture("boite-d-envoi", "/organisation/messages", put_in_order, height=620),
        Picture("membres", "/organisation/membres", height=620),
    ],
}


# -- Taking them -------------------------------------------------------------------------------------------


def main() -> int:
    chromium = shutil.which("chromium")
    assert chromium, "Il manque Chromium : apt-get install chromium."
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        with a_season(Path(folder)) as (site, clock):
            anyone, organiser = (Visitor(browser, site, scripts=True, width=width) for width in (1280, WIDTH))
            keep(anyone.open("/"), README, "body", 1480)
            keep(organiser.open("/connexion"), FOLDER / "connexion.png", "main", 540)
            for moment, pictures in PICTURES.items():
                it_is(moment, site, clock, organiser)
                for picture in pictures:
                    organiser.open(picture.path)
                    picture.act(organiser)
                    keep(organiser.page, FOLDER / f"{picture.name}.png", picture.top, picture.height)
        browser.close()
    weight = sum(file.stat().st_size for file in FOLDER.glob("*.png"))
    print(f"{weight:,} bytes in {FOLDER.relative_to(ROOT)}, {README.stat().st_size:,} in {README.relative_to(ROOT)}.")
    return 0 if weight < ALL_OF_THEM else 1


@contextmanager
def a_season(folder: Path) -> Iterator[tuple[Served, Path]]:
    """The demonstration on a site of its own, where messages leave for a relay that gives them to nobody."""
    clock = folder / "clock"
    clock.write_text(BEFORE)
    relay = Controller(Mailbox(), hostname="127.0.0.1", port=free_port())
    relay.start()
    try:
        settings = {"CLIENT_LIMIT": "0", "SMTP_URL": f"smtp://127.0.0.1:{relay.port}"}
        with served(f"sqlite:///{folder / 'forums.db'}", clock=clock, **settings) as site:
            site.command("load-plan", str(ROOT / "db" / "plans" / "2018-2020.yaml"))
            site.command("demo")
            yield site, clock
    finally:
        relay.stop()


def it_is(moment: str, site: Served, clock: Path, organiser: Visitor) -> None:
    """The clock is moved, what falls due is done, and the organiser signs in again."""
    clock.write_text(moment)
    site.command("purge")
    organiser.open(site.sign_in_link())
    organiser.press("Me connecter")
    organiser.page.wait_for_url("**/organisation")


def keep(page: Page, file: Path, top: str, height: int) -> None:
    """As much of the page as is asked, from that element down, with few colours."""
    page.locator(":focus").evaluate_all("found => found.forEach(element => element.blur())")
    page.locator("input[type=date], input[type=time]").evaluate_all(AS_IN_FRENCH)
    box = page.locator(top).first.bounding_box()
    assert box, f"{file.name}: nothing to see"
    width = page.viewport_size["width"] if page.viewport_size else WIDTH
    whole = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    start = int(box["y"] + page.evaluate("scrollY"))
    seen = whole.crop((0, start, width, min(start + height, whole.height)))
    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {seen.width} × {seen.height}, {file.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    sys.exit(main())
