"""Damaged files that nirdeploy wrote: read as they were written, or refused; never read as something else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from nirdeploy.errors import ModelFileError, NirdeployError
from nirdeploy.graph import checksum
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.records import hdf5
from tests.conftest import campaign
from tests.hostile.test_hostile_files import graph
from tests.hostile.test_mutants import GOOD, Reader, mutant

CHUNKS, MUTANTS = 8, campaign(40, 6_000)
OURS = [make for make, _ in list(GOOD.values())[:4]]


@pytest.fixture
def in_a_row(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setenv("NIRDEPLOY_READ_SECONDS", "1")
    ask = Reader()
    monkeypatch.setattr(hdf5, "_ask_child", ask)
    yield ask
    ask.stop()


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_none_is_silently_altered(chunk: int, in_a_row: Reader, tmp_path: Path) -> None:
    path, good, digests = tmp_path / "mutant.nir", [], []
    for make in OURS:
        nirfile.write(path, make())
        good.append(path.read_bytes())
        digests.append(check(path).digest())
    as_written = 0
    for seed in range(chunk * MUTANTS, (chunk + 1) * MUTANTS):
        path.write_bytes(mutant(good, seed))
        try:
            found = check(path)
        except NirdeployError:
            continue
        assert found.digest() == digests[seed % len(good)], f"seed {seed} was altered, and read"
        as_written += 1
    assert 0 < as_written < MUTANTS, "the damage is either none or all there is"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "ours.nir"
    nirfile.write(path, graph())
    return path


def test_ours_have_one_and_others_read_them(ours: Path) -> None:
    assert nirfile.read_checked(ours)[1]
    assert check(ours).checksum is True
    assert set(nir.read(str(ours)).nodes) == set(graph().nodes)


def test_what_another_tool_wrote_anew_has_none(ours: Path, tmp_path: Path) -> None:
    nir.write(str(tmp_path / "other.nir"), nir.read(str(ours)))
    assert check(tmp_path / "other.nir").checksum is False
    assert check(nir.read(str(ours))).checksum is None


def test_another_container_of_the_same_content_keeps_it(ours: Path, tmp_path: Path) -> None:
    """As HDF5's own tools repack: other headers, chunks, compression and byte order."""

    def copied(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            new.create_dataset(name, data=item[()].astype(item.dtype.newbyteorder(">")))
        elif isinstance(item, h5py.Dataset):
            old.copy(item, new, name)

    with h5py.File(ours) as old, h5py.File(tmp_path / "new.nir", "w", libver="latest") as new:
        old.visititems(copied)
    assert check(tmp_path / "new.nir").checksum is True


def _weight(file: h5py.File) -> None:
    file["node/nodes/fc/weight"][0, 0] += 1e-12


def _edges(file: h5py.File) -> None:
    edges = file["node/edges"][()]
    del file["node/edges"]
    file["node/edges"] = edges[:-1]


def _node(file: h5py.File) -> None:
    file.move("node/nodes/fc", "node/nodes/other")


def _extra(file: h5py.File) -> None:
    file["node/metadata/nirdeploy_dialect"] = "spyx"


def _checksum(file: h5py.File) -> None:
    del file[checksum.NAME]
    file[checksum.NAME] = np.bytes_(b"sha256:" + 64 * b"0")


def _no_text(file: h5py.File) -> None:
    del file[checksum.NAME]
    file[checksum.NAME] = np.arange(3)


def _renamed(file: h5py.File) -> None:
    file.move(checksum.NAME, "nirdeploy_checkstm")
    _weight(file)


@pytest.mark.parametrize("edit", [_weight, _edges, _node, _extra, _checksum, _no_text, _renamed])
def test_an_edit_is_said(edit, ours: Path) -> None:  # type: ignore[no-untyped-def]
    with h5py.File(ours, "r+") as file:
        edit(file)
    with pytest.raises(ModelFileError, match="does not hold what nirdeploy wrote") as caught:
        check(ours)
    assert checksum.NAME in str(caught.value)


def test_an_edit_on_purpose_is_read_without_it(ours: Path, tmp_path: Path) -> None:
    before = check(ours).digest()
    with h5py.File(ours, "r+") as file:
        file["node/nodes/fc/weight"][0, 0] += 1
        del file[checksum.NAME]
    found = check(ours)
    assert found.checksum is False
    assert found.digest() != before


def test_the_same_graph_is_the_same_bytes(ours: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.nir"
    nirfile.write(again, graph())
    assert again.read_bytes() == ours.read_bytes()
    shutil.copy(ours, again)
    assert check(again).checksum is True
