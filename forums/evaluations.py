"""Evaluations of a plan or of one of its commitments: by an independent expert, by the administration, by others.

Each is told with its source and its date as they were found; what nobody said stays unsaid. Those of a plan's
file change with the file alone; those added on the site are organisers' to correct and to remove.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Form, OptionalDay, OptionalWebAddress, choice, line, prose, whole
from forums.language import N_
from forums.models import ActionPlan, Commitment, Evaluation
from forums.models.plan import Completion, EvaluationKind
from forums.refusals import Refusal

if TYPE_CHECKING:
    from forums.plan_files import EvaluationEntry

KINDS: Final[dict[EvaluationKind, str]] = {
    "independent": N_("Évaluation indépendante"),
    "self_assessment": N_("Auto-évaluation de l'administration"),
    "other": N_("Autre évaluation"),
}
COMPLETIONS: Final[dict[Completion, str]] = {
    "not_started": N_("Non commencé"),
    "limited": N_("Limité"),
    "substantial": N_("Substantiel"),
    "complete": N_("Achevé"),
}
_KIND_IN_FILES: Final[dict[str, EvaluationKind]] = {"independante": "independent", "auto": "self_assessment", "autre": "other"}
_COMPLETION_IN_FILES: Final[dict[str, Completion]] = {
    "non_commence": "not_started",
    "limite": "limited",
    "substantiel": "substantial",
    "acheve": "complete",
}


class EvaluationForm(Form):
    commitment: Annotated[str, line(4)]
    """Its number, or nothing for the plan as a whole."""
    kind: Annotated[str, choice(*KINDS, message=N_("Dites qui évalue : un expert indépendant, l'administration elle-même, ou un autre."))]
    title: Annotated[str, line(200, N_("Donnez le titre de l'évaluation, par exemple « Rapport de résultats »."))]
    author: Annotated[str, line(200)]
    dated: OptionalDay
    date_text: Annotated[str, line(100)]
    findings: Annotated[str, prose(3000, N_("Écrivez ce que l'évaluation constate, en quelques lignes."))]
    completion: Annotated[str, choice("", *COMPLETIONS, message=N_("Choisissez un degré d'achèvement dans la liste, ou aucun."))]
    source_url: OptionalWebAddress
    edition: Annotated[int, whole(0, 999_999)]

    def values(self) -> dict[str, Any]:
        names = ("kind", "title", "author", "dated", "date_text", "findings", "source_url")
        return {name: getattr(self, name) for name in names} | {"completion": self.completion or None}


class NoSource(Refusal):
    sentence = N_("Donnez l'adresse où l'évaluation se lit : sans source, personne ne peut la vérifier.")


class EvaluationChanged(Refusal):
    sentence = N_("Quelqu'un d'autre a changé cette évaluation pendant que vous écriviez. Rien n'est perdu : comparez, puis enregistrez.")


class Evaluated(NamedTuple):
    """An evaluation and the commitment it is about; without one, it is about the whole plan."""

    evaluation: Evaluation
    commitment: Commitment | None


# -- What is asked ------------------------------------------------------------------------------------------


async def of_plan(session: AsyncSession, plan: ActionPlan) -> list[Evaluated]:
    """All of a plan: those of the whole plan first, then by commitment, each in the order of their dates as far as known."""
    query = (
        select(Evaluation, Commitment)
        .outerjoin(Commitment, col(Commitment.id) == col(Evaluation.commitment_id))
        .where(Evaluation.plan_id == plan.id)
        .order_by(col(Evaluation.added_here), col(Evaluation.position))
    )
    found = [Evaluated(*each) for each in (await session.exec(query)).all()]
    return sorted(found, key=lambda each: each.commitment.number if each.commitment else 0)


async def of_commitment(session: AsyncSession, commitment: Commitment) -> Sequence[Evaluation]:
    query = select(Evaluation).where(Evaluation.commitment_id == commitment.id)
    return (await session.exec(query.order_by(col(Evaluation.added_here), col(Evaluation.position)))).all()


async def added_here(session: AsyncSession, plan: ActionPlan, code: str) -> Evaluation | None:
    """One that organisers may change: the others are the file's."""
    query = select(Evaluation).where(Evaluation.plan_id == plan.id, Evaluation.code == code, col(Evaluation.added_here))
    return (await session.exec(query.execution_options(populate_existing=True))).first()


# -- Added, corrected, removed on the site -------------------------------------------------------------------


async def add(
    session: AsyncSession, plan: ActionPlan, commitment: Commitment | None, form: EvaluationForm, *, now: datetime
) -> Evaluation | None:
    """Record an evaluation; None if it is there already, from a form sent twice. Raises `NoSource`."""
    if form.source_url is None:
        raise NoSource
    # Locked, so that a form sent twice at the same instant is read by one after the other.
    await session.refresh(plan, with_for_update=True)
    commitment_id = commitment.id if commitment else None
    twin = select(Evaluation).where(
        Evaluation.plan_id == plan.id,
        Evaluation.commitment_id == commitment_id,
        col(Evaluation.added_here),
        *(getattr(Evaluation, name) == value for name, value in form.values().items()),
    )
    if (await session.exec(twin)).first() is not None:
        return None
    last = select(func.max(Evaluation.position)).where(Evaluation.plan_id == plan.id, col(Evaluation.added_here))
    position = ((await session.exec(last)).one() or 0) + 1
    evaluation = Evaluation(plan_id=plan.id, commitment_id=commitment_id, added_here=True, position=position, added_at=now, **form.values())
    session.add(evaluation)
    await session.flush()
    return evaluation


async def correct(session: AsyncSession, evaluation: Evaluation, commitment: Commitment | None, form: EvaluationForm) -> bool:
    """Change one that was added here. Returns whether anything changed. Raises `NoSource`, `EvaluationChanged`."""
    if form.source_url is None:
        raise NoSource
    values = form.values() | {"commitment_id": commitment.id if commitment else None}
    if all(getattr(evaluation, name) == value for name, value in values.items()):
        return False
    changed = await session.exec(
        update(Evaluation)
        .where(col(Evaluation.id) == evaluation.id, col(Evaluation.added_here), col(Evaluation.edition) == form.edition)
        .values(edition=form.edition + 1, **values)
    )
    if changed.rowcount != 1:
        raise EvaluationChanged
    await session.refresh(evaluation)
    return True


async def remove(session: AsyncSession, evaluation: Evaluation) -> bool:
    """Take off the site one that was added here. Returns whether it was still there."""
    removed = await session.exec(delete(Evaluation).where(col(Evaluation.id) == evaluation.id, col(Evaluation.added_here)))
    return removed.rowcount == 1


# -- Loaded with the plan --------------------------------------------------------------------------------------


async def store(session: AsyncSession, plan: ActionPlan, entries: Sequence[tuple[Commitment | None, "EvaluationEntry"]]) -> None:
    """The evaluations of a plan's file, known by what they are about and their title: each keeps its code. Those added here stay."""
    query = select(Evaluation).where(Evaluation.plan_id == plan.id, col(Evaluation.added_here).is_(False))
    kept = {(each.commitment_id, each.title): each for each in (await session.exec(query)).all()}
    told = [(commitment.id if commitment else None, entry) for commitment, entry in entries]
    for key in kept.keys() - {(about, entry.titre) for about, entry in told}:
        await session.delete(kept.pop(key))
    await session.flush()
    await _give_way(session, kept, told)
    for position, (about, entry) in enumerate(told, start=1):
        evaluation = kept.get((about, entry.titre)) or Evaluation(
            plan_id=plan.id, commitment_id=about, position=position, kind="other", title=entry.titre
        )
        evaluation.position, evaluation.kind = position, _KIND_IN_FILES[entry.type]
        evaluation.author, evaluation.dated, evaluation.date_text = entry.auteur or "", entry.date, entry.date_texte or ""
        evaluation.findings, evaluation.source_url = entry.constats or "", entry.source
        evaluation.completion = _COMPLETION_IN_FILES[entry.achevement] if entry.achevement else None
        evaluation.invented = entry.invente
        session.add(evaluation)
    await session.flush()


async def _give_way(session: AsyncSession, kept: dict[Any, Evaluation], told: Sequence[tuple[Any, "EvaluationEntry"]]) -> None:
    """Positions are unique: those that change place first leave theirs."""
    moved = [kept[about, entry.titre] for place, (about, entry) in enumerate(told, 1) if (about, entry.titre) in kept]
    places = [place for place, (about, entry) in enumerate(told, 1) if (about, entry.titre) in kept]
    if [each.position for each in moved] == places:
        return
    for number, each in enumerate(moved, start=1):
        each.position = -number
        session.add(each)
    await session.flush()


def typed(evaluation: Evaluation, commitment: Commitment | None) -> dict[str, str]:
    """An evaluation as its form holds it."""

    def text(value: date | str | None) -> str:
        return value.isoformat() if isinstance(value, date) else value or ""

    names = ("kind", "title", "author", "dated", "date_text", "findings", "completion", "source_url")
    values = {name: text(getattr(evaluation, name)) for name in names}
    return values | {"commitment": str(commitment.number) if commitment else "", "edition": str(evaluation.edition)}
