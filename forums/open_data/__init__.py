"""Open data: every public object as files that machines read, and as JSON one can ask for.

`columns` says how an object is described, `plans`, `followed`, `consulted`, `forums_held` and `asked` describe them,
`catalogue` lists them. `reading` draws the rows, `files` writes them, `api` answers questions about them and
`openapi` describes those answers. Nothing private is a column here, and what is not published is not a row.
"""

from forums.open_data.catalogue import BY_FILE, OBJECTS, ROWS
from forums.open_data.columns import Row, fields_of, is_object
from forums.open_data.files import LICENCE, File, archive, as_csv, as_json, data_package, everything, put, table_schema, written
from forums.open_data.reading import Summary, last_update, summaries

__all__ = [
    "BY_FILE",
    "LICENCE",
    "OBJECTS",
    "ROWS",
    "File",
    "Row",
    "Summary",
    "archive",
    "as_csv",
    "as_json",
    "data_package",
    "everything",
    "fields_of",
    "is_object",
    "last_update",
    "put",
    "summaries",
    "table_schema",
    "written",
]
