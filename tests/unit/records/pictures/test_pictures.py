"""Pictures: what is drawn is what is there, and the first difference always."""

from __future__ import annotations

import base64
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.errors import ToolMissing, UnknownPopulation, UsageProblem
from nirdeploy.proof.verify import verify
from nirdeploy.records.pictures import still
from nirdeploy.records.pictures.network import Arrow, Box, network
from nirdeploy.records.pictures.palette import DARK, LIGHT
from nirdeploy.records.pictures.raster import Compared, raster
from nirdeploy.records.pictures.window import holding
from nirdeploy.records.spikes import SpikeRecord


def record(steps: int = 30, neurons: int = 6, seed: int = 0, source: str = "integer") -> SpikeRecord:
    rng = np.random.default_rng(seed)
    spikes = {name: (rng.random((steps, 3, neurons)) < 0.3).astype(np.uint8) for name in ("a", "b<i>")}
    return SpikeRecord(spikes, {}, {}, source, 1e-3, {"out": "a"})


def numbers(held: dict[str, str]) -> list[int]:
    return np.frombuffer(base64.b64decode(held["bdata"]), np.dtype(f"<{held['dtype']}")).tolist()


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_the_first_difference_is_drawn_however_little_is(steps: int, neurons: int, data: st.DataObject) -> None:
    a = np.ones((steps, neurons), np.uint8)
    b = a.copy()
    at = data.draw(st.integers(0, steps - 1)), data.draw(st.integers(0, neurons - 1))
    b[at] = data.draw(st.sampled_from([0, 2]))
    most = data.draw(st.integers(1, 200))
    figure = raster(Compared("x", a, b), most=most)
    marks = {trace["meta"]: list(zip(*(numbers(trace[axis]) for axis in "xy"), strict=True)) for trace in figure.data}
    assert marks["missing" if b[at] == 0 else "count"] == [at]
    assert sum(map(len, marks.values())) <= max(most, neurons)
    assert f"step {at[0]}, neuron {at[1]}" in figure.layout["annotations"][0]["text"]
    (left, right), (low, high) = figure.views["first"]["xaxis"], figure.views["first"]["yaxis"]
    assert left < at[0] < right
    assert high < at[1] < low


def test_all_that_fits_is_drawn() -> None:
    spikes = np.random.default_rng(1).random((50, 40)) < 0.2
    assert holding(spikes, (3, 3), int(spikes.sum())).whole
    window = holding(spikes, (30, 30), 20)
    assert 0 < spikes[window.cells].sum() <= 20
    assert not window.whole


def test_a_still_raster_moves_to_the_difference() -> None:
    a = np.ones((1000, 500), np.uint8)
    b = a.copy()
    b[900, 450] = 2
    drawn = str(still.raster(a, b, "x"))
    assert "steps 744 to 999, neurons 372 to 499" in drawn
    assert 'class="count"' in drawn


def test_plot_draws_each_population_and_names_are_only_text() -> None:
    figure = record().plot()
    assert [note.text for note in figure.layout.annotations] == ["a, sample 0", "b&lt;i&gt;, sample 0"]
    assert len(record().plot("out", sample=2).data) == 1
    with pytest.raises(UnknownPopulation, match="'c'"):
        record().plot("c")
    with pytest.raises(UsageProblem, match="no sample 3"):
        record().plot(sample=3)
    with pytest.raises(UsageProblem, match="no steps"):
        record(steps=0).plot()


def test_a_verdict_draws_the_sample_that_differs() -> None:
    other = record(source="device")
    other.spikes["b<i>"][20, 2, 5] ^= 1
    verdict = verify(record(), other)
    texts = [note.text for note in verdict.plot().layout.annotations]
    assert "first difference: step 20, neuron 5" in texts
    assert "b&lt;i&gt;, sample 2" in texts
    sent = pickle.loads(pickle.dumps(verdict))
    assert sent == verdict
    with pytest.raises(UsageProblem, match="no steps to draw"):
        sent.plot()


def test_membranes_are_drawn_where_nothing_spikes() -> None:
    volts = np.arange(24, dtype=np.int32).reshape(6, 2, 2)
    one = SpikeRecord({}, {"r": volts}, {"r": np.full(2, 0.5)}, "integer", 1e-3)
    other = replace(one, membrane={"r": volts + (volts == 13)}, source="device")
    assert len(one.plot().data) == 2
    verdict = verify(one, other)
    [note] = [note for note in verdict.plot().layout.annotations if note.showarrow]
    assert (note.x, note.y) == (3, 6.5)


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ToolMissing, match="pip install plotly"):
        record().plot()


def test_a_network_is_drawn_with_what_leads_back() -> None:
    boxes = [Box("in", kind="input"), Box("<b>", ("LIF, 3",)), Box("out", kind="output")]
    arrows = [Arrow("in", "<b>", "dense"), Arrow("<b>", "<b>", "back"), Arrow("<b>", "out"), Arrow("in", "out", "past")]
    drawn = str(network(boxes, arrows))
    assert drawn.count("<rect") == 3
    assert drawn.count("stroke-dasharray") == 1
    assert "&lt;b&gt;" in drawn
    assert "<b>" not in drawn
    assert network([Box(str(at)) for at in range(500)], []) == ""


def test_colours_stand_out_from_both_papers() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for colours in (LIGHT, DARK):
        assert colours.keys() == LIGHT.keys()
        for name in colours.keys() - {"paper", "soft", "line", "heat"}:
            for paper in ("paper", "soft"):
                light, dark = sorted((luminance(colours[name]), luminance(colours[paper])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, paper)
