"""The outbox: a message is a row, written with the fact it announces; a worker delivers it later.

`enqueue` belongs to the caller's transaction. `work` claims rows by lease, sends ready bytes over a
few connections it keeps, and writes down what the relay said. Nothing is lost: what fails is retried
with patience or stays visible as failed, a fault of the relay stops the queue and raises an alarm;
after a crash a message goes again with the same Message-ID.
"""

from forums.outbox.bouncing import record_bounce
from forums.outbox.courier import Courier, deliver_due, work
from forums.outbox.ledger import GIVE_UP_AFTER, LEASE
from forums.outbox.promising import already_told, drop, drop_late, enqueue, enqueue_at_once, enqueue_once, restate
from forums.outbox.queries import (
    PAGE,
    Alarm,
    alarm,
    attempts_of,
    counts,
    may_go_again,
    message_by_id,
    recent,
    retry,
    unreachable,
)
from forums.outbox.relay import judge, try_relay

__all__ = [
    "GIVE_UP_AFTER",
    "LEASE",
    "PAGE",
    "Alarm",
    "Courier",
    "alarm",
    "already_told",
    "attempts_of",
    "counts",
    "deliver_due",
    "drop",
    "drop_late",
    "enqueue",
    "enqueue_at_once",
    "enqueue_once",
    "judge",
    "may_go_again",
    "message_by_id",
    "recent",
    "record_bounce",
    "restate",
    "retry",
    "try_relay",
    "unreachable",
    "work",
]
