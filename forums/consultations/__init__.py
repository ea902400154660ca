"""Calls for comments on a draft plan: opened by organisers, answered by anybody, moderated, replied to, summed up.

A comment is on the plan or on one of its commitments; its author confirms it by mail, and only a moderator
makes it public. What came of it stays beside it: the institution's reply, and the amendment it led to, shown
as before and after.
"""

from forums.consultations.amending import AmendmentForm, CommitmentChanged, NothingAmended, amend, seen
from forums.consultations.calling import (
    CallChanged,
    CallForm,
    NotADraft,
    NotOpenYet,
    ReopenForm,
    SynthesisForm,
    close,
    reopen,
    settle,
    synthesise,
)
from forums.consultations.commenting import CommentForm, CommentsClosed, comment, comment_of_link, confirm, is_open
from forums.consultations.moderation import (
    CommentChanged,
    CorrectForm,
    DecisionForm,
    DeclineForm,
    ReplyForm,
    correct,
    decline,
    history,
    publish,
    reply,
)
from forums.consultations.queries import (
    Said,
    Waiting,
    by_plan,
    call_on,
    comment_by_code,
    concerns,
    counts,
    for_members,
    of_amendments,
    published,
    waiting,
)
from forums.consultations.synthesis import Synthesis, as_csv, as_markdown, summed_up

__all__ = [
    "AmendmentForm",
    "CallChanged",
    "CallForm",
    "CommentChanged",
    "CommentForm",
    "CommentsClosed",
    "CommitmentChanged",
    "CorrectForm",
    "DecisionForm",
    "DeclineForm",
    "NotADraft",
    "NotOpenYet",
    "NothingAmended",
    "ReopenForm",
    "ReplyForm",
    "Said",
    "Synthesis",
    "SynthesisForm",
    "Waiting",
    "amend",
    "as_csv",
    "as_markdown",
    "by_plan",
    "call_on",
    "close",
    "comment",
    "comment_by_code",
    "comment_of_link",
    "concerns",
    "confirm",
    "correct",
    "counts",
    "decline",
    "for_members",
    "history",
    "is_open",
    "of_amendments",
    "publish",
    "published",
    "reopen",
    "reply",
    "seen",
    "settle",
    "summed_up",
    "synthesise",
    "waiting",
]
