"""Hours that move together: what follows an item that grows, comes in, leaves or changes places.

Items without a track gather everybody; between two of them, each track runs on its own, and what gathers
everybody again waits for the longest. Lengths and order never change here, and nothing before the change moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

NOTHING = timedelta(0)


@dataclass(frozen=True)
class Slot:
    """When the item of that number begins and how long it lasts; its hour may be unknown."""

    number: int
    track: str | None
    starts: datetime | None
    length: timedelta = NOTHING

    @property
    def ends(self) -> datetime | None:
        return self.starts + self.length if self.starts else None


Span = tuple[datetime, datetime]


class _Evening:
    """What each track has lived so far, read from the first item to the last."""

    def __init__(self, opening: datetime) -> None:
        self.together: Span = (opening, opening)
        self.tracks: dict[str, Span] = {}

    def before(self, slot: Slot) -> Span:
        """The hours of what comes just before an item: for one that gathers everybody, of the longest track."""
        if slot.track is not None:
            return self.tracks.get(slot.track, self.together)
        if not self.tracks:
            return self.together
        return max(start for start, _ in self.tracks.values()), max(end for _, end in self.tracks.values())

    def live(self, slot: Slot) -> None:
        assert slot.starts is not None
        assert slot.ends is not None
        if slot.track is not None:
            self.tracks[slot.track] = slot.starts, slot.ends
        else:
            self.together, self.tracks = (slot.starts, slot.ends), {}


def _opening(slots: Sequence[Slot]) -> datetime:
    return min((slot.starts for slot in slots if slot.starts), default=datetime.min.replace(tzinfo=UTC))


def _before_each(slots: Sequence[Slot]) -> list[Span | None]:
    evening, found = _Evening(_opening(slots)), list[Span | None]()
    for slot in slots:
        found.append(evening.before(slot) if slot.starts else None)
        if slot.starts:
            evening.live(slot)
    return found


def _laid(slots: Sequence[Slot], was: Sequence[Span | None], first: int, opening: datetime, *, push: bool = False) -> list[Slot]:
    """The same from `first` on, each as far from what comes before it as it was; with `push`, only as late as it must."""
    evening, found = _Evening(opening), list[Slot]()
    for number, (slot, before) in enumerate(zip(slots, was, strict=True)):
        if slot.starts is not None:
            start, end = evening.before(slot)
            if number >= first and before is not None and before != (start, end):
                follows = max(slot.starts, end) if push else end + (slot.starts - before[1])
                slot = replace(slot, starts=max(start, follows))
            evening.live(slot)
        found.append(slot)
    return found


def changed(slots: Sequence[Slot], new: Slot) -> list[Slot]:
    """One item has another hour, length or track: those after it follow, at the distance they had."""
    index = _place_of(slots, new.number)
    old, was = slots[index], _before_each(slots)
    before = was[index]
    if new.starts == old.starts is None:
        return [*slots[:index], new, *slots[index + 1 :]]
    if new.starts is None or before is None or new.track != old.track or new.starts < before[0]:
        return inserted(removed(slots, new.number), new)  # it leaves its place for another
    return _laid([*slots[:index], new, *slots[index + 1 :]], was, index + 1, _opening(slots))


def inserted(slots: Sequence[Slot], new: Slot) -> list[Slot]:
    """One item more: those after it wait until it is over, and no longer."""
    index = _place_for(slots, new)
    after = [*slots[:index], new, *slots[index:]]
    if new.starts is None:
        return after
    was = _before_each([*slots[:index], replace(new, length=NOTHING), *slots[index:]])
    return _laid(after, was, index + 1, _opening(after), push=True)


def removed(slots: Sequence[Slot], number: int) -> list[Slot]:
    """One item less: those after it come earlier."""
    index, was = _place_of(slots, number), _before_each(slots)
    gone, before = slots[index], was[index]
    if gone.starts is not None and before is not None:
        # The time to change rooms that it kept before itself, or what follows did, whichever is longer.
        pause = gone.starts - before[1]
        for place, slot in enumerate(slots):
            if place > index and slot.starts and was[place] == (gone.starts, gone.ends):
                kept = slot.starts - max(pause, slot.starts - (gone.ends or gone.starts))
                was[place] = kept, kept
    return _laid([*slots[:index], *slots[index + 1 :]], [*was[:index], *was[index + 1 :]], index, _opening(slots))


def moved(slots: Sequence[Slot], number: int, beside: int, *, up: bool) -> list[Slot]:
    """An item just above or just below another; asked for twice, it moves once."""
    found = list(slots)
    while (place := _place_of(found, number)) != (other := _place_of(found, beside)) and (place > other) == up:
        found = _swapped(found, place - 1 if up else place)
    return found


def _swapped(slots: Sequence[Slot], index: int) -> list[Slot]:
    """An item and the next change places, and hours when they follow each other."""
    first, second = slots[index], slots[index + 1]
    if first.starts is None or second.starts is None or (first.track != second.track and None not in (first.track, second.track)):
        return [*slots[:index], second, first, *slots[index + 2 :]]
    was, opening = _before_each(slots), _opening(slots)
    pause = was[index + 1]
    assert pause is not None
    between = max(second.starts - pause[1], NOTHING)
    evening = _Evening(opening)
    for slot in slots[:index]:
        if slot.starts:
            evening.live(slot)
    gap = max(first.starts - evening.before(first)[1], NOTHING)
    earlier = replace(second, starts=max(evening.before(second)[0], evening.before(second)[1] + gap))
    evening.live(earlier)
    later = replace(first, starts=evening.before(first)[1] + between)
    return _laid([*slots[:index], earlier, later, *slots[index + 2 :]], was, index + 2, opening)


def _place_for(slots: Sequence[Slot], new: Slot) -> int:
    """Where an item with that hour comes: after what has begun by then on its track, and after those of other tracks."""
    if new.starts is None:
        return len(slots)
    ahead = [
        number
        for number, slot in enumerate(slots)
        if slot.starts and slot.starts <= new.starts and (new.track is None or slot.track in (None, new.track))
    ]
    if not ahead:
        return next((number for number, slot in enumerate(slots) if slot.starts), len(slots))
    place = ahead[-1] + 1
    while place < len(slots) and new.track and slots[place].starts and slots[place].track not in (None, new.track):
        place += 1
    return place


def _place_of(slots: Sequence[Slot], number: int) -> int:
    return next(place for place, slot in enumerate(slots) if slot.number == number)
