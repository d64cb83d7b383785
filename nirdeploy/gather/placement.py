"""Networks on gather cores.

A population is cut into contiguous slices of whole rows (`lanes` neurons) and of whole bitmap words
(32 neurons), spread so that the cores carry like loads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nirdeploy.errors import DoesNotFit
from nirdeploy.gather.hardware import Hardware
from nirdeploy.network import IntegerNetwork, IntegerPopulation
from nirdeploy.place import CoreUse, Placement, Slice
from nirdeploy.target import Target

#: Spikes per neuron and step assumed when loads are balanced and cycles predicted.
ASSUMED_ACTIVITY = 0.1

_WORD = 32  # spikes per bitmap word


@dataclass
class _Core:
    """A core being filled."""

    number: int
    neurons: int = 0
    weight_rows: int = 0
    jobs: int = 0
    cycles: float = 0.0

    def use(self, hardware: Hardware) -> CoreUse:
        used = {"neurons": self.neurons, "weight_rows": self.weight_rows, "jobs": self.jobs}
        return CoreUse(self.number, used, {name: getattr(hardware, name) for name in used}, round(self.cycles, 1))


def place(network: IntegerNetwork, target: Target) -> Placement:
    """Put a network on the target's cores.

    Raises:
        DoesNotFit: by how much, in which memory, all violations at once.
    """
    hardware = target.hardware
    words, values, input_words = _addresses(network)
    fan_in = {
        p.name: [q.weight.shape[1] for q in network.projections if q.target == p.name] for p in network.populations
    }
    _check_totals(network, target, fan_in, words, values)
    cores = [_Core(number) for number in range(hardware.cores)]
    slices: list[Slice] = []
    spread = max(1, (hardware.groups - 1) // len(network.populations))
    for population in network.populations:
        slices += _spread(population, fan_in[population.name], cores, hardware, spread, first_group=len(slices) + 1)
    if len(slices) + 1 > hardware.groups:
        raise DoesNotFit(
            f"the network needs {len(slices) + 1} groups on the bus, the target has {hardware.groups}",
            where=f"target {target.name}",
            hint="merge small populations or choose a target with more groups",
        )
    return Placement(
        network=network.digest(),
        target=target.name,
        slices=tuple(slices),
        cores=tuple(core.use(hardware) for core in cores),
        layout={
            "words": words,
            "values": {name: start + hardware.spike_words for name, start in values.items()},
            "input_words": input_words,
        },
    )


def _addresses(network: IntegerNetwork) -> tuple[dict[str, int], dict[str, int], int]:
    """First word of every bitmap (inputs first) and, counted apart, of every read-out's values."""
    words: dict[str, int] = {}
    values: dict[str, int] = {}
    word = value = 0
    for name, shape in network.inputs:
        words[name] = word
        word += math.ceil(math.prod(shape) / _WORD)
    input_words = word
    for population in network.populations:
        if population.spiking:
            words[population.name] = word
            word += math.ceil(population.size / _WORD)
        else:
            values[population.name] = value
            value += population.size
    return words, values, input_words


def _check_totals(
    network: IntegerNetwork,
    target: Target,
    fan_in: Mapping[str, list[int]],
    words: Mapping[str, int],
    values: Mapping[str, int],
) -> None:
    """Everything that cannot fit however it is cut, said at once."""
    hardware, sizes = target.hardware, {p.name: p.size for p in network.populations}
    sizes |= {name: math.prod(shape) for name, shape in network.inputs}
    rows = {name: math.ceil(sizes[name] / hardware.lanes) for name in fan_in}
    needs: list[tuple[str, dict[str, int], int]] = [
        ("neurons", {name: count * hardware.lanes for name, count in rows.items()}, hardware.cores * hardware.neurons),
        ("weight rows", {name: rows[name] * sum(fan_in[name]) for name in rows}, hardware.cores * hardware.weight_rows),
        ("jobs", {name: rows[name] * len(fan_in[name]) for name in rows}, hardware.cores * hardware.jobs),
        ("bitmap words", {name: math.ceil(sizes[name] / _WORD) for name in words}, hardware.spike_words),
        ("read-out words", {name: sizes[name] for name in values}, hardware.out_words - hardware.spike_words),
    ]
    problems = [
        f"{sum(need.values()):,} {what} ({max(need, key=need.__getitem__)!r} alone {max(need.values()):,}), "
        f"{have:,} there are"
        for what, need, have in needs
        if sum(need.values()) > have
    ]
    widest = max(fan_in, key=lambda name: sum(fan_in[name]))
    if sum(fan_in[widest]) > hardware.weight_rows:
        problems.append(
            f"{sum(fan_in[widest]):,} inputs per neuron of {widest!r}, {hardware.weight_rows:,} a core can hold"
        )
    if problems:
        raise DoesNotFit(
            f"the network is too large: it needs {'; '.join(problems)}",
            where=f"target {target.name}: {hardware.cores} cores of {hardware.lanes} lanes",
            hint="make the named layers smaller, or take a target with larger memories",
        )


def _spread(
    population: IntegerPopulation,
    fan_in: list[int],
    cores: list[_Core],
    hardware: Hardware,
    spread: int,
    first_group: int,
) -> list[Slice]:
    """Cut one population into slices on the least loaded cores, at most about ``spread`` of them."""
    chunk = max(hardware.lanes, _WORD)
    chunks = math.ceil(population.size / chunk)
    share = math.ceil(chunks / min(spread, hardware.cores, chunks))
    slices: list[Slice] = []
    first = 0
    while first < population.size:
        left = population.size - first
        fitting = [(c.cycles, c.number, _room(c, fan_in, hardware)) for c in cores]
        fitting = [entry for entry in fitting if entry[2] * hardware.lanes >= min(chunk, left)]
        if not fitting:
            raise DoesNotFit(
                f"{left:,} neurons of {population.name!r} find no core with room for a row of {sum(fan_in):,} inputs",
                where=f"{hardware.cores} cores of {hardware.weight_rows:,} weight rows, {hardware.jobs} jobs, "
                f"{hardware.neurons} neurons",
                hint="make the layers smaller, or take a target with larger memories",
            )
        _, number, room = min(fitting)
        count = min(left, share * chunk, max(room * hardware.lanes // chunk, 1) * chunk)
        rows = math.ceil(count / hardware.lanes)
        core = cores[number]
        core.neurons += rows * hardware.lanes
        core.weight_rows += rows * sum(fan_in)
        core.jobs += rows * len(fan_in)
        core.cycles += rows * _row_cycles(fan_in, min(count, hardware.lanes), hardware)
        slices.append(Slice(population.name, number, first_group + len(slices), first, count))
        first += count
    return slices


def _room(core: _Core, fan_in: list[int], hardware: Hardware) -> int:
    """How many more rows of that fan-in the core can take."""
    return min(
        (hardware.neurons - core.neurons) // hardware.lanes,
        (hardware.weight_rows - core.weight_rows) // sum(fan_in),
        (hardware.jobs - core.jobs) // len(fan_in),
    )


def _row_cycles(fan_in: list[int], neurons: int, hardware: Hardware) -> float:
    """Cycles of one row: the walk over its sources, or the update of the row before if that is longer."""
    walk = sum(max(size / _WORD, ASSUMED_ACTIVITY * size) + 3 for size in fan_in)
    return max(walk, neurons / hardware.update + 10)
