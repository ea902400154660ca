"""Charts as SVG, made on the server: the course of an indicator, counts over seasons.

The drawing is `leather`'s; its colours and fonts are taken off and given classes instead, so that the style
sheet decides (dark mode, forced colours, print) and the page's Content-Security-Policy holds. A chart is one
picture with a sentence for those who do not see it; its figures belong in a table beside it. Its labels have
room for the larger type a phone needs: those that would run into each other there are marked, or left out.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from xml.etree import ElementTree as Xml

import leather
from babel.dates import format_date
from babel.numbers import format_decimal
from markupsafe import Markup

WIDTH, HEIGHT = 440, 260
# How wide a character is, in units of the drawing, on a phone and elsewhere; the type is set in static/forums.css.
ON_A_PHONE, ELSEWHERE = 11, 6
WIDEST_BAR = 80

_OFF = ("fill", "stroke", "font-family", "font-size", "stroke-width")


class Stack(NamedTuple):
    """One layer of a bar chart: its name, and its value for each category."""

    name: str
    values: Sequence[int]


def line(
    points: Sequence[tuple[date, float]],
    *,
    title: str,
    unit: str = "",
    baseline: float | None = None,
    target: float | None = None,
    language: str = "fr",
) -> Markup:
    """The course of a value through time, with its baseline and its target as dashed lines. Empty without any point.

    `points` may come in any order; `title` is the sentence read instead of the picture.
    """
    if not points:
        return Markup()
    points = sorted(points)
    first, last = _room(points[0][0], points[-1][0])
    chart = leather.Chart()
    chart.set_x_scale(_Days(first, last))
    chart.add_y_scale(*_span([value for _, value in points] + [each for each in (baseline, target) if each is not None]))
    chart.add_x_axis(ticks=_dates(points, last - first), tick_formatter=lambda day, *_: format_date(day, "MMM y", locale=language))
    chart.add_y_axis(tick_formatter=lambda value, *_: _number(value, unit, language))
    if len(points) > 1:
        chart.add_line(points)
    chart.add_dots(points, radius=4)
    for level in (baseline, target):
        if level is not None:
            chart.add_line([(first, level), (last, level)])
    names = [*(["course"] if len(points) > 1 else []), "points"]
    names += [name for name, level in (("baseline", baseline), ("target", target)) if level is not None]
    return _drawn(chart, names, title)


def bars(categories: Sequence[str], stacks: Sequence[Stack], *, title: str, unit: str = "", language: str = "fr") -> Markup:
    """Counts for each category, one stack over the other. Empty without any category.

    `title` is the sentence read instead of the picture; the names of the stacks are in the caller's legend,
    whose items have the classes `od-chart__key od-chart__key--1` and so on.
    """
    if not categories or not stacks:
        return Markup()
    totals = [sum(stack.values[at] for stack in stacks) for at in range(len(categories))]
    labels = _different(categories)
    chart = leather.Chart()
    chart.add_y_scale(*_span([0, *totals, 1]))
    chart.add_x_axis(tick_formatter=lambda label, at, _: str(label).rstrip("\u200b") if at % _every(categories, ELSEWHERE) == 0 else "")
    chart.add_y_axis(tick_formatter=lambda value, *_: _number(value, unit, language) if value == int(value) else "")
    below = [0] * len(categories)
    for stack in stacks:
        chart.add_series(leather.Series(list(zip(labels, stack.values, strict=True))), _Above(below))
        below = [under + value for under, value in zip(below, stack.values, strict=True)]
    names = [f"stack-{number}" for number in range(1, len(stacks) + 1)]
    return _drawn(chart, names, title, bars=True, every=_every(categories, ON_A_PHONE))


class _Days(leather.Temporal):  # type: ignore[misc]
    """From its first day to its last; `leather` rounds both to whole months or years, and level lines ran over the labels."""

    def project(self, value: date, range_min: float, range_max: float) -> float:
        first, last = self._data_min, self._data_max
        share: float = (value - first) / (last - first)
        return range_min + (range_max - range_min) * share


class _Above(leather.Columns):  # type: ignore[misc]
    """Columns that stand on others, none so wide that one season alone looks like a wall."""

    def __init__(self, below: Sequence[int]) -> None:
        super().__init__(fill_color="black")
        self._below = below

    def to_svg(self, width: float, height: float, x_scale: Any, y_scale: Any, series: Any, palette: Any) -> Xml.Element:
        group: Xml.Element = super().to_svg(width, height, x_scale, y_scale, series, palette)
        for drawn, under in zip(group, self._below, strict=True):
            lifted = float(y_scale.project(0, height, 0)) - float(y_scale.project(under, height, 0))
            drawn.set("y", str(float(drawn.get("y", "0")) - lifted))
            spare = max(0, float(drawn.get("width", "0")) - WIDEST_BAR)
            drawn.set("x", str(float(drawn.get("x", "0")) + spare / 2))
            drawn.set("width", str(float(drawn.get("width", "0")) - spare))
        return group


def _room(first: date, last: date) -> tuple[date, date]:
    """A little time on both sides, so that no point sits on the frame."""
    margin = max(timedelta(days=15), (last - first) / 12)
    return first - margin, last + margin


def _span(values: Sequence[float]) -> tuple[float, float]:
    """From zero when that is not far away; a scale needs two different ends."""
    low, high = min(values), max(values)
    if low >= 0 and low <= high * 0.6:
        low = 0
    margin = (high - low or abs(high) or 1) * 0.08
    return (low if low == 0 else low - margin), high + margin


def _dates(points: Sequence[tuple[date, float]], drawn: timedelta) -> list[date]:
    """At most three dates under the axis, among those that were measured: the first, one halfway, the last.

    Two of them closer than a third of what is drawn would run into each other on a phone.
    """
    days, room = [day for day, _ in points], drawn * 0.34
    halfway = min(days, key=lambda day: abs((day - days[0]) - (days[-1] - day)))
    if days[-1] - days[0] < room:
        return days[:1]
    return [days[0], *([halfway] if min(halfway - days[0], days[-1] - halfway) >= room else []), days[-1]]


def _every(labels: Sequence[str], character: int) -> int:
    """One label in how many can be written, when a character is that wide."""
    return -(-len(labels) * (max(map(len, labels)) + 1) * character // (WIDTH - 60))


def _number(value: float | Decimal, unit: str, language: str) -> str:
    written = format_decimal(value, "#,##0.##", locale=language)
    return f"{written}\u00a0{unit}" if unit and len(unit) <= 2 else written


def _different(categories: Sequence[str]) -> list[str]:
    """A scale takes two equal labels for one: an invisible space tells them apart."""
    seen: dict[str, int] = {}
    labels = []
    for each in categories:
        labels.append(each + "\u200b" * seen.get(each, 0))
        seen[each] = seen.get(each, 0) + 1
    return labels


def _drawn(chart: leather.Chart, names: Sequence[str], title: str, *, bars: bool = False, every: int = 1) -> Markup:
    drawing = chart.to_svg_group(WIDTH, HEIGHT)
    drawing.remove(drawing[0])  # the background: the page has one
    header, body = drawing[0]
    header.clear()  # the legend: it is in the page, where it can be read and wraps
    above = float(body.get("transform", "0 0)").split()[1].rstrip(")"))
    for series, name in zip(body[0][-1], names, strict=True):
        series.set("class", f"od-chart__series od-chart__{name}")
    for at, tick in enumerate(body[0][0]):
        if bars:
            tick.remove(tick[0])  # a line in the middle of a bar measures nothing
        if at % every:
            tick.set("class", "tick od-chart__spare")
    for element in drawing.iter():
        for attribute in _OFF:
            element.attrib.pop(attribute, None)
        for attribute in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
            if attribute in element.attrib:
                element.set(attribute, f"{float(element.attrib[attribute]):.1f}")
        if "d" in element.attrib:
            element.set("d", " ".join(each if each.isalpha() else f"{float(each):.1f}" for each in element.attrib["d"].split()))
    drawing.set("aria-hidden", "true")  # the picture has a sentence: the figures of its axes alone would say nothing
    head = Markup('<svg class="od-chart" viewBox="0 {:.0f} {} {:.0f}" role="img" aria-label="{}">')
    head = head.format(above, WIDTH, HEIGHT - above, title)
    return head + Markup(Xml.tostring(drawing, encoding="unicode")) + Markup("</svg>")  # noqa: S704 — made above, escaped by ElementTree
