"""What a Xylo target file says in [formats] and [hardware]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nirdeploy.integers.parts import Formats as IntegerFormats
from nirdeploy.targets.tables import Positive, Table


class Formats(Table):
    """The chip's registers, in bits, and the most events of a step.

    ``weight_shift_max``: of the left shift that all weights of a matrix (input, hidden, output) share.
    """

    weight_bits: Literal[8]
    weight_shift_max: Annotated[int, Field(ge=0, le=8)]
    state_bits: Literal[16]
    dash_bits: Annotated[int, Field(ge=1, le=4)]
    input_events: Annotated[int, Field(ge=1, le=15)]
    hidden_spikes: Annotated[int, Field(ge=1, le=31)]
    output_spikes: Literal[1]

    @property
    def weight_max(self) -> int:
        return int(2 ** (self.weight_bits - 1)) - 1

    @property
    def state_max(self) -> int:
        return int(2 ** (self.state_bits - 1)) - 1

    @property
    def dash_max(self) -> int:
        return int(2**self.dash_bits) - 1

    def of_network(self) -> IntegerFormats:
        """The formats of an integer network; its decays are 1 - 2^-dash."""
        return IntegerFormats(
            weight_bits=self.weight_bits,
            accumulator_bits=24,
            state_bits=self.state_bits,
            decay_bits=self.dash_max,
            shift_max=self.weight_shift_max,
        )


class Hardware(Table):
    """The chip's neurons and synapses; one core. ``rockpool``: the package of ``rockpool.devices.xylo`` for it."""

    rockpool: Annotated[str, Field(pattern=r"^syns\d{5}$")]
    inputs: Positive
    hidden: Positive
    outputs: Positive
    input_reach: Positive  # hidden neurons, the first ones, that inputs lead to
    output_reach: Positive  # hidden neurons, the last ones, that outputs are read from
    fan_out: Positive  # synapses of one hidden neuron
    hidden_weights: Positive  # synapses of all hidden neurons
    aliases: Annotated[int, Field(ge=0, le=1)]  # of one hidden neuron
