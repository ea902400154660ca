"""The season planner: a rhythm proposes dates, each of which is then edited by hand, and a button creates it all.

One form and no script: each button sends everything back, so nothing typed is ever lost. Warnings are said
beside a date and never stop it; only what cannot be (an hour that does not exist, a date given twice) does.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from forums import accountability, action_plan, members, schedule
from forums.accountability import Examined
from forums.forms import Day, Form, Hour, line, refuse
from forums.language import N_
from forums.models import Commitment
from forums.pages import page
from forums.pages.page import Filled
from forums.schedule import Planned, Proposal, Reason, SeasonForm

MOST = 12
SUGGESTED = 3
FIELDS = ("day", "starts", "ends", "theme", "commitments", "proposed")


class RowForm(Form):
    """One forum of the season to be, as it was typed."""

    day: Day
    starts: Hour
    ends: Hour
    theme: Annotated[str, line(200)]
    commitments: Annotated[str, line(200)]


@dataclass
class Row:
    """A proposed forum on the page: what is typed, why it was shifted, what to know of its date, what it could be about."""

    number: int
    proposal: Proposal | None = None
    warnings: list[Reason] = field(default_factory=list)
    about: list[Commitment] = field(default_factory=list)
    suggestions: list[Examined] = field(default_factory=list)


Typed = list[dict[str, str]]


# -- The pages --------------------------------------------------------------------------------------------


async def form(request: Request) -> Response:
    filled = page.blank(SeasonForm, count="6", months="2", week="4", weekday="TH", starts="18:30", ends="20:30")
    return await _show(request, filled, [])


async def plan(request: Request) -> Response:
    """The same form each time: propose, fill a forum in, add one, check, or create the season."""
    filled = await page.read(request, SeasonForm)
    sent = await request.form()
    rows = _rows(sent)
    if filled.form is None:
        return await _show(request, filled, rows, status=422)
    if "accepter" in sent:
        return await _create(request, filled, filled.form, rows)
    if "remplir" in sent:
        await _fill(request, rows, str(sent["remplir"]))
    elif "ajouter" in sent and len(rows) < MOST:
        rows.append(_blank(filled.form))
    elif "verifier" not in sent:
        rows = _proposed(filled.form, rows)
    return await _show(request, filled, rows)


def _rows(sent: FormData) -> Typed:
    """The forums typed so far, in the order of the page."""
    numbers = [number for number in range(1, MOST + 1) if any(f"{name}-{number}" in sent for name in FIELDS)]
    return [{name: str(sent.get(f"{name}-{number}", "")).strip()[:2000] for name in FIELDS} for number in numbers]


def _blank(form: SeasonForm) -> dict[str, str]:
    return dict.fromkeys(FIELDS, "") | {"starts": f"{form.starts:%H:%M}", "ends": f"{form.ends:%H:%M}"}


def _proposed(form: SeasonForm, rows: Typed) -> Typed:
    """The dates of the rhythm; asked again of the same rhythm (Enter in a field), what was typed stays."""
    days = [proposal.day.isoformat() for proposal in schedule.propose(form)]
    if [row["proposed"] for row in rows if row["proposed"]] == days and any(row["day"] for row in rows):
        return rows
    fresh = [_blank(form) | {"day": day, "proposed": day} for day in days]
    for row, before in zip(fresh, rows, strict=False):  # themes already chosen go to the new dates, in order
        row["theme"], row["commitments"] = before["theme"], before["commitments"]
    return fresh


async def _fill(request: Request, rows: Typed, choice: str) -> None:
    """One click: the commitment is added, and gives its title to a forum that has no theme yet."""
    position, _, number = choice.partition(":")
    if not (position.isdecimal() and number.isdecimal() and 1 <= int(position[:3]) <= len(rows)):
        return
    row = rows[int(position[:3]) - 1]
    async with page.reading(request) as session:
        found = [each for each in await action_plan.current_commitments(session) if str(each.number) == number]
    if found:
        row["theme"] = row["theme"] or found[0].title[:200]
        row["commitments"] = row["commitments"] if number in _numbers(row["commitments"]) else _added(row["commitments"], number)


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)


def _added(text: str, number: str) -> str:
    return f"{text.rstrip(', ')}, {number}" if text.strip(" ,") else number


# -- Shown ------------------------------------------------------------------------------------------------


async def _show(request: Request, filled: Filled[SeasonForm], typed: Typed, *, status: int = 200) -> Response:
    days = [_day(row["day"]) for row in typed]
    async with page.reading(request) as session:
        current = await action_plan.current_plan(session)
        least = await accountability.least_examined(session, current, now=page.now()) if current else []
        planned = await accountability.planned(session, current, now=page.now()) if current else set()
        near = await schedule.announced_near(session, [day for day in days if day])
    proposals = {proposal.day.isoformat(): proposal for proposal in schedule.propose(filled.form)} if filled.form else {}
    taken = {number for row in typed for number in _numbers(row["commitments"])}
    left = iter([each for each in least if str(each.commitment.number) not in taken and each.commitment.id not in planned])
    rows = []
    for number, (row, day) in enumerate(zip(typed, days, strict=True), start=1):
        filled.values |= {f"{name}-{number}": row[name] for name in FIELDS}
        shown = Row(number, proposals.get(row["proposed"]))
        if day:
            shown.warnings = [*schedule.warnings(day), *[_announced(*each) for each in near[day]]]
        about = _numbers(row["commitments"])
        shown.about = [each.commitment for each in least if str(each.commitment.number) in about]
        if row["day"] and not row["theme"] and not about:
            shown.suggestions = [each for each, _ in zip(left, range(SUGGESTED), strict=False)]
        rows.append(shown)
    return page.show(
        request,
        "schedule/season.html",
        status=status,
        filled=filled,
        rows=rows,
        least=least,
        known_until=schedule.known_until(),
        beyond=any(day and day > schedule.known_until() for day in days),
        room=len(rows) < MOST,
    )


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1900 <= day.year <= 2200 else None


def _announced(forum: Any, season: Any) -> Reason:
    sentence = N_("le forum n° {number} ({season}) est déjà annoncé pour le {day}")
    return Reason(sentence, {"number": forum.number, "season": season.title, "day": f"{forum.day:%d/%m/%Y}"})


# -- Created ----------------------------------------------------------------------------------------------


async def _create(request: Request, filled: Filled[SeasonForm], form: SeasonForm, rows: Typed) -> Response:
    async with page.reading(request) as session:
        commitments = {str(each.number): each for each in await action_plan.current_commitments(session)}
    planned = _planned(filled, rows, commitments)
    if filled.errors:
        return await _show(request, filled, rows, status=422)
    try:
        await _open(request, form, planned)
    except IntegrityError:  # the same form sent twice at once: the other has just created it
        await _open(request, form, planned)
    return page.go(request, "/organisation?fait=saison")


def _planned(filled: Filled[SeasonForm], rows: Typed, commitments: dict[str, Commitment]) -> list[Planned]:
    """The forums to create; an emptied date is a forum less. What cannot be is said beside its field."""
    planned: list[Planned] = []
    for number, row in enumerate(rows, start=1):
        if not row["day"]:
            continue
        try:
            form = RowForm.model_validate(row)
        except ValidationError as error:
            for each in error.errors():
                filled.errors.setdefault(f"{each['loc'][0]}-{number}", (each["type"], each.get("ctx", {})))
            continue
        _check(filled, form, number, [each.day for each in planned])
        known = [commitments[text] for text in dict.fromkeys(_numbers(form.commitments)) if text in commitments]
        unknown = [text for text in _numbers(form.commitments) if text not in commitments]
        if unknown or re.sub(r"[\d\s,;.]", "", form.commitments):
            sentence = N_("Donnez des numéros d'engagements du plan en cours, séparés par des virgules. Par exemple : 3, 12.")
            filled.errors[f"commitments-{number}"] = (sentence, {})
        planned.append(Planned(form.day, form.starts, form.ends, form.theme, known))
    if not planned and not filled.errors:
        filled.errors["day-1" if rows else "first_day"] = (N_("Toutes les dates sont vides : gardez-en au moins une."), {})
    return planned


def _check(filled: Filled[SeasonForm], form: RowForm, number: int, days: Sequence[date]) -> None:
    try:
        if form.day in days:
            filled.errors[f"day-{number}"] = (N_("Cette date est donnée deux fois."), {})
        name = "starts"
        begins = schedule.at(form.day, form.starts)
        name = "ends"
        if schedule.at(form.day, form.ends) <= begins:
            raise refuse(N_("L'heure de fin vient après l'heure de début."))
    except PydanticCustomError as error:
        filled.refuse(f"{name}-{number}", error)


async def _open(request: Request, form: SeasonForm, planned: Sequence[Planned]) -> None:
    evenings = [(schedule.at(each.day, each.starts), schedule.at(each.day, each.ends)) for each in planned]
    async with page.transaction(request) as session:
        if await schedule.season_like(session, form.title, evenings):
            return
        slug = await _free_slug(session, form.title)
        plan = await action_plan.current_plan(session)
        await schedule.open_planned(session, form.title, slug, planned, plan_id=plan.id if plan else None, now=page.now())
        await members.record_change(session, request.state.member, "open_season", f"season {slug}", now=page.now())


async def _free_slug(session: AsyncSession, title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.replace("saison", "")).strip("-")[:40] or "saison"
    candidate, number = slug, 1
    while candidate == "nouvelle" or not await schedule.season_slug_free(session, candidate):  # that address is this page's
        number += 1
        candidate = f"{slug}-n{number}"
    return candidate
