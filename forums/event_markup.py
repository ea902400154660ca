"""A forum as schema.org's `Event`, in JSON-LD, for search engines and whoever reads pages by program.

It says what the page says and nothing more: a place that is not known yet is left out. The script element
holds data, which no browser runs; what could end it is escaped.
"""

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from markupsafe import Markup

from forums.models import Forum
from forums.models.forum import PARIS

_SCHEMA = "https://schema.org"
_NAME = "Forums Open d'État"

# In a script element only these can matter; in JSON an escaped letter is the same letter.
_ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def events(forums: Iterable[Forum], public_url: str, image: str = "", *, moved: bool = False) -> Markup:
    """One script element with the forums whose day is known; nothing when there is none. `moved` is said of all."""
    found = [_event(forum, public_url, image, moved) for forum in forums if forum.day and forum.announced_at]
    if not found:
        return Markup("")
    content = {"@context": _SCHEMA, "@graph": found} if len(found) > 1 else {"@context": _SCHEMA, **found[0]}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)
    return Markup('<script type="application/ld+json">%s</script>\n') % Markup(text)  # noqa: S704 — escaped above, for a script


def _event(forum: Forum, public_url: str, image: str, moved: bool) -> dict[str, Any]:
    page = f"{public_url}/forums/{forum.slug}"
    theme = f" – {forum.theme}" if forum.theme else ""
    told: dict[str, Any] = {
        "@type": "Event",
        "@id": page,
        "url": page,
        "name": f"Forum Open d'État n° {forum.number}{theme}",
        "description": forum.description or None,
        "inLanguage": "fr",
        "startDate": _moment(forum.starts_at) or _moment(forum.day),
        "endDate": _moment(forum.ends_at),
        "eventStatus": f"{_SCHEMA}/{_status(forum, moved)}",
        "eventAttendanceMode": _attendance(forum),
        "location": _location(forum, page),
        "image": image or None,
        "isAccessibleForFree": True,
        "organizer": [{"@type": "Organization", "name": name} for name in forum.organisers]
        or {"@type": "Organization", "name": _NAME, "url": public_url},
        "offers": _offer(forum, page),
    }
    return {name: value for name, value in told.items() if value is not None}


def _moment(moment: datetime | date | None) -> str | None:
    if isinstance(moment, datetime):
        return moment.astimezone(PARIS).isoformat(timespec="minutes")
    return moment.isoformat() if moment else None


def _status(forum: Forum, moved: bool) -> str:
    if forum.status == "cancelled":
        return "EventCancelled"
    return "EventRescheduled" if moved else "EventScheduled"


def _attendance(forum: Forum) -> str | None:
    """None while nobody knows."""
    online, on_site = bool(forum.online_url or forum.remote_capacity), bool(forum.place or forum.capacity)
    modes = {
        (True, True): "MixedEventAttendanceMode",
        (True, False): "OnlineEventAttendanceMode",
        (False, True): "OfflineEventAttendanceMode",
    }
    mode = modes.get((online, on_site))
    return f"{_SCHEMA}/{mode}" if mode else None


def _location(forum: Forum, page: str) -> Any:
    places: list[dict[str, Any]] = []
    if forum.place:
        places.append({"@type": "Place", "name": forum.place} | ({"address": forum.address} if forum.address else {}))
    if forum.online_url or forum.remote_capacity:
        # Where remote seats are counted, the link is for those who hold one: the page says how to get it.
        places.append({"@type": "VirtualLocation", "url": page if forum.remote_capacity or not forum.online_url else forum.online_url})
    return (places if len(places) > 1 else places[0]) if places else None


def _offer(forum: Forum, page: str) -> dict[str, Any] | None:
    """A seat, which costs nothing; none while no seat is offered."""
    if not forum.capacity + forum.remote_capacity or forum.status == "cancelled":
        return None
    free = forum.seats_taken < forum.capacity or forum.remote_taken < forum.remote_capacity
    offer = {"@type": "Offer", "url": f"{page}/inscription", "price": 0, "priceCurrency": "EUR"}
    offer["availability"] = f"{_SCHEMA}/{'InStock' if free else 'SoldOut'}"
    opens = _moment(forum.registration_opens_at)
    return offer | ({"validFrom": opens} if opens else {})
