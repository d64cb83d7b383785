"""events: single events of a source, or all of a step, that one sample lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nirdeploy.proof.causes.clamped import Clamped
from nirdeploy.proof.causes.fault import Change, Fault
from nirdeploy.proof.causes.faulty import components
from nirdeploy.proof.causes.hypothesis import Hypothesis, index, named
from nirdeploy.proof.causes.sources import View, sees, views
from nirdeploy.proof.causes.tangent import tangent

_EVENTS = 4000  # of a sample that are looked at
_TRIED = 200  # and of these tried


def lost_events(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
    """Where one sample alone differs: what it lost that would explain all of the population."""
    odd = np.flatnonzero(clamped.wrong.any(axis=(0, 2)))
    if len(odd) != 1:
        return
    sample = int(odd[0])
    names = [name for name, _ in clamped.network.inputs]
    together = next(run for run in components(clamped.network, names) if clamped.name in run)
    for view in views(clamped):
        if view.source in together:
            continue  # a signal within a cycle is stepped along with it, by what it was a few steps before
        for steps, channels, part in _worth(clamped, view, sample, samples):
            change = _without(sample, steps, channels)
            arrives = clamped.brings(view.at, change)[:, [sample]]
            out = clamped.out(clamped.arriving({view.at: arrives}, None, [sample]))
            if (out == clamped.device[:, [sample]]).all():
                yield from _said(clamped, view, sample, (int(steps), channels, part), change)


def _without(sample: int, step: int, channels: np.ndarray) -> Change:
    def change(values: np.ndarray) -> np.ndarray:
        odd = values.copy()
        odd[step, sample, channels] = 0
        return odd

    return change


def _worth(clamped: Clamped, view: View, sample: int, samples: np.ndarray) -> list[tuple[int, np.ndarray, float]]:
    """(step, channels, how likely) of events that may be lost, by what the neuron that differs most did."""
    known, neuron = sees(clamped, view, samples), int(clamped.neurons[0])
    if known is None:
        return []
    way, signal = clamped.ways[view.at], clamped.signals[view.source][:, sample].astype(np.float64)
    first = int(np.flatnonzero(clamped.wrong[:, sample, neuron])[0]) - way.projection.delay
    steps, channels = np.nonzero((signal * known.weight)[: first + 1])
    steps, channels = steps[-_EVENTS:], channels[-_EVENTS:]
    whole = np.arange(first + 1)
    brought = np.zeros((len(signal), 1, len(steps) + len(whole)))
    at = np.arange(len(steps))
    size = 2.0**way.shift
    brought[steps + way.projection.delay, 0, at] = signal[steps, channels] * known.weight[channels] * size
    brought[whole + way.projection.delay, 0, len(at) + whole] = (signal[whole] @ known.weight) * size
    follows = tangent(clamped, neuron, np.array([sample]), brought)
    good = np.flatnonzero(follows.fits(-follows.moves[:, :, : brought.shape[2]]) == 0)[-_TRIED:]
    every, found = np.arange(view.size), []
    for one in good.tolist():
        if one < len(at):
            found.append((int(steps[one]), channels[[one]], 0.2 / (signal != 0).sum()))
        else:
            found.append((one - len(at), every, 0.05 / len(signal)))
    return found


def _said(
    clamped: Clamped, view: View, sample: int, what: tuple[int, np.ndarray, float], change: Change
) -> Iterator[Hypothesis]:
    step, channels, part = what
    one = len(channels) == 1 < view.size
    events = f"the event of channel {named(index(int(channels[0]), view.shape))}" if one else "every event"
    where = f"of input {view.source!r}" if view.is_input else f"from {view.source!r} to {clamped.name!r}"
    text = f"{events} {where} at step {step} of sample {int(clamped.numbers[sample])} is lost"
    place = index(int(channels[0]), view.shape) if one else ()
    if view.is_input:
        fault = Fault(clamped.network, sent={view.source: change})
    else:
        fault = Fault(clamped.network, seen={view.at: change})
    yield Hypothesis("input lost", clamped.name, text, fault, part, 0, view.source, place)
