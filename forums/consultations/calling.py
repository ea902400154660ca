"""A call for comments opened, changed, closed early, reopened, and summed up in the organisers' words."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import field_validator
from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.consultations.queries import call_on
from forums.database import insert_new
from forums.forms import Form, OptionalMoment, Tick, prose, refuse, whole
from forums.language import N_
from forums.models import ActionPlan, Consultation
from forums.models.forum import PARIS
from forums.refusals import Refusal, WrongMoment

_WHEN = N_("Indiquez un jour et une heure, par exemple 2027-03-25T18:30.")


class CallForm(Form):
    introduction: Annotated[str, prose(5000, N_("Dites en quelques lignes ce sur quoi vous demandez des commentaires."))]
    opens: OptionalMoment
    closes: OptionalMoment
    edition: Annotated[int, whole(0, 999_999)]

    @field_validator("opens", "closes")
    @classmethod
    def _when(cls, moment: datetime | None) -> datetime | None:
        if moment is None:
            raise refuse(_WHEN)
        return moment.replace(tzinfo=PARIS)


class ReopenForm(Form):
    until: OptionalMoment

    @field_validator("until")
    @classmethod
    def _when(cls, moment: datetime | None) -> datetime | None:
        if moment is None:
            raise refuse(_WHEN)
        return moment.replace(tzinfo=PARIS)


class SynthesisForm(Form):
    synthesis: Annotated[str, prose(20_000, N_("Écrivez ce que vous retenez des commentaires, et ce qu'ils ont changé."))]
    publish: Tick
    edition: Annotated[int, whole(0, 999_999)]


class NotADraft(Refusal):
    sentence = N_("Ce plan n'est plus un projet : on ne le soumet plus à commentaires.")


class NotOpenYet(Refusal):
    sentence = N_("Cet appel n'est pas ouvert : il n'y a rien à clore. Ses dates se changent dans ses réglages.")


class CallChanged(Refusal):
    sentence = N_("Quelqu'un d'autre a changé cet appel pendant que vous écriviez. Rien n'est perdu : comparez, puis enregistrez.")


async def settle(session: AsyncSession, plan: ActionPlan, form: CallForm) -> bool:
    """Open a call on a draft plan, or change its dates and introduction. Returns whether anything changed.

    Raises `NotADraft`, `WrongMoment`, `CallChanged`.
    """
    assert form.opens is not None  # the form refuses it otherwise
    assert form.closes is not None
    if form.closes <= form.opens:
        raise WrongMoment("closes", N_("L'appel se ferme après son ouverture."))
    values: dict[str, Any] = {"introduction": form.introduction, "opens_at": form.opens, "closes_at": form.closes}
    held = await call_on(session, plan)
    if held is None:
        if not plan.draft:
            raise NotADraft
        begun = Consultation(plan_id=plan.id, edition=1, **values)
        if await insert_new(session, Consultation, [begun.model_dump()], same=["plan_id"]):
            return True
        held = await call_on(session, plan)
        assert held is not None
    return await _change(session, held, form.edition, **values)


async def close(session: AsyncSession, plan: ActionPlan, *, now: datetime) -> bool:
    """Close a call before its time. Already closed, nothing changes. Raises `NotOpenYet`."""
    held = await call_on(session, plan)
    if held is None or held.opens_at >= now:
        raise NotOpenYet
    closed = await session.exec(
        update(Consultation)
        .where(col(Consultation.id) == held.id, col(Consultation.edition) == held.edition, col(Consultation.closes_at) > now)
        .values(closes_at=now, edition=Consultation.edition + 1)
    )
    return closed.rowcount == 1


async def reopen(session: AsyncSession, plan: ActionPlan, form: ReopenForm, *, now: datetime) -> bool:
    """Take comments again until another moment. Raises `NotADraft`, `WrongMoment`."""
    if not plan.draft:
        raise NotADraft
    if form.until is None or form.until <= now:
        raise WrongMoment("until", N_("Choisissez un moment à venir : l'appel sera ouvert jusque-là."))
    reopened = await session.exec(
        update(Consultation)
        .where(col(Consultation.plan_id) == plan.id, col(Consultation.closes_at) <= now)
        .values(closes_at=form.until, edition=Consultation.edition + 1)
    )
    return reopened.rowcount == 1


async def synthesise(session: AsyncSession, consultation: Consultation, form: SynthesisForm, *, now: datetime) -> bool:
    """Write what organisers make of the comments; once published, it stays public and may be corrected. Raises `CallChanged`."""
    values: dict[str, Any] = {"synthesis": form.synthesis}
    if form.publish and consultation.synthesis_published_at is None:
        values["synthesis_published_at"] = now
    return await _change(session, consultation, form.edition, **values)


async def _change(session: AsyncSession, held: Consultation, edition: int, **values: Any) -> bool:
    if all(getattr(held, name) == value for name, value in values.items()):
        return False
    changed = await session.exec(
        update(Consultation)
        .where(col(Consultation.id) == held.id, col(Consultation.edition) == edition)
        .values(edition=edition + 1, **values)
    )
    if changed.rowcount != 1:
        raise CallChanged
    await session.refresh(held)
    return True
