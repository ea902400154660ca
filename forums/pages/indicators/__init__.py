"""Indicators: read by everybody, measured by the agents of those who carry them, published and defined by organisers."""

from forums.pages.indicators import defining, measuring
from forums.pages.indicators.reading import show

__all__ = ["defining", "measuring", "show"]
