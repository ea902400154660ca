"""News as Atom (RFC 4287), for everything or for one scope.

Identifiers are tag: URIs (RFC 4151) made of what never changes, so that no reader shows an entry twice. The
bytes hang on the facts alone: `updated` is the moment of the newest fact, never that of the request.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from forums.language import said, translations
from forums.news import Item

ENTRIES = 50

_ATOM = "http://www.w3.org/2005/Atom"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_LICENCE = "Licence Ouverte 2.0 (etalab-2.0)"

# The year from which the name of the site is ours, as RFC 4151 wants one: fixed, or every identifier would change.
_SINCE = "2018"
_NEVER = datetime(2018, 1, 1, tzinfo=UTC)

# Neither allowed in XML 1.0 nor meant by anyone.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

register_namespace("", _ATOM)


class Feed(NamedTuple):
    """What a feed says of itself: `scope` names it for ever; `address` and `page` are paths, in French."""

    scope: str
    title: str
    address: str
    page: str
    language: str = "fr"


def atom(feed: Feed, items: Sequence[Item], *, public_url: str) -> bytes:
    """The newest first. `public_url` is where the site answers."""
    home = public_url + ("" if feed.language == "fr" else f"/{feed.language}")
    root = Element(_name("feed"), {f"{_XML}lang": feed.language, f"{_XML}base": f"{public_url}/"})
    _text(root, "id", _tag(public_url, f"{feed.scope}/{feed.language}"))
    _text(root, "title", feed.title)
    _text(root, "updated", _instant(items[0].moment if items else _NEVER))
    SubElement(root, _name("link"), {"rel": "self", "type": "application/atom+xml", "href": home + feed.address})
    SubElement(root, _name("link"), {"rel": "alternate", "type": "text/html", "hreflang": feed.language, "href": home + feed.page})
    author = SubElement(root, _name("author"))
    _text(author, "name", "Forums Open d'État")
    _text(author, "uri", f"{public_url}/")
    _text(root, "rights", _LICENCE)
    for item in items:
        root.append(_entry(item, feed.language, home, public_url))
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _entry(item: Item, language: str, home: str, public_url: str) -> Element:
    entry = Element(_name("entry"))
    sentence = said(item.sentence, item.figures, language)
    _text(entry, "id", _tag(public_url, item.id))
    _text(entry, "title", f"{sentence} – {_short(item.text)}" if item.text else sentence)
    _text(entry, "updated", _instant(item.moment))
    _text(entry, "published", _instant(item.moment))
    SubElement(entry, _name("link"), {"rel": "alternate", "type": "text/html", "hreflang": language, "href": home + item.address})
    SubElement(entry, _name("category"), {"term": item.kind})
    if item.invented:
        label = translations(language).gettext("Données inventées pour la démonstration")
        SubElement(entry, _name("category"), {"term": "invented", "label": label})
    if item.text:
        # What people wrote is in French, on an English feed too.
        summary = _text(entry, "summary", item.text)
        summary.set(f"{_XML}lang", "fr")
    return entry


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:100].rpartition(" ")[0] + "…"


def _tag(public_url: str, name: str) -> str:
    return f"tag:{urlsplit(public_url).hostname},{_SINCE}:{name}"


def _instant(moment: datetime) -> str:
    """RFC 3339, to the microsecond, so that two facts of one second keep their order."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _name(name: str) -> str:
    return f"{{{_ATOM}}}{name}"


def _text(parent: Element, name: str, text: str) -> Element:
    child = SubElement(parent, _name(name))
    child.text = _FORBIDDEN.sub("", text)
    return child
