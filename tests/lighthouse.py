"""Lighthouse on four public pages, in both languages, as a telephone and as a desktop: `make lighthouse`.

It prints its four categories for each (performance, accessibility, best practices, search engines), then every
audit that is not perfect, and exits 1 when one is below 100. It serves a demonstration of its own and asks
nothing of any other machine. A performance is an estimate that a busy machine lowers: one below 100 is measured
again, twice at most, and the best is kept. Without a fault it takes about four minutes; a page is given up after two.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forums.settings import ROOT
from tests.browser import Served, served

PAGES = {"home": "/", "forum": "/forums/{forum}", "registration": "/forums/{forum}/inscription", "commitment": "/engagements/2"}
FORUM = "demonstration-3"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
DEVICES: dict[str, list[str]] = {"mobile": [], "desktop": ["--preset=desktop"]}
CHROMIUM = "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-component-update"
TRIES = 3


@dataclass(frozen=True)
class Report:
    """What Lighthouse says of one page."""

    page: str
    device: str
    scores: dict[str, int]
    faults: list[str]

    @property
    def perfect(self) -> bool:
        return all(score == 100 for score in self.scores.values())


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, served(f"sqlite:///{folder}/forums.db", CLIENT_LIMIT="0") as site:
        site.command("load-plan", str(ROOT / "db/plans/2018-2020.yaml"))
        site.command("demo")
        print(line("page", "device", *CATEGORIES))
        reports = []
        for report in each_page(site, Path(folder)):
            print(line(report.page, report.device, *(str(report.scores[each]) for each in CATEGORIES)), flush=True)
            reports.append(report)
    for report in reports:
        for fault in report.faults:
            print(f"{report.page}, {report.device}: {fault}")
    below = sum(not report.perfect for report in reports)
    print(f"{len(reports)} runs, {below} below 100 somewhere.")
    return 1 if below else 0


def line(page: str, device: str, *scores: str) -> str:
    return f"{page:<18}{device:<9}" + "".join(f"{score:>16}" for score in scores)


def each_page(site: Served, folder: Path) -> Iterator[Report]:
    for language in ("", "/en"):
        for name, path in PAGES.items():
            address = site.url + language + path.format(forum=FORUM)
            for device, options in DEVICES.items():
                yield best(f"{name}{language.replace('/', ', ')}", device, address, options, folder / "report.json")


def best(page: str, device: str, address: str, options: list[str], file: Path) -> Report:
    found = []
    for _ in range(TRIES):
        found.append(read(page, device, asked(address, options, file)))
        if found[-1].scores["performance"] == 100:
            break
    return max(found, key=lambda report: report.scores["performance"])


def asked(address: str, options: list[str], file: Path) -> dict[str, Any]:
    chromium = shutil.which("chromium")
    assert chromium, "Il manque Chromium : apt-get install chromium."
    command = ["node", str(ROOT / "tests/node_modules/lighthouse/cli/index.js"), address, *options]
    command += ["--quiet", "--output=json", f"--output-path={file}", f"--chrome-flags={CHROMIUM}", "--no-enable-error-reporting"]
    done = subprocess.run(command, env={**os.environ, "CHROME_PATH": chromium}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(file.read_text())
    return report


def read(page: str, device: str, report: dict[str, Any]) -> Report:
    """Its scores, and each audit that counts and is not perfect."""
    scores = {name: round(100 * (report["categories"][name]["score"] or 0)) for name in CATEGORIES}
    faults = []
    for name in CATEGORIES:
        for counted in report["categories"][name]["auditRefs"]:
            audit = report["audits"][counted["id"]]
            if counted["weight"] and audit["score"] is not None and audit["score"] < 1:
                faults.append(f"{name}, {audit['title']} ({audit['id']}): {audit['score']:.2f} {audit.get('displayValue', '')}".rstrip())
    return Report(page, device, scores, faults)


if __name__ == "__main__":
    sys.exit(main())
