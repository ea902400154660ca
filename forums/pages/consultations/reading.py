"""What everybody reads of a call: one comment and what came of it, the synthesis as a page and as files."""

from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import consultations, pandoc
from forums.minutes.comparing import Piece, words_changed
from forums.models import ActionPlan, CommitmentAmendment, Consultation
from forums.pages import page
from forums.pages.evaluations import plan_of

_DOCUMENTS: Final = {
    "odt": "application/vnd.oasis.opendocument.text",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


async def call_of(session: AsyncSession, request: Request) -> tuple[ActionPlan, Consultation]:
    """The plan an address names and the call on it. Raises 404."""
    plan = await plan_of(session, request)
    call = await consultations.call_on(session, plan)
    if call is None:
        raise page.not_found()
    return plan, call


async def show(request: Request) -> Response:
    """One comment, or why it is not here."""
    async with page.reading(request) as session:
        found = await consultations.comment_by_code(session, request.path_params["code"])
        if found is None or found[0].comment.status == "pending":
            raise page.not_found()
        said, plan = found
    if said.comment.status == "declined":
        return page.show(request, "consultations/declined.html", comment=said.comment, plan=plan)
    changes = changes_of(said.amendment) if said.amendment else {}
    return page.show(request, "consultations/show.html", said=said, plan=plan, changes=changes)


def changes_of(amendment: CommitmentAmendment) -> dict[str, list[Piece]]:
    """What an amendment changed, word by word, of the title and of the summary; nothing where they are the same."""
    was, now = amendment.before, amendment.after
    return {name: words_changed(was[name], now[name]) if was[name] != now[name] else [] for name in ("title", "summary")}


async def synthesis(request: Request) -> Response:
    async with page.reading(request) as session:
        plan, call = await call_of(session, request)
        found = await consultations.summed_up(session, plan, call)
        led_by = await consultations.of_amendments(session, [each for each, _ in found.amended])
    changes = {each.id: changes_of(each) for each, _ in found.amended}
    return page.show(request, "consultations/synthesis.html", plan=plan, call=call, found=found, led_by=led_by, changes=changes)


async def as_odt(request: Request) -> Response:
    return await _document(request, "odt")


async def as_docx(request: Request) -> Response:
    return await _document(request, "docx")


async def _document(request: Request, kind: str) -> Response:
    async with page.reading(request) as session:
        plan, call = await call_of(session, request)
        text = await consultations.as_markdown(session, plan, call)
    content = await pandoc.markdown_to_document(text, kind)
    return _file(content, _DOCUMENTS[kind], f"synthese-{plan.slug}.{kind}")


async def as_csv(request: Request) -> Response:
    async with page.reading(request) as session:
        plan, call = await call_of(session, request)
        content = await consultations.as_csv(session, plan, call, page.settings(request).public_url)
    return _file(content, "text/csv; charset=utf-8", f"commentaires-{plan.slug}.csv")


def _file(content: bytes, media_type: str, filename: str) -> Response:
    return Response(content, headers={"content-type": media_type, "content-disposition": f'attachment; filename="{filename}"'})
