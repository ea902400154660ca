"""A measurement: proposed by an institution, published by an organiser, corrected without losing what it was.

One indicator has one measurement for a day. What is saved names the edition it was made from: the second of
two people is told, and the same form sent twice does nothing more. An organiser's own is published at once.
"""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import ValidationInfo, field_validator
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Day, Form, OptionalWebAddress, is_to_come, line, prose, refuse, whole
from forums.language import N_
from forums.models import Indicator, Institution, Measurement, MeasurementChange
from forums.models.forum import PARIS
from forums.models.plan import MeasurementChangeKind
from forums.refusals import AlreadyDecided, Refusal

VALUE = line(80, N_("Écrivez la valeur, par exemple « 76 » ou « 1 234,5 »."))
SOURCE = line(300, N_("Dites d'où vient cette valeur, par exemple « Bilan annuel du service »."))
TO_COME = N_("Cette date est à venir : indiquez le jour où la valeur a été mesurée.")


class MeasureForm(Form):
    measured_on: Day
    value: Annotated[str, VALUE]
    source: Annotated[str, SOURCE]
    source_url: OptionalWebAddress
    note: Annotated[str, prose(1000)]
    institution: Annotated[str, line(80)]
    edition: Annotated[int, whole(0, 999_999)]

    @field_validator("measured_on")
    @classmethod
    def _past(cls, day: date, info: ValidationInfo) -> date:
        if is_to_come(day, info):
            raise refuse(TO_COME)
        return day


class CorrectForm(Form):
    value: Annotated[str, VALUE]
    source: Annotated[str, SOURCE]
    source_url: OptionalWebAddress
    note: Annotated[str, prose(1000)]
    reason: Annotated[str, prose(1000, N_("Dites pourquoi cette valeur change : la raison est publiée, avec la valeur d'avant."))]
    edition: Annotated[int, whole(0, 999_999)]


class WithdrawForm(Form):
    withdraw_reason: Annotated[str, prose(1000, N_("Dites pourquoi cette mesure est retirée."))]


class Wrong(Refusal):
    """Something that cannot be, in the form's field `name`."""

    def __init__(self, name: str, sentence: str, **figures: object) -> None:
        super().__init__(sentence, **figures)
        self.name = name


class ChangedMeanwhile(Refusal):
    sentence = N_("Quelqu'un d'autre a changé cette mesure pendant que vous écriviez. Rien n'est perdu : comparez, puis enregistrez.")


# -- Propose ------------------------------------------------------------------------------------------------


async def propose(
    session: AsyncSession, indicator: Indicator, form: MeasureForm, institution: Institution | None, *, publish: bool = False, now: datetime
) -> tuple[Measurement, bool]:
    """Write down what an institution measured, for organisers to publish; theirs (`publish`) is public at once.

    Returns the measurement, and whether this wrote it: the same form sent twice writes one. Raises `Wrong` when the
    day is to come or has its measurement already.
    """
    _is_past(form.measured_on, now)
    await session.refresh(indicator, with_for_update=True)
    held = await _of_day(session, indicator, form.measured_on)
    whose = institution.id if institution else None
    if held is not None and held.status != "withdrawn":
        if _says(held, form) and held.institution_id == whose:
            return held, False
        raise _taken(form.measured_on)
    if held is None:
        held = Measurement(indicator_id=indicator.id, measured_on=form.measured_on, value=form.value)
    else:
        held.edition += 1
    _write(held, form)
    held.institution_id, held.proposed_at = whose, now
    held.status, held.published_at, held.corrected_at = "published" if publish else "proposed", now if publish else None, None
    session.add(held)
    await session.flush()
    _note(session, held, "published" if publish else "proposed", now, whose)
    await session.flush()
    return held, True


def _is_past(day: date, now: datetime) -> None:
    if day > now.astimezone(PARIS).date():
        raise Wrong("measured_on", TO_COME)


async def _of_day(session: AsyncSession, indicator: Indicator, day: date) -> Measurement | None:
    query = select(Measurement).where(Measurement.indicator_id == indicator.id, Measurement.measured_on == day)
    return (await session.exec(query.execution_options(populate_existing=True))).first()


def _taken(day: date) -> Wrong:
    sentence = N_("Cet indicateur a déjà une mesure au {day} : corrigez-la plutôt, ou indiquez une autre date.")
    return Wrong("measured_on", sentence, day=f"{day:%d/%m/%Y}")


def _says(held: Measurement, form: MeasureForm | CorrectForm) -> bool:
    kept = (held.value, held.source or "", held.source_url, held.note)
    return kept == (form.value, form.source, form.source_url, form.note)


def _write(held: Measurement, form: MeasureForm | CorrectForm) -> None:
    held.value, held.source, held.source_url, held.note = form.value, form.source, form.source_url, form.note


def _note(
    session: AsyncSession, held: Measurement, kind: MeasurementChangeKind, now: datetime, whose: Any = None, reason: str = ""
) -> None:
    session.add(
        MeasurementChange(
            measurement_id=held.id, at=now, kind=kind, value=held.value, source=held.source, reason=reason, institution_id=whose
        )
    )


async def reword(
    session: AsyncSession, indicator: Indicator, held: Measurement, form: MeasureForm, institution: Institution | None, *, now: datetime
) -> bool:
    """Change a proposal nobody has published yet. False when it says that already: a second click.

    Raises `Wrong`, `ChangedMeanwhile` when it was changed since it was read, `AlreadyDecided` when it was published or withdrawn.
    """
    _is_past(form.measured_on, now)
    await session.refresh(indicator, with_for_update=True)
    await session.refresh(held)
    whose = institution.id if institution else held.institution_id
    if _says(held, form) and (held.measured_on, held.institution_id) == (form.measured_on, whose):
        return False
    if held.status != "proposed":
        raise AlreadyDecided(N_("Cette mesure n'est plus une proposition : les organisateurs viennent d'en décider."))
    other = await _of_day(session, indicator, form.measured_on)
    if other is not None and other.id != held.id:
        raise _taken(form.measured_on)
    await _claim(session, held, "proposed", form.edition)
    _write(held, form)
    held.measured_on, held.institution_id = form.measured_on, whose
    session.add(held)
    _note(session, held, "proposed", now, whose)
    await session.flush()
    return True


async def _claim(session: AsyncSession, held: Measurement, still: str, edition: int, **values: Any) -> None:
    """The right to change a measurement, for who read its latest edition. Raises `ChangedMeanwhile`."""
    claimed = await session.exec(
        update(Measurement)
        .where(col(Measurement.id) == held.id, col(Measurement.status) == still, col(Measurement.edition) == edition)
        .values(edition=edition + 1, **values)
        .execution_options(synchronize_session=False)
    )
    await session.refresh(held)
    if claimed.rowcount != 1:
        raise ChangedMeanwhile


# -- Decide -----------------------------------------------------------------------------------------------------


async def publish(session: AsyncSession, held: Measurement, *, edition: int, now: datetime) -> bool:
    """Make a proposal public. False when it already is: a second click.

    Raises `ChangedMeanwhile` when it is not what was read, `AlreadyDecided` when it was withdrawn.
    """
    await session.refresh(held)
    if held.status == "published":
        return False
    if held.status == "withdrawn":
        raise AlreadyDecided(N_("Cette mesure vient d'être retirée."))
    await _claim(session, held, "proposed", edition, status="published", published_at=now)
    _note(session, held, "published", now)
    await session.flush()
    return True


async def withdraw(session: AsyncSession, held: Measurement, form: WithdrawForm, *, now: datetime) -> bool:
    """Take a proposal aside, or a published measurement back; whoever gave it reads why, and so does the public of what it read.

    False when it already is. The same day may be measured anew.
    """
    gone = await session.exec(
        update(Measurement)
        .where(col(Measurement.id) == held.id, col(Measurement.status) != "withdrawn")
        .values(status="withdrawn", edition=Measurement.edition + 1)
        .execution_options(synchronize_session=False)
    )
    was_public, unwritten = held.status == "published", not await _was_told(session, held)
    await session.refresh(held)
    if gone.rowcount != 1:
        return False
    if was_public and unwritten:
        _note(session, held, "published", held.published_at or now)
    _note(session, held, "withdrawn", now, reason=form.withdraw_reason)
    await session.flush()
    return True


async def correct(session: AsyncSession, held: Measurement, form: CorrectForm, *, now: datetime) -> bool:
    """Change a published value; everybody keeps reading what it was, and why it changed. False when it says that already.

    Raises `ChangedMeanwhile` when it was changed since it was read.
    """
    await session.refresh(held)
    if _says(held, form):
        return False
    if held.status == "published" and held.edition == form.edition and not await _was_told(session, held):
        # One that came with the plan's file has no history yet: this is where it begins.
        _note(session, held, "published", held.published_at or now)
        await session.flush()
    await _claim(session, held, "published", form.edition, corrected_at=now)
    _write(held, form)
    session.add(held)
    _note(session, held, "corrected", now, reason=form.reason)
    await session.flush()
    return True


async def _was_told(session: AsyncSession, held: Measurement) -> bool:
    query = select(MeasurementChange.id).where(MeasurementChange.measurement_id == held.id, MeasurementChange.kind == "published")
    return (await session.exec(query)).first() is not None
