"""A forum and what happens there: season, agenda, questions, minutes, and the links of the chain.

Times are stored in UTC and shown in Europe/Paris. What is not known yet, or was never found, is
NULL: a theme, a place, an hour, even a date.
"""

from datetime import UTC, date, datetime
from typing import Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint
from sqlmodel import AutoString, Field, SQLModel

from forums.models.columns import key, link_to, one_of, public_code

PARIS = ZoneInfo("Europe/Paris")

ForumStatus = Literal["draft", "announced", "cancelled"]
AgendaItemKind = Literal["plenary", "workshop", "restitution", "break"]
QuestionKind = Literal["question", "idea"]
QuestionStatus = Literal["unconfirmed", "pending", "published", "declined"]


def _now() -> datetime:
    return datetime.now(UTC)


class Season(SQLModel, table=True):
    """Saison: the forums of one cycle. Numbers restart with each one."""

    id: UUID = key()
    slug: str = Field(unique=True)
    title: str
    plan_id: UUID | None = link_to("action_plan", on_delete="SET NULL", nullable=True)
    invented: bool = False


class Forum(SQLModel, table=True):
    """Forum: one meeting, known by its season and number (`2018-2019-2`).

    `day` alone is set when the hours are unknown. `sequence` and `changed_at` are RFC 5545's
    SEQUENCE and DTSTAMP: they rise at every change a subscriber can see, and nothing else.
    `present` counts those welcomed on the evening; it stays when their names are purged.
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


class ForumCommitment(SQLModel, table=True):
    """A commitment (engagement) a forum is about."""

    __tablename__ = "forum_commitment"

    forum_id: UUID = Field(foreign_key="forum.id", ondelete="CASCADE", primary_key=True)
    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True, index=True)


class Question(SQLModel, table=True):
    """Question or idée, asked in advance. Public once published, at `/questions/{code}` for ever.

    `author_key` is a keyed hash of the address, so that sending the same text twice makes one row.
    """

    __table_args__ = (
        UniqueConstraint("author_key", "text_hash"),
        one_of("kind", QuestionKind),
        one_of("status", QuestionStatus),
        CheckConstraint("status <> 'declined' OR decline_reason IS NOT NULL", name="declined_with_a_reason"),
    )

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    forum_id: UUID | None = link_to("forum", on_delete="SET NULL", nullable=True)
    commitment_id: UUID | None = link_to("commitment", on_delete="SET NULL", nullable=True)
    kind: QuestionKind = Field(default="question", sa_type=AutoString)
    text: str
    context: str = ""
    email: str | None = None
    author_key: str
    text_hash: str
    author_name: str = ""
    show_name: bool = False
    language: str = "fr"
    status: QuestionStatus = Field(default="unconfirmed", sa_type=AutoString, index=True)
    decline_reason: str | None = None
    created_at: datetime = Field(default_factory=_now)
    mailed_at: datetime = Field(default_factory=_now)
    confirmed_at: datetime | None = None
    decided_at: datetime | None = None
    invented: bool = False


class AgendaItem(SQLModel, table=True):
    """Point de l'ordre du jour. Workshops of the same hour run in parallel, told apart by `track`."""

    __tablename__ = "agenda_item"
    __table_args__ = (one_of("kind", AgendaItemKind), CheckConstraint("ends_at > starts_at", name="hours"))

    id: UUID = key()
    forum_id: UUID = link_to("forum")
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


class Minutes(SQLModel, table=True):
    """Compte rendu of one forum."""

    id: UUID = key()
    forum_id: UUID = link_to("forum", unique=True)
    introduction: str = ""
    published_at: datetime | None = None
    amended_at: datetime | None = None


class MinutesEntry(SQLModel, table=True):
    """Passage of the minutes. `number` is its anchor (`#p-3`) for ever; Markdown is kept as it was typed."""

    __tablename__ = "minutes_entry"
    __table_args__ = (UniqueConstraint("minutes_id", "number"), CheckConstraint("number > 0", name="number"))

    id: UUID = key()
    minutes_id: UUID = link_to("minutes")
    number: int
    agenda_item_id: UUID | None = link_to("agenda_item", on_delete="SET NULL", nullable=True)
    title: str = ""
    text: str
    amended_at: datetime | None = None


class MinutesEntryCommitment(SQLModel, table=True):
    """A commitment a passage concerns."""

    __tablename__ = "minutes_entry_commitment"

    entry_id: UUID = Field(foreign_key="minutes_entry.id", ondelete="CASCADE", primary_key=True)
    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True, index=True)


class MinutesEntryQuestion(SQLModel, table=True):
    """A question a passage answers."""

    __tablename__ = "minutes_entry_question"

    entry_id: UUID = Field(foreign_key="minutes_entry.id", ondelete="CASCADE", primary_key=True)
    question_id: UUID = Field(foreign_key="question.id", ondelete="CASCADE", primary_key=True, index=True)
