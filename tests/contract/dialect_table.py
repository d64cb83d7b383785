"""The table of docs/dialects.md: which networks fit which target under each preset, and why not.

python -m tests.contract.dialect_table      writes it; the test of the same name holds it to what the backends say
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import nir
import numpy as np

import nirdeploy as nd
from nirdeploy.semantics.dialect import METADATA_KEY, PRESETS
from nirdeploy.targets import registry

DOCUMENT = Path(__file__).parents[2] / "docs" / "dialects.md"
HEADING = "## What fits where\n"
MODELS = ("IF", "LIF", "CubaLIF")
SIZES = {"in": 6, "hidden": 8, "last": 4}


def neurons(model: str, size: int, dt: float) -> nir.NIRNode:
    """Of a threshold of 1, to which a current of 1 adds about 1 in a step."""
    one, none = np.ones(size), np.zeros(size)
    fires = {"v_threshold": one, "v_reset": none}
    if model == "IF":
        return nir.IF(r=one / dt, **fires)
    if model == "LIF":
        return nir.LIF(tau=8 * dt * one, r=8 * one, v_leak=none, **fires)
    return nir.CubaLIF(tau_syn=2 * dt * one, tau_mem=8 * dt * one, r=8 * one, v_leak=none, w_in=2 * one, **fires)


def network(model: str, preset: str, recurrent: bool) -> nir.NIRGraph:
    """Two layers, perhaps a recurrent connection around the first; biases wherever NIR has a place for them."""
    rng, dt = np.random.default_rng(1), PRESETS[preset].dt
    nodes: dict[str, nir.NIRNode] = {"in": nir.Input({"input": np.array([SIZES["in"]])})}
    for source, name in itertools.pairwise(SIZES):
        weight = rng.uniform(-0.3, 0.9, (SIZES[name], SIZES[source]))
        nodes[f"to_{name}"] = nir.Affine(weight, rng.uniform(0, 0.1, SIZES[name]))
        nodes[name] = neurons(model, SIZES[name], dt)
    nodes["out"] = nir.Output({"output": np.array([SIZES["last"]])})
    edges = list(itertools.pairwise(nodes))
    if recurrent:
        weight = rng.uniform(-0.3, 0.3, (SIZES["hidden"], SIZES["hidden"]))
        nodes["again"] = nir.Affine(weight, rng.uniform(0, 0.1, SIZES["hidden"]))
        edges += [("hidden", "again"), ("again", "hidden")]
    return nir.NIRGraph(nodes, edges, metadata={METADATA_KEY: preset}, type_check=False)


@dataclass(frozen=True)
class Row:
    """``fits``: "yes", "feed-forward" or "no", by target; ``why``: what keeps the network from a target."""

    preset: str
    model: str
    fits: dict[str, str]
    why: dict[str, tuple[str, ...]]


def rows() -> list[Row]:
    made = []
    for preset, model in itertools.product(PRESETS, MODELS):
        fits, why = {}, {}
        for target in registry.names():
            found = [nd.fit(network(model, preset, recurrent), target).problems for recurrent in (False, True)]
            fits[target] = "no" if found[0] else "feed-forward" if found[1] else "yes"
            if problems := found[0] or found[1]:
                why[target] = tuple(dict.fromkeys(_plain(str(problem)) for problem in problems))
        made.append(Row(preset, model, fits, why))
    return made


def _plain(said: str) -> str:
    """A problem without the names of nodes and dialects, and without what to do."""
    said = re.sub(r"(follows the dialect) [^ ,]+", r"\1", said.split(";")[0])
    return re.sub(r"node '\w+' (\(\w+\) )?|'\w+' -> '\w+' ", "", said)


def text(made: list[Row]) -> str:
    """Targets that take the same networks for the same reasons share a column."""
    columns: dict[tuple[object, ...], list[str]] = {}
    for target in registry.names():
        columns.setdefault(tuple((row.fits[target], row.why.get(target)) for row in made), []).append(target)
    reasons = list(dict.fromkeys(reason for row in made for why in row.why.values() for reason in why))
    names = [", ".join(f"`{target}`" for target in targets) for targets in columns.values()]
    lines = [f"| preset | model | {' | '.join(names)} |", "| --- " * (2 + len(names)) + "|"]
    for row in made:
        cells = [_cell(row, targets[0], reasons) for targets in columns.values()]
        lines.append(f"| `{row.preset}` | {row.model} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{number}. {reason}" for number, reason in enumerate(reasons, 1)), ""])


def _cell(row: Row, target: str, reasons: list[str]) -> str:
    why = ", ".join(str(reasons.index(reason) + 1) for reason in row.why.get(target, ()))
    return "yes" if not why else f"no: {why}" if row.fits[target] == "no" else f"{row.fits[target]}: {why}"


def written() -> str:
    """The table as the document has it: from the first line that begins with a bar."""
    section = DOCUMENT.read_text(encoding="utf-8").split(HEADING)[1].split("\n## ")[0]
    return section[section.index("| preset") :]


if __name__ == "__main__":
    found = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(found.replace(written(), text(rows())), encoding="utf-8")
