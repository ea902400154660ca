"""Registering, my registration, and the list of a forum for organisers."""

from starlette.requests import Request
from starlette.responses import Response

from forums import members, outbox, registrations
from forums.pages import page
from forums.pages.registrations import mine
from forums.pages.registrations.asking import ask_for_link, form, link_form, link_sent, register, sent

__all__ = ["ask_for_link", "form", "link_form", "link_sent", "list_of_forum", "mine", "register", "sent"]


async def list_of_forum(request: Request) -> Response:
    async with page.transaction(request) as session:
        forum = await page.forum(session, request, drafts=True)
        found = await registrations.all_of(session, forum)
        lost = await outbox.unreachable(session, [each.email for each in found if each.email])
        members.record(session, request.state.member, "read_registrations", f"forum {forum.slug}", now=page.now())
    return page.show(request, "registrations/list.html", forum=forum, registrations=found, unreachable=lost)
