"""A draft commitment amended by an organiser, with the comments that led to it."""

from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, amendments, consultations, members
from forums.consultations import AmendmentForm, CommitmentChanged, NotADraft, NothingAmended
from forums.pages import page
from forums.pages.consultations.reading import call_of
from forums.pages.page import Filled
from forums.refusals import Refusal

OFFERED = 200


async def amend_form(request: Request) -> Response:
    return await _form(request)


async def _form(
    request: Request, filled: Filled[AmendmentForm] | None = None, *, status: int = 200, refused: Refusal | None = None
) -> Response:
    async with page.reading(request) as session:
        plan, call = await call_of(session, request)
        commitment = await action_plan.commitment_by_number(session, plan, page.path_number(request, "number"))
        if commitment is None:
            raise page.not_found()
        said = [*(await consultations.published(session, call, commitment, limit=OFFERED))[0]]
        said += (await consultations.published(session, call, limit=OFFERED))[0]
    if filled is None:
        filled = page.blank(AmendmentForm, **amendments.text_of(commitment))
        filled.values["comments"] = request.query_params.getlist("commentaire")
    if refused or not filled.values["seen"]:
        filled.values["seen"] = consultations.seen(commitment)
    return page.show(
        request,
        "consultations/amend.html",
        status=status,
        plan=plan,
        commitment=commitment,
        said=said,
        filled=filled,
        refused=refused,
    )


async def amend(request: Request) -> Response:
    filled = await page.read(request, AmendmentForm)
    if filled.form is None:
        return await _form(request, filled, status=422)
    try:
        async with page.transaction(request) as session:
            plan, call = await call_of(session, request)
            commitment = await action_plan.commitment_by_number(session, plan, page.path_number(request, "number"))
            if commitment is None:
                raise page.not_found()
            if await consultations.amend(session, plan, call, commitment, filled.form, now=page.now()):
                detail = f"{commitment.number} : {filled.form.reason}"
                members.record(session, request.state.member, "amend", f"consultation {plan.slug}", detail, now=page.now())
    except CommitmentChanged as refusal:
        return await _form(request, filled, status=409, refused=refusal)
    except NothingAmended as refusal:
        filled.refuse("title", refusal)
        return await _form(request, filled, status=422)
    except NotADraft as refusal:
        filled.refuse("title", refusal)
        return await _form(request, filled, status=409)
    return page.go(request, f"/organisation/plans/{plan.slug}/commentaires?fait=engagement-modifie")
