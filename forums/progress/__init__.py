"""The progress of a commitment: the state of its milestones, and reports period after period.

The institutions that carry it say where things stand; organisers publish reports, and may say it too. What
is late is derived from dates, and what nobody said is told as unknown.
"""

from forums.progress.milestones import STATES, MilestoneChanged, StateForm, StillToCome, days_late, is_late, say_state
from forums.progress.queries import (
    Followable,
    Reported,
    commitment_to_follow,
    milestone_by_id,
    report_by_code,
    reports_of,
    to_follow,
)
from forums.progress.reports import (
    COMPLETIONS,
    PublishedMeanwhile,
    ReportChanged,
    ReportForm,
    WrongReport,
    amend,
    as_typed,
    publish,
    write,
)

__all__ = [
    "COMPLETIONS",
    "STATES",
    "Followable",
    "MilestoneChanged",
    "PublishedMeanwhile",
    "ReportChanged",
    "ReportForm",
    "Reported",
    "StateForm",
    "StillToCome",
    "WrongReport",
    "amend",
    "as_typed",
    "commitment_to_follow",
    "days_late",
    "is_late",
    "milestone_by_id",
    "publish",
    "report_by_code",
    "reports_of",
    "say_state",
    "to_follow",
    "write",
]
