"""The organiser's seat: institutions of an agent, dated steps, versions, supports, answers, promises.

Columns that may not be empty are filled for the rows that are there, then lose the default: from now
on the program says it. An agenda that was published becomes its own version 1, and a question asked is
routed to those who carry its commitment.
"""

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ITEM_KINDS = ("plenary", "workshop", "restitution", "break", "follow_ups")
QUESTION_STATUSES = ("unconfirmed", "pending", "published", "declined", "merged", "unpublished")
PURPOSES = {
    "registration": "registration_id",
    "question": "question_id",
    "sign_in": "member_id",
    "subscription": "subscription_id",
    "support": "support_id",
}


def upgrade() -> None:
    members()
    the_forum()
    the_agenda()
    questions()
    the_minutes()
    promises()


def members() -> None:
    op.create_table(
        "oidc_attempt",
        sa.Column("state_hash", sa.String(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("verifier", sa.String(), nullable=False),
        sa.Column("suite", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_oidc_attempt")),
    )
    op.create_index(op.f("ix_oidc_attempt_expires_at"), "oidc_attempt", ["expires_at"])
    op.create_table(
        "draft",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("typed", sa.JSON(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_draft_member_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("member_id", "address", name=op.f("pk_draft")),
    )
    op.create_index(op.f("ix_draft_saved_at"), "draft", ["saved_at"])
    op.create_table(
        "member_institution",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_member_institution_institution_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_member_institution_member_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("member_id", "institution_id", name=op.f("pk_member_institution")),
    )
    op.create_index(op.f("ix_member_institution_institution_id"), "member_institution", ["institution_id"])
    op.execute(
        "INSERT INTO member_institution (member_id, institution_id) SELECT id, institution_id FROM member WHERE institution_id IS NOT NULL"
    )
    with op.batch_alter_table("member") as member:
        member.add_column(sa.Column("oidc_subject", sa.String(), nullable=True))
        member.create_unique_constraint(op.f("uq_member_oidc_subject"), ["oidc_subject"])
        member.drop_index(op.f("ix_member_institution_id"))
        member.drop_constraint(op.f("fk_member_institution_id"), type_="foreignkey")
        member.drop_constraint(op.f("ck_member_agent_of_an_institution"), type_="check")
        member.drop_column("institution_id")
    added("member", name="")
    op.execute("DELETE FROM member_session")  # they have no code to be ended by: everyone signs in again
    added("member_session", code="", browser="")
    with op.batch_alter_table("member_session") as session:
        session.add_column(sa.Column("id_token", sa.String(), nullable=True))
        session.create_unique_constraint(op.f("uq_member_session_code"), ["code"])


def the_forum() -> None:
    op.create_table(
        "forum_step",
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('announce', 'theme', 'place', 'questions', 'agenda', 'reminder', 'evening', 'minutes', 'follow_ups')",
            name=op.f("ck_forum_step_kind"),
        ),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name=op.f("fk_forum_step_forum_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("forum_id", "kind", name=op.f("pk_forum_step")),
    )
    added(
        "season",
        announce_days=60,
        theme_days=30,
        questions_days=15,
        agenda_days=7,
        minutes_days=10,
        follow_ups_days=30,
        agents_publish=False,
    )
    with op.batch_alter_table("season") as season:
        season.create_check_constraint(
            op.f("ck_season_days_before"), "announce_days >= 0 AND theme_days >= 0 AND questions_days >= 0 AND agenda_days >= 0"
        )
        season.create_check_constraint(op.f("ck_season_days_after"), "minutes_days >= 0 AND follow_ups_days >= 0")
    added("forum", agenda_version=0)
    with op.batch_alter_table("forum") as forum:
        forum.create_check_constraint(op.f("ck_forum_agenda_version"), "agenda_version >= 0")


def the_agenda() -> None:
    op.create_table(
        "agenda_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_agenda_version_number")),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name=op.f("fk_agenda_version_forum_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agenda_version")),
        sa.UniqueConstraint("forum_id", "number", name=op.f("uq_agenda_version_forum_id_number")),
    )
    op.create_index(op.f("ix_agenda_version_forum_id"), "agenda_version", ["forum_id"])
    op.create_table(
        "document",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("size > 0", name=op.f("ck_document_size")),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name=op.f("fk_document_forum_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("code", name=op.f("uq_document_code")),
    )
    op.create_index(op.f("ix_document_forum_id"), "document", ["forum_id"])
    op.create_table(
        "agenda_item_document",
        sa.Column("agenda_item_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agenda_item_id"], ["agenda_item.id"], name=op.f("fk_agenda_item_document_agenda_item_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_agenda_item_document_document_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("agenda_item_id", "document_id", name=op.f("pk_agenda_item_document")),
    )
    op.create_index(op.f("ix_agenda_item_document_document_id"), "agenda_item_document", ["document_id"])
    op.create_table(
        "speaker",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agenda_item_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("capacity", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["agenda_item_id"], ["agenda_item.id"], name=op.f("fk_speaker_agenda_item_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_speaker")),
        sa.UniqueConstraint("agenda_item_id", "position", name=op.f("uq_speaker_agenda_item_id_position")),
    )
    op.create_index(op.f("ix_speaker_agenda_item_id"), "speaker", ["agenda_item_id"])
    added("agenda_item", version=0, number=0, edition=0)
    op.execute(
        "UPDATE agenda_item SET number = (SELECT count(*) FROM agenda_item AS other WHERE other.forum_id = agenda_item.forum_id"
        " AND (other.position < agenda_item.position OR (other.position = agenda_item.position AND other.id <= agenda_item.id)))"
    )
    # Items used to be shown by hour, then by position: from now on the position alone tells.
    op.execute(
        "UPDATE agenda_item SET position = (SELECT count(*) FROM agenda_item AS other WHERE other.forum_id = agenda_item.forum_id"
        " AND (coalesce(other.starts_at, '9999-12-31') < coalesce(agenda_item.starts_at, '9999-12-31')"
        " OR (coalesce(other.starts_at, '9999-12-31') = coalesce(agenda_item.starts_at, '9999-12-31')"
        " AND other.number <= agenda_item.number)))"
    )
    with op.batch_alter_table("agenda_item") as item:
        item.create_unique_constraint(op.f("uq_agenda_item_forum_id_version_number"), ["forum_id", "version", "number"])
        item.create_check_constraint(op.f("ck_agenda_item_number"), "number > 0")
        item.create_check_constraint(op.f("ck_agenda_item_version"), "version >= 0")
        one_of(item, "agenda_item", "kind", ITEM_KINDS)
    keep_what_was_published()


def keep_what_was_published() -> None:
    at = op.get_bind()
    forum, item, version = (sa.Table(name, sa.MetaData(), autoload_with=at) for name in ("forum", "agenda_item", "agenda_version"))
    ties = [sa.Table(f"agenda_item_{word}", sa.MetaData(), autoload_with=at) for word in ("commitment", "question")]

    def key() -> object:
        return uuid4() if at.dialect.name == "postgresql" else uuid4().hex

    for row in at.execute(sa.select(forum.c.id, forum.c.agenda_published_at).where(forum.c.agenda_published_at.is_not(None))).all():
        at.execute(sa.update(forum).where(forum.c.id == row.id).values(agenda_version=1))
        at.execute(sa.insert(version).values(id=key(), forum_id=row.id, number=1, comment="", published_at=row.agenda_published_at))
        for each in at.execute(sa.select(item).where(item.c.forum_id == row.id)).mappings().all():
            copy = {**each, "id": key(), "version": 1}
            at.execute(sa.insert(item).values(copy))
            for tie in ties:
                for link in at.execute(sa.select(tie).where(tie.c.agenda_item_id == each["id"])).mappings().all():
                    at.execute(sa.insert(tie).values({**link, "agenda_item_id": copy["id"]}))


def questions() -> None:
    op.create_table(
        "support",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("wants_news", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_support_question_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support")),
        sa.UniqueConstraint("question_id", "email_key", name=op.f("uq_support_question_id_email_key")),
    )
    op.create_index(op.f("ix_support_question_id"), "support", ["question_id"])
    op.create_table(
        "question_institution",
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_question_institution_institution_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_question_institution_question_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("question_id", "institution_id", name=op.f("pk_question_institution")),
    )
    op.create_index(op.f("ix_question_institution_institution_id"), "question_institution", ["institution_id"])
    op.create_table(
        "answer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("deferred_to", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.CheckConstraint("outcome <> 'deferred' OR deferred_to IS NOT NULL", name=op.f("ck_answer_deferred_to_a_date")),
        sa.CheckConstraint("outcome <> 'refused' OR reason IS NOT NULL", name=op.f("ck_answer_refused_with_a_reason")),
        sa.CheckConstraint("outcome IN ('answered', 'partly', 'deferred', 'refused')", name=op.f("ck_answer_outcome")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_answer_institution_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_answer_question_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
        sa.UniqueConstraint("question_id", "institution_id", name=op.f("uq_answer_question_id_institution_id")),
    )
    op.create_index(op.f("ix_answer_institution_id"), "answer", ["institution_id"])
    op.create_index(op.f("ix_answer_question_id"), "answer", ["question_id"])
    for of_the_question in (
        "JOIN commitment_institution i ON i.commitment_id = q.commitment_id",
        "JOIN forum_commitment f ON q.commitment_id IS NULL AND f.forum_id = q.forum_id"
        " JOIN commitment_institution i ON i.commitment_id = f.commitment_id",
    ):
        op.execute(
            "INSERT INTO question_institution (question_id, institution_id, assigned_at)"  # noqa: S608 — both ends are written here
            f" SELECT DISTINCT q.id, i.institution_id, q.created_at FROM question q {of_the_question}"
            " WHERE q.status IN ('pending', 'published') AND i.role = 'lead'"
        )
    added("question", edition=0)
    with op.batch_alter_table("question") as question:
        question.add_column(sa.Column("merged_into_id", sa.Uuid(), nullable=True))
        question.add_column(sa.Column("original_text", sa.String(), nullable=True))
        question.add_column(sa.Column("original_context", sa.String(), nullable=True))
        question.create_index(op.f("ix_question_merged_into_id"), ["merged_into_id"])
        question.create_foreign_key(op.f("fk_question_merged_into_id"), "question", ["merged_into_id"], ["id"], ondelete="RESTRICT")
        one_of(question, "question", "status", QUESTION_STATUSES)
        question.drop_constraint(op.f("ck_question_declined_with_a_reason"), type_="check")
        question.create_check_constraint(
            op.f("ck_question_declined_with_a_reason"), "status NOT IN ('declined', 'unpublished') OR decline_reason IS NOT NULL"
        )
        question.create_check_constraint(op.f("ck_question_merged_into_another"), "(status = 'merged') = (merged_into_id IS NOT NULL)")
        question.create_check_constraint(op.f("ck_question_not_into_itself"), "merged_into_id <> id")
    with op.batch_alter_table("secret_link") as link:
        link.add_column(sa.Column("support_id", sa.Uuid(), nullable=True))
        link.create_foreign_key(op.f("fk_secret_link_support_id"), "support", ["support_id"], ["id"], ondelete="CASCADE")
        link.create_index(op.f("ix_secret_link_support_id"), ["support_id"])
        purposes_are(link, list(PURPOSES))


def the_minutes() -> None:
    op.create_table(
        "minutes_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("minutes_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_minutes_version_number")),
        sa.ForeignKeyConstraint(["minutes_id"], ["minutes.id"], name=op.f("fk_minutes_version_minutes_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_minutes_version")),
        sa.UniqueConstraint("minutes_id", "number", name=op.f("uq_minutes_version_minutes_id_number")),
    )
    op.create_index(op.f("ix_minutes_version_minutes_id"), "minutes_version", ["minutes_id"])
    added("minutes_entry", edition=0)
    added("minutes_entry_question", outcome="answered")
    with op.batch_alter_table("minutes_entry_question") as link:
        link.add_column(sa.Column("deferred_to", sa.Date(), nullable=True))
        link.add_column(sa.Column("reason", sa.String(), nullable=True))
    with op.batch_alter_table("minutes_entry_question") as link:
        link.create_check_constraint(op.f("ck_minutes_entry_question_outcome"), "outcome IN ('answered', 'partly', 'deferred', 'refused')")
        link.create_check_constraint(
            op.f("ck_minutes_entry_question_deferred_to_a_date"), "outcome <> 'deferred' OR deferred_to IS NOT NULL"
        )
        link.create_check_constraint(op.f("ck_minutes_entry_question_refused_with_a_reason"), "outcome <> 'refused' OR reason IS NOT NULL")


def promises() -> None:
    op.create_table(
        "follow_up",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("partners", sa.String(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.Column("evidence_url", sa.String(), nullable=True),
        sa.Column("drop_reason", sa.String(), nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invented", sa.Boolean(), nullable=False),
        sa.CheckConstraint("(status = 'open') = (closed_at IS NULL)", name=op.f("ck_follow_up_closed_when")),
        sa.CheckConstraint("kind IN ('promise', 'cooperation')", name=op.f("ck_follow_up_kind")),
        sa.CheckConstraint("status <> 'dropped' OR drop_reason IS NOT NULL", name=op.f("ck_follow_up_dropped_with_a_reason")),
        sa.CheckConstraint("status <> 'kept' OR evidence IS NOT NULL", name=op.f("ck_follow_up_kept_with_evidence")),
        sa.CheckConstraint("status IN ('open', 'kept', 'dropped')", name=op.f("ck_follow_up_status")),
        sa.ForeignKeyConstraint(["entry_id"], ["minutes_entry.id"], name=op.f("fk_follow_up_entry_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name=op.f("fk_follow_up_forum_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_follow_up_institution_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_up")),
        sa.UniqueConstraint("code", name=op.f("uq_follow_up_code")),
    )
    op.create_index(op.f("ix_follow_up_entry_id"), "follow_up", ["entry_id"])
    op.create_index(op.f("ix_follow_up_forum_id"), "follow_up", ["forum_id"])
    op.create_index(op.f("ix_follow_up_institution_id"), "follow_up", ["institution_id"])
    op.create_index(op.f("ix_follow_up_status"), "follow_up", ["status"])
    op.create_table(
        "follow_up_commitment",
        sa.Column("follow_up_id", sa.Uuid(), nullable=False),
        sa.Column("commitment_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name=op.f("fk_follow_up_commitment_commitment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["follow_up_id"], ["follow_up.id"], name=op.f("fk_follow_up_commitment_follow_up_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("follow_up_id", "commitment_id", name=op.f("pk_follow_up_commitment")),
    )
    op.create_index(op.f("ix_follow_up_commitment_commitment_id"), "follow_up_commitment", ["commitment_id"])
    op.create_table(
        "follow_up_forum",
        sa.Column("follow_up_id", sa.Uuid(), nullable=False),
        sa.Column("forum_id", sa.Uuid(), nullable=False),
        sa.Column("carried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=True),
        sa.Column("said", sa.String(), nullable=False),
        sa.Column("uncarried_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["entry_id"], ["minutes_entry.id"], name=op.f("fk_follow_up_forum_entry_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["follow_up_id"], ["follow_up.id"], name=op.f("fk_follow_up_forum_follow_up_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name=op.f("fk_follow_up_forum_forum_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("follow_up_id", "forum_id", name=op.f("pk_follow_up_forum")),
    )
    op.create_index(op.f("ix_follow_up_forum_entry_id"), "follow_up_forum", ["entry_id"])
    op.create_index(op.f("ix_follow_up_forum_forum_id"), "follow_up_forum", ["forum_id"])
    op.create_table(
        "follow_up_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("follow_up_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("forum_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("kind IN ('proposed', 'kept', 'dropped', 'reopened', 'amended')", name=op.f("ck_follow_up_change_kind")),
        sa.ForeignKeyConstraint(["follow_up_id"], ["follow_up.id"], name=op.f("fk_follow_up_change_follow_up_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["forum_id"], ["forum.id"], name=op.f("fk_follow_up_change_forum_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_up_change")),
    )
    op.create_index(op.f("ix_follow_up_change_follow_up_id"), "follow_up_change", ["follow_up_id"])
    op.create_index(op.f("ix_follow_up_change_forum_id"), "follow_up_change", ["forum_id"])


def added(table: str, **columns: str | int | bool) -> None:
    """New columns with what they hold for the rows that are there."""
    with op.batch_alter_table(table) as altered:
        for name, value in columns.items():
            kind, default = _written(value)
            altered.add_column(sa.Column(name, kind, nullable=False, server_default=default))
    with op.batch_alter_table(table) as altered:
        for name, value in columns.items():
            altered.alter_column(name, existing_type=_written(value)[0], existing_nullable=False, server_default=None)


def _written(value: str | int | bool) -> tuple[Any, Any]:
    if isinstance(value, bool):
        return sa.Boolean(), sa.true() if value else sa.false()
    return (sa.Integer(), str(value)) if isinstance(value, int) else (sa.String(), value)


def one_of(altered, table, column, choices) -> None:  # type: ignore[no-untyped-def]
    values = ", ".join(f"'{choice}'" for choice in choices)
    altered.drop_constraint(op.f(f"ck_{table}_{column}"), type_="check")
    altered.create_check_constraint(op.f(f"ck_{table}_{column}"), f"{column} IN ({values})")


def purposes_are(link, purposes) -> None:  # type: ignore[no-untyped-def]
    values = ", ".join(f"'{purpose}'" for purpose in purposes)
    objects = " OR ".join(f"(purpose = '{purpose}' AND {PURPOSES[purpose]} IS NOT NULL)" for purpose in purposes)
    for constraint in ("purpose", "its_object"):
        link.drop_constraint(op.f(f"ck_secret_link_{constraint}"), type_="check")
    link.create_check_constraint(op.f("ck_secret_link_purpose"), f"purpose IN ({values})")
    link.create_check_constraint(op.f("ck_secret_link_its_object"), objects)


def downgrade() -> None:
    for table in ("follow_up_change", "follow_up_forum", "follow_up_commitment", "follow_up", "minutes_version"):
        op.drop_table(table)
    with op.batch_alter_table("minutes_entry_question") as link:
        for name in ("outcome", "deferred_to_a_date", "refused_with_a_reason"):
            link.drop_constraint(op.f(f"ck_minutes_entry_question_{name}"), type_="check")
    without("minutes_entry_question", "outcome", "deferred_to", "reason")
    without("minutes_entry", "edition")
    op.execute("DELETE FROM secret_link WHERE purpose = 'support'")
    with op.batch_alter_table("secret_link") as link:
        purposes_are(link, list(PURPOSES)[:4])
        link.drop_index(op.f("ix_secret_link_support_id"))
        link.drop_constraint(op.f("fk_secret_link_support_id"), type_="foreignkey")
        link.drop_column("support_id")
    op.execute(
        "UPDATE question SET merged_into_id = NULL, status = 'declined',"
        " decline_reason = coalesce(decline_reason, 'Fusionnée avec une autre question.') WHERE status IN ('merged', 'unpublished')"
    )
    with op.batch_alter_table("question") as question:
        for name in ("merged_into_another", "not_into_itself", "declined_with_a_reason"):
            question.drop_constraint(op.f(f"ck_question_{name}"), type_="check")
        question.create_check_constraint(op.f("ck_question_declined_with_a_reason"), "status <> 'declined' OR decline_reason IS NOT NULL")
        one_of(question, "question", "status", QUESTION_STATUSES[:4])
        question.drop_index(op.f("ix_question_merged_into_id"))
        question.drop_constraint(op.f("fk_question_merged_into_id"), type_="foreignkey")
    without("question", "merged_into_id", "original_text", "original_context", "edition")
    for table in ("answer", "question_institution", "support", "speaker", "agenda_item_document", "document"):
        op.drop_table(table)
    op.execute("DELETE FROM agenda_item WHERE version > 0")
    op.execute("UPDATE agenda_item SET kind = 'plenary' WHERE kind = 'follow_ups'")
    with op.batch_alter_table("agenda_item") as item:
        item.drop_constraint(op.f("uq_agenda_item_forum_id_version_number"), type_="unique")
        for name in ("number", "version"):
            item.drop_constraint(op.f(f"ck_agenda_item_{name}"), type_="check")
        one_of(item, "agenda_item", "kind", ITEM_KINDS[:4])
    without("agenda_item", "version", "number", "edition")
    op.drop_table("agenda_version")
    with op.batch_alter_table("forum") as forum:
        forum.drop_constraint(op.f("ck_forum_agenda_version"), type_="check")
    without("forum", "agenda_version")
    with op.batch_alter_table("season") as season:
        for name in ("days_before", "days_after"):
            season.drop_constraint(op.f(f"ck_season_{name}"), type_="check")
    days = [f"{name}_days" for name in ("announce", "theme", "questions", "agenda", "minutes", "follow_ups")]
    without("season", *days, "agents_publish")
    op.drop_table("forum_step")
    with op.batch_alter_table("member_session") as session:
        session.drop_constraint(op.f("uq_member_session_code"), type_="unique")
    without("member_session", "code", "browser", "id_token")
    with op.batch_alter_table("member") as member:
        member.add_column(sa.Column("institution_id", sa.Uuid(), nullable=True))
        member.drop_constraint(op.f("uq_member_oidc_subject"), type_="unique")
    op.execute("UPDATE member SET institution_id = (SELECT institution_id FROM member_institution WHERE member_id = member.id LIMIT 1)")
    with op.batch_alter_table("member") as member:
        member.create_check_constraint(op.f("ck_member_agent_of_an_institution"), "role <> 'agent' OR institution_id IS NOT NULL")
        member.create_foreign_key(op.f("fk_member_institution_id"), "institution", ["institution_id"], ["id"], ondelete="RESTRICT")
        member.create_index(op.f("ix_member_institution_id"), ["institution_id"])
    without("member", "name", "oidc_subject")
    for table in ("member_institution", "draft", "oidc_attempt"):
        op.drop_table(table)


def without(table: str, *columns: str) -> None:
    with op.batch_alter_table(table) as altered:
        for name in columns:
            altered.drop_column(name)
