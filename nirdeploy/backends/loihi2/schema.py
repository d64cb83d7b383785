"""What a Loihi target file says in [formats] and [hardware]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nirdeploy.integers.parts import Formats as IntegerFormats
from nirdeploy.targets.tables import Positive, Table


class Formats(Table):
    """The chip's registers, in bits unless said otherwise.

    ``align_shift``: how far an activation and a threshold are shifted left to stand under the state.
    ``message_bits``: of the largest number that a spike from outside may carry.
    ``fraction_bits``: 0: every population has a scale of its own; n: one unit of membrane potential is 2^n
    everywhere (at least ``align_shift``).
    """

    weight_bits: Literal[8]
    weight_exponent_max: Annotated[int, Field(ge=0, le=7)]
    activation_bits: Annotated[int, Field(ge=8, le=18)]
    state_bits: Annotated[int, Field(ge=16, le=24)]
    decay_bits: Annotated[int, Field(ge=8, le=12)]
    threshold_bits: Annotated[int, Field(ge=8, le=17)]
    bias_bits: Annotated[int, Field(ge=4, le=13)]
    bias_exponent_max: Annotated[int, Field(ge=0, le=7)]
    align_shift: Annotated[int, Field(ge=0, le=6)]
    message_bits: Annotated[int, Field(ge=1, le=8)]
    fraction_bits: Annotated[int, Field(ge=0, le=22)] = 0

    @property
    def unity(self) -> int:
        """A decay register of this value forgets everything in one step."""
        return 1 << self.decay_bits

    @property
    def state_max(self) -> int:
        return (1 << (self.state_bits - 1)) - 1

    @property
    def activation_max(self) -> int:
        return (1 << (self.activation_bits - 1)) - 1

    @property
    def threshold_max(self) -> int:
        return (1 << self.threshold_bits) - 1

    @property
    def bias_max(self) -> int:
        """The largest bias mantissa."""
        return (1 << (self.bias_bits - 1)) - 1

    def of_network(self) -> IntegerFormats:
        """The formats of an integer network: a mantissa of mixed sign counts in steps of two, so takes a bit more."""
        return IntegerFormats(
            weight_bits=self.weight_bits + 1,
            accumulator_bits=self.activation_bits,
            state_bits=self.state_bits,
            decay_bits=self.decay_bits,
            shift_max=self.weight_exponent_max,
        )


class Hardware(Table):
    """The chip's cores. Memory is shared freely between synapses and neurons."""

    cores: Positive
    neurons: Positive  # per core
    memory_bytes: Positive  # per core
    neuron_bytes: Positive  # state and parameters of one neuron
    input_axons: Positive  # per core: sources that reach it
    output_axons: Positive  # per core: pairs of a neuron on it and a core that it reaches
    decays: Positive  # of one population
    synaptic_event_pj: Annotated[float, Field(gt=0)]
    neuron_update_pj: Annotated[float, Field(gt=0)]
