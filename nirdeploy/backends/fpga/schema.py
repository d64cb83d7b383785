"""The parameters of the gather-core design, as a target file gives them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nirdeploy.targets.plain import for_templates
from nirdeploy.targets.tables import Formats, Positive, Table, Target


class Hardware(Table):
    """Parameters of the gather-core design; memories are per core where nothing else is said.

    ``external``: MiB of memory beside the chip (0: none), which the target's ``[memory]`` table describes.
    """

    unsaid = frozenset({"external"})

    architecture: Positive
    cores: Annotated[int, Field(gt=0, le=64)]
    lanes: Annotated[int, Field(ge=4, le=256)]
    update: Literal[1, 2, 4, 8, 16]
    weight_rows: Annotated[int, Field(ge=32, le=65536)]
    packed: Literal[0, 1] = 0
    neurons: Annotated[int, Field(ge=4, le=65536)]
    parameters: Annotated[int, Field(ge=4, le=65536)]
    synapse: Literal[0, 1]
    dialects: Literal[0, 1] = 0
    spike_planes: Annotated[int, Field(ge=1, le=5)] = 1
    spatial: Literal[0, 1]
    planes: Annotated[int, Field(ge=1, le=8)]
    maxima: Literal[0, 1] = 0
    compact: Literal[0, 1]
    jobs: Annotated[int, Field(ge=2, le=1024)]
    lists: Literal[1, 2] = 1
    segments: Annotated[int, Field(ge=4, le=4096)]
    queue: Literal[8, 16, 32]
    spots: Literal[0, 1] = 0
    groups: Literal[4, 8, 16, 32]
    spike_words: Annotated[int, Field(ge=2, le=16384)]
    out_words: Annotated[int, Field(ge=4, le=32768)]
    held: Literal[0, 1] = 0
    counters: Annotated[int, Field(ge=0, le=16384)] = 0
    external: Annotated[int, Field(ge=0, le=64)] = 0
    window: Annotated[int, Field(ge=1024, le=32768)]

    @model_validator(mode="after")
    def _powers_of_two(self) -> Hardware:
        for name in ("lanes", "jobs", "segments", "spike_words", "out_words", "counters", "external", "window"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} = {value} must be a power of two")
        if self.out_words < 2 * self.spike_words:
            raise ValueError(f"out_words = {self.out_words} must be at least 2 x spike_words = {2 * self.spike_words}")
        if self.spike_planes > 1 and not self.dialects:
            raise ValueError(f"spike_planes = {self.spike_planes} need dialects = 1")
        if self.compact and self.update != 1:
            raise ValueError(f"update = {self.update} must be 1 where compact = 1")
        for name in ("neurons", "parameters"):
            if getattr(self, name) % self.update:
                raise ValueError(f"{name} = {getattr(self, name)} must be a multiple of update = {self.update}")
        return self

    @property
    def external_bits(self) -> int:
        """Of the addresses of the memory beside the chip, in 32-bit words."""
        return (self.external << 18).bit_length() - 1

    @property
    def bit_planes(self) -> int:
        """Of the numbers that a core reads: input values, or spikes of a neuron in a step."""
        return max(self.planes, self.spike_planes)

    @property
    def job_lists(self) -> int:
        """Lists that a core's jobs may stand in."""
        return 1 if self.compact else self.lists

    @property
    def looks_ahead(self) -> bool:
        """Whether words without spikes are not fetched."""
        return bool(self.spots) and not self.compact

    @property
    def place_bits(self) -> int:
        """Of the number of a place for a weight row."""
        return (self.weight_rows - 1).bit_length()

    @for_templates
    def packs(self, weight_bits: int) -> int:
        """Rows of few bits that may stand in the place of one whose weights have so many: 1, 2 or 4, as far as parts of
        two bits are left and a row's number, of 16 bits at most, can say it."""
        if not self.packed or self.compact:
            return 1
        told = 4 if self.place_bits <= 13 else 2 if self.place_bits == 14 else 1
        return min(weight_bits // 2, told)

    def number_bits(self, weight_bits: int) -> int:
        """Of a weight row's number, which says how many stand together."""
        return self.place_bits + {1: 0, 2: 2, 4: 3}[self.packs(weight_bits)]

    def beyond(self, plain: bool) -> int:
        """Cycles that a neuron takes longer where its job asks for something of a dialect (``beyond_plain.v``)."""
        return 0 if plain else self.spike_planes + 4 if self.spike_planes > 1 else 2

    def pace(self, plain: bool) -> int:
        """Cycles from one slot of ``update`` neurons to the next."""
        return 6 + self.synapse + self.beyond(plain) if self.compact else 1

    def value_pace(self, plain: bool) -> int:
        """The same of membrane values, where it is not compact (``pipelined/row_update.v``)."""
        free = 28 if self.update > 8 else 12  # places of the queue of messages
        return max(-(-(9 + self.beyond(plain) + self.update) * self.update // free), self.update)


FpgaTarget = Target[Formats, Hardware]
