"""What a target file says of memory beside the chip: its controller's cycles, and what it is told that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.backends.fpga import external
from nirdeploy.backends.fpga.synthesis import flow
from nirdeploy.errors import TargetFileError
from nirdeploy.targets import registry
from nirdeploy.targets.emit import emit
from nirdeploy.targets.tables import Memory, Target

BOARD = "fpga-colorlight-i5"
CHIP: dict[str, Any] = {
    **{"name": "a chip", "data_bits": 32, "banks": 4, "rows": 2048, "columns": 256, "cas2_ns": 10, "cas3_ns": 7},
    **{"rcd_ns": 20, "rp_ns": 20, "ras_ns": 44, "rc_ns": 66, "rrd_ns": 15, "wr_ns": 15, "rfc_ns": 66, "refi_ns": 15625},
}
PINS: dict[str, list[str]] = {
    **{name: [f"{name}0"] for name in ("clock", "ras", "cas", "we")},
    **{name: [f"{name}{i}" for i in range(count)] for name, count in (("bank", 2), ("address", 11), ("data", 32))},
}


def board(chip: dict[str, Any] | None = None, pins: dict[str, list[str]] | None = None, **hardware: int) -> Target:
    """A board with 8 MiB, or with what is said otherwise."""
    data = registry.load(BOARD).model_dump(by_alias=True)
    data["hardware"] |= {"external": 8, **hardware}
    data["memory"] = CHIP if chip is None else {**CHIP, **chip}
    data["synthesis"]["memory"] = PINS if pins is None else pins
    return registry.validate(data, where=BOARD)


def misfits(target: Target) -> list[str]:
    return registry.backend_of(target).misfits(target)


def test_a_memory_that_agrees_is_taken() -> None:
    target = board()
    assert misfits(target) == []
    assert target.memory is not None
    assert target.memory.mebibytes == target.hardware.external == 8


WITHOUT_WE = {name: pins for name, pins in PINS.items() if name != "we"}


@pytest.mark.parametrize(
    ("chip", "pins", "megabytes", "said"),
    [
        (
            {},
            PINS,
            16,
            "external = 16 must be the size of memory: 4 banks x 2048 rows x 256 columns x 32 bits are 8 MiB",
        ),
        ({}, PINS, 3, "external = 3 must be a power of two"),
        ({"rows": 3000}, PINS, 8, "rows = 3000 must be a power of two"),
        ({"refi_ns": 0}, PINS, 8, "memory.refi_ns"),
        ({"rfc_ns": 401}, PINS, 8, "memory.rfc_ns: more than 15 cycles"),
        ({"cas3_ns": 30}, PINS, 8, "board.clock_hz = 40000000 is too fast for the memory: at most 33,333,333"),
        ({"data_bits": 16, "rows": 4096}, PINS, 8, "synthesis.memory.data: 16 pins, not 32"),
        ({}, {**PINS, "bank": ["A1"]}, 8, "synthesis.memory.bank: 2 pins, not 1"),
        ({}, {**PINS, "dqs": ["A1"]}, 8, "synthesis.memory.dqs"),
        ({}, WITHOUT_WE, 8, "memory: we missing"),
        ({}, {}, 8, "synthesis.memory: field required"),
    ],
)
def test_what_does_not_agree_is_said(
    chip: dict[str, Any], pins: dict[str, list[str]], megabytes: int, said: str
) -> None:
    with pytest.raises(TargetFileError) as caught:
        board(chip, pins, external=megabytes)
    assert said in str(caught.value)


def test_a_clock_that_is_too_fast_for_the_memory_is_refused() -> None:
    assert flow.variant(board(), 100_000_000).serial_board.clock_hz == 100_000_000
    with pytest.raises(TargetFileError, match="too fast for the memory: at most 142,857,143"):
        flow.variant(board(), 150_000_000)


def test_a_target_without_memory_says_nothing_of_it() -> None:
    """Neither its file nor its hardware nor its signature does; so what was made with it stays valid."""
    target = registry.load("fpga-arty-a7")
    assert not {"memory", "external"} & {*target.model_dump(), *target.hardware.model_dump()}
    assert not {"memory", "memory_inside"} & set(target.model_dump()["synthesis"])
    assert not [name for name in emit(target) if "external" in name]
    assert b"sdram" not in b"".join(flow.sources(target).values())
    assert board().with_hardware(external=0).signature != board().signature


@given(
    memory=st.builds(
        Memory,
        **{name: st.just(value) for name, value in CHIP.items() if not name.endswith("_ns") or name.startswith("cas")},
        **{name: st.floats(5, 200) for name in ("rcd_ns", "rp_ns", "ras_ns", "rc_ns", "rrd_ns", "wr_ns", "rfc_ns")},
        refi_ns=st.floats(2000, 20000),
        wr_cycles=st.integers(1, 2),
    ),
    clock_hz=st.integers(10_000_000, 140_000_000),
)
def test_cycles_take_as_long_as_the_data_sheet_asks(memory: Memory, clock_hz: int) -> None:
    """None of them a cycle too many, and refreshes come no later."""
    found, ns = external.cycles(memory, clock_hz), 1e9 / clock_hz
    for name in ("rcd", "rp", "ras", "rfc"):
        least = getattr(memory, f"{name}_ns")
        assert found[name] * ns >= least * (1 - 1e-12)
        assert (found[name] - 1) * ns < least
    assert found["rc"] * ns >= max(memory.rc_ns, memory.rrd_ns) * (1 - 1e-12)
    assert found["wr"] * ns >= memory.wr_ns * (1 - 1e-12)
    assert found["wr"] >= memory.wr_cycles
    assert found["refresh"] * ns <= memory.refi_ns * (1 + 1e-12)
    assert found["cas"] == (2 if ns >= memory.cas2_ns else 3)


def test_the_virtual_boards_memory_is_as_large_as_asked() -> None:
    for power in range(7):
        assert external.virtual(1 << power).mebibytes == 1 << power
        assert misfits(registry.load("fpga").with_hardware(external=1 << power)) == []


def test_a_board_has_the_pins_that_its_file_names() -> None:
    made = flow.sources(board())
    pins = made["board.lpf"].decode()
    for name, port in (("clock0", "O_sdram_clk"), ("bank1", "O_sdram_ba[1]"), ("data31", "IO_sdram_dq[31]")):
        assert f'LOCATE COMP "{port}" SITE "{name}";' in pins
        assert f'IOBUF PORT "{port}" IO_TYPE=LVCMOS33 SLEWRATE=FAST;' in pins
    text = made["board.v"].decode()
    assert "O_sdram_cke" not in text
    assert "O_sdram_dqm" not in text
