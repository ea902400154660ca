"""What happened in public, and whom it concerns: derived from dated facts, kept in no table of its own.

A forum announced, an answer published, a promise late: each is an `Item` with a moment, an identifier that
never changes, and the scopes it belongs to, which are what people follow by mail or feed. `between` reads
any stretch of time in a number of statements that does not grow with it.
"""

from forums.news.happened import KINDS, Kind
from forums.news.items import Item, between
from forums.news.scopes import ANNOUNCEMENTS, EVERYTHING, Scope, followed, named, options, scopes_named

__all__ = [
    "ANNOUNCEMENTS",
    "EVERYTHING",
    "KINDS",
    "Item",
    "Kind",
    "Scope",
    "between",
    "followed",
    "named",
    "options",
    "scopes_named",
]
