"""examples/hil as its users have it: a copy of the folder, its tests, its files."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

import nirdeploy as nd
from nirdeploy.cli import entry
from nirdeploy.graph import file as nirfile
from tests.unit.cli.hil.project import pytest_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "hil"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    made = tmp_path / "hil"
    shutil.copytree(EXAMPLE, made, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    (made / "boards.toml").chmod(0o644)
    return made


def its_network() -> ModuleType:
    """network.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("hil_network", EXAMPLE / "network.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.xdist_group("default-board")
def test_its_tests_pass_on_the_virtual_board(copy: Path) -> None:
    ran = pytest_in(copy, "-n", "2", "--junitxml", "j.xml")
    assert (ran.code, ran.counts()) == (0, "5 passed, 1 skipped"), ran.out
    assert "needs the board 'bench1'" in ran.out
    assert "golden" not in ran.out  # none written, none unused
    cases = {case.attrib["name"]: case for case in ElementTree.parse(copy / "j.xml").iter("testcase")}
    found = {
        one.attrib["name"]: one.attrib["value"] for one in cases["test_device_spikes_as_simulated"].iter("property")
    }
    assert (found["target"], found["board"]) == ("fpga", "virtual")
    assert found["build"] == nd.build(EXAMPLE / "network.nir", "fpga").image.digest()
    assert int(found["cells compared"]) == 40 * 8 * (24 + 4)


def test_another_network_is_not_the_last_release(copy: Path) -> None:
    other = its_network().network()
    other.nodes["fc1"].weight[0] *= -1
    nirfile.write(copy / "network.nir", other)
    ran = pytest_in(copy, "-k", "every_target and fpga-ulx3s")
    assert ran.code == 1
    assert "the record is not the golden tests/__goldens__/test_network/test_integers_are_the" in ran.out
    assert "first: population 'hidden', neuron 0, step" in ran.out


def test_the_network_is_what_its_program_makes() -> None:
    assert nd.check(its_network().network()).digest() == nd.check(EXAMPLE / "network.nir").digest()


def test_its_files_name_commands_and_options_that_there_are() -> None:
    said = "".join((EXAMPLE / name).read_text() for name in ("README.md", ".github/workflows/hil.yml", "boards.toml"))
    commands = re.findall(r"(?:^|[\s/\"])nirdeploy (\w+)", said)
    assert set(commands) <= set(entry._COMMANDS)
    assert {"board", "doctor", "flash"} <= set(commands)
    plugin = (EXAMPLE.parents[1] / "nirdeploy" / "cli" / "hil" / "plugin.py").read_text()
    options = set(re.findall(r"--(?:nir|golden)-[a-z-]+", said))
    assert options
    assert all(f'"{option}"' in plugin for option in options)
