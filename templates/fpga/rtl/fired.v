// Whether a neuron fires, and its membrane after that: one cycle. What is held against the threshold may be another
// value than the membrane, and the reset may come in the next step (`keeps`).
module fired #(
    parameter S = 24
) (
    input  wire                clk,
    input  wire                enable,
    input  wire signed [S-1:0] value,
    input  wire signed [S-1:0] compared,
    input  wire signed [S-1:0] threshold,
    input  wire signed [S-1:0] reset,
    input  wire                saturated_in,
    input  wire                fire,
    input  wire                keeps,
    input  wire                subtract,
    output reg                 spike,
    output reg  signed [S-1:0] result,
    output reg                 saturated
);
    wire                fires  = fire && compared > threshold;
    wire                resets = fires && !keeps;
    wire signed [S-1:0] after;
    wire                over;

    reset_by #(.S(S)) now (.value(value), .reset(reset), .subtract(subtract), .result(after), .over(over));

    always @(posedge clk) if (enable) begin
        spike     <= fires;
        saturated <= saturated_in || (resets && over);
        result    <= resets ? after : value;
    end
endmodule
