"""parameters: thresholds, decays, biases, resets and starts that may be other numbers, of a neuron, a channel or all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.causes.clamped import Clamped, Lanes
from nirdeploy.proof.causes.fault import Fault
from nirdeploy.proof.causes.hypothesis import Hypothesis, grid, index, likeliest, named, share, span_text
from nirdeploy.proof.causes.tangent import ADDED, tangent
from nirdeploy.proof.coverage.faults import DECAYS, FIELDS, kinds, limits

_TELLING = 3  # neurons that are looked at first
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
    between = [tangent(clamped, int(n), samples, empty).between() for n in telling]
    for kind in some:
        values = np.broadcast_to(getattr(population, FIELDS[kind]), (population.size,)).astype(np.int64)
        low_limit, high_limit = limits(kind, formats)
        if kind in DECAYS:
            high_limit = 2 * high_limit - 1  # what a register of as many bits as 1 takes holds
        for text, neurons, part in scopes(clamped):
            for common in ("by", "to"):
                if common == "to" and (len(neurons) == 1 or (values[neurons] == values[neurons[0]]).all()):
                    continue
                own = values[telling] if common == "to" else values[telling] * 0
                if kind in ADDED:
                    at = ADDED.index(kind)
                    low = max(float(b[0][at]) + o for b, o in zip(between, own, strict=True))
                    high = min(float(b[1][at]) + o for b, o in zip(between, own, strict=True))
                else:
                    low, high = -np.inf, np.inf
                now = 0 if common == "to" else int(values[telling[0]])
                if kind in DECAYS and high_limit <= _SCAN:
                    tried = np.arange(low_limit - now, high_limit - now + 1)
                    tried = tried[tried != 0] if common == "by" else tried
                else:
                    tried = grid(low, high, now, low_limit, high_limit, 40)
                    if common == "to" and low <= 0 <= high:
                        tried = np.append(tried, 0)
                left = _explaining(clamped, samples, FIELDS[kind], values, tried, neurons, common == "to")
                if len(left):
                    yield _said(
                        clamped, kind, text, neurons, part, values, left, common == "to", high_limit - low_limit
                    )
    yield from _late(clamped, samples)
    yield from _rules(clamped)


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
    clamped: Clamped,
    kind: str,
    text: str,
    neurons: np.ndarray,
    part: float,
    values: np.ndarray,
    found: np.ndarray,
    absolute: bool,
    span: int,
) -> Hypothesis:
    own = values[neurons]
    if absolute:
        change, same = int(found[np.argmin(np.abs(found))]), False
        new, mass = np.full_like(own, change), part * 0.5 * len(found) / (span + 1)
    else:
        change, same = likeliest(found, int(own[0]), span), bool((own == own[0]).all())
        new, mass = own + change, part * share(found, int(own[0]), span)
    if absolute:
        said = f"is {change:,} on the device where it should be {own.min():,} to {own.max():,}"
    elif same:
        said = f"is {int(new[0]):,} on the device where it should be {int(own[0]):,}"
    else:
        said = f"is {abs(change):,} {'more' if change > 0 else 'less'} on the device than it should be"
    others = (
        (int(found.min()), int(found.max()))
        if absolute or not same
        else tuple(int(own[0] + f) for f in (found.min(), found.max()))
    )
    field = FIELDS[kind]
    full = values.copy()
    full[neurons] = new
    changed: dict[str, Any] = {field: full}
    return Hypothesis(
        kind=OF_KIND.get(kind, kind),
        population=clamped.name,
        text=f"the {kind} {text} {said}{span_text(others)}",
        fault=Fault(_with(clamped, changed)),
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


def _late(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
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
