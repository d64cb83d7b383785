"""target: a chip or board as data. One TOML file in ``targets/`` each; found by listing the folder."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import json
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator

from nirdeploy.errors import TargetFileError, UnknownTarget, UsageProblem
from nirdeploy.resources import targets_dir

Reset = Literal["zero", "subtract", "none"]
Positive = Annotated[int, Field(gt=0)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+$")]  # what may get into scripts and constraints
Line = Annotated[str, Field(pattern=r'^[^\x00-\x1f\x7f"\\]*$')]  # what may get into their comments


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelSupport(Table):
    """What a target does of one neuron model."""

    reset: tuple[Reset, ...] = Field(default=(), strict=False)


class Formats(Table):
    """Integer formats of a target (bits; see :class:`nirdeploy.quantize.Formats`)."""

    weight_bits: Literal[2, 4, 8, 16]
    accumulator_bits: Annotated[int, Field(ge=8, le=24)]
    state_bits: Annotated[int, Field(ge=8, le=24)]
    decay_bits: Annotated[int, Field(ge=4, le=16)]
    shift_max: Annotated[int, Field(ge=0, le=15)]


class Connections(Table):
    """How projections may be: ``delay_max`` steps late (1: recurrent ones)."""

    delay_max: Annotated[int, Field(ge=0)]


class Board(Table):
    """The board behind the serial port."""

    name: Line
    clock_hz: Positive
    baud: Positive
    usb: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _at_least_four_clocks_per_bit(self) -> Board:
        if self.clock_hz < 4 * self.baud:
            raise ValueError(f"baud = {self.baud} must be at most a quarter of clock_hz = {self.clock_hz}")
        return self


class Synthesis(Table):
    """How the board's chip is configured with this hardware.

    ``pins``: ports of the board's top module to pins, ``high`` those that must be driven high. ``pll``: parameters
    of the family's PLL that make ``board.clock_hz`` of the oscillator; none: the oscillator is the clock.
    ``events``: false leaves the logic out that sends spikes as events where these are shorter than the bitmap.
    ``loader``: the command that loads a bitstream, whose path comes last. ``router``: nextpnr's, where it
    is not to be its default; the second one gets dense designs through that the first does not come to an end with.
    """

    family: Word
    device: Word
    package: Word
    oscillator_hz: Positive
    pins: dict[Literal["clock", "rx", "tx", "lamp"], Word]
    high: tuple[Word, ...] = Field(default=(), strict=False)
    lamp_low: bool = False
    events: bool = True
    pll: dict[Word, int] = {}
    loader: tuple[str, ...] = Field(strict=False)
    router: Literal["router1", "router2"] | None = None
    seed: int = 1

    @model_validator(mode="after")
    def _every_pin(self) -> Synthesis:
        if missing := {"clock", "rx", "tx", "lamp"} - set(self.pins):
            raise ValueError(f"pins: {', '.join(sorted(missing))} missing")
        return self


class Target(Table):
    """One target file, validated. ``name`` is the file's stem.

    ``formats`` and ``hardware`` follow the schemas of its backend. ``sources`` says of each figure where it is
    from. ``home``: the folder of a user's own file that this process was told to load; ``own_templates``: its templates
    stand there. A build keeps the latter only: no folder's data says where code is to be taken from.
    """

    name: str
    schema_version: Literal[1] = Field(alias="schema")
    title: Line
    default: bool = False
    family: str
    backend: str
    templates: str
    models: dict[str, ModelSupport]
    connections: Connections
    formats: Any
    hardware: Any
    board: Board | None = None
    synthesis: Synthesis | None = None
    sources: dict[str, str] = {}
    home: str | None = None
    own_templates: bool = False

    @field_validator("templates")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if name in ("", ".", "..") or set(name) & set("/\\:\0"):
            raise ValueError(f"{name!r} must be the plain name of a folder")
        return name

    @cached_property
    def signature(self) -> bytes:
        """8 bytes that name the hardware: SHA-256 over family, formats and hardware parameters."""
        content = {
            "family": self.family,
            "formats": self.formats.model_dump(),
            "hardware": self.hardware.model_dump(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()[:8]

    @property
    def serial_board(self) -> Board:
        """The board behind the serial port. Raises :class:`UsageProblem` where the target has none."""
        if self.board is None:
            raise UsageProblem(
                "this target has no board that nirdeploy talks to over a serial port",
                where=f"target {self.name}",
                hint="run its integer model (--port sim), or the rendered script where the hardware is",
            )
        return self.board

    def with_hardware(self, **changes: int) -> Target:
        """The same target with other hardware or format parameters, validated again."""
        data = self.model_dump(by_alias=True)
        for key, value in changes.items():
            table = next((t for t in ("hardware", "formats", "board") if key in (data[t] or {})), None)
            if table is None:
                raise TargetFileError(f"there is no hardware parameter {key!r}", where=self.name)
            data[table][key] = value
        return validate(data, where=self.name)


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
    home = None if path.parent == targets_dir() else path.parent.resolve()
    found = validate({**data, "home": home and str(home), "own_templates": False, "name": path.stem}, where=str(path))
    return found.model_copy(update={"own_templates": home is not None and (home / found.templates).is_dir()})


def validate(data: dict[str, Any], where: str) -> Target:
    """A target from what its file says (or from a dump of one). Raises :class:`TargetFileError`."""
    backend = _backend(data.get("backend"), where)
    try:
        found: Target = _schema(backend.Formats, backend.Hardware).model_validate(data)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"])
            problems.append(f"{key}: {item['msg'].lower()}" if key else item["msg"])
        raise TargetFileError(
            "; ".join(problems), where=where, hint="compare with a target that comes with nirdeploy"
        ) from error
    problems = backend.misfits(found)
    if problems:
        raise TargetFileError("; ".join(problems), where=where)
    return found


def _backend(name: Any, where: str) -> Any:
    """A target's tables are its backend's: looked up by name, as the stages that import targets come first."""
    if not isinstance(name, str):
        raise TargetFileError("backend: field required, a string", where=where)
    return importlib.import_module("nirdeploy.backends.base").find(name, where)


@functools.cache
def _schema(formats: type[BaseModel], hardware: type[BaseModel]) -> type[Target]:
    tables: dict[str, Any] = {"formats": (formats, ...), "hardware": (hardware, ...)}
    return create_model("Target", __base__=Target, **tables)
