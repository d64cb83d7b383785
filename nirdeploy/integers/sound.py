"""sound: whether a network that was read of a file is one: everything that a simulator takes for an index or a size.

The compiled loops look at no bounds, and whoever can write a build's folder can write its digests, too: what is held to
be so here, once and when it is loaded, is all that there is between a file and memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from nirdeploy.errors import CorruptFile
from nirdeploy.integers.parts import (
    OF_THE_REFERENCE,
    ChipPopulation,
    Formats,
    IntegerPopulation,
    IntegerProjection,
    Population,
)
from nirdeploy.records import entries
from nirdeploy.records.brief import listed
from nirdeploy.records.inputs import MAX_BITS, InputEncoding
from nirdeploy.semantics import passages
from nirdeploy.semantics.neuron import PARAMETERS, SPIKING, Rules

_MOST_STEPS = 1 << 20  # late: a stream keeps so many
_MOST_SHIFT = 62
_MOST_NUMBER = 1 << 60  # some of them still add in 64 bits
_EXACT = 1 << 53  # whole numbers that float64 holds
_BITS = (("weight_bits", 2, 32), ("accumulator_bits", 2, 64), ("state_bits", 2, 32), ("decay_bits", 1, 32))
_CHOICES = {"threshold": (">", ">="), "reset": ("zero", "subtract", "none"), "synapse_order": ("new", "old")}


class Network(Protocol):
    """What is read of an integer network."""

    @property
    def target(self) -> str: ...
    @property
    def dynamics(self) -> str: ...
    @property
    def dt(self) -> float: ...
    @property
    def input_bits(self) -> int: ...
    @property
    def formats(self) -> Formats: ...
    @property
    def populations(self) -> tuple[Population, ...]: ...
    @property
    def projections(self) -> tuple[IntegerProjection, ...]: ...
    @property
    def inputs(self) -> tuple[tuple[str, tuple[int, ...]], ...]: ...
    @property
    def outputs(self) -> Mapping[str, str]: ...
    @property
    def encodings(self) -> Mapping[str, InputEncoding]: ...
    @property
    def takes(self) -> Mapping[str, InputEncoding]: ...
    @property
    def report(self) -> tuple[Mapping[str, Any], ...]: ...
    def population(self, name: str) -> Population: ...
    def weight_bits(self, name: str) -> int: ...


def check(network: Network) -> None:
    """Raises ValueError that says which entry, or array, is not one of an integer network."""
    entries.text(network.target, "the target")
    entries.text(network.dynamics, "dynamics")
    entries.positive(network.dt, "dt")
    entries.whole(network.input_bits, "input_bits", 1, MAX_BITS)
    _formats(network.formats)
    sizes = _inputs(network)
    for population in network.populations:
        name = entries.text(population.name, "the name of a population")
        if name in sizes:
            raise ValueError(f"{name!r} is there twice")
        sizes[name] = _named(f"population {name!r}", _population, population, network.formats)
    place = {name: index for index, name in enumerate(sizes)}
    for p in network.projections:
        what = f"projection {entries.text(p.source, 'a source')!r} -> {entries.text(p.target, 'a target')!r}"
        if p.source not in sizes or p.target not in place or place[p.target] < len(network.inputs):
            raise ValueError(f"{what}: there are no such populations")
        _named(what, _projection, p, network, sizes)
        if place[p.source] >= place[p.target] and not network.dynamics:
            _backward(what, p, network)
    for name, read in entries.texts(network.outputs, "outputs").items():
        if read not in place or place[read] < len(network.inputs):
            raise ValueError(f"output {name!r} reads {read!r}, which is no population")
    for row in network.report:
        odd = {
            key: value
            for key, value in entries.table(row, "a row of the report").items()
            if isinstance(value, dict | list)
        }
        if odd:
            raise ValueError(f"the report says {next(iter(odd))!r} in more than a word")


def _named(what: str, check: Any, *given: Any) -> Any:
    """A check whose error says what it is of."""
    try:
        return check(*given)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _formats(formats: Formats) -> None:
    for name, least, most in _BITS:
        entries.whole(getattr(formats, name), name, least, most)
    entries.whole(formats.shift_max, "shift_max", 0, _MOST_SHIFT)


def _inputs(network: Network) -> dict[str, int]:
    """How many numbers each input sends."""
    names = entries.names([name for name, _ in network.inputs], "inputs")
    unknown = set(network.encodings) - set(names)
    if unknown or not names:
        raise ValueError(f"there is no input {min(unknown)!r}" if unknown else "it has no input")
    sizes = {}
    for name, shape in network.inputs:
        if name in network.encodings:
            _named(f"input {name!r}", network.encodings[name].check, shape)
        sizes[name] = math.prod(network.takes[name].sent(shape))
    return sizes


def _population(population: Population, formats: Formats) -> int:
    """Its size."""
    entries.one_of(population.model, "the model", tuple(PARAMETERS))
    size = math.prod(entries.shape(population.shape, "the shape"))
    entries.whole(population.latency, "the latency", 0, _MOST_STEPS)
    if population.weight_bits is not None:
        entries.whole(population.weight_bits, "weight_bits", 2, 32)
    _rules(population.rules)
    _whole(population.threshold, "threshold", size)
    _real(population.scale, "scale", size)
    if isinstance(population, IntegerPopulation):
        _reference(population, formats, size)
    elif isinstance(population, ChipPopulation):
        _chip(population, size)
    return size


def _rules(rules: Rules) -> None:
    for entry in fields(rules):
        value = getattr(rules, entry.name)
        if entry.name in _CHOICES:
            entries.one_of(value, f"the rule {entry.name!r}", _CHOICES[entry.name])
        elif entry.name != "max_spikes":
            entries.flag(value, f"the rule {entry.name!r}")
    entries.whole(rules.max_spikes, "the rule 'max_spikes'")


def _reference(population: IntegerPopulation, formats: Formats, size: int) -> None:
    entries.whole(population.shift, "the shift", -_MOST_SHIFT, _MOST_SHIFT)
    if population.rules.multi and population.rules.max_spikes < 1:
        raise ValueError("it spikes several times a step, at most 0 times")
    for name in OF_THE_REFERENCE:
        _whole(getattr(population, name), name, size)
    if population.spike_size.min() < 1:
        raise ValueError(f"spike_size holds {population.spike_size.min()}, expected numbers from 1 on")
    most = _MOST_NUMBER >> formats.state_bits
    for name in ("decay", "synapse_decay"):
        _within(getattr(population, name), name, -most, most)
    most = _MOST_NUMBER // max(population.rules.max_spikes, 1)
    _within(population.reset_value, "reset_value", -most, most)
    for name, parts in (("late_bias", population.late_bias), ("zeros", population.zeros)):
        for step, values in parts.items():
            entries.whole(step, f"a step of {name}")
            _whole(values, f"{name} before step {step}", size)


def _chip(population: ChipPopulation, size: int) -> None:
    for name, values in population.registers.items():
        _numbers(values, f"the register {name!r}", "biuf", values.shape)  # of the chip's own shapes
    told = {name: values for name, values in vars(population.stands_for).items() if values is not None}
    if told.pop("late_offset"):
        raise ValueError("what it stands for begins late")
    for name, values in told.items():
        _numbers(values, f"what it stands for, {name},", "f", (size,))


@dataclass(frozen=True)
class Register:
    """What a chip's register is: of each neuron, or one number (0-d) for all of them."""

    each: bool = True
    dtype: str = "int64"
    least: int = -(1 << 32)
    most: int = 1 << 32


def registers(population: ChipPopulation, known: Mapping[str, Register]) -> None:
    """Whether a population has these registers, and no others: a backend's own, which only it knows.

    Raises:
        CorruptFile: says which is not one.
    """
    try:
        if population.registers.keys() != known.keys():
            raise ValueError(f"its registers are {listed(sorted(population.registers))}, expected {listed([*known])}")
        for name, register in known.items():
            values, shape = population.registers[name], (population.size,) if register.each else ()
            if values.dtype != register.dtype or values.shape != shape:
                found, expected = f"{values.dtype} {values.shape}", f"{register.dtype} {shape}"
                raise ValueError(f"its register {name!r} is of {found}, expected {expected}")
            _within(values, f"its register {name!r}", register.least, register.most)
    except ValueError as error:
        raise CorruptFile(str(error), where=f"population {population.name!r}", hint="build it again") from error


def _projection(p: IntegerProjection, network: Network, sizes: Mapping[str, int]) -> None:
    passages.check(p, sizes[p.source], sizes[p.target])
    target, bits = network.population(p.target), network.weight_bits(p.target)
    if p.weight.dtype != np.int32:
        raise ValueError(f"its weights are of the type {p.weight.dtype}, expected int32")
    _within(p.weight, "its weights", -(1 << bits - 1), (1 << bits - 1) - 1)
    _real(p.unit, "unit", sizes[p.target])
    entries.whole(p.delay, "the delay", 0, _MOST_STEPS)
    shift = entries.whole(p.shift, "the shift", -_MOST_SHIFT, _MOST_SHIFT)
    if isinstance(target, IntegerPopulation):
        shift = entries.whole(shift + target.shift, "the shift with its target's", -_MOST_SHIFT, _MOST_SHIFT)
    largest = _largest(network, p.source)
    if largest is not None and _reach(p, largest, _EXACT) << max(shift, 0) > _MOST_NUMBER:
        raise ValueError(f"sums of its weights, shifted by {shift}, are beyond 60 bits")


def _largest(network: Network, name: str) -> int | None:
    """What a source sends in a step at most; None: a membrane, or as many spikes as there are."""
    if name in network.takes:
        return network.takes[name].top
    source = network.population(name)
    if source.model not in SPIKING:
        return None
    return (source.rules.max_spikes or None) if source.rules.multi else 1


def _reach(p: IntegerProjection, largest: int, most: int) -> int:
    """No sum of its weights is larger. Raises ValueError where one is larger than ``most``."""
    rows = p.weight.reshape(len(p.weight), -1)
    times = largest * (1 if p.pool is None else math.prod(p.pool.kernel))
    found = max(int(rows.max()), -int(rows.min())) * rows.shape[1] * times
    if found > most:  # of all weights as large as the largest; row by row it may be less
        found = max(int(np.abs(row.astype(np.int64)).sum()) for row in rows) * times
    if found > most:
        raise ValueError(f"sums of its weights reach {found:,}, beyond what is exact")
    return found


def _backward(what: str, p: IntegerProjection, network: Network) -> None:
    """What comes from a population that is stepped later is of a step before."""
    if p.delay < 1 and not network.population(p.source).rules.spike_delay:
        raise ValueError(f"{what}: it closes a cycle without a delay")


def _whole(values: np.ndarray, what: str, size: int) -> None:
    if values.dtype != np.int64 or values.shape != (size,):
        raise ValueError(f"{what} is of {values.dtype} {values.shape}, expected int64 {(size,)}")
    _within(values, what, -_MOST_NUMBER, _MOST_NUMBER)


def _within(values: np.ndarray, what: str, least: int, most: int) -> None:
    low, high = int(values.min()), int(values.max())
    if low < least or high > most:
        raise ValueError(f"{what} holds {low if low < least else high}, expected numbers from {least} to {most}")


def _real(values: np.ndarray, what: str, size: int) -> None:
    _numbers(values, what, "f", (size,))


def _numbers(values: np.ndarray, what: str, kinds: Iterable[str], shape: tuple[int, ...]) -> None:
    if values.dtype.kind not in kinds or values.dtype.itemsize > 8 or values.shape != shape:
        raise ValueError(f"{what} is of {values.dtype} {values.shape}, expected numbers {shape}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{what} holds what is no finite number")
