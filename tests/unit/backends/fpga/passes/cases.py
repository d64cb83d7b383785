"""Cutting as the tests of passes do it: small hardware, and what passes send beside what the network does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import reject

from nirdeploy.backends.fpga.passes import placing
from nirdeploy.backends.fpga.passes.cut import cut
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import inputs
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.placement import Placement
from tests.doubles.passes import played


def small(**hardware: int) -> FpgaTarget:
    """Hardware that holds next to nothing."""
    sizes = {"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "parameters": 64, "segments": 1024, "jobs": 256}
    return targets.load("fpga").with_hardware(**{**sizes, "spike_words": 32, "out_words": 128, **hardware})


def rounded(graph: CheckedGraph, target: FpgaTarget) -> IntegerNetwork:
    try:
        return fitting.rounded(graph, target)
    except DoesNotFit:
        reject()


def stimulus(network: IntegerNetwork, seed: int, steps: int = 5, batch: int = 2) -> dict[str, np.ndarray]:
    rng, found = np.random.default_rng(seed), {}
    for name, shape in network.inputs:
        held = network.takes[name]
        numbers = rng.integers(0, held.top + 1, (steps, batch, *shape)) * (rng.random((steps, batch, *shape)) < 0.6)
        found[name] = (numbers - held.zero) * held.step
    return found


def agrees(network: IntegerNetwork, target: FpgaTarget, seed: int) -> None:
    """Passes send what the whole network does, in every population."""
    passes = cut(network, target)
    x = stimulus(network, seed)
    expected = integer.simulate(network, x, engine="plain")
    found = played(passes, network, inputs.stimulus(x, network.inputs, network.takes))
    for name, values in {**expected.spikes, **expected.membrane}.items():
        assert np.array_equal(found[name].reshape(values.shape), values), name
    again = kept(placing.placement_of(passes, network, target))
    placing.check(again, network, target)
    for one, other in zip(placing.passes_of(again, network, target).passes, passes.passes, strict=True):
        assert one.network.digest() == other.network.digest()
        assert one.wiring == other.wiring


def kept(placement: Placement) -> Placement:
    """As it comes back from its file."""
    with tempfile.TemporaryDirectory() as folder:
        placement.save(Path(folder) / "p.npz")
        return Placement.load(Path(folder) / "p.npz")


def lif(shape: tuple[int, ...], projection: Projection, read: tuple[int, ...]) -> CheckedGraph:
    """One map of LIF neurons, all alike."""
    values = {"tau": 5e-3, "r": 6.0, "v_leak": 0.0, "v_threshold": 0.6, "v_reset": 0.0}
    return CheckedGraph(
        (
            Population("in", "Input", read, {}, np.zeros(read)),
            Population("p", "LIF", shape, {name: np.full(shape, v) for name, v in values.items()}, np.zeros(shape)),
        ),
        (projection,),
        *(("in",), {"output": "p"}, Dialect(dt=1e-3), "argument"),
    )
