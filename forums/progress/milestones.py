"""Where a milestone stands: said by the institutions that carry the commitment or by organisers; late is derived.

What nobody has said is unknown, and is told as such. The second of two people who say it at once is told.
"""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import ValidationInfo, field_validator
from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Form, OptionalDay, OptionalWebAddress, choice, is_to_come, prose, refuse, whole
from forums.language import N_
from forums.models import Milestone
from forums.models.forum import PARIS
from forums.refusals import Refusal

STATES = {
    "not_started": N_("Pas commencé"),
    "under_way": N_("En cours"),
    "done": N_("Fait"),
    "abandoned": N_("Abandonné"),
}


class StateForm(Form):
    state: Annotated[str, choice(*STATES, message=N_("Dites où en est ce jalon."))]
    done_on: OptionalDay
    state_note: Annotated[str, prose(1000)]
    evidence_url: OptionalWebAddress
    edition: Annotated[int, whole(0, 999_999)]

    @field_validator("done_on")
    @classmethod
    def _when(cls, day: date | None, info: ValidationInfo) -> date | None:
        if info.data.get("state") != "done":
            return None
        if day is None:
            raise refuse(N_("Indiquez la date à laquelle ce jalon a été atteint."))
        if is_to_come(day, info):
            raise refuse(StillToCome.sentence)
        return day

    @field_validator("state_note")
    @classmethod
    def _why(cls, note: str, info: ValidationInfo) -> str:
        if not note and info.data.get("state") == "abandoned":
            raise refuse(N_("Dites pourquoi ce jalon est abandonné : la raison est publiée."))
        return note

    def values(self) -> dict[str, Any]:
        return self.model_dump(exclude={"edition"})


class MilestoneChanged(Refusal):
    sentence = N_("Quelqu'un d'autre a changé l'état de ce jalon pendant que vous écriviez. Comparez, puis enregistrez.")


class StillToCome(Refusal):
    sentence = N_("Cette date est à venir : un jalon est fait une fois la date passée.")


def is_late(milestone: Milestone, now: datetime) -> bool:
    """Due before today, and said to be neither done nor abandoned; one of which nobody said anything is unknown, not late."""
    open_still = milestone.state in ("not_started", "under_way")
    return open_still and milestone.due_on is not None and milestone.due_on < now.astimezone(PARIS).date()


def days_late(milestone: Milestone, now: datetime) -> int:
    """How many days after its date it was done, or has been waiting."""
    end = milestone.done_on or (now.astimezone(PARIS).date() if is_late(milestone, now) else None)
    return max(0, (end - milestone.due_on).days) if end and milestone.due_on else 0


async def say_state(session: AsyncSession, milestone: Milestone, form: StateForm, *, now: datetime) -> bool:
    """Say where a milestone stands. False when it says that already: a second click. Raises `StillToCome`, `MilestoneChanged`."""
    if form.done_on and form.done_on > now.astimezone(PARIS).date():
        raise StillToCome
    await session.refresh(milestone)
    if all(getattr(milestone, name) == value for name, value in form.values().items()):
        return False
    said = await session.exec(
        update(Milestone)
        .where(col(Milestone.id) == milestone.id, col(Milestone.edition) == form.edition)
        .values(edition=form.edition + 1, state_changed_at=now, **form.values())
        .execution_options(synchronize_session=False)
    )
    await session.refresh(milestone)
    if said.rowcount != 1:
        raise MilestoneChanged
    return True
