"""`forums` in a process of its own without its imports: forked from one that has made them.

An import of the whole program costs three seconds of a slow processor, more than most of its commands. One
process a test run imports it and then only forks: each command still has its own process, environment, clock
and exit status, and ends by the very lines `python -m forums.cli` ends by.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp

from forums.settings import ROOT
from tests import templates


class Forked:
    """What the tests ask of a `subprocess.Popen`, of a process that another one started."""

    def __init__(self, module: str, words: list[str], environment: dict[str, str], stdin: int, stdout: int, stderr: int) -> None:
        self.returncode: int | None = None
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(_parent())
        order = json.dumps([module, words, environment]).encode()
        socket.send_fds(self._line, [len(order).to_bytes(4, "big")], [stdin, stdout, stderr])
        self._line.sendall(order)
        self.pid = int.from_bytes(_exactly(self._line, 4), "big")

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._line.settimeout(None if timeout is None else timeout or 0.001)
            try:
                status = _exactly(self._line, 4)
            except TimeoutError:
                raise subprocess.TimeoutExpired("forums", timeout or 0) from None
            self._line.close()
            self.returncode = os.waitstatus_to_exitcode(int.from_bytes(status, "big"))
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _exactly(line: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = line.recv(size - len(found))
        if not more:
            raise EOFError("the process that forks is gone")
        found += more
    return found


@cache
def _parent() -> str:
    """The address of the process that forks, started by the first who asks; it ends with the tests."""
    address = Path(mkdtemp(prefix="forums-forks-")) / "socket"
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", templates.KEPT_IN)}
    command = [sys.executable, "-m", "tests.forked", str(address)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    atexit.register(process.communicate)  # the end of its standard input tells it to go
    deadline = time.monotonic() + 600
    while not address.exists():
        assert process.poll() is None, "the process that forks fell"
        assert time.monotonic() < deadline, "the process that forks did not start"
        time.sleep(0.02)
    return str(address)


def run(module: str, *words: str, env: dict[str, str], given: str = "", timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True)`."""
    with TemporaryFile("w+") as stdin, TemporaryFile("w+") as stdout, TemporaryFile("w+") as stderr:
        stdin.write(given)
        stdin.seek(0)
        process = Forked(module, list(words), env, stdin.fileno(), stdout.fileno(), stderr.fileno())
        try:
            process.wait(timeout)
        finally:
            process.kill()
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess([module, *words], process.wait(), stdout.read(), stderr.read())


# -- The process that forks ----------------------------------------------------------------------------------


def _serve(address: str) -> tuple[str, list[str]]:
    """Forks for whoever connects. Returns in the new process alone, with what that one has to run."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # its children are waited for by nobody
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(16)
    Path(f"{address}.new").rename(address)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _watched(line)
        line.close()


def _watched(line: socket.socket) -> tuple[str, list[str]]:
    """Fork once more: this process says the number of the other, waits for it, and says how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(line, 4, 3)
    module, words, environment = json.loads(_exactly(line, int.from_bytes(size, "big")))
    if pid := os.fork():
        for file in (*files, 0):
            os.close(file)
        with contextlib.suppress(OSError):  # who asked may be gone
            line.sendall(pid.to_bytes(4, "big"))
            line.sendall(os.waitpid(pid, 0)[1].to_bytes(4, "big"))
        os._exit(0)
    line.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    return module, words


if __name__ == "__main__":
    if templates.KEPT_IN in os.environ:
        templates.share()
    # What it imports is what `forums.cli` does by itself, and libraries: a command that lacks an import of ours still falls.
    for name in ("forums.cli", "time_machine", "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.lifespan.on",
                 "aiosqlite", "asyncpg", "sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.dialects.postgresql.asyncpg"):  # fmt: skip
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # each of its children would look through all that for what may be forgotten, and so copy it: a second of processor
    module, sys.argv[1:] = _serve(sys.argv[1])
    sys.modules.pop(module, None)  # it is run anew, as the main one
    runpy.run_module(module, run_name="__main__", alter_sys=True)
