"""Open data: the page that offers the files, the files, and the API that answers the same in JSON.

Its pages are imported at the first request for one of them: describing every public object takes a tenth of a start.
"""

import asyncio
from importlib import import_module

from starlette.requests import Request
from starlette.responses import Response

from forums.pages.gate import Page
from forums.pages.open_data.faults import fault, is_api

__all__ = ["fault", "is_api"]


def _of(module: str, name: str) -> Page:
    """The page of that name; while it is imported, who asks for others goes on."""
    imported: list[Page] = []

    async def page(request: Request) -> Response:
        if not imported:
            imported.append(getattr(await asyncio.to_thread(import_module, f"forums.pages.open_data.{module}"), name))
        return await imported[0](request)

    page.__name__ = name
    return page


archive, as_csv, as_json, index, package, schema = (
    _of("files", name) for name in ("archive", "as_csv", "as_json", "index", "package", "schema")
)
collections, examples, listed, openapi, preflight, single, unknown = (
    _of("api", name) for name in ("collections", "examples", "listed", "openapi", "preflight", "single", "unknown")
)
