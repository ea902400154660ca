"""Progress reports: over a period, how far a commitment is (OGP's codes), what stands in the way, and what shows it.

An institution that carries the commitment proposes one, an organiser publishes it; published, it is amended by
organisers alone, and says when. What is not started or limited says what stands in the way.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, field_validator
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.forms import Day, Form, choice, clean, is_to_come, line, prose, refuse, whole
from forums.language import N_
from forums.models import Commitment, Institution, ProgressReport
from forums.models.forum import PARIS
from forums.refusals import Refusal

# As OGP's Independent Reporting Mechanism codes it.
COMPLETIONS = {
    "not_started": N_("Non commencé"),
    "limited": N_("Limité"),
    "substantial": N_("Substantiel"),
    "complete": N_("Achevé"),
}
LITTLE = ("not_started", "limited")
EVIDENCE_AT_MOST = 20
TO_COME = N_("Cette date est à venir : un point d'étape parle d'une période finie.")

Evidence = list[tuple[str, str]]  # typed as one text: a tuple is for fields that are sent several times


def _evidence(text: Any) -> Any:
    """One link a line, with or without its title before it."""
    if not isinstance(text, str):
        return text
    found = []
    for typed in filter(None, (each.strip() for each in clean(text).splitlines())):
        title, _, address = typed.rpartition(" ")
        if not re.fullmatch(r"https?://[^\s/]+\S*", address) or len(typed) > 700:
            raise refuse(N_("Écrivez une adresse complète au bout de chaque ligne ; « {line} » n'en a pas."), line=typed[:80])
        found.append((title.strip(" :–-") or address, address))
    if len(found) > EVIDENCE_AT_MOST:
        raise refuse(N_("Gardez {limit} liens au plus."), limit=EVIDENCE_AT_MOST)
    return found


class ReportForm(Form):
    institution: Annotated[str, line(80)]
    period_start: Day
    period_end: Day
    completion: Annotated[str, choice(*COMPLETIONS, message=N_("Dites où en est l'engagement à la fin de la période."))]
    text: Annotated[str, prose(10_000, N_("Écrivez ce qui a été fait pendant la période."))]
    obstacles: Annotated[str, prose(5000)]
    evidence: Annotated[Evidence, BeforeValidator(_evidence)]
    edition: Annotated[int, whole(0, 999_999)]

    @field_validator("period_end")
    @classmethod
    def _in_order(cls, day: date, info: ValidationInfo) -> date:
        start = info.data.get("period_start")
        if start and day < start:
            raise refuse(N_("La fin de la période vient après son début."))
        if is_to_come(day, info):
            raise refuse(TO_COME)
        return day

    @field_validator("obstacles")
    @classmethod
    def _what_stands_in_the_way(cls, text: str, info: ValidationInfo) -> str:
        if not text and info.data.get("completion") in LITTLE:
            raise refuse(N_("Dites ce qui fait obstacle : c'est demandé quand rien n'est commencé ou que l'avancement est limité."))
        return text

    def values(self) -> dict[str, Any]:
        kept = self.model_dump(exclude={"edition", "institution", "evidence"})
        return kept | {"evidence": [{"title": title, "url": address} for title, address in self.evidence]}


class WrongReport(Refusal):
    """Something that cannot be, in the form's field `name`."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class ReportChanged(Refusal):
    sentence = N_("Quelqu'un d'autre a changé ce point d'étape pendant que vous écriviez. Rien n'est perdu : comparez, puis enregistrez.")


class PublishedMeanwhile(Refusal):
    sentence = N_("Ce point d'étape est publié : les organisateurs seuls le corrigent. Dites-leur ce qui est à changer.")


def as_typed(evidence: list[dict[str, Any]]) -> str:
    """The links as the form's field holds them."""
    return "\n".join(each["url"] if each["title"] == each["url"] else f"{each['title']} {each['url']}" for each in evidence)


async def write(
    session: AsyncSession, commitment: Commitment, form: ReportForm, institution: Institution, *, now: datetime
) -> tuple[ProgressReport, bool]:
    """A new report, for organisers to publish. Returns it, and whether this wrote it: the same form sent twice writes one.

    Raises `WrongReport` when the institution has one that begins that day, or the period is not over.
    """
    _is_over(form, now)
    await session.refresh(commitment, with_for_update=True)
    held = await _beginning(session, commitment, institution, form.period_start)
    if held is not None:
        if _says(held, form):
            return held, False
        raise _taken()
    report = ProgressReport(commitment_id=commitment.id, institution_id=institution.id, written_at=now, **form.values())
    session.add(report)
    await session.flush()
    return report, True


def _is_over(form: ReportForm, now: datetime) -> None:
    if form.period_end > now.astimezone(PARIS).date():
        raise WrongReport("period_end", TO_COME)


async def _beginning(session: AsyncSession, commitment: Commitment, institution: Institution, day: date) -> ProgressReport | None:
    query = select(ProgressReport).where(
        ProgressReport.commitment_id == commitment.id, ProgressReport.institution_id == institution.id, ProgressReport.period_start == day
    )
    return (await session.exec(query.execution_options(populate_existing=True))).first()


def _taken() -> WrongReport:
    sentence = N_("Cette administration a déjà un point d'étape qui commence ce jour-là : modifiez-le plutôt.")
    return WrongReport("period_start", sentence)


def _says(held: ProgressReport, form: ReportForm) -> bool:
    return all(getattr(held, name) == value for name, value in form.values().items())


async def amend(
    session: AsyncSession,
    commitment: Commitment,
    report: ProgressReport,
    form: ReportForm,
    institution: Institution,
    *,
    organiser: bool,
    now: datetime,
) -> bool:
    """Change a proposal; or what is published, which then says when. False when it says that already.

    Raises `PublishedMeanwhile` for who is not an organiser, `ReportChanged`, `WrongReport`.
    """
    _is_over(form, now)
    await session.refresh(commitment, with_for_update=True)
    await session.refresh(report)
    if _says(report, form) and report.institution_id == institution.id:
        return False
    if report.status == "published" and not organiser:
        raise PublishedMeanwhile
    other = await _beginning(session, commitment, institution, form.period_start)
    if other is not None and other.id != report.id:
        raise _taken()
    dated = {"amended_at": now} if report.status == "published" else {"written_at": now}
    changed = await session.exec(
        update(ProgressReport)
        .where(col(ProgressReport.id) == report.id, col(ProgressReport.edition) == form.edition)
        .values(edition=form.edition + 1, institution_id=institution.id, **form.values(), **dated)
        .execution_options(synchronize_session=False)
    )
    await session.refresh(report)
    if changed.rowcount != 1:
        raise ReportChanged
    return True


async def publish(session: AsyncSession, report: ProgressReport, *, edition: int, now: datetime) -> bool:
    """Make a report public, as it was read. False when it already is: a second click. Raises `ReportChanged`."""
    out = await session.exec(
        update(ProgressReport)
        .where(col(ProgressReport.id) == report.id, col(ProgressReport.status) == "proposed", col(ProgressReport.edition) == edition)
        .values(status="published", published_at=now, edition=edition + 1)
        .execution_options(synchronize_session=False)
    )
    await session.refresh(report)
    if out.rowcount == 1:
        return True
    if report.status == "published":
        return False
    raise ReportChanged
