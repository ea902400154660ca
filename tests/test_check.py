"""`forums check`: each of these wrong configurations is found, named, and told how to mend."""

import asyncio
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult

from forums import cli, settings
from tests.factories import SECRET_KEY, for_service
from tests.ports import free_port

WHOLE = {
    "SECRET_KEY": SECRET_KEY,
    "PUBLIC_URL": "https://forums.example.fr",
    "MAIL_FROM": "Forums <forums@example.fr>",
    **{f"PUBLISHER_{name}": "Renseigné" for name in ("NAME", "ADDRESS", "PHONE", "DIRECTOR", "HOST_NAME", "HOST_ADDRESS", "HOST_PHONE")},
    **{f"PUBLISHER_{name}": "Renseigné" for name in ("DPO", "ACCESSIBILITY_PLAN", "ACCESSIBILITY_DATE")},
}
PostgresUrl = Callable[..., str]
Check = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def relay() -> Iterator[Controller]:
    """A relay that knows nobody's password and offers no encryption."""
    controller = Controller(
        Sink(),
        hostname="127.0.0.1",
        port=free_port(),
        auth_require_tls=False,
        authenticator=lambda *_: AuthResult(success=False, handled=False),
    )
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def whole(tmp_path: Path, relay: Controller) -> dict[str, str]:
    """A configuration with which nothing is wrong, on SQLite."""
    return WHOLE | {"DATABASE_URL": f"sqlite:///{tmp_path / 'forums.db'}", "SMTP_URL": f"smtp://127.0.0.1:{relay.port}"}


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs commands in an environment; the last one's status, and all that it said."""

    def run(environment: dict[str, str], *commands: list[str]) -> tuple[int, str]:
        for name in (*WHOLE, "SMTP_URL", "THEME", "WEB_CONCURRENCY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        status = 0
        for words in commands or [["check"]]:
            capsys.readouterr()
            status = cli.main(words)
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


READY = [["migrate"], ["load-plan", "db/plans/2018-2020.yaml"], ["member", "a@example.fr", "--role", "admin"]]


def test_a_whole_configuration_has_nothing_to_mend(check: Check, whole: dict[str, str]) -> None:
    assert check(whole, *READY, ["check"]) == (0, "Tout est en ordre.\n")


def test_the_file_of_settings_in_the_guide_is_the_same_to_a_shell_to_systemd_and_to_podman(tmp_path: Path) -> None:
    said = re.search(r"^```sh\n(PUBLIC_URL=.*?)^```", Path("docs/operations.md").read_text(), re.MULTILINE | re.DOTALL)
    assert said is not None
    file = tmp_path / "forums.env"
    file.write_text(said[1].replace("…", "k" * 48))
    lines = dict(line.split("=", 1) for line in file.read_text().splitlines() if not line.startswith("#"))

    # Between straight quotes systemd takes everything as it is; so does the shell; podman takes the quotes too.
    assert [value for value in lines.values() if not re.fullmatch("'[^']*'", value)] == []
    sourced = subprocess.run(["sh", "-c", f"set -a; . {file}; env"], env={}, capture_output=True, text=True, check=True).stdout
    by_shell = dict(line.split("=", 1) for line in sourced.splitlines())
    assert settings.read(lines) == settings.read(by_shell)
    assert (settings.read(lines).mail_from.domain, settings.read(lines).forwarded_allow_ips) == ("example.fr", "127.0.0.1")


def test_what_several_processes_leave_undone_on_sqlite_and_what_a_page_still_asks_for_are_remarked(
    check: Check, whole: dict[str, str]
) -> None:
    status, said = check(whole | {"WEB_CONCURRENCY": "2", "PUBLISHER_DPO": ""}, *READY, ["check"])

    assert (status, said.splitlines()[2:]) == (0, ["Tout est en ordre."])
    assert said.splitlines()[0] == "Remarque : « à renseigner » se lit sur des pages publiques : PUBLISHER_DPO."
    assert said.splitlines()[1].startswith("Remarque : WEB_CONCURRENCY vaut 2")


# What is changed in it (None: taken away), and the words that name the fault and its remedy.
WRONG = {
    "no https": ({"PUBLIC_URL": "http://forums.example.fr"}, "PUBLIC_URL", "https"),
    "an address with a path": ({"PUBLIC_URL": "https://example.fr/forums"}, "PUBLIC_URL", "sans chemin"),
    "an address that is none": ({"PUBLIC_URL": "forums.example.fr"}, "PUBLIC_URL", "par exemple https://"),
    "no relay": ({"SMTP_URL": None}, "SMTP_URL", "aucun message ne partira"),
    "messages in the clear": ({"SMTP_URL": "smtp://relais.invalid:587"}, "SMTP_URL", "starttls=required"),
    "a relay of another kind": ({"SMTP_URL": "http://127.0.0.1"}, "SMTP_URL", "smtps://"),
    "a relay's port that is none": ({"SMTP_URL": "smtp://127.0.0.1:abc"}, "SMTP_URL", "le port est un nombre"),
    "a relay's password with a bracket": ({"SMTP_URL": "smtps://moi:pa[ss@relais.example.fr"}, "SMTP_URL", "%5B"),
    "an address with a port too far": ({"PUBLIC_URL": "https://forums.example.fr:99999"}, "PUBLIC_URL", "par exemple https://"),
    "a database's password with a sign": ({"DATABASE_URL": "postgresql://moi:pa#ss@base/forums"}, "DATABASE_URL", "%23"),
    "a database where nothing may be": ({"DATABASE_URL": "sqlite:////proc/forums/forums.db"}, "/proc/forums", "Vérifiez DATABASE_URL"),
    "a relay that does not answer": ({"SMTP_URL": "smtp://127.0.0.1:{free}"}, "SMTP_URL", "ne convient pas"),
    "a relay without the encryption asked for": ({"SMTP_URL": "smtp://127.0.0.1:{relay}?starttls=required"}, "SMTP_URL", "ne convient pas"),
    "a wrong password": ({"SMTP_URL": "smtp://moi:faux@127.0.0.1:{relay}"}, "SMTP_URL", "ne convient pas"),
    "nobody's letterbox": ({"MAIL_FROM": None, "PUBLIC_URL": "https://localhost"}, "MAIL_FROM", "boîte lue"),
    "a letterbox that is none": ({"MAIL_FROM": "Forums"}, "MAIL_FROM", "Nom <adresse@domaine.fr>"),
    "another kind of database": ({"DATABASE_URL": "mysql://base/forums"}, "DATABASE_URL", "postgresql://"),
    "a database that does not answer": ({"DATABASE_URL": "postgresql://forums@127.0.0.1:{free}/forums"}, "DATABASE_URL", "vérifiez"),
    "no key for PostgreSQL": ({"DATABASE_URL": "postgresql://base/forums", "SECRET_KEY": None}, "SECRET_KEY", "la même clé"),
    "a key too short": ({"SECRET_KEY": "secret"}, "SECRET_KEY", "32 caractères"),
    "proxies believed whoever they are": ({"FORWARDED_ALLOW_IPS": "*"}, "FORWARDED_ALLOW_IPS", "celle du mandataire"),
    "a proxy by its name": ({"FORWARDED_ALLOW_IPS": "localhost"}, "FORWARDED_ALLOW_IPS", "en nombres"),
    "a proxy and a remark": ({"FORWARDED_ALLOW_IPS": "127.0.0.1  # le mandataire"}, "FORWARDED_ALLOW_IPS", "en nombres"),
    "a publisher without a name": ({"PUBLISHER_NAME": None}, "PUBLISHER_NAME", "mentions légales"),
    "a publisher as the guide leaves it": ({"PUBLISHER_NAME": "'…'"}, "PUBLISHER_NAME", "mentions légales"),
    "a publisher without a director": ({"PUBLISHER_DIRECTOR": ""}, "PUBLISHER_DIRECTOR", "mentions légales"),
    "a host nobody can ring": ({"PUBLISHER_HOST_PHONE": None}, "PUBLISHER_HOST_PHONE", "mentions légales"),
    "a theme nobody made": ({"THEME": "rose"}, "THEME", "neutral ou dsfr"),
    "a retention that is no number": ({"RETENTION_DAYS": "jamais"}, "RETENTION_DAYS", "nombre entier"),
    "a port that cannot be": ({"PORT": "70000"}, "PORT", "nombre entier"),
    "an audit that is none": ({"ACCESSIBILITY": "oui"}, "ACCESSIBILITY", "totalement"),
    "half an identity provider": ({"OIDC_ISSUER": "https://identite.example.fr"}, "OIDC_CLIENT_ID", "vont ensemble"),
    "an identity provider in the clear": (
        {"OIDC_ISSUER": "http://identite.example.fr", "OIDC_CLIENT_ID": "a", "OIDC_CLIENT_SECRET": "b"},
        "OIDC_ISSUER",
        "adresse https",
    ),
    "an identity provider that does not answer": (
        {"OIDC_ISSUER": "http://127.0.0.1:{free}", "OIDC_CLIENT_ID": "a", "OIDC_CLIENT_SECRET": "b"},
        "OIDC_ISSUER",
        "ne convient pas",
    ),
}


@pytest.mark.parametrize(("changed", "names", "mends"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_named_and_told_how_to_mend(
    check: Check, whole: dict[str, str], relay: Controller, changed: dict[str, str | None], names: str, mends: str
) -> None:
    ports = {"{free}": str(free_port()), "{relay}": str(relay.port)}
    for name, value in changed.items():
        for word, port in ports.items():
            value = value and value.replace(word, port)
        whole.pop(name, None)
        if value is not None:
            whole[name] = value

    status, said = check(whole)

    assert status == 1
    assert [line for line in said.splitlines() if names in line and mends in line]
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("ready", "remedy"),
    [([], "forums migrate"), (READY[:1], "forums load-plan"), (READY[:2], "forums member ADRESSE --role admin")],
    ids=["an old schema", "no plan", "no administrator"],
)
def test_what_is_not_done_yet_is_told_as_a_command(check: Check, whole: dict[str, str], ready: list[list[str]], remedy: str) -> None:
    status, said = check(whole, *ready, ["check"])

    assert status == 1
    assert remedy in said


def test_of_postgresql_its_connections_and_what_the_account_may_do_are_looked_at(
    check: Check, whole: dict[str, str], postgres_url: PostgresUrl
) -> None:
    owned = postgres_url()
    given = whole | {"DATABASE_URL": owned}
    status, said = check(given, *READY, ["check"])
    assert (status, said.splitlines()[1:]) == (0, ["Tout est en ordre."])
    assert said.startswith("Remarque : Le compte de DATABASE_URL possède les tables")

    served = given | {"DATABASE_URL": for_service(owned)}
    assert check(served) == (0, "Tout est en ordre.\n")

    asyncio.run(_by(owned, "REVOKE INSERT ON question FROM forums_service"))
    status, said = check(served | {"WEB_CONCURRENCY": "40"})
    assert status == 1
    assert "ne peut écrire dans question : passez docs/postgresql.sql" in said
    assert "il en faut 175 : baissez WEB_CONCURRENCY" in said


async def _by(owner: str, statement: str) -> None:
    connection = await asyncpg.connect(owner)
    await connection.execute(statement)
    await connection.close()
