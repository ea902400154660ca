"""The evening: who is expected, who has arrived, who comes without having registered.

A person is welcomed once, by one conditional UPDATE, and `Forum.present` counts them in the same
transaction: four desks that welcome at once count nobody twice. An organiser may let anyone of the list
in, those who wait or had given up too; and an arrival noted by mistake is taken back.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID, uuid4

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import secret_links
from forums.database import insert_new
from forums.forms import Form, line
from forums.language import N_
from forums.models import Forum, Registration

# What Unicode does not take apart, as people type it.
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ı": "i"})


class WalkInForm(Form):
    family_name: Annotated[str, line(100, N_("Indiquez le nom de la personne, par exemple Martin."))]
    given_name: Annotated[str, line(100, N_("Indiquez le prénom de la personne, par exemple Camille."))]
    organisation: Annotated[str, line(200)]
    sending: Annotated[str, line(64)]
    """Drawn when the form is shown: the same form sent twice is the same person."""


class Figures(NamedTuple):
    """An evening in figures. `present` counts the walk-ins too."""

    on_site: int
    remote: int
    waiting: int
    present: int
    walk_ins: int


# -- Who is expected -------------------------------------------------------------------------------------


async def arrivals(session: AsyncSession, forum: Forum, search: str = "", *, expected_first: bool = False) -> Sequence[Registration]:
    """The people of the list, by family name: those expected and those who came, or all whom `search` names.

    Without accents nor case, by any part of a name, of an organisation, or by the code of a confirmation.
    Those whose names begin so come first; with `expected_first`, those who have arrived come after all the others.
    """
    everyone = (await session.exec(select(Registration).where(Registration.forum_id == forum.id))).all()
    words, code = plain(search).split(), code_in(search)
    found = [each for each in everyone if (_is_named(each, words, code) if words else _is_expected(each))]
    here = {each.id for each in found if expected_first and each.checked_in_at is not None}
    return sorted(
        found, key=lambda each: (each.id in here, not _begins(each, words), plain(each.family_name), plain(each.given_name), each.id)
    )


def _begins(person: Registration, words: Sequence[str]) -> bool:
    """Whether each word begins one of their names: of all in whom "ba" is found, Mr Bâ is looked for."""
    names = plain(f"{person.given_name} {person.family_name}").split()
    return all(any(name.startswith(word) for name in names) for word in words)


def _is_named(person: Registration, words: Sequence[str], code: str) -> bool:
    text = plain(f"{person.given_name} {person.family_name} {person.organisation}")
    # Written together as well: "leclerc" finds Le Clerc, and "destaing" d'Estaing.
    return person.entry_code == code or all(word in text or word in text.replace(" ", "") for word in words)


def _is_expected(person: Registration) -> bool:
    return person.status in ("registered", "waiting") or person.checked_in_at is not None


def plain(text: str) -> str:
    """What is left of a text when accents, case and punctuation do not count."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    letters = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[\W_]+", " ", letters).split())


def code_in(search: str) -> str:
    """The code of a confirmation as it is kept, from what was typed or read: with spaces, in capitals, in a whole address."""
    return re.sub(r"[\s-]", "", search.rstrip("/").rpartition("/")[2]).lower()


async def person_of_code(session: AsyncSession, forum: Forum, code: str) -> Registration | None:
    query = select(Registration).where(Registration.forum_id == forum.id, Registration.entry_code == code_in(code))
    return (await session.exec(query)).first()


async def person_of_list(session: AsyncSession, forum: Forum, registration_id: UUID) -> Registration | None:
    query = select(Registration).where(Registration.forum_id == forum.id, Registration.id == registration_id)
    return (await session.exec(query)).first()


async def figures(session: AsyncSession, forum: Forum) -> Figures:
    counted = select(Registration.status, Registration.attendance, func.count(), func.count(col(Registration.checked_in_at))).where(
        Registration.forum_id == forum.id
    )
    on_site = remote = waiting = walk_ins = 0
    for status, attendance, people, arrived in await session.exec(counted.group_by(col(Registration.status), col(Registration.attendance))):
        on_site += people if (status, attendance) == ("registered", "on_site") else 0
        remote += people if (status, attendance) == ("registered", "remote") else 0
        waiting += people if status == "waiting" else 0
        walk_ins += arrived if status == "walk_in" else 0
    # The counter rather than the rows: it stays when the names are purged.
    present = (await session.exec(select(Forum.present).where(Forum.id == forum.id))).one()
    return Figures(on_site, remote, waiting, present, walk_ins)


# -- Welcome them ----------------------------------------------------------------------------------------


async def check_in(session: AsyncSession, registration_id: UUID, *, now: datetime) -> bool:
    """Note that a person has arrived, and count them. False when they had already: nothing changes then."""
    return await _note(session, registration_id, arrived=False, checked_in_at=now)


async def undo_check_in(session: AsyncSession, registration_id: UUID) -> bool:
    """Take an arrival back. False when there was none."""
    return await _note(session, registration_id, arrived=True, checked_in_at=None)


async def _note(session: AsyncSession, registration_id: UUID, *, arrived: bool, checked_in_at: datetime | None) -> bool:
    person = col(Registration.id) == registration_id
    # The forum is locked first, as everywhere (`seats`).
    of = select(Registration.forum_id).where(person).scalar_subquery()
    await session.exec(select(Forum.id).where(Forum.id == of).with_for_update(key_share=True))
    before = col(Registration.checked_in_at).is_not(None) if arrived else col(Registration.checked_in_at).is_(None)
    # One conditional UPDATE: two desks may welcome the same person at the same instant.
    noted = await session.exec(
        update(Registration).where(person, before).values(checked_in_at=checked_in_at).returning(col(Registration.forum_id))
    )
    forum_id = noted.scalar_one_or_none()
    if forum_id is None:
        return False
    await _count(session, forum_id, -1 if arrived else 1)
    return True


async def add_walk_in(session: AsyncSession, forum: Forum, form: WalkInForm, *, now: datetime) -> tuple[Registration, bool]:
    """Write down and welcome someone who had not registered. The same form sent again changes nothing more: it says False."""
    key = f"walk-in {form.sending or secret_links.new_token()}"  # no address can have that key: it is not a hash
    walk_in = Registration(
        id=uuid4(),
        forum_id=forum.id,
        email="",
        email_key=key,
        given_name=form.given_name,
        family_name=form.family_name,
        organisation=form.organisation,
        status="walk_in",
        created_at=now,
        mailed_at=now,
        decided_at=now,
        checked_in_at=now,
    )
    new = bool(await insert_new(session, Registration, [walk_in.model_dump()], same=["forum_id", "email_key"]))
    if new:
        await _count(session, forum.id, 1)
    return (await session.exec(select(Registration).where(Registration.forum_id == forum.id, Registration.email_key == key))).one(), new


async def _count(session: AsyncSession, forum_id: UUID, change: int) -> None:
    await session.exec(update(Forum).where(col(Forum.id) == forum_id).values(present=Forum.present + change))
