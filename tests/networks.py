"""Random networks for tests: checked graphs of any legal structure, and stimuli for them."""

from __future__ import annotations

import itertools
from typing import Any

import nir
import numpy as np
from hypothesis import strategies as st

from nirdeploy import dialect as dialect_module
from nirdeploy.check import CheckedGraph, Population, Projection
from nirdeploy.dialect import Dialect
from nirdeploy.operators import Dense


def dialects(dt: float = 1e-4) -> st.SearchStrategy[Dialect]:
    """Any combination of a dialect's fields."""
    return st.builds(
        Dialect,
        dt=st.just(dt),
        discretization=st.sampled_from(["euler", "exponential"]),
        gain=st.sampled_from(["equation", "euler", "no_r", "one"]),
        threshold=st.sampled_from([">", ">="]),
        reset=st.sampled_from(["zero", "subtract", "none"]),
        reset_delay=st.booleans(),
        late_reset=st.sampled_from(["after", "before", "leaky_before", "cuba_before"]),
        reset_guard=st.booleans(),
        synapse_order=st.sampled_from(["new", "old"]),
        spikes=st.sampled_from(["binary", "multi"]),
        max_spikes=st.sampled_from([0, 3]),
        spike_delay=st.booleans(),
        connection_delay=st.booleans(),
        v_min=st.sampled_from(["none", "-threshold"]),
        initial=st.sampled_from(["zero", "v_reset"]),
        recurrent_bias=st.sampled_from(["always", "late"]),
    )


@st.composite
def graphs(draw: st.DrawFn, max_size: int = 90, max_layers: int = 4, plain: bool = False) -> CheckedGraph:
    """What the reference target takes: skip and recurrent connections, one or two inputs.

    ``plain``: feed-forward, no synaptic currents, membranes start from 0.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = st.integers(1, max_size)
    inputs = [f"in{i}" for i in range(draw(st.integers(1, 2)))]
    populations = [Population(name, "Input", (size := draw(sizes),), {}, np.zeros(size)) for name in inputs]
    projections: list[Projection] = []
    dialect = Dialect(
        dt=draw(st.sampled_from([1e-4, 1e-3])),
        discretization=draw(st.sampled_from(["euler", "exponential"])),
        threshold=draw(st.sampled_from([">", ">="])),
        reset=draw(st.sampled_from(["zero", "subtract", *([] if plain else ["none"])])),
        initial="zero" if plain else draw(st.sampled_from(["zero", "v_reset"])),
    )
    layers = draw(st.integers(1, max_layers))
    for layer in range(layers):
        last = layer == layers - 1
        more = [] if plain else ["CubaLIF", "Threshold", *(["CubaLI", "I"] if last else [])]
        model = draw(st.sampled_from(["LIF", "IF", *(["LI", "Output"] if last else []), *more]))
        name, size = f"p{layer}", draw(sizes)
        previous = populations[-1] if layer else populations[0]
        sources = [previous, *draw(st.lists(st.sampled_from(populations), max_size=1))]
        if layer == 0:
            sources = populations[: len(inputs)]
        for source in {s.name: s for s in sources}.values():
            spread = draw(st.sampled_from([0.3, 1.0, 3.0])) / np.sqrt(source.size)
            weight = rng.normal(0.1 * spread, spread, (size, source.size))
            projections.append(Projection(source.name, name, Dense(weight)))
        params = _parameters(model, size, dialect, rng)
        populations.append(Population(name, model, (size,), params, rng.normal(0, 0.05, size)))
    spiking = [p for p in populations if p.model in ("LIF", "IF", "CubaLIF")]
    pairs = st.tuples(st.sampled_from(spiking), st.sampled_from(spiking)) if spiking else st.nothing()
    for ends in draw(st.lists(pairs, max_size=2 if spiking and not plain else 0)):
        early, late = sorted(ends, key=lambda p: p.name)
        spread = draw(st.sampled_from([0.3, 1.0])) / np.sqrt(late.size)
        weight = Dense(rng.normal(0, spread, (early.size, late.size)))
        if all((p.source, p.target) != (late.name, early.name) for p in projections):
            projections.append(Projection(late.name, early.name, weight, delay=1))
    return CheckedGraph(
        tuple(populations), tuple(projections), tuple(inputs), {"output": populations[-1].name}, dialect, "argument"
    )


def _parameters(model: str, size: int, dialect: Dialect, rng: np.random.Generator) -> dict[str, np.ndarray]:
    tau = dialect.dt * rng.uniform(1.2, 40, size)
    params = {"r": tau / dialect.dt * rng.uniform(0.3, 2, size)}
    if model == "Output":
        return {}
    if model == "Threshold":
        return {"threshold": rng.uniform(-0.2, 0.8, size)}
    if model in ("IF", "I"):
        params = {"r": rng.uniform(0.3, 2, size) / dialect.dt}
    else:
        params |= {"v_leak": rng.normal(0, 0.05, size)}
        params |= {"tau_mem" if model.startswith("Cuba") else "tau": tau}
    if model.startswith("Cuba"):
        synapse = dialect.dt * rng.uniform(1.2, 10, size)
        params |= {"tau_syn": synapse, "w_in": synapse / dialect.dt * rng.uniform(0.2, 0.8, size)}
    if model in ("IF", "LIF", "CubaLIF"):
        params |= {"v_threshold": rng.uniform(0.2, 1.5, size), "v_reset": rng.normal(0, 0.1, size)}
    return params


def stimulus(graph: CheckedGraph, seed: int, steps: int = 12, batch: int = 2) -> Any:
    """Random spikes (T, B, size) at a random rate, for each input."""
    rng = np.random.default_rng(seed)
    rate = rng.choice([0.0, 0.05, 0.3, 0.9])
    x = {n: (rng.random((steps, batch, *graph.population(n).shape)) < rate).astype(np.uint8) for n in graph.inputs}
    return x if len(x) > 1 else next(iter(x.values()))


def two_layers(seed: int = 0, sizes: tuple[int, int, int] = (20, 30, 5), dialect: str = "nir") -> nir.NIRGraph:
    """A plain LIF network as a NIR graph: input, fc1, lif1, fc2, lif2, output."""
    rng = np.random.default_rng(seed)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([sizes[0]])})}
    for i in (1, 2):
        n, m = sizes[i], sizes[i - 1]
        weight = rng.normal(0.1, 0.6, (n, m)) / np.sqrt(m) * 2
        nodes[f"fc{i}"] = nir.Affine(weight, rng.normal(0, 0.1, n))
        nodes[f"lif{i}"] = nir.LIF(
            tau=np.full(n, 1e-3),
            r=np.full(n, 5.0),
            v_leak=np.zeros(n),
            v_threshold=np.full(n, 0.7),
            v_reset=np.zeros(n),
        )
    nodes["output"] = nir.Output({"output": np.array([sizes[2]])})
    names = list(nodes)
    return nir.NIRGraph(
        nodes=nodes,
        edges=list(itertools.pairwise(names)),
        metadata={dialect_module.METADATA_KEY: dialect},
        type_check=False,
    )


def spikes(seed: int, shape: tuple[int, ...], rate: float = 0.3) -> np.ndarray:
    """Random 0 and 1, uint8."""
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.uint8)
