"""What a refusal costs: a build that is refused, against finding the problems alone.

    python benchmarks/refusal.py [--json] [--rounds N] [--target NAME]

784-512-512-10, of a neuron that the target has; refused for its dialect (a reset a step late), and for its size where
784-2048-2048-10 does not fit either. Both ways take turns, at least as often as asked and for half a second; of each
the turn with the least processor time counts. With --json one object on stdout and nothing else. Exit code 1 where a
refusal costs more than 1.5 times what its problems do.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import nir
import numpy as np

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target

BAR = 1.5
TURNS = 0.5  # seconds, all together
DT = 1e-3
SIZES = {"dialect": (784, 512, 512, 10), "size": (784, 2048, 2048, 10)}


def neurons(model: str, size: int) -> nir.NIRNode:
    """Of a threshold of 1, to which a current of 1 adds 1 in a step."""
    one, none = np.ones(size), np.zeros(size)
    fires = {"v_threshold": one, "v_reset": none}
    if model == "IF":
        return nir.IF(r=one / DT, **fires)
    if model == "LIF":
        return nir.LIF(tau=8 * DT * one, r=8 * one, v_leak=none, **fires)
    return nir.CubaLIF(tau_syn=2 * DT * one, tau_mem=8 * DT * one, r=8 * one, v_leak=none, w_in=2 * one, **fires)


def network(sizes: tuple[int, ...], target: Target, more: str) -> CheckedGraph:
    """Dense layers of the first neuron model that the target has, with a reset that it has."""
    model = next(name for name in ("LIF", "IF", "CubaLIF") if name in target.models)
    rng = np.random.default_rng(0)
    nodes: dict[str, nir.NIRNode] = {"in": nir.Input({"input": np.array([sizes[0]])})}
    for i, (before, size) in enumerate(pairwise(sizes)):
        nodes[f"fc{i}"] = nir.Linear(rng.normal(0.0, before**-0.5, (size, before)))
        nodes[f"n{i}"] = neurons(model, size)
    nodes["out"] = nir.Output({"output": np.array([sizes[-1]])})
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)
    return check(graph, dialect=f"nir,dt={DT},reset={target.models[model].reset[0]}{more}")


def seconds(call: Callable[[], object]) -> float:
    """Of processor time."""
    start = time.process_time()
    call()
    return time.process_time() - start


def refused(graph: CheckedGraph, target: Target) -> int:
    """Build it, and the number of problems for which that is refused."""
    try:
        nd.build(graph, target)
    except DoesNotFit as error:
        return len(error.problems)
    raise SystemExit(f"{target.name} takes a network that it should refuse")


def measured(name: str, why: str, rounds: int) -> dict[str, Any] | None:
    """A row, or None where the target takes the network."""
    target = registry.load(name)
    graph = network(SIZES[why], target, ",reset_delay=true" if why == "dialect" else "")
    found = nd.fit(graph, target).problems
    if not found:
        return None
    refused(graph, target)  # imports what it needs
    judging: list[float] = []
    refusing: list[float] = []
    while len(judging) < rounds or sum(judging) + sum(refusing) < TURNS:
        judging.append(seconds(lambda: nd.fit(graph, target)))
        refusing.append(seconds(lambda: refused(graph, target)))
    problems, refusal = min(judging), min(refusing)
    return {
        "target": name,
        "why": why,
        "problems": len(found),
        "problems_s": problems,
        "refusal_s": refusal,
        "ratio": refusal / problems,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--target", action="append", help="only these; repeatable")
    asked = parser.parse_args()
    names = asked.target or registry.names()
    rows = [row for name in names for why in SIZES if (row := measured(name, why, asked.rounds))]
    worst = max(row["ratio"] for row in rows)
    if asked.json:
        sys.stdout.write(json.dumps({"bar": BAR, "worst": worst, "refusals": rows}) + "\n")
    else:
        for row in rows:
            sys.stdout.write(
                f"{row['target']:20} {row['why']:8} {row['problems']:3} problems in {1e3 * row['problems_s']:8.2f} ms, "
                f"refused in {1e3 * row['refusal_s']:8.2f} ms: {row['ratio']:.2f}\n"
            )
        sys.stdout.write(f"worst {worst:.2f}, at most {BAR} allowed\n")
    return 0 if worst <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
