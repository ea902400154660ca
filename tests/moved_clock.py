"""`forums` at another moment than now: `python -m tests.moved_clock FILE serve` and any other command.

FILE holds the moment the program believes it is, as an ISO date with its hour; writing another one moves its
clock at once. Time goes on from there at its own pace, and waits last what they last.
"""

import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import time_machine

from forums import cli


def follow(file: Path, travel: time_machine.Traveller) -> None:
    believed = file.read_text()
    while True:
        time.sleep(0.02)
        if (now := file.read_text()) and now != believed:
            believed = now
            travel.move_to(datetime.fromisoformat(now))


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    with time_machine.travel(datetime.fromisoformat(file.read_text()), tick=True) as travel:
        threading.Thread(target=follow, args=(file, travel), daemon=True).start()
        sys.exit(cli.main())
