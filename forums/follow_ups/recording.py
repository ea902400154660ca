"""A promise is written down from a passage of the minutes, reworded, or discarded while nobody has read it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.follow_ups.queries import Promise, promise_by_code
from forums.forms import Form, OptionalDay, choice, line, prose, whole
from forums.language import N_
from forums.models import Commitment, FollowUp, FollowUpChange, FollowUpCommitment, Forum, Institution, MinutesEntry
from forums.refusals import Refusal


class RecordForm(Form):
    kind: Annotated[str, choice("promise", "cooperation", message=N_("Dites s'il s'agit d'une promesse ou d'une coopération."))]
    text: Annotated[str, prose(1000, N_("Écrivez ce qui a été promis, par exemple « Publier la liste des marchés de 2026 »."))]
    institution: Annotated[str, line(80)]
    owner: Annotated[str, line(200)]
    partners: Annotated[str, line(400)]
    due: OptionalDay
    passage: Annotated[str, line(5)]
    commitments: tuple[Annotated[int, whole(1, 9_999)], ...] = ()


class AmendForm(RecordForm):
    edition: Annotated[int, whole(0, 999_999)]


class Missing(Refusal):
    """Something that must be said, in the form's field `name`."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class ChangedMeanwhile(Refusal):
    sentence = N_("Quelqu'un d'autre a changé cette promesse pendant que vous écriviez. Rien n'est perdu : comparez, puis enregistrez.")


async def record(
    session: AsyncSession,
    forum: Forum,
    form: RecordForm,
    institution: Institution | None,
    entry: MinutesEntry | None,
    commitments: Sequence[Commitment],
    *,
    now: datetime,
) -> FollowUp:
    """Write down what was promised at a forum. The same words of the same people are one promise. Raises `Missing`."""
    _check(forum, form, institution, entry)
    # Locked, so that a form sent twice at the same instant is read by one after the other.
    await session.refresh(forum, with_for_update=True)
    twin = select(FollowUp).where(
        FollowUp.forum_id == forum.id,
        FollowUp.text == form.text,
        FollowUp.kind == form.kind,
        FollowUp.owner == form.owner,
        FollowUp.partners == form.partners,
        FollowUp.institution_id == (institution.id if institution else None),
    )
    if (found := (await session.exec(twin)).first()) is not None:
        return found
    follow_up = FollowUp(forum_id=forum.id, text=form.text, created_at=now)
    _write(follow_up, form, institution, entry)
    session.add(follow_up)
    await session.flush()
    await _link(session, follow_up, commitments)
    return follow_up


def _check(forum: Forum, form: RecordForm, institution: Institution | None, entry: MinutesEntry | None) -> None:
    if form.institution and institution is None:
        raise Missing("institution", N_("Choisissez une administration dans la liste."))
    if form.kind == "promise" and institution is None and not form.owner:
        raise Missing("institution", N_("Dites qui a promis : choisissez une administration, ou écrivez plus bas qui c'est."))
    if form.kind == "cooperation" and not form.partners:
        raise Missing("partners", N_("Dites qui coopère, par exemple « Etalab, une association, une ville »."))
    if entry is None and not forum.minutes_elsewhere:
        raise Missing("passage", N_("Choisissez le passage du compte rendu d'où vient cette promesse."))
    if form.due and forum.day and form.due < forum.day:
        raise Missing("due", N_("La date attendue vient après le forum."))


def _write(follow_up: FollowUp, form: RecordForm, institution: Institution | None, entry: MinutesEntry | None) -> None:
    follow_up.kind, follow_up.text = form.kind, form.text  # type: ignore[assignment]
    follow_up.institution_id = institution.id if institution else None
    follow_up.owner, follow_up.partners = form.owner, form.partners
    follow_up.due_on, follow_up.entry_id = form.due, entry.id if entry else None


async def _link(session: AsyncSession, follow_up: FollowUp, commitments: Sequence[Commitment]) -> None:
    await session.exec(delete(FollowUpCommitment).where(col(FollowUpCommitment.follow_up_id) == follow_up.id))
    session.add_all(FollowUpCommitment(follow_up_id=follow_up.id, commitment_id=each.id) for each in commitments)
    await session.flush()


async def amend(
    session: AsyncSession,
    promise: Promise,
    form: AmendForm,
    institution: Institution | None,
    entry: MinutesEntry | None,
    commitments: Sequence[Commitment],
    *,
    now: datetime,
) -> None:
    """Reword a promise, or change who, when, from where. The public reads what it said before.

    Raises `Missing`, or `ChangedMeanwhile` when it was changed since the form was shown.
    """
    _check(promise.forum, form, institution, entry)
    follow_up = promise.follow_up
    try:
        await claim(session, follow_up, form.edition)
    except ChangedMeanwhile:
        if await _says_already(session, promise, form, institution, entry, commitments):
            return
        raise
    before = await promise_by_code(session, follow_up.code, drafts=True)
    assert before is not None
    was: tuple[str, str, date | None] = before.holder, follow_up.text, follow_up.due_on
    _write(follow_up, form, institution, entry)
    session.add(follow_up)
    await _link(session, follow_up, commitments)
    after = await promise_by_code(session, follow_up.code, drafts=True)
    assert after is not None
    # A correction nobody could see does not make a history.
    if before.public and was != (after.holder, follow_up.text, follow_up.due_on):
        text = was[1] if was[0] == after.holder else f"{was[0]} : {was[1]}"
        session.add(FollowUpChange(follow_up_id=follow_up.id, at=now, kind="amended", text=text, due_on=was[2]))


async def _says_already(
    session: AsyncSession,
    promise: Promise,
    form: AmendForm,
    institution: Institution | None,
    entry: MinutesEntry | None,
    commitments: Sequence[Commitment],
) -> bool:
    """Whether what is typed is what is there: the same form sent twice."""
    there = await promise_by_code(session, promise.follow_up.code, drafts=True)
    assert there is not None
    held, ids = there.follow_up, {each.id for each in commitments}
    kept = (held.kind, held.text, held.institution_id, held.owner, held.partners, held.due_on, held.entry_id)
    given = (
        form.kind,
        form.text,
        institution.id if institution else None,
        form.owner,
        form.partners,
        form.due,
        entry.id if entry else None,
    )
    return kept == given and {each.id for each in there.commitments} == ids


async def claim(session: AsyncSession, follow_up: FollowUp, edition: int) -> None:
    """The right to change a promise, for who read its latest edition. Raises `ChangedMeanwhile`."""
    claimed = await session.exec(
        update(FollowUp)
        .where(col(FollowUp.id) == follow_up.id, col(FollowUp.edition) == edition)
        .values(edition=edition + 1)
        .execution_options(synchronize_session=False)
    )
    await session.refresh(follow_up)
    if claimed.rowcount != 1:
        raise ChangedMeanwhile


async def discard(session: AsyncSession, promise: Promise) -> None:
    """Delete a promise written by mistake in a draft. Raises `Refusal` once it is public: its address is promised for ever."""
    if promise.public:
        raise Refusal(N_("Une promesse publiée ne s'efface pas : abandonnez-la en disant pourquoi."))
    await session.exec(delete(FollowUp).where(col(FollowUp.id) == promise.follow_up.id))
