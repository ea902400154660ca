"""Every environment variable the program reads, read once, with its default.

A wrong value stops the program with one French sentence that says how to mend it (`BadSetting`).
Nothing else in the package looks at `os.environ`.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
LOG_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
"""How the log says when, in UTC."""


class BadSetting(Exception):
    """A setting that would stop a real deployment; the message is one sentence for a human."""


@dataclass(frozen=True)
class Theme:
    """What a theme adds to the same pages: style sheets, scripts, a brand and what its files ask of the CSP."""

    name: str
    stylesheets: tuple[str, ...]
    scripts: tuple[str, ...] = ()
    brand: str = "brand/neutral.html"
    footer_brand: str = "brand/neutral.html"
    icon: str = "/static/favicon.svg"
    csp: str = "img-src 'self'; require-trusted-types-for 'script'"


# The DSFR's style sheet carries 55 `data:` pictures, and its header script writes innerHTML.
THEMES = {
    "neutral": Theme(name="neutral", stylesheets=("/static/neutral.css", "/static/forums.css")),
    "dsfr": Theme(
        name="dsfr",
        stylesheets=("/dsfr/dsfr.min.css", "/static/forums.css"),
        scripts=("/dsfr/dsfr.module.min.js",),
        brand="brand/dsfr.html",
        footer_brand="brand/dsfr.html",
        icon="/dsfr/favicon/favicon.svg",
        csp="img-src 'self' data:",
    ),
}

ACCESSIBILITY = ("non", "partiellement", "totalement")


@dataclass(frozen=True)
class Smtp:
    """Where messages are handed over. `tls` is 'none', 'starttls' or 'implicit'; `rate` is in messages a minute."""

    host: str
    port: int
    tls: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    connections: int = 4
    rate: int | None = None


@dataclass(frozen=True)
class Oidc:
    """The identity provider members may sign in through (ProConnect), and who we are for it."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    pkce: bool = True

    @property
    def origin(self) -> str:
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Settings:
    """The program's configuration. Immutable: a change means a restart."""

    database_url: str
    secret_key: str = field(repr=False)
    public_url: str
    smtp: Smtp | None
    mail_from: Address
    port: int
    web_concurrency: int
    forwarded_allow_ips: str
    theme: Theme
    retention_days: int
    client_limit: int
    forum_limit: int
    accessibility: str
    publisher: Mapping[str, str]
    oidc: Oidc | None = None

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def behind_pgbouncer(self) -> bool:
        """Whether connections go through PgBouncer, which may give each transaction another server: `?pgbouncer=true`."""
        return parse_qs(urlsplit(self.database_url).query).get("pgbouncer") == ["true"]

    @property
    def secure(self) -> bool:
        """Whether people reach the site over https; decides the cookie's name and HSTS."""
        return self.public_url.startswith("https://")

    @property
    def sqlite_path(self) -> Path:
        return Path(self.database_url.removeprefix("sqlite:///"))


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises `BadSetting` on the first value that cannot be used."""
    env = {name: _unquoted(value) for name, value in (os.environ if environ is None else environ).items()}
    port = _number(env, "PORT", 8000, 1, 65535)
    database_url = _database_url(env.get("DATABASE_URL") or f"sqlite:///{ROOT / 'var' / 'forums.db'}")
    public_url = (env.get("PUBLIC_URL") or f"http://localhost:{port}").rstrip("/")
    parts = _legible(public_url) or urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise BadSetting(
            f"PUBLIC_URL vaut « {public_url} » : indiquez l'adresse publique sans chemin, par exemple https://forums.example.fr."
        )
    theme = env.get("THEME") or "neutral"
    if theme not in THEMES:
        raise BadSetting(f"THEME vaut « {theme} » : choisissez neutral ou dsfr.")
    accessibility = env.get("ACCESSIBILITY") or "non"
    if accessibility not in ACCESSIBILITY:
        raise BadSetting(f"ACCESSIBILITY vaut « {accessibility} » : choisissez non, partiellement ou totalement.")
    web_concurrency = _number(env, "WEB_CONCURRENCY", 1, 1, 64)
    return Settings(
        database_url=database_url,
        secret_key=_secret_key(env, database_url),
        public_url=public_url,
        smtp=_smtp(env.get("SMTP_URL") or ""),
        mail_from=_mail_from(env.get("MAIL_FROM") or f"Forums Open d'État <forums@{parts.hostname}>"),
        port=port,
        web_concurrency=web_concurrency,
        forwarded_allow_ips=env.get("FORWARDED_ALLOW_IPS") or "127.0.0.1",
        theme=THEMES[theme],
        retention_days=_number(env, "RETENTION_DAYS", 90, 1, 3650),
        client_limit=_number(env, "CLIENT_LIMIT", 60, 0, 1_000_000),
        forum_limit=_number(env, "FORUM_LIMIT", 20_000, 0, 1_000_000),
        accessibility=accessibility,
        # « … » is what the guide leaves to be filled in.
        publisher={key.removeprefix("PUBLISHER_").lower(): value.strip(" …") for key, value in env.items() if key.startswith("PUBLISHER_")},
        oidc=_oidc(env),
    )


def _unquoted(value: str) -> str:
    """Of a file that a shell and systemd read alike, podman takes the quotes for a part of the value."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadSetting(f"{name} vaut « {text} » : indiquez un nombre entier de {low} à {high}.")
    return int(text)


def _legible(url: str) -> SplitResult | None:
    """Its parts; None when a bracket or a port makes no sense, as a sign of a password that was not escaped does."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


_ESCAPED = "un signe comme # @ / ? [ ] ou % d'un mot de passe s'y écrit %23 %40 %2F %3F %5B %5D ou %25"


def _database_url(url: str) -> str:
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return f"sqlite:///{path.resolve()}"
    if url.startswith(("postgresql://", "postgres://")):
        if _legible(url) is None:
            raise BadSetting(f"DATABASE_URL est illisible : indiquez postgresql://utilisateur:motdepasse@serveur:5432/base ; {_ESCAPED}.")
        said = parse_qs(urlsplit(url).query, keep_blank_values=True).get("pgbouncer", ["true"])
        if said != ["true"]:
            raise BadSetting(f"DATABASE_URL dit pgbouncer={said[-1]} : écrivez ?pgbouncer=true, ou rien si PgBouncer n'est pas devant.")
        return "postgresql://" + url.split("://", 1)[1]
    scheme = url.split("://", 1)[0]
    raise BadSetting(f"DATABASE_URL commence par « {scheme} » : indiquez sqlite:///chemin/forums.db ou postgresql://…")


def _secret_key(env: Mapping[str, str], database_url: str) -> str:
    key = env.get("SECRET_KEY") or ""
    if key:
        if len(key) < 32:
            raise BadSetting("SECRET_KEY est trop courte : il en faut 32 caractères au moins, tirés au hasard.")
        return key
    if not database_url.startswith("sqlite"):
        raise BadSetting("SECRET_KEY manque : avec PostgreSQL, tous les processus doivent partager la même clé.")
    return _kept_secret(Path(database_url.removeprefix("sqlite:///")).with_suffix(".key"))


def _kept_secret(path: Path) -> str:
    make_room_for(path)
    try:
        # O_EXCL: of two processes that start together, one writes the key and the other reads it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    except OSError as error:
        raise _no_room(path, error) from error
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_urlsafe(48)
        file.write(key)
    return key


def make_room_for(path: Path) -> None:
    """The folder of a database. Raises `BadSetting` where it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_room(path, error) from error


def _no_room(path: Path, error: OSError) -> BadSetting:
    return BadSetting(f"Impossible d'écrire à côté de la base ({path.parent}) : {error.strerror}. Vérifiez DATABASE_URL, et qui la lance.")


def _smtp(url: str) -> Smtp | None:
    if not url:
        return None
    parts = _legible(url)
    if parts is None or parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise BadSetting(
            "SMTP_URL est illisible : indiquez smtp://utilisateur:motdepasse@serveur:587?starttls=required ou smtps://… ; "
            f"le port est un nombre, et {_ESCAPED}."
        )
    options = {f"SMTP_URL ({name})": values[-1] for name, values in parse_qs(parts.query).items()}
    starttls = options.get("SMTP_URL (starttls)")
    tls = "implicit" if parts.scheme == "smtps" else "starttls" if starttls == "required" else "none"
    return Smtp(
        host=parts.hostname,
        port=parts.port or {"implicit": 465, "starttls": 587, "none": 25}[tls],
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        connections=_number(options, "SMTP_URL (connections)", 4, 1, 16),
        rate=_number(options, "SMTP_URL (rate)", 0, 1, 1_000_000) if "SMTP_URL (rate)" in options else None,
    )


def _oidc(env: Mapping[str, str]) -> Oidc | None:
    given = {name: (env.get(name) or "").strip() for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")}
    if not any(given.values()):
        return None
    for name, value in given.items():
        if not value:
            raise BadSetting(f"{name} manque : OIDC_ISSUER, OIDC_CLIENT_ID et OIDC_CLIENT_SECRET vont ensemble.")
    issuer = given["OIDC_ISSUER"]
    parts = _legible(issuer) or urlsplit("")
    host = parts.hostname
    at_home = host in ("localhost", "127.0.0.1", "::1")
    # What it says is believed of who people are: over plain http anybody on the way could say it.
    if parts.scheme not in (("https", "http") if at_home else ("https",)) or not host or parts.username or parts.query or parts.fragment:
        raise BadSetting(
            f"OIDC_ISSUER vaut « {issuer} » : indiquez l'adresse https du fournisseur d'identité, par exemple https://identite.example.fr/api/v2."
        )
    pkce = env.get("OIDC_PKCE") or "oui"
    if pkce not in ("oui", "non"):
        raise BadSetting(f"OIDC_PKCE vaut « {pkce} » : choisissez oui ou non.")
    return Oidc(issuer, given["OIDC_CLIENT_ID"], given["OIDC_CLIENT_SECRET"], pkce == "oui")


def _mail_from(text: str) -> Address:
    name, _, rest = text.rpartition("<")
    try:
        return Address(display_name=name.strip().strip('"'), addr_spec=rest.rstrip("> ").strip())
    except Exception as error:
        raise BadSetting(f"MAIL_FROM vaut « {text} » : indiquez Nom <adresse@domaine.fr>.") from error
