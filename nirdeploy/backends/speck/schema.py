"""A Speck's tables in its target file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nirdeploy.integers.parts import Formats as IntegerFormats
from nirdeploy.targets.tables import Positive, Table

PerCore = Annotated[tuple[Positive, ...], Field(strict=False, min_length=1)]
Sizes = Annotated[tuple[Positive, ...], Field(strict=False, min_length=1)]

#: The readout layer's number among the destinations, and the channels of a core that it sees: every fourth, by an
#: error of the chip (sinabs docs, speck/faqs/chip_errata and using_readout_layer).
READOUT_LAYER = 12
READOUT_SPREAD = 4


class Formats(Table):
    """Bits of a core's integers, all signed; ``scaling``: see :mod:`nirdeploy.backends.speck.rounding`."""

    weight_bits: Annotated[int, Field(ge=2, le=16)]
    bias_bits: Annotated[int, Field(ge=2, le=16)]
    state_bits: Annotated[int, Field(ge=8, le=24)]
    scaling: Literal["threshold", "largest"]

    def of_network(self) -> IntegerFormats:
        """The formats of an integer network; the accumulator is the model's (a core adds event by event)."""
        return IntegerFormats(self.weight_bits, 32, self.state_bits, 16)


class Hardware(Table):
    """``kernel_words``, ``neuron_words`` and ``bias_words`` have an entry per core."""

    samna_module: str
    device: str
    kernel_words: PerCore
    neuron_words: PerCore
    bias_words: PerCore
    input_size: Positive
    output_size: Positive
    features: Positive
    kernel_size: Positive
    strides: Sizes
    padding: Annotated[int, Field(ge=0)]
    pools: Sizes
    destinations: Positive
    readout_classes: Positive
    readout: bool
