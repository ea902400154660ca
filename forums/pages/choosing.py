"""The questions a form of the organisers offers to tick: what is ticked already, then some, then those that are searched.

However many were asked, a form shows a handful; a search that works without a script finds any other, by its words or
by its code, and keeps what was typed and ticked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request

from forums import questions, search
from forums.models import Forum, Question

OFFERED = 20
LONGEST = 200


@dataclass(frozen=True)
class Choice:
    """What is offered; `more` when there are others, `asked` is what was searched, and `found` whether anything was."""

    questions: Sequence[Question]
    asked: str
    found: bool
    more: bool


async def typed(request: Request) -> str:
    """What was searched, whether by an address or within a form being filled."""
    given = (await request.form()).get("cherche") if request.method == "POST" else request.query_params.get("cherche")
    return given.strip()[:LONGEST] if isinstance(given, str) else ""


async def is_searching(request: Request) -> bool:
    """Whether the button pressed is that of the search: nothing is saved then."""
    return "chercher" in await request.form()


async def choice(session: AsyncSession, forum: Forum, asked: str, *, ticked: Sequence[str] = (), but: Sequence[str] = ()) -> Choice:
    """Those of codes `ticked` first; then those of the forum, or any published one that is searched, `but` these."""
    first = sorted(await questions.published_by_codes(session, ticked), key=lambda each: each.created_at)
    others = [*ticked, *but]
    if asked:
        found: Sequence[Question] = await search.questions_about(session, asked, but=others, limit=OFFERED + 1)
    else:
        found = await questions.for_forum(session, forum, but=others, limit=OFFERED + 1)
    return Choice([*first, *found[:OFFERED]], asked, bool(found), len(found) > OFFERED)
