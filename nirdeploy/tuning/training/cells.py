"""cells: a population in integers as tensors on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nirdeploy.integers.parts import Formats, IntegerPopulation
from nirdeploy.semantics.neuron import Rules


class State(NamedTuple):
    """float64 (B, size): membrane, synaptic current (zeros where there is none), spikes of the step."""

    v: Tensor
    i: Tensor
    z: Tensor


@dataclass(frozen=True, eq=False)
class Cells:
    """Fields as in IntegerPopulation, float64 (size,).

    ``decay``, ``synapse_decay``: as fractions. ``offset``: what a step adds to a membrane that has a synaptic current
    in front. ``width``: of the surrogate. ``gate``: whether the neurons only pass spikes on (relays, maxima): there the
    derivative is what one spike more or less changes, and ``width`` what one adds at most. ``late``: what of the bias
    is missing before a step.
    """

    rules: Rules
    spiking: bool
    synaptic: bool
    gate: bool
    top: int
    decay: Tensor
    synapse_decay: Tensor
    offset: Tensor
    threshold: Tensor
    reset_value: Tensor
    spike_size: Tensor
    initial: Tensor
    width: Tensor
    late: Mapping[int, Tensor]

    @classmethod
    def of(
        cls, population: IntegerPopulation, formats: Formats, device: torch.device, gate: np.ndarray | None = None
    ) -> Cells:
        """``gate``: what one spike adds to each membrane at most, of neurons that only pass spikes on."""

        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values.astype(np.float64)).to(device)

        whole = 1 << formats.decay_bits
        return cls(
            rules=population.rules,
            spiking=population.spiking,
            synaptic=population.synaptic,
            gate=gate is not None,
            top=formats.state_max,
            decay=tensor(population.decay / whole),
            synapse_decay=tensor(population.synapse_decay / whole),
            offset=tensor(population.bias if population.synaptic else np.zeros(population.size)),
            threshold=tensor(population.threshold),
            reset_value=tensor(population.reset_value),
            spike_size=tensor(population.spike_size),
            initial=tensor(population.initial),
            width=tensor(np.maximum(np.abs(population.threshold), 2.0**population.shift) if gate is None else gate),
            late={step: tensor(missing) for step, missing in population.late_bias.items()},
        )

    def start(self, batch: int) -> State:
        """The state before the first step."""
        v = self.initial.expand(batch, -1)
        return State(v, torch.zeros_like(v), torch.zeros_like(v))

    def missing(self, step: int) -> Tensor | float:
        """What of the bias is not there yet in a step."""
        return sum((late for end, late in self.late.items() if step < end), start=0.0)
