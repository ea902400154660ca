"""The agenda, for those who make it. The public reads it on the forum's page."""

from collections.abc import Sequence

from pydantic_core import PydanticCustomError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, agenda, follow_ups, members, questions, schedule
from forums.agenda import AgendaItemForm
from forums.models import AgendaItem, Commitment, Forum, Question
from forums.models.forum import PARIS
from forums.pages import page
from forums.pages.page import Filled


async def edit_form(request: Request) -> Response:
    return await _form(request, page.blank(AgendaItemForm, kind="plenary"))


async def item_form(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        item = await _item(session, request, forum)
        point = next(each for each in await agenda.points_of(session, forum) if each.item.id == item.id)
    filled = page.blank(
        AgendaItemForm,
        title=item.title,
        kind=item.kind,
        track=item.track or "",
        starts=f"{item.starts_at.astimezone(PARIS):%H:%M}" if item.starts_at else "",
        ends=f"{item.ends_at.astimezone(PARIS):%H:%M}" if item.ends_at else "",
        description=item.description,
        commitments=[str(each.number) for each in point.commitments],
        questions=[each.code for each in point.questions],
    )
    return await _form(request, filled, item=item)


async def _form(request: Request, filled: Filled[AgendaItemForm], *, item: AgendaItem | None = None, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        points = await agenda.points_of(session, forum)
        about = await schedule.commitments_of(session, forum)
        commitments = await action_plan.current_commitments(session)
        askable = await questions.for_forum(session, forum)
        written = await agenda.is_written_about(session, item) if item else False
        carried = await follow_ups.carried_to(session, forum, drafts=True)
        carriable = await follow_ups.carriable(session, forum)
    return page.show(
        request,
        "agenda/edit.html",
        status=status,
        forum=forum,
        points=points,
        kinds=agenda.KINDS,
        about=about,
        commitments=commitments,
        questions=askable,
        filled=filled,
        item=item,
        written=written,
        carried=carried,
        carriable=carriable,
    )


async def add(request: Request) -> Response:
    filled = await page.read(request, AgendaItemForm)
    if filled.form is None:
        return await _form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            commitments, asked = await chosen(session, filled.form.commitments, filled.form.questions)
            await agenda.add(session, forum, filled.form, commitments, asked, now=page.now())
    except PydanticCustomError as error:
        filled.refuse("ends", error)
        return await _form(request, filled, status=422)
    return page.go(request, f"/organisation/forums/{forum.slug}/ordre-du-jour?fait=point")


async def edit(request: Request) -> Response:
    filled = await page.read(request, AgendaItemForm)
    async with page.reading(request) as session:
        item = await _item(session, request, await page.forum(session, request, drafts=True))
    if filled.form is None:
        return await _form(request, filled, item=item, status=422)
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            item = await _item(session, request, forum)
            commitments, asked = await chosen(session, filled.form.commitments, filled.form.questions)
            await agenda.edit(session, forum, item, filled.form, commitments, asked, now=page.now())
    except PydanticCustomError as error:
        filled.refuse("ends", error)
        return await _form(request, filled, item=item, status=422)
    return page.go(request, f"/organisation/forums/{forum.slug}/ordre-du-jour?fait=point")


async def remove(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        await agenda.remove(session, await _item(session, request, forum))
    return page.go(request, f"/organisation/forums/{forum.slug}/ordre-du-jour?fait=point-retire")


async def publish(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        await agenda.publish(session, forum, now=page.now())
        members.record(session, request.state.member, "publish", f"agenda {forum.slug}", now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/ordre-du-jour?fait=ordre-du-jour")


async def chosen(session: AsyncSession, numbers: Sequence[int], codes: Sequence[str]) -> tuple[Sequence[Commitment], Sequence[Question]]:
    """The commitments and questions ticked in a form; what does not exist is passed over."""
    known = {each.number: each for each in await action_plan.current_commitments(session)}
    return [known[number] for number in dict.fromkeys(numbers) if number in known], await questions.published_by_codes(session, codes)


async def _item(session: AsyncSession, request: Request, forum: Forum) -> AgendaItem:
    item = await agenda.item_by_id(session, forum, page.path_uuid(request, "item"))
    if item is None:
        raise page.not_found()
    return item
