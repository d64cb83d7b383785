"""Ten thousand damaged files (`make soak`: 200,000): each is read or refused, in time, within 2 GiB, and we live on.

A process for each file is what a user gets; for so many, one process reads many in a row (``reader.py``), with the
same code and limits, and a new one takes over when it dies. A share of them goes through the real thing.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from nirdeploy.errors import NirdeployError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.records import hdf5, hdf5child
from tests.conftest import campaign
from tests.hostile import reader
from tests.hostile.test_hostile_files import assert_reads_well, graph

CHUNKS, MUTANTS = 40, campaign(250, 5_000)
REAL_CHUNKS, REAL_MUTANTS = 4, campaign(10, 250)
LONGEST_S = 10  # of this process's own processor time; the reader's is limited by itself
READER_S = 3  # some in ten thousand send HDF5 into endless loops; the others take milliseconds
LARGEST_KIB = 2 << 20


# --- good files -----------------------------------------------------------------------


def _chain(nodes: dict[str, nir.NIRNode]) -> nir.NIRGraph:
    return nir.NIRGraph(nodes, list(pairwise(nodes)), metadata={"made by": "a test"}, type_check=False)


def convolutional() -> nir.NIRGraph:
    ones = np.ones((2, 6, 6))
    return _chain(
        {
            "input": nir.Input({"input": np.array([1, 8, 8])}),
            "conv": nir.Conv2d((8, 8), np.arange(18.0).reshape(2, 1, 3, 3) / 18, 1, 0, 1, 1, np.zeros(2)),
            "if": nir.IF(r=ones, v_threshold=ones, v_reset=0 * ones),
            "sum": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
            "flat": nir.Flatten({"input": np.array([2, 3, 3])}, 0, -1),
            "fc": nir.Affine(np.ones((3, 18)) / 18, np.zeros(3)),
            "li": nir.LI(tau=np.full(3, 0.01), r=np.ones(3), v_leak=np.zeros(3)),
            "output": nir.Output({"output": np.array([3])}),
        }
    )


def recurrent() -> nir.NIRGraph:
    """A population and its recurrence in a subgraph."""
    n = np.ones(3)
    cuba = nir.CubaLIF(
        tau_mem=0.02 * n, tau_syn=0.01 * n, r=n, v_leak=0 * n, v_threshold=n, v_reset=0 * n, w_in=0.5 * n
    )
    inner = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([3])}),
            "lif": cuba,
            "w_rec": nir.Linear(np.eye(3) / 4),
            "output": nir.Output({"output": np.array([3])}),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
        type_check=False,
    )
    return _chain(
        {
            "input": nir.Input({"input": np.array([4])}),
            "fc": nir.Linear(np.ones((3, 4)) / 4),
            "rsnn": inner,
            "output": nir.Output({"output": np.array([3])}),
        }
    )


def one_dimensional() -> nir.NIRGraph:
    n = np.ones((2, 6))
    return _chain(
        {
            "input": nir.Input({"input": np.array([1, 8])}),
            "conv": nir.Conv1d(8, np.ones((2, 1, 3)) / 3, 1, "valid", 1, 1, np.zeros(2)),
            "scale": nir.Scale(0.5 * n),
            "delay": nir.Delay(0.001 * n),
            "threshold": nir.Threshold(0.5 * n),
            "output": nir.Output({"output": np.array([2, 6])}),
        }
    )


def _plain(path: Path, made: nir.NIRGraph) -> None:
    nirfile.write(path, made)


def _newest_format(path: Path, made: nir.NIRGraph) -> None:
    """As written with ``libver="latest"``: other headers, with checksums."""
    nirfile.write(path, made)
    beside = path.with_suffix(".old")
    path.rename(beside)
    with h5py.File(beside, "r") as old, h5py.File(path, "w", libver="latest") as new:
        for name in old:
            old.copy(name, new)


def _uncompressed(path: Path, made: nir.NIRGraph) -> None:
    nir.write(str(path), made, compression=None)


GOOD: dict[str, tuple[Callable[[], nir.NIRGraph], Callable[[Path, nir.NIRGraph], None]]] = {
    "plain": (graph, _plain),
    "convolutional": (convolutional, _plain),
    "recurrent": (recurrent, _plain),
    "one dimensional": (one_dimensional, _uncompressed),
    "recurrent, uncompressed": (recurrent, _uncompressed),
    "convolutional, newest format": (convolutional, _newest_format),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("good")
    found = []
    for name, (make, write) in GOOD.items():
        path = folder / f"{name}.nir"
        write(path, make())
        check(path)
        found.append(path.read_bytes())
    return found


# --- damage ---------------------------------------------------------------------------


def _place(data: bytearray, chance: random.Random) -> int:
    """Anywhere, but rarely in the zeros that fill most of an HDF5 file."""
    at = chance.randrange(len(data))
    for _ in range(8):
        if data[at]:
            break
        at = chance.randrange(len(data))
    return at


def flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def cut(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice((1, 8, 64, 512))]


def insert(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = chance.randbytes(chance.choice((1, 8, 64, 512)))


def swap(data: bytearray, chance: random.Random) -> None:
    size = chance.choice([size for size in (4, 8, 32, 128, 512) if size <= len(data)])
    a, b = (chance.randrange(len(data) // size) * size for _ in range(2))
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def extreme(data: bytearray, chance: random.Random) -> None:
    """A number at its limits, where a length or an address may stand."""
    for _ in range(chance.choice((1, 2, 4))):
        size = chance.choice((1, 2, 4, 8))
        at = _place(data, chance) // size * size
        value = chance.choice((0, 1, (1 << 8 * size) - 1, 1 << (8 * size - 1), (1 << (8 * size - 1)) - 1))
        data[at : at + size] = value.to_bytes(size, "little")


DAMAGE = (flip, flip, flip, truncate, cut, insert, swap, swap, extreme, extreme)


def mutant(good: list[bytes], seed: int, least: int = 512) -> bytes:
    """One of the files, damaged as long as it has more than ``least`` bytes."""
    chance = random.Random(seed)
    data = bytearray(good[seed % len(good)])
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if len(data) > least:
            chance.choice(DAMAGE)(data, chance)
    return bytes(data)


# --- the reading ----------------------------------------------------------------------


class Reader:
    """``hdf5._ask_child`` with one process for many files."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.largest_kib = 0

    def __call__(self, path: Path, seconds: int, kind: hdf5.Kind, attribute: str) -> tuple[int, bytes, str]:
        if self.process is None:
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self.process = subprocess.Popen(
                [sys.executable, "-I", reader.__file__, hdf5child.__file__, str(seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment | {"HDF5_USE_FILE_LOCKING": "FALSE"},
            )
        assert self.process.stdin is not None
        self.process.stdin.write(os.fsencode(f"{kind.ratio}\t{attribute}\t{path}\n"))
        self.process.stdin.flush()
        try:
            status, length, said, kib = map(int, self._take(64).split())
            self.largest_kib = max(self.largest_kib, kib)
            return status, self._take(length), self._take(said).decode()
        except EOFError:
            status = self.process.wait()
            self.stop()
            return status, b"", ""

    def _take(self, count: int) -> bytes:
        assert self.process is not None
        assert self.process.stdout is not None
        found = b""
        while len(found) < count:
            part = os.read(self.process.stdout.fileno(), count - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(autouse=True)
def seconds(monkeypatch: pytest.MonkeyPatch) -> int:
    """Processor time for each file."""
    monkeypatch.setenv("NIRDEPLOY_READ_SECONDS", str(READER_S))
    return READER_S


@pytest.fixture
def in_a_row(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    ask = Reader()
    monkeypatch.setattr(hdf5, "_ask_child", ask)
    yield ask
    ask.stop()


def read_or_refuse(path: Path, seed: int) -> bool:
    """Whether a mutant is read; all but an answer or one of our errors fails."""
    began = time.process_time()
    refusal: NirdeployError | None = None
    try:
        checked = check(path)
    except NirdeployError as error:
        refusal = error
    except Exception as error:
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    took = time.process_time() - began
    assert took < LONGEST_S, f"seed {seed} took {took:.1f} s"
    if refusal is not None:
        assert_reads_well(refusal, path)
        assert refusal.exit_code in (2, 3), f"seed {seed}: {refusal}"
        return False
    assert all(np.isfinite(projection.weight).all() for projection in checked.projections)
    return True


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_mutants_are_read_or_refused(chunk: int, good: list[bytes], in_a_row: Reader, tmp_path: Path) -> None:
    path = tmp_path / "mutant.nir"
    read = 0
    for seed in range(chunk * MUTANTS, (chunk + 1) * MUTANTS):
        path.write_bytes(mutant(good, seed))
        read += read_or_refuse(path, seed)
    assert 0 < read < MUTANTS, "the damage is either none or all there is"
    assert in_a_row.largest_kib < LARGEST_KIB


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(REAL_CHUNKS))
def test_mutants_in_a_process_of_their_own(chunk: int, good: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "mutant.nir"
    for seed in range(chunk * REAL_MUTANTS, (chunk + 1) * REAL_MUTANTS):
        path.write_bytes(mutant(good, seed))
        read_or_refuse(path, seed)


def test_both_ways_of_reading_give_the_same(good: list[bytes], seconds: int, tmp_path: Path) -> None:
    path, in_a_row = tmp_path / "mutant.nir", Reader()
    try:
        for seed in range(24):
            path.write_bytes(mutant(good, seed))
            alone, among_others = (ask(path, seconds, nirfile._MODEL, "") for ask in (hdf5._ask_child, in_a_row))
            assert (alone[0], alone[2]) == (among_others[0], among_others[2])
            if alone[0] == 0:
                both = [
                    hdf5._contents(one, "", seconds, nirfile._MODEL).datasets.keys() for one in (alone, among_others)
                ]
                assert both[0] == both[1]
    finally:
        in_a_row.stop()
