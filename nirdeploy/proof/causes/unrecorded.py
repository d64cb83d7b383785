"""unrecorded: faults of whole populations that are not recorded, and of what they see of inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.causes.clamped import Clamped
from nirdeploy.proof.causes.fault import Fault, Stuck, late, permuted, set_to, stuck
from nirdeploy.proof.causes.hidden import Hidden
from nirdeploy.proof.causes.hypothesis import Hypothesis, index, named, share
from nirdeploy.proof.causes.parameters import OF_KIND, number_limits
from nirdeploy.proof.causes.sources import View, addresses, swapped_planes, views
from nirdeploy.proof.causes.weights import with_weight
from nirdeploy.proof.coverage.faults import FIELDS, kinds

SAMPLES = 4  # that faults are tried in first
_TRIED = 2500  # faults of a population that are tried at most
_PAIRS = 40  # channels or neurons of which all pairs are tried


def unrecorded(
    network: IntegerNetwork,
    name: str,
    signals: Mapping[str, np.ndarray],
    device: Mapping[str, np.ndarray],
) -> tuple[list[Hypothesis], bool]:
    """Faults in a population that explain every cell of some samples, and whether not all were tried."""
    hidden = Hidden(network, name, signals, device)
    found = list(hidden.one_neuron())
    clamped = hidden.clamped
    every = itertools.chain(_sent(clamped), _seen(clamped), _numbers(clamped), _bits(clamped))
    for tried, one in enumerate(every):
        if tried == _TRIED:
            return found, True
        if hidden.down.of_fault(one.fault, hidden.stimulus) == 0:
            found.append(one)
    return found, hidden.cut


def _sent(clamped: Clamped) -> Iterator[Hypothesis]:
    population, network, name = clamped.population, clamped.network, clamped.name
    shape, size = population.shape, population.size
    for steps in (1, -1):
        text = f"all that {name!r} sends is 1 step too {'late' if steps > 0 else 'early'}"
        yield Hypothesis("step shifted", name, text, Fault(network, sent={name: late(steps)}), 0.2, place=(steps,))
    if size <= _PAIRS:
        for a, b in itertools.combinations(range(size), 2):
            order = np.arange(size)
            order[[a, b]] = b, a
            places = index(a, shape), index(b, shape)
            text = f"neurons {named(places[0])} and {named(places[1])} of {name!r} are swapped"
            fault = Fault(network, sent={name: permuted(order)})
            yield Hypothesis("swapped", name, text, fault, 1 / size**2, place=(*places[0], *places[1]))
    if len(shape) == 3 and 1 < shape[0] <= _PAIRS:
        for a, b in itertools.combinations(range(shape[0]), 2):
            text = f"channels {a} and {b} of {name!r} are swapped"
            fault = Fault(network, sent={name: swapped_planes(shape, a, b)})
            yield Hypothesis("swapped", name, text, fault, 1 / shape[0] ** 2, place=(a, b))
    if population.spiking:
        most = population.rules.max_spikes if population.rules.multi else 1
        for said, part, change in addresses(shape, most):
            text = f"{said}, of those that {name!r} sends"
            yield Hypothesis("stuck bit", name, text, Fault(network, sent={name: change}), 0.25 * part)


def _seen(clamped: Clamped) -> Iterator[Hypothesis]:
    """What may become of its sources."""
    network, name = clamped.network, clamped.name
    for view in views(clamped):
        projection = network.projections[view.at]
        for delay in range(max(0, projection.delay - 3), projection.delay + 4):
            if delay != projection.delay and (delay or projection.source != name):
                every = list(network.projections)
                every[view.at] = replace(projection, delay=delay)
                ends = f"from {view.source!r} to {name!r}"
                text = f"the delay {ends} is {delay} on the device where it should be {projection.delay}"
                fault = Fault(replace(network, projections=tuple(every)))
                mass = 0.3 / abs(delay - projection.delay)
                yield Hypothesis("delay", name, text, fault, mass, 0, view.source, (), projection.delay, delay)
        yield from _of_channels(clamped, view)


def _of_channels(clamped: Clamped, view: View) -> Iterator[Hypothesis]:
    name, active = clamped.name, np.flatnonzero((clamped.signals[view.source] != 0).any(axis=(0, 1)))
    where = f"(input {view.source!r})" if view.is_input else f"on the way from {view.source!r} to {name!r}"

    def fault(change: Any) -> Fault:
        if view.is_input:
            return Fault(clamped.network, sent={view.source: change})
        return Fault(clamped.network, seen={view.at: change})

    for channel in active.tolist():
        at = index(channel, view.shape)
        text, change = f"channel {named(at)} is lost {where}", set_to(np.array([channel]), 0)
        yield Hypothesis("input lost", name, text, fault(change), 0.6 / view.size, 0, view.source, at)
    if view.size <= _PAIRS:
        for a, b in itertools.combinations(range(view.size), 2):
            order = np.arange(view.size)
            order[[a, b]] = b, a
            places = index(a, view.shape), index(b, view.shape)
            text = f"channels {named(places[0])} and {named(places[1])} are swapped {where}"
            place = (*places[0], *places[1])
            change = permuted(order)
            yield Hypothesis("swapped", name, text, fault(change), 0.5 / view.size**2, 0, view.source, place)
    if view.is_input:
        for steps in (1, -1):
            text = f"everything is 1 step too {'late' if steps > 0 else 'early'} {where}"
            yield Hypothesis("step shifted", name, text, fault(late(steps)), 0.1, 0, view.source, (steps,))
        for said, part, change in addresses(view.shape, view.most):
            yield Hypothesis("stuck bit", name, f"{said} {where}", fault(change), 0.25 * part, 0, view.source)


def _numbers(clamped: Clamped) -> Iterator[Hypothesis]:
    """Numbers of all neurons, by powers of two, and resets of another rule."""
    population, network, name = clamped.population, clamped.network, clamped.name

    def whole(**changed: Any) -> Fault:
        new = replace(population, **changed)
        return Fault(replace(network, populations=tuple(new if p.name == name else p for p in network.populations)))

    for kind in kinds(population, network.formats):
        values = np.broadcast_to(getattr(population, FIELDS[kind]), (population.size,)).astype(np.int64)
        least, most = number_limits(clamped, kind)
        for bit, sign in itertools.product(range((most - least).bit_length()), (1, -1)):
            new = values + sign * (1 << bit)
            if least <= new.min() and new.max() <= most:
                text = f"the {kind} of all neurons of {name!r} is {1 << bit:,} {'more' if sign > 0 else 'less'} on the "
                mass = 0.1 * share(np.array([sign * (1 << bit)]), values, most - least)
                said = text + "device than it should be"
                yield Hypothesis(OF_KIND.get(kind, kind), name, said, whole(**{FIELDS[kind]: new}), mass)
    if population.spiking and population.rules.reset != "none":
        for other in {"none", "zero", "subtract"} - {population.rules.reset}:
            text = f"the neurons of {name!r} reset by another rule on the device ({other})"
            yield Hypothesis("reset", name, text, whole(rules=replace(population.rules, reset=other)), 0.1)


def _bits(clamped: Clamped) -> Iterator[Hypothesis]:
    """Bits of the weights' memory, and of all membranes."""
    network, name = clamped.network, clamped.name
    width, bits = network.weight_bits(name), network.formats.state_bits
    for at, way in clamped.ways.items():
        weight, source = way.projection.weight.astype(np.int64), way.projection.source
        for bit, value in itertools.product(range(width), (0, 1)):
            new = stuck(weight, bit, value, width)
            text = f"bit {bit} of all weights from {source!r} to {name!r} is stuck at {value} on the device"
            yield Hypothesis("stuck bit", name, text, Fault(with_weight(network, at, new)), 0.05 / width, 0, source)
    for bit, value in itertools.product(range(bits), (0, 1)):
        kept = Stuck(np.arange(clamped.population.size), bit, value, bits)
        text = f"bit {bit} of the membrane of all neurons of {name!r} is stuck at {value}"
        yield Hypothesis("stuck bit", name, text, Fault(network, kept={name: kept}), 0.0125 / bits)
