"""What the API says when it cannot answer, which any address may have to: errors as RFC 9457 says."""

import http
from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

PROBLEM = "application/problem+json"
METHODS = "GET, HEAD, OPTIONS"

# Any page of the web may read what is open, and what is said of its version (Fetch).
OPEN = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag, Last-Modified, Link",
    "cross-origin-resource-policy": "cross-origin",
}


_SAID = {405: "Cette adresse se lit (GET) ; rien ne s'y écrit."}


def is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def fault(status: int, detail: str = "", faults: Sequence[tuple[str, str]] = ()) -> Response:
    """A problem in words, and the parameters it lies in."""
    title = http.HTTPStatus(status).phrase
    problem: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail or _SAID.get(status, title)}
    if faults:
        problem["erreurs"] = [{"parametre": name, "detail": why} for name, why in faults]
    headers = OPEN | ({"allow": METHODS} if status == 405 else {})
    return JSONResponse(problem, status_code=status, headers=headers, media_type=PROBLEM)
