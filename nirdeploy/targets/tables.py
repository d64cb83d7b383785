"""What a target file may say: the schemas of its tables, and the target that comes of them."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from typing import Annotated, Any, ClassVar, Generic, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from typing_extensions import TypeVar

from nirdeploy.errors import TargetFileError, UsageProblem, meant
from nirdeploy.integers import parts
from nirdeploy.records.brief import brief

Reset = Literal["zero", "subtract", "none"]
Positive = Annotated[int, Field(gt=0)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+$")]  # what may get into scripts and constraints
Line = Annotated[str, Field(pattern=r'^[^\x00-\x1f\x7f"\\]*$')]  # what may get into their comments


class Table(BaseModel):
    """A table of a target file. ``unsaid``: fields that are not said again where they are at their default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    unsaid: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_unsaid(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        kept = {name for name in self.unsaid if getattr(self, name) != fields[name].default}
        return {name: value for name, value in handler(self).items() if name not in self.unsaid or name in kept}


class ModelSupport(Table):
    """What a target does of one neuron model."""

    reset: tuple[Reset, ...] = Field(default=(), strict=False)


class Formats(Table):
    """Integer formats of a target (bits; see :class:`nirdeploy.integers.parts.Formats`)."""

    weight_bits: Literal[2, 4, 8, 16]
    accumulator_bits: Annotated[int, Field(ge=8, le=24)]
    state_bits: Annotated[int, Field(ge=8, le=24)]
    decay_bits: Annotated[int, Field(ge=4, le=16)]
    shift_max: Annotated[int, Field(ge=0, le=15)]

    def of_network(self) -> parts.Formats:
        """As a network in these integers says them."""
        return parts.Formats(**self.model_dump())


class Connections(Table):
    """How projections may be: ``delay_max`` steps late (1: recurrent ones)."""

    delay_max: Annotated[int, Field(ge=0)]


class Board(Table):
    """The board behind the serial port.

    ``usb``: "vid:pid" of its adapter; ``interface``: which of the adapter's serial ports, from 0, the board's UART is
    at, where there are several.
    """

    name: Line
    clock_hz: Positive
    baud: Positive
    usb: tuple[str, ...] = Field(default=(), strict=False)
    interface: Annotated[int, Field(ge=0)] | None = None

    @field_validator("usb")
    @classmethod
    def _vid_and_pid(cls, usb: tuple[str, ...]) -> tuple[str, ...]:
        if odd := [entry for entry in usb if not re.fullmatch("[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}", entry)]:
            raise ValueError(f"{odd[0]!r} must be VID:PID, four hexadecimal digits each, as in '0403:6010'")
        return usb

    @model_validator(mode="after")
    def _at_least_four_clocks_per_bit(self) -> Board:
        if self.clock_hz < 4 * self.baud:
            raise ValueError(f"baud = {self.baud} must be at most a quarter of clock_hz = {self.clock_hz}")
        return self


class Memory(Table):
    """A chip of synchronous dynamic memory (SDR SDRAM) beside the board's, as its data sheet has it.

    ``rows`` and ``columns`` of a bank: powers of two; a column holds ``data_bits``. ``cas2_ns`` and ``cas3_ns``: the
    shortest clock period with two, and with three, cycles from a read to its data. Then the shortest times from one
    command to another, of a bank where nothing else is said: ``rcd_ns`` a row opened to its first access, ``rp_ns`` a
    row closed to the next opened, ``ras_ns`` a row opened to closed, ``rc_ns`` a row opened to the next opened,
    ``rrd_ns`` a row opened to one of another bank opened, ``wr_ns`` (and cycles) the last datum written to its row
    closed, ``rfc_ns`` a refresh to the next command, ``mrd_cycles`` the mode set to the next command. ``refi_ns``:
    from refresh to refresh, on average, at most; ``power_up_us``: from power and clock to the first command.
    """

    name: Line
    data_bits: Literal[16, 32]
    banks: Literal[2, 4]
    rows: Annotated[int, Field(ge=256, le=16384)]
    columns: Annotated[int, Field(ge=64, le=1024)]
    cas2_ns: Annotated[float, Field(gt=0)]
    cas3_ns: Annotated[float, Field(gt=0)]
    rcd_ns: Annotated[float, Field(gt=0)]
    rp_ns: Annotated[float, Field(gt=0)]
    ras_ns: Annotated[float, Field(gt=0)]
    rc_ns: Annotated[float, Field(gt=0)]
    rrd_ns: Annotated[float, Field(gt=0)]
    wr_ns: Annotated[float, Field(gt=0)]
    wr_cycles: Annotated[int, Field(ge=1, le=4)] = 1
    rfc_ns: Annotated[float, Field(gt=0)]
    mrd_cycles: Annotated[int, Field(ge=1, le=4)] = 2
    refi_ns: Annotated[float, Field(gt=0)]
    power_up_us: Annotated[float, Field(gt=0)] = 200

    @model_validator(mode="after")
    def _powers_of_two(self) -> Memory:
        for name in ("rows", "columns"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} = {value} must be a power of two")
        return self

    @property
    def mebibytes(self) -> float:
        return self.banks * self.rows * self.columns * self.data_bits / 2**23


#: What a memory's pins are called; those at the end may be tied on the board.
MemoryPin = Literal["clock", "ras", "cas", "we", "bank", "address", "data", "cke", "cs", "mask"]


class Synthesis(Table):
    """How the board's chip is configured with this hardware.

    ``pins``: ports of the board's top module to pins, ``high`` those that must be driven high. ``pll``: parameters
    of the family's PLL that make ``board.clock_hz`` of the oscillator; none: the oscillator is the clock.
    ``events``: false leaves the logic out that sends spikes as events where these are shorter than the bitmap.
    ``cells``: modules of the design that stand in cells of the family's own (templates ``board/_MODULE_FAMILY.j2``).
    ``loader``: the command that loads a bitstream, whose path comes last; ``loader_persistent``: what to add for it to
    write the board's flash (nothing, where it does so anyhow; None: it cannot), ``loader_serial``: its option that
    chooses an adapter by serial number (None: it has none). ``router``: nextpnr's, where it is not to be its default;
    the second one gets dense designs through that the first does not come to an end with. ``goal_hz``: the clock that
    placing and routing aim at, whatever the board's is; None: a quarter more than that, as they stop trying where they
    have what they were asked for (on the ECP5 just the board's, which its PLL says).
    ``memory``: pins of the
    memory beside the chip, buses from their lowest bit on (``cke``, ``cs`` and ``mask`` where they are not tied);
    ``memory_inside``: it is in the chip's own package, and nextpnr knows its pins by the names of their ports.
    """

    unsaid = frozenset({"memory", "memory_inside", "goal_hz"})

    family: Word
    device: Word
    package: Word
    oscillator_hz: Positive
    pins: dict[Literal["clock", "rx", "tx", "lamp"], Word]
    high: tuple[Word, ...] = Field(default=(), strict=False)
    lamp_low: bool = False
    events: bool = True
    cells: tuple[Word, ...] = Field(default=(), strict=False)
    pll: dict[Word, int] = {}
    loader: tuple[str, ...] = Field(strict=False)
    loader_persistent: tuple[str, ...] | None = Field(default=None, strict=False)
    loader_serial: str | None = None
    router: Literal["router1", "router2"] | None = None
    seed: int = 1
    goal_hz: Positive | None = None
    memory: dict[MemoryPin, Annotated[tuple[Word, ...], Field(strict=False)]] = {}
    memory_inside: bool = False

    def goal_mhz(self, clock_hz: int) -> str:
        """What placing and routing aim at for a clock, as nextpnr takes it."""
        return f"{1e-6 * max(self.goal_hz or 0, 1.25 * clock_hz):.2f}"

    @model_validator(mode="after")
    def _every_pin(self) -> Synthesis:
        if missing := {"clock", "rx", "tx", "lamp"} - set(self.pins):
            raise ValueError(f"pins: {', '.join(sorted(missing))} missing")
        needed = {"clock", "ras", "cas", "we", "bank", "address", "data"}
        if self.memory and (missing := needed - set(self.memory)):
            raise ValueError(f"memory: {', '.join(sorted(missing))} missing")
        if self.memory and self.memory_inside:
            raise ValueError("memory: pins of a memory inside the package (memory_inside) are not to be named")
        return self


FormatsT = TypeVar("FormatsT", bound=BaseModel, default=Any)
HardwareT = TypeVar("HardwareT", bound=BaseModel, default=Any)


class Target(Table, Generic[FormatsT, HardwareT]):
    """One target file, validated. ``name`` is the file's stem.

    ``formats`` and ``hardware`` follow the schemas of its backend, which says which: ``Target[Formats, Hardware]``.
    ``sources`` says of each figure where it is from. ``home``: the folder of a user's own file that this process was
    told to load; ``own_templates``: its templates stand there. A build keeps the latter only: no folder's data says
    where code is to be taken from.
    """

    unsaid = frozenset({"memory"})

    name: str
    schema_version: Literal[1] = Field(alias="schema")
    title: Line
    default: bool = False
    family: str
    backend: str
    templates: str
    models: dict[str, ModelSupport]
    connections: Connections
    formats: FormatsT
    hardware: HardwareT
    board: Board | None = None
    synthesis: Synthesis | None = None
    memory: Memory | None = None
    sources: dict[str, str] = {}
    home: str | None = None
    own_templates: bool = False

    def __repr__(self) -> str:
        return brief(self, f"{self.name}: {self.title}")

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

    def with_hardware(self, **changes: int | float | str) -> Self:
        """The same target with other hardware or format parameters, validated again."""
        data = self.model_dump(by_alias=True)
        for key, value in changes.items():
            table = next((t for t in ("hardware", "formats", "board") if key in _fields(getattr(self, t))), None)
            if table is None:
                known = [name for one in (self.hardware, self.formats, self.board) for name in _fields(one)]
                hint = meant(key, known, "parameters:")
                raise TargetFileError(f"there is no hardware parameter {key!r}", where=self.name, hint=hint)
            data[table][key] = value
        return validated(type(self), data, where=self.name)


def _fields(table: BaseModel | None) -> set[str]:
    return set() if table is None else set(type(table).model_fields)


TargetT = TypeVar("TargetT", bound=Target)


def validated(schema: type[TargetT], data: dict[str, Any], where: str) -> TargetT:
    """A target of a schema from what a file says. Raises :class:`TargetFileError`, all mistakes at once."""
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            key, said = ".".join(str(part) for part in item["loc"]), item["msg"]
            problems.append(f"{key}: {said.lower()}" if key else said.removeprefix("Value error, "))
        raise TargetFileError(
            "; ".join(problems), where=where, hint="compare with a target that comes with nirdeploy"
        ) from error
