"""Questions that ask the same thing in other words, found in French on any database, in some milliseconds.

Words are reduced to stems without accents, plurals or little words, a few terms of the field to one
name, and compared by the cosine of their rarity (TF-IDF); triplets of letters count for a little, for
typing errors and related words. Each process keeps its index and follows what was published, corrected
or withdrawn by any of them: one cheap query says whether anything changed, and only that is read again.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import Question
from forums.questions.words import letters_of, stems_of

ALIKE = 0.34
"""From how alike two texts are shown as similar, between 0 and 1; chosen on `tests/similar_questions.yaml`."""

LETTERS = 0.25
"""What triplets of letters weigh beside stems."""

A_FEW = 10
"""Questions read into the index before everybody else has their turn: many thousands would keep them for seconds."""

PATIENCE = 1.0
"""Seconds somebody waits for the index, at most; after that, what it holds already is searched and the rest is read beside."""


_Row = tuple[UUID, int, str, str]
"""The identifier, edition, code and text of a question."""


@dataclass
class _Indexed:
    edition: int
    code: str
    stems: Counter[str]
    letters: frozenset[str]


@dataclass
class _Index:
    """What a process knows of the published questions of one database."""

    version: tuple[Any, ...] | None = None
    questions: dict[UUID, _Indexed] = field(default_factory=dict)
    by_stem: dict[str, set[UUID]] = field(default_factory=dict)
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Task[None] | None = None

    async def take(self, rows: Sequence[_Row], version: tuple[Any, ...]) -> None:
        """Read what changed, others having their turn between a few."""
        for number, row in enumerate(rows, start=1):
            self.put(*row)
            if number % A_FEW == 0:
                await asyncio.sleep(0)
        self.version = version

    def put(self, key: UUID, edition: int, code: str, text: str) -> None:
        self.remove(key)
        self.questions[key] = _Indexed(edition, code, stems_of(text), letters_of(text))
        for stem in self.questions[key].stems:
            self.by_stem.setdefault(stem, set()).add(key)

    def remove(self, key: UUID) -> None:
        known = self.questions.pop(key, None)
        for stem in known.stems if known else ():
            self.by_stem[stem].discard(key)
            if not self.by_stem[stem]:
                del self.by_stem[stem]

    def nearest(self, text: str, limit: int) -> list[tuple[float, UUID]]:
        """The questions most like a text, the most alike first, and how alike each is."""
        asked = self._weights(stems_of(text))
        length = math.sqrt(sum(weight * weight for weight in asked.values()))
        letters = letters_of(text)
        shared: dict[UUID, float] = {}
        for stem, weight in asked.items():
            for key in self.by_stem.get(stem, ()):
                shared[key] = shared.get(key, 0.0) + weight * self._weight(stem, self.questions[key].stems[stem])
        # Only those that share most may come first: the others are not worth measuring.
        likely = sorted(shared, key=lambda key: shared[key], reverse=True)[:60]
        found = []
        for key in likely:
            known = self.questions[key]
            theirs = math.sqrt(sum(weight * weight for weight in self._weights(known.stems).values()))
            by_stems = shared[key] / (length * theirs)
            by_letters = len(letters & known.letters) / math.sqrt(len(letters) * len(known.letters) or 1)
            found.append(((1 - LETTERS) * by_stems + LETTERS * by_letters, key))
        return sorted(found, key=lambda each: (-each[0], self.questions[each[1]].code))[:limit]

    def _weights(self, stems: Counter[str]) -> dict[str, float]:
        return {stem: self._weight(stem, times) for stem, times in stems.items()}

    def _weight(self, stem: str, times: int) -> float:
        """What few questions say tells more; a stem nobody has used is as rare as one used once."""
        rarity = math.log(1 + (len(self.questions) + 1) / (len(self.by_stem.get(stem, ())) + 0.5))
        return rarity * (1 + math.log(times))


# Keyed by the engine: a process may speak to several databases, as the tests do.
_indexes: WeakKeyDictionary[Any, _Index] = WeakKeyDictionary()


async def similar_to(
    session: AsyncSession, text: str, *, without: Collection[UUID] = (), alike: float = ALIKE, limit: int = 5
) -> Sequence[Question]:
    """The published questions that resemble a text, the most alike first."""
    index = await _up_to_date(session)
    keys = [key for likeness, key in index.nearest(text, limit + len(without)) if likeness >= alike and key not in without][:limit]
    if not keys:
        return []
    query = select(Question).where(col(Question.id).in_(keys), Question.status == "published")
    found = {question.id: question for question in (await session.exec(query)).all()}
    return [found[key] for key in keys if key in found]


# Publishing changes the first and the last, correcting the second, withdrawing or merging the first.
_NOW_IS = select(func.count(), func.coalesce(func.sum(Question.edition), 0), func.max(Question.decided_at)).where(
    Question.status == "published"
)


async def read_all(session: AsyncSession) -> None:
    """Wait until the index holds every published question, however long: for programs, not for people."""
    index = await _up_to_date(session)
    if index.reading:
        await index.reading


async def _up_to_date(session: AsyncSession) -> _Index:
    index = _indexes.setdefault(session.get_bind(), _Index())
    async with index.one_at_a_time:
        if index.reading is None or index.reading.done():
            version = tuple((await session.exec(_NOW_IS)).one())
            if version == index.version:
                return index
            index.reading = asyncio.create_task(index.take(await _changed(session, index), version))
    # No connection is kept for as long as many thousands take: those who ask meanwhile would run out of them.
    await asyncio.wait({index.reading}, timeout=PATIENCE)
    return index


async def _changed(session: AsyncSession, index: _Index) -> Sequence[_Row]:
    """What was published or corrected since, to be read; what was withdrawn is out already."""
    listed = select(Question.id, Question.edition).where(Question.status == "published")
    editions = dict((await session.exec(listed)).all())
    changed = [key for key, edition in editions.items() if key not in index.questions or index.questions[key].edition != edition]
    read = select(Question.id, Question.edition, Question.code, Question.text).where(Question.status == "published")
    if len(changed) < len(editions) // 2:
        read = read.where(col(Question.id).in_(changed))
    for key in index.questions.keys() - editions.keys():
        index.remove(key)
    return (await session.exec(read)).all() if changed else []
