"""parameters: thresholds, decays, biases, resets and starts that may be others, of a neuron, a channel or all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.causes.clamped import Clamped, Lanes
from nirdeploy.proof.causes.fault import Fault
from nirdeploy.proof.causes.hypothesis import Hypothesis, grid, index, likeliest, named, share, span_text
from nirdeploy.proof.causes.tangent import ADDED, CELLS, tangent
from nirdeploy.proof.coverage.faults import DECAYS, FIELDS, kinds, limits

_TELLING = 3  # neurons that are looked at first
_EVERY = 6000  # numbers between two bounds that are all tried
_SCAN = 1 << 18  # decays that are all tried

#: The kind that each parameter's cause is of.
OF_KIND = {"synapse bias": "bias", "synapse decay": "decay", "spike size": "threshold"}

Scope = tuple[str, np.ndarray, float]  # in words, its neurons, how likely a fault is of this one


def scopes(clamped: Clamped) -> list[Scope]:
    """What the neurons that differ may have in common."""
    odd, population = clamped.neurons, clamped.population
    found: list[Scope] = []
    if len(odd) == 1:
        at = index(int(odd[0]), population.shape)
        found.append((f"of neuron {named(at)} of {population.name!r}", odd, 0.8 / population.size))
    if len(population.shape) == 3 and population.shape[0] > 1:
        channel = np.unique(odd // (population.size // population.shape[0]))
        if len(channel) == 1:
            each = population.size // population.shape[0]
            neurons = np.arange(channel[0] * each, (channel[0] + 1) * each)
            found.append((f"of channel {channel[0]} of {population.name!r}", neurons, 0.1 / population.shape[0]))
    if population.size > 1:
        found.append((f"of all neurons of {population.name!r}", np.arange(population.size), 0.1))
    return found


def parameters(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
    """Numbers of neurons that would explain all of the population."""
    population, formats = clamped.population, clamped.network.formats
    some = kinds(population, formats)
    if population.model not in ("Output", "Threshold") and "decay" not in some:
        some.append("decay")
    telling = clamped.neurons[:_TELLING]
    empty = np.zeros((len(clamped.device), len(samples), 0))
    tangents = [tangent(clamped, int(n), samples, empty) for n in telling]
    between = [[one.between(cells) for cells in CELLS] for one in tangents]
    for kind in some:
        values = np.broadcast_to(getattr(population, FIELDS[kind]), (population.size,)).astype(np.int64)
        for scope in scopes(clamped):
            own = values[scope[1]]
            for absolute in (False, True) if len(own) > 1 and (own != own[0]).any() else (False,):
                tried = _worth(clamped, kind, values, between, scope[1], absolute)
                left = _explaining(clamped, samples, FIELDS[kind], values, tried, scope[1], absolute)
                if len(left):
                    yield _said(clamped, kind, scope, values, left, absolute)
    yield from _late(clamped)
    yield from _rules(clamped)


Bounds = list[list[tuple[np.ndarray, np.ndarray]]]


def _worth(
    clamped: Clamped, kind: str, values: np.ndarray, between: Bounds, neurons: np.ndarray, absolute: bool
) -> np.ndarray:
    """Numbers to add to those of some neurons, or to set them to: those that the bounds of all neurons that tell most
    allow and registers hold."""
    least, most = number_limits(clamped, kind)
    telling = clamped.neurons[: len(between)]
    if not absolute:
        least, most = least - int(values[neurons].min()), most - int(values[neurons].max())
    if kind in DECAYS and most - least <= 2 * _SCAN:
        tried = np.arange(least, most + 1)
        return tried if absolute else tried[tried != 0]
    bounds = [(-np.inf, np.inf)]
    if kind in ADDED:
        at = ADDED.index(kind)
        bounds = [
            (
                max(
                    float(b[which][0][at]) + (values[n] if absolute else 0)
                    for b, n in zip(between, telling, strict=True)
                ),
                min(
                    float(b[which][1][at]) + (values[n] if absolute else 0)
                    for b, n in zip(between, telling, strict=True)
                ),
            )
            for which in range(len(CELLS))
        ]
    low, high = next((b for b in bounds if b[0] <= b[1]), bounds[-1])
    tried = grid(low, high, 0, least, most, _EVERY)
    return np.append(tried, 0) if absolute and max(low, least) <= 0 <= min(high, most) else tried


def number_limits(clamped: Clamped, kind: str) -> tuple[int, int]:
    """The least and the largest that a register holds; of decays, one of as many bits as 1 takes."""
    least, most = limits(kind, clamped.network.formats)
    return least, 2 * most - 1 if kind in DECAYS else most


def _explaining(
    clamped: Clamped,
    samples: np.ndarray,
    field: str,
    values: np.ndarray,
    tried: np.ndarray,
    neurons: np.ndarray,
    absolute: bool,
) -> np.ndarray:
    """Of numbers to add, or to set, those that explain every cell of these neurons; tried in little first."""
    telling = clamped.neurons[:1]
    every = np.arange(clamped.device.shape[1])
    for some, where in (
        (telling, samples[:1]),
        (telling, samples),
        (clamped.neurons[:_TELLING], samples),
        (neurons, every),
    ):
        if not len(tried):
            break
        lanes = Lanes(
            np.repeat(np.arange(len(tried)), len(some) * len(where)),
            np.tile(np.repeat(where, len(some)), len(tried)),
            np.tile(some, len(tried) * len(where)),
        )
        good = np.zeros(len(tried), dtype=bool)
        for chunk in clamped.chunks(len(tried), len(some) * len(where)):
            part = lanes.of(slice(chunk.start * len(some) * len(where), chunk.stop * len(some) * len(where)))
            part = Lanes(part.hypothesis - chunk.start, part.sample, part.neuron)
            new = tried[chunk][part.hypothesis] + (0 if absolute else values[part.neuron])
            arriving = clamped.alone.entering[:, part.sample, part.neuron]
            good[chunk] = clamped.mismatches(part, chunk.stop - chunk.start, arriving, {field: new}) == 0
        tried = tried[good]
    return tried


def _said(
    clamped: Clamped, kind: str, scope: Scope, values: np.ndarray, found: np.ndarray, absolute: bool
) -> Hypothesis:
    text, neurons, part = scope
    least, most = number_limits(clamped, kind)
    own, span = values[neurons], most - least
    same = not absolute and bool((own == own[0]).all())
    others = (int(found.min()), int(found.max()))
    if absolute:
        change = int(found[np.argmin(np.abs(found))])
        new, mass = np.full_like(own, change), part * 0.5 * len(found) / (span + 1)
        said = f"is {change:,} on the device where it should be {own.min():,} to {own.max():,}"
    else:
        change = likeliest(found, own, span)
        new, mass = own + change, part * share(found, own, span)
        said = f"is {abs(change):,} {'more' if change > 0 else 'less'} on the device than it should be"
    if same:
        said = f"is {int(new[0]):,} on the device where it should be {int(own[0]):,}"
        others = (int(own[0]) + others[0], int(own[0]) + others[1])
    full = values.copy()
    full[neurons] = new
    return Hypothesis(
        kind=OF_KIND.get(kind, kind),
        population=clamped.name,
        text=f"the {kind} {text} {said}{span_text(others)}",
        fault=Fault(_with(clamped, {FIELDS[kind]: full})),
        mass=mass,
        place=index(int(neurons[0]), clamped.population.shape) if len(neurons) == 1 else (),
        should=int(own[0]) if same else None,
        device=int(new[0]) if same or absolute else None,
        others=others,
    )


def _with(clamped: Clamped, changed: dict[str, Any]) -> IntegerNetwork:
    """The network with other numbers in the population."""
    network, new = clamped.network, replace(clamped.population, **changed)
    return replace(network, populations=tuple(new if p.name == clamped.name else p for p in network.populations))


def _whole(clamped: Clamped, kind: str, text: str, changed: dict[str, Any], part: float) -> Iterator[Hypothesis]:
    """A change of the whole population, if it explains all of it."""
    fault = Fault(_with(clamped, changed))
    other = Clamped(fault.network, clamped.name, clamped.signals)
    clamped.work += other.work
    if not other.wrong.any():
        yield Hypothesis(kind, clamped.name, text, fault, part)


def _late(clamped: Clamped) -> Iterator[Hypothesis]:
    late = clamped.population.late_bias
    if late:
        text = f"the bias of {clamped.name!r} is there from the first step on the device, not later"
        yield from _whole(clamped, "bias", text, {"late_bias": {}, "zeros": {}}, 0.05)


def _rules(clamped: Clamped) -> Iterator[Hypothesis]:
    """Resets of another kind."""
    population = clamped.population
    if population.rules.reset == "none" or not population.spiking:
        return
    for other in ("none", "zero", "subtract"):
        if other == population.rules.reset:
            continue
        does = {"none": "do not reset", "zero": "are set to the reset value", "subtract": "subtract the reset value"}
        text = f"the neurons of {clamped.name!r} {does[other]} on the device when they spike"
        yield from _whole(clamped, "reset", text, {"rules": replace(population.rules, reset=other)}, 0.1)
    if population.rules.reset == "zero":
        text = f"the neurons of {clamped.name!r} subtract their threshold on the device when they spike"
        changed = {"rules": replace(population.rules, reset="subtract"), "reset_value": population.threshold}
        yield from _whole(clamped, "reset", text, changed, 0.1)
