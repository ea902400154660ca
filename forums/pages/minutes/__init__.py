"""Minutes: read by everybody once published, version after version; written by organisers, or brought in from a document."""

from forums.pages.minutes.importing import bring_in, import_form
from forums.pages.minutes.reading import show, version
from forums.pages.minutes.redacting import redact, redact_form
from forums.pages.minutes.writing import amend, edit_form, entry_form, publish, remove, tie, write

__all__ = [
    "amend",
    "bring_in",
    "edit_form",
    "entry_form",
    "import_form",
    "publish",
    "redact",
    "redact_form",
    "remove",
    "show",
    "tie",
    "version",
    "write",
]
