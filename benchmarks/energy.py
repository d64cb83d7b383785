"""What the energy models are worth: published designs, each predicted from the others, and tables against them.

    python benchmarks/energy.py [--json]

The designs stand in nirdeploy/proof/energy/published.toml, with their sources. A design is left out, the geometric mean
of the others is its prediction, and the factor between the two its error. docs/energy.md quotes the tables.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import geometric_mean, median
from typing import Any

from nirdeploy.proof.energy.events import Events, Load, Widths, parameter_bits, updated
from nirdeploy.proof.energy.models import of_tables
from nirdeploy.proof.energy.published import Design, published


@dataclass(frozen=True)
class LeftOut:
    """One design, predicted from the others; ``factor``: between the two, 1 or more; ``inside``: whether it lies
    between the least and the most of the others."""

    name: str
    value: float
    predicted: float
    factor: float
    inside: bool


@dataclass(frozen=True)
class Against:
    """A design and what the tables say of it, in pJ per synapse, were each synapse used once; ``above``: by which
    factor it takes more than all tables, or less (below 1); 1: it lies among them."""

    name: str
    synapses: int
    measured: float
    low: float
    high: float
    above: float


def left_out(values: Mapping[str, float]) -> list[LeftOut]:
    found = []
    for name, value in values.items():
        others = [other for own, other in values.items() if own != name]
        predicted = geometric_mean(others)
        factor = max(predicted / value, value / predicted)
        found.append(LeftOut(name, value, predicted, factor, min(others) <= value <= max(others)))
    return found


def summary(found: list[LeftOut]) -> dict[str, float]:
    factors = [one.factor for one in found]
    return {
        "designs": len(found),
        "least": min(one.value for one in found),
        "mean": geometric_mean([one.value for one in found]),
        "most": max(one.value for one in found),
        "typical_factor": geometric_mean(factors),
        "median_factor": median(factors),
        "worst_factor": max(factors),
        "inside": sum(one.inside for one in found),
    }


def used_once(design: Design) -> list[Load]:
    """Every synapse of a fully connected network used once, every neuron of it updated once, in the integers of the
    reference target."""
    widths, loads = Widths(weight=8, accumulator=20, state=24, decay=16), []
    for before, behind in pairwise(design.layers):
        synapses = before * behind
        events = updated("LIF", behind, widths) + Events(
            additions=synapses,
            weight_bits=synapses * widths.weight,
            sent=before,
            addresses=2 * before,
            address_bits=2 * before * (before - 1).bit_length(),
        )
        stored = {"stored_states": behind * widths.state, "stored_parameters": behind * parameter_bits("LIF", widths)}
        loads.append(Load(events, widths, behind, stored_weights=synapses * widths.weight, **stored))
    return loads


def against_tables() -> list[Against]:
    found = []
    for design in (*published().boards, *published().chips):
        if design.synapses and design.per_synapse:
            said = [model.joules(used_once(design)) / design.synapses * 1e12 for model in of_tables()]
            measured, low, high = design.per_synapse * 1e12, min(said), max(said)
            above = measured / high if measured > high else min(measured / low, 1.0)
            found.append(Against(design.name, design.synapses, measured, low, high, above))
    return found


def results() -> dict[str, Any]:
    groups = {
        "power_of_boards_watts": published().powers,
        "operation_on_chips_pj": published().of_operations,
        "sample_and_synapse_nj": {name: 1e9 * joules for name, joules in published().of_synapses.items()},
    }
    return {
        "left_out": {name: [asdict(one) for one in left_out(values)] for name, values in groups.items()},
        "summary": {name: summary(left_out(values)) for name, values in groups.items()},
        "against_tables": [asdict(one) for one in against_tables()],
    }


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def tables() -> dict[str, str]:
    """The tables of docs/energy.md, in its Markdown."""
    found = results()
    shown = {}
    for name, unit in (
        ("power_of_boards_watts", "W"),
        ("operation_on_chips_pj", "pJ"),
        ("sample_and_synapse_nj", "nJ"),
    ):
        rows = [
            [one["name"], number(one["value"]), number(one["predicted"]), number(one["factor"])]
            for one in found["left_out"][name]
        ]
        shown[name] = table(["design", f"published, {unit}", f"from the others, {unit}", "factor"], rows)
    heads = {
        "power_of_boards_watts": "power of a board, W",
        "operation_on_chips_pj": "synaptic operation on a chip, pJ",
        "sample_and_synapse_nj": "sample and synapse, nJ",
    }
    rows = [
        [
            *(heads[name], str(one["designs"]), *(number(one[key]) for key in ("least", "mean", "most"))),
            *(number(one[key]) for key in ("typical_factor", "median_factor", "worst_factor")),
            f"{one['inside']} of {one['designs']}",
        ]
        for name, one in found["summary"].items()
    ]
    columns = ["of what", "designs", "least", "mean", "most", "typical factor", "median", "worst", "inside the others'"]
    shown["summary"] = table(columns, rows)
    rows = [
        [one["name"], f"{one['synapses']:,}", *(number(one[key]) for key in ("measured", "low", "high", "above"))]
        for one in found["against_tables"]
    ]
    shown["against_tables"] = table(
        ["design", "synapses", "published, pJ per synapse", "tables from", "to", "times the most"], rows
    )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    if parser.parse_args().json:
        print(json.dumps(results(), indent=1))
        return
    for name, text in tables().items():
        print(f"{name}\n\n{text}\n")


if __name__ == "__main__":
    main()
