"""The controller of the memory beside the chip, alone, with each of two models of that chip at its pins.

The models are written apart from each other, from the data sheet's rules: C++ as it stands behind the virtual board,
and Verilog in a simulator that knows X and times between edges.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nirdeploy.backends.fpga import external
from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.targets import emit, registry
from nirdeploy.targets.emit import Artifacts
from nirdeploy.targets.tables import Memory

FOLDER = Path(__file__).parent
_INCLUDES = ("cstdint", "memory", "string", "vector")
_U32 = ctypes.POINTER(ctypes.c_uint32)

#: (idle cycles before it, write, address, data)
Request = tuple[int, bool, int, int]


@dataclass(frozen=True)
class Chip:
    """A memory at a clock. ``broken``: what is replaced in the controller's Verilog, and by what."""

    memory: Memory
    clock_hz: int
    parameters: tuple[tuple[str, int], ...] = ()
    broken: tuple[str, str] | None = None

    @property
    def cycles(self) -> dict[str, int]:
        return external.cycles(self.memory, self.clock_hz) | dict(self.parameters)

    @property
    def words(self) -> int:
        return int(self.memory.mebibytes * 2**18)

    def with_parameter(self, name: str, value: int) -> Chip:
        return replace(self, parameters=((name, value),))

    def sources(self) -> dict[str, str]:
        """The controller's Verilog, and the registers at its pins."""
        made = emit.emit(registry.load("fpga").with_hardware(external=1))
        found = {name: made[f"rtl/external/{name}"].decode() for name in ("sdram.v", "sdram_pins.v")}
        if self.broken:
            right, wrong = self.broken
            assert sum(text.count(right) for text in found.values()) == 1, right
            found = {name: text.replace(right, wrong) for name, text in found.items()}
        return found

    def macros(self) -> dict[str, str]:
        c, m = self.cycles, self.memory
        geometry = {"BANKS": c["bank_bits"], "ROWS": c["row_bits"], "COLUMNS": c["column_bits"], "DATA": c["data"]}
        times = {name.upper(): c[name] for name in ("cas", "rcd", "rp", "ras", "rc", "wr", "rfc", "mrd", "refresh")}
        chip = {"DATA": m.data_bits, "BANKS": m.banks, "ROWS": m.rows, "COLUMNS": m.columns, "PINS": c["address_bits"]}
        chip |= {
            name.upper(): round(1000 * getattr(m, f"{name}_ns"))
            for name in ("rcd", "rp", "ras", "rc", "rrd", "wr", "rfc", "cas2", "cas3")
        }
        chip |= {"WR_CYCLES": m.wr_cycles, "MRD_CYCLES": m.mrd_cycles, "REFRESH": round(1000 * m.refi_ns)}
        return {
            "RTL": _listed({**geometry, **times, "POWER_UP": c["power_up"]}),
            "CHIP": _listed({**chip, "POWER_UP": round(10**6 * m.power_up_us)}),
            "PINS": str(c["address_bits"]),
            "DATA": str(c["data"]),
            "AW": str(self.words.bit_length() - 1),
            "PERIOD": str(round(10**12 / self.clock_hz)),
        }


def _listed(values: dict[str, int]) -> str:
    return ", ".join(f".{name}({value})" for name, value in values.items())


def defined(macros: dict[str, str]) -> str:
    return "".join(f"`define {name} {value}\n" for name, value in macros.items())


class Compiled:
    """Controllers in Verilator, of one chip in C++: they are compiled together, which takes as long as one of them."""

    def __init__(self, chips: Sequence[Chip]) -> None:
        memory, clock_hz = chips[0].memory, chips[0].clock_hz
        assert all((chip.memory, chip.clock_hz) == (memory, clock_hz) for chip in chips)
        target = registry.load("fpga").with_hardware(external=1)
        variables = {**external.cycles(memory, clock_hz), "name": memory.name, "chip": memory}
        variables["period_ps"] = round(10**12 / clock_hz)
        model = emit.render(target, "sim/_sdram.h", memory=variables).decode()
        includes = (
            "".join(f"#include <{name}>\n" for name in _INCLUDES) + '#include "Vmemory.h"\n#include "verilated.h"\n'
        )
        made = Artifacts()
        made.add("rtl/sdram_pins.v", chips[0].sources()["sdram_pins.v"].encode())
        for number, chip in enumerate(chips):
            made.add(f"rtl/sdram{number}.v", _renamed(chip.sources()["sdram.v"], "sdram", number).encode())
            wrapper = (FOLDER / "memory.v").read_text()
            for name, value in {**chip.macros(), "NUMBER": str(number)}.items():
                wrapper = wrapper.replace(f"`{name}", value)
            made.add(f"rtl/memory{number}.v", _renamed(wrapper, "memory", number).encode())
        made.add("sim/memory.v", _chosen(len(chips)).encode())
        made.add("sim/bench.cpp", (includes + model + (FOLDER / "bench.cpp").read_text()).encode())
        self._chips = list(chips)
        self._lib = verilate.library(made, "memory", "sim/bench.cpp", fast=False)
        self._lib.bench_create.restype = ctypes.c_void_p
        self._lib.bench_create.argtypes = [ctypes.c_uint32]
        self._lib.bench_run.restype = ctypes.c_uint64
        self._lib.bench_run.argtypes = [ctypes.c_void_p, _U32, ctypes.c_uint32, _U32]
        self._lib.bench_fault.restype = ctypes.c_char_p
        self._lib.bench_fault.argtypes = [ctypes.c_void_p]

    def powered(self, chip: Chip) -> Powered:
        """One of them, from power-up on."""
        return Powered(self._lib, self._chips.index(chip))


def _renamed(text: str, module: str, number: int) -> str:
    assert text.count(f"module {module} ") == 1
    return text.replace(f"module {module} ", f"module {module}_{number} ")


def _chosen(count: int) -> str:
    """A module that is one of ``count`` controllers; the others rest."""
    ports = {"ready": 1, "got": 1, "data": 32, "sdram_command": 3, "sdram_bank": 2, "sdram_address": 13}
    ports |= {"sdram_mask": 1, "sdram_out": 32, "sdram_floats": 32}
    declared = ", ".join(f"output wire [{bits - 1}:0] {name}" for name, bits in ports.items())
    lines = [
        "module memory (input wire clk, rst, valid, write, input wire [7:0] chosen,",
        f"    input wire [31:0] addr, wdata, sdram_in, {declared});",
    ]
    for i in range(count):
        lines += [
            f"wire [{sum(ports.values()) - 1}:0] out{i};",
            f"memory_{i} m{i} (.clk(clk), .rst(rst || chosen != {i}),",
        ]
        lines += [f".valid(valid && chosen == {i}), .write(write), .addr(addr), .wdata(wdata), .sdram_in(sdram_in),"]
        high = sum(ports.values())
        named = []
        for name, bits in ports.items():
            named.append(f".{name}(out{i}[{high - 1}:{high - bits}])")
            high -= bits
        lines += [", ".join(named) + ");"]
    lines += [f"assign {{{', '.join(ports)}}} = " + "".join(f"chosen == {i} ? out{i} : " for i in range(count)) + "0;"]
    return "\n".join([*lines, "endmodule", ""])


class Powered:
    """A controller with its chip."""

    def __init__(self, lib: ctypes.CDLL, number: int) -> None:
        self._lib = lib
        self._handle = lib.bench_create(number)

    def run(self, requests: Sequence[Request]) -> tuple[list[int], int, str]:
        """What was read, in how many cycles, and the rule that was broken, if one was."""
        asked = np.array(requests, dtype=np.uint32).reshape(-1)
        out = np.zeros(len(requests) + 1, dtype=np.uint32)
        pointers = (array.ctypes.data_as(_U32) for array in (asked, out))
        cycles = self._lib.bench_run(self._handle, next(pointers), len(requests), next(pointers))
        reads = sum(not write for _, write, _, _ in requests)
        return out[:reads].tolist(), cycles, self._lib.bench_fault(self._handle).decode()


def interpreted(chip: Chip, requests: Sequence[Request], folder: Path) -> tuple[list[str], str]:
    """The same in Icarus Verilog: what was read, in hexadecimal (x: unknown), and the rule that was broken."""
    for name, text in chip.sources().items():
        (folder / name).write_text(text)
    (folder / "parameters.vh").write_text(defined({**chip.macros(), "COUNT": str(len(requests))}))
    (folder / "requests.hex").write_text(
        "".join(" ".join(f"{int(v):x}" for v in request) + "\n" for request in requests)
    )
    icarus = FOLDER.parent / "icarus"
    files = ["sdram.v", "sdram_pins.v", str(icarus / "sdram.v"), str(icarus / "memory_bench.v")]
    subprocess.run(["iverilog", "-g2005", "-s", "memory_bench", "-o", "bench.vvp", *files], cwd=folder, check=True)
    said = subprocess.run(
        ["vvp", "-n", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True, timeout=120
    )
    lines = said.stdout.splitlines()
    fault = next((line.removeprefix("FAULT ") for line in lines if line.startswith("FAULT ")), "")
    assert fault or lines[-1] == "END", said.stdout[-500:]
    return [line for line in lines if line != "END" and not line.startswith("FAULT")], fault


_TIMES: dict[str, Any] = {
    "rcd_ns": 20,
    "rp_ns": 20,
    "ras_ns": 44,
    "rc_ns": 80,
    "rrd_ns": 15,
    "wr_ns": 25,
    "rfc_ns": 66,
    "refi_ns": 7812.5,
}
_SMALL: dict[str, Any] = {"banks": 4, "cas2_ns": 10, "cas3_ns": 7, "power_up_us": 20, **_TIMES}

#: Both widths of the data bus, both latencies, and a clock so slow that every time is one cycle.
CHIPS = {
    "32 bits, CAS 2": Chip(Memory(name="a", data_bits=32, rows=256, columns=256, **_SMALL), 100_000_000),
    "16 bits, CAS 3": Chip(Memory(name="b", data_bits=16, rows=512, columns=256, **_SMALL), 130_000_000),
    "16 bits, slow": Chip(Memory(name="c", data_bits=16, rows=8192, columns=512, **_SMALL), 12_000_000),
}


def traffic(chip: Chip, seed: int, count: int) -> list[Request]:
    """Requests in bursts and alone, near each other and far, to a few rows of every bank."""
    rng = np.random.default_rng(seed)
    row, bank = chip.words // chip.memory.banks // chip.memory.rows, chip.words // chip.memory.banks
    found: list[Request] = []
    while len(found) < count:
        at = int(rng.integers(chip.memory.banks) * bank + rng.integers(3) * row + rng.integers(row))
        length, write = int(rng.choice([1, 1, 2, 12])), bool(rng.random() < 0.5)
        first = int(rng.choice([0, 0, 0, 1, 3, 20, 200]))
        for i in range(length):
            gap = first if i == 0 else int(rng.random() < 0.2)
            found.append((gap, write, (at + i) % chip.words, int(rng.integers(2**32))))
    return found


def expected(requests: Sequence[Request], held: dict[int, int] | None = None) -> list[int]:
    """What a memory of dictionaries reads; words that nobody wrote are zero."""
    held, found = {} if held is None else held, []
    for _, write, address, data in requests:
        if write:
            held[address] = data
        else:
            found.append(held.get(address, 0))
    return found


_WIDE, _NARROW = CHIPS["32 bits, CAS 2"], CHIPS["16 bits, CAS 3"]


def _less(name: str, by: int = 1, chip: Chip = _WIDE) -> Chip:
    return chip.with_parameter(name, chip.cycles[name] - by)


#: Controllers with one thing wrong, and the rule that they break: every time one cycle too short, then the rest.
BROKEN: dict[str, tuple[Chip, str]] = {
    "rcd": (_less("rcd"), "tRCD"),
    "rp": (_less("rp"), "tRP"),
    "ras": (_less("ras"), "tRAS"),
    "rc": (_less("rc"), "tRC"),
    "wr": (_less("wr"), "tWR"),
    "wr of the second half": (_less("wr", chip=_NARROW), "tWR"),
    "rfc": (_less("rfc"), "tRFC"),
    "mrd": (_less("mrd"), "tMRD"),
    "refresh": (_less("refresh", by=-40), "tREFI"),
    "power up": (_less("power_up", by=10), "power-up"),
    "cas": (_less("cas", chip=_NARROW), "mode: CAS latency"),
    "burst": (replace(_NARROW, broken=("(BEATS == 2 ? 1 : 0)", "0")), "mode: a burst"),
    "refreshes at power up": (replace(_WIDE, broken=("REFRESHES = 8;", "REFRESHES = 1;")), "power-up: fewer"),
    "read, then write": (replace(_WIDE, broken=("to_write <= CAS[3:0] +", "to_write <= CAS[3:0] - 1'b1 +")), "bus"),
    "read, then write, worse": (replace(_WIDE, broken=("to_write <= CAS[3:0] + BEATS[3:0]", "to_write <= 0")), "bus"),
    "undriven": (replace(_NARROW, broken=("does_write : beat && dq_drive", "does_write : 1'b0")), "bus: nobody"),
    "mask": (replace(_WIDE, broken=("mask    <= 1'b0;", "mask    <= 1'b1;")), "DQM"),
    "row left open": (
        replace(_WIDE, broken=("opens    = proceeds && !opened", "opens    = proceeds")),
        "row: one is opened",
    ),
    "row closed": (
        replace(_WIDE, broken=("opened           <= 1'b0;\n", "hit <= 1'b1;\n")),
        "row: an access",
    ),
    "burst cut": (
        replace(
            _NARROW,
            broken=(
                "accesses = state == WORKS && works && hit && !due && !beat",
                "accesses = state == WORKS && works && hit && !due",
            ),
        ),
        "burst",
    ),
}


def compiled(name: str) -> Compiled:
    """One of ``CHIPS`` and what is broken of it."""
    right = CHIPS[name]
    broken = (chip for chip, _ in BROKEN.values() if (chip.memory, chip.clock_hz) == (right.memory, right.clock_hz))
    return Compiled([right, *broken])
