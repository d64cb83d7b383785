"""A sweep's page and tables say what its data says, in so many columns, and need nothing else."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console

from nirdeploy.proof.report.curve import Axis, argument, curve, size
from nirdeploy.proof.report.sweep import percent, render, tables

NAMES = ("conv1.lif", "a_population_of_a_rather_long_name_as_exports_give_them", "</td>[bold]")
FIGURES = ("accuracy", "wrong", "loss", "weight_bytes", "calibration_loss")


def _trial(bits: dict[str, int], at: int, labelled: bool) -> dict[str, Any]:
    """Figures that are no round numbers, each trial's its own."""
    accuracy = 0.99 - 0.0123456789 * at
    return {
        "bits": bits,
        "weight_bytes": None if not bits else 1_000 * sum(bits.values()) + at,
        "network": None if not bits else "0" * 64,
        "accuracy": accuracy if labelled else None,
        "interval": [accuracy - 0.0212345678, accuracy + 0.0112345678] if labelled else None,
        "wrong": 1_000 + at if labelled else None,
        "loss": 0.1234567891 + at / 7,
        "calibration_loss": None if not bits else 0.0987654321 + at / 9,
        "reason": "",
        "doubt": "",
    }


def told(labelled: bool = True, widths: tuple[int, ...] = (2, 4, 8)) -> dict[str, Any]:
    count = iter(range(100))
    most = dict.fromkeys(NAMES, widths[-1])
    some = [{**most, NAMES[0]: 2, NAMES[1]: 4}, {**most, NAMES[2]: 4}, most] if len(widths) > 1 else []
    return {
        "target": "fpga",
        "samples": 12_345,
        "calibration_samples": 100,
        "labelled": labelled,
        "of": {},
        "widths": list(widths),
        "weights": {name: 1_000 * at for at, name in enumerate(NAMES, 1)},
        "float": _trial({}, next(count), labelled),
        "uniform": [{"width": w, **_trial(dict.fromkeys(NAMES, w), next(count), labelled)} for w in widths],
        "alone": [
            {"population": name, "width": w, **_trial({**most, name: w}, next(count), labelled)}
            for name in NAMES
            for w in widths
            if len(widths) > 1
        ],
        "curve": [{"memory_bytes": 9_876 + at, **_trial(bits, next(count), labelled)} for at, bits in enumerate(some)],
        "warnings": ["there is <something> to know"],
    }


class _Numbers(HTMLParser):
    """Every cell's value, as it stands in the page, with the text that is shown for it; the points of the curve."""

    VOID = frozenset({"meta", "line", "polyline", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[tuple[str, str]] = []
        self.points: list[dict[str, Any]] = []
        self.open: list[str] = []
        self._value: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "td":
            self._value = own.get("data-value")
        elif tag == "g":
            self.points.append(own)
        elif tag == "circle":
            self.points[-1] |= {"cx": own["cx"], "cy": own["cy"]}

    def handle_data(self, data: str) -> None:
        if self._value is not None:
            self.cells.append((self._value, data))
            self._value = None

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def _read(page: str) -> _Numbers:
    found = _Numbers()
    found.feed(page)
    assert found.open == []
    return found


def _every(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [data["float"], *data["uniform"], *data["alone"], *data["curve"]]


@pytest.mark.parametrize("labelled", [True, False])
def test_every_number_of_the_page_is_that_of_the_data(labelled: bool) -> None:
    data = told(labelled)
    cells = _read(render(data)).cells
    shown = {value for value, _ in cells}
    for one in _every(data):
        known = [one[key] for key in FIGURES if one[key] is not None] + (one["interval"] or [])
        if "memory_bytes" in one:  # what loses least is told without these two
            known = [value for value in known if value not in (one["calibration_loss"], one["wrong"])]
        assert {repr(value) for value in known} <= shown
    for value, text in cells:
        number = float(value)
        assert text in ({f"{int(value):,}"} if value.isdecimal() else {f"{100 * number:.2f} %", f"{number:.4g}"})


def test_the_curve_shows_the_numbers_where_they_are() -> None:
    data = told()
    points = _read(render(data)).points
    assert len(points) == len(_every(data)) - 1
    for point in points:
        assert (int(point["data-bytes"]), float(point["data-value"])) in {
            (one["weight_bytes"], one["accuracy"]) for one in _every(data)
        }
    for value, place in (("data-bytes", "cx"), ("data-value", "cy")):
        low, *_, high = sorted(points, key=lambda point: float(point[value]))
        step = (float(high[place]) - float(low[place])) / (float(high[value]) - float(low[value]))
        assert step * (1 if place == "cx" else -1) > 0
        for point in points:
            off = (float(point[value]) - float(low[value])) * step
            assert float(point[place]) == pytest.approx(float(low[place]) + off, abs=0.02)
            assert 0 < float(point[place]) < 360


def test_the_page_needs_nothing_else_and_escapes_names() -> None:
    page = render(told())
    assert not re.search(r"<script|https?://|<link|<img|@import", page)
    assert "&lt;/td&gt;[bold]" in page
    assert "there is &lt;something&gt; to know" in page
    assert 'name="viewport"' in page


def test_the_redder_the_more_is_lost() -> None:
    data = told()
    for one, accuracy in zip(data["alone"], (0.5, 0.7, 0.9, 0.9, 0.9, 0.9, 0.95, 0.8, 0.9), strict=True):
        one["accuracy"] = accuracy
    heat = [float(found) for found in re.findall(r"--heat: ([\d.]+)", render(data))]
    assert heat == [1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0]


@pytest.mark.parametrize("labelled", [True, False])
def test_what_has_no_figure_has_its_reason(labelled: bool) -> None:
    data = told(labelled)
    gone = dict.fromkeys((*FIGURES, "interval", "network")) | {"reason": "nothing is left of it"}
    for one in (data["uniform"][0], data["alone"][0]):
        one |= gone
    page = render(data)
    assert page.count("no figure: nothing is left of it") == 2
    assert len(_read(page).points) == len(_every(data)) - 3
    shown = _shown(data)
    assert "no figure" in shown
    assert "none" in shown


def test_a_target_of_one_width_and_nothing_at_all() -> None:
    data = told(widths=(8,))
    assert len(tables(data)) == 1
    assert len(_read(render(data)).points) == 1
    nothing = copy.deepcopy(data)
    nothing["uniform"][0] |= {"accuracy": None, "interval": None, "reason": "nothing is left"}
    assert curve(nothing) == ""
    assert "nothing is left" in render(nothing)


@pytest.mark.parametrize("labelled", [True, False])
def test_tables_fit_eighty_columns(labelled: bool) -> None:
    shown = _shown(told(labelled))
    assert max(map(len, shown.splitlines())) <= 80
    for one in (told(labelled)["float"], *told(labelled)["uniform"]):
        assert (percent(one["accuracy"]) if labelled else f"{one['loss']:.4g}") in shown
    assert "</td>[bold]" in shown


def _shown(data: dict[str, Any]) -> str:
    """As wide as tables want to be."""
    console = Console(width=160, markup=False, emoji=False)
    with console.capture() as captured:
        for table in tables(data):
            console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def test_bits_are_said_as_the_command_line_takes_them() -> None:
    assert argument({"a": 4, "b": 4}) == "4"
    assert argument({"a": 4, "b": 8}) == "a=4,b=8"
    assert [size(count) for count in (12, 1500, 2_000_000)] == ["12 B", "1.5 KB", "2 MB"]


def test_ticks_are_round_and_within() -> None:
    for low, high in ((0.0, 1.0), (0.913, 0.987), (0.0, 123_456.0), (5.0, 5.0)):
        ticks = Axis(low, high, 0.0, 100.0).ticks()
        assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
        assert 1 <= len(ticks) <= 8
