"""Questions like the one being typed, shown while it is typed where scripts run: a fragment of a page, and no trace.

The text comes in a body, never in an address that a proxy would log; nothing of it is kept, and nothing is
written. How often one connection asks is counted in memory, by this process alone.
"""

from collections import Counter
from typing import Annotated

from starlette.requests import Request
from starlette.responses import Response

from forums import questions
from forums.forms import Form, prose
from forums.pages import page

A_MINUTE = 40
_SHOWN = 3
_SHORTEST = 12


class TypingForm(Form):
    text: Annotated[str, prose(600)] = ""


class _Minute:
    """How often each connection asked since the last full minute."""

    def __init__(self) -> None:
        self.begun, self.asked = 0, Counter[str]()

    def allows(self, client: str, minute: int) -> bool:
        if minute != self.begun:
            self.begun, self.asked = minute, Counter()
        self.asked[client] += 1
        return self.asked[client] <= A_MINUTE


_minute = _Minute()


async def near(request: Request) -> Response:
    client = page.client(request)
    if client and page.client_limit(page.settings(request)) and not _minute.allows(client, int(page.now().timestamp()) // 60):
        return page.too_many(Response(status_code=429))
    filled = await page.read(request, TypingForm)
    if filled.form is None or len(filled.form.text) < _SHORTEST:
        return Response(status_code=204)
    async with page.reading(request) as session:
        similar = await questions.similar_to(session, filled.form.text)
        supports = await questions.support_counts(session, similar)
    return page.show(request, "questions/near.html", similar=similar[:_SHOWN], supports=supports)
