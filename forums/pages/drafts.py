"""Drafts, kept by a script as a member types, and forgotten with a button."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from forums import drafts
from forums.drafts import NotAForm
from forums.language import hour, translations
from forums.pages import page

# What the form says of itself, and no draft needs.
_NOT_TYPED = ("brouillon", "apercu")


async def save(request: Request) -> Response:
    """Keep what is typed now; the answer is the sentence to say. `brouillon` is the address of the form."""
    typed = await request.form(max_files=0, max_fields=800, max_part_size=256 * 1024)
    spoken, now = page.language(request), page.now()
    try:
        address = drafts.address_of(str(typed.get("brouillon", "")))
    except NotAForm as refusal:
        return PlainTextResponse(translations(spoken).gettext(refusal.sentence), status_code=422)
    texts = {name: [text for text in typed.getlist(name) if isinstance(text, str)] for name in typed if name not in _NOT_TYPED}
    edition = str(typed.get("edition", ""))
    async with page.transaction(request) as session:
        number = int(edition) if edition.isascii() and edition.isdigit() and len(edition) < 10 else 0
        await drafts.save(session, request.state.member, address, texts, number, now=now)
    said = translations(spoken).gettext("Brouillon enregistré à {hour}")
    return PlainTextResponse(said.format(hour=hour(now, spoken)))


async def discard(request: Request) -> Response:
    typed = await request.form(max_files=0, max_fields=10)
    try:
        address = drafts.address_of(str(typed.get("brouillon", "")))
    except NotAForm:
        raise page.not_found() from None
    async with page.transaction(request) as session:
        await drafts.discard(session, request.state.member, address)
    return page.go(request, f"{address}?fait=brouillon-efface")
