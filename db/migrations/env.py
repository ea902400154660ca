"""What Alembic runs: `forums.migrations` opens the connection, here the revisions are applied to it.

The database is the caller's (`settings` among the configuration's attributes) or else that of the
environment, so that `alembic` in a terminal and `forums` reach the same one.
"""

import forums  # noqa: F401 — first: it puts the safe SQLite in place

# isort: split

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

from forums import migrations, settings, table_sizes


def run(connection: Connection) -> None:
    applied: list[str] = context.config.attributes.setdefault("applied", [])
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        render_item=plainly,
        on_version_apply=lambda *, step, **_: applied.append(step.up_revision_id),
        autogenerate_plugins=migrations.COMPARED,
        include_object=migrations.is_known,
    )
    context.run_migrations()
    table_sizes.tell(connection)  # a table that was rebuilt is a new one to SQLite


def plainly(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """A revision names SQLAlchemy's own types: it must still run when ours have changed."""
    return f"sa.{item.impl!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


migrations.alone(context.config.attributes.get("settings") or settings.read(), run)
