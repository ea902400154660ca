"""Questions: read, asked, confirmed by their author, supported, moderated."""

from forums.pages.questions import moderating, supporting
from forums.pages.questions.asking import ask, ask_forum, confirm, form, mine, of_forum, sent
from forums.pages.questions.moderating import moderate_form, queue
from forums.pages.questions.reading import index, show
from forums.pages.questions.typing import near

__all__ = [
    "ask",
    "ask_forum",
    "confirm",
    "form",
    "index",
    "mine",
    "moderate_form",
    "moderating",
    "near",
    "of_forum",
    "queue",
    "sent",
    "show",
    "supporting",
]
