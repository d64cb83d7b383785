"""Where caches are, where the user says or the system keeps them; and each thing in them is made once, and whole."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from nirdeploy import processes
from nirdeploy.errors import ToolMissing
from nirdeploy.records import cache


def test_the_user_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "everybody's"))
    assert cache.folder() == tmp_path / "mine"


@pytest.mark.parametrize("said", [None, ""])
def test_else_the_system(said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", "") if said == "" else monkeypatch.delenv("NIRDEPLOY_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == platformdirs.user_cache_path("nirdeploy", appauthor=False)
    assert cache.folder().name == "nirdeploy"


def test_a_user_without_a_home_is_told_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NIRDEPLOY_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", str)  # as where the system does not know the user
    with pytest.raises(ToolMissing, match="no home.*export NIRDEPLOY_CACHE=FOLDER"):
        cache.folder()
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path))
    assert cache.folder() == tmp_path


def writes(text: str) -> Callable[[Path], None]:
    def make(made: Path) -> None:
        made.write_text(text)

    return make


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "made here" / "thing.so"
    assert cache.made(path, writes("first")) == path
    cache.made(path, writes("second"))
    assert path.read_text() == "first"


def test_what_fails_leaves_nothing_and_can_be_made_later(tmp_path: Path) -> None:
    path = tmp_path / "thing.so"

    def fails(made: Path) -> None:
        made.write_text("half")
        assert not path.exists()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        cache.made(path, fails)
    assert [left.name for left in tmp_path.iterdir()] == [".thing.so.lock"]
    cache.made(path, writes("whole"))
    assert path.read_text() == "whole"


#: Says that it makes the file, makes it when told to on stdin, and says what then stands in it.
_MAKER = """
import sys
from pathlib import Path
from nirdeploy.errors import ToolMissing
from nirdeploy.records import cache
def make(made):
    print("making", flush=True)
    made.write_text(sys.stdin.readline())
print("starts", flush=True)
print("has", cache.made(Path(sys.argv[1]), make).read_text(), flush=True)
"""


def _maker(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _MAKER, str(path)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=processes.environment())


def _next(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_second_waits_for_the_first_and_takes_what_it_made(tmp_path: Path) -> None:
    path = tmp_path / "thing.so"
    with _maker(path) as first:
        assert [_next(first), _next(first)] == ["starts", "making"]
        with _maker(path) as second:
            assert _next(second) == "starts"
            with (tmp_path / ".thing.so.lock").open() as lock, pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as the second finds it
            said, _ = first.communicate("by the first\n")
            assert said.strip() == "has by the first"
            said, _ = second.communicate("by the second\n")
            assert said.strip() == "has by the first"


def test_one_that_dies_lets_the_next_one_in(tmp_path: Path) -> None:
    path = tmp_path / "thing.so"
    with _maker(path) as first:
        assert [_next(first), _next(first)] == ["starts", "making"]
        with _maker(path) as second:
            assert _next(second) == "starts"
            first.kill()
            said, _ = second.communicate("by the second\n")
            assert said.split("\n")[:2] == ["making", "has by the second"]


def test_threads_wait_for_each_other_too(tmp_path: Path) -> None:
    path = tmp_path / "thing.so"
    made: list[Path] = []

    def make(beside: Path) -> None:
        made.append(beside)
        beside.write_text("whole")

    threads = [threading.Thread(target=cache.made, args=(path, make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


@pytest.mark.parametrize("damage", [b"", b"whol", b"whole but longer", None])
def test_an_entry_that_is_not_as_it_was_made_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    path = cache.made(tmp_path / "a.so", writes("whole"))
    assert cache.holds(path)
    path.unlink() if damage is None else path.write_bytes(damage)
    assert not cache.holds(path)
    assert cache.made(path, writes("whole again")).read_text() == "whole again"
    assert cache.holds(path)


def test_an_entry_without_its_sum_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "a.so").write_text("of an older nirdeploy")
    assert cache.made(tmp_path / "a.so", writes("whole")).read_text() == "whole"
