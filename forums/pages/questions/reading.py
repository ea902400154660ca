"""Questions read: the list with its filters, and each with its whole chain at an address that always answers."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, agenda, answers, indicators, questions, schedule
from forums.models import Commitment, Question
from forums.pages import page
from forums.pages.action_plan import base_of

PER_PAGE = 20


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
            by_support=asked_for.get("tri") == "soutiens",
            now=page.now(),
            offset=(number - 1) * PER_PAGE,
            limit=PER_PAGE,
        )
        states = await questions.states_of(session, found)
        supports = await questions.support_counts(session, found)
    institutions = {each.slug: each for group in leads.values() for each in group}
    return page.show(
        request,
        "questions/index.html",
        questions=found,
        total=total,
        states=states,
        supports=supports,
        page=number,
        pages=page.pages_of(total, PER_PAGE),
        forums=forums,
        commitments=commitments,
        institutions=sorted(institutions.values(), key=lambda each: each.name),
    )


async def show(request: Request) -> Response:
    """One question with its whole chain; or where it went, or why it is not here."""
    async with page.reading(request) as session:
        question = await questions.public_question(session, request.path_params["code"])
        if question is None:
            raise page.not_found()
        if question.status in ("declined", "unpublished"):
            return page.show(request, "questions/withdrawn.html", question=question)
        if question.status == "merged":
            kept = await session.get(Question, question.merged_into_id)
            return page.show(request, "questions/merged.html", question=question, kept=kept)
        forum = await schedule.forum_by_id(session, question.forum_id) if question.forum_id else None
        commitment = await session.get(Commitment, question.commitment_id) if question.commitment_id else None
        leads = (await action_plan.leads(session, [commitment])).get(commitment.id, []) if commitment else []
        followed = await indicators.beside(session, [commitment.id] if commitment else [], forum.day if forum else None)
        base = await _base_of(session, commitment)
        items = await agenda.items_taking_up(session, question)
        passages = await questions.passages_answering(session, question)
        outcomes = await answers.outcomes_of(session, question, [entry for entry, _ in passages])
        routed = await answers.institutions_of(session, question)
        given = await answers.given(session, question)
        states = await questions.states_of(session, [question])
        merged = await questions.merged_into(session, question)
        supports = await questions.support_counts(session, [question])
    return page.show(
        request,
        "questions/show.html",
        question=question,
        forum=forum,
        commitment=commitment,
        base=base,
        leads=leads,
        followed=followed.get(commitment.id, []) if commitment else [],
        items=items,
        passages=passages,
        outcomes=outcomes,
        routed=routed,
        given=given,
        state=states[question.id],
        merged=merged,
        supports=supports[question.id],
    )


async def _base_of(session: AsyncSession, commitment: Commitment | None) -> str:
    plan = next((plan for plan in await action_plan.plans(session) if commitment and plan.id == commitment.plan_id), None)
    return base_of(plan) if plan else "/engagements"
