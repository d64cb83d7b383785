"""The tables of a SpiNNaker 2 target file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nirdeploy.integers.parts import Formats as IntegerFormats
from nirdeploy.targets.tables import Positive, Table


class Formats(Table):
    """Number formats: signed integer weights; parameters and state are IEEE single precision."""

    weight_bits: Annotated[int, Field(ge=2, le=8)]
    state: Literal["float32"]

    def of_network(self) -> IntegerFormats:
        """The formats of an integer network; records hold membranes in 32 bits."""
        return IntegerFormats(self.weight_bits, accumulator_bits=25, state_bits=32, decay_bits=16)


class Hardware(Table):
    """One chip and what a core's program keeps in its memory (bytes, unless said otherwise)."""

    cores: Positive
    system_cores: Annotated[int, Field(ge=0)]
    sram_bytes: Positive
    code_bytes: Positive
    stack_bytes: Positive
    dram_bytes: Positive
    neurons: Positive  # per core, of a population with a list of synapses
    conv_neurons: Positive  # per core, of a convolved population
    neuron_words: Positive
    synaptic_neuron_words: Positive
    synapse_bytes: Positive
    row_bytes: Positive
    table_entry_bytes: Positive
    events_per_second: Positive  # synaptic events per core

    @model_validator(mode="after")
    def _something_is_left(self) -> Hardware:
        if self.system_cores >= self.cores:
            raise ValueError(f"system_cores = {self.system_cores} leaves none of {self.cores} cores")
        if self.data_bytes <= 0:
            raise ValueError(f"code_bytes and stack_bytes leave nothing of sram_bytes = {self.sram_bytes}")
        return self

    @property
    def usable_cores(self) -> int:
        return self.cores - self.system_cores

    @property
    def data_bytes(self) -> int:
        """Of a core's memory, what is left for synapses, neurons and recordings."""
        return self.sram_bytes - self.code_bytes - self.stack_bytes
