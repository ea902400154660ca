"""Evaluations of a plan, for organisers: those of its file, and those added, corrected and removed here."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, evaluations, members
from forums.evaluations import EvaluationChanged, EvaluationForm, NoSource
from forums.language import N_
from forums.models import ActionPlan, Commitment, Evaluation
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import Refusal


class NoSuchCommitment(Refusal):
    sentence = N_("Choisissez un engagement de ce plan, ou le plan entier.")


async def index(request: Request) -> Response:
    return await _index(request, page.blank(EvaluationForm, kind="independent", edition="0"))


async def _index(request: Request, filled: Filled[EvaluationForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        plan = await plan_of(session, request)
        found = await evaluations.of_plan(session, plan)
        commitments = await action_plan.commitments_of(session, plan)
    return _show(request, "evaluations/index.html", status, plan=plan, evaluated=found, commitments=commitments, filled=filled)


def _show(request: Request, template: str, status: int = 200, **facts: Any) -> Response:
    return page.show(request, template, status=status, kinds=evaluations.KINDS, completions=evaluations.COMPLETIONS, **facts)


async def add(request: Request) -> Response:
    filled = await page.read(request, EvaluationForm)
    if filled.form is None:
        return await _index(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            plan = await plan_of(session, request)
            about = await _about(session, plan, filled.form)
            added = await evaluations.add(session, plan, about, filled.form, now=page.now())
            if added is not None:
                _record(session, request, "add", plan, added.title)
    except NoSource as refusal:
        filled.refuse("source_url", refusal)
        return await _index(request, filled, status=422)
    except NoSuchCommitment as refusal:
        filled.refuse("commitment", refusal)
        return await _index(request, filled, status=422)
    return page.go(request, f"/organisation/plans/{plan.slug}/evaluations?fait=evaluation")


async def edit_form(request: Request) -> Response:
    return await _edit(request)


async def _edit(
    request: Request, filled: Filled[EvaluationForm] | None = None, *, status: int = 200, refused: Refusal | None = None
) -> Response:
    async with page.reading(request) as session:
        plan = await plan_of(session, request)
        evaluation = await _evaluation(session, request, plan)
        commitments = await action_plan.commitments_of(session, plan)
    about = next((each for each in commitments if each.id == evaluation.commitment_id), None)
    if filled is None:
        filled = page.blank(EvaluationForm, **evaluations.typed(evaluation, about))
    if refused:
        filled.values["edition"] = str(evaluation.edition)
    facts = {"plan": plan, "evaluation": evaluation, "commitments": commitments, "filled": filled, "refused": refused}
    return _show(request, "evaluations/edit.html", status, **facts)


async def correct(request: Request) -> Response:
    filled = await page.read(request, EvaluationForm)
    if filled.form is None:
        return await _edit(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            plan = await plan_of(session, request)
            evaluation = await _evaluation(session, request, plan)
            about = await _about(session, plan, filled.form)
            if await evaluations.correct(session, evaluation, about, filled.form):
                _record(session, request, "correct", plan, evaluation.title)
    except NoSource as refusal:
        filled.refuse("source_url", refusal)
        return await _edit(request, filled, status=422)
    except NoSuchCommitment as refusal:
        filled.refuse("commitment", refusal)
        return await _edit(request, filled, status=422)
    except EvaluationChanged as refusal:
        return await _edit(request, filled, status=409, refused=refusal)
    return page.go(request, f"/organisation/plans/{plan.slug}/evaluations?fait=evaluation")


async def remove(request: Request) -> Response:
    async with page.transaction(request) as session:
        plan = await plan_of(session, request)
        evaluation = await evaluations.added_here(session, plan, request.path_params["evaluation"])
        if evaluation is not None and await evaluations.remove(session, evaluation):  # a second click finds nothing more to remove
            _record(session, request, "remove", plan, evaluation.title)
    return page.go(request, f"/organisation/plans/{plan.slug}/evaluations?fait=evaluation-retiree")


def _record(session: AsyncSession, request: Request, verb: str, plan: ActionPlan, detail: str) -> None:
    members.record(session, request.state.member, verb, f"evaluation {plan.slug}", detail, now=page.now())


async def plan_of(session: AsyncSession, request: Request) -> ActionPlan:
    """The plan an address names. Raises 404."""
    plan = await action_plan.plan_by_slug(session, request.path_params["plan"])
    if plan is None:
        raise page.not_found()
    return plan


async def _evaluation(session: AsyncSession, request: Request, plan: ActionPlan) -> Evaluation:
    evaluation = await evaluations.added_here(session, plan, request.path_params["evaluation"])
    if evaluation is None:
        raise page.not_found()
    return evaluation


async def _about(session: AsyncSession, plan: ActionPlan, form: EvaluationForm) -> Commitment | None:
    if not form.commitment:
        return None
    number = int(form.commitment) if form.commitment.isascii() and form.commitment.isdigit() else 0
    found = await action_plan.commitment_by_number(session, plan, number)
    if found is None:
        raise NoSuchCommitment
    return found
