"""A population of the network from the chip's registers: what they stand for, in the terms that all targets share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nirdeploy.backends.xylo.schema import Formats
from nirdeploy.integers.network import IntegerPopulation
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
) -> IntegerPopulation:
    """A hidden or output population. ``scale``: membrane potential of one LSB; ``rules``: the graph's, of which the
    chip decides how often a neuron spikes in a step."""
    zeros = np.zeros(scale.size, dtype=np.int64)
    most = formats.output_spikes if output else formats.hidden_spikes
    return IntegerPopulation(
        name=name,
        model="CubaLIF",
        shape=shape,
        rules=replace(rules, threshold=">=", multi=not output, max_spikes=most),
        shift=0,
        decay=left(registers["dash_mem"], formats),
        bias=registers["bias"],
        synapse_decay=left(registers["dash_syn"], formats),
        synapse_bias=zeros,
        threshold=registers["threshold"] - 1,
        reset_value=registers["threshold"],
        spike_size=registers["threshold"],
        initial=zeros,
        scale=scale,
        extra={
            **{key: registers[key] for key in NEURON},
            "spikes_max": np.array(most),
            "events_max": np.array(formats.input_events),
        },
        latency=latency,
    )


def left(dash: np.ndarray, formats: Formats) -> np.ndarray:
    """What a dash leaves of a state in a step, in 2^-``dash_max``: int64."""
    return np.asarray((1 << formats.dash_max) - (1 << (formats.dash_max - dash)))
