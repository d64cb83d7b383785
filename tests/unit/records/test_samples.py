"""Samples are read as they were saved, from wherever they come and however they are cut."""

from __future__ import annotations

import os
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nirdeploy.errors import CorruptFile, InputShapeError, ToolMissing, UsageProblem
from nirdeploy.records import archive as archives
from nirdeploy.records import files
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
    with pytest.raises(InputShapeError, match=r"the shape \(5,\), expected \(T, B.*name classes with --labels"):
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


def _flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _begin(path: Path, name: str) -> int:
    """Where the bytes of a member begin."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        return archives.begins(file, archive.getinfo(name))


NOISE = np.random.default_rng(1).integers(0, 256, (8, 30, 64), dtype=np.uint8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("behind", [-23, 3, 4000, 15000])
def test_one_byte_that_is_another_is_damage_in_an_archive(
    tmp_path: Path, save: Callable[..., None], behind: int
) -> None:
    """In its name, in the array's, among its numbers: whatever is read."""
    for number in range(3):
        save(tmp_path / f"{number}.npz", x=NOISE, labels=np.arange(30))
    damaged = tmp_path / "1.npz"
    _flipped(damaged, _begin(damaged, "x.npy") + behind)
    with pytest.raises(CorruptFile, match=r"cannot read the stimulus \(.*1\.npz"):
        Samples.open(tmp_path).read(30, 31)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_labels_are_damage(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "x.npz", x=NOISE, labels=np.arange(30))
    _flipped(tmp_path / "x.npz", _begin(tmp_path / "x.npz", "labels.npy") + 90)
    with pytest.raises(CorruptFile, match=r"cannot read the stimulus \(.*x\.npz"):
        Samples.open(tmp_path / "x.npz")


@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
@pytest.mark.parametrize("read_before", [False, True])
def test_a_file_that_does_not_stay_as_it_was(tmp_path: Path, save: Callable[..., None], read_before: bool) -> None:
    """Cut off under a map it would end the process."""
    path = tmp_path / "x"
    with path.open("wb") as file:
        save(file, NOISE) if save is np.save else save(file, x=NOISE)
    whole, samples = path.read_bytes(), Samples.open(path)
    if read_before:
        samples.read(0, 2)
    os.truncate(path, len(whole) // 2)
    with pytest.raises(CorruptFile, match=r"the stimulus was changed while its samples were read \(in .*x\)"):
        samples.read(20, 30)
    with pytest.raises(CorruptFile, match="cannot read the stimulus"):
        Samples.open(path)
    path.unlink()
    with pytest.raises(CorruptFile, match=r"the stimulus was taken away .*put it back"):
        samples.read(20, 30)


def test_no_file_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(CorruptFile, match="this is a pipe, not a file"):
        Samples.open(tmp_path)


def test_more_files_than_may_be_open(tmp_path: Path) -> None:
    for number in range(60):
        np.save(tmp_path / f"{number:02}.npy", X[:, :1])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/proc/self/fd").iterdir()]) + 20, limits[1]))
        assert Samples.open(tmp_path).read(0, 60).shape == (5, 60, 3, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_what_unpacks_to_more_than_there_is_memory_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((4, 4, 1 << 16), np.uint8))
    samples = Samples.open(tmp_path / "x.npz")
    monkeypatch.setattr(files, "available", lambda: 1 << 19)
    with pytest.raises(ToolMissing, match=r"takes 1,048,704 bytes, 524,288 are free .*x\.npz"):
        samples.read(0, 1)


def test_labels_beside_the_samples_of_a_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X[:, :6])
    np.save(tmp_path / "x.npy", X[:, 6:])
    np.save(tmp_path / "labels.npy", LABELS)
    samples = Samples.open(tmp_path)
    assert (samples.count, samples.labels is not None and samples.labels.tolist()) == (13, LABELS.tolist())
    np.testing.assert_array_equal(samples.read(0, 13), X)
    named = Samples.open(tmp_path, LABELS[::-1]).labels
    assert named is not None
    assert named.tolist() == LABELS[::-1].tolist()
    np.save(tmp_path / "labels.npy", LABELS[1:])
    with pytest.raises(InputShapeError, match=r"the labels have the shape \(12,\), there are 13 .*labels\.npy"):
        Samples.open(tmp_path)
    np.save(tmp_path / "labels.npy", X)
    assert Samples.open(tmp_path).count == 26  # samples of that name
    (tmp_path / "labels.npy").write_text("no array")
    with pytest.raises(CorruptFile, match=r"cannot read the stimulus .*labels\.npy"):
        Samples.open(tmp_path)


def test_labels_that_are_there_twice(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", LABELS)
    with pytest.raises(UsageProblem, match=r"no \.npy or \.npz file of samples"):
        Samples.open(tmp_path)
    np.savez(tmp_path / "x.npz", x=X, labels=LABELS)
    with pytest.raises(UsageProblem, match=r"labels in labels.npy and in the .npz files"):
        Samples.open(tmp_path)
    assert Samples.open(tmp_path, LABELS).count == 13


@pytest.mark.parametrize("shape", [(0, 2, 12), (4, 0, 12), (4, 2, 0)])
def test_what_holds_nothing_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 2, 12), np.uint8))
    np.save(tmp_path / "b.npy", np.zeros(shape, np.uint8))
    with pytest.raises(InputShapeError, match=r"is empty: shape .*b\.npy"):
        Samples.open(tmp_path)
