"""Tallies: what samples come to is what their steps say, kept and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import CorruptFile, UsageProblem
from nirdeploy.records import tally
from nirdeploy.records.spikes import SpikeRecord
from tests.unit.records.test_spikes import told


def record(seed: int = 0, steps: int = 7, samples: int = 3) -> SpikeRecord:
    rng = np.random.default_rng(seed)
    return SpikeRecord(
        spikes={"a": (rng.random((steps, samples, 2, 3)) < 0.3).astype(np.uint8) * rng.integers(1, 200, (2, 3), "u1")},
        membrane={"out": rng.integers(-50, 50, (steps, samples, 4)).astype(np.int32)},
        scale={"out": np.array([0.5, 1.0, 2.0, 4.0])},
        source="integer",
        dt=1e-3,
        outputs={"output": "out"},
        manifest={"image": "x"},
        stats={"saturations": 2.0},
    )


@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 4))
def test_what_samples_come_to(seed: int, steps: int, samples: int) -> None:
    told = record(seed, steps, samples)
    found = nd.Tally.of(told, tally.READS)
    assert (found.steps, found.samples, found.populations) == (steps, samples, ("a", "out"))
    spikes, v = told.spikes["a"], told.membrane["out"].astype(int)
    assert np.array_equal(found.values["count"]["a"], spikes.astype(int).sum(axis=0))
    for sample, *neuron in np.ndindex(samples, 2, 3):
        fired = np.flatnonzero(spikes[:, sample, *neuron])
        assert found.values["first"]["a"][sample, *neuron] == (fired[0] if len(fired) else steps)
    assert np.array_equal(found.values["last"]["out"], v[-1])
    assert np.array_equal(found.values["largest"]["out"], v.max(axis=0))
    assert np.array_equal(found.values["sum"]["out"], v.sum(axis=0))
    assert np.array_equal(found.volts("sum", "out"), v.sum(axis=0) * told.scale["out"])
    assert set(found.values["count"]) == {"a"}
    assert set(found.values["last"]) == {"out"}


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = nd.Tally.of(record(), tally.READS)
    found.save(tmp_path / "t.nird")
    again = tally.load(tmp_path / "t.nird")
    assert isinstance(again, nd.Tally)
    for read, held in found.values.items():
        for name, values in held.items():
            assert np.array_equal(again.values[read][name], values)
    assert np.array_equal(again.scale["out"], found.scale["out"])
    assert (again.steps, again.source, again.dt, again.outputs) == (7, "integer", 1e-3, {"output": "out"})
    assert (again.manifest, again.stats) == ({"image": "x"}, {"saturations": 2.0})
    with pytest.raises(CorruptFile, match="what samples came to"):
        SpikeRecord.load(tmp_path / "t.nird")


def test_a_tally_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="this record cannot be kept: the number of its steps is 0"):
        replace(nd.Tally.of(record(), ["count"]), steps=0).save(tmp_path / "t.nird")
    assert not list(tmp_path.iterdir())


def test_a_record_is_loaded_as_one(tmp_path: Path) -> None:
    record().save(tmp_path / "r.nird")
    again = tally.load(tmp_path / "r.nird")
    assert isinstance(again, SpikeRecord)
    assert np.array_equal(again.spikes["a"], record().spikes["a"])


@pytest.mark.parametrize(("reads", "said"), [(["mean"], "'mean'"), ([], "none"), (["count", "x", "y"], "'x', 'y'")])
def test_reads_that_there_are_not(reads: list[str], said: str) -> None:
    with pytest.raises(UsageProblem, match=f"no {said}.*count, first, last, largest, sum"):
        nd.Tally.of(record(), reads)


def test_nothing_comes_of_no_steps() -> None:
    with pytest.raises(UsageProblem, match="without steps"):
        nd.Tally.of(record(steps=0), ["count"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": 0}, "the number of its steps is 0"),
        ({"steps": "7"}, "the number of its steps is '7'"),
        ({"dt": "x"}, "dt is 'x'"),
        ({"outputs": [1]}, "outputs is [1]"),
        ({"stats": "x"}, "stats is 'x'"),
        ({"shapes": {"a": [-1], "out": [4]}}, "a size in the shape of 'a' is -1"),
    ],
    ids=str,
)
def test_what_a_tally_says_is_held_to_be_so(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    nd.Tally.of(record(), tally.READS).save(tmp_path / "t.nird")
    told(tmp_path / "t.nird", **changed)
    with pytest.raises(CorruptFile) as caught:
        tally.load(tmp_path / "t.nird")
    assert said in str(caught.value)


def test_a_record_that_says_to_be_a_tally(tmp_path: Path) -> None:
    record().save(tmp_path / "r.nird")
    told(tmp_path / "r.nird", steps=5)
    with pytest.raises(CorruptFile, match="not a tally .it holds no reads"):
        tally.load(tmp_path / "r.nird")
