"""Parts of networks for Speck that break one limit each, and such as just fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.graph.parts import Population, Projection
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator, Pool
from tests.chips import speck_graphs as graphs
from tests.chips.speck_graphs import PLAIN, neurons

Part = tuple[list[Population], list[Projection]]


def ones(*shape: int, size: tuple[int, int, int] | None = None, **fields: Any) -> Convolution:
    """Kernels of ones over an image that is as large as they are, or of ``size``."""
    return Convolution(np.ones(shape), size or (shape[1], shape[2], shape[3]), **fields)


def part(
    name: str,
    operator: Operator | None = None,
    *,
    pool: Pool | None = None,
    source: tuple[int, ...] | None = None,
    shape: tuple[int, ...] | None = None,
    delay: int = 0,
    **fields: Any,
) -> Part:
    """An input of its own and one population, which break nothing as they are; ``fields``: of the population."""
    operator = operator if operator is not None else Dense(np.ones((3, 4)))
    shape = shape or (operator.out_shape if isinstance(operator, Convolution) else (operator.outputs,))
    dialect, late = fields.pop("dialect", None), fields.pop("late_bias", {})
    made = replace(neurons(name, shape, **fields), dialect=dialect, late_bias=late)
    source = source or graphs.in_front(pool, operator)
    return [graphs.given(f"in_{name}", source), made], [Projection(f"in_{name}", name, operator, (), pool, delay)]


def other_model(model: str, **params: float) -> Callable[[str], Part]:
    def make(name: str) -> Part:
        populations, projections = part(name)
        arrays = {key: np.full(3, value) for key, value in params.items()}
        return [populations[0], Population(name, model, (3,), arrays, np.zeros(3))], projections

    return make


def told(**fields: Any) -> Callable[[str], Part]:
    """A dialect of its own."""
    return lambda name: part(name, dialect=replace(PLAIN, **fields))


def fallen(name: str) -> Part:
    populations, projections = part(name)
    params = {**populations[1].params, "v_reset": np.full(3, -0.5)}
    return [populations[0], replace(populations[1], params=params)], projections


def uneven(key: str) -> Callable[[str], Part]:
    values = np.linspace(0.5, 1.0, 4).reshape(1, 2, 2)

    def make(name: str) -> Part:
        (source, made), projections = part(name, ones(1, 1, 1, 1, size=(1, 2, 2)))
        if key == "bias":
            return [source, replace(made, bias=values)], projections
        return [source, replace(made, params={**made.params, key: values})], projections

    return make


def twice(second: Convolution | Dense, shape: tuple[int, ...]) -> Callable[[str], Part]:
    """A convolution and something that does not go with it."""

    def make(name: str) -> Part:
        populations, projections = part(name, ones(2, 1, 1, 1, size=(1, 4, 4)))
        more = Projection(f"more_{name}", name, second)
        return [graphs.given(more.source, shape), *populations], [*projections, more]

    return make


def recurrent(name: str) -> Part:
    populations, projections = part(name)
    return populations, [*projections, Projection(name, name, Dense(np.ones((3, 3))), delay=1)]


def three_ways(name: str) -> Part:
    populations, projections = part(name)
    for index in range(3):
        populations.append(neurons(f"{name}_{index}", (1,)))
        projections.append(Projection(name, f"{name}_{index}", Dense(np.ones((1, 3)))))
    return populations, projections


#: A part that breaks one limit, and what its message says.
BROKEN: dict[str, tuple[Callable[[str], Part], tuple[str, ...]]] = {
    "a leak": (other_model("LIF", tau=1.0, r=1.0, v_leak=0.0, v_threshold=1.0, v_reset=0.0), ("is a LIF", "IF")),
    "a synapse": (
        other_model("CubaLIF", tau_syn=1.0, tau_mem=1.0, r=1.0, v_leak=0.0, v_threshold=1.0, v_reset=0.0, w_in=1.0),
        ("is a CubaLIF", "synaptic current"),
    ),
    "a read-out": (other_model("I", r=1.0), ("is a I,",)),
    "a plain threshold": (other_model("Threshold", threshold=1.0), ("is a Threshold",)),
    "one spike a step": (told(spikes="binary"), ("train with spikes=multi",)),
    "a limit of spikes": (told(max_spikes=3), ("train with max_spikes=0",)),
    "above threshold only": (told(threshold=">"), ("train with threshold=>=",)),
    "no reset": (told(reset="none"), ("train with reset=subtract or reset=zero",)),
    "a late reset": (told(reset_delay=True), ("train with reset_delay=false",)),
    "a guarded reset": (told(reset_guard=True), ("train with reset_guard=false",)),
    "late spikes": (told(spike_delay=True), ("train with spike_delay=false",)),
    "a reset to elsewhere": (fallen, ("v_reset = 0.5", "fall to 0")),
    "a late bias": (lambda n: part(n, late_bias={2: np.full(3, 0.1)}), ("begins in step 2",)),
    "thresholds within a feature": (uneven("v_threshold"), ("a v_threshold that differs within a feature", "2x2")),
    "gains within a feature": (
        lambda n: _with_dialect(uneven("r")(n), replace(PLAIN, gain="equation")),
        ("a r that differs within a feature",),
    ),
    "biases within a feature": (uneven("bias"), ("a bias that differs within a feature",)),
    "weights too small": (
        lambda n: part(n, Dense(np.full((3, 4), 1e-6))),
        ("weights up to 1e-06 thresholds", "8-bit weights", "16-bit threshold"),
    ),
    "a threshold too small": (lambda n: part(n, threshold=1e-4), ("weights up to 1e+04 thresholds",)),
    "a bias too large": (
        lambda n: part(n, Dense(np.full((3, 4), 0.01)), bias=9.0),
        ("biases up to 9,", "8-bit biases"),
    ),
    "a large kernel": (lambda n: part(n, ones(1, 1, 17, 17)), ("kernel of 17x17", "16x16 at most")),
    "a dilated kernel": (lambda n: part(n, ones(1, 1, 9, 9, size=(1, 20, 20), dilation=(2, 2))), ("kernel of 17x17",)),
    "a stride": (
        lambda n: part(n, ones(1, 1, 2, 2, size=(1, 9, 9), stride=(3, 1))),
        ("stride of 3x1", "1, 2, 4, 8 in either direction"),
    ),
    "a padding": (
        lambda n: part(n, ones(1, 1, 2, 2, size=(1, 4, 4), padding=((8, 8), (0, 0)))),
        ("padding of 8x0", "0 to 7"),
    ),
    "a long kernel": (
        lambda n: part(n, ones(1, 1, 16, 3, size=(1, 20, 20))),
        ("kernel of 16x3", "square", "padded by 0 to 7"),
    ),
    "a large Linear": (lambda n: part(n, Dense(np.ones((2, 20 * 17))), source=(1, 20, 17)), ("kernel of 20x17",)),
    "a window": (
        lambda n: part(n, ones(2, 1, 1, 1, size=(1, 3, 3)), pool=Pool((1, 9, 9), (3, 3), (3, 3))),
        ("windows 3x3", "1x1, 2x2, 4x4"),
    ),
    "windows that overlap": (
        lambda n: part(n, ones(2, 1, 1, 1, size=(1, 3, 3)), pool=Pool((1, 4, 4), (2, 2), (1, 1))),
        ("windows 2x2", "stride 1x1"),
    ),
    "a padded window": (
        lambda n: part(n, ones(2, 1, 1, 1, size=(1, 3, 3)), pool=Pool((1, 4, 4), (2, 2), (2, 2), ((1, 1), (1, 1)))),
        ("windows 2x2", "padding 1x1"),
    ),
    "a long window": (
        lambda n: part(n, ones(2, 1, 1, 1, size=(1, 2, 1)), pool=Pool((1, 4, 4), (2, 4), (2, 4))),
        ("windows 2x4",),
    ),
    "a large image": (
        lambda n: part(n, ones(1, 1, 1, 1, size=(1, 129, 12), stride=(4, 1))),
        ("takes an image of 129x12", "128x128"),
    ),
    "a large output": (
        lambda n: part(n, ones(1, 1, 1, 1, size=(1, 12, 65))),
        ("computes an image of 12x65", "64x64"),
    ),
    "many features in": (lambda n: part(n, ones(2, 1025, 1, 1)), ("takes 1025 features", "1024")),
    "many features out": (lambda n: part(n, ones(1025, 1, 1, 1)), ("computes 1025 features", "1024")),
    "four dimensions": (
        lambda n: part(n, Dense(np.ones((2, 16))), source=(2, 2, 2, 2)),
        ("input of 4 dimensions", "3 at most"),
    ),
    "factors within a feature": (
        lambda n: part(n, Elementwise(np.arange(1.0, 5.0)), source=(1, 2, 2), shape=(1, 2, 2)),
        ("no convolution computes (Elementwise)",),
    ),
    "two shapes": (twice(Dense(np.ones((32, 5))), (5,)), ("(2, 4, 4)", "(32, 1, 1)", "make them alike")),
    "two sizes": (twice(ones(2, 1, 2, 2, size=(1, 5, 5)), (1, 5, 5)), ("takes images of 4x4, 5x5",)),
    "a delay": (lambda n: part(n, delay=2), ("2 step(s) late", "remove the delay")),
    "a recurrence": (recurrent, ("is recurrent and 1 step(s) late", "unroll the loop")),
    "three destinations": (three_ways, ("sends to 3 destinations", "a core to 2")),
    "kernel memory": (
        lambda n: part(n, Dense(np.ones((2, 784 * 64))), source=(784, 8, 8)),
        ("100,352 words of kernel memory", "65,536 at most"),
    ),
    "neuron memory": (
        lambda n: part(n, ones(17, 1, 1, 1, size=(1, 64, 64))),
        ("69,632 words of neuron memory", "65,536 at most"),
    ),
    "both memories": (
        lambda n: part(n, ones(64, 64, 3, 3, size=(64, 34, 18))),
        ("65,536 of kernel and 32,768 of neuron", "no core has that"),
    ),
}


def _with_dialect(made: Part, dialect: Any) -> Part:
    populations, projections = made
    return [populations[0], replace(populations[1], dialect=dialect)], projections


#: Parts at the limits.
LEGAL: dict[str, Part] = {
    "a kernel of 16": part("n", ones(1, 1, 16, 16)),
    "a stride of 8": part("n", ones(1, 1, 1, 1, size=(1, 9, 17), stride=(2, 8))),
    "a padding of 7": part("n", ones(1, 1, 2, 2, size=(1, 4, 4), padding=((7, 7), (1, 1)))),
    "a window of 4": part("n", ones(2, 1, 1, 1, size=(1, 2, 2)), pool=Pool((1, 9, 9), (4, 4), (4, 4))),
    "an image of 128": part("n", ones(1, 1, 1, 1, size=(1, 128, 128), stride=(2, 2))),
    "1,024 features": part("n", ones(1024, 16, 1, 1)),
    "64 Ki of kernel": part("n", ones(64, 64, 3, 3, size=(64, 18, 18))),
    "64 Ki of neurons": part("n", ones(16, 1, 1, 1, size=(1, 64, 64))),
    "a flat kernel": part("n", ones(2, 1, 1, 5, size=(1, 1, 9))),
    "a kernel of 3x5": part("n", ones(2, 1, 3, 5, size=(1, 9, 9))),
    "one-sided padding": part("n", ones(2, 1, 2, 2, size=(1, 6, 6), padding=((0, 1), (0, 1)))),
    "any stride over one place": part("n", ones(2, 1, 3, 3, stride=(3, 3))),
    "weights and membranes without bound": part("n", Dense(np.full((3, 4), 0.25))),
}
