"""The relay: how a connection to it is opened, kept and left, and what its words mean for a message.

A connection carries a hundred messages at most and is not kept longer than thirty seconds without
one, which no relay minds. `judge` never raises: each fault, of a message or of the relay, has its
verdict.
"""

import asyncio
import contextlib
import re
import ssl
import time
from email.headerregistry import Address
from typing import Literal
from uuid import UUID

import aiosmtplib
from sqlalchemy.exc import SQLAlchemyError

from forums.settings import Smtp

CONNECT = 60.0
# One message, all its commands together: the ten minutes a relay may take to answer the final dot (RFC 5321 4.5.3.2.6)
# and one for the rest. It must end before the lease does.
ALTOGETHER = 660.0
KEPT_IDLE = 30.0
LEAVING = 5.0
MESSAGES_EACH = 100

_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9.-]+", re.ASCII | re.IGNORECASE)

Verdict = Literal["sent", "retry", "failed", "unreachable", "relay", "misconfigured"]


class Unwritable(Exception):
    """A message that cannot be put into words: it fails alone."""


class Connections:
    """Connections that served and may serve again, the last used first."""

    def __init__(self) -> None:
        self._idle: list[Connection] = []

    async def one_that_answers(self) -> "Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if await connection.still_answers():
                return connection
            connection.drop()
        return None

    async def keep(self, connection: "Connection") -> None:
        connection.idle_since = time.monotonic()
        if connection.carried < MESSAGES_EACH:
            self._idle.append(connection)
        else:
            await connection.leave()

    async def leave_idle(self) -> None:
        """Leave those that have not served for long."""
        limit = time.monotonic() - KEPT_IDLE
        old = [each for each in self._idle if each.idle_since < limit]
        self._idle = [each for each in self._idle if each.idle_since >= limit]
        for connection in old:
            await connection.leave()

    async def leave_all(self) -> None:
        while self._idle:
            await self._idle.pop().leave()

    def drop_all(self) -> None:
        for connection in self._idle:
            connection.drop()
        self._idle.clear()


class Connection:
    """One conversation with the relay, message after message."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client
        self._reports, self._sizes = client.supports_extension("dsn"), client.supports_extension("size")
        self.carried = 0
        self.idle_since = time.monotonic()

    async def carry(self, sender: Address, recipient: str, content: bytes, *, identifier: UUID) -> None:
        """Hand one message over. Returns once the relay has taken it; raises what `judge` understands."""
        if not _ADDRESS.fullmatch(recipient):  # the library would make another recipient of what it holds
            raise Unwritable("an address that cannot be written to")
        try:
            async with asyncio.timeout(ALTOGETHER):
                await self._hand_over(sender.addr_spec, recipient, content, identifier)
        except TimeoutError as error:
            raise aiosmtplib.SMTPReadTimeoutError("the relay took too long over one message") from error
        self.carried += 1

    async def _hand_over(self, sender: str, recipient: str, content: bytes, identifier: UUID) -> None:
        """What the library's `sendmail` says, which parses the two addresses anew four times a message: half its work.

        No command has a time of its own, for `carry` has one: four clocks a message were a tenth of it.
        """
        size = b"SIZE=%d" % len(content)
        mail = [*([size] if self._sizes else []), *([b"RET=HDRS", b"ENVID=%s" % str(identifier).encode()] if self._reports else [])]
        said = await self._client.execute_command(b"MAIL", b"FROM:<%s>" % sender.encode("ascii"), *mail, timeout=None)
        if said.code != 250:
            raise aiosmtplib.SMTPSenderRefused(said.code, said.message, sender)
        rcpt = [b"NOTIFY=FAILURE"] if self._reports else []
        said = await self._client.execute_command(b"RCPT", b"TO:<%s>" % recipient.encode("ascii"), *rcpt, timeout=None)
        if said.code not in (250, 251):
            raise aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(said.code, said.message, recipient)])
        await self._client.data(content, timeout=None)

    async def still_answers(self) -> bool:
        """Whether the relay is still there; it is asked when nothing was said for a second."""
        try:
            if self._client.is_connected and time.monotonic() - self.idle_since > 1:
                await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            return False
        return self._client.is_connected

    async def leave(self) -> None:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self._client.quit(timeout=LEAVING)
        self.drop()

    def drop(self) -> None:
        """Close without a word. After any fault the connection may be out of step: the next message
        would be answered with this one's reply."""
        self._client.close()


async def try_relay(smtp: Smtp) -> str | None:
    """Connect as a delivery would and leave. Returns why it cannot be, or None."""
    try:
        connection = await connect(smtp)
    except (aiosmtplib.SMTPException, OSError) as error:
        return judge(error)[2]
    await connection.leave()
    return None


async def connect(smtp: Smtp) -> Connection:
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        use_tls=smtp.tls == "implicit",
        start_tls=smtp.tls == "starttls",
        username=smtp.username,
        password=smtp.password,
        local_hostname="localhost",  # left out, the library looks the name up in DNS
        timeout=CONNECT,
    )
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await _greet(client)
    except aiosmtplib.SMTPAuthenticationError:
        raise
    except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError) as error:
        # Nothing was said of any message yet: a 5xx to EHLO must not fail the one that happened to be first.
        raise aiosmtplib.SMTPConnectError(_words(error)) from error
    return Connection(client)


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def judge(error: Exception) -> tuple[Verdict, int | None, str]:
    """What to do after a fault: the verdict, the relay's code and words. Never raises.

    `relay` and `misconfigured` stop the queue and burn no attempt: no message is at fault.
    `unreachable` is the end of this message, and says that nothing else will reach its address.
    """
    words = _words(error)
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return "misconfigured", error.code, words
        case ssl.SSLError() | Exception(__cause__=ssl.SSLError()):
            return "misconfigured", None, words
        case aiosmtplib.SMTPConnectError():
            return "relay", None, words
        case aiosmtplib.SMTPSenderRefused():
            return ("relay" if error.code < 500 else "misconfigured"), error.code, words
        case aiosmtplib.SMTPRecipientsRefused():
            # `.code` is not there: only the one recipient's answer has it.
            return _of_recipient(error.recipients[0].code, words), error.recipients[0].code, words
        case aiosmtplib.SMTPResponseException():
            return ("failed" if error.code >= 500 and error.code != 503 else "retry"), error.code, words
        case aiosmtplib.SMTPTimeoutError() | aiosmtplib.SMTPServerDisconnected():
            return "retry", None, words
        case aiosmtplib.SMTPNotSupported():
            return "failed", None, words
        case aiosmtplib.SMTPException():
            return "misconfigured", None, words
        case OSError():
            return "relay", None, words
        case SQLAlchemyError():
            return "retry", None, "the database did not answer"
        case _:
            return "failed", None, words


def _of_recipient(code: int, words: str) -> Verdict:
    if code < 500 or code == 503:
        return "retry"
    # 5.7 is a rule of the relay (RFC 3463): it says something of us, not of the address.
    return "failed" if words.startswith("5.7.") else "unreachable"


def _words(error: Exception) -> str:
    said = error
    if isinstance(said, aiosmtplib.SMTPRecipientsRefused):
        said = said.recipients[0]
    text = said.message if isinstance(said, aiosmtplib.SMTPResponseException) else str(said)
    return " ".join(str(text).split())[:300] or type(error).__name__
