// The design's two memories as the worst of chips has them: at power-up they hold anything, what is read of the address
// that is written in the same cycle is unknown.
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
    reg [WIDTH-1:0] mem [0:DEPTH-1];
    integer i, n;
    initial for (i = 0; i < DEPTH; i = i + 1) for (n = 0; n < WIDTH; n = n + 1) mem[i][n] = $random;

    always @(posedge clk) begin
        if (we) mem[waddr] <= wdata;
        if (re) rdata <= we && waddr == raddr ? {WIDTH{1'bx}} : mem[raddr];
    end
endmodule

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
    integer i, n;
    initial for (i = 0; i < DEPTH; i = i + 1) for (n = 0; n < WIDTH; n = n + 1) mem[i][n] = $random;

    always @(posedge clk) begin
        if (we) mem[addr] <= wdata;
        else if (re) rdata <= mem[addr];
    end
endmodule
