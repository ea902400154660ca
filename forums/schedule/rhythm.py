"""The rhythm of a season: the n-th weekday every so many months, holidays and August avoided, each shift explained."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import holidays
from dateutil import rrule

from forums.forms import Day, Form, Hour, choice, line, refuse, whole
from forums.language import N_
from forums.models.forum import PARIS

WEEKDAYS = {"MO": rrule.MO, "TU": rrule.TU, "WE": rrule.WE, "TH": rrule.TH, "FR": rrule.FR}


class SeasonForm(Form):
    """A rhythm to propose dates from: the n-th weekday, every so many months."""

    title: Annotated[str, line(100, N_("Donnez un nom à la saison, par exemple « Saison 2027 »."))]
    first_day: Day
    count: Annotated[int, whole(1, 12)]
    months: Annotated[int, whole(1, 6)]
    week: Annotated[int, whole(1, 4)]
    weekday: Annotated[str, choice(*WEEKDAYS, message=N_("Choisissez un jour de la semaine dans la liste."))]
    starts: Hour
    ends: Hour


@dataclass(frozen=True)
class Proposal:
    """A proposed date, and why it is not the rhythm's own when it was shifted."""

    day: date
    rhythm_day: date
    reason: str | None = None

    @property
    def shifted(self) -> bool:
        return self.day != self.rhythm_day


def propose(form: SeasonForm) -> list[Proposal]:
    """The dates of a rhythm from the first day on, public holidays, their eves and August avoided.

    A holiday's forum goes to the same weekday a week later, or earlier when that is one too;
    August goes to September. Each shift carries its reason in French.
    """
    days = rrule.rrule(
        rrule.MONTHLY,
        interval=form.months,
        byweekday=WEEKDAYS[form.weekday](form.week),
        dtstart=datetime.combine(form.first_day, time()),
    )
    proposals: dict[date, Proposal] = {}  # every month, August's forum would fall on September's own
    for moment in days:
        proposal = _avoiding_holidays(moment.date(), form.week)
        proposals.setdefault(proposal.day, proposal)
        if len(proposals) == form.count:
            break
    return list(proposals.values())


def _avoiding_holidays(day: date, week: int) -> Proposal:
    if day.month == 8:
        first = datetime.combine(date(day.year, 9, 1), time())
        september = next(iter(rrule.rrule(rrule.MONTHLY, byweekday=_weekday(day)(week), dtstart=first, count=1)))
        return Proposal(september.date(), day, "août est un mois de congés")
    reason = _holiday(day)
    if reason is None:
        return Proposal(day, day)
    # Two weeks when it must be: on 8 May 2053, the Thursdays before and after are holidays too.
    near = (day + timedelta(weeks=weeks) for weeks in (1, -1, 2, -2))
    return Proposal(next(other for other in near if not _holiday(other)), day, reason)


def _holiday(day: date) -> str | None:
    """Why nobody comes that evening: a public holiday, or the eve of Christmas or of the new year."""
    public = holidays.country_holidays("FR", years=day.year, language="fr")
    if day in public:
        return f"{public[day]} est un jour férié"
    return "c'est un soir de réveillon" if (day.month, day.day) in ((12, 24), (12, 31)) else None


def _weekday(day: date) -> rrule.weekday:
    return (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)[day.weekday()]


def warning(day: date) -> str | None:
    """What an organiser should know of a date they chose themselves: warn, never forbid."""
    if reason := _holiday(day):
        return reason
    if day.weekday() >= 5:
        return "c'est un week-end"
    return "août est un mois de congés" if day.month == 8 else None


def at(day: date, hour: time) -> datetime:
    """The instant of a wall-clock time in Paris, in UTC. Raises a form error for an hour that does not exist."""
    moment = datetime.combine(day, hour, tzinfo=PARIS)
    if moment.astimezone(UTC).astimezone(PARIS).replace(tzinfo=None) != moment.replace(tzinfo=None):
        raise refuse(N_("Cette heure n'existe pas ce jour-là : on passe à l'heure d'été. Choisissez-en une autre."))
    return moment.astimezone(UTC)
