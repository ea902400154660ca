"""A participant's life in a real browser: on a phone and on a wide screen, with JavaScript and without.

Registers, confirms, gives up, comes back, waits, is promoted, changes, takes their data along, is erased.
The mail goes through a real SMTP server: each link is found where a person finds it, in the message.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import Served, Visitor, served
from tests.factories import a_forum
from tests.mailbox import Mailbox

DAY = date(2031, 1, 23)


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path, mailbox: Mailbox) -> Iterator[Served]:
    """A site with one forum: one seat in the room, one from afar. With PostgreSQL the worker is a process of its own."""
    url = f"sqlite:///{tmp_path / 'forums.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_served")()
    with served(url, SMTP_URL=mailbox.url) as found:
        in_a_thread(one_forum, found.environment)
        with found.worker() if request.param == "postgresql" else nullcontext():
            yield found


def in_a_thread(work, *given) -> None:
    """Playwright keeps an event loop running in this one."""
    thread = threading.Thread(target=lambda: asyncio.run(work(*given)))
    thread.start()
    thread.join()


async def one_forum(environment: dict[str, str]) -> None:
    import forums.settings
    from forums.database import Database

    database = Database(forums.settings.read(environment))
    async with database.transaction() as session:
        now = datetime.now(UTC)
        await a_forum(session, day=DAY, now=now, capacity=1, remote_capacity=1)
    await database.close()


@pytest.mark.parametrize(
    ("site", "scripts", "width"),
    [
        ("sqlite", True, 320),
        *(
            pytest.param(*other, marks=pytest.mark.long)
            for other in (("sqlite", False, 1280), ("postgresql", False, 320), ("postgresql", True, 1280))
        ),
    ],
    indirect=["site"],
    ids=["phone with JavaScript", "wide without JavaScript", "phone without JavaScript", "wide with JavaScript"],
)
def test_from_the_form_to_the_erasure(site: Served, mailbox: Mailbox, chromium: Browser, scripts: bool, width: int):
    alice, basile = (Visitor(chromium, site, scripts=scripts, width=width) for _ in range(2))

    alices = register_and_confirm(alice, mailbox, "alice@example.org", "Confirmer mon inscription")
    alice.reads("Votre place est réservée")
    basiles = register_and_confirm(basile, mailbox, "basile@example.org", "Entrer sur liste d'attente")
    basile.reads("Vous êtes sur liste d'attente, en position 1")
    the_invitation_is_in_the_message(mailbox)

    give_up_and_be_promoted(alice, alices, basile, basiles, mailbox)
    come_back_and_wait(alice, alices)
    change_to_the_other_way(alice, alices)
    lose_the_link(alice)
    take_ones_data_along(alice, alices)
    be_erased(alice, alices)
    alice.context.close()
    basile.context.close()


def register_and_confirm(visitor: Visitor, box: Mailbox, email: str, button: str) -> str:
    page = visitor.open("/forums/2027-1/inscription")
    page.get_by_label("Nom de famille").fill("Exemple")
    page.get_by_label("Prénom").fill(email.partition("@")[0].title())
    page.get_by_label("Adresse électronique").fill(email)
    page.locator("#show_name").check(force=True)
    page.locator("main form button[type=submit]").click()
    visitor.reads("Votre demande est enregistrée")
    link = box.link(email, "Confirmez votre inscription")
    visitor.open(link)
    visitor.press(button)
    return link


def the_invitation_is_in_the_message(box: Mailbox) -> None:
    message = box.wait_for("alice@example.org", "Votre place est réservée")
    kinds = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "text/calendar", "application/ics", "image/png"]
    assert box.link("basile@example.org", "liste d'attente")


def give_up_and_be_promoted(alice: Visitor, alices: str, basile: Visitor, basiles: str, box: Mailbox) -> None:
    alice.open(alices)
    alice.press("Renoncer à ma place")
    alice.reads("Vous avez renoncé à votre place")

    promoted = box.link("basile@example.org", "Vous avez maintenant une place")
    for link in (basiles, promoted):
        basile.open(link)
        basile.reads("Votre place est réservée")
    expect(basile.page.get_by_role("button", name="Renoncer à ma place")).to_be_visible()


def come_back_and_wait(alice: Visitor, alices: str) -> None:
    alice.open(alices)
    alice.press("Entrer sur liste d'attente")
    alice.reads("Vous êtes sur liste d'attente, en position 1")


def change_to_the_other_way(alice: Visitor, alices: str) -> None:
    page = alice.open(alices)
    page.get_by_role("link", name="Modifier mon inscription").click()
    page.locator("#attendance-remote").check(force=True)
    page.get_by_label("Organisation").fill("Regards citoyens")
    alice.press("Enregistrer les changements")
    alice.reads("Votre inscription est à jour.")
    alice.reads("Votre place est réservée")
    alice.reads("À distance")
    expect(page.locator(".od-entry")).to_have_count(0)


def lose_the_link(alice: Visitor) -> None:
    """Asked for within the quarter of an hour, it is not sent again, and the page does not tell."""
    page = alice.open("/forums/2027-1/inscription")
    page.get_by_role("link", name="Recevoir de nouveau mon lien personnel").click()
    page.get_by_label("Adresse électronique").fill("alice@example.org")
    alice.press("Recevoir mon lien")
    alice.reads("Si une inscription à ce forum porte cette adresse")


def take_ones_data_along(alice: Visitor, alices: str) -> None:
    page = alice.open(alices)
    with page.expect_download() as calendar:
        page.get_by_role("link", name="Ajouter à mon calendrier").click()
    assert b"BEGIN:VEVENT" in Path(calendar.value.path()).read_bytes()
    page.get_by_role("link", name="Voir ou effacer mes données").click()
    alice.reads("alice@example.org")
    alice.reads("Regards citoyens")
    with page.expect_download() as download:
        page.get_by_role("link", name="Télécharger mes données").click()
    held = json.loads(Path(download.value.path()).read_text())
    assert (held["adresse"], held["inscriptions"][0]["organisation"]) == ("alice@example.org", "Regards citoyens")


def be_erased(alice: Visitor, alices: str) -> None:
    alice.open(f"{alices}/donnees").get_by_role("link", name="Effacer mes données").click()
    alice.press("Effacer définitivement tout ce qui me concerne")
    alice.reads("Vos données sont effacées")

    alice.open(alices)
    alice.reads("Ce lien n'est plus valable")
