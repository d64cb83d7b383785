"""The network of one pass: boxes of populations, what projects into them, and inputs in place of what came before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.backends.fpga.lowering import walks, written_out
from nirdeploy.backends.fpga.passes.boxes import Box, Grid
from nirdeploy.backends.fpga.passes.ways import Way, narrowed
from nirdeploy.backends.fpga.passes.whole import Whole
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerPopulation, IntegerProjection
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets.fit import refuse
from nirdeploy.targets.wiring import Given, Taken, Wiring

Boxes = Mapping[str, Box]  # by population


@dataclass(frozen=True, eq=False)
class SubNetwork:
    """Of one tile, as it is seen: convolutions and pools are what they are."""

    network: IntegerNetwork
    wiring: Wiring


def subnetwork(whole: Whole, boxes: Boxes) -> SubNetwork:
    """The network that computes these boxes. What it reads of populations that are in it, it has."""
    takes: dict[tuple[object, ...], Taken] = {}
    sizes: dict[str, tuple[int, ...]] = {}
    populations, projections = [], []
    for name, box in boxes.items():
        populations.append(_population(whole.populations[name], whole.grids[name], box))
        for way in whole.ways[name]:
            inside = [replace(way, projection=p) for p in way.parts() if p.source in boxes]
            for one in inside:
                own = boxes[one.projection.source].fills(whole.grids[one.projection.source])
                projections.append(one.projection if own else narrowed(one, whole.grids[name], box).projection)
            outside = [replace(way, projection=p) for p in way.parts() if p.source not in boxes] if inside else [way]
            for one in outside:
                seen = narrowed(one, whole.grids[name], box)
                taken = _taken(whole, seen, takes, boxes)
                sizes[taken.input] = seen.box.shape
                projections.append(replace(seen.projection, source=taken.input, delay=0))
    gives = tuple(
        Given(name, whole.adds.get(name, name), whole.grids[name], (box.first,), name in whole.adds)
        for name, box in boxes.items()
    )
    network = _network(whole, populations, projections, takes, sizes)
    return SubNetwork(network, Wiring(tuple(takes.values()), gives, 1))


def walked(network: IntegerNetwork, spatial: bool) -> IntegerNetwork:
    """A pass's network as the cores walk it: what they know no convolutions of is written out.

    Raises:
        DoesNotFit: a box so large that what it sees cannot be written out.
    """
    if walks(network.projections, spatial):
        return network
    found, problems = written_out(network.projections, spatial)
    refuse(problems, network.target)
    return replace(network, projections=tuple(_in_whole_numbers(p) for p in found))


def _in_whole_numbers(p: IntegerProjection) -> IntegerProjection:
    """As it was rounded, written out or not."""
    if p.weight.dtype == np.int32:
        return p
    return replace(p, operator=Dense(p.weight.astype(np.int32)))


def _network(
    whole: Whole,
    populations: list[IntegerPopulation],
    projections: list[IntegerProjection],
    takes: Mapping[tuple[object, ...], Taken],
    sizes: Mapping[str, tuple[int, ...]],
) -> IntegerNetwork:
    bits = {taken.input: whole.signals[str(key[0])].bits for key, taken in takes.items()}
    return IntegerNetwork(
        target=whole.network.target,
        formats=whole.network.formats,
        populations=tuple(populations),
        projections=tuple(projections),
        inputs=tuple((taken.input, sizes[taken.input]) for taken in takes.values()),
        outputs={p.name: p.name for p in populations},
        dt=whole.network.dt,
        report=(),
        encodings={name: InputEncoding(held) for name, held in bits.items() if held > 1},
    )


def _taken(whole: Whole, seen: Way, takes: dict[tuple[object, ...], Taken], boxes: Boxes) -> Taken:
    """The input that holds what is seen: one that is there already, if it is the same."""
    p, box = seen.projection, seen.box
    key = (p.source, seen.grid, box, p.delay)
    if key not in takes:
        signal, name = whole.signals[p.source], p.source
        names = {*boxes, *(taken.input for taken in takes.values())}
        while name in names:
            name += f".{len(takes)}"
        takes[key] = Taken(name, signal.names, seen.grid, (box.first,), p.delay, signal.form, signal.of_sum)
    return takes[key]


def _population(population: IntegerPopulation, grid: Grid, box: Box) -> IntegerPopulation:
    if box.fills(grid):
        return population
    kept = box.indices(grid)
    return replace(
        population,
        shape=box.shape,
        threshold=population.threshold[kept],
        scale=population.scale[kept],
        decay=population.decay[kept],
        bias=population.bias[kept],
        synapse_decay=population.synapse_decay[kept],
        synapse_bias=population.synapse_bias[kept],
        reset_value=population.reset_value[kept],
        spike_size=population.spike_size[kept],
        initial=population.initial[kept],
        late_bias={step: late[kept] for step, late in population.late_bias.items()},
        zeros={step: taken[kept] for step, taken in population.zeros.items()},
    )
