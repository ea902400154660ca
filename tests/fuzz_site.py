"""The whole site asked with what nobody should send: `python -m tests.fuzz_site [--cases N] [--seed N]`.

Every address of the table, by nobody and by an admin, over raw sockets straight at `forums serve`: each header with values
made to break it, bodies that are not what they say, requests of which some bytes were changed, heads of 200 MB. No answer may
be an error of the server, lack its security headers, say a header that was sent, lead or name elsewhere, or hang.
Then, of each form that takes an address, how long it takes for one that is known and one that is not: printed, with how
often a single answer would tell them apart (50 % is never). Exit status 1 when something was found.
"""

import forums

# isort: split

import argparse
import asyncio
import contextlib
import math
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_from_bytes, urlencode

import forums.settings
from forums import migrations
from forums.app import ADDRESSES, FEED, PUBLIC
from forums.database import Database
from tests.browser import Served, served
from tests.factories import SECRET_KEY
from tests.findings import Finding, none, report
from tests.site import Site, filled
from tests.site import _make as fill

CASES, TIMES = 6_000, 150
SIGNING_OUT = ("/deconnexion", "/mes-sessions/deconnexion")
LONG = b"x" * 20_000
NUMBERS = [b"", b"0", b"-1", b"+1", b"1e9", b"0x10", b"99999999999999999999999999", b"NaN", "١٢".encode(), b"1, 2", b"1;2", b" 1 "]
TEXTS = [b"", b" ", b"\t", b'"', b"'", b"\\", b"%00", b"%0d%0aX-Injected: 1", b"\xff\xfe", "é\u202e\u2028".encode(), b"\x01\x1b[2J", LONG,
         b"{{7*7}}${7*7}", b"<script>alert(1)</script>", b"' OR 1=1 --", b"../../../etc/passwd", b"()", b"(" * 500,
         b"a" * 200 + b"!"]  # fmt: skip
EVIL = [
    b"evil.example",
    b"evil.example:443",
    b"https://evil.example/",
    b"//evil.example",
    b"localhost@evil.example",
    b"evil.example, localhost",
]
HEADERS: dict[bytes, list[bytes]] = {
    b"Range": [b"bytes=0-", b"bytes=-1", b"bytes=5-1", b"bytes=a-b", b"items=0-1", b"bytes=0-0," * 2000,
                        b"bytes=" + b"9" * 5000 + b"-", b"bytes"],
    b"If-Range": [b'"x"', b'W/"x"', b"Thu, 01 Jan 1970 00:00:00 GMT", b"yesterday"],
    b"If-None-Match": [b"*", b'"', b'W/"', b'"a", ' * 2000, b'W/"x", "y"', b"x", b'"\xff"'],
    b"If-Match": [b"*", b'"x"', b'"'],
    b"If-Modified-Since": [b"Thu, 01 Jan 1970 00:00:00 GMT", b"Mon, 99 Foo 20260 25:61:61 GMT", b"Fri, 31 Dec 99999 23:59:59 GMT",
                           b"Thu, 01 Jan 0000 00:00:00 +9999", b"tomorrow", b"Thu, 01 Jan 1970 00:00:00 \xc3\xa9"],
    b"If-Unmodified-Since": [b"Thu, 01 Jan 1970 00:00:00 GMT", b"tomorrow"],
    b"Accept-Language": [b"en", b"*", b"fr;q=", b"fr;q=2", b"en-" * 3000, b"xx-\xff", b"fr,en;q=0.5" * 500],
    b"Accept-Encoding": [b"gzip", b"gzip;q=0", b"*;q=0", b"identity;q=0", b"br;q=1.5", b"gzip," * 3000, b"gzip;q=x", b"GZIP",
                        b"deflate, gzip;q=0.0001"],
    b"Accept": [b"application/json", b"text/html;q=x", b"*/*" * 3000, b"image/\xff"],
    b"Cookie": [b"session=", b"session=" + b"x" * 43, b"__Host-session=x; session=y", b'session="\\073\\054"', b";;;===;", b"a=b; " * 2000,
                b"session=\xff\xfe", b"navigateur=" + LONG, b"suite=//evil.example", b"suite=/organisation/../../evil",
                b"$Version=1; session=x",
                b"drapeaux=%s%n; __proto__=1"],
    b"Content-Type": [b"", b"text/plain", b"application/json", b"multipart/form-data", b"multipart/form-data; boundary=",
                        b"multipart/form-data; boundary=" + LONG,
                      b"multipart/form-data; boundary=\xff", b"application/x-www-form-urlencoded; charset=utf-7",
                      b"application/x-www-form-urlencoded; charset=\x01",
                      b"application/xml", b"x" * 3000, b";;;", b"multipart/mixed; boundary=x"],
    b"X-Forwarded-For": [b"127.0.0.1", b"evil", b"::1%eth0", b"1.2.3.4:80", b"127.0.0.1," * 2000, b",,,", b"\xff", b"999.999.999.999",
                        b"[::ffff:127.0.0.1]"],
    b"X-Forwarded-Proto": [b"https", b"javascript", b"http, https", b"wss", b"\xff"],
    b"X-Forwarded-Host": EVIL,
    b"X-Forwarded-Prefix": [b"/evil", b"//evil.example"],
    b"Forwarded": [b"for=127.0.0.1;host=evil.example;proto=https"],
    b"X-Original-URL": [b"/organisation"],
    b"X-Rewrite-URL": [b"/organisation"],
    b"X-HTTP-Method-Override": [b"DELETE", b"GET"],
    b"X-Real-IP": [b"127.0.0.1"],
    b"Origin": [b"null", b"https://evil.example", b"http://localhost.evil.example", b"\xff", b""],
    b"Sec-Fetch-Site": [b"cross-site", b"same-site", b"same-origin, cross-site", b"", b"SAME-ORIGIN"],
    b"Referer": [b"https://evil.example/", b"javascript:alert(1)"],
    b"User-Agent": [b"", b"Firefox" * 1000, b"\xff<script>", b"() { :; }; echo"],
    b"Authorization": [b"Basic", b"Basic \xff", b"Bearer x", b"Basic YTpi"],
    b"Expect": [b"100-continue", b"200-ok"],
    b"TE": [b"trailers", b"gzip"],
    b"Upgrade": [b"h2c", b"websocket", b"TLS/1.0"],
    b"Max-Forwards": NUMBERS,
    b"DNT": NUMBERS,
}  # fmt: skip
BODIES = [
    b"", b"&&&==&=", b"a=" + b"%" * 3000, b"%zz=%u1234&a[]=1", b"a=1&" * 3000, b"\xff\xfe\x00" * 300, b'{"email": ["x"]}', b"[" * 20_000,
    b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na\r\n--x--', b"--x\r\n" * 2000,
    b"--x\r\nContent-Disposition: form-data; name=\xff\r\n",
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../a.pdf\x00.png"\r\nContent-Type: x\r\n\r\n%PDF-\r\n--x--\r\n',
    b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>", b"email=a%00b%40example.org", b"edition=" + b"9" * 4000,
]  # fmt: skip
FIELDS = ("email", "text", "title", "edition", "family_name", "given_name", "attendance", "kind", "reason", "page", "slug", "token",
         "since", "number",
          "starts_at", "role", "institutions", "commitments", "file", "suite", "html", "q", "plan", "capacity", "value", "url",
          "evidence_url")  # fmt: skip


@dataclass
class Answer:
    """What came back over the wire; `status` is 0 when nothing did, -1 when it hung."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    took: float = 0.0

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each == name), None)


@dataclass
class Asked:
    """Everything that was sent, how it was answered, and what was wrong with it."""

    port: int
    session: bytes = b""
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def blame(self, fault: str, sent: bytes) -> None:
        self.faults[fault] += 1
        if self.faults[fault] <= 3:
            self.examples.append(f"{fault}: {sent[:300]!r}")


# -- Over the wire -------------------------------------------------------------------------------------------------


async def send(port: int, sent: bytes, *, patience: float = 20) -> Answer:
    """One request on a connection of its own, read until the server closes it."""
    began, said = time.perf_counter(), b""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionError):
                writer.write(sent)
                while part := await reader.read(1 << 16):
                    said += part
            writer.close()
    except TimeoutError:
        return Answer(-1)
    took = time.perf_counter() - began
    while said.startswith(b"HTTP/1.1 1"):  # 100 Continue
        said = said.partition(b"\r\n\r\n")[2]
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    known = re.match(r"HTTP/1\.1 (\d{3})", first)
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Answer(int(known[1]) if known else 0, headers, body, took)


def request(method: str, path: str, headers: Sequence[tuple[bytes, bytes]], body: bytes = b"") -> bytes:
    own = [(b"Content-Length", str(len(body)).encode())] if method == "POST" else []
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in [*headers, *own, (b"Connection", b"close")])
    return f"{method} {path} HTTP/1.1\r\n".encode() + lines + b"\r\n" + body


def judged(asked: Asked, answer: Answer, sent: bytes, *, public: bool, framed: bool = True) -> None:
    asked.statuses[answer.status] += 1
    if answer.status == -1:
        asked.blame("no answer in time", sent)
    elif answer.status >= 500:
        asked.blame(f"status {answer.status}", sent)
    elif answer.status == 0 and framed:
        asked.blame("cut off without an answer", sent)
    if answer.status <= 0 or _is_the_parsers(answer):
        return
    names = [name for name, _ in answer.headers]
    if "default-src 'none'" not in (answer.header("content-security-policy") or "") or (
        answer.header("x-content-type-options") != "nosniff" and answer.status != 304  # whose headers the browser has already
    ):
        asked.blame("security headers missing", sent)
    if any(name.startswith(("x-injected", "access-control-allow-credentials")) for name in names) or len(set(names) - {"set-cookie"}) < len(
        [name for name in names if name != "set-cookie"]
    ):
        asked.blame("a header of somebody else's, or twice", sent)
    if any("evil" in value for name, value in answer.headers if name in ("location", "link", "refresh", "access-control-allow-origin")):
        asked.blame("leads elsewhere", sent)
    if public and "set-cookie" in names:
        asked.blame("a cookie on a public page", sent)
    if b"Traceback" in answer.body or b"sqlalchemy" in answer.body or (b".py" in answer.body and answer.status >= 400):
        asked.blame("says what is inside", sent)


def _is_the_parsers(answer: Answer) -> bool:
    """The server refuses what is no HTTP before any page is asked."""
    return answer.status == 400 and answer.body in (b"Invalid HTTP request received.", b"Request head too large.")


# -- What is sent --------------------------------------------------------------------------------------------------


def hostile_headers(rng: random.Random, asked: Asked, method: str) -> list[tuple[bytes, bytes]]:
    host = rng.choice([b"", *EVIL, *TEXTS, *NUMBERS]) if rng.random() < 0.15 else f"localhost:{asked.port}".encode()
    headers = [(b"Host", host)]
    chosen = dict.fromkeys(rng.sample(sorted(HEADERS), rng.choice([1, 1, 1, 2, 4])))
    for name in chosen:
        values = HEADERS[name] if rng.random() < 0.7 else TEXTS + NUMBERS + EVIL
        headers.append((name, rng.choice(values) if rng.random() < 0.9 else _noise(rng)))
        if rng.random() < 0.1:
            headers.append((name, rng.choice(values)))  # twice
    if method == "POST" and b"Sec-Fetch-Site" not in chosen and b"Origin" not in chosen:
        headers.append((b"Sec-Fetch-Site", b"same-origin"))
    if asked.session and rng.random() < 0.6:
        headers.append((b"Cookie", b"session=" + asked.session))
    return headers


def _noise(rng: random.Random) -> bytes:
    return bytes(each for each in rng.randbytes(rng.randint(1, 300)) if each not in b"\r\n\0")


def hostile_body(rng: random.Random, headers: list[tuple[bytes, bytes]]) -> bytes:
    if rng.random() < 0.5:
        names = rng.sample(FIELDS, 6)
        body = urlencode([(name, rng.choice(TEXTS + NUMBERS)[:5000]) for name in names]).encode()
    else:
        body = rng.choice(BODIES)
    if not any(name == b"Content-Type" for name, _ in headers):
        headers.append(
            (b"Content-Type", b"multipart/form-data; boundary=x" if body.startswith(b"--x") else b"application/x-www-form-urlencoded")
        )
    return body


def hostile_path(rng: random.Random, path: str) -> str:
    kind = rng.random()
    if kind < 0.6:
        return path
    if kind < 0.85:  # a query of any kind
        name = rng.choice(("page", "q", "etat", "plan", "fait", "suite", "limit", "offset", "code", "avec", "state", "x"))
        return f"{path}?{name}={quote_from_bytes(rng.choice(TEXTS + NUMBERS + EVIL)[:3000])}&{name}=2"
    parts = path.split("/")
    parts[rng.randrange(1, len(parts))] = quote_from_bytes(rng.choice(TEXTS + NUMBERS)[:500]) + rng.choice(
        ("", ".", "%2e%2e", "%ff", ";a=b")
    )
    return "/".join(parts)


async def ask_everything(asked: Asked, addresses: Sequence[tuple[str, str, bool]], cases: int, rng: random.Random) -> None:
    waiting = iter(range(cases))

    async def one_after_the_other() -> None:
        for number in waiting:
            method, path, public = addresses[number % len(addresses)]
            chosen = rng.choice(("HEAD", "OPTIONS", "PUT", "TRACE", "PROPFIND")) if rng.random() < 0.05 else method
            headers = hostile_headers(rng, asked, chosen)
            body = hostile_body(rng, headers) if chosen == "POST" else b""
            sent = request(chosen, hostile_path(rng, path), headers, body)
            judged(asked, await send(asked.port, sent), sent, public=public and chosen == method)

    await asyncio.gather(*(one_after_the_other() for _ in range(6)))


async def change_bytes(asked: Asked, addresses: Sequence[tuple[str, str, bool]], cases: int, rng: random.Random) -> None:
    """Requests that were right, of which a few bytes are others, gone, twice or in another place."""
    for number in range(cases):
        method, path, _ = addresses[number % len(addresses)]
        headers = [(b"Host", b"localhost"), (b"Sec-Fetch-Site", b"same-origin"), (b"Content-Type", b"application/x-www-form-urlencoded")]
        sent = bytearray(request(method, path, headers, b"email=a%40example.org"))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(sent))
            change = rng.randrange(4)
            if change == 0:
                sent[at] = rng.choice(b"\r\n\0\t :;,/%\xff\x0b0a")
            elif change == 1:
                del sent[at : at + rng.randint(1, 6)]
            elif change == 2:
                sent[at:at] = rng.choice(
                    (b"\r\n", b"\n", b"\r", b"\0", b" ", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"\r\n\r\n")
                )
            else:
                sent[at:at] = sent[at : at + rng.randint(1, 30)]
        # Who announces more than comes is waited for: that is the deadline's to end, not the answer's.
        sent += b"\r\n\r\n"
        answer = await send(asked.port, bytes(sent), patience=0.5)
        if answer.status != -1:
            judged(asked, answer, bytes(sent), public=False, framed=False)


# -- How long it takes ---------------------------------------------------------------------------------------------


def told_apart(known: Sequence[float], unknown: Sequence[float]) -> tuple[float, float]:
    """How often the longer of two answers, one of each, is the known one; and how likely chance alone gives that (Mann–Whitney)."""
    won = sum((a > b) + (a == b) / 2 for a in known for b in unknown)
    pairs = len(known) * len(unknown)
    z = (won - pairs / 2) / math.sqrt(pairs * (len(known) + len(unknown) + 1) / 12)
    return won / pairs, math.erfc(abs(z) / math.sqrt(2))


async def timed(port: int, path: str, typed: dict[str, str], known: str, times: int) -> tuple[list[float], list[float], bool]:
    """Answers in seconds for the known address and for others, one by one in turn; and whether they were the same but for their time."""
    taken: tuple[list[float], list[float]] = [], []
    said: set[tuple[int, str, bytes]] = set()
    headers = [(b"Host", b"localhost"), (b"Sec-Fetch-Site", b"same-origin"), (b"Content-Type", b"application/x-www-form-urlencoded")]
    for number in range(times):
        for which, email in enumerate((known, f"inconnu{number}@example.org")):
            answer = await send(port, request("POST", path, headers, urlencode(typed | {"email": email}).encode()))
            taken[which].append(answer.took)
            said.add((answer.status, answer.header("location") or "", answer.body))
    return *taken, len(said) == 1


async def times_of_forms(port: int, slug: str, code: str, times: int) -> list[Finding]:
    person = {"family_name": "Martin", "given_name": "Camille", "attendance": "on_site"}
    forms = {
        "signing in": ("/connexion", {"suite": ""}, "exemple@example.org"),
        "a lost link": (f"/forums/{slug}/inscription/lien", {}, "connue@example.org"),
        "registering": (f"/forums/{slug}/inscription", person, "connue@example.org"),
        "subscribing": ("/abonnements", {"scope": "tout", "rhythm": "weekly"}, "connue@example.org"),
        "supporting": (f"/questions/{code}/soutenir", {}, "connue@example.org"),
        "a lost subscription": ("/abonnements/lien", {}, "connue@example.org"),
    }
    found = []
    await timed(port, f"/forums/{slug}/inscription", person, "connue@example.org", 2)
    for name, (path, typed, known) in forms.items():
        of_known, of_unknown, same = await timed(port, path, typed, known, times)
        share, chance = told_apart(of_known, of_unknown)
        medians = f"{statistics.median(of_known) * 1000:.1f} / {statistics.median(of_unknown) * 1000:.1f}"
        found += [
            none(f"{name}: answers that differ", int(not same)),
            Finding(f"{name}: known / unknown, median ms", medians),
            Finding(f"{name}: told apart by one answer, %", f"{max(share, 1 - share) * 100:.0f}"),
            Finding(f"{name}: chance of that if they are the same", f"{chance:.2g}"),
        ]
    return found


# -- The run -------------------------------------------------------------------------------------------------------


async def _addresses(database: Database, settings: forums.settings.Settings) -> tuple[list[tuple[str, str, bool]], str, str]:
    values = await Site(None, database, settings, None).examples()  # type: ignore[arg-type]
    found = [
        (each.method, filled(each.path, values), each.cache in (PUBLIC, FEED)) for each in ADDRESSES if not each.path.endswith(SIGNING_OUT)
    ]
    return [*found, ("GET", "/static/forums.css", True), ("GET", "/nulle-part", False)], values["slug"], values["code"]


async def _signed_in(site: Served, port: int) -> bytes:
    path = re.sub(r"^https?://[^/]+", "", site.sign_in_link())
    answer = await send(port, request("POST", path, [(b"Host", b"localhost"), (b"Sec-Fetch-Site", b"same-origin")]))
    found = re.search(r"session=([\w-]{43})", answer.header("set-cookie") or "")
    assert found, "the link signs nobody in"
    return found[1].encode()


async def _heads_without_end(port: int) -> int:
    """How many megabytes of a head are taken before the server closes, at most; of 200."""
    most = 0
    for start in (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"GET /", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        taken = 0
        with contextlib.suppress(ConnectionError):
            writer.write(start)
            while taken < 200 and not writer.transport.is_closing():
                writer.write(b"x" * (1 << 20))
                await writer.drain()
                taken += 1
        writer.close()
        most = max(most, taken)
    return most


def memory(port: int, what: str) -> float:
    """What the process that listens there holds (`VmRSS`), or the most it ever did (`VmHWM`), in MB."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and line[1].endswith(f":{port:04X}")}
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(each.readlink()) in sockets:
                found = re.search(rf"{what}:\s+(\d+)", (each.parent.parent / "status").read_text())
                assert found
                return int(found[1]) / 1024
    raise AssertionError("nobody listens there")


def run(folder: Path, cases: int, times: int, seed: int) -> Sequence[Finding]:
    environ = {"DATABASE_URL": f"sqlite:///{folder / 'forums.db'}", "SECRET_KEY": SECRET_KEY, "PUBLIC_URL": "https://forums.example.fr"}
    settings = forums.settings.read(environ)
    migrations.migrate(settings)
    asyncio.run(fill(settings))
    with served(environ["DATABASE_URL"], CLIENT_LIMIT="1000000", FORUM_LIMIT="1000000") as site:
        return asyncio.run(_run(site, settings, cases, times, seed))


async def _run(site: Served, settings: forums.settings.Settings, cases: int, times: int, seed: int) -> Sequence[Finding]:
    rng, port = random.Random(seed), int(site.environment["PORT"])
    database = Database(settings)
    addresses, slug, code = await _addresses(database, settings)
    await database.close()
    timing = await times_of_forms(port, slug, code, times)
    asked, changed = Asked(port, await _signed_in(site, port)), Asked(port)
    before, lines = memory(port, "VmHWM"), site.log.read_text(errors="replace").count("\n")
    await ask_everything(asked, addresses, cases, rng)
    await change_bytes(changed, addresses, cases // 4, rng)
    taken = await _heads_without_end(port)
    after, said = memory(port, "VmHWM"), site.log.read_text(errors="replace")
    for each in asked.examples + changed.examples:
        print(each, file=sys.stderr)
    sent = asked.statuses.total() + changed.statuses.total()
    statuses = ", ".join(f"{status} {count}" for status, count in sorted((asked.statuses + changed.statuses).items()))
    return [
        Finding("requests", sent),
        Finding("addresses", len(addresses)),
        Finding("answers, by status", ""),
        Finding(f"  {statuses}", ""),
        *(Finding(name, count, broken=True) for name, count in sorted((asked.faults + changed.faults).items())),
        none("answers that were wrong", (asked.faults + changed.faults).total()),
        none("tracebacks in the log", said.count("Traceback")),
        Finding(
            "lines in the log for each request", f"{(said.count(chr(10)) - lines) / sent:.2f}", broken=said.count("\n") - lines > 2 * sent
        ),
        Finding("of a head of 200 MB, taken, MB", taken, broken=taken > 16),
        Finding("memory all this cost, MB", round(after - before), broken=after - before > 200),
        none("pages that no longer answer", int((await send(port, request("GET", "/forums", [(b"Host", b"a")]))).status != 200)),
        *timing,
    ]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=CASES)
    options.add_argument("--times", type=int, default=TIMES)
    options.add_argument("--seed", type=int, default=int.from_bytes(random.randbytes(3)))
    given = options.parse_args()
    return int(
        not report(f"fuzz of every address and header, seed {given.seed}", lambda folder: run(folder, given.cases, given.times, given.seed))
    )


if __name__ == "__main__":
    sys.exit(main())
