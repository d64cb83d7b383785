"""Arrays under any names in .npz files, and which of them are inputs and which are labels."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from nirdeploy.errors import UsageProblem
from nirdeploy.records import archive

X, Y = np.zeros((5, 3, 2), np.uint8), np.ones((5, 3, 4), np.uint8)
CLASSES = np.arange(3)


@pytest.mark.parametrize("name", ["file", "args", "kwds", "allow_pickle", "a/b", "..", "/", "ä b", "a\\b", "", "x.npy"])
def test_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.npz").write_bytes(archive.packed({name: X, "x": Y}))
    found = archive.read(tmp_path / "x.npz")
    assert [*found] == [name, "x"]
    np.testing.assert_array_equal(found[name], X)
    np.testing.assert_array_equal(found["x"], Y)
    with np.load(tmp_path / "x.npz") as loaded:  # NumPy's own names
        np.testing.assert_array_equal(loaded[f"{name}.npy"], X)


def test_the_file_is_numpys(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=X, b=Y)
    assert (tmp_path / "x.npz").read_bytes() == archive.packed({"a": X, "b": Y})


@pytest.mark.parametrize("name", ["a\0b", "\udc80", "a" * 0x10000])
def test_a_name_that_no_file_can_hold(name: str) -> None:
    with pytest.raises(UsageProblem, match="cannot hold an array for the input .*; give the input another name"):
        archive.packed({name: X})


@pytest.mark.parametrize(
    ("held", "inputs", "chosen", "labels"),
    [
        ({"x": X, "labels": CLASSES}, ["in"], ["x"], True),
        ({"x": X, "labels": CLASSES}, ["labels"], ["x"], True),
        ({"x": X, "labels": Y}, ["labels"], ["labels"], False),
        ({"labels": X}, ["labels"], ["labels"], False),
        ({"labels": X}, ["in"], [], True),
        ({"x": X, "meta": Y, "labels": CLASSES}, ["x"], ["x"], True),
        ({"x": X, "meta": Y}, ["in"], ["x"], False),
        ({"x": X, "in": Y}, ["in"], ["in"], False),
        ({"x": X, "y": Y, "labels": CLASSES}, ["x", "y"], ["x", "y"], True),
        ({"labels": X, "x": Y}, ["labels", "x"], ["labels", "x"], False),
        ({"labels": X, "y": Y}, ["y", "labels"], ["labels", "y"], False),
        ({"a": X, "b": Y, "c": Y}, ["a", "b"], ["a", "b", "c"], False),
    ],
)
def test_an_inputs_name_is_before_what_names_mean_otherwise(
    held: dict[str, np.ndarray], inputs: Sequence[str], chosen: list[str], labels: bool
) -> None:
    found, classes = archive.parted(held, lambda: [(name, (2,)) for name in inputs])
    assert [*found] == chosen
    assert (classes is not None) == labels


def test_the_network_is_asked_only_where_its_names_matter() -> None:
    def never() -> list[tuple[str, tuple[int, ...]]]:
        raise AssertionError

    for names in (["x"], ["anything"], ["a", "b"]):
        held: dict[str, np.ndarray] = dict.fromkeys(names, X)
        archive.parted(held, never)
        archive.parted(held | {"labels": CLASSES}, never)


def test_what_stands_beside_the_arrays_is_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X)
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as added:
        added.writestr("README.txt", "of which nothing is read")
    assert [*archive.read(tmp_path / "x.npz")] == ["x"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_that_ends_before_its_member_is_damage(tmp_path: Path, save: Callable[..., None]) -> None:
    """One digit of the shape in its header."""
    path = tmp_path / "x.npz"
    save(path, x=np.random.default_rng(0).integers(0, 256, (500, 30), dtype=np.uint8))
    with zipfile.ZipFile(path) as whole:
        packed, (info,) = whole.read("x.npy"), whole.infolist()
    with zipfile.ZipFile(path, "w", info.compress_type) as other:
        other.writestr("x.npy", packed.replace(b"(500, 30)", b"(100, 30)"))
    path.write_bytes(path.read_bytes().replace(_crc(path).to_bytes(4, "little"), info.CRC.to_bytes(4, "little")))
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        archive.read(path)


def _crc(path: Path) -> int:
    with zipfile.ZipFile(path) as there:
        return there.infolist()[0].CRC
