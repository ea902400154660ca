"""Where a milestone stands, said by an agent of who carries it or by an organiser."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import members, progress
from forums.models import Commitment, Milestone
from forums.pages import page
from forums.pages.page import Filled
from forums.pages.progress.desk import followed, here, subject
from forums.progress import MilestoneChanged, StateForm, StillToCome


async def form(request: Request) -> Response:
    async with page.reading(request) as session:
        commitment, _ = await followed(session, request)
        held = await _milestone(session, request, commitment)
    filled = page.blank(
        StateForm,
        state=held.state or "",
        done_on=held.done_on.isoformat() if held.done_on else "",
        state_note=held.state_note,
        evidence_url=held.evidence_url or "",
        edition=str(held.edition),
    )
    return await _form(request, filled)


async def _form(request: Request, filled: Filled[StateForm], *, refused: MilestoneChanged | None = None, status: int = 200) -> Response:
    async with page.reading(request) as session:
        commitment, plan = await followed(session, request)
        milestone = await _milestone(session, request, commitment)
    if refused:
        filled.values["edition"] = str(milestone.edition)
    return page.show(
        request,
        "progress/milestone.html",
        status=status,
        commitment=commitment,
        plan=plan,
        milestone=milestone,
        filled=filled,
        refused=refused,
        is_late=progress.is_late,
        days_late=progress.days_late,
    )


async def _milestone(session: AsyncSession, request: Request, commitment: Commitment) -> Milestone:
    found = await progress.milestone_by_id(session, commitment, page.path_uuid(request, "milestone"))
    if found is None:
        raise page.not_found()
    return found


async def say(request: Request) -> Response:
    filled = await page.read(request, StateForm)
    if filled.form is None:
        return await _form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            commitment, plan = await followed(session, request)
            held = await _milestone(session, request, commitment)
            if await progress.say_state(session, held, filled.form, now=page.now()):
                detail = f"{progress.STATES[filled.form.state]} : {held.text[:120]}"
                members.record(session, request.state.member, "say_state", subject(commitment, plan), detail, now=page.now())
    except StillToCome as refusal:
        filled.refuse("done_on", refusal)
        return await _form(request, filled, status=422)
    except MilestoneChanged as refusal:
        return await _form(request, filled, refused=refusal, status=409)
    return page.go(request, f"{here(request)}?fait=jalon#jalons")
