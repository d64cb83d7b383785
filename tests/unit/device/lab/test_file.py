"""boards.toml: where it is found, what it may say, and how it is said that it does not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nirdeploy.device.lab import file
from nirdeploy.errors import BoardsFileError, NirdeployError, UnknownTarget, UsageProblem
from nirdeploy.targets import registry

GOOD = """
[boards.bench1]
port = "auto:D00137"
target = "fpga-ulx3s"
bitstream = "made/board.bit"
baud = 115200
power.on = ["switch", "on"]
power.seconds = 5
[boards.ci]
port = "virtual"
target = "own.toml"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, below tmp_path, and no file of the user's own."""
    monkeypatch.delenv(file.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    here = tmp_path / "project" / "deep"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    return here


def written(path: Path, text: str = GOOD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_what_a_file_says(folder: Path) -> None:
    path = written(folder / file.FILE)
    lab = file.load()
    assert lab.file == path
    bench, ci = lab.boards.values()
    assert (bench.name, bench.port, bench.target_name, bench.baud) == ("bench1", "auto:D00137", "fpga-ulx3s", 115200)
    assert bench.bitstream == folder / "made" / "board.bit"
    assert bench.power is not None
    assert (bench.power.on, bench.power.off, bench.power.seconds) == (("switch", "on"), None, 5.0)
    assert bench.target().name == "fpga-ulx3s"
    assert str(path) in bench.said
    with pytest.raises(UnknownTarget, match="own.toml") as caught:
        ci.target()  # beside the file, and not there
    assert caught.value.where == str(folder / "own.toml")


def test_the_nearest_file_wins_and_a_named_one_before_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file.load() == file.Lab(None, {})
    own = written(tmp_path / "config" / "nirdeploy" / file.FILE)
    assert file.find() == own
    above = written(folder.parent / file.FILE)
    assert file.find() == above
    here = written(folder / file.FILE)
    assert file.find() == here
    named = written(tmp_path / "elsewhere.toml")
    monkeypatch.setenv(file.VARIABLE, str(named))
    assert file.find() == named
    monkeypatch.setenv(file.VARIABLE, "nowhere.toml")
    with pytest.raises(UsageProblem, match="no such file of boards"):
        file.find()


def test_a_user_without_a_home_has_no_file_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("platformdirs.user_config_path", nowhere)
    assert file.load() == file.Lab(None, {})


def test_a_file_that_strangers_may_write_is_not_taken_on_the_way_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(folder.parent / file.FILE)
    path.chmod(0o666)
    with pytest.raises(BoardsFileError, match="everybody may write") as caught:
        file.find()
    assert f"--boards {path}" in caught.value.hint
    path.chmod(0o644)
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    if path.stat().st_uid:
        with pytest.raises(BoardsFileError, match="belongs to another user"):
            file.find()
    monkeypatch.setenv(file.VARIABLE, str(path))
    assert file.find() == path


A = "[boards.a]\nport = 'auto'\ntarget = 'fpga'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("boards = 3", "boards: must be a table"),
        ("x = 1", "x: there is no such key, only boards"),
        ("[boards.a]\nport = 'auto'\n", "boards.a.target: missing"),
        (A + "tarjet = 1", "boards.a.tarjet: there is no such key, did you mean 'target'"),
        (A.replace("auto", "ttyUSB0"), "boards.a.port: 'ttyUSB0' is no port; write a path"),
        (A.replace("auto", "fault:x:virtual"), "unknown field 'x'"),
        (A.replace("'auto'", "7"), "boards.a.port: must be a text of one line, in quotes"),
        (A.replace("'auto'", "''"), "boards.a.port: must be a text of one line, in quotes"),
        (
            A.replace("auto", "socket://nowhere"),
            "'socket://nowhere' names no machine and port of it, as in socket://HOST",
        ),
        (A.replace("auto", "rfc2217://rack:x"), "names no machine and port of it, as in rfc2217://HOST:4001"),
        (A.replace("auto", "socket://:4001"), "names no machine and port of it"),
        (A + "power.on = 'uhubctl -a on'", "boards.a.power.on: must be a list of words"),
        (A + "power.on = []", "boards.a.power.on: must be a list of words"),
        (A + "power.on = [3]", "boards.a.power.on.0: must be a text of one line, in quotes"),
        (A + "power.on = 3", "boards.a.power.on: must be a list of words"),
        (A + "power.offf = ['x']", "did you mean 'off'"),
        (A + "power.seconds = 1e9", "boards.a.power.seconds: must be 600 at most"),
        (A + "power.seconds = 'x'", "boards.a.power.seconds: must be a number"),
        (A + "power.seconds = nan", "boards.a.power.seconds: must be 600 at most"),
        (A + "baud = 0", "boards.a.baud: must be more than 0"),
        (A + "baud = 4_000_000_000", "boards.a.baud: must be 2,147,483,647 at most"),
        (A + f"baud = {10**26}", "boards.a.baud: must be 2,147,483,647 at most"),
        (A + "baud = 9600.5", "boards.a.baud: must be a whole number"),
        (A + "baud = '9600'", "boards.a.baud: must be a whole number"),
        (A.replace("boards.a", "boards.'../x'"), "a board cannot be called '../x'"),
        (A.replace("boards.a", "boards.virtual"), "a board cannot be called 'virtual', which means something else"),
        (A.replace("boards.a", "boards.fpga"), "this is a target's name"),
        ("[boards.a", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
    ],
)
def test_what_a_file_may_not_say(folder: Path, text: str, said: str) -> None:
    path = written(folder / file.FILE, text)
    with pytest.raises(BoardsFileError) as caught:
        file.load()
    assert said in caught.value.message
    assert caught.value.where == str(path)
    assert (caught.value.exit_code, caught.value.code) == (3, "E306")


def test_all_mistakes_are_said_at_once(folder: Path) -> None:
    written(folder / file.FILE, "[boards.a]\nprt = 'auto'\n")
    with pytest.raises(BoardsFileError, match=r"a\.port: missing; .*a\.target: missing; .*did you mean 'port'"):
        file.load()


def test_wrong_names_are_said_with_all_else(folder: Path) -> None:
    names = ('"../x"', "virtual", "fpga", "COM3")
    tables = "".join(f"[boards.{name}]\nport = 'auto'\ntarget = 'fpga'\n" for name in names)
    written(folder / file.FILE, tables + "prt = 1\n[boards.b]\nport = 'fault:x:virtual'\n")
    with pytest.raises(BoardsFileError) as caught:
        file.load()
    for said in (
        "boards.../x: a board cannot be called '../x' (name it by letters",
        "boards.virtual: a board cannot be called 'virtual', which means something else",
        "boards.fpga: a board cannot be called 'fpga': this is a target's name",
        "boards.COM3: a board cannot be called 'COM3', which Windows calls a device of its own (choose another name)",
        "boards.COM3.prt: there is no such key",
        "boards.b.port: cannot read the fault port 'fault:x:virtual': unknown field 'x'",
        "boards.b.target: missing",
    ):
        assert said in caught.value.message, said


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.mkdir, "this is a folder, not a file"),
        (os.mkfifo, "this is a pipe, not a file"),
        (lambda path: path.symlink_to("/nowhere"), "cannot follow this link: No such file or directory"),
        (lambda path: path.symlink_to(path), "cannot follow this link: "),
        (lambda path: path.symlink_to("/dev/zero"), "this is a device, not a file"),
    ],
    ids=["folder", "pipe", "nowhere", "itself", "device"],
)
def test_what_is_no_file_is_not_passed_over(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], said: str
) -> None:
    written(folder.parent / file.FILE)
    own = tmp_path / "config" / "nirdeploy" / file.FILE
    own.parent.mkdir(parents=True)
    for path in (folder / file.FILE, own):
        make(path)
        with pytest.raises(BoardsFileError, match=said) as caught:
            file.load()
        assert caught.value.where == str(path)
        path.rmdir() if path.is_dir() else path.unlink()
        (folder.parent / file.FILE).unlink(missing_ok=True)
    make(own)
    monkeypatch.setenv(file.VARIABLE, str(own))
    with pytest.raises(UsageProblem, match="file of boards .*--boards and NIRDEPLOY_BOARDS name a boards.toml"):
        file.load()


def test_a_file_that_is_none(folder: Path) -> None:
    (folder / file.FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(BoardsFileError, match="not valid TOML"):
        file.load()
    (folder / file.FILE).write_bytes(b"#" * (2 << 20))
    with pytest.raises(BoardsFileError, match="larger than"):
        file.load()


@pytest.mark.parametrize("name", ["bench1", "a", "A.b_c-9", "x" * 64])
def test_names(name: str) -> None:
    assert file.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "a/b",
        "a\\b",
        ".a",
        "-a",
        "a b",
        "a\n",
        "x" * 65,
        "sim",
        "virtual",
        "auto",
        "COM3",
        "nul",
        "é",
        "a:b",
    ],
)
def test_what_is_no_name(name: str) -> None:
    assert not file.is_name(name)
    with pytest.raises(NirdeployError, match="cannot be called"):
        file.check_name(name)


def test_no_board_is_called_as_a_target_is() -> None:
    for name in registry.names():
        with pytest.raises(UsageProblem, match="cannot be called '.*': this is a target's name; choose another"):
            file.check_name(name)
