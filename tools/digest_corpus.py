"""The networks whose products are recorded: the tests' own, by seed, and a few of the primitives these leave out.

Nothing here is drawn by hypothesis: it takes constants from the code under test into account, and the networks must
not change with that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import nir
import numpy as np

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.semantics import dialect as dialects
from tests import networks, primitives
from tests.chips import loihi2_networks, speck_networks, xylo_networks
from tests.contract import test_every_target as contract
from tests.contract.fictitious_chip import networks as fictitious

STEPS, SAMPLES = 24, 2
DT = 1e-3
LOIHI2 = "nir,dt=0.0001"
_PRESETS = ("snntorch", "spikingjelly", "sinabs", "spyx", "lava")
_LOIHI2 = {0: "factors", 7: "pooled-cubalif", 9: "skips", 16: "pooled-convolutions"}
_SPECK = {1: "too-large", 2: "sum-pooled", 4: "whole-numbers"}


@dataclass(frozen=True)
class Case:
    """A network and what it is run on, (T, B, *shape) or such by input. ``board``: on the simulated hardware too."""

    name: str
    graph: nir.NIRGraph
    x: Any
    dialect: str | None = None
    input_bits: int = 1
    board: bool = False


def cases() -> Iterator[Case]:
    """All of them, quickly made."""
    yield _case("two-layers", networks.two_layers(), board=True)
    yield _case("graded-input", networks.two_layers(1), input_bits=4, board=True)
    for seed, preset in enumerate(_PRESETS):
        yield _case(f"preset-{preset}", networks.two_layers(seed + 2, dialect=f"{preset},dt=0.0001"))
    zero, multi = f"{contract.TRAINED[0]},reset=zero", f"{contract.TRAINED[1]},reset=subtract"
    yield _case("contract-lif", contract.network("LIF", zero))
    yield _case("contract-if-multi", contract.network("IF", multi))
    yield _case("contract-cubalif-late", contract.network("CubaLIF", zero, late=2), board=True)
    yield _case("contract-impossible", contract.network("LIF", f"{zero},reset_delay=true", late=12))
    yield _case("fictitious-illegal", fictitious.illegal())
    for seed, name in _LOIHI2.items():
        yield _case(f"loihi2-{name}", loihi2_networks.network(seed), dialect=LOIHI2, board=seed in (7, 16))
    for seed, name in _SPECK.items():
        made = speck_networks.network(seed)
        yield _case(f"speck-{name}", speck_networks.as_nir(made), dialect=speck_networks.dialect(made), input_bits=2)
    recurrent, several = xylo_networks.graph(0), xylo_networks.graph(1, recurrent=False, multi=True)
    yield _case("xylo-recurrent", _as_nir(recurrent), board=True)
    yield _case("xylo-multi", _as_nir(several), input_bits=4)
    for kind in ("LI", "CubaLI", "I", "Threshold"):
        yield _case(f"read-out-{kind.lower()}", _read_out(kind), board=kind in ("LI", "Threshold"))
    yield _case("grids", _grids(), board=True)
    yield _case("line", _line())
    yield _case("two-inputs", _two_inputs(), board=True)


def _case(name: str, graph: nir.NIRGraph, **options: Any) -> Case:
    """On spikes, or on numbers as large as ``input_bits`` allows, half of them zero."""
    rng = np.random.default_rng(len(name))
    most = 2 ** options.get("input_bits", 1)
    shapes = {n: tuple(node.input_type["input"]) for n, node in graph.nodes.items() if isinstance(node, nir.Input)}
    x = {
        n: ((rng.random((STEPS, SAMPLES, *shape)) < 0.5) * rng.integers(1, most, (STEPS, SAMPLES, *shape))).astype("u1")
        for n, shape in shapes.items()
    }
    return Case(name, graph, x if len(x) > 1 else next(iter(x.values())), **options)


# --- what the tests draw and do not keep by a seed --------------------------------------

Made: TypeAlias = nir.NIRNode | Callable[[tuple[int, ...]], nir.NIRNode]


def _chain(shape: tuple[int, ...], *made: Made, settings: str = "") -> nir.NIRGraph:
    """Nodes one behind the other; a function makes one of the shape that comes to it."""
    nodes: dict[str, nir.NIRNode] = {"in": nir.Input({"input": np.array(shape)})}
    for index, one in enumerate(made):
        node = one(shape) if callable(one) else one
        nodes[f"n{index}"] = node
        if type(node).__name__ not in primitives.NEURONS:
            shape = primitives.out_shape(node, shape)
    nodes["out"] = nir.Output({"output": np.array(shape)})
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)
    return primitives.with_dialect(graph, f"nir,dt={DT}{settings}")


def _neurons(kind: str, seed: int, parameters: Sequence[str] = ()) -> Callable[[tuple[int, ...]], nir.NIRNode]:
    """Each neuron its own; those ``parameters`` the same for all."""

    def make(shape: tuple[int, ...]) -> nir.NIRNode:
        node = primitives.neuron(kind, shape, DT, np.random.default_rng(seed))
        for name in parameters:
            setattr(node, name, np.full(shape, getattr(node, name).flat[0]))
        return node

    return make


def _weights(seed: int, *shape: int) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng(seed).normal(0.3, 1.0, shape) / np.sqrt(np.prod(shape[1:]))
    return drawn


def _read_out(kind: str) -> nir.NIRGraph:
    """Behind spiking neurons."""
    weights = _weights(1, 9, 6), _weights(2, 4, 9)
    hidden = nir.Affine(weights[0], np.full(9, 0.1))
    return _chain((6,), hidden, _neurons("LIF", 3), nir.Linear(weights[1]), _neurons(kind, 4), settings=",threshold=>=")


def _grids() -> nir.NIRGraph:
    """Convolutions with groups and dilation, averages, factors, and delays of each neuron its own."""
    grouped = nir.Conv2d((7, 7), _weights(5, 4, 1, 3, 3), 1, "same", 1, 2, np.full(4, 0.05))
    dilated = nir.Conv2d((3, 3), _weights(6, 3, 4, 2, 2), 1, 1, 2, 1, np.zeros(3))
    late = nir.Delay(DT * (np.arange(27).reshape(3, 3, 3) % 3))
    return _chain(
        (2, 7, 7),
        *(grouped, _neurons("LIF", 7), nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))),
        *(dilated, _neurons("IF", 8, ["v_threshold", "v_reset", "r"]), late, nir.Scale(np.full((3, 3, 3), 0.8))),
        *(lambda shape: nir.Flatten({"input": np.array(shape)}, 0, -1), nir.Linear(_weights(9, 5, 27))),
        _neurons("CubaLIF", 10),
    )


def _line() -> nir.NIRGraph:
    """Convolved along one direction, read at the end."""
    conv = nir.Conv1d(12, _weights(11, 3, 2, 3), 2, 1, 1, 1, np.full(3, 0.05))
    flat = [lambda shape: nir.Flatten({"input": np.array(shape)}, 0, -1), nir.Linear(_weights(12, 4, 18))]
    return _chain((2, 12), conv, _neurons("LIF", 13), *flat, _neurons("LI", 14), settings=",discretization=exponential")


def _two_inputs() -> nir.NIRGraph:
    """Into one recurrent population; it and what stands behind it are both read."""
    nodes: dict[str, nir.NIRNode] = {
        "left": nir.Input({"input": np.array([5])}),
        "right": nir.Input({"input": np.array([3])}),
        "from_left": nir.Linear(_weights(15, 7, 5)),
        "from_right": nir.Affine(_weights(16, 7, 3), np.full(7, 0.1)),
        "hidden": _neurons("LIF", 17)((7,)),
        "back": nir.Linear(_weights(18, 7, 7)),
        "to_last": nir.Linear(_weights(19, 4, 7)),
        "last": _neurons("IF", 20)((4,)),
        "spikes": nir.Output({"output": np.array([7])}),
        "out": nir.Output({"output": np.array([4])}),
    }
    edges = [("left", "from_left"), ("right", "from_right"), ("from_left", "hidden"), ("from_right", "hidden")]
    edges += [("hidden", "back"), ("back", "hidden"), ("hidden", "to_last"), ("to_last", "last")]
    graph = nir.NIRGraph(nodes, [*edges, ("hidden", "spikes"), ("last", "out")], type_check=False)
    return primitives.with_dialect(graph, f"nir,dt={DT},reset=subtract")


def _as_nir(graph: CheckedGraph) -> nir.NIRGraph:
    """One Linear per projection, the bias of a population in an Affine on the first one into it: as when products were
    first recorded."""
    nodes: dict[str, nir.NIRNode] = {}
    edges: list[tuple[str, str]] = []
    for population in graph.populations:
        if population.model == "Input":
            nodes[population.name] = nir.Input({"input": np.array(population.shape)})
            continue
        incoming = [p for p in graph.projections if p.target == population.name]
        for index, projection in enumerate(incoming):
            name = f"{projection.source}_to_{population.name}"
            weight = projection.weight
            nodes[name] = nir.Linear(weight) if index else nir.Affine(weight, population.bias)
            edges += [(projection.source, name), (name, population.name)]
        if population.model == "Output":
            nodes[population.name] = nir.Output({"output": np.array(population.shape)})
        else:
            nodes[population.name] = getattr(nir, population.model)(**population.params)
    for name, source in graph.outputs.items():
        if graph.population(source).model != "Output":
            nodes[name] = nir.Output({"output": np.array(graph.population(source).shape)})
            edges.append((source, name))
    return nir.NIRGraph(nodes, edges, metadata={dialects.METADATA_KEY: str(graph.dialect)}, type_check=False)
