"""A question supported: asked for with an address, confirmed and withdrawn by a button behind the mailed link."""

import time

from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import questions
from forums.models import Question
from forums.pages import page
from forums.pages.page import Filled
from forums.questions import SupportForm
from forums.refusals import TooManyRequests


async def form(request: Request) -> Response:
    return await _form(request, page.blank(SupportForm))


async def _form(request: Request, filled: Filled[SupportForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        question = await questions.public_question(session, request.path_params["code"])
        if question is None:
            raise page.not_found()
        supports = await questions.support_counts(session, [question])
    if question.status != "published":  # its own page says where it went, or why
        return page.go(request, f"/questions/{question.code}")
    return page.show(request, "questions/support.html", status=status, question=question, filled=filled, supports=supports[question.id])


async def support(request: Request) -> Response:
    filled = await page.read(request, SupportForm)
    code = request.path_params["code"]
    if filled.form is None:
        return await _form(request, filled, status=422)
    form, language, secret_key = filled.form, page.language(request), page.settings(request).secret_key

    def write(connection: Connection) -> None:
        question = questions.supported(connection, code)
        if question is None:
            raise page.not_found()
        page.spend_at_once(connection, request)
        questions.support_at_once(connection, question, form, language=language, secret_key=secret_key, now=page.now())

    began = time.monotonic()
    try:
        await page.write_at_once(request, write)
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(await _form(request, filled, status=429))
    await page.same_time(began)
    return page.go(request, f"/questions/{code}/soutenir/envoye")


async def _published(session: AsyncSession, code: str) -> Question:
    question = await questions.public_question(session, code)
    if question is None:
        raise page.not_found()
    return question


async def sent(request: Request) -> Response:
    async with page.reading(request) as session:
        question = await _published(session, request.path_params["code"])
    return page.show(request, "questions/support_sent.html", question=question)


async def mine(request: Request) -> Response:
    """The page behind the mailed link: where the support stands, and its one button."""
    token = request.path_params["token"]
    async with page.reading(request) as session:
        found = await questions.support_of_link(session, token, now=page.now())
        if found is None:
            return _unknown(request)
        support, question = found
        supports = await questions.support_counts(session, [question])
    return page.show(request, "questions/my_support.html", support=support, question=question, supports=supports[question.id], token=token)


async def confirm(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        found = await questions.confirm_support(session, token, now=page.now())
    return page.go(request, f"/questions/soutiens/{token}") if found else _unknown(request)


async def withdraw(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        found = await questions.withdraw_support(session, token, now=page.now())
    return page.go(request, f"/questions/soutiens/{token}") if found else _unknown(request)


def _unknown(request: Request) -> Response:
    return page.show(request, "questions/support_unknown.html", status=404)
