"""Accountability, for everybody: the figures of a plan, the lists behind them, what is handed to OGP."""

from forums.pages.accountability.figures import commitment, index, institution
from forums.pages.accountability.lists import commitments, indicators

__all__ = ["commitment", "commitments", "index", "indicators", "institution"]
