"""What the reader's child counts before it hands anything on."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from nirdeploy.records import hdf5child


def answer(path: Path) -> tuple[int, str, int]:
    """Its status, what it says, and how many bytes it gives."""
    out, say = io.BytesIO(), io.StringIO()
    return hdf5child.answer(str(path), 1100, "", out, say), say.getvalue(), len(out.getvalue())


def written(path: Path, datasets: int) -> Path:
    """Texts of 100 characters, 100 in each dataset: 40,000 bytes in an array."""
    with h5py.File(path, "w") as file:
        for number in range(datasets):
            file.create_dataset(f"t{number}", data=["x" * 100] * 100, dtype=h5py.string_dtype())
    return path


def test_texts_are_counted_in_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5child, "MAX_TEXT", 100_000)
    assert answer(written(tmp_path / "two.h5", 2))[:2] == (0, "")
    status, said, _ = answer(written(tmp_path / "three.h5", 3))
    assert status == 3
    assert said == "its texts are too large together: '/t2' holds 100 texts of up to 100 characters\n"


def test_texts_count_beside_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5child, "MAX_BYTES", 100_000)
    with h5py.File(written(tmp_path / "f.h5", 1), "a") as file:
        file.create_dataset("n", data=np.zeros(9000))
    assert answer(tmp_path / "f.h5")[0] == 3


def test_names_are_texts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a thousand characters gives every other its room."""
    monkeypatch.setattr(hdf5child, "MAX_TEXT", 100_000)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name in (*map(str, range(50)), "n" * 1000):
            file.create_dataset(name, data=1.0)
    status, said, given = answer(tmp_path / "f.h5")
    assert (status, said) == (
        3,
        "its texts are too large together: the list of names holds 51 texts of up to 1000 characters\n",
    )
    assert given < 1000
