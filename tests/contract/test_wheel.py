"""A wheel in a fresh virtual environment finds its targets and templates, away from any checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the wheel; the dependencies are lent from this one."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)  # what pip does with a pure wheel
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


def _run(python: Path, cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(python), *arguments], cwd=cwd, capture_output=True, text=True, check=False, env=_environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_targets_and_templates(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in [*(ROOT / "targets").rglob("*"), *(ROOT / "templates").rglob("*")]:
        if path.is_file():
            assert f"nirdeploy/_data/{path.relative_to(ROOT).as_posix()}" in names
    assert not [name for name in names if name.startswith(("tests/", "targets/", "templates/"))]


def test_the_installed_package_is_the_wheels(python: Path, tmp_path: Path) -> None:
    home = _run(python, tmp_path, "-c", "import nirdeploy; print(nirdeploy.__file__)").strip()
    assert Path(home).is_relative_to(python.parents[1])


def test_targets_are_found(python: Path, tmp_path: Path) -> None:
    said = json.loads(_run(python, tmp_path, "-m", "nirdeploy", "targets", "--json"))
    assert {t["name"] for t in said["targets"]} == {p.stem for p in (ROOT / "targets").glob("*.toml")}


def test_every_target_renders_as_in_the_checkout(python: Path, tmp_path: Path) -> None:
    from nirdeploy.targets import registry as targets
    from nirdeploy.targets.emit import emit

    code = (
        "from nirdeploy.targets import registry as target; from nirdeploy.targets.emit import emit\n"
        "for name in target.names(): print(name, emit(target.load(name)).digest())"
    )
    said = dict(line.split() for line in _run(python, tmp_path, "-c", code).splitlines())
    assert said == {name: emit(targets.load(name)).digest() for name in targets.names()}


def test_reports_find_their_template(python: Path, tmp_path: Path) -> None:
    code = "from nirdeploy.proof.report import html; print(len(html.render(html.Report('title'))))"
    assert int(_run(python, tmp_path, "-c", code)) > 1000
