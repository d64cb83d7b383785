"""Which chip a bitstream is for, from what every such file begins with.

Sources: Lattice FPGA-TN-02039 (ECP5) and FPGA-TN-02001 (iCE40), Xilinx UG470, and the formats as the projects Trellis,
IceStorm and Apicula describe them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.synthesis import families
from nirdeploy.errors import UsageProblem

_HEAD = 8192  # comments of a tool come first
_ECP5, _ICE40, _XILINX = b"\xff\xff\xbd\xb3", b"\x7e\xaa\x99\x7e", b"\xaa\x99\x55\x66"
_ECP5_ID, _GOWIN_ID = b"\xe2\x00\x00\x00", 0x06  # the commands that compare the chip's number

NAMES = {"ecp5": "a Lattice ECP5", "ice40": "a Lattice iCE40", "gowin": "a Gowin chip", "vivado": "a Xilinx 7 series"}
#: Numbers of chips, by the device or package of a target file.
CHIPS = {
    "ecp5": {"12k": 0x21111043, "25k": 0x41111043, "45k": 0x41112043, "85k": 0x41113043},
    "gowin": {"GW2A-18C": 0x0000081B},
}


@dataclass(frozen=True)
class Chip:
    """``family`` as target files say it; ``number``: the chip's own, or None where the file does not tell."""

    family: str
    number: int | None = None


def chip_of(data: bytes) -> Chip | None:
    """None: no bitstream of a family that is known here."""
    head = data[:_HEAD]
    if _ECP5 in head:
        found = head.find(_ECP5_ID, head.index(_ECP5))
        return Chip("ecp5", int.from_bytes(head[found + 4 : found + 8], "big") if found >= 0 else None)
    if _ICE40 in head:
        return Chip("ice40")
    if _XILINX in head:
        return Chip("vivado")
    lines = [line for line in re.sub(rb"//[^\n]*", b"", head).split() if line]
    if len(lines) > 1 and all(set(line) <= set(b"01") for line in lines):
        numbers = [int(line, 2) & 0xFFFFFFFF for line in lines if len(line) == 64 and int(line[:8], 2) == _GOWIN_ID]
        return Chip("gowin", numbers[0] if numbers else None)
    return None


def check(target: FpgaTarget, file: Path) -> None:
    """Raises :class:`UsageProblem` if a bitstream is not for the chip of a target's board."""
    chosen = families.synthesis(target)
    found = chip_of(file.read_bytes())
    hint = f"'nirdeploy bitstream --board {target.name}' makes one for {target.serial_board.name}"
    if found is None:
        raise UsageProblem("the file is no bitstream that nirdeploy knows", where=str(file), hint=hint)
    wanted = f"{target.serial_board.name} has {NAMES[chosen.family]} ({chosen.device})"
    if found.family != chosen.family:
        raise UsageProblem(f"the bitstream is for {NAMES[found.family]}, {wanted}", where=str(file), hint=hint)
    known = CHIPS.get(chosen.family, {})
    number = known.get(chosen.device, known.get(chosen.package))
    if number is not None and found.number not in (number, None):
        names = {value: name for name, value in known.items()}
        other = names.get(found.number or 0, f"number {found.number:#010x}")
        raise UsageProblem(f"the bitstream is for another chip ({other}), {wanted}", where=str(file), hint=hint)
