"""Limits for those who send or read too slowly, or a head without end: uvicorn has none of its own.

A request's head, its body, and each stretch of an answer that waits for its reader have a time of their own,
which trickling a byte now and then does not prolong. Who exceeds it is cut off; nobody else notices. A head
that is too large, or of which two readers could think differently, is refused before anything is made of it.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD, BODY, READING = 10.0, 60.0, 60.0
HEAD_BYTES = 64 * 1024


class Ambiguous(ValueError):
    """A head that a proxy may have understood otherwise (RFC 9112, 3.2 and 6.1), or that is too large."""


class Deadlines(HttpToolsProtocol):
    """uvicorn's protocol, with limits in seconds. A connection looks at its own clock every `every` seconds."""

    head, body, reading, every = HEAD, BODY, READING, 2.5
    head_bytes = HEAD_BYTES

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._sent_by: float | None = None
        self._read_by: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._went_on = False
        self._unread = self._fields = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._sent_by = self.loop.time() + self.head
        self._look()

    def received(self, sent: bytes) -> None:
        """What makes neither a head complete nor a body longer is kept by the parser: a head, a trailer, an extension of a chunk."""
        self._went_on = False
        super().data_received(sent)
        self._unread = 0 if self._went_on else self._unread + len(sent)
        if self._unread > self.head_bytes and not self.transport.is_closing():
            self.send_400_response("Request head too large.")

    data_received = received  # type: ignore[assignment]  # asyncio's name; it gives its argument by position

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields = 0
        if self._sent_by is None:
            self._sent_by = self.loop.time() + self.head

    def on_url(self, url: bytes) -> None:
        self._fields += len(url)
        if self._fields > self.head_bytes:
            raise Ambiguous  # which the parser turns into a 400
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += len(name) + len(value)
        if self._fields > self.head_bytes:
            raise Ambiguous
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        said = [name for name, _ in self.headers]
        if said.count(b"host") != 1 and self.parser.get_http_version() == "1.1":
            raise Ambiguous
        if b"transfer-encoding" in said and [value.lower() for name, value in self.headers if name == b"transfer-encoding"] != [b"chunked"]:
            raise Ambiguous
        self._went_on = True
        super().on_headers_complete()
        self._sent_by = self.loop.time() + self.body

    def on_body(self, body: bytes) -> None:
        self._went_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._went_on = True
        super().on_message_complete()
        self._sent_by = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_by = self.loop.time() + self.reading

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_by = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        now = self.loop.time()
        if any(by is not None and by <= now for by in (self._sent_by, self._read_by)):
            # Not `close`: it would wait for what the client does not read.
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(self.every, self._look)
