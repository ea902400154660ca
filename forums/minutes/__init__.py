"""Minutes: passages written per agenda item, each tied to commitments and to the questions it is about.

A draft is seen by members alone. Publishing shows every passage at once, on the forum's page and on
each commitment and question it concerns; a passage keeps its number (`#p-3`) for ever. Whatever changes
afterwards makes one more version, with a word on what changes: each version stays readable, and of two
people who save the same passage, the second is shown both texts and overwrites nothing.
"""

from forums.minutes.comparing import Piece, changes, words_changed
from forums.minutes.importing import BadDocument, Imported, bring_in, read_document
from forums.minutes.merging import merge_questions
from forums.minutes.publishing import publish
from forums.minutes.queries import (
    Entry,
    Quoting,
    Version,
    as_announced,
    begun,
    cited_in,
    entries_of,
    entry_by_number,
    of,
    passages_of,
    plan_of,
    published,
    published_of,
    quoting,
    version_by_number,
    versions_of,
)
from forums.minutes.redacting import MENTION, Place, RedactForm, places, redact
from forums.minutes.writing import (
    OUTCOMES,
    CommentMissing,
    EditedMeanwhile,
    EntryForm,
    OutcomeForm,
    amend,
    remove,
    tie,
    write,
)

__all__ = [
    "MENTION",
    "OUTCOMES",
    "BadDocument",
    "CommentMissing",
    "EditedMeanwhile",
    "Entry",
    "EntryForm",
    "Imported",
    "OutcomeForm",
    "Piece",
    "Place",
    "Quoting",
    "RedactForm",
    "Version",
    "amend",
    "as_announced",
    "begun",
    "bring_in",
    "changes",
    "cited_in",
    "entries_of",
    "entry_by_number",
    "merge_questions",
    "of",
    "passages_of",
    "places",
    "plan_of",
    "publish",
    "published",
    "published_of",
    "quoting",
    "read_document",
    "redact",
    "remove",
    "tie",
    "version_by_number",
    "versions_of",
    "words_changed",
    "write",
]
