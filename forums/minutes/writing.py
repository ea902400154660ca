"""Write a passage, amend it, tie it, remove it: with what came of each question it is about.

A form carries the edition it was made from, and the change is one conditional UPDATE on that edition:
whoever comes second is refused with `EditedMeanwhile`. Saving the same thing twice is saving it once.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final

from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Form, OptionalDay, choice, line, optional, prose, whole
from forums.language import N_
from forums.minutes.publishing import add_version, as_plain, keep_first_version, lock, tell_authors
from forums.minutes.queries import Entry, entries_of
from forums.models import (
    AgendaItem,
    Commitment,
    FollowUp,
    FollowUpForum,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    Question,
)
from forums.models.forum import Outcome
from forums.refusals import Refusal
from forums.rendering import LONGEST

OUTCOMES: Final[dict[str, str]] = {
    "answered": N_("Répondue"),
    "partly": N_("Répondue en partie"),
    "deferred": N_("Réponse remise à plus tard"),
    "refused": N_("Réponse refusée"),
}


class EntryForm(Form):
    title: Annotated[str, line(200)]
    text: Annotated[str, prose(LONGEST, N_("Écrivez ce passage : ce qui a été demandé, répondu, promis."))]
    agenda_item: Annotated[str, line(40)]
    commitments: tuple[Annotated[int, whole(1, 9_999)], ...] = ()
    questions: tuple[Annotated[str, line(20)], ...] = ()
    comment: Annotated[str, line(300)] = ""
    """What changes, in a few words: asked for once the minutes are public."""
    edition: Annotated[int | None, optional(whole(0, 999_999_999))] = None


class OutcomeForm(Form):
    """What came of one question, as an organiser says it."""

    outcome: Annotated[str, choice(*OUTCOMES, message=N_("Dites ce qu'il en est de cette question."))] = "answered"
    deferred_to: OptionalDay = None
    reason: Annotated[str, prose(1_000)] = ""

    @property
    def missing(self) -> tuple[str, str] | None:
        """The field an outcome cannot go without, and the sentence that asks for it."""
        if self.outcome == "deferred" and self.deferred_to is None:
            return "deferred_to", N_("Indiquez pour quand la réponse est promise, par exemple 2027-03-25.")
        if self.outcome == "refused" and not self.reason:
            return "reason", N_("Donnez la raison du refus : elle est publiée avec le compte rendu.")
        return None


class EditedMeanwhile(Refusal):
    sentence = N_("Quelqu'un d'autre a enregistré ce passage pendant que vous l'écriviez. Rien n'est perdu : comparez les deux textes.")


class CommentMissing(Refusal):
    sentence = N_("Dites en quelques mots ce qui change : c'est écrit au-dessus de la nouvelle version.")


async def write(
    session: AsyncSession,
    minutes: Minutes,
    form: EntryForm,
    item: AgendaItem | None,
    commitments: Sequence[Commitment],
    questions: Sequence[Question],
    *,
    outcomes: Mapping[str, OutcomeForm] | None = None,
    now: datetime,
) -> MinutesEntry:
    """A new passage after the others; sent twice, it is one. Added to published minutes, it is public at once.

    `outcomes` says what came of a question, by its code; a question it leaves out is answered.
    Raises `CommentMissing` on published minutes.
    """
    await lock(session, minutes)
    same = select(MinutesEntry).where(
        MinutesEntry.minutes_id == minutes.id,
        MinutesEntry.title == form.title,
        MinutesEntry.text == form.text,
        MinutesEntry.agenda_item_id == (item.id if item else None),
    )
    entry = (await session.exec(same)).first()
    if entry is None:
        _require_comment(minutes, form.comment)
        await keep_first_version(session, minutes)
        last = select(func.coalesce(func.max(MinutesEntry.number), 0)).where(MinutesEntry.minutes_id == minutes.id)
        entry = MinutesEntry(minutes_id=minutes.id, number=(await session.exec(last)).one() + 1, text="")
        session.add(entry)
        await session.flush()
    return await amend(session, minutes, entry, form, item, commitments, questions, outcomes=outcomes, edition=entry.edition, now=now)


async def amend(
    session: AsyncSession,
    minutes: Minutes,
    entry: MinutesEntry,
    form: EntryForm,
    item: AgendaItem | None,
    commitments: Sequence[Commitment],
    questions: Sequence[Question],
    *,
    outcomes: Mapping[str, OutcomeForm] | None = None,
    edition: int | None = None,
    now: datetime,
) -> MinutesEntry:
    """Change a passage and what it is tied to; once published, the change is dated and makes the next version.

    `edition` is the one the form was made from; without it, whatever is there is replaced. Raises
    `EditedMeanwhile` when it is no longer the one, `CommentMissing` on published minutes.
    """
    await lock(session, minutes)
    await session.refresh(entry)
    held = next(each for each in await entries_of(session, minutes) if each.entry.id == entry.id)
    links = {each.code: _link(entry, each, (outcomes or {}).get(each.code, OutcomeForm())) for each in questions}
    new = _content(form.title, form.text, item, commitments, links)
    if new == _content_of(held):
        return entry
    if edition is not None and edition != entry.edition:
        raise EditedMeanwhile
    _require_comment(minutes, form.comment)
    await keep_first_version(session, minutes)
    values: dict[str, Any] = {"title": form.title, "text": form.text, "agenda_item_id": item.id if item else None}
    await _save(session, minutes, entry, values, now)
    await session.exec(delete(MinutesEntryCommitment).where(col(MinutesEntryCommitment.entry_id) == entry.id))
    session.add_all(MinutesEntryCommitment(entry_id=entry.id, commitment_id=each.id) for each in commitments)
    for link in held.outcomes.values():
        session.expunge(link)
    await session.exec(delete(MinutesEntryQuestion).where(col(MinutesEntryQuestion.entry_id) == entry.id))
    session.add_all(links.values())
    await session.flush()
    if minutes.published_at is not None:
        before = {code: as_plain(link) for code, link in held.outcomes.items()}
        await add_version(session, minutes, form.comment, now=now)
        await tell_authors(session, minutes, entry, questions, links, before, now=now)
    return entry


async def tie(session: AsyncSession, minutes: Minutes, entry: MinutesEntry, commitment: Commitment, comment: str, *, now: datetime) -> None:
    """Tie a passage to a commitment it cites. Already tied, nothing changes."""
    await lock(session, minutes)
    await session.refresh(entry)
    if await session.get(MinutesEntryCommitment, (entry.id, commitment.id)) is not None:
        return
    await keep_first_version(session, minutes)
    await _save(session, minutes, entry, {}, now)
    session.add(MinutesEntryCommitment(entry_id=entry.id, commitment_id=commitment.id))
    await session.flush()
    if minutes.published_at is not None:
        await add_version(session, minutes, comment, now=now)


async def remove(session: AsyncSession, minutes: Minutes, entry: MinutesEntry) -> None:
    """Remove a passage of a draft. Raises `Refusal` once published: its address is promised for ever."""
    await lock(session, minutes)
    if minutes.published_at is not None:
        raise Refusal(N_("Un passage publié ne s'efface pas : corrigez-le, la correction sera datée."))
    promised = await session.exec(select(FollowUp.id).where(FollowUp.entry_id == entry.id).limit(1))
    said = await session.exec(select(FollowUpForum.follow_up_id).where(FollowUpForum.entry_id == entry.id).limit(1))
    if promised.first() or said.first():
        raise Refusal(N_("Une promesse vient de ce passage, ou y est suivie : effacez-la d'abord, ou corrigez le passage."))
    await session.exec(delete(MinutesEntry).where(col(MinutesEntry.id) == entry.id))


async def _save(session: AsyncSession, minutes: Minutes, entry: MinutesEntry, values: dict[str, Any], now: datetime) -> None:
    if minutes.published_at is not None:
        values |= {"amended_at": now}
        minutes.amended_at = now
        session.add(minutes)
    # The condition holds even where a lock would not: two processes, one edition, one of them writes.
    saved = await session.exec(
        update(MinutesEntry)
        .where(col(MinutesEntry.id) == entry.id, col(MinutesEntry.edition) == entry.edition)
        .values(edition=entry.edition + 1, **values)
    )
    if saved.rowcount != 1:
        raise EditedMeanwhile
    await session.refresh(entry)


def _require_comment(minutes: Minutes, comment: str) -> None:
    if minutes.published_at is not None and not comment:
        raise CommentMissing


def _link(entry: MinutesEntry, question: Question, said: OutcomeForm) -> MinutesEntryQuestion:
    outcome: Outcome = said.outcome  # type: ignore[assignment]
    deferred_to: date | None = said.deferred_to if outcome == "deferred" else None
    reason = said.reason if outcome == "refused" else None
    return MinutesEntryQuestion(entry_id=entry.id, question_id=question.id, outcome=outcome, deferred_to=deferred_to, reason=reason)


def _content_of(held: Entry) -> tuple[object, ...]:
    return _content(held.entry.title, held.entry.text, held.item, held.commitments, held.outcomes)


def _content(
    title: str, text: str, item: AgendaItem | None, commitments: Sequence[Commitment], links: Mapping[str, MinutesEntryQuestion]
) -> tuple[object, ...]:
    tied = {code: as_plain(link) for code, link in links.items()}
    return title, text, item.id if item else None, {each.id for each in commitments}, tied
