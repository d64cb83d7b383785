"""Verdicts: what is compared, what decides, what is said."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.errors import InputShapeError, UnknownPopulation
from nirdeploy.spikes import SpikeRecord
from nirdeploy.verify import accuracy, verify


def record(seed: int = 0, source: str = "integer", **changes: object) -> SpikeRecord:
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
        manifest={"network": "abc"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_equal_records_are_equal() -> None:
    verdict = verify(record(), record(source="device"))
    assert verdict.equal
    assert verdict.cells == 9 * 3 * (4 + 6 + 2)
    assert verdict.first_divergence is None
    assert verdict.summary() == "device equals integer: 324 cells compared, 0 differ"


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
    late = _lagging(record(), a=1, b=2, r=3)
    verdict = verify(record(), late)
    assert verdict.equal
    assert (verdict.steps, verdict.populations[1].cells) == (6, 6 * 3 * 6)
    assert verify(late, late).steps == 9
    late.spikes["b"][4, 1, 0, 2] ^= 1
    first = verify(record(), late).first_divergence
    assert first is not None
    assert (first.population, first.step) == ("b", 2)
    late.save(tmp_path / "late.h5")
    assert SpikeRecord.load(tmp_path / "late.h5").latency == {"a": 1, "b": 2, "r": 3}


def test_a_run_shorter_than_the_latency_shows_nothing() -> None:
    with pytest.raises(InputShapeError, match="9 steps shows nothing of populations that lag 9 steps"):
        verify(record(), _lagging(record(), b=9))


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


def test_a_missing_population_is_no_agreement() -> None:
    verdict = verify(record(), record(membrane={}, scale={}))
    assert verdict.missing == ("r",)
    assert not verdict.equal
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


def test_accuracy_counts_spikes_or_sums_membranes() -> None:
    spikes = np.zeros((3, 2, 3), np.uint8)
    spikes[:, 0, 2] = 1
    spikes[0, 1, 1] = 1
    counted = SpikeRecord({"o": spikes}, {}, {}, "integer", 1e-4, {"output": "o"})
    assert accuracy(counted, np.array([2, 1])) == 1.0
    assert accuracy(counted, np.array([2, 0]), output="o") == 0.5
    membrane = SpikeRecord({}, {"o": spikes.astype(np.int32)}, {"o": np.array([1.0, 9.0, 1.0])}, "integer", 1e-4)
    assert accuracy(membrane, np.array([2, 1]), output="o") == 1.0


def test_json_and_junit(tmp_path: Path) -> None:
    measured = record(source="device")
    measured.spikes["a"][0, 0, 0] ^= 1
    verdict = verify(record(), measured)
    assert json.loads(json.dumps(verdict.as_dict()))["first_divergence"]["population"] == "a"
    verdict.to_junit(tmp_path / "v.xml")
    root = ET.parse(tmp_path / "v.xml").getroot()
    [suite] = root
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert failed == ["a"]
    assert {p.get("name"): p.get("value") for p in suite.iter("property")}["integer.network"] == "abc"
