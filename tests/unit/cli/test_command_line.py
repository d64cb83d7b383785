"""The table of contents, and the boundary where errors become exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

import nirdeploy
from nirdeploy.cli.entry import group
from nirdeploy.targets import registry as target
from tests.unit.cli.conftest import Cli

COMMANDS = ["export", "check", "targets", "build", "flash", "run", "verify", "regress", "board", "info", "demo"]


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A bash command in which $NIRDEPLOY is the command line of this checkout."""
    environment = {**os.environ, **environment, "NIRDEPLOY": f"{sys.executable} -m nirdeploy"}
    return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)


def imported(arguments: str) -> set[str]:
    """Top-level packages that a command line imports."""
    done = shell(f"{sys.executable} -X importtime -m nirdeploy {arguments}")
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}


def test_help_needs_neither_torch_nor_numpy() -> None:
    assert imported("--help") & {"torch", "numpy", "h5py", "nir", "rich", "nirdeploy"} == {"nirdeploy"}


def test_only_export_and_demo_need_torch() -> None:
    assert "torch" not in imported("targets")


def test_help_lists_every_command(cli: Cli) -> None:
    done = cli("--help")
    assert done.code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(cli: Cli, name: str) -> None:
    done = cli(name, "-h")
    assert done.code == 0
    assert done.out.startswith(f"Usage: nirdeploy {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_reporting_command_takes_json(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    parts = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for part in parts:
        assert any("--json" in option.opts for option in part.params), part.name


def test_version(cli: Cli) -> None:
    assert nirdeploy.__version__ in cli("--version").out


def test_no_command_is_a_usage_error(cli: Cli) -> None:
    done = cli()
    assert done.code == 2
    assert done.out == ""
    assert "Commands:" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chekc",), "chekc"),
        (("check", "m.nir", "--nonsense"), "--nonsense"),
        (("check",), "MODEL"),
        (("flash", "b", "--baud", "0"), "--baud"),
    ],
)
def test_usage_errors(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    plain = cli(*arguments)
    assert (plain.code, plain.out) == (2, "")
    assert plain.err.startswith("error[E201]: ")
    assert said in plain.err
    reported = cli(*arguments, "--json")
    assert reported.code == 2
    assert reported.json["schema"] == 1
    assert reported.json["error"]["code"] == "E201"
    assert said in reported.json["error"]["message"]


def broken(error: BaseException) -> Callable[[], list[str]]:
    def raise_it() -> list[str]:
        raise error

    return raise_it


def test_a_bug_is_code_8_and_one_paragraph(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIRDEPLOY_TRACEBACK", raising=False)
    monkeypatch.setattr(target, "names", broken(RuntimeError("the impossible")))
    done = cli("targets")
    assert (done.code, done.out) == (8, "")
    assert done.err.count("\n") == 1
    assert "RuntimeError: the impossible" in done.err
    assert "test_command_line.py:" in done.err
    assert "NIRDEPLOY_TRACEBACK=1" in done.err
    assert cli("targets", "--json").json["error"]["exit_code"] == 8


def test_the_traceback_can_be_had_and_changes_no_exit_code(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRDEPLOY_TRACEBACK", "1")
    monkeypatch.setattr(target, "names", broken(RuntimeError("the impossible")))
    done = cli("targets", "--json")
    assert done.code == 8
    assert "Traceback (most recent call last)" in done.err
    assert done.json["error"]["code"] == "E801"


def test_a_full_disk_is_no_bug(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/there/build")
    monkeypatch.setattr(target, "names", broken(error))
    done = cli("targets")
    assert done.code == 5
    assert "No space left on device (in /there/build)" in done.err


def test_interrupted(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "names", broken(KeyboardInterrupt()))
    done = cli("targets")
    assert done.code == 130
    assert "interrupted" in done.err
    assert cli("targets", "--json").json["error"]["exit_code"] == 130


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", ["targets", "targets --json"])
def test_a_reader_that_leaves_is_not_a_difference(arguments: str, unbuffered: str) -> None:
    # The FIFO's reader is gone before the command starts, so every write meets a closed pipe.
    done = shell(f"exec 3> >(:); wait $!; $NIRDEPLOY {arguments} >&3; echo $?", PYTHONUNBUFFERED=unbuffered)
    assert done.stdout.split() == ["141"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["build", "check"])
def test_targets_complete(command: str) -> None:
    done = shell(
        "$NIRDEPLOY", _NIRDEPLOY_COMPLETE="bash_complete", COMP_WORDS=f"nirdeploy {command} -t f", COMP_CWORD="3"
    )
    assert done.returncode == 0
    assert done.stdout.split() == [f"plain,{name}" for name in target.names() if name.startswith("f")]
