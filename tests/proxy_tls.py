"""What the proxy of `tests.proxy` agrees to over TLS: each version, and each suite that this OpenSSL knows, alone.

A client that is refused proves nothing unless it could have been accepted: a server that takes anything is tried first.
"""

import contextlib
import socket
import ssl
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.findings import Finding, none

NAME = "forums.example.fr"
STRONG = ("AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-GCM-SHA256")
"""From the strongest, each with ECDHE; what follows the certificate's kind in the name of a suite."""

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # they are asked for so that they be refused
    OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)


class Door(NamedTuple):
    """Where the proxy answers, and whom its certificates name."""

    clear: int
    tls: int
    folder: Path


def certificate(folder: Path, kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = (
        made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
    )
    signed = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False).sign(key, hashes.SHA256())
    (folder / f"{kind}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{kind}.key").write_bytes(key.private_bytes(*plain))


def client_of(folder: Path, *, version: ssl.TLSVersion | None = None, suites: str | None = None) -> ssl.SSLContext:
    """One that believes these two certificates alone, and takes nothing but what is asked of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for kind in ("rsa", "ecdsa"):
        context.load_verify_locations(folder / f"{kind}.pem")
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.minimum_version = context.maximum_version = version
    if suites is not None:
        context.set_ciphers(f"{suites}:@SECLEVEL=0")
    return context


def _agreed(door: Door, client: ssl.SSLContext) -> tuple[str, str] | None:
    """The version and the suite the two settle on; None when nginx refuses."""
    try:
        with connected(door.tls, client) as wrapped:
            assert isinstance(wrapped, ssl.SSLSocket)
            return str(wrapped.version()), (wrapped.cipher() or ("",))[0]
    except (ssl.SSLError, ConnectionError):
        return None


@contextlib.contextmanager
def connected(port: int, client: ssl.SSLContext | None) -> Iterator[socket.socket]:
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
        yield stack.enter_context(client.wrap_socket(plain, server_hostname=NAME)) if client else plain


def _would_agree(folder: Path, client: ssl.SSLContext) -> bool:
    """Whether a server that takes anything takes it: else a refusal says nothing of nginx."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lax.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    lax.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    for kind in ("rsa", "ecdsa"):
        lax.load_cert_chain(folder / f"{kind}.pem", folder / f"{kind}.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server, server_hostname=NAME), lax.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(4):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                return False
    return not ends


def versions(door: Door) -> list[Finding]:
    found = []
    for version in OLD:
        client = client_of(door.folder, version=version, suites="ALL")
        could, agreed = _would_agree(door.folder, client), _agreed(door, client)
        found.append(Finding(f"{version.name}: elsewhere it would do, here", agreed or "refused", not could or agreed is not None))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        agreed = _agreed(door, client_of(door.folder, version=version))
        found.append(Finding(f"{version.name}: the suite", agreed[1] if agreed else "refused", agreed is None or "256" not in agreed[1]))
    chosen = _agreed(door, client_of(door.folder))
    return [*found, Finding("who could do both gets", chosen[0] if chosen else "nothing", chosen is None or chosen[0] != "TLSv1.3")]


def suites(door: Door) -> list[Finding]:
    """Each suite of TLS 1.2 that this OpenSSL knows, alone."""
    every = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    every.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    names = [each["name"] for each in every.get_ciphers() if not each["name"].startswith("TLS_")]
    expected = {f"ECDHE-{kind}-{strong}" for kind in ("ECDSA", "RSA") for strong in STRONG}
    taken, weak = set(), 0
    for name in names:
        client = client_of(door.folder, version=ssl.TLSVersion.TLSv1_2, suites=name)
        if name not in expected:
            weak += _would_agree(door.folder, client)
        if _agreed(door, client):
            taken.add(name)
    # Told the weakest first, nginx still chooses.
    backwards = _agreed(
        door, client_of(door.folder, version=ssl.TLSVersion.TLSv1_2, suites=":".join(f"ECDHE-RSA-{each}" for each in reversed(STRONG)))
    )
    return [
        Finding(f"of {len(names)} suites, weaker ones a lax server takes", weak, weak < 10),
        none("of these, taken by nginx", len(taken - expected)),
        Finding("strong suites taken", len(taken & expected), taken & expected != expected),
        Finding("preferred", backwards[1] if backwards else "none", backwards is None or not backwards[1].endswith(STRONG[0])),
    ]
