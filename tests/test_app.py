"""The table of addresses, walked whole: nothing answers but as its line says."""

import hashlib
import logging
import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
from sqlmodel import col, delete, update

from forums import action_plan, members, questions, secret_links
from forums.app import ADDRESSES, FEED, PUBLIC, Address
from forums.models import AuditEvent, Member, MemberSession, OutboxMessage, Question, Registration
from forums.models.people import Role
from forums.pages.gate import PRIVATE
from tests.site import OURS, PUBLIC_URL, Site, filled

HOSTILE = [
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    {"sec-fetch-site": "same-site", "origin": PUBLIC_URL},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {},
]
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
}
ROLES = ("admin", "organiser", "moderator", "agent")
COOKIE = "__Host-session"


async def answers(site: Site, addresses: Iterable[Address], **options: Any) -> AsyncIterator[tuple[Address, httpx2.Response]]:
    """What each answers to, one after the other. A write that was done may have used up an example: they are looked for anew."""
    values = await site.examples()
    for address in addresses:
        response = await site.client.request(address.method, filled(address.path, values), **options)
        yield address, response
        if address.method == "POST" and response.status_code < 400:
            values = await site.examples()


async def test_no_public_page_sets_a_cookie_and_each_may_be_kept_and_revalidated(site: Site):
    async for address, response in answers(site, [each for each in ADDRESSES if each.cache in (PUBLIC, FEED)]):
        again = await site.get(str(response.url), headers={"if-none-match": response.headers.get("etag", "")})

        assert response.status_code == 200, address.path
        assert "set-cookie" not in response.headers, address.path
        assert response.headers["cache-control"] == address.cache, address.path
        assert (again.status_code, again.content) == (304, b""), address.path
        assert again.headers["etag"] == response.headers["etag"]


async def test_a_public_page_is_the_same_bytes_for_a_member_and_for_nobody(site: Site):
    values = await site.examples()
    paths = [filled(each.path, values) for each in ADDRESSES if each.cache == PUBLIC]
    for_nobody = [(await site.get(path)).content for path in paths]
    await site.sign_in("admin")

    for_a_member = [(await site.get(path)).content for path in paths]

    assert for_a_member == for_nobody


async def test_everything_else_is_private_and_never_kept(site: Site):
    await site.sign_in("admin")
    async for address, response in answers(site, [each for each in ADDRESSES if each.cache == PRIVATE], headers=OURS):
        assert response.headers["cache-control"] == PRIVATE, address.path
        if address.path.endswith("/deconnexion"):
            await site.sign_in("admin")


async def test_every_answer_carries_the_security_headers_and_its_true_type_errors_too(site: Site):
    paths = [*await site.addresses(), "/inconnue", "/organisation", "/static/neutral.css", "/en/forums"]
    for path in paths:
        response = await site.get(path)

        assert HEADERS.items() <= dict(response.headers).items(), path
        assert "default-src 'none'" in response.headers["content-security-policy"], path
        assert "unsafe" not in response.headers["content-security-policy"], path
        kind = response.headers.get("content-type", "")
        assert kind or not response.content, path
        if response.content and re.match(r"text/|application/(atom\+)?xml", kind):
            assert "charset=utf-8" in kind, path
            response.content.decode("utf-8")
        if response.content and "json" in kind:
            response.json()


@pytest.mark.parametrize("headers", HOSTILE)
async def test_a_write_from_anywhere_but_our_own_pages_is_refused_and_writes_nothing(site: Site, headers: dict[str, str]):
    await site.sign_in("admin")
    tables = (Registration, Question, OutboxMessage, AuditEvent)
    before = [await site.count(table) for table in tables]

    typed = {"reason": "x", "email": "a@example.org"}
    async for address, response in answers(site, [each for each in ADDRESSES if each.method == "POST"], headers=headers, data=typed):
        # A mail program's one click (RFC 8058) comes from nowhere: the link itself is the proof.
        one_click = address.path == "/abonnements/{token}/fin"
        assert response.status_code == (303 if one_click else 403), address.path

    assert [await site.count(table) for table in tables] == before


async def test_a_write_from_our_own_pages_passes_by_either_header(site: Site):
    for headers in ({"sec-fetch-site": "same-origin"}, OURS):
        response = await site.client.post("/connexion", data={"email": "x@example.org"}, headers=headers)

        assert response.status_code == 303


async def test_an_address_answers_only_the_methods_of_its_lines(site: Site):
    values = await site.examples()
    await site.sign_in("admin")
    by_path: dict[str, set[str]] = {}
    for address in ADDRESSES:
        by_path.setdefault(address.path, set()).add(address.method)
    for path, methods in by_path.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - methods:
            response = await site.client.request(method, filled(path, values), headers=OURS)
            assert response.status_code in (404, 405), (method, path)


# -- Who may come in: the column `who` of the table, and nothing else, decides --------------------------------------


def refused(address: Address, response) -> bool:
    """As nobody is: a page sends to sign in and back to it, a write says 401, and who signs out again is told they are out."""
    if address.method == "POST" and address.path.endswith("/deconnexion"):
        return response.headers.get("location") == "/connexion?fait=deconnexion" and "set-cookie" not in response.headers
    if address.method == "POST":
        return response.status_code == 401
    return response.status_code == 303 and response.headers["location"].startswith("/connexion?suite=/organisation")


async def walked(site: Site, **options) -> dict[tuple[str, str], bool]:
    """For each line of the table that is not for everybody, whether it refuses as it refuses nobody."""
    values = await site.examples()
    found = {}
    for address in ADDRESSES:
        if address.who is not None:
            response = await site.client.request(address.method, filled(address.path, values), headers=OURS, **options)
            found[address.method, address.path] = refused(address, response)
    return found


def test_the_roles_of_the_table_are_those_of_the_model():
    assert set(get_args(Role)) == set(ROLES)
    assert {role for address in ADDRESSES for role in address.who or ()} == set(ROLES)
    assert {address.path for address in ADDRESSES if address.path.startswith("/organisation") and address.who is None} == set()


async def test_nobody_is_sent_to_sign_in_and_their_writes_are_refused(site: Site):
    assert set((await walked(site)).values()) == {True}


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_comes_in_where_its_line_says_and_nowhere_else(site: Site, role: str):
    await site.sign_in(role)
    found = {}
    async for address, response in answers(site, ADDRESSES, headers=OURS):
        # An allowed write may find nothing to do, never a closed door; a public one is not asked who it is.
        allowed = response.status_code in ((200, 303, 404) if address.method == "GET" else (200, 204, 303, 404, 409, 422))
        found[address.method, address.path] = "in" if allowed else "refused" if response.status_code == 403 else response.status_code
        if address.path.endswith("/deconnexion"):
            await site.sign_in(role)

    assert found == {(each.method, each.path): "in" if each.who is None or role in each.who else "refused" for each in ADDRESSES}


@pytest.mark.parametrize("ended", ["signed out", "ended elsewhere", "idle", "twelve hours", "removed", "role changed", "invented"])
async def test_a_session_that_is_over_opens_nothing(site: Site, ended: str):
    await site.sign_in("admin")
    cookie = site.client.cookies[COOKIE]
    site.client.cookies.clear()
    site.client.cookies.set(COOKIE, cookie)
    assert (await site.get("/organisation")).status_code == 200
    if ended == "signed out":
        await site.post("/deconnexion")
    else:
        await _end(site, ended)
    site.client.cookies.clear()
    site.client.cookies.set(COOKIE, "x" * 43 if ended == "invented" else cookie)

    assert set((await walked(site)).values()) == {True}


async def _end(site: Site, how: str) -> None:
    now = datetime.now(UTC)
    async with site.database.transaction() as session:
        member = await members.member_by_email(session, "admin@example.org")
        assert member is not None
        if how == "ended elsewhere":
            await members.sign_out_everywhere(session, member)
        elif how == "idle":
            await session.exec(update(MemberSession).values(seen_at=now - members.IDLE))
        elif how == "twelve hours":
            await session.exec(update(MemberSession).values(expires_at=now))
        elif how == "removed":
            await session.exec(delete(Member).where(col(Member.id) == member.id))
        elif how == "role changed":
            await members.enrol(session, "admin@example.org", "moderator", now=now)


@pytest.mark.parametrize("link", ["used", "ten minutes old", "another browser's", "invented"])
async def test_a_sign_in_link_that_is_not_good_any_more_opens_nothing(site: Site, link: str):
    browser = "le navigateur qui a demandé" if link == "another browser's" else None
    asked = datetime.now(UTC) - (secret_links.SIGN_IN_LASTS if link == "ten minutes old" else timedelta())
    async with site.database.transaction() as session:
        member = await members.enrol(session, "admin@example.org", "admin", now=asked)
        token = await members.link_to_sign_in(session, member, browser=browser, now=asked)
    if link == "used":
        await site.post(f"/connexion/{token}")
    site.client.cookies.clear()

    response = await site.post(f"/connexion/{'x' * 43 if link == 'invented' else token}")

    assert (response.status_code, "set-cookie" in response.headers) == (404, False)
    assert set((await walked(site)).values()) == {True}


async def test_a_body_larger_than_its_line_allows_is_refused_in_plain_words(site: Site):
    await site.sign_in("admin")
    values = await site.examples()
    for address in ADDRESSES:
        if address.method == "POST":
            response = await site.post(filled(address.path, values), text="x" * (address.body + 1))
            assert response.status_code == 413, address.path
            assert "Votre envoi dépasse la taille permise" in response.text


async def test_every_address_answers_head_with_the_headers_of_get_and_no_body(site: Site):
    for path in await site.addresses():
        get, head = await site.get(path), await site.client.head(path)

        assert head.status_code == get.status_code, path
        assert head.content == b"", path
        assert head.headers.get("etag") == get.headers.get("etag"), path


async def test_a_file_of_the_site_is_named_by_its_content_and_kept_for_ever(site: Site):
    named = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', (await site.get("/")).text))

    assert {Path(address.partition("?")[0]).suffix for address in named} >= {".css"}
    for address in named:
        answer = await site.get(address)
        fingerprint = hashlib.sha256(answer.content).hexdigest()[:8]
        assert address.endswith(f"?v={fingerprint}"), address
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable", address
    assert (await site.get("/static/forums.css")).headers["cache-control"] == "public, max-age=300"


async def test_an_unknown_address_gets_the_sites_own_page_in_either_language(site: Site):
    french, english = await site.get("/nulle-part"), await site.get("/en/nowhere")

    assert (french.status_code, english.status_code) == (404, 404)
    assert "<h1>Page non trouvée</h1>" in french.text
    assert '<html lang="en"' in english.text


async def test_a_trailing_slash_leads_to_the_page_and_never_to_another_site(site: Site):
    assert (await site.get("/forums/")).headers["location"] == "/forums"
    for path in ("//evil.example/", "/\\evil.example/", "/%2F/evil.example/"):
        location = (await site.get(path)).headers.get("location", "/")
        assert re.fullmatch(r"/([^/\\].*)?", location), path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:443", "forums.example.fr@evil.example"])
async def test_the_host_header_never_reaches_a_page_a_feed_or_a_message(site: Site, host: str):
    slug = (await site.examples())["slug"]
    pages = [(await site.get(path, headers={"host": host})).text for path in ("/", "/abonnements", "/calendrier.ics", "/nulle-part/")]
    await site.client.post(
        f"/forums/{slug}/inscription",
        headers={"host": host, **OURS},
        data={"family_name": "A", "given_name": "B", "email": "hote@example.org", "attendance": "on_site"},
    )

    assert not any("evil" in text for text in pages + await site.mailed("hote@example.org"))


async def test_no_token_no_address_and_no_query_reaches_the_log(site: Site, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "forums.access")
    for path in ("/inscriptions/SECRETSECRETSECRET", "/connexion/SECRETSECRETSECRET", "/questions?etat=SECRET", "/SECRET"):
        await site.get(path)

    lines = [record.getMessage() for record in caplog.records if record.name == "forums.access"]
    assert len(lines) == 4
    assert not any("SECRET" in line for line in lines)


async def test_the_language_is_in_the_address_and_said_on_the_page(site: Site):
    for path in await site.addresses():
        french = await site.get(path)
        if "text/html" not in french.headers.get("content-type", ""):
            continue
        english = await site.get(f"/en{path}")

        assert '<html lang="fr"' in french.text, path
        assert '<html lang="en"' in english.text, path


async def test_health_says_ok_while_the_database_answers(site: Site):
    response = await site.get("/sante")

    assert (response.status_code, response.text) == (200, "ok")


async def test_when_the_database_is_gone_a_page_says_so_and_nothing_crashes(site: Site, settings):
    for path in settings.sqlite_path.parent.glob("forums.db*"):
        path.unlink()
    settings.sqlite_path.mkdir()

    page, health = await site.get("/forums"), await site.get("/sante")

    assert (page.status_code, health.status_code) == (503, 503)
    assert page.headers["retry-after"] == "30"
    assert "Nos données sont momentanément inaccessibles" in page.text


async def test_an_agent_reads_the_questions_of_their_institution_and_no_others(site: Site):
    async with site.database.transaction() as session:
        waiting = await questions.to_moderate(session)
        hatvp = await action_plan.institution_by_slug(session, "hatvp")
        assert hatvp
        theirs = {question.code: await questions.concerns(session, question, [hatvp]) for question in waiting}
    await site.sign_in("agent", "hatvp")

    answers = {code: (await site.get(f"/organisation/questions/{code}")).status_code for code in theirs}

    assert len(answers) == 3
    assert answers == {code: 200 if its_own else 404 for code, its_own in theirs.items()}


async def test_robots_are_kept_from_members_pages_and_personal_links_in_both_languages(site: Site):
    closed = re.findall("^Disallow: (.+)$", (await site.get("/robots.txt")).text, re.MULTILINE)
    personal = [each.path for each in ADDRESSES if each.method == "GET" and (each.who is not None or "{token}" in each.path)]

    for path in personal:
        assert any(path.startswith(each) for each in closed), path
        assert any(f"/en{path}".startswith(each) for each in closed), path
    assert not any("/questions/abcd2345".startswith(each) for each in closed)


async def test_security_txt_says_whom_to_tell_and_is_still_true_in_half_a_year(site: Site):
    response = await site.get("/.well-known/security.txt")
    fields = [line.split(": ", 1) for line in response.text.splitlines()]

    expires = datetime.fromisoformat(dict(fields)["Expires"])
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert [value for name, value in fields if name == "Contact"] == ["mailto:forums@example.fr", "https://forums.example.fr/contact"]
    assert dict(fields)["Canonical"] == "https://forums.example.fr/.well-known/security.txt"
    assert timedelta(days=180) < expires - datetime.now(UTC) < timedelta(days=366)
