"""A forum and what happens there: season, agenda, questions, minutes, and the links of the chain.

Times are stored in UTC and shown in Europe/Paris. What is not known yet, or was never found, is
NULL: a theme, a place, an hour, even a date.
"""

from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint
from sqlmodel import AutoString, Field, SQLModel

from forums.models.columns import key, link_to, one_of, public_code

PARIS = ZoneInfo("Europe/Paris")

ForumStatus = Literal["draft", "announced", "cancelled"]
StepKind = Literal["announce", "theme", "place", "questions", "agenda", "reminder", "evening", "minutes", "follow_ups"]
AgendaItemKind = Literal["plenary", "workshop", "restitution", "break", "follow_ups"]
QuestionKind = Literal["question", "idea"]
QuestionStatus = Literal["unconfirmed", "pending", "published", "declined", "merged", "unpublished"]
Outcome = Literal["answered", "partly", "deferred", "refused"]
FollowUpKind = Literal["promise", "cooperation"]
FollowUpStatus = Literal["open", "kept", "dropped"]
FollowUpChangeKind = Literal["proposed", "kept", "dropped", "reopened", "amended"]


def _now() -> datetime:
    return datetime.now(UTC)


def _with_what_it_says() -> tuple[CheckConstraint, CheckConstraint, CheckConstraint]:
    """An outcome that defers says until when; one that refuses says why."""
    return (
        one_of("outcome", Outcome),
        CheckConstraint("outcome <> 'deferred' OR deferred_to IS NOT NULL", name="deferred_to_a_date"),
        CheckConstraint("outcome <> 'refused' OR reason IS NOT NULL", name="refused_with_a_reason"),
    )


class Season(SQLModel, table=True):
    """Saison: the forums of one cycle. Numbers restart with each one.

    The days of each step are counted from the evening, before it or after it; a forum may have its own
    date for any of them (`ForumStep`). `agents_publish` lets agents publish their institution's answers
    themselves, from the evening on; otherwise an organiser does.
    """

    __table_args__ = (
        CheckConstraint("announce_days >= 0 AND theme_days >= 0 AND questions_days >= 0 AND agenda_days >= 0", name="days_before"),
        CheckConstraint("minutes_days >= 0 AND follow_ups_days >= 0", name="days_after"),
    )

    id: UUID = key()
    slug: str = Field(unique=True)
    title: str
    plan_id: UUID | None = link_to("action_plan", on_delete="SET NULL", nullable=True)
    announce_days: int = 60
    theme_days: int = 30
    questions_days: int = 15
    agenda_days: int = 7
    minutes_days: int = 10
    follow_ups_days: int = 30
    agents_publish: bool = False
    invented: bool = False


class Forum(SQLModel, table=True):
    """Forum: one meeting, known by its season and number (`2018-2019-2`).

    `day` alone is set when the hours are unknown. `sequence` and `changed_at` are RFC 5545's
    SEQUENCE and DTSTAMP: they rise at every change a subscriber can see, and nothing else.
    `present` counts those welcomed on the evening; it stays when their names are purged.
    `agenda_version` is the number of the agenda the public sees; 0 while none was published.
    """

    __table_args__ = (
        UniqueConstraint("season_id", "number"),
        one_of("status", ForumStatus),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("ends_at > starts_at", name="hours"),
        CheckConstraint("(starts_at IS NULL) = (ends_at IS NULL)", name="both_hours"),
        CheckConstraint("seats_taken >= 0 AND seats_taken <= capacity", name="seats"),
        CheckConstraint("remote_taken >= 0 AND remote_taken <= remote_capacity", name="remote_seats"),
        CheckConstraint("sequence >= 0", name="sequence"),
        CheckConstraint("present >= 0", name="present"),
        CheckConstraint("agenda_version >= 0", name="agenda_version"),
        Index("ix_forum_day", "day"),
    )

    id: UUID = key()
    uid: str = Field(default_factory=lambda: str(uuid4()), unique=True)
    season_id: UUID = link_to("season")
    number: int
    slug: str = Field(unique=True)
    status: ForumStatus = Field(default="draft", sa_type=AutoString)
    theme: str | None = None
    description: str = ""
    day: date | None = None
    moment: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    place: str | None = None
    address: str | None = None
    online_url: str | None = None
    organisers: list[str] = Field(default_factory=list, sa_type=JSON)
    capacity: int = 0
    seats_taken: int = 0
    remote_capacity: int = 0
    remote_taken: int = 0
    waiting_counter: int = 0
    present: int = 0
    registration_opens_at: datetime | None = None
    registration_closes_at: datetime | None = None
    promotions_end_at: datetime | None = None
    questions_close_at: datetime | None = None
    sequence: int = 0
    changed_at: datetime = Field(default_factory=_now)
    created_at: datetime = Field(default_factory=_now)
    announced_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    agenda_published_at: datetime | None = None
    agenda_version: int = 0
    reminded_week_at: datetime | None = None
    reminded_eve_at: datetime | None = None
    purged_at: datetime | None = None
    # Facts about past forums that were found, or not.
    participants: str | None = None
    minutes_elsewhere: str | None = None
    minutes_elsewhere_on: date | None = None
    note: str | None = None
    sources: list[str] = Field(default_factory=list, sa_type=JSON)
    invented: bool = False

    @property
    def local_start(self) -> datetime | None:
        return self.starts_at.astimezone(PARIS) if self.starts_at else None

    @property
    def local_end(self) -> datetime | None:
        return self.ends_at.astimezone(PARIS) if self.ends_at else None

    def is_past(self, now: datetime) -> bool:
        """Over at `now`; a forum known by its day alone is over when that day has ended in Paris."""
        if self.ends_at:
            return self.ends_at <= now
        return self.day is not None and self.day < now.astimezone(PARIS).date()


class ForumStep(SQLModel, table=True):
    """Échéance of one forum that differs from its season's: the day this step is due by."""

    __tablename__ = "forum_step"
    __table_args__ = (one_of("kind", StepKind),)

    forum_id: UUID = Field(foreign_key="forum.id", ondelete="CASCADE", primary_key=True)
    kind: StepKind = Field(sa_type=AutoString, primary_key=True)
    due_on: date


class ForumCommitment(SQLModel, table=True):
    """A commitment (engagement) a forum is about."""

    __tablename__ = "forum_commitment"

    forum_id: UUID = Field(foreign_key="forum.id", ondelete="CASCADE", primary_key=True)
    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True, index=True)


class Question(SQLModel, table=True):
    """Question or idée, asked in advance. Public once published, at `/questions/{code}` for ever.

    `author_key` is a keyed hash of the address, so that sending the same text twice makes one row.
    A merged question keeps its address and says where it went. `original_text` and `original_context` are
    what the author wrote, kept once a moderator has taken personal data out. `edition` rises at each
    change a member makes: who saved from an older one is told, and overwrites nothing.
    """

    __table_args__ = (
        UniqueConstraint("author_key", "text_hash"),
        one_of("kind", QuestionKind),
        one_of("status", QuestionStatus),
        CheckConstraint("status NOT IN ('declined', 'unpublished') OR decline_reason IS NOT NULL", name="declined_with_a_reason"),
        CheckConstraint("(status = 'merged') = (merged_into_id IS NOT NULL)", name="merged_into_another"),
        CheckConstraint("merged_into_id <> id", name="not_into_itself"),
        Index("ix_question_decided_at", "decided_at", "code"),  # the open data reads published and merged ones together
        Index("ix_question_status_decided_at", "status", "decided_at", "code", "id", "edition"),
        Index("ix_question_status_confirmed_at", "status", "confirmed_at", "code"),
        Index("ix_question_forum_id_created_at", "forum_id", "created_at", "code", "status"),
        Index("ix_question_commitment_id_created_at", "commitment_id", "created_at", "code", "status"),
    )

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    forum_id: UUID | None = link_to("forum", on_delete="SET NULL", nullable=True, index=False)
    commitment_id: UUID | None = link_to("commitment", on_delete="SET NULL", nullable=True, index=False)
    kind: QuestionKind = Field(default="question", sa_type=AutoString)
    text: str
    context: str = ""
    email: str | None = None
    author_key: str
    text_hash: str
    author_name: str = ""
    show_name: bool = False
    language: str = "fr"
    status: QuestionStatus = Field(default="unconfirmed", sa_type=AutoString)
    decline_reason: str | None = None
    merged_into_id: UUID | None = link_to("question", on_delete="RESTRICT", nullable=True)
    original_text: str | None = None
    original_context: str | None = None
    edition: int = 0
    created_at: datetime = Field(default_factory=_now)
    mailed_at: datetime = Field(default_factory=_now)
    confirmed_at: datetime | None = None
    decided_at: datetime | None = None
    invented: bool = False


class Support(SQLModel, table=True):
    """Soutien of a question: one per person, counted once confirmed from their mailbox.

    `email_key` is a keyed hash of the address; the address itself is forgotten once confirmed, unless
    the person asked to be told of the answer.
    """

    __table_args__ = (UniqueConstraint("question_id", "email_key"),)

    id: UUID = key()
    question_id: UUID = link_to("question")
    email: str | None = None
    email_key: str
    wants_news: bool = False
    language: str = "fr"
    created_at: datetime = Field(default_factory=_now)
    mailed_at: datetime = Field(default_factory=_now)
    confirmed_at: datetime | None = None


class QuestionInstitution(SQLModel, table=True):
    """An institution a question is routed to: its agents see it and prepare an answer."""

    __tablename__ = "question_institution"

    question_id: UUID = Field(foreign_key="question.id", ondelete="CASCADE", primary_key=True)
    institution_id: UUID = Field(foreign_key="institution.id", ondelete="CASCADE", primary_key=True, index=True)
    assigned_at: datetime = Field(default_factory=_now, index=True)


class Answer(SQLModel, table=True):
    """Réponse of one institution to a question: prepared in private, then published with its outcome.

    `edition` rises at each change: who saved from an older one is shown both texts, and overwrites nothing.
    """

    __table_args__ = (
        UniqueConstraint("question_id", "institution_id"),
        Index("ix_answer_published_at", "published_at", "question_id"),
        Index("ix_answer_amended_at", "amended_at"),
        *_with_what_it_says(),
    )

    id: UUID = key()
    question_id: UUID = link_to("question")
    institution_id: UUID = link_to("institution")
    text: str = ""
    outcome: Outcome = Field(default="answered", sa_type=AutoString)
    deferred_to: date | None = None
    reason: str | None = None
    edition: int = 0
    written_at: datetime = Field(default_factory=_now)
    published_at: datetime | None = None
    amended_at: datetime | None = None
    invented: bool = False


class AgendaVersion(SQLModel, table=True):
    """Version of an agenda as it was published, with what it changes in the organisers' words."""

    __tablename__ = "agenda_version"
    __table_args__ = (UniqueConstraint("forum_id", "number"), CheckConstraint("number > 0", name="number"))

    id: UUID = key()
    forum_id: UUID = link_to("forum")
    number: int
    comment: str = ""
    published_at: datetime


class AgendaItem(SQLModel, table=True):
    """Point de l'ordre du jour. Workshops of the same hour run in parallel, told apart by `track`.

    Version 0 is what organisers prepare; publishing copies each item, with all it is tied to, under the
    number of the new version. `number` is an item's own through all versions.
    """

    __tablename__ = "agenda_item"
    __table_args__ = (
        UniqueConstraint("forum_id", "version", "number"),
        one_of("kind", AgendaItemKind),
        CheckConstraint("ends_at > starts_at", name="hours"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("version >= 0", name="version"),
    )

    id: UUID = key()
    forum_id: UUID = link_to("forum")
    version: int = 0
    number: int
    edition: int = 0
    position: int
    kind: AgendaItemKind = Field(default="plenary", sa_type=AutoString)
    title: str
    description: str = ""
    track: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class AgendaItemCommitment(SQLModel, table=True):
    """A commitment an agenda item is about."""

    __tablename__ = "agenda_item_commitment"

    agenda_item_id: UUID = Field(foreign_key="agenda_item.id", ondelete="CASCADE", primary_key=True)
    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True, index=True)


class AgendaItemQuestion(SQLModel, table=True):
    """A question put on the agenda."""

    __tablename__ = "agenda_item_question"

    agenda_item_id: UUID = Field(foreign_key="agenda_item.id", ondelete="CASCADE", primary_key=True)
    question_id: UUID = Field(foreign_key="question.id", ondelete="CASCADE", primary_key=True, index=True)


class Speaker(SQLModel, table=True):
    """Intervenant of an agenda item: a name, and in what capacity they speak."""

    __table_args__ = (UniqueConstraint("agenda_item_id", "position"),)

    id: UUID = key()
    agenda_item_id: UUID = link_to("agenda_item")
    position: int
    name: str
    capacity: str = ""


class Document(SQLModel, table=True):
    """Document of a forum: a file organisers give, kept as it came, offered with its format and size in bytes."""

    __table_args__ = (CheckConstraint("size > 0", name="size"),)

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    forum_id: UUID = link_to("forum")
    title: str
    filename: str
    media_type: str
    size: int
    content: bytes
    added_at: datetime = Field(default_factory=_now)


class AgendaItemDocument(SQLModel, table=True):
    """A document an agenda item is discussed with."""

    __tablename__ = "agenda_item_document"

    agenda_item_id: UUID = Field(foreign_key="agenda_item.id", ondelete="CASCADE", primary_key=True)
    document_id: UUID = Field(foreign_key="document.id", ondelete="CASCADE", primary_key=True, index=True)


class Minutes(SQLModel, table=True):
    """Compte rendu of one forum."""

    id: UUID = key()
    forum_id: UUID = link_to("forum", unique=True)
    introduction: str = ""
    published_at: datetime | None = None
    amended_at: datetime | None = None


class MinutesVersion(SQLModel, table=True):
    """Version of the minutes as they were published: every passage and its links, readable for ever."""

    __tablename__ = "minutes_version"
    __table_args__ = (UniqueConstraint("minutes_id", "number"), CheckConstraint("number > 0", name="number"))

    id: UUID = key()
    minutes_id: UUID = link_to("minutes")
    number: int
    comment: str = ""
    published_at: datetime
    content: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)


class MinutesEntry(SQLModel, table=True):
    """Passage of the minutes. `number` is its anchor (`#p-3`) for ever; Markdown is kept as it was typed.

    `edition` rises at each change: who saved from an older one is shown both texts, and overwrites nothing.
    """

    __tablename__ = "minutes_entry"
    __table_args__ = (UniqueConstraint("minutes_id", "number"), CheckConstraint("number > 0", name="number"))

    id: UUID = key()
    minutes_id: UUID = link_to("minutes")
    number: int
    agenda_item_id: UUID | None = link_to("agenda_item", on_delete="SET NULL", nullable=True)
    title: str = ""
    text: str
    edition: int = 0
    amended_at: datetime | None = None


class MinutesEntryCommitment(SQLModel, table=True):
    """A commitment a passage concerns."""

    __tablename__ = "minutes_entry_commitment"

    entry_id: UUID = Field(foreign_key="minutes_entry.id", ondelete="CASCADE", primary_key=True)
    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True, index=True)


class MinutesEntryQuestion(SQLModel, table=True):
    """A question a passage is about, and what came of it there."""

    __tablename__ = "minutes_entry_question"
    __table_args__ = _with_what_it_says()

    entry_id: UUID = Field(foreign_key="minutes_entry.id", ondelete="CASCADE", primary_key=True)
    question_id: UUID = Field(foreign_key="question.id", ondelete="CASCADE", primary_key=True, index=True)
    outcome: Outcome = Field(default="answered", sa_type=AutoString)
    deferred_to: date | None = None
    reason: str | None = None


class FollowUp(SQLModel, table=True):
    """Suite à donner: who promised what by when, or a cooperation begun between partners; at `/suites/{code}` for ever.

    It comes from a passage of the minutes. `owner` is who holds it when that is no institution we know.
    """

    __tablename__ = "follow_up"
    __table_args__ = (
        one_of("kind", FollowUpKind),
        one_of("status", FollowUpStatus),
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed_when"),
        CheckConstraint("status <> 'kept' OR evidence IS NOT NULL", name="kept_with_evidence"),
        CheckConstraint("status <> 'dropped' OR drop_reason IS NOT NULL", name="dropped_with_a_reason"),
    )

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    forum_id: UUID = link_to("forum")
    entry_id: UUID | None = link_to("minutes_entry", on_delete="SET NULL", nullable=True)
    kind: FollowUpKind = Field(default="promise", sa_type=AutoString)
    text: str
    institution_id: UUID | None = link_to("institution", on_delete="SET NULL", nullable=True)
    owner: str = ""
    partners: str = ""
    due_on: date | None = None
    status: FollowUpStatus = Field(default="open", sa_type=AutoString, index=True)
    evidence: str | None = None
    evidence_url: str | None = None
    drop_reason: str | None = None
    edition: int = 0
    created_at: datetime = Field(default_factory=_now)
    closed_at: datetime | None = None
    invented: bool = False

    def days_late(self, now: datetime) -> int:
        """How many days of Paris have passed since an open promise was due; 0 while it is not late."""
        if self.status != "open" or self.due_on is None:
            return 0
        return max(0, (now.astimezone(PARIS).date() - self.due_on).days)


class FollowUpCommitment(SQLModel, table=True):
    """A commitment a promise bears on."""

    __tablename__ = "follow_up_commitment"

    follow_up_id: UUID = Field(foreign_key="follow_up.id", ondelete="CASCADE", primary_key=True)
    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True, index=True)


class FollowUpForum(SQLModel, table=True):
    """A later forum a promise was carried to, and what was said of it there.

    One taken off again keeps its row, with `uncarried_at`, so that the clock does not carry it back.
    """

    __tablename__ = "follow_up_forum"

    follow_up_id: UUID = Field(foreign_key="follow_up.id", ondelete="CASCADE", primary_key=True)
    forum_id: UUID = Field(foreign_key="forum.id", ondelete="CASCADE", primary_key=True, index=True)
    carried_at: datetime = Field(default_factory=_now)
    entry_id: UUID | None = link_to("minutes_entry", on_delete="SET NULL", nullable=True)
    said: str = ""
    uncarried_at: datetime | None = None


class FollowUpChange(SQLModel, table=True):
    """Étape of a promise, its public history: kept with evidence, dropped or reopened with a reason, reworded.

    `text` is the evidence, the reason, or the wording before (`due_on` its date). What its institution
    proposes as evidence is the one kind the public does not read.
    """

    __tablename__ = "follow_up_change"
    __table_args__ = (one_of("kind", FollowUpChangeKind),)

    id: UUID = key()
    follow_up_id: UUID = link_to("follow_up")
    at: datetime
    kind: FollowUpChangeKind = Field(sa_type=AutoString)
    text: str
    url: str | None = None
    due_on: date | None = None
    forum_id: UUID | None = link_to("forum", on_delete="SET NULL", nullable=True)
