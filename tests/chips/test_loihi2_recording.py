"""A Loihi 2 chip's recording, reproduced from the graph and the stimulus; and the paper's other graphs on the chip.

The data are looked for as by tests/recordings: ``nir_paper`` in $NIRDEPLOY_DATA, default ../shared/data.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.quantize import per_weight
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim import float_
from nirdeploy.targets import registry as targets
from tests.chips.table import Table

#: The chip's probe reads this in the step of a spike, where the membrane is 0.
PROBE_AT_SPIKE = 128
#: The recording was made with weights and thresholds in 256ths: a unit of membrane potential is 256 << 6.
FRACTION_BITS = 14


def latency(built: nd.Build) -> dict[str, int]:
    return {p.name: p.latency for p in built.network.populations}


def differing(record: SpikeRecord, reference: SpikeRecord) -> dict[str, int]:
    """Cells that differ, by population."""
    steps = record.steps
    return {name: int((spikes != reference.spikes[name][:steps]).sum()) for name, spikes in record.spikes.items()}


def as_recorded(record: SpikeRecord) -> tuple[np.ndarray, np.ndarray]:
    """Spikes and membrane of the one neuron, as the chip's probe gives them."""
    spikes, membrane = record.spikes["1"][:, 0, 0], record.membrane["1"][:, 0, 0]
    return spikes, np.where(spikes, PROBE_AT_SPIKE, membrane)


def test_the_chip(paper: Path, table: Table) -> None:
    """0 of 1,000 voltages and spikes differ. What the recording needed is the scale alone, as a format."""
    x, voltage, spikes = np.loadtxt(paper / "lif_lava_loihi_fixed.csv", delimiter=",").T
    target = targets.load("loihi2").with_hardware(fraction_bits=FRACTION_BITS)
    built = nd.build(paper / "lif_norse.nir", target, dialect="nir,dt=1e-4")
    found = as_recorded(nd.simulate(built, x[:, None, None], membrane=["1"]))
    assert len(x) == 1000
    assert spikes.sum() == 4
    wrong = int((found[0] != spikes).sum() + (found[1] != voltage).sum())
    table.recorded("loihi2", "lif_lava_loihi_fixed.csv", values=2000, spikes=4, mismatches=wrong)
    np.testing.assert_array_equal(found[0], spikes)
    np.testing.assert_array_equal(found[1], voltage)
    registers = {name: int(built.network.on_chip("1").registers[name]) for name in ("dv", "du", "vth")}
    assert registers == {"dv": 163, "du": 4095, "vth": 25}
    np.testing.assert_array_equal(built.network.projections[0].weight, [[10]])


@pytest.mark.parametrize("changes", [{"dv": 164}, {"vth": 26}, {"vth": 24}])
def test_no_other_registers_give_it(paper: Path, changes: dict[str, int]) -> None:
    """The nearest threshold (25.6 gives 26) and decay (163.84 gives 164) do not: both rules of the rounding count."""
    x, voltage, _ = np.loadtxt(paper / "lif_lava_loihi_fixed.csv", delimiter=",").T
    registers = {"dv": 163, "vth": 25} | changes
    v, membrane = 0, []
    for arriving in (0, *x[:-1]):
        v = (v * (4096 - registers["dv"]) >> 12) + 640 * int(arriving)
        fires = v > registers["vth"] << 6
        membrane.append(PROBE_AT_SPIKE if fires else v)
        v = 0 if fires else v
    assert (np.array(membrane) != voltage).any()


def test_the_chip_spikes_as_the_graph(paper: Path, table: Table) -> None:
    """With a scale of its own the network is closer to the graph than the recorded one: no spike differs."""
    x = np.loadtxt(paper / "lif_lava_loihi_fixed.csv", delimiter=",")[:, 0, None, None]
    built = nd.build(paper / "lif_norse.nir", "loihi2", dialect="nir,dt=1e-4")
    record = nd.simulate(built, x, membrane=["1"]).aligned()
    reference = float_.simulate(built.graph, x, membrane=["1"])
    np.testing.assert_array_equal(record.spikes["1"], reference.spikes["1"][: record.steps])
    explained(table, "lif_norse", built, x)
    np.testing.assert_allclose(record.volts("1"), reference.membrane["1"][: record.steps], atol=1e-4)


def explained(table: Table, name: str, built: nd.Build, x: np.ndarray) -> None:
    """Adds how near the chip is to the float model."""
    record = nd.simulate(built, x)
    spikes = sum(int(values.sum()) for values in record.spikes.values())
    table.near("loihi2", name, nd.explain(built.graph, built.network, x), spikes)


def with_rounded_weights(built: nd.Build) -> CheckedGraph:
    """The graph with the weights that the chip's integers stand for, and nothing else of the chip."""
    projections = []
    for p, q in zip(built.graph.projections, built.network.projections, strict=True):
        weight = q.weight * per_weight(q.operator, q.unit)
        projections.append(replace(p, operator=replace(q.operator, weight=weight), pool=None))
    return replace(built.graph, projections=tuple(projections))


@pytest.mark.parametrize("name", ["braille_noDelay_bias_zero", "braille_noDelay_bias_zero_subgraph"])
def test_braille(paper: Path, name: str, table: Table) -> None:
    """The weights' rounding is all that differs: their largest is a hundred times the median, the exponent shared.

    The graph with these weights spikes as the chip, in every cell of the recurrent layer, biases and all.
    """
    x = np.load(paper / "braille_input.npy")[:, None]
    built = nd.build(paper / f"{name}.nir", "loihi2", dialect="nir,dt=1e-4")
    record = nd.simulate(built, x).aligned()
    recurrent = built.network.populations[0].name
    assert latency(built) == {recurrent: 1, "lif2": 2}
    assert differing(record, float_.simulate(built.graph, x)) == {recurrent: 117, "lif2": 541}
    assert differing(record, float_.simulate(with_rounded_weights(built), x)) == {recurrent: 0, "lif2": 6}
    assert record.spikes[recurrent].size == 9652
    explained(table, name, built, x)


def test_a_reset_by_subtraction_is_refused(paper: Path) -> None:
    with pytest.raises(DoesNotFit, match="'lif1.lif' resets by 'subtract', the chip's neuron only by 'zero'"):
        nd.build(paper / "braille_noDelay_noBias_subtract.nir", "loihi2", dialect="nir,dt=1e-4,reset=subtract")


def test_the_convolutional_network(paper: Path, table: Table) -> None:
    """Five layers in five steps; pools fold into kernels; here too the weights' rounding is what differs."""
    built = nd.build(paper / "cnn_sinabs.nir", "loihi2", dialect="nir,dt=1")
    x = (np.random.default_rng(0).random((25, 1, 2, 34, 34)) < 0.1).astype(np.uint8)
    record = nd.simulate(built, x).aligned()
    assert latency(built) == {"1": 1, "3": 2, "6": 3, "10": 4, "12": 5}
    assert [p.weight.shape for p in built.network.projections[:3]] == [(16, 2, 5, 5), (16, 16, 3, 3), (8, 16, 6, 6)]
    assert len(built.placement.cores) <= 128
    cells = sum(spikes.size for spikes in record.spikes.values())
    against_graph = differing(record, float_.simulate(built.graph, x))
    against_weights = differing(record, float_.simulate(with_rounded_weights(built), x))
    assert sum(against_graph.values()) < 0.03 * cells
    assert sum(against_weights.values()) <= 10 < 0.01 * sum(against_graph.values())
    explained(table, "cnn_sinabs, one spike a step", built, x)


def test_the_graphs_of_multi_spike_dialects_are_refused(paper: Path) -> None:
    with pytest.raises(DoesNotFit) as raised:
        nd.build(paper / "cnn_sinabs.nir", "loihi2", dialect="sinabs,reset=zero")
    assert str(raised.value).count("spikes=multi") == 5
