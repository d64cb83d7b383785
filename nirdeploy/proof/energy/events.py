"""events: what a network did of a stimulus, counted: operations, weights read, membranes updated, spikes sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from nirdeploy.errors import UsageProblem
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.integers.border import unbordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerProjection
from nirdeploy.records.brief import Brief
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.neuron import RESETS, SPIKING, SYNAPTIC

#: Decays of an update, each a multiplication.
_DECAYS = {"LIF": 1, "LI": 1, "CubaLIF": 2, "CubaLI": 2}
#: Bits of every number of a network that is not in integers.
_FLOAT_BITS = 32


@dataclass(frozen=True)
class Events:
    """Of one population, per sample; of several, their sum.

    ``additions`` and ``multiplications``: synaptic operations, weights other than 0 taken for a 1 that arrived, or for
    another number other than 0. ``weight_bits``: read for them. ``updates``: neurons x steps, with so many
    ``update_additions`` (input, bias, comparison, current, reset) and ``update_multiplications`` (decays);
    ``parameter_bits``: read for them. ``spikes``: what neurons sent, each step's count of each; ``sent``: how often
    neurons or inputs sent something other than 0; ``addresses``: written then, and read by each projection from there;
    ``address_bits`` of these.
    """

    additions: float = 0.0
    multiplications: float = 0.0
    weight_bits: float = 0.0
    updates: float = 0.0
    update_additions: float = 0.0
    update_multiplications: float = 0.0
    parameter_bits: float = 0.0
    spikes: float = 0.0
    sent: float = 0.0
    addresses: float = 0.0
    address_bits: float = 0.0

    @property
    def operations(self) -> float:
        """All synaptic operations."""
        return self.additions + self.multiplications

    def __add__(self, other: Events) -> Events:
        return Events(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(Events)})

    def per(self, samples: int) -> Events:
        """Of one sample, where these are of so many."""
        return Events(**{one.name: getattr(self, one.name) / samples for one in fields(Events)})

    def of(self, samples: int) -> Events:
        """The inverse: what is counted in all is a whole number."""
        return Events(**{one.name: float(round(getattr(self, one.name) * samples)) for one in fields(Events)})

    def as_dict(self) -> dict[str, float]:
        return {"operations": self.operations, **asdict(self)}


@dataclass(frozen=True)
class Widths:
    """Bits of a network's numbers."""

    weight: int
    accumulator: int
    state: int
    decay: int


@dataclass(frozen=True)
class Load:
    """What one population did, per sample, and the memories that it did it from, each its own.

    ``stored_weights``, ``stored_states``, ``stored_parameters``: bits. An input has none, and does not update.
    """

    events: Events
    widths: Widths
    size: int
    stored_weights: int = 0
    stored_states: int = 0
    stored_parameters: int = 0


@dataclass(frozen=True, repr=False)
class Counts(Brief):
    """Of a run: a load for each input and population, by name.

    ``neurons``: of the populations that spike; ``rate``: spikes of one of them per step (an input's are none).
    """

    loads: Mapping[str, Load]
    steps: int
    samples: int
    neurons: int
    total: Events = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", sum((load.events for load in self.loads.values()), Events()))

    @classmethod
    def of(cls, loads: Mapping[str, Load], steps: int, samples: int, neurons: int) -> Counts:
        """Of loads of all samples together."""
        return cls(
            {name: replace(load, events=load.events.per(samples)) for name, load in loads.items()},
            steps,
            samples,
            neurons,
        )

    @classmethod
    def joined(cls, parts: Sequence[Counts]) -> Counts:
        """Of all samples of several runs of one network, the same however they were cut up."""
        one = parts[0]
        events = {
            name: sum((part.loads[name].events.of(part.samples) for part in parts), Events()) for name in one.loads
        }
        loads = {name: replace(load, events=events[name]) for name, load in one.loads.items()}
        return cls.of(loads, one.steps, sum(part.samples for part in parts), one.neurons)

    @property
    def rate(self) -> float:
        return self.total.spikes / (self.neurons * self.steps) if self.neurons else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "samples": self.samples,
            "spike_rate": self.rate,
            "total": self.total.as_dict(),
            "populations": {name: load.events.as_dict() for name, load in self.loads.items()},
        }


def count(network: IntegerNetwork | CheckedGraph, record: SpikeRecord, x: Any) -> Counts:
    """The events of a record, of all populations, whose stimulus was ``x`` (T, B, ...).

    A graph that is not in integers is counted in numbers of 32 bits.

    Raises:
        UsageProblem: the record does not hold what a population sends, or holds no samples or steps.
    """
    given = _sent(network, record, x, {p.name for p in network.populations if p.model in SPIKING})
    steps, samples = record.steps, record.samples
    if not (steps and samples):
        raise UsageProblem("there is nothing to count: the record has no samples or no steps", hint="run a stimulus")
    projections = _projections(network)
    reads = {name: sum(p.source == name for p in projections) for name in given}
    loads = {name: _sends(network, name, given[name], reads[name]) for name in _inputs(network)}
    for population in network.populations:
        if population.name in loads:
            continue
        name, widths = population.name, _widths(network, population.name)
        into = [p for p in projections if p.target == name]
        events = [_arrivals(p, given, widths.weight) for p in into]
        updates = updated(population.model, population.size * steps * samples, widths)
        sent = _sends(network, name, given[name], reads[name]).events if name in given else Events()
        resets = Events(update_additions=sent.spikes if population.model in RESETS else 0.0)
        loads[name] = Load(
            sum([*events, updates, sent, resets], Events()),
            widths,
            population.size,
            stored_weights=sum(p.weight.size for p in into) * widths.weight,
            stored_states=population.size * widths.state * (1 + (population.model in SYNAPTIC)),
            stored_parameters=population.size * parameter_bits(population.model, widths),
        )
    neurons = sum(p.size for p in network.populations if p.model in SPIKING)
    return Counts.of(loads, steps, samples, neurons)


def operations(network: IntegerNetwork | CheckedGraph, record: SpikeRecord, x: Any) -> float:
    """Synaptic operations of all samples. Raises as :func:`count`."""
    given = _sent(network, record, x, {p.source for p in network.projections})
    return sum(_arrivals(p, given, bits=0).operations for p in _projections(network))


def _sent(
    network: IntegerNetwork | CheckedGraph, record: SpikeRecord, x: Any, needed: set[str]
) -> dict[str, np.ndarray]:
    """What inputs and spiking populations sent, by name: (T, B, ...)."""
    stimulus = x if isinstance(x, Mapping) else {_inputs(network)[0]: x}
    given = {name: np.asarray(values) for name, values in stimulus.items()}
    given |= {name: np.asarray(values) for name, values in record.spikes.items() if name not in given}
    if missing := sorted(needed - set(given)):
        raise UsageProblem(
            f"the record holds no spikes of {missing[0]!r}, so what it sends cannot be counted",
            hint="record all populations",
        )
    return given


def _inputs(network: IntegerNetwork | CheckedGraph) -> list[str]:
    return [one if isinstance(one, str) else one[0] for one in network.inputs]


def _projections(network: IntegerNetwork | CheckedGraph) -> list[IntegerProjection] | list[Projection]:
    """Those of a network, from inputs in the shape that the user gives."""
    if isinstance(network, CheckedGraph):
        return list(network.projections)
    return [unbordered(network, p) for p in network.projections]


def _arrivals(p: IntegerProjection | Projection, given: Mapping[str, np.ndarray], bits: int) -> Events:
    """What a projection takes for what its source sent, each time it is sent, weights of so many ``bits``; of all
    samples."""
    sent = given[p.source]

    def taken(which: np.ndarray) -> float:
        often = which.sum(axis=(0, 1), dtype=np.float64).ravel()
        return float(p.connected.apply(often if p.pool is None else p.pool.apply(often)).sum())

    ones, others = taken(sent == 1), taken((sent != 0) & (sent != 1))
    return Events(additions=ones, multiplications=others, weight_bits=(ones + others) * bits)


def _sends(network: IntegerNetwork | CheckedGraph, name: str, sent: np.ndarray, reads: int) -> Load:
    """Of all samples: an address each time a neuron sends something, written once and read by each projection from
    there. What an input sends is no spike of the network's."""
    size = int(np.prod(sent.shape[2:], dtype=np.int64))
    often = float(np.count_nonzero(sent))
    spikes = 0.0 if name in _inputs(network) else float(sent.sum(dtype=np.float64))
    addresses, width = often * (1 + reads), max(size - 1, 1).bit_length()
    events = Events(spikes=spikes, sent=often, addresses=addresses, address_bits=addresses * width)
    return Load(events, _widths(network, name), size)


def updated(model: str, updates: float, widths: Widths) -> Events:
    """Of so many updates of a neuron: its input and bias are added, a current behind a synapse too, the threshold is
    held against it."""
    additions = 2 + (model in SYNAPTIC) + (model in SPIKING)
    return Events(
        updates=updates,
        update_additions=updates * additions,
        update_multiplications=updates * _DECAYS.get(model, 0),
        parameter_bits=updates * parameter_bits(model, widths),
    )


def parameter_bits(model: str, widths: Widths) -> int:
    """Of one neuron: decays, bias, and threshold and reset where it spikes."""
    return _DECAYS.get(model, 0) * widths.decay + (1 + 2 * (model in SPIKING)) * widths.state


def _widths(network: IntegerNetwork | CheckedGraph, name: str) -> Widths:
    """Of the numbers of a population, and of the weights into it."""
    if isinstance(network, CheckedGraph):
        return Widths(*[_FLOAT_BITS] * 4)
    formats, into = network.formats, {p.name for p in network.populations}
    weights = network.weight_bits(name) if name in into else formats.weight_bits
    return Widths(weights, formats.accumulator_bits, formats.state_bits, formats.decay_bits)
