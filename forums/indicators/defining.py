"""An indicator's definition, added and edited on the site by organisers: what is measured, from where to where, how often.

What comes from the plan's file may be edited here too; the file then leaves that definition alone.
"""

from datetime import date
from typing import Annotated, Any

from pydantic import ValidationInfo, field_validator
from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Form, OptionalDay, choice, line, refuse, whole
from forums.indicators.measuring import Wrong
from forums.language import N_
from forums.models import Commitment, Indicator
from forums.refusals import Refusal

PERIODICITIES = {
    "": N_("Sans rythme annoncé"),
    "once": N_("Une seule fois"),
    "monthly": N_("Chaque mois"),
    "quarterly": N_("Tous les trois mois"),
    "half_yearly": N_("Tous les six mois"),
    "yearly": N_("Chaque année"),
}


class IndicatorForm(Form):
    name: Annotated[str, line(200, N_("Écrivez ce qui est mesuré, par exemple « Marchés publics publiés en données ouvertes »."))]
    unit: Annotated[str, line(40)]
    baseline: Annotated[str, line(80)]
    baseline_on: OptionalDay
    target: Annotated[str, line(80)]
    target_on: OptionalDay
    periodicity: Annotated[str, choice(*PERIODICITIES, message=N_("Choisissez un rythme dans la liste."))]
    first_due_on: OptionalDay
    source: Annotated[str, line(300)]
    edition: Annotated[int, whole(0, 999_999)]

    @field_validator("target_on")
    @classmethod
    def _after_the_start(cls, day: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("baseline_on")
        if day and start and day < start:
            raise refuse(N_("La cible vient après le départ."))
        return day

    def values(self) -> dict[str, Any]:
        """What is kept of it; what was left empty is unknown."""
        kept = self.model_dump(exclude={"edition", "name", "unit"})
        return {"name": self.name, "unit": self.unit} | {name: value or None for name, value in kept.items()}


class DefinitionChanged(Refusal):
    sentence = N_("Quelqu'un d'autre a changé cet indicateur pendant que vous écriviez. Rien n'est perdu : comparez, puis enregistrez.")


async def define(session: AsyncSession, commitment: Commitment, form: IndicatorForm) -> tuple[Indicator, bool]:
    """Add an indicator to a commitment. Returns it, and whether this wrote it: the same form sent twice adds one.

    Raises `Wrong` when another one has that name.
    """
    await session.refresh(commitment, with_for_update=True)
    twin = select(Indicator).where(Indicator.commitment_id == commitment.id, Indicator.name == form.name)
    if (held := (await session.exec(twin)).first()) is not None:
        if _says(held, form):
            return held, False
        raise Wrong("name", N_("Un indicateur de cet engagement porte déjà ce nom : modifiez-le plutôt."))
    last = select(func.coalesce(func.max(Indicator.position), 0)).where(
        Indicator.commitment_id == commitment.id, col(Indicator.added_here).is_(True)
    )
    position = (await session.exec(last)).one() + 1
    indicator = Indicator(commitment_id=commitment.id, added_here=True, position=position, **form.values())
    session.add(indicator)
    await session.flush()
    return indicator, True


def _says(held: Indicator, form: IndicatorForm) -> bool:
    return all(getattr(held, name) == value for name, value in form.values().items())


async def redefine(session: AsyncSession, indicator: Indicator, form: IndicatorForm) -> bool:
    """Change a definition. False when it says that already. Raises `DefinitionChanged`."""
    await session.refresh(indicator)
    if _says(indicator, form):
        return False
    claimed = await session.exec(
        update(Indicator)
        .where(col(Indicator.id) == indicator.id, col(Indicator.edition) == form.edition)
        .values(edition=form.edition + 1, **form.values())
        .execution_options(synchronize_session=False)
    )
    await session.refresh(indicator)
    if claimed.rowcount != 1:
        raise DefinitionChanged
    return True
