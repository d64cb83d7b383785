"""What each feature of the hardware costs on a board: the packed design with that feature, against the board's own.

    python benchmarks/features.py [--board fpga-icebreaker] [--json]

Synthesis and packing only, a minute or two for each: what does not fit its chip is counted too.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from nirdeploy.backends.fpga.synthesis import flow
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target

#: What is changed, by table and key of the board's file.
FEATURES: dict[str, dict[str, Any]] = {
    "the board's own": {},
    "16 lanes": {"hardware.lanes": 16},
    "no cells of the family's own": {"synthesis.cells": []},
    "fired in logic cells": {"synthesis.cells": ["lane_sums", "run_mask"]},
    "lane_sums in logic cells": {"synthesis.cells": ["fired", "run_mask"]},
    "run_mask in logic cells": {"synthesis.cells": ["fired", "lane_sums"]},
    "spikes sent as events": {"synthesis.events": True},
    "inputs held and packed": {"hardware.held": 1},
    "tallies of a sample": {"hardware.counters": 64},
    "synaptic currents": {"hardware.synapse": 1},
    "dialects": {"hardware.dialects": 1},
    "dialects, several spikes a step": {"hardware.dialects": 1, "hardware.spike_planes": 5},
    "convolutions keep their grid": {"hardware.spatial": 1},
    "inputs of 8 bits": {"hardware.planes": 8},
    "maxima over windows": {"hardware.maxima": 1},
    "weights of few bits one by one": {"hardware.packed": 0},
    "16 groups": {"hardware.groups": 16},
    "window of 1,024 bytes": {"hardware.window": 1024},
}


def changed(name: str, changes: dict[str, Any]) -> Target:
    """A board's target with some values of its file changed."""
    data = targets.load(name).model_dump(by_alias=True)
    for key, value in changes.items():
        table, _, entry = key.partition(".")
        data[table][entry] = value
    return targets.validate(data, where=name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", default="fpga-icebreaker", help="a target with a board of open tools")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: dict[str, dict[str, int]] = {}
    for feature, changes in FEATURES.items():
        print(f"{options.board}: {feature}", file=sys.stderr)
        rows[feature] = {used.name: used.used for used in flow.packed(changed(options.board, changes))}
    if options.json:
        print(json.dumps({"board": options.board, "rows": rows}))
        return 0
    own = rows["the board's own"]
    table = Table("feature", *own, title=f"{options.board}, packed")
    for feature, used in rows.items():
        table.add_row(feature, *(f"{used[name]:,} ({used[name] - own[name]:+,})" for name in own))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
