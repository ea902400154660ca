"""Questions: read, asked, confirmed by their author, moderated."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, agenda, answers, members, questions, schedule
from forums.models import Commitment, Forum, Question
from forums.pages import page
from forums.pages.action_plan import base_of
from forums.pages.page import Filled
from forums.questions import DeclineForm, QuestionForm
from forums.refusals import QuestionsClosed, TooManyRequests

PER_PAGE = 20


# -- Read ------------------------------------------------------------------------------------------------


async def index(request: Request) -> Response:
    """All published questions, filtered by forum, commitment, institution and state."""
    asked_for = request.query_params
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        plan = await action_plan.current_plan(session)
        commitments = await action_plan.current_commitments(session)
        leads = await action_plan.leads(session, commitments)
        forums = [forum for forum, _ in await schedule.public_forums(session)]
        chosen = page.whole_number(request, "engagement", 0)
        found, total = await questions.published(
            session,
            forum=next((forum for forum in forums if forum.slug == asked_for.get("forum")), None),
            commitment=await action_plan.commitment_by_number(session, plan, chosen) if plan and chosen else None,
            institution=await action_plan.institution_by_slug(session, asked_for.get("institution", "")),
            state=asked_for.get("etat"),
            now=page.now(),
            offset=(number - 1) * PER_PAGE,
            limit=PER_PAGE,
        )
        states = await questions.states_of(session, found)
    institutions = {each.slug: each for group in leads.values() for each in group}
    return page.show(
        request,
        "questions/index.html",
        questions=found,
        total=total,
        states=states,
        page=number,
        pages=page.pages_of(total, PER_PAGE),
        forums=forums,
        commitments=commitments,
        institutions=sorted(institutions.values(), key=lambda each: each.name),
    )


async def show(request: Request) -> Response:
    """One question with its whole chain."""
    async with page.reading(request) as session:
        question = await questions.published_question(session, request.path_params["code"])
        if question is None:
            raise page.not_found()
        forum = await schedule.forum_by_id(session, question.forum_id) if question.forum_id else None
        commitment = await session.get(Commitment, question.commitment_id) if question.commitment_id else None
        leads = (await action_plan.leads(session, [commitment])).get(commitment.id, []) if commitment else []
        followed = await action_plan.indicators(session, commitment) if commitment else []
        base = await _base_of(session, commitment)
        items = await agenda.items_taking_up(session, question)
        passages = await questions.passages_answering(session, question)
        outcomes = await answers.outcomes_of(session, question, [entry for entry, _ in passages])
        routed = await answers.institutions_of(session, question)
        given = await answers.given(session, question)
        states = await questions.states_of(session, [question])
    return page.show(
        request,
        "questions/show.html",
        question=question,
        forum=forum,
        commitment=commitment,
        base=base,
        leads=leads,
        followed=followed,
        items=items,
        passages=passages,
        outcomes=outcomes,
        routed=routed,
        given=given,
        state=states[question.id],
    )


async def _base_of(session: AsyncSession, commitment: Commitment | None) -> str:
    plan = next((plan for plan in await action_plan.plans(session) if commitment and plan.id == commitment.plan_id), None)
    return base_of(plan) if plan else "/engagements"


async def of_forum(request: Request) -> Response:
    """The questions of one forum, and the form to ask while it is open."""
    return await _of_forum(request, page.blank(QuestionForm, kind="question"))


async def _of_forum(request: Request, filled: Filled[QuestionForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
        found, total = await questions.published(session, forum=forum, limit=100)
        states = await questions.states_of(session, found)
        commitments = await action_plan.current_commitments(session)
        about = await schedule.commitments_of(session, forum)
    return page.show(
        request,
        "questions/of_forum.html",
        status=status,
        forum=forum,
        questions=found,
        total=total,
        states=states,
        commitments=commitments,
        about=about,
        filled=filled,
        open=questions.are_open(forum, now=page.now()),
    )


# -- Ask ---------------------------------------------------------------------------------------------------


async def form(request: Request) -> Response:
    """The form to ask about a commitment at any time (`?engagement=12`)."""
    chosen = page.whole_number(request, "engagement", 0)
    return await _form(request, page.blank(QuestionForm, kind="question", commitment=str(chosen or "")))


async def _form(request: Request, filled: Filled[QuestionForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        commitments = await action_plan.current_commitments(session)
    return page.show(request, "questions/form.html", status=status, commitments=commitments, filled=filled)


async def ask(request: Request) -> Response:
    filled = await page.read(request, QuestionForm)
    try:
        if not await _ask(request, None, filled):
            return await _form(request, filled, status=422)
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(await _form(request, filled, status=429))
    return page.go(request, "/questions/envoyee")


async def ask_forum(request: Request) -> Response:
    filled = await page.read(request, QuestionForm)
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
    try:
        if not await _ask(request, forum, filled):
            return await _of_forum(request, filled, status=422)
    except QuestionsClosed:
        return await _of_forum(request, filled, status=409)
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(await _of_forum(request, filled, status=429))
    return page.go(request, "/questions/envoyee")


async def _ask(request: Request, forum: Forum | None, filled: Filled[QuestionForm]) -> bool:
    if filled.form is None:
        return False
    async with page.transaction(request) as session:
        await page.spend(session, request)
        chosen = filled.form.commitment
        commitments = {str(each.number): each for each in await action_plan.current_commitments(session)}
        await questions.ask(
            session,
            forum,
            commitments.get(chosen),
            filled.form,
            language=page.language(request),
            secret_key=page.settings(request).secret_key,
            now=page.now(),
        )
    return True


async def sent(request: Request) -> Response:
    return page.show(request, "questions/sent.html")


async def mine(request: Request) -> Response:
    """The page behind the mailed link: the question, and the button that confirms it."""
    async with page.reading(request) as session:
        question = await questions.question_of_link(session, request.path_params["token"], now=page.now())
    if question is None:
        return page.show(request, "questions/unknown.html", status=404)
    return page.show(request, "questions/mine.html", question=question, token=request.path_params["token"])


async def confirm(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        question = await questions.confirm(session, token, now=page.now())
    if question is None:
        return page.show(request, "questions/unknown.html", status=404)
    return page.go(request, f"/questions/confirmer/{token}")


# -- Moderate ----------------------------------------------------------------------------------------------


async def queue(request: Request) -> Response:
    member = request.state.member
    async with page.reading(request) as session:
        theirs = await members.institutions_of(session, member) if member.role == "agent" else None
        waiting = await questions.to_moderate(session, institutions=theirs)
        forums, commitments = await _subjects(session, waiting)
    return page.show(
        request, "questions/queue.html", questions=waiting, forums=forums, commitments=commitments, may_decide=_may_decide(request)
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
    return await _moderate(request, page.blank(DeclineForm))


async def _moderate(request: Request, filled: Filled[DeclineForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        question = await _question(session, request)
        forums, commitments = await _subjects(session, [question])
        routed = await answers.institutions_of(session, question)
    return page.show(
        request,
        "questions/moderate.html",
        status=status,
        question=question,
        forum=forums.get(question.forum_id),
        commitment=commitments.get(question.commitment_id),
        routed=routed,
        filled=filled,
        may_decide=_may_decide(request),
    )


async def publish(request: Request) -> Response:
    async with page.transaction(request) as session:
        question = await _question(session, request)
        await questions.publish(session, question, now=page.now())
        members.record(session, request.state.member, "publish", f"question {question.code}", now=page.now())
    return page.go(request, "/organisation/questions?fait=question-publiee")


async def decline(request: Request) -> Response:
    filled = await page.read(request, DeclineForm)
    if filled.form is None:
        return await _moderate(request, filled, status=422)
    async with page.transaction(request) as session:
        question = await _question(session, request)
        await questions.decline(session, question, filled.form, now=page.now())
        members.record(session, request.state.member, "decline", f"question {question.code}", filled.form.reason, now=page.now())
    return page.go(request, "/organisation/questions?fait=question-refusee")


async def _question(session: AsyncSession, request: Request) -> Question:
    question = await questions.question_by_code(session, request.path_params["code"])
    if question is None or question.status == "unconfirmed":
        raise page.not_found()
    member = request.state.member
    if member.role == "agent" and not await questions.concerns(session, question, await members.institutions_of(session, member)):
        raise page.not_found()
    return question
