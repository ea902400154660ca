"""Open data: the page that offers the files, the files, and the API that answers the same in JSON."""

from forums.pages.open_data.api import collections, examples, fault, is_api, listed, openapi, preflight, single, unknown
from forums.pages.open_data.files import archive, as_csv, as_json, index, package, schema

__all__ = [
    "archive",
    "as_csv",
    "as_json",
    "collections",
    "examples",
    "fault",
    "index",
    "is_api",
    "listed",
    "openapi",
    "package",
    "preflight",
    "schema",
    "single",
    "unknown",
]
