"""Spikes as the bits that cores read: where every neuron's bit stands in the bitmaps of one step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nirdeploy.backends.fpga import dialects
from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.layout import WORD


def bitmaps(plan: Floorplan, signals: Mapping[str, np.ndarray]) -> np.ndarray:
    """uint8 (T, bits): the bitmaps of every step, each input's bit planes among them.

    ``signals``: what inputs and populations send, (T, size) each in the network's order; those missing are silent.
    What is said late stands in the bitmap of the step before.
    """
    steps = len(next(iter(signals.values())))
    bits = np.zeros((steps, plan.spike_words * WORD), dtype=np.uint8)
    for name, values in signals.items():
        ordered = values.reshape(steps, -1)[:, plan.layouts[name].order()]
        if late := dialects.delay(plan.network, name):
            ordered = np.concatenate([ordered[late:], np.zeros_like(ordered[:late])])
        if name in plan.plane_words:
            start, plane_bits = plan.residents(name)[0].word * WORD, plan.plane_words[name] * WORD
            for plane in range(plan.planes):
                at = start + plane * plane_bits
                bits[:, at : at + ordered.shape[1]] = ordered >> plane & 1
        elif plan.network.population(name).spiking:
            for resident, part in zip(plan.residents(name), plan.slices(name), strict=True):
                index, block = np.arange(part.count), resident.part.block
                places = resident.word * WORD + index // block.width * block.pitch + index % block.width
                bits[:, places] = ordered[:, part.first : part.first + part.count]
    return bits


def drawn(plan: Floorplan, activity: float | Mapping[str, float], steps: int) -> np.ndarray:
    """The same for neurons that spike independently, each with probability ``activity`` in a step (by name, or one).

    Inputs of several bits are numbers, evenly distributed, where they are not zero. The draw is always the same one.
    """
    rng = np.random.default_rng(0)
    network = plan.network
    sizes = {name: int(np.prod(shape)) for name, shape in network.inputs}
    sizes |= {population.name: population.size for population in network.populations}
    top = 1 << network.input_bits
    signals = {}
    for name, size in sizes.items():
        rate = activity if isinstance(activity, float) else activity.get(name, 0.0)
        signals[name] = (rng.random((steps, size)) < rate).astype(np.uint8)
        if name in plan.plane_words and top > 2:
            signals[name] *= rng.integers(1, top, (steps, size), dtype=np.uint8)
    return bitmaps(plan, signals)
