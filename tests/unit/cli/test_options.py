"""Options and files that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nirdeploy.cli import options
from nirdeploy.errors import CorruptFile, InputShapeError, UsageProblem
from tests.unit.cli.conftest import Cli

X = (np.arange(24) % 2).astype(np.uint8).reshape(2, 3, 4)


def test_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    x, labels = options.stimulus(tmp_path / "x.npy")
    assert np.array_equal(x, X)
    assert labels is None


@pytest.mark.parametrize("name", ["x", "anything"])
def test_an_archive_with_one_array_and_labels(tmp_path: Path, name: str) -> None:
    arrays: dict[str, Any] = {name: X, "labels": np.array([0, 1, 2])}
    np.savez(tmp_path / "x.npz", **arrays)
    x, labels = options.stimulus(tmp_path / "x.npz")
    assert np.array_equal(x, X)
    assert labels is not None
    assert labels.tolist() == [0, 1, 2]


def test_an_archive_with_several_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", left=X, right=1 - X)
    x, _ = options.stimulus(tmp_path / "x.npz")
    assert set(x) == {"left", "right"}
    assert np.array_equal(x["right"], 1 - X)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1], r"labels have the shape \(2,\), .* 3 samples of 2 steps.*np.swapaxes"),
        ([0, 1, 2, 3], r"labels have the shape \(4,\).*one for each sample"),
        ([[1, 0], [0, 1], [0, 1]], "one for each sample"),
        (["a", "b", "c"], "no whole numbers"),
        ([0.5, 1.0, 2.0], "no whole numbers"),
    ],
)
def test_labels_that_belong_to_no_stimulus(tmp_path: Path, labels: list[Any], said: str) -> None:
    np.savez(tmp_path / "x.npz", x=X, labels=np.array(labels))
    with pytest.raises(InputShapeError, match=said):
        options.stimulus(tmp_path / "x.npz")


def test_an_archive_under_names_that_mean_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X, labels=1 - X)
    x, labels = options.stimulus(tmp_path / "x.npz", lambda: [("x", (4,)), ("labels", (4,))])
    assert [*x] == ["x", "labels"]
    assert labels is None
    np.savez(tmp_path / "x.npz", labels=X)
    x, labels = options.stimulus(tmp_path / "x.npz", lambda: [("labels", (4,))])
    assert np.array_equal(x, X)
    assert labels is None


def test_no_such_stimulus(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no such stimulus"):
        options.stimulus(tmp_path / "x.npy")


def test_an_archive_without_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", labels=np.array([1]))
    with pytest.raises(UsageProblem, match="holds no array"):
        options.stimulus(tmp_path / "x.npz")


@pytest.mark.parametrize("content", [b"", b"not an array", b"PK\x03\x04 half an archive", b"\x93NUMPY\x01\x00"])
def test_a_damaged_stimulus(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(CorruptFile, match=r"cannot read the stimulus.*x\.npy"):
        options.stimulus(tmp_path / "x.npy")


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"an": "object"}], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptFile):
        options.stimulus(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("text", "probe"), [("all", "all"), ("outputs", "outputs"), ("lif", ["lif"]), ("a, b", ["a", "b"])]
)
def test_probes(text: str, probe: str | list[str]) -> None:
    assert options.probes(text) == probe


@pytest.mark.parametrize("command", [("run", "build", "x.npz"), ("simulate", "net.nir", "x.npz")])
def test_where_to_write_must_be_said(command: tuple[str, ...], cli: Cli) -> None:
    said = cli(*command)
    assert said.code == 2
    assert "Missing option '-o' / '--out'" in said.err
