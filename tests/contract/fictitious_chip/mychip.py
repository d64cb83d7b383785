"""My Chip: a backend of nirdeploy in a package of its own. See ``docs/adding-a-target.md``.

A neuron is a counter. In every step, in this order:

    v = v - (v >> leak)                      leak 0: no leak; >> rounds down
    v = v + sum of the weights of the spikes, saturated to state_bits
    spike if v > threshold; then v = 0
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from nirdeploy.backends.common.support import unsupported
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.integers import parts as integers
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation, Effective, IntegerProjection
from nirdeploy.integers.quantize import assembled
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.placement import CoreUse, Placement, Slice
from nirdeploy.targets.tables import Positive, Table, Target


class Formats(Table):
    weight_bits: Annotated[int, Field(ge=2, le=8)]
    state_bits: Annotated[int, Field(ge=8, le=24)]
    leak_bits: Annotated[int, Field(ge=1, le=4)]

    @property
    def leak_max(self) -> int:
        return int(2**self.leak_bits) - 1


class Hardware(Table):
    cores: Positive
    neurons: Positive
    fan_in: Positive
    address_bits: Positive
    clock_hz: Positive


ChipTarget = Target[Formats, Hardware]


@dataclass(frozen=True)
class State:
    """int64 (B, size): the counters after the step, and as they were held against the threshold."""

    v: np.ndarray
    compared: np.ndarray


class Counters:
    """The neurons of the chip as a :class:`nirdeploy.integers.dynamics.Dynamics`."""

    def start(self, population: ChipPopulation, batch: int) -> State:
        zeros = np.zeros((batch, population.size), dtype=np.int64)
        return State(zeros, zeros)

    def step(
        self,
        state: State,
        arriving: Sequence[tuple[IntegerProjection, np.ndarray]],
        population: ChipPopulation,
        formats: integers.Formats,
    ) -> tuple[np.ndarray, State, np.ndarray]:
        leak = int(population.registers["leak"])
        v = state.v - (state.v >> leak) if leak else state.v
        for projection, signal in arriving:
            v = v + projection.apply(signal)
        held = np.clip(v, -formats.state_max - 1, formats.state_max)
        fired = held > population.threshold
        return fired.astype(np.int64), State(np.where(fired, 0, held), held), held != v


class MyChip(Backend[Formats, Hardware]):
    """Counters that leak by a shift, 4-bit weights, as many neurons on a core as it has counters."""

    Formats = Formats
    Hardware = Hardware
    dynamics = Counters()

    def misfits(self, target: ChipTarget) -> list[str]:
        counters, addresses = target.hardware.cores * target.hardware.neurons, 2**target.hardware.address_bits
        if counters <= addresses:
            return []
        return [f"cores x neurons = {counters} counters, address_bits = {target.hardware.address_bits} is {addresses}"]

    def fit(self, graph: CheckedGraph, target: ChipTarget) -> Fit:
        rounded = [Rounded(graph, p, target) for p in graph.populations if p.model in target.models]
        problems = unsupported(graph, target)
        if graph.input_bits > 1:
            found = f"the inputs have numbers of {graph.input_bits} bits"
            problems.append(Problem("", found, "the chip takes spikes", "encode them"))
        for one in rounded:
            problems += limits(one, target)
        if problems:
            return Fit(tuple(problems))
        formats = target.formats
        ours = integers.Formats(formats.weight_bits, formats.state_bits, formats.state_bits, formats.leak_max)
        made = ((one.population(), list(one.projections()), one.row()) for one in rounded)
        network = assembled(graph, target.name, ours, made, dynamics=target.backend)
        placed = place(network, target)
        return Fit((placed,), network) if isinstance(placed, Problem) else Fit((), network, placed)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: ChipTarget) -> dict[str, Any]:
        return configuration(network, placement)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: None, target: ChipTarget, activity: float
    ) -> dict[str, float | str]:
        events = {p.name: activity * sum(q.synapses() for q in network.into(p.name)) for p in network.populations}
        cycles = [0.0] * target.hardware.cores
        for part in placement.slices:
            share = part.count / network.population(part.population).size
            cycles[part.core] += part.count + share * events[part.population]
        return {
            "synaptic_events": sum(events.values()),
            "cycles": max(cycles),
            "step_us": 1e6 * max(cycles) / target.hardware.clock_hz,
        }


def limits(exact: Rounded, target: ChipTarget) -> Iterator[Problem]:
    """What of one population the chip has no room or register for."""
    formats, fan_in = target.formats, sum(p.inputs for p in exact.into)

    def problem(found: str, allowed: str, remedy: str) -> Problem:
        return Problem(exact.of.name, f"node {exact.of.name!r} {found}", allowed, remedy)

    if fan_in > target.hardware.fan_in:
        have = f"a neuron has {target.hardware.fan_in} weights"
        yield problem(f"takes {fan_in} inputs", have, "use fewer inputs")
    if exact.bias:
        yield problem(f"has a bias or v_leak (up to {exact.bias:.3g} per step)", "the chip none", "train it without")
    if np.any(exact.of.params["v_reset"]):
        yield problem("has a v_reset other than 0", "the chip resets to 0", "shift v_leak and v_threshold by it")
    if exact.lost.min() != exact.lost.max():
        yield problem("has more than one tau", "a population shares its leak", "split it, or train one tau")
    elif exact.lost[0] and not 0.75 * 2.0**-formats.leak_max <= exact.lost[0] <= 0.5:
        yield problem(
            f"loses {exact.lost[0]:.3g} of its membrane in a step",
            f"the chip between 2^-1 and 2^-{formats.leak_max}",
            "choose another dt, or an IF",
        )
    top = int(2 ** (formats.state_bits - 1)) - 1
    if np.any(exact.gain <= 0):
        yield problem("has an r of 0 or less", "the chip's weights carry the sign", "put it there")
    elif exact.threshold.min() < 0 or exact.threshold.max() > top:
        yield problem(
            f"has thresholds from {exact.threshold.min():.0f} to {exact.threshold.max():.0f} weight units",
            f"the chip from 0 to {top}",
            "bring v_threshold nearer to the weights",
        )


class Rounded:
    """One population in the chip's numbers: its largest weight becomes the largest integer.

    ``lost``: of the membrane, in a step; ``gain``: what a unit of current adds to it; both float64 (size,).
    ``bias``: the largest constant input, which the chip does not have.
    """

    def __init__(self, graph: CheckedGraph, population: Population, target: ChipTarget) -> None:
        self.of, self.rules, self.into = population, graph.rules(population.name), graph.into(population.name)
        params = {key: values.ravel() for key, values in population.params.items()}
        how = neuron.coefficients(population.model, params, graph.dialect_of(population.name))
        self.gain, self.lost = (np.broadcast_to(value, population.size) for value in (how.gain, 1.0 - how.decay))
        self.bias = float(np.max(np.abs(how.offset + self.gain * population.bias.ravel())))
        self.matrices = [p.matrix() for p in self.into]
        largest = max(float(np.abs(matrix).max()) for matrix in self.matrices) or 1.0
        self.scale = (2 ** (target.formats.weight_bits - 1) - 1) / largest  # weight units of a current of 1
        self.leak_max = target.formats.leak_max
        exact = params["v_threshold"] * self.scale / np.where(self.gain > 0, self.gain, 1.0)
        # The chip compares by ">": v >= threshold is, in integers, v > what lies below its ceiling.
        self.threshold = np.floor(exact) if self.rules.threshold == ">" else np.ceil(exact) - 1

    @property
    def leak(self) -> int:
        lost = float(self.lost[0])
        return min(round(-float(np.log2(lost))), self.leak_max) if lost else 0

    def population(self) -> ChipPopulation:
        threshold, scale, lost = self.threshold.astype(np.int64), self.gain / self.scale, 2.0**-self.leak
        return ChipPopulation(
            name=self.of.name,
            model=self.of.model,
            shape=self.of.shape,
            rules=self.rules,
            threshold=threshold,
            scale=scale,
            registers={"leak": np.array(self.leak)},
            stands_for=Effective(
                decay=np.full(self.of.size, 1.0 - lost if self.leak else 1.0),
                offset=np.zeros(self.of.size),
                threshold=(threshold + 0.5) * scale,
                v_reset=np.zeros(self.of.size),
            ),
        )

    def projections(self) -> Iterator[IntegerProjection]:
        unit = np.full(self.of.size, 1.0 / self.scale)
        for p, matrix in zip(self.into, self.matrices, strict=True):
            weight = np.rint(matrix * self.scale).astype(np.int32)
            yield IntegerProjection(p.source, p.target, Dense(weight), unit)

    def row(self) -> dict[str, float | str]:
        """For the table that ``build`` shows."""
        wrong = abs(2.0**-self.leak - float(self.lost[0])) if self.leak else 0.0
        return {"population": self.of.name, "neurons": self.of.size, "leak": self.leak, "decay_error": wrong}


def place(network: IntegerNetwork, target: ChipTarget) -> Placement | Problem:
    """Core after core is filled."""
    hardware = target.hardware
    needed, room = sum(p.size for p in network.populations), hardware.cores * hardware.neurons
    if needed > room:
        have = f"the chip {room} ({hardware.cores} cores of {hardware.neurons})"
        return Problem("", f"the network has {needed} neurons", have, "use fewer neurons")
    slices: list[Slice] = []
    held = [0] * hardware.cores
    for population in network.populations:
        first = 0
        while first < population.size:
            core = next(core for core, count in enumerate(held) if count < hardware.neurons)
            count = min(population.size - first, hardware.neurons - held[core])
            slices.append(Slice(population.name, core, len(slices), first, count))
            held[core] += count
            first += count
    cores = tuple(CoreUse(core, {"neurons": n}, {"neurons": hardware.neurons}) for core, n in enumerate(held))
    return Placement(network.digest(), target.name, tuple(slices), cores)


def configuration(network: IntegerNetwork, placement: Placement) -> dict[str, Any]:
    """What the maker's driver loads. Order is kept in lists, ``tojson`` sorts keys."""
    return {
        "inputs": [name for name, _ in network.inputs],
        "populations": [
            {
                "name": p.name,
                "leak": int(network.on_chip(p.name).registers["leak"]),
                "threshold": p.threshold.tolist(),
                "weights": [[q.source, q.weight.tolist()] for q in network.into(p.name)],
                "cores": [[part.core, part.first, part.count] for part in placement.of(p.name)],
            }
            for p in network.populations
        ],
    }
