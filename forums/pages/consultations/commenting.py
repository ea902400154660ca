"""Comments written: the page of a plan's call or of one of its commitments, and the author's confirmation."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, amendments, consultations
from forums.consultations import CommentForm, CommentsClosed
from forums.models import ActionPlan, Commitment
from forums.pages import page
from forums.pages.consultations.reading import call_of, changes_of
from forums.pages.page import Filled
from forums.refusals import TooManyRequests

PER_PAGE = 20


async def of_plan(request: Request) -> Response:
    """The call on a plan: what is asked, until when, what was said of the plan as a whole, and where to say it."""
    return await _call(request, page.blank(CommentForm))


async def of_commitment(request: Request) -> Response:
    """The same for one commitment, with what was amended of it."""
    return await _call(request, page.blank(CommentForm))


async def _call(request: Request, filled: Filled[CommentForm], *, status: int = 200) -> Response:
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        plan, call = await call_of(session, request)
        commitment = await _commitment(session, request, plan)
        said, total = await consultations.published(session, call, commitment, offset=(number - 1) * PER_PAGE, limit=PER_PAGE)
        facts = await _of_one(session, commitment) if commitment else await _of_all(session, plan)
        counts = await consultations.counts(session, call)
    return page.show(
        request,
        "consultations/of_commitment.html" if commitment else "consultations/of_plan.html",
        status=status,
        plan=plan,
        call=call,
        open=consultations.is_open(call, plan, now=page.now()),
        commitment=commitment,
        said=said,
        total=total,
        counts=counts,
        page=number,
        pages=page.pages_of(total, PER_PAGE),
        filled=filled,
        **facts,
    )


async def _of_all(session: AsyncSession, plan: ActionPlan) -> dict[str, Any]:
    return {"commitments": await action_plan.commitments_of(session, plan)}


async def _of_one(session: AsyncSession, commitment: Commitment) -> dict[str, Any]:
    amended = await amendments.of(session, [commitment.id])
    led_by = await consultations.of_amendments(session, amended)
    return {"amended": amended, "led_by": led_by, "changes": {each.id: changes_of(each) for each in amended}}


async def _commitment(session: AsyncSession, request: Request, plan: ActionPlan) -> Commitment | None:
    if "number" not in request.path_params:
        return None
    found = await action_plan.commitment_by_number(session, plan, page.path_number(request, "number"))
    if found is None:
        raise page.not_found()
    return found


async def comment(request: Request) -> Response:
    filled = await page.read(request, CommentForm)
    if filled.form is None:
        return await _call(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            plan, call = await call_of(session, request)
            commitment = await _commitment(session, request, plan)
            await page.spend(session, request)
            await consultations.comment(
                session,
                call,
                plan,
                commitment,
                filled.form,
                language=page.language(request),
                secret_key=page.settings(request).secret_key,
                now=page.now(),
            )
    except CommentsClosed as refusal:
        filled.refuse("text", refusal)
        return await _call(request, filled, status=409)
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(await _call(request, filled, status=429))
    return page.go(request, f"/plans/{plan.slug}/commentaires/envoye")


async def sent(request: Request) -> Response:
    async with page.reading(request) as session:
        plan, _ = await call_of(session, request)
    return page.show(request, "consultations/sent.html", plan=plan)


async def mine(request: Request) -> Response:
    """The page behind the mailed link: the comment, and the button that confirms it."""
    token = request.path_params["token"]
    async with page.reading(request) as session:
        written = await consultations.comment_of_link(session, token, now=page.now())
    if written is None:
        return page.show(request, "consultations/unknown.html", status=404)
    return page.show(request, "consultations/mine.html", comment=written, token=token)


async def confirm(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        written = await consultations.confirm(session, token, now=page.now())
    if written is None:
        return page.show(request, "consultations/unknown.html", status=404)
    return page.go(request, f"/commentaires/confirmer/{token}")
