"""Graphs for Speck: legal ones at random, with what the chip takes only by way of zeros in its kernels; and ways to
break each limit alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from nirdeploy import pipeline
from nirdeploy.backends.speck.geometry import image_of, square
from nirdeploy.backends.speck.rounding import Rounding
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import assembled
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.dialect import PRESETS, Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator, Pool
from nirdeploy.sim import integer
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets

TARGET = targets.load("speck2f")
BACKEND = registry.backend_of(TARGET)
PLAIN = PRESETS["sinabs"]


def built(graph: CheckedGraph, target: Any = TARGET) -> pipeline.Build:
    """What the pipeline builds of a graph that is checked already."""
    return pipeline.build(graph, target)


def problems(graph: CheckedGraph, target: Any = TARGET) -> list[str]:
    """What keeps a graph from the chip."""
    return list(map(str, BACKEND.fit(graph, target).problems))


def integers(graph: CheckedGraph, target: Any = TARGET) -> IntegerNetwork:
    """A graph's integers, whether or not the chip has room for them."""
    rounded = (Rounding(graph, p, target.formats).result() for p in graph.populations if p.model != "Input")
    return assembled(graph, target.name, target.formats.of_network(), rounded, dynamics=target.backend)


def stimulus(graph: CheckedGraph, steps: int, seed: int, most: int = 2) -> np.ndarray:
    """Counts (T, 1, *shape) of the one input."""
    rng = np.random.default_rng(seed)
    shape = (steps, 1, *graph.population(graph.inputs[0]).shape)
    return np.asarray((rng.random(shape) < 0.5) * rng.integers(most // 2, most + 1, shape))


def simulated(build: pipeline.Build, x: Any) -> SpikeRecord:
    names = [p.name for p in build.network.populations]
    return integer.simulate(build.network, x, membrane=names)


def configuration_of(build: pipeline.Build) -> dict[str, Any]:
    """The rendered file."""
    found: dict[str, Any] = json.loads(build.artifacts["configuration.json"])
    return found


def given(name: str, shape: tuple[int, ...]) -> Population:
    return Population(name, "Input", shape, {}, np.zeros(shape))


def neurons(name: str, shape: tuple[int, ...], threshold: Any = 1.0, r: Any = 1.0, bias: Any = 0.0) -> Population:
    """IF neurons; what is given per feature stands for all of its neurons."""

    def whole(values: Any) -> np.ndarray:
        values = np.asarray(values, dtype=np.float64)
        return np.broadcast_to(values.reshape(-1, *[1] * (len(shape) - 1)) if values.ndim else values, shape).copy()

    params = {"r": whole(r), "v_threshold": whole(threshold), "v_reset": np.zeros(shape)}
    return Population(name, "IF", shape, params, whole(bias))


def graph(
    populations: list[Population],
    projections: list[Projection],
    dialect: Dialect = PLAIN,
    outputs: dict[str, str] | None = None,
) -> CheckedGraph:
    inputs = tuple(p.name for p in populations if p.model == "Input")
    outputs = outputs or {"output": populations[-1].name}
    return CheckedGraph(tuple(populations), tuple(projections), inputs, outputs, dialect, "argument")


def in_front(pool: Pool | None, operator: Operator) -> tuple[int, ...]:
    """The shape of the source of a projection."""
    if pool is not None:
        return pool.shape
    return operator.shape if isinstance(operator, Convolution) else (operator.inputs,)


@st.composite
def graphs(draw: st.DrawFn) -> CheckedGraph:
    """Small images, so that a scalar evaluation of them is quick."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([(2, 5, 5), (1, 4, 6), (3, 7), (6,)]))
    populations = [given("in", shape)]
    projections: list[Projection] = []
    dialect = replace(
        PLAIN,
        dt=0.5,
        gain=draw(st.sampled_from(["one", "equation"])),
        reset=draw(st.sampled_from(["subtract", "zero"])),
        v_min=draw(st.sampled_from(["none", "-threshold"])),
    )
    for layer in range(draw(st.integers(1, 4))):
        free = [p for p in populations if sum(q.source == p.name for q in projections) < 2 or p.model == "Input"]
        source = free[-1] if draw(st.booleans()) else draw(st.sampled_from(free))
        operator, pool = _way(draw, rng, source)
        out: tuple[int, ...]
        name, out = f"p{layer}", operator.out_shape if isinstance(operator, Convolution) else (operator.outputs,)
        if isinstance(operator, Elementwise):
            out = source.shape if pool is None else pool.out_shape
        ways = [Projection(source.name, name, operator, pool=pool)]
        if isinstance(operator, Convolution) and source.model == "Input" and draw(st.booleans()):
            own = operator if draw(st.booleans()) else replace(operator, weight=_weights(rng, operator.weight.shape))
            ways.append(Projection(source.name, name, own, pool=pool))
        features = out[0]
        threshold = draw(st.sampled_from([1.0, 0.05, 100.0, rng.uniform(0.5, 2.0, features)]))
        r = draw(st.sampled_from([1.0, rng.choice([-1.0, 1.0], features) * rng.uniform(0.5, 2.0, features)]))
        bias = draw(st.sampled_from([0.0, rng.normal(0, 0.2, features), np.full(features, -0.4)]))
        populations.append(neurons(name, out, threshold, r, bias))
        projections += ways
    return graph(populations, projections, dialect)


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Some of them zero, but not all."""
    weights = rng.normal(0.5, 1.5, shape) * (rng.random(shape) < 0.8)
    weights.flat[0] = 1.0
    return np.asarray(weights / np.sqrt(math.prod(shape[1:])))


def _way(draw: st.DrawFn, rng: np.random.Generator, source: Population) -> tuple[Operator, Pool | None]:
    image = image_of(source.shape)
    assert image is not None
    pool = None
    window = draw(st.sampled_from([1, 1, 2]))
    if window > 1 and min(image[1:]) >= window:
        pool = Pool(image, (window, window), (window, window))
        image = pool.out_shape
    kind = draw(st.sampled_from(["conv", "conv", "dense", "factor"]))
    if kind == "factor":
        return Elementwise(np.repeat(rng.uniform(0.2, 1.2, image[0]), math.prod(image[1:]))), pool
    if kind == "dense":
        return Dense(_weights(rng, (draw(st.integers(1, 5)), math.prod(image)))), pool
    out = draw(st.integers(1, 3))
    groups = image[0] if draw(st.booleans()) else 1
    kernel = [draw(st.integers(1, min(size, 3))) for size in image[1:]]
    made = Convolution(
        _weights(rng, (out * groups, image[0] // groups, *kernel)),
        image,
        stride=(draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 2, 3]))),
        padding=tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in image[1:]),  # type: ignore[arg-type]
        dilation=(draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 2]))),
        groups=groups,
    )
    if min(made.out_shape) < 1 or square([made], TARGET.hardware) is None:
        made = Convolution(_weights(rng, (out, image[0], 1, 1)), image)
    return made, pool
