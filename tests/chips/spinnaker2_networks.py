"""Networks for SpiNNaker 2: legal ones at random, and ways to break each limit alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from hypothesis import strategies as st

from nirdeploy import pipeline
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator, Pool
from nirdeploy.sim import integer
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets

TARGET = targets.load("spinnaker2")
BACKEND = registry.backend_of(TARGET)
DT = 1e-4


def built(graph: CheckedGraph) -> pipeline.Build:
    """What the pipeline builds of a graph that is checked already."""
    return pipeline.build(graph, TARGET)


def stimulus(graph: CheckedGraph, steps: int, seed: int, share: float = 0.3) -> dict[str, np.ndarray]:
    """One sample, (T, 1, *shape), by input."""
    rng = np.random.default_rng(seed)
    return {n: (rng.random((steps, 1, *graph.population(n).shape)) < share).astype(np.uint8) for n in graph.inputs}


def simulated(graph: CheckedGraph, network: IntegerNetwork, x: dict[str, np.ndarray]) -> SpikeRecord:
    names = [p.name for p in network.populations]
    return integer.simulate(network, x, membrane=names)


def neurons(
    name: str, model: str, shape: tuple[int, ...], rng: np.random.Generator, v_reset: float = 0.0
) -> Population:
    """A population with a bias and, if it can have one, a leak."""
    taus = {"CubaLIF": ("tau_syn", "tau_mem"), "LIF": ("tau",), "LI": ("tau",)}
    params = {tau: DT / rng.uniform(0.05, 0.9, shape) for tau in taus.get(model, ())}
    params |= {"r": rng.uniform(0.5, 2, shape) / (DT if model in ("IF", "I") else 1)}
    if model in ("LIF", "CubaLIF", "LI"):
        params["v_leak"] = rng.normal(0, 0.1, shape)
    if model == "CubaLIF":
        params["w_in"] = rng.uniform(0.5, 2, shape)
    if model in ("IF", "LIF", "CubaLIF"):
        params |= {"v_threshold": rng.uniform(0.3, 1.5, shape), "v_reset": np.full(shape, v_reset)}
    return Population(name, model, shape, params, rng.normal(0, 0.05, shape))


def given(name: str, shape: tuple[int, ...]) -> Population:
    return Population(name, "Input", shape, {}, np.zeros(shape))


def graph(populations: list[Population], projections: list[Projection], dialect: Dialect) -> CheckedGraph:
    inputs = tuple(p.name for p in populations if p.model == "Input")
    return CheckedGraph(
        tuple(populations), tuple(projections), inputs, {"out": populations[-1].name}, dialect, "argument"
    )


@st.composite
def graphs(draw: st.DrawFn) -> CheckedGraph:
    """Dense and convolved, pooled, recurrent, with skips and two inputs; each projection takes a step."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    reset: Literal["zero", "subtract"] = draw(st.sampled_from(["zero", "subtract"]))
    dialect = Dialect(
        dt=DT,
        discretization=draw(st.sampled_from(["euler", "exponential"])),
        threshold=draw(st.sampled_from([">", ">="])),
        reset=reset,
        connection_delay=True,
        initial=draw(st.sampled_from(["zero", "v_reset"])),
    )
    v_reset = draw(st.sampled_from([0.0, -0.2])) if reset == "zero" else 0.0
    populations, projections = [given("in0", (2, 6, 5))], []
    if draw(st.booleans()):
        pool = draw(st.sampled_from([None, Pool((2, 6, 5), (2, 2), (2, 2))]))
        operator = convolution(draw, rng, (2, 6, 5) if pool is None else pool.out_shape)
        populations.append(neurons("c", draw(st.sampled_from(["IF", "LIF"])), operator.out_shape, rng, v_reset))
        projections.append(Projection("in0", "c", operator, pool=pool, delay=1))
    if draw(st.booleans()):
        populations.append(given("in1", (draw(st.integers(1, 6)),)))
    for layer in range(draw(st.integers(1, 3))):
        name, size = f"p{layer}", draw(st.integers(1, 8))
        model = draw(st.sampled_from(["IF", "LIF", "CubaLIF"]))
        made = neurons(name, model, (size,), rng, v_reset)
        sources = {populations[-1].name, *draw(st.lists(st.sampled_from([p.name for p in populations]), max_size=2))}
        if layer == 0 and any(p.name == "in1" for p in populations):
            sources.add("in1")
        if draw(st.booleans()):
            sources.add(name)
        populations.append(made)
        for source in sorted(sources):
            inputs = next(p for p in populations if p.name == source).size
            weight = rng.normal(0.1, 1.0, (size, inputs)) / np.sqrt(inputs) * (rng.random((size, inputs)) < 0.8)
            projections.append(Projection(source, name, Dense(weight), delay=1))
    return graph(populations, projections, dialect)


def convolution(draw: st.DrawFn, rng: np.random.Generator, shape: tuple[int, int, int]) -> Convolution:
    kernel = draw(st.sampled_from([(1, 1), (2, 2), (3, 2)]))
    padding = draw(st.sampled_from([((0, 0), (0, 0)), ((1, 0), (0, 2)), ((1, 1), (1, 1))]))
    stride = draw(st.sampled_from([(1, 1), (2, 2)]))
    weight = rng.normal(0.1, 0.7, (draw(st.integers(1, 3)), shape[0], *kernel))
    return Convolution(weight, shape, stride, padding)


# --- networks that break one limit ----------------------------------------------------

PLAIN = Dialect(dt=DT)
Part = tuple[list[Population], list[Projection]]


def part(
    name: str,
    model: str = "LIF",
    operator: Operator | None = None,
    dialect: Dialect | None = None,
    pool: Pool | None = None,
    delay: int = 0,
) -> Part:
    """An input of its own and one population, which break nothing as they are."""
    rng = np.random.default_rng(1)
    operator = operator or Dense(rng.normal(0, 1, (3, 4)))
    source = pool.shape if pool else (operator.shape if isinstance(operator, Convolution) else (operator.inputs,))
    shape = operator.out_shape if isinstance(operator, Convolution) else (operator.outputs,)
    made = replace(neurons(name, model, shape, rng), dialect=dialect)
    return [given(f"in_{name}", source), made], [Projection(f"in_{name}", name, operator, pool=pool, delay=delay)]


def changed(name: str, model: str = "LIF", dialect: Dialect | None = None, **params: float) -> Part:
    (source, made), ways = part(name, model, dialect=dialect)
    return [source, replace(made, params={**made.params, **{k: np.full(3, v) for k, v in params.items()}})], ways


def conv(kernel: tuple[int, int] = (2, 2), **settings: object) -> Convolution:
    groups = int(str(settings.get("groups", 1)))
    return Convolution(np.ones((2, 2 // groups, *kernel)), (2, 4, 4), **settings)  # type: ignore[arg-type]


def late_bias(name: str) -> Part:
    (source, made), ways = part(name)
    return [source, replace(made, late_bias={3: np.ones(3)})], ways


def both_kinds(name: str) -> Part:
    (source, made), ways = part(name, operator=conv())
    return [source, made], [*ways, Projection(source.name, name, Dense(np.ones((made.size, source.size))))]


def two_ways(name: str) -> Part:
    """One way over a population in between, one without."""
    (source, between), (first,) = part(f"{name}_0")
    made = neurons(name, "LIF", (3,), np.random.default_rng(2))
    first = replace(first, source=source.name)
    return [source, between, made], [
        first,
        Projection(between.name, name, Dense(np.eye(3))),
        Projection(source.name, name, Dense(np.ones((3, 4)))),
    ]


def huge(name: str) -> Part:
    size = 1 << 14
    rng = np.random.default_rng(1)
    return [given(f"in_{name}", (size,)), neurons(name, "LIF", (size,), rng)], [
        Projection(f"in_{name}", name, Elementwise(np.ones(size)))
    ]


def line(name: str) -> Part:
    return part(name, operator=Convolution(np.ones((2, 2, 1, 3)), (2, 1, 8)))


#: What is broken: how, and what the message must say of it (the limit found, the limit allowed, the remedy).
BROKEN: dict[str, tuple[Callable[[str], Part], tuple[str, ...]]] = {
    "a read-out": (lambda n: part(n, "LI"), ("is a LI", "IF, LIF, CubaLIF", "high threshold")),
    "an integrator": (lambda n: part(n, "I"), ("is a I,", "IF, LIF, CubaLIF")),
    "no reset": (lambda n: part(n, dialect=replace(PLAIN, reset="none")), ("'none'", "zero or subtract", "train")),
    "a late reset": (lambda n: part(n, dialect=replace(PLAIN, reset_delay=True)), ("reset_delay=true", "train it")),
    "a guarded reset": (
        lambda n: part(n, dialect=replace(PLAIN, reset="subtract", reset_guard=True)),
        ("reset_guard=true", "train it"),
    ),
    "several spikes": (lambda n: part(n, dialect=replace(PLAIN, spikes="multi")), ("spikes=multi",)),
    "late spikes": (lambda n: part(n, dialect=replace(PLAIN, spike_delay=True)), ("spike_delay=true",)),
    "a bounded membrane": (lambda n: part(n, dialect=replace(PLAIN, v_min="-threshold")), ("v_min=-threshold",)),
    "the old current": (
        lambda n: part(n, "CubaLIF", dialect=replace(PLAIN, synapse_order="old")),
        ("synapse_order=old",),
    ),
    "a late bias": (late_bias, ("begins in step 3", "from step 0", "behind the delay")),
    "a reset by less": (
        lambda n: changed(n, dialect=replace(PLAIN, reset="subtract"), v_reset=0.25),
        ("v_reset = 0.25", "v_reset = 0", "v_leak and v_threshold"),
    ),
    "a negative r": (lambda n: changed(n, r=-2.0), ("more than 0", "sign into the weights")),
    "a tiny r": (lambda n: changed(n, r=1e-45), ("weight units, single precision holds 3.4", "nearer to 1")),
    "a delay": (lambda n: part(n, delay=4), ("late by 4 steps", "by 1;", "take the delay out")),
    "a convolved current": (lambda n: part(n, "CubaLIF", conv()), ("is a CubaLIF behind", "IF and LIF", "as a Linear")),
    "dilation": (lambda n: part(n, operator=conv(dilation=(2, 2))), ("dilation of (2, 2)", "(1, 1)", "zeros")),
    "groups": (lambda n: part(n, operator=conv(groups=2)), ("2 groups", "convolution 1;", "one group")),
    "one direction": (line, ("along one direction", "along two", "as a Linear")),
    "unlike strides": (lambda n: part(n, operator=conv(stride=(1, 2))), ("strides of (1, 2)", "make them equal")),
    "oblong pools": (
        lambda n: part(n, operator=conv(), pool=Pool((2, 8, 4), (2, 1), (2, 1))),
        ("windows of (2, 1)", "square"),
    ),
    "pools that overlap": (
        lambda n: part(n, operator=conv(), pool=Pool((2, 5, 5), (2, 2), (1, 1))),
        ("windows of (2, 2) every (1, 1)", "make the stride the kernel"),
    ),
    "padded pools": (
        lambda n: part(n, operator=conv(), pool=Pool((2, 6, 6), (2, 2), (2, 2), ((1, 1), (1, 1)))),
        ("pads its pooling by ((1, 1), (1, 1))", "by 0", "pad the convolution"),
    ),
    "both kinds": (both_kinds, ("1 convolution(s) and 1 list(s)", "one kind", "a population between")),
    "unlike ways": (two_ways, ("2 step(s) late", "and 1 from", "equally long")),
    "a huge list": (huge, ("16384 x 16384 synapses", "134217728 at most", "smaller layers")),
}
