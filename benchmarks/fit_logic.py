"""What a configuration takes of a chip: measured, and the model fitted that ``nirdeploy estimate`` uses.

    python benchmarks/fit_logic.py                           # fit the recorded ones, print the table, write logic.toml
    python benchmarks/fit_logic.py --draw 4 --family ice40   # measure four more first (a minute each)
    python benchmarks/fit_logic.py --again                   # measure all recorded ones anew (an hour), after a change

Yosys and nextpnr --pack-only count; nothing is placed. ``logic.json`` beside this script records every configuration
with its counts. Those that are ``held`` are not fitted: every fourth drawn one, the boards that come with nirdeploy, and
the trimmed ones of ``mnist_board.py``. The fit minimizes relative errors; no term may take less than nothing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mnist_board
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

from nirdeploy import target as targets
from nirdeploy.gather import logic
from nirdeploy.synthesis import flow, tools
from nirdeploy.synthesis.families import FAMILIES
from nirdeploy.target import Target

RECORDED = Path(__file__).with_name("logic.json")
WRITTEN = Path(logic.__file__).with_name("logic.toml")
BOARDS = {"ecp5": "fpga-ulx3s", "ice40": "fpga-icebreaker", "gowin": "fpga-tang-nano-20k"}
SHIPPED = (*BOARDS.values(), "fpga-colorlight-i5")
#: What is fitted; the rest of what nextpnr counts is counted by the model too.
FITTED = {"ecp5": ("LUT4", "register"), "ice40": ("logic cell",), "gowin": ("LUT4", "register", "carry cell")}


@dataclass(frozen=True)
class Measured:
    """``parameters``: of [hardware] and [formats], and ``events``; ``counts``: nextpnr's, by our names."""

    family: str
    name: str
    held: bool
    parameters: dict[str, Any]
    counts: dict[str, int]

    def target(self) -> Target:
        return board(self.family, self.parameters)

    @property
    def kind(self) -> str:
        return "compact" if self.parameters["compact"] else "pipelined"


def board(family: str, parameters: dict[str, Any]) -> Target:
    """A board of the family with other hardware."""
    data = targets.load(BOARDS[family]).model_dump(by_alias=True)
    for key, value in parameters.items():
        data[next(table for table in ("hardware", "formats", "synthesis") if key in data[table])][key] = value
    if not data["hardware"]["synapse"]:
        data["models"] = {name: said for name, said in data["models"].items() if not name.startswith("Cuba")}
    return targets.validate(data, where=f"a drawn {family}")


def parameters_of(target: Target) -> dict[str, Any]:
    """What :func:`board` makes it of."""
    assert target.synthesis is not None
    own = {**target.hardware.model_dump(), **target.formats.model_dump(), "events": target.synthesis.events}
    return {name: value for name, value in own.items() if name != "architecture"}


def drawn(rng: random.Random, family: str, compact: int) -> dict[str, Any]:
    """Parameters of a small enough hardware."""
    while True:
        update = 1 if compact else rng.choice([1, 1, 2, 2, 4])
        words = rng.choice([32, 64, 128, 256])
        rows = [256, 512, 1024, 4096, 8192, 16384] if family == "ice40" else [256, 512, 800, 1024, 1536, 2048, 4096]
        found = {
            **{"compact": compact, "update": update, "weight_bits": rng.choice([4, 8, 8, 16])},
            **{"cores": rng.choice([1, 1, 1, 2, 3]), "lanes": rng.choice([4, 8, 8, 16, 16, 32, 64])},
            **{"accumulator_bits": rng.choice([10, 12, 16, 20, 24]), "state_bits": rng.choice([10, 12, 16, 20, 24])},
            **{"decay_bits": rng.choice([6, 8, 12, 16]), "shift_max": rng.choice([3, 7, 15])},
            **{"synapse": rng.choice([0, 1]), "spatial": rng.choice([0, 1]), "planes": rng.choice([1, 1, 4, 8])},
            **{"groups": rng.choice([4, 8, 16, 32]), "queue": rng.choice([8, 16, 32])},
            **{"jobs": rng.choice([4, 16, 32, 64]), "segments": rng.choice([4, 32, 64, 256])},
            **{"spike_words": words, "out_words": words * rng.choice([2, 4]), "window": rng.choice([1024, 2048, 4096])},
            **{"weight_rows": rng.choice(rows), "neurons": update * rng.choice([16, 64, 128, 256, 512, 1024])},
            **{"parameters": update * rng.choice([16, 32, 64, 128, 256])},
            "events": rng.random() < (0.3 if family == "ice40" else 0.8),
        }
        each = 1500 + found["lanes"] * found["accumulator_bits"] * 2.5 + 500 * found["spatial"]
        each += update * 400 * (1 + found["synapse"])
        fills = found["lanes"] * found["weight_bits"] % 32 == 0 and update * found["weight_bits"] <= 32
        if fills and found["cores"] * each < (3200 if family == "ice40" else 7500):
            return found


def measure(family: str, name: str, held: bool, parameters: dict[str, Any]) -> Measured:
    found = flow.packed(board(family, parameters))
    return Measured(family, name, held, parameters, {resource.name: resource.used for resource in found})


def load() -> list[Measured]:
    return [Measured(**entry) for entry in json.loads(RECORDED.read_text())["measured"]] if RECORDED.exists() else []


def save(measured: list[Measured]) -> None:
    """One line each, with the date and the versions of the tools."""
    packages = sorted({package for family in FAMILIES.values() for package in family.packages})
    head = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "tools": tools.versions(packages)}
    ordered = sorted(measured, key=lambda one: (one.family, one.kind, one.name))
    lines = ",\n".join("  " + json.dumps(asdict(one)) for one in ordered)
    RECORDED.write_text(f'{{"date": "{head["date"]}", "tools": {json.dumps(head["tools"])}, "measured": [\n{lines}\n]}}\n')


def boards() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Family, name and parameters of the boards that are held to the model."""
    for name in SHIPPED:
        target = targets.load(name)
        assert target.synthesis is not None
        yield target.synthesis.family, name, parameters_of(target)
    for lanes in mnist_board.LANES:
        yield "ecp5", f"mnist, {lanes} lanes", parameters_of(mnist_board.board(lanes))


def fit(measured: list[Measured], name: str) -> dict[str, float]:
    """Coefficients of the terms that take part, for one resource of one family and kind."""
    sizes = [logic.terms(one.family, *_parts(one)) for one in measured]
    counted = np.array([one.counts[name] for one in measured], dtype=float)
    relative = np.array([list(size.values()) for size in sizes]) / counted[:, None]
    found, _ = nnls(relative, np.ones(len(measured)))
    return {term: round(float(value), 4) for term, value in zip(sizes[0], found, strict=True) if round(value, 4)}


def _parts(one: Measured) -> tuple[Any, Any, bool]:
    target = one.target()
    return target.hardware, target.formats, bool(one.parameters["events"])


def chips() -> dict[str, dict[str, dict[str, int]]]:
    """What nextpnr says that there is, on the chips of the boards and the others that a family's tool knows."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for name in SHIPPED:
        said = targets.load(name).synthesis
        assert said is not None
        key = said.package if said.family == "gowin" else said.device
        small = board(said.family, {}).model_copy(update={"synthesis": said})
        found.setdefault(said.family, {})[key] = {used.name: used.available for used in flow.packed(small)}
    return found


def write(fitted: dict[str, dict[str, dict[str, dict[str, float]]]], chip: dict[str, Any]) -> None:
    recorded = json.loads(RECORDED.read_text())
    lines = [
        "# Written by benchmarks/fit_logic.py: what a term of nirdeploy/gather/logic.py takes, by family and resource.",
        f"# Measured on {recorded['date']} with " + ", ".join(f"{n} {v}" for n, v in recorded["tools"].items()) + ".",
    ]
    for family, totals in chip.items():
        lines.append(f"\n[chips.{family}]")
        lines += [f"{json.dumps(name)} = {_inline(has)}" for name, has in totals.items()]
    for family, names in fitted.items():
        for name, kinds in names.items():
            lines.append(f"\n[fitted.{family}.{json.dumps(name)}]")
            lines += [f"{kind} = {_inline(values)}" for kind, values in kinds.items()]
    WRITTEN.write_text("\n".join(lines) + "\n")


def _inline(values: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{json.dumps(key)} = {value}" for key, value in values.items()) + " }"
