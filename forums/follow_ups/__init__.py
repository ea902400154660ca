"""Promises made at a forum, carried to the next ones until they are kept or dropped.

A promise comes from a passage of the minutes and is public with them. While it is open it goes by itself
to the next forum of its line: the forums of the same season, and of the seasons of the same plan, since a
promise does not lapse with a season. It is closed with evidence or with a reason, once, and everything
that happened to it stays readable.
"""

from forums.follow_ups.carrying import SaidForm, carriable, carry, carry_by_itself, say, uncarry
from forums.follow_ups.closing import DropForm, KeepForm, ProposalForm, ReopenForm, drop, keep, propose, reopen
from forums.follow_ups.queries import (
    Carried,
    Moment,
    Promise,
    about,
    bears_on_none,
    carried_to,
    counts,
    forums_of,
    from_answers_to,
    history_of,
    holders,
    institutions,
    is_late,
    is_of,
    is_public,
    made_at,
    of_institutions,
    open_ones,
    promise_by_code,
    proposals,
    public_ones,
    questions_behind,
)
from forums.follow_ups.recording import AmendForm, ChangedMeanwhile, Missing, RecordForm, amend, discard, record
from forums.follow_ups.reminding import remind

__all__ = [
    "AmendForm",
    "Carried",
    "ChangedMeanwhile",
    "DropForm",
    "KeepForm",
    "Missing",
    "Moment",
    "Promise",
    "ProposalForm",
    "RecordForm",
    "ReopenForm",
    "SaidForm",
    "about",
    "amend",
    "bears_on_none",
    "carriable",
    "carried_to",
    "carry",
    "carry_by_itself",
    "counts",
    "discard",
    "drop",
    "forums_of",
    "from_answers_to",
    "history_of",
    "holders",
    "institutions",
    "is_late",
    "is_of",
    "is_public",
    "keep",
    "made_at",
    "of_institutions",
    "open_ones",
    "promise_by_code",
    "proposals",
    "propose",
    "public_ones",
    "questions_behind",
    "record",
    "remind",
    "reopen",
    "say",
    "uncarry",
]
