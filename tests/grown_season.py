"""A random season with everything around it, at any scale, and the objects that every page of the site is asked about.

Two grown seasons have the same plans, the same forums and the same examples, each of which holds what a busy one
holds; what differs is how much there is of all the rest. So a page that costs more in the larger one costs more
because of what it does not show.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, emails, secret_links
from forums.minutes.publishing import keep_first_version
from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemDocument,
    AgendaItemQuestion,
    Answer,
    AuditEvent,
    Comment,
    Commitment,
    CommitmentAmendment,
    Consultation,
    DeliveryAttempt,
    Document,
    Draft,
    Evaluation,
    FollowUp,
    FollowUpChange,
    FollowUpCommitment,
    FollowUpForum,
    Forum,
    Indicator,
    Measurement,
    MeasurementChange,
    Member,
    MemberInstitution,
    Milestone,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    OutboxMessage,
    ProgressReport,
    Question,
    QuestionInstitution,
    Registration,
    Speaker,
    Subscription,
    SubscriptionScope,
    Support,
)
from forums.settings import Settings
from tests.random_season import RandomSeason, random_season

DAY = timedelta(days=1)
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True)
class Size:
    """How much there is of what grows; forums and commitments are as many in both."""

    forums: int = 20
    questions: int = 5_000
    passages: int = 1_000
    promises: int = 500
    registrations: int = 100
    """Of each forum."""
    comments: int = 500
    measurements: int = 100
    """Of an indicator, at most."""
    messages: int = 5_000
    events: int = 10_000
    subscriptions: int = 1_000

    busy: float = 0.4
    """How much of it goes to the forums, the commitment and the institution that pages are asked about."""

    def divided(self, by: int) -> "Size":
        """The same season, so many times smaller, but for what fills the first page of each list: a page is compared full."""
        least = {"questions": 100, "passages": 20, "promises": 40, "comments": 80, "measurements": 2}
        counts = {name: max(least.get(name, 1), value // by) for name, value in vars(self).items() if name not in ("forums", "busy")}
        return Size(self.forums, **counts, busy=0.8)


async def grown_season(session: AsyncSession, settings: Settings, size: Size, *, now: datetime | None = None) -> dict[str, str]:
    """Fill an empty database. Returns a value for each thing an address may name, and the token of each kind of link."""
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    counts = {name: getattr(size, name) for name in ("forums", "questions", "passages", "promises", "registrations", "measurements")}
    made = await random_season(session, 7, **counts, busy=size.busy, now=now)
    grown = _Grown(session, made, now)
    await grown.people(size)
    await grown.question()
    await grown.agenda()
    await grown.minutes()
    await grown.promise()
    await grown.followed()
    await grown.comments(size.comments)
    await grown.messages(size.messages, size.events)
    if session.get_bind().dialect.name == "postgresql":
        await (await session.connection()).execute(text("ANALYZE"))
    return grown.names


class _Grown:
    """Around a random season: the examples one by one, the crowd in bulk."""

    def __init__(self, session: AsyncSession, made: RandomSeason, now: datetime) -> None:
        self.session, self.made, self.now, self.random = session, made, now, Random(11)
        self.names: dict[str, str] = {"version": "1", "rest": "nulle-part", "name": "questions", "collection": "questions", "number": "1"}
        self.commitment, self.plan = made.commitments[0], made.plan
        self.coming = made.forums[-2]
        held = [each for each in made.forums if each.status == "announced" and each.is_past(now)]
        self.held = held[-1]
        self.names |= {"plan": self.plan.slug, "season": made.seasons[-1].slug, "coming": self.coming.slug, "held": self.held.slug}

    async def put(self, *rows: SQLModel) -> Any:
        self.session.add_all(rows)
        await self.session.flush()
        return rows[0]

    async def many(self, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
        """Rows by the thousand, with the defaults of their class."""
        if rows:
            full = [table(**row).model_dump() for row in rows]
            await (await self.session.connection()).execute(insert(table), full)

    def id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def code(self) -> str:
        return "z" + "".join(self.random.choice(LETTERS) for _ in range(7))

    async def link(self, kind: str, subject: Any) -> None:
        token, link = secret_links.link_for(subject, now=self.now)
        self.names[kind] = token
        await self.put(link)

    # -- People ------------------------------------------------------------------------------------------------

    async def people(self, size: Size) -> None:
        led = (await action_plan.leads(self.session, [self.commitment]))[self.commitment.id]
        self.institution, self.other = led[0], next(each for each in self.made.institutions if each.id != led[0].id)
        self.names["institution"] = self.institution.slug
        guest = await self.put(self._registration("invitee@example.org", entry_code="zzzzzzzz", status="registered"))
        await self.link("registration token", guest)
        self.names |= {"registration": str(guest.id), "entry_code": "zzzzzzzz"}
        who = {"email": "suit@example.org", "email_key": "suit@example.org", "rhythm": "weekly"}
        follower = await self.put(Subscription(**who, told_until=self.now, created_at=self.now, mailed_at=self.now))
        await self.link("subscription token", follower)
        await self.put(SubscriptionScope(subscription_id=follower.id, scope="tout", confirmed_at=self.now))
        others = [{"id": self.id(), "email": f"suit{at}@example.org", "email_key": f"suit{at}"} for at in range(size.subscriptions)]
        await self.many(Subscription, others)
        scopes = ["tout", "annonces", f"plans/{self.plan.slug}/engagements/1", f"institutions/{self.institution.slug}"]
        await self.many(
            SubscriptionScope,
            [{"subscription_id": each["id"], "scope": self.random.choice(scopes), "confirmed_at": self.now} for each in others],
        )
        self.admin = await self.put(Member(email="admin@example.org", role="admin", name="Camille"))
        agents = [Member(email=f"agent{at}@example.org", role="agent") for at in range(10)]
        await self.put(*agents)
        for each in agents:
            await self.put(MemberInstitution(member_id=each.id, institution_id=self.institution.id))
        self.agent = agents[0]
        self.names |= {"member": str(self.agent.id), "admin": str(self.admin.id)}
        await self.link("sign-in token", self.agent)
        await self.put(Draft(member_id=self.admin.id, address="/organisation", typed={"text": "Un brouillon"}, saved_at=self.now))

    def _registration(self, email: str, **facts: Any) -> Registration:
        return Registration(forum_id=self.coming.id, email=email, email_key=email, given_name="Camille", family_name="Exemple", **facts)

    # -- A question ------------------------------------------------------------------------------------------------

    async def question(self) -> None:
        """One that went through the whole chain, and one of each that waits."""
        self.asked = await self.put(self._question("published", self.held))
        pending = await self.put(self._question("pending", self.coming))
        unconfirmed = await self.put(self._question("unconfirmed", self.coming))
        for question in (self.asked, pending):
            for institution in (self.institution, self.other):
                await self.put(QuestionInstitution(question_id=question.id, institution_id=institution.id, assigned_at=self.now))
        merged = self._question("merged", self.held)
        merged.merged_into_id = self.asked.id
        await self.put(merged)
        said = {"question_id": self.asked.id, "text": "Voici la réponse.", "outcome": "partly", "written_at": self.now - DAY}
        await self.put(Answer(**said, institution_id=self.institution.id, published_at=self.now - DAY))
        await self.put(Answer(**said, institution_id=self.other.id))
        supports = [
            Support(question_id=self.asked.id, email_key=f"soutien{at}", confirmed_at=self.now if at else None, email=f"s{at}@example.org")
            for at in range(40)
        ]
        await self.put(*supports)
        await self.link("support token", supports[0])
        await self.link("question token", unconfirmed)
        self.names |= {"question": self.asked.code, "pending": pending.code, "other institution": self.other.slug}

    def _question(self, status: Any, forum: Forum) -> Question:
        asked = self.now - 90 * DAY
        return Question(
            id=self.id(), code=self.code(), forum_id=forum.id, commitment_id=self.commitment.id, status=status, created_at=asked,
            invented=True,
            text="Quand la liste des marchés sera-t-elle publiée ?", context="Elle était promise.", email="q@example.org", mailed_at=asked,
            confirmed_at=None if status == "unconfirmed" else asked, author_key=self.code(), text_hash=self.code(),
            decided_at=asked + DAY if status in ("published", "merged") else None,
        )  # fmt: skip

    # -- An evening --------------------------------------------------------------------------------------------------

    async def agenda(self) -> None:
        for forum in (self.held, self.coming):
            for version in (0, 1):
                facts = {"forum_id": forum.id, "version": version, "number": 9, "position": 9, "title": "Point de l'exemple"}
                item = await self.put(AgendaItem(id=self.id(), **facts))
                document = {"forum_id": forum.id, "title": "Une note", "filename": "note.csv", "media_type": "text/csv"}
                kept = await self.put(Document(id=self.id(), code=self.code(), size=3, content=b"a,b", **document))
                ties = {"agenda_item_id": item.id}
                await self.put(
                    AgendaItemCommitment(**ties, commitment_id=self.commitment.id),
                    AgendaItemQuestion(**ties, question_id=self.asked.id),
                    AgendaItemDocument(**ties, document_id=kept.id),
                    Speaker(**ties, position=1, name="Camille", capacity="Cour des comptes"),
                )
                self.names |= {"item" if version == 0 else "public item": str(item.id), f"document {version}": kept.code}
                self.names["filename"] = "note.csv"

    async def minutes(self) -> None:
        written = (await self.session.exec(select(Minutes).where(Minutes.forum_id == self.held.id))).one()
        entries = select(MinutesEntry).where(MinutesEntry.minutes_id == written.id).order_by(col(MinutesEntry.number))
        self.entry = (await self.session.exec(entries)).all()[-1]
        self.names["passage"] = str(self.entry.number)
        tied = {each.question_id for each in (await self.session.exec(self._ties())).all()}
        if self.asked.id not in tied:
            await self.put(MinutesEntryQuestion(entry_id=self.entry.id, question_id=self.asked.id, outcome="answered"))
        about = select(MinutesEntryCommitment).where(MinutesEntryCommitment.entry_id == self.entry.id)
        if self.commitment.id not in {each.commitment_id for each in (await self.session.exec(about)).all()}:
            await self.put(MinutesEntryCommitment(entry_id=self.entry.id, commitment_id=self.commitment.id))
        assert written.published_at
        await keep_first_version(self.session, written)

    def _ties(self) -> Any:
        return select(MinutesEntryQuestion).where(MinutesEntryQuestion.entry_id == self.entry.id)

    async def promise(self) -> None:
        facts = {"forum_id": self.held.id, "entry_id": self.entry.id, "institution_id": self.institution.id, "text": "Publier la liste."}
        dates = {"due_on": (self.now - 5 * DAY).date(), "created_at": self.now - 40 * DAY}
        promise = await self.put(FollowUp(id=self.id(), code=self.code(), **facts, **dates, invented=True))
        await self.put(FollowUpCommitment(follow_up_id=promise.id, commitment_id=self.commitment.id))
        await self.put(FollowUpForum(follow_up_id=promise.id, forum_id=self.coming.id, said="Bientôt."))
        for kind in ("proposed", "amended"):
            await self.put(FollowUpChange(follow_up_id=promise.id, at=self.now - DAY, kind=kind, text="Publier une liste."))
        self.names["promise"] = promise.code

    # -- What is followed ----------------------------------------------------------------------------------------------

    async def followed(self) -> None:
        ids = {"commitment_id": self.commitment.id}
        facts = {"name": "Part des marchés", "unit": "%", "baseline": "10", "target": "100", "periodicity": "monthly"}
        indicator = await self.put(Indicator(id=self.id(), code=self.code(), **ids, position=90, **facts, invented=True))
        of_it = {"indicator_id": indicator.id, "institution_id": self.institution.id}
        values = [
            Measurement(id=self.id(), **of_it, measured_on=(self.now - 31 * at * DAY).date(), value=str(at), published_at=self.now)
            for at in range(1, 25)
        ]
        waiting = Measurement(id=self.id(), **of_it, measured_on=self.now.date(), value="25", status="proposed", proposed_at=self.now)
        await self.put(waiting, *values)
        await self.put(MeasurementChange(measurement_id=values[0].id, at=self.now, kind="published", value="1"))
        milestone = await self.put(Milestone(id=self.id(), **ids, position=90, text="Publier.", state="under_way"))
        period = {
            "period_start": (self.now - 90 * DAY).date(),
            "period_end": self.now.date(),
            "completion": "limited",
            "obstacles": "Le temps.",
        }
        report = await self.put(ProgressReport(id=self.id(), code=self.code(), **ids, institution_id=self.institution.id, **period))
        title = {"kind": "independent", "title": "Rapport de l'expert", "position": 90, "added_here": True}
        evaluation = await self.put(Evaluation(id=self.id(), code=self.code(), plan_id=self.plan.id, **ids, **title))
        self.names |= {
            "indicator": indicator.code, "measurement": str(waiting.id), "measured": str(values[0].id), "milestone": str(milestone.id),
            "report": report.code, "evaluation": evaluation.code,
        }  # fmt: skip

    async def comments(self, number: int) -> None:
        draft = await self.put(ActionPlan(id=self.id(), slug="projet", title="Projet de plan", draft=True, invented=True))
        subjects = [Commitment(id=self.id(), plan_id=draft.id, number=at, position=at, working_title=f"Projet {at}") for at in range(1, 6)]
        await self.put(*subjects)
        dates = {"opens_at": self.now - 10 * DAY, "closes_at": self.now + 10 * DAY, "synthesis_published_at": self.now}
        call = await self.put(Consultation(id=self.id(), plan_id=draft.id, introduction="Dites-nous.", synthesis="En bref.", **dates))
        changed = {"before": {"title": "Avant", "summary": ""}, "after": {"title": "Après", "summary": "Mieux dit."}}
        ids = {"id": self.id(), "code": self.code(), "commitment_id": subjects[0].id}
        amendment = await self.put(CommitmentAmendment(**ids, at=self.now, reason="Des commentaires.", **changed))
        replied = {"reply": "Le voici.", "replied_at": self.now, "reply_institution_id": self.institution.id, "amendment_id": amendment.id}
        said, pending, unconfirmed = [
            await self.put(Comment(**self._comment(call, subjects[0], status), **(replied if status == "published" else {})))
            for status in ("published", "pending", "unconfirmed")
        ]
        await self.link("comment token", unconfirmed)
        self.names |= {"comment": said.code, "pending comment": pending.code, "draft plan": draft.slug}
        crowd = [self._comment(call, self.random.choice([None, subjects[0], *subjects]), self._status()) for _ in range(number)]
        await self.many(Comment, crowd)

    def _status(self) -> str:
        return self.random.choices(["published", "pending", "declined"], [85, 10, 5])[0]

    def _comment(self, call: Consultation, subject: Commitment | None, status: str) -> dict[str, Any]:
        return {
            "id": self.id(), "code": self.code(), "consultation_id": call.id, "commitment_id": subject.id if subject else None,
            "text": "Il manque un calendrier à cet engagement.", "email": "c@example.org", "author_key": self.code(),
            "text_hash": self.code(),
            "status": status, "decline_reason": "Hors sujet." if status == "declined" else None, "created_at": self.now - DAY,
            "mailed_at": self.now - DAY, "confirmed_at": None if status == "unconfirmed" else self.now - DAY,
            "decided_at": self.now - DAY if status in ("published", "declined") else None,
        }  # fmt: skip

    # -- What organisers look back at --------------------------------------------------------------------------------------

    async def messages(self, number: int, events: int) -> None:
        told = emails.sign_in(self.admin, "jeton", not_after=self.now + DAY)
        facts = {"kind": told.kind, "recipient": told.recipient, "facts": told.facts, "forum_id": self.held.id}
        shown = await self.put(OutboxMessage(id=self.id(), **facts, status="failed", attempts=1, last_error="550", created_at=self.now))
        await self.put(DeliveryAttempt(message_id=shown.id, at=self.now, code=550, outcome="refused"))
        self.names |= {"message": str(shown.id), "journal page": str(max(1, events // 50))}
        statuses = ["sent", "sent", "sent", "sent", "waiting", "failed", "bounced", "dropped"]
        await self.many(
            OutboxMessage,
            [
                {**facts, "id": self.id(), "status": self.random.choice(statuses), "created_at": self.now - at * timedelta(minutes=10)}
                for at in range(number)
            ],
        )
        verbs = [("publish", "question abcd2345"), ("edit", "forum saison-1-1"), ("write", "answer abcd2345/administration-1")]
        done = [(at, self.random.choice(verbs)) for at in range(events)]
        await self.many(
            AuditEvent,
            [
                {
                    "id": self.id(),
                    "at": self.now - at * timedelta(minutes=5),
                    "member_id": self.admin.id,
                    "actor": "admin",
                    "verb": verb,
                    "subject": what,
                }
                for at, (verb, what) in done
            ],
        )
