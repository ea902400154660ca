"""The journal, for admins: filtered by member, deed, kind of thing and dates; the newest first."""

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from forums import members
from forums.members import JournalFilter
from forums.pages import page

PER_PAGE = 50
_FIELDS = {"membre": "member", "action": "verb", "objet": "kind", "du": "since", "au": "until"}


async def index(request: Request) -> Response:
    asked = {field: request.query_params.get(name, "") for name, field in _FIELDS.items()}
    filled, status = _read(asked), 200
    if filled.form is None:
        filled.form, status = JournalFilter(), 422
    number = page.whole_number(request, "page", 1)
    async with page.reading(request) as session:
        entries, total = await members.journal(session, filled.form, page=number, per_page=PER_PAGE)
        everyone = await members.everyone(session)
        # Whom and what a deed was done to is named by its address while it is there.
        emails = {f"member {each.id}": each.email for each in everyone}
        names = {each.slug: each.name for each in await members.known_institutions(session)}
    pages = page.pages_of(total, PER_PAGE)
    return page.show(
        request,
        "members/journal.html",
        status=status,
        filled=filled,
        entries=entries,
        total=total,
        everyone=everyone,
        emails=emails,
        names=names,
        page=number,
        pages=pages,
    )


def _read(asked: dict[str, str]) -> page.Filled[JournalFilter]:
    """What was chosen; wrong dates are said beside their fields."""
    names = {field: name for name, field in _FIELDS.items()}
    values = {names[field]: text for field, text in asked.items()}
    try:
        return page.Filled(values, {}, JournalFilter.model_validate(asked))
    except ValidationError as error:
        return page.Filled(values, {names[str(each["loc"][0])]: (each["type"], each.get("ctx", {})) for each in error.errors()})
