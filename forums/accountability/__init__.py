"""Accountability: what became of what was asked, promised and measured, for everybody.

Nothing here is typed: every figure is counted from facts by the definitions of their own words, so that a
question stands in the figures where its page says it stands. Counting is done by the database, in a number
of statements that does not grow with what is counted; the list behind a figure has exactly as many lines.
"""

from forums.accountability.assessment import Known, known_of
from forums.accountability.counting import Asked, Promised
from forums.accountability.drafting import self_assessment
from forums.accountability.evidence import Evidence, evidence_of
from forums.accountability.examined import Examined, examinations, least_examined, planned
from forums.accountability.figures import (
    Figures,
    Measured,
    OfCommitment,
    OfInstitution,
    Totals,
    figures_of,
    totals_of,
)
from forums.accountability.freshness import Freshness, Watched, watched
from forums.accountability.ogp import ogp_file
from forums.accountability.paper import Paper, as_odt, as_pdf
from forums.accountability.trends import OfSeason, trends

__all__ = [
    "Asked",
    "Evidence",
    "Examined",
    "Figures",
    "Freshness",
    "Known",
    "Measured",
    "OfCommitment",
    "OfInstitution",
    "OfSeason",
    "Paper",
    "Promised",
    "Totals",
    "Watched",
    "as_odt",
    "as_pdf",
    "evidence_of",
    "examinations",
    "figures_of",
    "known_of",
    "least_examined",
    "ogp_file",
    "planned",
    "self_assessment",
    "totals_of",
    "trends",
    "watched",
]
