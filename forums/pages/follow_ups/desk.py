"""The promises of one forum, for organisers: what was promised there, what it takes up, what was said of it."""

from collections.abc import Sequence
from typing import Annotated, Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, follow_ups, members, minutes, schedule
from forums.follow_ups import AmendForm, Carried, ChangedMeanwhile, Missing, Promise, RecordForm, SaidForm
from forums.forms import Form, Tick, line
from forums.language import N_
from forums.minutes import Entry
from forums.models import Commitment, Forum, Institution, MinutesEntry
from forums.pages import page
from forums.pages.agenda import chosen
from forums.pages.page import Filled


class CarryForm(Form):
    codes: tuple[Annotated[str, line(20)], ...] = ()
    everything: Tick = False


# -- The desk of a forum ---------------------------------------------------------------------------------


async def desk(request: Request) -> Response:
    filled = page.blank(RecordForm, kind="promise", passage=request.query_params.get("passage", ""))
    return await _desk(request, filled, page.blank(CarryForm))


async def _desk(request: Request, filled: Filled[RecordForm], carrying: Filled[CarryForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        carried = await follow_ups.carried_to(session, forum, drafts=True)
        carriable = await follow_ups.carriable(session, forum)
        made = await follow_ups.made_at(session, forum, drafts=True)
        fields = await _fields(session, forum, filled)
    return page.show(
        request,
        "follow_ups/desk.html",
        status=status,
        forum=forum,
        carried=carried,
        carriable=carriable,
        made=made,
        filled=filled,
        carrying=carrying,
        **fields,
    )


async def _fields(session: AsyncSession, forum: Forum, filled: Filled[Any]) -> dict[str, Any]:
    """What the form of a promise offers: the passages, the institutions, the commitments."""
    written = await minutes.of(session, forum)
    entries = await minutes.entries_of(session, written) if written else []
    passage = next((each for each in entries if str(each.entry.number) == filled.values["passage"]), None)
    if passage and not filled.values["text"] and not filled.values["commitments"]:
        # What the passage already says is not asked twice.
        filled.values["commitments"] = [str(each.number) for each in passage.commitments]
    return {
        "entries": entries,
        "institutions": await follow_ups.institutions(session),
        "about": passage.commitments if passage else await schedule.commitments_of(session, forum),
        "commitments": await action_plan.current_commitments(session),
    }


async def record(request: Request) -> Response:
    filled = await page.read(request, RecordForm)
    if filled.form is None:
        return await _desk(request, filled, page.blank(CarryForm), status=422)
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            told = await _told(session, forum, filled.form)
            follow_up = await follow_ups.record(session, forum, filled.form, *told, now=page.now())
            await members.record_change(session, request.state.member, "promise", f"follow_up {follow_up.code}", now=page.now())
    except Missing as refusal:
        filled.refuse(refusal.name, refusal)
        return await _desk(request, filled, page.blank(CarryForm), status=422)
    return page.go(request, f"/organisation/forums/{forum.slug}/suites?fait=promesse")


async def _told(
    session: AsyncSession, forum: Forum, form: RecordForm
) -> tuple[Institution | None, MinutesEntry | None, Sequence[Commitment]]:
    """Who, in which passage, about which commitments: as chosen in the form."""
    institution = await action_plan.institution_by_slug(session, form.institution) if form.institution else None
    commitments, _ = await chosen(session, form.commitments, [])
    return institution, await _entry(session, forum, form.passage), commitments


async def _entry(session: AsyncSession, forum: Forum, number: str) -> MinutesEntry | None:
    written = await minutes.of(session, forum)
    known = written and number.isascii() and number.isdigit()
    return await minutes.entry_by_number(session, written, int(number)) if written and known else None


# -- Reword, discard ---------------------------------------------------------------------------------------


async def amend_form(request: Request) -> Response:
    async with page.reading(request) as session:
        promise = await promise_of(session, request)
    return await _amend_form(request, _as_typed(promise))


def _as_typed(promise: Promise) -> Filled[AmendForm]:
    held = promise.follow_up
    return page.blank(
        AmendForm,
        kind=held.kind,
        text=held.text,
        institution=promise.institution.slug if promise.institution else "",
        owner=held.owner,
        partners=held.partners,
        due=held.due_on.isoformat() if held.due_on else "",
        passage=str(promise.entry.number) if promise.entry else "",
        commitments=[str(each.number) for each in promise.commitments],
        edition=str(held.edition),
    )


async def _amend_form(
    request: Request, filled: Filled[AmendForm], *, refused: ChangedMeanwhile | None = None, status: int = 200
) -> Response:
    async with page.reading(request) as session:
        promise = await promise_of(session, request)
        fields = await _fields(session, promise.forum, filled)
    if refused:
        # Saved again, it replaces what is shown above it: the person has now read both.
        filled.values["edition"] = str(promise.follow_up.edition)
    return page.show(
        request, "follow_ups/edit.html", status=status, promise=promise, forum=promise.forum, filled=filled, refused=refused, **fields
    )


async def amend(request: Request) -> Response:
    filled = await page.read(request, AmendForm)
    if filled.form is None:
        return await _amend_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            promise = await promise_of(session, request)
            told = await _told(session, promise.forum, filled.form)
            await follow_ups.amend(session, promise, filled.form, *told, now=page.now())
            await members.record_change(session, request.state.member, "reword", f"follow_up {promise.follow_up.code}", now=page.now())
    except Missing as refusal:
        filled.refuse(refusal.name, refusal)
        return await _amend_form(request, filled, status=422)
    except ChangedMeanwhile as refusal:
        return await _amend_form(request, filled, refused=refusal, status=409)
    return page.go(request, f"/organisation/suites/{promise.follow_up.code}?fait=promesse-changee")


async def discard(request: Request) -> Response:
    async with page.transaction(request) as session:
        promise = await follow_ups.promise_by_code(session, request.path_params["code"], drafts=True)
        if promise is None:  # a second click finds nothing more to discard
            return page.go(request, "/organisation/suites?fait=promesse-effacee")
        await follow_ups.discard(session, promise)
        await members.record_change(session, request.state.member, "discard", f"follow_up {promise.follow_up.code}", now=page.now())
    return page.go(request, f"/organisation/forums/{promise.forum.slug}/suites?fait=promesse-effacee")


async def promise_of(session: AsyncSession, request: Request) -> Promise:
    """The promise an address names, public or not. Raises 404."""
    promise = await follow_ups.promise_by_code(session, request.path_params["code"], drafts=True)
    if promise is None:
        raise page.not_found()
    return promise


# -- Carry, and what was said ------------------------------------------------------------------------------


async def carry(request: Request) -> Response:
    carrying = await page.read(request, CarryForm)
    form = carrying.form
    if form is None or not (form.codes or form.everything):
        carrying.errors["codes"] = (N_("Cochez les promesses à reprendre, ou reprenez-les toutes."), {})
        return await _desk(request, page.blank(RecordForm, kind="promise"), carrying, status=422)
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        offered = await follow_ups.carriable(session, forum)
        wanted = [each for each in offered if form.everything or each.follow_up.code in form.codes]
        if await follow_ups.carry(session, forum, wanted, now=page.now()):
            codes = ", ".join(each.follow_up.code for each in wanted)
            members.record(session, request.state.member, "carry", f"follow_ups {forum.slug}", codes, now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/suites?fait=promesses-reprises")


async def uncarry(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        if (carried := await _carried(session, request, forum)) is not None:  # taken off already: a double click
            await follow_ups.uncarry(session, carried, now=page.now())
            detail = carried.promise.follow_up.code
            await members.record_change(session, request.state.member, "uncarry", f"follow_ups {forum.slug}", detail, now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/suites?fait=promesse-retiree")


async def _carried(session: AsyncSession, request: Request, forum: Forum) -> Carried | None:
    await promise_of(session, request)
    everything = await follow_ups.carried_to(session, forum, drafts=True)
    return next((each for each in everything if each.promise.follow_up.code == request.path_params["code"]), None)


async def said_form(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        carried = await _carried(session, request, forum)
    if carried is None:
        raise page.not_found()
    passage = str(carried.entry.number) if carried.entry else request.query_params.get("passage", "")
    filled = page.blank(SaidForm, said=carried.row.said, passage=passage, edition=str(carried.promise.follow_up.edition))
    return await _said_form(request, filled)


async def _said_form(request: Request, filled: Filled[SaidForm], *, refused: ChangedMeanwhile | None = None, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        carried = await _carried(session, request, forum)
        written = await minutes.of(session, forum)
        entries: list[Entry] = await minutes.entries_of(session, written) if written else []
    if carried is None:
        raise page.not_found()
    if refused:
        filled.values["edition"] = str(carried.promise.follow_up.edition)
    return page.show(
        request, "follow_ups/said.html", status=status, forum=forum, carried=carried, entries=entries, filled=filled, refused=refused
    )


async def say(request: Request) -> Response:
    filled = await page.read(request, SaidForm)
    if filled.form is None:
        return await _said_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            carried = await _carried(session, request, forum)
            if carried is None:
                raise page.not_found()
            await follow_ups.say(session, carried, filled.form, await _entry(session, forum, filled.form.passage))
            subject = f"follow_up {carried.promise.follow_up.code}"
            await members.record_change(session, request.state.member, "say", subject, f"forum {forum.slug}", now=page.now())
    except ChangedMeanwhile as refusal:
        return await _said_form(request, filled, refused=refusal, status=409)
    return page.go(request, f"/organisation/forums/{forum.slug}/suites?fait=promesse-dite")
