"""The schedule: a season's rhythm proposed, forums announced, moved and cancelled.

The planner proposes and explains, people decide. A forum keeps its UID for ever; every change a
subscriber can see raises SEQUENCE and DTSTAMP together (`life.changed`), and those registered are told in
the same transaction.
"""

from forums.schedule.life import QUESTIONS_CLOSE, CancelForm, ForumForm, MoveForm, announce, cancel, discard, edit, move, open_season
from forums.schedule.past import load_past_forums
from forums.schedule.queries import (
    all_forums,
    commitments_of,
    forum_by_id,
    forum_by_slug,
    latest_minutes,
    next_forum,
    public_forums,
    season_of,
    season_slug_free,
)
from forums.schedule.rhythm import WEEKDAYS, Proposal, SeasonForm, at, propose, warning

__all__ = [
    "QUESTIONS_CLOSE",
    "WEEKDAYS",
    "CancelForm",
    "ForumForm",
    "MoveForm",
    "Proposal",
    "SeasonForm",
    "all_forums",
    "announce",
    "at",
    "cancel",
    "commitments_of",
    "discard",
    "edit",
    "forum_by_id",
    "forum_by_slug",
    "latest_minutes",
    "load_past_forums",
    "move",
    "next_forum",
    "open_season",
    "propose",
    "public_forums",
    "season_of",
    "season_slug_free",
    "warning",
]
