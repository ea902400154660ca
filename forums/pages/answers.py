"""Answers: routed by moderators; prepared by agents, published by them or by organisers."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import answers, members, questions
from forums.answers import AnswerForm, Assignment, RoutingForm, Stage
from forums.language import N_
from forums.models import Answer, Commitment, Institution, Question
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import AnswerChanged, Refusal, RoutingChanged, WrongMoment

PER_PAGE = 20
STAGES: dict[str, Stage] = {"en-retard": "late", "a-repondre": "to_answer", "preparees": "prepared", "publiees": "published"}


# -- An agent's work -----------------------------------------------------------------------------------------


async def index(request: Request) -> Response:
    """What is late, to answer, prepared and published: an agent's own, or everyone's for organisers; or one of these whole."""
    alone = STAGES.get(request.query_params.get("etape", ""))
    number = page.whole_number(request, "page", 1) if alone else 1
    async with page.reading(request) as session:
        theirs = await _theirs(request, session)
        stages = {
            stage: await answers.assignments(
                session, institutions=theirs, stage=stage, offset=(number - 1) * PER_PAGE, limit=PER_PAGE, now=page.now()
            )
            for stage in STAGES.values()
            if alone in (None, stage)
        }
        shown = {work.question.id: work.question for found, _ in stages.values() for work in found}
        states = await questions.states_of(session, list(shown.values()))
    pages = page.pages_of(stages[alone][1], PER_PAGE) if alone else range(0)
    return page.show(
        request, "answers/index.html", stages=stages, states=states, institutions=theirs, alone=alone, page=number, pages=pages
    )


async def of_question(request: Request) -> Response:
    """Where a message leads: the answer of the one institution a member may see here, or the choice of one."""
    code = request.path_params["code"]
    async with page.reading(request) as session:
        question = await questions.question_by_code(session, code)
        if question is None:
            raise page.not_found()
        found = await answers.of_question(session, question, institutions=await _theirs(request, session))
        states = await questions.states_of(session, [question])
    if not found:
        raise page.not_found()
    if len(found) == 1:
        return page.go(request, f"/organisation/reponses/{code}/{found[0].institution.slug}")
    return page.show(request, "answers/of_question.html", question=question, found=found, states=states)


async def _theirs(request: Request, session: AsyncSession) -> Sequence[Institution] | None:
    """The institutions a member speaks for; None for organisers, who see everyone's work."""
    member = request.state.member
    return await members.institutions_of(session, member) if member.role == "agent" else None


async def form(request: Request) -> Response:
    async with page.reading(request) as session:
        work = await _work(request, session)
    held = work.answer
    filled = page.blank(
        AnswerForm,
        outcome=held.outcome if held else "answered",
        deferred_to=held.deferred_to.isoformat() if held and held.deferred_to else "",
        reason=(held.reason or "") if held else "",
        text=held.text if held else "",
        edition=str(held.edition if held else 0),
    )
    return await _form(request, filled)


async def _form(request: Request, filled: Filled[AnswerForm], *, status: int = 200, other: Answer | None = None) -> Response:
    """`other` is what a colleague saved meanwhile: shown beside what was typed, which is then saved over it knowingly."""
    async with page.reading(request) as session:
        work = await _work(request, session)
        others = [each for each in await answers.given(session, work.question) if each.institution.id != work.institution.id]
        states = await questions.states_of(session, [work.question])
        commitment = await session.get(Commitment, work.question.commitment_id) if work.question.commitment_id else None
    return page.show(
        request,
        "answers/form.html",
        status=status,
        work=work,
        filled=filled,
        other=other,
        others=others,
        standing=states[work.question.id],
        commitment=commitment,
        may_publish=answers.may_publish(request.state.member, work),
        opens_at=answers.opens_at(work.forum, now=page.now()),
    )


async def write(request: Request) -> Response:
    filled = await page.read(request, AnswerForm)
    if filled.form is None:
        return await _form(request, filled, status=422)
    member = request.state.member
    try:
        async with page.transaction(request) as session:
            work = await _work(request, session)
            before, said = (work.answer.edition, work.answer.outcome) if work.answer else (0, None)
            held = await answers.write(session, work, filled.form, member, now=page.now())
            if held.published_at and held.edition != before and held.outcome != said:
                where = f"/questions/{work.question.code}#reponse-{work.institution.slug}"
                await answers.tell_it_changed(session, work, held, now=page.now())
                await questions.tell_supporters(
                    session, work.question, where, about=work.institution.id, changed_in=held.edition, now=page.now()
                )
            if held.edition != before:
                verb = "correct" if held.published_at else "write"
                await members.record_change(session, member, verb, f"answer {work.question.code}/{work.institution.slug}", now=page.now())
    except WrongMoment as refusal:
        filled.refuse(refusal.name, refusal)
        return await _form(request, filled, status=422)
    except AnswerChanged:
        return await _changed(request, filled)
    done = "reponse-corrigee" if held.published_at else "reponse"
    return page.go(request, f"/organisation/reponses/{work.question.code}/{work.institution.slug}?fait={done}")


async def _changed(request: Request, filled: Filled[AnswerForm]) -> Response:
    async with page.reading(request) as session:
        other = (await _work(request, session)).answer
    filled.values["edition"] = str(other.edition if other else 0)
    return await _form(request, filled, status=409, other=other)


async def publish(request: Request) -> Response:
    """The answer as it was read: `edition` comes with the button."""
    typed = await request.form()
    edition = str(typed.get("edition", ""))
    member = request.state.member
    async with page.transaction(request) as session:
        work = await _work(request, session)
        read = int(edition) if edition.isascii() and edition.isdigit() and len(edition) < 10 else -1
        if await answers.publish(session, work, member, edition=read, now=page.now()):
            where = f"/questions/{work.question.code}#reponse-{work.institution.slug}"
            await questions.tell_supporters(session, work.question, where, about=work.institution.id, now=page.now())
            await members.record_change(session, member, "publish", f"answer {work.question.code}/{work.institution.slug}", now=page.now())
    return page.go(request, f"/organisation/reponses/{work.question.code}/{work.institution.slug}?fait=reponse-publiee")


async def _work(request: Request, session: AsyncSession) -> Assignment:
    code, slug = request.path_params["code"], request.path_params["institution"]
    work = await answers.assignment(session, code, slug, institutions=await _theirs(request, session))
    if work is None:
        raise page.not_found()
    return work


# -- Routing ---------------------------------------------------------------------------------------------------


async def routing_form(request: Request) -> Response:
    async with page.reading(request) as session:
        question = await _question(request, session)
        held = await answers.institutions_of(session, question) or await answers.proposed(session, question)
    return await _routing(request, page.blank(RoutingForm, institutions=[each.slug for each in held]))


async def _routing(request: Request, filled: Filled[RoutingForm], *, status: int = 200) -> Response:
    """`seen` is always what is true now: who saves again after a refusal has read it."""
    async with page.reading(request) as session:
        question = await _question(request, session)
        held = await answers.institutions_of(session, question)
        proposed = await answers.proposed(session, question)
        every = await answers.concerning(session)
    first = list({each.id: each for each in (*held, *proposed)}.values())
    filled.values["seen"] = [each.slug for each in held]
    known = {each.id for each in first}
    return page.show(
        request,
        "answers/routing.html",
        status=status,
        question=question,
        filled=filled,
        held=held,
        first=first,
        others=[each for each in every if each.id not in known],
    )


async def assign(request: Request) -> Response:
    filled = await page.read(request, RoutingForm)
    if filled.form is None:
        return await _routing(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            question = await _question(request, session)
            chosen = await _chosen(session, filled.form)
            if await answers.assign(session, question, chosen, seen=filled.form.seen, now=page.now()):
                detail = ", ".join(each.name for each in chosen)
                await members.record_change(session, request.state.member, "assign", f"question {question.code}", detail, now=page.now())
    except RoutingChanged as refusal:
        filled.refuse("institutions", refusal)
        return await _routing(request, filled, status=409)
    except Refusal as refusal:
        filled.refuse("institutions", refusal)
        return await _routing(request, filled, status=422)
    return page.go(request, f"/organisation/questions/{question.code}/administrations?fait=administrations")


async def _chosen(session: AsyncSession, form: RoutingForm) -> Sequence[Institution]:
    chosen = await answers.institutions_called(session, form.institutions)
    if not chosen:
        raise Refusal(N_("Choisissez au moins une administration."))
    return chosen


async def _question(request: Request, session: AsyncSession) -> Question:
    question = await questions.question_by_code(session, request.path_params["code"])
    if question is None or question.status not in ("pending", "published"):
        raise page.not_found()
    return question
