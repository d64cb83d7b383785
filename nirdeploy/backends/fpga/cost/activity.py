"""Spikes as the bits that cores read: where every neuron's bit stands in the bitmaps of one step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nirdeploy.backends.fpga import dialects
from nirdeploy.backends.fpga.floorplan import Floorplan, Resident
from nirdeploy.backends.fpga.layout import WORD


def bitmaps(plan: Floorplan, signals: Mapping[str, np.ndarray]) -> np.ndarray:
    """uint8 (T, bits): the bitmaps of every step, each input's bit planes among them.

    ``signals``: what inputs and populations send, (T, size) each in the network's order; those missing are silent.
    What is said late stands in the bitmap of the step before.
    """
    steps = len(next(iter(signals.values())))
    bits = np.zeros((steps, plan.spike_words * WORD), dtype=np.uint8)
    inputs = [name for name, _ in plan.network.inputs]
    for name, values in signals.items():
        ordered = values.reshape(steps, -1)[:, plan.layouts[name].order()]
        if late := dialects.delay(plan.network, name):
            ordered = np.concatenate([ordered[late:], np.zeros_like(ordered[:late])])
        if name in inputs:
            (resident,) = plan.residents(name)
            _fill(bits, plan, name, resident, np.arange(ordered.shape[1]), ordered)
        elif plan.network.population(name).spiking:
            for resident, part in zip(plan.residents(name), plan.slices(name), strict=True):
                index, block = np.arange(part.count), resident.part.block
                places = index // block.width * block.pitch + index % block.width
                _fill(bits, plan, name, resident, places, ordered[:, part.first : part.first + part.count])
    return bits


def _fill(
    bits: np.ndarray, plan: Floorplan, name: str, resident: Resident, places: np.ndarray, values: np.ndarray
) -> None:
    for plane in range(plan.planes(name)):
        bits[:, (resident.word + plane * resident.plane_words) * WORD + places] = values >> plane & 1


def drawn(plan: Floorplan, activity: float | Mapping[str, float], steps: int) -> np.ndarray:
    """The same for neurons that spike independently, each with probability ``activity`` in a step (by name, or one).

    Inputs of several bits are numbers, evenly distributed, where they are not zero; their borders are as they are sent.
    The draw is always the same one.
    """
    rng = np.random.default_rng(0)
    network = plan.network
    shapes = dict(network.inputs)
    shapes |= {population.name: population.shape for population in network.populations}
    takes = network.takes
    signals = {}
    for name, shape in shapes.items():
        rate = activity if isinstance(activity, float) else activity.get(name, 0.0)
        signals[name] = (rng.random((steps, *shape)) < rate).astype(np.uint8)
        if name in takes and takes[name].bits > 1:
            signals[name] *= rng.integers(1, takes[name].top + 1, (steps, *shape), dtype=np.uint8)
        if name in takes:
            signals[name] = takes[name].around(signals[name], fill=takes[name].zero)
    return bitmaps(plan, signals)
