"""The boards of a user's tests: those that are missing, and those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from nirdeploy.cli.hil import plainly
from nirdeploy.errors import ToolMissing, UsageProblem
from nirdeploy.targets import registry
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.cli.hil.project import pytest_in

MARKED = """
import pytest

@pytest.mark.nir_board({name!r})
def test_bench(nir_device): pass
"""
BENCH = '[boards.bench1]\nport = "{port}"\ntarget = "{target}"\n'


def marked(folder: Path, boards: str | None, name: object = "bench1", mode: int = 0o644) -> None:
    """A test of the board ``name``, and a boards.toml."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_boards.py").write_text(MARKED.format(name=name))
    if boards is not None:
        (folder / "boards.toml").write_text(boards)
        (folder / "boards.toml").chmod(mode)


@pytest.mark.parametrize(
    ("boards", "mode", "said"),
    [
        ("[boards.bench1", 0o644, "error[E306]: not valid TOML"),
        ("[boards.bench1]\nport = 3\n", 0o644, "error[E306]: boards.bench1.port"),
        (BENCH.format(port="auto", target="fpga"), 0o666, "say so: --nir-boards={folder}/boards.toml"),
        (BENCH.format(port="auto", target="speck2f"), 0o644, "this target has no board that nirdeploy talks to"),
        (BENCH.format(port="/dev/nowhere", target="speck2f"), 0o644, "run the integer model (nirdeploy.simulate), or"),
        (BENCH.format(port="virtual", target="speck2f"), 0o644, "run the integer model (nirdeploy.simulate), or"),
        (BENCH.format(port="/dev/nowhere", target="fpgaa"), 0o644, "error[E204]: there is no target 'fpgaa'"),
    ],
)
def test_a_file_that_is_wrong_skips_nothing(tmp_path: Path, boards: str, mode: int, said: str) -> None:
    marked(tmp_path, boards, mode=mode)
    ran = pytest_in(tmp_path)
    assert (ran.code, ran.counts()) == (1, "1 error"), ran.out
    assert said.format(folder=tmp_path) in ran.out
    assert "--boards" not in ran.out
    assert "--port" not in ran.out


def test_a_file_that_is_named_and_is_not_there(tmp_path: Path) -> None:
    marked(tmp_path, None)
    by_variable = pytest_in(tmp_path, NIRDEPLOY_BOARDS="/nope")
    assert (by_variable.code, by_variable.counts()) == (1, "1 error")
    assert "error[E201]: there is no such file of boards (in /nope); --nir-boards and NIRDEPLOY" in by_variable.out
    (tmp_path / "test_boards.py").write_text("def test_no_board(): pass")
    assert pytest_in(tmp_path, NIRDEPLOY_BOARDS="/nope").code == 0  # nobody asked
    (tmp_path / "wrong.toml").write_text("x = 1")
    for named, said in (("/nope", "no such file"), ("", "not a file"), ("wrong.toml", "x: there is no such key")):
        by_option = pytest_in(tmp_path, f"--nir-boards={named}")
        assert (by_option.code, said in by_option.out) == (4, True), by_option.out


@pytest.mark.parametrize("name", [3, None, b"bench1"])
def test_a_mark_that_is_no_text(tmp_path: Path, name: object) -> None:
    marked(tmp_path, None, name)
    ran = pytest_in(tmp_path)
    assert (ran.code, ran.counts()) == (1, "1 error")
    assert f"names a board by text, as in nir_board('NAME'), not by {name!r}" in ran.out


@pytest.mark.parametrize(
    ("hint", "own"),
    [
        ("if you trust it: --boards '/a b/boards.toml'", "if you trust it: --nir-boards='/a b/boards.toml'"),
        ("run its integer model (--port sim), or", "run the integer model (nirdeploy.simulate), or"),
        ("name another with --nir-boards", "name another with --nir-boards"),
    ],
)
def test_hints_name_options_of_pytest(hint: str, own: str) -> None:
    assert plainly.worded(UsageProblem("no", hint=hint)).hint == own

    @plainly.plainly
    def fails() -> None:
        raise ToolMissing("no", hint=hint)

    with pytest.raises(ToolMissing) as caught:
        fails()
    assert caught.value.hint == own


CLOSED = """
import pytest
import nirdeploy as nd

def used(nir_device):
    assert nir_device.open().hello().signature == nir_device.target.signature

def test_closes(nir_device):
    with nir_device.open() as device:
        device.hello()
    used(nir_device)  # later in the same test
    same = nir_device.open()
    assert nir_device.open() is same
    same.close()
    same.close()

def test_innocent(nir_device):
    used(nir_device)
"""
DIES = """
import os, signal
import nirdeploy as nd
from nirdeploy.records import boards

def test_kills(nir_device):
    nir_device.open()
    (one,) = [one for one in boards.running() if one.port == nir_device.open()._port.name]
    os.kill(one.pid, signal.SIGKILL)

def test_innocent(nir_device):
    assert nir_device.open().hello()
"""


def test_a_device_that_a_test_closed_is_opened_again(project: Path) -> None:
    (project / "test_closed.py").write_text(CLOSED)
    virtual = pytest_in(project)
    assert (virtual.code, virtual.counts()) == (0, "2 passed"), virtual.out
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        real = pytest_in(project, f"--nir-port={served.port}", "--nir-wait=0")
    assert (real.code, real.counts()) == (0, "2 passed"), real.out


def test_a_virtual_board_that_has_died_is_started_again(project: Path) -> None:
    (project / "test_dies.py").write_text(DIES)
    ran = pytest_in(project)
    assert (ran.code, ran.counts()) == (0, "2 passed"), ran.out
