"""What came of a call, summed up: counted by commitment, with its replies and amendments; as Markdown and as CSV.

Nothing personal is in the files: neither names nor addresses, even of those who agreed to be named on the site.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Integer, cast
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan, amendments
from forums.attendance_list import disarmed
from forums.consultations.queries import Said, published
from forums.language import day_in_full
from forums.models import ActionPlan, Comment, Commitment, CommitmentAmendment, Consultation

EVERY = 100_000


class Line(NamedTuple):
    """What was said of a commitment, or of the plan as a whole."""

    commitment: Commitment | None
    comments: int
    replied: int
    amended: int


@dataclass(frozen=True)
class Synthesis:
    """The counts of a call, and its amendments with their commitments, the latest first."""

    lines: Sequence[Line]
    declined: int
    amended: Sequence[tuple[CommitmentAmendment, Commitment]]

    @property
    def comments(self) -> int:
        return sum(each.comments for each in self.lines)

    @property
    def replied(self) -> int:
        return sum(each.replied for each in self.lines)


async def summed_up(session: AsyncSession, plan: ActionPlan, consultation: Consultation) -> Synthesis:
    commitments = {each.id: each for each in await action_plan.commitments_of(session, plan)}
    amended = [(each, commitments[each.commitment_id]) for each in await amendments.of(session, list(commitments))]
    query = (
        select(Comment.commitment_id, func.count(), func.sum(cast(col(Comment.replied_at).is_not(None), Integer)))
        .where(Comment.consultation_id == consultation.id, Comment.status == "published")
        .group_by(col(Comment.commitment_id))
    )
    counted = {commitment_id: (comments, replied or 0) for commitment_id, comments, replied in (await session.exec(query)).all()}
    refused = select(func.count()).select_from(Comment).where(Comment.consultation_id == consultation.id, Comment.status == "declined")

    def line(commitment: Commitment | None) -> Line:
        about: UUID | None = commitment.id if commitment else None
        return Line(commitment, *counted.get(about, (0, 0)), sum(each.commitment_id == about for each, _ in amended))

    lines = [line(None), *(line(each) for each in commitments.values())]
    return Synthesis(lines, (await session.exec(refused)).one(), amended)


async def as_markdown(session: AsyncSession, plan: ActionPlan, consultation: Consultation) -> str:
    """The whole call as a document in French: what organisers make of it, the counts, each comment with what came of it."""
    found = await summed_up(session, plan, consultation)
    said, _ = await published(session, consultation, everything=True, limit=EVERY)
    opened, closed = (day_in_full(moment) for moment in (consultation.opens_at, consultation.closes_at))
    parts = [f"# Synthèse de l'appel à commentaires\n\n{_plain(plan.title)}", f"Appel ouvert du {opened} au {closed}."]
    if consultation.synthesis_published_at:
        parts.append(f"## Ce qu'en retiennent les organisateurs\n\n{consultation.synthesis}")
    parts.append(_counts(found))
    if found.amended:
        parts += ["## Ce qui a changé", *(_amendment(*each) for each in found.amended)]
    parts += ["## Les commentaires publiés", *(_comment(each) for each in said)]
    return "\n\n".join(parts) + "\n"


def _counts(found: Synthesis) -> str:
    rows = ["| Sur | Commentaires | Avec une réponse | Modifications |", "|---|---|---|---|"]
    for each in found.lines:
        about = f"{each.commitment.number}. {each.commitment.title}" if each.commitment else "Le plan entier"
        rows.append(f"| {_plain(about)} | {each.comments} | {each.replied} | {each.amended} |")
    told = (
        f"Commentaires publiés : {found.comments}, dont {found.replied} avec une réponse. Non publiés, avec une raison : {found.declined}."
    )
    return f"## Les nombres\n\n{told}\n\n" + "\n".join(rows)


def _amendment(amendment: CommitmentAmendment, commitment: Commitment) -> str:
    was, now = amendment.before, amendment.after
    told = [f"### Engagement {commitment.number}, le {day_in_full(amendment.at)}", f"Raison : {_plain(amendment.reason)}"]
    for name, word in (("title", "Titre"), ("summary", "Résumé")):
        if was[name] != now[name]:
            told += [f"{word} avant : {_plain(was[name])}", f"{word} après : {_plain(now[name])}"]
    return "\n\n".join(told)


def _comment(said: Said) -> str:
    about = f"Sur l'engagement {said.commitment.number}" if said.commitment else "Sur le plan entier"
    told = [f"### {about} ({said.comment.code})", _plain(said.comment.text)]
    if said.comment.reply:
        told.append(
            f"Réponse ({_plain(said.institution.name) if said.institution else 'les organisateurs'}) : {_plain(said.comment.reply)}"
        )
    if said.amendment and said.commitment:
        told.append(f"L'engagement a été modifié le {day_in_full(said.amendment.at)}.")
    return "\n\n".join(told)


def _plain(text: str) -> str:
    """What people typed, so that Markdown shows it as it is."""
    return "".join("\\" + letter if letter in "\\`*_{}[]<>()#+-=.!|&~" else letter for letter in text)


async def as_csv(session: AsyncSession, plan: ActionPlan, consultation: Consultation, public_url: str) -> bytes:
    """Each published comment on a line, by the names and codes of the open data's `commentaires.csv`, without those who signed."""
    said, _ = await published(session, consultation, everything=True, limit=EVERY)
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow(
        [
            "code",
            "consultation",
            "engagement",
            "texte",
            "publie_le",
            "reponse",
            "reponse_institution",
            "repondu_le",
            "modification",
            "adresse",
        ]
    )
    for each in said:
        comment = each.comment
        cells = [
            comment.code,
            plan.slug,
            f"{plan.slug}/{each.commitment.number}" if each.commitment else "",
            comment.text,
            _instant(comment.decided_at),
            comment.reply,
            each.institution.slug if each.institution else "",
            _instant(comment.replied_at),
            each.amendment.code if each.amendment else "",
            f"{public_url}/commentaires/{comment.code}",
        ]
        rows.writerow([disarmed(cell) for cell in cells])
    return text.getvalue().encode()


def _instant(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else ""
