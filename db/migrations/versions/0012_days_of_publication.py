"""Days of publication: on which days answers were published is kept by the database; what was settled of dates is found in the journal,
and questions in the order of their publication."""

from alembic import op
from sqlalchemy import text

from forums import standing_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SETTLED = text("verb IN ('settle_dates', 'settle_season')")


def upgrade() -> None:
    op.create_index(op.f("ix_audit_event_settled"), "audit_event", ["subject", "at"], postgresql_where=_SETTLED, sqlite_where=_SETTLED)
    op.create_index(op.f("ix_question_decided_at"), "question", ["decided_at", "code"])
    standing_index.create(op.get_bind())


def downgrade() -> None:
    """Two tables more are nothing to whoever came before."""
    op.drop_index(op.f("ix_question_decided_at"), table_name="question")
    op.drop_index(op.f("ix_audit_event_settled"), table_name="audit_event")
