"""The agenda: prepared and published by organisers; every version it had is read by everybody."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic_core import PydanticCustomError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, agenda, drafts, follow_ups, members, questions, schedule
from forums.agenda import AgendaItemForm, DocumentForm, PublishForm
from forums.agenda.paper import on_paper
from forums.forms import Form, line
from forums.models import AgendaItem, Commitment, Draft, Forum, Question
from forums.pages import choosing, citing, page
from forums.pages.page import Filled
from forums.refusals import EditedMeanwhile


class PlaceForm(Form):
    above: Annotated[str, line(40)] = ""
    below: Annotated[str, line(40)] = ""


class TakeUpForm(Form):
    item: Annotated[str, line(40)] = ""
    """Empty: the question becomes an item of its own."""


# -- Read -----------------------------------------------------------------------------------------------


async def show(request: Request) -> Response:
    """One version of the agenda, as it was published."""
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
        versions = await agenda.versions_of(session, forum)
        version = next((each for each in versions if each.number == request.path_params["version"]), None)
        if version is None:
            raise page.not_found()
        points = await agenda.points_of(session, forum, version.number)
        current = {each.id for point in await agenda.published_points(session, forum) for each in point.documents}
        differing = await agenda.changes_of(session, forum, version.number)
        places = await citing.places(session, request, forum=forum)
    return page.show(
        request,
        "agenda/version.html",
        forum=forum,
        places=places,
        version=version,
        versions=versions,
        stages=agenda.stages(points),
        points=points,
        kinds=agenda.KINDS,
        changes=differing,
        offered=current,
    )


async def as_pdf(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
        points = await agenda.published_points(session, forum)
        versions = await agenda.versions_of(session, forum)
    if not versions:
        raise page.not_found()
    public_url = page.settings(request).public_url
    # In a thread: others are served while it is made.
    paper = await asyncio.to_thread(on_paper, forum, points, versions[0], language=page.language(request), public_url=public_url)
    name = f'inline; filename="ordre-du-jour-{forum.slug}.pdf"'
    return Response(paper, media_type="application/pdf", headers={"content-disposition": name})


# -- Prepare --------------------------------------------------------------------------------------------


async def edit_form(request: Request) -> Response:
    return await _edit_form(request, page.blank(AgendaItemForm, kind="plenary", shift="1"), opening=True)


def address_of(request: Request, item: AgendaItem | None = None) -> str:
    """The form of an item, or of one more: what its draft is known by."""
    return f"/organisation/forums/{request.path_params['slug']}/ordre-du-jour" + (f"/{item.id}" if item else "")


def _from_draft(typed: Mapping[str, Sequence[str]]) -> Filled[AgendaItemForm]:
    """The form as it was being typed; the edition is the one it was made from."""
    values: dict[str, Any] = {name: texts[-1] for name, texts in typed.items() if texts and name in AgendaItemForm.model_fields}
    values |= {name: list(typed.get(name, ())) for name in ("commitments", "questions")}
    return page.blank(AgendaItemForm, **values)


async def _edit_form(
    request: Request,
    filled: Filled[AgendaItemForm],
    *,
    publication: Filled[PublishForm] | None = None,
    opening: bool = False,
    status: int = 200,
) -> Response:
    address = address_of(request)
    async with page.reading(request) as session:
        draft = await drafts.of(session, request.state.member, address) if opening else None
        if draft and "brouillon" in request.query_params:
            # Its number may have been given since: an item is added under the next.
            filled, draft = _from_draft({**draft.typed, "number": []}), None
        forum = await page.forum(session, request, drafts=True)
        points = await agenda.points_of(session, forum)
        differing = await agenda.unpublished(session, forum)
        about = await schedule.commitments_of(session, forum)
        commitments = await action_plan.current_commitments(session)
        asked = await choosing.typed(request)
        choice = await choosing.choice(session, forum, asked, ticked=filled.values["questions"])
        taken = [question.code for point in points for question in point.questions]
        free = await choosing.choice(session, forum, asked, but=taken)
        filled.values["number"] = filled.values["number"] or str(await agenda.next_number(session, forum))
        carried = await follow_ups.carried_to(session, forum, drafts=True)
        carriable = await follow_ups.carriable(session, forum)
    return page.show(
        request,
        "agenda/edit.html",
        status=status,
        forum=forum,
        points=points,
        kinds=agenda.KINDS,
        changes=differing,
        outside=agenda.out_of_hours(forum, points),
        about=about,
        commitments=commitments,
        choice=choice,
        free=free,
        filled=filled,
        publication=publication or page.blank(PublishForm, tell="1", number=str(forum.agenda_version + 1)),
        minutes_of=agenda.minutes_of,
        item=None,
        carried=carried,
        carriable=carriable,
        address=address,
        draft=draft,
    )


async def item_form(request: Request) -> Response:
    async with page.reading(request) as session:
        point = await point_of(session, request)
        draft = await drafts.of(session, request.state.member, address_of(request, point.item))
    if draft and "brouillon" in request.query_params:
        return await show_item(request, _from_draft(draft.typed))
    return await show_item(request, page.blank(AgendaItemForm, shift="1", **agenda.typed(point)), draft=draft)


async def show_item(
    request: Request,
    filled: Filled[AgendaItemForm],
    *,
    saved: agenda.Point | None = None,
    upload: Filled[DocumentForm] | None = None,
    draft: Draft | None = None,
    status: int = 200,
) -> Response:
    """The form of an item; with `saved`, beside what someone else saved of it meanwhile."""
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        point = await point_of(session, request)
        points = await agenda.points_of(session, forum)
        about = await schedule.commitments_of(session, forum)
        commitments = await action_plan.current_commitments(session)
        choice = await choosing.choice(session, forum, await choosing.typed(request), ticked=filled.values["questions"])
        written = await agenda.is_written_about(session, point.item)
    return page.show(
        request,
        "agenda/item.html",
        status=status,
        forum=forum,
        point=point,
        item=point.item,
        points=points,
        kinds=agenda.KINDS,
        about=about,
        commitments=commitments,
        choice=choice,
        filled=filled,
        saved=agenda.typed(saved) if saved else None,
        upload=upload or page.blank(DocumentForm, file=""),
        written=written,
        address=address_of(request, point.item),
        draft=draft,
        outdated=draft is not None and draft.edition != point.item.edition,
    )


async def add(request: Request) -> Response:
    filled = await page.read(request, AgendaItemForm)
    if await choosing.is_searching(request):
        return await _edit_form(request, _as_typed(filled))
    if filled.form is None:
        return await _edit_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            commitments, asked = await chosen(session, filled.form.commitments, filled.form.questions)
            item = await agenda.add(session, forum, filled.form, commitments, asked, now=page.now())
            await drafts.discard(session, request.state.member, address_of(request))
            await _record(session, request, "prepare", forum, item.title)
    except PydanticCustomError as error:
        filled.refuse(_field_of(filled.form), error)
        return await _edit_form(request, filled, status=422)
    return _back(request, forum, "point", f"point-{item.number}")


def _as_typed(filled: Filled[AgendaItemForm]) -> Filled[AgendaItemForm]:
    """What is not finished yet is not wrong."""
    filled.errors.clear()
    return filled


def _field_of(form: AgendaItemForm) -> str:
    """Beside which field a rule's refusal is said."""
    return "starts" if form.length and form.starts is None else "speakers"


async def edit(request: Request) -> Response:
    filled = await page.read(request, AgendaItemForm)
    async with page.reading(request) as session:
        await point_of(session, request)
    if await choosing.is_searching(request):
        return await show_item(request, _as_typed(filled))
    if filled.form is None:
        return await show_item(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            item = await item_of(session, request, forum)
            commitments, asked = await chosen(session, filled.form.commitments, filled.form.questions)
            await agenda.edit(session, forum, item, filled.form, commitments, asked, now=page.now())
            await drafts.discard(session, request.state.member, address_of(request, item))
            await _record(session, request, "prepare", forum, item.title)
    except PydanticCustomError as error:
        filled.refuse(_field_of(filled.form), error)
        return await show_item(request, filled, status=422)
    except EditedMeanwhile:
        async with page.reading(request) as session:
            saved = await point_of(session, request)
        # Once both texts were read, saving again is a choice.
        filled.values["edition"] = str(saved.item.edition)
        return await show_item(request, filled, saved=saved, status=409)
    return _back(request, forum, "point", f"point-{item.number}")


async def remove(request: Request) -> Response:
    typed = await request.form(max_files=0, max_fields=5)
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        item = await agenda.item_by_id(session, forum, page.path_uuid(request, "item"))
        if item is not None:  # a second click finds nothing more to remove
            await agenda.remove(session, item, shift=bool(typed.get("shift")))
            await drafts.discard(session, request.state.member, address_of(request, item))
            await _record(session, request, "remove_item", forum, item.title)
    return _back(request, forum, "point-retire")


async def put(request: Request) -> Response:
    """Up or down by one place; the button pressed is where the keyboard goes on."""
    form = (await page.read(request, PlaceForm)).form or PlaceForm()
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        item = await item_of(session, request, forum)
        others = [point.item for point in await agenda.points_of(session, forum)]
        beside = next((each for each in others if str(each.id) == (form.above or form.below)), None)
        if beside is None:
            raise page.not_found()
        await agenda.put(session, forum, item, beside, up=bool(form.above))
        await _record(session, request, "order_items", forum, item.title)
        last = len(others)
    way = ("monter" if item.position > 1 else "descendre") if form.above else ("descendre" if item.position < last else "monter")
    return _back(request, forum, "point-deplace", f"{way}-{item.number}")


async def take_up(request: Request) -> Response:
    form = (await page.read(request, TakeUpForm)).form or TakeUpForm()
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        question = await questions.published_question(session, request.path_params["code"])
        items = [point.item for point in await agenda.points_of(session, forum)]
        chosen_item = next((each for each in items if str(each.id) == form.item), None)
        if question is None or (form.item and chosen_item is None):
            raise page.not_found()
        item = await agenda.take_up(session, forum, question, chosen_item, now=page.now())
        await _record(session, request, "prepare", forum, item.title)
    return _back(request, forum, "question-prise", f"point-{item.number}")


async def publish(request: Request) -> Response:
    filled = await page.read(request, PublishForm)
    if filled.form is None:
        return await _edit_form(request, page.blank(AgendaItemForm, kind="plenary", shift="1"), publication=filled, status=422)
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        before = forum.agenda_version
        version = await agenda.publish(session, forum, filled.form, now=page.now())
        if forum.agenda_version != before:
            await _record(session, request, "publish", forum, f"Version {version.number}")
    return _back(request, forum, "ordre-du-jour")


async def chosen(session: AsyncSession, numbers: Sequence[int], codes: Sequence[str]) -> tuple[Sequence[Commitment], Sequence[Question]]:
    """The commitments and questions ticked in a form; what does not exist is passed over."""
    known = {each.number: each for each in await action_plan.current_commitments(session)}
    return [known[number] for number in dict.fromkeys(numbers) if number in known], await questions.published_by_codes(session, codes)


async def _record(session: AsyncSession, request: Request, verb: str, forum: Forum, detail: str) -> None:
    await members.record_change(session, request.state.member, verb, f"agenda {forum.slug}", detail, now=page.now())


def _back(request: Request, forum: Forum, done: str, place: str = "") -> Response:
    return page.go(request, f"/organisation/forums/{forum.slug}/ordre-du-jour?fait={done}{f'#{place}' if place else ''}")


async def item_of(session: AsyncSession, request: Request, forum: Forum) -> AgendaItem:
    item = await agenda.item_by_id(session, forum, page.path_uuid(request, "item"))
    if item is None:
        raise page.not_found()
    return item


async def point_of(session: AsyncSession, request: Request) -> agenda.Point:
    forum = await page.forum(session, request, drafts=True)
    item = await item_of(session, request, forum)
    return next(each for each in await agenda.points_of(session, forum) if each.item.id == item.id)
