"""How well and how fast similar questions are found among many: `python -m tests.bench_similar [COUNT]`.

The labelled pairs are put among generated questions of the same field, in SQLite by default or in the
database of `DATABASE_URL`; it prints how many pairs are found and the time one search takes.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import yaml
from sqlmodel.ext.asyncio.session import AsyncSession

import forums.settings
from forums import questions
from forums.models import Question
from forums.questions.similar import read_all
from forums.settings import ROOT
from tests.factories import NOW, SECRET_KEY, a_question, opened

WHAT = [
    "données",
    "indicateurs",
    "délais",
    "budget",
    "code source",
    "rapports",
    "comptes",
    "résultats",
    "marchés",
    "démarches",
    "consultations",
    "contrats",
    "archives",
]
OF = [
    "la santé",
    "l'école",
    "la justice",
    "la culture",
    "l'agriculture",
    "la défense",
    "l'énergie",
    "la mer",
    "la ville",
    "l'emploi",
    "le sport",
    "la recherche",
]
WHO = [
    "le ministère",
    "la préfecture",
    "la région",
    "la commune",
    "l'université",
    "l'hôpital",
    "l'agence",
    "le département",
    "la métropole",
]
FORMS = [
    "Quand {who} publiera-t-{pronoun} {article} {what} sur {of} pour {year} ?",
    "Pourquoi {who} n'a-t-{pronoun} pas répondu sur {article} {what} de {year} concernant {of} ?",
    "Combien de {what} sur {of} {who} a-t-{pronoun} ouverts en {year} ?",
    "Qui contrôle {article} {what} que {who} tient sur {of} depuis {year} ?",
    "Comment {who} choisit-{pronoun} {article} {what} à publier sur {of} après {year} ?",
]


class Pair(NamedTuple):
    asked: str
    same: str
    near: str


class Found(NamedTuple):
    """For all pairs: how often the same question is among five, first, and how often a near miss is before it."""

    pairs: int
    among_five: int
    first: int
    near_first: int
    missed: list[str]
    fooled: list[str]


def pairs() -> list[Pair]:
    return [Pair(**each) for each in yaml.safe_load((ROOT / "tests" / "similar_questions.yaml").read_text())]


def others(count: int) -> list[str]:
    """Questions of the same field that ask something else; always the same ones."""
    draw = random.Random(4)
    return [
        draw.choice(FORMS).format(
            who=draw.choice(WHO), what=draw.choice(WHAT), of=draw.choice(OF), year=draw.randint(1990, 2030), pronoun="il", article="les"
        )
        for _ in range(count)
    ]


async def publish(session: AsyncSession, texts: Sequence[str]) -> None:
    session.add_all(
        Question(text=text, author_key=str(number), text_hash="", status="published", decided_at=NOW + timedelta(seconds=number))
        for number, text in enumerate(texts)
    )
    await session.flush()


async def measure(session: AsyncSession) -> Found:
    """What the labelled pairs, published beforehand, come to."""
    labelled, among_five, first, missed, fooled = pairs(), 0, 0, [], []
    await read_all(session)
    for pair in labelled:
        found = [question.text for question in await questions.similar_to(session, pair.asked)]
        among_five += pair.same in found
        first += found[:1] == [pair.same]
        if pair.same not in found:
            missed.append(pair.asked)
        if found[:1] == [pair.near]:
            fooled.append(pair.asked)
    return Found(len(labelled), among_five, first, len(fooled), missed, fooled)


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = os.environ.get("DATABASE_URL", f"sqlite:///{Path(folder) / 'bench.db'}")
        async with opened(forums.settings.read({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY})) as database:
            async with database.transaction() as session:
                labelled = [text for pair in pairs() for text in (pair.same, pair.near)]
                await publish(session, labelled + others(count - len(labelled)))
            async with database.reading() as session:
                begun = time.perf_counter()
                await questions.similar_to(session, "Quand les données seront-elles complètes ?")
                first = time.perf_counter() - begun
                found = await measure(session)
                times = []
                for pair in pairs():
                    begun = time.perf_counter()
                    await questions.similar_to(session, pair.asked)
                    times.append(time.perf_counter() - begun)
            async with database.transaction() as session:
                await a_question(session, text="Une question de plus ?")
            async with database.reading() as session:
                begun = time.perf_counter()
                await questions.similar_to(session, "Quand les données seront-elles complètes ?")
                refreshed = time.perf_counter() - begun
    times.sort()
    print(f"{count} questions publiées, {found.pairs} paires : {found.among_five} trouvées parmi 5, {found.first} en tête,")
    print(f"  {found.near_first} fausses amies en tête")
    print(f"recherche : médiane {times[len(times) // 2] * 1000:.1f} ms, 95e centile {times[int(len(times) * 0.95)] * 1000:.1f} ms,")
    print(f"  la plus longue {times[-1] * 1000:.1f} ms ; première (index construit) {first * 1000:.0f} ms ;")
    print(f"  après une publication {refreshed * 1000:.1f} ms")
    for name, texts in (("manquées", found.missed), ("trompées", found.fooled)):
        print(f"{name} :", *texts, sep="\n  ")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
