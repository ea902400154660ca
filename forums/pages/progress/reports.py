"""Progress reports: written by an agent of who carries the commitment, published and amended by organisers."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, members, progress
from forums.language import N_
from forums.models import Commitment, Institution
from forums.pages import page
from forums.pages.indicators.measuring import is_organiser, theirs
from forums.pages.page import Filled
from forums.pages.progress.desk import followed, here, subject
from forums.progress import PublishedMeanwhile, ReportChanged, Reported, ReportForm, WrongReport
from forums.refusals import Refusal


async def new_form(request: Request) -> Response:
    return await _form(request, page.blank(ReportForm, edition="0", evidence=""))


async def _form(
    request: Request,
    filled: Filled[ReportForm],
    *,
    fresh: bool = True,
    refused: Refusal | None = None,
    status: int = 200,
) -> Response:
    async with page.reading(request) as session:
        commitment, plan = await followed(session, request)
        held = None if fresh else await _report(session, request, commitment)
        institutions = await _may_report(session, request, commitment)
    if refused and held:
        filled.values["edition"] = str(held.report.edition)
    return page.show(
        request,
        "progress/report.html",
        status=status,
        commitment=commitment,
        plan=plan,
        held=held,
        institutions=institutions,
        completions=progress.COMPLETIONS,
        organiser=is_organiser(request),
        filled=filled,
        refused=refused,
    )


async def _may_report(session: AsyncSession, request: Request, commitment: Commitment) -> list[Institution]:
    """The institutions that carry the commitment; to an agent, those they speak for."""
    leads = (await action_plan.leads(session, [commitment])).get(commitment.id, [])
    institutions = await theirs(request, session)
    return leads if institutions is None else [each for each in leads if each.id in {mine.id for mine in institutions}]


async def _report(session: AsyncSession, request: Request, commitment: Commitment) -> Reported:
    """The report an address names; an agent changes their institution's own, and reads the others on the desk. Raises 404."""
    found = await progress.report_by_code(session, commitment, request.path_params["code"])
    allowed = {each.id for each in await _may_report(session, request, commitment)}
    if found is None or not (is_organiser(request) or found.institution.id in allowed):
        raise page.not_found()
    return found


async def _institution(session: AsyncSession, request: Request, commitment: Commitment, slug: str) -> Institution:
    mine = await _may_report(session, request, commitment)
    chosen = mine if len(mine) == 1 else [each for each in mine if each.slug == slug]
    if not chosen:
        raise WrongReport("institution", N_("Choisissez l'administration qui fait ce point d'étape."))
    return chosen[0]


async def add(request: Request) -> Response:
    filled = await page.read(request, ReportForm)
    if filled.form is None:
        return await _form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            commitment, plan = await followed(session, request)
            institution = await _institution(session, request, commitment, filled.form.institution)
            report, wrote = await progress.write(session, commitment, filled.form, institution, now=page.now())
            if wrote:
                members.record(session, request.state.member, "report", subject(commitment, plan), report.code, now=page.now())
    except WrongReport as refusal:
        filled.refuse(refusal.name, refusal)
        return await _form(request, filled, status=422)
    return page.go(request, f"{here(request)}?fait=point-propose#points")


async def edit_form(request: Request) -> Response:
    async with page.reading(request) as session:
        commitment, _ = await followed(session, request)
        held = await _report(session, request, commitment)
    report = held.report
    if report.status == "published" and not is_organiser(request):
        return page.go(request, f"{here(request)}#points")
    filled = page.blank(
        ReportForm,
        institution=held.institution.slug,
        period_start=report.period_start.isoformat(),
        period_end=report.period_end.isoformat(),
        completion=report.completion,
        text=report.text,
        obstacles=report.obstacles,
        evidence=progress.as_typed(report.evidence),
        edition=str(report.edition),
    )
    return await _form(request, filled, fresh=False)


async def amend(request: Request) -> Response:
    filled = await page.read(request, ReportForm)
    if filled.form is None:
        return await _form(request, filled, fresh=False, status=422)
    try:
        async with page.transaction(request) as session:
            commitment, plan = await followed(session, request)
            report = (await _report(session, request, commitment)).report
            institution = await _institution(session, request, commitment, filled.form.institution)
            organiser = is_organiser(request)
            if await progress.amend(session, commitment, report, filled.form, institution, organiser=organiser, now=page.now()):
                verb = "correct" if report.status == "published" else "report"
                members.record(session, request.state.member, verb, subject(commitment, plan), report.code, now=page.now())
    except WrongReport as refusal:
        filled.refuse(refusal.name, refusal)
        return await _form(request, filled, fresh=False, status=422)
    except (ReportChanged, PublishedMeanwhile) as refusal:
        return await _form(request, filled, fresh=False, refused=refusal, status=409)
    done = "point-corrige" if report.status == "published" else "point-propose"
    return page.go(request, f"{here(request)}?fait={done}#points")


async def publish(request: Request) -> Response:
    """The report as it was read: `edition` comes with the button."""
    edition = str((await request.form(max_files=0, max_fields=10)).get("edition", ""))
    read = int(edition) if edition.isascii() and edition.isdigit() and len(edition) < 7 else -1
    async with page.transaction(request) as session:
        commitment, plan = await followed(session, request)
        report = (await _report(session, request, commitment)).report
        if await progress.publish(session, report, edition=read, now=page.now()):
            members.record(session, request.state.member, "publish", subject(commitment, plan), report.code, now=page.now())
    return page.go(request, f"{here(request)}?fait=point-publie#points")
