"""What a script asks while a member writes: how the text will look, and what a pasted piece of a document becomes."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from forums import action_plan, minutes, pandoc, schedule
from forums.language import translations
from forums.pages import page
from forums.pages.citing import places_of
from forums.refusals import Refusal
from forums.rendering import markdown_citing


async def preview(request: Request) -> Response:
    """The text as the public will read it; `forum` says which plan its commitments are of."""
    typed = await request.form(max_files=0, max_fields=10, max_part_size=256 * 1024)
    async with page.reading(request) as session:
        forum = await schedule.forum_by_slug(session, str(typed.get("forum", ""))[:200], drafts=True)
        plan = await minutes.plan_of(session, forum) if forum else None
        commitments = await action_plan.commitments_of(session, plan) if plan else []
    return HTMLResponse(markdown_citing(str(typed.get("text", "")), places_of(request, plan, commitments)))


async def paste(request: Request) -> Response:
    """A piece of a document, as HTML, becomes Markdown. A refusal is a sentence: the script then pastes the plain text."""
    typed = await request.form(max_files=0, max_fields=10, max_part_size=1024 * 1024)
    try:
        return PlainTextResponse(await pandoc.html_to_markdown(str(typed.get("html", ""))))
    except Refusal as refusal:
        return PlainTextResponse(translations(page.language(request)).gettext(refusal.sentence), status_code=422)
