"""The API described in OpenAPI 3.1, written from the columns and from the parameters they allow."""

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import models_json_schema

from forums import __version__
from forums.open_data.asking import API, KEY, parameters_of
from forums.open_data.catalogue import OBJECTS, ROWS, referring_to
from forums.open_data.columns import Row, fields_of, is_object
from forums.open_data.reading import COUNTED

CLOSED = ConfigDict(extra="forbid")
PROBLEM = "application/problem+json"
TOTAL: Any = Field(description=f"Combien il y en a ; compté jusqu'à {COUNTED}, ou jusqu'à la fin de la page demandée.")
EXACT: Any = Field(description="Faux quand il y en a davantage : total est alors un minimum, et l'on va jusqu'au bout par le lien next.")
PAGES: Any = Field(description="Combien de pages, d'après total.")


class Fault(BaseModel):
    """What is wrong with one parameter."""

    model_config = CLOSED
    parametre: str
    detail: str


class Problem(BaseModel):
    """An error, as RFC 9457 says it."""

    model_config = CLOSED
    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    erreurs: list[Fault] = Field(default=[])


class Reference(BaseModel):
    """How to reach another object."""

    model_config = CLOSED
    code: str
    adresse_api: str


class References(BaseModel):
    """The objects that refer to this one: how many, where all of them are, and the first hundred."""

    model_config = CLOSED
    total: int = TOTAL
    total_exact: bool = EXACT
    adresse_api: str
    elements: list[Reference]


class Collection(BaseModel):
    """A collection of the API."""

    model_config = CLOSED
    nom: str
    titre: str
    description: str
    adresse_api: str
    adresse_csv: str


class Collections(BaseModel):
    """All there is to ask."""

    model_config = CLOSED
    collections: list[Collection]
    openapi: str
    donnees: str


@cache
def page_of(row: type[Row]) -> type[BaseModel]:
    counted: dict[str, Any] = {
        "total": (int, TOTAL),
        "total_exact": (bool, EXACT),
        "page": (int, ...),
        "pages": (int, PAGES),
        "par_page": (int, ...),
    }
    return create_model(f"{row.__name__}Page", __config__=CLOSED, **counted, resultats=(list[row], ...))  # type: ignore[valid-type]


@cache
def with_links(row: type[Row]) -> type[BaseModel]:
    """An object, and what it is tied to: one by one what it refers to, in lists what refers to it."""
    links: dict[str, Any] = {}
    for field in fields_of(row):
        if field.column.refers:
            links[field.name] = (Reference | None if field.optional else Reference, ...)
    for other, field, name in referring_to(row):
        kept = References if is_object(other) else _links_of(other, field.name)
        links[_safe(name)] = (kept, Field(alias=name))
    held = create_model(f"{row.__name__}Links", __config__=CLOSED, **links)
    return create_model(f"{row.__name__}WithLinks", __base__=row, liens=(held, ...))


def _safe(name: str) -> str:
    return name.replace("-", "_").replace(".", "__")


@cache
def _links_of(row: type[Row], by: str) -> type[BaseModel]:
    kept = {name: (info.annotation, info) for name, info in row.model_fields.items() if name != by}
    element = create_model(f"{row.__name__}By{by.title()}", __config__=CLOSED, **kept)  # type: ignore[call-overload]
    return create_model(f"{element.__name__}List", __base__=References, elements=(list[element], ...))  # type: ignore[valid-type]


# -- The document -----------------------------------------------------------------------------------------------------


def described(public_url: str) -> dict[str, Any]:
    """The whole description, for a site at that address."""
    return {**_document(), "servers": [{"url": public_url}]}


@cache
def _document() -> dict[str, Any]:
    models: list[type[BaseModel]] = [Problem, Collections, *(page_of(row) for row in ROWS), *(with_links(row) for row in OBJECTS)]
    named, schemas = models_json_schema([(each, "validation") for each in models], ref_template="#/components/schemas/{model}")
    refs = {model: named[model, "validation"] for model in models}
    paths: dict[str, Any] = {API: _operation("collections", "Ce que l'on peut demander", "", [], refs[Collections], {})}
    for row in ROWS:
        paths[f"{API}/{row.file}"] = _list(row, refs[page_of(row)])
    for row in OBJECTS:
        paths[f"{API}/{row.file}/{path_of(row)}"] = _single(row, refs[with_links(row)])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forums Open d'État",
            "version": __version__,
            "summary": "De la question posée à l'engagement tenu.",
            "description": "Lecture seule. Les mêmes objets, les mêmes noms et les mêmes codes que dans les fichiers de /donnees.",
            "license": {"name": "Licence Ouverte 2.0 (Etalab)", "identifier": "etalab-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "responses": {"Faute": _problem("Paramètre refusé"), "Absent": _problem("Objet inconnu")},
        },
    }


def path_of(row: type[Row]) -> str:
    return "/".join(f"{{{name}}}" for name in row.parts)


def _list(row: type[Row], schema: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": each.name, "in": "query", "required": False, "description": each.description, "schema": each.schema}
        for each in parameters_of(row)
    ]
    link = {
        "Link": {
            "description": "Pages voisines : first, prev, next, et last quand total est exact (RFC 8288).",
            "schema": {"type": "string"},
        }
    }
    return _operation(f"liste-{row.file}", row.title, row.about, parameters, schema, link)


def _single(row: type[Row], schema: dict[str, Any]) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": _part(name)} for name in row.parts]
    made = _operation(f"un-{row.file}", f"{row.title} : un seul, avec ses liens", row.about, parameters, schema, {})
    made["get"]["responses"]["404"] = {"$ref": "#/components/responses/Absent"}
    return made


def _part(name: str) -> dict[str, Any]:
    if name.startswith("numero"):
        return {"type": "integer", "minimum": 1, "maximum": 9999}
    if name == "mesuree_le":
        return {"type": "string", "format": "date"}
    return {"type": "string", "pattern": KEY.replace("/", ""), "maxLength": 200}


def _operation(
    name: str, summary: str, about: str, parameters: list[dict[str, Any]], schema: dict[str, Any], headers: dict[str, Any]
) -> dict[str, Any]:
    tag = {"description": "Change avec le contenu ; à renvoyer dans If-None-Match.", "schema": {"type": "string"}}
    found = {"description": "Trouvé.", "headers": {"ETag": tag, **headers}, "content": {"application/json": {"schema": schema}}}
    responses = {"200": found, "400": {"$ref": "#/components/responses/Faute"}}
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if about:
        operation["description"] = about
    if parameters:
        operation["parameters"] = parameters
    return {"get": operation}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
