"""Questions moderated: the queue, and for each what may be decided, from the edition its page was made from.

Who decides from an older edition loses nothing: the page comes back with what was typed, what the
other did, and the question as it is now.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, agenda, answers, members, minutes, questions, schedule
from forums.forms import Form, Tick
from forums.language import N_
from forums.models import Commitment, Forum, Question
from forums.pages import page
from forums.pages.page import Filled
from forums.questions import CorrectForm, DecisionForm, DeclineForm, MergeForm, UnpublishForm
from forums.refusals import AlreadyDecided, Refusal


class RetitleForm(Form):
    published: Tick = False
    """Also in the versions everybody reads."""


PER_PAGE = 20


async def queue(request: Request) -> Response:
    member, number = request.state.member, page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        theirs = await members.institutions_of(session, member) if member.role == "agent" else None
        total = await questions.how_many_to_moderate(session, institutions=theirs)
        waiting = await questions.to_moderate(session, institutions=theirs, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
        forums, commitments = await _subjects(session, waiting)
        published, _ = await questions.published(session, limit=20) if _may_decide(request) else ((), 0)
    return page.show(
        request,
        "questions/queue.html",
        questions=waiting,
        total=total,
        page=number,
        pages=page.pages_of(total, PER_PAGE),
        published=published,
        forums=forums,
        commitments=commitments,
        may_decide=_may_decide(request),
    )


async def _subjects(session: AsyncSession, found: Sequence[Question]) -> tuple[dict[UUID | None, Forum], dict[UUID | None, Commitment]]:
    cited = [question.commitment_id for question in found if question.commitment_id]
    return (
        {forum.id: forum for forum, _ in await schedule.all_forums(session)},
        {commitment.id: commitment for commitment in await action_plan.commitments_by_ids(session, cited)},
    )


def _may_decide(request: Request) -> bool:
    return request.state.member.role in members.MODERATORS


async def moderate_form(request: Request) -> Response:
    return await _moderate(request)


async def _moderate(
    request: Request, typed: Filled[Any] | None = None, at: str = "", *, status: int = 200, too_late: bool = False
) -> Response:
    """The page of one question; `typed` is the form sent from its part `at`, shown again as it was."""
    async with page.reading(request) as session:
        question = await _question(session, request)
        forums, commitments = await _subjects(session, [question])
        routed = await answers.institutions_of(session, question)
        kept = await session.get(Question, question.merged_into_id) if question.merged_into_id else None
        undecided = question.status in ("pending", "published")
        similar = await questions.similar_to(session, question.text, without={question.id}) if undecided else ()
        past = await questions.history(session, question)
        items = await agenda.made_from(session, question) if _may_decide(request) else []
        passages = await minutes.quoting(session, question) if _may_decide(request) else []
    filled = {
        "corriger": page.blank(CorrectForm, text=question.text, context=question.context),
        "refuser": page.blank(DeclineForm),
        "reunir": page.blank(MergeForm),
        "retirer": page.blank(UnpublishForm),
    }
    if typed is not None:
        filled[at] = typed
    return page.show(
        request,
        "questions/moderate.html",
        status=status,
        question=question,
        forum=forums.get(question.forum_id),
        commitment=commitments.get(question.commitment_id),
        routed=routed,
        kept=kept,
        similar=similar,
        past=past,
        items=items,
        passages=passages,
        filled=filled,
        wrong=filled.get(at, filled["corriger"]),
        at=at,
        too_late=too_late,
        may_decide=_may_decide(request),
    )


async def publish(request: Request) -> Response:
    filled = await page.read(request, DecisionForm)
    assert filled.form is not None  # it has nothing to get wrong
    try:
        async with page.transaction(request) as session:
            question = await _question(session, request)
            await questions.publish(session, question, filled.form, now=page.now())
            await _record(session, request, "publish", question)
    except AlreadyDecided:
        if not await _did_already(request, "publish", filled.form):
            return await _moderate(request, status=409, too_late=True)
    return page.go(request, "/organisation/questions?fait=question-publiee")


async def decline(request: Request) -> Response:
    filled = await page.read(request, DeclineForm)
    if filled.form is None:
        return await _moderate(request, filled, "refuser", status=422)
    try:
        async with page.transaction(request) as session:
            question = await _question(session, request)
            await questions.decline(session, question, filled.form, now=page.now())
            await _record(session, request, "decline", question, filled.form.reason)
    except AlreadyDecided:
        if not await _did_already(request, "decline", filled.form):
            return await _moderate(request, filled, "refuser", status=409, too_late=True)
    return page.go(request, "/organisation/questions?fait=question-refusee")


async def correct(request: Request) -> Response:
    """Take personal data out, before or after publication."""
    filled = await page.read(request, CorrectForm)
    if filled.form is None:
        return await _moderate(request, filled, "corriger", status=422)
    try:
        async with page.transaction(request) as session:
            question = await _question(session, request)
            if await questions.correct(session, question, filled.form, now=page.now()):
                await _record(session, request, "correct", question)
    except AlreadyDecided:
        if not await _did_already(request, "correct", filled.form):
            return await _moderate(request, filled, "corriger", status=409, too_late=True)
    return page.go(request, f"/organisation/questions/{request.path_params['code']}?fait=question-corrigee")


async def merge(request: Request) -> Response:
    filled = await page.read(request, MergeForm)
    if filled.form is None:
        return await _moderate(request, filled, "reunir", status=422)
    try:
        async with page.transaction(request) as session:
            question = await _question(session, request)
            target = await questions.published_question(session, filled.form.code)
            if target is None:
                raise Refusal(N_("Aucune question publiée n'a cette adresse : copiez celle de sa page."))
            await minutes.merge_questions(session, question, target, filled.form, now=page.now())
            await _record(session, request, "merge", question, f"/questions/{target.code}")
    except AlreadyDecided:
        if not await _did_already(request, "merge", filled.form):
            return await _moderate(request, filled, "reunir", status=409, too_late=True)
    except Refusal as refusal:
        filled.refuse("into", refusal)
        return await _moderate(request, filled, "reunir", status=422)
    return page.go(request, "/organisation/questions?fait=question-reunie")


async def unpublish(request: Request) -> Response:
    filled = await page.read(request, UnpublishForm)
    if filled.form is None:
        return await _moderate(request, filled, "retirer", status=422)
    try:
        async with page.transaction(request) as session:
            question = await _question(session, request)
            await questions.unpublish(session, question, filled.form, now=page.now())
            await _record(session, request, "unpublish", question, filled.form.reason)
    except AlreadyDecided:
        if not await _did_already(request, "unpublish", filled.form):
            return await _moderate(request, filled, "retirer", status=409, too_late=True)
    return page.go(request, f"/organisation/questions/{request.path_params['code']}?fait=question-retiree")


async def retitle(request: Request) -> Response:
    """Take outdated words out of the titles of the items made from the question."""
    filled = await page.read(request, RetitleForm)
    assert filled.form is not None  # it has nothing to get wrong
    async with page.transaction(request) as session:
        question = await _question(session, request)
        changed = await agenda.retitle(session, question, published=filled.form.published)
        if changed:
            await _record(session, request, "retitle", question, agenda.titles(changed))
    return page.go(request, f"/organisation/questions/{request.path_params['code']}?fait=titres#ailleurs")


async def _did_already(request: Request, verb: str, form: DecisionForm) -> bool:
    """Whether the change that came before is this very one: a button pressed twice."""
    async with page.reading(request) as session:
        question = await _question(session, request)
        last = next(iter(await questions.history(session, question)), None)
    mine = last is not None and last.member_id == request.state.member.id and last.verb == verb
    said = last is None or not isinstance(form, DeclineForm | UnpublishForm) or last.detail == form.reason
    written = not isinstance(form, CorrectForm) or (question.text, question.context) == (form.text, form.context)
    return mine and said and written and form.edition == question.edition - 1


async def _record(session: AsyncSession, request: Request, verb: str, question: Question, detail: str = "") -> None:
    await members.record_change(session, request.state.member, verb, f"question {question.code}", detail, now=page.now())


async def _question(session: AsyncSession, request: Request) -> Question:
    question = await questions.question_by_code(session, request.path_params["code"])
    if question is None or question.status == "unconfirmed":
        raise page.not_found()
    member = request.state.member
    if member.role == "agent":
        theirs = await members.institutions_of(session, member)
        if question.status not in ("pending", "published") or not await questions.concerns(session, question, theirs):
            raise page.not_found()
    return question
