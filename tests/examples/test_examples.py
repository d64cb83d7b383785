"""Every example as its readers run it: to its end, as accurate as it says, and on the board as in integers."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

import nirdeploy as nd

EXAMPLES = Path(__file__).parents[2] / "examples"

#: Scripts: the folder that each writes, what else is in it, and the least accuracy that it may print.
SCRIPTS = {
    "digits.py": ("digits-example", ("digits.nir", "report.html"), 0.85),
    "spikingjelly_cnn.py": ("spikingjelly-example", ("cnn.nir", "report.html"), 0.8),
    "braille.py": ("braille-example", ("braille.nir", "report.html"), 0.7),
    "events.py": ("events-example", ("events.nir", "events.npy"), 0.8),
}
NOTEBOOKS = {
    "snntorch_defaults.ipynb": ("snntorch-example", ("report.html",)),
    "two_bits.ipynb": ("two-bits-example", ("two_bits.nir", "report.html")),
}


def ran(script: Path, *arguments: str) -> int:
    """Run a script as Python does, in this process, which has torch already; its exit code."""
    before = sys.argv
    sys.argv = [str(script), *arguments]
    try:
        with torch.random.fork_rng(devices=[]):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv = before
    return 0


def accuracies(said: str) -> dict[str, float]:
    """By of what."""
    return {name: float(value) for name, value in re.findall(r"^accuracy, ([^:]+): ([\d.]+)$", said, re.M)}


def board_did_what_integers_do(folder: Path) -> None:
    """The device's own record against the integers of the build, anew: equal in every population, and each spiked."""
    with np.load(folder / "x.npz") as stored:
        x = stored["x"]
    expected, measured = nd.simulate(folder / "build", x), nd.SpikeRecord.load(folder / "device.nird")
    assert measured.source == "device"
    verdict = nd.verify(expected, measured)
    assert verdict.equal, verdict.summary()
    assert set(verdict.outputs) <= {one.population for one in verdict.populations}
    assert set(expected.spikes) == {one.population for one in verdict.populations if one.cells and not one.silent}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, files, least = SCRIPTS[name]
    monkeypatch.chdir(tmp_path)
    assert ran(EXAMPLES / name) == 0
    said = capsys.readouterr().out
    assert "device equals integer" in said
    found = accuracies(said)
    assert "board" in found
    assert min(found.values()) >= least, said
    board_did_what_integers_do(tmp_path / folder)
    says = (EXAMPLES / name).read_text().partition('"""\n\nfrom')[0]
    for file in (*files, "build", "x.npz", "device.nird"):
        assert (tmp_path / folder / file).exists()
        assert file in says
    assert folder in says
    assert [path.name for path in tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook(name: str, tmp_path: Path) -> None:
    folder, files = NOTEBOOKS[name]
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are kept without what they give"
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output["text"] for output in outputs if output.output_type == "stream")
    assert "device equals integer" in said
    for file in (*files, "build", "x.npz", "device.nird"):
        assert (tmp_path / folder / file).exists()
    board_did_what_integers_do(tmp_path / folder)
    found = accuracies(said)
    if name == "two_bits.ipynb":
        assert found["float"] > 0.85
        assert found["trained on 2 bits"] >= 0.85
        assert found["trained on 2 bits"] > found["rounded to 2 bits"] + 0.03
    else:
        assert min(found["snnTorch"], found["board"]) > 0.8


def test_a_chip_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy of its folder, installed as pip would, its walk, and a network that is too large for it."""
    shutil.copytree(EXAMPLES / "own_chip", tmp_path / "own_chip")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(site)]
    subprocess.run(command, cwd=tmp_path / "own_chip", check=True, capture_output=True)
    with zipfile.ZipFile(next(site.glob("*.whl"))) as wheel:
        wheel.extractall(site)  # what pip does with a pure wheel
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    try:
        assert ran(tmp_path / "own_chip" / "walk.py") == 0
        said = capsys.readouterr().out
        assert re.findall(r"^(\w+): .* 0 differ$", said, re.M) == ["_1", "_3"]
        assert accuracies(said)["integers"] > 0.8
        model, target = tmp_path / "own-chip-example" / "digits.nir", tmp_path / "own_chip" / "mcu.toml"
        x = np.load(tmp_path / "own-chip-example" / "x.npy")
        kept = nd.SpikeRecord.load(tmp_path / "own-chip-example" / "sim.nird")
        assert nd.simulate(tmp_path / "own-chip-example" / "build", x) == kept
        target.write_text(target.read_text().replace("flash_bytes = 65536", "flash_bytes = 4000"))
        (problem,) = nd.fit(nd.check(model), str(target)).problems
        assert str(problem) == "the network takes 4,480 bytes of flash, the chip has 4,000; use fewer neurons"
    finally:
        sys.modules.pop("mcu", None)


def test_the_index_lists_every_example() -> None:
    listed = re.findall(r"^\| \[?`?\[?(\w+(?:\.\w+)?)/?`?\]", (EXAMPLES / "README.md").read_text(), re.M)
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb") or path.is_dir()}
    assert sorted(listed) == sorted(there - {"__pycache__"})
