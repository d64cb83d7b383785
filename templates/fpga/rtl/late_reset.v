// A reset that a membrane did not get in the step of its spike, one cycle later. Either it gets it now, or (`keeps`) it
// stands as it is and only what is held against the threshold is lowered: it must rise by one more threshold to fire.
module late_reset #(
    parameter S = 24
) (
    input  wire                clk,
    input  wire                enable,
    input  wire signed [S-1:0] value,
    input  wire                saturated_in,
    input  wire                resets,
    input  wire                keeps,
    input  wire signed [S-1:0] reset,
    input  wire                subtract,
    output reg  signed [S-1:0] kept,
    output reg  signed [S-1:0] compared,
    output reg                 saturated
);
    wire signed [S-1:0] lowered;
    wire                over;

    reset_by #(.S(S)) now (.value(value), .reset(reset), .subtract(subtract), .result(lowered), .over(over));

    always @(posedge clk) if (enable) begin
        kept      <= resets && !keeps ? lowered : value;
        compared  <= resets ? lowered : value;
        saturated <= saturated_in || (resets && over);
    end
endmodule
