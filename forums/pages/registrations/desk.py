"""Where registrations arrive in one process, and are written down together."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection
from starlette.requests import Request

from forums import registrations, schedule
from forums.database import Database, DatabaseUnavailable
from forums.limits import Tally
from forums.models import Forum
from forums.pages import page
from forums.refusals import TooManyRequests
from forums.registrations import Asked, RegistrationForm, Typed
from forums.settings import Settings

# What nobody notices, and enough for those answered together to come back together.
PATIENCE = 0.001


class Arrival(NamedTuple):
    """Someone at the desk, and the answer they wait for."""

    slug: str
    form: RegistrationForm
    language: str
    client: str | None
    answer: asyncio.Future[bool]

    def say(self, outcome: bool | Exception) -> None:
        if self.answer.done():
            return  # they left
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Known(NamedTuple):
    """Someone who was registered at that forum already, and what they typed this time."""

    forum: Forum
    typed: Typed


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
        self.writing: asyncio.Task[None] | None = None

    async def register(self, slug: str, form: RegistrationForm, language: str, client: str | None) -> bool:
        """As the rule of that name, and raises what it raises. False when no such forum was announced."""
        arrival = Arrival(slug, form, language, client, asyncio.get_running_loop().create_future())
        self.arrived.append(arrival)
        if self.writing is None or self.writing.done():
            self.writing = asyncio.create_task(self._write())
        return await arrival.answer

    async def _write(self) -> None:
        while self.arrived:
            await asyncio.sleep(PATIENCE)
            together, self.arrived = self.arrived, []
            await self._write_down(together)

    async def _write_down(self, together: Sequence[Arrival]) -> None:
        try:
            if self.tally.is_due:
                async with self.database.transaction() as session:
                    await self.tally.share(session, now=page.now())
            # No public page shows who has not confirmed yet.
            outcomes = await self.database.write_at_once(partial(self._registered, together))
        except Exception as error:  # noqa: BLE001 — whoever waits must be answered
            if len(together) > 1 and not isinstance(error, DatabaseUnavailable):
                for each in together:
                    await self._write_down([each])
                return
            outcomes = [error] * len(together)
        for each, outcome in zip(together, outcomes, strict=True):
            each.say(await self._registered_again(outcome) if isinstance(outcome, Known) else outcome)

    def _registered(self, together: Sequence[Arrival], connection: Connection) -> list[bool | Known | Exception]:
        found, now = schedule.forums_by_slug(connection, {each.slug for each in together}), page.now()
        let_in = [each for each in together if each.slug in found and self._allows(each)]
        asked = [Asked(found[each.slug], each.form, each.language) for each in let_in]
        outcomes = {}
        for each, outcome in zip(let_in, registrations.register_all(connection, asked, secret_key=self.secret_key, now=now), strict=True):
            outcomes[id(each)] = Known(found[each.slug], outcome) if isinstance(outcome, Typed) else outcome or True
        return [outcomes.get(id(each), TooManyRequests()) if each.slug in found else False for each in together]

    async def _registered_again(self, known: Known) -> bool | Exception:
        try:
            async with self.database.transaction() as session:
                await registrations.register_again(session, known.forum, known.typed, now=page.now())
        except Exception as error:  # noqa: BLE001 — whoever waits must be answered
            return error
        return True

    def _allows(self, arrival: Arrival) -> bool:
        """Whether their connection, and all who ask for that forum together, may ask once more."""
        of_client = not (self.per_client and arrival.client) or self.tally.allows(
            f"client:{arrival.client}", self.per_client, now=page.now()
        )
        of_forum = not self.per_forum or self.tally.allows(f"forum:{arrival.slug}", self.per_forum, now=page.now())
        return of_client and of_forum


def desk_of(request: Request) -> Desk:
    """One for the whole process."""
    state = request.app.state
    if not hasattr(state, "desk"):
        state.desk = Desk(state.database, state.settings)
    desk: Desk = state.desk
    return desk
