"""A call in the organisers' hands: its settings, closed early, reopened, summed up."""

from starlette.requests import Request
from starlette.responses import Response

from forums import consultations, members
from forums.consultations import CallChanged, CallForm, NotADraft, ReopenForm, SynthesisForm
from forums.pages import page
from forums.pages.consultations.reading import call_of
from forums.pages.evaluations import plan_of
from forums.pages.page import Filled
from forums.refusals import Refusal, WrongMoment


async def form(request: Request) -> Response:
    return await _form(request)


async def _form(
    request: Request,
    filled: Filled[CallForm] | None = None,
    reopening: Filled[ReopenForm] | None = None,
    *,
    status: int = 200,
    refused: Refusal | None = None,
) -> Response:
    async with page.reading(request) as session:
        plan = await plan_of(session, request)
        call = await consultations.call_on(session, plan)
    if filled is None:
        known = (
            {"introduction": call.introduction, "opens": page.typed(call.opens_at), "closes": page.typed(call.closes_at)} if call else {}
        )
        filled = page.blank(CallForm, **known)
    if refused or not filled.values["edition"]:
        filled.values["edition"] = str(call.edition if call else 0)
    return page.show(
        request,
        "consultations/call.html",
        status=status,
        plan=plan,
        call=call,
        open=call is not None and consultations.is_open(call, plan, now=page.now()),
        filled=filled,
        reopening=reopening or page.blank(ReopenForm),
        refused=refused,
    )


async def settle(request: Request) -> Response:
    filled = await page.read(request, CallForm)
    if filled.form is None:
        return await _form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            plan = await plan_of(session, request)
            known = await consultations.call_on(session, plan) is not None
            if await consultations.settle(session, plan, filled.form):
                verb = "edit" if known else "open"
                members.record(session, request.state.member, verb, f"consultation {plan.slug}", now=page.now())
    except WrongMoment as refusal:
        filled.refuse(refusal.name, refusal)
        return await _form(request, filled, status=422)
    except NotADraft as refusal:
        filled.refuse("introduction", refusal)
        return await _form(request, filled, status=409)
    except CallChanged as refusal:
        return await _form(request, filled, status=409, refused=refusal)
    return page.go(request, f"/organisation/plans/{plan.slug}/commentaires?fait=appel")


async def close(request: Request) -> Response:
    async with page.transaction(request) as session:
        plan = await plan_of(session, request)
        if await consultations.close(session, plan, now=page.now()):
            members.record(session, request.state.member, "close", f"consultation {plan.slug}", now=page.now())
    return page.go(request, f"/organisation/plans/{plan.slug}/commentaires?fait=appel-clos")


async def reopen(request: Request) -> Response:
    reopening = await page.read(request, ReopenForm)
    if reopening.form is None:
        return await _form(request, reopening=reopening, status=422)
    try:
        async with page.transaction(request) as session:
            plan, _ = await call_of(session, request)
            if await consultations.reopen(session, plan, reopening.form, now=page.now()):
                members.record(session, request.state.member, "reopen", f"consultation {plan.slug}", now=page.now())
    except (WrongMoment, NotADraft) as refusal:
        reopening.refuse("until", refusal)
        return await _form(request, reopening=reopening, status=422)
    return page.go(request, f"/organisation/plans/{plan.slug}/commentaires?fait=appel-rouvert")


async def synthesis_form(request: Request) -> Response:
    return await _synthesis(request)


async def _synthesis(
    request: Request, filled: Filled[SynthesisForm] | None = None, *, status: int = 200, refused: Refusal | None = None
) -> Response:
    async with page.reading(request) as session:
        plan, call = await call_of(session, request)
        found = await consultations.summed_up(session, plan, call)
    if filled is None:
        filled = page.blank(SynthesisForm, synthesis=call.synthesis, edition=str(call.edition))
    if refused:
        filled.values["edition"] = str(call.edition)
    return page.show(
        request, "consultations/write_synthesis.html", status=status, plan=plan, call=call, found=found, filled=filled, refused=refused
    )


async def synthesise(request: Request) -> Response:
    filled = await page.read(request, SynthesisForm)
    if filled.form is None:
        return await _synthesis(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            plan, call = await call_of(session, request)
            if await consultations.synthesise(session, call, filled.form, now=page.now()):
                members.record(session, request.state.member, "sum_up", f"consultation {plan.slug}", now=page.now())
            public = call.synthesis_published_at is not None
    except CallChanged as refusal:
        return await _synthesis(request, filled, status=409, refused=refusal)
    return page.go(request, f"/organisation/plans/{plan.slug}/commentaires?fait={'synthese-publiee' if public else 'synthese'}")
