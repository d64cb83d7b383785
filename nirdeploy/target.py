"""target: a chip or board as data. One TOML file in ``targets/`` each; found by listing the folder."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nirdeploy.errors import TargetFileError, UnknownTarget
from nirdeploy.resources import targets_dir

Reset = Literal["zero", "subtract", "none"]
Positive = Annotated[int, Field(gt=0)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelSupport(_Table):
    """What a target does of one neuron model."""

    reset: tuple[Reset, ...] = Field(default=(), strict=False)


class Formats(_Table):
    """Integer formats of a target (bits; see :class:`nirdeploy.quantize.Formats`)."""

    weight_bits: Literal[2, 4, 8, 16]
    accumulator_bits: Annotated[int, Field(ge=8, le=24)]
    state_bits: Annotated[int, Field(ge=8, le=24)]
    decay_bits: Annotated[int, Field(ge=4, le=16)]
    shift_max: Annotated[int, Field(ge=0, le=15)]


class Connections(_Table):
    """How projections may be: ``delay_max`` steps late (1: recurrent ones)."""

    delay_max: Literal[0, 1]


class Hardware(_Table):
    """Parameters of the gather-core design."""

    architecture: Positive
    cores: Annotated[int, Field(gt=0, le=64)]
    lanes: Annotated[int, Field(ge=4, le=256)]
    update: Literal[1, 2, 4]
    weight_rows: Annotated[int, Field(ge=32, le=65536)]
    neurons: Annotated[int, Field(ge=4, le=65536)]
    synapse: Literal[0, 1]
    jobs: Annotated[int, Field(ge=2, le=1024)]
    groups: Literal[4, 8, 16, 32]
    spike_words: Annotated[int, Field(ge=2, le=16384)]
    out_words: Annotated[int, Field(ge=4, le=32768)]
    window: Annotated[int, Field(ge=1024, le=32768)]

    @model_validator(mode="after")
    def _powers_of_two(self) -> Hardware:
        for name in ("lanes", "jobs", "spike_words", "out_words", "window"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} = {value} must be a power of two")
        if self.out_words < 2 * self.spike_words:
            raise ValueError(f"out_words = {self.out_words} must be at least 2 x spike_words = {2 * self.spike_words}")
        if self.neurons % self.lanes:
            raise ValueError(f"neurons = {self.neurons} must be a multiple of lanes = {self.lanes}")
        return self


class Board(_Table):
    """The board behind the serial port."""

    name: str
    clock_hz: Positive
    baud: Positive
    usb: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _at_least_four_clocks_per_bit(self) -> Board:
        if self.clock_hz < 4 * self.baud:
            raise ValueError(f"baud = {self.baud} must be at most a quarter of clock_hz = {self.clock_hz}")
        return self


class Target(_Table):
    """One target file, validated. ``name`` is the file's stem."""

    name: str
    schema_version: Literal[1] = Field(alias="schema")
    title: str
    default: bool = False
    family: str
    backend: str
    templates: str
    models: dict[str, ModelSupport]
    connections: Connections
    formats: Formats
    hardware: Hardware
    board: Board

    @model_validator(mode="after")
    def _lanes_fill_words(self) -> Target:
        if self.hardware.lanes * self.formats.weight_bits % 32:
            raise ValueError("lanes x weight_bits must fill whole 32-bit words")
        if self.hardware.update > 32 // self.formats.weight_bits:
            raise ValueError("update must not exceed the lanes of one 32-bit word of weights")
        return self

    @model_validator(mode="after")
    def _synapses_are_there(self) -> Target:
        synaptic = sorted({"CubaLIF", "CubaLI"} & set(self.models))
        if synaptic and not self.hardware.synapse:
            raise ValueError(f"models {', '.join(synaptic)} need hardware.synapse = 1")
        return self

    @cached_property
    def signature(self) -> bytes:
        """8 bytes that name the hardware: SHA-256 over family, formats and hardware parameters."""
        content = {"family": self.family, "formats": dict(self.formats), "hardware": dict(self.hardware)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()[:8]

    def with_hardware(self, **changes: int) -> Target:
        """The same target with other hardware or format parameters, validated again."""
        data = self.model_dump(by_alias=True)
        for key, value in changes.items():
            table = next((t for t in ("hardware", "formats", "board") if key in data[t]), None)
            if table is None:
                raise TargetFileError(f"there is no hardware parameter {key!r}", where=self.name)
            data[table][key] = value
        return _validate(data, where=self.name)


def names() -> list[str]:
    """Names of the targets that come with nirdeploy."""
    return sorted(path.stem for path in targets_dir().glob("*.toml"))


def default() -> str:
    """The target where none is named: the one whose file says ``default = true``."""
    for path in sorted(targets_dir().glob("*.toml")):
        if tomllib.loads(path.read_text(encoding="utf-8")).get("default"):
            return path.stem
    raise UnknownTarget("no target is the default", hint=f"name one of {', '.join(names())}")


def load(name_or_path: str | Path | Target | None = None) -> Target:
    """Load a target by name (None: the default), or from a user's own TOML file (anything ending in ``.toml``).

    Raises:
        UnknownTarget: no such target; says which there are.
        TargetFileError: names file, key and what is allowed, all mistakes at once.
    """
    if isinstance(name_or_path, Target):
        return name_or_path
    text = str(default() if name_or_path is None else name_or_path)
    path = Path(text) if text.endswith(".toml") else targets_dir() / f"{text}.toml"
    if not text.endswith(".toml") and text not in names():
        near = difflib.get_close_matches(text, names(), 1)
        raise UnknownTarget(
            f"there is no target {text!r}",
            hint=(f"did you mean {near[0]!r}? " if near else "")
            + f"targets: {', '.join(names())}, or a path to a .toml file",
        )
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnknownTarget(f"cannot read the target file: {error.strerror}", where=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetFileError(f"not valid TOML: {error}", where=str(path)) from error
    return _validate({**data, "name": path.stem}, where=str(path))


def _validate(data: dict[str, Any], where: str) -> Target:
    try:
        return Target.model_validate(data)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"])
            problems.append(f"{key}: {item['msg'].lower()}" if key else item["msg"])
        raise TargetFileError(
            "; ".join(problems), where=where, hint="compare with a target that comes with nirdeploy"
        ) from error
