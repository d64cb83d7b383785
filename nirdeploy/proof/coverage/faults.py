"""faults: the parameters of a network in integers, and faults of one step in them.

A weight, bias, threshold, reset, decay or start one more or one less, as far as its bits hold that; a delay one step
longer or shorter, as far as the network can be stepped with it. Seen in fewer bits, a step is as much more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation, IntegerProjection
from nirdeploy.semantics import order
from nirdeploy.semantics.neuron import RESETS

#: The sign of what a fault adds, by its column.
SIGNS = (1, -1)

WEIGHTS, DELAY, LATE_BIAS = "weights", "delay", "late bias"
#: Kinds that every neuron has one of, and the array that holds them.
FIELDS = {
    "bias": "bias",
    "synapse bias": "synapse_bias",
    "decay": "decay",
    "synapse decay": "synapse_decay",
    "threshold": "threshold",
    "reset": "reset_value",
    "spike size": "spike_size",
    "start": "initial",
}
DECAYS = ("decay", "synapse decay")


@dataclass(frozen=True, eq=False)
class Site:
    """Parameters of one kind in one place: of a population, or of a projection into it.

    ``total``: how many there are; ``which``: int64 (n,), those that are judged: a neuron's or weight's flat index.
    ``possible``: bool (n, 2), whether there is such a fault, by :data:`SIGNS`. ``step``: what a fault adds or takes.
    ``projection``: its place in the network's. ``begins``: the step of a late bias.
    """

    population: str
    kind: str
    total: int
    which: np.ndarray
    possible: np.ndarray
    step: int = 1
    projection: int | None = None
    begins: int | None = None


def sites(
    network: IntegerNetwork, populations: Collection[str], most: int, seed: int, bits: int | None = None
) -> list[Site]:
    """All parameters of these populations and of what leads to them, or ``most`` of a place, drawn with ``seed``.

    ``bits``: a step is not that of the integers, but of a number of so many bits which holds the largest of the place,
    where thresholds, biases and resets of a population are one place, and decays go up to 1.
    """
    found: list[Site] = []

    def add(name: str, kind: str, values: np.ndarray, low: int, high: int, **where: Any) -> None:
        which = _drawn(values.size, most, [seed, len(found)])
        chosen = values.ravel()[which].astype(np.int64)
        step = 1 if kind == DELAY or bits is None else _step(network, name, kind, values, bits)
        possible = np.stack([chosen + step <= high, chosen - step >= low], axis=1)
        found.append(Site(name, kind, int(values.size), which, possible, step, **where))

    for population in network.populations:
        if population.name not in populations or not isinstance(population, IntegerPopulation):
            continue
        name, top = population.name, (1 << network.weight_bits(population.name) - 1) - 1
        for place, projection in enumerate(network.projections):
            if projection.target == name:
                add(name, WEIGHTS, projection.weight, -top - 1, top, projection=place)
                least = _least(network, projection)
                add(name, DELAY, np.array([projection.delay]), least, projection.delay + 1, projection=place)
        for kind in kinds(population, network.formats):
            values = np.broadcast_to(getattr(population, FIELDS[kind]), (population.size,))
            add(name, kind, values, *limits(kind, network.formats))
        for begins, late in population.late_bias.items():
            add(name, LATE_BIAS, late, *limits(LATE_BIAS, network.formats), begins=begins)
    return found


def _drawn(total: int, most: int, seed: list[int]) -> np.ndarray:
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, most, replace=False))


def _step(network: IntegerNetwork, name: str, kind: str, values: np.ndarray, bits: int) -> int:
    """Of a number of so many bits that holds the largest; what is added to a membrane is seen beside its threshold."""
    largest = int(np.abs(values.astype(np.int64)).max(initial=0))
    if kind in DECAYS:
        largest = 1 << network.formats.decay_bits
    elif kind != WEIGHTS:
        largest = max(largest, int(np.abs(network.neurons(name).threshold).max(initial=0)))
    return 1 << max(largest.bit_length() + 1 - bits, 0)


def kinds(population: IntegerPopulation, formats: Formats) -> list[str]:
    """What a population's neurons have; not what never changes anything, such as a leak that keeps all."""
    rules, kinds = population.rules, ["bias"]
    if population.model not in ("Output", "Threshold") and (population.decay != 1 << formats.decay_bits).any():
        kinds.append("decay")
    if population.synaptic:
        kinds += ["synapse bias", "synapse decay"]
    if population.spiking:
        kinds.append("threshold")
    if population.model in RESETS and rules.reset != "none":
        kinds.append("reset")
    if population.spiking and (rules.multi or rules.bounded):
        kinds.append("spike size")
    return kinds + (["start"] if rules.starts_reset else [])


def limits(kind: str, formats: Formats) -> tuple[int, int]:
    """The least and the largest value that the bits hold."""
    if kind in DECAYS:
        return 0, 1 << formats.decay_bits
    return 1 if kind == "spike size" else -formats.state_max - 1, formats.state_max


def _least(network: IntegerNetwork, projection: IntegerProjection) -> int:
    """The shortest delay: around a cycle what arrives is of an earlier step."""
    sources = {p.name: [q.source for q in network.into(p.name)] for p in network.populations}
    runs = order.components([*(name for name, _ in network.inputs), *sources], sources)
    together = next(run for run in runs if projection.target in run)
    late = projection.source in together and not network.population(projection.source).rules.spike_delay
    return min(int(late), projection.delay)


def planted(network: IntegerNetwork, site: Site, parameter: int, step: int) -> IntegerNetwork:
    """The network with one fault: ``step`` added to the parameter of that flat index."""
    if site.projection is not None:
        faulty = _projection(network.projections[site.projection], site, parameter, step)
        every = (*network.projections[: site.projection], faulty, *network.projections[site.projection + 1 :])
        return replace(network, projections=every)
    old = network.neurons(site.population)
    if site.begins is not None:
        late = _added(old.late_bias[site.begins], parameter, step)
        new = replace(old, late_bias={**old.late_bias, site.begins: late})
    else:
        field = FIELDS[site.kind]
        held: dict[str, Any] = {field: _added(np.broadcast_to(getattr(old, field), (old.size,)), parameter, step)}
        new = replace(old, **held)
    return replace(network, populations=tuple(new if p is old else p for p in network.populations))


def _projection(old: IntegerProjection, site: Site, parameter: int, step: int) -> IntegerProjection:
    if site.kind == DELAY:
        return replace(old, delay=old.delay + step)
    return replace(old, operator=replace(old.operator, weight=_added(old.weight, parameter, step)))


def _added(values: np.ndarray, place: int, step: int) -> np.ndarray:
    changed = values.copy()
    changed.flat[place] += step
    return changed
