"""No address, name or token in a log, a public page, a feed, an export, or anything a cache may keep.

A whole evening is lived by people whose names are like no others, on a real server with a real relay that
refuses some of them in their own words; then everything that anybody may read is read.
"""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from forums.app import ADDRESSES
from forums.pages.gate import PRIVATE
from tests.browser import Served, served
from tests.mailbox import Mailbox, a_mailbox
from tests.site import filled

NAMES = ("Zéphyrine", "Quatremarre", "Wolfgangue", "Ribouldingue")
ADDRESSES_OF_PEOPLE = ("zephyrine.q@confidentiel.example", "wolfgangue.r@confidentiel.example", "organisateur@example.org")
NEEDS = "Un fauteuil roulant nommé Pégase"

CALL = "/plans/projet-de-demonstration/commentaires"
DESK = f"/organisation{CALL}"


class Person:
    """Someone in front of the site, who keeps what was mailed to them."""

    def __init__(self, site: Served) -> None:
        self.client = httpx2.Client(base_url=site.url, headers={"origin": site.url}, timeout=300)

    def post(self, path: str, **typed: str) -> httpx2.Response:
        answer = self.client.post(path, data=typed)
        assert answer.status_code in (200, 303, 404, 409, 422), (path, answer.status_code)
        return answer


@dataclass
class Evening:
    """The secrets of an evening (the tokens mailed), the values of the addresses that exist, and somebody who reads."""

    tokens: list[str]
    values: dict[str, str]
    anyone: Person
    site: Served
    mailbox: Mailbox


@pytest.fixture(scope="module")
def evening(sqlite_with_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    """Lived once, and read by each test."""
    path = tmp_path_factory.mktemp("evening") / "forums.db"
    path.write_bytes(sqlite_with_demo.read_bytes())
    with a_mailbox() as mailbox, served(f"sqlite:///{path}", SMTP_URL=mailbox.url) as site:
        mailbox.refuses = {ADDRESSES_OF_PEOPLE[1]}
        organiser, anyone = Person(site), Person(site)
        try:
            yield Evening(*_live(site, mailbox, organiser, anyone), anyone, site, mailbox)
        finally:
            organiser.client.close()
            anyone.client.close()


def _live(site: Served, mailbox: Mailbox, organiser: Person, anyone: Person) -> tuple[list[str], dict[str, str]]:
    sign_in = site.sign_in_link().removeprefix(site.url)
    organiser.post(sign_in)
    slug = re.search(r"/forums/(demonstration-\d+)/inscription", anyone.client.get("/").text)
    assert slug
    forum = f"/forums/{slug[1]}"
    for (given, family), email in zip((NAMES[:2], NAMES[2:]), ADDRESSES_OF_PEOPLE[:2], strict=True):
        typed = {"given_name": given, "family_name": family, "email": email, "attendance": "on_site", "accessibility_needs": NEEDS}
        anyone.post(f"{forum}/inscription", **typed, wants_news="1")
        anyone.post(f"{forum}/inscription/lien", email=email)
        anyone.post("/questions/poser", kind="question", text="Une question publique ?", email=email, author_name=given)
        anyone.post(CALL, text="Un commentaire public.", email=email, author_name=given, organisation=family)
    anyone.post("/connexion", email=ADDRESSES_OF_PEOPLE[2])
    mine = mailbox.link(ADDRESSES_OF_PEOPLE[0], "Confirmez votre inscription")
    question = mailbox.link(ADDRESSES_OF_PEOPLE[0], "Confirmez votre question", "questions/confirmer")
    comment = mailbox.link(ADDRESSES_OF_PEOPLE[0], "Confirmez votre commentaire", "commentaires/confirmer")
    for path in (f"{mine}/confirmer", f"{mine}/renoncer", f"{mine}/confirmer", question, comment):
        anyone.post(path)
    for path in (mine, f"{mine}/donnees", f"{mine}/donnees.json", f"{mine}/modifier", f"{mine}/invitation.ics", question, comment):
        assert anyone.client.get(path).status_code == 200
    mailbox.wait_for(ADDRESSES_OF_PEOPLE[0], "Votre place est réservée")
    code = re.search(r"/organisation/questions/([a-z2-9]{8})", organiser.client.get("/organisation/questions").text)
    assert code
    organiser.post(f"/organisation/questions/{code[1]}/publier")
    said = re.search(rf"{DESK}/([a-z2-9]{{8}})\"[^>]*>Un commentaire public", organiser.client.get(DESK).text)
    assert said
    organiser.post(f"{DESK}/{said[1]}/publier", edition="0")
    organiser.client.get(f"/organisation{forum}/accueil", params={"q": NAMES[1]})
    assert NAMES[1] in organiser.client.get(f"/organisation{forum}/inscriptions").text
    tokens = [mine.rpartition("/")[2], question.rpartition("/")[2], comment.rpartition("/")[2], sign_in.rpartition("/")[2]]
    values = {"slug": slug[1], "number": "1", "plan": "2018-2020", "code": code[1], "written": "demonstration-2"}
    values |= {"version": "1", "document": "abcd2345", "filename": "note.pdf", "promise": "abcd2345", "comment": said[1]}
    values |= {"name": "questions", "collection": "questions", "rest": "nulle-part", "indicator": "abcd2345"}
    return tokens, values


def test_nothing_anybody_may_read_holds_a_name_an_address_or_a_token(evening: Evening):
    read = {}
    for each in ADDRESSES:
        if each.method == "GET" and each.who is None and "{token}" not in each.path:
            for prefix in ("", "/en"):
                path = prefix + filled(each.path, evening.values)
                read[path] = evening.anyone.client.get(path)

    secrets = [*NAMES, *ADDRESSES_OF_PEOPLE, NEEDS, *evening.tokens]
    assert sum(answer.status_code == 200 for answer in read.values()) > 50
    assert [(path, secret) for path, answer in read.items() for secret in secrets if secret in answer.text] == []
    # The sign-in form binds the link it will mail to this browser.
    assert {path for path, answer in read.items() if "set-cookie" in answer.headers} <= {"/connexion", "/en/connexion"}


def test_what_a_person_reads_with_their_link_is_never_kept(evening: Evening):
    for path in ("", "/donnees", "/donnees.json", "/modifier", "/invitation.ics"):
        answer = evening.anyone.client.get(f"/inscriptions/{evening.tokens[0]}{path}")

        assert (answer.status_code, answer.headers["cache-control"]) == (200, PRIVATE)
        assert answer.headers["referrer-policy"] == "no-referrer"


def until_it_says(log: Path, words: str) -> str:
    deadline = time.monotonic() + 120
    while words not in (said := log.read_text()):
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    return said


def test_the_log_says_what_was_done_and_never_by_whom(evening: Evening):
    evening.mailbox.wait_until_refused(ADDRESSES_OF_PEOPLE[1])
    log = until_it_says(evening.site.log, "code 550")  # what was refused is noted after it was

    assert "POST /forums/{slug}/inscription 303" in log
    assert "POST /inscriptions/{token}/confirmer 303" in log
    assert [secret for secret in [*NAMES, *ADDRESSES_OF_PEOPLE, NEEDS, *evening.tokens] if secret.lower() in log.lower()] == []


@pytest.mark.long
def test_what_a_page_fails_on_is_in_the_log_by_its_place_and_kind_and_in_nobodys_words(sqlite_with_demo: Path, tmp_path: Path):
    """A table gone under the site, and a value nobody can read: two true faults, seen by people and then by the operator."""
    path = tmp_path / "forums.db"
    path.write_bytes(sqlite_with_demo.read_bytes())
    asked = ADDRESSES_OF_PEOPLE[0]
    with served(f"sqlite:///{path}") as site, httpx2.Client(base_url=site.url, timeout=300) as anyone:
        with closing(sqlite3.connect(path, isolation_level=None)) as broken:
            broken.execute("UPDATE question SET confirmed_at = ?", (asked,))
            broken.execute("DROP TABLE follow_up")
        answers = {path: anyone.get(path) for path in ("/suites", f"/questions?q={asked}", "/en/questions", "/api/v1/suites")}
        log = until_it_says(site.log, "GET /api/v1/{collection} 500")

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 500)
    assert "Une erreur de notre côté" in answers["/suites"].text
    assert "Une erreur de notre côté" in answers[f"/questions?q={asked}"].text
    assert [answer.headers["cache-control"] for answer in answers.values()] == [PRIVATE] * 4
    assert re.search(r"ERROR a page failed: OperationalError\nTraceback.*follow_ups.*no such table: follow_up", log, re.DOTALL)
    assert re.search(r"Traceback.*/forums/questions/.*\nbuiltins.ValueError\n", log, re.DOTALL)
    assert asked not in log + "".join(answer.text for answer in answers.values())
