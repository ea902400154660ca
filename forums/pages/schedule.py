"""Forums: read by everybody; planned, announced, moved and cancelled by organisers."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from pydantic_core import PydanticCustomError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import (
    accountability,
    action_plan,
    agenda,
    answers,
    consultations,
    follow_ups,
    indicators,
    members,
    minutes,
    outbox,
    questions,
    registrations,
    schedule,
    steps,
)
from forums.forms import refuse
from forums.language import N_
from forums.models import Institution, Member, MinutesEntry
from forums.models.forum import PARIS
from forums.pages import citing, page
from forums.pages.agenda import chosen
from forums.pages.page import Filled
from forums.refusals import SeatsTaken, WrongMoment
from forums.schedule import CancelForm, ForumForm, MoveForm

# -- Read -----------------------------------------------------------------------------------------------


async def index(request: Request) -> Response:
    async with page.reading(request) as session:
        found = await schedule.public_forums(session)
        written = await minutes.published_of(session, [forum for forum, _ in found])
    written |= {forum.id for forum, _ in found if forum.minutes_elsewhere is not None}
    coming = [forum for forum, _ in found if not forum.is_past(page.now()) and forum.starts_at]
    coming.sort(key=lambda forum: (forum.day, forum.slug))
    past = [(forum, season) for forum, season in found if forum not in coming]
    return page.show(request, "schedule/index.html", coming=coming, past=past, written=written, state_of=registrations.state_of)


async def show(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
        season = await schedule.season_of(session, forum)
        commitments = await schedule.commitments_of(session, forum)
        points = await agenda.published_points(session, forum)
        versions = await agenda.versions_of(session, forum)
        agenda_changes = await agenda.changes_of(session, forum, forum.agenda_version)
        numbers = await agenda.numbers_of(session, forum)
        asked, total = await questions.published(session, forum=forum, limit=5)
        states = await questions.states_of(session, asked)
        supports = await questions.support_counts(session, asked)
        written = await minutes.published(session, forum)
        entries = await minutes.passages_of(session, written) if written else []
        carried = await follow_ups.carried_to(session, forum)
        made = await follow_ups.made_at(session, forum)
        line = await steps.line_of(session, forum, now=page.now())
        moved = await schedule.was_moved(session, forum)
        places = await citing.places(session, request, forum=forum)
    return page.show(
        request,
        "schedule/show.html",
        forum=forum,
        moved=moved,
        places=places,
        season=season,
        commitments=commitments,
        points=points,
        kinds=agenda.KINDS,
        questions=asked,
        questions_total=total,
        questions_open=questions.are_open(forum, now=page.now()),
        states=states,
        supports=supports,
        minutes=written,
        stages=agenda.stages(points),
        versions=versions,
        changes=agenda_changes,
        offered={each.id for point in points for each in point.documents},
        passages=_by_item(entries, numbers),
        state=registrations.state_of(forum, now=page.now()),
        ways=registrations.seats_of(forum),
        carried=carried,
        made=made,
        late=steps.late_in_public(line),
        agenda_due=next((step.due for step in line if step.kind == "agenda"), None),
    )


def _by_item(entries: Sequence[MinutesEntry], numbers: Mapping[UUID, int]) -> dict[int, list[MinutesEntry]]:
    """Passages by the number of their item: written on what organisers prepare, they show on what was published."""
    found: dict[int, list[MinutesEntry]] = {}
    for entry in entries:
        if entry.agenda_item_id is not None and entry.agenda_item_id in numbers:
            found.setdefault(numbers[entry.agenda_item_id], []).append(entry)
    return found


# -- The organisers' table --------------------------------------------------------------------------------


async def dashboard(request: Request) -> Response:
    member = request.state.member
    async with page.reading(request) as session:
        theirs = await members.institutions_of(session, member) if member.role == "agent" else None
        pending = await questions.how_many_to_moderate(session, institutions=theirs)
        to_answer = await answers.awaited(session, theirs, now=page.now()) if theirs is not None else []
        late = (await answers.assignments(session, institutions=theirs, stage="late", limit=1, now=page.now()))[1] if theirs else 0
        desks = await steps.desks(session, now=page.now()) if member.role in members.ORGANISERS else []
        tasks = await _tasks(session, member, theirs)
        counts = await outbox.counts(session)
        alarm = await outbox.alarm(session, page.now())
        promises = await follow_ups.open_ones(session, institutions=theirs, limit=5)
        comments_waiting = await consultations.waiting(session, institutions=theirs)
        promise_counts = await follow_ups.counts(session, institutions=theirs, drafts=theirs is None, now=page.now())
        followed = await indicators.to_measure(session, institutions=theirs, now=page.now()) if member.role != "moderator" else []
    return page.show(
        request,
        "schedule/dashboard.html",
        desks=desks,
        tasks=tasks,
        pending=pending,
        to_answer=to_answer,
        late_answers=late,
        counts=counts,
        alarm=alarm,
        delivers=page.settings(request).smtp is not None,
        organiser=member.role in members.ORGANISERS,
        promises=promises,
        promise_counts=promise_counts,
        comments_waiting=comments_waiting,
        stale_indicators=sum(each.fresh.state == "stale" for each in followed),
        to_measure=[each for each in followed if each.proposed or _presses(each)][:5],
    )


def _presses(each: indicators.ToMeasure) -> bool:
    """To be measured now, or within a fortnight."""
    due = each.fresh.due_on
    return due is not None and due <= page.now().astimezone(PARIS).date() + timedelta(days=14)


async def _tasks(session: AsyncSession, member: Member, institutions: Sequence[Institution] | None) -> list[steps.Task]:
    """What those who are not organisers have to do: only what is theirs."""
    if institutions is not None:
        return await steps.of_agents(session, institutions, now=page.now())
    return await steps.of_moderators(session, now=page.now()) if member.role == "moderator" else []


async def desk_index(request: Request) -> Response:
    async with page.reading(request) as session:
        found = await schedule.all_forums(session)
    return page.show(request, "schedule/desk_index.html", forums=found)


async def desk(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        season = await schedule.season_of(session, forum)
        commitments = await schedule.commitments_of(session, forum)
        line = await steps.line_of(session, forum, now=page.now())
        total = await questions.how_many_published(session, forum)
        registered, waiting = await registrations.how_many_hold(session, forum)
    return page.show(
        request,
        "schedule/desk.html",
        forum=forum,
        season=season,
        commitments=commitments,
        steps=line,
        questions_total=total,
        state=registrations.state_of(forum, now=page.now()),
        warnings=schedule.warnings(forum.day) if forum.day and not forum.is_past(page.now()) else [],
        registered=registered,
        waiting=waiting,
    )


# -- Announce, edit, move, cancel -----------------------------------------------------------------------------


async def announce(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        await schedule.announce(session, forum, now=page.now())
        await members.record_change(session, request.state.member, "announce", f"forum {forum.slug}", now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}?fait=annonce")


async def edit_form(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        about = await schedule.commitments_of(session, forum)
    filled = page.blank(
        ForumForm,
        theme=forum.theme or "",
        description=forum.description,
        place=forum.place or "",
        address=forum.address or "",
        online_url=forum.online_url or "",
        organisers=", ".join(forum.organisers),
        capacity=str(forum.capacity),
        remote_capacity=str(forum.remote_capacity),
        registration_opens=page.typed(forum.registration_opens_at),
        registration_closes=page.typed(forum.registration_closes_at),
        promotions_end=page.typed(forum.promotions_end_at),
        commitments=[str(each.number) for each in about],
    )
    return await _edit_form(request, filled)


async def _edit_form(request: Request, filled: Filled[ForumForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        commitments = await action_plan.current_commitments(session)
        examined = await accountability.examinations(session, [each.id for each in commitments], now=page.now())
    held = {key: len(forums) for key, forums in examined.items()}
    return page.show(request, "schedule/edit.html", status=status, forum=forum, commitments=commitments, held=held, filled=filled)


async def edit(request: Request) -> Response:
    filled = await page.read(request, ForumForm)
    if filled.form is None:
        return await _edit_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            commitments, _ = await chosen(session, filled.form.commitments, [])
            await schedule.edit(session, forum, filled.form, commitments, now=page.now())
            await members.record_change(session, request.state.member, "edit", f"forum {forum.slug}", now=page.now())
    except SeatsTaken as refusal:
        filled.refuse("capacity", refusal)
        return await _edit_form(request, filled, status=422)
    except WrongMoment as refusal:
        filled.refuse(refusal.name, refusal)
        return await _edit_form(request, filled, status=422)
    except PydanticCustomError as error:
        filled.refuse("online_url", error)
        return await _edit_form(request, filled, status=422)
    return page.go(request, f"/organisation/forums/{forum.slug}?fait={'modifie' if forum.announced_at else 'brouillon'}")


async def move_form(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
    start, end = forum.local_start, forum.local_end
    filled = page.blank(
        MoveForm,
        day=forum.day.isoformat() if forum.day else "",
        starts=f"{start:%H:%M}" if start else "",
        ends=f"{end:%H:%M}" if end else "",
        own_dates="along",
    )
    return await _move_form(request, filled)


async def _move_form(request: Request, filled: Filled[MoveForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        told = sum(await registrations.how_many_hold(session, forum))
        own = await schedule.own_dates(session, forum)
    return page.show(request, "schedule/move.html", status=status, forum=forum, told=told, own=own, filled=filled)


async def move(request: Request) -> Response:
    filled = await page.read(request, MoveForm)
    if filled.form is None:
        return await _move_form(request, filled, status=422)
    try:
        if filled.form.ends <= filled.form.starts:
            raise refuse(N_("L'heure de fin vient après l'heure de début."))
        async with page.transaction(request) as session:
            forum = await page.forum(session, request, drafts=True)
            await schedule.move(session, forum, filled.form, now=page.now())
            await members.record_change(
                session, request.state.member, "move", f"forum {forum.slug}", filled.form.day.isoformat(), now=page.now()
            )
    except PydanticCustomError as error:
        filled.refuse("ends", error)
        return await _move_form(request, filled, status=422)
    return page.go(request, f"/organisation/forums/{forum.slug}?fait={'deplace' if forum.announced_at else 'brouillon'}")


async def cancel_form(request: Request) -> Response:
    return await _cancel_form(request, page.blank(CancelForm))


async def _cancel_form(request: Request, filled: Filled[CancelForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request, drafts=True)
        told = sum(await registrations.how_many_hold(session, forum))
    return page.show(request, "schedule/cancel.html", status=status, forum=forum, told=told, filled=filled)


async def cancel(request: Request) -> Response:
    filled = await page.read(request, CancelForm)
    if filled.form is None:
        return await _cancel_form(request, filled, status=422)
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        await schedule.cancel(session, forum, filled.form, now=page.now())
        await members.record_change(session, request.state.member, "cancel", f"forum {forum.slug}", filled.form.reason, now=page.now())
    return page.go(request, f"/organisation/forums/{forum.slug}?fait=annule")


async def discard(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await schedule.forum_by_slug(session, request.path_params["slug"], drafts=True)
        if forum is not None:  # a second click finds nothing more to delete
            await schedule.discard(session, forum)
            await members.record_change(session, request.state.member, "discard", f"forum {forum.slug}", now=page.now())
    return page.go(request, "/organisation?fait=efface")
