"""Samples are read as they were saved, from wherever they come and however they are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nirdeploy.errors import CorruptFile, InputShapeError, UsageProblem
from nirdeploy.records.samples import Samples

X = np.random.default_rng(0).integers(0, 256, (5, 13, 3, 2), dtype=np.uint8)
LABELS = np.arange(13) % 4


def _files(folder: Path) -> dict[str, Path]:
    np.save(folder / "x.npy", X)
    np.save(folder / "f.npy", np.asfortranarray(X))
    np.savez(folder / "mapped.npz", x=X, labels=LABELS)
    np.savez(folder / "f.npz", labels=LABELS, anything=np.asfortranarray(X))
    np.savez_compressed(folder / "packed.npz", x=X, labels=LABELS)
    (folder / "pieces").mkdir()
    np.savez(folder / "pieces" / "0.npz", x=X[:, :6], labels=LABELS[:6])
    np.savez_compressed(folder / "pieces" / "1.npz", x=X[:, 6:7], labels=LABELS[6:7])
    np.savez(folder / "pieces" / "2.npz", x=X[:, 7:], labels=LABELS[7:])
    (folder / "pieces" / "README.txt").write_text("of which nothing is read")
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["x.npy", "f.npy", "mapped.npz", "f.npz", "packed.npz", "pieces"])
def test_every_form_gives_the_same(tmp_path: Path, name: str) -> None:
    samples = Samples.open(_files(tmp_path)[name], LABELS if name.endswith(".npy") else None)
    assert (samples.steps, samples.count, samples.size) == (5, 13, 30)
    assert samples.labels is not None
    assert samples.labels.tolist() == LABELS.tolist()
    for first, last in ((0, 13), (0, 1), (4, 9), (5, 8), (12, 13)):
        read = samples.read(first, last)
        assert read.dtype == X.dtype
        np.testing.assert_array_equal(read, X[:, first:last])


def test_several_inputs_and_arrays_of_others() -> None:
    x = {"a": X, "b": X[..., 0].astype(np.float32)}
    read = Samples.of(x).read(3, 5)
    assert [*read] == ["a", "b"]
    np.testing.assert_array_equal(read["b"], X[:, 3:5, :, 0])

    class Lazy:
        """Is cut as an array is, and is none."""

        shape = X.shape

        def __getitem__(self, at: Any) -> np.ndarray:
            return X[at]

    np.testing.assert_array_equal(Samples.of(Lazy(), LABELS).read(1, 4), X[:, 1:4])
    np.testing.assert_array_equal(Samples.of(X.tolist()).read(1, 4), X[:, 1:4])


def test_what_is_not_packed_is_not_read_as_a_whole(tmp_path: Path) -> None:
    """Of a file that is large and mostly holes."""
    shape = (2, 1 << 20, 1 << 12)
    mapped = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.uint8, shape)
    mapped[1, 77, 5] = 9
    del mapped
    samples = Samples.open(tmp_path / "large.npy")
    assert samples.read(77, 78)[1, 0, 5] == 9


def test_what_is_no_data_set_is_said(tmp_path: Path) -> None:
    files = _files(tmp_path)
    whole = files["mapped.npz"].read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.npy").write_bytes(files["x.npy"].read_bytes()[:-1])
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", x=np.array([[{}]]))
    for name in ("cut.npz", "cut.npy", "text.npy", "objects.npy", "objects.npz"):
        with pytest.raises(CorruptFile, match="cannot read the stimulus"):
            Samples.open(tmp_path / name)
    with pytest.raises(UsageProblem, match="no such stimulus file"):
        Samples.open(tmp_path / "nothing.npz")
    np.savez(tmp_path / "labels.npz", labels=LABELS)
    with pytest.raises(UsageProblem, match="there is no array"):
        Samples.open(tmp_path / "labels.npz")
    with pytest.raises(InputShapeError, match=r"the labels have the shape \(13,\), there are 12 samples"):
        Samples.of(X[:, 1:], LABELS)
    with pytest.raises(InputShapeError, match="differ in steps or samples"):
        Samples.of({"a": X, "b": X[1:]})
    with pytest.raises(InputShapeError, match=r"the shape \(5,\), expected \(T, B"):
        Samples.of(np.zeros(5))


def test_files_that_do_not_go_together_are_said(tmp_path: Path) -> None:
    _files(tmp_path)
    np.savez(tmp_path / "pieces" / "3.npz", x=X[1:], labels=LABELS)
    with pytest.raises(InputShapeError, match=r"not as those of 0.npz.*in .*3.npz"):
        Samples.open(tmp_path / "pieces")
    np.savez(tmp_path / "pieces" / "3.npz", x=X)
    with pytest.raises(InputShapeError, match=r"some of the files have labels and others have none"):
        Samples.open(tmp_path / "pieces")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageProblem, match="holds no .npy or .npz file"):
        Samples.open(tmp_path / "empty")


def test_an_array_under_an_inputs_name_is_that_inputs(tmp_path: Path) -> None:
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", x=X, labels=X[..., 0])
        samples = Samples.open(tmp_path / "x.npz", LABELS, lambda: [("labels", (3,)), ("x", (3, 2))])
        read = samples.read(3, 5)
        np.testing.assert_array_equal(read["labels"], X[:, 3:5, :, 0])
        np.testing.assert_array_equal(read["x"], X[:, 3:5])
        assert samples.labels is not None
        assert samples.labels.tolist() == LABELS.tolist()
    with pytest.raises(InputShapeError, match="labels have the shape"):
        Samples.open(tmp_path / "x.npz", None, lambda: [("in", (3, 2))])
