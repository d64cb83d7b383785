"""What a configuration takes of a chip: measured, and the model fitted that ``nirdeploy estimate`` uses.

    python tools/fit_logic.py                           # fit the recorded ones, write logic.toml, print the table
    python tools/fit_logic.py --draw 4 --family ice40   # measure four more first (a minute each)
    python tools/fit_logic.py --again                   # measure all recorded ones anew (an hour), after a change

Yosys and nextpnr --pack-only count; nothing is placed. ``logic_measured.json`` beside this script records every
configuration with its counts. Those that are ``held`` are not fitted: every fourth drawn one, the boards that come with
nirdeploy, and the trimmed ones of ``benchmarks/mnist_board.py``. The fit minimizes relative errors, and how far terms
are from what is expected of them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import mnist_board
from nirdeploy.backends.fpga.cost import logic
from nirdeploy.backends.fpga.synthesis import flow, tools
from nirdeploy.backends.fpga.synthesis.families import FAMILIES
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target

RECORDED = Path(__file__).with_name("logic_measured.json")
WRITTEN = Path(logic.__file__).with_name("logic.toml")
BOARDS = {"ecp5": "fpga-ulx3s", "ice40": "fpga-icebreaker", "gowin": "fpga-tang-nano-20k"}
SHIPPED = (*BOARDS.values(), "fpga-colorlight-i5")
Chips = dict[str, dict[str, dict[str, int]]]  # by family and device
ENOUGH = 8  # configurations to fit
#: What is fitted; the rest of what nextpnr counts is counted by the model too.
FITTED = {"ecp5": ("LUT4", "register"), "ice40": ("logic cell",), "gowin": ("LUT4", "register", "carry cell")}

#: What configurations are drawn around: small ones.
BASE = {
    **{"cores": 1, "lanes": 8, "update": 1, "weight_rows": 512, "neurons": 128, "parameters": 64, "synapse": 0},
    **{"packed": 0, "dialects": 0, "spike_planes": 1, "maxima": 0},
    **{"spatial": 0, "planes": 1, "jobs": 8, "segments": 32, "queue": 8, "groups": 4, "spike_words": 32},
    **{
        "out_words": 64,
        "held": 0,
        "counters": 0,
        "window": 1024,
        "weight_bits": 8,
        "state_bits": 16,
        "accumulator_bits": 16,
    },
    **{"decay_bits": 8, "shift_max": 15, "events": True},
}
BASE_OF = {"ice40": {"shift_max": 7, "events": False}}

#: What one of each term may take, read from the Verilog: where few configurations tell, the fit stays near it.
EXPECTED = {
    "LUT4": {
        **{
            "device": 1800,
            "events": 120,
            "held": 100,
            "counters": 480,
            "external": 3000,
            "groups": 6,
            "core": 1200,
            "core message bits": 2,
            "core groups": 16,
        },
        **{"address bits": 8, "lanes": 5, "lane bits": 2.2, "weight words": 18, "update": 60, "update state bits": 8},
        **{"part bits": 36, "part lane bits": 0.5},
        **{
            "update input bits": 2.5,
            "synapse bits": 2.5,
            "dialect bits": 8,
            "spike plane bits": 4,
            "grid": 500,
            "plane bits": 2,
            "maximum bits": 4,
            "distributed RAM": 6,
        },
        **{"register bits": 1.5, "multiplexer bits": 0.6, "product bits": 1.2},
    },
    "register": {
        **{
            "device": 700,
            "events": 5,
            "held": 76,
            "counters": 78,
            "external": 2100,
            "groups": 3,
            "core": 600,
            "core message bits": 1,
            "core groups": 9,
        },
        **{"address bits": 3, "lanes": 1, "lane bits": 2, "weight words": 32, "update": 10, "update state bits": 18},
        **{"part bits": 20, "part lane bits": 0.01},
        **{
            "update input bits": 3,
            "synapse bits": 10,
            "dialect bits": 18,
            "spike plane bits": 6,
            "grid": 400,
            "plane bits": 1,
            "maximum bits": 0.5,
            "distributed RAM": 2,
        },
        **{"register bits": 1, "multiplexer bits": 0.1, "product bits": 0.1},
    },
    "carry cell": {
        **{
            "device": 250,
            "events": 20,
            "held": 10,
            "counters": 100,
            "external": 850,
            "groups": 0.1,
            "core": 200,
            "core message bits": 0.1,
            "core groups": 0.1,
        },
        **{"address bits": 4, "lanes": 1, "lane bits": 1, "weight words": 0.1, "update": 10, "update state bits": 4},
        **{"part bits": 7, "part lane bits": 0.01},
        **{
            "update input bits": 1,
            "synapse bits": 2,
            "dialect bits": 3,
            "spike plane bits": 2,
            "grid": 150,
            "plane bits": 1,
            "maximum bits": 2,
            "distributed RAM": 0.1,
        },
        **{"register bits": 0.1, "multiplexer bits": 0.1, "product bits": 0.5},
    },
}
DOUBT = 0.7  # of what is expected
SCATTER = 0.04  # of counts about any sum of terms: what synthesis makes of likes


@dataclass(frozen=True)
class Measured:
    """``parameters``: of [hardware] and [formats], and ``events``; ``counts``: nextpnr's, by our names.

    ``anew``: measured since counters stand in a block RAM, with the identity.
    """

    family: str
    name: str
    held: bool
    parameters: dict[str, Any]
    counts: dict[str, int]
    anew: bool = False

    def target(self) -> Target:
        return targets.load(self.name) if self.name in SHIPPED else board(self.family, self.parameters)

    @property
    def kind(self) -> str:
        return "compact" if self.parameters["compact"] else "pipelined"


def board(family: str, parameters: dict[str, Any]) -> Target:
    """A board of the family with other hardware."""
    data = targets.load(BOARDS[family]).model_dump(by_alias=True)
    data["hardware"]["external"] = 0  # what is drawn and recorded has none
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
    """The base of a family with some parameters changed."""
    while True:
        update = 1 if compact else rng.choice([1, 1, 2, 4])
        choices: dict[str, list[Any]] = {
            **{"cores": [1, 1, 2], "lanes": [4, 8, 16, 16, 32], "weight_bits": [4, 8, 16], "update": [update]},
            **{"accumulator_bits": [10, 12, 16, 20, 24], "state_bits": [10, 12, 16, 20, 24]},
            **{"decay_bits": [6, 8, 12, 16], "shift_max": [3, 7, 15], "synapse": [1], "spatial": [1]},
            **{
                "planes": [1, 4, 8],
                "dialects": [1],
                "spike_planes": [1, 3, 5],
                "maxima": [1],
                "groups": [4, 8, 16, 32],
                "queue": [8, 16, 32],
                "jobs": [4, 16, 64],
            },
            **{"segments": [4, 32, 64, 256], "spike_words": [32, 128], "out_words": [256, 512]},
            **{"held": [1], "counters": [256, 1024], "packed": [1]},
            **{"window": [1024, 2048, 4096], "weight_rows": [256, 800, 1024, 2048, 8192, 16384]},
            **{"neurons": [64, 256, 1024], "parameters": [32, 64, 256], "events": [True, False]},
        }
        changed = {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.4}
        found = {**BASE, **BASE_OF.get(family, {}), "compact": compact, **changed}
        found["spike_planes"] = found["spike_planes"] if found["dialects"] else 1
        fills = found["lanes"] * found["weight_bits"] % 32 == 0 and found["update"] * found["weight_bits"] <= 32
        fills = fills and found["out_words"] >= 2 * found["spike_words"]
        if fills and found["cores"] * found["lanes"] * found["accumulator_bits"] <= (400 if family == "ice40" else 800):
            return found


def measure(family: str, name: str, held: bool, parameters: dict[str, Any], chips: Chips) -> Measured:
    """Notes in ``chips`` what nextpnr says that there is, where it is one of the boards that come with nirdeploy."""
    target = targets.load(name) if name in SHIPPED else board(family, parameters)
    found = flow.packed(target)
    if name in SHIPPED and (said := target.synthesis) is not None:
        key = said.package if family == "gowin" else said.device
        chips.setdefault(family, {})[key] = {resource.name: resource.available for resource in found}
    return Measured(family, name, held, parameters, {resource.name: resource.used for resource in found}, anew=True)


def load() -> tuple[list[Measured], Chips]:
    """What is recorded."""
    said = json.loads(RECORDED.read_text()) if RECORDED.exists() else {"measured": [], "chips": {}}
    return [Measured(**entry) for entry in said["measured"]], said["chips"]


def save(measured: list[Measured], chips: Chips) -> None:
    """One line each, with the date and the versions of the tools."""
    packages = sorted({package for family in FAMILIES.values() for package in family.packages})
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    head = {"date": today, "tools": tools.versions(packages), "chips": chips}
    ordered = sorted(measured, key=lambda one: (one.family, one.kind, one.name))
    lines = ",\n".join("  " + json.dumps(asdict(one)) for one in ordered)
    RECORDED.write_text(json.dumps(head)[:-1] + f', "measured": [\n{lines}\n]}}\n')


def boards() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Family, name and parameters of the boards that are held to the model."""
    for name in SHIPPED:
        target = targets.load(name)
        assert target.synthesis is not None
        yield target.synthesis.family, name, parameters_of(target)
    for name in mnist_board.BOARDS:
        yield "ecp5", f"mnist, {name} lanes", parameters_of(mnist_board.board(name))


def fit(measured: list[Measured], name: str) -> dict[str, float]:
    """Coefficients of one resource of one family and kind."""
    sizes = [logic.terms(one.family, *_parts(one)) for one in measured]
    counted = np.array([one.counts[name] for one in measured], dtype=float)
    relative = np.array([list(size.values()) for size in sizes]) / counted[:, None] / SCATTER
    expected = np.array([EXPECTED.get(name, EXPECTED["LUT4"])[term] for term in sizes[0]])
    held_to = np.diag(1 / (DOUBT * expected))
    wanted = [np.full(len(measured), 1 / SCATTER), np.full(len(expected), 1 / DOUBT)]
    found, _ = nnls(np.concatenate([relative, held_to]), np.concatenate(wanted))
    return {term: round(float(value), 4) for term, value in zip(sizes[0], found, strict=True)}


def _parts(one: Measured) -> tuple[Any, Any, bool]:
    target = one.target()
    return target.hardware, target.formats, bool(one.parameters["events"])


def write(fitted: dict[str, dict[str, dict[str, dict[str, float]]]], chips: Chips) -> None:
    recorded = json.loads(RECORDED.read_text())
    lines = [
        "# Written by tools/fit_logic.py: what a term of nirdeploy/backends/fpga/cost/logic.py takes, "
        "by family and resource.",
        f"# Measured on {recorded['date']} with " + ", ".join(f"{n} {v}" for n, v in recorded["tools"].items()) + ".",
    ]
    for family, totals in chips.items():
        lines.append(f"\n[chips.{family}]")
        lines += [f"{json.dumps(name)} = {_inline(has)}" for name, has in totals.items()]
    for family, names in fitted.items():
        for name, kinds in names.items():
            lines.append(f"\n[fitted.{family}.{json.dumps(name)}]")
            lines += [f"{kind} = {_inline(values)}" for kind, values in kinds.items()]
    WRITTEN.write_text("\n".join(lines) + "\n")


def _inline(values: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{json.dumps(key)} = {value}" for key, value in values.items()) + " }"


def table(measured: list[Measured]) -> Table:
    """By family and kind: the largest errors of every resource, of what was fitted and of what was not."""
    shown = Table(title="estimated against nextpnr's: largest error (root mean square)")
    for column in ("family", "kind", "resource", "fitted", "held out", "configurations"):
        shown.add_column(column)
    groups: dict[tuple[str, str, str], list[tuple[bool, float]]] = defaultdict(list)
    for one in measured:
        guess = logic.counts(one.family, *_parts(one))
        for name in guess:
            if name in one.counts:
                error = guess[name] / max(one.counts[name], 1) - (one.counts[name] > 0)
                groups[one.family, one.kind, name].append((one.held, error))
    for (family, kind, name), errors in sorted(groups.items()):
        sides = [[error for held, error in errors if held is side] for side in (False, True)]
        cells = [f"{max(map(abs, e)):.1%} ({np.sqrt(np.mean(np.square(e))):.1%})" if e else "" for e in sides]
        shown.add_row(family, kind, name, *cells, f"{len(sides[0])} + {len(sides[1])}")
    return shown


def held_rows(measured: list[Measured]) -> Table:
    """Every configuration that was not fitted."""
    shown = Table(title="not fitted")
    for column in ("family", "configuration", "resource", "nextpnr", "estimated", "error"):
        shown.add_column(column, justify="left" if column in ("family", "configuration", "resource") else "right")
    for one in measured:
        if one.held:
            guess = logic.counts(one.family, *_parts(one))
            for name in set(FITTED[one.family]) & set(guess):
                error = guess[name] / one.counts[name] - 1
                shown.add_row(
                    *(one.family, one.name, name, f"{one.counts[name]:,}", f"{guess[name]:,}", f"{error:+.1%}")
                )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", type=int, default=0, help="measure so many more")
    parser.add_argument("--family", choices=sorted(FITTED), help="of this family only")
    parser.add_argument("--kind", choices=("pipelined", "compact"), help="of this kind; by default the boards'")
    parser.add_argument("--again", action="store_true", help="measure all that are recorded anew")
    options = parser.parse_args()
    progress, console = Console(stderr=True), Console(width=None if Console().is_terminal else 160)
    measured, chips = load()
    known = [] if options.again else [(one.family, one.name) for one in measured]
    wanted = [(f, name, True, values) for f, name, values in boards() if (f, name) not in known]
    if options.again:
        own = {(family, name) for family, name, _, _ in wanted}
        wanted += [(m.family, m.name, m.held, m.parameters) for m in measured if (m.family, m.name) not in own]
    for family in [options.family] if options.family else FITTED:
        compact = options.kind == "compact" if options.kind else family == "ice40"
        there = sum(one.family == family and one.kind == ("compact" if compact else "pipelined") for one in measured)
        for nth in range(there, there + options.draw):
            values = drawn(random.Random(f"{family} {compact} {nth}"), family, compact)
            wanted.append((family, f"drawn {nth}", nth % 4 == 3, values))
    for family, name, held, values in wanted:
        progress.print(f"{family}: {name}")
        done = measure(family, name, held, values, chips)
        measured = [one for one in measured if (one.family, one.name, one.kind) != (family, name, done.kind)] + [done]
        save(measured, chips)
    fitted: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for family, names in FITTED.items():
        for name in names:
            for kind in ("pipelined", "compact"):
                fitting = [one for one in measured if (one.family, one.kind, one.held) == (family, kind, False)]
                if len(fitting) >= ENOUGH:
                    fitted.setdefault(family, {}).setdefault(name, {})[kind] = fit(fitting, name)
    write(fitted, chips)
    logic.load.cache_clear()
    console.print(held_rows(measured))
    console.print(table(measured))


if __name__ == "__main__":
    main()
