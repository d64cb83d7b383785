"""border: inputs that are padded before they are sent, so that their zero point lies evenly in front of a maximum.

A convolution pads with nothing, where an input with a zero point says 0 by that: at the padding fewer taps see the zero
point, and where a maximum is taken over such sums no bias makes up for it. Sent with their padding around them, which
holds the zero point, all taps see it. The shape of the input stays what the user gives; projections read the padded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerProjection
from nirdeploy.records.inputs import Border
from nirdeploy.semantics.operators import Convolution, Dense


def bordered(graph: CheckedGraph) -> CheckedGraph:
    """The graph with a border around every input that needs one and all of whose projections can read it."""
    encodings, projections = dict(graph.encodings), list(graph.projections)
    for name, encoding in graph.encodings.items():
        reading = {at: p for at, p in enumerate(projections) if p.source == name}
        border = _border(graph.population(name).shape, list(reading.values())) if encoding.zero else ()
        if border:
            encodings[name] = replace(encoding, border=border)
            projections = [_widened(p) if at in reading else p for at, p in enumerate(projections)]
    return replace(graph, encodings=encodings, projections=tuple(projections))


def _border(shape: tuple[int, ...], reading: Sequence[Projection]) -> Border:
    """The padding that all projections from an input of that shape have, if one of them needs it around the input."""
    ways = [p.operator for p in reading if isinstance(p.operator, Convolution) and p.pool is None]
    if len(ways) < len(reading) or not any(map(_uneven, reading)):
        return ()
    padding, seen, apart = ways[0].padding, ways[0].shape, (1, 1)
    if any((way.padding, way.shape, way.spread) != (padding, seen, apart) for way in ways) or not np.any(padding):
        return ()
    if shape == seen:
        return padding
    lines = shape == (seen[0], seen[2]) and seen[1] == 1 and not any(padding[0])  # of a convolution in one dimension
    return padding[1:] if lines else ()


def _uneven(p: Projection) -> bool:
    """Whether a maximum is taken over sums of different weights where all inputs are one: which they are, their numbers
    tell, exactly."""
    if p.maximum is None or not np.any(getattr(p.operator, "padding", 0)):
        return False
    numbers = np.random.default_rng(0).integers(1, 1 << 20, p.weight.shape) * (p.weight != 0)
    sums = replace(p.operator, weight=numbers.astype(np.float64)).apply(np.ones(p.operator.inputs))
    return bool((p.maximum.apply(sums) != -p.maximum.apply(-sums)).any())


def _widened(p: Projection) -> Projection:
    """A convolution without padding, of a map that has it around it."""
    assert isinstance(p.operator, Convolution)
    (channels, *space), none = p.operator.shape, (0, 0)
    height, width = (size + sum(pad) for size, pad in zip(space, p.operator.padding, strict=True))
    return replace(p, operator=replace(p.operator, shape=(channels, height, width), padding=(none, none)))


def unbordered(network: IntegerNetwork, p: IntegerProjection) -> IntegerProjection:
    """A projection as one of the input in the shape that the user gives, as the graph has it."""
    held = network.encodings.get(p.source)
    if held is None or not held.border:
        return p
    if isinstance(p.operator, Convolution):
        rows, columns = ((0, 0), *held.border)[-2:]
        channels, height, width = p.operator.shape
        inner = (channels, height - sum(rows), width - sum(columns))
        return replace(p, operator=replace(p.operator, shape=inner, padding=(rows, columns)))
    shape = dict(network.inputs)[p.source]
    inside = held.around(np.ones(math.prod(shape), dtype=bool).reshape(shape), fill=0).ravel()
    return replace(p, operator=Dense(p.operator.weight[:, inside]))
