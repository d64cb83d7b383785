"""prepare: populations as the compiled loops take them; made once for a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation, IntegerProjection, Population
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum
from nirdeploy.sim.engine import neurons, settle
from nirdeploy.sim.engine.kept import kept
from nirdeploy.sim.engine.layout import Layout, aligned
from nirdeploy.sim.engine.links import Kind, Rows, Runs, lands, links

_MOST = 255  # spikes of a step, and numbers: what uint8 holds


@dataclass(frozen=True)
class Arriving:
    """What one projection brings: ``scaled``, where its signal may hold other numbers than 0 and 1."""

    source: str
    layout: Layout  # of the source
    delay: int
    tables: Rows | Runs
    scaled: bool


@dataclass(frozen=True)
class Lot:
    """Projections whose weights go to the same sums, which lie in ``landing``, of the kind that holds them.

    ``windows``: what maxima are taken over on the way to the membrane; empty where there are none.
    """

    landing: Layout
    kind: Kind
    shift: int
    windows: tuple[np.ndarray, np.ndarray]
    arriving: tuple[Arriving, ...]


@dataclass(frozen=True)
class Ready:
    """One population. ``odd``: projections that the definition brings, all at once and before the first step."""

    name: str
    layout: Layout
    lots: tuple[Lot, ...]
    odd: tuple[IntegerProjection, ...]
    how: neurons.How
    initial: np.ndarray  # float64 (width,)
    parameters: np.ndarray
    late: np.ndarray
    begins: np.ndarray

    @property
    def directly(self) -> bool:
        """Whether the sums go to the neurons as they are."""
        return len(self.lots) == 1 and not self.odd and not len(self.lots[0].windows[0]) and self.lots[0].shift >= 0


def prepared(network: IntegerNetwork, together: Sequence[str]) -> tuple[Ready, ...] | None:
    """The populations that are stepped together; None: the engine does not know all of them."""
    layouts = kept(network, "layouts", lambda: {p.name: _layout(network, p) for p in network.populations})

    def made() -> tuple[Ready, ...] | None:
        found = [_ready(network, name, together, layouts) for name in together]
        return None if None in found else tuple(ready for ready in found if ready is not None)

    return kept(network, ("ready", *together), made)


def _layout(network: IntegerNetwork, population: Population) -> Layout:
    """By channels and positions where a convolution, a pool or a maximum says which these are."""
    for p in network.into(population.name):
        operator = p.operator
        if p.maximum is not None:
            channels, *space = p.maximum.out_shape
        elif isinstance(operator, Convolution):
            channels, *space = operator.out_shape
        elif isinstance(operator, Elementwise) and p.pool is not None:
            channels, *space = p.pool.out_shape
        else:
            continue
        if channels * math.prod(space) == population.size:
            return Layout.of(channels, math.prod(space))
    return Layout.of(population.size, 1)


def _ready(network: IntegerNetwork, name: str, together: Sequence[str], layouts: dict[str, Layout]) -> Ready | None:
    population, layout = network.neurons(name), layouts[name]
    most = population.rules.max_spikes if population.rules.multi else 1
    if most > _MOST or not _holds(population, network.formats):
        return None
    groups: dict[tuple[int, Maximum | None, int], list[IntegerProjection]] = {}
    odd = []
    for number, p in enumerate(network.into(name)):
        shift = population.shift + p.shift
        if _is_known(network, p, layout) and _reach(network, p) * 2.0 ** max(shift, 0) < neurons.LARGEST:
            # Each projection's sum is rounded, and its maximum taken, for itself.
            alone = number if shift < 0 or p.maximum is not None else -1
            groups.setdefault((shift, p.maximum, alone), []).append(p)
        elif p.source in together:
            return None
        else:
            odd.append(p)
    lots = [_lot(network, group, shift, maximum, layouts) for (shift, maximum, _), group in groups.items()]
    parameters, late = _parameters(population, layout)
    return Ready(
        name,
        layout,
        tuple(lots),
        tuple(odd),
        _how(population, network.formats),
        layout.lay(population.initial.astype(np.float64)),
        parameters,
        late,
        np.array(list(population.late_bias), dtype=np.int64),
    )


def _holds(population: IntegerPopulation, formats: Formats) -> bool:
    """Whether float64 holds everything of a step exactly."""
    top, most = float(formats.state_max + 1), float(max(population.rules.max_spikes, 1))
    decays = np.abs(np.concatenate([population.decay, population.synapse_decay])).max(initial=1)
    numbers = (
        *(population.bias, population.synapse_bias, population.initial, population.threshold, population.spike_size),
        *population.late_bias.values(),
    )
    largest = max(float(np.abs(values).max(initial=0)) for values in numbers)
    resets = float(np.abs(population.reset_value).max(initial=0)) * most
    return (
        formats.state_bits <= 32
        and top * float(decays) < neurons.LARGEST * 4
        and max(largest, resets) < neurons.LARGEST
    )


def _is_known(network: IntegerNetwork, p: IntegerProjection, layout: Layout) -> bool:
    """Whether it brings spikes or numbers of 8 bits, to sums in that layout (that the layout of a maximum fits)."""
    for source in network.populations:
        if source.name == p.source and (not source.spiking or (source.rules.multi and source.rules.max_spikes > _MOST)):
            return False
    if p.maximum is not None:
        channels, *space = p.maximum.out_shape
        if (channels, math.prod(space)) != (layout.channels, layout.positions):
            return False
    return lands(p, _landing(p.maximum, layout)) and int(np.abs(p.weight).max(initial=0)) < 1 << 24


def _landing(maximum: Maximum | None, layout: Layout) -> Layout:
    """How the sums lie that come to a population of that layout."""
    if maximum is None:
        return layout
    return Layout(maximum.shape[0], math.prod(maximum.shape[1:]), layout.lanes)


def _largest(network: IntegerNetwork, name: str) -> int:
    """What a source sends in a step at most."""
    for population in network.populations:
        if population.name == name:
            return population.rules.max_spikes if population.rules.multi else 1
    return network.takes[name].top


def _reach(network: IntegerNetwork, p: IntegerProjection) -> float:
    """No sum of its weights is larger."""
    largest = float(_largest(network, p.source) * (1 if p.pool is None else math.prod(p.pool.kernel)))
    weight = np.abs(p.weight.reshape(-1, 1) if isinstance(p.operator, Elementwise) else p.weight).astype(np.float64)
    return float(weight.reshape(len(weight), -1).sum(axis=1).max(initial=0)) * largest


def _lot(
    network: IntegerNetwork,
    group: Iterable[IntegerProjection],
    shift: int,
    maximum: Maximum | None,
    layouts: dict[str, Layout],
) -> Lot:
    group = list(group)
    landing = _landing(maximum, layouts[group[0].target])
    reach = sum(_reach(network, p) for p in group)
    small = [_largest(network, p.source) == 1 and int(np.abs(p.weight).max(initial=0)) < 1 << 7 for p in group]
    kind: Kind = np.float32 if reach < 1 << 24 else np.float64
    if reach < 1 << 15 and all(small):
        kind = np.int16
    arriving = []
    for p, narrow in zip(group, small, strict=True):
        source = layouts.get(p.source, Layout.as_it_is(p.inputs))
        by_rows = isinstance(p.operator, Dense) and p.pool is None
        tables = links(p, source, landing, np.int8 if narrow and (by_rows or kind is np.int16) else kind)
        arriving.append(Arriving(p.source, source, p.delay, tables, _largest(network, p.source) > 1))
    empty = np.zeros(0, dtype=np.int64)
    return Lot(landing, kind, shift, (empty, empty) if maximum is None else settle.windows(maximum), tuple(arriving))


def _how(population: IntegerPopulation, formats: Formats) -> neurons.How:
    rules = population.rules
    more = (rules.reset_guard, rules.reset_delay, rules.multi, rules.spike_delay, rules.bounded)
    return neurons.How(
        plain=int(population.spiking and not population.synaptic and not any(more)),
        spiking=int(population.spiking),
        synaptic=int(population.synaptic),
        sees_old=int(rules.synapse_order == "old"),
        guard=int(rules.reset_guard),
        late=int(rules.reset_delay),
        before=int(rules.reset_before),
        zero=int(rules.reset == "zero"),
        subtract=int(rules.reset == "subtract"),
        multi=int(rules.multi),
        most=float(rules.max_spikes),
        delayed=int(rules.spike_delay),
        bounded=int(rules.bounded),
        unit=2.0**-formats.decay_bits,
        top=float(formats.state_max),
    )


def _parameters(population: IntegerPopulation, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Of the neurons in tiles: (tiles, 7, tile) as :mod:`.neurons` has them, and late biases (parts, tiles, tile). One
    tile stands for all, where all positions have the same. What lies empty never spikes and saturates."""
    rows = [
        *((population.decay, 0), (population.bias, 0), (population.threshold, np.inf), (population.reset_value, 0)),
        *((population.spike_size, 1), (population.synapse_decay, 0), (population.synapse_bias, 0)),
        *((late, 0) for late in population.late_bias.values()),
    ]
    laid = np.stack([layout.lay(values.astype(np.float64), empty) for values, empty in rows])
    lanes, tile = layout.lanes, neurons.TILE
    if layout.positions > 1 and lanes <= tile:
        tile -= tile % lanes
        by_position = laid.reshape(len(rows), layout.positions, lanes)
        if (by_position == by_position[:, :1]).all():
            laid = np.tile(by_position[:, 0], tile // lanes)
    tile = min(tile, laid.shape[1])
    tiles = -(-laid.shape[1] // tile)
    filled = np.zeros((len(rows), tiles * tile))
    filled[:, : laid.shape[1]] = laid
    parts = filled.reshape(len(rows), tiles, tile)
    own = aligned((tiles, 7, tile), np.float64)
    own[...] = parts[:7].swapaxes(0, 1)
    return own, np.ascontiguousarray(parts[7:])
