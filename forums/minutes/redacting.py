"""Personal data taken out of minutes, from what is read now and from every version there was.

A version does not change, but for this: privacy comes before memory. The words go everywhere at once, a
mention that everybody sees stands in their place, and neither they nor where they came from are kept.
"""

from typing import Annotated, NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Form, Tick, prose, refuse
from forums.language import N_
from forums.minutes.publishing import lock
from forums.minutes.queries import versions_of
from forums.models import Minutes, MinutesEntry

MENTION = "[donnée personnelle retirée]"
_SHORTEST = 3


class RedactForm(Form):
    words: Annotated[str, prose(1000, N_("Copiez les mots à retirer, exactement comme ils paraissent."))]
    sure: Tick = False
    """Once where they are was read: it cannot be undone."""


class Place(NamedTuple):
    """A passage where the words are: now, and in these versions."""

    number: int
    now: bool
    versions: tuple[int, ...]


async def places(session: AsyncSession, minutes: Minutes, form: RedactForm) -> list[Place]:
    """Where these words are, passage by passage. Raises a form error for words too short, or that are nowhere."""
    if len(form.words) < _SHORTEST:
        raise refuse(N_("Donnez au moins trois lettres : de plus courts mots seraient retirés de partout."))
    if form.words in MENTION:
        raise refuse(N_("Ces mots sont ceux de la mention qui les remplacerait : copiez-en davantage."))
    found: dict[int, tuple[bool, list[int]]] = {}
    for entry in await _entries(session, minutes):
        if form.words in entry.title or form.words in entry.text:
            found[entry.number] = (True, [])
    for version in reversed(await versions_of(session, minutes)):
        for passage in version.content:
            if any(form.words in passage[name] for name in ("title", "item", "text")):
                found.setdefault(passage["number"], (False, []))[1].append(version.number)
    if not found:
        raise refuse(N_("Ces mots ne sont dans aucun passage, ni d'aujourd'hui ni d'une version passée."))
    return [Place(number, now, tuple(versions)) for number, (now, versions) in sorted(found.items())]


async def redact(session: AsyncSession, minutes: Minutes, form: RedactForm) -> int:
    """Put the mention in place of these words everywhere. Returns in how many passages; done twice, none the second time."""
    await lock(session, minutes)
    passages = set()
    for entry in await _entries(session, minutes):
        if form.words in entry.title or form.words in entry.text:
            entry.title, entry.text = entry.title.replace(form.words, MENTION), entry.text.replace(form.words, MENTION)
            entry.edition += 1  # who has its form open would otherwise put them back
            session.add(entry)
            passages.add(entry.number)
    for version in await versions_of(session, minutes):
        content = [
            passage | {name: passage[name].replace(form.words, MENTION) for name in ("title", "item", "text")}
            for passage in version.content
        ]
        if content != version.content:
            passages |= {old["number"] for old, new in zip(version.content, content, strict=True) if old != new}
            version.content = content
            session.add(version)
    await session.flush()
    return len(passages)


async def _entries(session: AsyncSession, minutes: Minutes) -> list[MinutesEntry]:
    query = select(MinutesEntry).where(MinutesEntry.minutes_id == minutes.id).order_by(col(MinutesEntry.number))
    return list((await session.exec(query.execution_options(populate_existing=True))).all())
