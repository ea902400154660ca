"""nginx as `docs/nginx.conf` has it, with other addresses and certificates, run apart from any nginx of this machine."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forums.settings import ROOT

RECIPE = ROOT / "docs" / "nginx.conf"


@contextmanager
def running(recipe: str, address: str, port: int, folder: Path) -> Iterator[Path]:
    """Such a proxy once it answers there: the file of what it complained of."""
    place = folder / "nginx"
    place.mkdir()
    paths = "".join(f"{each}_temp_path {place}/{each};\n" for each in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
    main = f"user root;\nworker_processes 2;\npid {place}/pid;\nerror_log {place}/said warn;\nevents {{ worker_connections 4096; }}\n"
    (place / "nginx.conf").write_text(f"{main}http {{\naccess_log off;\n{paths}{recipe}\n}}\n")
    process = subprocess.Popen(["nginx", "-c", str(place / "nginx.conf"), "-p", str(place), "-g", "daemon off;"], start_new_session=True)
    try:
        await_port(address, port, process, place / "said")
        yield place / "said"
    finally:
        process.terminate()
        process.wait(20)


def await_port(address: str, port: int, process: subprocess.Popen[bytes], said: Path) -> None:
    deadline = time.monotonic() + 180  # a busy machine starts slowly
    while True:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((address, port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it did not start: {said.read_text() if said.exists() else ''}")
        time.sleep(0.05)
