"""A port nobody listens on, for a server that starts a moment later.

Below those the kernel gives to outgoing connections, each once: nobody who calls is given it meanwhile. Each
process of pytest-xdist has a stretch of its own, so that two never choose the same.
"""

import contextlib
import itertools
import os
import re
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FIRST, STRETCHES = 10_000, 8


def free_port() -> int:
    return next(port for port in _mine() if _is_free(port))


@cache
def _mine() -> Iterator[int]:
    """Every port of this process's stretch, again and again, from one that another run at the same time hardly begins with."""
    lowest = re.search(r"\d+", Path("/proc/sys/net/ipv4/ip_local_port_range").read_text())
    size = ((int(lowest[0]) if lowest else 32_768) - FIRST) // STRETCHES
    worker = re.search(r"\d+", os.environ.get("PYTEST_XDIST_WORKER", ""))
    stretch = int(worker[0]) % (STRETCHES - 1) + 1 if worker else 0
    start = os.getpid() * 7 % size
    return itertools.cycle(FIRST + stretch * size + (start + number) % size for number in range(size))


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.bind(("", port))
        return True
    return False
