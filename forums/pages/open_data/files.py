"""The files of the open data, made when they are asked for, and the page that says what each holds."""

from datetime import datetime
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forums import open_data
from forums.open_data import File, Row
from forums.pages import page
from forums.pages.open_data.faults import OPEN


async def index(request: Request) -> Response:
    state = request.app.state
    state.lengths = state.lengths or open_data.Measures(state.database, page.now)
    lengths = await state.lengths.lengths()
    async with page.reading(request) as session:
        updated = await open_data.last_changes(session)
    shown = {"groups": open_data.GROUPS, "licence": open_data.LICENCE, "lengths": lengths}
    return page.show(request, "open_data/index.html", updated=updated, last=open_data.latest(updated.values()), **shown)


async def as_csv(request: Request) -> Response:
    row = _row(request)
    if request.query_params:
        return _bare(request)
    async with page.reading(request) as session:
        file = await open_data.as_csv(session, row)
    return _file(file, f"{row.file}.csv", "text/csv; charset=utf-8; header=present")


async def as_json(request: Request) -> Response:
    row = _row(request)
    if request.query_params:
        return _bare(request)
    async with page.reading(request) as session:
        file = await open_data.as_json(session, row)
    return _file(file, f"{row.file}.json", "application/json")


async def schema(request: Request) -> Response:
    row = _row(request)
    return Response(open_data.written(open_data.table_schema(row)), headers=OPEN, media_type="application/json")


async def package(request: Request) -> Response:
    if request.query_params:
        return _bare(request)
    async with page.reading(request) as session:
        updated = await open_data.last_change(session)
    content = open_data.written(open_data.datapackage(page.settings(request).public_url, updated))
    return Response(content, headers=OPEN | _dated(updated), media_type="application/json")


async def archive(request: Request) -> Response:
    if request.query_params:
        return _bare(request)
    async with page.reading(request) as session:
        content = await open_data.archive(session, page.settings(request).public_url)
    headers = {"content-disposition": 'attachment; filename="forums-open-d-etat.zip"'}
    return Response(content, headers=OPEN | headers, media_type="application/zip")


def _row(request: Request) -> type[Row]:
    row = open_data.BY_FILE.get(request.path_params["name"])
    if row is None:
        raise page.not_found()
    return row


def _bare(request: Request) -> Response:
    """A file has one address: made anew for each query string, it would cost whatever anybody wants."""
    return RedirectResponse(request.scope["page_path"], status_code=308)


def _file(file: File, name: str, media_type: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    updated = datetime.fromisoformat(file.updated) if file.updated else None
    return Response(file.content, headers=OPEN | headers | _dated(updated), media_type=media_type)


def _dated(moment: datetime | None) -> dict[str, str]:
    return {"last-modified": format_datetime(moment, usegmt=True)} if moment else {}
