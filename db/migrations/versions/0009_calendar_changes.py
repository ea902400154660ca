"""Calendar changes: which forums changed for subscribers, stamped by the database itself; a feed reads those alone."""

from alembic import op

from forums import calendar_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    calendar_index.create(op.get_bind())


def downgrade() -> None:
    calendar_index.drop(op.get_bind())
