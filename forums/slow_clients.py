"""Deadlines for those who send or read too slowly: uvicorn has none, and each would hold a connection for ever.

A request's head, its body, and each stretch of an answer that waits for its reader have a time of their own,
which trickling a byte now and then does not prolong. Who exceeds it is cut off; nobody else notices.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD, BODY, READING = 10.0, 60.0, 60.0


class Deadlines(HttpToolsProtocol):
    """uvicorn's protocol, with limits in seconds. A connection looks at its own clock every `every` seconds."""

    head, body, reading, every = HEAD, BODY, READING, 2.5

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._sent_by: float | None = None
        self._read_by: float | None = None
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._sent_by = self.loop.time() + self.head
        self._look()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._sent_by is None:
            self._sent_by = self.loop.time() + self.head

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._sent_by = self.loop.time() + self.body

    def on_message_complete(self) -> None:
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
