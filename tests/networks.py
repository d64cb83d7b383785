"""Random networks for tests: checked graphs of any legal structure, and stimuli for them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import nir
import numpy as np
from hypothesis import strategies as st

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.semantics import dialect as dialect_module
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum, Pool


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


def _beyond(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a dialect whose neurons do more than spike and reset at once."""
    several = draw(st.sampled_from([True, False, False]))
    return {
        "spikes": "multi" if several else "binary",
        "max_spikes": draw(st.sampled_from([0, 1, 3, 10])),
        "reset_delay": draw(st.booleans()) and not several,
        "late_reset": draw(st.sampled_from(["after", "before", "leaky_before", "cuba_before"])),
        "reset_guard": draw(st.booleans()) and not several,
        "synapse_order": draw(st.sampled_from(["new", "old"])),
        "spike_delay": draw(st.booleans()),
        "connection_delay": draw(st.booleans()),
        "v_min": draw(st.sampled_from(["none", "-threshold"])),
    }


@st.composite
def graphs(
    draw: st.DrawFn, max_size: int = 90, max_layers: int = 4, plain: bool = False, beyond: bool = False
) -> CheckedGraph:
    """What the reference target takes: skip and recurrent connections, one or two inputs.

    ``plain``: feed-forward, no synaptic currents, membranes start from 0. ``beyond``: any dialect, late biases.
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
        **(_beyond(draw) if beyond else {}),
    )
    hop = int(dialect.connection_delay)
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
            projections.append(Projection(source.name, name, Dense(weight), delay=hop))
        params = _parameters(model, size, dialect, rng)
        begins = {1: rng.normal(0, 0.2, size)} if beyond and draw(st.booleans()) else {}
        populations.append(Population(name, model, (size,), params, rng.normal(0, 0.05, size), begins))
    spiking = [p for p in populations if p.model in ("LIF", "IF", "CubaLIF")]
    pairs = st.tuples(st.sampled_from(spiking), st.sampled_from(spiking)) if spiking else st.nothing()
    for ends in draw(st.lists(pairs, max_size=2 if spiking and not plain else 0)):
        early, late = sorted(ends, key=lambda p: p.name)
        spread = draw(st.sampled_from([0.3, 1.0])) / np.sqrt(late.size)
        back = Dense(rng.normal(0, spread, (early.size, late.size)))
        if all((p.source, p.target) != (late.name, early.name) for p in projections):
            delay = hop + (0 if dialect.spike_delay else 1)
            projections.append(Projection(late.name, early.name, back, delay=delay))
    return CheckedGraph(
        tuple(populations), tuple(projections), tuple(inputs), {"output": populations[-1].name}, dialect, "argument"
    )


@st.composite
def grids(draw: st.DrawFn, most: int = 260, beyond: bool = False) -> CheckedGraph:
    """Convolutions, pooling, maxima, matrices behind either, delays, recurrence, numbers for input: what keeps its
    grid. ``beyond``: in any dialect."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dialect = Dialect(dt=1e-3, reset=draw(st.sampled_from(["zero", "subtract"])), **(_beyond(draw) if beyond else {}))
    hop = int(dialect.connection_delay)
    shape: tuple[int, ...] = (draw(st.integers(1, 5)), draw(st.sampled_from([1, 5, 8])), draw(st.integers(4, 11)))
    populations = [Population("in0", "Input", shape, {}, np.zeros(shape))]
    projections: list[Projection] = []
    for layer in range(draw(st.integers(1, 3))):
        name, source = f"p{layer}", populations[-1]
        grid = len(source.shape) == 3
        operator, pool = draw(_passages(source.shape, rng)) if grid else (Dense(_weights(rng, 9, source)), None)
        shape = operator.out_shape if isinstance(operator, Convolution) else (operator.outputs,)
        if isinstance(operator, Elementwise):
            shape = source.shape if pool is None else pool.out_shape
        maximum = draw(_maxima(shape)) if draw(st.integers(0, 3)) == 0 else None
        if maximum is not None:
            shape = maximum.out_shape
        size = int(np.prod(shape))
        if not 1 <= size <= most:
            continue
        model = draw(st.sampled_from(["LIF", "IF", "CubaLIF"]))
        same = draw(st.booleans())  # one set of parameters for all, as a trained network mostly has
        drawn = _parameters(model, size, dialect, rng).items()
        params = {k: np.full(shape, v[0]) if same else v.reshape(shape) for k, v in drawn}
        late = hop + draw(st.sampled_from([0, 0, 0, 1, 3]))
        projections.append(Projection(source.name, name, operator, (), pool, late, maximum))
        if len(populations) > 1 and len(populations[-2].shape) == 3 and draw(st.booleans()):
            early = populations[-2]
            weight = _weights(rng, size, early)
            if early.name != source.name:
                pairs = Maximum((size, 1, 2), (1, 2), (1, 2)) if draw(st.booleans()) else None
                wide = weight if pairs is None else _weights(rng, 2 * size, early)
                projections.append(Projection(early.name, name, Dense(wide), (), None, hop, pairs))
        populations.append(Population(name, model, shape, params, np.full(shape, rng.normal(0, 0.05))))
        if draw(st.booleans()) and size < 80:
            delay = hop + (0 if dialect.spike_delay else 1)
            projections.append(Projection(name, name, Dense(_weights(rng, size, populations[-1])), delay=delay))
    if len(populations) == 1:
        projections.append(Projection("in0", "p0", Dense(_weights(rng, 7, populations[0])), delay=hop))
        populations.append(Population("p0", "LIF", (7,), _parameters("LIF", 7, dialect, rng), np.zeros(7)))
    bits = draw(st.sampled_from([1, 1, 1, 2, 5, 8]))
    if any(p.delay > 1 and p.source == "in0" for p in projections):
        bits = 1
    return CheckedGraph(
        *(tuple(populations), tuple(projections), ("in0",), {"output": populations[-1].name}, dialect, "argument"),
        input_bits=bits,
    )


#: Of two bits and more, zero points near an end and in the middle.
ENCODINGS = st.builds(InputEncoding.of_range, st.integers(2, 8), st.floats(-4, -0.1), st.floats(0.1, 4)) | st.builds(
    InputEncoding, st.integers(2, 8), st.floats(0.01, 1.0), st.integers(0, 3)
)


@st.composite
def encoded(draw: st.DrawFn, most: int = 260) -> CheckedGraph:
    """Such networks with numbers of a range for inputs; at most a step late."""
    size = min(most, 60)
    graph = draw(grids(most) | graphs(max_size=size, max_layers=3) | graphs(max_size=size, max_layers=3, beyond=True))
    late = {p.source for p in graph.projections if p.delay > 1}
    return replace(graph, encodings={name: draw(ENCODINGS) for name in graph.inputs if name not in late})


@st.composite
def few_bits(draw: st.DrawFn, graph: st.SearchStrategy[CheckedGraph]) -> CheckedGraph:
    """Those with weights of 2, 4 or 8 bits, population by population."""
    made = draw(graph)
    bits = {p.name: draw(st.sampled_from([2, 4, 8])) for p in made.populations if p.model != "Input"}
    return replace(made, populations=tuple(replace(p, weight_bits=bits.get(p.name)) for p in made.populations))


def _weights(rng: np.random.Generator, size: int, source: Population) -> np.ndarray:
    return rng.normal(0.2, 1.0, (size, source.size)) / np.sqrt(source.size)


@st.composite
def _passages(draw: st.DrawFn, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """An operator for a source of that grid, perhaps behind a pool."""
    channels, height, width = shape
    pool = None
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    if draw(st.integers(0, 2)) == 0:
        high, wide = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
        pool = Pool((channels, height, width), draw(pair), draw(pair), ((high, high), (wide, wide)))
        height, width = pool.out_shape[1:]
    kind = draw(st.sampled_from(["conv", "conv", "conv", "dense", "elementwise"]))
    if height < 1 or width < 1:
        pool, (channels, height, width) = None, shape
    if kind == "elementwise":
        factors = rng.normal(0.6, 0.3, (channels, height * width))
        if draw(st.booleans()):  # a pool alone, as a spiking max pool has it, or one factor for each channel
            factors = np.repeat(factors[:, :1], height * width, axis=1)
        return Elementwise(factors.ravel()), pool
    if kind != "conv":
        inputs = channels * height * width
        return Dense(rng.normal(0.2, 1, (draw(st.integers(1, 20)), inputs)) / np.sqrt(inputs)), pool
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    kernel = draw(pair)
    weight = rng.normal(0.2, 1, (groups * draw(st.integers(1, 4)), channels // groups, *kernel))
    pads = st.tuples(st.integers(0, 2), st.integers(0, 2))
    padding = draw(pads), draw(pads)
    operator = Convolution(
        weight / np.sqrt(weight[0].size), (channels, height, width), draw(pair), padding, draw(pair), groups
    )
    if min(operator.out_shape) > 0:
        return operator, pool
    return Dense(rng.normal(0.2, 1, (3, channels * height * width))), pool


@st.composite
def _maxima(draw: st.DrawFn, shape: tuple[int, ...]) -> Maximum | None:
    """Over windows that no padding fills: of an image, or of values in a row."""
    grid = shape if len(shape) == 3 else (1, 1, shape[0])
    kernel, stride = draw(pair := st.tuples(st.integers(1, 3), st.integers(1, 3))), draw(pair)
    # As in torch: no more than half a window, and behind the image what a last window needs beyond it.
    high, wide = (draw(st.integers(0, k // 2)) for k in kernel)
    lower, right = (p + draw(st.integers(0, min(p, k - 1 - p))) for p, k in zip((high, wide), kernel, strict=True))
    found = Maximum(grid, kernel, stride, ((high, lower), (wide, right)))
    return found if min(found.out_shape) > 0 else None


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
    """Random spikes (T, B, size) at a random rate, for each input; numbers where it holds some, zero elsewhere."""
    rng = np.random.default_rng(seed)
    rate = rng.choice([0.0, 0.05, 0.3, 0.9])
    shapes = {n: (steps, batch, *graph.population(n).shape) for n in graph.inputs}
    x = {n: (rng.random(shape) < rate).astype(np.uint8) for n, shape in shapes.items()}
    if graph.input_bits > 1:
        x = {n: values * rng.integers(0, 2**graph.input_bits, values.shape).astype(np.uint8) for n, values in x.items()}
    for name, held in graph.encodings.items():
        x[name] = (x[name] > 0) * held.numbers(rng.integers(0, held.top + 1, x[name].shape))
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


def looped(graph: nir.NIRGraph, layer: str = "lif1") -> nir.NIRGraph:
    """The same with the spikes of a layer led back to it: it cannot be cut into passes."""
    size = graph.nodes[layer].v_threshold.size
    weight = np.random.default_rng(1).normal(0, 1, (size, size)) / np.sqrt(size)
    return nir.NIRGraph(
        nodes={**graph.nodes, f"back_to_{layer}": nir.Linear(weight)},
        edges=[*graph.edges, (layer, f"back_to_{layer}"), (f"back_to_{layer}", layer)],
        metadata=graph.metadata,
        type_check=False,
    )


def spikes(seed: int, shape: tuple[int, ...], rate: float = 0.3) -> np.ndarray:
    """Random 0 and 1, uint8."""
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.uint8)
