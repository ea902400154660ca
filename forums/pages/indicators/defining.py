"""Definitions of indicators, added and edited by organisers."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, indicators, members
from forums.indicators import DefinitionChanged, IndicatorForm, Wrong
from forums.models import ActionPlan, Commitment, Indicator
from forums.pages import page
from forums.pages.page import Filled


async def new_form(request: Request) -> Response:
    return await _new_form(request, page.blank(IndicatorForm, edition="0"))


async def _new_form(request: Request, filled: Filled[IndicatorForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        commitment, plan = await commitment_of(session, request)
    return _shown(request, filled, commitment, plan, status=status)


def _shown(
    request: Request,
    filled: Filled[IndicatorForm],
    commitment: Commitment,
    plan: ActionPlan,
    indicator: Indicator | None = None,
    **facts: Any,
) -> Response:
    given = {"status": 200, "refused": None} | facts
    return page.show(
        request,
        "indicators/define.html",
        filled=filled,
        commitment=commitment,
        plan=plan,
        indicator=indicator,
        periodicities=indicators.PERIODICITIES,
        **given,
    )


async def commitment_of(session: AsyncSession, request: Request) -> tuple[Commitment, ActionPlan]:
    """The commitment an address names by its plan and number. Raises 404."""
    plan = await action_plan.plan_by_slug(session, request.path_params["plan"])
    found = await action_plan.commitment_by_number(session, plan, page.path_number(request, "number")) if plan else None
    if plan is None or found is None:
        raise page.not_found()
    return found, plan


async def add(request: Request) -> Response:
    filled = await page.read(request, IndicatorForm)
    if filled.form is None:
        return await _new_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            commitment, _ = await commitment_of(session, request)
            indicator, wrote = await indicators.define(session, commitment, filled.form)
            if wrote:
                _journal(request, session, "define", indicator)
    except Wrong as refusal:
        filled.refuse(refusal.name, refusal)
        return await _new_form(request, filled, status=422)
    return page.go(request, f"/organisation/indicateurs/{indicator.code}?fait=indicateur")


def _journal(request: Request, session: AsyncSession, verb: str, indicator: Indicator) -> None:
    members.record(session, request.state.member, verb, f"indicator {indicator.code}", indicator.name, now=page.now())


async def edit_form(request: Request) -> Response:
    async with page.reading(request) as session:
        held, _, _ = await _found(session, request)
    texts = {name: getattr(held, name) or "" for name in ("name", "unit", "baseline", "target", "periodicity", "source")}
    days = {name: day.isoformat() if (day := getattr(held, name)) else "" for name in ("baseline_on", "target_on", "first_due_on")}
    return await _edit_form(request, page.blank(IndicatorForm, **texts, **days, edition=str(held.edition)))


async def _edit_form(
    request: Request, filled: Filled[IndicatorForm], *, refused: DefinitionChanged | None = None, status: int = 200
) -> Response:
    async with page.reading(request) as session:
        indicator, commitment, plan = await _found(session, request)
    if refused:
        filled.values["edition"] = str(indicator.edition)
    return _shown(request, filled, commitment, plan, indicator, refused=refused, status=status)


async def _found(session: AsyncSession, request: Request) -> tuple[Indicator, Commitment, ActionPlan]:
    found = await indicators.by_code(session, request.path_params["code"])
    if found is None:
        raise page.not_found()
    return found


async def edit(request: Request) -> Response:
    filled = await page.read(request, IndicatorForm)
    if filled.form is None:
        return await _edit_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            indicator, _, _ = await _found(session, request)
            if await indicators.redefine(session, indicator, filled.form):
                _journal(request, session, "redefine", indicator)
    except DefinitionChanged as refusal:
        return await _edit_form(request, filled, refused=refusal, status=409)
    return page.go(request, f"/organisation/indicateurs/{indicator.code}?fait=indicateur")
