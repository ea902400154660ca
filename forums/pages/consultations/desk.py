"""Comments in the members' hands: what waits, and for each what may be decided, corrected and replied.

Who decides from an older edition loses nothing: the page comes back with what was typed, and the comment as it is now.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, consultations, members
from forums.consultations import CommentChanged, CorrectForm, DecisionForm, DeclineForm, ReplyForm, Said
from forums.language import N_
from forums.models import ActionPlan, Comment, Institution
from forums.pages import page
from forums.pages.consultations.reading import call_of
from forums.pages.page import Filled
from forums.refusals import Refusal

PER_PAGE = 50
Rule = Callable[[AsyncSession, Said, ActionPlan, Any], Awaitable[bool]]


class NotTheirs(Refusal):
    sentence = N_("Choisissez l'administration pour laquelle vous répondez : elle porte cet engagement.")


async def index(request: Request) -> Response:
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        plan, call = await _plan_or_call(session, request)
        theirs = await _theirs(session, request)
        said, total = (
            await consultations.for_members(session, call, institutions=theirs, offset=(number - 1) * PER_PAGE, limit=PER_PAGE)
            if call
            else ([], 0)
        )
        commitments = await action_plan.commitments_of(session, plan)
    return page.show(
        request,
        "consultations/desk.html",
        plan=plan,
        call=call,
        open=call is not None and consultations.is_open(call, plan, now=page.now()),
        said=said,
        total=total,
        page=number,
        pages=page.pages_of(total, PER_PAGE),
        commitments=commitments,
        organiser=request.state.member.role in members.ORGANISERS,
    )


async def _plan_or_call(session: AsyncSession, request: Request) -> tuple[ActionPlan, Any]:
    plan = await action_plan.plan_by_slug(session, request.path_params["plan"])
    if plan is None:
        raise page.not_found()
    return plan, await consultations.call_on(session, plan)


async def _theirs(session: AsyncSession, request: Request) -> Sequence[Institution] | None:
    """An agent sees and answers what its institutions lead; the others, everything."""
    member = request.state.member
    return await members.institutions_of(session, member) if member.role == "agent" else None


async def show(request: Request) -> Response:
    return await _show(request)


async def _show(
    request: Request, typed: Filled[Any] | None = None, at: str = "", *, status: int = 200, refused: Refusal | None = None
) -> Response:
    """The page of one comment; `typed` is the form sent from its part `at`, shown again as it was."""
    async with page.reading(request) as session:
        said, plan = await _comment(session, request)
        may_reply_for = await _may_reply_for(session, request, said)
        past = await consultations.history(session, plan, said.comment)
    comment = said.comment
    institution = said.institution.slug if said.institution else may_reply_for[0].slug if may_reply_for else ""
    filled: dict[str, Filled[Any]] = {
        "refuser": page.blank(DeclineForm),
        "corriger": page.blank(CorrectForm, text=comment.text),
        "repondre": page.blank(ReplyForm, reply=comment.reply, institution=institution),
    }
    if typed is not None and at:
        filled[at] = typed
    return page.show(
        request,
        "consultations/moderate.html",
        status=status,
        said=said,
        plan=plan,
        past=past,
        filled=filled,
        wrong=filled.get(at, page.blank(DecisionForm)),
        refused=refused,
        institutions=may_reply_for,
        may_decide=request.state.member.role in members.MODERATORS,
        may_reply=request.state.member.role in members.ORGANISERS or bool(may_reply_for),
        organiser=request.state.member.role in members.ORGANISERS,
    )


async def _may_reply_for(session: AsyncSession, request: Request, said: Said) -> Sequence[Institution]:
    """The institutions that lead the commitment; of an agent, its own among them."""
    if said.commitment is None:
        return []
    leads = (await action_plan.leads(session, [said.commitment])).get(said.commitment.id, [])
    theirs = await _theirs(session, request)
    return leads if theirs is None else [each for each in leads if each.id in {one.id for one in theirs}]


async def publish(request: Request) -> Response:
    async def rule(session: AsyncSession, said: Said, plan: ActionPlan, form: DecisionForm) -> bool:
        return await consultations.publish(session, said.comment, plan, form, now=page.now())

    return await _do(request, DecisionForm, "", rule, "publish", "commentaire-publie")


async def decline(request: Request) -> Response:
    async def rule(session: AsyncSession, said: Said, plan: ActionPlan, form: DeclineForm) -> bool:
        return await consultations.decline(session, said.comment, plan, form, now=page.now())

    return await _do(request, DeclineForm, "refuser", rule, "decline", "commentaire-refuse")


async def correct(request: Request) -> Response:
    async def rule(session: AsyncSession, said: Said, plan: ActionPlan, form: CorrectForm) -> bool:
        return await consultations.correct(session, said.comment, plan, form, now=page.now())

    return await _do(request, CorrectForm, "corriger", rule, "correct", "commentaire-corrige")


async def reply(request: Request) -> Response:
    async def rule(session: AsyncSession, said: Said, plan: ActionPlan, form: ReplyForm) -> bool:
        allowed = await _may_reply_for(session, request, said)
        institution = next((each for each in allowed if each.slug == form.institution), None)
        if institution is None and (form.institution or request.state.member.role == "agent"):
            raise NotTheirs
        return await consultations.reply(session, said.comment, plan, institution, form, now=page.now())

    return await _do(request, ReplyForm, "repondre", rule, "reply", "commentaire-repondu")


async def _do(request: Request, kind: type[Any], at: str, rule: Rule, verb: str, done: str) -> Response:
    filled = await page.read(request, kind)
    if filled.form is None:
        return await _show(request, filled, at, status=422)
    try:
        async with page.transaction(request) as session:
            said, plan = await _comment(session, request)
            if await rule(session, said, plan, filled.form):
                _record(session, request, verb, plan, said.comment, getattr(filled.form, "reason", ""))
    except NotTheirs as refusal:
        filled.refuse("institution", refusal)
        return await _show(request, filled, at, status=422)
    except CommentChanged as refusal:
        return await _show(request, filled, at, status=409, refused=refusal)
    return page.go(request, f"/organisation/plans/{plan.slug}/commentaires/{said.comment.code}?fait={done}")


def _record(session: AsyncSession, request: Request, verb: str, plan: ActionPlan, comment: Comment, detail: str) -> None:
    """`verb` is publish, decline, correct or reply."""
    members.record(session, request.state.member, verb, f"comment {plan.slug}/{comment.code}", detail, now=page.now())


async def _comment(session: AsyncSession, request: Request) -> tuple[Said, ActionPlan]:
    await call_of(session, request)
    found = await consultations.comment_by_code(session, request.path_params["code"])
    if found is None or found[1].slug != request.path_params["plan"]:
        raise page.not_found()
    theirs = await _theirs(session, request)
    if theirs is not None and not await consultations.concerns(session, found[0].comment, theirs):
        raise page.not_found()
    return found
