"""What a routed design takes of its chip, and how fast it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nirdeploy.errors import DoesNotFit

_LINE = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", re.MULTILINE)


@dataclass(frozen=True)
class Resource:
    """So many of so many there are."""

    name: str
    used: int
    available: int


@dataclass(frozen=True)
class Hop:
    """A cell of a path and the wire that leaves it (of the last one none): names, and what each takes in ns."""

    cell: str
    cell_ns: float
    wire: str = ""
    wire_ns: float = 0.0


@dataclass(frozen=True)
class Report:
    """Utilisation and timing of one bitstream.

    ``fmax_mhz`` is what the router reports for the slowest clock, ``clock_mhz`` what the board runs at;
    ``cells``: cells of the netlist by type, before they are packed; ``tools``: versions; ``path``: the critical one.
    """

    board: str
    signature: str
    resources: tuple[Resource, ...]
    fmax_mhz: float
    clock_mhz: float
    cells: Mapping[str, int] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    path: tuple[Hop, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_json(self) -> bytes:
        """The content of ``report.json``."""
        return json.dumps(self.as_dict(), indent=2).encode() + b"\n"

    def rows(self) -> list[dict[str, object]]:
        """The utilisation as rows of a table."""
        return [
            {"resource": r.name, "used": r.used, "available": r.available, "%": round(100 * r.used / r.available)}
            for r in self.resources
        ]

    def path_rows(self) -> list[dict[str, object]]:
        """The critical path as rows of a table."""
        return [{"ns": h.cell_ns, "cell": h.cell, "wire ns": h.wire_ns or "", "wire": h.wire} for h in self.path]

    def path_said(self) -> str:
        """The critical path in one phrase; empty where the router did not report one."""
        if not self.path:
            return ""
        cells, wires = (sum(times) for times in zip(*((h.cell_ns, h.wire_ns) for h in self.path), strict=True))
        ends = f"from {self.path[0].cell} to {self.path[-1].cell}"
        return f"critical path {ends}: {cells + wires:.1f} ns, {wires:.1f} of them in wires"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        resources, path = (Resource(**r) for r in data["resources"]), (Hop(**h) for h in data.get("path", ()))
        return cls(**{**data, "resources": tuple(resources), "path": tuple(path)})

    def check_timing(self) -> None:
        """Raises :class:`DoesNotFit` if the board's clock is faster than the design."""
        if self.fmax_mhz < self.clock_mhz:
            raise DoesNotFit(
                f"timing is not met: the design runs at {self.fmax_mhz:.1f} MHz, the board's clock is "
                f"{self.clock_mhz:.1f} MHz, {self.clock_mhz - self.fmax_mhz:.1f} MHz too fast"
                + (f" ({said})" if (said := self.path_said()) else ""),
                where=f"target {self.board}",
                hint="give the board a slower clock (--clock), another seed (--seed), or fewer lanes or groups",
            )


def resources(log: str, names: Mapping[str, str]) -> tuple[Resource, ...]:
    """What nextpnr says of utilisation, in the order of ``names`` (its name to ours)."""
    found = {name: (int(used), int(available)) for name, used, available in _LINE.findall(log)}
    return tuple(Resource(ours, *found[theirs]) for theirs, ours in names.items() if theirs in found)


def check_room(used: tuple[Resource, ...], board: str) -> None:
    """Raises :class:`DoesNotFit` naming every resource that overflows, and by how much."""
    if over := [r for r in used if r.used > r.available]:
        raise DoesNotFit(
            "the design does not fit the chip: "
            + ", ".join(f"{r.used:,} of {r.available:,} {r.name}s, {r.used - r.available:,} too many" for r in over),
            where=f"target {board}",
            hint="give it fewer lanes, cores or groups, or smaller memories",
        )


def netlist_cells(statistics: str) -> dict[str, int]:
    """Cells by type of what Yosys writes with ``stat -json``."""
    found = json.loads(statistics)["design"]["num_cells_by_type"]
    return {name: int(count) for name, count in sorted(found.items()) if not name.startswith("$")}


def slowest(report: str) -> float:
    """MHz of the slowest clock in nextpnr's report."""
    clocks = json.loads(report)["fmax"].values()
    return min((float(clock["achieved"]) for clock in clocks), default=0.0)


def critical_path(report: str) -> tuple[Hop, ...]:
    """Of the paths between registers in nextpnr's report, the one that takes longest."""
    paths = [p["path"] for p in json.loads(report)["critical_paths"] if "<async>" not in (p["from"], p["to"])]
    longest: list[dict[str, Any]] = max(paths, key=lambda path: sum(float(step["delay"]) for step in path), default=[])
    hops: list[Hop] = []
    for step in longest:
        taken = round(float(step["delay"]), 2)
        if step["type"] != "routing":
            hops.append(Hop(step["to"]["cell"], taken))
        elif hops:
            hops[-1] = replace(hops[-1], wire=step["net"], wire_ns=taken)
    return tuple(hops)
