"""Charts: drawn to scale, without a colour of their own, read as one picture."""

from datetime import date
from itertools import pairwise
from xml.etree import ElementTree as Xml

from forums import charts

POINTS = [(date(2018, 3, 1), 12.0), (date(2018, 9, 1), 31.5), (date(2019, 2, 1), 40.2)]


def read(chart: str) -> Xml.Element:
    return Xml.fromstring(chart)


def series(chart: str, name: str) -> Xml.Element:
    return next(each for each in read(chart).iter("g") if each.get("class") == f"od-chart__series od-chart__{name}")


def test_each_measurement_is_a_point_higher_when_it_is_more_and_further_right_when_it_is_later() -> None:
    drawn = [(float(each.get("cx", "")), float(each.get("cy", ""))) for each in series(charts.line(POINTS, title="t"), "points")]

    assert len(drawn) == 3
    assert drawn == sorted(drawn)
    assert [y for _, y in drawn] == sorted((y for _, y in drawn), reverse=True)


def test_a_target_is_a_level_line_at_its_value() -> None:
    chart = charts.line(POINTS, title="t", target=40.2)

    path = series(chart, "target")[0].get("d", "").split()
    last_point = list(series(chart, "points"))[-1]

    assert path[2] == path[5] == last_point.get("cy")


def test_level_lines_go_from_one_side_of_the_frame_to_the_other_and_no_further() -> None:
    for first, last in (
        (date(2026, 1, 4), date(2026, 11, 30)),
        (date(2026, 3, 5), date(2026, 10, 31)),
        (date(2018, 1, 1), date(2026, 6, 1)),
    ):
        chart = charts.line([(first, 2.0), (last, 10.0)], title="t", unit="fiches", baseline=0, target=20)
        frame = max(float(each.get("x2", "")) for each in read(chart).iter("line"))
        starts, ends = zip(*((float(path[1]), float(path[4])) for path in _paths(chart)), strict=True)

        assert (set(starts), set(ends)) == ({0.0}, {frame})


def _paths(chart: str) -> list[list[str]]:
    return [series(chart, name)[0].get("d", "").split() for name in ("baseline", "target")]


def test_stacks_stand_one_on_the_other_and_their_heights_are_to_scale() -> None:
    chart = charts.bars(["a", "b"], [charts.Stack("un", [10, 0]), charts.Stack("deux", [5, 20])], title="t")

    low, high = series(chart, "stack-1"), series(chart, "stack-2")
    box = [{name: float(each.get(name, "")) for name in ("y", "height")} for each in (*low, *high)]

    assert abs(box[0]["height"] - 2 * box[2]["height"]) < 0.2
    assert abs(box[2]["y"] + box[2]["height"] - box[0]["y"]) < 0.2
    assert abs(box[3]["height"] - 4 * box[2]["height"]) < 0.3


def test_a_picture_is_read_as_its_sentence_whatever_it_holds_and_carries_no_style_of_its_own() -> None:
    for chart in (charts.line(POINTS, title='<b>"x"'), charts.bars(["<i>", "<i>"], [charts.Stack("s", [1, 2])], title='<b>"x"')):
        root = read(chart)

        assert (root.get("role"), root.get("aria-label")) == ("img", '<b>"x"')
        assert {name for each in root.iter() for name in each.attrib} & {"fill", "stroke", "style", "font-family", "id"} == set()


def test_one_measurement_alone_is_a_point_and_none_is_no_picture() -> None:
    assert len(series(charts.line(POINTS[:1], title="t"), "points")) == 1
    assert charts.line([], title="t") == ""
    assert charts.bars([], [], title="t") == ""


def labels(chart: str) -> list[tuple[float, str]]:
    """What is written under the axis, and where."""
    found = next(each for each in read(chart).iter("g") if each.get("class") == "axis bottom")
    return [(float(each.get("x", "")), each.text) for each in found.iter("text") if each.text]


def test_at_most_three_dates_are_written_and_never_so_close_that_a_phone_runs_them_together() -> None:
    days = [date(2018, month, 1) for month in range(1, 13)]
    for chosen in (days, days[:2], [days[0], days[8], days[11]], [date(2018, 1, 1), date(2018, 1, 3)], days[:1]):
        written = [x for x, _ in labels(charts.line([(day, 1.0) for day in chosen], title="t"))]

        assert 1 <= len(written) <= 3
        assert all(later - earlier > 110 for earlier, later in pairwise(written)), chosen
    assert len(labels(charts.line([(day, 1.0) for day in days], title="t"))) == 3


def test_of_many_seasons_those_whose_name_has_no_room_on_a_phone_are_marked_and_all_are_drawn() -> None:
    seasons = [f"{year}-{year + 1}" for year in range(2018, 2024)]
    chart = charts.bars(seasons, [charts.Stack("s", [1] * 6)], title="t")

    spare = [each for each in read(chart).iter("g") if each.get("class") == "tick od-chart__spare"]

    assert [text for _, text in labels(chart)] == seasons
    assert (len(spare), len(series(chart, "stack-1"))) == (3, 6)
    assert {float(each.get("width", "")) for each in series(charts.bars(["a"], [charts.Stack("s", [1])], title="t"), "stack-1")} == {80.0}
