"""What changed between two texts, word by word, and between two versions of the minutes, passage by passage.

Lines are compared first and words only inside the lines that differ, so that a long passage takes no time.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

_WORDS = re.compile(r"\w+|\s+|[^\w\s]+")
# Beyond it, words that come back often would cost seconds: the lines are then shown whole.
_WORDS_AT_MOST = 4_000


@dataclass(frozen=True)
class Piece:
    """Words that stay, that come or that go."""

    kind: Literal["same", "added", "removed"]
    text: str


@dataclass(frozen=True)
class Change:
    """A passage of a version that is new or differs from the version before: its words, and what its links say now."""

    passage: dict[str, Any]
    new: bool
    title: Sequence[Piece]
    text: Sequence[Piece]
    links: bool
    """Whether its commitments, its questions or what came of them changed."""


def words_changed(before: str, after: str) -> list[Piece]:
    """The two texts as one, what left and what came marked."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    found: list[Piece] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Piece("same", "".join(old[a:b])))
        else:
            found += _inside("".join(old[a:b]), "".join(new[c:d]))
    return list(_joined(found))


def _inside(before: str, after: str) -> Iterator[Piece]:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > _WORDS_AT_MOST:
        yield from (Piece("removed", before), Piece("added", after))
        return
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Piece("same", "".join(old[a:b]))
        else:
            yield Piece("removed", "".join(old[a:b]))
            yield Piece("added", "".join(new[c:d]))


def _joined(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Neighbours of the same kind are one; a space alone between two changes goes with them."""
    merged: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        if merged and merged[-1].kind == piece.kind:
            merged[-1] = Piece(piece.kind, merged[-1].text + piece.text)
        else:
            merged.append(piece)
    yield from merged


def changes(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[Change]:
    """The passages of a version that are not as they were in the one before, in their order."""
    old = {passage["number"]: passage for passage in before}
    found = []
    for passage in after:
        was = old.get(passage["number"])
        if was == passage:
            continue
        known = was or {"title": "", "text": "", "item": "", "commitments": [], "questions": []}
        links = any(known[name] != passage[name] for name in ("commitments", "questions", "item"))
        title, text = words_changed(known["title"], passage["title"]), words_changed(known["text"], passage["text"])
        found.append(Change(passage, was is None, title, text, links))
    return found
