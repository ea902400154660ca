"""Action plans: what was promised, by whom; and, for each commitment, everything that happened to it.

Plans live side by side, so a commitment is always asked for within its plan. Loading a plan twice
changes nothing; a commitment that left the file is kept, since questions and minutes may cite it.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import amendments, evaluations, lineage
from forums.models import (
    ActionPlan,
    Axis,
    Commitment,
    CommitmentInstitution,
    Indicator,
    Institution,
    Measurement,
    Milestone,
    MinutesEntry,
    MinutesEntryQuestion,
    Question,
)
from forums.models.plan import InstitutionRole

if TYPE_CHECKING:
    # What reads files is imported when one is read: a site at work reads none.
    from forums.plan_files import CommitmentEntry, EvaluationEntry, IndicatorEntry, PlanFile

# -- Questions asked of the plan ---------------------------------------------------------------


async def current_plan(session: AsyncSession) -> ActionPlan | None:
    return (await session.exec(select(ActionPlan).where(col(ActionPlan.current)))).first()


async def plans(session: AsyncSession) -> Sequence[ActionPlan]:
    """Every plan: drafts first, then from the latest to the oldest as far as dates tell."""

    def latest(plan: ActionPlan) -> tuple[bool, str, bool, str]:
        return plan.draft, str(plan.starts_on or plan.presented_on or ""), plan.current, plan.slug

    return sorted((await session.exec(select(ActionPlan))).all(), key=latest, reverse=True)


async def plan_by_slug(session: AsyncSession, slug: str) -> ActionPlan | None:
    return (await session.exec(select(ActionPlan).where(ActionPlan.slug == slug))).first()


async def axes_of(session: AsyncSession, plan: ActionPlan) -> Sequence[Axis]:
    return (await session.exec(select(Axis).where(Axis.plan_id == plan.id).order_by(col(Axis.number)))).all()


async def commitments_of(session: AsyncSession, plan: ActionPlan) -> Sequence[Commitment]:
    return (await session.exec(select(Commitment).where(Commitment.plan_id == plan.id).order_by(col(Commitment.number)))).all()


async def commitment_by_number(session: AsyncSession, plan: ActionPlan, number: int) -> Commitment | None:
    return (await session.exec(select(Commitment).where(Commitment.plan_id == plan.id, Commitment.number == number))).first()


async def commitments_by_ids(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[Commitment]:
    return (await session.exec(select(Commitment).where(col(Commitment.id).in_(ids)))).all()


async def current_commitments(session: AsyncSession) -> Sequence[Commitment]:
    """The commitments people choose from in a form: those of the current plan."""
    query = select(Commitment).join(ActionPlan).where(col(ActionPlan.current)).order_by(col(Commitment.number))
    return (await session.exec(query)).all()


def current_commitment(connection: Connection, number: str) -> UUID | None:
    """The key of the one a person chose from them, by its number as the form holds it. A plain function, for `write_at_once`."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}", number):
        return None
    query = select(Commitment.id).join(ActionPlan).where(col(ActionPlan.current), Commitment.number == int(number))
    return connection.execute(query).scalar()


async def leads(session: AsyncSession, commitments: Sequence[Commitment]) -> dict[UUID, list[Institution]]:
    """The institutions that carry each of these commitments, in the plan's order."""
    return await _institutions(session, commitments, "lead")


async def commitments_carried_by(session: AsyncSession, institution: Institution) -> Sequence[UUID]:
    """The keys of the commitments an institution leads, in every plan."""
    query = select(CommitmentInstitution.commitment_id).where(
        CommitmentInstitution.institution_id == institution.id, CommitmentInstitution.role == "lead"
    )
    return (await session.exec(query)).all()


async def partners(session: AsyncSession, commitment: Commitment) -> list[Institution]:
    return (await _institutions(session, [commitment], "partner")).get(commitment.id, [])


async def _institutions(session: AsyncSession, commitments: Sequence[Commitment], role: str) -> dict[UUID, list[Institution]]:
    query = (
        select(CommitmentInstitution.commitment_id, Institution)
        .join(Institution, col(Institution.id) == col(CommitmentInstitution.institution_id))
        .where(col(CommitmentInstitution.commitment_id).in_([each.id for each in commitments]), CommitmentInstitution.role == role)
        .order_by(col(CommitmentInstitution.position))
    )
    found: dict[UUID, list[Institution]] = {}
    for commitment_id, institution in (await session.exec(query)).all():
        found.setdefault(commitment_id, []).append(institution)
    return found


async def milestones(session: AsyncSession, commitment: Commitment) -> Sequence[Milestone]:
    query = select(Milestone).where(Milestone.commitment_id == commitment.id).order_by(col(Milestone.position))
    return (await session.exec(query)).all()


async def questions_answered_by(session: AsyncSession, entries: Sequence[MinutesEntry]) -> dict[UUID, list[Question]]:
    query = (
        select(MinutesEntryQuestion.entry_id, Question)
        .join(Question, col(Question.id) == col(MinutesEntryQuestion.question_id))
        .where(col(MinutesEntryQuestion.entry_id).in_([entry.id for entry in entries]), Question.status == "published")
        .order_by(col(Question.created_at))
    )
    found: dict[UUID, list[Question]] = {}
    for entry_id, question in (await session.exec(query)).all():
        found.setdefault(entry_id, []).append(question)
    return found


# -- Loading a plan ------------------------------------------------------------------------------


async def load_plan(session: AsyncSession, path: Path, *, now: datetime | None = None) -> ActionPlan:
    """Load or update a plan from its data file. Raises `BadFile`, and then nothing is loaded."""
    from forums.plan_files import read_plan

    return await store_plan(session, read_plan(path), now=now or datetime.now(UTC))


async def store_plan(session: AsyncSession, file: "PlanFile", *, now: datetime) -> ActionPlan:
    """The same once it is read, whatever the file was."""
    entry = file.plan
    if entry.courant:
        await session.exec(update(ActionPlan).where(ActionPlan.slug != entry.slug).values(current=False))  # type: ignore[arg-type]
    plan = await plan_by_slug(session, entry.slug) or ActionPlan(slug=entry.slug, title=entry.titre)
    plan.title, plan.title_en, plan.summary = entry.titre, entry.titre_en, entry.resume
    plan.current, plan.draft, plan.invented = entry.courant, entry.projet, entry.invente
    plan.starts_on, plan.ends_on = entry.debut, entry.fin
    plan.presented_on, plan.sources = entry.presente_le, entry.sources
    session.add(plan)
    await session.flush()
    axes = {axis.number: axis for axis in await axes_of(session, plan)}
    for axis_entry in file.axes:
        axis = axes.setdefault(axis_entry.numero, Axis(plan_id=plan.id, number=axis_entry.numero, title=axis_entry.titre))
        axis.title, axis.title_en, axis.variants = axis_entry.titre, axis_entry.titre_en, axis_entry.variantes
        session.add(axis)
    await session.flush()
    evaluated: list[tuple[Commitment | None, EvaluationEntry]] = [(None, each) for each in entry.evaluations]
    for position, commitment_entry in enumerate(file.engagements, start=1):
        commitment = await _store_commitment(session, plan, axes, commitment_entry, position, now)
        evaluated += [(commitment, each) for each in commitment_entry.evaluations]
    await evaluations.store(session, plan, evaluated)
    return plan


async def _store_commitment(
    session: AsyncSession, plan: ActionPlan, axes: dict[int, Axis], entry: "CommitmentEntry", position: int, now: datetime
) -> Commitment:
    held = await commitment_by_number(session, plan, entry.numero)
    commitment = held or Commitment(plan_id=plan.id, number=entry.numero, working_title=entry.libelle_de_travail)
    before = amendments.text_of(commitment) if held and await amendments.are_kept_for(session, plan) else None
    commitment.axis_id = axes[entry.axe].id if entry.axe else None
    commitment.position = position
    commitment.ogp_code, commitment.ogp_code_deduced = entry.code_ogp, entry.code_ogp_deduit
    wanted = {"title": entry.titre_officiel or entry.libelle_de_travail, "summary": entry.resume}
    if before is None or not await amendments.undoes(session, commitment, wanted):
        commitment.official_title, commitment.working_title = entry.titre_officiel, entry.libelle_de_travail
        commitment.summary = entry.resume
    commitment.title_en, commitment.origin = entry.titre_en, entry.origine
    commitment.note, commitment.milestones_note, commitment.sources = entry.note, entry.jalons_note, entry.sources
    session.add(commitment)
    await session.flush()
    if before is not None and before != amendments.text_of(commitment):
        await amendments.note(session, commitment, before, amendments.BY_THE_FILE, now=now)
    await lineage.store(session, commitment, entry.prolonge)
    await _store_institutions(session, commitment, entry)
    await _store_milestones(session, commitment, entry)
    await _store_indicators(session, commitment, entry)
    return commitment


async def _store_institutions(session: AsyncSession, commitment: Commitment, entry: "CommitmentEntry") -> None:
    await session.exec(delete(CommitmentInstitution).where(col(CommitmentInstitution.commitment_id) == commitment.id))
    named: list[tuple[str, InstitutionRole]] = [(name, "lead") for name in entry.porteurs]
    named += [(name, "partner") for name in entry.parties_prenantes if name not in entry.porteurs]
    for position, (name, role) in enumerate(dict(named).items()):
        institution = await institution_called(session, name)
        session.add(CommitmentInstitution(commitment_id=commitment.id, institution_id=institution.id, role=role, position=position))
    await session.flush()


async def _store_milestones(session: AsyncSession, commitment: Commitment, entry: "CommitmentEntry") -> None:
    """Found again by its words, else by its place. One that left the file stays when something was said of its state."""
    kept, listed = list(await milestones(session, commitment)), {each.texte for each in entry.jalons}
    for position, each in enumerate(entry.jalons, start=1):
        milestone = next((held for held in kept if held.text == each.texte), None)
        milestone = milestone or next((held for held in kept if held.position == position and held.text not in listed), None)
        if milestone is None:
            milestone = Milestone(commitment_id=commitment.id, position=position, text=each.texte)
        else:
            kept.remove(milestone)
        milestone.position, milestone.text, milestone.due_text, milestone.due_on = position, each.texte, each.echeance, each.date
        session.add(milestone)
    for gone in kept:
        if gone.state is None:
            await session.delete(gone)


async def _store_indicators(session: AsyncSession, commitment: Commitment, entry: "CommitmentEntry") -> None:
    """Only what came with a file: what was added, edited, measured or corrected on the site is left as it is."""
    from forums.plan_files import PERIODICITIES

    query = select(Indicator).where(Indicator.commitment_id == commitment.id, col(Indicator.added_here).is_(False))
    kept = {indicator.position: indicator for indicator in (await session.exec(query)).all()}
    for position, each in enumerate(entry.indicateurs, start=1):
        indicator = kept.get(position) or Indicator(commitment_id=commitment.id, position=position, name=each.nom)
        if indicator.edition == 0:
            indicator.name, indicator.unit, indicator.source, indicator.invented = each.nom, each.unite, each.source, each.invente
            indicator.baseline, indicator.baseline_on = each.depart, each.depart_le
            indicator.target, indicator.target_on = each.cible, each.cible_le
            indicator.periodicity, indicator.first_due_on = PERIODICITIES.get(each.periodicite or ""), each.premiere_echeance
        session.add(indicator)
        await session.flush()
        await _store_measurements(session, indicator, each)


async def _store_measurements(session: AsyncSession, indicator: Indicator, entry: "IndicatorEntry") -> None:
    found = (await session.exec(select(Measurement).where(Measurement.indicator_id == indicator.id))).all()
    dated = {measurement.measured_on: measurement for measurement in found}
    for each in entry.mesures:
        held = dated.get(each.date) or Measurement(indicator_id=indicator.id, measured_on=each.date, value=each.valeur)
        if held.proposed_at is None and held.edition == 0:
            held.value, held.source, held.source_url, held.note = each.valeur, each.source, each.lien, each.note
            session.add(held)


async def institution_by_slug(session: AsyncSession, slug: str) -> Institution | None:
    return (await session.exec(select(Institution).where(Institution.slug == slug))).first()


async def institution_called(session: AsyncSession, name: str) -> Institution:
    """The institution of that name, written down the first time it is met."""
    slug = slug_of(name)
    institution = await institution_by_slug(session, slug)
    if institution is None:
        institution = Institution(slug=slug, name=name)
        session.add(institution)
        await session.flush()
    return institution


def slug_of(name: str) -> str:
    """`Cour des comptes` → `cour-des-comptes`; an acronym in brackets stands for the whole name."""
    acronym = re.search(r"\(([A-Z][A-Za-zÉ]{1,9})\)$", name)
    return _plain(acronym[1] if acronym else name)[:80] or "sans-nom"


def alphabetical(institution: Institution) -> tuple[str, str]:
    """Its place in the order of a dictionary, whatever a database takes that for, and whichever apostrophe was typed."""
    return _plain(institution.name.replace("’", "'").replace("œ", "oe").replace("Œ", "Oe")), institution.slug


def _plain(name: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-")
