"""Following a commitment: one desk for its indicators, its milestones and its progress reports."""

from forums.pages.progress import milestones, reports
from forums.pages.progress.desk import desk, index

__all__ = ["desk", "index", "milestones", "reports"]
