"""Answers: a question is routed to institutions, whose agents prepare in private and publish what came of it.

Where a question stands is derived from what was published, never typed: the latest of the passages of the
minutes and of the answers wins. Two agents of one institution never overwrite each other; an answer comes
out on the evening at the earliest, its author is told once, and what is changed afterwards is dated.
"""

from forums.answers.queries import (
    Assignment,
    Given,
    Stage,
    about,
    assignment,
    assignments,
    awaited,
    given,
    how_many_about,
    of_question,
    outcomes_of,
)
from forums.answers.routing import (
    RoutingForm,
    assign,
    concerning,
    institutions_called,
    institutions_of,
    proposed,
    route,
    route_and_tell,
    routed_to,
)
from forums.answers.standing import ON_THE_AGENDA, STATES, Standing, standing_in, standings
from forums.answers.writing import AnswerForm, may_publish, opens_at, publish, take_over, tell_it_changed, write

__all__ = [
    "ON_THE_AGENDA",
    "STATES",
    "AnswerForm",
    "Assignment",
    "Given",
    "RoutingForm",
    "Stage",
    "Standing",
    "about",
    "assign",
    "assignment",
    "assignments",
    "awaited",
    "concerning",
    "given",
    "how_many_about",
    "institutions_called",
    "institutions_of",
    "may_publish",
    "of_question",
    "opens_at",
    "outcomes_of",
    "proposed",
    "publish",
    "route",
    "route_and_tell",
    "routed_to",
    "standing_in",
    "standings",
    "take_over",
    "tell_it_changed",
    "write",
]
