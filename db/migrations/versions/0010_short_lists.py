"""Lists that stay short: questions in the order of their supports; SQLite's texts numbered so that the newest are read first."""

from alembic import op

from forums import search_index, standing_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        search_index.create(op.get_bind())
    standing_index.create(op.get_bind())


def downgrade() -> None:
    """0009 reads the same tables: that one of them counts supports, and that the texts are numbered otherwise, is nothing to it."""
