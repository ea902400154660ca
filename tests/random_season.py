"""A random but coherent history: two plans, forums, questions, minutes, answers, promises, indicators, all from one seed.

The same seed gives the same rows. Each row is one that the rules could have written, drafts and what the public
may not read among them; how many there are is said by the caller, so that the same season serves a recount, an
export and a test of growth. Rows are written in bulk: five thousand questions take a few seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemQuestion,
    AgendaVersion,
    Answer,
    Axis,
    Commitment,
    CommitmentInstitution,
    Evaluation,
    FollowUp,
    FollowUpChange,
    FollowUpCommitment,
    FollowUpForum,
    Forum,
    ForumCommitment,
    Indicator,
    Institution,
    Measurement,
    Milestone,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    ProgressReport,
    Question,
    QuestionInstitution,
    Registration,
    Season,
    Support,
)
from forums.models.forum import PARIS
from forums.schedule import at
from tests.factories import NOW

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
DAY = timedelta(days=1)


@dataclass
class RandomSeason:
    """What was written, the parents in the order of their making. Rows are detached: they may be read, not saved again."""

    plan: ActionPlan
    old_plan: ActionPlan
    institutions: list[Institution] = field(default_factory=list)
    commitments: list[Commitment] = field(default_factory=list)
    """Of both plans."""
    seasons: list[Season] = field(default_factory=list)
    forums: list[Forum] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    promises: list[FollowUp] = field(default_factory=list)


async def random_season(
    session: AsyncSession,
    seed: int = 1,
    *,
    forums: int = 20,
    questions: int = 500,
    promises: int = 200,
    passages: int = 300,
    commitments: int = 21,
    registrations: int = 0,
    measurements: int = 6,
    busy: float = 0,
    now: datetime = NOW,
) -> RandomSeason:
    """Fill an empty database. `registrations` counts those of each forum that was announced, `measurements` the most an indicator has.

    With `busy`, that part of what is asked and promised goes to the next forum, to the last one held and to the first
    commitment; every agenda and all minutes are published then, and the last forum held has twenty passages and ten promises.
    """
    made = _Making(Random(seed), now, measurements, busy)
    made.plans(commitments)
    made.forums(forums)
    made.questions(questions)
    made.agendas()
    made.minutes(passages)
    made.answers()
    made.promises(promises)
    made.following()
    made.registrations(registrations)
    for layer in made.layers:
        session.add_all(layer)
        await session.flush()
        for row in layer:
            session.expunge(row)
    if session.get_bind().dialect.name == "postgresql":
        await (await session.connection()).execute(text("ANALYZE"))  # which it does by itself, within the minute
    return made.season


class _Making:
    """The rows of a season, layer by layer: a layer refers to those before it."""

    def __init__(self, random: Random, now: datetime, measurements: int, busy: float) -> None:
        self.random, self.now, self.today = random, now, now.astimezone(PARIS).date()
        self.measurements, self.busy = measurements, busy
        self.numbers = count(1)
        self.layers: list[list[Any]] = []
        self.leads: dict[UUID, list[Institution]] = {}
        self.routed: list[tuple[Question, Institution]] = []
        self.said: dict[UUID, datetime] = {}
        self.entries: list[tuple[Forum, Minutes, MinutesEntry]] = []

    # -- What rows are made of -------------------------------------------------------------------------

    def add(self, *rows: Any) -> None:
        if rows:
            self.layers.append(list(rows))

    def id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def code(self) -> str:
        """Unlike any other of this season."""
        number, letters = next(self.numbers), ""
        while number:
            number, letter = divmod(number, len(LETTERS))
            letters = LETTERS[letter] + letters
        return letters.rjust(8, "2")

    def chance(self, likelihood: float) -> bool:
        return self.random.random() < likelihood

    def some(self, things: Sequence[Any], most: int) -> list[Any]:
        return self.random.sample(list(things), min(self.random.randint(0, most), len(things)))

    def outcome(self, after: datetime) -> dict[str, Any]:
        outcome = self.random.choices(["answered", "partly", "deferred", "refused"], [5, 2, 2, 1])[0]
        until = (after + self.random.randint(10, 200) * DAY).date() if outcome == "deferred" else None
        return {"outcome": outcome, "deferred_to": until, "reason": "Ce n'est pas de notre compétence." if outcome == "refused" else None}

    # -- Plans ---------------------------------------------------------------------------------------------

    def plans(self, number: int) -> None:
        current = ActionPlan(id=self.id(), slug="nouveau", title="Plan tiré au hasard", current=True, invented=True)
        old = ActionPlan(id=self.id(), slug="ancien", title="Plan d'avant, tiré au hasard", invented=True)
        self.season = season = RandomSeason(current, old)
        names = ["Écologie", "Agence du hasard", "Zones rurales", "Économie", "Cour des essais", "Hasard public", "Numérique", "Éducation"]
        season.institutions = [Institution(id=self.id(), slug=f"administration-{at_}", name=name) for at_, name in enumerate(names, 1)]
        axis = Axis(id=self.id(), plan_id=current.id, number=1, title="Axe unique")
        for plan, how_many in ((current, number), (old, 3)):
            for each in range(1, how_many + 1):
                facts = {
                    "axis_id": axis.id if plan is current else None,
                    "position": each,
                    "working_title": f"Engagement {plan.slug} {each}",
                }
                season.commitments.append(Commitment(id=self.id(), plan_id=plan.id, number=each, ogp_code=f"XX{each:04}", **facts))
        roles = []
        for commitment in season.commitments:
            led = self.random.sample(season.institutions[:-1], self.random.choice([1, 1, 1, 2]))
            self.leads[commitment.id] = led
            partners = [each for each in self.some(season.institutions, 2) if each not in led]
            for position, (institution, role) in enumerate([*((i, "lead") for i in led), *((i, "partner") for i in partners)]):
                ids = {"commitment_id": commitment.id, "institution_id": institution.id}
                roles.append(CommitmentInstitution(**ids, role=role, position=position))
        self.add(current, old, *season.institutions)
        self.add(axis)
        self.add(*season.commitments)
        self.add(*roles)

    # -- Forums ----------------------------------------------------------------------------------------------

    def forums(self, number: int) -> None:
        """One every two months or so, the last ones to come; six to a season, the first season of the old plan, the second of none."""
        season = self.season
        plans = [season.old_plan.id, None]
        for each in range(-(-number // 6)):
            plan_id = plans[each] if each < len(plans) else season.plan.id
            season.seasons.append(Season(id=self.id(), slug=f"saison-{each + 1}", title=f"Saison {each + 1}", plan_id=plan_id))
        tied = []
        for index in range(number):
            day = self.today - timedelta(days=61 * (number - 2 - index) + self.random.randint(0, 20) - 30)
            status = (
                "draft"
                if index == number - 1
                else "cancelled"
                if self.chance(0.06) and not (self.busy and index >= number - 3)
                else "announced"
            )
            announced = at(day, time(9)) - 60 * DAY if status != "draft" else None
            hours = {"starts_at": at(day, time(18, 30)), "ends_at": at(day, time(20, 30))} if self.chance(0.9) else {}
            group = season.seasons[index // 6]
            forum = Forum(
                id=self.id(), season_id=group.id, number=index % 6 + 1, slug=f"{group.slug}-{index % 6 + 1}", status=status, day=day,
                uid=str(self.id()), theme=f"Thème {index + 1}", place="Au hasard", announced_at=announced, capacity=1000,
                questions_close_at=at(day, time(23)) - 15 * DAY, present=self.random.randint(0, 80) if day < self.today else 0, **hours,
            )  # fmt: skip
            season.forums.append(forum)
            for commitment in self.some(season.commitments, 2):
                tied.append(ForumCommitment(forum_id=forum.id, commitment_id=commitment.id))
        self.add(*season.seasons)
        self.add(*season.forums)
        self.add(*tied)

    @property
    def held(self) -> list[Forum]:
        return [each for each in self.season.forums if each.status == "announced" and each.is_past(self.now)]

    @property
    def crowded(self) -> list[Forum]:
        """The last forum held and the next one."""
        return [self.held[-1], self.season.forums[-2]]

    # -- Questions ---------------------------------------------------------------------------------------------

    def _asked_of(self, announced: list[Forum]) -> tuple[Forum | None, Commitment | None]:
        if self.busy and self.chance(self.busy):
            return self.random.choice(self.crowded), self.random.choice([self.season.commitments[0], None])
        forum = self.random.choice(announced) if announced and self.chance(0.85) else None
        return forum, self.random.choice(self.season.commitments) if forum is None or self.chance(0.75) else None

    def questions(self, number: int) -> None:
        season, routes, supports, merged = self.season, [], [], []
        announced = [each for each in season.forums if each.announced_at]
        statuses, weights = ["published", "pending", "declined", "unpublished", "unconfirmed", "merged"], [80, 5, 4, 3, 3, 5]
        for _ in range(number):
            forum, commitment = self._asked_of(announced)
            before = at(forum.day, time(12)) if forum and forum.day and forum.day < self.today else self.now
            asked = before - self.random.randint(3, 80) * DAY - self.random.randint(0, 86_000) * timedelta(seconds=1)
            status = self.random.choices(statuses, weights)[0]
            kept = [each for each in season.questions if each.status == "published"][-5:] if status == "merged" else []
            status = "pending" if status == "merged" and not kept else status
            question = Question(
                id=self.id(), code=self.code(), kind=self.random.choices(["question", "idea"], [85, 15])[0],
                forum_id=forum.id if forum else None, commitment_id=commitment.id if commitment else None,
                text=f"Question tirée au hasard n° {len(season.questions) + len(merged) + 1} ?", invented=True,
                author_key=f"{self.random.getrandbits(64):x}", text_hash=f"{self.random.getrandbits(64):x}",
                status=status, created_at=asked, mailed_at=asked, confirmed_at=None if status == "unconfirmed" else asked,
                decided_at=asked + 2 * DAY if status not in ("pending", "unconfirmed") else None,
                decline_reason="Hors sujet." if status in ("declined", "unpublished") else None,
                merged_into_id=self.random.choice(kept).id if kept else None,
            )  # fmt: skip
            (merged if kept else season.questions).append(question)
            to = self.leads[commitment.id] if commitment and self.chance(0.7) else self.some(season.institutions, 2)
            if status in ("published", "pending"):
                self.routed += [(question, institution) for institution in to]
                routes += [QuestionInstitution(question_id=question.id, institution_id=each.id, assigned_at=asked) for each in to]
            if status == "published":
                for each in range(self.random.choice([0, 0, 1, 3])):
                    key = f"{question.code}-{each}"
                    supports.append(
                        Support(id=self.id(), question_id=question.id, email_key=key, confirmed_at=asked if self.chance(0.8) else None)
                    )
        self.add(*season.questions)
        self.add(*merged)
        season.questions += merged
        self.add(*routes, *supports)

    # -- Agendas, minutes, answers --------------------------------------------------------------------------------

    def agendas(self) -> None:
        """What organisers prepare, and for most what they published of it: version 1, or 2 over an older one."""
        items: list[Any] = []
        ties: list[Any] = []
        for forum in self.season.forums:
            if not forum.announced_at or (not self.busy and self.chance(0.1)):
                continue
            forum.agenda_version = 1 if self.busy else self.random.choice([0, 1, 1, 1, 2])
            forum.agenda_published_at = at(forum.day or self.today, time(10)) - 7 * DAY if forum.agenda_version else None
            asked = [each for each in self.season.questions if each.forum_id == forum.id and each.status == "published"]
            for version in range(forum.agenda_version + 1):
                if version and forum.agenda_published_at:
                    facts = {"forum_id": forum.id, "number": version, "published_at": forum.agenda_published_at}
                    items.append(AgendaVersion(id=self.id(), **facts))
                for number in range(1, 4):
                    item = AgendaItem(
                        id=self.id(), forum_id=forum.id, version=version, number=number, position=number, title=f"Point {number}"
                    )
                    items.append(item)
                    about, taken = self.some(self.season.commitments, 2), self.some(asked, 4)
                    ties += [AgendaItemCommitment(agenda_item_id=item.id, commitment_id=each.id) for each in about]
                    ties += [AgendaItemQuestion(agenda_item_id=item.id, question_id=each.id) for each in taken]
        self.add(*items)
        self.add(*ties)

    def minutes(self, number: int) -> None:
        written: list[tuple[Forum, Minutes]] = []
        for forum in self.held:
            if self.busy or self.chance(0.9):
                published = at(forum.day or self.today, time(15)) + self.random.randint(2, 5 if self.busy else 40) * DAY
                published_at = published if published < self.now and (self.busy or self.chance(0.85)) else None
                amended = published + 3 * DAY if published_at and published + 3 * DAY < self.now and self.chance(0.3) else None
                written.append((forum, Minutes(id=self.id(), forum_id=forum.id, published_at=published_at, amended_at=amended)))
        self.add(*(each for _, each in written))
        ties: list[Any] = []
        numbers: dict[UUID, int] = {}
        asked = [each for each in self.season.questions if each.status == "published"]
        for index in range(number if written else 0):
            forum, minutes = self._spoken_at(written, index)
            numbers[minutes.id] = numbers.get(minutes.id, 0) + 1
            title = f"Passage {numbers[minutes.id]}"
            entry = MinutesEntry(id=self.id(), minutes_id=minutes.id, number=numbers[minutes.id], title=title, text="Il a été dit.")
            self.entries.append((forum, minutes, entry))
            for commitment in self.some(self.season.commitments, 2):
                ties.append(MinutesEntryCommitment(entry_id=entry.id, commitment_id=commitment.id))
            for question in self.some(asked, 3):
                outcome = self.outcome(at(forum.day or self.today, time(20)))
                if minutes.published_at:
                    self.said[question.id] = minutes.published_at
                ties.append(MinutesEntryQuestion(entry_id=entry.id, question_id=question.id, **outcome))
        self.add(*(entry for _, _, entry in self.entries))
        self.add(*ties)

    def _spoken_at(self, written: list[tuple[Forum, Minutes]], index: int) -> tuple[Forum, Minutes]:
        if not self.busy:
            return self.random.choice(written)
        return written[-1] if index < 20 or len(written) == 1 else self.random.choice(written[:-1])

    def answers(self) -> None:
        found = []
        for question, institution in self.routed:
            if question.status != "published" or self.chance(0.5) or question.decided_at is None:
                continue
            written = question.decided_at + self.random.randint(1, 90) * DAY
            published = written if written < self.now and self.chance(0.75) else None
            amended = written + 5 * DAY if published and written + 5 * DAY < self.now and self.chance(0.3) else None
            if question.id in self.said and self.chance(0.2):  # published at the very moment of the minutes
                written, published, amended = self.said[question.id] - DAY, self.said[question.id], None
            ids = {"question_id": question.id, "institution_id": institution.id}
            dates = {"written_at": min(written, self.now), "published_at": published, "amended_at": amended}
            found.append(Answer(id=self.id(), **ids, text="Voici la réponse.", invented=True, **dates, **self.outcome(written)))
        self.add(*found)

    # -- Promises ------------------------------------------------------------------------------------------------

    def promises(self, number: int) -> None:
        ties: list[Any] = []
        places = self.entries or [(forum, None, None) for forum in self.held]
        for each in range(number if places else 0):
            forum, _, entry = self.random.choice((places[:20] if each < 10 else places[20:] or places) if self.busy else places)
            made = at(forum.day or self.today, time(20))
            status = self.random.choices(["open", "kept", "dropped"], [50, 38, 12])[0]
            closed = min(made + self.random.randint(5, 300) * DAY, self.now) if status != "open" else None
            institution = self.random.choice(self.season.institutions) if self.chance(0.85) else None
            promise = FollowUp(
                id=self.id(), code=self.code(), forum_id=forum.id, entry_id=entry.id if entry else None,
                kind="cooperation" if self.chance(0.1) else "promise", text=f"Promesse tirée au hasard n° {each + 1}.",
                institution_id=institution.id if institution else None, owner="" if institution else "Association du hasard",
                due_on=(made + self.random.randint(20, 400) * DAY).date() if self.chance(0.8) else None, status=status, closed_at=closed,
                evidence="C'est en ligne." if status == "kept" else None, drop_reason="Faute de moyens." if status == "dropped" else None,
                created_at=made, invented=True,
            )  # fmt: skip
            self.season.promises.append(promise)
            bearing_on = self.some(self.season.commitments, 2)
            bearing_on = self.season.commitments[:1] if self.busy and self.chance(self.busy) else bearing_on
            for commitment in bearing_on:
                ties.append(FollowUpCommitment(follow_up_id=promise.id, commitment_id=commitment.id))
            later = [other for other in self.season.forums if other.announced_at and other.day and forum.day and other.day > forum.day]
            for other in later[: self.random.choice([0, 0, 1, 2])]:
                ties.append(FollowUpForum(follow_up_id=promise.id, forum_id=other.id, carried_at=made))
            if closed:
                words = promise.evidence or promise.drop_reason or ""
                ties.append(FollowUpChange(id=self.id(), follow_up_id=promise.id, at=closed, kind=status, text=words))
        self.add(*self.season.promises)
        self.add(*ties)

    # -- Indicators, milestones, reports, evaluations ---------------------------------------------------------------

    def following(self) -> None:
        rows: list[Any] = []
        measured: list[Any] = []
        periods = [None, "once", "monthly", "quarterly", "half_yearly", "yearly"]
        for commitment in self.season.commitments:
            for position in range(1, self.random.randint(0, 3) + 1):
                first = self.today + self.random.randint(-200, 200) * DAY if self.chance(0.4) else None
                facts = {"periodicity": self.random.choice(periods), "first_due_on": first, "unit": "%", "target": "100", "invented": True}
                indicator = Indicator(
                    id=self.id(), code=self.code(), commitment_id=commitment.id, position=position, name=f"Part n° {position}", **facts
                )
                rows.append(indicator)
                for days in self.random.sample(range(1, 900), self.random.randint(0, self.measurements)):
                    status = self.random.choices(["published", "proposed", "withdrawn"], [7, 2, 1])[0]
                    day = self.today - days * DAY
                    published = at(day, time(9)) if status == "published" and self.chance(0.8) else None
                    values = {"measured_on": day, "value": str(self.random.randint(0, 100)), "status": status, "published_at": published}
                    measured.append(Measurement(id=self.id(), indicator_id=indicator.id, **values))
            self._milestones(commitment, rows)
            self._reports(commitment, rows)
        self.add(*rows)
        self.add(*measured)

    def _milestones(self, commitment: Commitment, rows: list[Any]) -> None:
        for position in range(1, self.random.randint(0, 4) + 1):
            state = self.random.choice([None, "not_started", "under_way", "done", "abandoned"])
            due = self.today + self.random.randint(-500, 300) * DAY if self.chance(0.7) else None
            facts = {"state": state, "due_on": due, "done_on": self.today - 30 * DAY if state == "done" else None}
            rows.append(Milestone(id=self.id(), commitment_id=commitment.id, position=position, text=f"Jalon {position}", **facts))

    def _reports(self, commitment: Commitment, rows: list[Any]) -> None:
        for at_ in range(self.random.randint(0, 2)):
            start = self.today - (at_ + 1) * 180 * DAY
            completion = self.random.choice(["not_started", "limited", "substantial", "complete"])
            published = at(start + 179 * DAY, time(9)) if self.chance(0.7) else None
            status = {"status": "published" if published else "proposed", "published_at": published, "completion": completion}
            period = {"period_start": start, "period_end": start + 179 * DAY, "obstacles": "Faute de temps.", "text": "Ce qui a été fait."}
            ids = {"commitment_id": commitment.id, "institution_id": self.leads[commitment.id][0].id}
            rows.append(ProgressReport(id=self.id(), code=self.code(), **ids, **period, **status, invented=True))
        if self.chance(0.3):
            facts = {"kind": "independent", "title": "Évaluation tirée au hasard", "position": commitment.number, "completion": "limited"}
            ids = {"plan_id": commitment.plan_id, "commitment_id": commitment.id}
            rows.append(Evaluation(id=self.id(), code=self.code(), **ids, **facts, invented=True))

    # -- People ------------------------------------------------------------------------------------------------------

    def registrations(self, number: int) -> None:
        rows = []
        for forum in self.season.forums:
            for each in range(number if forum.announced_at else 0):
                status = self.random.choices(["registered", "pending", "waiting", "given_up", "walk_in"], [70, 10, 8, 7, 5])[0]
                who = f"personne{each}-{forum.slug}@example.org"
                forum.seats_taken += status == "registered"
                names = {
                    "given_name": "Camille",
                    "family_name": f"Hasard {each}",
                    "organisation": self.random.choice(["", "Un", "Deux", " un "]),
                }
                ids = {"id": self.id(), "forum_id": forum.id, "email": who, "email_key": who}
                rows.append(Registration(**ids, **names, status=status, rank=each if status == "waiting" else None))
        self.add(*rows)
