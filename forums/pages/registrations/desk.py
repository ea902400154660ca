"""Where registrations arrive in one process, and are written down together."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection
from starlette.requests import Request

from forums import registrations, schedule
from forums.database import Database, DatabaseUnavailable
from forums.limits import Tally
from forums.pages import page
from forums.refusals import Refusal, TooManyRequests
from forums.registrations import Asked, RegistrationForm
from forums.settings import Settings

# An arrival waits for others to be written down with, unless so many are there: less than the step at which whoever is alone is answered.
PATIENCE, ENOUGH = 0.02, 6
# When so many arrive within a step, nobody waits for the next one, but twice as long for others: still less than whoever is alone.
# The limit of one connection lets it make such a crowd a dozen times.
CROWD = 5


@dataclass(eq=False)
class Arrival:
    """Someone at the desk, the answer they wait for, and whether they may ask: they are counted once."""

    slug: str
    form: RegistrationForm
    language: str
    client: str | None
    answer: asyncio.Future[bool]
    allowed: bool | None = None

    def say(self, outcome: bool | Exception) -> None:
        if self.answer.done():
            return  # they left
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Desk:
    """Where registrations arrive in one process: those who come while it writes are written down next, together.

    A transaction on disk costs about the same for one person as for twenty. Each is answered once their
    own line is there, and nobody pays for a neighbour's that cannot be written.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.secret_key = database, settings.secret_key
        self.tally = Tally()
        self.per_client, self.per_forum = page.client_limit(settings), page.forum_limit(settings)
        self.arrived: list[Arrival] = []
        self.enough = asyncio.Event()
        self.last: deque[float] = deque(maxlen=CROWD)
        self.writing: asyncio.Task[None] | None = None

    async def register(self, slug: str, form: RegistrationForm, language: str, client: str | None) -> bool:
        """As the rule of that name, and raises what it raises. False when no such forum was announced."""
        began = time.monotonic()
        arrival = Arrival(slug, form, language, client, asyncio.get_running_loop().create_future())
        self.arrived.append(arrival)
        if len(self.arrived) >= ENOUGH:
            self.enough.set()
        self.last.append(began)
        if self.writing is None or self.writing.done():
            self.writing = asyncio.create_task(self._write())
        try:
            return await arrival.answer
        finally:
            if not self._is_crowded():
                await page.same_time(began)

    def _is_crowded(self) -> bool:
        return len(self.last) == CROWD and time.monotonic() - self.last[0] < page.STEP

    async def _write(self) -> None:
        while self.arrived:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.enough.wait(), 2 * PATIENCE if self._is_crowded() else PATIENCE)
            self.enough.clear()
            together, self.arrived = self.arrived, []
            await self._write_down(together)

    async def _write_down(self, together: Sequence[Arrival]) -> None:
        try:
            if self.tally.is_due:
                async with self.database.transaction() as session:
                    await self.tally.share(session, now=page.now())
            outcomes = await self._registered(together)
        except Exception as error:  # noqa: BLE001 — whoever waits must be answered
            if len(together) > 1 and not isinstance(error, DatabaseUnavailable):
                for each in together:
                    await self._write_down([each])
                return
            outcomes = [error] * len(together)
        for each, outcome in zip(together, outcomes, strict=True):
            each.say(outcome)

    async def _registered(self, together: Sequence[Arrival]) -> list[bool | Exception]:
        # No public page shows who has not confirmed yet.
        return await self.database.write_at_once(partial(self._written, together))

    def _written(self, together: Sequence[Arrival], connection: Connection) -> list[bool | Exception]:
        found = schedule.forums_by_slug(connection, {each.slug for each in together})
        let_in = [each for each in together if each.slug in found and self._allows(each)]
        asked = [Asked(found[each.slug], each.form, each.language) for each in let_in]
        refusals = registrations.register_all(connection, asked, secret_key=self.secret_key, now=page.now())
        return self._answers(together, found, refusals)

    def _answers(self, together: Sequence[Arrival], found: Collection[str], refusals: Sequence[Refusal | None]) -> list[bool | Exception]:
        of_each = iter(refusals)

        def answer(each: Arrival) -> bool | Exception:
            if each.slug not in found:
                return False
            if not each.allowed:
                return TooManyRequests()
            return next(of_each) or True

        return [answer(each) for each in together]

    def _allows(self, arrival: Arrival) -> bool:
        """Whether their connection, and all who ask for that forum together, may ask once more."""
        if arrival.allowed is not None:
            return arrival.allowed
        of_client = not (self.per_client and arrival.client) or self.tally.allows(
            f"client:{arrival.client}", self.per_client, now=page.now()
        )
        of_forum = not self.per_forum or self.tally.allows(f"forum:{arrival.slug}", self.per_forum, now=page.now())
        arrival.allowed = of_client and of_forum
        return arrival.allowed


def desk_of(request: Request) -> Desk:
    """One for the whole process."""
    state = request.app.state
    if not hasattr(state, "desk"):
        state.desk = Desk(state.database, state.settings)
    desk: Desk = state.desk
    return desk
