"""Tallies: how many questions stand where is kept by the database; what was done to one thing, or put last to an institution, is found."""

from alembic import op

from forums import standing_index

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_DECIDED = "ix_question_status_decided_at"


def upgrade() -> None:
    op.create_index(op.f("ix_audit_event_subject_at"), "audit_event", ["subject", "at"])
    op.create_index(op.f("ix_question_institution_assigned_at"), "question_institution", ["assigned_at"])
    op.drop_index(op.f(_DECIDED), table_name="question")
    op.create_index(op.f(_DECIDED), "question", ["status", "decided_at", "code", "id", "edition"])
    standing_index.create(op.get_bind())


def downgrade() -> None:
    """The standings stay as they are: whoever came before reads them all the same."""
    op.drop_index(op.f(_DECIDED), table_name="question")
    op.create_index(op.f(_DECIDED), "question", ["status", "decided_at", "code", "id"])
    op.drop_index(op.f("ix_question_institution_assigned_at"), table_name="question_institution")
    op.drop_index(op.f("ix_audit_event_subject_at"), table_name="audit_event")
