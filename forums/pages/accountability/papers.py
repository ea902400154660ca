"""What is handed to OGP: the file on the dialogue, as a page and to be taken away; drafts of self-assessments."""

import asyncio
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from forums import accountability, action_plan
from forums.accountability import Paper
from forums.language import N_
from forums.models.forum import PARIS
from forums.pages import page
from forums.pages.accountability.figures import plan_asked_for
from forums.pages.action_plan import base_of
from forums.pandoc import NoPandoc
from forums.refusals import Refusal


async def ogp_file(request: Request) -> Response:
    paper = await _ogp_file(request)
    if paper is None:
        return page.show(request, "accountability/none.html")
    return page.show(request, "accountability/ogp.html", paper=paper)


async def ogp_file_as_pdf(request: Request) -> Response:
    return await _taken_away(request, await _ogp_file(request), "pdf", "dossier-pgo")


async def ogp_file_as_odt(request: Request) -> Response:
    return await _taken_away(request, await _ogp_file(request), "odt", "dossier-pgo")


async def _ogp_file(request: Request) -> Paper | None:
    now = page.now()
    async with page.reading(request) as session:
        plan = await plan_asked_for(session, request)
        if plan is None:
            return None
        evidence = await accountability.evidence_of(session, plan, now=now)
        totals = await accountability.totals_of(session, plan, now=now)
    return accountability.ogp_file(evidence, totals, language=page.language(request), public_url=page.settings(request).public_url, now=now)


async def self_assessment_as_pdf(request: Request) -> Response:
    return await _taken_away(request, await _self_assessment(request), "pdf", _named(request))


async def self_assessment_as_odt(request: Request) -> Response:
    return await _taken_away(request, await _self_assessment(request), "odt", _named(request))


async def _self_assessment(request: Request) -> Paper:
    now, number = page.now(), page.path_number(request, "number")
    async with page.reading(request) as session:
        plan = await action_plan.plan_by_slug(session, request.path_params["plan"])
        commitment = await action_plan.commitment_by_number(session, plan, number) if plan else None
        if plan is None or commitment is None:
            raise page.not_found()
        known = await accountability.known_of(session, plan, commitment, now=now)
    public_url = page.settings(request).public_url
    return accountability.self_assessment(known, base=base_of(plan), language=page.language(request), public_url=public_url, now=now)


def _named(request: Request) -> str:
    return f"auto-evaluation-{request.path_params['plan']}-{request.path_params['number']}"


async def _taken_away(request: Request, paper: Paper | None, form: Literal["pdf", "odt"], name: str) -> Response:
    """The document as a file whose name says the day it was made."""
    if paper is None:
        raise page.not_found()
    if form == "pdf":  # in a thread: others are served while it is made
        content, media_type = await asyncio.to_thread(accountability.as_pdf, paper), "application/pdf"
    else:
        content, media_type = await _as_odt(paper), "application/vnd.oasis.opendocument.text"
    day = page.now().astimezone(PARIS).date()
    shown = "inline" if form == "pdf" else "attachment"
    headers = {"content-disposition": f'{shown}; filename="{name}-{day}.{form}"'}
    return Response(content, media_type=media_type, headers=headers)


async def _as_odt(paper: Paper) -> bytes:
    try:
        return await accountability.as_odt(paper)
    except NoPandoc:
        raise Refusal(N_("Ce serveur ne sait pas faire de document à modifier : prenez le PDF.")) from None
