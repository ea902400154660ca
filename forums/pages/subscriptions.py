"""Announcements by e-mail, from their own link: a page with one button, and the one click of a mail program."""

from starlette.requests import Request
from starlette.responses import Response

from forums import subscriptions
from forums.pages import page


async def mine(request: Request) -> Response:
    """Reading ends nothing: mail scanners follow links."""
    async with page.reading(request) as session:
        found = await subscriptions.subscription_of_link(session, request.path_params["token"], now=page.now())
    return page.show(request, "subscriptions/mine.html", subscribed=found is not None, token=request.path_params["token"])


async def end(request: Request) -> Response:
    """By the button, or by a mail program (RFC 8058), which comes without cookie nor origin: the link is the proof.

    A link that was used already gets the same page: the person is not written to any more, and wants to read it.
    """
    async with page.transaction(request) as session:
        found = await subscriptions.subscription_of_link(session, request.path_params["token"], now=page.now())
        if found is not None:
            await subscriptions.unsubscribe(session, found.email, found.email_key)
    return page.go(request, f"/abonnements/{request.path_params['token']}")
