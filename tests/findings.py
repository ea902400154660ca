"""What a run found, a line each, printed as a table that says which promises were broken.

The logs of a run that kept its promises are thrown away; those of one that did not stay under `var/`.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from forums.settings import ROOT


class Finding(NamedTuple):
    """One line of the table. `broken` when it is a promise that was not kept."""

    words: str
    figure: object
    broken: bool = False

    def __str__(self) -> str:
        return f"{self.words:<58}{self.figure!s:>14}{'   BROKEN' if self.broken else ''}"


def none(words: str, count: int) -> Finding:
    """What must never happen, and how often it did."""
    return Finding(words, count, count != 0)


def report(title: str, run: Callable[[Path], Sequence[Finding]]) -> bool:
    """Do the run, with a folder for its logs, and print what it found. Whether every promise was kept."""
    (ROOT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=ROOT / "var"))
    print(f"{title}\n", flush=True)
    found = run(folder)
    print("\n".join(map(str, found)))
    kept = not any(each.broken for each in found)
    if kept:
        shutil.rmtree(folder)
    else:
        print(f"what the servers said is in {folder.relative_to(ROOT)}", file=sys.stderr)
    print(flush=True)
    return kept
