"""What the tools are given, and what is kept of what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from nirdeploy.backends.fpga.synthesis import flow, tools
from nirdeploy.backends.fpga.synthesis.families import FAMILIES
from nirdeploy.errors import ToolMissing
from nirdeploy.records import cache
from nirdeploy.targets import registry

PULLED_UP = {
    "fpga-arty-a7": "{ PACKAGE_PIN A9 IOSTANDARD LVCMOS33 PULLUP TRUE } [get_ports rx]",
    "fpga-colorlight-i5": 'IOBUF PORT "rx" IO_TYPE=LVCMOS33 PULLMODE=UP;',
    "fpga-icebreaker": "set_io -pullup yes rx 6",
    "fpga-tang-nano-20k": 'IO_PORT "rx" IO_TYPE=LVCMOS33 PULL_MODE=UP;',
    "fpga-ulx3s": 'IOBUF PORT "rx" IO_TYPE=LVCMOS33 PULLMODE=UP;',
}


def test_every_board_is_here() -> None:
    assert set(PULLED_UP) == {name for name in registry.names() if registry.load(name).synthesis is not None}


@pytest.mark.parametrize("name", PULLED_UP)
def test_an_open_line_is_idle(name: str) -> None:
    files = flow.sources(registry.load(name))
    (pins,) = [files[file].decode() for file in files if file.rpartition(".")[2] in ("lpf", "pcf", "cst", "xdc")]
    assert PULLED_UP[name] in pins
    assert pins.upper().count("PULL") == 1


def test_a_boards_goal_is_aimed_at_unless_its_clock_is_faster() -> None:
    target = registry.load("fpga-ulx3s")
    assert target.synthesis is not None
    goal = target.synthesis.goal_hz
    assert goal is not None
    for clock, mhz in ((40_000_000, 1e-6 * goal), (100_000_000, 125.0)):
        board = flow.variant(target, clock_hz=clock)
        assert f'FREQUENCY NET "clk" {mhz:.2f} MHZ;' in flow.sources(board)["board.lpf"].decode()
        _, _, arguments = flow._route(board, FAMILIES["ecp5"], ())
        assert arguments[arguments.index("--freq") + 1] == f"{mhz:.2f}"
    without = registry.load("fpga-colorlight-i5")
    assert "FREQUENCY NET" not in flow.sources(without)["board.lpf"].decode()


def test_the_log_of_a_synthesis_is_kept_with_its_netlist_and_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path / "cache"))
    board, family = tmp_path / "board.v", FAMILIES["ecp5"]
    board.write_text("module board(input a, output b); assign b = !a; endmodule\n")
    flow.synthesize(family, tmp_path)
    said = (tmp_path / "synthesis.log").read_text()
    assert "Running command `synth_ecp5 -top board'" in said
    (tmp_path / "synthesis.log").unlink()
    assert len(list((cache.folder() / "netlists").glob("*.zip"))) == 1
    flow.synthesize(family, tmp_path)
    assert (tmp_path / "synthesis.log").read_text() == said
    board.write_text("module board(input a, output b); nothing here endmodule\n")
    with pytest.raises(ToolMissing, match="Yosys failed with status"):
        flow.synthesize(family, tmp_path)
    assert "syntax error" in (tmp_path / "synthesis.log").read_text()


def test_what_an_earlier_nirdeploy_kept_otherwise_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A netlist without the log that is looked for today, a report with fewer lines: not taken from the cache."""
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "board.v").write_text("module board(input a, output b); assign b = a; endmodule\n")
    target = registry.load("fpga-ulx3s")
    files = flow.sources(target)
    with monkeypatch.context() as earlier:
        earlier.setattr(flow, "LOGS", ("said.log", "routing.log"))
        flow.synthesize(FAMILIES["ecp5"], tmp_path)
        key = flow._key(target, files, {})
    flow.synthesize(FAMILIES["ecp5"], tmp_path)
    for log in ("said.log", "synthesis.log"):
        assert "Running command `synth_ecp5 -top board'" in (tmp_path / log).read_text()
    assert flow._key(target, files, {}) != key


def test_a_bitstream_that_cannot_be_made_says_where_the_logs_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path))
    data = registry.load("fpga-ulx3s").model_dump(by_alias=True)
    data["name"] = "mine"
    target = registry.validate(data, where="mine")
    broken = flow.sources(target)
    broken.add("rtl/broken.v", b"module broken(; endmodule\n")
    monkeypatch.setattr(flow, "sources", lambda _: broken)
    with pytest.raises(ToolMissing, match="Yosys failed") as caught:
        flow.bitstream(target)
    folder = Path(caught.value.hint.rpartition("the tools' logs are in ")[2])
    assert "rtl/broken.v:1: ERROR: syntax error" in (folder / "synthesis.log").read_text()
    assert [path.name for path in folder.iterdir()] == ["synthesis.log"]
    assert tools.error((folder / "synthesis.log").read_text()) in str(caught.value)
