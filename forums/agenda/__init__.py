"""The agenda of a forum: items in order, each tied to commitments and to the questions it takes up.

Organisers prepare version 0; publishing copies it as the next version, which is what everybody sees until the
one after. An item keeps its number through all of them, so that what changed can be told item by item.
"""

from forums.agenda.comparing import Change, changes
from forums.agenda.documents import LARGEST, MEDIA_TYPES, DocumentForm, attach, detach, document_of, documents_of
from forums.agenda.preparing import AgendaItemForm, add, edit, minutes_of, next_number, put, remove, take_up, typed
from forums.agenda.publishing import PublishForm, changes_of, publish, unpublished
from forums.agenda.queries import (
    KINDS,
    Attached,
    Point,
    Stage,
    is_written_about,
    item_by_id,
    items_about,
    items_taking_up,
    numbers_of,
    out_of_hours,
    points_of,
    published_points,
    stages,
    versions_of,
)
from forums.agenda.retitling import Titled, made_from, retitle, titles

__all__ = [
    "KINDS",
    "LARGEST",
    "MEDIA_TYPES",
    "AgendaItemForm",
    "Attached",
    "Change",
    "DocumentForm",
    "Point",
    "PublishForm",
    "Stage",
    "Titled",
    "add",
    "attach",
    "changes",
    "changes_of",
    "detach",
    "document_of",
    "documents_of",
    "edit",
    "is_written_about",
    "item_by_id",
    "items_about",
    "items_taking_up",
    "made_from",
    "minutes_of",
    "next_number",
    "numbers_of",
    "out_of_hours",
    "points_of",
    "publish",
    "published_points",
    "put",
    "remove",
    "retitle",
    "stages",
    "take_up",
    "titles",
    "typed",
    "unpublished",
    "versions_of",
]
