"""A network as layers of the chip: a population and all that arrives at it are one core's convolution.

Several projections into a population share its core: events of a source may be shifted to other features
(``feature_shift``), so kernels that differ stand side by side as one kernel over all the features, and projections
that are alike share theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nirdeploy.backends.speck.geometry import (
    Image,
    Square,
    as_convolution,
    axes_of,
    image_of,
    kernel_of,
    on_the_chip,
    square,
)
from nirdeploy.backends.speck.schema import READOUT_SPREAD, Hardware
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.semantics.operators import Convolution, Operator, Pool
from nirdeploy.targets.fit import Problem


class Way(Protocol):
    """A projection, of currents or of integers."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def operator(self) -> Operator: ...
    @property
    def pool(self) -> Pool | None: ...


@dataclass(frozen=True)
class Arrival:
    """A projection at its core: the source's events, pooled, become features from ``first`` on."""

    source: str
    pooling: int
    first: int


@dataclass(frozen=True, eq=False)
class Layer:
    """A population with one core's convolution in front.

    ``seen`` and ``out``: (features, height, width) that the core takes, all sources together, and computes.
    ``convolutions``: of the projections in the order of ``arrivals``. ``spread``: its features are so far apart
    (between them the core has features without weights).
    """

    name: str
    arrivals: tuple[Arrival, ...]
    convolutions: tuple[Convolution, ...]
    found: Square
    seen: Image
    out: Image
    spread: int = 1

    @property
    def features(self) -> int:
        """Features of the core, those in between included."""
        return self.spread * (self.out[0] - 1) + 1

    def kernel(self) -> np.ndarray:
        """The core's weights: (features, features seen, kernel, kernel)."""
        size = self.found.kernel
        kernel = np.zeros((self.features, self.seen[0], size, size), dtype=self.convolutions[0].weight.dtype)
        for index, (arrival, convolution) in enumerate(zip(self.arrivals, self.convolutions, strict=True)):
            own = slice(arrival.first, arrival.first + convolution.shape[0])
            kernel[:: self.spread, own] = kernel_of(convolution, self.found, index)
        return kernel

    def convolution(self) -> Convolution:
        """The core's convolution."""
        return on_the_chip(self.kernel(), self.seen, self.found)

    def synapses(self) -> int:
        """Neurons that one event of each neuron of every source reaches, all told; zeros in the kernel count."""
        size, (_, height, width) = self.found.kernel, self.seen
        one = on_the_chip(np.ones((1, 1, size, size)), (1, height, width), self.found)
        pairs = int(one.apply(np.ones(one.inputs)).sum())
        events = sum(
            arrival.pooling**2 * convolution.shape[0]
            for arrival, convolution in zip(self.arrivals, self.convolutions, strict=True)
        )
        return pairs * events * self.out[0]

    def memory(self, biased: bool) -> dict[str, int]:
        """Words of the core's memories; an address is put together from bits, so sizes count as powers of two."""
        taps = math.ceil(math.log2(self.found.kernel**2)) + math.ceil(math.log2(self.features))
        places = sum(math.ceil(math.log2(size)) for size in self.out[1:])
        return {
            "kernel": self.seen[0] << taps,
            "neuron": self.features << places,
            "bias": self.features if biased else 0,
        }


@dataclass(frozen=True)
class Layers:
    """The layers that the chip can compute, by name, and what is wrong with the others."""

    layers: Mapping[str, Layer]
    problems: tuple[Problem, ...]
    images: Mapping[str, Image]

    def out_of(self, name: str) -> list[tuple[str, Arrival]]:
        """Where a source's events go."""
        return [
            (layer.name, arrival)
            for layer in self.layers.values()
            for arrival in layer.arrivals
            if arrival.source == name
        ]


def of_graph(graph: CheckedGraph, hardware: Hardware) -> Layers:
    """The layers of a graph."""
    populations = {p.name: p.shape for p in graph.populations if p.model != "Input"}
    inputs = {name: graph.population(name).shape for name in graph.inputs}
    return _layers(inputs, populations, graph.projections, graph.outputs.values(), hardware)


def of_network(network: IntegerNetwork, hardware: Hardware) -> Layers:
    """The layers of an integer network: kernels that rounding made alike are one."""
    populations = {population.name: population.shape for population in network.populations}
    return _layers(dict(network.inputs), populations, network.projections, network.outputs.values(), hardware)


def _layers(
    inputs: Mapping[str, tuple[int, ...]],
    populations: Mapping[str, tuple[int, ...]],
    ways: Sequence[Way],
    outputs: Iterable[str],
    hardware: Hardware,
) -> Layers:
    """Bring populations (shapes by name, in topological order) and projections into layers."""
    images: dict[str, Image] = {}
    layers: dict[str, Layer] = {}
    problems: list[Problem] = []
    spread = READOUT_SPREAD if hardware.readout else 1
    for name, shape in inputs.items():
        image = image_of(shape)
        if image is None:
            problems.append(
                Problem(
                    name,
                    f"node {name!r} is an input of {len(shape)} dimensions",
                    "the chip's images have 3 at most (features, height, width)",
                    "flatten some of them",
                )
            )
        else:
            images[name] = image
    for name in populations:
        into = [way for way in ways if way.target == name]
        reading = _Reading(name, into, images, hardware)
        layer = reading.layer(spread if name in outputs else 1)
        problems += reading.problems
        if reading.out is not None:
            images[name] = reading.out
        if layer is not None:
            layers[name] = layer
    return Layers(layers, tuple(problems), images)


class _Reading:
    """One population's projections as convolutions of a core; ``problems`` says why they are none."""

    def __init__(self, name: str, ways: Sequence[Way], images: Mapping[str, Image], hardware: Hardware) -> None:
        self._name, self._hardware = name, hardware
        self.problems: list[Problem] = []
        self.out: Image | None = None
        self._read: list[tuple[Way, int, Convolution]] = []
        self._whole = True
        for way in ways:
            pooling = self._pooling(way)
            convolution = self._convolution(way, images)
            if convolution is None or pooling is None:
                self._whole = False
            if convolution is not None:
                self._read.append((way, pooling or 1, convolution))
        outs = list(dict.fromkeys(convolution.out_shape for _, _, convolution in self._read))
        if len(outs) == 1:
            self.out = outs[0]
        elif outs:
            self._whole = False
            self._say(f"gets images of the shapes {_listed(outs)}", "the core computes one", "make them alike")

    def _say(self, found: str, allowed: str, remedy: str) -> None:
        said = Problem(self._name, f"node {self._name!r} {found}", allowed, remedy)
        if said not in self.problems:  # projections may share a kernel
            self.problems.append(said)

    def _pooling(self, way: Way) -> int | None:
        """The window of a sum pool that the chip has; None if it is another."""
        if way.pool is None:
            return 1
        high, wide = way.pool.kernel
        plain = high == wide and way.pool.stride == way.pool.kernel and not np.any(way.pool.padding)
        if plain and high in self._hardware.pools:
            return high
        self._say(
            f"takes sums over windows {high}x{wide} of {way.source!r} (stride "
            f"{way.pool.stride[0]}x{way.pool.stride[1]}, padding {_pads(way.pool.padding)})",
            f"the chip over {_listed(f'{p}x{p}' for p in self._hardware.pools)} side by side, without padding",
            "use one of them, or a strided convolution",
        )
        return None

    def _convolution(self, way: Way, images: Mapping[str, Image]) -> Convolution | None:
        image = images.get(way.source)
        if image is None:  # what is wrong there has been said
            return None
        seen = image if way.pool is None else way.pool.out_shape
        convolution = as_convolution(way.operator, seen)
        if convolution is None:
            self._say(
                f"gets from {way.source!r}, an image of the shape {seen}, what no convolution computes "
                f"({type(way.operator).__name__})",
                "a core computes nothing else",
                "use one factor per feature, or a Conv2d or Linear of that shape",
            )
        return convolution

    def layer(self, spread: int) -> Layer | None:
        """The layer, if the chip can compute it."""
        if not self._whole or not self._read:
            return None
        convolutions = [convolution for _, _, convolution in self._read]
        found = square(convolutions, self._hardware)
        spaces = list(dict.fromkeys(convolution.shape[1:] for convolution in convolutions))
        if len(spaces) > 1:
            self._say(
                f"takes images of {_listed(f'{h}x{w}' for h, w in spaces)}",
                "the core takes one height and width",
                "make them alike",
            )
            return None
        if found is None:
            self._say_why(convolutions)
            return None
        firsts, features = _side_by_side(convolutions)
        arrivals = tuple(
            Arrival(way.source, pooling, first) for (way, pooling, _), first in zip(self._read, firsts, strict=True)
        )
        assert self.out is not None
        seen = (features, *spaces[0])
        return Layer(self._name, arrivals, tuple(convolutions), found, seen, self.out, spread)

    def _say_why(self, convolutions: Sequence[Convolution]) -> None:
        hardware, said = self._hardware, len(self.problems)
        for convolution in convolutions:
            height, width = axes_of(convolution)
            if max(height.span, width.span) > hardware.kernel_size:
                self._say(
                    f"has a kernel of {height.span}x{width.span}",
                    f"the chip's are {hardware.kernel_size}x{hardware.kernel_size} at most",
                    "use smaller kernels, or pool in front of it",
                )
            if any(axis.out > 1 and axis.stride not in hardware.strides for axis in (height, width)):
                self._say(
                    f"has a stride of {height.stride}x{width.stride}",
                    f"the chip's are {_listed(hardware.strides)} in either direction",
                    "use one of them",
                )
            if max(height.before, height.after, width.before, width.after) > hardware.padding:
                self._say(
                    f"has a padding of {_pads(convolution.padding)}",
                    f"the chip's is 0 to {hardware.padding}",
                    "pad less, or use a smaller kernel",
                )
        if len(self.problems) == said:
            sizes = _listed(dict.fromkeys(f"{h}x{w}" for h, w in (c.weight.shape[2:] for c in convolutions)))
            self._say(
                f"has a kernel of {sizes} that no zeros around it bring into the chip's form",
                f"its kernels are square, {hardware.kernel_size}x{hardware.kernel_size} at most, and padded by 0 to "
                f"{hardware.padding} on both sides",
                "use a square kernel",
            )


def _side_by_side(convolutions: Sequence[Convolution]) -> tuple[list[int], int]:
    """From which feature on each kernel stands in the core's, those that are alike in one place; and all features."""
    firsts: list[int] = []
    features = 0
    for index, convolution in enumerate(convolutions):
        twin = next((i for i in range(index) if _alike(convolutions[i], convolution)), None)
        firsts.append(features if twin is None else firsts[twin])
        features += convolution.shape[0] if twin is None else 0
    return firsts, features


def _alike(a: Convolution, b: Convolution) -> bool:
    same = (a.shape, a.stride, a.padding, a.dilation, a.groups) == (b.shape, b.stride, b.padding, b.dilation, b.groups)
    return same and a.weight.shape == b.weight.shape and bool((a.weight == b.weight).all())


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _pads(padding: tuple[tuple[int, int], tuple[int, int]]) -> str:
    """Each direction's, and both sides where they differ."""
    return "x".join(str(a) if a == b else f"{a}+{b}" for a, b in padding)
