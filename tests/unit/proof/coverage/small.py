"""Six small networks, one of each kind of connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum, Pool

KINDS = ("dense", "convolutional", "recurrent", "pooled", "read-out", "delayed")
FORMATS = Formats(6, 18, 14, 8)
_DIALECT = Dialect(dt=1e-3, reset="subtract")


def network(kind: str) -> IntegerNetwork:
    """One of :data:`KINDS`, in integers."""
    rng = np.random.default_rng(KINDS.index(kind))
    projections, populations = _MADE[kind](rng)
    names = [p.name for p in populations]
    outputs = {"output": names[-1]}
    graph = CheckedGraph(tuple(populations), tuple(projections), ("in0",), outputs, _DIALECT, "argument")
    return quantize(graph, FORMATS)


Made = tuple[Sequence[Projection], Sequence[Population]]


def _population(name: str, shape: tuple[int, ...], rng: np.random.Generator, model: str = "LIF") -> Population:
    tau = _DIALECT.dt * rng.uniform(2, 12, shape)
    params: dict[str, Any] = {"r": tau / _DIALECT.dt, "v_leak": np.zeros(shape)}
    params |= {"tau_mem" if model.startswith("Cuba") else "tau": tau}
    if model.startswith("Cuba"):
        params |= {"tau_syn": np.full(shape, 3 * _DIALECT.dt), "w_in": np.full(shape, 1.0)}
    if not model.endswith("LI"):
        params |= {"v_threshold": np.full(shape, 1.0), "v_reset": rng.normal(0, 0.05, shape)}
    return Population(name, model, shape, params, rng.normal(0, 0.03, shape))


def _input(*shape: int) -> Population:
    return Population("in0", "Input", shape, {}, np.zeros(shape))


def _weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(0.25, 0.5, shape) / np.sqrt(np.prod(shape[1:])) * 1.5


def _dense(rng: np.random.Generator) -> Made:
    first = Projection("in0", "p0", Dense(_weights(rng, 6, 8)))
    second = Projection("p0", "p1", Dense(_weights(rng, 3, 6)))
    return [first, second], [_input(8), _population("p0", (6,), rng), _population("p1", (3,), rng)]


def _convolutional(rng: np.random.Generator) -> Made:
    way = Convolution(_weights(rng, 2, 1, 3, 3), (1, 6, 6), padding=((1, 1), (1, 1)), stride=(2, 2))
    second = Projection("p0", "p1", Dense(_weights(rng, 3, 18)))
    populations = [_input(1, 6, 6), _population("p0", (2, 3, 3), rng), _population("p1", (3,), rng)]
    return [Projection("in0", "p0", way), second], populations


def _recurrent(rng: np.random.Generator) -> Made:
    first, back = Projection("in0", "p0", Dense(_weights(rng, 5, 6))), Dense(_weights(rng, 5, 5))
    return [first, Projection("p0", "p0", back, delay=1)], [_input(6), _population("p0", (5,), rng)]


def _pooled(rng: np.random.Generator) -> Made:
    pool, most = Pool((1, 6, 6), (2, 2), (2, 2)), Maximum((2, 3, 3), (2, 2), (1, 1))
    way = Convolution(_weights(rng, 2, 1, 3, 3), (1, 3, 3), padding=((1, 1), (1, 1)))
    populations = [_input(1, 6, 6), _population("p0", (2, 2, 2), rng)]
    return [Projection("in0", "p0", way, (), pool, 0, most)], populations


def _read_out(rng: np.random.Generator) -> Made:
    first, second = (
        Projection("in0", "p0", Dense(_weights(rng, 5, 6))),
        Projection("p0", "p1", Dense(_weights(rng, 3, 5))),
    )
    return [first, second], [_input(6), _population("p0", (5,), rng), _population("p1", (3,), rng, "LI")]


def _delayed(rng: np.random.Generator) -> Made:
    first = Projection("in0", "p0", Dense(_weights(rng, 5, 6)), delay=2)
    second = Projection("p0", "p1", Dense(_weights(rng, 3, 5)), delay=1)
    return [first, second], [_input(6), _population("p0", (5,), rng), _population("p1", (3,), rng, "CubaLIF")]


_MADE = dict(zip(KINDS, (_dense, _convolutional, _recurrent, _pooled, _read_out, _delayed), strict=True))
