"""Everything the models hold at first: the plan, the forum, people, mail.

Names of checks are marked as final (`op.f`): the naming convention would prefix them a second time.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    the_plan()
    the_forum()
    people()
    mail()


def the_plan() -> None:
    op.create_table(
        "action_plan",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("title_en", sa.String(), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.Column("presented_on", sa.Date(), nullable=True),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_action_plan"),
        sa.UniqueConstraint("slug", name="uq_action_plan_slug"),
    )
    op.create_index(
        "uq_action_plan_current",
        "action_plan",
        ["current"],
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )
    op.create_table(
        "axis",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("title_en", sa.String(), nullable=True),
        sa.Column("variants", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["action_plan.id"], name="fk_axis_plan_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_axis"),
        sa.UniqueConstraint("plan_id", "number", name="uq_axis_plan_id_number"),
    )
    op.create_index("ix_axis_plan_id", "axis", ["plan_id"])
    op.create_table(
        "institution",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_institution"),
        sa.UniqueConstraint("slug", name="uq_institution_slug"),
    )
    op.create_table(
        "commitment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("axis_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("ogp_code", sa.String(), nullable=True),
        sa.Column("ogp_code_deduced", sa.Boolean(), nullable=False),
        sa.Column("official_title", sa.String(), nullable=True),
        sa.Column("working_title", sa.String(), nullable=False),
        sa.Column("title_en", sa.String(), nullable=True),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("milestones_note", sa.String(), nullable=True),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_commitment_number")),
        sa.ForeignKeyConstraint(["axis_id"], ["axis.id"], name="fk_commitment_axis_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["plan_id"], ["action_plan.id"], name="fk_commitment_plan_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_commitment"),
        sa.UniqueConstraint("plan_id", "number", name="uq_commitment_plan_id_number"),
    )
    op.create_index("ix_commitment_axis_id", "commitment", ["axis_id"])
    op.create_index("ix_commitment_plan_id", "commitment", ["plan_id"])
    op.create_table(
        "commitment_institution",
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("role IN ('lead', 'partner')", name=op.f("ck_commitment_institution_role")),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name="fk_commitment_institution_commitment_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name="fk_commitment_institution_institution_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("commitment_id", "institution_id", name="pk_commitment_institution"),
    )
    op.create_index("ix_commitment_institution_institution_id", "commitment_institution", ["institution_id"])
    op.create_table(
        "milestone",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("due_text", sa.String(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name="fk_milestone_commitment_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_milestone"),
    )
    op.create_index("ix_milestone_commitment_id", "milestone", ["commitment_id"])
    op.create_table(
        "indicator",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("baseline", sa.String(), nullable=True),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name="fk_indicator_commitment_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_indicator"),
        sa.UniqueConstraint("commitment_id", "position", name="uq_indicator_commitment_id_position"),
    )
    op.create_index("ix_indicator_commitment_id", "indicator", ["commitment_id"])
    op.create_table(
        "measurement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("indicator_id", sa.Uuid(), nullable=False),
        sa.Column("measured_on", sa.Date(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["indicator_id"], ["indicator.id"], name="fk_measurement_indicator_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_measurement"),
        sa.UniqueConstraint("indicator_id", "measured_on", name="uq_measurement_indicator_id_measured_on"),
    )
    op.create_index("ix_measurement_indicator_id", "measurement", ["indicator_id"])


def the_forum() -> None:
    op.create_table(
        "season",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=True),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["action_plan.id"], name="fk_season_plan_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_season"),
        sa.UniqueConstraint("slug", name="uq_season_slug"),
    )
    op.create_index("ix_season_plan_id", "season", ["plan_id"])
    op.create_table(
        "forum",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("season_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("theme", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("moment", sa.String(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place", sa.String(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("online_url", sa.String(), nullable=True),
        sa.Column("organisers", sa.JSON(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("seats_taken", sa.Integer(), nullable=False),
        sa.Column("remote_capacity", sa.Integer(), nullable=False),
        sa.Column("remote_taken", sa.Integer(), nullable=False),
        sa.Column("waiting_counter", sa.Integer(), nullable=False),
        sa.Column("registration_closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("questions_close_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.String(), nullable=True),
        sa.Column("agenda_published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("participants", sa.String(), nullable=True),
        sa.Column("minutes_elsewhere", sa.String(), nullable=True),
        sa.Column("minutes_elsewhere_on", sa.Date(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'announced', 'cancelled')", name=op.f("ck_forum_status")),
        sa.CheckConstraint("(starts_at IS NULL) = (ends_at IS NULL)", name=op.f("ck_forum_both_hours")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_forum_hours")),
        sa.CheckConstraint("number > 0", name=op.f("ck_forum_number")),
        sa.CheckConstraint("remote_taken >= 0 AND remote_taken <= remote_capacity", name=op.f("ck_forum_remote_seats")),
        sa.CheckConstraint("seats_taken >= 0 AND seats_taken <= capacity", name=op.f("ck_forum_seats")),
        sa.CheckConstraint("sequence >= 0", name=op.f("ck_forum_sequence")),
        sa.ForeignKeyConstraint(["season_id"], ["season.id"], name="fk_forum_season_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_forum"),
        sa.UniqueConstraint("season_id", "number", name="uq_forum_season_id_number"),
        sa.UniqueConstraint("slug", name="uq_forum_slug"),
        sa.UniqueConstraint("uid", name="uq_forum_uid"),
    )
    op.create_index("ix_forum_day", "forum", ["day"])
    op.create_index("ix_forum_season_id", "forum", ["season_id"])
    op.create_table(
        "forum_commitment",
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name="fk_forum_commitment_commitment_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name="fk_forum_commitment_forum_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("forum_id", "commitment_id", name="pk_forum_commitment"),
    )
    op.create_index("ix_forum_commitment_commitment_id", "forum_commitment", ["commitment_id"])
    op.create_table(
        "question",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=True),
        sa.Column("commitment_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("context", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("author_key", sa.String(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.Column("show_name", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("decline_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('question', 'idea')", name=op.f("ck_question_kind")),
        sa.CheckConstraint("status <> 'declined' OR decline_reason IS NOT NULL", name=op.f("ck_question_declined_with_a_reason")),
        sa.CheckConstraint("status IN ('unconfirmed', 'pending', 'published', 'declined')", name=op.f("ck_question_status")),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name="fk_question_commitment_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name="fk_question_forum_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_question"),
        sa.UniqueConstraint("author_key", "text_hash", name="uq_question_author_key_text_hash"),
        sa.UniqueConstraint("code", name="uq_question_code"),
    )
    op.create_index("ix_question_commitment_id", "question", ["commitment_id"])
    op.create_index("ix_question_forum_id", "question", ["forum_id"])
    op.create_index("ix_question_status", "question", ["status"])
    op.create_table(
        "agenda_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("track", sa.String(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('plenary', 'workshop', 'restitution', 'break')", name=op.f("ck_agenda_item_kind")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_agenda_item_hours")),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name="fk_agenda_item_forum_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_agenda_item"),
    )
    op.create_index("ix_agenda_item_forum_id", "agenda_item", ["forum_id"])
    op.create_table(
        "agenda_item_commitment",
        sa.Column("agenda_item_id", sa.Uuid(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agenda_item_id"], ["agenda_item.id"], name="fk_agenda_item_commitment_agenda_item_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name="fk_agenda_item_commitment_commitment_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("agenda_item_id", "commitment_id", name="pk_agenda_item_commitment"),
    )
    op.create_index("ix_agenda_item_commitment_commitment_id", "agenda_item_commitment", ["commitment_id"])
    op.create_table(
        "agenda_item_question",
        sa.Column("agenda_item_id", sa.Uuid(), nullable=False),
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["agenda_item_id"], ["agenda_item.id"], name="fk_agenda_item_question_agenda_item_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name="fk_agenda_item_question_question_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("agenda_item_id", "question_id", name="pk_agenda_item_question"),
    )
    op.create_index("ix_agenda_item_question_question_id", "agenda_item_question", ["question_id"])
    op.create_table(
        "minutes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("introduction", sa.String(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name="fk_minutes_forum_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_minutes"),
    )
    op.create_index("ix_minutes_forum_id", "minutes", ["forum_id"], unique=True)
    op.create_table(
        "minutes_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("minutes_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("agenda_item_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("amended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("number > 0", name=op.f("ck_minutes_entry_number")),
        sa.ForeignKeyConstraint(["agenda_item_id"], ["agenda_item.id"], name="fk_minutes_entry_agenda_item_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["minutes_id"], ["minutes.id"], name="fk_minutes_entry_minutes_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_minutes_entry"),
        sa.UniqueConstraint("minutes_id", "number", name="uq_minutes_entry_minutes_id_number"),
    )
    op.create_index("ix_minutes_entry_agenda_item_id", "minutes_entry", ["agenda_item_id"])
    op.create_index("ix_minutes_entry_minutes_id", "minutes_entry", ["minutes_id"])
    op.create_table(
        "minutes_entry_commitment",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name="fk_minutes_entry_commitment_commitment_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["entry_id"], ["minutes_entry.id"], name="fk_minutes_entry_commitment_entry_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry_id", "commitment_id", name="pk_minutes_entry_commitment"),
    )
    op.create_index("ix_minutes_entry_commitment_commitment_id", "minutes_entry_commitment", ["commitment_id"])
    op.create_table(
        "minutes_entry_question",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["minutes_entry.id"], name="fk_minutes_entry_question_entry_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name="fk_minutes_entry_question_question_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry_id", "question_id", name="pk_minutes_entry_question"),
    )
    op.create_index("ix_minutes_entry_question_question_id", "minutes_entry_question", ["question_id"])


def people() -> None:
    op.create_table(
        "registration",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("given_name", sa.String(), nullable=False),
        sa.Column("family_name", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("attendance", sa.String(), nullable=False),
        sa.Column("accessibility_needs", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("bump", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("attendance IN ('on_site', 'remote')", name=op.f("ck_registration_attendance")),
        sa.CheckConstraint("status <> 'waiting' OR rank IS NOT NULL", name=op.f("ck_registration_waiting_with_a_rank")),
        sa.CheckConstraint("status IN ('pending', 'registered', 'waiting', 'given_up')", name=op.f("ck_registration_status")),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name="fk_registration_forum_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_registration"),
        sa.UniqueConstraint("forum_id", "email_key", name="uq_registration_forum_id_email_key"),
    )
    op.create_index("ix_registration_forum_id", "registration", ["forum_id"])
    op.create_index("ix_registration_status", "registration", ["status"])
    op.create_table(
        "member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("link_mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role <> 'agent' OR institution_id IS NOT NULL", name=op.f("ck_member_agent_of_an_institution")),
        sa.CheckConstraint("role IN ('admin', 'organiser', 'moderator', 'agent')", name=op.f("ck_member_role")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name="fk_member_institution_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_member"),
        sa.UniqueConstraint("email", name="uq_member_email"),
    )
    op.create_index("ix_member_institution_id", "member", ["institution_id"])
    op.create_table(
        "member_session",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_member_session_member_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_member_session"),
    )
    op.create_index("ix_member_session_member_id", "member_session", ["member_id"])
    op.create_table(
        "secret_link",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("registration_id", sa.Uuid(), nullable=True),
        sa.Column("question_id", sa.Uuid(), nullable=True),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("browser_hash", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(purpose = 'registration' AND registration_id IS NOT NULL)"
            " OR (purpose = 'question' AND question_id IS NOT NULL)"
            " OR (purpose = 'sign_in' AND member_id IS NOT NULL)",
            name=op.f("ck_secret_link_its_object"),
        ),
        sa.CheckConstraint("purpose IN ('registration', 'question', 'sign_in')", name=op.f("ck_secret_link_purpose")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_secret_link_member_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name="fk_secret_link_question_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["registration_id"], ["registration.id"], name="fk_secret_link_registration_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_secret_link"),
    )
    op.create_index("ix_secret_link_member_id", "secret_link", ["member_id"])
    op.create_index("ix_secret_link_question_id", "secret_link", ["question_id"])
    op.create_index("ix_secret_link_registration_id", "secret_link", ["registration_id"])
    op.create_table(
        "audit_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("verb", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_audit_event_member_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_at", "audit_event", ["at"])
    op.create_index("ix_audit_event_member_id", "audit_event", ["member_id"])


def mail() -> None:
    op.create_table(
        "outbox_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.CheckConstraint("status IN ('waiting', 'sending', 'sent', 'failed')", name=op.f("ck_outbox_message_status")),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name="fk_outbox_message_forum_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_message"),
    )
    op.create_index("ix_outbox_message_created_at", "outbox_message", ["created_at"])
    op.create_index(
        "ix_outbox_message_due",
        "outbox_message",
        ["next_attempt_at"],
        sqlite_where=sa.text("status IN ('waiting', 'sending')"),
        postgresql_where=sa.text("status IN ('waiting', 'sending')"),
    )
    op.create_index("ix_outbox_message_forum_id", "outbox_message", ["forum_id"])
    op.create_table(
        "delivery_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["outbox_message.id"], name="fk_delivery_attempt_message_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_attempt"),
    )
    op.create_index("ix_delivery_attempt_message_id", "delivery_attempt", ["message_id"])


def downgrade() -> None:
    for table in (
        "delivery_attempt",
        "outbox_message",
        "audit_event",
        "secret_link",
        "member_session",
        "member",
        "registration",
        "minutes_entry_question",
        "minutes_entry_commitment",
        "minutes_entry",
        "minutes",
        "agenda_item_question",
        "agenda_item_commitment",
        "agenda_item",
        "question",
        "forum_commitment",
        "forum",
        "season",
        "measurement",
        "indicator",
        "milestone",
        "commitment_institution",
        "commitment",
        "institution",
        "axis",
        "action_plan",
    ):
        op.drop_table(table)
