"""The container, built of Debian's packages and the lock alone, then started as it will be: `make image`.

A base is made by mmdebstrap, `Containerfile` built on it by buildah without a daemon, and one container of it asked for
its health, its pages and its feed by somebody who is not root; it must stop when told. It needs root and a Debian with
`apt-get install mmdebstrap buildah`; what pip needs of this machine is lent with `-v`, as buildah takes it. It exits 1
when something answers otherwise, and leaves the image `forums` behind, ready to be pushed.
"""

import argparse
import json
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from forums.settings import ROOT
from tests.ports import free_port

BUILDAH = ("buildah", "--storage-driver", "vfs")
BASE, IMAGE, TRIED = "localhost/forums-base", "localhost/forums", "forums-tried"
PACKAGES = "python3,python3-venv,ca-certificates"
PATIENCE = 60
"""The seconds a started container may take to answer."""


def buildah(*words: str) -> str:
    return subprocess.run([*BUILDAH, *words], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout.strip()


def make_base(archive: Path) -> None:
    """Debian's smallest system, of the suite of this machine, with Python in it."""
    [suite] = re.findall(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite, str(archive)], check=True)
    container = buildah("from", "scratch")
    buildah("add", "-q", container, str(archive), "/")
    buildah("commit", "-q", "--rm", container, BASE)


def build(lent: list[str]) -> None:
    volumes = [word for each in lent for word in ("-v", each)]
    buildah(
        "bud",
        "-q",
        "--isolation",
        "chroot",
        "--pull-never",
        "--format",
        "docker",
        "--build-arg",
        f"BASE={BASE}",
        *volumes,
        "-t",
        IMAGE,
        ".",
    )


def tried() -> list[str]:
    """What one container did otherwise than it must."""
    with suppress(subprocess.CalledProcessError):
        buildah("rm", TRIED)
    buildah("from", "-q", "--name", TRIED, "--pull-never", IMAGE)
    port = str(free_port())
    facts = {"PORT": port, "PUBLIC_URL": f"http://localhost:{port}", "SECRET_KEY": secrets.token_urlsafe(48)}
    inside = (*BUILDAH, "run", "--isolation", "chroot", *(word for fact in facts.items() for word in ("-e", "=".join(fact))), TRIED, "--")
    serving = subprocess.Popen([*inside, "forums", "serve", "--host", "127.0.0.1", "--port", port])
    try:
        faults = [fault for path in ("/sante", "/", "/engagements", "/en/", "/calendrier.ics") if (fault := _asked(port, path))]
        faults += [] if subprocess.run([*inside, *_health_check()], check=False).returncode == 0 else ["its health check fails"]
        user = subprocess.run([*inside, "id", "-u"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        faults += ["it runs as root"] if user == "0" else []
        subprocess.run(["pkill", "-TERM", "-u", user, "-f", f"python.*forums serve.*--port {port}"], check=True)
        serving.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        faults.append("it does not stop when told")
    finally:
        serving.kill()
    return faults


def _health_check() -> list[str]:
    """The command `Containerfile` gives those who watch the container."""
    [line] = [each for each in (ROOT / "Containerfile").read_text().splitlines() if each.startswith("HEALTHCHECK")]
    return list(json.loads(line.partition("CMD ")[2]))


def _asked(port: str, path: str) -> str:
    """What is wrong with the answer; nothing when it is what it must be."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                print(f"{path}: {answer.status}, {len(answer.read()):,} bytes")
                return ""
        except urllib.error.HTTPError as refused:
            return f"{path}: {refused.code}"
        except OSError as silence:
            if time.monotonic() > until:
                return f"{path}: {silence}"
            time.sleep(0.5)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("-v", dest="lent", action="append", default=[], help="a folder lent to the build, as buildah takes it")
    words.add_argument("--base", action="store_true", help="keep the base made before")
    asked = words.parse_args()
    if not asked.base:
        with tempfile.TemporaryDirectory(prefix="forums-base-") as folder:
            make_base(Path(folder) / "base.tar")
    build(asked.lent)
    faults = tried()
    print("\n".join(faults) or "The container answers, is nobody's root, says it is well and stops when told.")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
