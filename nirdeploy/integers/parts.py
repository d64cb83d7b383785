"""parts: populations and projections in integers, as a device computes them, and the formats of their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nirdeploy.records.brief import Brief
from nirdeploy.semantics.neuron import SPIKING, SYNAPTIC, Rules
from nirdeploy.semantics.operators import Maximum, Operator, Passage, Pool

#: Arrays of every population, and of the reference's.
SHARED = ("threshold", "scale")
OF_THE_REFERENCE = ("decay", "bias", "synapse_decay", "synapse_bias", "reset_value", "spike_size", "initial")


@dataclass(frozen=True)
class Formats:
    """Bits of the target's integers (all signed but ``decay``, unsigned with ``decay_bits`` fraction)."""

    weight_bits: int
    accumulator_bits: int
    state_bits: int
    decay_bits: int
    shift_max: int = 15

    @property
    def weight_max(self) -> int:
        return int(2 ** (self.weight_bits - 1)) - 1

    @property
    def accumulator_max(self) -> int:
        return int(2 ** (self.accumulator_bits - 1)) - 1

    @property
    def state_max(self) -> int:
        return int(2 ** (self.state_bits - 1)) - 1


@dataclass(frozen=True, eq=False, repr=False)
class Effective(Brief):
    """What a population's numbers amount to in the graph's terms: float64 (size,).

    ``decay`` and ``synapse_decay``: what of membrane and synaptic current a step leaves. ``offset`` and
    ``synapse_offset``: what a step adds to them (in the membrane's unit); ``late_offset``: what of that is missing
    before a step, by that step. ``threshold`` and ``v_reset``: membrane potentials. None: there is no such thing.
    """

    decay: np.ndarray
    offset: np.ndarray
    threshold: np.ndarray
    v_reset: np.ndarray
    synapse_decay: np.ndarray | None = None
    synapse_offset: np.ndarray | None = None
    late_offset: Mapping[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, repr=False)
class Population(Brief):
    """What populations of all targets have. How they step is said by their class.

    ``threshold``: int64 (size,): a membrane above it spikes. ``scale``: float64 (size,): the membrane potential of one
    LSB of membranes, and of the threshold. ``latency``: steps by which the population does everything later than in
    the graph, on a target where connections take steps of their own; the delays of projections are then the target's.
    ``weight_bits``: of the weights into it, where they are not the network's.
    """

    name: str
    model: str
    shape: tuple[int, ...]
    rules: Rules
    threshold: np.ndarray
    scale: np.ndarray
    latency: int = 0
    weight_bits: int | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def spiking(self) -> bool:
        return self.model in SPIKING

    @property
    def synaptic(self) -> bool:
        return self.model in SYNAPTIC

    @property
    def reset(self) -> str:
        return self.rules.reset

    def effective(self, formats: Formats) -> Effective:
        """What the numbers amount to in the graph's terms."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, repr=False)
class IntegerPopulation(Population):
    """int64 arrays over the flattened population, in units of the neuron's membrane LSB.

    :func:`nirdeploy.sim.integer.step` is the definition of a step. In the simplest case:
        acc = sum of projections (weight @ spikes), in weight units
        v   = saturate(round(decay v / 2^decay_bits) + (acc << shift) + bias)
        spike if v > threshold; then v = reset_value ("zero") or saturate(v - reset_value) ("subtract")
    A synaptic current (CubaLIF, CubaLI) has the membrane's unit, ``synapse_decay`` and ``synapse_bias``.
    ``spike_size`` is what one spike of several takes of v where ``rules.multi``. round is to nearest, ties away
    from zero. ``initial`` is v at the start of a sample. ``late_bias``:
    what of the bias is missing before a step, by that step. ``zeros``: what the zero points of inputs took from the
    bias (the synaptic current's, if there is one), by the step in which they begin.
    """

    shift: int
    decay: np.ndarray
    bias: np.ndarray
    synapse_decay: np.ndarray
    synapse_bias: np.ndarray
    reset_value: np.ndarray
    spike_size: np.ndarray
    initial: np.ndarray
    late_bias: Mapping[int, np.ndarray] = field(default_factory=dict)
    zeros: Mapping[int, np.ndarray] = field(default_factory=dict)

    def effective(self, formats: Formats) -> Effective:
        bits, scale = 2.0**formats.decay_bits, self.scale
        # An integer membrane above `threshold` is at least threshold + 1: the border lies halfway.
        border = self.spike_size if self.rules.multi else self.threshold + 0.5
        threshold, reset = border * scale, self.reset_value * scale
        taken = sum(self.zeros.values(), start=np.zeros(self.size, dtype=np.int64))
        bias, synapse_bias = self.bias + (0 if self.synaptic else taken), self.synapse_bias + taken
        return Effective(
            decay=self.decay / bits,
            offset=bias * scale,
            threshold=threshold,
            v_reset=threshold - reset if self.reset == "subtract" else reset,
            synapse_decay=self.synapse_decay / bits if self.synaptic else None,
            synapse_offset=synapse_bias * scale if self.synaptic else None,
            late_offset={step: (late + self.zeros.get(step, 0)) * scale for step, late in self.late_bias.items()},
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class ChipPopulation(Population):
    """Neurons of a target that have dynamics of their own.

    ``registers``: what they step by, of the chip's own types and shapes. ``stands_for``: what that amounts to.
    """

    registers: Mapping[str, np.ndarray]
    stands_for: Effective

    def effective(self, formats: Formats) -> Effective:
        return self.stands_for


@dataclass(frozen=True, repr=False)
class IntegerProjection(Brief, Passage):
    """``operator`` holds int32 weights, within ``weight_bits``, in units of 2^``shift`` weight units.

    The signal passes ``pool`` (if any), the operator and ``maximum`` (if any), and arrives ``delay`` steps later.
    ``unit`` (float64, size of the target): the current of one weight unit, shift included, for a spike or 1 of an
    input's numbers; one for each channel that a maximum is taken over.
    """

    source: str
    target: str
    operator: Operator
    unit: np.ndarray
    pool: Pool | None = None
    delay: int = 0
    shift: int = 0
    maximum: Maximum | None = None

    def synapses(self) -> int:
        """How many pairs of neurons it connects, convolutions written out."""
        once = np.ones(self.inputs)
        return int(self.connected.apply(once if self.pool is None else self.pool.apply(once)).sum())
