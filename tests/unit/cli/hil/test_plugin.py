"""The plug-in in a user's project, from the first run on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import nirdeploy as nd
from nirdeploy import processes
from nirdeploy.graph import file as nirfile
from nirdeploy.targets import registry
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.cli.hil.project import net, pytest_in

SPIKES = """
import numpy as np
import pytest
import nirdeploy as nd

X = np.ones((20, 2, 6), dtype=np.uint8)

def test_golden(nir_build, golden):
    record = nd.simulate(nir_build("net.nir"), X)
    assert record == golden
    assert record == golden("again")

class TestMore:
    @pytest.mark.parametrize("name", ["../a", "a/b"])
    def test_golden(self, nir_build, golden, name):
        assert nd.simulate(nir_build("net.nir"), X) == golden

@pytest.mark.nir_target("fpga", "fpga-ulx3s")
def test_targets(nir_build, nir_target, assert_spikes_equal):
    built = nir_build("net.nir")
    assert built.target.name == nir_target.name
    assert_spikes_equal(nd.simulate(built, X), nd.simulate(built, X))
"""


def properties(report: Path) -> dict[str, list[tuple[str, str]]]:
    """Of each test in JUnit XML."""
    cases = ElementTree.parse(report).iter("testcase")
    return {
        case.attrib["name"]: [(p.attrib["name"], p.attrib["value"]) for p in case.iter("property")] for case in cases
    }


def test_goldens_from_the_first_run_to_the_last(project: Path) -> None:
    (project / "test_net.py").write_text(SPIKES)
    goldens = project / "__goldens__" / "test_net"

    first = pytest_in(project)
    assert (first.code, first.counts()) == (1, "3 failed, 2 passed")
    assert "there is no golden for this test yet: __goldens__/test_net/test_golden.nird" in first.out
    assert "pytest test_net.py::test_golden --golden-update" in first.out
    assert "pytest 'test_net.py::TestMore::test_golden[../a]' --golden-update" in first.out
    assert not goldens.exists()

    written = pytest_in(project, "--golden-update", "-n", "2", "--junitxml", "j.xml")
    assert (written.code, written.counts()) == (0, "5 passed")
    assert "4 goldens written:" in written.out
    names = sorted(path.name for path in goldens.iterdir())
    assert [name[:-14] for name in names[:2]] == ["TestMore.test_golden-..-a", "TestMore.test_golden-a-b"]
    assert names[2:] == ["test_golden.nird", "test_golden~again.nird"]
    found = properties(project / "j.xml")
    assert dict(found["test_targets[fpga-ulx3s]"]) == {"target": "fpga-ulx3s", "cells compared": "200"}
    assert ("golden", "__goldens__/test_net/test_golden.nird") in found["test_golden"]

    # a test goes, another becomes silent of its second golden, and the network changes
    (project / "test_net.py").write_text(
        SPIKES.replace('"a/b"', '"b"').replace('    assert record == golden("again")\n', "")
    )
    nirfile.write(project / "net.nir", net(threshold=3.0))
    changed = pytest_in(project)
    assert changed.code == 1
    assert "the record is not the golden __goldens__/test_net/test_golden.nird" in changed.out
    assert "first: population " in changed.out
    assert "--golden-update --golden-reason='why'" in changed.out
    assert f"rm __goldens__/test_net/{names[1]}" in changed.out
    assert "again" not in changed.out.partition("unused")[2]  # of a test that failed

    updated = pytest_in(project, "--golden-update", "--golden-reason", "a higher threshold")
    assert (updated.code, updated.counts()) == (0, "5 passed")
    assert "1 golden written:" in updated.out
    assert "2 goldens updated:" in updated.out
    assert "rm '__goldens__/test_net/test_golden~again.nird'" in updated.out
    history = nd.SpikeRecord.load(goldens / "test_golden.nird").manifest["history"]
    assert [entry["reason"] for entry in history] == ["recorded", "a higher threshold"]

    part = pytest_in(project, "-k", "targets")
    assert (part.code, "unused" in part.out) == (0, False)  # of what did not run nothing is said


FAILS = """
import numpy as np
from dataclasses import replace
import nirdeploy as nd

X = np.ones((20, 2, 6), dtype=np.uint8)

def test_fixture(nir_build, assert_spikes_equal):
    record = nd.simulate(nir_build("net.nir"), X)
    (name,) = record.spikes
    values = record.spikes[name].copy()
    values[7:9, 1, 3] ^= 1
    assert_spikes_equal(record, replace(record, spikes={name: values}, source="device"))

def test_plain(nir_build):
    record = nd.simulate(nir_build("net.nir"), X)
    (name,) = record.spikes
    values = record.spikes[name].copy()
    values[7, 1, 3] ^= 1
    assert record == replace(record, spikes={name: values})

def test_silent(nir_build, golden):
    assert nd.simulate(nir_build("net.nir"), 0 * X) == golden

def test_no_record(golden):
    assert X == golden

def test_no_model(nir_build):
    nir_build("nowhere.nir")

def test_arrays(assert_spikes_equal):
    assert_spikes_equal(X, X)
"""


def test_what_is_shown_where_spikes_differ(project: Path) -> None:
    (project / "test_net.py").write_text(FAILS)
    ran = pytest_in(project, "--golden-update")
    assert ran.counts() == "6 failed"
    assert "device differs from integer in 2 of 200 cells: 1 neuron of 1 population" in ran.out
    assert "neuron 3, step 7, sample 1: expected" in ran.out
    expected, measured, mark = [line.removeprefix("E").rstrip() for line in ran.out.splitlines() if "E       " in line][
        3:6
    ]
    assert expected.split()[0] == "expected"
    assert measured.split()[0] == "measured"
    assert expected[len(mark) - 1] != measured[len(mark) - 1]
    assert "in 1 of 200 cells" in ran.out
    assert "nothing spiked in this record: as a golden it would show nothing" in ran.out
    assert "a golden is of a record of spikes (SpikeRecord), not of a ndarray" in ran.out
    assert "cannot read the model: No such file or directory (in nowhere.nir)" in ran.out
    assert "verify compares two records, not a ndarray" in ran.out
    assert "nirdeploy/cli" not in ran.out  # no frame of ours
    assert not (project / "__goldens__").exists()


UNEQUAL = """
import numpy as np
import pytest
import nirdeploy as nd

X = np.ones((20, 2, 6), dtype=np.uint8)

@pytest.fixture
def record(nir_build):
    return nd.simulate(nir_build("net.nir"), X)

def test_missing(record, golden):
    assert not record == golden

def test_other(record, golden):
    assert record != golden

def test_three(golden):
    assert 3 != golden

def test_not_three(golden):
    assert not 3 == golden

def test_unreadable(record, golden):
    assert not golden == record
"""


def test_nothing_is_shown_by_a_golden_that_is_not_equal(project: Path) -> None:
    (project / "test_net.py").write_text(UNEQUAL)
    goldens = project / "__goldens__" / "test_net"
    goldens.mkdir(parents=True)
    (goldens / "test_unreadable.nird").write_bytes(b"what")
    ran = pytest_in(project)
    assert ran.counts() == "5 failed"
    assert "there is no golden for this test yet: __goldens__/test_net/test_missing.nird" in ran.out
    assert ran.out.count("E       nirdeploy.errors.UsageProblem: a golden is compared with ==, not with !=") == 2
    assert "a golden is of a record of spikes (SpikeRecord), not of a int" in ran.out
    assert "E       nirdeploy.errors.CorruptFile: " in ran.out
    assert "nirdeploy/cli" not in ran.out
    updated = pytest_in(project, "--golden-update", "-k", "other or three")
    assert updated.counts() == "3 failed, 2 deselected"
    assert [path.name for path in goldens.iterdir()] == ["test_unreadable.nird"]


def test_an_option_that_pytest_takes_for_a_path_to_tests(project: Path) -> None:
    (project / "test_net.py").write_text(
        "def test_rootdir(request): print(request.config.rootpath, request.config.inipath)"
    )
    other = project.parent / f"{project.name}-elsewhere"
    other.mkdir()
    (other / "boards.toml").write_text("[boards]\n")
    (other / "boards.toml").chmod(0o644)
    for option, value in ("--nir-port", "/dev/null"), ("--nir-boards", f"../{other.name}/boards.toml"):
        apart = pytest_in(project, option, value)
        assert apart.code == 4
        assert f"ERROR: write {option}={value}, not {option} {value}: pytest takes" in apart.out
        assert pytest_in(project, PYTEST_ADDOPTS=f"{option} {value}").code == 4
        for fine in ([f"{option}={value}"], [option, value, "."]):
            ran = pytest_in(project, "-rP", *fine)
            assert (ran.code, f"{project} {project / 'pytest.ini'}" in ran.out) == (0, True), ran.out


@pytest.mark.parametrize("seconds", ["-5", "nan", "inf", "soon"])
def test_waits_that_are_none(project: Path, seconds: str) -> None:
    ran = pytest_in(project, f"--nir-wait={seconds}")
    assert ran.code == 4
    assert f"'{seconds}' is not a number of seconds, such as 30; 0 does not wait" in ran.out


def test_a_cache_that_cannot_be_written_keeps_nothing(project: Path) -> None:
    (project / "test_net.py").write_text("def test_build(nir_build): assert nir_build('net.nir').image")
    (project / "cache").write_text("a file")
    ran = pytest_in(project, "-o", "cache_dir=cache")
    assert ran.code == 0, ran.out


BOARDS = """
import pytest

@pytest.mark.nir_board("bench1")
def test_bench(nir_device): pass

@pytest.mark.nir_board("ci")
def test_ci(nir_device, nir_target):
    assert (nir_device.board, nir_target.name) == ("ci", "fpga")

@pytest.mark.nir_target("fpga-icebreaker")
def test_target(nir_target): pass

@pytest.mark.nir_board("../x")
def test_name(nir_device): pass

def test_any(nir_device, nir_target):
    print("target", nir_target.name, "port", nir_device.port)
"""
FILE = """
[boards.bench1]
port = "auto:D00137"
target = "fpga-ulx3s"
[boards.ci]
port = "virtual"
target = "fpga"
"""


def test_which_board_a_test_has(project: Path) -> None:
    (project / "test_boards.py").write_text(BOARDS)
    (project / "boards.toml").write_text(FILE)
    (project / "boards.toml").chmod(0o644)
    plain = pytest_in(project, "-rsP")
    assert (plain.code, plain.counts()) == (0, "3 passed, 2 skipped")
    assert "needs the board 'bench1': no board 'ULX3S'" in plain.out
    assert "needs the board '../x'" in plain.out
    assert "target fpga port virtual" in plain.out

    required = pytest_in(project, "--nir-require-boards", "-m", "nir_board")
    assert required.counts() == "1 passed, 2 deselected, 2 errors"
    assert "error[E601]: no board 'ULX3S'" in required.out
    assert "another exception" not in required.out

    chosen = pytest_in(project, "-rsP", "--nir-board", "ci", "-vv")
    assert (chosen.code, chosen.counts()) == (0, "2 passed, 3 skipped")
    assert f"nirdeploy: board 'ci' of {project / 'boards.toml'}: port virtual, target fpga" in chosen.out
    assert "is for the target 'fpga-icebreaker', and the board 'ci' is 'fpga'" in chosen.out
    assert "needs the board 'bench1', and --nir-board=ci is chosen" in chosen.out
    assert "target fpga port ci" in chosen.out

    unknown = pytest_in(project, "--nir-board", "nope")
    assert unknown.code == 4
    assert "error[E601]: there is no board 'nope'" in unknown.out
    both = pytest_in(project, "--nir-board", "ci", "--nir-port", "virtual")
    assert (both.code, "leave one out" in both.out) == (4, True)


SHARED = """
import os, time
import pytest

@pytest.mark.parametrize("number", range(4))
def test_alone(nir_device, number):
    nir_device.open()
    here = os.open("here", os.O_CREAT | os.O_EXCL)  # fails where another test has the board
    time.sleep(0.05)
    os.close(here)
    os.unlink("here")
    with open("who", "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_tests_that_share_a_board_wait_for_each_other(project: Path) -> None:
    (project / "test_shared.py").write_text(SHARED)
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        (project / "boards.toml").write_text(f'[boards.one]\nport = "{served.port}"\ntarget = "fpga"\n')
        (project / "boards.toml").chmod(0o644)
        ran = pytest_in(project, "-n", "2", "--nir-board", "one", "--junitxml", "j.xml")
        held = nd.open_device(served.port)
        told = pytest_in(project, "-n", "2", "--nir-board", "one", "--nir-wait", "0")
        held.close()
    assert ran.counts() == "4 passed", ran.out
    assert set((project / "who").read_text().split()) == {"gw0", "gw1"}
    assert dict(properties(project / "j.xml")["test_alone[0]"]) == {"target": "fpga", "board": "one"}
    assert told.counts() == "4 failed"
    assert "board 'one' is held by process" in told.out
    assert "wait longer for it: --nir-wait=SECONDS" in told.out
    assert "--wait" not in told.out


def test_it_is_cheap_where_it_is_not_used() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import nirdeploy.cli.hil.plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        processes.command("-c", program), env=processes.environment(), capture_output=True, text=True, check=True
    )
    new = done.stdout.split()
    assert new == ["nirdeploy", "nirdeploy.cli", "nirdeploy.cli.hil", "nirdeploy.cli.hil.plugin"]


def test_it_is_quiet_where_it_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test_nothing(): pass\n")
    ran = pytest_in(tmp_path, "-v")
    assert ran.code == 0
    assert "nir" not in ran.out.replace("nirdeploy", "", 1) if "plugins:" in ran.out else "nir" not in ran.out
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith((".", "__"))) == [
        "test_other.py"
    ]
