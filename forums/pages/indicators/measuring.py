"""The measurements as members enter them: what is to be updated, one indicator's values, a proposal and what becomes of it."""

from collections.abc import Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import indicators, members
from forums.forms import Form
from forums.indicators import ChangedMeanwhile, CorrectForm, MeasureForm, Value, WithdrawForm, Wrong
from forums.language import N_
from forums.models import ActionPlan, Commitment, Indicator, Institution
from forums.models.forum import PARIS
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import AlreadyDecided, Refusal

PER_PAGE = 30

Carried = tuple[Indicator, Commitment, ActionPlan]


async def theirs(request: Request, session: AsyncSession) -> Sequence[Institution] | None:
    """The institutions a member speaks for; None for organisers, who follow every commitment."""
    member = request.state.member
    return await members.institutions_of(session, member) if member.role == "agent" else None


def is_organiser(request: Request) -> bool:
    return request.state.member.role in members.ORGANISERS


async def index(request: Request) -> Response:
    """The indicators a member may measure, what is late first."""
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        found = await indicators.to_measure(session, institutions=await theirs(request, session), now=page.now())
    shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
    waiting = sum(each.proposed for each in found)
    pages = page.pages_of(len(found), PER_PAGE)
    return page.show(
        request,
        "indicators/index.html",
        indicators=shown,
        total=len(found),
        waiting=waiting,
        organiser=is_organiser(request),
        page=number,
        pages=pages,
    )


async def desk(request: Request) -> Response:
    async with page.reading(request) as session:
        indicator, _, _ = await carried(session, request)
    return await _desk(request, page.blank(MeasureForm, source=indicator.source or "", edition="0"))


async def _desk(
    request: Request,
    filled: Filled[MeasureForm],
    withdrawing: Filled[WithdrawForm] | None = None,
    *,
    refused: Refusal | None = None,
    status: int = 200,
) -> Response:
    async with page.reading(request) as session:
        indicator, commitment, plan = await carried(session, request)
        values = await indicators.every_value(session, indicator)
        speaks_for = await _speaks_for(session, request, commitment)
        fresh = indicators.freshness(indicator, _last_day(values), page.now().astimezone(PARIS).date())
    return page.show(
        request,
        "indicators/desk.html",
        status=status,
        indicator=indicator,
        commitment=commitment,
        plan=plan,
        values=values,
        fresh=fresh,
        periodicities=indicators.PERIODICITIES,
        institutions=speaks_for,
        organiser=is_organiser(request),
        filled=filled,
        withdrawing=withdrawing or page.blank(WithdrawForm),
        refused=refused,
    )


def _last_day(values: Sequence[Value]) -> Any:
    return next((each.measurement.measured_on for each in values if each.measurement.status == "published"), None)


async def carried(session: AsyncSession, request: Request) -> Carried:
    """The indicator an address names; to an agent, one that their institution carries. Raises 404."""
    found = await indicators.by_code(session, request.path_params["code"], institutions=await theirs(request, session))
    if found is None:
        raise page.not_found()
    return found


async def _speaks_for(session: AsyncSession, request: Request, commitment: Commitment) -> list[Institution]:
    """Those a member may enter a value for: an agent's own, when they carry the commitment."""
    institutions = await theirs(request, session)
    return [] if institutions is None else await indicators.leads_among(session, commitment, institutions)


# -- Propose ----------------------------------------------------------------------------------------------


async def propose(request: Request) -> Response:
    """An agent's proposal waits for organisers; an organiser's own measurement is public at once."""
    filled = await page.read(request, MeasureForm)
    if filled.form is None:
        return await _desk(request, filled, status=422)
    organiser = is_organiser(request)
    try:
        async with page.transaction(request) as session:
            indicator, commitment, _ = await carried(session, request)
            institution = await _institution(session, request, commitment, filled.form.institution)
            held, wrote = await indicators.propose(session, indicator, filled.form, institution, publish=organiser, now=page.now())
            if wrote:
                _journal(request, session, "publish" if organiser else "measure", indicator, f"{held.measured_on:%d/%m/%Y}")
    except Wrong as refusal:
        filled.refuse(refusal.name, refusal)
        return await _desk(request, filled, status=422)
    return page.go(request, f"{_here(indicator)}?fait={'mesure-publiee' if organiser else 'mesure-proposee'}")


async def _institution(session: AsyncSession, request: Request, commitment: Commitment, slug: str) -> Institution | None:
    """Who gives a value: an agent's one institution, or the one they chose; None for organisers."""
    if is_organiser(request):
        return None
    mine = await _speaks_for(session, request, commitment)
    chosen = mine if len(mine) == 1 else [each for each in mine if each.slug == slug]
    if not chosen:
        raise Wrong("institution", N_("Choisissez l'administration qui donne cette mesure."))
    return chosen[0]


def _journal(request: Request, session: AsyncSession, verb: str, indicator: Indicator, detail: str = "") -> None:
    members.record(session, request.state.member, verb, f"indicator {indicator.code}", detail, now=page.now())


def _here(indicator: Indicator) -> str:
    return f"/organisation/indicateurs/{indicator.code}"


# -- Change a proposal --------------------------------------------------------------------------------------


async def proposal_form(request: Request) -> Response:
    async with page.reading(request) as session:
        indicator, _, _ = await carried(session, request)
        value = await _value(session, request, indicator)
    if value.measurement.status != "proposed":
        return page.go(request, _here(indicator))
    slug = value.institution.slug if value.institution else ""
    filled = _typed(MeasureForm, value, measured_on=value.measurement.measured_on.isoformat(), institution=slug)
    return await _proposal_form(request, filled)


def _typed(form_class: type[Any], value: Value, **more: str) -> Filled[Any]:
    held = value.measurement
    return page.blank(
        form_class,
        value=held.value,
        source=held.source or "",
        source_url=held.source_url or "",
        note=held.note,
        edition=str(held.edition),
        **more,
    )


async def _value(session: AsyncSession, request: Request, indicator: Indicator) -> Value:
    value = await indicators.value_by_id(session, indicator, page.path_uuid(request, "measurement"))
    if value is None:
        raise page.not_found()
    return value


async def _proposal_form(request: Request, filled: Filled[MeasureForm], *, refused: Refusal | None = None, status: int = 200) -> Response:
    return await _form(request, "indicators/proposal.html", filled, refused=refused, status=status)


async def _form(request: Request, template: str, filled: Filled[Any], *, refused: Refusal | None, status: int, **facts: Any) -> Response:
    """Saved again after a refusal, it replaces what is shown above it: the person has now read both."""
    async with page.reading(request) as session:
        indicator, commitment, plan = await carried(session, request)
        value = await _value(session, request, indicator)
        speaks_for = await _speaks_for(session, request, commitment)
    if refused is not None:
        filled.values["edition"] = str(value.measurement.edition)
    return page.show(
        request,
        template,
        status=status,
        indicator=indicator,
        commitment=commitment,
        plan=plan,
        value=value,
        institutions=speaks_for,
        organiser=is_organiser(request),
        filled=filled,
        refused=refused,
        **facts,
    )


async def reword(request: Request) -> Response:
    filled = await page.read(request, MeasureForm)
    if filled.form is None:
        return await _proposal_form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            indicator, commitment, _ = await carried(session, request)
            held = (await _value(session, request, indicator)).measurement
            institution = await _institution(session, request, commitment, filled.form.institution)
            if await indicators.reword(session, indicator, held, filled.form, institution, now=page.now()):
                _journal(request, session, "change_proposal", indicator, f"{held.measured_on:%d/%m/%Y}")
    except Wrong as refusal:
        filled.refuse(refusal.name, refusal)
        return await _proposal_form(request, filled, status=422)
    except (ChangedMeanwhile, AlreadyDecided) as refusal:
        return await _proposal_form(request, filled, refused=refusal, status=409)
    return page.go(request, f"{_here(indicator)}?fait=mesure-proposee")


# -- Decide, as organisers do ---------------------------------------------------------------------------------


async def publish(request: Request) -> Response:
    """The proposal as it was read: `edition` comes with the button."""
    edition = str((await request.form(max_files=0, max_fields=10)).get("edition", ""))
    read = int(edition) if edition.isascii() and edition.isdigit() and len(edition) < 7 else -1
    try:
        async with page.transaction(request) as session:
            indicator, _, _ = await carried(session, request)
            held = (await _value(session, request, indicator)).measurement
            if await indicators.publish(session, held, edition=read, now=page.now()):
                _journal(request, session, "publish", indicator, f"{held.measured_on:%d/%m/%Y}")
    except (ChangedMeanwhile, AlreadyDecided) as refusal:
        return await _desk(request, page.blank(MeasureForm, edition="0"), refused=refusal, status=409)
    return page.go(request, f"{_here(indicator)}?fait=mesure-publiee")


async def withdraw(request: Request) -> Response:
    filled: Filled[WithdrawForm] = await page.read(request, WithdrawForm)
    if filled.form is None:
        return await _desk(request, page.blank(MeasureForm, edition="0"), filled, status=422)
    async with page.transaction(request) as session:
        indicator, _, _ = await carried(session, request)
        held = (await _value(session, request, indicator)).measurement
        if await indicators.withdraw(session, held, filled.form, now=page.now()):
            _journal(request, session, "withdraw", indicator, f"{held.measured_on:%d/%m/%Y} : {filled.form.withdraw_reason}")
    return page.go(request, f"{_here(indicator)}?fait=mesure-retiree")


async def correcting(request: Request) -> Response:
    async with page.reading(request) as session:
        indicator, _, _ = await carried(session, request)
        value = await _value(session, request, indicator)
    if value.measurement.status != "published":
        return page.go(request, _here(indicator))
    return await _correction(request, _typed(CorrectForm, value))


async def _correction(request: Request, filled: Filled[CorrectForm], *, refused: Refusal | None = None, status: int = 200) -> Response:
    blank: Filled[Form] = page.blank(WithdrawForm)
    return await _form(request, "indicators/correct.html", filled, refused=refused, status=status, withdrawing=blank)


async def correct(request: Request) -> Response:
    filled = await page.read(request, CorrectForm)
    if filled.form is None:
        return await _correction(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            indicator, _, _ = await carried(session, request)
            held = (await _value(session, request, indicator)).measurement
            if await indicators.correct(session, held, filled.form, now=page.now()):
                _journal(request, session, "correct", indicator, f"{held.measured_on:%d/%m/%Y} : {filled.form.reason}")
    except ChangedMeanwhile as refusal:
        return await _correction(request, filled, refused=refusal, status=409)
    return page.go(request, f"{_here(indicator)}?fait=mesure-corrigee")
