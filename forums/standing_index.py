"""Where each question stands, and whose answer it waits for, kept by the database itself: derived from the facts, typed nowhere.

Whenever a fact is written that a standing hangs on, triggers derive it again in the same transaction, so that no
write can forget it and a page that counts five thousand questions reads one index. What moves with the day alone
(overdue, for how long it has waited) is never kept. A migration that rebuilds one of these tables on SQLite loses
its triggers, and must end with `create`; `tests/test_standing.py` holds it.

A passage is dated from the publication of its minutes, corrections included: they tell what was said on the
evening; of two passages of the same evening, the one with the higher number is the later. An answer lives on, and is
dated from its last change.

How many stand where is kept as well, so that a page that counts a hundred thousand questions reads some hundred rows:
each derivation takes its questions off the tally first, and counts them in again. So it is with the days on which answers
were published.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from forums.standing_tables import ANSWERED, DAY, ELSEWHERE, HOUR, KEPT, NO_DAY, NONE, STANDING, WORK


class Fact(NamedTuple):
    """A table a standing hangs on: which columns, and which questions one of its rows is about."""

    table: str
    columns: str
    questions: str
    only_updates: bool = False
    """Rows that come or go bring or take other facts with them, whose own triggers see it."""


FACTS = (
    Fact("question", "status, forum_id, commitment_id, decided_at, created_at", "SELECT {row}.id AS question_id"),
    Fact("question_institution", "question_id, institution_id", "SELECT {row}.question_id AS question_id"),
    Fact("answer", "question_id, outcome, deferred_to, published_at, amended_at", "SELECT {row}.question_id AS question_id"),
    Fact("minutes_entry_question", "question_id, entry_id, outcome, deferred_to", "SELECT {row}.question_id AS question_id"),
    Fact("minutes_entry", "minutes_id, number", "SELECT question_id FROM minutes_entry_question WHERE entry_id = {row}.id", True),
    Fact(
        "minutes",
        "published_at",
        "SELECT question_id FROM minutes_entry_question JOIN minutes_entry ON minutes_entry.id = entry_id WHERE minutes_id = {row}.id",
        True,
    ),
    Fact("agenda_item_question", "question_id, agenda_item_id", "SELECT {row}.question_id AS question_id"),
    Fact("agenda_item", "forum_id, version", "SELECT question_id FROM agenda_item_question WHERE agenda_item_id = {row}.id", True),
    Fact(
        "forum",
        "season_id, agenda_version, day",
        "SELECT id AS question_id FROM question WHERE forum_id = {row}.id UNION SELECT question_id FROM agenda_item_question"
        " JOIN agenda_item ON agenda_item.id = agenda_item_id WHERE agenda_item.forum_id = {row}.id",
        True,
    ),
    Fact(
        "commitment_institution",
        "commitment_id, institution_id, role",
        "SELECT id AS question_id FROM question WHERE commitment_id = {row}.commitment_id",
    ),
    Fact("commitment", "plan_id", "SELECT id AS question_id FROM question WHERE commitment_id = {row}.id", True),
    Fact(
        "season",
        "plan_id",
        "SELECT question.id AS question_id FROM question JOIN forum ON forum.id = question.forum_id WHERE forum.season_id = {row}.id",
        True,
    ),
)

# CROSS JOIN: SQLite then begins with the few rows of these questions, whatever it believes of the tables' sizes.
_NEWEST = """
SELECT question_id, outcome, deferred_to, row_number() OVER (
    PARTITION BY question_id ORDER BY said_at DESC, by_answer DESC, number DESC, fact DESC) AS newest
FROM (
    SELECT tie.question_id, tie.outcome, tie.deferred_to, minutes.published_at AS said_at, 0 AS by_answer, entry.number, entry.id AS fact
    FROM minutes_entry_question AS tie CROSS JOIN minutes_entry AS entry CROSS JOIN minutes
    WHERE entry.id = tie.entry_id AND minutes.id = entry.minutes_id AND minutes.published_at IS NOT NULL AND tie.question_id {these}
    UNION ALL
    SELECT question_id, outcome, deferred_to, coalesce(amended_at, published_at), 1, 0, id
    FROM answer WHERE published_at IS NOT NULL AND question_id {these}) AS said"""

_ON_AGENDA = """
SELECT tie.question_id FROM agenda_item_question AS tie CROSS JOIN agenda_item CROSS JOIN forum
WHERE agenda_item.id = tie.agenda_item_id AND forum.id = agenda_item.forum_id
    AND agenda_item.version = forum.agenda_version AND forum.agenda_version > 0 AND tie.question_id {these}"""

_SUPPORTS = "(SELECT count(*) FROM support WHERE support.question_id = question.id AND support.confirmed_at IS NOT NULL)"

_DERIVED = (
    """
INSERT INTO standing_question (question_id, status, commitment_id, forum_id, season_id, plan_id, state, deferred_to, taken_up, since,
    supports)
SELECT question.id, question.status, question.commitment_id, question.forum_id, forum.season_id,
    coalesce(commitment.plan_id, season.plan_id), coalesce(said.outcome, 'waiting'),
    CASE WHEN said.outcome = 'deferred' THEN said.deferred_to END,
    CASE WHEN said.outcome IS NULL AND question.id IN ({on_agenda}) THEN 1 ELSE 0 END,
    coalesce(question.decided_at, question.created_at), {supports}
FROM question LEFT JOIN forum ON forum.id = question.forum_id LEFT JOIN season ON season.id = forum.season_id
LEFT JOIN commitment ON commitment.id = question.commitment_id
LEFT JOIN ({newest}) AS said ON said.question_id = question.id AND said.newest = 1
WHERE question.id {these}""".replace("{on_agenda}", _ON_AGENDA)
    .replace("{newest}", _NEWEST)
    .replace("{supports}", _SUPPORTS)
)

_ELSEWHERE = """
INSERT INTO standing_elsewhere (question_id, institution_id, commitment_id, season_id, plan_id, state, deferred_to, taken_up, since)
SELECT kept.question_id, put.institution_id, kept.commitment_id, kept.season_id, kept.plan_id, kept.state, kept.deferred_to,
    kept.taken_up, kept.since
FROM question_institution AS put CROSS JOIN standing_question AS kept
WHERE put.question_id {these} AND kept.question_id = put.question_id AND kept.status = 'published' AND NOT EXISTS (
    SELECT 1 FROM commitment_institution AS led WHERE led.commitment_id = kept.commitment_id
    AND led.institution_id = put.institution_id AND led.role = 'lead')"""

_WORK = """
INSERT INTO standing_work (question_id, institution_id, stage, deferred_to, day, since)
SELECT put.question_id, put.institution_id,
    CASE WHEN answer.id IS NULL THEN 'to_answer' WHEN answer.published_at IS NULL THEN 'prepared' ELSE 'published' END,
    CASE WHEN answer.published_at IS NOT NULL AND answer.outcome = 'deferred' THEN answer.deferred_to END,
    CASE WHEN answer.published_at IS NULL THEN coalesce(forum.day, '{no_day}') END, coalesce(answer.published_at, question.created_at)
FROM question_institution AS put CROSS JOIN question
LEFT JOIN answer ON answer.question_id = put.question_id AND answer.institution_id = put.institution_id
LEFT JOIN forum ON forum.id = question.forum_id
WHERE put.question_id {these} AND question.id = put.question_id AND question.status IN ('pending', 'published')
    AND (answer.id IS NOT NULL OR NOT EXISTS (
        SELECT 1 FROM minutes_entry_question AS tie CROSS JOIN minutes_entry AS entry CROSS JOIN minutes
        WHERE tie.question_id = put.question_id AND tie.outcome IN ('answered', 'refused') AND entry.id = tie.entry_id
            AND minutes.id = entry.minutes_id AND minutes.published_at IS NOT NULL))""".replace("{no_day}", NO_DAY.isoformat())

_ANSWERED = """
INSERT INTO standing_answered (question_id, institution_id, corrected, plan_id, day)
SELECT told.question_id, institution_id, corrected, plan_id,
    CASE WHEN substr(at, {hour} - 1, 2) < '22' THEN substr(at, 1, {day}) ELSE substr(at, 1, {hour}) END
FROM (
    SELECT question_id, institution_id, 0 AS corrected, CAST(published_at{utc} AS VARCHAR) AS at FROM answer
    WHERE published_at IS NOT NULL AND question_id {these}
    UNION ALL
    SELECT question_id, institution_id, 1, CAST(amended_at{utc} AS VARCHAR) FROM answer
    WHERE published_at IS NOT NULL AND amended_at IS NOT NULL AND question_id {these}) AS told
CROSS JOIN standing_question AS kept WHERE kept.question_id = told.question_id""".replace("{day}", str(DAY)).replace("{hour}", str(HOUR))

_DATED = """
INSERT INTO standing_day (plan_id, day, slot, number)
SELECT coalesce(plan_id, '{none}') AS plan, day, {slot}, {sign}count(*) FROM standing_answered WHERE question_id {these} GROUP BY plan, day
ON CONFLICT (plan_id, day, slot) DO UPDATE SET number = standing_day.number + excluded.number""".replace("{none}", NONE.hex)

_TALLIED = """
INSERT INTO standing_tally (institution_id, plan_id, commitment_id, season_id, state, month, slot, number, taken_up)
SELECT institution_id, plan_id, commitment_id, season_id, state, month, {slot}, {sign}count(*), {sign}sum(taken_up)
FROM (
    SELECT '{none}' AS institution_id, coalesce(plan_id, '{none}') AS plan_id, coalesce(commitment_id, '{none}') AS commitment_id,
        coalesce(season_id, '{none}') AS season_id, state, coalesce(substr(CAST(deferred_to AS VARCHAR), 1, 7), '') AS month, taken_up
    FROM standing_question WHERE status = 'published' AND question_id {these}
    UNION ALL
    SELECT institution_id, coalesce(plan_id, '{none}'), '{none}', coalesce(season_id, '{none}'), state,
        coalesce(substr(CAST(deferred_to AS VARCHAR), 1, 7), ''), taken_up
    FROM standing_elsewhere WHERE question_id {these}) AS one
GROUP BY institution_id, plan_id, commitment_id, season_id, state, month
ON CONFLICT (institution_id, plan_id, commitment_id, season_id, state, month, slot) DO UPDATE SET
    number = standing_tally.number + excluded.number, taken_up = standing_tally.taken_up + excluded.taken_up
""".replace("{none}", NONE.hex)

# A support changes the count alone: many come at once, and where a question stands does not hang on them.
_COUNTED = "UPDATE standing_question SET supports = {count} WHERE question_id IN ({these})".replace(
    "{count}", _SUPPORTS.replace("question.id", "standing_question.question_id")
)
_SUPPORTED = (
    ("updated", "UPDATE OF question_id, confirmed_at", "OLD.question_id, NEW.question_id", "true"),
    ("inserted", "INSERT", "NEW.question_id", "NEW.confirmed_at IS NOT NULL"),
    ("deleted", "DELETE", "OLD.question_id", "OLD.confirmed_at IS NOT NULL"),
)

_KINDS = (_DERIVED, _ELSEWHERE, _WORK, _ANSWERED)
_OF_QUESTIONS = (STANDING, ELSEWHERE, WORK, ANSWERED)
_COUNTS = (_TALLIED, _DATED)
_AGAIN = (
    *(counted.replace("{sign}", "-") for counted in _COUNTS),
    *(f"DELETE FROM {table} WHERE question_id {{these}}" for table in _OF_QUESTIONS),  # noqa: S608 — our own tables
    *_KINDS,
    *(counted.replace("{sign}", "") for counted in _COUNTS),
)

# What is counted or listed is read from these alone; the oldest that waits is the first of its commitment's.
_INDEXES = (
    "CREATE INDEX ix_standing_question_since ON standing_question (status, since, question_id)",
    "CREATE INDEX ix_standing_question_forum ON standing_question (forum_id, status, since, question_id)",
    "CREATE INDEX ix_standing_question_supports ON standing_question (status, supports, since, question_id)",
    "CREATE INDEX ix_standing_question ON standing_question"
    " (status, commitment_id, state, since, plan_id, season_id, deferred_to, taken_up)",
    "CREATE INDEX ix_standing_elsewhere ON standing_elsewhere (institution_id, plan_id, state, since)",
    "CREATE INDEX ix_standing_question_deferred_to ON standing_question (deferred_to, status, plan_id, commitment_id, season_id)"
    " WHERE deferred_to IS NOT NULL",
    "CREATE INDEX ix_standing_elsewhere_deferred_to ON standing_elsewhere (deferred_to, institution_id, plan_id, season_id)"
    " WHERE deferred_to IS NOT NULL",
)


def create(connection: Connection) -> None:
    """Make the tables and what keeps them, of everything that is there. Done again, it is made anew."""
    drop(connection)
    KEPT.create_all(connection)
    for statement in _INDEXES:
        connection.exec_driver_sql(statement)
    utc = "" if connection.dialect.name == "sqlite" else _UTC
    for statement in (*_KINDS, *_COUNTS):
        connection.exec_driver_sql(statement.format(these="IN (SELECT id FROM question)", slot=0, sign="", utc=utc))
    for statement in _sqlite() if connection.dialect.name == "sqlite" else _postgresql():
        connection.exec_driver_sql(statement)


def drop(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        for name in triggers():
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        connection.exec_driver_sql("DROP VIEW IF EXISTS standing_again")
    else:
        for name in (*(f"{name}()" for name in triggers()), "standing_again(uuid[])", "standing_slot()"):
            connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {name} CASCADE")
    KEPT.drop_all(connection)


def triggers() -> list[str]:
    """Their names on SQLite; PostgreSQL's are the same, but for the first."""
    of_facts = [f"standing_{fact.table}_{event}" for fact in FACTS for event, _, _ in _events(fact)]
    return ["standing_again", *of_facts, *(f"standing_support_{event}" for event, *_ in _SUPPORTED)]


def is_ours(name: str | None) -> bool:
    """Whether a table or an index of the database is this module's, which the models do not know."""
    return name is not None and name.startswith(("standing_", "ix_standing_"))


def _events(fact: Fact) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The name of each trigger, what fires it, and the rows it looks at."""
    yield "updated", f"UPDATE OF {fact.columns}", ("OLD", "NEW")
    if not fact.only_updates:
        yield "inserted", "INSERT", ("NEW",)
        yield "deleted", "DELETE", ("OLD",)


# A trigger is read by every connection as it opens, and held for as long: what they all do is written once. SQLite knows no
# procedure, but what is put into this view, which keeps nothing, is done to each of these questions together.
_PROCEDURE = "CREATE VIEW standing_again AS SELECT NULL AS these"


def _sqlite() -> Iterator[str]:
    derived = "; ".join(statement.format(these="IN (SELECT value FROM json_each(NEW.these))", slot=0, utc="") for statement in _AGAIN)
    yield _PROCEDURE
    yield f"CREATE TRIGGER standing_again INSTEAD OF INSERT ON standing_again BEGIN {derived}; END"
    for fact in FACTS:
        for event, fires, rows in _events(fact):
            about = " UNION ".join(fact.questions.format(row=row) for row in rows)
            again = f"INSERT INTO standing_again SELECT json_group_array(question_id) FROM ({about})"  # noqa: S608 — our own tables
            yield f"CREATE TRIGGER standing_{fact.table}_{event} AFTER {fires} ON {fact.table} BEGIN {again}; END"
    for event, fires, these, when in _SUPPORTED:
        counted = _COUNTED.format(these=these)
        yield f"CREATE TRIGGER standing_support_{event} AFTER {fires} ON support WHEN {when} BEGIN {counted}; END"


# A connection plans once and keeps the plan, perhaps since the tables were empty: it must not be to read them whole.
_BY_INDEX = "LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan"


# Of two transactions that write about one question, the second waits here, and then reads what the first wrote.
_FIRST = "PERFORM 1 FROM question WHERE id {these} ORDER BY id FOR NO KEY UPDATE"

_UTC = " AT TIME ZONE 'UTC'"

_SLOTS = 20180524
"""What their advisory locks are known by."""


def _postgresql() -> Iterator[str]:
    derived = "; ".join(statement.format(these="= ANY (these)", slot="ours", utc=_UTC) for statement in _AGAIN)
    # The first slot that no other transaction has: it is asked for, never waited for, and given back at the end.
    yield (
        "CREATE FUNCTION standing_slot() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN FOR slot IN 0..9999 LOOP"
        f" IF pg_try_advisory_xact_lock({_SLOTS}, slot) THEN RETURN slot; END IF; END LOOP;"
        " RAISE EXCEPTION 'ten thousand transactions at once'; END $$"
    )
    yield (
        f"CREATE FUNCTION standing_again(these uuid[]) RETURNS void {_BY_INDEX} AS $$ DECLARE ours integer := standing_slot(); BEGIN"
        f" {_FIRST.format(these='= ANY (these)')}; {derived}; END $$"
    )
    for fact in FACTS:
        for event, fires, rows in _events(fact):
            name, about = f"standing_{fact.table}_{event}", " UNION ".join(fact.questions.format(row=row) for row in rows)
            yield (
                f"CREATE FUNCTION {name}() RETURNS trigger {_BY_INDEX} AS $$ BEGIN"
                f" PERFORM standing_again(ARRAY({about})); RETURN NULL; END $$"
            )
            yield f"CREATE TRIGGER {name} AFTER {fires} ON {fact.table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    for event, fires, these, when in _SUPPORTED:
        name, counted = f"standing_support_{event}", _COUNTED.format(these=these)
        yield (
            f"CREATE FUNCTION {name}() RETURNS trigger {_BY_INDEX} AS $$ BEGIN"
            f" {_FIRST.format(these=f'IN ({these})')}; {counted}; RETURN NULL; END $$"
        )
        yield f"CREATE TRIGGER {name} AFTER {fires} ON support FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()"
