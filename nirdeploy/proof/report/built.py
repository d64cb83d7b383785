"""built: what a page says of a build: its network, populations, cores, and what a step of it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from markupsafe import Markup

from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.picture import picture
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.energy import modelled
from nirdeploy.proof.energy.modelled import LABEL, Energy
from nirdeploy.records.pictures.fragment import fragment, meter, table
from nirdeploy.targets.placement import CoreUse, Placement

_CORES = 64  # of more that are used, the fullest
ACTIVITY = 0.1


class Built(modelled.Built, Protocol):
    """A build, as far as it came, with its graph and what it costs."""

    @property
    def graph(self) -> CheckedGraph: ...
    def costs(self, activity: float) -> dict[str, float | str]: ...


@dataclass(frozen=True)
class Bar:
    """``share`` of a whole, from 0 to 1, and the same in words."""

    share: float
    text: str


@dataclass(frozen=True)
class Cores:
    """A table of bars; ``left``: used cores that are not in it."""

    memories: Sequence[str]
    rows: Sequence[tuple[CoreUse, Sequence[Bar]]]
    left: int
    unused: int


def fragment_of(built: Built) -> str:
    """For a notebook: the network's picture, and the memories of the cores as bars."""
    parts = [network_picture(built)] if "check" in built.products else []
    if "place" in built.products:
        held = cores(built.placement)
        rows = [
            {
                "core": core.core,
                **{n.replace("_", " "): meter(b.share, b.text) for n, b in zip(held.memories, bars, strict=True)},
            }
            for core, bars in held.rows
        ]
        parts.append(table(rows))
    return fragment(f"{built.target.name}: {built.target.title}", *parts)


def network_picture(built: Built) -> Markup:
    more = {}
    if "quantize" in built.products:
        into = {p.target for p in built.network.projections}
        for p in built.network.populations:
            more[p.name] = f"{built.network.weight_bits(p.name)}-bit weights" if p.name in into else ""
    return picture(built.graph, more)


_COLUMNS = ("population", "neurons", "fan_in", "weight_bits", "weight_sqnr_db", "saturation_margin_bits")


def populations(network: IntegerNetwork) -> list[dict[str, Any]]:
    """Bits and losses of every population: what is asked first in front; a kept network has lost the order."""
    return [
        {**{name: row[name] for name in _COLUMNS if name in row}, **{k: row[k] for k in row if k not in _COLUMNS}}
        for row in network.report
    ]


def cores(placement: Placement) -> Cores:
    """The cores that hold anything, the fullest first where there are many."""
    used = [core for core in placement.cores if any(core.used.values())]
    shown = sorted(used, key=_fullest, reverse=True)[:_CORES] if len(used) > _CORES else used
    memories = list(dict.fromkeys(name for core in shown for name in core.used))
    rows = [(core, [_bar(core, name) for name in memories]) for core in shown]
    return Cores(memories, rows, len(used) - len(shown), len(placement.cores) - len(used))


def _fullest(core: CoreUse) -> float:
    return max(
        (core.used[name] / limit for name, limit in core.limits.items() if limit and name in core.used), default=0
    )


def _bar(core: CoreUse, name: str) -> Bar:
    used, limit = core.used.get(name, 0), core.limits.get(name, 0)
    return Bar(min(used / limit, 1.0) if limit else 0.0, f"{used:,} of {limit:,}")


#: Figures of Backend.estimate: what each is, and in which unit.
_COSTS = {
    "cycles": ("cycles of a step", "the slowest core's"),
    "step_us": ("a step on the cores, us", "one sample's"),
    "link_us": ("a step on the line, us", "inputs and outputs of a sample; the longer of the two sets the pace"),
    "latency_us": ("from input to output, us", "through all layers on the chip"),
    "latency_steps": ("from input to output, steps", "by which outputs lag behind the graph"),
    "image_bytes": ("image, bytes", "loaded once"),
    "image_s": ("loading, s", "on the line"),
    "passes": ("passes", "the network is larger than the chip and played part by part"),
    "play_us": ("a step played by the board, us", "all passes"),
    "synaptic_events": ("synaptic events of a step", "weights taken for spikes"),
    "energy_nj": ("energy of a step, nJ", "by the chip maker's figures"),
}


def costs(built: Built, activity: float) -> list[dict[str, Any]]:
    """What a step costs by the backend's own model, at spikes per neuron and step."""
    figures = built.costs(activity)
    return [
        {"figure": title, "about": figures[name], "what it is": what}
        for name, (title, what) in _COSTS.items()
        if name in figures
    ]


def energy_rows(energy: Energy) -> list[dict[str, Any]]:
    """The range of a sample's energy, and what each model says."""
    return [
        {"model": one.model, "year": str(one.year), "from (uJ)": 1e6 * one.low, "to (uJ)": 1e6 * one.high}
        for one in energy.estimates
    ]


def energy_summary(energy: Energy) -> str:
    low, high = 1e6 * energy.low, 1e6 * energy.high
    said = f"A sample takes {low:.3g} to {high:,.4g} uJ, {LABEL}: what published models say of the events counted."
    return " ".join([said, *(f"Mind: {warning}." for warning in energy.warnings)])


def board(built: Built, record_manifest: Mapping[str, Any], port: str | None) -> dict[str, str]:
    """Which hardware it is of: what the device itself said it holds was held against this before it ran."""
    target = built.target
    found = {"target": target.name, "what it is": target.title, "hardware signature": target.signature.hex()}
    if target.board is not None:
        found["clock"] = f"{target.board.clock_hz / 1e6:g} MHz"
    if port:
        found["port"] = port
    for name in ("image", "network"):
        if name in record_manifest:
            found[f"{name} of the record"] = str(record_manifest[name])
    return found
