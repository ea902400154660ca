"""The course of an indicator as a chart, when its values are numbers; the table of the page holds them in any case."""

from markupsafe import Markup

from forums.indicators.figures import number
from forums.indicators.queries import Followed
from forums.language import day_in_full, translations


def chart_of(followed: Followed, language: str) -> Markup:
    """The course of an indicator; empty unless it has two values at least, and all are numbers."""
    unit = followed.indicator.unit
    read = [(each.measured_on, each.value, number(each.value, unit)) for each in reversed(followed.measurements)]
    points = [(day, value) for day, _, value in read if value is not None]
    if len(points) < 2 or len(points) < len(read):
        return Markup()
    from forums import charts  # by what draws them, a fortieth of a start

    said = translations(language).gettext("{name} : de {first} le {start} à {last} le {end}.")
    title = said.format(
        name=followed.indicator.name,
        first=_with_unit(read[0][1], unit),
        start=day_in_full(read[0][0], language),
        last=_with_unit(read[-1][1], unit),
        end=day_in_full(read[-1][0], language),
    )
    levels = {name: number(getattr(followed.indicator, name) or "", unit) for name in ("baseline", "target")}
    return charts.line(points, title=title, unit=unit, language=language, **levels)


def _with_unit(value: str, unit: str) -> str:
    return value if not unit or unit in value else f"{value} {unit}"
