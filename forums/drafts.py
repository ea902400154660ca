"""Drafts: what a member was typing in a form of the back office, kept every few seconds by a script.

A draft belongs to one member and one form, known by its address; nobody else ever sees it. It is offered
when the form is opened again, never imposed; it goes when the form is saved, when its member says so, or
after thirty days.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.database import insert_into
from forums.language import N_
from forums.models import Draft, Member
from forums.refusals import Refusal

KEPT = timedelta(days=30)
AT_MOST = 50
"""Of one member: the oldest goes when one more comes."""

_FORMS = re.compile(r"/organisation/forums/[\w-]{1,80}/[\w/-]{1,120}")


class NotAForm(Refusal):
    sentence = N_("Cette adresse n'est pas celle d'un formulaire dont le brouillon se garde.")


def address_of(typed: str) -> str:
    """The address of a form, without its language. Raises `NotAForm` for any other address."""
    address = typed.removeprefix("/en") if typed.startswith("/en/") else typed
    if not _FORMS.fullmatch(address) or "//" in address:
        raise NotAForm
    return address


async def of(session: AsyncSession, member: Member, address: str) -> Draft | None:
    return (await session.exec(select(Draft).where(Draft.member_id == member.id, Draft.address == address))).first()


async def save(
    session: AsyncSession, member: Member, address: str, typed: Mapping[str, Sequence[str]], edition: int, *, now: datetime
) -> None:
    """Keep what is typed now in place of what was kept before. A slower save never puts older words back."""
    values = {"typed": {name: list(texts) for name, texts in typed.items()}, "edition": edition, "saved_at": now}
    insert = insert_into(session, Draft).values(member_id=member.id, address=address, **values)
    keep = insert.on_conflict_do_update(index_elements=["member_id", "address"], set_=values, where=insert.table.c.saved_at <= now)
    await (await session.connection()).execute(keep)
    kept = select(Draft.address).where(Draft.member_id == member.id).order_by(col(Draft.saved_at).desc()).offset(AT_MOST)
    beyond = (await session.exec(kept)).all()
    if beyond:
        await session.exec(delete(Draft).where(col(Draft.member_id) == member.id, col(Draft.address).in_(beyond)))


async def discard(session: AsyncSession, member: Member, address: str) -> None:
    """Forget a draft: its form was saved, or its member does not want it. Done twice, nothing more."""
    await session.exec(delete(Draft).where(col(Draft.member_id) == member.id, col(Draft.address) == address))


async def forget_old(session: AsyncSession, *, now: datetime) -> int:
    gone = await session.exec(delete(Draft).where(col(Draft.saved_at) < now - KEPT))
    return gone.rowcount
