"""What comes back: a relay that took a message and could not deliver it says so in a report (RFC 3464).

The report names the message by the identifier given with its envelope, or encloses its headers. It
may be anything: what cannot be read, or says less than a final failure, changes nothing.
"""

import email
import email.policy
from collections.abc import Iterator
from datetime import datetime
from email.message import Message
from uuid import UUID

from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import DeliveryAttempt, OutboxMessage
from forums.outbox.promising import without_secret

_GONE = ("waiting", "sending", "sent")


async def record_bounce(session: AsyncSession, report: bytes, *, now: datetime) -> OutboxMessage | None:
    """Write down that a message came back, and why. Returns it, or None if the report says nothing of the kind."""
    message_id, diagnostic = _read(report)
    row = await session.get(OutboxMessage, message_id) if message_id and diagnostic else None
    if row is None or row.status not in _GONE:
        return None
    back = update(OutboxMessage).where(col(OutboxMessage.id) == row.id, col(OutboxMessage.status).in_(_GONE))
    values = {"status": "bounced", "last_error": diagnostic, "lease_until": None, "content": None, "facts": without_secret(row.facts)}
    if (await session.exec(back.values(**values))).rowcount == 0:
        return None
    session.add(DeliveryAttempt(message_id=row.id, at=now, outcome=f"bounced: {diagnostic}"))
    await session.refresh(row)
    return row


def _read(report: bytes) -> tuple[UUID | None, str | None]:
    """The message a report is about, and why it will never arrive, if that is what it says."""
    try:
        message = email.message_from_bytes(report, policy=email.policy.compat32)
        if message.get_content_type() != "multipart/report" or message.get_param("report-type") != "delivery-status":
            return None, None
        return next(_identifiers(message), None), next(_diagnostics(message), None)
    except Exception:  # noqa: BLE001 — anybody may write to the mailbox of bounces
        return None, None


def _identifiers(report: Message) -> Iterator[UUID]:
    for part in report.walk():
        given = str(part.get("Original-Envelope-Id", "")).strip()
        if found := _as_uuid(given):
            yield found
    for part in _returned(report):
        if found := _as_uuid(str(part.get("Message-ID", "")).strip().lstrip("<").partition("@")[0]):
            yield found


def _returned(report: Message) -> Iterator[Message]:
    """The headers of the message that came back: as a text, or with the whole message."""
    for part in report.walk():
        if part.get_content_type() in ("text/rfc822-headers", "message/rfc822-headers"):
            yield email.message_from_bytes(bytes(part.get_payload(decode=True) or b""))
        elif part.get_content_type() == "message/rfc822":
            yield from (each for each in part.get_payload() if isinstance(each, Message))


def _diagnostics(report: Message) -> Iterator[str]:
    for part in report.walk():
        if str(part.get("Action", "")).strip().lower() == "failed" and str(part.get("Status", "")).strip().startswith("5."):
            _, _, words = str(part.get("Diagnostic-Code", "")).rpartition(";")
            yield " ".join((words or str(part["Status"])).split())[:300]


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
