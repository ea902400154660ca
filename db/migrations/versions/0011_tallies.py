"""Tallies: how many questions stand where is kept by the database itself; the plan of each is kept with it."""

from alembic import op

from forums import standing_index

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    standing_index.create(op.get_bind())


def downgrade() -> None:
    """They stay as they are: whoever came before reads them all the same."""
