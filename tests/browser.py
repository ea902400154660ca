"""A real server and a real browser, for the tests that look at the site as people do.

Loaded as a pytest plugin. `served` starts `forums serve` in a process of its own; `chromium` is
Debian's, driven by Playwright. A test opens as many visitors as it needs, each with cookies of its own.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import forked
from tests.factories import SECRET_KEY
from tests.forked import Forked
from tests.ports import free_port

# In milliseconds, of whatever a page is waited for: no test may depend on how quick the machine is.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True)
class Served:
    """A site that answers on loopback, and the environment its commands run in."""

    url: str
    environment: dict[str, str]
    log: Path
    program: list[str]
    """The module it is, and its first words."""

    def command(self, *words: str) -> str:
        """Run a `forums` command on the same database; what it printed."""
        done = forked.run(*self.program, *words, env=self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def worker(self) -> Iterator[None]:
        """`forums worker` on the same database until the end of the block."""
        with self.log.open("a") as log:
            process = started(self.program, "worker", self.environment, log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=600)

    def sign_in_link(self, role: str = "admin", email: str = "organisateur@example.org") -> str:
        return self.command("member", email, "--role", role).split()[-1]


@contextmanager
def served(database_url: str, *, seconds: float = 600, clock: Path | None = None, **settings: str) -> Iterator[Served]:
    """`forums serve` until the end of the block; it is asked to stop gently. `clock` holds the moment it believes it is."""
    program = ["forums.cli"] if clock is None else ["tests.moved_clock", str(clock)]
    port = free_port()
    url = f"http://localhost:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "DATABASE_URL": database_url,
        "SECRET_KEY": SECRET_KEY,
        "PUBLIC_URL": url,
        "PORT": str(port),
        "MAIL_FROM": "Forums Open d'État <forums@example.org>",
        **settings,
    }
    log = tempfile.NamedTemporaryFile("w", prefix=f"forums-{port}-", suffix=".log")  # noqa: SIM115
    process = started(program, "serve", environment, log)
    try:
        _wait_for(url, process, Path(log.name), seconds)
        yield Served(url, environment, Path(log.name), program)
    finally:
        process.terminate()
        process.wait(timeout=600)
        log.close()


def started(program: list[str], word: str, environment: dict[str, str], log: IO[str]) -> Forked:
    """A command that lasts, what it says in the log."""
    with Path(os.devnull).open() as nothing:
        return Forked(program[0], [*program[1:], word], environment, nothing.fileno(), log.fileno(), log.fileno())


def _wait_for(url: str, process: Forked, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/sante", timeout=60) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not start (exit status {process.poll()}): {log.read_text()[-2000:]}")


class Visitor:
    """Someone in front of a browser of their own."""

    def __init__(self, chromium: Browser, site: Served, *, scripts: bool, width: int = 1280) -> None:
        self.context = chromium.new_context(
            java_script_enabled=scripts, base_url=site.url, viewport={"width": width, "height": 800}, accept_downloads=True
        )
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()

    def open(self, path: str) -> Page:
        self.page.goto(path)
        return self.page

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def reads(self, text: str) -> None:
        expect(self.page.locator("main")).to_contain_text(text)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; a machine without it fails here with the word to install it.

    Of a module, not of the session: Playwright keeps an event loop running, which async tests cannot share.
    """
    path = shutil.which("chromium")
    assert path, "Il manque Chromium : apt-get install chromium."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()
