"""sources: what a population may not see of its sources as it is: lost, stuck, swapped, too late, for another's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.proof.causes.clamped import Clamped
from nirdeploy.proof.causes.fault import Change, Fault, addressed, late, permuted, set_to
from nirdeploy.proof.causes.hypothesis import Hypothesis, index, named, slipped
from nirdeploy.proof.causes.tangent import Tangent, tangent
from nirdeploy.proof.causes.weights import read_by
from nirdeploy.proof.coverage.way import delayed

_SOME = 300  # channels, or pairs of them, that are tried one by one at most
_ALL_PAIRS = 40  # channels of which all pairs are tried
_WIDE = 4096  # channels of which a neuron's sum is written out
_NUMBERS = 1 << 23  # of a tangent, held at once
_BINDING = 96  # cells that bind a pair of channels most
_LATER = 8  # steps that a delay may be longer


@dataclass(frozen=True)
class View:
    """A projection's source. ``shape``: of the source; ``is_input``: whether it is one of the network's inputs."""

    at: int
    source: str
    shape: tuple[int, ...]
    is_input: bool
    most: int

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def views(clamped: Clamped) -> list[View]:
    network = clamped.network
    shapes, found = dict(network.inputs), []
    for at, way in clamped.ways.items():
        source = way.projection.source
        if source in shapes:
            takes = network.takes[source]
            found.append(View(at, source, tuple(takes.sent(shapes[source])), True, takes.top))
        else:
            own = network.neurons(source)
            most = own.rules.max_spikes if own.rules.multi else 1
            found.append(View(at, source, own.shape, False, most if own.spiking else 0))
    return found


def sources(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
    """What happens to a source's signal that would explain all of the population."""
    for view in views(clamped):
        for kind, place, text, part, change in _changes(clamped, view, samples):

            def brings(where: np.ndarray, view: View = view, change: Change = change) -> dict[int, np.ndarray]:
                return {view.at: clamped.brings(view.at, change, where)}

            if clamped.agrees(brings, samples):
                for fault, said, share in _where(clamped, view, change):
                    yield Hypothesis(
                        kind, clamped.name, f"{text} {said}", fault, part * share, source=view.source, place=place
                    )
    yield from _delays(clamped, samples)


def _where(clamped: Clamped, view: View, change: Change) -> Iterator[tuple[Fault, str, float]]:
    """Where the signal may be other than it is: as an input sends it, or on its way into this population."""
    network = clamped.network
    readers = sum(p.source == view.source for p in network.projections)
    if view.is_input:
        yield Fault(network, sent={view.source: change}), f"(input {view.source!r})", 0.7 if readers > 1 else 1.0
    if readers > 1 or not view.is_input:
        said = f"on the way from {view.source!r} to {clamped.name!r}"
        yield Fault(network, seen={view.at: change}), said, 0.3 if view.is_input else 1.0


Found = tuple[str, tuple[int, ...], str, float, Change]


def _changes(clamped: Clamped, view: View, samples: np.ndarray) -> Iterator[Found]:
    """(kind, place, in words, how likely of its kind, change) of what is worth trying."""
    known = sees(clamped, view, samples)
    active = np.flatnonzero((clamped.signals[view.source] != 0).any(axis=(0, 1)))
    if view.size > 1:
        yield "input lost", (), "nothing arrives", 0.1, set_to(np.arange(view.size), 0)
    for channel in _worth(clamped, view, known, active, 0):
        at = index(channel, view.shape)
        text = f"channel {named(at)} is lost"
        yield "input lost", at, text, 0.6 / view.size, set_to(np.array([channel]), 0)
    yield from _planes(view)
    if view.most:
        for channel in _worth(clamped, view, known, np.arange(view.size), 1):
            at = index(channel, view.shape)
            text = f"channel {named(at)} is stuck at 1"
            yield "stuck bit", at, text, 0.1 / view.size, set_to(np.array([channel]), 1)
    for a, b in _pairs(view, known, active):
        order = np.arange(view.size)
        order[[a, b]] = b, a
        places = index(a, view.shape), index(b, view.shape)
        text = f"channels {named(places[0])} and {named(places[1])} are swapped"
        yield "swapped", (*places[0], *places[1]), text, 0.5 / view.size**2, permuted(order)
    for steps in (1, -1, 2, -2):
        when = "late" if steps > 0 else "early"
        text = f"everything is {abs(steps)} step{'s' if abs(steps) > 1 else ''} too {when}"
        yield "step shifted", (steps,), text, 0.1 * slipped(steps), late(steps)
    for text, part, change in addresses(view.shape, view.most):
        yield "stuck bit", (), text, 0.25 * part, change


@dataclass(frozen=True)
class Sees:
    """What the neuron that differs most takes of every channel: float (channels,), and how far that moves it."""

    weight: np.ndarray
    tangent: Tangent


def sees(clamped: Clamped, view: View, samples: np.ndarray) -> Sees | None:
    """None where that is no sum (behind a maximum), or there are very many channels."""
    way, neuron = clamped.ways[view.at], int(clamped.neurons[0])
    if way.projection.maximum is not None or view.size > _WIDE:
        return None
    weights, read = read_by(way, neuron)
    row = np.zeros(way.projection.operator.inputs)
    np.add.at(row, read[read >= 0], way.projection.weight.ravel()[weights[read >= 0]].astype(np.float64))
    if way.projection.pool is not None:
        row = way.projection.pool.apply(np.eye(view.size)) @ row
    samples = samples[: max(1, _NUMBERS // (len(clamped.device) * view.size))]
    x = clamped.signals[view.source][:, samples].astype(np.float64) * 2.0**way.shift
    return Sees(row, tangent(clamped, neuron, samples, delayed(x, way.projection.delay)))


def _planes(view: View) -> Iterator[Found]:
    """Channels of an image, whole."""
    if len(view.shape) != 3 or not 1 < view.shape[0] <= 64 or view.shape[1] * view.shape[2] == 1:
        return
    planes = np.arange(view.size).reshape(view.shape[0], -1)
    for channel in range(view.shape[0]):
        text = f"channel {channel}, all of it, is lost"
        yield "input lost", (channel,), text, 0.3 / view.shape[0], set_to(planes[channel], 0)
    for a, b in itertools.combinations(range(view.shape[0]), 2):
        yield (
            "swapped", (a, b), f"channels {a} and {b}, all of them, are swapped", 0.5 / view.shape[0] ** 2,
            swapped_planes(view.shape, a, b),
        )  # fmt: skip


def swapped_planes(shape: tuple[int, ...], a: int, b: int) -> Change:
    planes = np.arange(int(np.prod(shape))).reshape(shape[0], -1)
    planes[[a, b]] = planes[[b, a]]
    return permuted(planes.ravel())


def _worth(clamped: Clamped, view: View, sees: Sees | None, channels: np.ndarray, value: int) -> np.ndarray:
    """Channels that the neuron which differs most reads, and of which it may be that they are always ``value``."""
    if sees is None:
        return channels[:_SOME]
    reads = np.flatnonzero(sees.weight)
    if not (value and clamped.population.synaptic):  # a current's bias moves otherwise: all are tried
        moved = -sees.tangent.moves[:, :, reads]
        if value:  # as the bias does, which is 1 in every step
            moved = moved + sees.tangent.moves[:, :, view.size][..., None] * 2.0 ** clamped.ways[view.at].shift
        reads = reads[sees.tangent.fits(moved * sees.weight[reads]) == 0]
    return np.intersect1d(reads, channels)[:_SOME]


def _pairs(view: View, sees: Sees | None, active: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of channels that may be swapped."""
    if view.size <= _ALL_PAIRS or sees is None:
        few, sends = view.size <= _ALL_PAIRS, set(active.tolist())
        pairs = itertools.combinations(range(view.size) if few else active.tolist(), 2)
        return list(itertools.islice((pair for pair in pairs if sends & {*pair}), None if few else _SOME))
    tangent, weight = sees.tangent, sees.weight
    low, high = (v.ravel() for v in (tangent.low - tangent.slack, tangent.high + tangent.slack))
    room = np.minimum(-low, high)  # the least there is until a bound is broken: negative where one is
    cells = np.argsort(room)[:_BINDING]
    moves = tangent.moves.reshape(len(room), -1)[cells][:, : view.size]
    found: list[tuple[int, int]] = []
    for a in range(view.size):
        moved = (weight[a] - weight[a + 1 :]) * (moves[:, a + 1 :] - moves[:, [a]])
        good = ((moved >= low[cells, None]) & (moved <= high[cells, None])).all(axis=0)
        found += [(a, a + 1 + int(b)) for b in np.flatnonzero(good)]
    return found[:_SOME]


def addresses(shape: tuple[int, ...], most: int) -> Iterator[tuple[str, float, Change]]:
    """A bit of an event's address stuck: of the flat index, or of a coordinate; what meets is one event, or added."""
    size = int(np.prod(shape))
    flat = np.arange(size)
    axes: list[tuple[str, int, int]] = [("the address", size, 1)]
    if sum(n > 1 for n in shape) > 1:
        pitch = size
        for axis, n in enumerate(shape):
            pitch //= n
            if n > 1:
                axes.append((f"coordinate {axis} of the address", n, pitch))
    places = sum(2 * (n - 1).bit_length() for _, n, _ in axes)
    for text, n, pitch in axes:
        own = flat // pitch % n
        for bit, at in itertools.product(range((n - 1).bit_length()), (0, 1)):
            new = own | 1 << bit if at else own & ~(1 << bit)
            to = np.where(new < n, flat + (new - own) * pitch, -1)
            said = f"bit {bit} of {text} of events is stuck at {at}"
            yield said, 1 / places, addressed(to, size, most=most or None)
            if most != 1 or n == size:
                yield f"{said}, those that meet are added", 0.3 / places, addressed(to, size, most=None)


def _delays(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
    network = clamped.network
    delays = any(p.delay for p in network.projections)
    for view in views(clamped):
        projection = network.projections[view.at]
        for delay in range(max(0, projection.delay - _LATER), projection.delay + _LATER + 1):
            if delay == projection.delay or not clamped.agrees(lambda where: {}, samples, {view.at: delay}):
                continue
            every = list(network.projections)
            every[view.at] = replace(projection, delay=delay)
            text = (
                f"the delay from {view.source!r} to {clamped.name!r} is {delay} on the device where it should be "
                f"{projection.delay}"
            )
            fault = Fault(replace(network, projections=tuple(every)))
            mass = (0.4 if delays else 0.3) / len(clamped.ways) / abs(delay - projection.delay)
            yield Hypothesis("delay", clamped.name, text, fault, mass, 0, view.source, (), projection.delay, delay)
