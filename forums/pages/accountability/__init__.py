"""Accountability, for everybody: the figures of a plan, the lists behind them, what is handed to OGP."""

from forums.pages.accountability.figures import commitment, index, institution
from forums.pages.accountability.lists import commitments, indicators
from forums.pages.accountability.papers import (
    ogp_file,
    ogp_file_as_odt,
    ogp_file_as_pdf,
    self_assessment_as_odt,
    self_assessment_as_pdf,
)

__all__ = [
    "commitment",
    "commitments",
    "index",
    "indicators",
    "institution",
    "ogp_file",
    "ogp_file_as_odt",
    "ogp_file_as_pdf",
    "self_assessment_as_odt",
    "self_assessment_as_pdf",
]
