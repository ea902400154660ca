"""Write the minutes: passage by passage, with a preview, a draft kept aside, and both texts when two people save one."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, agenda, drafts, indicators, members, minutes, questions, schedule
from forums.language import translations
from forums.minutes import CommentMissing, EditedMeanwhile, EntryForm, OutcomeForm
from forums.models import AgendaItem, Commitment, Forum, Minutes, MinutesEntry, Question
from forums.pages import choosing, page
from forums.pages.citing import places_of
from forums.pages.page import Filled
from forums.refusals import AlreadyPublished
from forums.rendering import prepare

NO_OUTCOME = {"outcome": "answered", "deferred_to": "", "reason": ""}


@dataclass
class Typed:
    """The form of a passage as it was typed, with what was said of each question, by its code."""

    filled: Filled[EntryForm]
    outcomes: dict[str, OutcomeForm]
    preview: bool
    searching: bool


# -- Show the form ---------------------------------------------------------------------------------------


async def edit_form(request: Request) -> Response:
    filled = page.blank(EntryForm, agenda_item=request.query_params.get("point", ""), outcomes={})
    return await _form(request, filled, opening=True)


async def entry_form(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        found = await minutes.of(session, forum)
        entry = await _entry(session, request, forum)
        if found is None or entry is None:
            raise page.not_found()
        held = next(each for each in await minutes.entries_of(session, found) if each.entry.id == entry.id)
    return await _form(request, _as_typed(held), entry=entry, opening=True)


def _as_typed(held: minutes.Entry) -> Filled[EntryForm]:
    outcomes = {
        code: {
            "outcome": link.outcome,
            "deferred_to": link.deferred_to.isoformat() if link.deferred_to else "",
            "reason": link.reason or "",
        }
        for code, link in held.outcomes.items()
    }
    return page.blank(
        EntryForm,
        title=held.entry.title,
        text=held.entry.text,
        agenda_item=str(held.entry.agenda_item_id or ""),
        commitments=[str(each.number) for each in held.commitments],
        questions=[each.code for each in held.questions],
        edition=held.entry.edition,
        outcomes=outcomes,
    )


async def _form(
    request: Request,
    filled: Filled[EntryForm],
    *,
    entry: MinutesEntry | None = None,
    opening: bool = False,
    preview: bool = False,
    conflict: dict[str, Any] | None = None,
    gone: bool = False,
    status: int = 200,
) -> Response:
    address = address_of(request.path_params["slug"], entry)
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        found = await minutes.of(session, forum)
        entries = await minutes.entries_of(session, found) if found else []
        points = await agenda.points_of(session, forum)
        plan = await minutes.plan_of(session, forum)
        commitments = await action_plan.commitments_of(session, plan) if plan else []
        about = [each for each in await schedule.commitments_of(session, forum) if plan and each.plan_id == plan.id]
        draft = await drafts.of(session, request.state.member, address) if opening else None
        if opening and draft and request.query_params.get("brouillon") == "reprendre":
            filled, draft = _from_draft(draft.typed), None
        elif opening:
            _tick_what_the_agenda_knows(filled, points)
        choice = await choosing.choice(session, forum, await choosing.typed(request), ticked=filled.values["questions"])
        ticked = [each for each in commitments if str(each.number) in filled.values["commitments"]] or about
        known = await indicators.beside(session, [each.id for each in ticked], forum.day)
    places = places_of(request, plan, commitments)
    await prepare([] if entry else [each.entry.text for each in entries], places)
    await prepare([filled.values["text"]] if preview or conflict else [], places)
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
        ticked=ticked,
        known=known,
        choice=choice,
        cited={each.entry.id: minutes.cited_in(each, commitments) for each in entries},
        filled=filled,
        entry=entry,
        address=address,
        draft=draft,
        outdated=draft is not None and entry is not None and draft.edition != entry.edition,
        preview=preview,
        conflict=conflict,
        gone=gone,
        outcomes=minutes.OUTCOMES,
        no_outcome=NO_OUTCOME,
        places=places,
    )


def address_of(slug: str, entry: MinutesEntry | None) -> str:
    return f"/organisation/forums/{slug}/compte-rendu" + (f"/{entry.number}" if entry else "")


def _tick_what_the_agenda_knows(filled: Filled[EntryForm], points: Sequence[agenda.Point]) -> None:
    point = next((each for each in points if str(each.item.id) == filled.values["agenda_item"]), None)
    if point and not filled.values["commitments"] and not filled.values["text"]:
        filled.values["commitments"] = [str(each.number) for each in point.commitments]
        filled.values["questions"] = [each.code for each in point.questions]


def _from_draft(typed: Mapping[str, Sequence[str]]) -> Filled[EntryForm]:
    names = [name for name in EntryForm.model_fields if name not in ("commitments", "questions")]
    values: dict[str, Any] = {name: typed[name][-1] for name in names if typed.get(name)}
    ticked = {name: list(typed.get(name, ())) for name in ("commitments", "questions")}
    return page.blank(EntryForm, **values, **ticked, outcomes=_said({name: texts[-1] for name, texts in typed.items() if texts}))


# -- Read what was typed ------------------------------------------------------------------------------------


async def _read(request: Request) -> Typed:
    filled = await page.read(request, EntryForm)
    typed = {name: text for name, text in (await request.form()).items() if isinstance(text, str)}
    said = filled.values["outcomes"] = _said(typed)
    outcomes = {}
    for code in filled.values["questions"]:
        try:
            outcomes[code] = OutcomeForm.model_validate(said.get(code, {}))
        except ValidationError as error:
            for each in error.errors():
                filled.errors[f"{each['loc'][0]}-{code}"] = (each["type"], each.get("ctx", {}))
            continue
        if missing := outcomes[code].missing:
            filled.errors[f"{missing[0]}-{code}"] = (missing[1], {})
    if filled.errors:
        filled.form = None
    return Typed(filled, outcomes, "apercu" in typed, "chercher" in typed)


def _said(typed: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """`outcome-x4k9`, `deferred_to-x4k9` and `reason-x4k9`, together under `x4k9`."""
    said: dict[str, dict[str, str]] = {}
    for name, text in typed.items():
        field, _, code = name.partition("-")
        if code and field in NO_OUTCOME:
            said.setdefault(code, dict(NO_OUTCOME))[field] = text
    return said


# -- Save -----------------------------------------------------------------------------------------------------


async def write(request: Request) -> Response:
    typed = await _read(request)
    if typed.preview or typed.searching:
        return await _form(request, typed.filled, preview=typed.preview)
    try:
        if typed.filled.form is None:
            return await _form(request, typed.filled, status=422)
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            begun = await minutes.begun(session, forum)
            item, commitments, asked = await _chosen(session, forum, typed.filled.form)
            entry = await minutes.write(
                session, begun, typed.filled.form, item, commitments, asked, outcomes=typed.outcomes, now=page.now()
            )
            await drafts.discard(session, request.state.member, address_of(forum.slug, None))
            await members.record_change(session, request.state.member, "write", f"minutes {forum.slug}#p-{entry.number}", now=page.now())
    except CommentMissing as missing:
        typed.filled.refuse("comment", missing)
        return await _form(request, typed.filled, status=422)
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait={_done(begun)}")


async def amend(request: Request) -> Response:
    typed = await _read(request)
    async with page.reading(request) as session:
        entry = await _entry(session, request, await page.forum(session, request, drafts=True))
    if entry is None:
        # Someone else removed it from the draft: what was typed becomes a new passage, if they want.
        return await _form(request, typed.filled, gone=True, status=409)
    if typed.preview or typed.searching:
        return await _form(request, typed.filled, entry=entry, preview=typed.preview)
    try:
        if typed.filled.form is None:
            return await _form(request, typed.filled, entry=entry, status=422)
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            mine = await _entry(session, request, forum)
            if mine is None:
                raise EditedMeanwhile
            begun = await minutes.begun(session, forum)
            form = typed.filled.form
            item, commitments, asked = await _chosen(session, forum, form)
            edition = form.edition if form.edition is not None else -1
            await minutes.amend(
                session, begun, mine, form, item, commitments, asked, outcomes=typed.outcomes, edition=edition, now=page.now()
            )
            await drafts.discard(session, request.state.member, address_of(forum.slug, mine))
            await members.record_change(session, request.state.member, "amend", f"minutes {forum.slug}#p-{mine.number}", now=page.now())
    except CommentMissing as missing:
        typed.filled.refuse("comment", missing)
        return await _form(request, typed.filled, entry=entry, status=422)
    except EditedMeanwhile:
        return await _both_texts(request, typed.filled)
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait={_done(begun)}")


def _done(begun: Minutes) -> str:
    return "passage-public" if begun.published_at else "passage"


async def _both_texts(request: Request, filled: Filled[EntryForm]) -> Response:
    """What is saved now beside what was typed; the form takes the new edition, so that saving again is deliberate."""
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        found = await minutes.of(session, forum)
        entry = await _entry(session, request, forum)
        if found is None or entry is None:
            return await _form(request, filled, gone=True, status=409)
        held = next(each for each in await minutes.entries_of(session, found) if each.entry.id == entry.id)
    form = filled.form
    assert form is not None
    words = await asyncio.to_thread(minutes.words_changed, held.entry.text, form.text)
    title = minutes.words_changed(held.entry.title, form.title)
    filled.values["edition"] = str(entry.edition)
    return await _form(request, filled, entry=entry, conflict={"held": held, "words": words, "title": title}, status=409)


async def tie(request: Request) -> Response:
    """Tie a passage to a commitment its text cites, with one button."""
    number = str((await request.form(max_files=0, max_fields=10)).get("commitment", ""))
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        entry = await _entry(session, request, forum)
        known = {str(each.number): each for each in await _commitments(session, forum)}
        if entry is None or number not in known:
            raise page.not_found()
        said = (
            translations("fr").gettext("Le passage {passage} est lié à l'engagement {number}.").format(passage=entry.number, number=number)
        )
        await minutes.tie(session, await minutes.begun(session, forum), entry, known[number], said, now=page.now())
        await members.record_change(session, request.state.member, "tie", f"minutes {forum.slug}#p-{entry.number}", number, now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait=engagement-lie")


async def remove(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        entry = await _entry(session, request, forum)
        if entry is not None:  # a second click finds nothing more to remove
            await minutes.remove(session, await minutes.begun(session, forum), entry)
            await drafts.discard(session, request.state.member, address_of(forum.slug, entry))
            await members.record_change(session, request.state.member, "remove", f"minutes {forum.slug}#p-{entry.number}", now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}/compte-rendu?fait=passage-retire")


async def publish(request: Request) -> Response:
    # They are public already after a second click, or a colleague's: that is what was asked for.
    with contextlib.suppress(AlreadyPublished):
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            await minutes.publish(session, await minutes.begun(session, forum), now=page.now())
            await members.record_change(session, request.state.member, "publish", f"minutes {forum.slug}", now=page.now())
    return page.go(request, f"/organisation/forums/{request.path_params['slug']}/compte-rendu?fait=compte-rendu")


async def _entry(session: AsyncSession, request: Request, forum: Forum) -> MinutesEntry | None:
    found = await minutes.of(session, forum)
    return await minutes.entry_by_number(session, found, page.path_number(request, "number")) if found else None


async def _commitments(session: AsyncSession, forum: Forum) -> Sequence[Commitment]:
    plan = await minutes.plan_of(session, forum)
    return await action_plan.commitments_of(session, plan) if plan else []


async def _chosen(
    session: AsyncSession, forum: Forum, form: EntryForm
) -> tuple[AgendaItem | None, Sequence[Commitment], Sequence[Question]]:
    """The item, the commitments and the questions picked in the form; what does not exist is passed over."""
    points = await agenda.points_of(session, forum)
    item = next((each.item for each in points if str(each.item.id) == form.agenda_item), None)
    commitments = [each for each in await _commitments(session, forum) if each.number in form.commitments]
    return item, commitments, await questions.published_by_codes(session, form.questions)
