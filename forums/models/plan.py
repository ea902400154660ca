"""The action plan and what it promises: axes, commitments, institutions, milestones, indicators.

Several plans live side by side; a commitment's number is unique within its plan only.
"""

from datetime import date
from typing import Literal
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import AutoString, Field, SQLModel

from forums.models.columns import key, link_to, one_of

InstitutionRole = Literal["lead", "partner"]


class ActionPlan(SQLModel, table=True):
    """Plan d'action national (OGP: action plan). At most one is current."""

    __tablename__ = "action_plan"
    __table_args__ = (
        Index("uq_action_plan_current", "current", unique=True, sqlite_where=text("current"), postgresql_where=text("current")),
    )

    id: UUID = key()
    slug: str = Field(unique=True)
    title: str
    title_en: str | None = None
    current: bool = False
    invented: bool = False
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


class CommitmentInstitution(SQLModel, table=True):
    """Porteur (lead) or partie prenante (partner) of a commitment."""

    __tablename__ = "commitment_institution"
    __table_args__ = (one_of("role", InstitutionRole),)

    commitment_id: UUID = Field(foreign_key="commitment.id", ondelete="CASCADE", primary_key=True)
    institution_id: UUID = Field(foreign_key="institution.id", ondelete="CASCADE", primary_key=True, index=True)
    role: InstitutionRole = Field(sa_type=AutoString)
    position: int = 0


class Milestone(SQLModel, table=True):
    """Jalon: free text for the due date ("2018 ou 2019" is real), plus a date when one can be told."""

    id: UUID = key()
    commitment_id: UUID = link_to("commitment")
    position: int
    text: str
    due_text: str | None = None
    due_on: date | None = None


class Indicator(SQLModel, table=True):
    """Indicateur of a commitment, defined with the administration that carries it."""

    __table_args__ = (UniqueConstraint("commitment_id", "position"),)

    id: UUID = key()
    commitment_id: UUID = link_to("commitment")
    position: int
    name: str
    unit: str = ""
    baseline: str | None = None
    target: str | None = None
    source: str | None = None
    invented: bool = False


class Measurement(SQLModel, table=True):
    """Mesure of an indicator: a date, a value as published, a source."""

    __table_args__ = (UniqueConstraint("indicator_id", "measured_on"),)

    id: UUID = key()
    indicator_id: UUID = link_to("indicator")
    measured_on: date
    value: str
    source: str | None = None
