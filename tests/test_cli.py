"""The `forums` command as an operator types it: what it prints, how it ends, never a traceback."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from forums import cli, secret_links
from forums.open_data import ROWS
from forums.settings import ROOT
from tests import forked
from tests.browser import started
from tests.factories import SECRET_KEY
from tests.forked import Forked
from tests.ports import free_port

PLAN = str(ROOT / "db" / "plans" / "2018-2020.yaml")


@pytest.fixture
def nothing(tmp_path: Path) -> dict[str, str]:
    """Where no command was run yet."""
    return {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path / 'forums.db'}", "LANG": "C.UTF-8"}


@pytest.fixture
def environment(nothing: dict[str, str], tmp_path: Path, sqlite_migrated: Path) -> dict[str, str]:
    """Where `forums migrate` was, and nothing else."""
    shutil.copy(sqlite_migrated, tmp_path / "forums.db")
    return nothing


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return forked.run("forums.cli", *words, env=environment)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_migrate_says_what_it_did_then_that_there_is_nothing_to_do(nothing: dict[str, str]):
    first, second = run(nothing, "migrate"), run(nothing, "migrate")

    assert first.stdout.startswith("Base mise à jour : 0001")
    assert second.stdout == "La base est déjà au schéma courant.\n"


def test_load_plan_twice_says_the_same_and_a_bad_file_gets_line_and_reason(environment: dict[str, str], tmp_path: Path):
    bad = tmp_path / "mauvais.yaml"
    bad.write_text("plan:\n  slug: essai\n  titre: Essai\n  couleur: bleu\n")

    first, second = run(environment, "load-plan", PLAN), run(environment, "load-plan", PLAN)

    assert first.stdout == second.stdout
    assert "21 engagements, 5 axes, 7 forums passés" in second.stdout
    assert refused(run(environment, "load-plan", str(bad))).endswith("ligne 4 : plan.couleur : clé inconnue.\n")
    assert "fichier illisible" in refused(run(environment, "load-plan", "nulle-part.yaml"))


def test_demo_needs_a_plan_and_loads_once(nothing: dict[str, str]):
    assert "forums load-plan db/plans/2018-2020.yaml" in refused(run(nothing, "demo"))
    run(nothing, "load-plan", PLAN)

    first, second = run(nothing, "demo"), run(nothing, "demo")

    assert (first.returncode, second.returncode) == (0, 0)
    assert "marqué comme tel" in first.stdout


def test_member_prints_a_link_and_refuses_what_cannot_be(environment: dict[str, str]):
    done = run(environment, "member", "Camille@Example.org", "--role", "admin")

    assert re.fullmatch(r"Lien de connexion, .* : http://localhost:8000/connexion/[\w-]{43}\n", done.stdout)
    assert "n'est pas une adresse" in refused(run(environment, "member", "camille", "--role", "admin"))
    assert "--institution" in refused(run(environment, "member", "a@example.org", "--role", "agent"))
    assert "« inconnue »" in refused(run(environment, "member", "a@example.org", "--role", "agent", "--institution", "inconnue"))
    assert run(environment, "member", "a@example.org", "--role", "roi").returncode == 2


def test_export_writes_every_file_and_says_where(environment: dict[str, str], tmp_path: Path):
    run(environment, "load-plan", PLAN)

    done = run(environment, "export", str(tmp_path / "donnees"))
    written = {path.name for path in (tmp_path / "donnees").iterdir()}

    assert done.stdout == f"{3 * len(ROWS) + 1} fichiers écrits dans {tmp_path / 'donnees'} ; datapackage.json les décrit.\n"
    assert written == {f"{row.file}.{kind}" for row in ROWS for kind in ("csv", "json", "schema.json")} | {"datapackage.json"}
    assert "ne peut pas être écrit" in refused(run(environment, "export", str(tmp_path / "forums.db")))


def test_erase_shows_what_is_kept_under_an_address_and_removes_it_when_told_twice(sqlite_with_demo: Path, nothing: dict[str, str]):
    shutil.copy(sqlite_with_demo, nothing["DATABASE_URL"].removeprefix("sqlite:///"))
    key = {"SECRET_KEY": SECRET_KEY}
    with sqlite3.connect(nothing["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        # Who asked a question, and registered nowhere: no page of theirs lets them erase it.
        author = (secret_links.person_key(SECRET_KEY, "camille@example.org"), "Camille@example.org")
        database.execute("UPDATE question SET author_key = ?, email = ?, show_name = 1 WHERE status = 'published'", author)
    environment = nothing | key

    shown, again = run(environment, "erase", "camille@example.org"), run(environment, "erase", "Camille@example.org")
    erased = run(environment, "erase", "camille@example.org", "--force")
    afterwards = json.loads(run(environment, "erase", "camille@example.org").stdout)

    assert shown.stderr == "Rien n'est effacé : relancez avec --force pour le faire.\n"
    assert len(json.loads(shown.stdout)["questions"]) == len(json.loads(again.stdout)["questions"]) > 1
    assert re.match(r"Effacé : 0 inscriptions, [1-9]\d* questions, 0 soutiens", erased.stdout)
    assert [afterwards[kind] for kind in ("inscriptions", "questions", "soutiens", "abonnement")] == [[], [], [], None]
    assert "n'est pas une adresse" in refused(run(environment, "erase", "camille"))


def test_purge_says_what_it_removed(nothing: dict[str, str]):
    done = run(nothing, "purge")

    assert done.returncode == 0
    assert done.stdout.startswith("Effacé : 0 inscriptions")


def test_bounce_reads_a_report_and_says_what_it_noted(environment: dict[str, str]):
    run(environment, "migrate")
    message_id = _a_sent_message(environment)
    report = (
        "Content-Type: multipart/report; report-type=delivery-status; boundary=limite\n\n--limite\n"
        "Content-Type: message/delivery-status\n\n"
        f"Original-Envelope-Id: {message_id}\n\nAction: failed\nStatus: 5.1.1\n\n--limite--\n"
    )

    def bounce(text: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return forked.run("forums.cli", "bounce", env=environment | changed, given=text)

    noted, rubbish = bounce(report), bounce("n'importe quoi")
    nobody = f"postgresql://forums@127.0.0.1:{free_port()}/forums"

    assert (noted.returncode, noted.stdout) == (0, f"Message {message_id} : adresse injoignable.\n")
    assert (rubbish.returncode, rubbish.stderr) == (0, "")
    assert bounce(report, DATABASE_URL=nobody, SECRET_KEY=SECRET_KEY).returncode == os.EX_TEMPFAIL


def _a_sent_message(environment: dict[str, str]) -> str:
    with sqlite3.connect(environment["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        database.execute(
            "INSERT INTO outbox_message (id, kind, recipient, language, facts, status, attempts, created_at, next_attempt_at)"
            " VALUES (?, 'moved', 'camille@example.org', 'fr', '{}', 'sent', 1, '2027-02-01 09:00:00', '2027-02-01 09:00:00')",
            [uuid4().hex],
        )
        (found,) = database.execute("SELECT id FROM outbox_message").fetchone()
    database.close()
    return str(UUID(found))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "mysql://localhost/forums", "sqlite:///chemin/forums.db"),
        ("DATABASE_URL", "sqlite:////proc/nulle/part.db", "Impossible d'écrire"),
        ("PUBLIC_URL", "forums.example.fr", "https://forums.example.fr"),
        ("PUBLIC_URL", "https://example.fr/forums", "sans chemin"),
        ("SMTP_URL", "relais.example.fr", "smtp://"),
        ("SMTP_URL", "smtp://relais:abc", "le port est un nombre"),
        ("MAIL_FROM", "personne", "Nom <adresse@domaine.fr>"),
        ("PORT", "quatre-vingts", "nombre entier de 1 à 65535"),
        ("WEB_CONCURRENCY", "0", "nombre entier de 1 à 64"),
        ("RETENTION_DAYS", "-1", "nombre entier"),
        ("THEME", "gouv", "neutral ou dsfr"),
        ("ACCESSIBILITY", "oui", "non, partiellement ou totalement"),
        ("SECRET_KEY", "courte", "32 caractères"),
    ],
)
def test_a_bad_setting_gets_one_line_that_says_how_to_mend_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
):
    for each, its_value in (environment | {name: value}).items():
        monkeypatch.setenv(each, its_value)

    status = cli.main(["serve"])

    error = capsys.readouterr().err
    assert (status, error.count("\n")) == (1, 1)
    assert said in error


def test_an_unreachable_postgresql_gets_one_line(environment: dict[str, str]):
    nobody = f"postgresql://forums@127.0.0.1:{free_port()}/forums"

    assert "La base de données ne répond pas" in refused(run(environment | {"DATABASE_URL": nobody, "SECRET_KEY": SECRET_KEY}, "migrate"))
    assert "SECRET_KEY manque" in refused(run(environment | {"DATABASE_URL": nobody}, "migrate"))


def test_the_worker_waits_for_the_schema_and_stops_gently(nothing: dict[str, str], tmp_path: Path):
    assert "forums migrate" in refused(run(nothing, "worker"))
    run(nothing, "migrate")
    log = (tmp_path / "worker.log").open("w")
    worker = started(["forums.cli"], "worker", nothing, log)
    log.close()
    while not _would_catch(signal.SIGTERM, worker):
        assert worker.poll() is None
        time.sleep(0.05)

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(timeout=300) == 0


def _would_catch(number: signal.Signals, process: Forked) -> bool:
    """Whether it said what to do at this signal: it is at work then, and no longer at its imports."""
    caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def test_serve_says_when_its_port_is_taken(environment: dict[str, str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert f"Le port {port} est déjà pris" in refused(run(environment | {"PORT": port}, "serve"))


def test_check_lists_what_would_stop_a_real_deployment(nothing: dict[str, str]):
    done = run(nothing, "check")

    assert done.returncode == 1
    for said in ("https", "SMTP_URL", "MAIL_FROM", "PUBLISHER_NAME", "forums migrate"):
        assert said in done.stdout
    assert "Traceback" not in done.stderr


def test_the_key_made_beside_the_database_is_for_its_owner_alone(nothing: dict[str, str], tmp_path: Path):
    run(nothing, "migrate")

    assert (tmp_path / "forums.key").stat().st_mode & 0o777 == 0o600


def test_the_sqlite_in_use_is_not_one_that_corrupts_and_the_gate_refuses_those_that_do():
    from forums.database import wal_is_safe

    assert wal_is_safe()
    assert [wal_is_safe(version) for version in ((3, 40, 1), (3, 51, 2), (3, 50, 6), (3, 44, 5))] == [False] * 4
    assert [wal_is_safe(version) for version in ((3, 51, 3), (3, 50, 7), (3, 44, 6), (3, 53, 4), (4, 0, 0))] == [True] * 5


def test_help_and_version_are_there():
    assert subprocess.run([sys.executable, "-m", "forums.cli", "--version"], capture_output=True, text=True, cwd=ROOT).stdout.startswith(
        "forums 0."
    )


def test_backup_and_restore_say_what_they_did_and_refuse_in_one_line(environment: dict[str, str], tmp_path: Path):
    run(environment, "load-plan", PLAN)
    copy = str(tmp_path / "copie.db")

    made, again = run(environment, "backup", copy), run(environment, "backup", copy)
    refusal, forced = run(environment, "restore", copy), run(environment, "restore", copy, "--force")

    assert re.fullmatch(r"Copie faite : \d+ lignes, [\d.]+ Mo\. SECRET_KEY n'y est pas : .*\n", made.stdout)
    assert "existe déjà" in refused(again)
    assert "--force" in refused(refusal)
    assert forced.stdout.startswith("Copie remise en place : ")
