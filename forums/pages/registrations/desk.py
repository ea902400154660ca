"""Where registrations arrive in one process, and are written down together."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request

from forums import registrations, schedule
from forums.database import Database, DatabaseUnavailable
from forums.limits import Tally
from forums.pages import page
from forums.refusals import TooManyRequests
from forums.registrations import Asked, RegistrationForm
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
            async with self.database.transaction() as session:
                outcomes = await self._registered(session, together)
        except Exception as error:  # noqa: BLE001 — whoever waits must be answered
            if len(together) > 1 and not isinstance(error, DatabaseUnavailable):
                for each in together:
                    await self._write_down([each])
                return
            outcomes = [error] * len(together)
        for each, outcome in zip(together, outcomes, strict=True):
            if each.answer.done():
                continue  # they left
            if isinstance(outcome, Exception):
                each.answer.set_exception(outcome)
            else:
                each.answer.set_result(outcome)

    async def _registered(self, session: AsyncSession, together: Sequence[Arrival]) -> list[bool | Exception]:
        await self.tally.share(session, now=page.now())
        found = {slug: await schedule.forum_by_slug(session, slug) for slug in {each.slug for each in together}}
        let_in = [each for each in together if found[each.slug] and self._allows(each)]
        asked = [Asked(forum, each.form, each.language) for each in let_in if (forum := found[each.slug])]
        refusals = await registrations.register_all(session, asked, secret_key=self.secret_key, now=page.now())
        outcomes = {id(each): refusal or True for each, refusal in zip(let_in, refusals, strict=True)}
        return [outcomes.get(id(each), TooManyRequests()) if found[each.slug] else False for each in together]

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
