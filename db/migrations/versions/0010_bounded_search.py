"""Lists that stay short: SQLite's index of texts numbered so that the few kinds, then the newest, come first."""

from alembic import op

from forums import search_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        search_index.create(op.get_bind())


def downgrade() -> None:
    """What 0009 reads is the same; only the numbers differ."""
