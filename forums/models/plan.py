"""The action plan, what it promises, and how that is followed: commitments, indicators, reports, evaluations, comments.

Several plans live side by side; a commitment's number is unique within its plan only. What comes from a
plan's data file and what was added on the site (`added_here`) are told apart, so that loading the file
again touches its own rows only. What nobody has said yet is NULL, never a default.
"""

from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, UniqueConstraint
from sqlmodel import AutoString, Field, SQLModel

from forums.models.columns import index_of_some, key, link_to, one_of, public_code

InstitutionRole = Literal["lead", "partner"]
MilestoneState = Literal["not_started", "under_way", "done", "abandoned"]
Periodicity = Literal["once", "monthly", "quarterly", "half_yearly", "yearly"]
MeasurementStatus = Literal["proposed", "published", "withdrawn"]
MeasurementChangeKind = Literal["proposed", "published", "corrected", "withdrawn"]
ReportStatus = Literal["proposed", "published"]
# OGP's completion codes, as its Independent Reporting Mechanism writes them.
Completion = Literal["not_started", "limited", "substantial", "complete"]
EvaluationKind = Literal["independent", "self_assessment", "other"]
CommentStatus = Literal["unconfirmed", "pending", "published", "declined"]


def _now() -> datetime:
    return datetime.now(UTC)


class ActionPlan(SQLModel, table=True):
    """Plan d'action national (OGP: action plan). At most one is current; a `draft` one is open to comments, not followed yet.

    `starts_on` and `ends_on` are the days it runs between; they put plans in the order they continue one another.
    """

    __tablename__ = "action_plan"
    __table_args__ = (index_of_some("uq_action_plan_current", "current", where="current", unique=True),)

    id: UUID = key()
    slug: str = Field(unique=True)
    title: str
    title_en: str | None = None
    current: bool = False
    draft: bool = False
    invented: bool = False
    starts_on: date | None = None
    ends_on: date | None = None
    presented_on: date | None = None
    summary: str = ""
    sources: list[str] = Field(default_factory=list, sa_type=JSON)


class Axis(SQLModel, table=True):
    """Axe: France's grouping of commitments."""

    __table_args__ = (UniqueConstraint("plan_id", "number"),)

    id: UUID = key()
    plan_id: UUID = link_to("action_plan")
    number: int
    title: str
    title_en: str | None = None
    variants: list[str] = Field(default_factory=list, sa_type=JSON)


class Institution(SQLModel, table=True):
    """Administration: ministry, agency, court, independent authority; also any other partner."""

    id: UUID = key()
    slug: str = Field(unique=True)
    name: str


class Commitment(SQLModel, table=True):
    """Engagement. `official_title` only when it was seen in a source; otherwise `working_title` is shown as such."""

    __table_args__ = (UniqueConstraint("plan_id", "number"), CheckConstraint("number > 0", name="number"))

    id: UUID = key()
    plan_id: UUID = link_to("action_plan")
    axis_id: UUID | None = link_to("axis", on_delete="SET NULL", nullable=True)
    number: int
    position: int = 0
    ogp_code: str | None = None
    ogp_code_deduced: bool = False
    official_title: str | None = None
    working_title: str
    title_en: str | None = None
    summary: str = ""
    origin: str | None = None
    note: str | None = None
    milestones_note: str | None = None
    sources: list[str] = Field(default_factory=list, sa_type=JSON)

    @property
    def title(self) -> str:
        return self.official_title or self.working_title


class CommitmentContinuation(SQLModel, table=True):
    """A commitment continues an earlier one, named by its plan and number: that plan may be loaded later, or never."""

    __tablename__ = "commitment_continuation"

    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True)
    plan_slug: str = Field(primary_key=True)
    number: int = Field(primary_key=True)


class CommitmentInstitution(SQLModel, table=True):
    """Porteur (lead) or partie prenante (partner) of a commitment."""

    __tablename__ = "commitment_institution"
    __table_args__ = (one_of("role", InstitutionRole),)

    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True)
    institution_id: UUID = Field(foreign_key="institution.id", ondelete="CASCADE", primary_key=True, index=True)
    role: InstitutionRole = Field(sa_type=AutoString)
    position: int = 0


class Milestone(SQLModel, table=True):
    """Jalon: free text for the due date ("2018 ou 2019" is real), plus a date when one can be told.

    `state` is what the institution or the organisers last said of it, with `evidence_url`; NULL when nobody has.
    """

    __table_args__ = (one_of("state", MilestoneState), CheckConstraint("done_on IS NULL OR state = 'done'", name="done_when"))

    id: UUID = key()
    commitment_id: UUID = link_to("commitment")
    position: int
    text: str
    due_text: str | None = None
    due_on: date | None = None
    state: MilestoneState | None = Field(default=None, sa_type=AutoString)
    done_on: date | None = None
    state_note: str = ""
    evidence_url: str | None = None
    state_changed_at: datetime | None = None
    edition: int = 0


class Indicator(SQLModel, table=True):
    """Indicateur of a commitment, defined with the administration that carries it; known by its `code` for ever.

    `periodicity` says how often a measurement is due, counted from the last one, or from `first_due_on`.
    """

    __table_args__ = (UniqueConstraint("commitment_id", "added_here", "position"), one_of("periodicity", Periodicity))

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    commitment_id: UUID = link_to("commitment")
    added_here: bool = False
    position: int
    name: str
    unit: str = ""
    baseline: str | None = None
    baseline_on: date | None = None
    target: str | None = None
    target_on: date | None = None
    periodicity: Periodicity | None = Field(default=None, sa_type=AutoString)
    first_due_on: date | None = None
    source: str | None = None
    edition: int = 0
    invented: bool = False


class Measurement(SQLModel, table=True):
    """Mesure of an indicator: a date, a value as published, a source.

    An institution proposes it, an organiser publishes it; the public reads what is `published`. Its earlier
    values stay in `MeasurementChange`. One that came with the plan's file has no institution.
    """

    __table_args__ = (UniqueConstraint("indicator_id", "measured_on"), one_of("status", MeasurementStatus))

    id: UUID = key()
    indicator_id: UUID = link_to("indicator")
    measured_on: date
    value: str
    source: str | None = None
    source_url: str | None = None
    note: str = ""
    status: MeasurementStatus = Field(default="published", sa_type=AutoString)
    institution_id: UUID | None = link_to("institution", on_delete="SET NULL", nullable=True)
    edition: int = 0
    proposed_at: datetime | None = None
    published_at: datetime | None = None
    corrected_at: datetime | None = None


class MeasurementChange(SQLModel, table=True):
    """Étape of a measurement, its history: `value` and `source` are those from then on, `reason` why they were corrected.

    The public reads those from the publication on.
    """

    __tablename__ = "measurement_change"
    __table_args__ = (one_of("kind", MeasurementChangeKind),)

    id: UUID = key()
    measurement_id: UUID = link_to("measurement")
    at: datetime
    kind: MeasurementChangeKind = Field(sa_type=AutoString)
    value: str
    source: str | None = None
    reason: str = ""
    institution_id: UUID | None = link_to("institution", on_delete="SET NULL", nullable=True)


class ProgressReport(SQLModel, table=True):
    """Point d'étape of a commitment over a period, by an institution that carries it: OGP's completion, and what stands in the way.

    `obstacles` is mandatory when not started or limited; `evidence` holds `{"title", "url"}`.
    """

    __tablename__ = "progress_report"
    __table_args__ = (
        UniqueConstraint("commitment_id", "institution_id", "period_start"),
        one_of("completion", Completion),
        one_of("status", ReportStatus),
        CheckConstraint("period_end >= period_start", name="period"),
        CheckConstraint("completion IN ('substantial', 'complete') OR obstacles <> ''", name="obstacles_when_little_is_done"),
    )

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    commitment_id: UUID = link_to("commitment")
    institution_id: UUID = link_to("institution")
    period_start: date
    period_end: date
    completion: Completion = Field(sa_type=AutoString)
    text: str = ""
    obstacles: str = ""
    evidence: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    status: ReportStatus = Field(default="proposed", sa_type=AutoString)
    edition: int = 0
    written_at: datetime = Field(default_factory=_now)
    published_at: datetime | None = None
    amended_at: datetime | None = None
    invented: bool = False


class Evaluation(SQLModel, table=True):
    """Évaluation of a plan or of one commitment, by somebody else or by the administration, with its source.

    `date_text` is the date as found ("2021, à vérifier"); `completion` only when the source gives OGP's code.
    """

    __table_args__ = (
        UniqueConstraint("plan_id", "added_here", "position"),
        one_of("kind", EvaluationKind),
        one_of("completion", Completion),
    )

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    plan_id: UUID = link_to("action_plan")
    commitment_id: UUID | None = link_to("commitment", nullable=True)
    added_here: bool = False
    position: int
    kind: EvaluationKind = Field(sa_type=AutoString)
    title: str
    author: str = ""
    dated: date | None = None
    date_text: str = ""
    findings: str = ""
    completion: Completion | None = Field(default=None, sa_type=AutoString)
    source_url: str | None = None
    edition: int = 0
    added_at: datetime = Field(default_factory=_now)
    invented: bool = False


class Consultation(SQLModel, table=True):
    """Appel à commentaires on a draft plan: open between two moments, then summed up."""

    __table_args__ = (CheckConstraint("closes_at > opens_at", name="moments"),)

    id: UUID = key()
    plan_id: UUID = link_to("action_plan", unique=True)
    introduction: str = ""
    opens_at: datetime
    closes_at: datetime
    synthesis: str = ""
    synthesis_published_at: datetime | None = None
    edition: int = 0
    invented: bool = False


class CommitmentAmendment(SQLModel, table=True):
    """Modification of a draft commitment, shown as before and after, with why. `before` and `after` hold title and summary."""

    __tablename__ = "commitment_amendment"

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    commitment_id: UUID = link_to("commitment")
    at: datetime
    reason: str
    before: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    after: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Comment(SQLModel, table=True):
    """Commentaire on a draft plan or one of its commitments: confirmed by e-mail, moderated, replied to; `/commentaires/{code}`.

    As for questions: `author_key` is a keyed hash of the address, `original_text` what was written before personal
    data was taken out. `amendment_id` is the change it led to.
    """

    __table_args__ = (
        UniqueConstraint("author_key", "text_hash"),
        one_of("status", CommentStatus),
        CheckConstraint("status <> 'declined' OR decline_reason IS NOT NULL", name="declined_with_a_reason"),
        CheckConstraint("replied_at IS NULL OR reply <> ''", name="a_reply_that_says_something"),
    )

    id: UUID = key()
    code: str = Field(default_factory=public_code, unique=True)
    consultation_id: UUID = link_to("consultation")
    commitment_id: UUID | None = link_to("commitment", on_delete="SET NULL", nullable=True)
    text: str
    email: str | None = None
    author_key: str
    text_hash: str
    author_name: str = ""
    organisation: str = ""
    show_name: bool = False
    language: str = "fr"
    status: CommentStatus = Field(default="unconfirmed", sa_type=AutoString, index=True)
    decline_reason: str | None = None
    original_text: str | None = None
    reply: str = ""
    reply_institution_id: UUID | None = link_to("institution", on_delete="SET NULL", nullable=True)
    replied_at: datetime | None = None
    amendment_id: UUID | None = link_to("commitment_amendment", on_delete="SET NULL", nullable=True)
    edition: int = 0
    created_at: datetime = Field(default_factory=_now)
    mailed_at: datetime = Field(default_factory=_now)
    confirmed_at: datetime | None = None
    decided_at: datetime | None = None
    invented: bool = False
