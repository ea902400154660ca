"""Static files: each address carries a fingerprint of the content, so that browsers keep it for a year."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from forums.settings import ROOT

IMMUTABLE = "public, max-age=31536000, immutable"


def dsfr_files() -> Path | None:
    """Where the extra `[dsfr]` put the official files; None when it is not installed. Imports nothing."""
    spec = find_spec("dsfr")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "static" / "dsfr" / "dist"


@cache
def fingerprinted(address: str) -> str:
    """`/static/neutral.css` → `/static/neutral.css?v=1f2e3d4c`."""
    folder, _, name = address.removeprefix("/").partition("/")
    base = dsfr_files() if folder == "dsfr" else ROOT / folder
    try:
        content = (base / name).read_bytes() if base else b""
    except OSError:
        return address
    return f"{address}?v={hashlib.sha256(content).hexdigest()[:8]}"


class Files:
    """A folder served with a year's life for fingerprinted addresses, five minutes for others."""

    def __init__(self, directory: Path) -> None:
        self.files = StaticFiles(directory=directory, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cache_control = IMMUTABLE if b"v=" in scope["query_string"] else "public, max-age=300"

        async def with_life(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 304):
                headers = [*message["headers"], (b"cache-control", cache_control.encode())]
                message = {**message, "headers": headers}
            await send(message)

        await self.files(scope, receive, with_life)
