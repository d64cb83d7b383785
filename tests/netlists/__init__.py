"""A board's netlist, as it goes to placement, behind its pins: cells of the vendor's, with their behaviour.

The models of cells are those that Yosys ships; what it only names stands in the ``.v`` files here.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.backends.fpga.synthesis import families, flow, tools
from nirdeploy.targets.emit import Artifacts, emit

FOLDER = Path(__file__).parent
_CYCLES = 4096  # simulated between two looks at the line
_SILENT = 200  # looks without a byte: nothing comes any more

_LINT = ("SPECIFYIGN", "WIDTHTRUNC", "WIDTHEXPAND", "TIMESCALEMOD", "PINMISSING", "UNOPTFLAT", "CASEINCOMPLETE")
_UNLINTED = "".join(f"// verilator lint_off {kind}\n" for kind in _LINT).encode()
_DEVICE = """\
module serial_device (
    input wire clk, clk_cores, rst, input wire [15:0] divider, input wire rx, output wire tx, active, awake
);
    wire lamp;
    board board (.clock(clk), .rx(rx), .tx(tx), .lamp(lamp));
    assign active = 1'b1;
    assign awake = 1'b1;
endmodule
"""


class NetlistPort:
    """The whole board as cells, synthesized in ``folder`` with its own options, behind its UART pins."""

    def __init__(self, target: FpgaTarget, folder: Path) -> None:
        board = target.serial_board
        self._divider = round(board.clock_hz / board.baud)
        lib = verilate.library(_artifacts(target, folder), "serial_device", "sim/serial_device.cpp", fast=False)
        lib.board_create.restype = ctypes.c_void_p
        lib.board_send.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32]
        lib.board_run.argtypes = [
            *(ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64),
            *(ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)),
        ]
        lib.board_destroy.argtypes = [ctypes.c_void_p]
        self._lib, self._handle = lib, lib.board_create(self._divider)

    def write(self, data: bytes) -> None:
        self._lib.board_send(self._handle, data, len(data), self._divider)

    def read(self, timeout: float) -> bytes:
        """What came, by the simulation's clock: the host's does not count."""
        del timeout
        out, active = ctypes.create_string_buffer(_CYCLES), ctypes.c_uint32()
        for _ in range(_SILENT):
            count = self._lib.board_run(self._handle, _CYCLES, _CYCLES, out, _CYCLES, ctypes.byref(active))
            if count:
                return out.raw[:count]
        return b""

    def close(self) -> None:
        self._lib.board_destroy(self._handle)


def _artifacts(target: FpgaTarget, folder: Path) -> Artifacts:
    family = families.of_open_tools(target)
    flow.sources(target).save(folder)
    flow.synthesize(family, folder)
    tools.yosys(["read_json netlist.json", "write_verilog -noattr netlist.v"], folder)
    made = Artifacts()
    made.add("rtl/cells.v", _models(families.synthesis(target).family))
    made.add("rtl/netlist.v", _UNLINTED + (folder / "netlist.v").read_bytes())
    made.add("sim/serial_device.v", _UNLINTED + _DEVICE.encode())
    made.add("sim/serial_device.cpp", emit(target)["sim/serial_device.cpp"])
    return made


def _models(family: str) -> bytes:
    """The vendor's cells with what they include, once each, and ours in the place of those that do nothing."""
    folder = tools.share("pyosys") / family
    ours = (FOLDER / f"{family}.v").read_text()
    included: set[str] = set()

    def included_text(found: re.Match[str]) -> str:
        if found[1] in included:
            return ""
        included.add(found[1])
        return text(found[1])

    def text(name: str) -> str:
        return re.sub(r'`include "(\w+\.vh)"', included_text, (folder / name).read_text())

    theirs = text("cells_sim.v")
    for name in re.findall(r"^module (\w+)", ours, re.MULTILINE):
        theirs = re.sub(
            rf"^(\(\*[^\n]*\*\)\s*)?module {name}\b.*?^endmodule", "", theirs, flags=re.MULTILINE | re.DOTALL
        )
    return _UNLINTED + (theirs + ours).encode()
