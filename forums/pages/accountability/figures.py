"""The figures of a plan, of one institution, of one commitment: each leads to the list of what it counts."""

from collections.abc import Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import accountability, action_plan
from forums.accountability import OfSeason
from forums.language import N_, translations
from forums.models import ActionPlan
from forums.pages import page
from forums.pages.action_plan import base_of

# What a question or a promise of a season has become, in the order it is stacked: where it is read, its name, its state in a list.
ASKED = [
    ("answered", N_("Répondues"), "repondue"),
    ("partly", N_("Répondues en partie"), "en-partie"),
    ("deferred", N_("Reportées"), "reportee"),
    ("refused", N_("Refus de répondre"), "refusee"),
    ("waiting", N_("En attente de réponse"), "en-attente"),
]
PROMISED = [
    ("kept", N_("Tenues"), "tenues"),
    ("open", N_("Ouvertes"), "ouvertes"),
    ("dropped", N_("Abandonnées"), "abandonnees"),
]


async def index(request: Request) -> Response:
    """A plan, the current one unless `?plan=` names another: all of it, its commitments, its institutions, the seasons."""
    now = page.now()
    async with page.reading(request) as session:
        plans = await action_plan.plans(session)
        plan = await plan_asked_for(session, request)
        if plan is None:
            return page.show(request, "accountability/none.html")
        figures = await accountability.figures_of(session, plan, now=now)
        seasons = await accountability.trends(session, now=now)
    return page.show(
        request, "accountability/index.html", plans=plans, figures=figures, base=base_of(plan), **_trends(seasons, page.language(request))
    )


async def institution(request: Request) -> Response:
    now = page.now()
    async with page.reading(request) as session:
        plan = await plan_asked_for(session, request)
        found = await action_plan.institution_by_slug(session, request.path_params["slug"])
        if plan is None or found is None:
            raise page.not_found()
        plans = await action_plan.plans(session)
        figures = await accountability.figures_of(session, plan, now=now)
        seasons = await accountability.trends(session, institution=found, now=now)
    return page.show(
        request,
        "accountability/institution.html",
        plans=plans,
        figures=figures,
        institution=found,
        row=figures.institution(found.slug),
        base=base_of(plan),
        **_trends(seasons, page.language(request)),
    )


async def commitment(request: Request) -> Response:
    now, number = page.now(), page.path_number(request, "number")
    async with page.reading(request) as session:
        plan = await action_plan.plan_by_slug(session, request.path_params["plan"])
        found = await action_plan.commitment_by_number(session, plan, number) if plan else None
        if plan is None or found is None:
            raise page.not_found()
        figures = await accountability.figures_of(session, plan, institutions=False, now=now)
        seasons = await accountability.trends(session, commitment=found, now=now)
    return page.show(
        request,
        "accountability/commitment.html",
        figures=figures,
        row=figures.commitment(number),
        base=base_of(plan),
        **_trends(seasons, page.language(request)),
    )


async def plan_asked_for(session: AsyncSession, request: Request) -> ActionPlan | None:
    """The plan `?plan=` names, or the current one; raises 404 for one that does not exist."""
    slug = request.query_params.get("plan")
    if not slug:
        return await action_plan.current_plan(session)
    plan = await action_plan.plan_by_slug(session, slug)
    if plan is None:
        raise page.not_found()
    return plan


def _trends(seasons: Sequence[OfSeason], language: str) -> dict[str, Any]:
    """What the part on seasons shows: the rows, and a chart of each kind drawn once something was asked or promised."""
    from forums import charts  # by what draws them, a fortieth of a start

    _ = translations(language).gettext
    names = [each.season.title if each.season else _("Hors forum") for each in seasons]
    questions = [charts.Stack(_(name), [getattr(each.asked, field) for each in seasons]) for field, name, _state in ASKED]
    made = [each for each in seasons if each.season]
    promises = [charts.Stack(_(name), [getattr(each.promised, field) for each in made]) for field, name, _state in PROMISED]
    return {
        "seasons": seasons,
        "asked_states": ASKED,
        "promised_states": PROMISED,
        "asked_chart": _drawn(
            names,
            questions,
            _("Questions par saison, selon ce qu'elles sont devenues : les nombres sont dans le tableau qui suit"),
            language,
        ),
        "promised_chart": _drawn(
            names[: len(made)],
            promises,
            _("Promesses par saison, selon ce qu'elles sont devenues : les nombres sont dans le tableau qui suit"),
            language,
        ),
    }


def _drawn(names: Sequence[str], stacks: Sequence[Any], title: str, language: str) -> str:
    from forums import charts

    if not any(sum(stack.values) for stack in stacks):
        return ""
    return charts.bars(names, stacks, title=title, unit="", language=language)
