"""The tables in which the database keeps where questions stand, written by its triggers alone (`standing_index`).

They are read as any other and exported with none: each row follows from the facts, and is made anew from them. Their
keys carry no link, since a question that goes takes its rows along by the same triggers.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import Column, Date, Index, Integer, MetaData, String, Table, Uuid
from sqlmodel import SQLModel

from forums import models  # noqa: F401 — what SQLModel.metadata is to hold

KEPT = MetaData()
_INSTANT = SQLModel.metadata.tables["question"].c.created_at.type

# Every question: `state` is an outcome, or `waiting`; `taken_up` says whether one that waits is on a published agenda. `plan_id` is
# that of its commitment, or else of its season: none is the current plan, whichever that is. `supports` counts those that were confirmed.
STANDING = Table(
    "standing_question",
    KEPT,
    Column("question_id", Uuid, primary_key=True),
    Column("status", String, nullable=False),
    Column("commitment_id", Uuid),
    Column("forum_id", Uuid),
    Column("season_id", Uuid),
    Column("plan_id", Uuid),
    Column("state", String, nullable=False),
    Column("deferred_to", Date),
    Column("taken_up", Integer, nullable=False),
    Column("since", _INSTANT, nullable=False),
    Column("supports", Integer, nullable=False),
    sqlite_with_rowid=False,  # so that each of its indexes names the question, and a list is read from it alone
)

# The published ones that are put to an institution which does not lead their commitment, once more for each.
ELSEWHERE = Table(
    "standing_elsewhere",
    KEPT,
    Column("question_id", Uuid, primary_key=True),
    Column("institution_id", Uuid, primary_key=True),
    Column("commitment_id", Uuid),
    Column("season_id", Uuid),
    Column("plan_id", Uuid),
    Column("state", String, nullable=False),
    Column("deferred_to", Date),
    Column("taken_up", Integer, nullable=False),
    Column("since", _INSTANT, nullable=False),
    sqlite_with_rowid=False,
)

# How many published ones stand where; with an institution, how many `ELSEWHERE` holds for it, of whatever commitment. `NONE` stands
# for what there is none of, `month` is that of `deferred_to`, and empty. A number is the sum of its slots, of which none may be more
# than nought: a slot belongs to one transaction at a time, so that two never wait for each other to have counted.
TALLY = Table(
    "standing_tally",
    KEPT,
    Column("institution_id", Uuid, primary_key=True),
    Column("plan_id", Uuid, primary_key=True),
    Column("commitment_id", Uuid, primary_key=True),
    Column("season_id", Uuid, primary_key=True),
    Column("state", String, primary_key=True),
    Column("month", String, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("taken_up", Integer, nullable=False),
    sqlite_with_rowid=False,
)
NONE = UUID(int=0)

# The work of institutions: each question put to one, waiting or published, with the `stage` of its answer: `to_answer`, `prepared`
# or `published`. What the minutes say in full needs no answer in writing. `day` is its forum's, none once published, and `since`
# when it was asked, or the answer published: the order in which it is read.
WORK = Table(
    "standing_work",
    KEPT,
    Column("question_id", Uuid, primary_key=True),
    Column("institution_id", Uuid, primary_key=True),
    Column("stage", String, nullable=False),
    Column("deferred_to", Date, index=True),
    Column("day", Date),
    Column("since", _INSTANT, nullable=False),
    Index("ix_standing_work_stage", "stage", "day", "since", "question_id", "institution_id"),
    Index("ix_standing_work_institution_id", "institution_id", "stage", "day", "since", "question_id"),
    sqlite_with_rowid=False,
)
NO_DAY = date(9999, 12, 31)

# When each answer was published, and corrected last. A `day` of UTC is the same in Paris until 22 o'clock; from then on it hangs on
# the hour, which is kept with it.
ANSWERED = Table(
    "standing_answered",
    KEPT,
    Column("question_id", Uuid, primary_key=True),
    Column("institution_id", Uuid, primary_key=True),
    Column("corrected", Integer, primary_key=True, autoincrement=False),
    Column("plan_id", Uuid),
    Column("day", String, nullable=False),
    sqlite_with_rowid=False,
)

# How many of them a plan has on which day, in slots as `TALLY`.
DAYS = Table(
    "standing_day",
    KEPT,
    Column("plan_id", Uuid, primary_key=True),
    Column("day", String, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    sqlite_with_rowid=False,
)
DAY, HOUR = len("2018-05-24"), len("2018-05-24 18")
