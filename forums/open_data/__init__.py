"""Open data: every public object as files that machines read, and as JSON one can ask for.

`columns` says how an object is described, `plans`, `followed`, `consulted`, `forums_held`,
`minutes_written` and `asked` describe them,
`catalogue` lists them. `reading` draws the rows, `files` writes them, `measuring` says how long they are, `asking` answers
questions about them and `openapi` describes those answers. Nothing private is a column here, and what is not published is not a row.
"""

from forums.open_data.asking import API, BadParameters, a_list, neighbours, one, understood
from forums.open_data.catalogue import BY_FILE, GROUPS, OBJECTS, ROWS
from forums.open_data.columns import Row, fields_of, is_object
from forums.open_data.files import LICENCE, File, archive, as_csv, as_json, datapackage, everything, put, table_schema, written
from forums.open_data.measuring import Measures
from forums.open_data.openapi import described
from forums.open_data.reading import last_change, last_changes, latest

__all__ = [
    "API",
    "BY_FILE",
    "GROUPS",
    "LICENCE",
    "OBJECTS",
    "ROWS",
    "BadParameters",
    "File",
    "Measures",
    "Row",
    "a_list",
    "archive",
    "as_csv",
    "as_json",
    "datapackage",
    "described",
    "everything",
    "fields_of",
    "is_object",
    "last_change",
    "last_changes",
    "latest",
    "neighbours",
    "one",
    "put",
    "table_schema",
    "understood",
    "written",
]
