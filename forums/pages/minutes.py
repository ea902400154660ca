"""Minutes: read by everybody once published, written by organisers."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, agenda, follow_ups, members, minutes, questions, registrations, schedule
from forums.minutes import EntryForm
from forums.models import AgendaItem, Forum, MinutesEntry
from forums.pages import page
from forums.pages.agenda import chosen
from forums.pages.page import Filled


async def show(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
        found = await minutes.published(session, forum)
        entries = await minutes.entries_of(session, found) if found else []
        named = await registrations.named(session, forum) if found else []
        made = await follow_ups.made_at(session, forum)
        carried = await follow_ups.carried_to(session, forum)
    promises = [(each.entry, each) for each in made] + [(each.entry, each.promise) for each in carried]
    return page.show(request, "minutes/show.html", forum=forum, minutes=found, entries=entries, named=named, promises=promises)


# -- Write ---------------------------------------------------------------------------------------------


async def edit_form(request: Request) -> Response:
    return await _form(request, page.blank(EntryForm, agenda_item=request.query_params.get("point", "")))


async def entry_form(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        entry = await _entry(session, request, forum)
        found = await minutes.of(session, forum)
        assert found is not None
        held = next(each for each in await minutes.entries_of(session, found) if each.entry.id == entry.id)
    filled = page.blank(
        EntryForm,
        title=entry.title,
        text=entry.text,
        agenda_item=str(entry.agenda_item_id or ""),
        commitments=[str(each.number) for each in held.commitments],
        questions=[each.code for each in held.questions],
    )
    return await _form(request, filled, entry=entry)


async def _form(request: Request, filled: Filled[EntryForm], *, entry: MinutesEntry | None = None, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        found = await minutes.of(session, forum)
        entries = await minutes.entries_of(session, found) if found else []
        points = await agenda.points_of(session, forum)
        about = await schedule.commitments_of(session, forum)
        commitments = await action_plan.current_commitments(session)
        askable = await questions.for_forum(session, forum)
    point = next((each for each in points if str(each.item.id) == filled.values.get("agenda_item")), None)
    if point and not filled.values["commitments"] and not filled.values["text"]:
        # What the agenda already knows is not asked twice.
        filled.values["commitments"] = [str(each.number) for each in point.commitments]
        filled.values["questions"] = [each.code for each in point.questions]
    return page.show(
        request,
        "minutes/edit.html",
        status=status,
        forum=forum,
        minutes=found,
        entries=entries,
        points=points,
        about=about,
        commitments=commitments,
        questions=askable,
        filled=filled,
        entry=entry,
    )


async def write(request: Request) -> Response:
    filled = await page.read(request, EntryForm)
    if filled.form is None:
        return await _form(request, filled, status=422)
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        begun = await minutes.begun(session, forum)
        item = await _item(session, forum, filled.form)
        commitments, asked = await chosen(session, filled.form.commitments, filled.form.questions)
        await minutes.write(session, begun, filled.form, item, commitments, asked, now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait=passage")


async def amend(request: Request) -> Response:
    filled = await page.read(request, EntryForm)
    async with page.reading(request) as session:
        entry = await _entry(session, request, await page.forum(session, request, drafts=True))
    if filled.form is None:
        return await _form(request, filled, entry=entry, status=422)
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        entry = await _entry(session, request, forum)
        begun = await minutes.begun(session, forum)
        item = await _item(session, forum, filled.form)
        commitments, asked = await chosen(session, filled.form.commitments, filled.form.questions)
        await minutes.amend(session, begun, entry, filled.form, item, commitments, asked, now=page.now())
        members.record(session, request.state.member, "amend", f"minutes {forum.slug}#p-{entry.number}", now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait=passage")


async def remove(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        entry = await _entry(session, request, forum)
        await minutes.remove(session, await minutes.begun(session, forum), entry)
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait=passage-retire")


async def publish(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        await minutes.publish(session, await minutes.begun(session, forum), now=page.now())
        members.record(session, request.state.member, "publish", f"minutes {forum.slug}", now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait=compte-rendu")


async def _entry(session: AsyncSession, request: Request, forum: Forum) -> MinutesEntry:
    found = await minutes.of(session, forum)
    entry = await minutes.entry_by_number(session, found, page.path_number(request, "number")) if found else None
    if entry is None:
        raise page.not_found()
    return entry


async def _item(session: AsyncSession, forum: Forum, form: EntryForm) -> AgendaItem | None:
    points = await agenda.points_of(session, forum)
    return next((each.item for each in points if str(each.item.id) == form.agenda_item), None)
