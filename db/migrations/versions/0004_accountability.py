"""Accountability: how a commitment is followed, evaluated and commented on, and who follows it by mail.

Columns that may not be empty are filled for the rows that are there, then lose the default: from now on
the program says it. Whoever asked for announcements goes on following them, and nothing more.
"""

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
PURPOSES = {
    "registration": "registration_id",
    "question": "question_id",
    "sign_in": "member_id",
    "subscription": "subscription_id",
    "support": "support_id",
    "comment": "comment_id",
}


def upgrade() -> None:
    new_tables()
    plans()
    indicators()
    measurements_and_milestones()
    links()
    subscriptions()


def new_tables() -> None:
    op.create_table(
        "clock_mark",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_clock_mark")),
    )
    op.create_table(
        "consultation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("introduction", sa.String(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("synthesis", sa.String(), nullable=False),
        sa.Column("synthesis_published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.CheckConstraint("closes_at > opens_at", name=op.f("ck_consultation_moments")),
        sa.ForeignKeyConstraint(["plan_id"], ["action_plan.id"], name=op.f("fk_consultation_plan_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consultation")),
    )
    op.create_index(op.f("ix_consultation_plan_id"), "consultation", ["plan_id"], unique=True)

    op.create_table(
        "subscription_scope",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_subscription_scope_subscription_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subscription_id", "scope", name=op.f("pk_subscription_scope")),
    )
    op.create_index(op.f("ix_subscription_scope_scope"), "subscription_scope", ["scope"])

    op.create_table(
        "commitment_amendment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name=op.f("fk_commitment_amendment_commitment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment_amendment")),
        sa.UniqueConstraint("code", name=op.f("uq_commitment_amendment_code")),
    )
    op.create_index(op.f("ix_commitment_amendment_commitment_id"), "commitment_amendment", ["commitment_id"])

    op.create_table(
        "commitment_continuation",
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.Column("plan_slug", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name=op.f("fk_commitment_continuation_commitment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("commitment_id", "plan_slug", "number", name=op.f("pk_commitment_continuation")),
    )
    op.create_table(
        "evaluation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=True),
        sa.Column("added_here", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("dated", sa.Date(), nullable=True),
        sa.Column("date_text", sa.String(), nullable=False),
        sa.Column("findings", sa.String(), nullable=False),
        sa.Column("completion", sa.String(), nullable=True),
        sa.Column("source_url", sa.String(), nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.CheckConstraint("completion IN ('not_started', 'limited', 'substantial', 'complete')", name=op.f("ck_evaluation_completion")),
        sa.CheckConstraint("kind IN ('independent', 'self_assessment', 'other')", name=op.f("ck_evaluation_kind")),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name=op.f("fk_evaluation_commitment_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["plan_id"], ["action_plan.id"], name=op.f("fk_evaluation_plan_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation")),
        sa.UniqueConstraint("code", name=op.f("uq_evaluation_code")),
        sa.UniqueConstraint("plan_id", "added_here", "position", name=op.f("uq_evaluation_plan_id_added_here_position")),
    )
    op.create_index(op.f("ix_evaluation_commitment_id"), "evaluation", ["commitment_id"])
    op.create_index(op.f("ix_evaluation_plan_id"), "evaluation", ["plan_id"])

    op.create_table(
        "progress_report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("completion", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("obstacles", sa.String(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "completion IN ('not_started', 'limited', 'substantial', 'complete')", name=op.f("ck_progress_report_completion")
        ),
        sa.CheckConstraint(
            "completion IN ('substantial', 'complete') OR obstacles <> ''", name=op.f("ck_progress_report_obstacles_when_little_is_done")
        ),
        sa.CheckConstraint("status IN ('proposed', 'published')", name=op.f("ck_progress_report_status")),
        sa.CheckConstraint("period_end >= period_start", name=op.f("ck_progress_report_period")),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name=op.f("fk_progress_report_commitment_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_progress_report_institution_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_progress_report")),
        sa.UniqueConstraint("code", name=op.f("uq_progress_report_code")),
        sa.UniqueConstraint(
            "commitment_id", "institution_id", "period_start", name=op.f("uq_progress_report_commitment_id_institution_id_period_start")
        ),
    )
    op.create_index(op.f("ix_progress_report_commitment_id"), "progress_report", ["commitment_id"])
    op.create_index(op.f("ix_progress_report_institution_id"), "progress_report", ["institution_id"])

    op.create_table(
        "comment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("consultation_id", sa.Uuid(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("author_key", sa.String(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("show_name", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("decline_reason", sa.String(), nullable=True),
        sa.Column("original_text", sa.String(), nullable=True),
        sa.Column("reply", sa.String(), nullable=False),
        sa.Column("reply_institution_id", sa.Uuid(), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amendment_id", sa.Uuid(), nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.CheckConstraint("replied_at IS NULL OR reply <> ''", name=op.f("ck_comment_a_reply_that_says_something")),
        sa.CheckConstraint("status <> 'declined' OR decline_reason IS NOT NULL", name=op.f("ck_comment_declined_with_a_reason")),
        sa.CheckConstraint("status IN ('unconfirmed', 'pending', 'published', 'declined')", name=op.f("ck_comment_status")),
        sa.ForeignKeyConstraint(["amendment_id"], ["commitment_amendment.id"], name=op.f("fk_comment_amendment_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name=op.f("fk_comment_commitment_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["consultation_id"], ["consultation.id"], name=op.f("fk_comment_consultation_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["reply_institution_id"], ["institution.id"], name=op.f("fk_comment_reply_institution_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment")),
        sa.UniqueConstraint("author_key", "text_hash", name=op.f("uq_comment_author_key_text_hash")),
        sa.UniqueConstraint("code", name=op.f("uq_comment_code")),
    )
    op.create_index(op.f("ix_comment_amendment_id"), "comment", ["amendment_id"])
    op.create_index(op.f("ix_comment_commitment_id"), "comment", ["commitment_id"])
    op.create_index(op.f("ix_comment_consultation_id"), "comment", ["consultation_id"])
    op.create_index(op.f("ix_comment_reply_institution_id"), "comment", ["reply_institution_id"])
    op.create_index(op.f("ix_comment_status"), "comment", ["status"])

    op.create_table(
        "measurement_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("measurement_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("kind IN ('proposed', 'published', 'corrected', 'withdrawn')", name=op.f("ck_measurement_change_kind")),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_measurement_change_institution_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["measurement_id"], ["measurement.id"], name=op.f("fk_measurement_change_measurement_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measurement_change")),
    )
    op.create_index(op.f("ix_measurement_change_institution_id"), "measurement_change", ["institution_id"])
    op.create_index(op.f("ix_measurement_change_measurement_id"), "measurement_change", ["measurement_id"])


def plans() -> None:
    with op.batch_alter_table("action_plan") as plan:
        plan.add_column(sa.Column("draft", sa.Boolean(), nullable=False, server_default=sa.false()))
        plan.add_column(sa.Column("starts_on", sa.Date(), nullable=True))
        plan.add_column(sa.Column("ends_on", sa.Date(), nullable=True))
    no_default("action_plan", draft=sa.Boolean())


def indicators() -> None:
    with op.batch_alter_table("indicator") as indicator:
        indicator.add_column(sa.Column("code", sa.String(), nullable=True))
        indicator.add_column(sa.Column("added_here", sa.Boolean(), nullable=False, server_default=sa.false()))
        indicator.add_column(sa.Column("baseline_on", sa.Date(), nullable=True))
        indicator.add_column(sa.Column("target_on", sa.Date(), nullable=True))
        indicator.add_column(sa.Column("periodicity", sa.String(), nullable=True))
        indicator.add_column(sa.Column("first_due_on", sa.Date(), nullable=True))
        indicator.add_column(sa.Column("edition", sa.Integer(), nullable=False, server_default="0"))
        indicator.drop_constraint(op.f("uq_indicator_commitment_id_position"), type_="unique")
        indicator.create_unique_constraint(
            op.f("uq_indicator_commitment_id_added_here_position"), ["commitment_id", "added_here", "position"]
        )
        indicator.create_check_constraint(
            op.f("ck_indicator_periodicity"), "periodicity IN ('once', 'monthly', 'quarterly', 'half_yearly', 'yearly')"
        )
    table = sa.table("indicator", sa.column("id"), sa.column("code"))
    for row in op.get_bind().execute(sa.select(table.c.id)).all():
        code = "".join(secrets.choice(LETTERS) for _ in range(8))
        op.get_bind().execute(table.update().where(table.c.id == row.id).values(code=code))
    with op.batch_alter_table("indicator") as indicator:
        indicator.alter_column("code", existing_type=sa.String(), nullable=False)
        indicator.create_unique_constraint(op.f("uq_indicator_code"), ["code"])
    no_default("indicator", added_here=sa.Boolean(), edition=sa.Integer())


def measurements_and_milestones() -> None:
    with op.batch_alter_table("measurement") as measurement:
        measurement.add_column(sa.Column("source_url", sa.String(), nullable=True))
        measurement.add_column(sa.Column("note", sa.String(), nullable=False, server_default=""))
        measurement.add_column(sa.Column("status", sa.String(), nullable=False, server_default="published"))
        measurement.add_column(sa.Column("institution_id", sa.Uuid(), nullable=True))
        measurement.add_column(sa.Column("edition", sa.Integer(), nullable=False, server_default="0"))
        for moment in ("proposed_at", "published_at", "corrected_at"):
            measurement.add_column(sa.Column(moment, sa.DateTime(timezone=True), nullable=True))
        measurement.create_index(op.f("ix_measurement_institution_id"), ["institution_id"])
        measurement.create_foreign_key(
            op.f("fk_measurement_institution_id"), "institution", ["institution_id"], ["id"], ondelete="SET NULL"
        )
        measurement.create_check_constraint(op.f("ck_measurement_status"), "status IN ('proposed', 'published', 'withdrawn')")
    no_default("measurement", note=sa.String(), status=sa.String(), edition=sa.Integer())
    with op.batch_alter_table("milestone") as milestone:
        milestone.add_column(sa.Column("state", sa.String(), nullable=True))
        milestone.add_column(sa.Column("done_on", sa.Date(), nullable=True))
        milestone.add_column(sa.Column("state_note", sa.String(), nullable=False, server_default=""))
        milestone.add_column(sa.Column("evidence_url", sa.String(), nullable=True))
        milestone.add_column(sa.Column("state_changed_at", sa.DateTime(timezone=True), nullable=True))
        milestone.add_column(sa.Column("edition", sa.Integer(), nullable=False, server_default="0"))
        milestone.create_check_constraint(op.f("ck_milestone_done_when"), "done_on IS NULL OR state = 'done'")
        milestone.create_check_constraint(op.f("ck_milestone_state"), "state IN ('not_started', 'under_way', 'done', 'abandoned')")
    no_default("milestone", state_note=sa.String(), edition=sa.Integer())


def links() -> None:
    with op.batch_alter_table("secret_link") as link:
        link.add_column(sa.Column("comment_id", sa.Uuid(), nullable=True))
        link.create_index(op.f("ix_secret_link_comment_id"), ["comment_id"])
        link.create_foreign_key(op.f("fk_secret_link_comment_id"), "comment", ["comment_id"], ["id"], ondelete="CASCADE")
        purposes_are(link, list(PURPOSES))


def subscriptions() -> None:
    with op.batch_alter_table("subscription") as subscription:
        subscription.add_column(sa.Column("rhythm", sa.String(), nullable=False, server_default="immediate"))
        subscription.add_column(sa.Column("told_until", sa.DateTime(timezone=True), nullable=True))
        subscription.add_column(sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True))
        subscription.create_check_constraint(op.f("ck_subscription_rhythm"), "rhythm IN ('immediate', 'weekly')")
    op.execute("UPDATE subscription SET mailed_at = created_at")
    with op.batch_alter_table("subscription") as subscription:
        subscription.alter_column("mailed_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    no_default("subscription", rhythm=sa.String())
    op.execute(
        "INSERT INTO subscription_scope (subscription_id, scope, asked_at, confirmed_at)"
        " SELECT id, 'annonces', created_at, created_at FROM subscription"
    )


def no_default(table: str, **columns: sa.types.TypeEngine[Any]) -> None:
    """The default filled the rows that were there."""
    with op.batch_alter_table(table) as altered:
        for name, kind in columns.items():
            altered.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)


def purposes_are(link: Any, purposes: list[str]) -> None:
    values = ", ".join(f"'{purpose}'" for purpose in purposes)
    objects = " OR ".join(f"(purpose = '{purpose}' AND {PURPOSES[purpose]} IS NOT NULL)" for purpose in purposes)
    for constraint in ("purpose", "its_object"):
        link.drop_constraint(op.f(f"ck_secret_link_{constraint}"), type_="check")
    link.create_check_constraint(op.f("ck_secret_link_purpose"), f"purpose IN ({values})")
    link.create_check_constraint(op.f("ck_secret_link_its_object"), objects)


def downgrade() -> None:
    with op.batch_alter_table("subscription") as subscription:
        subscription.drop_constraint(op.f("ck_subscription_rhythm"), type_="check")
    without("subscription", "mailed_at", "told_until", "rhythm")
    op.execute("DELETE FROM secret_link WHERE purpose = 'comment'")
    with op.batch_alter_table("secret_link") as link:
        purposes_are(link, list(PURPOSES)[:5])
        link.drop_constraint(op.f("fk_secret_link_comment_id"), type_="foreignkey")
        link.drop_index(op.f("ix_secret_link_comment_id"))
        link.drop_column("comment_id")
    with op.batch_alter_table("milestone") as milestone:
        for name in ("state", "done_when"):
            milestone.drop_constraint(op.f(f"ck_milestone_{name}"), type_="check")
    without("milestone", "state", "done_on", "state_note", "evidence_url", "state_changed_at", "edition")
    op.execute("DELETE FROM measurement WHERE status <> 'published'")
    for table in ("measurement_change", "comment", "commitment_amendment", "consultation", "progress_report", "evaluation"):
        op.drop_table(table)
    for table in ("commitment_continuation", "subscription_scope", "clock_mark"):
        op.drop_table(table)
    with op.batch_alter_table("measurement") as measurement:
        measurement.drop_constraint(op.f("ck_measurement_status"), type_="check")
        measurement.drop_constraint(op.f("fk_measurement_institution_id"), type_="foreignkey")
        measurement.drop_index(op.f("ix_measurement_institution_id"))
    without("measurement", "source_url", "note", "status", "institution_id", "edition", "proposed_at", "published_at", "corrected_at")
    op.execute("DELETE FROM indicator WHERE added_here")
    with op.batch_alter_table("indicator") as indicator:
        indicator.drop_constraint(op.f("ck_indicator_periodicity"), type_="check")
        indicator.drop_constraint(op.f("uq_indicator_commitment_id_added_here_position"), type_="unique")
        indicator.drop_constraint(op.f("uq_indicator_code"), type_="unique")
        indicator.create_unique_constraint(op.f("uq_indicator_commitment_id_position"), ["commitment_id", "position"])
    without("indicator", "code", "added_here", "baseline_on", "target_on", "periodicity", "first_due_on", "edition")
    without("action_plan", "draft", "starts_on", "ends_on")


def without(table: str, *columns: str) -> None:
    with op.batch_alter_table(table) as altered:
        for name in columns:
            altered.drop_column(name)
