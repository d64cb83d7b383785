"""Where a Python child looks for packages: where this process does, never in the current folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nirdeploy
from nirdeploy import processes
from nirdeploy.backends.fpga.synthesis import tools

HOME = str(Path(nirdeploy.__file__).parents[1])
ASK = "import json, sys; from nirdeploy import processes; print(json.dumps([sys.path, processes.search_path()]))"


def ask(cwd: Path, path: str, *flags: str) -> tuple[list[str], list[str]]:
    """The search path of a process in ``cwd`` with this PYTHONPATH, and its children's."""
    command = [sys.executable, *flags, "-c", ASK]
    done = subprocess.run(command, cwd=cwd, env=os.environ | {"PYTHONPATH": path}, capture_output=True, check=True)
    own, childrens = json.loads(done.stdout)
    return own, childrens


@pytest.mark.parametrize("path", ["{home}", ":{home}", "{home}::", "{cwd}:{home}", ".:{home}", "{link}:{home}"])
def test_the_current_folder_is_never_among_them(tmp_path: Path, path: str) -> None:
    cwd, link = tmp_path / "cwd", tmp_path / "link"
    cwd.mkdir()
    link.symlink_to(cwd)
    own, childrens = ask(cwd, path.format(home=HOME, cwd=cwd, link=link))
    assert "" in own
    assert all(Path(entry).is_absolute() for entry in childrens)
    assert not [entry for entry in childrens if Path(entry).exists() and Path(entry).samefile(cwd)]
    assert childrens == [entry for entry in own if entry not in ("", str(cwd), str(link))]


def test_packages_elsewhere_are_found_where_this_process_finds_them(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    _, childrens = ask(tmp_path, os.pathsep.join(["lib", HOME]))
    assert childrens[:2] == [str(tmp_path / "lib"), HOME]


def test_a_checkout_that_is_the_current_folder_is_found_all_the_same() -> None:
    for path in ("", HOME):
        own, childrens = ask(Path(HOME), path)
        assert childrens.count(HOME) == 1
        named = list(dict.fromkeys(entry for entry in own if entry))
        assert childrens == (named if HOME in named else [HOME, *named])
    _, childrens = ask(Path(HOME).parent, HOME)
    assert HOME in childrens


def test_a_child_finds_this_very_package(tmp_path: Path) -> None:
    (tmp_path / "nirdeploy.py").write_text("raise SystemExit('not this one')")
    command = processes.command("-c", "import nirdeploy; print(nirdeploy.__file__)")
    env = processes.environment()
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == nirdeploy.__file__


def test_what_is_added_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    found = processes.environment({"ADDED": "2"})
    assert (found["KEPT"], found["ADDED"]) == ("1", "2")
    assert found["PYTHONPATH"].split(os.pathsep) == processes.search_path()


def test_the_tools_do_not_import_from_the_folder_they_work_in(tmp_path: Path) -> None:
    for name in ("json", "pyosys", "colorsys"):
        (tmp_path / f"{name}.py").write_text(f"open('imported', 'a').write('{name} ')\n")
    tools.yosys(["help -cells"], tmp_path)
    tools.call("colorsys", "rgb_to_hsv", [], tmp_path)
    assert not (tmp_path / "imported").exists()
