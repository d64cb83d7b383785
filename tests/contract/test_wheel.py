"""A wheel in a fresh virtual environment finds its targets and templates, away from any checkout."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

from tests.contract.conftest import ROOT, clean_environment


def _run(python: Path, cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(python), *arguments], cwd=cwd, capture_output=True, text=True, check=False, env=clean_environment()
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
