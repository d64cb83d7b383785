// What decay left of a neuron and what enters it: their sum, one cycle after both.
module decay_sum #(
    parameter S    = 24,
    parameter WIDE = 38
) (
    input  wire                   clk,
    input  wire                   enable,
    input  wire signed [S+1:0]    decayed,
    input  wire signed [WIDE-1:0] entering,
    output reg  signed [WIDE-1:0] sum
);
    always @(posedge clk) if (enable) sum <= {{(WIDE-S-2){decayed[S+1]}}, decayed} + entering;
endmodule
