"""Stopping behind a proxy: who had knocked is answered, who comes later is sent elsewhere at once."""

import asyncio
import re
import socket
from typing import Any

import uvicorn

from forums.app import ADDRESSES
from forums.language import LANGUAGES
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


RECIPE = (ROOT / "docs" / "nginx.conf").read_text()


def test_the_proxy_is_told_what_no_client_may_say_and_tries_the_other_host_only_for_what_it_can_mend():
    said = {line.split("#")[0].strip().rstrip(";") for line in RECIPE.splitlines()}

    assert {"proxy_set_header X-Forwarded-For $remote_addr", "proxy_set_header X-Forwarded-Proto $scheme"} <= said
    (tried_again,) = (line.split()[1:] for line in said if line.startswith("proxy_next_upstream "))
    # A form must not go twice; and a busy database says 503 through both hosts: nginx would take both for dead.
    assert set(tried_again) == {"error", "timeout", "http_502"}


def test_the_proxy_takes_two_versions_of_tls_and_six_suites_the_strongest_first():
    """What it then does with clients that could do worse is `make proxy`'s."""
    (versions,) = re.findall(r"^ +ssl_protocols (.*);$", RECIPE, re.MULTILINE)
    (suites,) = re.findall(r"^ +ssl_ciphers (.*);$", RECIPE, re.MULTILINE)

    assert versions == "TLSv1.2 TLSv1.3"
    assert [re.sub("^ECDHE-(ECDSA|RSA)-", "", each) for each in suites.split(":")] == [
        each for each in ("AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-GCM-SHA256") for _ in range(2)
    ]
    assert "ssl_prefer_server_ciphers on;" in RECIPE


def test_over_plain_http_a_page_leads_to_https_and_what_programs_ask_for_is_refused():
    (pattern,) = re.findall(r"^ +location ~ (\S+) \{ return 403 ", RECIPE, re.MULTILINE)
    refused = re.compile(pattern)

    read = {each.path for each in ADDRESSES if each.method == "GET"}
    # The calendars are not among them: for many programs `webcal://`, on which a person clicks, means http.
    of_programs = {
        path for path in read if path.startswith(("/api/", "/sante", "/metriques")) or path.endswith((".atom", ".csv", ".json", ".zip"))
    }

    for prefix in ("", *(f"/{each}" for each in LANGUAGES[1:])):
        assert {path for path in read if refused.search(prefix + path)} == of_programs
    assert "if ($request_method !~ ^(GET|HEAD)$) { return 403 " in RECIPE
