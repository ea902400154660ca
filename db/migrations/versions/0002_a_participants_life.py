"""A participant's life: opening hours of a registration, the evening, reminders, announcements, counted attempts.

Columns that may not be empty are filled for the rows that are there, then lose the default: from now
on the program says it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATUSES = {
    "registration": ("pending", "registered", "waiting", "given_up", "walk_in"),
    "outbox_message": ("waiting", "sending", "sent", "failed", "bounced", "dropped"),
}
STATUSES_BEFORE = {
    "registration": ("pending", "registered", "waiting", "given_up"),
    "outbox_message": ("waiting", "sending", "sent", "failed"),
}
PURPOSES = {
    "registration": "registration_id",
    "question": "question_id",
    "sign_in": "member_id",
    "subscription": "subscription_id",
}


def upgrade() -> None:
    subscriptions()
    counted_attempts()
    the_forum()
    registrations()
    secret_links()
    mail()


def subscriptions() -> None:
    op.create_table(
        "subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("email_key", name=op.f("uq_subscription_email_key")),
    )


def counted_attempts() -> None:
    op.create_table(
        "rate_count",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "since", name=op.f("pk_rate_count")),
    )


def the_forum() -> None:
    with op.batch_alter_table("forum") as forum:
        forum.add_column(sa.Column("present", sa.Integer(), nullable=False, server_default="0"))
        for name in ("registration_opens_at", "promotions_end_at", "reminded_week_at", "reminded_eve_at", "purged_at"):
            forum.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("forum") as forum:
        forum.alter_column("present", existing_type=sa.Integer(), existing_nullable=False, server_default=None)
        forum.create_check_constraint(op.f("ck_forum_present"), "present >= 0")


def registrations() -> None:
    with op.batch_alter_table("registration") as registration:
        for name in ("show_name", "wants_news"):
            registration.add_column(sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
        registration.add_column(sa.Column("entry_code", sa.String(), nullable=True))
        registration.add_column(sa.Column("checked_in_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("registration") as registration:
        for name in ("show_name", "wants_news"):
            registration.alter_column(name, existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
        registration.create_unique_constraint(op.f("uq_registration_entry_code"), ["forum_id", "entry_code"])
        one_of(registration, "registration", STATUSES)


def secret_links() -> None:
    with op.batch_alter_table("secret_link") as link:
        link.add_column(sa.Column("subscription_id", sa.Uuid(), nullable=True))
        link.create_foreign_key(op.f("fk_secret_link_subscription_id"), "subscription", ["subscription_id"], ["id"], ondelete="CASCADE")
        link.create_index(op.f("ix_secret_link_subscription_id"), ["subscription_id"])
        purposes_are(link, list(PURPOSES))


def mail() -> None:
    with op.batch_alter_table("outbox_message") as message:
        message.add_column(sa.Column("fact", sa.String(), nullable=True))
        message.add_column(sa.Column("not_after", sa.DateTime(timezone=True), nullable=True))
        message.create_unique_constraint(op.f("uq_outbox_message_fact"), ["fact"])
        message.create_index(op.f("ix_outbox_message_recipient"), ["recipient"])
        one_of(message, "outbox_message", STATUSES)
    op.create_index(op.f("ix_delivery_attempt_at"), "delivery_attempt", ["at"])


def one_of(table, name, statuses) -> None:  # type: ignore[no-untyped-def]
    values = ", ".join(f"'{status}'" for status in statuses[name])
    table.drop_constraint(op.f(f"ck_{name}_status"), type_="check")
    table.create_check_constraint(op.f(f"ck_{name}_status"), f"status IN ({values})")


def purposes_are(link, purposes) -> None:  # type: ignore[no-untyped-def]
    values = ", ".join(f"'{purpose}'" for purpose in purposes)
    objects = " OR ".join(f"(purpose = '{purpose}' AND {PURPOSES[purpose]} IS NOT NULL)" for purpose in purposes)
    for constraint in ("purpose", "its_object"):
        link.drop_constraint(op.f(f"ck_secret_link_{constraint}"), type_="check")
    link.create_check_constraint(op.f("ck_secret_link_purpose"), f"purpose IN ({values})")
    link.create_check_constraint(op.f("ck_secret_link_its_object"), objects)


def downgrade() -> None:
    op.drop_index(op.f("ix_delivery_attempt_at"), "delivery_attempt")
    op.execute("DELETE FROM outbox_message WHERE status IN ('bounced', 'dropped')")
    with op.batch_alter_table("outbox_message") as message:
        one_of(message, "outbox_message", STATUSES_BEFORE)
        message.drop_index(op.f("ix_outbox_message_recipient"))
        message.drop_constraint(op.f("uq_outbox_message_fact"), type_="unique")
        message.drop_column("fact")
        message.drop_column("not_after")
    op.execute("DELETE FROM secret_link WHERE purpose = 'subscription'")
    with op.batch_alter_table("secret_link") as link:
        purposes_are(link, list(PURPOSES)[:3])
        link.drop_index(op.f("ix_secret_link_subscription_id"))
        link.drop_constraint(op.f("fk_secret_link_subscription_id"), type_="foreignkey")
        link.drop_column("subscription_id")
    op.execute("DELETE FROM registration WHERE status = 'walk_in'")
    with op.batch_alter_table("registration") as registration:
        one_of(registration, "registration", STATUSES_BEFORE)
        registration.drop_constraint(op.f("uq_registration_entry_code"), type_="unique")
        for name in ("show_name", "wants_news", "entry_code", "checked_in_at"):
            registration.drop_column(name)
    with op.batch_alter_table("forum") as forum:
        forum.drop_constraint(op.f("ck_forum_present"), type_="check")
        for name in ("present", "registration_opens_at", "promotions_end_at", "reminded_week_at", "reminded_eve_at", "purged_at"):
            forum.drop_column(name)
    op.drop_table("rate_count")
    op.drop_table("subscription")
