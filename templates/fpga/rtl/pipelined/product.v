// value * by as two summands, one cycle later: each is what one multiplier of 18 x 18 bits makes, so that nothing has to
// be added up behind it in the same cycle.
module product #(
    parameter S = 24,      // bits of the value
    parameter D = 16,      // bits of what it is multiplied by, less one
    parameter P = S + D + 2
) (
    input  wire                clk,
    input  wire                enable,
    input  wire signed [S-1:0] value,
    input  wire [D:0]          by,
    output wire signed [P-1:0] low,
    output wire signed [P-1:0] high
);
    localparam L = S > 18 ? 17 : 0;        // bits of the value in the lower one
    wire signed [D+1:0]     factor = $signed({1'b0, by});
    reg  signed [S-L+D+1:0] upper;
    wire signed [S-L-1:0]   top = value[S-1:L];

    always @(posedge clk) if (enable) upper <= top * factor;

    generate
        if (L != 0) begin : both
            reg  signed [L+D+2:0] lower;
            wire signed [L:0]     bottom = $signed({1'b0, value[L-1:0]});
            always @(posedge clk) if (enable) lower <= bottom * factor;
            assign low  = {{(P-L-D-3){lower[L+D+2]}}, lower};
            assign high = {upper, {L{1'b0}}};
        end else begin : one
            assign low  = {P{1'b0}};
            assign high = upper;
        end
    endgenerate
endmodule
