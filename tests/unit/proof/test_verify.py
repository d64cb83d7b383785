"""Verdicts: what is compared, what decides, what is said."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.errors import InputShapeError, UnknownPopulation
from nirdeploy.proof.report.write import report
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord


def record(seed: int = 0, source: str = "integer", **changes: Any) -> SpikeRecord:
    rng = np.random.default_rng(seed)
    made = SpikeRecord(
        spikes={
            "a": (rng.random((9, 3, 4)) < 0.4).astype(np.uint8),
            "b": (rng.random((9, 3, 2, 3)) < 0.4).astype(np.uint8),
        },
        membrane={"r": rng.integers(-99, 99, (9, 3, 2)).astype(np.int32)},
        scale={"r": np.array([0.5, 0.25])},
        source=source,
        dt=1e-4,
        outputs={"output": "b"},
        manifest={"network": "abc", "stimulus": "jkl"},
    )
    return replace(made, **changes)


def test_equal_records_are_equal() -> None:
    verdict = verify(record(), record(source="device"))
    assert verdict.equal
    assert verdict.cells == 9 * 3 * (4 + 6 + 2)
    assert verdict.first_divergence is None
    assert verdict.summary() == "device equals integer: 324 cells compared, 0 differ"


def test_a_verdict_is_true_where_it_is_equal() -> None:
    wrong = record()
    wrong.spikes["b"][3, 1, 0, 2] ^= 1
    exact = record(membrane={"r": record().volts("r")}, scale={}, source="float")
    lost, scaled = record(membrane={}, scale={}), record(scale={"r": np.ones(2)})
    assert verify(record(), record())
    assert verify(exact, record())
    for measured in (wrong, lost, scaled):
        assert not verify(record(), measured)
    assert [bool(p) for p in verify(record(), wrong).populations] == [True, False, True]
    assert [bool(p) for p in verify(exact, record()).populations] == [True, True, False]


@given(step=st.integers(0, 8), sample=st.integers(0, 2), row=st.integers(0, 1), column=st.integers(0, 2))
def test_any_single_spike_is_found_and_named(step: int, sample: int, row: int, column: int) -> None:
    measured = record(source="device")
    measured.spikes["b"][step, sample, row, column] ^= 1
    verdict = verify(record(), measured)
    assert not verdict.equal
    assert verdict.mismatches == 1
    first = verdict.first_divergence
    assert first is not None
    assert (first.population, first.neuron, first.step, first.sample) == ("b", (row, column), step, sample)
    assert {first.expected, first.measured} == {0.0, 1.0}


def test_the_earliest_step_comes_first_then_the_networks_order() -> None:
    measured = record()
    measured.spikes["b"][2, 0, 0, 0] ^= 1
    measured.spikes["a"][5, 0, 0] ^= 1
    first = verify(record(), measured).first_divergence
    assert first is not None
    assert first.population == "b"
    measured.spikes["a"][2, 1, 3] ^= 1
    first = verify(record(), measured).first_divergence
    assert first is not None
    assert first.population == "a"


def _lagging(made: SpikeRecord, **latency: int) -> SpikeRecord:
    """The same, with each population so many steps later (and noise before)."""

    def late(values: np.ndarray, steps: int) -> np.ndarray:
        return np.concatenate([values[:steps], values])[: len(values)]

    return replace(
        made,
        spikes={name: late(values, latency.get(name, 0)) for name, values in made.spikes.items()},
        membrane={name: late(values, latency.get(name, 0)) for name, values in made.membrane.items()},
        latency=latency,
    )


def test_a_record_that_lags_is_compared_step_by_step_of_the_graph(tmp_path: Path) -> None:
    late, exact = _lagging(record(), a=1, b=2, r=3), replace(record(), source="float")
    verdict = verify(exact, late)
    assert verdict.equal
    assert verdict.summary().endswith("; 3 of 9 steps were not compared, as populations lag behind the graph")
    assert (verdict.steps, verdict.populations[1].cells) == (6, 6 * 3 * 6)
    assert verify(late, late).steps == 9
    late.spikes["b"][4, 1, 0, 2] ^= 1
    first = verify(exact, late).first_divergence
    assert first is not None
    assert (first.population, first.step) == ("b", 2)
    late.save(tmp_path / "late.h5")
    assert SpikeRecord.load(tmp_path / "late.h5").latency == {"a": 1, "b": 2, "r": 3}


def test_a_run_shorter_than_the_latency_shows_nothing() -> None:
    with pytest.raises(InputShapeError, match="9 steps shows nothing of populations that lag 9 steps"):
        verify(replace(record(), source="float"), _lagging(record(), b=9))


def test_integer_membranes_of_one_scale_must_be_equal() -> None:
    measured = record()
    measured.membrane["r"][8, 2, 1] += 1
    verdict = verify(record(), measured)
    assert not verdict.equal
    assert verdict.first_divergence is not None
    assert verdict.first_divergence.population == "r"


def test_float_against_integer_membranes_are_measured_only() -> None:
    exact = record()
    volts = exact.volts("r") + 0.01
    verdict = verify(replace(exact, membrane={"r": volts}, scale={}, source="float"), exact)
    assert verdict.equal
    [membrane] = [p for p in verdict.populations if p.kind == "membrane"]
    assert not membrane.decides
    assert membrane.max_error == pytest.approx(0.01)


def _zeroed(**changes: Any) -> SpikeRecord:
    """The record with silent read-outs, changed in form as well."""
    silent = {"r": np.zeros((9, 3, 2), changes.pop("dtype", np.int32))}
    return record(source="device", membrane=silent, **changes)


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (_zeroed(scale={"r": np.array([0.5, np.nextafter(0.25, 1)])}), "the scale of 1 of 2 neurons differs, that of"),
        (_zeroed(scale={}), "int32 in units of a scale is expected, int32 without a scale is measured"),
        (_zeroed(scale={"r": np.array([0.5])}), r"a scale of shape \(2,\) is expected, one of \(1,\) is measured"),
        (_zeroed(dtype=np.float64), "int32 in units of a scale is expected, float64 in units of a scale is measured"),
    ],
)
def test_read_outs_of_another_form_are_compared_and_named(measured: SpikeRecord, text: str) -> None:
    same = record().membrane["r"].astype(measured.membrane["r"].dtype)
    for changed in (measured, replace(measured, membrane={"r": same})):
        verdict = verify(record(), changed)
        assert not verdict.equal
        assert verdict.cells == 9 * 3 * (4 + 6 + 2)
        assert re.search(f"membrane of 'r' cannot be equal: {text}", verdict.summary())
        assert [p.population for p in verdict.populations if not p.equal] == ["r"]
    assert verify(record(), measured).mismatches == int((record().membrane["r"] != 0).sum()) > 0


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64])
def test_whole_numbers_are_compared_by_value_however_wide(dtype: type) -> None:
    same: np.ndarray = record().membrane["r"].astype(dtype)
    assert verify(record(), record(membrane={"r": same})).equal
    assert verify(record(), record(membrane={"r": np.abs(same).astype(np.uint32)})).mismatches == int((same < 0).sum())
    assert verify(record(scale={}), record(scale={}, membrane={"r": same * 0})).mismatches


@given(where=st.sampled_from(["values", "scale"]), data=st.data())
def test_any_single_bit_of_a_read_out_is_found(where: str, data: st.DataObject) -> None:
    measured = record()
    changed = measured.membrane["r"] if where == "values" else measured.scale["r"]
    raw = changed.view(np.uint8).reshape(-1)
    raw[data.draw(st.integers(0, raw.size - 1))] ^= 1 << data.draw(st.integers(0, 7))
    verdict = verify(record(), measured)
    assert not verdict.equal
    assert "'r'" in verdict.summary()


def test_only_floats_without_a_scale_against_integers_of_one_are_not_judged() -> None:
    exact = record(membrane={"r": record().volts("r") + 0.01}, scale={}, source="float")
    for verdict in (verify(exact, record()), verify(record(), exact)):
        assert verdict.equal
        assert verdict.cells == 9 * 3 * (4 + 6)
        assert "membrane of 'r' measured, not judged: " in verdict.summary()
        assert "float64 without a scale is" in verdict.summary()
    assert verify(exact, exact).cells == 9 * 3 * (4 + 6 + 2)
    assert not verify(exact, replace(exact, membrane={"r": exact.membrane["r"] * 0})).equal
    scaled = replace(exact, scale={"r": np.array([0.5, 0.25])})
    assert verify(scaled, scaled).equal
    assert not verify(scaled, replace(scaled, scale={"r": np.array([0.5, 0.5])})).equal


def test_nothing_compared_is_never_equal() -> None:
    exact = record(spikes={}, membrane={"r": record().volts("r")}, scale={}, source="float")
    verdict = verify(exact, record(spikes={}))
    assert not verdict.equal
    assert verdict.summary().startswith("integer is not shown to equal float: nothing was compared; membrane of 'r'")


@pytest.mark.parametrize(("time", "batch", "neurons"), [(0, 3, 4), (9, 0, 4), (9, 3, 0)])
def test_no_cells_are_never_equal(time: int, batch: int, neurons: int) -> None:
    empty = record(
        spikes={"a": np.zeros((time, batch, neurons), np.uint8)},
        membrane={"r": np.zeros((time, batch, neurons), np.int32)},
        scale={"r": np.ones(neurons)},
    )
    exact = replace(empty, membrane={"r": empty.volts("r")}, scale={})
    for verdict in (verify(empty, empty), verify(exact, empty), verify(empty, empty, populations=["a"])):
        assert not verdict.equal
        assert "nothing was compared; spikes of 'a' cannot be equal: there are no cells in" in verdict.summary()


def test_no_population_is_nothing_to_compare() -> None:
    for a, b, names in (
        (record(), record(), []),
        (record(spikes={}, membrane={}), record(spikes={}, membrane={}), None),
        (record(), record(spikes={}, membrane={}), None),
        (record(), record(membrane={}), ["r"]),
    ):
        with pytest.raises(UnknownPopulation, match="nothing to compare"):
            verify(a, b, populations=names)


def test_spikes_against_a_membrane_are_no_agreement() -> None:
    spiking = record(spikes={"r": np.zeros((9, 3, 2), np.uint8)}, membrane={}, scale={})
    verdict = verify(record(), spiking, populations=["r"])
    assert not verdict.equal
    assert verdict.missing == ("r",)
    assert "nothing was compared" in verdict.summary()
    lacking = "only the measured record has spikes of 'r', only the expected record has a membrane of 'r'"
    assert verdict.summary().endswith(f"; {lacking}")


def test_membranes_beside_spikes_are_compared_where_both_hold_them() -> None:
    both = record(membrane={**record().membrane, "a": np.arange(108, dtype=np.int32).reshape(9, 3, 4)})
    changed = record(membrane={name: values.copy() for name, values in both.membrane.items()})
    assert verify(both, changed).cells == 324 + 108
    changed.membrane["a"][1, 0, 0] += 1
    verdict = verify(both, changed)
    assert [(p.population, p.kind) for p in verdict.populations if not p.equal] == [("a", "membrane")]
    alone = verify(both, record())
    assert alone.equal
    assert alone.missing == ()
    assert alone.summary().endswith("; only the expected record has a membrane of 'a'")


def test_membranes_of_another_shape_are_of_another_network() -> None:
    exact = record(membrane={"r": np.zeros((9, 3, 1))}, scale={}, source="float")
    with pytest.raises(InputShapeError, match=r"'r' has shape \(1,\) .* in float, shape \(2,\)"):
        verify(exact, record())


def test_a_missing_population_is_no_agreement() -> None:
    verdict = verify(record(), record(membrane={}, scale={}))
    assert verdict.missing == ("r",)
    assert not verdict.equal
    assert verdict.summary().endswith("270 cells compared, 0 differ; only the expected record has a membrane of 'r'")
    assert verify(record(), record(membrane={}, scale={}), populations=["a"]).equal


@pytest.mark.parametrize(
    ("measured", "error", "text"),
    [
        (
            record(spikes={"z": np.zeros((9, 3, 1), np.uint8)}, membrane={}),
            UnknownPopulation,
            "no population in common",
        ),
        (record(spikes={"a": np.zeros((8, 3, 4), np.uint8)}, membrane={}), InputShapeError, "9 steps x 3 samples"),
        (record(spikes={"a": np.zeros((9, 3, 5), np.uint8)}, membrane={}), InputShapeError, r"shape \(4,\)"),
    ],
)
def test_records_of_different_things_are_not_compared(measured: SpikeRecord, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        verify(record(), measured)


def test_json_and_junit(tmp_path: Path) -> None:
    measured = record(source="device")
    measured.spikes["a"][0, 0, 0] ^= 1
    verdict = verify(record(), measured)
    assert json.loads(json.dumps(verdict.as_dict()))["first_divergence"]["population"] == "a"
    report(verdict, tmp_path / "v.xml")
    root = ET.parse(tmp_path / "v.xml").getroot()
    [suite] = root
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert failed == ["a"]
    assert {p.get("name"): p.get("value") for p in suite.iter("property")}["integer.network"] == "abc"


def test_junit_says_what_was_not_compared(tmp_path: Path) -> None:
    def outcome(expected: SpikeRecord, measured: SpikeRecord) -> tuple[str | None, str]:
        report(verify(expected, measured), tmp_path / "v.xml")
        [suite] = ET.parse(tmp_path / "v.xml").getroot()
        [case] = [case for case in suite.iter("testcase") if case.get("name") == "r"]
        [found] = case
        return suite.get("failures"), f"{found.tag}: {found.get('message')}"

    exact = record(membrane={"r": record().volts("r")}, scale={}, source="float")
    assert outcome(exact, record())[0] == "0"
    assert outcome(exact, record())[1].startswith("skipped: measured, not judged: float64")
    scaled, text = record(scale={"r": np.ones(2)}), "the scale of 2 of 2 neurons differs, that of neuron 0 is 0.5"
    assert outcome(record(), scaled) == ("1", f"failure: {text}, measured 1.0")
    lost = record(membrane={}, scale={})
    assert outcome(record(), lost) == ("1", "failure: only the expected record has a membrane of 'r'")
