"""Promises followed until they are closed: by organisers, who decide, and by the agents of those who promised."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import follow_ups, members
from forums.follow_ups import DropForm, KeepForm, Promise, ProposalForm, ReopenForm
from forums.forms import Form
from forums.models import Forum
from forums.pages import page
from forums.pages.follow_ups.desk import promise_of
from forums.pages.follow_ups.reading import bases_of
from forums.pages.page import Filled
from forums.refusals import AlreadyDecided

PER_PAGE = 20


async def board(request: Request) -> Response:
    """Every open promise, what is late first; an agent's are those of their institutions."""
    member, number = request.state.member, page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        theirs = await members.institutions_of(session, member) if member.role == "agent" else None
        counts = await follow_ups.counts(session, institutions=theirs, drafts=theirs is None, now=page.now())
        found = await follow_ups.open_ones(session, institutions=theirs, offset=(number - 1) * PER_PAGE, limit=PER_PAGE)
    pages = page.pages_of(counts["open"], PER_PAGE)
    return page.show(request, "follow_ups/board.html", promises=found, total=counts["open"], page=number, pages=pages)


async def show(request: Request) -> Response:
    return await _show(request, {})


async def _show(
    request: Request, typed: dict[type[Form], Filled[Any]], *, refused: AlreadyDecided | None = None, status: int = 200
) -> Response:
    member = request.state.member
    async with page.reading(request) as session:
        promise = await _promise(session, request)
        history = await follow_ups.history_of(session, promise)
        forums = await follow_ups.forums_of(session, promise)
        proposed = await follow_ups.proposals(session, promise)
        bases = await bases_of(session)
    taken = next((each for each in proposed if str(each.id) == request.query_params.get("preuve")), None)
    keeping = page.blank(KeepForm, evidence=taken.text, evidence_url=taken.url or "") if taken else page.blank(KeepForm)
    return page.show(
        request,
        "follow_ups/follow.html",
        status=status,
        promise=promise,
        history=history,
        forums=forums,
        proposed=proposed,
        bases=bases,
        organiser=member.role in members.ORGANISERS,
        agent=member.role == "agent",
        keeping=typed.get(KeepForm, keeping),
        dropping=typed.get(DropForm, page.blank(DropForm)),
        reopening=typed.get(ReopenForm, page.blank(ReopenForm)),
        proposing=typed.get(ProposalForm, page.blank(ProposalForm)),
        taken=taken,
        refused=refused,
    )


async def _promise(session: AsyncSession, request: Request) -> Promise:
    """An agent sees what their institutions promised, once it is public."""
    promise, member = await promise_of(session, request), request.state.member
    if member.role == "agent" and not follow_ups.of_institutions(promise, await members.institutions_of(session, member)):
        raise page.not_found()
    return promise


async def keep(request: Request) -> Response:
    async def decide(session: AsyncSession, promise: Promise, form: KeepForm) -> bool:
        return await follow_ups.keep(session, promise, form, await _said_at(session, promise, form.kept_at), now=page.now())

    return await _decide(request, KeepForm, "keep", decide, "promesse-tenue")


async def drop(request: Request) -> Response:
    async def decide(session: AsyncSession, promise: Promise, form: DropForm) -> bool:
        return await follow_ups.drop(session, promise, form, await _said_at(session, promise, form.dropped_at), now=page.now())

    return await _decide(request, DropForm, "drop", decide, "promesse-abandonnee")


async def reopen(request: Request) -> Response:
    async def decide(session: AsyncSession, promise: Promise, form: ReopenForm) -> bool:
        return await follow_ups.reopen(session, promise, form, now=page.now())

    return await _decide(request, ReopenForm, "reopen", decide, "promesse-rouverte")


async def _decide(
    request: Request, form_class: type[Any], verb: str, decide: Callable[[AsyncSession, Promise, Any], Awaitable[bool]], done: str
) -> Response:
    """The first decision stands; the same one sent twice is made, and written in the journal, once."""
    filled = await page.read(request, form_class)
    if filled.form is None:
        return await _show(request, {form_class: filled}, status=422)
    try:
        async with page.transaction(request) as session:
            promise = await promise_of(session, request)
            if await decide(session, promise, filled.form):
                said = next(iter(filled.values.values()))
                await members.record_change(
                    session, request.state.member, verb, f"follow_up {promise.follow_up.code}", said, now=page.now()
                )
    except AlreadyDecided as refusal:
        return await _show(request, {form_class: filled}, refused=refusal, status=409)
    return page.go(request, f"/organisation/suites/{promise.follow_up.code}?fait={done}")


async def _said_at(session: AsyncSession, promise: Promise, slug: str) -> Forum | None:
    return next((each for each in await follow_ups.forums_of(session, promise) if each.slug == slug), None)


async def propose(request: Request) -> Response:
    filled = await page.read(request, ProposalForm)
    if filled.form is None:
        return await _show(request, {ProposalForm: filled}, status=422)
    async with page.transaction(request) as session:
        promise = await _promise(session, request)
        await follow_ups.propose(session, promise, filled.form, now=page.now())
        await members.record_change(session, request.state.member, "propose", f"follow_up {promise.follow_up.code}", now=page.now())
    return page.go(request, f"/organisation/suites/{promise.follow_up.code}?fait=promesse-nouvelle")
