"""A relay for `tests.bench` that takes every message at once and forgets it: `python -m tests.bench_sink PORT`.

In a process of its own, so that it does not take its time from what is measured. It offers what Postfix
offers, and says how many messages it has taken in answer to VRFY.
"""

import asyncio
import sys

import uvloop

ANSWERS = {
    b"EHLO": b"250-puits\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 DSN\r\n",
    b"DATA": b"354 allez\r\n",
    b"QUIT": b"221 au revoir\r\n",
}


class Sink(asyncio.Protocol):
    taken = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport, self.buffer, self.in_message = transport, b"", False
        transport.write(b"220 puits\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            before, found, after = self.buffer.partition(b"\r\n.\r\n" if self.in_message else b"\r\n")
            if not found:
                return
            self.buffer = after
            self.transport.write(self.message_taken() if self.in_message else self.answer(before[:4].upper()))

    def message_taken(self) -> bytes:
        Sink.taken += 1
        self.in_message = False
        return b"250 pris\r\n"

    def answer(self, verb: bytes) -> bytes:
        self.in_message = verb == b"DATA"
        return b"252 %d\r\n" % Sink.taken if verb == b"VRFY" else ANSWERS.get(verb, b"250 OK\r\n")


async def listen(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(listen(int(sys.argv[1])))
