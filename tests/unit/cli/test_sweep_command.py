"""nirdeploy sweep: tables, one JSON object, a page, and what it says of what it is not given."""

from __future__ import annotations

import json
from pathlib import Path

import nir
import numpy as np
import pytest

from tests.unit.cli.conftest import Cli
from tests.unit.tuning.swept import FILES, case


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a model, data and samples; where the command is called."""
    small = case(samples=12)
    nir.write(tmp_path / "net.nir", small.graph)
    np.savez(tmp_path / "x.npz", x=small.x, labels=small.labels)
    np.save(tmp_path / "x.npy", small.x)
    np.save(tmp_path / "labels.npy", small.labels)
    np.savez(tmp_path / "samples.npz", x=small.samples, labels=small.sample_labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_tables_and_files(cli: Cli, folder: Path) -> None:
    shown = cli("sweep", "net.nir", "-x", "x.npz", "--calibrate", "samples.npz", "--workers", "1", "-o", "out")
    assert (shown.code, shown.err) == (0, "")
    for said in ("accuracy by bits", "95 % interval", "lif1", "the page: out/sweep.html"):
        assert said in shown.out
    assert max(map(len, (line.rstrip() for line in shown.out.splitlines()))) <= 80
    told = json.loads((folder / "out" / "sweep.json").read_text())
    assert f"{100 * told['uniform'][0]['accuracy']:.2f} %" in shown.out
    again = cli("sweep", "net.nir", "-x", "x.npz", "--calibrate", "samples.npz", "-o", "out", "--json").json
    assert {key: again[key] for key in told} == told
    assert again["command"] == "sweep"
    assert {path.name for path in (folder / "out").iterdir()} >= set(FILES)


def test_labels_of_their_own_and_none(cli: Cli, folder: Path) -> None:
    beside = cli("sweep", "net.nir", "-x", "x.npz", "--workers", "1", "-o", "a", "--json").json
    own = cli("sweep", "net.nir", "-x", "x.npy", "--labels", "labels.npy", "--workers", "1", "-o", "b", "--json").json
    assert {**beside, "out": "b"} == own
    shown = cli("sweep", "net.nir", "-x", "x.npy", "--workers", "1", "-o", "c")
    assert shown.code == 0
    assert "warning: there are no labels" in shown.err
    assert "accuracy" not in shown.out


def test_what_is_missing_is_said(cli: Cli, folder: Path) -> None:
    for arguments, code, said in (
        (("net.nir", "-o", "out"), 2, "Missing option '-x'"),
        (("net.nir", "-x", "x.npz"), 2, "Missing option '-o'"),
        (("net.nir", "-x", "nothing.npz", "-o", "out"), 2, "no such stimulus file"),
        (("no.nir", "-x", "x.npz", "-o", "out"), 3, "no.nir"),
        (("net.nir", "-x", "x.npz", "-o", "out", "-t", "xylo_a2"), 4, "CubaLIF"),
        (
            ("net.nir", "-x", "x.npz", "-o", "out", "--workers", "2", "--scheduler", "tcp://a:1"),
            2,
            "workers of its own",
        ),
        (("net.nir", "-x", "x.npz", "-o", "out", "--scheduler", "here"), 2, "not the address of a scheduler"),
    ):
        outcome = cli("sweep", *arguments)
        assert outcome.code == code
        assert said in outcome.err
        assert outcome.out == ""
