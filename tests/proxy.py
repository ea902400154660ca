"""`docs/nginx.conf` itself before the site, with a certificate of its own, on loopback: `python -m tests.proxy`.

Which versions and suites of TLS it accepts, each asked for by a client of which it is shown first that it could; what
plain HTTP leads to; headers said once, by the site and by nginx's own refusals; envelopes too large, requests that two
readers could take differently, people who send too slowly, addresses that lie. Needs nginx; exit status 1 if a promise
is broken.
"""

import forums  # noqa: F401 — first: it puts the safe SQLite in place

# isort: split

import contextlib
import re
import shutil
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests import crew, nginx
from tests.findings import Finding, bounded, none, report
from tests.machines_smuggling import TRICKS
from tests.ports import free_port
from tests.proxy_tls import NAME, Door, certificate, client_of, connected, suites, versions

# What a head and a body may take, in seconds, and what a busy machine adds.
HEAD, BODY, SLACK = 5, 10, 20


class Answer(NamedTuple):
    status: int
    head: list[tuple[str, str]]
    body: bytes

    def said(self, name: str) -> list[str]:
        return [value for key, value in self.head if key == name]


def proxy(folder: Path) -> Sequence[Finding]:
    door = Door(free_port(), free_port(), folder)
    for kind in ("rsa", "ecdsa"):
        certificate(folder, kind)
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(_site(folder))
        recipe = _recipe(door, site.port)
        said = stack.enter_context(nginx.running(recipe, "127.0.0.1", door.tls, folder))
        found = [
            *versions(door),
            *suites(door),
            *_clear(door),
            *_headers(door),
            *_own_words(door),
            *_smuggled(door, site),
            *_slow(door),
            *_liars(door),
        ]
        site.stop()
        words = _ask(door, "GET /aide HTTP/1.1")
        found.append(
            Finding("with the site stopped: the answer", words.status, words.status != 502 or "Réessayez".encode() not in words.body)
        )
        grave = re.findall(r"\[(?:emerg|alert|crit)\].*", said.read_text())
        return [*found, none("what nginx called grave", len(grave))]


@contextlib.contextmanager
def _site(folder: Path) -> Iterator[crew.Program]:
    program = crew._program("serve", f"sqlite:///{folder / 'forums.db'}", folder, "serve")
    program.port = free_port()
    program.environ |= {"PORT": str(program.port), "PUBLIC_URL": f"https://{NAME}", "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    with crew.running([program]):
        crew._wait_for(program)
        yield program


def _recipe(door: Door, port: int) -> str:
    """The file of `docs/`, with the addresses and certificates of this run and nothing else changed."""
    text = nginx.RECIPE.read_text()
    text = re.sub(r"^ +server 192\.0\.2\.12.*\n", "", text, flags=re.M).replace("192.0.2.11:8000", f"127.0.0.1:{port}")
    text = re.sub(r"^ +listen \[.*\n", "", text, flags=re.M)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{door.clear};").replace("listen 443 ", f"listen 127.0.0.1:{door.tls} ")
    pairs = "".join(
        f"    ssl_certificate {door.folder}/{kind}.pem;\n    ssl_certificate_key {door.folder}/{kind}.key;\n" for kind in ("rsa", "ecdsa")
    )
    return re.sub(r"^ +ssl_certificate .*\n +ssl_certificate_key .*\n", pairs, text, flags=re.M)


# -- What is answered ------------------------------------------------------------------------------------------------


def _exchange(port: int, request: bytes, client: ssl.SSLContext | None) -> bytes:
    """Everything answered on one connection."""
    answer = b""
    with contextlib.suppress(OSError), connected(port, client) as door:
        door.sendall(request)
        while more := door.recv(65536):
            answer += more
    return answer


def _ask(door: Door, line: str, *more: str, body: bytes = b"", tls: bool = True) -> Answer:
    head = "".join(f"{each}\r\n" for each in (line, f"Host: {NAME}", "Connection: close", *more))
    return _understood(_exchange(door.tls if tls else door.clear, f"{head}\r\n".encode() + body, client_of(door.folder) if tls else None))


def _understood(answer: bytes) -> Answer:
    top, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Answer(int(first.split()[1]) if first else 0, [(name.lower(), value.strip()) for name, _, value in pairs], body)


def _clear(door: Door) -> list[Finding]:
    pages = ["/", "/forums", "/en/forums", "/questions?page=2", "/calendrier.ics", "/redevabilite/pgo.pdf"]
    led = [_ask(door, f"GET {path} HTTP/1.1", tls=False) for path in pages]
    right = sum(each.status == 301 and each.said("location") == [f"https://{NAME}{path}"] for each, path in zip(led, pages, strict=True))
    lines = [
        "GET /api/v1/forums",
        "GET /en/api/v1",
        "GET /donnees/forums.csv",
        "GET /actualites.atom",
        "GET /metriques",
        "POST /questions/poser",
    ]
    refused = [_ask(door, f"{line} HTTP/1.1", tls=False) for line in lines]
    elsewhere = _understood(_exchange(door.clear, b"GET / HTTP/1.1\r\nHost: ailleurs.example\r\nConnection: close\r\n\r\n", None))
    spoken = _understood(_exchange(door.tls, f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode(), None))
    return [
        Finding(f"pages over plain http that lead to https, of {len(pages)}", right, right != len(pages)),
        none(f"of {len(lines)} others over plain http: led on or answered", sum(each.status != 403 for each in refused)),
        none("secrets of the site over plain http", sum(b"Forums" in each.body for each in (*led, *refused))),
        Finding("led on under another name to", *(_first(elsewhere.said("location"), f"https://{NAME}/"))),
        Finding("plain http on the port of https: the answer", spoken.status, spoken.status != 400),
    ]


def _first(said: list[str], expected: str) -> tuple[str, bool]:
    return (said[0] if said else "nothing"), said != [expected]


def _headers(door: Door) -> list[Finding]:
    paths = ("/", "/forums", "/calendrier.ics", "/api/v1", "/nulle-part", "/static/forums.css", "/organisation")
    doubled, hsts, leaked = 0, 0, 0
    for path in paths:
        answer = _ask(door, f"GET {path} HTTP/1.1", "Accept-Encoding: gzip")
        doubled += sum(count > 1 for name, count in Counter(name for name, _ in answer.head).items() if name != "set-cookie")
        hsts += answer.said("strict-transport-security") == ["max-age=63072000; includeSubDomains"]
        leaked += any(re.search(r"\d", value) for value in answer.said("server"))
    return [
        none(f"headers said twice, in {len(paths)} answers", doubled),
        Finding("answers that say HSTS once", hsts, hsts != len(paths)),
        none("answers that tell a version", leaked),
    ]


def _own_words(door: Door) -> list[Finding]:
    """What nginx refuses by itself is said in French, and as protected as the site's pages."""
    large = _ask(door, "POST /questions/poser HTTP/1.1", f"Content-Length: {7 * 1024 * 1024}")
    lines = {
        "an envelope of 7 MB": (large, 413, "trop gros"),
        "an address of 12 kB": (_ask(door, f"GET /{'a' * 12_000} HTTP/1.1"), 414, "trop longue"),
        "a head of 30 kB": (_ask(door, "GET / HTTP/1.1", *(f"X-{number}: {'a' * 6000}" for number in range(5))), 400, "illisible"),
        "no host": (_understood(_exchange(door.tls, b"GET / HTTP/1.1\r\n\r\n", client_of(door.folder))), 400, "illisible"),
    }
    found = []
    for words, (answer, status, said) in lines.items():
        protected = all(len(answer.said(name)) == 1 for name in ("strict-transport-security", "content-security-policy", "cache-control"))
        found.append(
            Finding(f"{words}: the answer", answer.status, answer.status != status or said.encode() not in answer.body or not protected)
        )
    return found


def _smuggled(door: Door, site: crew.Program) -> list[Finding]:
    seen = site.log.read_text().count("GET - 404")
    answers = [_exchange(door.tls, trick + b"\r\n\r\n", client_of(door.folder)) for trick in TRICKS.values()]
    return [
        none(f"of {len(TRICKS)} doubtful requests: hidden ones answered", sum(each.count(b"HTTP/1.1 404") for each in answers)),
        none("of these, seen by the site", site.log.read_text().count("GET - 404") - seen),
    ]


def _slow(door: Door) -> list[Finding]:
    head = _left_after(door, b"GET / HTTP/1.1\r\nHost: forums\r\n", b"X")
    body = _left_after(door, f"POST /questions/poser HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000\r\n\r\na".encode(), b"")
    return [
        Finding(f"a head sent letter by letter is cut off after ({HEAD} s)", f"{head:.0f} s", not HEAD - 1 < head < HEAD + SLACK),
        Finding(f"a body that does not come is cut off after ({BODY} s)", f"{body:.0f} s", not BODY - 1 < body < BODY + SLACK),
    ]


def _left_after(door: Door, begun: bytes, drop: bytes) -> float:
    """How long nginx keeps somebody who sends this, then a drop each second."""
    with connected(door.tls, client_of(door.folder)) as wrapped:
        wrapped.sendall(begun)
        began = time.monotonic()
        wrapped.settimeout(1)
        while time.monotonic() - began < BODY + SLACK:
            try:
                if not wrapped.recv(100):
                    break
            except TimeoutError:
                with contextlib.suppress(OSError):
                    wrapped.sendall(drop)
            except OSError:
                break
        return time.monotonic() - began


def _liars(door: Door) -> list[Finding]:
    """`/metriques` answers the machine itself; nginx tells the site where each comes from, whatever they say."""
    own = _ask(door, "GET /metriques HTTP/1.1").status
    lies = [_ask(door, "GET /metriques HTTP/1.1", f"{name}: 192.0.2.7").status for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")]
    return [Finding("the address is the one of the connection, whatever is said", f"{own}", [own, *lies] != [200] * 4)]


def main() -> int:
    if shutil.which("nginx") is None:
        print("Il manque nginx : apt-get install nginx-light.", file=sys.stderr)
        return 1
    bounded(480)
    return 0 if report("nginx of docs/nginx.conf before the site, on loopback, over TLS", proxy) else 1


if __name__ == "__main__":
    sys.exit(main())
