"""Questions and ideas, asked in advance: confirmed by their author, moderated, supported, taken up, answered.

A question belongs to a forum's theme, to a commitment, or to both. It is public only once a moderator
has published it; then its address answers for ever, even merged or withdrawn. Two moderators never
overwrite each other: the first decision stands and the second is told.
"""

from forums.questions.asking import CONFIRM_WITHIN, QuestionForm, ask, confirm, question_of_link
from forums.questions.moderation import (
    CorrectForm,
    DecisionForm,
    DeclineForm,
    MergeForm,
    UnpublishForm,
    correct,
    decline,
    history,
    merge,
    publish,
    unpublish,
)
from forums.questions.queries import (
    PUBLIC,
    are_open,
    concerns,
    for_forum,
    how_many_published,
    how_many_to_moderate,
    merged_into,
    passages_answering,
    public_question,
    published,
    published_by_codes,
    published_question,
    question_by_code,
    states_of,
    to_moderate,
)
from forums.questions.similar import similar_to
from forums.questions.supports import (
    SupportForm,
    confirm_support,
    support,
    support_counts,
    support_key,
    support_of_link,
    supporters_to_tell,
    tell_supporters,
    withdraw_support,
)

__all__ = [
    "CONFIRM_WITHIN",
    "PUBLIC",
    "CorrectForm",
    "DecisionForm",
    "DeclineForm",
    "MergeForm",
    "QuestionForm",
    "SupportForm",
    "UnpublishForm",
    "are_open",
    "ask",
    "concerns",
    "confirm",
    "confirm_support",
    "correct",
    "decline",
    "for_forum",
    "history",
    "how_many_published",
    "how_many_to_moderate",
    "merge",
    "merged_into",
    "passages_answering",
    "public_question",
    "publish",
    "published",
    "published_by_codes",
    "published_question",
    "question_by_code",
    "question_of_link",
    "similar_to",
    "states_of",
    "support",
    "support_counts",
    "support_key",
    "support_of_link",
    "supporters_to_tell",
    "tell_supporters",
    "to_moderate",
    "unpublish",
    "withdraw_support",
]
