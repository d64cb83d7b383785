"""SpiNNaker 2: what a chip did, from the NIR paper, reproduced from graph and stimulus; and the graphs that fit.

The recording is of the Braille network without biases, reset by subtraction; dt and the discretization are those of
the paper's own run (1e-4 s, forward Euler), which are also the dialect's.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.sim import integer
from tests.chips.table import Table

RECORDED = "braille_noDelay_noBias_subtract"
RECORDING = "s2_activity_noDelay_noBias_subtract.npy"
SUBTRACT = "nir,reset=subtract"


@pytest.mark.parametrize("dialect", [SUBTRACT, f"{SUBTRACT},connection_delay=true"])
def test_the_recording_of_a_chip(paper: Path, dialect: str, table: Table) -> None:
    """Whether the steps that the chip's projections take are in the graph already or not."""
    x = np.load(paper / "braille_input.npy")[:, None]
    expected = np.load(paper / RECORDING)
    built = nd.build(paper / f"{RECORDED}.nir", "spinnaker2", dialect=dialect)
    found = nd.simulate(built, x).spikes["lif1.lif"][:, 0]
    assert expected.shape == found.shape == (256, 40)
    assert expected.sum() == 119
    wrong = int((found != expected).sum())
    if dialect == SUBTRACT:
        table.recorded("spinnaker2", RECORDING, values=expected.size, spikes=expected.sum(), mismatches=wrong)
    assert wrong == 0


def differing(network: IntegerNetwork, paper: Path) -> int:
    """Cells of the recording that a network differs in."""
    x = np.load(paper / "braille_input.npy")[:, None]
    expected = np.load(paper / RECORDING)
    found = integer.simulate(network, x).spikes["lif1.lif"][:, 0]
    return int((found != expected).sum())


def test_other_rules_differ_from_the_recording(paper: Path) -> None:
    """So that each rule is known to matter: rounding, the common scale, the steps, the decays."""
    graph = check(paper / f"{RECORDED}.nir", dialect=SUBTRACT)
    build = nd.build(paper / f"{RECORDED}.nir", "spinnaker2", dialect=SUBTRACT)
    network, hidden = build.network, build.network.on_chip("lif1.lif")
    into = {p.source: p for p in network.into("lif1.lif")}
    exact = {p.source: p.operator.weight for p in graph.into("lif1.lif")}
    scale = 1 / into["input"].unit[0]

    def weights(made: dict[str, np.ndarray]) -> IntegerNetwork:
        integers = {source: values.astype(np.int32) for source, values in made.items()}
        changed = [replace(p, operator=replace(p.operator, weight=integers[s])) for s, p in into.items()]
        others = [p for p in network.projections if p.target != hidden.name]
        return replace(network, projections=(*changed, *others))

    def registers(**made: np.ndarray) -> IntegerNetwork:
        changed = {name: values.astype(np.float32) for name, values in made.items()}
        others = [p for p in network.populations if p.name != hidden.name]
        return replace(network, populations=(replace(hidden, registers={**hidden.registers, **changed}), *others))

    def undelayed(source: str) -> IntegerNetwork:
        ways = [replace(p, delay=0) if p is into[source] else p for p in network.projections]
        return replace(network, projections=tuple(ways))

    euler = {name: hidden.registers[name].astype(np.float64) for name in ("alpha_decay", "exc_decay")}
    decays = {name: np.exp(decay - 1) for name, decay in euler.items()}
    found = {
        "as it is": differing(network, paper),
        "to the nearest weight": differing(weights({s: np.rint(w * scale) for s, w in exact.items()}), paper),
        "downwards": differing(weights({s: np.floor(w * scale) for s, w in exact.items()}), paper),
        "a scale for each input": differing(
            weights({s: np.trunc(w * 127 / np.abs(w).max()) for s, w in exact.items()}), paper
        ),
        "exponential decays": differing(registers(**decays, inh_decay=decays["exc_decay"]), paper),
        "no step from the input": differing(undelayed("input"), paper),
    }
    assert found.pop("as it is") == 0
    assert all(count > 0 for count in found.values()), found


@pytest.mark.parametrize("state", [np.float32, np.float64])
@pytest.mark.parametrize("graph", [RECORDED, "braille_noDelay_bias_zero"])
def test_the_precision_decides_no_spike_of_these_graphs(paper: Path, graph: str, state: type[np.floating]) -> None:
    """A hand-written step in either precision, one sum of weights for both signs: no membrane is near its threshold."""
    reset = "subtract" if graph == RECORDED else "zero"
    x = np.load(paper / "braille_input.npy").astype(np.float64)
    built = nd.build(paper / f"{graph}.nir", "spinnaker2", dialect=f"nir,reset={reset}")
    hidden = built.network.on_chip("lif1.lif")
    own = {name: values.astype(state) for name, values in hidden.registers.items()}
    weight = {p.source: p.weight for p in built.network.into("lif1.lif")}
    current, v, z = (np.zeros(hidden.size, dtype=state) for _ in range(3))
    spikes, nearest = [], np.inf
    for before in [np.zeros(12), *x[:-1]]:
        arriving = weight["input"] @ before + weight["lif1.lif"] @ z
        current = current * own["exc_decay"] + arriving.astype(state)
        v = v * own["alpha_decay"] + (current + own["i_offset"])
        nearest = min(nearest, float(np.abs(v / own["threshold"] - 1).min()))
        z = (v > own["threshold"]).astype(state)
        v = v - z * own["threshold"] if reset == "subtract" else v * (1 - z)
        spikes.append(z)
    assert nearest > 1e-3
    np.testing.assert_array_equal(nd.simulate(built, x.astype(np.uint8)[:, None]).spikes["lif1.lif"][:, 0], spikes)


@pytest.mark.parametrize("graph", [RECORDED, "braille_noDelay_bias_zero"])
def test_a_largest_weight_of_126_decides_no_spike_of_these_graphs(paper: Path, graph: str) -> None:
    """What the largest becomes where the product of scale and weight ends below 127 by a rounding error."""
    reset = "subtract" if graph == RECORDED else "zero"
    x = np.load(paper / "braille_input.npy")[:, None]
    network = nd.build(paper / f"{graph}.nir", "spinnaker2", dialect=f"nir,reset={reset}").network
    clipped = [replace(p.operator, weight=np.clip(p.weight, -126, 126)) for p in network.projections]
    smaller = [replace(p, operator=operator) for p, operator in zip(network.projections, clipped, strict=True)]
    assert any((a.weight != b.weight).any() for a, b in zip(smaller, network.projections, strict=True))
    found, other = (
        integer.simulate(n, x).spikes["lif1.lif"] for n in (network, replace(network, projections=tuple(smaller)))
    )
    np.testing.assert_array_equal(found, other)


def test_biases_go_to_the_membrane_from_the_first_step_on(paper: Path) -> None:
    """Of the graph with biases: both biases of a neuron, scaled as py-spinnaker2's i_offset."""
    graph = check(paper / "braille_noDelay_bias_zero.nir", dialect="nir")
    hidden = graph.population("lif1.lif")
    network = nd.build(paper / "braille_noDelay_bias_zero.nir", "spinnaker2", dialect="nir").network
    scale = 127 / max(np.abs(p.weight).max() for p in graph.into("lif1.lif"))
    synapse_gain = 1e-4 / hidden.params["tau_syn"] * hidden.params["w_in"]
    expected = hidden.bias * hidden.params["w_in"] / synapse_gain * scale
    np.testing.assert_allclose(network.on_chip("lif1.lif").registers["i_offset"], expected, rtol=1e-6)
    silent = np.zeros((1, 1, 12), dtype=np.uint8)
    first = integer.simulate(network, silent, membrane=["lif1.lif"])
    in_units = first.membrane["lif1.lif"][0, 0] / 2.0 ** int(network.on_chip("lif1.lif").registers["fraction_bits"])
    np.testing.assert_allclose(in_units, expected, atol=2e-4)


# --- the paper's graphs ---------------------------------------------------------------

FIT = [
    ("lif_norse", "nir,connection_delay=true", 0.0),
    ("lif_rockpool", "nir,connection_delay=true", 0.0),
    ("braille_noDelay_noBias_subtract", f"{SUBTRACT},connection_delay=true", 0.015),
    ("braille_noDelay_bias_zero", "nir,connection_delay=true", 0.065),
    ("braille_noDelay_bias_zero_subgraph", "nir,connection_delay=true", 0.065),
    ("cnn_sinabs", f"{SUBTRACT},dt=1,connection_delay=true", 0.031),
]


@pytest.mark.parametrize(("name", "dialect", "most"), FIT, ids=[fit[0] for fit in FIT])
def test_graphs_that_fit_and_how_near_the_chip_is_to_the_float_model(
    paper: Path, name: str, dialect: str, most: float, table: Table
) -> None:
    """The share of cells (neuron and step) that differ, from the truncated weights; no figure is met by silence."""
    built = nd.build(paper / f"{name}.nir", "spinnaker2", dialect=dialect)
    x = np.load(paper / "braille_input.npy")[:, None]
    if not name.startswith("braille"):
        shape = built.graph.population(built.graph.inputs[0]).shape
        share = 0.9 if name.startswith("lif") else 0.05
        x = (np.random.default_rng(0).random((40, 1, *shape)) < share).astype(np.uint8)
    why = nd.explain(built.graph, built.network, x)
    fired = sum(int(spikes.sum()) for spikes in nd.simulate(built, x).spikes.values())
    table.near("spinnaker2", name, why, fired)
    assert why.verdict.mismatches / why.verdict.cells <= most
    assert fired > 5


def test_the_convolutional_graph_is_convolved_on_the_chip(paper: Path) -> None:
    built = nd.build(paper / "cnn_sinabs.nir", "spinnaker2", dialect=f"{SUBTRACT},dt=1")
    config = json.loads(built.artifacts["network.json"])
    models = [entry["neuron_model"] for entry in config["populations"]]
    assert models == ["lif_conv2d"] * 3 + ["lif_no_delay"] * 2
    assert [entry["kind"] for entry in config["projections"]] == ["conv2d"] * 3 + ["synapses"] * 2
    assert len(built.placement.cores) == 48


def test_the_convolutional_graph_as_its_framework_means_it_does_not_fit(paper: Path) -> None:
    with pytest.raises(DoesNotFit, match="spikes=multi"):
        nd.build(paper / "cnn_sinabs.nir", "spinnaker2", dialect="sinabs")
