"""What people do while `tests.kills` kills: they register, confirm, give up and ask, over a few connections.

Each answer is noted. What broke off is asked again by most and left by some; a few click twice though they
had their answer. Asking again must do no harm.
"""

import random
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from tests.crew import Program
from tests.visitors import Person, Visitor

CLICKED_TWICE = 1 / 20


class Deed(NamedTuple):
    """What someone asks of the site; done again, it changes nothing more."""

    what: str
    whose: str
    path: str
    body: str = ""
    person: Person | None = None


class Load:
    """What is asked meanwhile, what was answered, and what is left unsettled."""

    def __init__(self, people: Sequence[Person], forums: Sequence[str], servers: Sequence[Program]) -> None:
        self.idle, self.forums = deque(people), forums
        self.servers = {server.port: server for server in servers}
        self.again: deque[Deed] = deque()
        self.left: list[Deed] = []
        self.acknowledged: Counter[tuple[str, str]] = Counter()
        self.broken_off = self.told_to_try_again = self.asked = 0
        self.unexpected: Counter[int] = Counter()
        self.over = False

    async def visit(self) -> None:
        visitor = Visitor(list(self.servers))
        while not self.over:
            deed = self._next()
            status = await visitor.post(deed.path, deed.body)
            self.servers[visitor.port].proved |= status is not None
            if status == 303 and random.random() < CLICKED_TWICE:
                await self._click_again(visitor, deed)
            self._answered(deed, status)
            if random.random() < 0.05:
                visitor.leave()  # as browsers do; else everybody ends up with whoever lives longest
        visitor.leave()

    def _next(self) -> Deed:
        if self.again and random.random() < 0.5:
            return self.again.popleft()
        self.asked += 1
        kind = random.random()
        if kind < 0.6 and self.idle:
            person = self.idle.popleft()
            return Deed(person.next_deed, person.email, f"/inscriptions/{person.token}/{person.next_deed}", person=person)
        if kind < 0.8:
            return _registration(self.asked, self.forums[self.asked % len(self.forums)])
        return _question(self.asked)

    async def _click_again(self, visitor: Visitor, deed: Deed) -> None:
        status = await visitor.post(deed.path, deed.body)
        if status not in (303, 503, None):
            self.unexpected[status] += 1

    def _answered(self, deed: Deed, status: int | None) -> None:
        if status == 303:
            self.acknowledged[deed.what, deed.whose] += 1
            if deed.person:
                deed.person.inside = not deed.person.inside
                self.idle.append(deed.person)
        elif status in (None, 503):
            self.broken_off += status is None
            self.told_to_try_again += status == 503
            # Some never come back, but what one of the prepared people did last must be known before the next.
            (self.again if deed.person or random.random() < 0.7 else self.left).append(deed)
        else:
            self.unexpected[status] += 1

    @property
    def unsettled(self) -> Counter[tuple[str, str]]:
        return Counter((deed.what, deed.whose) for deed in (*self.again, *self.left))

    def said(self, what: str) -> set[str]:
        """Who was answered that it is done."""
        return {whose for each, whose in self.acknowledged if each == what}


def _registration(number: int, slug: str) -> Deed:
    email = f"n{number}@example.org"
    typed = {"family_name": "N", "given_name": str(number), "email": email, "organisation": "", "attendance": "on_site"}
    return Deed("s'inscrire", email, f"/forums/{slug}/inscription", urlencode(typed | {"accessibility_needs": "", "site_web": ""}))


def _question(number: int) -> Deed:
    email = f"q{number}@example.org"
    typed = {"kind": "question", "text": f"Question {number} ?", "email": email, "context": "", "commitment": ""}
    return Deed("poser", email, "/questions/poser", urlencode(typed | {"author_name": "", "site_web": ""}))
