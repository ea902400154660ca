"""The read-only API: what may be asked, lists, single objects, its description, a page of examples; errors as RFC 9457 says."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from forums import open_data
from forums.open_data import API, BadParameters, Row
from forums.pages import page
from forums.pages.open_data.faults import METHODS, OPEN, fault

SHOWN = 60
"""How many letters of a text the examples show."""


async def collections(request: Request) -> Response:
    if request.query_params:
        return fault(400, "Cette adresse n'a pas de paramètre.")
    public_url = page.settings(request).public_url
    found = [
        {
            "nom": row.file,
            "titre": row.title,
            "description": row.about,
            "adresse_api": f"{API}/{row.file}",
            "adresse_csv": f"/donnees/{row.file}.csv",
        }
        for row in open_data.ROWS
    ]
    return _json({"collections": found, "openapi": f"{public_url}{API}/openapi.json", "donnees": f"{public_url}/donnees"})


async def listed(request: Request) -> Response:
    row = open_data.BY_FILE.get(request.path_params["collection"])
    if row is None:
        return fault(404, f"Aucune collection de ce nom ; elles sont à {API}.")
    try:
        asked = open_data.understood(row, _typed(request))
    except BadParameters as error:
        return fault(400, "Cette recherche ne peut pas être comprise.", error.faults)
    async with page.reading(request) as session:
        found = await open_data.a_list(session, row, asked)
    public_url = page.settings(request).public_url
    around = open_data.neighbours(row, asked, found)
    link = ", ".join(f'<{public_url}{address}>; rel="{name}"' for name, address in around.items())
    return _json(found, link=link)


async def single(request: Request) -> Response:
    row = open_data.BY_FILE.get(request.path_params["collection"])
    if row is None or not open_data.is_object(row):
        return fault(404, f"Aucun objet n'a d'adresse ici ; les collections sont à {API}.")
    if request.query_params:
        return fault(400, "Un objet se demande par son adresse, sans paramètre.")
    async with page.reading(request) as session:
        found = await open_data.one(session, row, request.path_params["code"])
    if found is None:
        return fault(404, f"Aucun objet public de « {row.title} » n'a ce code.")
    return _json(found)


async def openapi(request: Request) -> Response:
    return _json(await asyncio.to_thread(open_data.described, page.settings(request).public_url))


async def unknown(request: Request) -> Response:
    return fault(404, f"Il n'y a rien à cette adresse ; ce que l'on peut demander est à {API}.")


async def preflight(request: Request) -> Response:
    """What a browser asks before it sends a header of its own from another site."""
    headers = {
        "allow": METHODS,
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": "Accept, Content-Type, If-None-Match",
        "access-control-max-age": "86400",
    }
    return Response(headers=OPEN | headers)


def _typed(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _json(found: Any, **headers: str) -> Response:
    return JSONResponse(found, headers=OPEN | headers)


# -- Examples -------------------------------------------------------------------------------------------------------------

_EXAMPLES = (
    ("engagements", "Une liste, page par page, avec un filtre", {"par_page": "1"}),
    ("questions", "Un objet, avec ses liens dans les deux sens", None),
    ("suites", "Les promesses ouvertes", {"etat": "ouverte", "par_page": "1"}),
    ("passages", "Les passages des comptes rendus", {"par_page": "1"}),
)


async def examples(request: Request) -> Response:
    """Real questions put to this very site, with what it answers now; long texts and lists are cut."""
    async with page.reading(request) as session:
        shown = [(title, *await _example(session, open_data.BY_FILE[file], typed)) for file, title, typed in _EXAMPLES]
    bad = json.loads(bytes(fault(400, "Cette recherche ne peut pas être comprise.", _refused("couleur").faults).body))
    shown.append(("Ce qui n'a pas de sens est refusé, avec ce qui conviendrait", f"{API}/plans?couleur=bleu", bad))
    examples = [(title, path, json.dumps(_short(answer), ensure_ascii=False, indent=2)) for title, path, answer in shown if path]
    return page.show(request, "open_data/api.html", examples=examples, collections=open_data.ROWS, api=API)


async def _example(session: AsyncSession, row: type[Row], typed: dict[str, str] | None) -> tuple[str, Any]:
    """An address and its answer; none when there is nothing to show yet."""
    if typed is not None:
        asked = open_data.understood(row, list(typed.items()))
        query = "&".join(f"{name}={value}" for name, value in typed.items())
        return f"{API}/{row.file}?{query}", await open_data.a_list(session, row, asked)
    first = await open_data.a_list(session, row, open_data.understood(row, [("par_page", "1")]))
    if not first["resultats"]:
        return "", None
    code = first["resultats"][0]["code"]
    return f"{API}/{row.file}/{code}", await open_data.one(session, row, code)


def _refused(name: str) -> BadParameters:
    try:
        open_data.understood(open_data.BY_FILE["plans"], [(name, "bleu")])
    except BadParameters as error:
        return error
    raise AssertionError(name)


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value[:2]]
    if isinstance(value, str) and len(value) > SHOWN and not value.startswith("/"):
        return value[:SHOWN].rstrip() + "…"
    return value
