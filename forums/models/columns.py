"""What several tables share: how keys, closed lists and constraints are written."""

import secrets
from typing import Any, Literal, get_args
from uuid import uuid4

from sqlalchemy import CheckConstraint, Connection, Index, MetaData, Table, event, text
from sqlmodel import Field, SQLModel

# Named constraints: a migration can only drop what has a name, and both engines then agree.
SQLModel.metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A table validates nothing: what would validate it is not made, which is a tenth of a start.
SQLModel.model_config["defer_build"] = True

_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


def key() -> Any:
    return Field(default_factory=uuid4, primary_key=True)


def link_to(table: str, *, on_delete: Literal["CASCADE", "SET NULL", "RESTRICT"] = "CASCADE", **options: Any) -> Any:
    """A foreign key, indexed: every link of the chain is walked both ways. `index=False` when a wider index begins with it."""
    if options.get("nullable"):
        options["default"] = None
    return Field(foreign_key=f"{table}.id", ondelete=on_delete, **{"index": True, **options})


def index_of_some(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows `where` something holds."""
    return Index(name, *columns, unique=unique, info={"where": where})


@event.listens_for(Table, "before_create")
def _say_of_which(table: Table, connection: Connection, **_: Any) -> None:
    # Said in the words of both engines where it is declared, it imports both: what a site does not use is a thirtieth of its start.
    for index in table.indexes:
        if "where" in index.info:
            index.dialect_options[connection.dialect.name]["where"] = text(index.info["where"])


def one_of(column: str, choices: Any) -> CheckConstraint:
    """The database's side of a `Literal`: nothing else can be stored in that column."""
    values = ", ".join(f"'{choice}'" for choice in get_args(choices))
    return CheckConstraint(f"{column} IN ({values})", name=column)


def public_code() -> str:
    """A short address nobody can guess from its neighbours: eight letters read aloud without doubt."""
    return "".join(secrets.choice(_LETTERS) for _ in range(8))
