"""Damaged files of all other kinds: ours are read as they were written, or refused; others' are read, or refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.cli import options
from nirdeploy.device.lab import file as lab
from nirdeploy.errors import NirdeployError
from nirdeploy.graph.check import check
from nirdeploy.proof import regress
from nirdeploy.records import hdf5, tally
from nirdeploy.targets import registry
from nirdeploy.targets.image import Image
from tests import networks
from tests.conftest import campaign
from tests.hostile.test_mutants import LONGEST_S, Reader, mutant
from tests.unit.records.events import files as recordings

TARGETS = Path(__file__).parents[2] / "targets"
BOARDS = '[boards.bench1]\nport = "auto:D00137"\ntarget = "fpga-ulx3s"\npower.seconds = 20\n'


@dataclass(frozen=True)
class Case:
    """A kind of file: ``path`` of a good one; ``read``: what it says, comparable, or nothing where others write it."""

    path: Path
    read: Callable[[Path], Any]


def _record(path: Path) -> Any:
    record = nd.SpikeRecord.load(path)
    return (
        record.source,
        record.dt,
        dict(record.outputs),
        _arrays(record.spikes),
        _arrays(record.membrane),
        _plain(record),
    )


def _plain(record: nd.SpikeRecord) -> str:
    return json.dumps([dict(record.manifest), dict(record.stats), dict(record.latency)], sort_keys=True)


def _arrays(held: Any) -> Any:
    return {name: (values.dtype.str, values.shape, values.tobytes()) for name, values in sorted(held.items())}


def _tally(path: Path) -> Any:
    found = tally.load(path)
    assert isinstance(found, tally.Tally)
    return found.steps, found.source, {read: _arrays(values) for read, values in found.values.items()}


def _build(path: Path) -> Any:
    built = nd.Build.load(path.parent)
    products = built.graph.digest(), built.network.digest(), built.placement.digest(), built.image.digest()
    return products, built.target, built.manifest()


def _golden(path: Path) -> Any:
    found = regress.load(path)
    return _arrays(found.spikes), _plain(found)


def _read(path: Path) -> None:
    options.stimulus(path)


def _events(path: Path) -> None:
    nd.read_events(path, "10ms", size=(8, 6))


def _target(path: Path) -> None:
    registry.load(path)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    folder = tmp_path_factory.mktemp("kinds")
    built = nd.build(check(networks.two_layers(sizes=(12, 10, 4))), out=folder / "build")
    x = networks.spikes(1, (5, 3, 12))
    record = nd.simulate(built, x)
    record.save(folder / "r.nird")
    regress.record(folder / "golden.nird", record, manifest=built.manifest())
    nd.Tally.of(record, ["count"]).save(folder / "tally.nird")
    np.savez(folder / "x.npz", x=x, labels=np.arange(3))
    np.save(folder / "x.npy", x)
    (folder / "boards.toml").write_text(BOARDS)
    (folder / "board.toml").write_bytes((TARGETS / "fpga-ulx3s.toml").read_bytes())
    events = recordings.drawn(0, 200, 8, 6)
    for name in ("events.aedat4", "events.es", "events.dat"):
        recordings.write(folder / name, events, 8, 6)
    recordings.evt3(folder / "events.raw", events, 8, 6)
    products = {name: Case(folder / "build" / name, _build) for name in _PRODUCTS}
    return {
        **products,
        "record": Case(folder / "r.nird", _record),
        "golden": Case(folder / "golden.nird", _golden),
        "tally": Case(folder / "tally.nird", _tally),
        "image": Case(folder / "build" / "image.ndi", lambda path: Image.load(path).digest()),
        "stimulus.npz": Case(folder / "x.npz", _read),
        "stimulus.npy": Case(folder / "x.npy", _read),
        "boards": Case(folder / "boards.toml", lambda path: lab.load() and None),
        "target": Case(folder / "board.toml", _target),
        **{name: Case(folder / name, _events) for name in _RECORDINGS},
    }


_PRODUCTS = ("graph.npz", "network.npz", "placement.npz", "image.ndi", "manifest.json")
_RECORDINGS = ("events.aedat4", "events.es", "events.dat", "events.raw")
_OTHERS = ("record", "golden", "tally", "image", "stimulus.npz", "stimulus.npy", "boards", "target")


@pytest.fixture
def in_a_row(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NIRDEPLOY_READ_SECONDS", "3")
    ask = Reader()
    monkeypatch.setattr(hdf5, "_ask_child", ask)
    yield
    ask.stop()


def _judged(case: Case, mutants: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of the mutants, each in the place of the good file, were read."""
    monkeypatch.setenv(lab.VARIABLE, str(case.path))
    whole, said = case.path.read_bytes(), case.read(case.path)
    read = 0
    try:
        for seed in range(mutants):
            data = mutant([whole], seed, least=16)
            case.path.write_bytes(data)
            began = time.process_time()
            try:
                found = case.read(case.path)
            except NirdeployError as error:
                text = str(error)
                assert text.isprintable(), f"seed {seed}: {text!r}"
                assert len(text) < 2_000, f"seed {seed}: {text}"
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
            else:
                assert found == said, f"seed {seed} was altered, and read"
                read += 1
            assert time.process_time() - began < LONGEST_S, f"seed {seed}"
    finally:
        case.path.write_bytes(whole)
    return read


@pytest.mark.soak
@pytest.mark.parametrize("kind", [*_PRODUCTS, *_OTHERS])
def test_mutants_are_read_as_written_or_refused(
    kind: str, cases: dict[str, Case], in_a_row: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = campaign(60, 4_000)
    assert _judged(cases[kind], count, monkeypatch) < count


@pytest.mark.soak
@pytest.mark.parametrize("kind", _RECORDINGS)
def test_mutants_of_recordings_are_read_or_refused(
    kind: str, cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a process of its own, as there is no other way to read them."""
    count = campaign(3, 300)
    assert _judged(cases[kind], count, monkeypatch) <= count
