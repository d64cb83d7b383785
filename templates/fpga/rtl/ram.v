// Simple dual-port memory: one write port, one registered read port. Every memory of the design but the
// weights is one of these, so that each synthesizer maps it to its block or distributed RAM.
//
// What a read returns of the address that is written in the same cycle must not matter: block RAMs differ in
// it, and logic around each of them would be the price of a promise.
module ram #(
    parameter WIDTH = 32,
    parameter DEPTH = 512,
    parameter AW    = $clog2(DEPTH)
) (
    input  wire             clk,
    input  wire             we,
    input  wire [AW-1:0]    waddr,
    input  wire [WIDTH-1:0] wdata,
    input  wire             re,
    input  wire [AW-1:0]    raddr,
    output reg  [WIDTH-1:0] rdata
);
    (* no_rw_check *)
    reg [WIDTH-1:0] mem [0:DEPTH-1];

    always @(posedge clk) begin
        if (we) mem[waddr] <= wdata;
        if (re) rdata <= mem[raddr];
    end
endmodule
