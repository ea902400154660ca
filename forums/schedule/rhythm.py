"""The rhythm of a season: the n-th weekday every so many months, holidays and August avoided, each shift explained.

School holidays are avoided in Paris's zone alone; those of the other zones, and those nobody has published
yet, are said beside the date. What an organiser chooses themselves is warned about, never refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, NamedTuple

from dateutil import rrule

from forums.forms import Day, Form, Hour, choice, line, refuse, whole
from forums.language import N_
from forums.models.forum import PARIS
from forums.schedule.school_holidays import is_known, known_until, school_holiday

WEEKDAYS = {"MO": rrule.MO, "TU": rrule.TU, "WE": rrule.WE, "TH": rrule.TH, "FR": rrule.FR}

# A summer is ten weeks long: nine weeks away from any day of it there is one that is not holiday.
_WEEKS_AWAY = [weeks for near in range(1, 10) for weeks in (near, -near)]


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


class Reason(NamedTuple):
    """Why a date suits badly: a sentence of the catalogue, its figures apart."""

    sentence: str
    figures: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return self.sentence.format(**self.figures)


@dataclass(frozen=True)
class Proposal:
    """A proposed date, and why it is not the rhythm's own when it was shifted."""

    day: date
    rhythm_day: date
    reason: Reason | None = None

    @property
    def shifted(self) -> bool:
        return self.day != self.rhythm_day


def propose(form: SeasonForm) -> list[Proposal]:
    """The dates of a rhythm from the first day on, without public holidays, their eves, school holidays or August.

    Such a forum goes to the same weekday of the nearest week that suits, later before earlier and never
    before the first day; August goes to September. Each shift carries its reason.
    """
    days = rrule.rrule(
        rrule.MONTHLY,
        interval=form.months,
        byweekday=WEEKDAYS[form.weekday](form.week),
        dtstart=datetime.combine(form.first_day, time()),
    )
    proposals: dict[date, Proposal] = {}  # every month, August's forum would fall on September's own
    for moment in days:
        proposal = _avoiding_holidays(moment.date(), form.week, form.first_day)
        proposals.setdefault(proposal.day, proposal)
        if len(proposals) == form.count:
            break
    return sorted(proposals.values(), key=lambda proposal: proposal.day)


def _avoiding_holidays(day: date, week: int, first_day: date) -> Proposal:
    reason = avoided(day)
    if reason is None:
        return Proposal(day, day)
    if day.month == 8:
        first = datetime.combine(date(day.year, 9, 1), time())
        september = next(iter(rrule.rrule(rrule.MONTHLY, byweekday=_weekday(day)(week), dtstart=first, count=1)))
        return Proposal(september.date(), day, reason)
    near = (day + timedelta(weeks=weeks) for weeks in _WEEKS_AWAY)
    return Proposal(next(other for other in near if other >= first_day and not avoided(other)), day, reason)


def avoided(day: date) -> Reason | None:
    """Why the planner keeps out of a day; None beyond what is known of school holidays, but for the rest."""
    if day.month == 8:
        return Reason(N_("août est un mois de congés"))
    if reason := _holiday(day):
        return reason
    school = school_holiday(day)
    if school and school.in_paris:
        return Reason(N_("c'est pendant {name} à Paris (zone C)"), {"name": school.name})
    return None


def _holiday(day: date) -> Reason | None:
    """Why nobody comes that evening: a public holiday, or the eve of Christmas or of the new year."""
    import holidays  # a tenth of a start, and only planners ask

    public = holidays.country_holidays("FR", years=day.year, language="fr")
    if day in public:
        return Reason(N_("{name} est un jour férié"), {"name": public[day]})
    return Reason(N_("c'est un soir de réveillon")) if (day.month, day.day) in ((12, 24), (12, 31)) else None


def _weekday(day: date) -> rrule.weekday:
    return (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)[day.weekday()]


def warnings(day: date) -> list[Reason]:
    """All an organiser should know of a date they chose themselves, what is unknown too: warn, never forbid."""
    found = [reason for reason in (avoided(day),) if reason]
    if day.weekday() >= 5:
        found.append(Reason(N_("c'est un week-end")))
    school = school_holiday(day)
    if school and not school.in_paris:
        several = N_("c'est pendant {name} des zones {zones}, pas à Paris")
        one = N_("c'est pendant {name} de la zone {zones}, pas à Paris")
        figures = {"name": school.name, "zones": " et ".join(school.zones)}
        found.append(Reason(several if len(school.zones) > 1 else one, figures))
    if not is_known(day):
        until = known_until()
        unknown = N_("les vacances scolaires ne sont pas connues à cette date (ce site les connaît jusqu'au {day}/{month:02d}/{year})")
        found.append(Reason(unknown, {"day": until.day, "month": until.month, "year": until.year}))
    return found


def warning(day: date) -> Reason | None:
    """The first thing to know of a date, school holidays elsewhere and those not known left aside."""
    return avoided(day) or (Reason(N_("c'est un week-end")) if day.weekday() >= 5 else None)


def at(day: date, hour: time) -> datetime:
    """The instant of a wall-clock time in Paris, in UTC. Raises a form error for an hour that does not exist."""
    moment = datetime.combine(day, hour, tzinfo=PARIS)
    if moment.astimezone(UTC).astimezone(PARIS).replace(tzinfo=None) != moment.replace(tzinfo=None):
        raise refuse(N_("Cette heure n'existe pas ce jour-là : on passe à l'heure d'été. Choisissez-en une autre."))
    return moment.astimezone(UTC)
