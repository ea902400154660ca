"""What the program remembers, split by aggregate: the plan, the forum, people, mail.

Each table says its French word once. What must never be is a constraint of the database, since a
table class validates nothing. There are no relationships: each query is a named function beside the
rule that needs it.
"""

from forums.models.forum import (
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemQuestion,
    Forum,
    ForumCommitment,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    Question,
    Season,
)
from forums.models.mail import DeliveryAttempt, OutboxMessage
from forums.models.people import (
    AuditEvent,
    Member,
    MemberSession,
    RateCount,
    Registration,
    SecretLink,
    Subscription,
)
from forums.models.plan import (
    ActionPlan,
    Axis,
    Commitment,
    CommitmentInstitution,
    Indicator,
    Institution,
    Measurement,
    Milestone,
)

__all__ = [
    "ActionPlan",
    "AgendaItem",
    "AgendaItemCommitment",
    "AgendaItemQuestion",
    "AuditEvent",
    "Axis",
    "Commitment",
    "CommitmentInstitution",
    "DeliveryAttempt",
    "Forum",
    "ForumCommitment",
    "Indicator",
    "Institution",
    "Measurement",
    "Member",
    "MemberSession",
    "Milestone",
    "Minutes",
    "MinutesEntry",
    "MinutesEntryCommitment",
    "MinutesEntryQuestion",
    "OutboxMessage",
    "Question",
    "RateCount",
    "Registration",
    "Season",
    "SecretLink",
    "Subscription",
]
