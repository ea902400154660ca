"""The clock of a forum: what it needs and by when, from its announcement to the promises made there.

Derived from facts, never ticked by hand: a step is done, late, due within its week, or later. The days
are the season's or the forum's own (`schedule.deadlines`); whoever looks sees what is theirs to do.
"""

from forums.steps.desks import Desk, desks, late_in_public, line_of
from forums.steps.line import Facts, Step, draw, held_before_this_site
from forums.steps.theirs import Task, of_agents, of_moderators

__all__ = [
    "Desk",
    "Facts",
    "Step",
    "Task",
    "desks",
    "draw",
    "held_before_this_site",
    "late_in_public",
    "line_of",
    "of_agents",
    "of_moderators",
]
