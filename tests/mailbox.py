"""Everybody's letterbox in a test: a real SMTP server on loopback, and the messages it was handed.

Loaded as a pytest plugin. `mailbox.url` is what SMTP_URL takes.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.ports import free_port

PATIENCE = 1200  # tenths of a second


@dataclass
class Mailbox:
    """Everybody's letterbox: what a real relay was handed."""

    url: str = ""
    received: list[tuple[str, EmailMessage]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if address in self.refuses:
            self.refused.append(address)
            return f"550 5.1.1 <{address}>: nobody of that name here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        message = message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]
        self.received.append((envelope.rcpt_tos[0], message))  # type: ignore[arg-type]
        return "250 OK"

    def wait_for(self, recipient: str, words: str) -> EmailMessage:
        """The newest message to someone whose subject holds these words; the worker has two minutes to bring it."""
        for _ in range(PATIENCE):
            for to, message in reversed(self.received):
                if to == recipient and words in str(message["Subject"]).replace("\u00a0", " "):
                    return message
            time.sleep(0.1)
        raise AssertionError(f"no message « {words} » to {recipient}: {[(to, str(m['Subject'])) for to, m in self.received]}")

    def wait_until_refused(self, recipient: str) -> None:
        for _ in range(PATIENCE):
            if recipient in self.refused:
                return
            time.sleep(0.1)
        raise AssertionError(f"nothing was sent to {recipient}")

    def link(self, recipient: str, words: str, kind: str = "inscriptions") -> str:
        body = self.wait_for(recipient, words).get_body(("plain",))
        assert body is not None
        found = re.search(rf"/{kind}/[\w-]{{43}}", body.get_content())
        assert found, body.get_content()
        return found[0]


@contextmanager
def a_mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    relay = Controller(box, hostname="127.0.0.1", port=free_port(), ready_timeout=PATIENCE / 10)
    relay.start()
    box.url = f"smtp://127.0.0.1:{relay.port}"
    yield box
    relay.stop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with a_mailbox() as box:
        yield box
