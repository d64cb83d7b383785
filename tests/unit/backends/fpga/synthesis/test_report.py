"""Reports: what the router said, and the errors made of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nirdeploy.backends.fpga.synthesis import report, tools
from nirdeploy.backends.fpga.synthesis.families import FAMILIES
from nirdeploy.backends.fpga.synthesis.report import Hop, Report, Resource
from nirdeploy.errors import DoesNotFit, ToolMissing

LOG = """Info: Device utilisation:
Info: \t         ICESTORM_LC:    6040/   5280   114%
Info: \t        ICESTORM_RAM:      30/     30   100%
Info: \t               SB_IO:       4/     96     4%
ERROR: Failed to expand region (0, 0) |_> (25, 31) of 6040 ICESTORM_LCs
1 warning, 1 error
"""


def _report(fmax: float) -> Report:
    return Report("a-board", "00", (Resource("logic cell", 10, 20),), fmax, 24.0, {"SB_LUT4": 9}, {"pyosys": "0.70"})


def test_overflow_names_the_resource_and_by_how_much() -> None:
    used = report.resources(LOG, FAMILIES["ice40"].resources)
    assert used[:2] == (Resource("logic cell", 6040, 5280), Resource("block RAM (4 kbit)", 30, 30))
    with pytest.raises(DoesNotFit, match="6,040 of 5,280 logic cells, 760 too many") as caught:
        report.check_room(used, "a-board")
    assert "block RAM" not in str(caught.value)


def test_timing_not_met_says_by_how_much() -> None:
    _report(24.0).check_timing()
    with pytest.raises(DoesNotFit, match="runs at 23.5 MHz, the board's clock is 24.0 MHz, 0.5 MHz too fast"):
        _report(23.5).check_timing()


def test_the_slowest_clock_counts() -> None:
    fmax = {"a": {"achieved": 70.5, "constraint": 50.0}, "b": {"achieved": 40.25, "constraint": 25.0}}
    assert report.slowest(json.dumps({"fmax": fmax})) == 40.25


def _step(kind: str, to: str, delay: float, net: str = "") -> dict[str, object]:
    return {"type": kind, "to": {"cell": to}, "delay": delay, **({"net": net} if net else {})}


SHORT = [_step("clk-to-q", "a", 1.0), _step("routing", "b", 2.0, "w"), _step("setup", "b", 0.5)]
LONG = [
    *(_step("clk-to-q", "a", 1.0), _step("routing", "l", 6.0, "first"), _step("logic", "l", 0.75)),
    *(_step("routing", "z", 2.5, "second"), _step("setup", "z", 0.25)),
]
ROUTED = {
    "critical_paths": [
        {"from": "posedge clk", "to": "posedge clk", "path": SHORT},
        {"from": "posedge clk", "to": "posedge clk", "path": LONG},
        {"from": "<async>", "to": "posedge clk", "path": [_step("routing", "b", 99.0, "pin")]},
    ]
}
HOPS = (Hop("a", 1.0, "first", 6.0), Hop("l", 0.75, "second", 2.5), Hop("z", 0.25))


def test_the_critical_path_is_the_longest_between_registers() -> None:
    assert report.critical_path(json.dumps(ROUTED)) == HOPS
    assert report.critical_path('{"critical_paths": []}') == ()
    made = replace(_report(23.5), path=HOPS)
    assert made.path_said() == "critical path from a to z: 10.5 ns, 8.5 of them in wires"
    assert made.path_rows()[1] == {"cell": "l", "ns": 0.75, "wire": "second", "wire ns": 2.5}
    assert _report(23.5).path_said() == ""
    with pytest.raises(DoesNotFit, match="from a to z: 10.5 ns") as caught:
        made.check_timing()
    assert "--clock" in caught.value.hint


def test_a_report_survives_its_file() -> None:
    made = _report(30.0)
    assert Report.from_dict(json.loads(made.as_json())) == made
    made = replace(made, path=HOPS)
    assert Report.from_dict(json.loads(made.as_json())) == made
    earlier = {key: value for key, value in _report(30.0).as_dict().items() if key != "path"}
    assert Report.from_dict(earlier) == _report(30.0)


def test_a_tool_says_what_is_wrong() -> None:
    assert tools.error(LOG).startswith("Failed to expand region")
    assert tools.error("one\ntwo\n") == "two"


def test_missing_tools_are_all_named() -> None:
    with pytest.raises(ToolMissing, match="no-such-a and no-such-b are not installed") as caught:
        tools.versions(["click", "no-such-a", "no-such-b"])
    assert "pip install nirdeploy[bitstream]" in str(caught.value)
