"""Questions read: the list with its filters, and each with its whole chain at an address that always answers."""

from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, agenda, answers, follow_ups, questions, schedule
from forums.models import Commitment, Question
from forums.pages import citing, page
from forums.pages.action_plan import base_of

PER_PAGE = 20
NONE = "aucun"  # of a filter: what is tied to none


async def index(request: Request) -> Response:
    """All published questions, filtered by plan, season, forum, commitment, institution and state."""
    asked_for = request.query_params
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        plans = await action_plan.plans(session)
        chosen_plan = next((each for each in plans if each.slug == asked_for.get("plan")), None)
        plan = chosen_plan or next((each for each in plans if each.current), None)
        commitments = await action_plan.commitments_of(session, plan) if plan else []
        leads = await action_plan.leads(session, commitments)
        forums = await schedule.public_forums(session)
        chosen = page.whole_number(request, "engagement", 0)
        without: list[Literal["forum", "commitment"]] = ["forum"] if asked_for.get("forum") == NONE else []
        found, total = await questions.published(
            session,
            forum=next((forum for forum, _ in forums if forum.slug == asked_for.get("forum")), None),
            commitment=next((each for each in commitments if each.number == chosen), None),
            institution=await action_plan.institution_by_slug(session, asked_for.get("institution", "")),
            state=asked_for.get("etat"),
            plan=chosen_plan,
            season=next((season for _, season in forums if season.slug == asked_for.get("saison")), None),
            without=[*without, "commitment"] if asked_for.get("engagement") == NONE else without,
            by_support=asked_for.get("tri") == "soutiens",
            oldest_first=asked_for.get("tri") == "anciennes",
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
        forums=[forum for forum, _ in forums],
        plans=plans,
        seasons={season.slug: season for _, season in forums}.values(),
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
        followed = await action_plan.indicators(session, commitment) if commitment else []
        base = await _base_of(session, commitment)
        items = await agenda.items_taking_up(session, question)
        passages = await questions.passages_answering(session, question)
        outcomes = await answers.outcomes_of(session, question, [entry for entry, _ in passages])
        promised = await follow_ups.from_answers_to(session, question)
        routed = await answers.institutions_of(session, question)
        given = await answers.given(session, question)
        states = await questions.states_of(session, [question])
        merged = await questions.merged_into(session, question)
        supports = await questions.support_counts(session, [question])
        places = await citing.places(session, request, forum=forum, commitment=commitment)
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
        promised=promised,
        routed=routed,
        given=given,
        state=states[question.id],
        merged=merged,
        supports=supports[question.id],
        places=places,
    )


async def _base_of(session: AsyncSession, commitment: Commitment | None) -> str:
    plan = next((plan for plan in await action_plan.plans(session) if commitment and plan.id == commitment.plan_id), None)
    return base_of(plan) if plan else "/engagements"
