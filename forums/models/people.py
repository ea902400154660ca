"""People: those who register, those who run the forums, the secret links both hold, and the journal."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint
from sqlmodel import AutoString, Field, SQLModel

from forums.models.columns import index_of_some, key, link_to, one_of, public_code

Attendance = Literal["on_site", "remote"]
RegistrationStatus = Literal["pending", "registered", "waiting", "given_up", "walk_in"]
Role = Literal["admin", "organiser", "moderator", "agent"]
LinkPurpose = Literal["registration", "question", "sign_in", "subscription", "support", "comment"]
Rhythm = Literal["immediate", "weekly"]


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
    """Abonnement of an address, and its rhythm; what it follows are its `SubscriptionScope`s. Ended by deleting the row.

    `told_until` is the moment up to which a weekly digest has told everything.
    """

    __table_args__ = (one_of("rhythm", Rhythm),)

    id: UUID = key()
    email: str
    email_key: str = Field(unique=True)
    language: str = "fr"
    rhythm: Rhythm = Field(default="immediate", sa_type=AutoString)
    told_until: datetime | None = None
    created_at: datetime = Field(default_factory=_now)
    mailed_at: datetime = Field(default_factory=_now)


class SubscriptionScope(SQLModel, table=True):
    """What a subscription follows, once confirmed: `annonces` (new forums), `tout`, or the address of one object.

    An axis is `plans/2018-2020/axes/1`, a commitment `plans/2018-2020/engagements/2`, an institution
    `institutions/{slug}`, a question `questions/{code}`: it is followed by what names it in public.
    """

    __tablename__ = "subscription_scope"

    subscription_id: UUID = Field(foreign_key="subscription.id", ondelete="CASCADE", primary_key=True)
    scope: str = Field(primary_key=True, index=True)
    asked_at: datetime = Field(default_factory=_now)
    confirmed_at: datetime | None = None


class RateCount(SQLModel, table=True):
    """How often something was done since `since`: what `limits` counts. `key` is a hash: no address is kept."""

    __tablename__ = "rate_count"

    key: str = Field(primary_key=True)
    since: datetime = Field(primary_key=True)
    count: int


class Member(SQLModel, table=True):
    """Organisateur, modérateur or agent; an agent belongs to one or several institutions.

    `oidc_subject` is who they are for the identity provider, once they came in through it.
    """

    __table_args__ = (one_of("role", Role),)

    id: UUID = key()
    email: str = Field(unique=True)
    name: str = ""
    role: Role = Field(sa_type=AutoString)
    oidc_subject: str | None = Field(default=None, unique=True)
    created_at: datetime = Field(default_factory=_now)
    link_mailed_at: datetime | None = None


class MemberInstitution(SQLModel, table=True):
    """An institution an agent speaks for."""

    __tablename__ = "member_institution"

    member_id: UUID = Field(foreign_key="member.id", ondelete="CASCADE", primary_key=True)
    institution_id: UUID = Field(foreign_key="institution.id", ondelete="RESTRICT", primary_key=True, index=True)


class MemberSession(SQLModel, table=True):
    """A signed-in browser, known by the hash of its cookie's token. Ended by deleting the row.

    `code` names it on the page where its member may end it; `browser` is what it says of itself, in two
    words. `id_token` is what OpenID Connect's logout asks for.
    """

    __tablename__ = "member_session"

    token_hash: str = Field(primary_key=True)
    code: str = Field(default_factory=public_code, unique=True)
    member_id: UUID = link_to("member")
    browser: str = ""
    id_token: str | None = None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class OidcAttempt(SQLModel, table=True):
    """A sign-in begun at the identity provider (OpenID Connect): what its answer must match, used once."""

    __tablename__ = "oidc_attempt"

    state_hash: str = Field(primary_key=True)
    browser_hash: str
    nonce: str
    verifier: str
    suite: str = ""
    created_at: datetime
    expires_at: datetime = Field(index=True)


class Draft(SQLModel, table=True):
    """Brouillon: what a member was typing in a form of the back office, saved as they go; `address` is the form's."""

    member_id: UUID = Field(foreign_key="member.id", ondelete="CASCADE", primary_key=True)
    address: str = Field(primary_key=True)
    typed: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    edition: int = 0
    saved_at: datetime = Field(index=True)


class SecretLink(SQLModel, table=True):
    """A mailed link: random, stored hashed, for one purpose and one object. Only a POST uses it."""

    __tablename__ = "secret_link"
    __table_args__ = (
        one_of("purpose", LinkPurpose),
        CheckConstraint(
            "(purpose = 'registration' AND registration_id IS NOT NULL)"
            " OR (purpose = 'question' AND question_id IS NOT NULL)"
            " OR (purpose = 'sign_in' AND member_id IS NOT NULL)"
            " OR (purpose = 'subscription' AND subscription_id IS NOT NULL)"
            " OR (purpose = 'support' AND support_id IS NOT NULL)"
            " OR (purpose = 'comment' AND comment_id IS NOT NULL)",
            name="its_object",
        ),
    )

    token_hash: str = Field(primary_key=True)
    purpose: LinkPurpose = Field(sa_type=AutoString)
    registration_id: UUID | None = link_to("registration", nullable=True)
    question_id: UUID | None = link_to("question", nullable=True)
    member_id: UUID | None = link_to("member", nullable=True)
    subscription_id: UUID | None = link_to("subscription", nullable=True)
    support_id: UUID | None = link_to("support", nullable=True)
    comment_id: UUID | None = link_to("comment", nullable=True)
    browser_hash: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None


class AuditEvent(SQLModel, table=True):
    """Journal: who did what to what, when. `actor` is the role, and the name once its member is removed; never an address."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_at_id", "at", "id"),
        Index("ix_audit_event_subject_at", "subject", "at"),
        index_of_some("ix_audit_event_settled", "subject", "at", where="verb IN ('settle_dates', 'settle_season')"),
    )

    id: UUID = key()
    at: datetime
    member_id: UUID | None = link_to("member", on_delete="SET NULL", nullable=True)
    actor: str
    verb: str
    subject: str
    detail: str = ""


class ClockMark(SQLModel, table=True):
    """Repère of the clock: up to which moment a work that goes on for ever has been done."""

    __tablename__ = "clock_mark"

    name: str = Field(primary_key=True)
    at: datetime
