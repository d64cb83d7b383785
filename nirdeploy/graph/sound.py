"""sound: whether a checked graph that was read of a file keeps what it guarantees: sizes, names, ranges of values.

What is left out is what only a wrong simulation comes of: whether a time constant can be meant, say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from nirdeploy.graph.parts import Population, Projection
from nirdeploy.records import entries
from nirdeploy.records.inputs import MAX_BITS, InputEncoding
from nirdeploy.semantics import passages
from nirdeploy.semantics.neuron import PARAMETERS, Rules

_INPUT = "Input"
_MOST_STEPS = 1 << 20  # late


class Graph(Protocol):
    """What is read of a checked graph."""

    @property
    def populations(self) -> tuple[Population, ...]: ...
    @property
    def projections(self) -> tuple[Projection, ...]: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> Mapping[str, str]: ...
    @property
    def dialect_source(self) -> str: ...
    @property
    def repairs(self) -> tuple[str, ...]: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...
    @property
    def input_bits(self) -> int: ...
    @property
    def encodings(self) -> Mapping[str, InputEncoding]: ...
    def rules(self, name: str) -> Rules: ...
    def population(self, name: str) -> Population: ...


def check(graph: Graph) -> None:
    """Raises ValueError that says which entry, or array, is not one of a checked graph."""
    sizes: dict[str, int] = {}
    for population in graph.populations:
        name = entries.text(population.name, "the name of a population")
        if name in sizes:
            raise ValueError(f"{name!r} is there twice")
        sizes[name] = _population(population)
    entered = entries.names(graph.inputs, "inputs")
    if not entered or set(entered) != {p.name for p in graph.populations if p.model == _INPUT}:
        raise entries.odd(entered, "inputs", "the populations that are inputs")
    place = {name: index for index, name in enumerate(sizes)}
    for p in graph.projections:
        what = f"projection {entries.text(p.source, 'a source')!r} -> {entries.text(p.target, 'a target')!r}"
        if p.source not in sizes or p.target not in sizes or p.target in entered:
            raise ValueError(f"{what}: there are no such populations")
        try:
            _projection(p, sizes)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from error
        if place[p.source] >= place[p.target] and p.delay < 1 and not graph.rules(p.source).spike_delay:
            raise ValueError(f"{what}: it closes a cycle without a delay")
    for name, read in entries.texts(graph.outputs, "outputs").items():
        if read not in sizes or read in entered:
            raise ValueError(f"output {name!r} reads {read!r}, which is no population")
    entries.text(graph.dialect_source, "the source of the dialect")
    for told in (*graph.repairs, *graph.warnings):
        entries.text(told, "a repair or warning")
    entries.whole(graph.input_bits, "input_bits", 1, MAX_BITS)
    for name, encoding in graph.encodings.items():
        if name not in entered:
            raise ValueError(f"there is no input {name!r}")
        encoding.check(graph.population(name).shape)


def _population(population: Population) -> int:
    """Its size."""
    what, model = f"of {population.name!r}", population.model
    entries.one_of(model, f"the model {what}", (_INPUT, *PARAMETERS))
    shape = entries.shape(population.shape, f"the shape {what}")
    if set(population.params) != set(PARAMETERS.get(model, ())):
        raise ValueError(f"the parameters {what} are {sorted(population.params)}, expected those of {model}")
    for name, values in (*population.params.items(), ("bias", population.bias)):
        _floats(values, f"{name} {what}", shape)
    for step, late in population.late_bias.items():
        entries.whole(step, f"a step of a late bias {what}", 1)
        _floats(late, f"the bias before step {step} {what}", shape)
    if population.weight_bits is not None:
        entries.whole(population.weight_bits, f"weight_bits {what}", 1, 32)
    return math.prod(shape)


def _projection(p: Projection, sizes: dict[str, int]) -> None:
    passages.check(p, sizes[p.source], sizes[p.target])
    _floats(p.weight, "its weights", p.weight.shape)
    entries.whole(p.delay, "the delay", 0, _MOST_STEPS)
    for node in p.nodes:
        entries.text(node, "a node of it")


def _floats(values: np.ndarray, what: str, shape: tuple[int, ...]) -> None:
    if values.dtype != np.float64 or values.shape != shape:
        raise ValueError(f"{what} is of {values.dtype} {values.shape}, expected float64 {shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{what} holds what is no finite number")
