"""`/metriques`: what an operator watches, in Prometheus' text format, for the machine itself and its proxies alone.

The queue, the clock and the seats are the database's and the same whoever answers; rendering times and
memory are those of the process that answers.
"""

from bisect import bisect_left
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import accumulate
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forums import metrics
from forums.pages import page

if TYPE_CHECKING:
    # What writes figures is imported when somebody reads them: it brings a web server of its own.
    from prometheus_client.core import HistogramMetricFamily

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class OwnFigures:
    """What one process counts by itself: how long it renders."""

    def __init__(self) -> None:
        self.counts, self.total = [0] * (len(_SECONDS) + 1), 0.0

    def rendered(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total += seconds

    def collect(self) -> Iterator["HistogramMetricFamily"]:
        from prometheus_client.core import HistogramMetricFamily

        buckets = zip([*(str(float(each)) for each in _SECONDS), "+Inf"], accumulate(self.counts), strict=True)
        said = "Temps de rendu d'une page ou d'un flux public"
        yield HistogramMetricFamily("forums_render_seconds", said, buckets=list(buckets), sum_value=self.total)


async def show(request: Request) -> Response:
    """404 for anybody else: what nobody may read need not be there."""
    if not may_read(request.client.host if request.client else "", page.settings(request).forwarded_allow_ips):
        raise HTTPException(404)
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest

    now, registry = page.now(), CollectorRegistry()
    async with page.reading(request) as session:
        found = await metrics.figures(session, now=now)
    registry.register(request.app.state.own_figures)
    ProcessCollector(registry=registry)
    return Response(generate_latest(registry) + _figures(found, now.timestamp()), media_type=CONTENT_TYPE_LATEST)


def may_read(host: str, allowed: str) -> bool:
    """Loopback, and the addresses or networks of `FORWARDED_ALLOW_IPS`; its `*` opens nothing here."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if address.is_loopback:
        return True
    for each in allowed.split(","):
        try:
            if address in ip_network(each.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def _figures(found: metrics.Figures, now: float) -> bytes:
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    queue = Gauge("forums_outbox_messages", "Messages de la boîte d'envoi", ["status"], registry=registry)
    for status in ("waiting", "sending", "sent", "failed", "bounced", "dropped"):
        queue.labels(status).set(found.queue.get(status, 0))
    late = Gauge("forums_outbox_oldest_due_seconds", "Depuis quand le plus ancien message aurait dû partir", registry=registry)
    late.set(max(0.0, now - found.oldest_due.timestamp()) if found.oldest_due else 0)
    if found.turned_at:
        turn = Gauge("forums_clock_last_turn_timestamp_seconds", "Dernier tour de l'horloge qui a tout fait", registry=registry)
        turn.set(found.turned_at.timestamp())
    seats = Gauge("forums_seats", "Places d'un forum à venir", ["forum", "attendance", "kind"], registry=registry)
    for forum in found.forums:
        for attendance, taken, capacity in (
            ("on_site", forum.seats_taken, forum.capacity),
            ("remote", forum.remote_taken, forum.remote_capacity),
        ):
            seats.labels(forum.slug, attendance, "taken").set(taken)
            seats.labels(forum.slug, attendance, "capacity").set(capacity)
    return generate_latest(registry)
