"""Every form of the site, found by itself, against what people and machines may send.

A crawler starts at the home page and at the organisers' table of a language, follows each link and keeps each
form it meets, so that a new form is tested the day it is written. Each hostile filling gets a clear
sentence in the page, or is kept as one row: never a 500, and nothing typed is lost.
"""

import re
from dataclasses import dataclass, field, replace
from functools import cache
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote_plus

import pytest

from tests.site import OURS, Site

# What is linked and holds no form: files, some of which take seconds to make.
NO_PAGE = re.compile(r"^/(static|dsfr|api)/|\.(ics|atom|txt|pdf|csv|json|xml|odt|ods|docx|zip|svg|png)($|\?)")

HOSTILE_HTML = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}'
FILLINGS = {
    "empty": "",
    "too long": "x" * 20_000,
    "wrong type": "ni une date ni un nombre",
    "hostile HTML": HOSTILE_HTML,
    "a NUL": "avant\x00après",
    "lone surrogates": "%ED%A0%80",
    "right to left and combining": "\u202eétat\u0301\u0301\u0301 \U0001f9e8",
}


@dataclass
class Found:
    """A form as a browser sees it: where it goes, its fields and the values they start with."""

    page: str
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    typed: set[str] = field(default_factory=set)


class Reader(HTMLParser):
    """The links and forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.links, self.forms = page, set[str](), list[Found]()
        self.area: str | None = None
        self.select: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attributes}
        if tag == "a" and at.get("href", "").startswith("/"):
            self.links.add(at["href"].split("#")[0])
        elif tag == "form":
            self.forms.append(Found(self.page, (at.get("action") or self.page).split("#")[0], at.get("method", "get")))
        elif self.forms and tag == "input" and at.get("name"):
            form, kind = self.forms[-1], at.get("type", "text")
            if kind in ("radio", "checkbox"):
                if "checked" in at:
                    form.fields[at["name"]] = at.get("value", "on")
            else:
                form.fields[at["name"]] = at.get("value", "")
                if kind != "hidden":
                    form.typed.add(at["name"])
        elif self.forms and tag == "textarea":
            self.area = at["name"]
            self.forms[-1].fields[self.area] = ""
            self.forms[-1].typed.add(self.area)
        elif self.forms and tag == "select":
            self.select = at["name"]
            self.forms[-1].fields.setdefault(self.select, "")
            self.forms[-1].typed.add(self.select)
        elif self.forms and tag == "option" and self.select and "selected" in at:
            self.forms[-1].fields[self.select] = at.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = None
        if tag == "select":
            self.select = None

    def handle_data(self, text: str) -> None:
        if self.area:
            self.forms[-1].fields[self.area] += text


async def read(site: Site, path: str) -> Reader:
    response = await site.get(path)
    reader = Reader(path)
    if "text/html" in response.headers.get("content-type", ""):
        reader.feed(response.text)
    return reader


async def forms_of(site: Site, *starts: str, within: str = "") -> list[Found]:
    """Every form within reach of these pages, in their language and `within` that part of the site: one per address it is sent to."""
    english = is_english(starts[0])
    seen: set[str] = set()
    waiting, forms = list(starts), dict[tuple[str, str], Found]()
    shapes: dict[str, int] = {}
    while waiting:
        path = waiting.pop()
        shape = re.sub(
            r"(?<=/institutions)/[\w-]+|/[0-9a-f-]{36}|/\d+|=[^&]*|/[2-9a-hjkmnp-z]{8}(?=$|/)|(2018-2019|2021|demonstration)-\d", "/…", path
        )
        if path in seen or shapes.get(shape, 0) >= 3 or NO_PAGE.search(path) or not path.startswith(within) or is_english(path) != english:
            continue
        seen.add(path)
        shapes[shape] = shapes.get(shape, 0) + 1
        reader = await read(site, path)
        for form in reader.forms:
            key = (form.method, re.sub(r"[0-9a-f-]{36}|[2-9a-hjkmnp-z]{8}(?=$|/)|(2018-2019|2021|demonstration)-\d", "…", form.action))
            forms.setdefault(key, form)
        waiting += sorted(reader.links)
    return list(forms.values())


def is_english(path: str) -> bool:
    return path == "/en" or path.startswith(("/en/", "/en?"))


_CRAWLED: dict[str, list[Found]] = {}  # the same in every test: each starts from a copy of one database


async def all_forms(site: Site, language: str) -> list[Found]:
    """The forms of the whole site in a language, in front of someone signed in; links mailed anew in each test."""
    held = await held_by_link(site)
    if language not in _CRAWLED:
        root = "" if language == "fr" else "/en"
        found = await forms_of(site, root or "/")
        await site.sign_in("admin")
        # The draft first: three pages of a shape are read, and only a draft is announced or discarded.
        # A public page is the same for a member (test_app.py), and its forms are known by now.
        desk = f"{root}/organisation"
        _CRAWLED[language] = found + await forms_of(site, desk, f"{desk}/forums/demonstration-5", within=desk)
    await site.sign_in("admin")
    return [replace(form, fields=dict(form.fields)) for form in _CRAWLED[language]] + held


LANGUAGES = ["fr", pytest.param("en", marks=pytest.mark.long)]


async def held_by_link(site: Site) -> list[Found]:
    """The forms behind mailed links: a registration, a question, a sign-in."""
    slug = (await site.examples())["slug"]
    await site.post(f"/forums/{slug}/inscription", family_name="A", given_name="B", email="lien@example.org", attendance="on_site")
    await site.post("/questions/poser", kind="question", text="Une question ?", email="lien@example.org")
    forms = []
    for text in await site.mailed("lien@example.org"):
        link = re.search(r"https://forums\.example\.fr(/(inscriptions|questions/confirmer)/[\w-]{43})", text)
        assert link
        forms += [form for form in (await read(site, link[1])).forms if "confirmer" in form.action or "renoncer" in form.action]
    return forms


async def send(site: Site, form: Found, values: dict[str, str]):
    if form.method == "get":
        return await site.get(form.action, params={name: text[:2000] for name, text in values.items()})
    body = "&".join(f"{quote_plus(name)}={_quoted(text)}" for name, text in values.items())
    return await site.client.post(form.action, content=body, headers=OURS | {"content-type": "application/x-www-form-urlencoded"})


@cache
def _quoted(text: str) -> str:
    """As the client would, once for each text: of a mebibyte in every field, the quoting was nearly the whole of a test."""
    return quote_plus(text)


def is_clear(response) -> bool:
    """A page that says what is wrong, or the way on to a page that says what was done."""
    if response.status_code in (200, 303):
        return True
    said = (
        'class="fr-message fr-message--error"' in response.text or 'class="fr-text--lead"' in response.text or "fr-alert" in response.text
    )
    return response.status_code in (404, 409, 413, 422) and said


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_crawler_finds_the_forms_people_know(site: Site, language: str):
    found = {form.action for form in await all_forms(site, language)}
    actions = {re.sub(r"/forums/[^/]+", "/forums/…", action.removeprefix("" if language == "fr" else "/en")) for action in found}

    assert actions >= {
        "/questions",
        "/questions/poser",
        "/forums/…/inscription",
        "/forums/…/questions",
        "/connexion",
        "/deconnexion",
        "/organisation/saisons/nouvelle",
        "/organisation/forums/…/modifier",
        "/organisation/forums/…/deplacer",
        "/organisation/forums/…/annuler",
        "/organisation/forums/…/annoncer",
        "/organisation/forums/…/ordre-du-jour",
        "/organisation/forums/…/compte-rendu",
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("filling", [each if each == "hostile HTML" else pytest.param(each, marks=pytest.mark.long) for each in FILLINGS])
async def test_every_form_answers_clearly_whatever_is_typed(site: Site, filling: str, language: str):
    forms = [form for form in await all_forms(site, language) if not form.action.endswith("/deconnexion")]
    for form in forms:
        hostile = form.fields | dict.fromkeys(form.typed, FILLINGS[filling])
        for values in (hostile, dict.fromkeys(form.fields, FILLINGS[filling])):
            response = await send(site, form, values)

            assert is_clear(response), (form.action, response.status_code)
            assert "<script>alert(1)" not in response.text, form.action


@pytest.mark.long
@pytest.mark.parametrize("language", ["fr", "en"])
async def test_every_form_survives_one_field_wrong_at_a_time_and_keeps_the_others(site: Site, language: str):
    for form in await all_forms(site, language):
        if form.method == "get" or form.action.endswith("/deconnexion"):
            continue
        for name in form.typed:
            typed = {each: f"gardé {number}" for number, each in enumerate(sorted(form.typed - {name, "site_web"}))}
            response = await send(site, form, form.fields | typed | {name: "x" * 20_000})

            assert is_clear(response), (form.action, name)
            if response.status_code == 422:
                shown = unescape(response.text)
                kept = [text for each, text in typed.items() if _is_free_text(each) and text not in shown]
                assert kept == [], (form.action, name)


def _is_free_text(name: str) -> bool:
    return name in (
        "family_name",
        "given_name",
        "organisation",
        "accessibility_needs",
        "text",
        "context",
        "author_name",
        "theme",
        "place",
        "title",
        "description",
        "reason",
    )


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_mebibyte_of_text_is_refused_in_plain_words(site: Site, language: str):
    for form in await all_forms(site, language):
        if form.method == "post" and form.typed:
            response = await send(site, form, form.fields | dict.fromkeys(form.typed, "é" * 512 * 1024))

            if form.action.endswith(("/documents", "/importer")):  # which take files of five
                assert response.status_code in (413, 422), form.action
                continue
            assert response.status_code == 413, form.action
            said = "is larger than allowed" if form.action.startswith("/en") else "Votre envoi dépasse la taille permise"
            assert said in response.text


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_form_sent_as_json_multipart_or_noise_never_fails(site: Site, language: str):
    noises = [
        {"content": b"\xff\xfe\x00" * 100, "headers": OURS | {"content-type": "application/x-www-form-urlencoded"}},
        {"content": b"%zz=%u1234&&&=&a[]=1", "headers": OURS | {"content-type": "application/x-www-form-urlencoded"}},
        {"content": b'{"email": ["x"]}', "headers": OURS | {"content-type": "application/json"}},
        {"content": b"--x\r\nnot multipart", "headers": OURS | {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"x", "headers": OURS | {"content-type": "multipart/form-data"}},
        {"files": {"email": ("a.txt", b"un fichier", "text/plain")}, "headers": OURS},
        {"content": b"&".join(b"a%d=1" % n for n in range(2000)), "headers": OURS | {"content-type": "application/x-www-form-urlencoded"}},
    ]
    for form in await all_forms(site, language):
        if form.method == "post" and form.typed:
            for noise in noises:
                response = await site.client.post(form.action, **noise)

                assert response.status_code in (303, 400, 404, 409, 413, 422), (form.action, noise)


async def test_the_same_form_sent_again_makes_no_second_row(site: Site):
    from forums.models import OutboxMessage, Question, Registration

    slug = (await site.examples())["slug"]
    registration = {"family_name": "Martin", "given_name": "Camille", "email": "Camille@Example.org", "attendance": "on_site"}
    question = {"kind": "question", "text": "Pourquoi deux envois ?", "email": "camille@example.org"}
    before = [await site.count(table) for table in (Registration, Question, OutboxMessage)]

    for _ in range(5):
        assert (await site.post(f"/forums/{slug}/inscription", **registration)).status_code == 303
        assert (await site.post("/questions/poser", **question)).status_code == 303

    after = [await site.count(table) for table in (Registration, Question, OutboxMessage)]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 2]


async def test_a_known_and_an_unknown_address_get_the_same_answer(site: Site):
    slug = (await site.examples())["slug"]
    typed = {"family_name": "Martin", "given_name": "Camille", "attendance": "on_site"}
    await site.post(f"/forums/{slug}/inscription", email="connue@example.org", **typed)

    known = await site.post(f"/forums/{slug}/inscription", email="connue@example.org", **typed)
    unknown = await site.post(f"/forums/{slug}/inscription", email="inconnue@example.org", **typed)

    assert (known.status_code, known.content, dict(known.headers)) == (unknown.status_code, unknown.content, dict(unknown.headers))
