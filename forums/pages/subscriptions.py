"""Subscriptions: by calendar and Atom for everybody; by mail, asked for here and kept behind the mailed link."""

import time
from collections.abc import Sequence

from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import action_plan, news, subscriptions
from forums.models import Subscription
from forums.pages import page
from forums.pages.page import Filled
from forums.refusals import Refusal, TooManyRequests
from forums.subscriptions import FollowForm, LinkForm, MoreForm, RhythmForm


async def index(request: Request) -> Response:
    """`?suivre=` is what a link « Suivre » was about."""
    asked = request.query_params.get("suivre", "")
    return await _index(request, page.blank(FollowForm, scope=asked or news.EVERYTHING, rhythm="immediate" if asked else "weekly"))


async def _index(request: Request, filled: Filled[FollowForm], *, status: int = 200) -> Response:
    async with page.reading(request) as session:
        options = await news.options(session)
        chosen = await news.named(session, filled.values["scope"])
        plan = await action_plan.current_plan(session)
        axes = await action_plan.axes_of(session, plan) if plan else []
    offered = {each.scope for group in options.values() for each in group}
    other = chosen if chosen and chosen.scope not in offered else None
    return page.show(request, "subscriptions/index.html", status=status, filled=filled, options=options, other=other, plan=plan, axes=axes)


async def ask(request: Request) -> Response:
    filled = await page.read(request, FollowForm)
    if filled.form is None:
        return await _index(request, filled, status=422)
    began = time.monotonic()
    try:
        await _ask(request, filled.form)
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(await _index(request, filled, status=429))
    except Refusal as refusal:
        filled.refuse("scope", refusal)
        return await _index(request, filled, status=422)
    await page.same_time(began)
    return page.go(request, "/abonnements/envoye")


async def _ask(request: Request, form: FollowForm) -> None:
    language, secret_key = page.language(request), page.settings(request).secret_key
    async with page.reading(request) as session:
        names = await subscriptions.names_for(session, form, secret_key=secret_key)

    def write(connection: Connection) -> None:
        page.spend_at_once(connection, request)
        subscriptions.ask_at_once(connection, names, form, language=language, secret_key=secret_key, now=page.now())

    await page.write_at_once(request, write)


async def sent(request: Request) -> Response:
    return page.show(request, "subscriptions/sent.html", asked=True)


# -- A lost link ----------------------------------------------------------------------------------------------


async def link_form(request: Request) -> Response:
    return page.show(request, "subscriptions/link.html", filled=page.blank(LinkForm))


async def ask_for_link(request: Request) -> Response:
    filled = await page.read(request, LinkForm)
    if filled.form is None:
        return page.show(request, "subscriptions/link.html", status=422, filled=filled)
    began = time.monotonic()
    try:
        async with page.transaction(request) as session:
            await page.spend(session, request)
            await subscriptions.ask_for_link(session, filled.form, secret_key=page.settings(request).secret_key, now=page.now())
    except TooManyRequests as refusal:
        filled.refuse("email", refusal)
        return page.too_many(page.show(request, "subscriptions/link.html", status=429, filled=filled))
    await page.same_time(began)
    return page.go(request, "/abonnements/lien/envoye")


async def link_sent(request: Request) -> Response:
    return page.show(request, "subscriptions/sent.html", asked=False)


# -- Behind the link ------------------------------------------------------------------------------------------


async def mine(request: Request) -> Response:
    """What is followed, each with its button. Reading changes nothing: mail scanners follow links."""
    return await _mine(request)


async def _mine(
    request: Request, more: Filled[MoreForm] | None = None, rhythm: Filled[RhythmForm] | None = None, *, status: int = 200
) -> Response:
    token = request.path_params["token"]
    async with page.reading(request) as session:
        found = await subscriptions.subscription_of_link(session, token, now=page.now())
        if found is None:
            return page.show(request, "subscriptions/ended.html")
        followed = await subscriptions.followed_by(session, found)
        options = await news.options(session)
    filled = more or page.blank(MoreForm)
    chosen = rhythm or page.blank(RhythmForm, rhythm=found.rhythm)
    facts = {"subscription": found, "followed": followed, "options": options, "token": token}
    return page.show(request, "subscriptions/mine.html", status=status, filled=filled, rhythm=chosen, **facts)


async def _found(request: Request, session: AsyncSession) -> Subscription | None:
    return await subscriptions.subscription_of_link(session, request.path_params["token"], now=page.now())


async def confirm(request: Request) -> Response:
    """What the page showed, and nothing that was asked for since."""
    typed = await request.form(max_files=0, max_fields=100, max_part_size=8 * 1024)
    scopes = [text for text in typed.getlist("scope") if isinstance(text, str)]
    async with page.transaction(request) as session:
        found = await _found(request, session)
        if found is not None:
            await subscriptions.confirm(session, found, scopes, now=page.now())
    return _back(request, "?fait=abonnement-confirme" if found else "")


async def follow_more(request: Request) -> Response:
    filled = await page.read(request, MoreForm)
    if filled.form is None:
        return await _mine(request, more=filled, status=422)
    try:
        async with page.transaction(request) as session:
            found = await _found(request, session)
            if found is not None:
                await subscriptions.follow_more(session, found, filled.form, now=page.now())
    except Refusal as refusal:
        filled.refuse("scope", refusal)
        return await _mine(request, more=filled, status=422)
    return _back(request, "?fait=abonnement-ajoute" if found else "")


async def keep_rhythm(request: Request) -> Response:
    filled = await page.read(request, RhythmForm)
    if filled.form is None:
        return await _mine(request, rhythm=filled, status=422)
    async with page.transaction(request) as session:
        found = await _found(request, session)
        if found is not None:
            await subscriptions.keep_rhythm(session, found, filled.form, now=page.now())
    return _back(request, "?fait=abonnement-rythme" if found else "")


async def end_form(request: Request) -> Response:
    """What the link in a message ends, with one button."""
    token, scopes = request.path_params["token"], _ended(request)
    async with page.reading(request) as session:
        found = await _found(request, session)
        if found is None:
            return page.show(request, "subscriptions/ended.html")
        followed = await subscriptions.followed_by(session, found)
    ending = [each for each in followed if not scopes or each.row.scope in scopes]
    # All that is followed, or nothing of it any more: then the one thing left to end is everything.
    everything = not ending or len(ending) == len(followed)
    facts = {"ending": followed if everything else ending, "everything": everything, "token": token}
    return page.show(request, "subscriptions/end.html", **facts)


def _ended(request: Request) -> Sequence[str]:
    return request.query_params.getlist("suivi")


async def end(request: Request) -> Response:
    """By the button, or by a mail program (RFC 8058), which comes without cookie nor origin: the link is the proof.

    It ends what the message was sent for, and everything when its address names nothing. A link that was used
    already gets the same page: the person is not written to any more, and wants to read it.
    """
    async with page.transaction(request) as session:
        found = await _found(request, session)
        if found is not None:
            await subscriptions.end(session, found, _ended(request) or None)
    if (await request.form(max_files=0, max_fields=10)).get("List-Unsubscribe") == "One-Click":
        return Response(status_code=200)  # a redirection is what the RFC forbids, and nobody reads this answer
    return _back(request, "?fait=abonnement-retire" if found else "")


def _back(request: Request, said: str) -> Response:
    return page.go(request, f"/abonnements/{request.path_params['token']}{said}")
