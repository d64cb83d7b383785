"""own: what may become of what a population sends, and of what its neurons keep."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from nirdeploy.proof.causes.clamped import Bits, Clamped, Lanes
from nirdeploy.proof.causes.fault import OPEN, Change, Fault, Stuck, permuted, set_to, shifted
from nirdeploy.proof.causes.hypothesis import Hypothesis, index, named, slipped
from nirdeploy.proof.causes.parameters import scopes
from nirdeploy.proof.causes.sources import addresses, swapped_planes
from nirdeploy.proof.causes.weights import PERIODS

_ODD = 0.1  # how much rarer values are stuck at a number of which the bits differ

Found = tuple[str, tuple[int, ...], str, float, Change]


def sent(clamped: Clamped, whole: np.ndarray) -> Iterator[Hypothesis]:
    """What becomes of what the population sends.

    Args:
        whole: what it sends in the network as it should be: (T, B, size).
    """
    name, network = clamped.name, clamped.network
    read = any(p.source == name for p in network.projections)
    for kind, place, text, part, change in _changes(clamped):
        if np.array_equal(change(clamped.alone.out), clamped.device):
            yield Hypothesis(kind, name, text, Fault(network, sent={name: change}), part, place=place)
        if read and np.array_equal(change(whole.astype(np.int64)), clamped.device):
            said = f"{text}, in what is recorded of it only"
            yield Hypothesis(kind, name, said, Fault(network, said={name: change}), part / 2, place=place)


def _changes(clamped: Clamped) -> Iterator[Found]:
    population, odd = clamped.population, clamped.neurons
    size, shape, name = population.size, population.shape, clamped.name
    for text, at, neurons, part in _together(clamped):
        values = np.unique(clamped.device[:, :, neurons])
        if len(values) == 1:
            value = int(values[0])
            what, does = ("value", "is") if len(neurons) == 1 else ("values", "are")
            what, does = ("spikes", "are") if population.spiking else (what, does)
            # A wire is at 0 or at 1, and so are the bits that come by it; a number may saturate at another.
            often = 1 if value in (0, -1) or (population.spiking and value & (value + 1) == 0) else _ODD
            said = f"the {what} of {text} {does} stuck at {value}"
            yield "stuck bit", at, said, part * often / 2, set_to(neurons, value)
    if len(odd) == 2:
        order = np.arange(size)
        order[odd] = odd[::-1]
        a, b = sorted(odd.tolist())
        text = f"neurons {named(index(a, shape))} and {named(index(b, shape))} of {name!r} are swapped"
        yield "swapped", (*index(a, shape), *index(b, shape)), text, 1 / size**2, permuted(order)
    if len(shape) == 3 and shape[0] > 1:
        channels = np.unique(odd // (size // shape[0]))
        if len(channels) == 2:
            a, b = channels.tolist()
            text = f"channels {a} and {b} of {name!r} are swapped"
            yield "swapped", (a, b), text, 1 / shape[0] ** 2, swapped_planes(shape, a, b)
    for steps, left in itertools.product((1, -1, 2, -2, 3, -3), OPEN):
        when = "late" if steps > 0 else "early"
        text = f"all that {name!r} sends is {abs(steps)} step{'s' if abs(steps) > 1 else ''} too {when}{left}"
        yield "step shifted", (steps,), text, (0.05 if left else 0.2) * slipped(steps), shifted(steps, left)
    if population.spiking:
        most = population.rules.max_spikes if population.rules.multi else 1
        for said, part, change in addresses(shape, most):
            yield "stuck bit", (), f"{said}, of those that {name!r} sends", 0.25 * part, change


def _together(clamped: Clamped) -> Iterator[tuple[str, tuple[int, ...], np.ndarray, float]]:
    """Neurons that may have a wire in common, all that differ among them: in words, their place, how likely."""
    population, odd, name = clamped.population, clamped.neurons, clamped.name
    size, shape = population.size, population.shape
    if len(odd) == 1:
        at = index(int(odd[0]), shape)
        yield f"neuron {named(at)} of {name!r}", at, odd, 0.25 / size
    if size > 1:
        yield f"all neurons of {name!r}", (), np.arange(size), 0.1
    if len(shape) == 3 and 1 < shape[0] < size:
        channels = np.unique(odd // (size // shape[0]))
        if len(channels) == 1:
            plane = np.arange(size).reshape(shape[0], -1)[channels[0]]
            yield f"channel {channels[0]}, all of it, of {name!r}", (int(channels[0]),), plane, 0.1 / shape[0]
    for period in PERIODS:
        places = np.unique(odd % period)
        if len(places) == 1 and period < size:
            text = f"every {period}th neuron of {name!r} from {places[0]} on"
            yield text, (), np.arange(places[0], size, period), 0.1 / period / len(PERIODS)


def state_bits(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
    """A bit of the membrane, or of the synaptic current, stuck: of a neuron, a channel or all."""
    population, bits = clamped.population, clamped.network.formats.state_bits
    for current in (False, True) if population.synaptic else (False,):
        tried = np.array(list(itertools.product(range(bits), (0, 1))))
        for text, neurons, part in scopes(clamped):
            for bit, at in _stuck(clamped, samples, tried, neurons, current):
                what = "synaptic current" if current else "membrane"
                said = f"bit {bit} of the {what} {text} is stuck at {at}"
                kept = Stuck(neurons, int(bit), int(at), bits, current)
                fault = Fault(clamped.network, kept={clamped.name: kept})
                place = index(int(neurons[0]), population.shape) if len(neurons) == 1 else ()
                yield Hypothesis("stuck bit", clamped.name, said, fault, 0.25 * part / bits / 2, place=place)


def _stuck(clamped: Clamped, samples: np.ndarray, tried: np.ndarray, neurons: np.ndarray, current: bool) -> np.ndarray:
    every = np.arange(clamped.device.shape[1])
    for some, where in ((clamped.neurons[:1], samples[:1]), (clamped.neurons[:1], samples), (neurons, every)):
        each, good = len(some) * len(where), np.zeros(len(tried), dtype=bool)
        for chunk in clamped.chunks(len(tried), each):
            many = chunk.stop - chunk.start
            lanes = Lanes(
                np.repeat(np.arange(many), each),
                np.tile(np.repeat(where, len(some)), many),
                np.tile(some, many * len(where)),
            )
            bit, at = tried[chunk][lanes.hypothesis].T
            arriving = clamped.alone.entering[:, lanes.sample, lanes.neuron]
            good[chunk] = clamped.mismatches(lanes, many, arriving, {}, bits=Bits(bit, at, current)) == 0
        tried = tried[good]
        if not len(tried):
            break
    return tried
