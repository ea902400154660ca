"""Stopping behind a proxy: who had knocked is answered, who comes later is sent elsewhere at once."""

import asyncio
import socket
from typing import Any

import uvicorn

from forums.serving import Server
from forums.settings import ROOT

CALL = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def started() -> tuple[Server, asyncio.Task[None], tuple[str, int]]:
    config = uvicorn.Config(application, port=0, lifespan="off", http="forums.slow_clients:Deadlines", log_level="warning")
    server = Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    address: tuple[str, int] = server.servers[0].sockets[0].getsockname()
    return server, asyncio.create_task(server.main_loop()), address


async def test_who_waits_behind_the_door_when_it_closes_is_answered():
    server, running, address = await started()
    # Not awaited: the loop has no occasion to let them in before it is told to stop.
    callers = [socket.create_connection(address) for _ in range(20)]
    for each in callers[:10]:
        each.sendall(CALL)
    stopping = asyncio.create_task(server.shutdown())
    while server.servers[0].is_serving():  # noqa: ASYNC110
        await asyncio.sleep(0)
    for each in callers[10:]:  # these had knocked, and said nothing yet
        each.sendall(CALL)
    await stopping
    server.should_exit = True
    await running

    answers = [each.recv(1024) for each in callers]
    assert [each[:15] for each in answers] == [b"HTTP/1.1 200 OK"] * 20
    for each in callers:
        each.close()
    with socket.socket() as late:
        assert late.connect_ex(address) != 0


def test_the_proxy_is_told_what_no_client_may_say_and_tries_the_other_host_only_for_what_it_can_mend():
    recipe = (ROOT / "docs" / "nginx.conf").read_text()
    said = {line.split("#")[0].strip().rstrip(";") for line in recipe.splitlines()}

    assert {"proxy_set_header X-Forwarded-For $remote_addr", "proxy_set_header X-Forwarded-Proto $scheme"} <= said
    (tried_again,) = (line.split()[1:] for line in said if line.startswith("proxy_next_upstream "))
    # A form must not go twice; and a busy database says 503 through both hosts: nginx would take both for dead.
    assert set(tried_again) == {"error", "timeout", "http_502"}
