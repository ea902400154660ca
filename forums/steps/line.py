"""The dated line of one forum, drawn from facts alone: nothing here asks the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from forums import schedule
from forums.language import N_
from forums.models import Forum, Season
from forums.models.forum import PARIS, StepKind

State = Literal["late", "due", "later", "done"]

DUE_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class Step:
    """One thing to do: a sentence, the day it is due by, where to do it (below the forum's own page).

    `own` says that the day is this forum's and not its season's; `by_itself` that nobody has to do it.
    `loose` counts the promises that keep the last step open.
    """

    kind: StepKind
    sentence: str
    due: date | None
    state: State
    where: str
    own: bool = False
    by_itself: bool = False
    loose: int = 0


@dataclass(frozen=True)
class Facts:
    """What the line needs to know beside the forum: its season, its own dates, what came of it."""

    season: Season
    own: Mapping[StepKind, date] = field(default_factory=dict)
    minutes_out: bool = False
    loose: int = 0


def held_before_this_site(forum: Forum, now: datetime) -> bool:
    """Over before it was written down here: what it lacks is unknown, and nobody is late."""
    return forum.is_past(now) and (bool(forum.sources or forum.minutes_elsewhere) or forum.is_past(forum.created_at))


def draw(forum: Forum, facts: Facts, *, now: datetime) -> list[Step]:
    """The steps of a forum in the order of its life; none for one that is cancelled, never announced, or held before this site."""
    past = forum.is_past(now)
    if forum.status == "cancelled" or (past and forum.announced_at is None) or held_before_this_site(forum, now):
        return []
    announced = forum.announced_at is not None
    # Once it is over, how many could have come no longer matters.
    placed = bool(forum.place) and (past or forum.capacity + forum.remote_capacity > 0)
    closed = announced and forum.questions_close_at is not None and forum.questions_close_at <= now
    reminded = forum.reminded_eve_at is not None
    followed = facts.minutes_out and not facts.loose
    steps = [
        _step(forum, facts, "announce", N_("Annoncer le forum"), announced, "#annoncer", now),
        _step(forum, facts, "theme", N_("Définir le thème"), bool(forum.theme), "/modifier", now),
        _step(forum, facts, "place", N_("Fixer le lieu et la jauge"), placed, "/modifier", now),
        _step(forum, facts, "questions", N_("Fin du recueil des questions"), closed, "/echeances", now),
        _step(forum, facts, "agenda", N_("Publier l'ordre du jour"), forum.agenda_published_at is not None, "/ordre-du-jour", now),
        _step(forum, facts, "reminder", N_("Rappeler le forum aux personnes inscrites"), reminded, "/inscriptions", now),
        _step(forum, facts, "evening", N_("Tenir le forum"), past, "/accueil", now),
        _step(forum, facts, "minutes", N_("Publier le compte rendu"), facts.minutes_out, "/compte-rendu", now),
        _step(forum, facts, "follow_ups", N_("Suivre les promesses du forum"), followed, "/compte-rendu", now),
    ]
    return [step for step in steps if step.state == "done" or not (past and step.by_itself)]


def _step(forum: Forum, facts: Facts, kind: StepKind, sentence: str, done: bool, where: str, now: datetime) -> Step:
    due = _due(forum, facts, kind)
    by_itself = kind in ("questions", "reminder") and forum.announced_at is not None
    loose = facts.loose if kind == "follow_ups" else 0
    return Step(kind, sentence, due, state_of(due, done, now), where, kind in facts.own, by_itself, loose)


def _due(forum: Forum, facts: Facts, kind: StepKind) -> date | None:
    if kind == "questions" and forum.questions_close_at:  # what is really applied
        return forum.questions_close_at.astimezone(PARIS).date()
    return facts.own.get(kind) or schedule.default_day(facts.season, forum, kind)


def state_of(due: date | None, done: bool, now: datetime) -> State:
    """A day belongs to Paris: what was due by it is late from the midnight that ends it."""
    if done:
        return "done"
    today = now.astimezone(PARIS).date()
    if due is None or due > today + DUE_WITHIN:
        return "later"
    return "late" if due < today else "due"
