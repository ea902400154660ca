"""The log: one line for each thing that happened, on standard output, and no one's words in it.

A fault is told by its frames and its kind. Of its message only the first line is, without addresses and without what
stands between quotes: databases and validators repeat there what a person typed, and values stand in the lines below.
"""

import logging
import re
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

from forums.settings import LOG_MOMENT

_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:=]+@[^\s<>()\[\]\"',;]+")
_QUOTED = re.compile(r"'[^']*'|\"(?![a-z_]+\")[^\"]*\"")  # the name of a constraint tells what is wrong

# Their message is, or holds, the value that does not do.
_SAY_THE_VALUE = (ValueError, LookupError)


def to_stdout() -> None:
    """Send there what this process says, and what uvicorn and asyncio say of it."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Discreet("%(asctime)s %(name)s %(levelname)s %(message)s", LOG_MOMENT))
    for name in ("forums", "uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
    logging.getLogger("forums").setLevel(logging.INFO)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a warning per malformed request floods a disk


class Discreet(logging.Formatter):
    converter = time.gmtime  # type: ignore[assignment]

    def formatException(self, ei: Any) -> str:  # noqa: N802 — as logging names it
        return "\n\n".join(_told(each) for each in reversed(list(_causes(ei[1]))))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came of, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def words_of(error: BaseException) -> str:
    """What of its message may be told: nothing, when it is about a value."""
    return "" if isinstance(error, _SAY_THE_VALUE) else _QUOTED.sub("…", _ADDRESS.sub("…", str(error).partition("\n")[0]))


def _told(error: BaseException) -> str:
    kind, words = f"{type(error).__module__}.{type(error).__qualname__}", words_of(error)
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{frames}{kind}{': ' if words else ''}{words}"
