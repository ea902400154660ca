"""Lists: what is kept of each question names its forum, in the order questions are listed; PostgreSQL keeps what a search ranks by."""

from alembic import op

from forums import search_index, standing_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    standing_index.create(op.get_bind())
    if op.get_bind().dialect.name == "postgresql":
        search_index.create(op.get_bind())


def downgrade() -> None:
    """They stay as they are: whoever came before reads them all the same."""
