"""Calls for comments: read and answered by anybody, confirmed by mail, then handled by members."""

from forums.pages.consultations import calling, commenting, desk, reading
from forums.pages.consultations.amending import amend, amend_form

__all__ = ["amend", "amend_form", "calling", "commenting", "desk", "reading"]
