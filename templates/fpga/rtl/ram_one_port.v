// Memory with one port: a cycle writes or reads. The weights are one of these per 32 bits of a row, so that
// they may stand in memories that have no second port (the large ones of the iCE40 UltraPlus).
module ram_one_port #(
    parameter WIDTH = 32,
    parameter DEPTH = 512,
    parameter AW    = $clog2(DEPTH)
) (
    input  wire             clk,
    input  wire [AW-1:0]    addr,
    input  wire             we,
    input  wire [WIDTH-1:0] wdata,
    input  wire             re,
    output reg  [WIDTH-1:0] rdata
);
    reg [WIDTH-1:0] mem [0:DEPTH-1];

    always @(posedge clk) begin
        if (we) mem[addr] <= wdata;
        else if (re) rdata <= mem[addr];
    end
endmodule
