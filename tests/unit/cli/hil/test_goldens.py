"""Goldens of a user's tests: which file is whose, what cannot be compared or kept, and which are not used any more."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nirdeploy.cli.hil import goldens, properties
from nirdeploy.cli.hil.goldens import Golden
from nirdeploy.errors import CorruptFile, InputShapeError, NirdeployError, UnknownPopulation, UsageProblem
from nirdeploy.records.spikes import SpikeRecord
from tests.unit.cli.hil.project import pytest_in


def record(steps: int = 4, value: int = 1, name: str = "lif") -> SpikeRecord:
    return SpikeRecord({name: np.full((steps, 1, 2), value, dtype=np.uint8)}, {}, {}, "integer", 1e-4, {})


class ATest:
    """A test of a user's, as far as a golden looks at it."""

    def __init__(self, folder: Path) -> None:
        self.update = False
        said = SimpleNamespace(rootpath=folder, getoption=lambda name: self.update if name == "golden_update" else None)
        item = SimpleNamespace(name="test_a", path=folder / "test_net.py", config=said, user_properties=[])
        item.listchain = lambda: []
        self.item: Any = item
        self.folder = folder / "__goldens__" / "test_net"
        self.folder.mkdir(parents=True)

    def golden(self, update: bool = False) -> Golden:
        """The fixture, as each setup makes it."""
        self.update = update
        return Golden(self.item)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ATest:
    monkeypatch.chdir(tmp_path)
    return ATest(tmp_path)


def same(golden: Golden, run: SpikeRecord) -> None:
    assert run == golden


UPDATE = "pytest test_net.py:: --golden-update"


def test_each_name_has_a_file(test: ATest) -> None:
    golden = test.golden(update=True)
    names = ["a[b]", "a-b", "a", "a b", "[a]", "a.b"]
    for name in names:
        same(golden(name), record())
    assert len(test.files()) == len(names)
    assert {"~a-b.nird", "~a.nird", "~a.b.nird"} < set(test.files())


@pytest.mark.parametrize("update", [True, False])
def test_two_goldens_are_never_one_file(test: ATest, update: bool) -> None:
    golden = test.golden(update=True)
    same(golden, record())
    same(golden, record())
    golden = test.golden(update)
    same(golden, record())
    same(golden, record())
    with pytest.raises(UsageProblem, match=r"one file: number 2 of those without a name, and golden\('2'\) .*another"):
        same(golden("2"), record())
    assert test.files() == [".nird", "~2.nird"]


def test_records_that_differ_are_not_kept_in_one_golden(test: ATest) -> None:
    golden = test.golden(update=True)
    for run in (record(), record()):
        same(golden("a"), run)
    for other in (record(value=2), record(steps=5)):
        with pytest.raises(UsageProblem, match="compares records that differ with one golden .*golden.'NAME'."):
            same(golden("a"), other)
    same(golden("a", tolerance=1.0), record(value=2))
    same(test.golden()("a"), record())  # the first one is there


def test_a_test_that_is_run_again_counts_anew(test: ATest) -> None:
    for _ in range(3):
        same(test.golden(update=True), record())
    assert test.files() == [".nird"]


def test_a_damaged_golden_is_replaced(test: ATest) -> None:
    path = test.folder / ".nird"
    path.write_bytes(b"what")
    with pytest.raises(CorruptFile) as caught:
        same(test.golden(), record())
    assert caught.value.hint == f"put back the file that was there, or have it replaced: {UPDATE}"
    with pytest.raises(UsageProblem, match="nothing spiked"):
        same(test.golden(update=True), record(value=0))
    assert path.read_bytes() == b"what"
    same(test.golden(update=True), record())
    same(test.golden(), record())
    assert test.files() == [".nird"]
    assert (goldens.REPLACED, "__goldens__/test_net/.nird") in test.item.user_properties


@pytest.mark.parametrize(
    ("run", "kind", "said"),
    [
        (record(steps=5), InputShapeError, "it is of 5 steps x 1 samples, the golden of 4 x 1 "),
        (record(name="other"), UnknownPopulation, "no population"),
    ],
)
def test_what_cannot_be_compared_says_with_which_golden(
    test: ATest, run: SpikeRecord, kind: type[NirdeployError], said: str
) -> None:
    same(test.golden(update=True), record())
    with pytest.raises(kind) as caught:
        same(test.golden(), run)
    text = str(caught.value)
    assert text.startswith("the record cannot be compared with the golden: ")
    assert said in text
    assert text.endswith(f"(in __goldens__/test_net/.nird); if the record is as it should be from now on: {UPDATE}")
    same(test.golden(update=True), run)
    same(test.golden(), run)


@pytest.mark.parametrize("update", [True, False])
def test_a_folder_is_no_golden(test: ATest, update: bool) -> None:
    (test.folder / ".nird").mkdir()
    with pytest.raises(UsageProblem, match="this is a folder, not a golden .*remove it, then .*--golden-update"):
        same(test.golden(update), record())


def test_a_golden_that_cannot_be_written(test: ATest) -> None:
    test.folder.rmdir()
    test.folder.touch()
    with pytest.raises(UsageProblem, match="cannot write the golden: .*__goldens__/test_net is a folder in which you"):
        same(test.golden(update=True), record())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(test: ATest) -> None:
    test.folder.chmod(0o555)
    with pytest.raises(UsageProblem, match="cannot write the golden: Permission denied"):
        same(test.golden(update=True), record())


ENDS = """
import pytest

def test_first(golden): pass

def test_ends(): {end}

def test_last(): pass
"""
LEFT_OUT = """
def pytest_collection_modifyitems(config, items):
    {said}
    items[:] = items[:-1]
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_which_goldens_are_unused_is_said_where_every_test_ran(project: Path, workers: list[str]) -> None:
    def said(*more: str) -> bool:
        return "unused; if no test" in pytest_in(project, *workers, *more).out

    kept = project / "__goldens__" / "test_net"
    kept.mkdir(parents=True)
    for name in ("test_first", "test_last", "test_gone"):
        (kept / f"{name}.nird").touch()
    (project / "test_net.py").write_text(ENDS.format(end="pass"))
    assert said()
    assert said("-k", "test")  # which leaves none out
    assert not said("-k", "not last")
    told = "config.hook.pytest_deselected(items=items[-1:])"
    for hook in (told, "pass"):
        (project / "conftest.py").write_text(LEFT_OUT.format(said=hook))
        assert not said()
    (project / "conftest.py").unlink()
    (project / "test_net.py").write_text(ENDS.format(end="pytest.exit('enough')"))
    assert not said()
    (project / "test_net.py").write_text(ENDS.format(end="assert False"))
    assert said()
    if not workers:  # each has a part of the tests
        assert not said("-x")
        (project / "test_net.py").write_text(ENDS.format(end="raise KeyboardInterrupt"))
        assert not said()
    shutil.rmtree(kept)


def test_what_was_replaced_is_said(project: Path) -> None:
    config: Any = SimpleNamespace(rootpath=project, getoption=lambda name, default=None: None, args=[])
    used = [(properties.GOLDEN, "a.nird"), (goldens.REPLACED, "a.nird")]
    lines = goldens.summary(config, {}, used, every=True)
    assert lines[0] == "1 golden written in the place of files that could not be read:"
    assert lines[1].endswith("a.nird")
