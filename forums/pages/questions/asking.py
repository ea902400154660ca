"""Questions asked: the form, where those like it are shown before it is sent, and its author's confirmation."""

import time
from collections.abc import Sequence

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, questions, schedule
from forums.models import Forum, Question
from forums.pages import page
from forums.pages.page import Filled
from forums.questions import QuestionForm
from forums.refusals import QuestionsClosed, TooManyRequests


async def of_forum(request: Request) -> Response:
    """The questions of one forum, and the form to ask while it is open."""
    return await _of_forum(request, page.blank(QuestionForm, kind="question"))


async def _of_forum(request: Request, filled: Filled[QuestionForm], *, similar: Sequence[Question] = (), status: int = 200) -> Response:
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
        found, total = await questions.published(session, forum=forum, limit=100)
        states = await questions.states_of(session, found)
        supports = await questions.support_counts(session, [*found, *similar])
        commitments = await action_plan.current_commitments(session)
        about = await schedule.commitments_of(session, forum)
    return page.show(
        request,
        "questions/of_forum.html",
        status=status,
        forum=forum,
        questions=found,
        total=total,
        states=states,
        supports=supports,
        similar=similar,
        commitments=commitments,
        about=about,
        filled=filled,
        open=questions.are_open(forum, now=page.now()),
    )


async def form(request: Request) -> Response:
    """The form to ask about a commitment at any time (`?engagement=12`)."""
    chosen = page.whole_number(request, "engagement", 0)
    return await _form(request, page.blank(QuestionForm, kind="question", commitment=str(chosen or "")))


async def _form(request: Request, filled: Filled[QuestionForm], *, similar: Sequence[Question] = (), status: int = 200) -> Response:
    async with page.reading(request) as session:
        commitments = await action_plan.current_commitments(session)
        supports = await questions.support_counts(session, similar)
    return page.show(
        request, "questions/form.html", status=status, commitments=commitments, filled=filled, similar=similar, supports=supports
    )


async def ask(request: Request) -> Response:
    filled = await page.read(request, QuestionForm)
    if similar := await _not_shown_yet(request, filled):
        return await _form(request, filled, similar=similar)
    try:
        if not await _ask(request, None, filled):
            return await _form(request, filled, status=422)
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(await _form(request, filled, status=429))
    return page.go(request, "/questions/envoyee")


async def ask_forum(request: Request) -> Response:
    filled = await page.read(request, QuestionForm)
    async with page.reading(request) as session:
        forum = await page.forum(session, request)
    if questions.are_open(forum, now=page.now()) and (similar := await _not_shown_yet(request, filled)):
        return await _of_forum(request, filled, similar=similar)
    try:
        if not await _ask(request, forum, filled):
            return await _of_forum(request, filled, status=422)
    except QuestionsClosed:
        return await _of_forum(request, filled, status=409)
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(await _of_forum(request, filled, status=429))
    return page.go(request, "/questions/envoyee")


async def _not_shown_yet(request: Request, filled: Filled[QuestionForm]) -> Sequence[Question]:
    """Questions like the one that was written, if there is one the person has not been shown; all of them are then."""
    if filled.form is None or filled.form.site_web:
        return ()
    async with page.reading(request) as session:
        similar = await questions.similar_to(session, filled.form.text)
    seen = set(filled.form.shown)
    if all(question.code in seen for question in similar):
        return ()
    filled.values["shown"] = list(dict.fromkeys([*filled.form.shown, *(question.code for question in similar)]))[-50:]
    return similar


async def _ask(request: Request, forum: Forum | None, filled: Filled[QuestionForm]) -> bool:
    if filled.form is None:
        return False
    form, language, secret_key = filled.form, page.language(request), page.settings(request).secret_key

    def write(connection: Connection) -> None:
        page.spend_at_once(connection, request)
        chosen = action_plan.current_commitment(connection, form.commitment)
        questions.ask_at_once(connection, forum, chosen, form, language=language, secret_key=secret_key, now=page.now())

    began = time.monotonic()
    await page.write_at_once(request, write)
    await page.same_time(began)
    return True


async def sent(request: Request) -> Response:
    return page.show(request, "questions/sent.html")


async def mine(request: Request) -> Response:
    """The page behind the mailed link: the question, and the button that confirms it."""
    async with page.reading(request) as session:
        question = await questions.question_of_link(session, request.path_params["token"], now=page.now())
        kept = await session.get(Question, question.merged_into_id) if question and question.merged_into_id else None
    if question is None:
        return page.show(request, "questions/unknown.html", status=404)
    return page.show(request, "questions/mine.html", question=question, kept=kept, token=request.path_params["token"])


async def confirm(request: Request) -> Response:
    token = request.path_params["token"]
    async with page.transaction(request) as session:
        question = await questions.confirm(session, token, now=page.now())
    if question is None:
        return page.show(request, "questions/unknown.html", status=404)
    return page.go(request, f"/questions/confirmer/{token}")
