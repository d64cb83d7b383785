// Where the pipelined form has registers to make a path shorter: nothing, what comes in goes on in the same cycle.
// verilator lint_off UNUSEDPARAM
// verilator lint_off UNUSEDSIGNAL
module stage #(
    parameter WIDTH  = 8,
    parameter CYCLES = 1
) (
    input  wire             clk,
    input  wire             enable,
    input  wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out
);
    // verilator lint_on UNUSEDPARAM
    // verilator lint_on UNUSEDSIGNAL
    assign out = in;
endmodule
