"""A message in two round trips instead of four, over a connection the library opened and logged in.

A relay that offers PIPELINING (RFC 2920), as nearly all do, takes the sender, the recipient and the
wish to send together. The answers raise the library's own exceptions. The first refusal leaves the
conversation out of step: the connection is then dropped, never used again.
"""

import asyncio
import re
from collections import deque
from collections.abc import Sequence

import aiosmtplib
from aiosmtplib import SMTPResponse

_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")
_LINE_ENDS = re.compile(rb"\r\n|\n|\r")
_DOTS = re.compile(rb"(?m)^\.")
_ANSWER_AT_MOST = 32 * 1024


class Dialogue(asyncio.Protocol):
    """What is said and answered on one connection."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._heard = b""
        self._lines: list[str] = []
        self._answers: deque[SMTPResponse] = deque()
        self._awaited = 0
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False
        transport.set_protocol(self)

    @property
    def goes_on(self) -> bool:
        return not self._lost and not self._transport.is_closing()

    async def send(
        self, sender: str, recipient: str, content: bytes, *, mail: Sequence[str], rcpt: Sequence[str], within: float, final: float
    ) -> None:
        """Hand one message over. Returns once the relay has taken it."""
        envelope = [" ".join([f"MAIL FROM:<{_safe(sender)}>", *mail]), " ".join([f"RCPT TO:<{_safe(recipient)}>", *rcpt]), "DATA"]
        self._say("".join(line + "\r\n" for line in envelope).encode("ascii"), answers=3)
        answer = await self._answer(within)
        if answer.code != 250:
            raise aiosmtplib.SMTPSenderRefused(answer.code, answer.message, sender)
        answer = await self._answer(within)
        if answer.code not in (250, 251):
            raise aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(answer.code, answer.message, recipient)])
        answer = await self._answer(within)
        if answer.code == 354:
            self._say(as_sent(content))
            answer = await self._answer(final)
        if answer.code != 250:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)

    async def ask(self, command: bytes, within: float) -> SMTPResponse:
        self._say(command + b"\r\n")
        return await self._answer(within)

    def _say(self, said: bytes, answers: int = 1) -> None:
        if not self.goes_on:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        self._awaited += answers
        self._transport.write(said)

    async def _answer(self, within: float) -> SMTPResponse:
        if not self._answers:
            if self._lost:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            self._waiter = asyncio.get_running_loop().create_future()
            late = asyncio.get_running_loop().call_later(within, self._too_late, self._waiter)
            try:
                await self._waiter
            finally:
                late.cancel()
                self._waiter = None
        if not self._answers:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        return self._answers.popleft()

    def _too_late(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_exception(aiosmtplib.SMTPReadTimeoutError("Timed out waiting for server response"))

    # -- What the loop tells ---------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._hear_line(line.decode("utf-8", "replace").rstrip("\r"))
        if self._awaited < 0 or len(self._heard) + sum(map(len, self._lines)) > _ANSWER_AT_MOST:
            self._transport.abort()  # it speaks without being asked, or without end: its answers would be taken for others
        elif self._answers:
            self._wake()

    data_received = _hear  # the loop's own word for it

    def _hear_line(self, line: str) -> None:
        self._lines.append(line[4:].strip())
        if line[3:4] != "-":
            code = int(line[:3]) if line[:3].isdecimal() else 500
            self._answers.append(SMTPResponse(code, "\n".join(self._lines)))
            self._lines, self._awaited = [], self._awaited - 1

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _safe(address: str) -> str:
    if _UNSAFE.search(address) or "@" not in address:
        raise ValueError("an address that cannot be sent")
    return address


def as_sent(content: bytes) -> bytes:
    """The message as it goes over the line: whole lines, leading dots doubled, a dot to end with."""
    if not content.endswith(b"\r\n") or not content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r"):
        content = _LINE_ENDS.sub(b"\r\n", content).removesuffix(b"\r\n") + b"\r\n"
    if b"\n." in content or content.startswith(b"."):
        content = _DOTS.sub(b"..", content)
    return content + b".\r\n"
