"""Recordings as their files hold them; strangers' files end in one paragraph."""

from __future__ import annotations

from pathlib import Path

import aedat
import numpy as np
import pytest

from nirdeploy import processes
from nirdeploy.errors import CorruptFile, NirdeployError, ToolMissing, UsageProblem
from nirdeploy.records.events import child, recording
from nirdeploy.records.events.recording import Recording
from tests.unit.records.events.files import drawn, evt3, write

EVENTS = drawn(0, 3_000, 34, 30)


def read(path: Path) -> tuple[tuple[int, int], np.ndarray]:
    with Recording.open(path) as found:
        return (found.width, found.height), np.concatenate(list(found.blocks))


@pytest.mark.parametrize("name", ["a.aedat4", "a.raw", "a.dat", "a.es"])
def test_every_format_gives_its_events(tmp_path: Path, name: str) -> None:
    size, events = read(write(tmp_path / name, EVENTS, 34, 30))
    assert size == (34, 30)
    for axis in ("x", "y", "p"):
        assert np.array_equal(events[axis], EVENTS[axis])
    assert np.array_equal(np.diff(events["t"]), np.diff(EVENTS["t"]))


def test_evt3_word_by_word(tmp_path: Path) -> None:
    size, events = read(evt3(tmp_path / "a.raw", EVENTS, 34, 30))
    assert size == (34, 30)
    assert np.array_equal(events, EVENTS)


def test_aedat4_as_another_reader_sees_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.aedat4", EVENTS, 34, 30)
    theirs = np.concatenate([packet["events"] for packet in aedat.Decoder(str(path))])
    _, events = read(path)
    assert np.array_equal(theirs["t"], events["t"])
    assert np.array_equal(theirs["on"], events["p"] > 0)


def _refused(path: Path) -> str:
    with pytest.raises(NirdeployError) as error:
        read(path)
    said = str(error.value)
    assert "\n" not in said
    assert str(path) in said
    return said


def test_strangers_files(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.aedat4", EVENTS, 34, 30).read_bytes()
    rng = np.random.default_rng(0)
    noise = rng.bytes(50_000)
    for name, data in {
        "cut.aedat4": whole[: len(whole) // 2],
        "noise.aedat4": noise,
        "noise.raw": noise,
        "beyond.raw": evt3(tmp_path / "b.raw", EVENTS, 10, 10).read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(data)
        assert "cannot be read" in _refused(tmp_path / name), name


def test_bytes_that_are_changed_never_crash_us(tmp_path: Path) -> None:
    """Whatever the library does with them: events, or an error of ours."""
    whole = bytearray(write(tmp_path / "a.aedat4", EVENTS, 34, 30).read_bytes())
    rng = np.random.default_rng(1)
    refused = []
    for number in range(2):
        changed = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 2_000), 20):
            changed[at] = int(rng.integers(256))
        path = tmp_path / f"{number}.aedat4"
        path.write_bytes(changed)
        try:
            read(path)
        except CorruptFile as error:
            refused.append(str(error))
    assert not any("\n" in said for said in refused)


def test_more_events_than_anybody_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_EVENTS", 1_000)
    assert "more than 1,000 events" in _refused(write(tmp_path / "a.raw", EVENTS, 34, 30))


ENDED = "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)"


@pytest.mark.parametrize(
    ("code", "said"), [(ENDED, "more than 60 s of processor time"), ("import os; os.abort()", "crashed the reader")]
)
def test_a_reader_that_never_ends_or_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    other = tmp_path / "child.py"
    other.write_text(code)
    path = write(tmp_path / "a.raw", EVENTS, 34, 30)
    monkeypatch.setattr(child, "__file__", str(other))
    assert said in _refused(path)


def test_a_size_that_is_only_claimed_buys_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ends.py").write_text(ENDED)
    monkeypatch.setattr(child, "__file__", str(tmp_path / "ends.py"))
    with (tmp_path / "a.raw").open("wb") as file:
        file.truncate(1 << 40)
    assert f"more than {60 + 1024} s of processor time" in _refused(tmp_path / "a.raw")


def test_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageProblem, match="no such recording"):
        read(tmp_path / "a.raw")
    with pytest.raises(UsageProblem, match=r"end in .aedat4"):
        read(tmp_path / "a.txt")
    (tmp_path / "poisoned").mkdir()
    (tmp_path / "poisoned" / "faery.py").write_text("raise ImportError('no faery')")
    path = write(tmp_path / "a.raw", EVENTS, 34, 30)
    found = processes.environment

    def without(added: dict[str, str] | None = None) -> dict[str, str]:
        there = found(added)
        return {**there, "PYTHONPATH": f"{tmp_path / 'poisoned'}:{there['PYTHONPATH']}"}

    monkeypatch.setattr(processes, "environment", without)
    with pytest.raises(ToolMissing, match="needs faery"):
        read(path)


def test_who_stops_taking_leaves_no_reader(tmp_path: Path) -> None:
    with Recording.open(write(tmp_path / "a.raw", drawn(0, 200_000, 34, 30), 34, 30)) as found:
        next(found.blocks)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([("x", "i2"), ("y", "i2")], "no list of events"),
        ([("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "U1")], "not numbers"),
    ],
)
def test_arrays_that_are_no_events(fields: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(UsageProblem, match=said):
        Recording.of(np.zeros(3, fields))
    negative = np.zeros(3, [("t", "i8"), ("x", "i2"), ("p", "i1")])
    negative["x"] = -1
    with pytest.raises(UsageProblem, match="goes from -1"):
        Recording.of(negative)


def test_arrays_as_tonic_has_them() -> None:
    events = np.zeros(4, [("x", "<i8"), ("y", "<i8"), ("t", "<i8"), ("p", "<i8")])
    events["x"], events["y"], events["t"], events["p"] = [0, 1, 2, 33], [0, 0, 5, 29], [0, 10, 20, 30], [0, 1, 1, 0]
    found = Recording.of(events)
    assert (found.width, found.height) == (34, 30)
    assert next(found.blocks)["p"].tolist() == [0, 1, 1, 0]
    signed = np.zeros(2, [("t", "f8"), ("x", "i4"), ("p", "i1")])
    signed["p"] = [-1, 1]
    assert next(Recording.of(signed).blocks)["p"].tolist() == [0, 1]
