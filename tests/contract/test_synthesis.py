"""The hardware description: lint-clean in Verilator and Yosys, and synthesizable for ECP5 as meant."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.targets import registry as targets
from nirdeploy.targets.emit import Artifacts, emit

pytestmark = pytest.mark.xdist_group("synthesis")

SMALL = {
    **{"cores": 2, "lanes": 8, "weight_rows": 512, "neurons": 128, "parameters": 128, "planes": 1, "jobs": 16},
    **{"segments": 32, "window": 1024, "held": 0, "counters": 0},
}
VARIANTS = {
    "default": {},
    "small": SMALL,
    "wide": {"cores": 2, "lanes": 128, "update": 4},
    "16-bit": {"weight_bits": 16, "accumulator_bits": 24, "lanes": 16, "update": 1, "groups": 8},
    "4-bit": {"weight_bits": 4, "state_bits": 16, "decay_bits": 8, "lanes": 64},
    "compact": {"update": 1, "compact": 1},
    "small and compact": {**SMALL, "update": 1, "compact": 1},
    "external memory": {"external": 64},
    "small, external memory": {**SMALL, "external": 1},
    "small and compact, external memory": {**SMALL, "update": 1, "compact": 1, "external": 1},
}


def _save(folder: Path, **hardware: int) -> tuple[Artifacts, list[str]]:
    artifacts = emit(targets.load("fpga").with_hardware(**hardware))
    artifacts.save(folder)
    return artifacts, [name for name in artifacts if name.startswith("rtl/")]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("top", ["serial_device", "device", "bench"])
def test_verilator_finds_nothing_to_warn_of(tmp_path: Path, variant: str, top: str) -> None:
    _, files = _save(tmp_path, **VARIANTS[variant])
    sources = [*files, "sim/bench.v"] if top == "bench" else files
    said = verilate.verilator(["--lint-only", "-Wall", "--top-module", top, *sources], tmp_path)
    assert "%Warning" not in said


def test_every_waiver_of_a_warning_is_ended_and_few() -> None:
    """A waiver spans a line or two, and none is forgotten."""
    artifacts = emit(targets.load("fpga").with_hardware(external=8))
    for name in artifacts:
        if name.endswith(".v"):
            text = artifacts[name].decode()
            off = re.findall(r"lint_off (\w+)", text)
            assert off == re.findall(r"lint_on (\w+)", text), name
            assert len(off) <= 2, name


def _interface(source: str) -> list[str]:
    """What a module's header declares, line by line, as its users see it: no comments, no choice of wire or reg."""
    header = re.sub(r"//.*", "", source)
    header = header[header.index("module ") : header.index(");") + 2]
    return [" ".join(line.split()).replace("output reg", "output wire") for line in header.splitlines() if line.strip()]


def test_both_forms_of_the_core_have_the_same_modules_with_one_interface() -> None:
    forms = [emit(targets.load("fpga").with_hardware(update=1, compact=compact)) for compact in (0, 1)]
    pipelined, compact = (
        {name.removeprefix(folder): form[name].decode() for name in form if name.startswith(folder)}
        for form, folder in zip(forms, ("rtl/pipelined/", "rtl/compact/"), strict=True)
    )
    assert "segments.v" in pipelined
    assert not {name for name in forms[0] if "compact" in name} | {name for name in forms[1] if "pipelined" in name}
    assert {name: _interface(text) for name, text in pipelined.items()} == {
        name: _interface(text) for name, text in compact.items()
    }


def _yosys(commands: list[str], cwd: Path) -> str:
    """Run Yosys passes in a process of their own: an error there ends the process."""
    script = (
        "import sys, json\nfrom pyosys import libyosys as ys\ndesign = ys.Design()\n"
        "[ys.run_pass(command, design) for command in json.loads(sys.argv[1])]"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(commands)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("variant", ["small", "small and compact", "small, external memory"])
def test_yosys_finds_no_problem(tmp_path: Path, variant: str) -> None:
    _, files = _save(tmp_path, **VARIANTS[variant])
    said = _yosys(
        [f"read_verilog {' '.join(files)}", "hierarchy -check -top device", "proc", "opt_clean", "check -assert"],
        tmp_path,
    )
    assert "Warning" not in said


def test_ecp5_has_no_latches_and_no_memories_made_of_registers(tmp_path: Path) -> None:
    # Narrow, for what is wide takes Yosys twice as long.
    plain = {**SMALL, "lists": 1, "spots": 0, "held": 0, "counters": 0}
    _artifacts, files = _save(tmp_path, **plain, state_bits=12, accumulator_bits=14, decay_bits=8)
    said = _yosys(
        [
            f"read_verilog {' '.join(files)}",
            "synth_ecp5 -top device -run begin:map_ffram",
            # What block and distributed RAM did not take becomes registers from here on: of a core that is what it
            # keeps of the two jobs under way.
            "select -assert-none t:$mem t:$mem_v2 %u c:*.contexts c:*.releases %u c:*.parities %u %d",
            "synth_ecp5 -top device -run map_ffram:",
            "tee -q -o stat.json stat -json",
        ],
        tmp_path,
    )
    assert "Latch inferred" not in said
    cells = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    kinds = set(cells) - {"$scopeinfo"}
    assert kinds <= {"CCU2C", "DP16KD", "L6MUX21", "LUT4", "MULT18X18D", "PFUMX", "TRELLIS_DPR16X4", "TRELLIS_FF"}
    # Weights alone: 2 cores x 2 banks of 512 x 32 bits, one block RAM each.
    assert cells["DP16KD"] >= 4
    # Registers: far below the 32,768 weight bits that a memory of registers would take.
    assert cells["TRELLIS_FF"] < 12000
    assert cells["LUT4"] < 12000
