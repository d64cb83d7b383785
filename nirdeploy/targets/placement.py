"""place: which slice of which population stands on which core. How it is decided is each backend's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from nirdeploy.errors import CorruptFile, InternalError
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import entries, store
from nirdeploy.records.brief import Brief, listed


@dataclass(frozen=True)
class Slice:
    """Neurons ``first`` to ``first + count - 1`` of a population on a core, as one group of what it sends."""

    population: str
    core: int
    group: int
    first: int
    count: int


@dataclass(frozen=True)
class CoreUse:
    """What a core holds, of what it has: both by the memory's name; ``cycles``: predicted, per step.

    ``limited_by`` says what the cycles come from, or is empty.
    """

    core: int
    used: Mapping[str, int]
    limits: Mapping[str, int]
    cycles: float = 0.0
    limited_by: str = ""

    def row(self) -> dict[str, float | str]:
        """For a table."""
        memories = {name: f"{used:,} of {self.limits[name]:,}" for name, used in self.used.items()}
        row: dict[str, float | str] = {"core": self.core, **memories}
        return row | {"cycles": self.cycles, "limited_by": self.limited_by} if self.cycles else row


@dataclass(frozen=True)
class ChipUse:
    """What a target's hardware takes of its chip, by estimate: of ``available`` there are (None: not known)."""

    name: str
    used: int
    available: int | None = None

    @property
    def over(self) -> int:
        """So many too many."""
        return 0 if self.available is None else max(0, self.used - self.available)

    def row(self) -> dict[str, object]:
        """For a table."""
        known = self.available is not None
        share = round(100 * self.used / self.available) if self.available else ""
        return {"resource": self.name, "about": self.used, "available": self.available if known else "", "%": share}


@dataclass(frozen=True, repr=False)
class Placement(Brief):
    """Every neuron on exactly one core, no core over a limit; or, where there are ``passes``, so in one of them.

    Slices are in the network's order. ``layout`` is the backend's own: what JSON holds. ``passes``: placements of
    networks that together are this one, in the order in which they are run; there are no slices then, and the cores are
    each as full as in the pass that takes most of it.
    """

    FILE: ClassVar[str] = "placement.npz"  # in a build's folder

    network: str
    target: str
    slices: tuple[Slice, ...]
    cores: tuple[CoreUse, ...]
    layout: Mapping[str, Any] = field(default_factory=dict)
    passes: tuple[Placement, ...] = ()

    def of(self, population: str) -> tuple[Slice, ...]:
        """The slices of one population, in the order of their neurons."""
        return tuple(s for s in self.slices if s.population == population)

    def _meta(self) -> dict[str, Any]:
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values |= {name: [asdict(one) for one in values[name]] for name in ("slices", "cores")}
        passes = [one._meta() for one in values.pop("passes")]
        return values | ({"passes": passes} if passes else {})

    def digest(self) -> str:
        """SHA-256 (hex)."""
        return store.digest(self._meta(), {})

    def save(self, path: Path) -> None:
        store.write_atomic(path, store.pack(self._meta(), {}))

    @classmethod
    def load(cls, path: Path) -> Placement:
        """Raises :class:`CorruptFile` if the file is not a saved Placement."""
        meta, _ = store.load(path)
        try:
            return cls._of_meta(meta)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise CorruptFile(
                f"not a placement ({entries.said(error)})", where=str(path), hint="build it again"
            ) from error

    @classmethod
    def _of_meta(cls, meta: Any) -> Placement:
        """Raises KeyError, TypeError or ValueError if it is none."""
        told = entries.table(meta, "it")
        return cls(
            **{
                **told,
                "network": entries.text(told["network"], "the network"),
                "target": entries.text(told["target"], "the target"),
                "slices": tuple(_slice(entry) for entry in entries.several(told["slices"], "slices")),
                "cores": tuple(_core(entry) for entry in entries.several(told["cores"], "cores")),
                "layout": entries.table(told["layout"], "the layout"),
                "passes": tuple(cls._of_meta(one) for one in entries.several(told.get("passes", []), "passes")),
            }
        )


def _slice(entry: Any) -> Slice:
    told = entries.table(entry, "a slice")
    entries.text(told["population"], "the population of a slice")
    for name, least in (("core", 0), ("group", 0), ("first", 0), ("count", 1)):
        entries.whole(told[name], f"{name} of a slice of {told['population']!r}", least)
    return Slice(**told)


def _core(entry: Any) -> CoreUse:
    told = entries.table(entry, "a core")
    core, limits = entries.whole(told["core"], "a core's number"), entries.table(told["limits"], "the limits of a core")
    for name, used in entries.table(told["used"], f"what core {core} holds").items():
        entries.number(used, f"what core {core} holds of {name!r}")
        entries.number(limits[name], f"the limit of core {core} for {name!r}")
    entries.number(told["cycles"], f"the cycles of core {core}")
    entries.text(told["limited_by"], f"what core {core} is limited by")
    return CoreUse(**told)


def validate(placement: Placement, network: IntegerNetwork) -> None:
    """Re-check what every placement guarantees; of passes, whose networks the backend knows, that no core is over its
    limits in any. Raises :class:`InternalError`."""
    if placement.network != network.digest() or placement.target != network.target:
        raise InternalError("it is the placement of another network")
    _check_cores(placement.cores)
    if not placement.passes:
        _check_slices(placement, network)
    elif placement.slices:
        raise InternalError("there are slices beside passes")
    for one in placement.passes:
        _check_cores(one.cores)


def _check_slices(placement: Placement, network: IntegerNetwork) -> None:
    """Every neuron of every population once, in the network's order, and nothing else."""
    known = {core.core for core in placement.cores}
    parts = iter(placement.slices)
    for population in network.populations:
        placed = 0
        while placed < population.size:
            part = next(parts, None)
            if part is None or part.population != population.name:
                raise InternalError(f"{population.name!r}: {placed:,} of {population.size:,} neurons placed")
            most = population.size - placed
            if part.first != placed or part.count > most or part.core not in known:
                raise InternalError(f"slice {part} is out of order")
            if part.group > len(placement.slices):
                raise InternalError(f"slice {part} is of a group beyond all slices")
            placed += part.count
    if (left := next(parts, None)) is not None:
        raise InternalError(f"slice {left} is one too many")


def _check_cores(cores: Sequence[CoreUse]) -> None:
    """Each there once, all known by the same memories, and none over a limit."""
    numbers = [core.core for core in cores]
    if not cores or len(set(numbers)) < len(numbers):
        raise InternalError(f"the cores are {listed(numbers)}, expected each once")
    for core in cores:
        if core.used.keys() != core.limits.keys() or core.used.keys() != cores[0].used.keys():
            raise InternalError(f"core {core.core} does not say what it holds of all its memories")
        over = [name for name, used in core.used.items() if not 0 <= used <= core.limits[name]]
        if over:
            raise InternalError(f"core {core.core} is over its {', '.join(over)}")


def check_loaded(placement: Placement, path: Path, cores: int, check: Callable[[], None]) -> None:
    """Whether a placement that was read of a file is one.

    Args:
        cores: that the target has.
        check: of the placement, the backend's own.

    Raises:
        CorruptFile: it is none.
    """
    try:
        for core in (*placement.cores, *(core for one in placement.passes for core in one.cores)):
            entries.whole(core.core, "a core's number", most=cores - 1)
        check()
    except (InternalError, ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
        said = error.message if isinstance(error, InternalError) else entries.said(error)
        raise CorruptFile(
            f"not a placement of the build's network ({said})", where=str(path), hint="build it again"
        ) from error
