"""What a run found, a line each, printed as a table that says which promises were broken.

Each table is added to `var/NAME.txt` too, with its date and duration. The logs of a run that kept its promises are
thrown away; those of one that did not stay under `var/`. A program that is `bounded` ends, whatever hangs in it.
"""

import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

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


def bounded(seconds: int) -> None:
    """From here on the program has so long; at its limit, or asked to end, it still takes away what it put up."""

    def late(number: int, frame: FrameType | None) -> NoReturn:
        print(f"not ended after {seconds} s; it was here:" if number == signal.SIGALRM else "asked to end", file=sys.stderr)
        traceback.print_stack(frame)
        raise SystemExit(1)

    for each in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(each, late)
    signal.alarm(seconds)


def report(title: str, run: Callable[[Path], Sequence[Finding]]) -> bool:
    """Do the run, with a folder for its logs, and print what it found. Whether every promise was kept."""
    (ROOT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=ROOT / "var"))
    print(f"{title}\n", flush=True)
    begun, at = time.monotonic(), datetime.now(UTC)
    found = run(folder)
    lines = [*map(str, found), f"{'seconds, all in all':<58}{time.monotonic() - begun:>14.0f}"]
    print("\n".join(lines))
    with (ROOT / "var" / f"{Path(sys.argv[0]).stem}.txt").open("a") as kept_file:
        kept_file.write("\n".join([f"{at:%Y-%m-%d %H:%M} UTC, {' '.join(sys.argv[1:]) or 'whole'}: {title}", "", *lines, "", ""]))
    kept = not any(each.broken for each in found)
    if kept:
        shutil.rmtree(folder)
    else:
        print(f"what the servers said is in {folder.relative_to(ROOT)}", file=sys.stderr)
    print(flush=True)
    return kept
