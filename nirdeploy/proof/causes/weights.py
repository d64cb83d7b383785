"""weights: one weight that may be another number, or all of a projection with a bit that is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.rounding import shifted
from nirdeploy.proof.causes.clamped import Clamped, Lanes
from nirdeploy.proof.causes.fault import Fault, stuck
from nirdeploy.proof.causes.hypothesis import Hypothesis, grid, index, likeliest, named, share, span_text
from nirdeploy.proof.causes.tangent import CELLS, Tangent, tangent
from nirdeploy.proof.coverage.way import Way, delayed, outputs, reads
from nirdeploy.semantics.operators import Dense
from nirdeploy.sim import integer

_TELLING = 3  # neurons that are looked at first
_PAIRS = 6000  # weights and changes of them that are tried at most
_NUMBERS = 1 << 23  # of a tangent, held at once
#: Places of memory words that weights, or neurons, may stand in: every so many share the bits of one.
PERIODS = (2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Seen:
    """What a neuron reads by a projection: flat indices of the weights, the inputs they take (-1: none), and how far
    the membrane moves by one more of each."""

    weights: np.ndarray
    inputs: np.ndarray
    tangent: Tangent


def seen(clamped: Clamped, at: int, neuron: int, samples: np.ndarray) -> Seen | None:
    """None where what a neuron reads is no sum: behind a maximum."""
    key = (at, neuron)
    if key not in clamped.found:
        clamped.found[key] = _seen(clamped, at, neuron, samples)
    known = clamped.found[key]
    return known if isinstance(known, Seen) else None


def _seen(clamped: Clamped, at: int, neuron: int, samples: np.ndarray) -> Seen | None:
    way = clamped.ways[at]
    if way.projection.maximum is not None:
        return None
    weights, read = read_by(way, neuron)
    samples = samples[: max(1, _NUMBERS // (len(clamped.device) * (len(weights) + 5)))]
    x = way.x[:, samples[:, None], np.maximum(read, 0)].astype(np.float64) * (read >= 0)
    return Seen(weights, read, tangent(clamped, neuron, samples, delayed(x * 2.0**way.shift, way.projection.delay)))


def read_by(way: Way, neuron: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a neuron, by their flat index, and the number of the operator's input that each takes, or -1."""
    operator = way.projection.operator
    if isinstance(operator, Dense):
        return neuron * operator.inputs + np.arange(operator.inputs), np.arange(operator.inputs)
    each = operator.weight[0].size
    weights = operator.groups_of_outputs[neuron] * each + np.arange(each)
    return weights, reads(operator, weights[:, None], np.full((each, 1), neuron))[:, 0]


def one_weight(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
    """Single weights that would explain all of the population."""
    places = len(clamped.ways)
    for at, way in clamped.ways.items():
        weight = way.projection.weight.ravel().astype(np.int64)
        top = (1 << clamped.network.weight_bits(clamped.name) - 1) - 1
        every = (_shared(clamped, at, samples, weight, top, cells) for cells in CELLS)
        pairs = next((some for some in every if len(some[0])), (np.zeros(0, dtype=np.int64),) * 2)
        for flat, changes in _tried(clamped, at, samples, *pairs).items():
            now = int(weight[flat])
            change = likeliest(changes, now, 2 * top + 1)
            where = index(flat, way.projection.weight.shape)
            others = (now + int(changes.min()), now + int(changes.max()))
            ends = f"from {way.projection.source!r} to {clamped.name!r}"
            yield Hypothesis(
                kind="weight",
                population=clamped.name,
                source=way.projection.source,
                text=f"one weight {ends}: {named(where)} is {now + change} on the device where it should be {now}"
                f"{span_text(others)}",
                fault=Fault(with_weight(clamped.network, at, {flat: now + change})),
                mass=share(changes, now, 2 * top + 1) / weight.size / places,
                place=where,
                should=now,
                device=now + change,
                others=others,
            )


def with_weight(network: IntegerNetwork, at: int, new: dict[int, int] | np.ndarray) -> IntegerNetwork:
    """The network with other weights in a projection: some by their flat index, or all."""
    old = network.projections[at]
    weight = old.weight.copy()
    if isinstance(new, dict):
        weight.flat[list(new)] = list(new.values())
    else:
        weight = new.reshape(weight.shape).astype(weight.dtype)
    projection = replace(old, operator=replace(old.operator, weight=weight))
    every = (*network.projections[:at], projection, *network.projections[at + 1 :])
    return replace(network, projections=every)


def _shared(
    clamped: Clamped, at: int, samples: np.ndarray, weight: np.ndarray, top: int, cells: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """(flat index, change) of weights that all neurons that differ read, by the bounds of some."""
    way, odd = clamped.ways[at], clamped.neurons
    telling = odd[:_TELLING]
    if way.projection.maximum is not None:
        return _behind_maximum(way, odd, weight, top)
    common: dict[int, tuple[float, float]] = {}
    for rank, neuron in enumerate(telling):
        found = seen(clamped, at, int(neuron), samples)
        assert found is not None
        low, high = (v[: len(found.weights)] for v in found.tangent.between(cells))
        here = {
            int(w): (float(a), float(b))
            for w, a, b, i in zip(found.weights, low, high, found.inputs, strict=True)
            if a <= b and i >= 0
        }
        common = (
            here
            if rank == 0
            else {w: (max(a, here[w][0]), min(b, here[w][1])) for w, (a, b) in common.items() if w in here}
        )
    if len(odd) > 1:
        common = {
            w: bounds
            for w, bounds in common.items()
            if np.isin(odd, outputs(way.projection.operator, np.array([w]))).all()
        }
    many = max(4, min(24, _PAIRS // max(1, len(common))))
    flats, changes = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for w, bounds in common.items():
        some = grid(*bounds, int(weight[w]), -top - 1, top, many)
        flats.append(np.full(len(some), w))
        changes.append(some)
    return np.concatenate(flats), np.concatenate(changes)


def _behind_maximum(way: Way, odd: np.ndarray, weight: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every weight of the neurons' channel every other number, or those of one bit."""
    taken = way.windows[odd]
    groups = np.unique(way.projection.operator.groups_of_outputs[taken[taken >= 0]])
    if len(groups) != 1:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    each = weight.size // len(way.projection.weight)
    flats = groups[0] * each + np.arange(each)
    every = np.arange(-top - 1, top + 1)
    if each * len(every) > _PAIRS:
        bits = np.left_shift(1, np.arange(top.bit_length() + 1))
        every = np.unique(np.concatenate([bits - 1, -bits, bits]))
    flat, new = (v.ravel() for v in np.meshgrid(flats, every, indexing="ij"))
    change = new - weight[flat]
    return flat[change != 0], change[change != 0]


def _tried(
    clamped: Clamped, at: int, samples: np.ndarray, flats: np.ndarray, changes: np.ndarray
) -> dict[int, np.ndarray]:
    """By weight the changes that explain every cell: in the neuron that differs most, then in all that read it."""
    every = np.arange(clamped.device.shape[1])
    first = clamped.neurons[:1]
    for where, all_of in ((samples[:2], False), (samples, False), (samples, True), (every, True)):
        if not len(flats):
            break
        readers = _readers(clamped.ways[at], flats) if all_of else np.broadcast_to(first, (len(flats), 1))
        good = np.zeros(len(flats), dtype=bool)
        for chunk in clamped.chunks(len(flats), readers.shape[1] * len(where)):
            good[chunk] = _explains(clamped, at, flats[chunk], changes[chunk], readers[chunk], where)
        flats, changes = flats[good], changes[good]
    return {int(flat): changes[flats == flat] for flat in np.unique(flats)}


def _readers(way: Way, flats: np.ndarray) -> np.ndarray:
    """The neurons that read each weight: (n, m), -1 where there is none."""
    taken = way.behind[outputs(way.projection.operator, flats)]
    return np.asarray(taken.reshape(len(flats), -1))


def _explains(
    clamped: Clamped, at: int, flats: np.ndarray, changes: np.ndarray, readers: np.ndarray, samples: np.ndarray
) -> np.ndarray:
    way = clamped.ways[at]
    row, column = np.nonzero(readers >= 0)
    neuron = readers[row, column]
    if way.projection.maximum is not None:
        row, neuron = np.unique(np.stack([row, neuron]), axis=1)
    lanes = Lanes(np.repeat(row, len(samples)), np.tile(samples, len(row)), np.repeat(neuron, len(samples)))
    flat, change = flats[lanes.hypothesis], changes[lanes.hypothesis]
    faulty = way.arriving(flat, change, lanes.sample, lanes.neuron)
    more = delayed(faulty - way.arrives[:, lanes.sample, lanes.neuron], way.projection.delay)
    arriving = clamped.alone.entering[:, lanes.sample, lanes.neuron] + more
    return np.asarray(clamped.mismatches(lanes, len(flats), arriving, {}) == 0)


def memory_bits(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
    """A bit of all weights stuck, of those to one neuron, or of those in one of several places of a memory's words."""
    bits = clamped.network.weight_bits(clamped.name)
    for at, way in clamped.ways.items():
        weight = way.projection.weight.astype(np.int64)
        for text, which, part in _words(clamped, weight):
            for bit in range(bits):
                for value in (0, 1):
                    new = np.where(which, stuck(weight, bit, value, bits), weight)
                    if (new != weight).sum() > 1:
                        ends = f"from {way.projection.source!r} to {clamped.name!r}"
                        said = f"bit {bit} of {text} {ends} is stuck at {value} on the device"
                        yield from whole(clamped, at, samples, new, "stuck bit", said, 0.1 * part / bits / 2)


def _words(clamped: Clamped, weight: np.ndarray) -> Iterator[tuple[str, np.ndarray, float]]:
    """Weights that share bits of a memory: in words, which of them, how likely."""
    every = np.ones(weight.shape, dtype=bool)
    yield "all weights", every, 0.4
    odd = clamped.neurons
    rows = np.unique(odd // max(clamped.population.size // len(weight), 1))
    if len(rows) == 1:
        own = np.zeros_like(every)
        own[rows[0]] = True
        yield f"the weights of row {rows[0]}", own, 0.2 / len(weight)
    for period in PERIODS:
        if period < len(weight) and len(np.unique(rows % period)) == 1:
            place = rows[0] % period
            own = np.zeros_like(every)
            own[place::period] = True
            yield f"the weights of every {period}th row from {place} on", own, 0.2 / period / len(PERIODS)
        if weight.ndim > 1 and period < weight.shape[1]:
            for place in range(period if weight.size * period < 1 << 16 else 0):
                own = np.zeros_like(every)
                own[:, place::period] = True
                yield f"the weights of every {period}th column from {place} on", own, 0.2 / period / len(PERIODS)


def scaled(clamped: Clamped, samples: np.ndarray) -> Iterator[Hypothesis]:
    """All weights of a projection doubled or halved, without their sign, or two rows of them swapped."""
    top = (1 << clamped.network.weight_bits(clamped.name) - 1) - 1
    for at, way in clamped.ways.items():
        weight = way.projection.weight.astype(np.int64)
        ends = f"from {way.projection.source!r} to {clamped.name!r}"
        for said, new in (
            ("doubled", np.clip(2 * weight, -top - 1, top)),
            ("halved", weight // 2),
            ("0", weight * 0),
            ("without their sign", np.abs(weight)),
            ("of the other sign", -weight),
        ):
            if (new != weight).any():
                text = f"all weights {ends} are {said} on the device"
                yield from whole(clamped, at, samples, new, "weight", text, 0.02)
        rows = np.unique(clamped.neurons // max(clamped.population.size // len(weight), 1))
        for a in rows[:2]:
            for b in range(len(weight)):
                if len(rows) <= 2 and a != b and set(rows.tolist()) <= {int(a), b}:
                    new = weight.copy()
                    new[[a, b]] = weight[[b, a]]
                    text = f"the weights {ends} of rows {a} and {b} are swapped on the device"
                    yield from whole(clamped, at, samples, new, "swapped", text, 0.3 / len(weight) ** 2)


def whole(
    clamped: Clamped, at: int, samples: np.ndarray, new: np.ndarray, kind: str, text: str, part: float
) -> Iterator[Hypothesis]:
    """Other weights of a projection, if they explain all of the population."""
    way, neuron = clamped.ways[at], int(clamped.neurons[0])
    found = seen(clamped, at, neuron, samples)
    if found is not None:
        change = (new - way.projection.weight).ravel()[found.weights]
        if found.tangent.fits(found.tangent.moves[:, :, : len(change)] @ change[:, None])[0]:
            return
    operator = replace(way.projection.operator, weight=new)
    projection = replace(way.projection, delay=0, operator=operator)
    signal = clamped.signals[projection.source]

    def brings(where: np.ndarray) -> dict[int, np.ndarray]:
        return {at: shifted(integer.exact(projection, signal[:, where].astype(np.int64)), way.shift)}

    if clamped.agrees(brings, samples):
        network = with_weight(clamped.network, at, new)
        yield Hypothesis(kind, clamped.name, text, Fault(network), part, source=projection.source)
