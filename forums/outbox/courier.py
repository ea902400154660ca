"""The courier: takes what is due in hand, and carries it to the relay over several connections.

A connection sends on while what became of its last messages is being written: a worker killed at the worst
moment sends again, with the same Message-ID, at most `ledger.UNWRITTEN` messages and the one each connection has
just handed over. A message is known not to be taken back a fifth of a second before it goes. When the relay or its
settings are at fault the whole queue stops for a while, so that a wrong password is not tried at each turn.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from forums import emails
from forums.database import Database, note_fault
from forums.outbox import ledger, queries
from forums.outbox.ledger import Ledger, Outcome, Taken
from forums.outbox.relay import Connection, Connections, Unwritable, Verdict, connect, judge
from forums.settings import Settings, Smtp

log = logging.getLogger("forums.outbox")

TURN = 1.0
IN_HAND = 200
TOGETHER = 20
ENOUGH_FOR_ONE = 10
HAND_BACK_AFTER = timedelta(minutes=2)
LOOK_AGAIN_AFTER = 0.2
STOPPED = {"misconfigured": [timedelta(minutes=10)], "relay": [timedelta(minutes=m) for m in (1, 2, 5, 10)]}


@dataclass
class Letter:
    """A message in hand, ready to go: its bytes, when it was taken, when it was last known as wanted."""

    row: Taken
    content: bytes
    taken_at: float
    wanted_at: float


class Pause(NamedTuple):
    """The queue is stopped, unless an organiser puts a message back meanwhile."""

    since: datetime
    until: datetime


async def work(database: Database, settings: Settings, stop: asyncio.Event) -> None:
    """Deliver until `stop` is set; then what is begun is finished and the rest handed back."""
    if settings.smtp is None:
        await stop.wait()
        return
    async with Courier(database, settings, settings.smtp) as courier:
        while not stop.is_set():
            try:
                await courier.turn()
            except Exception as error:  # noqa: BLE001 — whatever it is, the next turn is tried
                note_fault(log, "a turn of the outbox failed; it goes on", error)
            await courier.rest(stop)


async def deliver_due(database: Database, settings: Settings, *, now: datetime | None = None, limit: int = IN_HAND) -> int:
    """Send what is due, once around. Returns how many messages the relay took."""
    if settings.smtp is None:
        return 0
    moment = now or _now()
    async with Courier(database, settings, settings.smtp, now=lambda: moment) as courier:
        await courier.turn(limit)
        await courier.carried()
    return courier.sent


def _now() -> datetime:
    return datetime.now(UTC)


def _note_the_end(task: asyncio.Task[None]) -> None:
    """What waits in hand goes on with the next turn, or with whoever finds its lease over."""
    if not task.cancelled() and isinstance(error := task.exception(), Exception):
        note_fault(log, "the outbox goes on with its next turn", error)


class Courier:
    """One worker's hand, its connections and what it remembers of the relay. Leaving the block stops it gently."""

    def __init__(self, database: Database, settings: Settings, smtp: Smtp, *, now: Callable[[], datetime] = _now) -> None:
        self.database, self.settings, self.smtp, self.now = database, settings, smtp, now
        self.connections = Connections()
        self.ledger = Ledger(database)
        self.sent = 0
        self._hand: deque[Letter] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._look: asyncio.Task[None] | None = None
        self._pause: Pause | None = None
        self._faults = 0
        self._more_is_due = False
        self._hand_is_low = asyncio.Event()
        self._choosing, self._opening = asyncio.Lock(), asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            await self._hand_back(self._emptied())
            await self.carried()
            await self.connections.leave_all()
        begun = [*self._lanes, *([self._look] if self._look else [])]
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        await self.ledger.settled()
        self.connections.drop_all()

    # -- Take in hand ----------------------------------------------------------------------------------------

    async def turn(self, limit: int = IN_HAND) -> None:
        """Take what is due in hand and set it going, unless the hand is still full or the queue is stopped."""
        await self.connections.leave_idle()
        await self._hand_back(self._late())
        self._start_lanes(len(self._lanes) + 1)  # what still waits since the last turn may wait behind a slow answer
        self._hand_is_low.clear()
        more_is_due, self._more_is_due = self._more_is_due, False
        room = limit - len(self._hand)
        if room < limit // 2 or await self._stopped():
            return
        rows = await ledger.claim(self.database, self.smtp, self.now(), room, look=not more_is_due)
        self._more_is_due = len(rows) == room
        taken_at = time.monotonic()
        for first in range(0, len(rows), TOGETHER):
            some = rows[first : first + TOGETHER]
            if self._pause is None:
                await self._take_in_hand(some, taken_at)
            else:
                await self._hand_back(some)

    async def _stopped(self) -> bool:
        if self._pause is not None and self.now() < self._pause.until:
            async with self.database.reading() as session:
                if not await queries.put_back_since(session, self._pause.since):
                    return True
        self._pause = None
        return False

    async def _take_in_hand(self, rows: Sequence[Taken], taken_at: float) -> None:
        composed = [(row, await self._compose(row)) for row in rows if row.content is None]
        ready = [(row, content) for row, content in composed if content is not None]
        await ledger.keep(self.database, ready)
        ready += [(row, row.content) for row in rows if row.content is not None]
        self._hand.extend(Letter(row, content, taken_at, taken_at) for row, content in ready)
        self._start_lanes(-(-len(self._hand) // ENOUGH_FOR_ONE))

    async def _compose(self, row: Taken) -> bytes | None:
        """The bytes of a message; None if it cannot be put into words."""
        await asyncio.sleep(0)  # composing takes milliseconds, and the site's pages may live in this process
        try:
            return emails.compose(row, self.settings)
        except Exception as error:  # noqa: BLE001 — even an OSError (a template that is not there) is this message's fault
            await self._record_fault(row, Unwritable(repr(error)))
            return None

    def _late(self) -> list[Taken]:
        """Those that waited in hand too long for their lease, taken out of it."""
        late = []
        while self._hand and time.monotonic() - self._hand[0].taken_at > HAND_BACK_AFTER.total_seconds():
            late.append(self._hand.popleft().row)
        return late

    def _emptied(self) -> list[Taken]:
        rows = [letter.row for letter in self._hand]
        self._hand.clear()
        return rows

    async def _hand_back(self, rows: Sequence[Taken]) -> None:
        await ledger.release(self.database, rows)

    async def rest(self, stop: asyncio.Event) -> None:
        """Until the next turn, the hand that empties while more is due, or the end."""
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, self._hand_is_low)]
        await asyncio.wait(waits, timeout=TURN, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    # -- Carry ---------------------------------------------------------------------------------------------

    def _start_lanes(self, wanted: int) -> None:
        while self._hand and len(self._lanes) < min(wanted, self.smtp.connections):
            lane = asyncio.create_task(self._lane())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
            lane.add_done_callback(_note_the_end)

    async def carried(self) -> None:
        """Return once nothing is in hand any more, and what became of it is written."""
        while self._lanes:
            await asyncio.wait(self._lanes)
        await self.ledger.settled()

    async def _lane(self) -> None:
        """One message after the other, as long as there are some."""
        while (letter := await self._next()) is not None:
            try:
                await self._carry(letter)
            except Exception as error:  # noqa: BLE001 — whatever it is, others go on
                note_fault(log, f"message {letter.row.id}: its lease takes it back", error)

    async def _next(self) -> Letter | None:
        async with self._choosing:
            unseen = time.monotonic() - self._hand[0].wanted_at if self._hand else 0
            if unseen > LOOK_AGAIN_AFTER * 0.75 and (self._look is None or self._look.done()):
                self._look = asyncio.create_task(self._forget_those_taken_back())
                self._look.add_done_callback(_note_the_end)
            if unseen > LOOK_AGAIN_AFTER and self._look is not None:
                await self._look  # else it is known in time, while others go
            await self._hand_back(self._late())
            letter = self._hand.popleft() if self._hand else None
        if self._more_is_due and len(self._hand) <= IN_HAND // 2:
            self._hand_is_low.set()
        return letter

    async def _forget_those_taken_back(self) -> None:
        asked, moment = list(self._hand), time.monotonic()
        wanted = await ledger.still_sending(self.database, [letter.row.id for letter in asked])
        for letter in asked:
            letter.wanted_at = moment if letter.row.id in wanted else -1.0
        self._hand = deque(letter for letter in self._hand if letter.wanted_at >= 0)

    async def _carry(self, letter: Letter) -> None:
        connection = None
        try:
            connection = await self._connection()
            if connection is None:
                await self._hand_back([letter.row])
                return
            await connection.carry(self.settings.mail_from, letter.row.recipient, letter.content, identifier=letter.row.id)
        except Exception as error:  # noqa: BLE001 — one poisonous message must not stop the queue
            if connection is not None:
                connection.drop()
            await self._record_fault(letter.row, error)
        except asyncio.CancelledError:
            if connection is not None:
                connection.drop()
            raise
        else:
            self.sent, self._faults = self.sent + 1, 0
            await self._record_sent(letter.row, connection)

    async def _connection(self) -> Connection | None:
        if kept := await self.connections.one_that_answers():
            return kept
        async with self._opening:
            # One at a time: the others do not try the password that was just refused.
            return await connect(self.smtp) if self._pause is None else None

    async def _record_sent(self, row: Taken, connection: Connection) -> None:
        try:
            await self.ledger.record(Outcome(row, _now(), "sent"))
        finally:
            # Afterwards: one that carried enough is left with a word to the relay, while the others go on.
            await self.connections.keep(connection)

    async def _record_fault(self, row: Taken, error: Exception) -> None:
        verdict, code, words = judge(error)
        # The relay's words may quote an address: they stay in the row, out of the log.
        log.warning("message %s: %s (code %s)", row.id, verdict, code)
        if verdict in STOPPED:
            self._stop(verdict)
            await self._hand_back(self._emptied())
        await self.ledger.record(Outcome(row, _now(), verdict, code, words))

    def _stop(self, verdict: Verdict) -> None:
        if self._pause is None:  # else another connection met the same fault at the same moment
            waits, now = STOPPED[verdict], self.now()
            self._pause = Pause(now, now + waits[min(self._faults, len(waits) - 1)])
            self._faults += 1
