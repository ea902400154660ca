"""How a web process stops: whoever had already knocked is let in, then the door is closed, and what is begun ends.

Left to itself uvicorn closes the door on those who wait behind it, and the parent of several processes holds its
own door open while nobody answers there any more: a proxy had its forms cut off for as long as that lasted.
"""

import asyncio
import contextlib
import os
import socket
import sys
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

# In seconds: what those who were just let in may take to say what they want.
_A_MOMENT = 0.5


def run(app: str, **options: Any) -> None:
    """As `uvicorn.run` of a factory, until a signal asks to stop."""
    config = uvicorn.Config(app, factory=True, **options)
    if config.workers > 1:
        setattr(multiprocess, "Process", Child)  # noqa: B010 — the class the parent makes its children of
        with contextlib.suppress(KeyboardInterrupt):
            Parent(config, sockets=[config.bind_socket()]).run()
        return
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class Server(uvicorn.Server):
    """One that empties the queue before its door before it closes it."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        waiting = self._close_the_door(sockets or [])
        for each in waiting:
            with contextlib.suppress(OSError):  # it may be gone already
                await asyncio.get_running_loop().connect_accepted_socket(self._conversation, each)
        await asyncio.sleep(_A_MOMENT if waiting or self.server_state.connections else 0)
        await super().shutdown(sockets)

    def _close_the_door(self, sockets: list[socket.socket]) -> list[socket.socket]:
        """At once after the last of those who wait was let in: between the two nobody else can come."""
        doors = [socket.socket(fileno=os.dup(each.fileno())) for server in self.servers for each in server.sockets or ()]
        waiting = []
        for door in doors:
            door.setblocking(False)
            with contextlib.suppress(OSError):
                while True:
                    waiting.append(door.accept()[0])
        for server in self.servers:
            server.close()
        for each in (*sockets, *doors):
            each.close()
        for found in waiting:
            found.setblocking(False)
        return waiting

    def _conversation(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


class Child(multiprocess.Process):
    """One of several that serve."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = Server(config=self.config)
        return self._server


class Parent(multiprocess.Multiprocess):
    """It starts them, replaces those that fall, and closes its own door before theirs."""

    def terminate_all(self) -> None:
        for each in self.sockets:
            each.close()
        super().terminate_all()
