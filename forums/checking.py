"""What would stop a real deployment, found before people do: settings, the database, the relay, the identity provider.

Each fault is one French sentence that names what is wrong and says how to mend it. Nothing is written,
and no message is sent: the relay is greeted and left.
"""

import asyncio
from ipaddress import ip_network

from sqlmodel import col, func, select, text
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, migrations, outbox
from forums.database import Database, connections, wal_is_safe
from forums.models import Member
from forums.openid.provider import Provider, fault_of
from forums.pages import assets
from forums.settings import Settings

# Of the publisher and of the host (LCEN), and what else a public page says is to be filled in.
_NAMED_BY_LAW = ("name", "address", "phone", "director", "host_name", "host_address", "host_phone")
_SAID_ELSEWHERE = ("dpo", "accessibility_plan", "accessibility_date")

# What PostgreSQL keeps for its administrators, and a worker's own.
_SPARE = 15


def faults(settings: Settings) -> list[str]:
    """Every fault found, none when all is in order. A setting nobody can read has stopped the program before."""
    return [*_of_settings(settings), *asyncio.run(_of_database(settings)), *asyncio.run(_of_others(settings))]


def remarks(settings: Settings) -> list[str]:
    """What stops nothing, and could be better. Asked once there is no fault."""
    return [*_of_pages(settings), *(_of_processes(settings) if settings.is_sqlite else asyncio.run(_of_the_account(settings)))]


def _of_pages(config: Settings) -> list[str]:
    names = [*_SAID_ELSEWHERE, *(("audit", "audit_report") if config.accessibility != "non" else ())]
    empty = [f"PUBLISHER_{name.upper()}" for name in names if not config.publisher.get(name)]
    return [f"« à renseigner » se lit sur des pages publiques : {', '.join(empty)}."] if empty else []


def _of_processes(config: Settings) -> list[str]:
    told = f"WEB_CONCURRENCY vaut {config.web_concurrency} : le courrier et l'horloge sont alors à forums worker, à lancer aussi."
    return [told] if config.web_concurrency > 1 else []


def _of_settings(config: Settings) -> list[str]:
    found = []
    if not config.secure:
        found.append(f"PUBLIC_URL ({config.public_url}) n'est pas en https : les liens et les cookies ne seraient pas protégés.")
    if config.smtp is None:
        found.append("SMTP_URL n'est pas réglée : aucun message ne partira.")
    elif config.smtp.tls == "none" and config.smtp.host not in ("localhost", "127.0.0.1", "::1"):
        found.append("SMTP_URL envoie les messages en clair : ajoutez ?starttls=required, ou utilisez smtps://.")
    if config.mail_from.domain in ("localhost", "example.org"):
        found.append("MAIL_FROM n'est pas réglée : indiquez une boîte lue, par exemple « Forums <forums@domaine.fr> ».")
    if config.is_sqlite and not wal_is_safe():
        found.append("La bibliothèque SQLite peut corrompre une base WAL : installez pysqlite3, ou passez à PostgreSQL.")
    found += _of_proxies(config.forwarded_allow_ips)
    for name in _NAMED_BY_LAW:
        if not config.publisher.get(name):
            found.append(f"PUBLISHER_{name.upper()} manque aux mentions légales : indiquez-le.")
    if config.theme.name == "dsfr" and assets.dsfr_files() is None:
        found.append("THEME vaut dsfr, mais ses fichiers ne sont pas là : pip install 'forums-open-detat[dsfr]'.")
    return found


def _of_proxies(allowed: str) -> list[str]:
    if allowed == "*":
        return ["FORWARDED_ALLOW_IPS vaut * : n'importe qui peut falsifier son adresse. Indiquez celle du mandataire."]
    try:
        for each in allowed.split(","):
            ip_network(each.strip(), strict=False)
    except ValueError:
        return [
            f"FORWARDED_ALLOW_IPS vaut « {allowed} » : tous les visiteurs auraient l'adresse du mandataire. Indiquez la sienne ou son "
            "réseau en nombres, séparés par des virgules, par exemple 127.0.0.1,10.88.0.0/16."
        ]
    return []


async def _of_database(config: Settings) -> list[str]:
    database = Database(config)
    try:
        if silence := await database.silence():
            return [f"La base de données ne répond pas ({silence}) : vérifiez DATABASE_URL."]
        if not await asyncio.to_thread(migrations.is_current, config):
            return ["La base n'est pas au schéma courant : lancez forums migrate."]
        async with database.reading() as session:
            found = await _of_what_it_holds(session)
            return found if config.is_sqlite else [*found, *await _of_privileges(session), *await _of_connections(session, config)]
    finally:
        await database.close()


async def _of_what_it_holds(session: AsyncSession) -> list[str]:
    found = []
    admins = select(func.count()).select_from(Member).where(col(Member.role) == "admin")
    if not (await session.exec(admins)).one():
        found.append("Aucun administrateur : personne ne pourrait entrer. Lancez forums member ADRESSE --role admin.")
    if await action_plan.current_plan(session) is None:
        found.append("Aucun plan d'action en cours : chargez-en un avec forums load-plan FICHIER.")
    return found


async def _of_connections(session: AsyncSession, config: Settings) -> list[str]:
    if config.behind_pgbouncer:
        return []  # PgBouncer shares its own number of them
    allowed = int((await session.exec(text("SHOW max_connections"))).scalar_one())  # type: ignore[call-overload]
    wanted = connections(config) * config.web_concurrency + _SPARE
    if wanted <= allowed:
        return []
    return [f"PostgreSQL permet {allowed} connexions et il en faut {wanted} : baissez WEB_CONCURRENCY, ou montez max_connections."]


async def _of_privileges(session: AsyncSession) -> list[str]:
    short = (await session.exec(_TABLES_IT_CANNOT_WRITE)).scalars().all()  # type: ignore[call-overload]
    if not short:
        return []
    return [
        f"Le compte de DATABASE_URL ne peut écrire dans {', '.join(short)} : passez docs/postgresql.sql avec celui qui possède les tables."
    ]


_TABLES_IT_CANNOT_WRITE = text(
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'"
    " AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')) ORDER BY relname"
)
_OWNS = text("SELECT EXISTS (SELECT FROM pg_tables WHERE tablename = 'forum' AND pg_has_role(tableowner, 'USAGE'))")


async def _of_the_account(config: Settings) -> list[str]:
    database = Database(config)
    try:
        async with database.reading() as session:
            owns = (await session.exec(_OWNS)).scalar_one()  # type: ignore[call-overload]
    finally:
        await database.close()
    told = "Le compte de DATABASE_URL possède les tables : au service, un compte qui y lit et écrit suffit (docs/postgresql.sql)."
    return [told] if owns else []


async def _of_others(config: Settings) -> list[str]:
    found = []
    if config.smtp is not None and (fault := await outbox.try_relay(config.smtp)):
        found.append(f"Le serveur d'envoi {config.smtp.host}:{config.smtp.port} ne convient pas : {fault}. Corrigez SMTP_URL.")
    if config.oidc is not None and (fault := await fault_of(Provider(config.oidc, config.public_url))):
        found.append(f"Le fournisseur d'identité {config.oidc.issuer} ne convient pas : {fault}. Corrigez OIDC_ISSUER.")
    return found
