"""The memory beside the chip: what its controller and the model that checks it are made with.

The controller (``rtl/external/sdram.v``) counts cycles of the design's clock: the times of the chip's data sheet, in a
target's ``[memory]``, rounded up.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.targets.tables import Memory

_MOST_CYCLES = 15  # that the controller can wait between two commands
_COLUMNS = 256  # of the virtual board's memory: rows make its size
_ROWS = 8192
_FAMILIES = ("ecp5", "gowin")  # that have templates for a memory's pins


def memory_of(target: FpgaTarget) -> Memory | None:
    """The chip beside a target's; of a board that is not one of copper, any of the right size."""
    if not target.hardware.external:
        return None
    return target.memory or virtual(target.hardware.external)


def virtual(mebibytes: int) -> Memory:
    """A memory of the virtual board: timings as slow as of a common chip."""
    columns = max(_COLUMNS, mebibytes * 2**18 // 4 // _ROWS)
    return Memory(
        name="virtual SDRAM",
        data_bits=32,
        banks=4,
        rows=mebibytes * 2**18 // 4 // columns,
        columns=columns,
        cas2_ns=10,
        cas3_ns=7,
        rcd_ns=20,
        rp_ns=20,
        ras_ns=44,
        rc_ns=66,
        rrd_ns=15,
        wr_ns=15,
        rfc_ns=66,
        refi_ns=7812.5,
    )


def cycles(memory: Memory, clock_hz: int) -> dict[str, int]:
    """Geometry in bits of addresses and times in cycles: the controller's parameters, in lower case.

    A refresh may wait for what is under way, so it is asked for that much earlier.
    """
    found = {
        "rcd": _cycles(memory.rcd_ns, clock_hz),
        "rp": _cycles(memory.rp_ns, clock_hz),
        "ras": _cycles(memory.ras_ns, clock_hz),
        "rc": max(_cycles(memory.rc_ns, clock_hz), _cycles(memory.rrd_ns, clock_hz)),
        "wr": max(_cycles(memory.wr_ns, clock_hz), memory.wr_cycles),
        "rfc": _cycles(memory.rfc_ns, clock_hz),
        "mrd": memory.mrd_cycles,
    }
    return {
        "data": memory.data_bits,
        "bank_bits": memory.banks.bit_length() - 1,
        "row_bits": memory.rows.bit_length() - 1,
        "column_bits": memory.columns.bit_length() - 1,
        "address_bits": max(memory.rows.bit_length() - 1, 11),
        "cas": 2 if _period(clock_hz) >= Fraction(memory.cas2_ns) else 3,
        **found,
        "refresh": int(Fraction(memory.refi_ns) * clock_hz / 10**9),
        "power_up": _cycles(1000 * memory.power_up_us, clock_hz),
    }


def context(target: FpgaTarget) -> dict[str, Any] | None:
    """What templates take for ``memory``: :func:`cycles`, ``chip``: its own figures, and the clock's period."""
    memory = memory_of(target)
    if memory is None:
        return None
    clock_hz = target.serial_board.clock_hz
    return {
        **cycles(memory, clock_hz),
        "name": memory.name,
        "chip": memory,
        "period_ps": round(10**12 / clock_hz),
    }


#: A memory's pins, and the ports of the board's top module: as Gowin's chips with a memory inside have them.
_PORTS = {
    "clock": "O_sdram_clk",
    "cke": "O_sdram_cke",
    "cs": "O_sdram_cs_n",
    "ras": "O_sdram_ras_n",
    "cas": "O_sdram_cas_n",
    "we": "O_sdram_wen_n",
    "bank": "O_sdram_ba",
    "address": "O_sdram_addr",
    "mask": "O_sdram_dqm",
    "data": "IO_sdram_dq",
}
_BUSES = {"bank", "address", "mask", "data"}


def pins(target: FpgaTarget) -> set[str]:
    """Those of the memory that are not tied on the board."""
    if not target.hardware.external or target.synthesis is None:
        return set()
    return set(_PORTS) if target.synthesis.memory_inside else set(target.synthesis.memory)


def ports(target: FpgaTarget) -> dict[str, str]:
    """Ports of the board's top module to pins; none where the tools know them."""
    if not target.hardware.external or target.synthesis is None:
        return {}
    return {
        f"{_PORTS[name]}[{i}]" if name in _BUSES else _PORTS[name]: pin
        for name, listed in target.synthesis.memory.items()
        for i, pin in enumerate(listed)
    }


def problems(target: FpgaTarget) -> list[str]:
    """What is wrong of a target's memory, a sentence each."""
    external, memory, chosen = target.hardware.external, target.memory, target.synthesis
    found = []
    if memory is not None and external and memory.mebibytes != external:
        geometry = f"{memory.banks} banks x {memory.rows} rows x {memory.columns} columns x {memory.data_bits} bits"
        found.append(
            f"hardware.external = {external} must be the size of memory: {geometry} are {memory.mebibytes:g} MiB"
        )
    if external and chosen is not None:
        if memory is None:
            found.append("memory: field required, as hardware.external is not 0")
        if not chosen.memory and not chosen.memory_inside:
            found.append("synthesis.memory: field required, as hardware.external is not 0")
        if chosen.family not in _FAMILIES:
            found.append(
                f"hardware.external must be 0: no memory's pins are made for synthesis.family = {chosen.family!r}"
            )
        found += _of_pins(target)
    if external and target.board is not None:
        found += _of_clock(target)
    return found


def _of_pins(target: FpgaTarget) -> list[str]:
    memory = memory_of(target)
    if memory is None or target.synthesis is None:
        return []
    counted = cycles(memory, 10**8)
    wanted = {"bank": counted["bank_bits"], "address": counted["address_bits"], "data": counted["data"]}
    wanted["mask"] = counted["data"] // 8
    return [
        f"synthesis.memory.{name}: {wanted.get(name, 1)} pins, not {len(listed)}"
        for name, listed in target.synthesis.memory.items()
        if len(listed) != wanted.get(name, 1)
    ]


def _of_clock(target: FpgaTarget) -> list[str]:
    memory = memory_of(target)
    if memory is None:
        return []
    hz, found = target.serial_board.clock_hz, []
    if _period(hz) < Fraction(memory.cas3_ns):
        found.append(f"board.clock_hz = {hz} is too fast for the memory: at most {10**9 / memory.cas3_ns:,.0f}")
    counted = cycles(memory, hz)
    slow = [name for name in ("rcd", "rp", "ras", "rc", "wr", "rfc") if counted[name] > _MOST_CYCLES]
    found += [f"memory.{name}_ns: more than {_MOST_CYCLES} cycles of the board's clock" for name in slow]
    return found


def _period(clock_hz: int) -> Fraction:
    """Of a clock, in ns."""
    return Fraction(10**9, clock_hz)


def _cycles(ns: float, clock_hz: int) -> int:
    """The fewest that take so long."""
    return max(1, -int(-Fraction(ns) * clock_hz // 10**9))
