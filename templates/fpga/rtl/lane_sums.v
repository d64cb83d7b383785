// What two lanes have summed of their weights. A family may have cells that do this: then a module of this name stands in
// the place of this one (`cells` in a board's file).
module lane_sums #(
    parameter WEIGHT_BITS = 8,
    parameter ACC_BITS    = 20
) (
    input  wire                     clk,
    input  wire                     enable,
    input  wire                     clear,
    input  wire [2*WEIGHT_BITS-1:0] weights,
    output wire [2*ACC_BITS-1:0]    sums
);
    genvar i;
    generate
        for (i = 0; i < 2; i = i + 1) begin : lane
            wire signed [WEIGHT_BITS-1:0] weight = weights[i*WEIGHT_BITS +: WEIGHT_BITS];
            reg signed [ACC_BITS-1:0] sum;
            assign sums[i*ACC_BITS +: ACC_BITS] = sum;
            always @(posedge clk) if (enable)
                sum <= clear ? {ACC_BITS{1'b0}} : sum + {{(ACC_BITS-WEIGHT_BITS){weight[WEIGHT_BITS-1]}}, weight};
        end
    endgenerate
endmodule
