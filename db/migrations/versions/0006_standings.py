"""Standings: where each question stands, kept by the database itself; lists are read from an index."""

from alembic import op

from forums import standing_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_question_status_decided_at"), "question", ["status", "decided_at", "code"])
    op.create_index(op.f("ix_answer_published_at"), "answer", ["published_at"])
    op.create_index(op.f("ix_answer_amended_at"), "answer", ["amended_at"])
    standing_index.create(op.get_bind())


def downgrade() -> None:
    standing_index.drop(op.get_bind())
    op.drop_index(op.f("ix_answer_amended_at"), table_name="answer")
    op.drop_index(op.f("ix_answer_published_at"), table_name="answer")
    op.drop_index(op.f("ix_question_status_decided_at"), table_name="question")
