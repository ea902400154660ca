"""People: those who register, those who run the forums, the secret links both hold, and the journal."""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import AutoString, Field, SQLModel

from forums.models.columns import key, link_to, one_of

Attendance = Literal["on_site", "remote"]
RegistrationStatus = Literal["pending", "registered", "waiting", "given_up", "walk_in"]
Role = Literal["admin", "organiser", "moderator", "agent"]
LinkPurpose = Literal["registration", "question", "sign_in", "subscription"]


def _now() -> datetime:
    return datetime.now(UTC)


class Registration(SQLModel, table=True):
    """Inscription. A waiting place (liste d'attente) is a status; `rank` keeps its strict order.

    `email_key` is a keyed hash of the normalised address: one per forum, whatever was typed.
    `bump` rises at each withdrawal and return, so that a calendar takes the next invitation as newer.
    `entry_code` is what the QR code of the confirmation holds: it opens nothing but the welcome desk's
    own page. Who comes without having registered is a `walk_in`, with neither address nor seat.
    """

    __table_args__ = (
        UniqueConstraint("forum_id", "email_key"),
        UniqueConstraint("forum_id", "entry_code", name="uq_registration_entry_code"),
        one_of("status", RegistrationStatus),
        one_of("attendance", Attendance),
        CheckConstraint("status <> 'waiting' OR rank IS NOT NULL", name="waiting_with_a_rank"),
    )

    id: UUID = key()
    forum_id: UUID = link_to("forum")
    email: str
    email_key: str
    given_name: str
    family_name: str
    organisation: str = ""
    attendance: Attendance = Field(default="on_site", sa_type=AutoString)
    accessibility_needs: str = ""
    show_name: bool = False
    wants_news: bool = False
    language: str = "fr"
    status: RegistrationStatus = Field(default="pending", sa_type=AutoString, index=True)
    rank: int | None = None
    bump: int = 0
    created_at: datetime = Field(default_factory=_now)
    mailed_at: datetime = Field(default_factory=_now)
    decided_at: datetime | None = None
    entry_code: str | None = None
    checked_in_at: datetime | None = None


class Subscription(SQLModel, table=True):
    """Abonnement to announcements, asked for and confirmed by its owner; ended by deleting the row."""

    id: UUID = key()
    email: str
    email_key: str = Field(unique=True)
    language: str = "fr"
    created_at: datetime = Field(default_factory=_now)


class RateCount(SQLModel, table=True):
    """How often something was done since `since`: what `limits` counts. `key` is a hash: no address is kept."""

    __tablename__ = "rate_count"

    key: str = Field(primary_key=True)
    since: datetime = Field(primary_key=True)
    count: int


class Member(SQLModel, table=True):
    """Organisateur, modérateur or agent; an agent belongs to an institution."""

    __table_args__ = (
        one_of("role", Role),
        CheckConstraint("role <> 'agent' OR institution_id IS NOT NULL", name="agent_of_an_institution"),
    )

    id: UUID = key()
    email: str = Field(unique=True)
    role: Role = Field(sa_type=AutoString)
    institution_id: UUID | None = link_to("institution", on_delete="RESTRICT", nullable=True)
    created_at: datetime = Field(default_factory=_now)
    link_mailed_at: datetime | None = None


class MemberSession(SQLModel, table=True):
    """A signed-in browser, known by the hash of its cookie's token. Ended by deleting the row."""

    __tablename__ = "member_session"

    token_hash: str = Field(primary_key=True)
    member_id: UUID = link_to("member")
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class SecretLink(SQLModel, table=True):
    """A mailed link: random, stored hashed, for one purpose and one object. Only a POST uses it."""

    __tablename__ = "secret_link"
    __table_args__ = (
        one_of("purpose", LinkPurpose),
        CheckConstraint(
            "(purpose = 'registration' AND registration_id IS NOT NULL)"
            " OR (purpose = 'question' AND question_id IS NOT NULL)"
            " OR (purpose = 'sign_in' AND member_id IS NOT NULL)"
            " OR (purpose = 'subscription' AND subscription_id IS NOT NULL)",
            name="its_object",
        ),
    )

    token_hash: str = Field(primary_key=True)
    purpose: LinkPurpose = Field(sa_type=AutoString)
    registration_id: UUID | None = link_to("registration", nullable=True)
    question_id: UUID | None = link_to("question", nullable=True)
    member_id: UUID | None = link_to("member", nullable=True)
    subscription_id: UUID | None = link_to("subscription", nullable=True)
    browser_hash: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None


class AuditEvent(SQLModel, table=True):
    """Journal: who did what to what, when. `actor` is the role, never an address."""

    __tablename__ = "audit_event"

    id: UUID = key()
    at: datetime = Field(index=True)
    member_id: UUID | None = link_to("member", on_delete="SET NULL", nullable=True)
    actor: str
    verb: str
    subject: str
    detail: str = ""
