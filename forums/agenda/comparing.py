"""What changed from one agenda to another, item by item: the number an item keeps tells it from the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from forums.agenda.queries import Point

Kind = Literal["added", "removed", "hours", "order", "kind", "track", "reworded", "speakers", "commitments", "questions", "documents"]

# What those who come need to know before they set out.
MATTERS: frozenset[Kind] = frozenset({"added", "removed", "hours", "kind"})


@dataclass(frozen=True)
class Change:
    """One thing that changed of an item: `before` is missing when it comes in, `after` when it leaves."""

    kind: Kind
    before: Point | None
    after: Point | None

    @property
    def point(self) -> Point:
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def gained(self) -> list[Any]:
        """What the item is tied to now and was not: speakers, commitments, questions or documents."""
        return _more(self.kind, self.before, self.after)

    @property
    def lost(self) -> list[Any]:
        return _more(self.kind, self.after, self.before)

    @property
    def matters(self) -> bool:
        return self.kind in MATTERS


def _more(kind: Kind, fewer: Point | None, more: Point | None) -> list[Any]:
    """What `more` is tied to and `fewer` is not."""
    if fewer is None or more is None or kind not in ("speakers", "commitments", "questions", "documents"):
        return []

    def known(tied: Any) -> object:
        return (tied.name, tied.capacity) if kind == "speakers" else tied.id

    already = [known(tied) for tied in getattr(fewer, kind)]
    return [tied for tied in getattr(more, kind) if known(tied) not in already]


_FACTS: tuple[tuple[Kind, Callable[[Point], object]], ...] = (
    ("hours", lambda point: (point.item.starts_at, point.item.ends_at)),
    ("kind", lambda point: point.item.kind),
    ("track", lambda point: point.item.track),
    ("reworded", lambda point: (point.item.title, point.item.description)),
    ("speakers", lambda point: [(each.name, each.capacity) for each in point.speakers]),
    ("commitments", lambda point: {each.id for each in point.commitments}),
    ("questions", lambda point: {each.id for each in point.questions}),
    ("documents", lambda point: {each.id for each in point.documents}),
)


def changes(before: Sequence[Point], after: Sequence[Point]) -> list[Change]:
    """In the order of the new agenda, then what left it."""
    old, new = ({point.item.number: point for point in points} for points in (before, after))
    moved = _moved([number for number in old if number in new], [number for number in new if number in old])
    found: list[Change] = []
    for number, point in new.items():
        was = old.get(number)
        if was is None:
            found.append(Change("added", None, point))
            continue
        differing: list[Kind] = [kind for kind, fact in _FACTS if fact(was) != fact(point)]
        if number in moved and "hours" not in differing:
            differing.append("order")
        found += [Change(kind, was, point) for kind in differing]
    return found + [Change("removed", point, None) for number, point in old.items() if number not in new]


def _moved(before: Sequence[int], after: Sequence[int]) -> set[int]:
    """Those that left their place: all but the longest sequence that kept its order."""
    kept: list[list[int]] = [[]]
    for number in after:
        follows = [run for run in kept if not run or before.index(run[-1]) < before.index(number)]
        kept.append([*_longest(follows), number])
    return set(after) - set(_longest(kept))


def _longest(runs: Sequence[list[int]]) -> list[int]:
    return max(runs, key=lambda run: len(run))
