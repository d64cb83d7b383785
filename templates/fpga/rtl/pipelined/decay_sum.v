// What decay left of a neuron and what enters it: their sum, one cycle after `decayed`. `entering` comes in that cycle.
module decay_sum #(
    parameter S    = 24,
    parameter WIDE = 38
) (
    input  wire                   clk,
    input  wire                   enable,
    input  wire signed [S+1:0]    decayed,
    input  wire signed [WIDE-1:0] entering,
    output wire signed [WIDE-1:0] sum
);
    reg signed [S+1:0] decayed_then;
    always @(posedge clk) if (enable) decayed_then <= decayed;
    assign sum = {{(WIDE-S-2){decayed_then[S+1]}}, decayed_then} + entering;
endmodule
