// round(decay * value / 2^D) + bias, to nearest, ties away from zero: half is added to the product, one unit less where
// it is negative. Three cycles; COMPACT: one, in a multiplier that adds.
module decayed #(
    parameter S       = 24,  // bits of value and bias
    parameter D       = 16,  // fraction bits of the decay
    parameter COMPACT = 0
) (
    input  wire                  clk,
    input  wire                  enable,
    input  wire signed [S-1:0]   value,
    input  wire [D:0]            decay,
    input  wire signed [S-1:0]   bias,
    output wire signed [S+1:0]   result
);
    localparam P = S + D + 2;  // bits of the product, and of its sum with the bias
    wire signed [P-1:0] product;
    wire signed [P-1:0] addend;
    // verilator lint_off UNUSEDSIGNAL
    reg  signed [P-1:0] total;  // the fraction's bits are dropped
    // verilator lint_on UNUSEDSIGNAL

    assign result = total[P-1:D];

    generate
        if (COMPACT != 0) begin : at_once
            assign product = value * $signed({1'b0, decay});
            assign addend = {{2{bias[S-1]}}, bias, !value[S-1], {(D-1){value[S-1]}}};
        end else begin : piped
            reg signed [S-1:0] value1, bias1, bias2;
            reg signed [P-1:0] product2;
            reg [D:0]          decay1;
            reg                negative2;
            assign product = product2;
            assign addend = {{2{bias2[S-1]}}, bias2, !negative2, {(D-1){negative2}}};
            always @(posedge clk) if (enable) begin
                value1    <= value;
                decay1    <= decay;
                bias1     <= bias;
                product2  <= value1 * $signed({1'b0, decay1});
                negative2 <= value1[S-1];
                bias2     <= bias1;
            end
        end
    endgenerate

    always @(posedge clk) if (enable) total <= product + addend;
endmodule
