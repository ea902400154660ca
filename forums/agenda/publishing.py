"""Publish an agenda as its next version: every item is copied with all it is tied to, and stays readable for ever.

Authors of the questions it takes up are told, once; from the second version on, so are those who hold a
seat when hours, items or kinds changed, unless the organiser would rather not.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox, registrations
from forums.agenda.comparing import Change, changes
from forums.agenda.preparing import locked
from forums.agenda.queries import Point, points_of
from forums.forms import Form, Tick, optional, prose, whole
from forums.language import N_
from forums.models import AgendaItem, AgendaItemCommitment, AgendaItemDocument, AgendaItemQuestion, AgendaVersion, Forum, Speaker
from forums.refusals import EditedMeanwhile, NothingToPublish


class PublishForm(Form):
    comment: Annotated[str, prose(500)] = ""
    tell: Tick = True
    number: Annotated[int | None, optional(whole(1, 999_999))] = None
    """The version this will be: sent twice, it is published once."""


async def publish(session: AsyncSession, forum: Forum, form: PublishForm | None = None, *, now: datetime) -> AgendaVersion:
    """Make what organisers prepared the agenda everybody sees. Returns its version.

    Raises `NothingToPublish` when it is empty or nothing changed, `EditedMeanwhile` when someone published since the
    form was made and something changed again.
    """
    form = form or PublishForm()
    await locked(session, forum)
    points, differing = await points_of(session, forum), await unpublished(session, forum)
    if form.number is not None and form.number <= forum.agenda_version:
        if differing:
            raise EditedMeanwhile(N_("Quelqu'un d'autre vient de publier cet ordre du jour : relisez ce qui a changé depuis."))
        return await _version(session, forum, forum.agenda_version)
    if not points:
        raise NothingToPublish(N_("L'ordre du jour est vide : ajoutez un premier point avant de le publier."))
    if not differing:
        raise NothingToPublish(N_("Rien n'a changé depuis la version publiée : il n'y a rien à publier."))
    version = AgendaVersion(forum_id=forum.id, number=forum.agenda_version + 1, comment=form.comment, published_at=now)
    session.add(version)
    await _copy(session, forum, version.number)
    forum.agenda_version = version.number
    forum.agenda_published_at = forum.agenda_published_at or now
    session.add(forum)
    await session.flush()
    await _tell(session, forum, version, points, differing if form.tell else [], now)
    return version


async def unpublished(session: AsyncSession, forum: Forum) -> list[Change]:
    """What organisers changed since the last publication, or since nothing."""
    published = await points_of(session, forum, forum.agenda_version) if forum.agenda_version else []
    return changes(published, await points_of(session, forum))


async def changes_of(session: AsyncSession, forum: Forum, version: int) -> list[Change]:
    """What a version changed; the first changed nothing."""
    return changes(await points_of(session, forum, version - 1), await points_of(session, forum, version)) if version > 1 else []


async def _version(session: AsyncSession, forum: Forum, number: int) -> AgendaVersion:
    query = select(AgendaVersion).where(AgendaVersion.forum_id == forum.id, AgendaVersion.number == number)
    return (await session.exec(query)).one()


async def _copy(session: AsyncSession, forum: Forum, version: int) -> None:
    items = (await session.exec(select(AgendaItem).where(AgendaItem.forum_id == forum.id, AgendaItem.version == 0))).all()
    copies = {item.id: AgendaItem(**item.model_dump(exclude={"id", "version"}), version=version) for item in items}
    session.add_all(copies.values())
    await session.flush()
    for tie in (AgendaItemCommitment, AgendaItemQuestion, AgendaItemDocument, Speaker):
        for row in await _tied(session, tie, list(copies)):
            own = {"id": uuid4()} if tie is Speaker else {}
            session.add(tie(**row.model_dump() | own | {"agenda_item_id": copies[row.agenda_item_id].id}))
    await session.flush()


async def _tied(session: AsyncSession, tie: type[SQLModel], items: Sequence[Any]) -> Sequence[Any]:
    of_item = col(tie.agenda_item_id)  # type: ignore[attr-defined]
    return (await session.exec(select(tie).where(of_item.in_(items)))).all()


async def _tell(
    session: AsyncSession, forum: Forum, version: AgendaVersion, points: Sequence[Point], differing: Sequence[Change], now: datetime
) -> None:
    """Of an announced forum that is still to come."""
    if forum.status != "announced" or forum.is_past(now):
        return
    taken = [(question, point.item) for point in points for question in point.questions if question.email]
    await outbox.enqueue_once(session, [emails.question_on_agenda(question, forum, item) for question, item in taken], now=now)
    telling = [each for each in differing if each.matters]
    if version.number == 1 or not telling:
        return
    facts = [as_facts(each) for each in telling]
    people = [each for each in await registrations.holders(session, forum) if each.status == "registered"]
    await outbox.enqueue_once(session, [emails.agenda_changed(each, forum, version, facts) for each in people], now=now)


def as_facts(change: Change) -> dict[str, Any]:
    """A change as a message says it, in either language."""
    hours = {
        name: [moment.isoformat() if moment else None for moment in (point.item.starts_at, point.item.ends_at)]
        for name, point in (("before", change.before), ("after", change.after))
        if point is not None
    }
    return {"kind": change.kind, "title": change.point.item.title, "item_kind": change.point.item.kind, **hours}
