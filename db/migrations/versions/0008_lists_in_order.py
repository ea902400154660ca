"""Indexes that hold a list in the order it is read, and count it: a forum's questions, institutions' work, the journal, the outbox."""

from alembic import op

from forums import standing_index

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# What the others begin with, and take the place of.
REPLACED = (
    ("question", "ix_question_forum_id", ["forum_id"]),
    ("question", "ix_question_commitment_id", ["commitment_id"]),
    ("question", "ix_question_status", ["status"]),
    ("audit_event", "ix_audit_event_at", ["at"]),
)
MADE = (
    ("question", "ix_question_forum_id_created_at", ["forum_id", "created_at", "code", "status"]),
    ("question", "ix_question_commitment_id_created_at", ["commitment_id", "created_at", "code", "status"]),
    ("question", "ix_question_status_confirmed_at", ["status", "confirmed_at", "code"]),
    ("audit_event", "ix_audit_event_at_id", ["at", "id"]),
    ("outbox_message", "ix_outbox_message_status_created_at", ["status", "created_at", "id"]),
)
# Under the same name, with what is read of each beside.
WIDENED = (
    ("question", "ix_question_status_decided_at", ["status", "decided_at", "code"], ["id"]),
    ("answer", "ix_answer_published_at", ["published_at"], ["question_id"]),
)


def upgrade() -> None:
    for table, name, columns in MADE:
        op.create_index(op.f(name), table, columns)
    for table, name, _ in REPLACED:
        op.drop_index(op.f(name), table_name=table)
    for table, name, columns, more in WIDENED:
        op.drop_index(op.f(name), table_name=table)
        op.create_index(op.f(name), table, columns + more)
    standing_index.create(op.get_bind())


def downgrade() -> None:
    for table, name, columns, _ in WIDENED:
        op.drop_index(op.f(name), table_name=table)
        op.create_index(op.f(name), table, columns)
    for table, name, columns in REPLACED:
        op.create_index(op.f(name), table, columns)
    for table, name, _ in MADE:
        op.drop_index(op.f(name), table_name=table)
