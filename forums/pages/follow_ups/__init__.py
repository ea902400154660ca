"""Promises: read by everybody, made and carried at a forum's desk, followed until they are closed."""

from forums.pages.follow_ups import desk, following
from forums.pages.follow_ups.reading import index, show

__all__ = ["desk", "following", "index", "show"]
