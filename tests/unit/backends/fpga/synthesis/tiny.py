"""A board with next to nothing on it: what is around the design, through the real tools in seconds."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from nirdeploy.backends.fpga.synthesis import families, flow, tools
from nirdeploy.targets import registry

_DEVICE = """
module serial_device #(parameter EVENTS = 1, DIVIDER_BITS = 16) (
    input wire clk, clk_cores, rst, rx, input wire [15:0] divider, output reg tx, active, output wire awake
);
    always @(posedge clk) {tx, active} <= rst ? 2'b00 : {rx, tx ^ divider[0]};
    assign awake = 1'b0;
endmodule
"""


#: In the place of all but the wire and the memory: what is read is sent, what comes is written.
_WITH_MEMORY = """
module device #(parameter EVENTS = 1) (
    input wire clk, clk_cores, reset, in_valid, out_ready, mem_ready, mem_got,
    input wire [7:0] in_data, input wire [31:0] mem_data,
    output wire in_ready, out_valid, mem_valid, mem_write, active, awake, output wire [7:0] out_data,
    output wire [{bits}:0] mem_addr, output wire [31:0] mem_wdata
);
    reg [31:0] count, seen;
    always @(posedge clk) begin
        count <= reset ? 32'd0 : count + {{23'd0, in_valid ^ mem_ready, in_data}};
        if (mem_got) seen <= seen ^ mem_data;
    end
    assign {{in_ready, mem_valid, awake, active}} = {{out_ready, 3'b110}};
    assign {{out_valid, mem_write}} = count[1:0];
    assign mem_addr  = count[{bits}:0];
    assign mem_wdata = {{count[7:0], count[31:8]}};
    assign out_data  = seen[7:0] ^ seen[15:8] ^ seen[23:16] ^ seen[31:24];
endmodule
"""
_WIRE = ("serial_device", "uart_rx", "uart_tx", "fifo", "ram", "register_slice", "sdram", "sdram_pins")


def routed(name: str, folder: Path) -> tuple[str, str]:
    """What the router wrote, and its log; the bitstream is packed beside it."""
    target = registry.load(name)
    chosen = families.synthesis(target)
    family = families.FAMILIES[chosen.family]
    files = flow.sources(target)
    for file in ("board.v", family.constraints):
        (folder / file).write_bytes(files[file])
    if target.hardware.external:
        for file in files:
            if PurePosixPath(file).stem in _WIRE:
                (folder / PurePosixPath(file).name).write_bytes(files[file])
        (folder / "device.v").write_text(_WITH_MEMORY.format(bits=target.hardware.external_bits - 1))
    else:
        (folder / "device.v").write_text(_DEVICE)
    flow.synthesize(family, folder)
    module, function, arguments = family.route(chosen, target.serial_board.clock_hz)
    status, log = tools.call(module, function, [*arguments, *family.written], folder)
    assert status == 0, log
    status, packed = tools.call(*family.pack(chosen), folder)
    assert status == 0, packed
    return (folder / family.written[1]).read_text(), log
