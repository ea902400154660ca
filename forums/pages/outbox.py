"""The outbox, for organisers: what waits, what failed and why, and each message as it reads."""

import re

from starlette.requests import Request
from starlette.responses import Response

from forums import emails, members, outbox
from forums.models import OutboxMessage
from forums.pages import page

_SECRET = re.compile(r"/(inscriptions|connexion|questions/confirmer)/[\w-]{20,}")


async def index(request: Request) -> Response:
    status = request.query_params.get("etat")
    async with page.reading(request) as session:
        found = await outbox.recent(session, status=status if status in ("waiting", "sending", "sent", "failed") else None)
        counts = await outbox.counts(session)
    config = page.settings(request)
    subjects = {row.id: emails.subject_of(row, config) for row in found}
    return page.show(
        request, "outbox/index.html", messages=found, subjects=subjects, counts=counts, delivers=config.smtp is not None, chosen=status
    )


async def show(request: Request) -> Response:
    async with page.reading(request) as session:
        row = await outbox.message_by_id(session, page.path_uuid(request, "message"))
        if row is None:
            raise page.not_found()
        attempts = await outbox.attempts_of(session, row)
    config = page.settings(request)
    readable = _may_read(request, row)
    text = emails.text_of(row, config) if readable else ""
    return page.show(
        request,
        "outbox/show.html",
        message=row,
        subject=emails.subject_of(row, config),
        # A link is its holder's own: it is shown only where no mail server can carry it.
        text=text if config.smtp is None else _SECRET.sub(r"/\1/…", text),
        readable=readable,
        attempts=attempts,
    )


def _may_read(request: Request, row: OutboxMessage) -> bool:
    """A sign-in link opens its owner's rights: only an admin, who has them all, may read it."""
    return row.kind != "sign_in" or request.state.member.role in members.ADMINS


async def retry(request: Request) -> Response:
    message_id = page.path_uuid(request, "message")
    async with page.transaction(request) as session:
        if await outbox.message_by_id(session, message_id) is None:
            raise page.not_found()
        await outbox.retry(session, message_id, now=page.now())
        members.record(session, request.state.member, "retry", f"message {message_id}", now=page.now())
    return page.go(request, f"/organisation/messages/{message_id}?fait=renvoi")
