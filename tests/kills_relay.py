"""The relay of `tests.kills`: it writes down each message it takes, from which worker's which start, in order.

A message is taken at its final dot, before the answer: a worker killed in between cannot know, and sends
it again. One in forty is answered 451 instead and not taken; as many are answered late.
"""

import asyncio
import random
import re
import socket
from typing import NamedTuple

from tests.bench_sink import ANSWERS
from tests.crew import Program

LATE, REFUSED = 1 / 40, 1 / 40


class Taken(NamedTuple):
    """A message the relay has: its identifier, for whom, over which connection, from which start of which worker."""

    identifier: str
    recipient: str
    connection: int
    worker: Program
    start: int

    @property
    def was_killed(self) -> bool:
        """Whether who sent it was killed, sooner or later."""
        return self.start in self.worker.killed


class Relay:
    """What was taken, whoever sent it."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.answered: list[Taken] = []  # in the order of the answers: who sent the others was killed with them in hand
        self.refused = self.connections = 0

    async def listen(self, door: socket.socket, worker: Program) -> asyncio.Server:
        """Take what comes through that door, which that worker alone knows of."""
        return await asyncio.get_running_loop().create_server(lambda: Conversation(self, worker), sock=door)


class Conversation(asyncio.Protocol):
    def __init__(self, relay: Relay, worker: Program) -> None:
        self.relay, self.worker = relay, worker
        self.buffer, self.in_message, self.recipient = b"", False, ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.relay.connections += 1
        self.transport, self.number, self.start = transport, self.relay.connections, self.worker.starts
        transport.write(b"220 relais\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            before, found, after = self.buffer.partition(b"\r\n.\r\n" if self.in_message else b"\r\n")
            if not found:
                return
            self.buffer = after
            if self.in_message:
                self._at_the_dot(before)
            else:
                self.transport.write(self._answer(before))

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        self.in_message = verb == b"DATA"
        if verb == b"RCPT":
            self.recipient = line.partition(b"<")[2].partition(b">")[0].decode()
        return ANSWERS.get(verb, b"250 OK\r\n")

    def _at_the_dot(self, content: bytes) -> None:
        self.in_message = False
        if random.random() < REFUSED:
            self.relay.refused += 1
            self.transport.write(b"451 plus tard\r\n")
            return
        found = re.search(rb"^Message-ID: <([^@>]*)@", content, re.MULTILINE | re.IGNORECASE)
        taken = Taken(found[1].decode() if found else "", self.recipient, self.number, self.worker, self.start)
        self.relay.taken.append(taken)
        self.worker.proved = True
        if random.random() < LATE:
            asyncio.get_running_loop().call_later(random.uniform(0.3, 1.5), self._say_it_is_taken, taken)
        else:
            self._say_it_is_taken(taken)

    def _say_it_is_taken(self, taken: Taken) -> None:
        if not self.transport.is_closing():
            self.relay.answered.append(taken)
            self.transport.write(b"250 pris\r\n")
