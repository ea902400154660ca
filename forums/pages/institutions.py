"""Institutions, for everybody: all of them, and each with what it carries, what it was asked and what it promised.

The figures are those of the current plan, counted as `/redevabilite` counts them; the questions and promises
shown are the first of lists that have pages of their own.
"""

from starlette.requests import Request
from starlette.responses import Response

from forums import accountability, action_plan, follow_ups, institutions, questions
from forums.pages import page

PER_PAGE = 50
SHOWN = 5


async def index(request: Request) -> Response:
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        found = await institutions.every(session)
    return page.show(
        request,
        "institutions/index.html",
        rows=found[(number - 1) * PER_PAGE : number * PER_PAGE],
        total=len(found),
        page=number,
        pages=page.pages_of(len(found), PER_PAGE),
    )


async def show(request: Request) -> Response:
    now = page.now()
    async with page.reading(request) as session:
        found = await action_plan.institution_by_slug(session, request.path_params["slug"])
        if found is None:
            raise page.not_found()
        parts = await institutions.parts_of(session, found)
        plan = await action_plan.current_plan(session)
        figures = await accountability.figures_of(session, plan, now=now) if plan else None
        asked, asked_in_all = await questions.published(session, institution=found, limit=SHOWN, now=now)
        states = await questions.states_of(session, asked)
        supports = await questions.support_counts(session, asked)
        promised, promised_in_all = await follow_ups.public_ones(session, institution=found, limit=SHOWN, now=now)
    return page.show(
        request,
        "institutions/show.html",
        institution=found,
        parts_of_plans=parts,
        plan=plan,
        row=figures.institution(found.slug) if figures else None,
        asked=asked,
        asked_in_all=asked_in_all,
        states=states,
        supports=supports,
        promised=promised,
        promised_in_all=promised_in_all,
    )
