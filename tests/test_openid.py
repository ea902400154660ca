"""Signing in through an identity provider: two real ones on loopback, an honest one and one that lies."""

import re
import shutil
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc.jwk import ECKey
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

import forums.settings
from forums import clock, members, openid
from forums.database import Database
from forums.models import AuditEvent, Member, MemberSession, OidcAttempt
from forums.openid import AnotherIdentity, Identity, NotAMember, UnknownAttempt
from forums.openid.provider import Provider, fault_of
from forums.settings import BadSetting, Oidc, Settings
from tests.factories import NOW, SECRET_KEY, a_member
from tests.oidc import CLIENT_ID, CLIENT_SECRET, LocalProvider, local_provider, octets
from tests.ports import free_port
from tests.site import Site, running

BROWSER = "le secret du navigateur qui a commencé"
RETURN = "https://forums.example.fr/connexion/retour"


@pytest.fixture(scope="module")
def _provider() -> Iterator[LocalProvider]:
    with local_provider() as found:
        yield found


@pytest.fixture
def provider(_provider: LocalProvider) -> LocalProvider:
    _provider.forget()
    return _provider


@asynccontextmanager
async def a_site(settings: Settings, demo: Path, issuer: str, **options: bool) -> AsyncIterator[Site]:
    shutil.copy(demo, settings.sqlite_path)
    async with running(replace(settings, oidc=Oidc(issuer, CLIENT_ID, CLIENT_SECRET, **options))) as site:
        async with site.database.transaction() as session:
            await members.enrol(session, "agent@example.org", "organiser", now=datetime.now(UTC))
        yield site


@pytest.fixture
async def connected(settings: Settings, sqlite_with_demo: Path, provider: LocalProvider) -> AsyncIterator[Site]:
    """The site, set to the provider that may lie; agent@example.org is one of its organisers."""
    async with a_site(settings, sqlite_with_demo, provider.issuer) as site:
        yield site


async def begun(site: Site, suite: str = "") -> str:
    """Press the button: where the browser is sent."""
    answer = await site.post("/connexion/proconnect", suite=suite)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def visited(address: str) -> str:
    """Go to the provider as a browser does: where it sends back to, on our site."""
    async with httpx2.AsyncClient(verify=False) as browser:
        answer = await browser.get(address)
    assert answer.status_code == 307, answer.text
    assert answer.headers["location"].startswith(RETURN)
    return answer.headers["location"]


async def signed_in(site: Site, suite: str = "") -> httpx2.Response:
    return await site.get(await visited(await begun(site, suite)))


async def is_in(site: Site) -> bool:
    return (await site.get("/organisation")).status_code == 200


def said(response: httpx2.Response) -> str:
    """The title and the first sentence of a page."""
    title, lead = re.search(r"<h1>(.*?)</h1>\s*<p class=\"fr-text--lead\">(.*?)</p>", response.text, re.S).groups()  # type: ignore[union-attr]
    return unescape(f"{title} | {lead}").replace("\u00a0", " ")


# -- Coming in ------------------------------------------------------------------------------------------


async def test_a_member_comes_in_through_the_provider_and_goes_where_they_were_going(connected: Site, provider: LocalProvider):
    answer = await signed_in(connected, suite="/organisation/forums")

    assert (answer.status_code, answer.headers["location"]) == (303, "/organisation/forums")
    assert await is_in(connected)
    asked = dict(provider.asked)
    assert asked["token"]["client_id"] == CLIENT_ID
    assert asked["authorize"]["scope"] == "openid email"
    assert asked["authorize"]["redirect_uri"] == RETURN
    assert asked["authorize"]["code_challenge_method"] == "S256"


@pytest.mark.parametrize("userinfo", ["plain", "signed"])
@pytest.mark.parametrize("algorithm", ["ES256", "HS256"])
async def test_userinfo_is_understood_plain_and_signed_whatever_the_algorithm(
    connected: Site, provider: LocalProvider, userinfo: str, algorithm: str
):
    provider.userinfo_is, provider.algorithm = userinfo, algorithm
    if algorithm == "HS256":
        provider.signed_by = octets(CLIENT_SECRET)

    answer = await signed_in(connected)

    assert (answer.status_code, await is_in(connected)) == (303, True)


async def test_a_page_outside_the_members_own_is_never_where_they_are_sent(connected: Site):
    answer = await signed_in(connected, suite="https://evil.example/organisation")

    assert answer.headers["location"] == "/organisation"


async def test_pkce_may_be_switched_off(settings: Settings, sqlite_with_demo: Path, provider: LocalProvider):
    async with a_site(settings, sqlite_with_demo, provider.issuer, pkce=False) as site:
        answer = await signed_in(site)

    assert answer.status_code == 303
    assert "code_challenge" not in dict(provider.asked)["authorize"]


async def test_keys_the_provider_changed_are_fetched_again(connected: Site, provider: LocalProvider, monkeypatch: pytest.MonkeyPatch):
    await signed_in(connected)
    old = provider.key
    provider.key = provider.signed_by = ECKey.generate_key("P-256", {"kid": "second", "use": "sig", "alg": "ES256"}, private=True)
    monkeypatch.setattr("forums.openid.provider._AGAIN", 0.0)

    answer = await signed_in(connected)

    provider.key = old
    assert answer.status_code == 303


async def test_a_member_signed_in_before_is_known_by_their_identity_when_their_address_changes(connected: Site, provider: LocalProvider):
    await signed_in(connected)
    provider.user["email"] = "nouvelle@example.org"

    answer = await signed_in(connected)

    assert answer.status_code == 303


async def test_the_log_says_which_member_the_provider_let_in(connected: Site, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "forums.access")

    await signed_in(connected)

    async with connected.database.reading() as session:
        member, this = (await session.exec(select(Member, MemberSession).where(col(MemberSession.member_id) == col(Member.id)))).one()
    lines = [record.getMessage() for record in caplog.records if record.name == "forums.access"]
    assert [line for line in lines if line.endswith(f" ms member {member.id} session {this.code}")] == [lines[-1]]


# -- Refused ----------------------------------------------------------------------------------------------


async def test_somebody_unknown_is_told_whom_to_ask_and_made_nobody(connected: Site, provider: LocalProvider):
    provider.user = {"sub": "sujet-9", "email": "inconnu@example.org"}
    before = await connected.count(Member)

    answer = await signed_in(connected)

    assert answer.status_code == 403
    assert said(answer).startswith("Vous n'êtes pas membre de ce site | ProConnect vous a reconnu")
    assert "Demandez à un administrateur de ce site de vous ajouter" in unescape(answer.text)
    assert (await connected.count(Member), await is_in(connected)) == (before, False)


LIES = {
    "nonce": {"lies": {"nonce": "un autre"}},
    "no nonce": {"lies": {"nonce": None}},
    "issuer": {"lies": {"iss": "https://evil.example"}},
    "audience": {"lies": {"aud": "un autre site"}},
    "audience of several": {"lies": {"aud": [CLIENT_ID, "un autre site"], "azp": "un autre site"}},
    "expired": {"lies": {"exp": 1_700_000_000}},
    "no expiry": {"lies": {"exp": None}},
    "two subjects": {"userinfo_lies": {"sub": "quelqu'un d'autre"}},
    "no algorithm": {"algorithm": "none"},
    "another key": {"signed_by": ECKey.generate_key("P-256", {"kid": "autre"}, private=True)},
    "another key of the same name": {"signed_by": ECKey.generate_key("P-256", {"kid": "premier"}, private=True)},
    "a key without a name": {"signed_by": ECKey.generate_key("P-256", private=True)},
    "a guessed secret": {"signed_by": octets("x" * 32), "algorithm": "HS256"},
    "the callback is another's": {"callback_lies": {"iss": "https://evil.example"}},
    "userinfo for another site": {"userinfo_is": "signed", "userinfo_lies": {"aud": "un autre site"}},
    "userinfo of another issuer": {"userinfo_is": "signed", "userinfo_lies": {"iss": "https://evil.example"}},
    "userinfo expired": {"userinfo_is": "signed", "userinfo_lies": {"exp": 1_700_000_000}},
    "userinfo is elsewhere": {"redirects": {"userinfo"}},
}


async def test_what_is_not_proved_lets_nobody_in(connected: Site, provider: LocalProvider, caplog: pytest.LogCaptureFixture):
    told = "La réponse de ProConnect n'a pas pu être vérifiée : par prudence, vous n'êtes pas connecté. Recommencez."
    found = {}
    for lie, facts in LIES.items():
        provider.forget()
        for name, value in facts.items():
            setattr(provider, name, value)
        answer = await signed_in(connected)
        found[lie] = (answer.status_code, said(answer))

    assert found == dict.fromkeys(LIES, (502, f"Connexion non aboutie | {told}"))
    assert await connected.count(MemberSession) == 0
    _nothing_secret(caplog, provider)


async def test_the_providers_public_key_is_no_secret_to_sign_with(connected: Site, provider: LocalProvider):
    provider.signed_by, provider.algorithm = octets(str(provider.key.as_dict(private=False))), "HS256"

    answer = await signed_in(connected)

    assert (answer.status_code, await is_in(connected)) == (502, False)


async def test_a_signed_userinfo_of_another_key_is_not_believed(connected: Site, provider: LocalProvider, monkeypatch: pytest.MonkeyPatch):
    provider.userinfo_is = "signed"
    other = ECKey.generate_key("P-256", {"kid": "premier"}, private=True)
    truly = provider.signed

    def forged(claims):
        provider.signed_by = other if "email" in claims else provider.key
        return truly(claims)

    monkeypatch.setattr(provider, "signed", forged)

    assert (await signed_in(connected)).status_code == 502


async def test_an_address_the_provider_does_not_vouch_for_is_nobodys(connected: Site, provider: LocalProvider):
    provider.user["email_verified"] = False

    assert (await signed_in(connected)).status_code == 403


async def test_a_provider_that_breaks_down_halfway_is_said_plainly(connected: Site, provider: LocalProvider):
    found = {}
    for what in ("jwks", "token", "userinfo", "token is elsewhere"):
        provider.forget()
        provider.down, provider.redirects = {what}, {"token"} if "elsewhere" in what else set()
        answer = await signed_in(connected)
        found[what] = (answer.status_code, said(answer).split(" | ")[0])

    assert set(found.values()) == {(503, "ProConnect ne répond pas")}
    assert not await is_in(connected)


async def test_a_secret_the_provider_refuses_is_said_plainly(connected: Site, provider: LocalProvider):
    _inside(connected).oidc = Oidc(provider.issuer, CLIENT_ID, "un autre secret")

    answer = await signed_in(connected)

    assert answer.status_code == 502


async def test_a_provider_that_cannot_be_asked_is_said_plainly(connected: Site, provider: LocalProvider, caplog: pytest.LogCaptureFixture):
    here = _inside(connected)
    elsewhere = {"nobody there": f"http://localhost:{free_port()}", "no document": f"{provider.issuer}/nulle-part"}
    lies = {"another issuer": {"issuer": "https://evil.example"}, "another origin": {"authorization_endpoint": "https://evil.example/a"},
            "half a document": {"jwks_uri": None}, "http": {"token_endpoint": "ftp://evil.example"}}  # fmt: skip
    found = {}
    for fault in (*elsewhere, *lies, "down", "redirects"):
        provider.forget()
        provider.down, provider.redirects = ({"discovery"} if fault == name else set() for name in ("down", "redirects"))
        provider.metadata_lies = lies.get(fault, {})
        here.oidc = Oidc(elsewhere.get(fault, provider.issuer), CLIENT_ID, CLIENT_SECRET)
        answer = await connected.post("/connexion/proconnect", suite="")
        found[fault] = (answer.status_code, said(answer).split(" | ")[0])

    down, wrong = (503, "ProConnect ne répond pas"), (502, "Connexion non aboutie")
    assert found == {fault: down if fault in ("nobody there", "down") else wrong for fault in found}
    _nothing_secret(caplog, provider)


async def test_a_provider_that_drips_its_answer_is_given_up(
    settings: Settings, sqlite_with_demo: Path, provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("forums.openid.provider.EXCHANGE", 0.0)
    async with a_site(settings, sqlite_with_demo, provider.issuer) as site:
        answer = await site.post("/connexion/proconnect", suite="")

    assert answer.status_code == 503


async def test_a_person_who_gives_up_at_the_provider_is_told_so(connected: Site):
    state = parse_qs(urlsplit(await begun(connected)).query)["state"][0]

    answer = await connected.get("/connexion/retour", params={"error": "access_denied", "error_description": "<b>non</b>", "state": state})

    assert answer.status_code == 400
    assert said(answer).startswith("Connexion non aboutie | La connexion n'a pas abouti chez ProConnect")
    assert "<b>" not in answer.text


async def test_a_state_is_used_once(connected: Site):
    back = await visited(await begun(connected))
    await connected.get(back)
    await connected.post("/deconnexion")

    again = await connected.get(back)

    assert (again.status_code, await is_in(connected)) == (400, False)
    assert "a déjà servi" in said(again)


async def test_another_browser_is_refused_and_does_not_spend_the_attempt(connected: Site):
    back = await visited(await begun(connected))
    cookies = dict(connected.client.cookies)
    connected.client.cookies.clear()

    stolen = await connected.get(back)
    for name, value in cookies.items():
        connected.client.cookies.set(name, value)
    own = await connected.get(back)

    assert (stolen.status_code, own.status_code) == (400, 303)


async def test_an_invented_answer_lets_nobody_in(connected: Site):
    queries = ("", "?code=x", "?state=x&code=x", "?state=&code=", "?state=%ED%A0%80&code=%00", "?code=a&code=b&state=c&state=d")

    answers = [(await connected.get(f"/connexion/retour{query}")).status_code for query in queries]

    assert (answers, await is_in(connected)) == ([400] * len(queries), False)


def _nothing_secret(caplog: pytest.LogCaptureFixture, provider: LocalProvider) -> None:
    lines = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("forums"))
    secret = [
        CLIENT_SECRET,
        "un-acces",
        "agent@example.org",
        "sujet-1",
        *(value for _, asked in provider.asked for value in asked.values()),
    ]
    assert lines
    assert [each for each in secret if len(each) > 7 and each in lines] == []


# -- Rules --------------------------------------------------------------------------------------------------


async def test_an_attempt_lasts_ten_minutes_and_is_forgotten(session: AsyncSession):
    early = await openid.begin(session, browser=BROWSER, now=NOW)
    late = await openid.begin(session, browser=BROWSER, now=NOW)

    assert (await openid.take(session, early.state, browser=BROWSER, now=NOW + timedelta(minutes=9, seconds=59))).nonce == early.nonce
    with pytest.raises(UnknownAttempt):
        await openid.take(session, late.state, browser=BROWSER, now=NOW + openid.LASTS)
    await openid.forget_old(session, now=NOW + openid.LASTS)
    assert (await session.exec(select(OidcAttempt))).all() == []


async def test_the_clock_forgets_attempts_that_led_nowhere(database: Database, engine_settings: Settings):
    async with database.transaction() as session:
        await openid.begin(session, browser=BROWSER, now=NOW)

    await clock.upkeep(database, engine_settings, now=NOW + openid.LASTS)

    async with database.reading() as session:
        assert (await session.exec(select(OidcAttempt))).all() == []


async def test_an_attempt_is_kept_without_its_state_or_its_browser(session: AsyncSession):
    begun = await openid.begin(session, browser=BROWSER, now=NOW)
    await session.flush()

    kept = repr((await session.exec(select(OidcAttempt))).one())
    assert min(map(len, begun)) >= 32
    assert (begun.state in kept, BROWSER in kept) == (False, False)


async def test_a_member_is_linked_by_address_once_and_the_journal_says_so(session: AsyncSession):
    member = await a_member(session, "agent@example.org")
    identity = Identity("sujet-1", "agent@example.org", "jeton")

    found = [await openid.member_of(session, identity, now=NOW) for _ in range(2)]

    await session.refresh(member)
    assert (found, member.oidc_subject) == ([member, member], "sujet-1")
    assert [event.verb for event in (await session.exec(select(AuditEvent))).all()] == ["link_identity"]


async def test_a_new_holder_of_an_address_does_not_inherit_its_member_until_an_admin_says_so(session: AsyncSession):
    admin = await a_member(session, "admin@example.org", "admin")
    member = await a_member(session, "agent@example.org", oidc_subject="sujet-1")
    newcomer = Identity("sujet-2", "agent@example.org", "jeton")

    with pytest.raises(AnotherIdentity) as refused:
        await openid.member_of(session, newcomer, now=NOW)
    assert refused.value.detail == f"member {member.id}"  # for the log
    await members.unlink_identity(session, member.id, by=admin, now=NOW)

    assert await openid.member_of(session, newcomer, now=NOW) is member


async def test_an_identity_without_an_address_is_nobodys(session: AsyncSession):
    await a_member(session, "agent@example.org")

    for email in (None, "", "agent@example.com"):
        with pytest.raises(NotAMember):
            await openid.member_of(session, Identity("sujet-1", email, "jeton"), now=NOW)


# -- Signing out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("button", ["/deconnexion", "/organisation/mes-sessions/deconnexion"])
async def test_signing_out_here_signs_out_there_and_comes_back(connected: Site, provider: LocalProvider, button: str):
    await signed_in(connected)

    answer = await connected.post(button)
    there = answer.headers["location"]
    async with httpx2.AsyncClient(verify=False) as browser:
        back = (await browser.get(there)).headers["location"]
    home = await connected.get(back)

    asked = dict(provider.asked)["end_session"]
    assert (answer.status_code, asked["post_logout_redirect_uri"]) == (303, "https://forums.example.fr/deconnexion")
    assert (len(asked["state"]) >= 32, asked["id_token_hint"].count(".")) == (True, 2)
    done = "deconnexion" if button == "/deconnexion" else "deconnexion-partout"
    assert (home.status_code, home.headers["location"]) == (303, f"/connexion?fait={done}")
    assert not await is_in(connected)


async def test_who_came_by_a_mailed_link_is_signed_out_here_alone(connected: Site, provider: LocalProvider):
    await connected.sign_in("organiser")

    answer = await connected.post("/deconnexion")

    assert answer.headers["location"] == "/connexion?fait=deconnexion"
    assert provider.asked == []


async def test_a_return_without_our_state_is_only_the_sign_in_page(connected: Site):
    await signed_in(connected)
    await connected.post("/deconnexion")

    for query in ("", "?state=", "?state=inventé"):
        assert (await connected.get(f"/deconnexion{query}")).headers["location"] == "/connexion"


async def test_when_the_provider_is_down_one_is_still_signed_out_here(connected: Site, provider: LocalProvider):
    await signed_in(connected)
    provider.down = {"discovery"}
    connected_provider: Provider = _inside(connected)
    connected_provider._metadata = None

    answer = await connected.post("/deconnexion")

    assert answer.headers["location"] == "/connexion?fait=deconnexion-locale"
    assert not await is_in(connected)


def _inside(site: Site) -> Provider:
    """The provider's object in the application, under its layers."""
    app = site.app
    while not hasattr(app, "state"):
        app = app.app
    found: Provider = app.state.openid
    return found


# -- The page ----------------------------------------------------------------------------------------------------


async def test_the_button_is_there_only_when_a_provider_is_set(connected: Site, settings: Settings):
    set_up = await connected.get("/connexion")

    assert re.search(r'<button class="fr-connect".*ProConnect.*name="email"', set_up.text, re.S)
    assert "form-action 'self' http://localhost:" in set_up.headers["content-security-policy"]


async def test_without_a_provider_there_is_neither_button_nor_address(site: Site):
    page = await site.get("/connexion")

    assert "ProConnect" not in page.text
    assert "form-action 'self';" in page.headers["content-security-policy"]
    assert (await site.post("/connexion/proconnect", suite="")).status_code == 404
    assert (await site.get("/connexion/retour")).status_code == 404


# -- An honest provider, written by others --------------------------------------------------------------------------


async def test_a_member_comes_in_through_a_provider_written_by_others(settings: Settings, sqlite_with_demo: Path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="authlib.jose")
        from oidc_provider_mock import User, run_server_in_thread

    agent = User(sub="agent", claims={"email": "agent@example.org", "email_verified": True})
    with run_server_in_thread(user_claims=[agent]) as server:
        issuer = f"http://localhost:{server.server_port}"
        async with a_site(settings, sqlite_with_demo, issuer) as site, httpx2.AsyncClient(verify=False) as browser:
            back = (await browser.post(await begun(site), data={"sub": "agent"})).headers["location"]
            answer = await site.get(back)
            came_in = await is_in(site)
            there = (await site.post("/deconnexion")).headers["location"]

    assert (answer.status_code, came_in) == (303, True)
    assert there.startswith(f"{issuer}/oauth2/end_session?id_token_hint=")


# -- Settings ---------------------------------------------------------------------------------------------------------

SET = {"OIDC_ISSUER": "https://auth.example.fr/api/v2", "OIDC_CLIENT_ID": "forums", "OIDC_CLIENT_SECRET": "secret"}


def read(tmp_path: Path, **environ: str) -> Settings:
    return forums.settings.read({"DATABASE_URL": f"sqlite:///{tmp_path / 'f.db'}", "SECRET_KEY": SECRET_KEY, **environ})


def test_the_settings_are_read_and_the_secret_is_never_shown(tmp_path: Path):
    oidc = read(tmp_path, **SET).oidc

    assert oidc == Oidc("https://auth.example.fr/api/v2", "forums", "secret")
    assert oidc is not None
    assert (oidc.origin, "secret'" in repr(oidc)) == ("https://auth.example.fr", False)
    assert read(tmp_path).oidc is None
    assert not read(tmp_path, **SET, OIDC_PKCE="non").oidc.pkce  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"OIDC_ISSUER": "http://auth.example.fr"}, "OIDC_ISSUER vaut « http://auth.example.fr » : indiquez l'adresse https"),
        ({"OIDC_ISSUER": "auth.example.fr"}, "OIDC_ISSUER vaut"),
        ({"OIDC_ISSUER": "https://auth.example.fr:x"}, "OIDC_ISSUER vaut"),
        ({"OIDC_ISSUER": "https://auth.example.fr?a"}, "OIDC_ISSUER vaut"),
        ({"OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET manque"),
        ({"OIDC_ISSUER": ""}, "OIDC_ISSUER manque"),
        ({"OIDC_PKCE": "peut-être"}, "OIDC_PKCE vaut « peut-être » : choisissez oui ou non."),
    ],
)
def test_a_wrong_setting_stops_with_one_french_sentence(tmp_path: Path, wrong: dict[str, str], sentence: str):
    with pytest.raises(BadSetting, match=re.escape(sentence)):
        read(tmp_path, **SET | wrong)


async def test_check_says_what_is_wrong_with_the_provider(provider: LocalProvider):
    good = await fault_of(Provider(Oidc(provider.issuer, CLIENT_ID, CLIENT_SECRET), "https://forums.example.fr"))
    provider.metadata_lies = {"issuer": "https://evil.example"}
    lying = await fault_of(Provider(Oidc(provider.issuer, CLIENT_ID, CLIENT_SECRET), "https://forums.example.fr"))

    assert (good, lying) == (None, "discovery: issuer")
