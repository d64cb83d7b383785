"""What a command was started with: streams that are closed or full change no exit code but that of a lost result."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from nirdeploy import processes
from nirdeploy.graph import file as nirfile
from tests import networks
from tests.unit.cli.conftest import Cli

LOST = "error[E501]: the result could not be written: No space left on device (in stdout); make room where it goes"
UNBUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"])


def nirdeploy(arguments: str, cwd: Path, unbuffered: str = "") -> subprocess.CompletedProcess[str]:
    """As a shell starts it; stdout and stderr are what is not sent elsewhere."""
    environment = processes.environment({"PYTHONUNBUFFERED": unbuffered, "NIRDEPLOY_PROGRESS": "0.1"})
    command = ["bash", "-c", f"{shlex.join(processes.command('-m', 'nirdeploy'))} {arguments}"]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@UNBUFFERED
@pytest.mark.parametrize("arguments", ["targets", "targets --json", "--help", "--version", "run --help"])
def test_a_result_that_could_not_be_written_is_code_5(arguments: str, unbuffered: str, tmp_path: Path) -> None:
    done = nirdeploy(f"{arguments} >/dev/full", tmp_path, unbuffered)
    assert done.returncode == 5
    errors = [line for line in done.stderr.splitlines() if " ... " not in line]  # else how far it is
    assert len(errors) == 1
    assert errors[0].startswith(LOST)


@pytest.mark.parametrize("arguments", ["targets", "targets --json"])
def test_where_the_error_cannot_be_said_either(arguments: str, tmp_path: Path) -> None:
    assert nirdeploy(f"{arguments} >/dev/full 2>/dev/full", tmp_path).returncode == 5


@pytest.mark.parametrize("notes", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}"])
@pytest.mark.parametrize(("arguments", "code"), [("targets", 0), ("info nothing", 2), ("", 2)])
def test_notes_that_are_lost_change_nothing(arguments: str, code: int, notes: str, tmp_path: Path) -> None:
    done = nirdeploy(f"{arguments} {notes}", tmp_path)
    assert done.returncode == code
    assert done.stderr == ""


@UNBUFFERED
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-", "<&-"])
def test_what_is_closed_is_as_nowhere(closed: str, unbuffered: str, tmp_path: Path) -> None:
    nirfile.write(tmp_path / "net.nir", networks.two_layers())
    done = nirdeploy(f"check net.nir --json {closed}", tmp_path, unbuffered)
    assert (done.returncode, "error" in done.stderr) == (0, False)
    assert nirdeploy(f"info nothing --json {closed}", tmp_path, unbuffered).returncode == 2


@UNBUFFERED
def test_an_error_keeps_its_code_where_json_could_not_be_written(unbuffered: str, tmp_path: Path) -> None:
    done = nirdeploy("info nothing --json >/dev/full", tmp_path, unbuffered)
    assert done.returncode == 2
    assert "error[E201]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", ["--help", "--version"])
def test_help_that_nobody_reads_is_not_a_difference(arguments: str, tmp_path: Path) -> None:
    done = nirdeploy(f"{arguments} > >(exec <&-; sleep 0.1)", tmp_path)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr


def test_a_pipe_of_another_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from nirdeploy.targets import registry

    def broken() -> list[str]:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(registry, "names", broken)
    done = cli("targets")
    assert (done.code, done.err) == (5, "error[E501]: the system refused: Broken pipe\n")
