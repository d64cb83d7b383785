"""A population of the network from the chip's registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nirdeploy.backends.xylo.decays import kept_by
from nirdeploy.backends.xylo.schema import Formats
from nirdeploy.integers.parts import ChipPopulation, Effective
from nirdeploy.semantics.neuron import Rules

#: Registers of a neuron, int64 (size,) each.
NEURON = ("dash_mem", "dash_syn", "threshold", "bias")


def population(
    name: str,
    shape: tuple[int, ...],
    rules: Rules,
    registers: Mapping[str, np.ndarray],
    scale: np.ndarray,
    formats: Formats,
    *,
    output: bool,
    latency: int,
) -> ChipPopulation:
    """A hidden or output population. ``scale``: membrane potential of one LSB; ``rules``: the graph's, of which the
    chip decides how often a neuron spikes in a step."""
    most, threshold = formats.output_spikes if output else formats.hidden_spikes, registers["threshold"]
    # A membrane at the threshold spikes, one below does not: where that is all there is to it, the border lies halfway.
    border = (threshold - 0.5 if output else threshold) * scale
    return ChipPopulation(
        name=name,
        model="CubaLIF",
        shape=shape,
        rules=replace(rules, threshold=">=", multi=not output, max_spikes=most),
        threshold=threshold - 1,
        scale=scale,
        latency=latency,
        registers={
            **{key: registers[key] for key in NEURON},
            "spikes_max": np.array(most),
            "events_max": np.array(formats.input_events),
        },
        stands_for=Effective(
            decay=kept_by(registers["dash_mem"]),
            offset=registers["bias"] * scale,
            threshold=border,
            v_reset=border - threshold * scale,
            synapse_decay=kept_by(registers["dash_syn"]),
        ),
    )
