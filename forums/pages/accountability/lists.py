"""The lists behind the figures that no other page shows: commitments by what was examined, indicators by freshness."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from forums import accountability, action_plan
from forums.accountability import Freshness, OfCommitment
from forums.models import ActionPlan, Institution
from forums.pages import page
from forums.pages.accountability.figures import plan_asked_for
from forums.pages.action_plan import base_of

PER_PAGE = 50
FRESHNESS: dict[str, Freshness] = {"a-jour": "fresh", "a-mettre-a-jour": "stale", "sans-echeance": "no_rule"}


async def commitments(request: Request) -> Response:
    """The commitments of a plan: all, those an institution leads, those examined or never, those nobody asked about."""
    asked_for = request.query_params
    async with page.reading(request) as session:
        plan = await plan_asked_for(session, request)
        if plan is None:
            return page.show(request, "accountability/none.html")
        institution = await action_plan.institution_by_slug(session, asked_for.get("institution", ""))
        figures = await accountability.figures_of(session, plan, institutions=False, kept=False, now=page.now())
    found = _chosen(figures.commitments, institution, asked_for.get("etat", ""))
    return _listed(request, "accountability/commitments.html", plan, institution, found)


def _chosen(rows: Sequence[OfCommitment], institution: Institution | None, state: str) -> list[OfCommitment]:
    kept = [row for row in rows if institution is None or institution in row.leads]
    if state in ("examines", "jamais-examines"):
        kept = [row for row in kept if bool(row.examined) == (state == "examines")]
    if state in ("avec-question", "sans-question"):
        kept = [row for row in kept if bool(row.asked.total) == (state == "avec-question")]
    return kept


async def indicators(request: Request) -> Response:
    """The indicators of a plan, of an institution's commitments or of one commitment, by freshness."""
    asked_for = request.query_params
    async with page.reading(request) as session:
        plan = await plan_asked_for(session, request)
        if plan is None:
            return page.show(request, "accountability/none.html")
        institution = await action_plan.institution_by_slug(session, asked_for.get("institution", ""))
        of_plan = await action_plan.commitments_of(session, plan)
        leads = await action_plan.leads(session, of_plan)
        chosen = page.whole_number(request, "engagement", 0)
        about = [
            each.id
            for each in of_plan
            if (not chosen or each.number == chosen) and (institution is None or institution in leads.get(each.id, []))
        ]
        watched = await accountability.watched(session, about, now=page.now())
    state = FRESHNESS.get(asked_for.get("etat", ""))
    found = [each for each in watched if state is None or each.freshness == state]
    return _listed(request, "accountability/indicators.html", plan, institution, found)


def _listed(request: Request, template: str, plan: ActionPlan, institution: Institution | None, found: Sequence[Any]) -> Response:
    number = page.whole_number(request, "page", 1)
    return page.show(
        request,
        template,
        plan=plan,
        base=base_of(plan),
        institution=institution,
        rows=found[(number - 1) * PER_PAGE : number * PER_PAGE],
        total=len(found),
        page=number,
        pages=page.pages_of(len(found), PER_PAGE),
    )
