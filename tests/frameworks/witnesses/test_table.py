"""One LIF network in every framework: who spikes as its maker does, from whose file?

Rows: the network at home in a framework, and exported by it. Columns: ours, from our frontend's export, which must
not differ; and every framework's own importer, from the maker's own export, shown for what it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from nirdeploy.graph.check import check
from nirdeploy.sim import float_
from tests.frameworks.witnesses.asking import ask
from tests.frameworks.witnesses.plumbing import table_network

pytestmark = pytest.mark.witness

IN_TORCH = ("snntorch", "norse", "spikingjelly", "sinabs")
IMPORTERS = (*IN_TORCH, "rockpool", "spyx")
EXPORTERS = {
    "snntorch": "snnTorch",
    "snntorch-zero": "snnTorch, reset to zero",
    "norse": "Norse",
    "norse-dt1": "Norse, to_nir(dt=1)",
    "spikingjelly": "SpikingJelly",
    "sinabs": "Sinabs",
    "rockpool": "Rockpool",
    "spyx": "Spyx",
}


def test_the_interchange_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in EXPORTERS:
        folder = tmp_path / name
        folder.mkdir()
        ask(*(("torch", "export", folder, name) if name.partition("-")[0] in IN_TORCH else (name, "export", folder)))
    homes = {name: dict(np.load(tmp_path / name / "run.npz")) for name in EXPORTERS}
    ours = {name: _deployed(tmp_path / name / "repaired.nir", homes[name]["out"]) for name in EXPORTERS}
    for importer in IMPORTERS:
        _import_all(tmp_path, importer, {name: float(homes[name]["dt"]) for name in EXPORTERS})
    with capsys.disabled():
        sys.stdout.write(f"\n\n{_table(tmp_path, homes, ours)}\n")
    assert all(homes[name]["out"].sum() > 20 for name in EXPORTERS)
    assert ours == dict.fromkeys(EXPORTERS, 0)


def _deployed(graph: Path, home: np.ndarray) -> int:
    """Spike counts of the output that differ from the maker's own run."""
    return int((float_.simulate(check(graph), table_network()[1])["output"] != home).sum())


def _import_all(folder: Path, importer: str, dts: dict[str, float]) -> None:
    jobs = folder / f"{importer}.json"
    own = {name: folder / name / "own.nir" for name in EXPORTERS}
    found = [[str(at), str(folder / name / importer), dts[name]] for name, at in own.items() if at.is_file()]
    jobs.write_text(json.dumps(found))
    ask(*(("torch", "import", jobs, importer) if importer in IN_TORCH else (importer, "import", jobs)))


def _table(folder: Path, homes: dict[str, dict[str, np.ndarray]], ours: dict[str, int]) -> str:
    rows = [["exporter", "spikes", "nirdeploy", *IMPORTERS]]
    for name, label in EXPORTERS.items():
        home = homes[name]["out"]
        cells = [_cell(folder / name, importer, home) for importer in IMPORTERS]
        rows.append([label, str(int(home.sum())), str(ours[name]), *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    total = next(iter(homes.values()))["out"].size
    title = f"differing spike counts of {total}; else what the importer raised, or that its output has another shape"
    return "\n".join([title, *lines])


def _cell(folder: Path, importer: str, home: np.ndarray) -> str:
    for reason in (folder / "own.txt", folder / f"{importer}.txt"):
        if reason.is_file():
            return reason.read_text()
    found = np.load(folder / f"{importer}.npy")
    return str(int((found != home).sum())) if found.shape == home.shape else "shape"
