"""What `docs/security.md` says is true: each requirement answered once, each test it names there; and what no other word holds.

The sessions of members, what the browser is told to keep, what cannot be reached or chosen by whoever asks, what the log
says of refusals.
"""

import ast
import asyncio
import io
import logging
import re
import time
import tomllib
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx2
import pytest
from sqlmodel import col, select
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from forums import discreet_log, members, secret_links
from forums.models import AuditEvent, Member, MemberSession, Registration
from forums.pages.gate import AccessLog
from forums.settings import ROOT
from tests.site import OURS, PUBLIC_URL, Site, links_in

SESSION = "__Host-session"
LINES = re.findall(
    r"^\| (\d+\.\d+\.\d+) \| ([12]) \| ([^|]+) \| (tenu|sans objet|ouvert) \| ([^|]+) \|$",
    (ROOT / "docs/security.md").read_text(),
    re.MULTILINE,
)
# OWASP ASVS 5.0.0, levels 1 and 2: how far each section's numbers go, without those of level 3.
SECTIONS = {
    "1.1": "1-2", "1.2": "1-9", "1.3": "1-11", "1.4": "1-3", "1.5": "1-2",
    "2.1": "1-3", "2.2": "1-3", "2.3": "1-4", "2.4": "1",
    "3.2": "1-2", "3.3": "1-4", "3.4": "1-6", "3.5": "1-5", "3.7": "1-2",
    "4.1": "1-3", "4.2": "1", "4.3": "1-2", "4.4": "1-4",
    "5.1": "1", "5.2": "1-3", "5.3": "1-2", "5.4": "1-3",
    "6.1": "1-3", "6.2": "1-12", "6.3": "1-4", "6.4": "1-4", "6.5": "1-5", "6.6": "1-3", "6.8": "1-4",
    "7.1": "1-3", "7.2": "1-4", "7.3": "1-2", "7.4": "1-5", "7.5": "1-2", "7.6": "1-2",
    "8.1": "1-2", "8.2": "1-3", "8.3": "1", "8.4": "1",
    "9.1": "1-3", "9.2": "1-4",
    "10.1": "1-2", "10.2": "1-2", "10.3": "1-4", "10.4": "1-11", "10.5": "1-5", "10.6": "1-2", "10.7": "1-3",
    "11.1": "1-2", "11.2": "1-3", "11.3": "1-3", "11.4": "1-4", "11.5": "1", "11.6": "1",
    "12.1": "1-3", "12.2": "1-2", "12.3": "1-4",
    "13.1": "1", "13.2": "1-5", "13.3": "1-2", "13.4": "1-5",
    "14.1": "1-2", "14.2": "1-4", "14.3": "1-3",
    "15.1": "1-3", "15.2": "1-3", "15.3": "1-7",
    "16.1": "1", "16.2": "1-5", "16.3": "1-4", "16.4": "1-3", "16.5": "1-3",
    "17.1": "1", "17.2": "1-4", "17.3": "1-2",
}  # fmt: skip


# -- The document ----------------------------------------------------------------------------------------------


def test_each_requirement_of_levels_1_and_2_is_answered_once_and_in_order():
    expected = [f"{section}.{number}" for section, span in SECTIONS.items() for number in range(1, int(span.rpartition("-")[2]) + 1)]

    assert [number for number, *_ in LINES] == expected
    assert len(expected) == 253
    assert [level for _, level, *_ in LINES].count("1") == 70


def test_what_holds_names_a_test_and_every_test_named_is_there():
    named = {number: re.findall(r"`(test_\w+\.py)::(test_\w+)`", reason) for number, _, _, _, reason in LINES}
    defined = {
        path.name: {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        for path in ROOT.glob("tests/test_*.py")
    }

    assert [number for number, _, _, state, _ in LINES if state == "tenu" and not named[number]] == []
    assert [each for tests in named.values() for each in tests if each[1] not in defined.get(each[0], ())] == []


def test_the_count_at_the_head_is_that_of_the_lines():
    states = [state for *_, state, _ in LINES]
    said = re.search(r"(\d+) tenues, (\d+) sans objet, (\d+) ouvertes", (ROOT / "docs/security.md").read_text())

    assert said is not None
    assert [int(each) for each in said.groups()] == [states.count("tenu"), states.count("sans objet"), states.count("ouvert")]


# -- What the code never does, and what it is made of --------------------------------------------------------------


def test_nothing_runs_reads_or_unpacks_what_could_be_somebodys_program():
    """No XML is read, nothing is evaluated or unpickled, YAML is data, no shell is asked."""
    calls = {"eval", "exec", "compile", "__import__"}
    never = re.compile(
        r"\b(?:pickle|marshal|shelve|minidom|lxml|xml\.sax)\b|yaml\.(?:load|unsafe_load|full_load)\(|shell=True|os\.(?:system|popen)\("
        r"|create_subprocess_shell|fromstring\(|XMLParser|iterparse|\bTemplate\(|from_string\("
    )
    found = {}
    for path in ROOT.glob("forums/**/*.py"):
        text = path.read_text()
        nodes = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        found[path.name] = [*never.findall(text), *(node.id for node in nodes if isinstance(node, ast.Name) and node.id in calls)]

    assert {name: each for name, each in found.items() if each} == {}


def test_every_dependency_carries_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    declared = tomllib.loads(text)["project"]["dependencies"]
    lines = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)

    assert lines is not None
    with_reason = re.findall(r'^ +"([^"]+)", +# \S.{8,}$', lines[1], re.MULTILINE)
    assert with_reason == declared


def test_two_modules_alone_speak_to_others_and_the_unit_shuts_out_everybody_not_listed():
    """The relay and the identity provider, each where a setting says; the database is reached by its driver."""
    speaks = re.compile(
        r"^\s*(?:import|from) (?:aiosmtplib|smtplib|imaplib|ftplib|httpx2?|http\.client|urllib\.request|authlib|requests|aiohttp|asyncpg)\b"
        r"|open_connection\(|create_connection\(|\.connect\(\(|sock_connect\(|xmlrpc",
        re.MULTILINE,
    )
    unit = (ROOT / "docs/forums.service").read_text()

    found = {str(path.relative_to(ROOT / "forums")) for path in ROOT.glob("forums/**/*.py") if speaks.search(path.read_text())}
    assert found == {"openid/provider.py", "outbox/relay.py"}
    assert re.findall(r"^IPAddress\w+=.*", unit, re.MULTILINE) == ["IPAddressDeny=any", "IPAddressAllow=localhost"]
    assert "ProtectSystem=strict" in unit


# -- Sessions --------------------------------------------------------------------------------------------------


async def test_signing_in_gives_a_new_session_whatever_cookie_was_there_and_ends_the_one_before(site: Site):
    planted = "x" * 43
    site.client.cookies.set(SESSION, planted, domain="forums.example.fr", path="/")
    await site.sign_in("admin")
    first = site.client.cookies[SESSION]
    link = (await _link(site)).path
    answer = await site.client.post(link, headers=OURS)
    second = site.client.cookies[SESSION]

    assert answer.status_code == 303
    assert len({planted, first, second}) == 3
    async with site.database.reading() as session:
        assert len((await session.exec(select(MemberSession))).all()) == 1
    for old in (planted, first):
        site.client.cookies.clear()
        site.client.cookies.set(SESSION, old, domain="forums.example.fr", path="/")
        assert (await site.get("/organisation")).status_code == 303


async def _link(site: Site) -> httpx2.URL:
    from datetime import UTC, datetime

    from forums import members

    async with site.database.transaction() as session:
        member = await members.member_by_email(session, "admin@example.org")
        assert member is not None
        token = await members.link_to_sign_in(session, member, now=datetime.now(UTC))
    return httpx2.URL(f"{PUBLIC_URL}/connexion/{token}")


async def test_every_cookie_is_the_hosts_own_and_out_of_reach_of_scripts(site: Site):
    await site.sign_in("admin")
    form = await site.get("/connexion")
    asked = await site.post("/connexion", email="admin@example.org", suite="/organisation")
    inside = await site.client.post((await _link(site)).path, headers=OURS)
    out = await site.post("/deconnexion")

    cookies = [each for answer in (form, asked, inside, out) for each in answer.headers.get_list("set-cookie")]
    assert len(cookies) >= 4
    for cookie in cookies:
        assert cookie.startswith("__Host-"), cookie
        assert {"httponly", "secure", "path=/", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}, cookie
        assert "domain" not in cookie.lower(), cookie


async def test_signing_out_makes_the_browser_forget_pages_and_drafts(site: Site):
    for address in ("/deconnexion", "/organisation/mes-sessions/deconnexion"):
        await site.sign_in("admin")
        assert (await site.post(address)).headers["clear-site-data"] == '"cache", "storage"'


async def test_asking_to_sign_in_says_the_same_to_a_member_and_to_anybody(site: Site):
    known = await site.post("/connexion", email="exemple@example.org")
    unknown = await site.post("/connexion", email="personne@example.org")

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    hidden = {"set-cookie"}  # which differ for each who ask
    assert [each for each in known.headers.items() if each[0] not in hidden] == [
        each for each in unknown.headers.items() if each[0] not in hidden
    ]


# -- What cannot be reached, and what cannot be chosen -------------------------------------------------------------


LYING_ABOUT = [
    "/static", "/static/../pyproject.toml", "/static/%2e%2e/pyproject.toml", "/static/..%2fpyproject.toml", "/static/%252e%252e/app.py",
    "/static//etc/passwd", "/.git/config", "/.env", "/var/forums.db", "/forums.key", "/docs", "/openapi.json", "/server-status",
    "/%2e%2e/%2e%2e/etc/passwd", "/questions/%2561", "/f%256frums", "/api/v1/questions/..%2f..%2fsante",
]  # fmt: skip


async def test_nothing_lies_about_and_an_address_is_decoded_once(site: Site):
    for path in LYING_ABOUT:
        raw = httpx2.URL(scheme="https", host="forums.example.fr", raw_path=path.encode())
        response = await site.client.request("GET", raw)

        assert response.status_code == 404, path
        assert "Index of" not in response.text
    assert (await site.get("/static/")).headers["location"] == "/static"
    assert (await site.get("/f%6frums")).status_code == 200


async def test_who_asks_cannot_choose_the_address_they_come_from(site: Site):
    """As `forums serve` reads it: believed from the proxy alone, and then only the last one not the proxy's own."""
    claims = {
        "203.0.113.7": ["127.0.0.1", "127.0.0.1, 127.0.0.1", "::1"],  # no proxy: nothing is believed
        "127.0.0.1": ["127.0.0.1, 203.0.113.7", "203.0.113.7", "6.6.6.6, 203.0.113.7"],  # the proxy's: whom it names
    }
    for peer, forwarded in claims.items():
        app = ProxyHeadersMiddleware(site.app, trusted_hosts=site.settings.forwarded_allow_ips)
        transport = httpx2.ASGITransport(app=app, client=(peer, 4321))
        async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            for each in forwarded:
                headers = {
                    "x-forwarded-for": each,
                    "x-real-ip": "127.0.0.1",
                    "forwarded": "for=127.0.0.1",
                    "x-forwarded-host": "evil.example",
                }
                response = await client.get("/metriques", headers=headers)
                assert response.status_code == 404, (peer, each)
                assert "evil" not in (await client.get("/", headers=headers)).text


async def test_a_form_sets_its_own_fields_and_of_two_values_the_last(site: Site):
    slug = (await site.examples())["slug"]
    typed = {"family_name": "Martin", "given_name": "Camille", "attendance": "on_site"}
    more = {"status": "registered", "entry_code": "zzzz2222", "checked_in_at": "2026-01-01", "id": "1", "forum_id": "1", "seat": "1"}
    body = "&".join(f"{name}={value}" for name, value in (typed | more).items()) + "&email=une@example.org&email=deux@example.org"
    form = {"content-type": "application/x-www-form-urlencoded"}

    response = await site.client.post(
        f"/forums/{slug}/inscription?email=trois@example.org&status=registered", content=body, headers=OURS | form
    )

    assert response.status_code == 303
    async with site.database.reading() as session:
        query = select(Registration).where(col(Registration.email).in_(["une@example.org", "deux@example.org", "trois@example.org"]))
        written = (await session.exec(query)).all()
    assert [(each.email, each.status, each.checked_in_at) for each in written] == [("deux@example.org", "pending", None)]
    assert written[0].entry_code != "zzzz2222"


def test_no_script_names_a_property_by_what_somebody_typed():
    """What pollutes a prototype: an object made of others' names, merged, or written to by a name that is computed."""
    never = re.compile(r"__proto__|\bprototype\b|Object\.assign|fromEntries|JSON\.parse|\w\[[^\]]*[a-z][^\]]*\]\s*=[^=]")

    assert [bool(never.search(bad)) for bad in ("a[name] = 1", "Object.assign(a, b)", "a[0] = 1", 'a[name] === "x"')] == [
        True,
        True,
        False,
        False,
    ]
    assert {path.name: never.findall(path.read_text()) for path in ROOT.glob("static/*.js") if never.search(path.read_text())} == {}


# -- The log ---------------------------------------------------------------------------------------------------


async def test_what_is_refused_is_in_the_log_by_its_route_and_nothing_typed_is(site: Site, caplog: pytest.LogCaptureFixture):
    await site.sign_in("moderator")
    caplog.set_level(logging.INFO, "forums.access")
    await site.get("/organisation/membres")  # an admin's
    await site.client.post("/connexion", data={"email": "x@example.org"}, headers={"origin": "https://evil.example"})
    await site.post("/connexion", email="pas une adresse\r\n2026-01-01 forums ERROR inventé")
    await site.post("/connexion/" + "x" * 43)
    await site.get("/organisation/%0d%0a2026-01-01%20forums%20ERROR%20invent%C3%A9")
    await site.get("/", headers={"user-agent": "x\x1b[2J", "referer": "ERROR inventé".encode()})

    lines = _accesses(caplog)
    assert [re.sub(r" session \w{8}$", "", line) for line in lines[:4]] == [
        "GET /organisation/membres 403",
        "POST - 403",
        "POST /connexion 422",
        "POST /connexion/{token} 404",
    ]
    assert len(lines) == 6
    assert not any("invent" in line or "\n" in line or "\x1b" in line for line in lines)


def _accesses(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of each request, but for how long it took."""
    return [re.sub(r" [\d.]+ ms", "", record.getMessage()) for record in caplog.records if record.name == "forums.access"]


async def test_each_attempt_to_sign_in_is_in_the_log_with_the_member_it_concerns_and_whether_it_succeeded(
    site: Site, caplog: pytest.LogCaptureFixture
):
    await site.sign_in("admin")
    async with site.database.reading() as session:
        member = await members.member_by_email(session, "admin@example.org")
    assert member is not None
    caplog.set_level(logging.INFO, "forums.access")
    await site.get("/connexion")
    await site.post("/connexion", email="admin@example.org")
    await site.post("/connexion", email="personne@example.org")
    link = next(each for each in links_in((await site.mailed("admin@example.org"))[-1]) if each.startswith("/connexion/"))
    browser = list(site.client.cookies.jar)
    site.client.cookies.clear()
    await site.post(link)  # from another browser
    for cookie in browser:
        site.client.cookies.jar.set_cookie(cookie)
    await site.post(link)
    await site.get("/organisation")
    await site.post(link)  # a second time
    await site.post("/connexion/" + "x" * 43)

    async with site.database.transaction() as session:
        late = await members.link_to_sign_in(session, member, now=datetime.now(UTC) - timedelta(minutes=11))
        code = (await session.exec(select(MemberSession.code))).one()
    await site.post(f"/connexion/{late}")
    assert _accesses(caplog)[1:] == [
        f"POST /connexion 303 member {member.id}",
        "POST /connexion 303",
        f"POST /connexion/{{token}} 404 member {member.id}: another browser",
        f"POST /connexion/{{token}} 303 member {member.id} session {code}",
        f"GET /organisation 200 session {code}",
        f"POST /connexion/{{token}} 404 member {member.id}: used",
        "POST /connexion/{token} 404",
        f"POST /connexion/{{token}} 404 member {member.id}: expired",
    ]


async def test_what_a_member_does_is_in_the_journal_and_in_the_log_by_a_session_that_leads_to_them(
    site: Site, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "forums.access")
    await site.sign_in("admin")
    async with site.database.reading() as session:
        found = (await session.exec(select(Member).where(Member.email == "exemple@example.org"))).one()
    page = (await site.get(f"/organisation/membres/{found.id}")).text
    edition = re.search(r'name="edition" value="(\w+)"', page)
    assert edition is not None
    await site.post(f"/organisation/membres/{found.id}", name="Sacha", role="organiser", edition=edition[1])
    await site.get("/")

    came_in, *_, done, public = _accesses(caplog)
    async with site.database.reading() as session:
        event = (await session.exec(select(AuditEvent).where(AuditEvent.verb == "change_member"))).one()
    who = re.fullmatch(r"POST /connexion/\{token\} 303 member (\S+) session (\w{8})", came_in)
    assert who is not None
    assert str(event.member_id) == who[1]
    assert done == f"POST /organisation/membres/{{member}} 303 session {who[2]}"
    assert public == "GET / 200"  # of the public it says nothing, whoever reads


async def test_other_sessions_are_ended_by_whoever_has_just_signed_in(site: Site):
    await site.sign_in("organiser")
    phone = secret_links.hash_of(site.client.cookies[SESSION])
    await site.sign_in("organiser")
    here = secret_links.hash_of(site.client.cookies[SESSION])
    codes = await _make_older(site, timedelta(minutes=16))
    page = (await site.get("/organisation/mes-sessions")).text

    assert re.findall(r"mes-sessions/(\w{8})/deconnexion", page) == [codes[here]]  # to sign out is always allowed
    assert "/organisation/mes-sessions/deconnexion" not in page
    assert "/connexion?suite=/organisation/mes-sessions" in page
    for address in (f"/organisation/mes-sessions/{codes[phone]}/deconnexion", "/organisation/mes-sessions/deconnexion"):
        answer = await site.post(address)
        assert answer.headers["location"] == "/connexion?suite=/organisation/mes-sessions&fait=reconnexion"
    assert await site.count(MemberSession) == 2
    assert "plus d'un quart d'heure" in unescape((await site.get(answer.headers["location"])).text)

    await site.post(f"/connexion/{await _link_of(site, 'organiser@example.org')}")
    again = await site.post(f"/organisation/mes-sessions/{codes[phone]}/deconnexion")
    assert again.headers["location"] == "/organisation/mes-sessions?fait=session-terminee"
    codes = await _make_older(site, timedelta(minutes=16))
    assert phone not in codes
    await site.post(f"/organisation/mes-sessions/{next(iter(codes.values()))}/deconnexion")
    assert await site.count(MemberSession) == 0


async def _make_older(site: Site, age: timedelta) -> dict[str, str]:
    """Every session began so long ago: the code of each, by the hash of its cookie."""
    async with site.database.transaction() as session:
        rows = (await session.exec(select(MemberSession))).all()
        for row in rows:
            row.created_at -= age
        return {row.token_hash: row.code for row in rows}


async def _link_of(site: Site, email: str) -> str:
    async with site.database.transaction() as session:
        member = await members.member_by_email(session, email)
        assert member is not None
        return await members.link_to_sign_in(session, member, now=datetime.now(UTC))


async def test_the_log_says_when_in_utc_whatever_the_hour_of_the_machine(monkeypatch: pytest.MonkeyPatch):
    written = io.StringIO()
    accesses = AccessLog(None)  # type: ignore[arg-type]
    accesses.stream = written
    loggers = [logging.getLogger(name) for name in ("forums", "uvicorn", "asyncio")]
    before = [(list(each.handlers), each.propagate, each.level) for each in loggers]
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    began = datetime.now(UTC).replace(microsecond=0)
    try:
        discreet_log.to_stdout()
        record = logging.LogRecord("forums.app", logging.ERROR, "", 0, "dit", None, None)
        accesses._say("GET / 200 1 ms")
        await asyncio.sleep(0)
        lines = [loggers[0].handlers[0].format(record), written.getvalue().strip()]
    finally:
        for logger, (handlers, propagates, level) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagates
            logger.setLevel(level)
        monkeypatch.undo()
        time.tzset()

    for line in lines:
        assert began <= datetime.strptime(line.split(" ")[0], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) <= datetime.now(UTC), line
    assert [line.split(" ", 1)[1] for line in lines] == ["forums.app ERROR dit", "forums.access INFO GET / 200 1 ms"]
