"""The `forums` command: serve, work, migrate, load, enrol, note a bounce, check.

Every command does one thing and says it in one line. Exit status is 0 when it was done, 2 for bad
usage, 1 with one sentence on standard error otherwise; a user's mistake never shows a traceback.
"""

import gc

gc.disable()  # what is imported stays: looked through again and again meanwhile, it took a seventh of a start

import argparse
import asyncio
import contextlib
import os
import runpy
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp

from forums import __version__, action_plan, clock, discreet_log, members, migrations, outbox, schedule, serving, settings
from forums.database import Database, DatabaseUnavailable, reason_of
from forums.forms import Email
from forums.pages import assets
from forums.settings import ROOT, BadSetting, Settings

gc.freeze()
gc.enable()

MB = 1024 * 1024
ROLES = ("admin", "organiser", "moderator", "agent")
PLANS = (ROOT / "db" / "plans" / "2018-2020.yaml", ROOT / "db" / "plans" / "assemblee-nationale-2018.yaml")


class Impossible(Exception):
    """What was asked cannot be done; the message is one sentence for a human."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (BadSetting, Impossible) as error:
        return _complain(str(error))
    except (DBAPIError, *DatabaseUnavailable) as error:
        if migrations.is_not_allowed(error):
            return _complain(
                f"Le compte de DATABASE_URL n'en a pas le droit ({reason_of(error)}) : "
                "lancez cette commande avec celui qui possède les tables."
            )
        return _complain(f"La base de données ne répond pas : {reason_of(error)}")
    except KeyboardInterrupt:
        return 130


def _complain(sentence: str) -> int:
    print(f"forums : {sentence}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="forums", description="Les Forums Open d'État.")
    parser.add_argument("--version", action="version", version=f"forums {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMANDE")

    serve = commands.add_parser("serve", help="servir le site (et le courrier, avec SQLite et un seul processus)")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int)
    serve.add_argument("--workers", type=int, metavar="N")
    serve.add_argument("--demo", action="store_true", help="si la base est vide, charger le plan et une saison de démonstration")
    serve.set_defaults(run=_serve)

    commands.add_parser("worker", help="la boîte d'envoi et l'horloge seules").set_defaults(run=_worker)
    commands.add_parser("migrate", help="mettre la base au schéma courant").set_defaults(run=_migrate)

    load = commands.add_parser("load-plan", help="charger ou mettre à jour un plan depuis un fichier (YAML, ou CSV de l'OGP)")
    load.add_argument("file", type=Path, metavar="FICHIER")
    load.add_argument("--country", metavar="PAYS", help="d'un CSV de l'OGP : le pays, tel qu'il y est écrit")
    load.add_argument("--plan", metavar="NUMÉRO", help="d'un CSV de l'OGP : le numéro du plan dans ce pays")
    load.add_argument("--slug", metavar="NOM", help="d'un CSV de l'OGP : le nom du plan dans les adresses de ce site")
    load.set_defaults(run=_load_plan)

    commands.add_parser("demo", help="une saison de démonstration autour d'aujourd'hui").set_defaults(run=_demo)

    member = commands.add_parser("member", help="inscrire un membre ou changer son rôle ; affiche un lien de connexion")
    member.add_argument("email", metavar="ADRESSE")
    member.add_argument("--role", choices=ROLES, required=True)
    member.add_argument("--institution", metavar="SLUG", action="append", help="pour un agent : son administration ; répétable")
    member.set_defaults(run=_member)

    backup = commands.add_parser("backup", help="une copie de toute la base dans un fichier, pendant que le site sert")
    backup.add_argument("file", type=Path, metavar="FICHIER")
    backup.set_defaults(run=_backup)

    restore = commands.add_parser("restore", help="remettre une copie en place")
    restore.add_argument("file", type=Path, metavar="FICHIER")
    restore.add_argument("--force", action="store_true", help="remplacer tout ce que la base contient")
    restore.set_defaults(run=_restore)
    export = commands.add_parser("export", help="écrire toutes les données ouvertes dans un dossier")
    export.add_argument("directory", type=Path, metavar="DOSSIER")
    export.set_defaults(run=_export)

    commands.add_parser(
        "bounce", help="noter un message revenu, lu sur l'entrée standard (depuis un alias : « |forums bounce »)"
    ).set_defaults(run=_bounce)
    erase = commands.add_parser("erase", help="montrer, en JSON, ce qui est gardé sous une adresse ; avec --force, l'effacer")
    erase.add_argument("email", metavar="ADRESSE")
    erase.add_argument("--force", action="store_true", help="l'effacer, sans retour")
    erase.set_defaults(run=_erase)
    commands.add_parser("purge", help="effacer maintenant ce qui doit l'être").set_defaults(run=_purge)
    commands.add_parser("check", help="dire ce qui empêcherait une vraie mise en service").set_defaults(run=_check)
    return parser


# -- Serve and work ---------------------------------------------------------------------------------------


def web() -> ASGIApp:
    """The application of one web process, for uvicorn and its workers."""
    from forums.app import create_app

    discreet_log.to_stdout()
    return create_app(settings.read(), with_worker=os.environ.get("FORUMS_WORKER_INSIDE") == "1")


def _serve(options: argparse.Namespace) -> None:
    if options.port:
        os.environ["PORT"] = str(options.port)
    config = settings.read()
    workers = options.workers or config.web_concurrency
    os.environ["WEB_CONCURRENCY"] = str(workers)  # each process opens its share of the connections
    if not _port_is_free(options.host, config.port):
        raise Impossible(f"Le port {config.port} est déjà pris : arrêtez l'autre programme, ou choisissez un autre port avec PORT=8001.")
    _require_theme(config)
    migrations.migrate(config)
    if options.demo:
        asyncio.run(_welcome(config))
    os.environ["FORUMS_WORKER_INSIDE"] = "1" if config.is_sqlite and workers == 1 else "0"
    print(f"Le site répond sur {config.public_url} (Ctrl+C pour arrêter).", flush=True)
    serving.run(
        "forums.cli:web",
        http="forums.slow_clients:Deadlines",
        host=options.host,
        port=config.port,
        workers=workers,
        access_log=False,  # its lines hold addresses, and so the tokens of secret links
        server_header=False,
        log_level="warning",
        forwarded_allow_ips=config.forwarded_allow_ips,
        timeout_graceful_shutdown=40,
        timeout_worker_healthcheck=60,  # a busy machine takes longer than five seconds to start one
    )


def _port_is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((host, port))
            return True
    return False


def _require_theme(config: Settings) -> None:
    if config.theme.name == "dsfr" and assets.dsfr_files() is None:
        raise BadSetting("THEME vaut dsfr, mais ses fichiers ne sont pas installés : pip install 'forums-open-detat[dsfr]'.")


async def _welcome(config: Settings) -> None:
    """On an empty database, what a newcomer sees; then, each time, a link to come in as an organiser."""
    database = Database(config)
    try:
        async with database.reading() as session:
            empty = not await action_plan.plans(session)
        if empty:
            print("Base vide : chargement du plan 2018-2020, des forums passés et d'une saison de démonstration…", flush=True)
            for path in PLANS:
                await load(database, path)
            await _load_demo(database, config)
        print(f"Pour entrer comme organisateur : {await _enrol(database, config, 'organisateur@example.org', 'admin', [])}")
    finally:
        await database.close()


def _worker(options: argparse.Namespace) -> None:
    config = settings.read()
    if not migrations.is_current(config):
        raise Impossible("La base n'est pas au schéma courant : lancez d'abord forums migrate.")
    discreet_log.to_stdout()
    asyncio.run(_work(config))


async def _work(config: Settings) -> None:
    database, stop = Database(config), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await clock.run(database, config, stop)
    finally:
        await database.close()


# -- Data ---------------------------------------------------------------------------------------------------


def _migrate(options: argparse.Namespace) -> None:
    applied = migrations.migrate(settings.read())
    print(f"Base mise à jour : {', '.join(applied)}." if applied else "La base est déjà au schéma courant.")


def _with_database(work: Any) -> Any:
    """Run `work(database, config)` on a migrated database, and close it."""
    config = settings.read()
    migrations.migrate(config)

    async def run() -> Any:
        database = Database(config)
        try:
            return await work(database, config)
        finally:
            await database.close()

    return asyncio.run(run())


def _load_plan(options: argparse.Namespace) -> None:
    chosen = {name: getattr(options, name) for name in ("country", "plan", "slug") if getattr(options, name)}
    from_ogp = options.file.suffix.lower() == ".csv"
    if chosen and not from_ogp:
        raise Impossible("--country, --plan et --slug ne servent qu'avec un fichier .csv de l'OGP.")

    def work(database: Database, config: Settings) -> Coroutine[Any, Any, str]:
        return _load_ogp(database, options.file, chosen) if from_ogp else load(database, options.file)

    print(_with_database(work))


async def load(database: Database, path: Path) -> str:
    from forums.plan_files import BadFile, read_plan

    try:
        file = read_plan(path)
        async with database.transaction() as session:
            plan = await action_plan.store_plan(session, file, now=datetime.now(UTC))
            held = 0
            if file.plan.forums_passes:
                held = await schedule.load_past_forums(session, path.parent / file.plan.forums_passes, now=datetime.now(UTC))
    except BadFile as error:
        raise Impossible(str(error)) from None
    return f"Plan {plan.slug} : {len(file.engagements)} engagements, {len(file.axes)} axes, {held} forums passés."


async def _load_ogp(database: Database, path: Path, chosen: dict[str, str]) -> str:
    from forums.ogp_files import read_ogp
    from forums.plan_files import BadFile

    try:
        file, ignored = read_ogp(path, **chosen)
    except BadFile as error:
        raise Impossible(str(error)) from None
    async with database.transaction() as session:
        plan = await action_plan.store_plan(session, file, now=datetime.now(UTC))
    told = f"Plan {plan.slug} : {len(file.engagements)} engagement{'s' if len(file.engagements) > 1 else ''}."
    return f"{told} Colonnes ignorées : {', '.join(ignored)}." if ignored else told


def _demo(options: argparse.Namespace) -> None:
    def work(database: Database, config: Settings) -> Coroutine[Any, Any, None]:
        return _load_demo(database, config)

    _with_database(work)
    print("La saison de démonstration est chargée ; tout ce qu'elle invente est marqué comme tel.")


async def _load_demo(database: Database, config: Settings) -> None:
    async with database.reading() as session:
        if await action_plan.current_plan(session) is None:
            raise Impossible("Aucun plan en cours : chargez-en un d'abord avec forums load-plan db/plans/2018-2020.yaml.")
    season = runpy.run_path(str(ROOT / "db" / "demo.py"))["load"]
    await season(database, config, now=datetime.now(UTC))


def _address(typed: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Email).validate_python(typed)
    except ValidationError:
        raise Impossible(f"« {typed} » n'est pas une adresse électronique complète, par exemple nom@example.com.") from None


def _member(options: argparse.Namespace) -> None:
    email = _address(options.email)
    if options.role == "agent" and not options.institution:
        raise Impossible("Un agent appartient à une administration : ajoutez --institution SLUG.")

    def work(database: Database, config: Settings) -> Coroutine[Any, Any, str]:
        return _enrol(database, config, email, options.role, options.institution or [])

    print(f"Lien de connexion, valable dix minutes et une seule fois : {_with_database(work)}")


async def _enrol(database: Database, config: Settings, email: str, role: Any, slugs: Sequence[str]) -> str:
    async with database.transaction() as session:
        institutions = [await action_plan.institution_by_slug(session, slug) for slug in slugs]
        if None in institutions:
            raise Impossible(f"Aucune administration n'a le nom court « {slugs[institutions.index(None)]} ».")
        member = await members.enrol(session, email, role, [each for each in institutions if each], now=datetime.now(UTC))
        members.note(session, "server", "enrol", f"member {member.id}", role, now=datetime.now(UTC))
        token = await members.link_to_sign_in(session, member, now=datetime.now(UTC))
    return f"{config.public_url}/connexion/{token}"


def _export(options: argparse.Namespace) -> None:
    from forums import open_data

    async def work(database: Database, config: Settings) -> dict[str, bytes]:
        async with database.reading() as session:
            return await open_data.everything(session, config.public_url, with_json=True)

    files = _with_database(work)
    try:
        open_data.put(files, options.directory)
    except OSError as error:
        raise Impossible(f"Le dossier {options.directory} ne peut pas être écrit : {error.strerror}.") from None
    print(f"{len(files)} fichiers écrits dans {options.directory} ; datapackage.json les décrit.")


def _bounce(options: argparse.Namespace) -> int:
    """A mail server runs it for each report: whatever it reads, it must not answer with another message."""

    report = sys.stdin.buffer.read(MB)

    async def work(database: Database, config: Settings) -> str:
        async with database.transaction() as session:
            message = await outbox.record_bounce(session, report, now=datetime.now(UTC))
        return f"Message {message.id} : adresse injoignable." if message else "Ce n'est pas l'échec d'un message du site : rien n'est noté."

    try:
        print(_with_database(work))
    except (DBAPIError, *DatabaseUnavailable):
        _complain("La base de données ne répond pas : le rapport sera présenté de nouveau.")
        return os.EX_TEMPFAIL  # which mail servers understand
    return 0


def _erase(options: argparse.Namespace) -> None:
    """What is held is shown first: it answers who asks to see it, and says what would go."""
    import json

    from forums import privacy
    from forums.secret_links import person_key

    email = _address(options.email)

    async def work(database: Database, config: Settings) -> dict[str, Any]:
        person = privacy.Person(email, person_key(config.secret_key, email))
        async with database.transaction() as session:
            held = await privacy.held_on(session, person)
            if options.force:
                await privacy.erase(session, person, now=datetime.now(UTC), by="server")
        return held

    held = _with_database(work)
    if options.force:
        counted = [f"{len(held[kind])} {kind}" for kind in ("inscriptions", "questions", "soutiens", "commentaires", "messages")]
        print(f"Effacé : {', '.join(counted)}, {1 if held['abonnement'] else 0} abonnement. Ce qui est publié reste, sans son nom.")
        return
    print(json.dumps(held, ensure_ascii=False, indent=2))
    print("Rien n'est effacé : relancez avec --force pour le faire.", file=sys.stderr)


def _purge(options: argparse.Namespace) -> None:
    def work(database: Database, config: Settings) -> Coroutine[Any, Any, Any]:
        return clock.upkeep(database, config, now=datetime.now(UTC))

    purged = _with_database(work)
    print(
        f"Effacé : {purged.registrations} inscriptions après leur forum, {purged.unconfirmed_registrations} jamais confirmées, "
        f"{purged.unconfirmed_questions} questions jamais confirmées, {purged.addresses_of_authors} adresses d'auteurs, "
        f"{purged.unconfirmed_supports} soutiens jamais confirmés, {purged.addresses_of_supporters} adresses de soutiens, "
        f"{purged.messages} messages."
    )


def _backup(options: argparse.Namespace) -> None:
    from forums import backups

    try:
        copied = backups.back_up(settings.read(), options.file)
    except backups.BadBackup as error:
        raise Impossible(str(error)) from None
    print(f"Copie faite : {copied.rows} lignes, {copied.size / MB:.1f} Mo. SECRET_KEY n'y est pas : gardez-la ailleurs, elle aussi.")


def _restore(options: argparse.Namespace) -> None:
    from forums import backups

    try:
        restored = backups.restore(settings.read(), options.file, force=options.force)
    except backups.BadBackup as error:
        raise Impossible(str(error)) from None
    print(f"Copie remise en place : {restored.rows} lignes. Messages qui attendaient et vont partir : {restored.waiting}.")


def _check(options: argparse.Namespace) -> int:
    """Say what would stop a real deployment, a line each, and how to mend it."""
    from forums import checking

    config = settings.read()
    faults = checking.faults(config)
    for fault in faults:
        print(f"À corriger : {fault}")
    if not faults:
        for remark in checking.remarks(config):
            print(f"Remarque : {remark}")
        print("Tout est en ordre.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
