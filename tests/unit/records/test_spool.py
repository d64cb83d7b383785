"""Spools: what is kept of a stream comes back as a record, and a file that is none is refused before it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nirdeploy.errors import CorruptFile, UsageProblem
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.spool import Spool, rescue
from nirdeploy.records.steps import Block


def head() -> SpikeRecord:
    return SpikeRecord(
        spikes={"a": np.zeros((0, 1, 2, 3), np.uint32)},
        membrane={"out": np.zeros((0, 1, 2), np.int32)},
        scale={"out": np.array([0.5, 2.0])},
        source="integer",
        dt=1e-3,
        outputs={"output": "out"},
        manifest={"network": "x"},
        latency={"out": 1},
    )


def kept(folder: Path, **changed: Any) -> Path:
    """A spool of four steps, of which the first line is changed; the record that it is of."""
    out = folder / "r.nird"
    spool = Spool.begin(out, head())
    spikes = np.arange(24, dtype=np.uint32).reshape(4, 2, 3)
    spool.add(Block(np.arange(4), {"a": spikes}, {"out": np.arange(8, dtype=np.int32).reshape(4, 2)}))
    spool._file.close()
    line, rows = Spool.of(out).read_bytes().split(b"\n", 1)
    meta = {**json.loads(line), **changed}
    Spool.of(out).write_bytes(json.dumps(meta).encode() + b"\n" + rows)
    return out


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    record = rescue(kept(tmp_path))
    assert SpikeRecord.load(tmp_path / "r.nird") == record
    assert record.spikes["a"][:, 0].ravel().tolist() == list(range(24))
    assert record.membrane["out"][:, 0].ravel().tolist() == list(range(8))
    assert (record.latency, record.scale["out"].tolist()) == ({"out": 1}, [0.5, 2.0])
    assert not Spool.of(tmp_path / "r.nird").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kinds": {"a": "O", "out": "<i4"}}, "the kind of 'a' is 'O'"),  # bytes of the file as pointers
        ({"kinds": {"a": "V8", "out": "<i4"}}, "the kind of 'a' is 'V8'"),
        ({"kinds": {"a": "|u1", "out": "|S0"}}, "the kind of 'out' is '|S0'"),
        ({"kinds": {"a": ["O", 1], "out": "<i4"}}, "the kind of 'a' is ['O', 1]"),
        ({"kinds": {}}, "'a'"),
        ({"spikes": {}, "membrane": {}, "kinds": {}, "scale": {}}, "it has no population"),
        ({"spikes": {"a": [0]}}, "a size in the shape of 'a' is 0"),
        ({"spikes": {"a": [-6]}}, "a size in the shape of 'a' is -6"),
        ({"spikes": {"a": 6}}, "the shape of 'a' is 6"),
        ({"spikes": {"a": [1 << 20, 1 << 20]}}, "the shape of 'a' is"),
        ({"spikes": {"a": [1 << 30]}}, "larger than any network's"),
        ({"spikes": ["a"]}, "spikes is ['a']"),
        ({"scale": {"out": ["x", 1]}}, "the scale of 'out' is 'x'"),
        ({"scale": {"other": [1, 1]}}, "other"),
        ({"dt": "x"}, "dt is 'x'"),
        ({"outputs": [1]}, "outputs is [1]"),
        ({"latency": {"out": -1}}, "'out' lags behind by -1 steps"),
        ({"kind": "else"}, "another kind of file"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    out = kept(tmp_path, **changed)
    with pytest.raises(CorruptFile, match="these are no steps of a stream") as caught:
        rescue(out)
    assert said in str(caught.value)
    assert str(caught.value).endswith("remove it")
    assert Spool.of(out).exists()


@pytest.mark.parametrize("line", [b"[" * 100_000, b"[]", b"", b"1" * 6000, b"\xff{}"])
def test_a_first_line_that_is_no_table(tmp_path: Path, line: bytes) -> None:
    Spool.of(tmp_path / "r.nird").write_bytes(line + b"\n" + bytes(64))
    with pytest.raises(CorruptFile, match="these are no steps of a stream"):
        rescue(tmp_path / "r.nird")


def test_more_steps_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file stays: it may well be a long stream's."""

    def full(record: SpikeRecord, path: Path | str) -> None:
        raise MemoryError

    out = kept(tmp_path)
    monkeypatch.setattr(SpikeRecord, "save", full)
    with pytest.raises(UsageProblem, match="do not fit into memory.*rescue them on a machine that has more"):
        rescue(out)
    assert Spool.of(out).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["r.nird.part"]
