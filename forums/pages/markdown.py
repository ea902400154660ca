"""What a script asks while a member writes: how the text will look, and what a pasted piece of a document becomes."""

import asyncio

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from forums import action_plan, minutes, pandoc, schedule
from forums.forms import clean
from forums.language import N_, translations
from forums.pages import page
from forums.pages.citing import places_of
from forums.refusals import Refusal
from forums.rendering import LONGEST, MARKS_AT_MOST, is_read_as_markdown, render

_TOO_LONG = N_("Ce texte compte {length} caractères : {limit} au plus sont montrés ici. Coupez-le en plusieurs passages.")
_TOO_MARKED = N_("Ce texte porte plus de {limit} signes de mise en forme : il est montré tel qu'il est tapé.")


async def preview(request: Request) -> Response:
    """The text as the public will read it; `forum` says which plan its commitments are of."""
    typed = await request.form(max_files=0, max_fields=10, max_part_size=256 * 1024)
    async with page.reading(request) as session:
        forum = await schedule.forum_by_slug(session, str(typed.get("forum", ""))[:200], drafts=True)
        plan = await minutes.plan_of(session, forum) if forum else None
        commitments = await action_plan.commitments_of(session, plan) if plan else []
    text, _ = clean(str(typed.get("text", ""))), translations(page.language(request)).gettext
    if len(text) > LONGEST:
        return HTMLResponse(_said(_(_TOO_LONG).format(length=len(text), limit=LONGEST)))
    # A thread: the site goes on answering meanwhile.
    made = await asyncio.to_thread(render, text, places_of(request, plan, commitments))
    return HTMLResponse(made if is_read_as_markdown(text) else _said(_(_TOO_MARKED).format(limit=MARKS_AT_MOST)) + made)


def _said(sentence: str) -> Markup:
    return Markup('<p class="fr-message fr-message--warning" role="status">{}</p>').format(sentence)


async def paste(request: Request) -> Response:
    """A piece of a document, as HTML, becomes Markdown. A refusal is a sentence: the script then pastes the plain text."""
    typed = await request.form(max_files=0, max_fields=10, max_part_size=1024 * 1024)
    try:
        return PlainTextResponse(await pandoc.html_to_markdown(str(typed.get("html", ""))))
    except Refusal as refusal:
        return PlainTextResponse(translations(page.language(request)).gettext(refusal.sentence), status_code=422)
