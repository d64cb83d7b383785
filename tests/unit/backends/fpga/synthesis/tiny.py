"""A board with next to nothing on it: what is around the design, through the real tools in seconds."""

from __future__ import annotations

from pathlib import Path

from nirdeploy.backends.fpga.synthesis import families, flow, tools
from nirdeploy.targets import registry

_DEVICE = """
module serial_device #(parameter EVENTS = 1) (
    input wire clk, clk_cores, rst, rx, input wire [15:0] divider, output reg tx, active, output wire awake
);
    always @(posedge clk) {tx, active} <= rst ? 2'b00 : {rx, tx ^ divider[0]};
    assign awake = 1'b0;
endmodule
"""


def routed(name: str, folder: Path) -> tuple[str, str]:
    """What the router wrote, and its log; the bitstream is packed beside it."""
    target = registry.load(name)
    chosen = families.synthesis(target)
    family = families.FAMILIES[chosen.family]
    files = flow.sources(target)
    for file in ("board.v", family.constraints):
        (folder / file).write_bytes(files[file])
    (folder / "device.v").write_text(_DEVICE)
    flow.synthesize(family, folder)
    module, function, arguments = family.route(chosen, target.serial_board.clock_hz)
    status, log = tools.call(module, function, [*arguments, *family.written], folder)
    assert status == 0, log
    status, packed = tools.call(*family.pack(chosen), folder)
    assert status == 0, packed
    return (folder / family.written[1]).read_text(), log
