"""The outbox, for organisers: what waits, what failed and why, and each message as it reads."""

import re

from starlette.requests import Request
from starlette.responses import Response

from forums import emails, members, outbox
from forums.models import OutboxMessage
from forums.pages import page
from forums.settings import Settings

STATES = ("waiting", "sending", "sent", "failed", "bounced", "dropped")
_SECRET = re.compile(r"/(inscriptions|connexion|questions/confirmer|abonnements)/[\w-]{20,}")


async def index(request: Request) -> Response:
    chosen = request.query_params.get("etat")
    status = chosen if chosen in STATES else None
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        found = await outbox.recent(session, status=status, page=number)
        counts = await outbox.counts(session)
        alarm = await outbox.alarm(session, page.now())
    config = page.settings(request)
    total = counts.get(status, 0) if status else sum(counts.values())
    return page.show(
        request,
        "outbox/index.html",
        messages=found,
        subjects={row.id: _subject(row, config) for row in found},
        counts=counts,
        delivers=config.smtp is not None,
        alarm=alarm,
        chosen=status,
        page=number,
        pages=max(1, -(-total // outbox.PAGE)),
    )


def _subject(row: OutboxMessage, config: Settings) -> str:
    """What failed because it cannot be put into words is listed with the others."""
    try:
        return emails.subject_of(row, config)
    except Exception:  # noqa: BLE001
        return row.kind


async def show(request: Request) -> Response:
    async with page.reading(request) as session:
        row = await outbox.message_by_id(session, page.path_uuid(request, "message"))
        if row is None:
            raise page.not_found()
        attempts = await outbox.attempts_of(session, row)
    config = page.settings(request)
    readable = _may_read(request, row)
    text = _text(row, config) if readable else ""
    return page.show(
        request,
        "outbox/show.html",
        message=row,
        subject=_subject(row, config),
        # A link is its holder's own: it is shown only where no mail server can carry it.
        text=text if config.smtp is None else _SECRET.sub(r"/\1/…", text),
        readable=readable,
        may_go_again=outbox.may_go_again(row, now=page.now()),
        attempts=attempts,
    )


def _may_read(request: Request, row: OutboxMessage) -> bool:
    """A sign-in link opens its owner's rights: only an admin, who has them all, may read it."""
    return row.kind != "sign_in" or request.state.member.role in members.ADMINS


def _text(row: OutboxMessage, config: Settings) -> str:
    try:
        return emails.text_of(row, config)
    except Exception:  # noqa: BLE001 — its attempts say why
        return ""


async def retry(request: Request) -> Response:
    message_id = page.path_uuid(request, "message")
    async with page.transaction(request) as session:
        if await outbox.message_by_id(session, message_id) is None:
            raise page.not_found()
        await outbox.retry(session, message_id, now=page.now())
        await members.record_change(session, request.state.member, "retry", f"message {message_id}", now=page.now())
    return page.go(request, f"/organisation/messages/{message_id}?fait=renvoi")
