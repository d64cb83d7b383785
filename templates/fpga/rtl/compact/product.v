// value * by, in the same cycle, and for the sum of both nothing else: a multiplier that adds does all of it.
module product #(
    parameter S = 24,
    parameter D = 16,
    parameter P = S + D + 2
) (
    // verilator lint_off UNUSEDSIGNAL
    input  wire                clk,
    input  wire                enable,
    // verilator lint_on UNUSEDSIGNAL
    input  wire signed [S-1:0] value,
    input  wire [D:0]          by,
    output wire signed [P-1:0] low,
    output wire signed [P-1:0] high
);
    assign low  = value * $signed({1'b0, by});
    assign high = {P{1'b0}};
endmodule
