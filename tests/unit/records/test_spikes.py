"""Records on disk and in hand; stimuli and probes."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nirdeploy.errors import CorruptFile, UnknownPopulation, UsageProblem
from nirdeploy.records import spikes
from nirdeploy.records.spikes import SpikeRecord
from tests.unit.proof.test_verify import record

names = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12)


@given(
    time=st.integers(0, 5),
    batch=st.integers(0, 3),
    populations=st.dictionaries(names, st.lists(st.integers(1, 3), min_size=1, max_size=3), min_size=1, max_size=3),
    data=st.data(),
)
def test_save_and_load_any_record(
    time: int, batch: int, populations: dict[str, list[int]], data: st.DataObject
) -> None:
    kept: dict[str, np.ndarray] = {}
    membrane: dict[str, np.ndarray] = {}
    scale: dict[str, np.ndarray] = {}
    for name, shape in populations.items():
        if data.draw(st.booleans()):
            kept[name] = data.draw(hnp.arrays(np.uint8, (time, batch, *shape)))
        elif data.draw(st.booleans()):
            membrane[name] = data.draw(hnp.arrays(np.int32, (time, batch, *shape)))
            scale[name] = np.full(shape, 0.125)
        else:
            membrane[name] = data.draw(hnp.arrays(np.float64, (time, batch, *shape), elements=st.floats(-9, 9)))
    original = SpikeRecord(
        kept, membrane, scale, "float", 1e-3, {"out": next(iter(populations))}, {"a": [1]}, {"n": 2.0}
    )
    with tempfile.TemporaryDirectory() as folder:
        original.save(Path(folder) / "r.nird")
        loaded = SpikeRecord.load(Path(folder) / "r.nird")
    for before, after in ((kept, loaded.spikes), (membrane, loaded.membrane), (scale, loaded.scale)):
        assert list(before) == list(after) or before is scale
        for name in before:
            np.testing.assert_array_equal(before[name], after[name])
            assert before[name].dtype == after[name].dtype
    assert (loaded.source, loaded.dt, loaded.outputs) == ("float", 1e-3, original.outputs)
    assert (loaded.manifest, loaded.stats) == ({"a": [1]}, {"n": 2.0})
    assert (loaded.steps, loaded.samples) == (time, batch)
    assert loaded == original
    assert loaded.digest() == original.digest()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"membrane": {}}, "it has no 'r'"),  # whose scale is left
        ({"dt": math.nan}, "dt is nan, expected a finite number above 0"),
        ({"dt": np.float32(1e-3)}, "not JSON serializable"),
        ({"stats": {"cycles": "many"}}, "stats of 'cycles' is 'many', expected a number"),
        ({"latency": {"a": -1}}, "'a' lags behind by -1 steps"),
        ({"spikes": {"a": np.full((9, 3, 4), -1)}}, "spike counts are whole numbers from 0 on"),
        ({"spikes": {"a": np.zeros((9, 4, 3), np.uint8)}}, "cannot reshape"),  # of other samples than the rest
    ],
    ids=str,
)
def test_what_could_not_be_read_is_not_written(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        replace(record(), **changes).save(tmp_path / "r.nird")
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_damaged_records_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.nird").write_bytes(content)
    with pytest.raises(CorruptFile, match="not a spike record"):
        SpikeRecord.load(tmp_path / "r.nird")


def test_a_flipped_bit_on_disk_never_changes_spikes_silently(tmp_path: Path) -> None:
    record().save(tmp_path / "r.nird")
    good = (tmp_path / "r.nird").read_bytes()
    for position in range(0, len(good), 97):
        bad = bytearray(good)
        bad[position] ^= 0x10
        (tmp_path / "r.nird").write_bytes(bad)
        try:
            loaded = SpikeRecord.load(tmp_path / "r.nird")
        except CorruptFile:
            continue
        np.testing.assert_array_equal(loaded["a"], record()["a"])


def test_look_up_by_node_or_output() -> None:
    found = record()
    np.testing.assert_array_equal(found["output"], found.spikes["b"])
    with pytest.raises(UnknownPopulation, match=r"does not spike.*record.membrane\['r'\]"):
        found["r"]
    with pytest.raises(UnknownPopulation, match="it holds a, b, r"):
        found["nope"]


def test_select() -> None:
    assert spikes.select("all", ["a", "b"], {"o": "b"}) == ("a", "b")
    assert spikes.select("outputs", ["a", "b"], {"o": "b"}) == ("b",)
    assert spikes.select(["o", "a"], ["a", "b"], {"o": "b"}) == ("a", "b")
    with pytest.raises(UnknownPopulation, match="'zz' to probe; populations: a, b"):
        spikes.select(["zz"], ["a", "b"], {"o": "b"})


@pytest.mark.parametrize(
    "changes",
    [{"dt": 1.0}, {"outputs": {}}, {"latency": {"a": 1}}, {"membrane": {}}, {"scale": {"r": np.ones(2)}}],
    ids=str,
)
def test_records_compare_by_what_the_network_did(changes: dict[str, Any]) -> None:
    assert record() == record(source="device", stats={"cycles": 3.0}, manifest={})
    assert record() != record(**changes)
    assert record().digest() != record(**changes).digest()
    assert record() != 3


@given(at=st.integers(0, 9 * 3 * 4 - 1))
def test_records_that_differ_in_one_spike_are_not_equal(at: int) -> None:
    other = record()
    other.spikes["a"].reshape(-1)[at] ^= 1
    assert other != record()
    assert other.digest() != record().digest()


def test_records_of_another_type_are_not_equal() -> None:
    wider = {name: values.astype(np.uint16) for name, values in record().spikes.items()}
    assert record(spikes=wider) != record()


def test_a_record_of_nothing_says_so() -> None:
    with pytest.raises(UnknownPopulation, match="the record holds no population"):
        SpikeRecord({}, {}, {}, "float", 1e-3).steps  # noqa: B018


@pytest.mark.parametrize("values", [np.array([-1, 3]), np.array([0.5, 1.0]), np.array([np.nan]), np.array([2.0**33])])
def test_what_is_no_count_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="spike count"):
        spikes.counts(values)


def _record_file(path: Path) -> Path:
    record().save(path)
    return path


def test_a_small_file_that_declares_much_is_refused(tmp_path: Path) -> None:
    """Chunks that were never written take no room on disk, and all of it in memory."""
    path = _record_file(tmp_path / "r.nird")
    with h5py.File(path, "a") as file:
        del file["nodes/a/spikes/data"]
        file["nodes/a/spikes"].create_dataset("data", (9, 3, 1 << 24), np.uint8, chunks=True, compression="gzip")
    with pytest.raises(CorruptFile, match="declares 432 MiB but stores"):
        SpikeRecord.load(path)


@pytest.mark.parametrize("link", [h5py.SoftLink("/nodes/b"), h5py.ExternalLink("/etc/hostname", "/")])
def test_a_record_that_leads_elsewhere_is_refused(tmp_path: Path, link: object) -> None:
    path = _record_file(tmp_path / "r.nird")
    with h5py.File(path, "a") as file:
        del file["nodes/a"]
        file["nodes/a"] = link
    with pytest.raises(CorruptFile, match="which may lead out of the file"):
        SpikeRecord.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"order": 3}', '{"order": {"spikes": ["a"]}}'])
def test_a_record_whose_own_words_are_damaged_is_refused(tmp_path: Path, text: str) -> None:
    path = _record_file(tmp_path / "r.nird")
    with h5py.File(path, "a") as file:
        file.attrs["nirdeploy"] = text
    with pytest.raises(CorruptFile, match="not a spike record"):
        SpikeRecord.load(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        *(({"dt": dt}, "dt is") for dt in ("x", None, 0, -1, float("nan"), float("inf"), True)),
        ({"source": 5}, "the source is 5"),
        ({"outputs": [1]}, "outputs is [1]"),
        ({"outputs": {"output": [1]}}, "outputs of 'output' is [1]"),
        ({"latency": [1]}, "latency is [1]"),
        ({"latency": {"a": "x"}}, "'a' lags behind by 'x' steps"),
        ({"latency": {"a": -5}}, "'a' lags behind by -5 steps"),
        ({"stats": "x"}, "stats is 'x'"),
        ({"stats": {"cycles": "x"}}, "stats of 'cycles' is 'x'"),
        ({"manifest": [1]}, "the manifest is [1]"),
        ({"size": [3, -2]}, "a number of its size is -2"),
        ({"size": 3}, "int"),
        ({"shapes": {"a": [-1], "b": [2], "r": [2]}}, "a size in the shape of 'a' is -1"),
        ({"shapes": [1]}, "shapes is [1]"),
        ({"order": "abc"}, "the order is 'abc'"),
        ({"order": {"spikes": [[1]], "membrane": []}}, "one of the order of spikes is [1]"),
        ({"order": {"spikes": ["a", "a"], "membrane": []}}, "expected names that are unlike each other"),
    ],
    ids=str,
)
def test_what_a_record_says_is_held_to_be_so(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    """Of records without a checksum, as others write them."""
    told(_record_file(tmp_path / "r.nird"), **changed)
    with pytest.raises(CorruptFile) as caught:
        SpikeRecord.load(tmp_path / "r.nird")
    assert said in str(caught.value)
    assert str(caught.value).startswith("not a spike record")


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "5", ""])
def test_a_record_that_says_nothing(tmp_path: Path, text: str) -> None:
    with h5py.File(_record_file(tmp_path / "r.nird"), "r+") as file:
        file.attrs["nirdeploy"] = text
    with pytest.raises(CorruptFile, match="not a spike record"):
        SpikeRecord.load(tmp_path / "r.nird")


def told(path: Path, **changed: Any) -> None:
    """Let a record say other things, without a checksum."""
    with h5py.File(path, "r+") as file:
        meta = json.loads(file.attrs["nirdeploy"])
        del meta["checksum"]
        file.attrs["nirdeploy"] = json.dumps({**meta, **changed})
