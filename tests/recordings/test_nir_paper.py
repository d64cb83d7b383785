"""What others recorded from simulators, reproduced from the graph, the stimulus and the platform's dialect alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch

import nirdeploy as nd
from nirdeploy.exchange import export_to_nir, import_from_nir
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.sim import exact, float_, integer
from tests.unit.graph.test_primitives import same

GRAPHS = (
    "lif_norse",
    "lif_rockpool",
    "braille_noDelay_bias_zero",
    "braille_noDelay_bias_zero_subgraph",
    "braille_noDelay_noBias_subtract",
    "cnn_sinabs",
)
REPAIRED = {"lif_rockpool": "'output'", "braille_noDelay_bias_zero_subgraph": "subgraph 'lif1'"}


def columns(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input (T, 1, 1), voltage (T,), spikes (T,)."""
    table = np.loadtxt(path, delimiter=",")
    return table[:, :1, None], table[:, 1], table[:, 2]


# --- one LIF --------------------------------------------------------------------------


def test_norse(paper: Path) -> None:
    x, voltage, spikes = columns(paper / "lif_norse.csv")
    record = nd.simulate(paper / "lif_norse.nir", x, dialect="norse,dt=1e-4", membrane=["1"])
    np.testing.assert_array_equal(record.spikes["1"][:, 0, 0], spikes)
    np.testing.assert_allclose(record.membrane["1"][:, 0, 0], voltage, atol=1e-7)  # recorded in float32


def test_sinabs(paper: Path) -> None:
    """The input column is what the platform was given: scaled by dt / tau already."""
    x, voltage, spikes = columns(paper / "lif_sinabs.csv")
    record = nd.simulate(paper / "lif_norse.nir", x, dialect="sinabs,dt=1e-4", membrane=["1"])
    np.testing.assert_array_equal(record.spikes["1"][:, 0, 0], spikes)
    np.testing.assert_allclose(record.membrane["1"][:, 0, 0], voltage, atol=1e-7)


def test_the_exact_solution(paper: Path) -> None:
    x, voltage, spikes = columns(paper / "lif_exact.csv")
    graph = check(paper / "lif_norse.nir", dialect="nir,dt=1e-4")
    record, crossings = exact.solve(graph, x, membrane=["1"])
    np.testing.assert_array_equal(record.spikes["1"][:, 0, 0], spikes)
    np.testing.assert_allclose(record.membrane["1"][:, 0, 0], voltage, atol=1e-8)
    np.testing.assert_array_equal(np.floor(crossings["1"].time / 1e-4), np.flatnonzero(spikes))


# --- Braille --------------------------------------------------------------------------

SNNTORCH = "snntorch,reset=zero,reset_delay=false"
BRAILLE = [
    ("braille_noDelay_bias_zero", "snntorch_activity_noDelay_bias_zero", SNNTORCH),
    ("braille_noDelay_bias_zero_subgraph", "snntorch_activity_noDelay_bias_zero", SNNTORCH),
    ("braille_noDelay_noBias_subtract", "spyx_activity_noDelay_noBias_subtract", "spyx"),
    # A naive import adds the recurrent connection's bias in step 0; nirtorch's executor, with which Norse runs
    # the graph, has nothing on a backward edge in step 0, its bias included.
    ("braille_noDelay_bias_zero", "norse_activity_noDelay_bias_zero", "norse,dt=1e-4"),
]


@pytest.mark.parametrize(("graph", "recording", "dialect"), BRAILLE, ids=[f"{b[1]}-{b[0][-8:]}" for b in BRAILLE])
def test_braille(paper: Path, graph: str, recording: str, dialect: str) -> None:
    x = np.load(paper / "braille_input.npy")[:, None]
    expected = np.load(paper / f"{recording}.npy")
    checked = check(paper / f"{graph}.nir", dialect=dialect)
    name = checked.populations[1].name
    assert name in ("lif1.lif", "lif1.lif1")
    found = float_.simulate(checked, x).spikes[name][:, 0]
    assert (found != expected).sum() == 0


def test_the_naive_import_of_norse_differs(paper: Path) -> None:
    """So that the rule above is known to matter."""
    x = np.load(paper / "braille_input.npy")[:, None]
    expected = np.load(paper / "norse_activity_noDelay_bias_zero.npy")
    graph = check(paper / "braille_noDelay_bias_zero.nir", dialect="norse,dt=1e-4,recurrent_bias=always")
    assert (float_.simulate(graph, x).spikes["lif1.lif"][:, 0] != expected).sum() == 23


# --- all graphs -----------------------------------------------------------------------


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_loads_and_simulates_in_float_and_integer(paper: Path, name: str) -> None:
    dialect = "sinabs" if "sinabs" in name else "nir,dt=1e-4"
    graph = check(paper / f"{name}.nir", dialect=dialect)
    assert bool(graph.repairs) == (name in REPAIRED)
    assert all(REPAIRED[name] in repair for repair in graph.repairs)
    rng = np.random.default_rng(0)
    x = (rng.random((30, 2, *graph.population(graph.inputs[0]).shape)) < 0.1).astype(np.uint8)
    if "lif" in name[:3]:
        x = np.ones((100, 2, 1), dtype=np.uint8)
    reference = float_.simulate(graph, x)
    for formats, share in ((nd.Formats(8, 24, 24, 12), 0.2), (nd.Formats(16, 32, 32, 16), 0.02)):
        network = nd.quantize(graph, formats)
        found, plain = integer.simulate(network, x), integer.simulate(network, x, engine="plain")
        for population, spikes in reference.spikes.items():
            assert (found.spikes[population] != spikes).mean() <= share, population
            np.testing.assert_array_equal(found.spikes[population], plain.spikes[population])
    assert sum(int(spikes.sum()) for spikes in reference.spikes.values()) > 0


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_survives_export_import_export(paper: Path, name: str, tmp_path: Path) -> None:
    first = nirfile.read(paper / f"{name}.nir")
    module: Any = import_from_nir(first)
    shape = check(first).populations[0].shape
    second = export_to_nir(module, torch.zeros(1, *shape), save_path=tmp_path / "second.nir")
    unmarked(first)
    unmarked(second)
    same(first, second)
    third = nirfile.read(tmp_path / "second.nir")
    unmarked(third)
    same(second, third)
    assert check(third).digest() == check(first).digest()


def unmarked(graph: nir.NIRGraph) -> None:
    """Without what the reader and the exporter note in the metadata."""
    graph.metadata = {key: value for key, value in graph.metadata.items() if not key.startswith("nirdeploy_")}
