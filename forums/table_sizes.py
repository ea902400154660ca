"""What SQLite is told of its tables: how many rows a full season has, and how few values some columns hold.

Left to itself it takes every condition for a rare one, and reads four thousand published questions to join them to
the twenty passages it was asked about. It could count (`ANALYZE`), but would then keep samples of what its indexes
hold, addresses among them, where no purge looks; and plans would change from one day to the next. Told these, it
plans for twenty questions as for five thousand. PostgreSQL looks by itself.
"""

from sqlalchemy import Connection

# A season of twenty forums and 5,000 questions.
ROWS = {
    "action_plan": 3, "agenda_item": 120, "agenda_item_commitment": 130, "agenda_item_document": 100, "agenda_item_question": 220,
    "agenda_version": 20, "answer": 2_200, "audit_event": 10_000, "axis": 5, "comment": 500, "commitment": 30,
    "commitment_institution": 50, "document": 100, "evaluation": 10, "follow_up": 500, "follow_up_change": 250,
    "follow_up_commitment": 500, "follow_up_forum": 350, "forum": 20, "forum_commitment": 20, "indicator": 30, "institution": 20,
    "measurement": 1_200, "milestone": 50, "minutes": 20, "minutes_entry": 1_000, "minutes_entry_commitment": 1_000,
    "minutes_entry_question": 1_500, "outbox_message": 5_000, "progress_report": 20, "question": 5_000, "question_institution": 4_600,
    "registration": 2_000, "search_entry": 8_700, "season": 4, "speaker": 100, "standing_answered": 1_700, "standing_day": 700,
    "standing_elsewhere": 2_000, "standing_question": 5_000, "standing_tally": 700, "standing_work": 4_400,
    "subscription": 1_000, "subscription_scope": 1_000, "support": 4_000,
}  # fmt: skip

# How many rows the columns of an index leave, one after the other, where they leave more than a few.
ALIKE = {
    "answer": {"ix_answer_institution_id": "275"},
    "audit_event": {"ix_audit_event_member_id": "1000"},
    "comment": {"ix_comment_status": "125", "ix_comment_consultation_id": "500", "ix_comment_commitment_id": "85"},
    "follow_up": {"ix_follow_up_status": "170", "ix_follow_up_institution_id": "55", "ix_follow_up_forum_id": "32"},
    "follow_up_commitment": {"ix_follow_up_commitment_commitment_id": "21"},
    "follow_up_forum": {"ix_follow_up_forum_forum_id": "20"},
    "measurement": {"ix_measurement_indicator_id": "45", "ix_measurement_institution_id": "600"},
    "minutes_entry": {"ix_minutes_entry_minutes_id": "60"},
    "minutes_entry_commitment": {"ix_minutes_entry_commitment_commitment_id": "45"},
    "outbox_message": {"ix_outbox_message_forum_id": "250", "ix_outbox_message_status_created_at": "830 1 1"},
    "question": {
        "ix_question_decided_at": "1 1", "ix_question_status_decided_at": "830 1 1 1 1", "ix_question_status_confirmed_at": "830 1 1",
        "ix_question_commitment_id_created_at": "200 1 1 1", "ix_question_forum_id_created_at": "250 1 1 1",
    },
    "question_institution": {"ix_question_institution_institution_id": "580"},
    "registration": {"ix_registration_status": "380", "ix_registration_forum_id": "100"},
    "standing_elsewhere": {"ix_standing_elsewhere": "250 85 17 1", "ix_standing_elsewhere_deferred_to": "3 1 1 1"},
    "standing_question": {
        "ix_standing_question": "830 35 7 1 1 1 1 1",
        "ix_standing_question_deferred_to": "3 1 1 1 1",
        "ix_standing_question_since": "830 1 1",
        "ix_standing_question_forum": "250 40 1 1",
        "ix_standing_question_supports": "830 100 1 1",
    },
    "standing_work": {
        "ix_standing_work_stage": "1500 120 1 1 1",
        "ix_standing_work_institution_id": "575 190 20 1 1",
        "ix_standing_work_deferred_to": "20",
    },
    "subscription_scope": {"ix_subscription_scope_scope": "250"},
}  # fmt: skip


def tell(connection: Connection) -> None:
    """Tell it again: whoever rebuilds a table makes it forget."""
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("ANALYZE sqlite_schema")  # counts nothing: it makes the table that is written here
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    told: list[tuple[str, str | None, str]] = [
        (table, index, f"{ROWS[table]} {left}") for table, indexes in ALIKE.items() for index, left in indexes.items()
    ]
    told += [(table, None, str(rows)) for table, rows in ROWS.items() if table not in ALIKE]
    connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", told)
    connection.exec_driver_sql("ANALYZE sqlite_schema")
