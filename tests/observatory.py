"""The headers of the served site, graded by MDN's Observatory on loopback: `make audit` wants A+ on every page.

The real application answers over TLS at https://localhost, with a certificate made for the occasion, and plain HTTP
leads there as the proxy does. It all happens in a network of its own, where the ports 80 and 443 are free and nothing
else can be reached.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import forums.settings
from forums import migrations
from forums.app import create_app
from forums.settings import ROOT
from tests.factories import SECRET_KEY

HERE = ROOT / "tests" / "audit"
PAGES = ("/", "/forums", "/questions/poser", "/connexion", "/recherche?q=forum", "/calendrier.ics")
SCANNER = HERE / "node_modules" / "@mdn" / "mdn-http-observatory"


def main() -> int:
    if not SCANNER.is_dir():
        print("the scanner is not installed: npm ci --ignore-scripts --prefix tests/audit", file=sys.stderr)
        return 1
    if "--inside" not in sys.argv:
        words = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "tests.observatory", "--inside"]
        os.execvp("unshare", words)
    os.system("ip link set lo up")
    # Its installation would fetch the list of preloaded names: localhost is on none.
    (SCANNER / "conf" / "hsts-preload.json").write_text("{}")
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_graded(Path(folder)))


async def _graded(folder: Path) -> int:
    certificate, key = _certificate(folder)
    environ = {"DATABASE_URL": f"sqlite:///{folder / 'forums.db'}", "SECRET_KEY": SECRET_KEY, "PUBLIC_URL": "https://localhost"}
    config = forums.settings.read(environ)
    await asyncio.to_thread(migrations.migrate, config)
    # As `forums serve` does.
    usual: dict[str, Any] = {"http": "forums.slow_clients:Deadlines", "log_level": "error", "access_log": False, "server_header": False}
    servers = [
        _server(create_app(config), port=443, ssl_certfile=str(certificate), ssl_keyfile=str(key), **usual),
        _server(_to_https, port=80, lifespan="off", **usual),
    ]
    serving = [asyncio.create_task(server.serve()) for server in servers]
    while not all(server.started for server in servers):  # noqa: ASYNC110 — uvicorn says it by a flag
        await asyncio.sleep(0.02)
    try:
        return _shown(await _scores(certificate))
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*serving)


def _certificate(folder: Path) -> tuple[Path, Path]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    paths = folder / "localhost.pem", folder / "localhost.key"
    paths[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths[1].write_bytes(private)
    return paths


def _server(app: ASGIApp, **options: Any) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", **options))


async def _to_https(scope: Scope, receive: Receive, send: Send) -> None:
    """What the proxy does of plain HTTP."""
    query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
    await RedirectResponse(f"https://localhost{scope['path']}{query}", status_code=308)(scope, receive, send)


async def _scores(certificate: Path) -> list[dict[str, Any]]:
    node = shutil.which("node") or str(Path(sys.executable).parent / "node")
    environ = {**os.environ, "NODE_EXTRA_CA_CERTS": str(certificate)}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node, "score.mjs", *PAGES, cwd=HERE, env=environ, stdout=pipe)
    said, _ = await asyncio.wait_for(process.communicate(), 120)
    found: list[dict[str, Any]] = json.loads(said)
    return found


def _shown(pages: list[dict[str, Any]]) -> int:
    for page in pages:
        passed = sum(bool(each["pass"]) for each in page["results"])
        print(
            f"Observatory  {page['path']:<20} {page['status']}  {page['grade']:<3} {page['score']:>4}  {passed} of {len(page['results'])}"
        )
        for each in page["results"]:
            if not each["pass"]:
                print(f"             {each['test']}: {each['result']} ({each['points']})")
    return 0 if {page["grade"] for page in pages} == {"A+"} else 1


if __name__ == "__main__":
    sys.exit(main())
